//! What a statement needs of the account that runs it, read from its text.

mod change;
mod define;

use sqlparser::ast::Visit;

use super::relations::{Relation, relations};
use crate::accounts::{AccountName, Level, Privileges};
use crate::ddl::{self, DdlContext, TableName};
use crate::dialect::{Lexed, lex, parse_expression, parse_statement};
use crate::error::{Result, SqlError};
use crate::export::ExportStatement;
use crate::load::{LoadStatement, OnRepeatedKey};
use crate::session::account::parse::{self as accounts, Named, Which};
use crate::session::command::Command;
use crate::session::set::{self, Assignment as SetPart, Target as SetTarget, ValueText};
use crate::session::show::{self, Filter, Form};
use crate::types::TimeZone;

/// One thing that an account has to be allowed to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// One of these at least, everywhere.
    AnyOf(Privileges),
    Schema(String, Privileges),
    /// Anything in a database.
    SeenSchema(String),
    Table {
        schema: String,
        table: String,
        privileges: Privileges,
    },
    /// Anything in a table.
    SeenTable(String, String),
    /// To read a column of a table that is changed.
    Column {
        schema: String,
        table: String,
        column: String,
    },
    /// To grant these, and to hold them.
    Grant(Level, Privileges),
    /// Every privilege there is.
    Everything,
}

/// What of the session names depend on.
#[derive(Debug, Clone)]
pub struct Context {
    pub database: Option<String>,
    pub collation: String,
    pub time_zone: TimeZone,
    pub own: AccountName,
}

/// Statements that anybody may run.
pub fn are_none(command: &Command, lexed: &Lexed) -> bool {
    match command {
        Command::Begin { .. }
        | Command::Commit { .. }
        | Command::Rollback { .. }
        | Command::Savepoint(_)
        | Command::RollbackTo(_)
        | Command::Release(_)
        | Command::Empty
        // What is prepared and executed is asked about by itself; USE and KILL ask when they know more.
        | Command::Prepare
        | Command::Execute
        | Command::Deallocate
        | Command::Use(_) => true,
        Command::Nothing => !["FLUSH", "LOCK"].iter().any(|word| lexed.is(0, word)),
        _ => false,
    }
}

/// SELECT .. INTO OUTFILE and its like.
pub fn writes_file(lexed: &Lexed) -> bool {
    (0..lexed.tokens.len())
        .any(|i| lexed.is(i, "INTO") && (lexed.is(i + 1, "OUTFILE") || lexed.is(i + 1, "DUMPFILE")))
}

/// All that a statement needs.
pub fn of(command: &Command, lexed: &Lexed, context: &Context) -> Result<Vec<Need>> {
    let mut needs = Needs {
        context,
        found: Vec::new(),
    };
    match command {
        Command::Query => {
            if writes_file(lexed) {
                needs.any_of(Privileges::FILE);
            }
            needs.read(&parse_statement(lexed)?)?;
        }
        Command::Explain { from, .. } => {
            let query = lex(lexed.text.get(*from..).unwrap_or_default())?;
            needs.read(&parse_statement(&query)?)?;
        }
        // FILES in the query have been asked about before they were opened.
        Command::Export { at } => {
            needs.any_of(Privileges::FILE);
            let export = ExportStatement::parse(lexed, *at)?;
            needs.read(&parse_statement(&lex(&export.query)?)?)?;
        }
        // The rows of everybody, and with ALL the hashes of passwords.
        Command::Backup => {
            needs.any_of(Privileges::BACKUP_ADMIN | Privileges::SUPER);
            needs.any_of(Privileges::FILE);
        }
        Command::Insert | Command::Change => needs.change(&parse_statement(lexed)?)?,
        Command::Define => {
            let text = lexed.text.trim_end().trim_end_matches(';');
            let ddl_context = DdlContext {
                collation: &context.collation,
                time_zone: context.time_zone,
            };
            let ddl = ddl::parse(text, &ddl_context)?.ok_or_else(|| lexed.error_at(0))?;
            needs.define(&ddl, lexed)?;
        }
        Command::CreateSelect(create) => {
            let (schema, table) = create.table(lexed)?;
            needs.table(schema, table, Privileges::CREATE | Privileges::INSERT)?;
            needs.read(&parse_statement(&lex(create.query(lexed))?)?)?;
        }
        Command::Set => needs.set(lexed)?,
        Command::Show => needs.show(&show::parse(lexed)?, lexed)?,
        Command::Describe => needs.show(&show::parse_describe(lexed)?, lexed)?,
        Command::Account => needs.accounts(accounts::parse(lexed)?)?,
        Command::View(statement) => needs.view(statement)?,
        Command::IngestTokens => needs.ingest_tokens(lexed)?,
        Command::Load => needs.load(&LoadStatement::parse(lexed)?)?,
        Command::Maintain => needs.maintain(lexed)?,
        Command::Nothing if lexed.is(0, "FLUSH") => needs.any_of(Privileges::RELOAD),
        Command::Nothing => needs.lock(lexed),
        Command::Do => {
            let query = format!("SELECT {}", lexed.rest(1));
            needs.read(&parse_statement(&lex(&query)?)?)?;
        }
        // Whose thread it is, is asked when it is known which.
        Command::Kill => {
            let has_query = (0..lexed.tokens.len()).any(|i| lexed.is(i, "SELECT"));
            if has_query {
                needs.found.push(Need::Everything);
            }
        }
        other if are_none(other, lexed) => {}
        #[allow(unreachable_patterns)]
        _ => needs.found.push(Need::Everything),
    }
    Ok(needs.found)
}

