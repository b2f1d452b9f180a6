//! Statements about accounts, read from tokens: CREATE, ALTER, DROP and RENAME USER, GRANT, REVOKE.

use crate::accounts::{AccountName, Level, Plugin, Privileges, Secret};
use crate::dialect::{Kind, Lexed};
use crate::error::{Result, SqlError};
use crate::session::command::account_name;

/// An account as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// USER() and CURRENT_USER.
    Own,
    Other(AccountName),
}

/// How an account proves itself from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    pub plugin: Plugin,
    pub secret: Secret,
}

/// An account and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: Named,
    pub auth: Option<Auth>,
}

/// What is said of all accounts of a CREATE or ALTER USER.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    pub encrypted_only: Option<bool>,
    pub locked: Option<bool>,
    pub comment: Option<String>,
}

/// Which privileges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    All,
    These(Privileges),
}

/// A statement about accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    Create {
        if_not_exists: bool,
        users: Vec<User>,
        options: Options,
    },
    Alter {
        if_exists: bool,
        users: Vec<User>,
        options: Options,
    },
    Drop {
        if_exists: bool,
        names: Vec<Named>,
    },
    Rename(Vec<(Named, Named)>),
    Grant {
        which: Which,
        with_grant_option: bool,
        level: Place,
        to: Vec<Named>,
    },
    Revoke {
        if_exists: bool,
        ignore_unknown_user: bool,
        which: Which,
        level: Place,
        from: Vec<Named>,
    },
    /// REVOKE ALL PRIVILEGES, GRANT OPTION FROM ...
    RevokeEverything {
        if_exists: bool,
        ignore_unknown_user: bool,
        from: Vec<Named>,
    },
}

/// `ON ...`, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Global,
    /// `*`: the current database.
    Current,
    Schema(String),
    Table(Option<String>, String),
}

impl Place {
    pub fn level(self, database: Option<&str>) -> Result<Level> {
        let current = || database.map(str::to_owned);
        let missing = SqlError::no_database_selected;
        Ok(match self {
            Self::Global => Level::Global,
            Self::Current => Level::Schema(current().ok_or_else(missing)?),
            Self::Schema(schema) => Level::Schema(schema),
            Self::Table(schema, table) => Level::Table {
                schema: schema.or_else(current).ok_or_else(missing)?,
                table,
            },
        })
    }
}

/// Is it a statement about accounts?
pub fn is_account_statement(lexed: &Lexed) -> bool {
    lexed.is(0, "GRANT")
        || lexed.is(0, "REVOKE")
        || ["CREATE", "ALTER", "DROP", "RENAME"]
            .iter()
            .any(|w| lexed.is(0, w))
            && lexed.is(1, "USER")
}

/// Reads a statement about accounts. What a syntax error quotes shows no password.
pub fn parse(lexed: &Lexed) -> Result<Statement> {
    let mut cursor = Cursor { lexed, at: 0 };
    let statement = cursor.statement().and_then(|statement| {
        cursor.accept(&[";"]);
        match cursor.at < lexed.tokens.len() {
            true => Err(cursor.error()),
            false => Ok(statement),
        }
    });
    statement.map_err(|error| match error.code {
        1064 => SqlError {
            message: super::secret::hidden_in_error(&error.message),
            ..error
        },
        _ => error,
    })
}

struct Cursor<'a> {
    lexed: &'a Lexed,
    at: usize,
}

