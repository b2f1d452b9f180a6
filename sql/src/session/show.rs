//! SHOW statements over the catalog, the variables and the session.
//!
//! Each form is parsed on tokens and answered from memory. LIKE patterns are applied here; WHERE is
//! refused until SHOW runs over information_schema.

use crate::dialect::Lexed;
use crate::error::{Level, Result, SqlError};
use crate::result::Rows;
use crate::select::planner::View;
use crate::show::ENGINE;
use crate::types::{KeyKind, TableDefinition};

use super::Session;
use super::variables::{self, Scope, VARIABLES};

type Row = Vec<Option<String>>;

fn row<const N: usize>(values: [&str; N]) -> Row {
    values.map(|v| Some(v.to_string())).to_vec()
}

/// Position in a SHOW statement.
struct Cursor<'a> {
    lexed: &'a Lexed,
    at: usize,
}

impl Cursor<'_> {
    fn accept(&mut self, words: &[&str]) -> bool {
        let found = self.lexed.are(self.at, words);
        if found {
            self.at += words.len();
        }
        found
    }

    fn any(&mut self, words: &[&str]) -> bool {
        words.iter().any(|w| self.accept(&[w]))
    }

    fn name(&mut self) -> Result<String> {
        let name = self
            .lexed
            .identifier(self.at)
            .ok_or_else(|| self.lexed.error_at(self.at))?;
        self.at += 1;
        Ok(name)
    }

    /// `table`, `schema.table`, `table FROM schema`.
    fn table(&mut self) -> Result<(Option<String>, String)> {
        let first = self.name()?;
        if self.accept(&["."]) {
            return Ok((Some(first), self.name()?));
        }
        let schema = if self.any(&["FROM", "IN"]) {
            Some(self.name()?)
        } else {
            None
        };
        Ok((schema, first))
    }

    fn schema(&mut self) -> Result<Option<String>> {
        if self.any(&["FROM", "IN"]) {
            self.name().map(Some)
        } else {
            Ok(None)
        }
    }

    /// `[LIKE 'pattern']` and the end of the statement.
    fn filter(&mut self) -> Result<Option<String>> {
        let mut pattern = None;
        if self.accept(&["LIKE"]) {
            let text = self
                .lexed
                .string(self.at)
                .ok_or_else(|| self.lexed.error_at(self.at))?;
            self.at += 1;
            pattern = Some(text);
        } else if self.lexed.is(self.at, "WHERE") {
            return Err(SqlError::not_supported("SHOW ... WHERE"));
        }
        self.end()?;
        Ok(pattern)
    }

    fn end(&mut self) -> Result<()> {
        self.accept(&[";"]);
        match self.at < self.lexed.tokens.len() {
            true => Err(self.lexed.error_at(self.at)),
            false => Ok(()),
        }
    }
}

