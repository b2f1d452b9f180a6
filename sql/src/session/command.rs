//! Which statement is this: the first words decide, MySQL's own grammar handles what sqlparser lacks.

use super::account::parse::is_account_statement;
use super::create_select::CreateSelect;
use crate::ddl::{ViewStatement, view_statement};
use crate::dialect::{Kind, Lexed};
use crate::error::{Result, SqlError};
use crate::export::{ExportStatement, LinkStatement};

/// A statement, as far as the session tells them apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Nothing but comments.
    Empty,
    /// SELECT, WITH, VALUES, TABLE or a parenthesised query.
    Query,
    /// EXPLAIN SELECT ...; the query begins at this byte.
    Explain {
        /// It is run, and what was done is shown.
        analyze: bool,
        from: usize,
    },
    Insert,
    /// UPDATE and DELETE.
    Change,
    /// CREATE, ALTER, RENAME and DROP of databases, tables and indexes, TRUNCATE: `ddl` tells them apart.
    Define,
    /// CREATE TABLE .. SELECT
    CreateSelect(CreateSelect),
    /// CREATE VIEW, ALTER VIEW, DROP VIEW
    View(ViewStatement),
    Set,
    Show,
    /// DESCRIBE t [column]
    Describe,
    Use(String),
    Begin {
        read_only: bool,
    },
    Commit {
        chain: bool,
    },
    Rollback {
        chain: bool,
    },
    Savepoint(String),
    RollbackTo(String),
    Release(String),
    /// CREATE, ALTER, DROP and RENAME USER, GRANT, REVOKE.
    Account,
    /// Accepted without effect: FLUSH TABLES, LOCK TABLES, UNLOCK TABLES.
    Nothing,
    /// CREATE, DROP and SHOW of INGEST TOKENs.
    IngestTokens,
    /// LOAD DATA
    Load,
    /// SELECT .. INTO files; the token INTO.
    Export {
        at: usize,
    },
    /// CREATE LINK and DROP LINK.
    Link,
    /// BACKUP DATABASE
    Backup,
    Kill,
    /// PREPARE name FROM ...
    Prepare,
    Execute,
    /// DEALLOCATE PREPARE and DROP PREPARE.
    Deallocate,
    /// ANALYZE, CHECK, OPTIMIZE and REPAIR TABLE.
    Maintain,
    Do,
}

impl Command {
    /// Whether a server that is short of memory had better not begin it now. What ends transactions and
    /// statements, and what tells how the server is, always runs.
    pub fn takes_memory(&self) -> bool {
        matches!(
            self,
            Self::Query
                | Self::Insert
                | Self::Change
                | Self::CreateSelect(_)
                | Self::Load
                | Self::Export { .. }
                | Self::Backup
                | Self::Do
        )
    }
}

/// Classifies a statement by its first words; 1064 when they begin none, 1235 when Storno lacks it.
pub fn classify(lexed: &Lexed) -> Result<Command> {
    // A statement of comments alone does nothing; one of nothing at all is an error.
    if lexed.tokens.is_empty() && lexed.commented {
        return Ok(Command::Nothing);
    }
    if lexed.tokens.iter().all(|t| lexed.slice(*t) == ";") {
        return Ok(Command::Empty);
    }
    let first = lexed.word(0).to_uppercase();
    if let "CREATE" | "ALTER" | "DROP" = first.as_str()
        && let Some(statement) = view_statement(lexed)?
    {
        return Ok(Command::View(statement));
    }
    let command = match first.as_str() {
        _ if is_account_statement(lexed) => Command::Account,
        "CREATE" | "DROP" if lexed.are(1, &["INGEST", "TOKEN"]) => Command::IngestTokens,
        "SHOW" if lexed.are(1, &["INGEST", "TOKENS"]) => Command::IngestTokens,
        "CREATE" | "DROP" if LinkStatement::is(lexed) => Command::Link,
        "SELECT" | "WITH" | "(" | "VALUES" | "TABLE" => match ExportStatement::find(lexed) {
            Some(at) => Command::Export { at },
            None => Command::Query,
        },
        "INSERT" | "REPLACE" => Command::Insert,
        "UPDATE" | "DELETE" => Command::Change,
        "SET" if is_about_roles(lexed) => return Err(SqlError::not_supported("SET ROLE")),
        "SET" => Command::Set,
        "SHOW" => Command::Show,
        "DESCRIBE" | "DESC" | "EXPLAIN" => describe(lexed),
        "USE" => Command::Use(only_name(lexed, 1)?),
        "BEGIN" => ended(
            lexed,
            if lexed.is(1, "WORK") { 2 } else { 1 },
            Command::Begin { read_only: false },
        )?,
        "START" if lexed.is(1, "TRANSACTION") => start_transaction(lexed)?,
        "COMMIT" | "ROLLBACK" => end_transaction(lexed, first == "COMMIT")?,
        "SAVEPOINT" => Command::Savepoint(only_name(lexed, 1)?),
        "RELEASE" if lexed.is(1, "SAVEPOINT") => Command::Release(only_name(lexed, 2)?),
        "CREATE" => create(lexed)?,
        "DROP"
            if ["DATABASE", "SCHEMA", "TABLE", "TABLES", "INDEX"]
                .iter()
                .any(|w| lexed.is(1, w)) =>
        {
            Command::Define
        }
        "DROP" if lexed.are(1, &["TEMPORARY", "TABLE"]) => Command::Define,
        "TRUNCATE" => Command::Define,
        "ALTER" if lexed.is(1, "TABLE") || lexed.are(1, &["IGNORE", "TABLE"]) => Command::Define,
        "RENAME" if lexed.is(1, "TABLE") || lexed.is(1, "TABLES") => Command::Define,
        "FLUSH" | "LOCK" | "UNLOCK" => Command::Nothing,
        "ANALYZE" | "CHECK" | "OPTIMIZE" | "REPAIR" => Command::Maintain,
        "KILL" => Command::Kill,
        "PREPARE" => Command::Prepare,
        "EXECUTE" => Command::Execute,
        "DEALLOCATE" | "DROP" if lexed.is(1, "PREPARE") => Command::Deallocate,
        "LOAD" => Command::Load,
        "BACKUP" => Command::Backup,
        "DO" => Command::Do,
        known if KNOWN.contains(&known) => {
            let second = lexed.word(1).to_uppercase();
            let two = matches!(known, "ALTER" | "DROP" | "RENAME" | "START" | "RELEASE");
            let what = if two {
                format!("{known} {second}")
            } else {
                known.to_string()
            };
            return Err(SqlError::not_supported(&what));
        }
        _ => return Err(lexed.error_at(0)),
    };
    Ok(command)
}