impl Cursor<'_> {
    fn error(&self) -> SqlError {
        self.lexed.error_at(self.at)
    }

    fn accept(&mut self, words: &[&str]) -> bool {
        let found = self.lexed.are(self.at, words);
        if found {
            self.at += words.len();
        }
        found
    }

    fn expect(&mut self, words: &[&str]) -> Result<()> {
        match self.accept(words) {
            true => Ok(()),
            false => Err(self.error()),
        }
    }

    fn string(&mut self) -> Result<String> {
        let text = self.lexed.string(self.at).ok_or_else(|| self.error())?;
        self.at += 1;
        Ok(text)
    }

    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut all = vec![one(self)?];
        while self.accept(&[","]) {
            all.push(one(self)?);
        }
        Ok(all)
    }

    fn statement(&mut self) -> Result<Statement> {
        if self.accept(&["CREATE", "USER"]) {
            let if_not_exists = self.accept(&["IF", "NOT", "EXISTS"]);
            let (users, options) = (self.list(Self::user)?, self.options()?);
            Ok(Statement::Create {
                if_not_exists,
                users,
                options,
            })
        } else if self.accept(&["ALTER", "USER"]) {
            let if_exists = self.accept(&["IF", "EXISTS"]);
            let (users, options) = (self.list(Self::user)?, self.options()?);
            Ok(Statement::Alter {
                if_exists,
                users,
                options,
            })
        } else if self.accept(&["DROP", "USER"]) {
            let if_exists = self.accept(&["IF", "EXISTS"]);
            let names = self.list(Self::name)?;
            Ok(Statement::Drop { if_exists, names })
        } else if self.accept(&["RENAME", "USER"]) {
            let pair = |cursor: &mut Self| {
                let from = cursor.name()?;
                cursor.expect(&["TO"])?;
                Ok((from, cursor.name()?))
            };
            self.list(pair).map(Statement::Rename)
        } else if self.accept(&["GRANT"]) {
            self.grant()
        } else {
            self.expect(&["REVOKE"])?;
            self.revoke()
        }
    }

    fn name(&mut self) -> Result<Named> {
        for own in ["USER", "CURRENT_USER"] {
            if self.accept(&[own, "(", ")"]) {
                return Ok(Named::Own);
            }
        }
        if self.accept(&["CURRENT_USER"]) {
            return Ok(Named::Own);
        }
        let ((user, host), next) = account_name(self.lexed, self.at)?;
        self.at = next;
        check_length(&user, 32, "user name")?;
        check_length(&host, 255, "host name")?;
        Ok(Named::Other(AccountName::new(&user, &host.to_lowercase())))
    }

    fn user(&mut self) -> Result<User> {
        let name = self.name()?;
        let auth = match self.accept(&["IDENTIFIED"]) {
            true => Some(self.auth()?),
            false => None,
        };
        Ok(User { name, auth })
    }

    /// Behind IDENTIFIED.
    fn auth(&mut self) -> Result<Auth> {
        let mut plugin = Plugin::default();
        if self.accept(&["WITH"]) {
            let name = self.lexed.string(self.at);
            let name = name.or_else(|| self.lexed.identifier(self.at));
            let name = name.ok_or_else(|| self.error())?;
            plugin = Plugin::named(&name).ok_or_else(|| {
                SqlError::new(1524, "HY000", format!("Plugin '{name}' is not loaded"))
            })?;
            self.at += 1;
            if self.accept(&["AS"]) {
                return self.stored(plugin);
            }
            if !self.lexed.is(self.at, "BY") {
                let secret = Secret::None;
                return Ok(Auth { plugin, secret });
            }
        }
        self.expect(&["BY"])?;
        if self.accept(&["RANDOM", "PASSWORD"]) {
            return Err(SqlError::not_supported("IDENTIFIED BY RANDOM PASSWORD"));
        }
        if self.accept(&["PASSWORD"]) {
            return self.stored(Plugin::Native);
        }
        let secret = plugin.secret(&self.string()?);
        if self.accept(&["REPLACE"]) {
            // Only who may change an account gets here: the old password is not asked for.
            self.string()?;
        }
        if self.accept(&["RETAIN", "CURRENT", "PASSWORD"]) {
            return Err(SqlError::not_supported("RETAIN CURRENT PASSWORD"));
        }
        Ok(Auth { plugin, secret })
    }

    /// What another server stored of a password.
    fn stored(&mut self, plugin: Plugin) -> Result<Auth> {
        let text = self.string()?;
        let secret = match text.is_empty() {
            true => Some(Secret::None),
            false => plugin.stored(&text),
        };
        match secret {
            Some(secret) => Ok(Auth { plugin, secret }),
            None if text.starts_with("$A$") => {
                let what = "salted hashes of caching_sha2_password; set the password anew";
                Err(SqlError::not_supported(what))
            }
            None => {
                let text = "The password hash doesn't have the expected format.";
                Err(SqlError::new(1827, "HY000", text))
            }
        }
    }

    fn options(&mut self) -> Result<Options> {
        let mut options = Options::default();
        while self.at < self.lexed.tokens.len() && !self.lexed.is(self.at, ";") {
            if self.accept(&["REQUIRE"]) {
                options.encrypted_only = Some(self.requirement()?);
            } else if self.accept(&["ACCOUNT", "LOCK"]) {
                options.locked = Some(true);
            } else if self.accept(&["ACCOUNT", "UNLOCK"]) {
                options.locked = Some(false);
            } else if self.accept(&["COMMENT"]) {
                options.comment = Some(self.string()?);
            } else if !self.harmless_option()? {
                return Err(self.missing_option());
            }
        }
        Ok(options)
    }

    fn requirement(&mut self) -> Result<bool> {
        match () {
            () if self.accept(&["NONE"]) => Ok(false),
            () if self.accept(&["SSL"]) => Ok(true),
            () => {
                let word = self.lexed.word(self.at).to_uppercase();
                match word.as_str() {
                    "X509" | "ISSUER" | "SUBJECT" | "CIPHER" => {
                        Err(SqlError::not_supported(&format!("REQUIRE {word}")))
                    }
                    _ => Err(self.error()),
                }
            }
        }
    }

    /// Options that say what is so anyway, as SHOW CREATE USER prints them.
    fn harmless_option(&mut self) -> Result<bool> {
        const PLAIN: [&[&str]; 9] = [
            &["PASSWORD", "EXPIRE", "DEFAULT"],
            &["PASSWORD", "EXPIRE", "NEVER"],
            &["PASSWORD", "HISTORY", "DEFAULT"],
            &["PASSWORD", "REUSE", "INTERVAL", "DEFAULT"],
            &["PASSWORD", "REQUIRE", "CURRENT", "DEFAULT"],
            &["PASSWORD", "REQUIRE", "CURRENT", "OPTIONAL"],
            &["FAILED_LOGIN_ATTEMPTS", "0"],
            &["PASSWORD_LOCK_TIME", "0"],
            &["DEFAULT", "ROLE", "NONE"],
        ];
        const LIMITS: [&str; 4] = [
            "MAX_QUERIES_PER_HOUR",
            "MAX_UPDATES_PER_HOUR",
            "MAX_CONNECTIONS_PER_HOUR",
            "MAX_USER_CONNECTIONS",
        ];
        let at = self.at;
        let plain = PLAIN.iter().find(|words| {
            let spelt =
                |(i, word): (usize, &&str)| self.lexed.word(at + i).eq_ignore_ascii_case(word);
            words.iter().enumerate().all(spelt)
        });
        if let Some(words) = plain {
            self.at += words.len();
            return Ok(true);
        }
        let limit = |i| LIMITS.iter().any(|word| self.lexed.is(i, word));
        let first = at + usize::from(self.lexed.is(at, "WITH"));
        if limit(first) && self.lexed.word(first + 1) == "0" {
            self.at = first + 2;
            return Ok(true);
        }
        Ok(false)
    }

    fn missing_option(&self) -> SqlError {
        const KNOWN: [&str; 7] = [
            "PASSWORD",
            "WITH",
            "DEFAULT",
            "ATTRIBUTE",
            "FAILED_LOGIN_ATTEMPTS",
            "PASSWORD_LOCK_TIME",
            "DISCARD",
        ];
        match KNOWN.iter().any(|word| self.lexed.is(self.at, word)) {
            true => {
                let words = [self.lexed.word(self.at), self.lexed.word(self.at + 1)];
                SqlError::not_supported(&format!("USER ... {}", words.join(" ").to_uppercase()))
            }
            false => self.error(),
        }
    }

    fn grant(&mut self) -> Result<Statement> {
        let Some(which) = self.privileges()? else {
            return Err(SqlError::not_supported("GRANT role"));
        };
        self.expect(&["ON"])?;
        let level = self.place()?;
        self.expect(&["TO"])?;
        let user = |cursor: &mut Self| {
            let user = cursor.user()?;
            match user.auth {
                // MySQL 8 creates and changes no account here.
                Some(_) => Err(cursor.error()),
                None => Ok(user.name),
            }
        };
        let to = self.list(user)?;
        let with_grant_option = self.accept(&["WITH", "GRANT", "OPTION"]);
        if self.accept(&["AS"]) {
            return Err(SqlError::not_supported("GRANT ... AS"));
        }
        Ok(Statement::Grant {
            which,
            with_grant_option,
            level,
            to,
        })
    }

    fn revoke(&mut self) -> Result<Statement> {
        let if_exists = self.accept(&["IF", "EXISTS"]);
        let ending = |cursor: &mut Self| -> Result<(Vec<Named>, bool)> {
            let from = cursor.list(Self::name)?;
            Ok((from, cursor.accept(&["IGNORE", "UNKNOWN", "USER"])))
        };
        for all in [&["ALL", "PRIVILEGES", ","][..], &["ALL", ","]] {
            if self.accept(all) {
                self.expect(&["GRANT", "OPTION", "FROM"])?;
                let (from, ignore_unknown_user) = ending(self)?;
                return Ok(Statement::RevokeEverything {
                    if_exists,
                    ignore_unknown_user,
                    from,
                });
            }
        }
        let Some(which) = self.privileges()? else {
            return Err(SqlError::not_supported("REVOKE role"));
        };
        self.expect(&["ON"])?;
        let level = self.place()?;
        self.expect(&["FROM"])?;
        let (from, ignore_unknown_user) = ending(self)?;
        Ok(Statement::Revoke {
            if_exists,
            ignore_unknown_user,
            which,
            level,
            from,
        })
    }

    /// The list before ON; `None`: these are roles.
    fn privileges(&mut self) -> Result<Option<Which>> {
        if self.accept(&["ALL"]) {
            self.accept(&["PRIVILEGES"]);
            return Ok(Some(Which::All));
        }
        let mut all = Privileges::NONE;
        loop {
            match self.privilege()? {
                Some(one) => all |= one,
                None => return Ok(None),
            }
            if !self.accept(&[","]) {
                return Ok(Some(Which::These(all)));
            }
        }
    }

    /// The longest name of a privilege that is spelt here.
    fn privilege(&mut self) -> Result<Option<Privileges>> {
        if self.accept(&["USAGE"]) {
            return Ok(Some(Privileges::NONE));
        }
        for length in (1..=3).rev() {
            let tokens = self.lexed.tokens.get(self.at..self.at + length);
            let Some(tokens) = tokens.filter(|t| t.iter().all(|t| t.kind == Kind::Word)) else {
                continue;
            };
            let words: Vec<String> = tokens
                .iter()
                .map(|token| self.lexed.slice(*token).to_uppercase())
                .collect();
            let Some(privilege) = Privileges::named(&words.join(" ")) else {
                continue;
            };
            self.at += length;
            if self.lexed.is(self.at, "(") {
                return Err(SqlError::not_supported("privileges on columns"));
            }
            return Ok(Some(privilege));
        }
        if self.lexed.is(self.at, "PROXY") {
            return Err(SqlError::not_supported("GRANT PROXY"));
        }
        // A role's name, if nothing is said of what it is granted on.
        let has_on = (self.at..self.lexed.tokens.len()).any(|i| self.lexed.is(i, "ON"));
        match has_on {
            true => Err(self.error()),
            false => Ok(None),
        }
    }

    fn place(&mut self) -> Result<Place> {
        for kind in ["FUNCTION", "PROCEDURE"] {
            if self.accept(&[kind]) {
                return Err(SqlError::not_supported(&format!("GRANT ... ON {kind}")));
            }
        }
        // TABLE is reserved: it is never the table's name here.
        self.accept(&["TABLE"]);
        if self.accept(&["*"]) {
            let is_global = self.accept(&["."]);
            if !is_global {
                return Ok(Place::Current);
            }
            return self.expect(&["*"]).map(|()| Place::Global);
        }
        let name = |cursor: &mut Self| {
            let name = cursor.lexed.identifier(cursor.at);
            let name = name.ok_or_else(|| cursor.error())?;
            cursor.at += 1;
            Ok::<_, SqlError>(name)
        };
        let first = name(self)?;
        if !self.accept(&["."]) {
            return Ok(Place::Table(None, first));
        }
        match self.accept(&["*"]) {
            true => Ok(Place::Schema(first)),
            false => Ok(Place::Table(Some(first), name(self)?)),
        }
    }
}

