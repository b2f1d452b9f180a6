//! CREATE TABLE .. SELECT: the table with the columns that the query gives, then its rows.
//!
//! The statement is carried out as two, CREATE TABLE and INSERT .. SELECT; when the second fails the
//! table goes again. Between the two others may see it empty.

use super::{Session, done};
use crate::dialect::{Kind, Lexed, lex};
use crate::error::{Result, SqlError, Warning};
use crate::result::{Outcome, ResultColumn};
use crate::types::{FieldType, QuotedName, flags, same_name, type_byte};

/// Words that begin an element of a table that is no column.
const KEY_WORDS: [&str; 10] = [
    "PRIMARY",
    "KEY",
    "INDEX",
    "UNIQUE",
    "CONSTRAINT",
    "FULLTEXT",
    "SPATIAL",
    "SHARD",
    "SORT",
    "CHECK",
];

/// Where the parts of the statement are: bytes of its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSelect {
    /// `[schema.]table`
    name: (usize, usize),
    if_not_exists: bool,
    /// The closing parenthesis of the elements, if there are any.
    closing: Option<usize>,
    /// Columns among the elements.
    columns: Vec<String>,
    /// End of the definition.
    head: usize,
    query: usize,
}

impl CreateSelect {
    /// `None`: a CREATE TABLE without a query. Token 0 is CREATE, token 1 TABLE.
    pub fn find(lexed: &Lexed) -> Option<Self> {
        let if_not_exists = lexed.are(2, &["IF", "NOT", "EXISTS"]);
        let first = if if_not_exists { 5 } else { 2 };
        let last = if lexed.is(first + 1, ".") {
            first + 2
        } else {
            first
        };
        let token = |at: usize| lexed.tokens.get(at).copied();
        let mut found = Self {
            name: (token(first)?.start, token(last)?.end),
            if_not_exists,
            closing: None,
            columns: Vec::new(),
            head: 0,
            query: 0,
        };
        let (mut at, mut depth) = (last + 1, 0_usize);
        while let Some(here) = token(at) {
            let opens = here.kind == Kind::Symbol && lexed.slice(here) == "(";
            let is_query = |at: usize| lexed.is(at, "SELECT") || lexed.is(at, "WITH");
            if depth == 0 && (lexed.is(at, "AS") || is_query(at) || opens && is_query(at + 1)) {
                let start = if lexed.is(at, "AS") { at + 1 } else { at };
                (found.head, found.query) = (here.start, token(start)?.start);
                return Some(found);
            }
            if opens {
                depth += 1;
            } else if lexed.is(at, ")") {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    found.closing.get_or_insert(here.start);
                }
            }
            let begins = opens || lexed.is(at, ",");
            if depth == 1 && begins && found.closing.is_none() {
                let is_key = KEY_WORDS.iter().any(|word| lexed.is(at + 1, word))
                    || lexed.are(at + 1, &["EVENT", "KEY"]);
                found
                    .columns
                    .extend(lexed.identifier(at + 1).filter(|_| !is_key));
            }
            at += 1;
        }
        None
    }

    /// The table that is created.
    pub fn table(&self, lexed: &Lexed) -> Result<(Option<String>, String)> {
        let name = lexed.text.get(self.name.0..self.name.1);
        let name = lex(name.unwrap_or_default())?;
        let part = |i| name.identifier(i).ok_or_else(|| name.error_at(i));
        match name.is(1, ".") {
            true => Ok((Some(part(0)?), part(2)?)),
            false => Ok((None, part(0)?)),
        }
    }

    /// The text from the query on.
    pub fn query<'a>(&self, lexed: &'a Lexed) -> &'a str {
        lexed.text.get(self.query..).unwrap_or_default()
    }

    /// The statement's CREATE TABLE with these columns besides its own.
    fn definition(&self, lexed: &Lexed, columns: &[String]) -> String {
        let text = |from: usize, to: usize| lexed.text.get(from..to).unwrap_or_default();
        let columns = columns.join(", ");
        match self.closing {
            Some(closing) if columns.is_empty() => {
                format!("{}{}", text(0, closing), text(closing, self.head))
            }
            Some(closing) => {
                format!(
                    "{}, {columns}{}",
                    text(0, closing),
                    text(closing, self.head)
                )
            }
            None => format!(
                "{} ({columns}){}",
                text(0, self.name.1),
                text(self.name.1, self.head)
            ),
        }
    }
}

impl Session {
    pub(super) async fn create_select(
        &mut self,
        lexed: &Lexed,
        create: CreateSelect,
    ) -> Result<Outcome> {
        let name = lexed.text.get(create.name.0..create.name.1);
        let name = name.unwrap_or_default().to_owned();
        let query = lexed.text.get(create.query..).unwrap_or_default();
        let query = query.trim_end().trim_end_matches(';').to_owned();
        if create.if_not_exists && self.is_there(&name)? {
            let shown = name.rsplit('.').next().unwrap_or_default().replace('`', "");
            let text = format!("Table '{shown}' already exists");
            self.warn([Warning::note(1050, text)]);
            return Ok(done(0));
        }
        let columns = self.compile(lex(&query)?, Vec::new(), None).await?.columns;
        let own = |c: &&ResultColumn| !create.columns.iter().any(|n| same_name(n, &c.name));
        let texts = columns.iter().filter(own).map(|c| self.column_text(c));
        let texts = texts.collect::<Result<Vec<_>>>()?;
        let definition = create.definition(lexed, &texts);
        self.define(lex(&definition)?).await?;
        let names: Vec<String> = columns
            .iter()
            .map(|c| QuotedName(&c.name).to_string())
            .collect();
        let insert = format!("INSERT INTO {name} ({}) {query}", names.join(", "));
        let inserted = match lex(&insert) {
            Ok(insert) => self.insert(insert, Vec::new()).await,
            Err(error) => Err(error),
        };
        if inserted.is_err() {
            self.define(lex(&format!("DROP TABLE {name}"))?).await?;
        }
        inserted
    }

