//! CREATE VIEW, ALTER VIEW and DROP VIEW.

use super::{Session, done};
use crate::accounts::AccountName;
use crate::ddl::{self, CreateView, DdlContext, DropView, NewTable, TableName, ViewStatement};
use crate::dialect::{Kind, Lexed, lex};
use crate::error::{Result, SqlError, Warning};
use crate::result::Outcome;
use crate::select::check_recursion;
use crate::types::same_name;
use crate::views::{StoredView, ViewColumn, Views};

impl Session {
    /// Definitions commit what is open before they take effect, as in MySQL.
    pub(super) async fn define_view(&mut self, statement: ViewStatement) -> Result<Outcome> {
        self.commit().await?;
        let engine = self.engine.clone();
        let _alone = engine.definitions().lock().await;
        match statement {
            ViewStatement::Create(create) => self.create_view(*create).await,
            ViewStatement::Drop(drop) => self.drop_views(drop).await,
        }
    }

    async fn create_view(&mut self, create: CreateView) -> Result<Outcome> {
        let schema = self.schema_of(create.name.schema.clone())?;
        let name = create.name.table.clone();
        let snapshot = self.engine.store().snapshot();
        if snapshot.tables(&schema).is_none() {
            return Err(SqlError::unknown_database(&schema));
        }
        let is_table = snapshot.table(&schema, &name).is_some();
        let is_view = self.engine.views().get(&schema, &name).is_some();
        match (is_table, is_view) {
            (true, _) if create.alter || create.or_replace => {
                return Err(is_no_view(&schema, &name));
            }
            (true, _) | (_, true) if !create.alter && !create.or_replace => {
                return Err(SqlError::table_exists(&name));
            }
            (false, false) if create.alter => {
                return Err(SqlError::unknown_table(&schema, &name));
            }
            _ => {}
        }
        let lexed = lex(&create.query)?;
        check_free_of_variables(&lexed)?;
        let database = self.database.clone().unwrap_or_else(|| schema.clone());
        if is_view {
            let own = (schema.clone(), name.clone());
            self.check_own_name(&create.query, &database, own).await?;
        }
        let columns = self.view_columns(&create, lexed).await?;
        let definer = match &create.definer {
            Some((user, host)) => AccountName::new(user, &host.to_lowercase()),
            None => self.account.clone(),
        };
        if self.engine.accounts().list().find(&definer).is_none() {
            let text = format!("The user specified as a definer ({definer}) does not exist");
            self.warn([Warning::note(1449, text)]);
        }
        let view = StoredView {
            by_place: !create.columns.is_empty() || !chooses_all(&lex(&create.query)?),
            database,
            query: create.query,
            columns,
            algorithm: create.algorithm,
            definer: definer.quoted(),
            security: create.security,
            collation: self.catalog_view().collation_connection(),
        };
        self.change_views(|views| views.put(&schema, &name, view))
            .await?;
        Ok(done(0))
    }

    /// 1146 for a view that comes to be read in its own query.
    async fn check_own_name(
        &self,
        query: &str,
        database: &str,
        own: (String, String),
    ) -> Result<()> {
        let (query, database) = (query.to_owned(), database.to_owned());
        let view = self.catalog_view();
        let work = move || check_recursion(&query, &database, own, &view);
        self.engine.planning().run(work).await
    }

    /// The view's columns: names from its list or its query, types as a table of the query's rows would have.
    async fn view_columns(&mut self, create: &CreateView, query: Lexed) -> Result<Vec<ViewColumn>> {
        let mut found = self.compile(query, Vec::new(), None).await?.columns;
        if !create.columns.is_empty() {
            if create.columns.len() != found.len() {
                let text = "In definition of view, derived table or common table expression, SELECT list and \
                            column names list have different column counts";
                return Err(SqlError::new(1353, "HY000", text));
            }
            for (column, name) in found.iter_mut().zip(&create.columns) {
                column.name.clone_from(name);
            }
        }
        for (at, column) in found.iter().enumerate() {
            let earlier = found.get(..at).unwrap_or_default();
            if earlier.iter().any(|e| same_name(&e.name, &column.name)) {
                let text = format!("Duplicate column name '{}'", column.name);
                return Err(SqlError::new(1060, "42S21", text));
            }
        }
        let texts = found.iter().map(|column| self.column_text(column));
        let texts = texts.collect::<Result<Vec<String>>>()?;
        let context = DdlContext {
            collation: &self.catalog_view().collation_connection(),
            time_zone: self.time_zone(),
        };
        let table = ddl::create_table(&format!("CREATE TABLE t ({})", texts.join(", ")), &context)?;
        let NewTable::Defined { spec, .. } = table.table else {
            return Err(SqlError::internal("the columns of a view"));
        };
        let column = |column: storno_storage::ColumnSpec| ViewColumn {
            name: column.name,
            attributes: column.attributes,
            nullable: column.nullable,
        };
        Ok(spec.columns.into_iter().map(column).collect())
    }

    /// All or none: what is missing is found before anything is dropped.
    async fn drop_views(&mut self, drop: DropView) -> Result<Outcome> {
        let (snapshot, views) = (self.engine.store().snapshot(), self.engine.views());
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for TableName { schema, table } in drop.names {
            let schema = self.schema_of(schema)?;
            if views.get(&schema, &table).is_some() {
                found.push((schema, table));
            } else if snapshot.table(&schema, &table).is_some() {
                return Err(is_no_view(&schema, &table));
            } else {
                missing.push(format!("{schema}.{table}"));
            }
        }
        if !missing.is_empty() && !drop.if_exists {
            return Err(SqlError::unknown_tables_to_drop(&missing.join(",")));
        }
        let notes = missing.iter();
        let notes = notes.map(|name| Warning::note(1051, format!("Unknown table '{name}'")));
        self.warn(notes.collect::<Vec<_>>());
        self.change_views(|views| {
            for (schema, name) in &found {
                views.remove(schema, name);
            }
        })
        .await?;
        Ok(done(0))
    }

    /// Changes the views, durably. Held is the lock of definitions.
    pub(super) async fn change_views(&self, change: impl FnOnce(&mut Views)) -> Result<()> {
        let mut views = Views::clone(&self.engine.views());
        change(&mut views);
        let kept = views.clone();
        self.engine
            .blocking_sql(move |store| kept.keep(store))
            .await?;
        self.engine.set_views(views);
        Ok(())
    }
}

/// 1347
fn is_no_view(schema: &str, name: &str) -> SqlError {
    let text = format!("'{schema}.{name}' is not VIEW");
    SqlError::new(1347, "HY000", text)
}

/// 1351: a view is the same for everybody.
fn check_free_of_variables(lexed: &Lexed) -> Result<()> {
    let is_variable = |t: &crate::dialect::Token| {
        t.kind == Kind::Placeholder || t.kind == Kind::Word && lexed.slice(*t).starts_with('@')
    };
    if lexed.tokens.iter().any(is_variable) {
        let text = "View's SELECT contains a variable or parameter";
        return Err(SqlError::new(1351, "HY000", text));
    }
    Ok(())
}

/// Whether a `*` stands for columns somewhere in the query.
fn chooses_all(lexed: &Lexed) -> bool {
    let mut tokens = 0..lexed.tokens.len();
    tokens.any(|at| {
        let before = at.checked_sub(1);
        let begins = |word| before.is_some_and(|b| lexed.is(b, word));
        lexed.is(at, "*") && (begins("SELECT") || begins("DISTINCT") || begins(",") || begins("."))
    })
}