/// Statements of MySQL that are not here yet.
const KNOWN: [&str; 24] = [
    "ALTER",
    "BINLOG",
    "CACHE",
    "CALL",
    "CHANGE",
    "CHECKSUM",
    "CLONE",
    "DROP",
    "GET",
    "HANDLER",
    "HELP",
    "IMPORT",
    "INSTALL",
    "PURGE",
    "RENAME",
    "RESET",
    "RESIGNAL",
    "RESTART",
    "SHUTDOWN",
    "SIGNAL",
    "START",
    "STOP",
    "UNINSTALL",
    "XA",
];

/// `SET ROLE ..` and `SET DEFAULT ROLE ..`; a variable of the name would be followed by a sign.
fn is_about_roles(lexed: &Lexed) -> bool {
    let assigns = lexed.is(2, "=") || lexed.is(2, ":=");
    lexed.are(1, &["DEFAULT", "ROLE"]) || lexed.is(1, "ROLE") && !assigns
}

fn create(lexed: &Lexed) -> Result<Command> {
    if lexed.is(1, "TABLE") {
        let with_query = CreateSelect::find(lexed);
        return Ok(with_query.map_or(Command::Define, Command::CreateSelect));
    }
    if lexed.is(1, "DATABASE") || lexed.is(1, "SCHEMA") {
        return Ok(Command::Define);
    }
    let index = ["INDEX", "UNIQUE", "FULLTEXT", "SPATIAL"];
    if index.iter().any(|word| lexed.is(1, word)) {
        return Ok(Command::Define);
    }
    let what = format!("CREATE {}", lexed.word(1).to_uppercase());
    Err(SqlError::not_supported(what.trim_end()))
}

fn describe(lexed: &Lexed) -> Command {
    let query = ["SELECT", "WITH", "(", "TABLE", "VALUES"];
    let analyze = lexed.is(1, "ANALYZE");
    let mut at = if analyze { 2 } else { 1 };
    if lexed.are(at, &["FORMAT", "="]) {
        at += 3;
    }
    match lexed.tokens.get(at) {
        Some(token) if query.iter().any(|w| lexed.is(at, w)) => Command::Explain {
            from: token.start,
            analyze,
        },
        _ => Command::Describe,
    }
}

fn ended(lexed: &Lexed, at: usize, command: Command) -> Result<Command> {
    let end = if lexed.is(at, ";") { at + 1 } else { at };
    if end < lexed.tokens.len() {
        Err(lexed.error_at(end))
    } else {
        Ok(command)
    }
}

fn only_name(lexed: &Lexed, at: usize) -> Result<String> {
    let name = lexed.identifier(at).ok_or_else(|| lexed.error_at(at))?;
    ended(lexed, at + 1, Command::Empty)?;
    Ok(name)
}