    fn is_there(&self, name: &str) -> Result<bool> {
        let lexed = lex(name)?;
        let part = |at: usize| lexed.identifier(at).ok_or_else(|| lexed.error_at(at));
        let (schema, table) = match lexed.is(1, ".") {
            true => (Some(part(0)?), part(2)?),
            false => (None, part(0)?),
        };
        let schema = self.schema_of(schema)?;
        Ok(self
            .engine
            .store()
            .snapshot()
            .table(&schema, &table)
            .is_some())
    }

    /// A column of the query as it would be declared: a table's own as it is there.
    pub(super) fn column_text(&self, column: &ResultColumn) -> Result<String> {
        let name = QuotedName(&column.name);
        if !column.org_name.is_empty() {
            let view = self.catalog_view();
            let relation = view.relation(Some(&column.schema), &column.org_table)?;
            let definition = relation.definition()?;
            let position = definition.position(&column.org_name);
            let attributes = position.and_then(|at| definition.columns.get(at));
            let spec = position.and_then(|at| definition.meta.spec.columns.get(at));
            if let (Some(attributes), Some(spec)) = (attributes, spec) {
                let null = if spec.nullable { "NULL" } else { "NOT NULL" };
                let collation = match attributes.mysql_type.is_character() {
                    true => {
                        let own = column.collation.as_ref();
                        format!(" COLLATE {}", own.unwrap_or(&attributes.collation))
                    }
                    false => String::new(),
                };
                return Ok(format!(
                    "{name} {}{collation} {null}",
                    attributes.mysql_type
                ));
            }
        }
        let declared = declared(&column.field).ok_or_else(|| {
            SqlError::not_supported(&format!("CREATE TABLE .. SELECT of column {}", column.name))
        })?;
        let is_text = declared.ends_with("TEXT") || declared.starts_with("VARCHAR");
        let collation = column.collation.as_ref().filter(|_| is_text);
        let collation = collation.map(|name| format!(" COLLATE {name}"));
        Ok(format!(
            "{name} {declared}{} NULL",
            collation.unwrap_or_default()
        ))
    }
}

/// The type of an expression.
fn declared(field: &FieldType) -> Option<String> {
    use type_byte as t;
    let unsigned = field.flags & flags::UNSIGNED != 0;
    let sign = if unsigned { " UNSIGNED" } else { "" };
    let fsp = field.decimals.min(6);
    Some(match field.type_byte {
        t::TINY | t::SHORT | t::INT24 | t::LONG => format!("INT{sign}"),
        t::LONGLONG => format!("BIGINT{sign}"),
        t::NEWDECIMAL => {
            let besides = u32::from(field.decimals > 0) + u32::from(!unsigned);
            let precision = field.length.saturating_sub(besides).clamp(1, 38);
            let precision = precision.max(field.decimals.into());
            format!("DECIMAL({precision}, {})", field.decimals)
        }
        t::FLOAT | t::DOUBLE => "DOUBLE".into(),
        t::DATE => "DATE".into(),
        t::DATETIME | t::TIMESTAMP => format!("DATETIME({fsp})"),
        t::TIME => format!("TIME({fsp})"),
        t::YEAR => "YEAR".into(),
        t::JSON => "JSON".into(),
        t::NULL => "BINARY(0)".into(),
        t::BLOB | t::VAR_STRING | t::STRING if field.charset == 63 => "LONGBLOB".into(),
        t::BLOB | t::VAR_STRING | t::STRING => match field.length / 4 {
            length @ 1..=16_383 => format!("VARCHAR({length})"),
            _ => "LONGTEXT".into(),
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_is_found_behind_columns_keys_and_options() {
        let parts = |sql: &str| {
            let lexed = lex(sql).expect("lexes");
            CreateSelect::find(&lexed).map(|found| {
                let definition = found.definition(&lexed, &["`x` INT".into()]);
                (
                    definition,
                    lexed.text.get(found.query..).unwrap_or_default().to_owned(),
                )
            })
        };
        let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(
            parts("CREATE TABLE a.t SELECT 1 AS x"),
            pair("CREATE TABLE a.t (`x` INT) ", "SELECT 1 AS x")
        );
        assert_eq!(
            parts("CREATE TABLE t (a INT, KEY (a)) ENGINE=InnoDB AS (SELECT 1)"),
            pair(
                "CREATE TABLE t (a INT, KEY (a), `x` INT) ENGINE=InnoDB ",
                "(SELECT 1)"
            )
        );
        assert_eq!(
            parts("CREATE TABLE t (a INT DEFAULT (1)) COMMENT='as select'"),
            None
        );
        assert_eq!(parts("CREATE TABLE t LIKE u"), None);
    }
}