struct Needs<'a> {
    context: &'a Context,
    found: Vec<Need>,
}

impl Needs<'_> {
    fn any_of(&mut self, privileges: Privileges) {
        self.found.push(Need::AnyOf(privileges));
    }

    fn schema(&self, given: Option<String>) -> Result<String> {
        let schema = given.or_else(|| self.context.database.clone());
        schema.ok_or_else(SqlError::no_database_selected)
    }

    fn table(
        &mut self,
        schema: Option<String>,
        table: String,
        privileges: Privileges,
    ) -> Result<()> {
        let schema = self.schema(schema)?;
        self.found.push(Need::Table {
            schema,
            table,
            privileges,
        });
        Ok(())
    }

    fn named(&mut self, name: &TableName, privileges: Privileges) -> Result<()> {
        self.table(name.schema.clone(), name.table.clone(), privileges)
    }

    /// Every table of a tree is read.
    fn read(&mut self, tree: &impl Visit) -> Result<()> {
        for Relation { schema, table } in relations(tree)? {
            self.table(schema, table, Privileges::SELECT)?;
        }
        Ok(())
    }

    fn set(&mut self, lexed: &Lexed) -> Result<()> {
        let admin = Privileges::SUPER | Privileges::SYSTEM_VARIABLES_ADMIN;
        for part in set::parse(lexed)? {
            match part {
                SetPart::Variable { target, value } => {
                    if matches!(target, SetTarget::Global(_) | SetTarget::Persist(_)) {
                        self.any_of(admin);
                    }
                    if let ValueText::Expression(text) = value {
                        self.expression(&text)?;
                    }
                }
                SetPart::Transaction { global: true, .. } => self.any_of(admin),
                SetPart::Transaction { .. } | SetPart::Names { .. } => {}
                SetPart::Password { account, .. } => {
                    let own = &self.context.own;
                    let is_own = account.is_none_or(|(user, host)| {
                        AccountName::new(&user, &host.to_lowercase()) == *own
                    });
                    if !is_own {
                        self.any_of(Privileges::CREATE_USER);
                    }
                }
            }
        }
        Ok(())
    }

    /// An expression as SET takes it: also a query in parentheses.
    fn expression(&mut self, text: &str) -> Result<()> {
        let expr = parse_expression(&lex(text)?)?;
        self.read(&expr)
    }

    fn show(&mut self, show: &show::Show, lexed: &Lexed) -> Result<()> {
        let seen_table = |needs: &mut Self, target: &show::Target| -> Result<()> {
            let schema = needs.schema(target.schema.clone())?;
            needs
                .found
                .push(Need::SeenTable(schema, target.table.clone()));
            Ok(())
        };
        match &show.form {
            Form::Columns { target, .. } | Form::Index { target } => seen_table(self, target)?,
            Form::CreateTable(target) => seen_table(self, target)?,
            Form::CreateView(target) => {
                let privileges = Privileges::SELECT | Privileges::SHOW_VIEW;
                self.table(target.schema.clone(), target.table.clone(), privileges)?;
            }
            Form::Tables { schema, .. }
            | Form::TableStatus { schema }
            | Form::OpenTables { schema }
            | Form::Triggers { schema }
            | Form::Events { schema } => {
                if let Ok(schema) = self.schema(schema.clone()) {
                    self.found.push(Need::SeenSchema(schema));
                }
            }
            Form::CreateDatabase { name, .. } => self.found.push(Need::SeenSchema(name.clone())),
            Form::CreateUser(user, host) => self.own_account(user, host),
            Form::Grants {
                account: Some((user, host)),
            } => self.own_account(user, host),
            Form::EngineStatus { .. } => self.any_of(Privileges::PROCESS),
            Form::Links => self.any_of(Privileges::FILE),
            Form::BinaryLogs | Form::BinaryLogStatus | Form::ReplicaStatus { .. } => {
                self.any_of(Privileges::SUPER | Privileges::REPLICATION_CLIENT);
            }
            Form::Replicas => self.any_of(Privileges::REPLICATION_SLAVE),
            // What the others show is chosen by who asks, or known to all.
            _ => {}
        }
        match show.filter {
            Filter::Where { from } => {
                let condition = lexed.text.get(from..).unwrap_or_default();
                self.expression(condition.trim_end().trim_end_matches(';'))
            }
            _ => Ok(()),
        }
    }

    /// Other accounts are shown to those who may read all of them.
    fn own_account(&mut self, user: &str, host: &str) {
        let name = AccountName::new(user, &host.to_lowercase());
        let is_own = name == self.context.own || user.eq_ignore_ascii_case("CURRENT_USER");
        if !is_own {
            self.found
                .push(Need::Schema("mysql".into(), Privileges::SELECT));
        }
    }

    fn accounts(&mut self, statement: accounts::Statement) -> Result<()> {
        use accounts::Statement;
        let own = self.context.own.clone();
        let is_own = |name: &Named| match name {
            Named::Own => true,
            Named::Other(name) => *name == own,
        };
        match statement {
            // One's own password anybody may change.
            Statement::Alter { users, options, .. }
                if options == Default::default() && users.iter().all(|u| is_own(&u.name)) => {}
            Statement::Create { .. }
            | Statement::Alter { .. }
            | Statement::Drop { .. }
            | Statement::Rename(_)
            | Statement::RevokeEverything { .. } => self.any_of(Privileges::CREATE_USER),
            Statement::Grant { which, level, .. } | Statement::Revoke { which, level, .. } => {
                let level = level.level(self.context.database.as_deref())?;
                let privileges = match which {
                    Which::All => Privileges::all_at(&level),
                    Which::These(privileges) => privileges,
                };
                self.found.push(Need::Grant(level, privileges));
            }
        }
        Ok(())
    }

    fn load(&mut self, load: &LoadStatement) -> Result<()> {
        if !load.local {
            self.any_of(Privileges::FILE);
        }
        let mut privileges = Privileges::INSERT;
        if load.on_repeated_key == OnRepeatedKey::Replace {
            privileges |= Privileges::DELETE;
        }
        self.table(load.schema.clone(), load.table.clone(), privileges)?;
        for (_, assigned) in &load.assignments {
            if let crate::load::Assigned::Expression(expr) = assigned {
                self.read(expr)?;
            }
        }
        Ok(())
    }

    fn maintain(&mut self, lexed: &Lexed) -> Result<()> {
        let privileges = match lexed.is(0, "CHECK") {
            true => Privileges::SELECT,
            false => Privileges::SELECT | Privileges::INSERT,
        };
        for (schema, table) in crate::session::maintain::tables(lexed)? {
            self.table(schema, table, privileges)?;
        }
        Ok(())
    }

    /// LOCK TABLES t READ, u WRITE: it has no effect, but says whether the tables may be read.
    fn lock(&mut self, lexed: &Lexed) {
        let all = Privileges::LOCK_TABLES | Privileges::SELECT;
        let mut at = 2;
        while let Some(first) = lexed.identifier(at) {
            let (schema, table) = match lexed.is(at + 1, ".") {
                true => (Some(first), lexed.identifier(at + 2).unwrap_or_default()),
                false => (None, first),
            };
            if let Ok(schema) = self.schema(schema) {
                // LOCK TABLES is granted by database, the rest also by table.
                self.found
                    .push(Need::Schema(schema.clone(), Privileges::LOCK_TABLES));
                self.found.push(Need::Table {
                    schema,
                    table,
                    privileges: all.without(Privileges::LOCK_TABLES),
                });
            }
            let next = (at..lexed.tokens.len()).find(|i| lexed.is(*i, ","));
            at = next.map_or(lexed.tokens.len(), |comma| comma + 1);
        }
    }
}
