//! CREATE VIEW, ALTER VIEW and DROP VIEW.

use super::TableName;
use crate::dialect::Lexed;
use crate::error::{Result, SqlError};

/// CREATE VIEW, or ALTER VIEW.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateView {
    pub name: TableName,
    /// The names in parentheses behind the view's.
    pub columns: Vec<String>,
    pub or_replace: bool,
    /// The view has to be there.
    pub alter: bool,
    /// UNDEFINED, MERGE or TEMPTABLE.
    pub algorithm: String,
    /// DEFINER or INVOKER.
    pub security: String,
    /// User and host; `None`: whoever runs the statement.
    pub definer: Option<(String, String)>,
    /// The query.
    pub query: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropView {
    pub names: Vec<TableName>,
    pub if_exists: bool,
}

/// A statement about views.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViewStatement {
    Create(Box<CreateView>),
    Drop(DropView),
}

/// Reads a statement that begins with CREATE, ALTER or DROP; `Ok(None)`: it is about something else.
pub fn read(lexed: &Lexed) -> Result<Option<ViewStatement>> {
    let mut reader = Reader { lexed, at: 1 };
    if lexed.is(0, "DROP") {
        return match reader.take("VIEW") {
            true => reader.drop().map(|drop| Some(ViewStatement::Drop(drop))),
            false => Ok(None),
        };
    }
    let mut view = CreateView {
        name: TableName {
            schema: None,
            table: String::new(),
        },
        columns: Vec::new(),
        or_replace: reader.take_all(&["OR", "REPLACE"]),
        alter: lexed.is(0, "ALTER"),
        algorithm: "UNDEFINED".into(),
        security: "DEFINER".into(),
        definer: None,
        query: String::new(),
    };
    if !reader.attributes(&mut view)? {
        return Ok(None);
    }
    reader.create(&mut view)?;
    Ok(Some(ViewStatement::Create(Box::new(view))))
}

struct Reader<'a> {
    lexed: &'a Lexed,
    at: usize,
}

impl Reader<'_> {
    fn take(&mut self, word: &str) -> bool {
        self.take_all(&[word])
    }

    fn take_all(&mut self, words: &[&str]) -> bool {
        let found = self.lexed.are(self.at, words);
        self.at += if found { words.len() } else { 0 };
        found
    }

    fn error(&self) -> SqlError {
        self.lexed.error_at(self.at)
    }

    fn identifier(&mut self) -> Result<String> {
        let found = self.lexed.identifier(self.at);
        self.at += 1;
        found.ok_or_else(|| self.lexed.error_at(self.at - 1))
    }

    fn one_of(&mut self, words: &[&str]) -> Result<String> {
        let found = words.iter().find(|word| self.lexed.is(self.at, word));
        self.at += 1;
        let found = found.map(|word| (*word).to_owned());
        found.ok_or_else(|| self.lexed.error_at(self.at - 1))
    }

    /// ALGORITHM, DEFINER and SQL SECURITY up to the word VIEW; `false` when that does not come.
    fn attributes(&mut self, view: &mut CreateView) -> Result<bool> {
        loop {
            if self.take("VIEW") {
                return Ok(true);
            } else if self.take_all(&["ALGORITHM", "="]) {
                view.algorithm = self.one_of(&["UNDEFINED", "MERGE", "TEMPTABLE"])?;
            } else if self.take_all(&["SQL", "SECURITY"]) {
                view.security = self.one_of(&["DEFINER", "INVOKER"])?;
            } else if self.take_all(&["DEFINER", "="]) {
                if self.take("CURRENT_USER") {
                    self.take_all(&["(", ")"]);
                    continue;
                }
                let (account, next) = crate::session::account_name(self.lexed, self.at)?;
                (view.definer, self.at) = (Some(account), next);
            } else {
                return Ok(false);
            }
        }
    }

    fn name(&mut self) -> Result<TableName> {
        let first = self.identifier()?;
        Ok(match self.take(".") {
            true => TableName {
                schema: Some(first),
                table: self.identifier()?,
            },
            false => TableName {
                schema: None,
                table: first,
            },
        })
    }

    fn create(&mut self, view: &mut CreateView) -> Result<()> {
        view.name = self.name()?;
        if self.take("(") {
            loop {
                view.columns.push(self.identifier()?);
                if self.take(")") {
                    break;
                }
                if !self.take(",") {
                    return Err(self.error());
                }
            }
        }
        if !self.take("AS") {
            return Err(self.error());
        }
        let query = ["SELECT", "WITH", "(", "VALUES", "TABLE"];
        if !query.iter().any(|word| self.lexed.is(self.at, word)) {
            return Err(self.error());
        }
        let text = self.lexed.rest(self.at).trim_end().trim_end_matches(';');
        let (text, checks) = without_check_option(self.lexed, text.trim_end());
        if checks {
            return Err(SqlError::not_supported("WITH CHECK OPTION"));
        }
        view.query = text.to_owned();
        Ok(())
    }

    fn drop(&mut self) -> Result<DropView> {
        let if_exists = self.take_all(&["IF", "EXISTS"]);
        let mut names = vec![self.name()?];
        while self.take(",") {
            names.push(self.name()?);
        }
        let _ = self.take("RESTRICT") || self.take("CASCADE");
        self.take(";");
        if self.at < self.lexed.tokens.len() {
            return Err(self.error());
        }
        Ok(DropView { names, if_exists })
    }
}

