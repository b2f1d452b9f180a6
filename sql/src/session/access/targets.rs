//! The tables that an UPDATE or DELETE of several says to change.

use sqlparser::ast::ObjectName;

use crate::types::same_name;

/// A table that an UPDATE or DELETE says to change.
pub(super) struct Target {
    schema: Option<String>,
    /// Its name, or the one that the statement gives it.
    name: String,
}

impl Target {
    /// `t` of `t.c` and of `d.t.c`; `None` of `c`.
    pub(super) fn of_column(name: &ObjectName) -> Option<Self> {
        let mut parts = idents(name);
        parts.pop();
        (!parts.is_empty()).then(|| Self::of_parts(parts))
    }

    /// Of `t`, `d.t`, `t.*` and `d.t.*`.
    pub(super) fn of_table(name: &ObjectName) -> Self {
        let mut parts = idents(name);
        if parts.last().is_some_and(|last| last == "*") {
            parts.pop();
        }
        Self::of_parts(parts)
    }

    fn of_parts(mut parts: Vec<String>) -> Self {
        let name = parts.pop().unwrap_or_default();
        let schema = parts.pop();
        Self { schema, name }
    }

    /// Whether it may mean a table of this database that the statement calls so. Names are compared as they are where
    /// the statement is carried out (`change::targets`).
    pub(super) fn may_be(&self, schema: &str, alias: &str) -> bool {
        let in_schema = self.schema.as_deref().is_none_or(|own| own == schema);
        in_schema && same_name(&self.name, alias)
    }
}

pub(super) fn idents(name: &ObjectName) -> Vec<String> {
    let parts = name.0.iter().filter_map(|part| part.as_ident());
    parts.map(|ident| ident.value.clone()).collect()
}
