//! Prepared statements of one connection, as far as the protocol has to remember them: how many
//! parameters, which types were bound last, the long data waiting for an EXECUTE, and an open cursor.

use std::collections::{BTreeMap, HashMap};

use crate::cursor::Cursor;
use crate::error::SqlError;
use crate::execute::ParamType;

/// What was sent ahead of an EXECUTE by COM_STMT_SEND_LONG_DATA.
pub(crate) type LongData = BTreeMap<u16, Vec<u8>>;

#[derive(Debug, Default)]
pub(crate) struct Statement {
    pub(crate) params: u16,
    /// Types of the last EXECUTE that sent any; later ones may leave them out.
    pub(crate) types: Option<Vec<ParamType>>,
    /// What the last EXECUTE left to be fetched.
    pub(crate) cursor: Option<Cursor>,
    long_data: LongData,
    /// SEND_LONG_DATA has no answer, so what went wrong there is told by the EXECUTE.
    long_data_error: Option<SqlError>,
}

/// All statements of one connection.
#[derive(Debug)]
pub(crate) struct Statements {
    open: HashMap<u32, Statement>,
    max_open: usize,
    long_bytes: usize,
    max_long_bytes: usize,
    max_param_bytes: usize,
}

impl Statements {
    /// `max_open` statements, `max_long_bytes` of long data in all, `max_param_bytes` of one.
    pub(crate) fn new(max_open: usize, max_long_bytes: usize, max_param_bytes: usize) -> Self {
        Statements {
            open: HashMap::new(),
            max_open,
            long_bytes: 0,
            max_long_bytes,
            max_param_bytes,
        }
    }

    /// Error 1461 if one more statement is too many.
    pub(crate) fn admit(&self) -> Result<(), SqlError> {
        if self.open.len() < self.max_open {
            return Ok(());
        }
        let limit = self.max_open;
        let text = format!(
            "Can't create more than max_prepared_stmt_count statements (current value: {limit})"
        );
        Err(SqlError::new(1461, *b"42000", text))
    }

    pub(crate) fn insert(&mut self, id: u32, params: u16) {
        self.remove(id);
        self.open.insert(
            id,
            Statement {
                params,
                ..Statement::default()
            },
        );
    }

    /// The statement, or error 1243 as `command` gives it.
    pub(crate) fn get(&mut self, id: u32, command: &str) -> Result<&mut Statement, SqlError> {
        self.open.get_mut(&id).ok_or_else(|| {
            let text = format!("Unknown prepared statement handler ({id}) given to {command}");
            SqlError::new(1243, *b"HY000", text)
        })
    }

    /// Forgets a statement; false if there is none of that id.
    pub(crate) fn remove(&mut self, id: u32) -> bool {
        self.forget_long_data(id);
        self.open.remove(&id).is_some()
    }

    pub(crate) fn clear(&mut self) {
        self.open.clear();
        self.long_bytes = 0;
    }

    /// Keeps a piece of long data. Errors wait for the EXECUTE; an unknown statement is ignored.
    pub(crate) fn append_long_data(&mut self, id: u32, param: u16, data: &[u8]) {
        let room = self.max_long_bytes - self.long_bytes;
        let Some(statement) = self.open.get_mut(&id) else {
            return;
        };
        if statement.long_data_error.is_some() {
            return;
        }
        if param >= statement.params {
            let text = "Incorrect arguments to mysqld_stmt_send_long_data";
            statement.long_data_error = Some(SqlError::new(1210, *b"HY000", text));
            return;
        }
        let value = statement.long_data.entry(param).or_default();
        if data.len() > room || value.len() + data.len() > self.max_param_bytes {
            let text = "Parameter of prepared statement which is set through \
                        mysql_send_long_data() is longer than 'max_allowed_packet' bytes";
            statement.long_data_error = Some(SqlError::internal(text));
            return;
        }
        value.extend_from_slice(data);
        self.long_bytes += data.len();
    }

    /// Takes the long data out for an EXECUTE; the statement has none afterwards.
    pub(crate) fn take_long_data(&mut self, id: u32) -> Result<LongData, SqlError> {
        let Some(statement) = self.open.get_mut(&id) else {
            return Ok(LongData::new());
        };
        let data = std::mem::take(&mut statement.long_data);
        self.long_bytes -= data.values().map(Vec::len).sum::<usize>();
        statement.long_data_error.take().map_or(Ok(data), Err)
    }

    /// Drops the long data and any error about it (COM_STMT_RESET).
    pub(crate) fn forget_long_data(&mut self, id: u32) {
        drop(self.take_long_data(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statements() -> Statements {
        let mut statements = Statements::new(2, 10, 6);
        statements.insert(1, 2);
        statements
    }

    #[test]
    fn pieces_of_long_data_are_joined_and_taken_once() {
        let mut statements = statements();
        statements.append_long_data(1, 1, b"ab");
        statements.append_long_data(1, 1, b"cd");
        assert_eq!(
            statements.take_long_data(1),
            Ok(LongData::from([(1, b"abcd".to_vec())]))
        );
        assert_eq!(statements.take_long_data(1), Ok(LongData::new()));
    }

    #[test]
    fn errors_of_long_data_wait_for_the_execute() {
        let mut statements = statements();
        statements.append_long_data(1, 2, b"ab");
        assert_eq!(statements.take_long_data(1).unwrap_err().code, 1210);
        statements.append_long_data(1, 0, b"1234567");
        assert_eq!(statements.take_long_data(1).unwrap_err().code, 1105);
        statements.append_long_data(1, 0, b"123456");
        assert!(statements.take_long_data(1).is_ok());
    }

    #[test]
    fn the_connections_total_of_long_data_is_bounded_and_given_back() {
        let mut statements = statements();
        statements.insert(2, 1);
        statements.append_long_data(1, 0, b"123456");
        statements.append_long_data(2, 0, b"12345");
        assert_eq!(statements.take_long_data(2).unwrap_err().code, 1105);
        assert!(statements.remove(1));
        statements.append_long_data(2, 0, b"12345");
        assert!(statements.take_long_data(2).is_ok());
    }

    #[test]
    fn more_statements_than_allowed_are_refused_until_one_is_closed() {
        let mut statements = statements();
        assert!(statements.admit().is_ok());
        statements.insert(2, 0);
        assert_eq!(statements.admit().unwrap_err().code, 1461);
        assert!(statements.remove(2));
        assert!(!statements.remove(2));
        assert!(statements.admit().is_ok());
    }

    #[test]
    fn an_unknown_statement_is_error_1243_and_its_long_data_is_ignored() {
        let mut statements = statements();
        statements.append_long_data(9, 0, b"ab");
        let error = statements.get(9, "mysqld_stmt_execute").unwrap_err();
        assert_eq!(error.code, 1243);
        let text = "Unknown prepared statement handler (9) given to mysqld_stmt_execute";
        assert_eq!(error.message, text);
    }
}
