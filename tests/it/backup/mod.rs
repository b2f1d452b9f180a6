//! BACKUP DATABASE to an S3 server in this process and to a directory, `storno restore`, `storno backups`: under
//! writers, faults, SIGKILL and damage.

mod harm;
mod keeping;
mod place;
mod rows;
mod whole;

use libtest_mimic::Trial;

use crate::harness::{Outcome, block_on};

pub fn trials() -> Vec<Trial> {
    let plain = |name: &str, test: fn() -> Outcome| Trial::test(format!("backup::{name}"), test);
    vec![
        plain("what_is_restored_is_what_was_there", || {
            block_on(whole::round_trip())
        }),
        plain("a_small_change_sends_little", || {
            block_on(whole::incremental())
        }),
        plain("a_backup_is_one_moment_while_others_write", || {
            block_on(whole::one_moment())
        }),
        plain("one_database_goes_without_the_others", || {
            block_on(whole::one_database())
        }),
        plain("faults_of_the_store_are_survived", || {
            block_on(harm::faults())
        }),
        plain("a_killed_server_leaves_backups_whole", || {
            block_on(harm::killed_server())
        }),
        plain("damage_is_refused", || block_on(harm::damage())),
        plain("a_killed_backup_stops", || block_on(harm::killed_backup())),
        plain("a_backup_follows_the_server", || {
            block_on(keeping::continuous())
        }),
        plain("old_backups_are_removed", || block_on(keeping::pruned())),
        plain("privileges_and_secrets", || block_on(keeping::privileges())),
    ]
}
