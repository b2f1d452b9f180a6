//! Aggregation in place: groups rows by the codes of their segments and decodes only what is returned.
//!
//! `request` says what can be asked, `plan` lays out the work, `source` presents a segment (or, by
//! `batch`, rows that have no codes) as columns of codes, `prepare` turns conditions into sets of codes.
//! Per source `domain` numbers the values of a key and `numbering` the groups, `fields` adds up codes (of each `input`, by
//! the loops in `adding`), `partial` makes records of the groups that have global identities; `merge` brings the
//! records of all sources together and `output` makes arrays of them. Any number of threads may work on one aggregation.
//!
//! It knows no SQL: what conditions and functions over values mean is handed in by the caller.

mod adding;
mod batch;
mod domain;
mod fields;
mod input;
mod merge;
mod numbering;
mod output;
mod partial;
mod plan;
mod prepare;
mod request;
mod run;
mod source;
mod values;

pub use output::{Groups, MeasureValues};
pub use request::{
    AggregateError, AggregateRequest, BoxError, Condition, Fold, GroupKey, Having, KeyFunction,
    Measure, Top, ValueMap, ValueTest,
};
pub use run::{Aggregation, Merging, Worker};
pub use values::array_of as integer_array;