/// The query before WITH [CASCADED | LOCAL] CHECK OPTION, and whether there is that.
fn without_check_option<'a>(lexed: &Lexed, text: &'a str) -> (&'a str, bool) {
    let mut end = lexed.tokens.len();
    if end > 0 && lexed.is(end - 1, ";") {
        end -= 1;
    }
    let checks = end > 2 && lexed.are(end - 2, &["CHECK", "OPTION"]);
    (text, checks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::lex;

    fn view(sql: &str) -> Result<Option<ViewStatement>> {
        read(&lex(sql).expect("lexes"))
    }

    #[test]
    fn the_head_of_a_view_is_read_in_all_its_forms() {
        let Ok(Some(ViewStatement::Create(create))) = view(
            "CREATE OR REPLACE ALGORITHM=MERGE DEFINER=`root`@`%` SQL SECURITY INVOKER \
             VIEW `a`.`v` (x, `y`) AS select 1, 2;",
        ) else {
            panic!("a view")
        };
        assert!(create.or_replace && !create.alter);
        assert_eq!(create.columns, ["x", "y"]);
        assert_eq!(create.definer, Some(("root".into(), "%".into())));
        assert_eq!(
            (create.algorithm.as_str(), create.security.as_str()),
            ("MERGE", "INVOKER")
        );
        assert_eq!(create.name.schema.as_deref(), Some("a"));
        assert_eq!(create.query, "select 1, 2");
        let drop = view("DROP VIEW IF EXISTS a, b.c CASCADE").expect("reads");
        assert!(matches!(drop, Some(ViewStatement::Drop(d)) if d.names.len() == 2 && d.if_exists));
    }

    #[test]
    fn other_statements_are_left_to_others_and_broken_ones_are_errors() {
        assert_eq!(view("CREATE TABLE t (a INT)"), Ok(None));
        assert_eq!(view("DROP TABLE t"), Ok(None));
        assert_eq!(view("CREATE VIEW v SELECT 1").expect_err("AS").code, 1064);
        assert_eq!(
            view("CREATE VIEW v AS INSERT").expect_err("query").code,
            1064
        );
        let checks = "CREATE VIEW v AS SELECT a FROM t WITH CASCADED CHECK OPTION";
        assert_eq!(view(checks).expect_err("check").code, 1235);
    }
}
