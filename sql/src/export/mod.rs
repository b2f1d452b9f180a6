//! Exports, imports from stores and links as statements see them; `storno_transfer` does the work.
//!
//! `statement` and `import` read the clauses, `link` keeps named connections, `place` finds what a statement
//! means by a URL, `jobs` runs exports and shows them.

mod jobs;
pub(crate) mod link;
mod options;
mod place;
mod statement;

pub(crate) use jobs::{Asked, Job, JobEnd, JobKind, Jobs, Summary};
pub(crate) use link::{LinkStatement, Links};
pub(crate) use options::{Config, StoreOptions};
pub(crate) use place::{Where, open_store};
pub(crate) use statement::{Content, ExportStatement, Target};
