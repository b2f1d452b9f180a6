//! SET in all its forms, parsed on tokens: assignments, NAMES, CHARACTER SET, TRANSACTION, PASSWORD.

use crate::dialect::{Kind, Lexed};
use crate::error::Result;

/// Where an assignment goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Session(String),
    Global(String),
    /// SET PERSIST: global, and kept over restarts.
    Persist(String),
    User(String),
}

/// One part of a SET statement, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assignment {
    Variable {
        target: Target,
        value: ValueText,
    },
    /// SET NAMES and SET CHARACTER SET; `None` is DEFAULT.
    Names {
        charset: Option<String>,
        collation: Option<String>,
    },
    /// SET [SESSION|GLOBAL] TRANSACTION: variable name and value.
    Transaction {
        global: bool,
        settings: Vec<(&'static str, String)>,
    },
    /// SET PASSWORD [FOR user] = 'text'.
    Password {
        account: Option<(String, String)>,
        password: String,
    },
}

/// The right-hand side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueText {
    Default,
    /// ON, utf8mb4, REPEATABLE-READ ...: a bare word taken as its text.
    Word(String),
    /// Anything else: SQL text to evaluate.
    Expression(String),
}

/// Parses a whole SET statement (token 0 is SET).
pub fn parse(lexed: &Lexed) -> Result<Vec<Assignment>> {
    let mut parser = Parser { lexed, at: 1 };
    let mut parts = vec![parser.part()?];
    while lexed.is(parser.at, ",") {
        parser.at += 1;
        parts.push(parser.part()?);
    }
    if lexed.is(parser.at, ";") {
        parser.at += 1;
    }
    match parser.at < lexed.tokens.len() {
        true => Err(lexed.error_at(parser.at)),
        false => Ok(parts),
    }
}

struct Parser<'a> {
    lexed: &'a Lexed,
    at: usize,
}