/// 1470 for a name that MySQL could not keep.
fn check_length(name: &str, max: usize, what: &str) -> Result<()> {
    if name.chars().count() <= max {
        return Ok(());
    }
    let text = format!("String '{name}' is too long for {what} (should be no longer than {max})");
    Err(SqlError::new(1470, "HY000", text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::lex;

    fn read(sql: &str) -> Result<Statement> {
        parse(&lex(sql).expect("lexes"))
    }

    fn other(user: &str, host: &str) -> Named {
        Named::Other(AccountName::new(user, host))
    }

    #[test]
    fn users_are_created_with_plugins_hashes_and_options() {
        let statement = read(
            "CREATE USER IF NOT EXISTS 'a'@'10.%' IDENTIFIED BY 'x', b IDENTIFIED WITH \
             mysql_native_password AS '*14E65567ABDB5135D0CFD9A70B3032C179A49EE7' REQUIRE SSL \
             PASSWORD EXPIRE DEFAULT ACCOUNT LOCK PASSWORD HISTORY DEFAULT WITH MAX_USER_CONNECTIONS 0;",
        );
        let Ok(Statement::Create {
            if_not_exists: true,
            users,
            options,
        }) = statement
        else {
            panic!("{statement:?}")
        };
        let secrets: Vec<_> = users
            .iter()
            .map(|u| u.auth.clone().expect("auth"))
            .collect();
        assert_eq!(users[0].name, other("a", "10.%"));
        assert_eq!(secrets[0].secret, Plugin::CachingSha2.secret("x"));
        assert_eq!(users[1].name, other("b", "%"));
        assert_eq!(secrets[1].secret, Plugin::Native.secret("secret"));
        assert_eq!(
            (options.encrypted_only, options.locked),
            (Some(true), Some(true))
        );
    }

    #[test]
    fn privileges_and_places_are_read() {
        let grant = |sql: &str| match read(sql).expect(sql) {
            Statement::Grant { which, level, .. } => (which, level),
            other => panic!("{other:?}"),
        };
        let these = Which::These(Privileges::CREATE_VIEW | Privileges::SELECT);
        assert_eq!(
            grant("GRANT create view, SELECT ON `a b`.* TO u WITH GRANT OPTION"),
            (these, Place::Schema("a b".into()))
        );
        assert_eq!(
            grant("GRANT ALL ON *.* TO u@localhost"),
            (Which::All, Place::Global)
        );
        assert_eq!(grant("GRANT ALL PRIVILEGES ON * TO u").1, Place::Current);
        assert_eq!(
            grant("GRANT USAGE ON t TO u").1,
            Place::Table(None, "t".into())
        );
        let table = Place::Table(Some("d".into()), "t".into());
        assert_eq!(grant("GRANT INSERT ON TABLE d.t TO u").1, table);
        assert!(matches!(
            read("REVOKE ALL PRIVILEGES, GRANT OPTION FROM u, v"),
            Ok(Statement::RevokeEverything { .. })
        ));
        assert!(matches!(
            read("REVOKE IF EXISTS SELECT ON d.* FROM CURRENT_USER() IGNORE UNKNOWN USER"),
            Ok(Statement::Revoke { .. })
        ));
    }

    #[test]
    fn what_is_missing_is_1235_what_is_wrong_1064_without_the_password() {
        for (sql, code) in [
            ("GRANT SELECT (a) ON d.t TO u", 1235),
            ("GRANT reader TO u", 1235),
            ("GRANT FLY ON d.t TO u", 1064),
            ("GRANT SELECT ON d.t TO u IDENTIFIED BY 'x'", 1064),
            ("CREATE USER u IDENTIFIED WITH auth_socket", 1524),
            (
                "CREATE USER u IDENTIFIED WITH caching_sha2_password AS '$A$005$x'",
                1235,
            ),
            (
                "CREATE USER u IDENTIFIED WITH mysql_native_password AS 'x'",
                1827,
            ),
            ("CREATE USER u REQUIRE X509", 1235),
            ("DROP USER", 1064),
        ] {
            assert_eq!(read(sql).expect_err(sql).code, code, "{sql}");
        }
        let error = read("CREATE USER u IDENTIFED BY 'geheim'").expect_err("typo");
        assert!(!error.message.contains("geheim"), "{error}");
        let error = read("ALTER USER u IDENTIFIED BY 'a' 'geheim' x").expect_err("typo");
        assert!(!error.message.contains("geheim"), "{error}");
    }
}
