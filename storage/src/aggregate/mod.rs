//! Aggregation in place: groups rows by the codes of their segments and decodes only what is returned.
//!
//! `request` says what can be asked, `plan` lays out the work, `source` presents a segment (or, by
//! `batch`, rows that have no codes) as columns of codes, `prepare` turns conditions into sets of codes.
//! Per source `domain` numbers the values of a key and `numbering` the groups, `fields` adds up codes (of each `input`, by
//! the loops in `adding`), `partial` makes records of the groups that have global identities (strings under a fold have those
//! of `folded`; `places` finds numbers among many); `merge` brings the
//! records of all sources together (`distinct` those of COUNT(DISTINCT)) and `output` makes arrays of them. Where only the first groups by a measure are
//! wanted, sources keep theirs (`kept`) until `first` has found which of them need records at all. Any number of threads may work on one aggregation.
//!
//! It knows no SQL: what conditions and functions over values mean is handed in by the caller.

mod adding;
mod batch;
mod distinct;
mod domain;
mod fields;
mod first;
mod folded;
mod granules;
mod input;
mod kept;
mod merge;
mod merging;
mod numbering;
mod output;
mod partial;
mod places;
mod plan;
mod prepare;
mod request;
mod run;
mod sorted;
mod source;
mod values;

pub use merging::Merging;
pub use output::{Groups, MeasureValues};
pub use request::{
    AggregateError, AggregateRequest, BoxError, Condition, Fold, GroupKey, Having, KeyFunction,
    Measure, Top, ValueMap, ValueTest,
};
pub use run::{Aggregation, Worker};
pub use values::array_of as integer_array;