impl Parser<'_> {
    fn accept(&mut self, words: &[&str]) -> bool {
        let found = self.lexed.are(self.at, words);
        if found {
            self.at += words.len();
        }
        found
    }

    fn part(&mut self) -> Result<Assignment> {
        if self.accept(&["NAMES"]) {
            let charset = self.charset()?;
            let collation = match self.accept(&["COLLATE"]) {
                true => Some(self.name()?),
                false => None,
            };
            return Ok(Assignment::Names { charset, collation });
        }
        if self.accept(&["CHARACTER", "SET"]) || self.accept(&["CHARSET"]) {
            return Ok(Assignment::Names {
                charset: self.charset()?,
                collation: None,
            });
        }
        if self.accept(&["PASSWORD"]) {
            return self.password();
        }
        let persist = self.accept(&["PERSIST"]);
        let global = !persist && self.accept(&["GLOBAL"]);
        let session = !global && !persist && (self.accept(&["SESSION"]) || self.accept(&["LOCAL"]));
        if self.accept(&["TRANSACTION"]) {
            return Ok(Assignment::Transaction {
                global,
                settings: self.transaction()?,
            });
        }
        let target = match persist {
            true => Target::Persist(self.name()?),
            false => self.target(global, session)?,
        };
        if !(self.accept(&["="]) || self.accept(&[":="])) {
            return Err(self.lexed.error_at(self.at));
        }
        Ok(Assignment::Variable {
            target,
            value: self.value()?,
        })
    }

    fn charset(&mut self) -> Result<Option<String>> {
        if self.accept(&["DEFAULT"]) {
            Ok(None)
        } else {
            self.name().map(Some)
        }
    }

    fn name(&mut self) -> Result<String> {
        let found = self
            .lexed
            .string(self.at)
            .or_else(|| self.lexed.identifier(self.at));
        self.at += 1;
        found.ok_or_else(|| self.lexed.error_at(self.at - 1))
    }

    fn target(&mut self, global: bool, session: bool) -> Result<Target> {
        let word = self.name()?;
        if let Some(system) = word.strip_prefix("@@") {
            let dotted = self.accept(&["."]);
            let name = if dotted {
                self.name()?
            } else {
                system.to_string()
            };
            let scope = if dotted {
                system.to_lowercase()
            } else {
                "session".into()
            };
            return Ok(match scope.as_str() {
                "global" => Target::Global(name),
                "persist" => Target::Persist(name),
                "session" | "local" => Target::Session(name),
                _ => return Err(self.lexed.error_at(self.at)),
            });
        }
        if let Some(user) = word.strip_prefix('@').filter(|_| !global && !session) {
            // @`name` and @'name' come as two tokens.
            let name = if user.is_empty() {
                self.name()?
            } else {
                user.to_string()
            };
            return Ok(Target::User(name));
        }
        Ok(if global {
            Target::Global(word)
        } else {
            Target::Session(word)
        })
    }

    fn value(&mut self) -> Result<ValueText> {
        let start = self.at;
        let mut depth = 0usize;
        while let Some(token) = self.lexed.tokens.get(self.at) {
            match self.lexed.slice(*token) {
                "(" => depth += 1,
                ")" => depth = depth.saturating_sub(1),
                "," | ";" if depth == 0 => break,
                _ => {}
            }
            self.at += 1;
        }
        let (Some(first), Some(last)) = (
            self.lexed.tokens.get(start),
            self.lexed.tokens.get(self.at.wrapping_sub(1)),
        ) else {
            return Err(self.lexed.error_at(start));
        };
        if self.at == start {
            return Err(self.lexed.error_at(start));
        }
        let text = self
            .lexed
            .text
            .get(first.start..last.end)
            .unwrap_or_default()
            .to_string();
        let single = self.at == start + 1;
        // `binary`, `repeatable-read`: words, unless they are variables or calls.
        let wordy = text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
            && first.kind == Kind::Word
            && !text.starts_with('@')
            && !text.eq_ignore_ascii_case("null");
        Ok(match (single, wordy) {
            (true, _) if text.eq_ignore_ascii_case("DEFAULT") => ValueText::Default,
            (_, true) => ValueText::Word(text),
            _ => ValueText::Expression(text),
        })
    }

    fn transaction(&mut self) -> Result<Vec<(&'static str, String)>> {
        let mut settings = Vec::new();
        loop {
            if self.accept(&["ISOLATION", "LEVEL"]) {
                let levels: [&[&str]; 4] = [
                    &["READ", "UNCOMMITTED"],
                    &["READ", "COMMITTED"],
                    &["REPEATABLE", "READ"],
                    &["SERIALIZABLE"],
                ];
                let Some(level) = levels.iter().find(|l| self.lexed.are(self.at, l)) else {
                    return Err(self.lexed.error_at(self.at));
                };
                self.at += level.len();
                settings.push(("transaction_isolation", level.join("-")));
            } else if self.accept(&["READ", "ONLY"]) {
                settings.push(("transaction_read_only", "ON".into()));
            } else if self.accept(&["READ", "WRITE"]) {
                settings.push(("transaction_read_only", "OFF".into()));
            } else {
                return Err(self.lexed.error_at(self.at));
            }
            if !self.accept(&[","]) {
                return Ok(settings);
            }
        }
    }

    fn password(&mut self) -> Result<Assignment> {
        let account = match self.accept(&["FOR"]) {
            true => Some(self.account()?),
            false => None,
        };
        if !self.accept(&["="]) {
            return Err(self.lexed.error_at(self.at));
        }
        let password = self
            .lexed
            .string(self.at)
            .ok_or_else(|| self.lexed.error_at(self.at))?;
        self.at += 1;
        Ok(Assignment::Password { account, password })
    }

    /// `'user'@'host'`; the host is `%` when absent.
    fn account(&mut self) -> Result<(String, String)> {
        let (account, next) = super::command::account_name(self.lexed, self.at)?;
        self.at = next;
        Ok(account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::lex;

    fn set(sql: &str) -> Vec<Assignment> {
        parse(&lex(sql).expect("lexes")).expect(sql)
    }

    fn variable(target: Target, value: ValueText) -> Assignment {
        Assignment::Variable { target, value }
    }

    #[test]
    fn drivers_forms_parse() {
        use Target::*;
        use ValueText::*;
        assert_eq!(
            set("SET NAMES 'utf8mb4' COLLATE 'utf8mb4_unicode_ci', SESSION sql_mode='A,B'"),
            [
                Assignment::Names {
                    charset: Some("utf8mb4".into()),
                    collation: Some("utf8mb4_unicode_ci".into())
                },
                variable(Session("sql_mode".into()), Expression("'A,B'".into())),
            ]
        );
        assert_eq!(
            set("SET sql_mode=(SELECT CONCAT(@@sql_mode, ',X')),time_zone='+00:00',NAMES utf8mb4"),
            [
                variable(
                    Session("sql_mode".into()),
                    Expression("(SELECT CONCAT(@@sql_mode, ',X'))".into())
                ),
                variable(Session("time_zone".into()), Expression("'+00:00'".into())),
                Assignment::Names {
                    charset: Some("utf8mb4".into()),
                    collation: None
                },
            ]
        );
        assert_eq!(
            set("set @@session.autocommit = OFF, @a := 5, GLOBAL max_connections = DEFAULT"),
            [
                variable(Session("autocommit".into()), Word("OFF".into())),
                variable(User("a".into()), Expression("5".into())),
                variable(Global("max_connections".into()), Default),
            ]
        );
        assert_eq!(
            set("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY"),
            [Assignment::Transaction {
                global: false,
                settings: vec![
                    ("transaction_isolation", "READ-COMMITTED".into()),
                    ("transaction_read_only", "ON".into())
                ]
            }]
        );
        assert_eq!(set("SET tx_isolation = 'REPEATABLE-READ'").len(), 1);
    }

    #[test]
    fn broken_forms_are_syntax_errors() {
        for sql in [
            "SET",
            "SET a",
            "SET a =",
            "SET NAMES",
            "SET TRANSACTION x",
            "SET a = 1,",
        ] {
            assert_eq!(
                parse(&lex(sql).expect("lexes")).expect_err(sql).code,
                1064,
                "{sql}"
            );
        }
    }
}
