//! A statement with the literals of its plainest conditions cut out: what is left is the key under which
//! its plan is kept.
//!
//! Cut are the literals of `column op literal`, `column BETWEEN literal AND literal` and `column IN
//! (literal, ...)`, joined by AND, in a statement of one SELECT from one table. A column that WHERE mentions in any other
//! way keeps its literals: what holds of one value need not hold of another there. Whether the rest of the
//! plan is free of the values is for `template` to see.

use std::collections::HashMap;
use std::ops::Range;

use super::literal::Literal;
use crate::dialect::{Kind, Lexed, Token};
use crate::insert::Scalar;

/// What ends the condition of a WHERE.
const ENDS: [&str; 3] = ["GROUP", "ORDER", "LIMIT"];
/// Longer statements are planned each time.
const KEY_BYTES_MAX: usize = 16 << 10;
const LITERALS_MAX: usize = 256;

/// What else a statement's meaning depends on.
#[derive(Debug)]
pub struct Setting<'a> {
    pub database: Option<&'a str>,
    pub time_zone: &'a str,
    pub sql_mode: &'a str,
    /// Of literals.
    pub collation: &'a str,
    /// Number of the views that there are.
    pub views: u64,
    /// Bytes of a GROUP_CONCAT.
    pub group_concat_max_len: u64,
    /// What views may read is asked of it, or of others, when the statement is planned.
    pub account: &'a str,
    /// Number of the accounts that there are.
    pub accounts: u64,
}

/// A statement taken apart.
#[derive(Debug)]
pub struct Statement {
    pub(super) key: Vec<u8>,
    pub(super) literals: Vec<Cut>,
}

/// A literal that was cut out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cut {
    /// The column it is compared with, in lower case.
    pub(super) column: String,
    pub(super) literal: Literal,
}

impl Statement {
    /// `None` if its plan cannot be of use again.
    pub fn read(lexed: &Lexed, params: &[Scalar], setting: &Setting<'_>) -> Option<Self> {
        let variable = |t: &Token| t.kind == Kind::Word && lexed.slice(*t).starts_with('@');
        if lexed.text.len() > KEY_BYTES_MAX || lexed.tokens.iter().any(variable) {
            return None;
        }
        let reader = Reader::new(lexed, params)?;
        let cuts = reader.cuts();
        let mut key = Vec::with_capacity(lexed.text.len() + 64);
        for part in [
            setting.database.unwrap_or("\0"),
            setting.time_zone,
            setting.sql_mode,
            setting.collation,
            setting.account,
        ] {
            key.extend_from_slice(part.as_bytes());
            key.push(0);
        }
        key.extend_from_slice(&setting.views.to_le_bytes());
        key.extend_from_slice(&setting.group_concat_max_len.to_le_bytes());
        key.extend_from_slice(&setting.accounts.to_le_bytes());
        key.push(u8::from(lexed.commented));
        let mut literals = Vec::with_capacity(cuts.len());
        let mut cuts = cuts.into_iter().peekable();
        let mut written = 0;
        for (i, token) in lexed.tokens.iter().enumerate() {
            let cut = cuts.next_if(|(at, _)| *at == i);
            let param = reader.param(i);
            if cut.is_none() && param.is_none() {
                continue;
            }
            key.extend_from_slice(lexed.text.get(written..token.start)?.as_bytes());
            written = token.end;
            match (cut, param) {
                (Some((_, cut)), param) => {
                    key.extend([1, cut.literal.class(), u8::from(param.is_some())]);
                    literals.push(cut);
                }
                (None, Some(param)) => {
                    key.extend_from_slice(format!("\x02{param:?}\x02").as_bytes())
                }
                (None, None) => {}
            }
        }
        key.extend_from_slice(lexed.text.get(written..)?.trim_end().as_bytes());
        (key.len() <= KEY_BYTES_MAX).then_some(Self { key, literals })
    }
}

struct Reader<'a> {
    lexed: &'a Lexed,
    params: &'a [Scalar],
    /// Tokens that are placeholders, in order.
    placeholders: Vec<usize>,
}

impl<'a> Reader<'a> {
    fn new(lexed: &'a Lexed, params: &'a [Scalar]) -> Option<Self> {
        let tokens = lexed.tokens.iter().enumerate();
        let placeholders = tokens.filter(|(_, t)| t.kind == Kind::Placeholder);
        let placeholders: Vec<usize> = placeholders.map(|(i, _)| i).collect();
        (placeholders.len() == params.len()).then_some(Self {
            lexed,
            params,
            placeholders,
        })
    }