/// MySQL's LIKE on names: `%`, `_`, backslash escapes, case ignored. After a mismatch only the last `%`
/// takes one character more, so that the time is bounded by the product of the lengths.
fn like(pattern: &str, text: &str) -> bool {
    #[derive(PartialEq)]
    enum Part {
        Any,
        One,
        Char(char),
    }
    let mut parts = Vec::new();
    let lower = pattern.to_lowercase();
    let mut chars = lower.chars();
    while let Some(c) = chars.next() {
        parts.push(match c {
            '%' => Part::Any,
            '_' => Part::One,
            '\\' => Part::Char(chars.next().unwrap_or('\\')),
            c => Part::Char(c),
        });
    }
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while let Some(c) = text.get(t) {
        match parts.get(p) {
            Some(Part::Any) => {
                retry = Some((p, t));
                p += 1;
            }
            Some(Part::One) => (p, t) = (p + 1, t + 1),
            Some(Part::Char(x)) if x == c => (p, t) = (p + 1, t + 1),
            _ => match retry {
                Some((star, from)) => {
                    retry = Some((star, from + 1));
                    (p, t) = (star + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    parts.iter().skip(p).all(|part| *part == Part::Any)
}

fn kept(pattern: Option<&String>, name: &str) -> bool {
    pattern.is_none_or(|p| like(p, name))
}

/// Answers a SHOW statement (token 0 is SHOW).
pub fn show(session: &Session, lexed: &Lexed, view: &View) -> Result<Rows> {
    let mut c = Cursor { lexed, at: 1 };
    if c.any(&["DATABASES", "SCHEMAS"]) {
        return databases(&mut c, view);
    }
    if c.accept(&["CREATE", "TABLE"]) {
        return create_table(&mut c, view);
    }
    if c.accept(&["CREATE", "DATABASE"]) || c.accept(&["CREATE", "SCHEMA"]) {
        return create_database(&mut c, view);
    }
    if c.any(&["WARNINGS", "ERRORS"]) {
        return warnings(session, lexed.is(1, "ERRORS"));
    }
    if lexed.is(1, "COUNT") && (lexed.is(5, "WARNINGS") || lexed.is(5, "ERRORS")) {
        let name = if lexed.is(5, "ERRORS") {
            "@@error_count"
        } else {
            "@@warning_count"
        };
        let count = warning_rows(session, lexed.is(5, "ERRORS"))
            .len()
            .to_string();
        return Rows::of_texts(&[name], &[vec![Some(count)]]);
    }
    if let Some(rows) = fixed(&mut c)? {
        return Ok(rows);
    }
    let global = c.accept(&["GLOBAL"]);
    let scoped = global || c.any(&["SESSION", "LOCAL"]);
    if c.accept(&["VARIABLES"]) {
        return show_variables(session, &mut c, global);
    }
    if c.accept(&["STATUS"]) {
        return status(session, &mut c);
    }
    if scoped {
        return Err(lexed.error_at(c.at));
    }
    let full = c.accept(&["FULL"]) || c.accept(&["EXTENDED"]);
    if c.accept(&["TABLES"]) {
        return tables(&mut c, view, full);
    }
    if c.any(&["COLUMNS", "FIELDS"]) {
        return columns(&mut c, view, full);
    }
    if c.any(&["INDEX", "INDEXES", "KEYS"]) {
        return indexes(&mut c, view);
    }
    if c.accept(&["PROCESSLIST"]) {
        return processes(session);
    }
    if c.accept(&["TABLE", "STATUS"]) {
        return table_status(&mut c, view);
    }
    Err(missing(lexed))
}

/// 1235 for what MySQL shows and Storno does not, 1064 for what nobody does.
fn missing(lexed: &Lexed) -> SqlError {
    const KNOWN: [&str; 20] = [
        "BINARY",
        "BINLOG",
        "CREATE",
        "ENGINE",
        "EVENTS",
        "FUNCTION",
        "GRANTS",
        "MASTER",
        "OPEN",
        "PRIVILEGES",
        "PROCEDURE",
        "PROFILE",
        "PROFILES",
        "RELAYLOG",
        "REPLICA",
        "REPLICAS",
        "SLAVE",
        "TABLE",
        "TRIGGERS",
        "WARNINGS",
    ];
    match KNOWN.iter().find(|word| lexed.is(1, word)) {
        Some(word) => SqlError::not_supported(&format!("SHOW {word}")),
        None => lexed.error_at(1),
    }
}

/// DESCRIBE t [column]: the same rows as SHOW COLUMNS.
pub fn describe(lexed: &Lexed, view: &View) -> Result<Rows> {
    let mut c = Cursor { lexed, at: 1 };
    let (schema, table) = c.table()?;
    let column = match c.at < lexed.tokens.len() && !lexed.is(c.at, ";") {
        true => Some(lexed.string(c.at).map_or_else(|| c.name(), Ok)?),
        false => None,
    };
    let table = view.table(schema.as_deref(), &table)?;
    let definition = TableDefinition::read(std::sync::Arc::clone(table.meta()))?;
    column_rows(&definition, false, column.as_ref())
}

fn databases(c: &mut Cursor, view: &View) -> Result<Rows> {
    let pattern = c.filter()?;
    let names = view.snapshot.schemas().into_iter().map(|(name, _)| name);
    let rows: Vec<Row> = names
        .filter(|n| kept(pattern.as_ref(), n))
        .map(|n| vec![Some(n)])
        .collect();
    let heading = match &pattern {
        Some(p) => format!("Database ({p})"),
        None => "Database".to_string(),
    };
    Rows::of_texts(&[&heading], &rows)
}

fn current<'a>(schema: &'a Option<String>, view: &'a View) -> Result<&'a str> {
    let name = schema.as_deref().or(view.database.as_deref());
    name.ok_or_else(SqlError::no_database_selected)
}

fn tables(c: &mut Cursor, view: &View, full: bool) -> Result<Rows> {
    let schema = c.schema()?;
    let pattern = c.filter()?;
    let schema = current(&schema, view)?;
    let all = view
        .snapshot
        .tables(schema)
        .ok_or_else(|| SqlError::unknown_database(schema))?;
    let names = all
        .iter()
        .map(|t| t.spec.name.clone())
        .filter(|n| kept(pattern.as_ref(), n));
    let heading = match &pattern {
        Some(p) => format!("Tables_in_{schema} ({p})"),
        None => format!("Tables_in_{schema}"),
    };
    if full {
        let rows: Vec<Row> = names
            .map(|n| vec![Some(n), Some("BASE TABLE".into())])
            .collect();
        return Rows::of_texts(&[&heading, "Table_type"], &rows);
    }
    Rows::of_texts(
        &[&heading],
        &names.map(|n| vec![Some(n)]).collect::<Vec<_>>(),
    )
}

fn columns(c: &mut Cursor, view: &View, full: bool) -> Result<Rows> {
    if !c.any(&["FROM", "IN"]) {
        return Err(c.lexed.error_at(c.at));
    }
    let (schema, table) = c.table()?;
    let pattern = c.filter()?;
    let table = view.table(schema.as_deref(), &table)?;
    let definition = TableDefinition::read(std::sync::Arc::clone(table.meta()))?;
    column_rows(&definition, full, pattern.as_ref())
}

fn column_rows(table: &TableDefinition, full: bool, pattern: Option<&String>) -> Result<Rows> {
    let rows = crate::show::column_rows(table).into_iter();
    let rows = rows.filter(|r| kept(pattern, &r.field)).map(|r| {
        let text = |s: &str| Some(s.to_string());
        let (null, key, extra) = (text(r.null), text(r.key), Some(r.extra));
        match full {
            true => vec![
                Some(r.field),
                Some(r.column_type),
                r.collation,
                null,
                key,
                r.default,
                extra,
                text(r.privileges),
                Some(r.comment),
            ],
            false => vec![
                Some(r.field),
                Some(r.column_type),
                null,
                key,
                r.default,
                extra,
            ],
        }
    });
    let rows: Vec<Row> = rows.collect();
    let full_headings = [
        "Field",
        "Type",
        "Collation",
        "Null",
        "Key",
        "Default",
        "Extra",
        "Privileges",
        "Comment",
    ];
    match full {
        true => Rows::of_texts(&full_headings, &rows),
        false => Rows::of_texts(&["Field", "Type", "Null", "Key", "Default", "Extra"], &rows),
    }
}

fn create_table(c: &mut Cursor, view: &View) -> Result<Rows> {
    let (schema, table) = c.table()?;
    c.end()?;
    let table = view.table(schema.as_deref(), &table)?;
    let definition = TableDefinition::read(std::sync::Arc::clone(table.meta()))?;
    let text = crate::show::create_table_text(&definition, None);
    let name = table.meta().spec.name.clone();
    Rows::of_texts(&["Table", "Create Table"], &[vec![Some(name), Some(text)]])
}

fn create_database(c: &mut Cursor, view: &View) -> Result<Rows> {
    c.accept(&["IF", "NOT", "EXISTS"]);
    let name = c.name()?;
    c.end()?;
    if view.snapshot.tables(&name).is_none() {
        return Err(SqlError::unknown_database(&name));
    }
    let text = format!(
        "CREATE DATABASE `{}` /*!40100 DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */ \
         /*!80016 DEFAULT ENCRYPTION='N' */",
        name.replace('`', "``")
    );
    Rows::of_texts(
        &["Database", "Create Database"],
        &[vec![Some(name), Some(text)]],
    )
}

fn indexes(c: &mut Cursor, view: &View) -> Result<Rows> {
    if !c.any(&["FROM", "IN"]) {
        return Err(c.lexed.error_at(c.at));
    }
    let (schema, table) = c.table()?;
    c.end()?;
    let table = view.table(schema.as_deref(), &table)?;
    let definition = TableDefinition::read(std::sync::Arc::clone(table.meta()))?;
    index_rows(&definition)
}

fn index_rows(table: &TableDefinition) -> Result<Rows> {
    let name = &table.meta.spec.name;
    let mut rows = Vec::new();
    for key in &table.attributes.keys {
        for (i, part) in key.parts.iter().enumerate() {
            let column = table
                .position(&part.column)
                .and_then(|p| table.meta.spec.columns.get(p));
            let nullable = column.is_some_and(|c| c.nullable);
            let mut cells = row([
                name,
                if key.kind == KeyKind::Plain { "1" } else { "0" },
                &key.name,
                &(i + 1).to_string(),
                &part.column,
                if part.descending { "D" } else { "A" },
            ]);
            let prefix = part.prefix.map(|p| p.to_string());
            let null = if nullable { "YES" } else { "" };
            cells.extend([None, prefix, None]);
            cells.extend(row([
                null,
                key.using.as_deref().unwrap_or("BTREE"),
                "",
                &key.comment,
                "YES",
            ]));
            cells.push(None);
            rows.push(cells);
        }
    }
    const HEADINGS: [&str; 15] = [
        "Table",
        "Non_unique",
        "Key_name",
        "Seq_in_index",
        "Column_name",
        "Collation",
        "Cardinality",
        "Sub_part",
        "Packed",
        "Null",
        "Index_type",
        "Comment",
        "Index_comment",
        "Visible",
        "Expression",
    ];
    Rows::of_texts(&HEADINGS, &rows)
}

fn table_status(c: &mut Cursor, view: &View) -> Result<Rows> {
    let schema = c.schema()?;
    let pattern = c.filter()?;
    let schema = current(&schema, view)?;
    let all = view
        .snapshot
        .tables(schema)
        .ok_or_else(|| SqlError::unknown_database(schema))?;
    let mut rows = Vec::new();
    for meta in all.iter().filter(|t| kept(pattern.as_ref(), &t.spec.name)) {
        let Some(table) = view.snapshot.table(schema, &meta.spec.name) else {
            continue;
        };
        let count = table.rows();
        let average = table.bytes().checked_div(count).unwrap_or(0);
        let mut r: Row = vec![None; 18];
        let cells = [
            (0, meta.spec.name.clone()),
            (1, ENGINE.into()),
            (2, "10".into()),
            (3, "Dynamic".into()),
            (4, count.to_string()),
            (5, average.to_string()),
            (6, table.bytes().to_string()),
            (7, "0".into()),
            (8, "0".into()),
            (9, "0".into()),
            (14, "utf8mb4_bin".into()),
            (16, String::new()),
            (17, String::new()),
        ];
        for (i, text) in cells {
            if let Some(cell) = r.get_mut(i) {
                *cell = Some(text);
            }
        }
        rows.push(r);
    }
    const HEADINGS: [&str; 18] = [
        "Name",
        "Engine",
        "Version",
        "Row_format",
        "Rows",
        "Avg_row_length",
        "Data_length",
        "Max_data_length",
        "Index_length",
        "Data_free",
        "Auto_increment",
        "Create_time",
        "Update_time",
        "Check_time",
        "Collation",
        "Checksum",
        "Create_options",
        "Comment",
    ];
    Rows::of_texts(&HEADINGS, &rows)
}

fn show_variables(session: &Session, c: &mut Cursor, global: bool) -> Result<Rows> {
    let pattern = c.filter()?;
    let value = |v: &'static variables::Variable| match global {
        true => session.variables().globals().get(v),
        false => session.variables().get(v),
    };
    let visible = VARIABLES.iter().filter(|v| kept(pattern.as_ref(), v.name));
    let rows: Vec<Row> = visible
        .filter(|v| !global || v.scope != Scope::Both || !v.name.starts_with("tx_"))
        .map(|v| vec![Some(v.name.to_string()), Some(value(v))])
        .collect();
    Rows::of_texts(&["Variable_name", "Value"], &rows)
}

fn status(session: &Session, c: &mut Cursor) -> Result<Rows> {
    let pattern = c.filter()?;
    let uptime = session.engine().uptime().as_secs().to_string();
    let all = [
        ("Ssl_cipher", String::new()),
        ("Ssl_version", String::new()),
        (
            "Threads_connected",
            session.engine().open_sessions().to_string(),
        ),
        ("Uptime", uptime),
    ];
    let rows: Vec<Row> = all
        .into_iter()
        .filter(|(n, _)| kept(pattern.as_ref(), n))
        .map(|(n, v)| vec![Some(n.to_string()), Some(v)])
        .collect();
    Rows::of_texts(&["Variable_name", "Value"], &rows)
}

fn warning_rows(session: &Session, errors_only: bool) -> Vec<Row> {
    let shown = session
        .warnings()
        .iter()
        .filter(|w| !errors_only || w.level == Level::Error);
    let level = |l| match l {
        Level::Note => "Note",
        Level::Warning => "Warning",
        Level::Error => "Error",
    };
    shown
        .map(|w| row([level(w.level), &w.code.to_string(), &w.message]))
        .collect()
}

fn warnings(session: &Session, errors_only: bool) -> Result<Rows> {
    Rows::of_texts(
        &["Level", "Code", "Message"],
        &warning_rows(session, errors_only),
    )
}

fn processes(session: &Session) -> Result<Rows> {
    let context = session.context();
    let database = session.database().map(str::to_string);
    let only = vec![
        Some(context.connection_id.to_string()),
        Some(context.user.clone()),
        Some(context.host.clone()),
        database,
        Some("Query".into()),
        Some("0".into()),
        Some("executing".into()),
        Some("SHOW PROCESSLIST".into()),
    ];
    let headings = [
        "Id", "User", "Host", "db", "Command", "Time", "State", "Info",
    ];
    Rows::of_texts(&headings, &[only])
}

/// Lists that never change.
fn fixed(c: &mut Cursor) -> Result<Option<Rows>> {
    let (headings, rows): (&[&str], Vec<Row>) =
        if c.accept(&["ENGINES"]) || c.accept(&["STORAGE", "ENGINES"]) {
            let r = row([
                ENGINE,
                "DEFAULT",
                "Columnar analytics (Storno)",
                "YES",
                "NO",
                "YES",
            ]);
            (
                &[
                    "Engine",
                    "Support",
                    "Comment",
                    "Transactions",
                    "XA",
                    "Savepoints",
                ],
                vec![r],
            )
        } else if c.any(&["CHARSET"]) || c.accept(&["CHARACTER", "SET"]) {
            let rows = vec![
                row(["binary", "Binary pseudo charset", "binary", "1"]),
                row(["utf8mb4", "UTF-8 Unicode", "utf8mb4_bin", "4"]),
            ];
            (
                &["Charset", "Description", "Default collation", "Maxlen"],
                rows,
            )
        } else if c.accept(&["COLLATION"]) {
            let rows = vec![
                row(["binary", "binary", "63", "Yes", "Yes", "1", "NO PAD"]),
                row(["utf8mb4_bin", "utf8mb4", "46", "Yes", "Yes", "1", "NO PAD"]),
            ];
            (
                &[
                    "Collation",
                    "Charset",
                    "Id",
                    "Default",
                    "Compiled",
                    "Sortlen",
                    "Pad_attribute",
                ],
                rows,
            )
        } else if c.accept(&["PLUGINS"]) {
            (&["Name", "Status", "Type", "Library", "License"], vec![])
        } else if c.accept(&["TRIGGERS"]) {
            (
                &[
                    "Trigger",
                    "Event",
                    "Table",
                    "Statement",
                    "Timing",
                    "Created",
                ],
                vec![],
            )
        } else {
            return Ok(None);
        };
    c.schema()?;
    let pattern = c.filter()?;
    let keep = |r: &Row| match r.first() {
        Some(Some(name)) => kept(pattern.as_ref(), name),
        _ => true,
    };
    Rows::of_texts(headings, &rows.into_iter().filter(keep).collect::<Vec<_>>()).map(Some)
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn like_ignores_case_and_knows_wildcards_and_escapes() {
        assert!(like("page%", "PageViews"));
        assert!(like("p_ge", "page"));
        assert!(like(r"a\_b", "a_b") && !like(r"a\_b", "axb"));
        assert!(!like(
            &"%a".repeat(30).replace("%a%a", "%a%a%b"),
            &"a".repeat(64)
        ));
        assert!(like("%ab%c", "xxababyc") && !like("%ab%c", "xxababyd"));
        assert!(!like("", "x") && like("", ""));
    }
}
