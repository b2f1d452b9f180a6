//! The integration tests: the real server as its own process, real drivers, real directories.
//!
//! Tests are listed at run time, because some need a client that a machine may not have; those are
//! reported as ignored there, never as passed. docs/testing.md says how to run one and what the
//! suite cannot show.

#![forbid(unsafe_code)]

mod accounts;
mod altering;
mod backup;
mod clients;
mod collations;
mod contention;
mod dashboard;
mod data;
mod demo;
mod differential;
mod doors;
mod errors;
mod event_keys;
mod export;
mod export_jobs;
mod generated;
mod harness;
mod hostile;
mod kept;
mod kill;
mod large_updates;
mod load;
mod metadata;
mod prepared;
mod protocol;
mod receiver;
mod rights;
mod slt;
mod statements;
mod types;
mod writes;

use libtest_mimic::Arguments;

fn main() {
    let arguments = Arguments::from_args();
    let trials = [
        accounts::trials(),
        altering::trials(),
        writes::trials(),
        types::trials(),
        prepared::trials(),
        protocol::trials(),
        receiver::trials(),
        rights::trials(),
        metadata::trials(),
        errors::trials(),
        event_keys::trials(),
        backup::trials(),
        export::trials(),
        export_jobs::trials(),
        generated::trials(),
        hostile::trials(),
        slt::trials(),
        statements::trials(),
        clients::trials(),
        collations::trials(),
        contention::trials(),
        dashboard::trials(),
        differential::trials(),
        doors::trials(),
        kept::trials(),
        kill::trials(),
        large_updates::trials(),
        load::trials(),
        demo::trials(),
    ];
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit();
}