fn start_transaction(lexed: &Lexed) -> Result<Command> {
    let mut at = 2;
    let mut read_only = false;
    loop {
        if lexed.are(at, &["READ", "ONLY"]) {
            read_only = true;
            at += 2;
        } else if lexed.are(at, &["READ", "WRITE"]) {
            at += 2;
        } else if lexed.are(at, &["WITH", "CONSISTENT", "SNAPSHOT"]) {
            at += 3;
        } else {
            return ended(lexed, at, Command::Begin { read_only });
        }
        if lexed.is(at, ",") {
            at += 1;
        }
    }
}

fn end_transaction(lexed: &Lexed, commit: bool) -> Result<Command> {
    let mut at = if lexed.is(1, "WORK") { 2 } else { 1 };
    if !commit && lexed.is(at, "TO") {
        at += if lexed.is(at + 1, "SAVEPOINT") { 2 } else { 1 };
        return Ok(Command::RollbackTo(only_name(lexed, at)?));
    }
    let chain = lexed.are(at, &["AND", "CHAIN"]);
    if chain {
        at += 2;
    } else if lexed.are(at, &["AND", "NO", "CHAIN"]) {
        at += 3;
    }
    if lexed.are(at, &["NO", "RELEASE"]) {
        at += 2;
    } else if lexed.is(at, "RELEASE") {
        return Err(SqlError::not_supported("COMMIT RELEASE"));
    }
    ended(
        lexed,
        at,
        if commit {
            Command::Commit { chain }
        } else {
            Command::Rollback { chain }
        },
    )
}

/// `'user'@'host'`, `user@host` or `user`, from token `at` on; also gives the token after it.
pub fn account_name(lexed: &Lexed, at: usize) -> Result<((String, String), usize)> {
    let part = |i: usize| lexed.string(i).or_else(|| lexed.identifier(i));
    let user = part(at).ok_or_else(|| lexed.error_at(at))?;
    let next = lexed.word(at + 1);
    let adjacent = |i: usize| match (lexed.tokens.get(i), lexed.tokens.get(i + 1)) {
        (Some(a), Some(b)) => a.end == b.start,
        _ => false,
    };
    if next == "@" && adjacent(at) {
        let host = part(at + 2).ok_or_else(|| lexed.error_at(at + 2))?;
        return Ok(((user, host), at + 3));
    }
    if let Some(host) = next
        .strip_prefix('@')
        .filter(|h| !h.is_empty() && adjacent(at))
    {
        return Ok(((user, host.to_string()), at + 2));
    }
    Ok(((user, "%".into()), at + 1))
}

/// Number of `?` outside strings and comments.
pub fn placeholders(lexed: &Lexed) -> usize {
    lexed
        .tokens
        .iter()
        .filter(|t| t.kind == Kind::Placeholder)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::lex;

    fn command(sql: &str) -> Result<Command> {
        classify(&lex(sql).expect("lexes"))
    }

    #[test]
    fn statements_are_told_apart_by_their_first_words() {
        assert_eq!(command("/* c */ select 1"), Ok(Command::Query));
        assert_eq!(command(" ; -- x"), Ok(Command::Empty));
        assert_eq!(command("use `a``b`;"), Ok(Command::Use("a`b".into())));
        assert_eq!(
            command("START TRANSACTION /*!40100 WITH CONSISTENT SNAPSHOT */"),
            Ok(Command::Begin { read_only: false })
        );
        assert_eq!(
            command("START TRANSACTION READ ONLY"),
            Ok(Command::Begin { read_only: true })
        );
        assert_eq!(
            command("ROLLBACK TO trans2"),
            Ok(Command::RollbackTo("trans2".into()))
        );
        assert_eq!(
            command("commit and chain"),
            Ok(Command::Commit { chain: true })
        );
        assert_eq!(
            command("EXPLAIN FORMAT=TREE SELECT 1"),
            Ok(Command::Explain {
                from: 20,
                analyze: false
            })
        );
        assert_eq!(command("desc t"), Ok(Command::Describe));
    }

    #[test]
    fn unknown_words_are_1064_and_missing_statements_1235() {
        assert_eq!(command("selec 1").expect_err("typo").code, 1064);
        assert_eq!(command("USE a b").expect_err("more").code, 1064);
        for missing in [
            "CALL p()",
            "SHUTDOWN",
            "SET ROLE NONE",
            "GET DIAGNOSTICS @n = NUMBER",
        ] {
            assert_eq!(command(missing).expect_err(missing).code, 1235);
        }
        assert_eq!(
            command("ALTER EVENT e DISABLE")
                .expect_err("missing")
                .message,
            "This version of Storno doesn't yet support 'ALTER EVENT'"
        );
    }

    #[test]
    fn accounts_have_a_user_and_a_host() {
        let account = |sql: &str| account_name(&lex(sql).expect("lexes"), 0).expect(sql).0;
        let pair = |a: &str, b: &str| (a.to_string(), b.to_string());
        assert_eq!(account("'u'@'%'"), pair("u", "%"));
        assert_eq!(account("root@localhost"), pair("root", "localhost"));
        assert_eq!(account("u"), pair("u", "%"));
    }
}
