//! The list of system variables.
//!
//! Some exist because clients set or read them and change nothing here: sizes of MySQL's buffers, switches
//! of its optimizer.

use super::Domain::{Charset, Collation, Isolation, SqlMode, Switch, Text, TimeZone};
use super::Scope::{Both, Global, ReadOnly, Session};
use super::{Domain, Scope, Variable};

const fn v(name: &'static str, scope: Scope, domain: Domain, default: &'static str) -> Variable {
    Variable {
        position: 0,
        name,
        scope,
        domain,
        default,
    }
}

const fn int(min: u64, max: u64) -> Domain {
    Domain::Integer { min, max }
}

const U32: u64 = u32::MAX as u64;

const DEFAULT_SQL_MODE: &str = "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,\
     NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION";

const fn numbered<const N: usize>(mut list: [Variable; N]) -> [Variable; N] {
    let mut at = 0;
    while at < N {
        list[at].position = at;
        at += 1;
    }
    list
}

/// All of them, sorted by name.
pub static VARIABLES: &[Variable] = LIST;

#[rustfmt::skip]
pub(super) const LIST: &[Variable] = &numbered([
    v("auto_increment_increment", Both, int(1, 1), "1"),
    v("auto_increment_offset", Both, int(1, 1), "1"),
    v("autocommit", Both, Switch, "ON"),
    v("basedir", ReadOnly, Text, ""),
    v("big_tables", Both, Switch, "OFF"),
    v("bind_address", ReadOnly, Text, "*"),
    v("binlog_format", Both, Text, "ROW"),
    v("bulk_insert_buffer_size", Both, int(0, u64::MAX), "8388608"),
    v("character_set_client", Both, Charset, "utf8mb4"),
    v("character_set_connection", Both, Charset, "utf8mb4"),
    v("character_set_database", Both, Charset, "utf8mb4"),
    v("character_set_filesystem", Both, Charset, "binary"),
    v("character_set_results", Both, Charset, "utf8mb4"),
    v("character_set_server", Both, Charset, "utf8mb4"),
    v("character_set_system", ReadOnly, Charset, "utf8mb3"),
    v("collation_connection", Both, Collation, "utf8mb4_0900_ai_ci"),
    v("collation_database", Both, Collation, "utf8mb4_0900_ai_ci"),
    v("collation_server", Both, Collation, "utf8mb4_0900_ai_ci"),
    v("completion_type", Both, Text, "NO_CHAIN"),
    v("connect_timeout", Global, int(2, 31_536_000), "10"),
    v("connection_memory_limit", Both, int(2_097_152, u64::MAX), "18446744073709551615"),
    v("datadir", ReadOnly, Text, ""),
    v("default_storage_engine", Both, Text, "InnoDB"),
    v("default_tmp_storage_engine", Both, Text, "InnoDB"),
    v("default_week_format", Both, int(0, 0), "0"),
    v("div_precision_increment", Both, int(4, 4), "4"),
    v("end_markers_in_json", Both, Switch, "OFF"),
    v("event_scheduler", ReadOnly, Text, "OFF"),
    v("explicit_defaults_for_timestamp", Both, Switch, "ON"),
    v("foreign_key_checks", Both, Switch, "ON"),
    v("general_log", ReadOnly, Switch, "OFF"),
    v("group_concat_max_len", Both, int(4, u64::MAX), "1024"),
    v("gtid_executed", ReadOnly, Text, ""),
    v("gtid_mode", ReadOnly, Text, "OFF"),
    v("gtid_purged", ReadOnly, Text, ""),
    v("have_profiling", ReadOnly, Text, "NO"),
    v("have_ssl", ReadOnly, Text, "DISABLED"),
    v("hostname", ReadOnly, Text, "localhost"),
    v("information_schema_stats_expiry", Both, int(0, 31_536_000), "86400"),
    v("init_connect", Global, Text, ""),
    v("innodb_file_per_table", ReadOnly, Switch, "ON"),
    v("innodb_flush_log_at_trx_commit", Global, int(0, 2), "1"),
    v("innodb_lock_wait_timeout", Both, int(1, 1_073_741_824), "50"),
    v("innodb_read_only", ReadOnly, Switch, "OFF"),
    v("innodb_strict_mode", Both, Switch, "ON"),
    v("interactive_timeout", Both, int(1, 31_536_000), "28800"),
    v("join_buffer_size", Both, int(128, u64::MAX), "262144"),
    v("lc_messages", Both, Text, "en_US"),
    v("lc_time_names", Both, Text, "en_US"),
    v("license", ReadOnly, Text, "Apache-2.0"),
    v("local_infile", Global, Switch, "OFF"),
    v("lock_wait_timeout", Both, int(1, 31_536_000), "31536000"),
    v("log_bin", ReadOnly, Switch, "OFF"),
    v("log_bin_trust_function_creators", Global, Switch, "OFF"),
    v("low_priority_updates", Both, Switch, "OFF"),
    v("lower_case_file_system", ReadOnly, Switch, "OFF"),
    v("lower_case_table_names", ReadOnly, int(0, 2), "0"),
    v("max_allowed_packet", Both, int(1_024, 1_073_741_824), "67108864"),
    v("max_connections", Global, int(1, 100_000), "4096"),
    v("max_error_count", Both, int(0, 65_535), "1024"),
    v("max_execution_time", Both, int(0, U32), "0"),
    v("max_heap_table_size", Both, int(16_384, u64::MAX), "16777216"),
    v("max_join_size", Both, int(1, u64::MAX), "18446744073709551615"),
    v("max_prepared_stmt_count", Global, int(0, 4_194_304), "16382"),
    v("max_sort_length", Both, int(4, 8_388_608), "1024"),
    v("max_sp_recursion_depth", Both, int(0, 255), "0"),
    v("max_user_connections", Both, int(0, U32), "0"),
    v("net_buffer_length", Both, int(1_024, 1_048_576), "16384"),
    v("net_read_timeout", Both, int(1, 31_536_000), "30"),
    v("net_retry_count", Both, int(1, u64::MAX), "10"),
    v("net_write_timeout", Both, int(1, 31_536_000), "60"),
    v("optimizer_prune_level", Both, int(0, 1), "1"),
    v("optimizer_search_depth", Both, int(0, 62), "62"),
    v("optimizer_switch", Both, Text, ""),
    v("optimizer_trace", Both, Text, "enabled=off,one_line=off"),
    v("performance_schema", ReadOnly, Switch, "OFF"),
    v("port", ReadOnly, int(0, 65_535), "0"),
    v("profiling", Both, Switch, "OFF"),
    v("profiling_history_size", Both, int(0, 100), "15"),
    v("protocol_version", ReadOnly, int(10, 10), "10"),
    v("pseudo_replica_mode", Session, Switch, "OFF"),
    v("pseudo_slave_mode", Session, Switch, "OFF"),
    v("query_cache_size", ReadOnly, int(0, 0), "0"),
    v("query_cache_type", ReadOnly, Text, "OFF"),
    v("read_buffer_size", Both, int(8_192, 2_147_479_552), "131072"),
    v("read_only", Global, Switch, "OFF"),
    v("read_rnd_buffer_size", Both, int(1, 2_147_483_647), "262144"),
    v("require_secure_transport", ReadOnly, Switch, "OFF"),
    v("resultset_metadata", Session, Text, "FULL"),
    v("secure_file_priv", ReadOnly, Text, "NULL"),
    v("server_id", Global, int(0, U32), "1"),
    v("session_track_gtids", Both, Text, "OFF"),
    v("session_track_schema", Both, Switch, "ON"),
    v("session_track_state_change", Both, Switch, "OFF"),
    v("session_track_system_variables", Both, Text, "time_zone,autocommit,character_set_client,character_set_results,character_set_connection"),
    v("session_track_transaction_info", Both, Text, "OFF"),
    v("show_create_table_skip_secondary_engine", Session, Switch, "OFF"),
    v("show_create_table_verbosity", Both, Switch, "OFF"),
    v("skip_name_resolve", ReadOnly, Switch, "ON"),
    v("skip_networking", ReadOnly, Switch, "OFF"),
    v("slow_query_log", ReadOnly, Switch, "OFF"),
    v("socket", ReadOnly, Text, ""),
    v("sort_buffer_size", Both, int(32_768, u64::MAX), "262144"),
    v("sql_auto_is_null", Both, Switch, "OFF"),
    v("sql_big_selects", Both, Switch, "ON"),
    v("sql_buffer_result", Both, Switch, "OFF"),
    v("sql_generate_invisible_primary_key", Both, Switch, "OFF"),
    v("sql_log_bin", Session, Switch, "ON"),
    v("sql_mode", Both, SqlMode, DEFAULT_SQL_MODE),
    v("sql_notes", Both, Switch, "ON"),
    v("sql_quote_show_create", Both, Switch, "ON"),
    v("sql_require_primary_key", Both, Switch, "OFF"),
    v("sql_safe_updates", Both, Switch, "OFF"),
    v("sql_select_limit", Both, int(0, u64::MAX), "18446744073709551615"),
    v("sql_warnings", Both, Switch, "OFF"),
    v("super_read_only", ReadOnly, Switch, "OFF"),
    v("system_time_zone", ReadOnly, Text, "UTC"),
    v("table_definition_cache", Global, int(400, 524_288), "2000"),
    v("table_open_cache", Global, int(1, 524_288), "4000"),
    v("thread_cache_size", Global, int(0, 16_384), "9"),
    v("time_zone", Both, TimeZone, "SYSTEM"),
    v("tmp_table_size", Both, int(1_024, u64::MAX), "16777216"),
    v("tmpdir", ReadOnly, Text, "/tmp"),
    v("transaction_isolation", Both, Isolation, "REPEATABLE-READ"),
    v("transaction_read_only", Both, Switch, "OFF"),
    v("tx_isolation", Both, Isolation, "REPEATABLE-READ"),
    v("tx_read_only", Both, Switch, "OFF"),
    v("unique_checks", Both, Switch, "ON"),
    v("updatable_views_with_limit", Both, Switch, "ON"),
    v("version", ReadOnly, Text, ""),
    v("version_comment", ReadOnly, Text, "Storno, columnar analytics database"),
    v("version_compile_machine", ReadOnly, Text, std::env::consts::ARCH),
    v("version_compile_os", ReadOnly, Text, std::env::consts::OS),
    v("wait_timeout", Both, int(1, 31_536_000), "28800"),
    v("windowing_use_high_precision", Both, Switch, "ON"),
]);
