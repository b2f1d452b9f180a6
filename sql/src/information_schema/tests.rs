//! The tables' descriptions agree with themselves.

use super::*;

#[test]
fn tables_are_sorted_described_and_found_in_any_case() {
    assert!(TABLES.is_sorted_by(|a, b| a.name < b.name));
    for table in TABLES {
        let definition = table.definition().expect(table.name);
        assert_eq!(definition.columns.len(), table.columns.len());
        assert!(definition.meta.schema == INFORMATION_SCHEMA);
    }
    assert_eq!(find("tables").map(|t| t.name), Some("TABLES"));
    assert!(find("nothing").is_none());
}