    /// What is bound to token `i`.
    fn param(&self, i: usize) -> Option<&'a Scalar> {
        let at = self.placeholders.binary_search(&i).ok()?;
        self.params.get(at)
    }

    /// Literals to cut out with their tokens, in order.
    fn cuts(&self) -> Vec<(usize, Cut)> {
        let Some(clause) = self.only_where() else {
            return Vec::new();
        };
        let mut found: Vec<(usize, Cut)> = Vec::new();
        let mut terms = HashMap::<String, usize>::new();
        let mut at = clause.start;
        while at < clause.end {
            match self.term(at) {
                Some((cuts, next)) if next >= clause.end || self.lexed.is(next, "AND") => {
                    if let Some((_, cut)) = cuts.first() {
                        *terms.entry(cut.column.clone()).or_default() += 1;
                    }
                    found.extend(cuts);
                    at = next + 1;
                }
                _ => at = self.after_and(at, clause.end),
            }
        }
        // Every plain term names its column once.
        let names = clause.filter_map(|i| self.lexed.identifier(i));
        for name in names.map(|name| name.to_lowercase()) {
            if let Some(left) = terms.get_mut(&name) {
                *left = left.wrapping_sub(1);
            }
        }
        found.retain(|(_, cut)| terms.get(&cut.column) == Some(&0));
        match found.len() > LITERALS_MAX {
            true => Vec::new(),
            false => found,
        }
    }

    /// Behind the next AND outside of parentheses.
    fn after_and(&self, mut at: usize, end: usize) -> usize {
        let mut depth = 0_usize;
        while at < end && !(depth == 0 && self.lexed.is(at, "AND")) {
            depth = match self.lexed.word(at) {
                "(" => depth + 1,
                ")" => depth.saturating_sub(1),
                _ => depth,
            };
            at += 1;
        }
        at + 1
    }

    /// The tokens of WHERE's condition, in a statement of one SELECT from a table by its own columns.
    ///
    /// A derived table may give columns other names. HAVING may be moved into the condition and be merged with it: what
    /// of the two is left depends on the values.
    fn only_where(&self) -> Option<Range<usize>> {
        let all = 0..self.lexed.tokens.len();
        let only = |word: &str| {
            let mut places = all.clone().filter(|i| self.lexed.is(*i, word));
            places.next().filter(|_| places.next().is_none())
        };
        let (_, from, start) = (only("SELECT")?, only("FROM")?, only("WHERE")? + 1);
        let has = |word: &&str| all.clone().any(|i| self.lexed.is(i, word));
        if ["HAVING", "WITH", "JOIN"].iter().any(has) {
            return None;
        }
        let is_name = |i: usize| self.lexed.word(i) == "." || self.lexed.identifier(i).is_some();
        if !(from + 1..start).all(is_name) {
            return None;
        }
        let mut depth = 0_usize;
        for i in start..all.end {
            match self.lexed.word(i) {
                "(" => depth += 1,
                ")" if depth == 0 => return Some(start..i),
                ")" => depth -= 1,
                ";" => return Some(start..i),
                _ => {}
            }
            let ends = |word: &&str| self.lexed.is(i, word);
            if depth == 0 && ENDS.iter().any(ends) {
                return Some(start..i);
            }
        }
        Some(start..all.end)
    }

    /// The literals of a plain condition that begins at token `at`, and the token behind it.
    fn term(&self, at: usize) -> Option<(Vec<(usize, Cut)>, usize)> {
        let (column, operator) = self.column(at)?;
        let cut = |i: usize| {
            let column = column.clone();
            let literal = self.literal(i)?;
            Some((i, Cut { column, literal }))
        };
        if self.lexed.is(operator, "BETWEEN") && self.lexed.is(operator + 2, "AND") {
            let terms = vec![cut(operator + 1)?, cut(operator + 3)?];
            return Some((terms, operator + 4));
        }
        if self.lexed.is(operator, "IN") && self.lexed.is(operator + 1, "(") {
            let mut terms = Vec::new();
            let mut i = operator + 2;
            loop {
                terms.push(cut(i)?);
                match self.lexed.word(i + 1) {
                    "," => i += 2,
                    ")" => return Some((terms, i + 2)),
                    _ => return None,
                }
            }
        }
        match self.lexed.word(operator) {
            "=" | "<" | "<=" | ">" | ">=" | "<>" | "!=" => {
                Some((vec![cut(operator + 1)?], operator + 2))
            }
            _ => None,
        }
    }

    /// A column's name and the token behind it.
    fn column(&self, at: usize) -> Option<(String, usize)> {
        let mut last = at;
        let mut name = self.lexed.identifier(at)?;
        while self.lexed.word(last + 1) == "." {
            last += 2;
            name = self.lexed.identifier(last)?;
        }
        Some((name.to_lowercase(), last + 1))
    }

    fn literal(&self, at: usize) -> Option<Literal> {
        let token = *self.lexed.tokens.get(at)?;
        match token.kind {
            Kind::Number => Literal::of_digits(self.lexed.slice(token)),
            Kind::Text if !self.lexed.slice(token).contains('\\') => {
                self.lexed.string(at).map(Literal::of_text)
            }
            Kind::Placeholder => Literal::of_param(self.param(at)?),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::lex;

    const SETTING: Setting<'_> = Setting {
        database: Some("app"),
        time_zone: "+00:00",
        sql_mode: "",
        collation: "utf8mb4_0900_ai_ci",
        views: 0,
        group_concat_max_len: 1024,
        account: "`root`@`%`",
        accounts: 0,
    };

    fn read(sql: &str, params: &[Scalar]) -> Option<Statement> {
        Statement::read(&lex(sql).expect("lexes"), params, &SETTING)
    }

    /// `column=literal` of each.
    fn cut(sql: &str, params: &[Scalar]) -> Vec<String> {
        let statement = read(sql, params).expect("may be kept");
        let shown = |c: &Cut| match &c.literal {
            Literal::Int(i) => format!("{}={i}", c.column),
            Literal::Text(text, _) => format!("{}='{text}'", c.column),
            other => format!("{}={other:?}", c.column),
        };
        statement.literals.iter().map(shown).collect()
    }

    #[test]
    fn plain_conditions_are_cut_and_others_are_not() {
        let sql = "SELECT SUM(v) FROM t WHERE Site = 7 AND x.ts >= '2025-01-01' AND x.ts < '2025-02-01' \
                   AND c IN ('a', 'b') AND n BETWEEN 1 AND 5 AND p LIKE 'q%' GROUP BY w LIMIT 10;";
        let expected = [
            "site=7",
            "ts='2025-01-01'",
            "ts='2025-02-01'",
            "c='a'",
            "c='b'",
            "n=1",
            "n=5",
        ];
        assert_eq!(cut(sql, &[]), expected);
        for kept in [
            "SELECT 1",
            "SELECT a FROM t WHERE a = 1 OR b = 2",
            "SELECT a FROM t WHERE NOT a = 1",
            "SELECT a FROM t WHERE a = 1 + 1",
            "SELECT a FROM t WHERE a = -1",
            "SELECT a FROM t WHERE a = 1 AND (a = 2 OR b = 3)",
            "SELECT a FROM t WHERE a = 'x\\n'",
            "SELECT a FROM t WHERE f(a) = 1 AND b = 'x' COLLATE utf8mb4_bin",
            "SELECT a FROM (SELECT a FROM t WHERE a = 1) u WHERE b = 1",
            "SELECT a FROM (SELECT a AS b, b AS a FROM t) u WHERE b = 1 GROUP BY a",
            "SELECT a FROM t AS u(b, a) WHERE b = 1",
            "SELECT a FROM t WHERE a > 1 GROUP BY a HAVING a > 2",
            "WITH t AS (SELECT b AS a FROM u) SELECT a FROM t WHERE a > 1",
            "SELECT a FROM t JOIN u WHERE a > 1",
        ] {
            assert_eq!(cut(kept, &[]), Vec::<String>::new(), "{kept}");
        }
    }

    #[test]
    fn statements_that_differ_in_plain_literals_have_one_key() {
        let key = |sql: &str| read(sql, &[]).expect("may be kept").key;
        let one = key("SELECT a FROM t WHERE b = 1 AND c = 'x' LIMIT 5");
        assert_eq!(one, key("SELECT a FROM t WHERE b = 22 AND c = 'y' LIMIT 5"));
        for other in [
            "SELECT a FROM t WHERE b = 1 AND c = 'x' LIMIT 6",
            "SELECT a  FROM t WHERE b = 1 AND c = 'x' LIMIT 5",
            "SELECT a FROM t WHERE b = '1' AND c = 'x' LIMIT 5",
            "SELECT a FROM t WHERE b = 1 AND c = '2025-01-01' LIMIT 5",
            "SELECT a FROM t WHERE b = 1 AND c = 7 LIMIT 5",
            "SELECT a FROM t WHERE b = 1 AND c <> 'x' LIMIT 5",
        ] {
            assert_ne!(one, key(other), "{other}");
        }
    }

    #[test]
    fn parameters_are_literals_where_those_are_cut_and_part_of_the_key_elsewhere() {
        let sql = "SELECT a + ? FROM t WHERE b = ? AND c = ? LIMIT ?";
        let bind = |a, b, c: &str, limit| {
            let params = [
                Scalar::Int(a),
                Scalar::Int(b),
                Scalar::Text(c.into()),
                Scalar::Int(limit),
            ];
            read(sql, &params).expect("may be kept")
        };
        let one = bind(1, 2, "x", 3);
        assert_eq!(one.literals.len(), 2);
        assert_eq!(one.key, bind(1, 5, "y", 3).key);
        assert_ne!(one.key, bind(2, 2, "x", 3).key);
        assert_ne!(one.key, bind(1, 2, "x", 4).key);
        assert_ne!(one.key, bind(1, -2, "x", 3).key);
        assert!(read(sql, &[]).is_none());
    }

    #[test]
    fn variables_are_not_for_keeping() {
        assert!(read("SELECT @@version", &[]).is_none());
        assert!(read("SELECT a FROM t WHERE b = @b", &[]).is_none());
    }
}
