//! SCHEMATA: the databases.

use super::column::{choice, name, row, varchar};
use super::{CATALOG, INFORMATION_SCHEMA, Row, Scope, VirtualTable};
use crate::ddl::SchemaAttributes;
use crate::error::Result;
use crate::select::planner::View;
use crate::types::charset::stored_charset;

pub static SCHEMATA: VirtualTable = VirtualTable {
    name: "SCHEMATA",
    columns: &[
        name("CATALOG_NAME"),
        name("SCHEMA_NAME"),
        name("DEFAULT_CHARACTER_SET_NAME"),
        name("DEFAULT_COLLATION_NAME"),
        varchar("SQL_PATH", 512).or_null(),
        choice("DEFAULT_ENCRYPTION", &["NO", "YES"]),
    ],
    rows,
};

/// Names and collations of all databases, information_schema among them, sorted by name.
pub fn schemas(view: &View) -> Result<Vec<(String, String)>> {
    let stored = view.snapshot.schemas().into_iter().map(|(name, json)| {
        let attributes = SchemaAttributes::from_json(&json)?;
        Ok((name, attributes.collation))
    });
    let mut all = stored.collect::<Result<Vec<_>>>()?;
    let rights = view.rights();
    all.retain(|(name, _)| rights.see_schema(name));
    all.push((INFORMATION_SCHEMA.into(), "utf8mb3_general_ci".into()));
    all.sort();
    Ok(all)
}

fn rows(view: &View, _: &Scope) -> Result<Vec<Row>> {
    let row = |(name, collation): (String, String)| {
        let charset = match collation.starts_with("utf8mb3") {
            true => "utf8mb3",
            false => stored_charset(&collation),
        };
        row![CATALOG, name, charset, collation, Option::<u32>::None, "NO"]
    };
    Ok(schemas(view)?.into_iter().map(row).collect())
}
