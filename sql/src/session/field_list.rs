//! COM_FIELD_LIST: the columns of a table, for clients that complete names.

use super::{Session, access::Need, show::like};
use crate::dialect::lex;
use crate::error::{Result, SqlError};
use crate::result::ResultColumn;
use crate::types::QuotedName;

impl Session {
    /// The columns of a table of the current database whose names match a LIKE pattern; an empty one
    /// matches all.
    pub async fn field_list(&mut self, table: &str, pattern: &str) -> Result<Vec<ResultColumn>> {
        let schema = self.database.clone();
        let schema = schema.ok_or_else(SqlError::no_database_selected)?;
        self.authorize_needs(&[Need::SeenTable(schema, table.to_owned())])?;
        let query = lex(&format!("SELECT * FROM {}", QuotedName(table)))?;
        let result = self.compile(query, Vec::new(), None).await;
        let mut columns = self.finished(result)?.columns;
        columns.retain(|column| pattern.is_empty() || like(pattern, &column.name));
        Ok(columns)
    }
}
