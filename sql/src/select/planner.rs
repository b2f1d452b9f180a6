//! From a rewritten query to a logical plan over one snapshot.
//!
//! The planner sees only what is given here: tables of the snapshot and MySQL's functions. There are no
//! files, no external tables and no DataFusion settings to reach from SQL text.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::catalog::default_table_source::provider_as_source;
use datafusion::common::TableReference;
use datafusion::config::ConfigOptions;
use datafusion::datasource::MemTable;
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner};
use datafusion::logical_expr::{
    AggregateUDF, HigherOrderUDF, LogicalPlan, ScalarUDF, TableSource, WindowUDF,
};
use datafusion::sql::planner::{NullOrdering, ParserOptions, SqlToRel};
use sqlparser::ast::{ObjectName, Query, Statement};
use storno_storage::{Snapshot, TableId, TableSnapshot};

use super::table::SnapshotTable;
use crate::accounts::AccountName;
use crate::engine::Engine;
use crate::error::{Result, SqlError};
use crate::files::{self, FilesTable};
use crate::functions::{self, failure::raise};
use crate::information_schema::{
    self, Listing, VirtualSource, VirtualTable, is_information_schema,
};
use crate::session::process::Process;
use crate::session::variables::{SessionVariables, known};
use crate::session::{Rights, SessionContext};
use crate::types::{TableDefinition, TimeZone, charset};
use crate::views::Views;

/// What of the session a statement may ask for, apart from tables.
#[derive(Debug, Clone)]
pub struct SessionView {
    pub engine: Engine,
    pub context: Arc<SessionContext>,
    /// The account by which the user came in.
    pub account: AccountName,
    pub process: Arc<Process>,
    pub variables: SessionVariables,
}

/// Behind a table's name: its rows are wanted with their positions, as the column [`POSITION`].
pub const POSITIONS: &str = "\0positions";
/// The hidden column of positions, for UPDATE and DELETE.
pub const POSITION: &str = "row position";

/// What one statement reads: a snapshot, the transaction's own changes and the default database.
#[derive(Debug, Clone)]
pub struct View {
    pub snapshot: Snapshot,
    /// Tables that its own transaction has changed, with the changes.
    pub changed: Arc<HashMap<TableId, TableSnapshot>>,
    pub database: Option<String>,
    /// Zone in which TIMESTAMP columns are read.
    pub time_zone: TimeZone,
    pub session: SessionView,
    /// The rows of a SHOW statement, to be filtered by its WHERE.
    pub listing: Option<Arc<Listing>>,
    pub views: Arc<Views>,
    /// The calls of FILES in the statement.
    pub(crate) files: Arc<[Arc<FilesTable>]>,
}

/// Database and name.
pub(super) type TableName = (String, String);

/// What a name in FROM stands for.
#[derive(Debug, Clone)]
pub enum Relation {
    Stored(TableSnapshot),
    /// A table of information_schema.
    Virtual(&'static VirtualTable),
    /// A view, described as if it were a table.
    View(Arc<TableDefinition>),
}

impl Relation {
    /// Columns, keys and attributes.
    pub fn definition(&self) -> Result<Arc<TableDefinition>> {
        match self {
            Self::Stored(table) => TableDefinition::read(Arc::clone(table.meta())).map(Arc::new),
            Self::Virtual(table) => table.definition(),
            Self::View(definition) => Ok(Arc::clone(definition)),
        }
    }
}

impl View {
    /// The schema that is meant; 1046 when none is given and none is current.
    pub fn schema<'a>(&'a self, given: Option<&'a str>) -> Result<&'a str> {
        let schema = given.or(self.database.as_deref());
        schema.ok_or_else(SqlError::no_database_selected)
    }

    /// The collation of literals.
    pub fn collation_connection(&self) -> String {
        charset::stored(&self.session.variables.get(known!("collation_connection")))
    }

    /// What the session's account may do, and see.
    pub fn rights(&self) -> Rights {
        let accounts = self.session.engine.accounts().list();
        Rights::new(accounts, self.session.account.clone())
    }

    /// 1142
    pub(crate) fn denied(&self, command: &str, table: &str) -> SqlError {
        let session = &self.session;
        let user = AccountName::new(&session.account.user, &session.context.host);
        let text = format!("{command} command denied to user {user} for table '{table}'");
        SqlError::new(1142, "42000", text)
    }

    /// Finds a table to read from; 1046, 1049, 1109 or 1146 when there is none.
    pub fn relation(&self, schema: Option<&str>, table: &str) -> Result<Relation> {
        let schema = self.schema(schema)?;
        // Positions are wanted of what is changed, which these are never.
        if is_information_schema(schema) && !table.ends_with(POSITIONS) {
            let found = information_schema::find(table);
            let missing = || SqlError::unknown_information_schema_table(table);
            return found.map(Relation::Virtual).ok_or_else(missing);
        }
        if information_schema::is_server_schema(schema) && !table.ends_with(POSITIONS) {
            let found = information_schema::find_in(schema, table);
            let missing = || SqlError::unknown_table(schema, table);
            return found.map(Relation::Virtual).ok_or_else(missing);
        }
        if let Some(view) = self.views.get(schema, table) {
            return Ok(Relation::View(Arc::new(view.definition(schema, table)?)));
        }
        self.table(Some(schema), table).map(Relation::Stored)
    }

    /// Finds a stored table by the parts of its name; 1046, 1049 or 1146 when there is none. 1044 in
    /// information_schema, which nothing is written to.
    pub fn table(&self, schema: Option<&str>, table: &str) -> Result<TableSnapshot> {
        let schema = self.schema(schema)?;
        if is_information_schema(schema) {
            return Err(SqlError::database_access_denied(
                &self.session.context.user,
                schema,
            ));
        }
        let table = table.strip_suffix(POSITIONS).unwrap_or(table);
        match self.snapshot.table(schema, table) {
            Some(found) => Ok(self.changed.get(&found.meta().id).cloned().unwrap_or(found)),
            None if self.views.get(schema, table).is_some() => {
                Err(SqlError::not_supported("changing rows through a view"))
            }
            None if self.snapshot.tables(schema).is_none() => {
                Err(SqlError::unknown_database(schema))
            }
            None => Err(SqlError::unknown_table(schema, table)),
        }
    }

    /// The files that a name stands for.
    pub(crate) fn files(&self, name: &str) -> Option<Arc<FilesTable>> {
        self.files.get(files::number_of(name)?).cloned()
    }

    /// The same by a parsed name.
    pub fn relation_named(&self, name: &ObjectName) -> Result<Relation> {
        let parts: Vec<&str> = name
            .0
            .iter()
            .filter_map(|p| p.as_ident())
            .map(|i| i.value.as_str())
            .collect();
        match parts.as_slice() {
            [table] => self.relation(None, table),
            [schema, table] => self.relation(Some(schema), table),
            _ => Err(SqlError::syntax(&name.to_string(), 1)),
        }
    }
}

/// Plans queries against one view.
pub struct Planner<'a> {
    view: &'a View,
    config: &'a ConfigOptions,
    expr_planners: Vec<Arc<dyn ExprPlanner>>,
    sources: RefCell<HashMap<TableReference, Arc<dyn TableSource>>>,
    /// Tables that views read, whose definers may.
    allowed: RefCell<HashSet<TableName>>,
}

impl<'a> Planner<'a> {
    pub fn new(view: &'a View, config: &'a ConfigOptions) -> Self {
        let expr_planners: Vec<Arc<dyn ExprPlanner>> = vec![Arc::new(functions::MysqlExprPlanner)];
        Self {
            view,
            config,
            expr_planners,
            sources: RefCell::default(),
            allowed: RefCell::default(),
        }
    }

    /// Lets tables be read whatever the session's account may do.
    pub(super) fn allow(&self, tables: Vec<TableName>) {
        self.allowed.borrow_mut().extend(tables);
    }

    /// Has a name stand for these rows instead of the catalog's table.
    pub fn with_rows(self, name: TableReference, rows: RecordBatch) -> DfResult<Self> {
        let table = MemTable::try_new(rows.schema(), vec![vec![rows]])?;
        let source = provider_as_source(Arc::new(table));
        self.sources.borrow_mut().insert(name, source);
        Ok(self)
    }

    /// MySQL's conventions: exact decimals, names as the rewriter left them, NULLs first ascending.
    pub fn sql_to_rel(&self) -> SqlToRel<'_, Self> {
        let options = ParserOptions::new()
            .with_parse_float_as_decimal(true)
            .with_enable_ident_normalization(false)
            .with_map_string_types_to_utf8view(true)
            .with_default_null_ordering(NullOrdering::NullsMin);
        SqlToRel::new_with_options(self, options)
    }

    pub fn plan(&self, query: Query) -> DfResult<LogicalPlan> {
        self.sql_to_rel()
            .sql_statement_to_plan(Statement::Query(Box::new(query)))
    }
}

impl Planner<'_> {
    fn provider(&self, name: &TableReference) -> Result<Arc<dyn TableProvider>> {
        if let Some(files) = self.view.files(name.table()) {
            return Ok(files);
        }
        if let (Some(listing), Listing::NAME) = (&self.view.listing, name.table()) {
            return Ok(listing.provider()?);
        }
        let table = match self.view.relation(name.schema(), name.table())? {
            Relation::Stored(table) => table,
            Relation::Virtual(table) => {
                return Ok(Arc::new(VirtualSource::try_new(table, self.view.clone())?));
            }
            Relation::View(_) => return Err(SqlError::not_supported("a view in this place")),
        };
        // Those of what is changed were asked about when the statement came.
        if !name.table().ends_with(POSITIONS) {
            self.check_may_read(&table)?;
        }
        let table = SnapshotTable::try_new(table, self.view.time_zone)?;
        Ok(Arc::new(match name.table().ends_with(POSITIONS) {
            true => table.with_positions(),
            false => table,
        }))
    }
}

impl Planner<'_> {
    /// 1142 unless the account may read a table that a name was found to mean. The names in a statement's text were asked
    /// about before (`session::access`): this is for those that a planner understands in another way.
    fn check_may_read(&self, table: &TableSnapshot) -> Result<()> {
        let meta = table.meta();
        let name = (meta.schema.clone(), meta.spec.name.clone());
        if self.allowed.borrow().contains(&name) || self.view.rights().may_read(&name.0, &name.1) {
            return Ok(());
        }
        Err(self.view.denied("SELECT", &name.1))
    }
}

impl ContextProvider for Planner<'_> {
    fn get_table_source(&self, name: TableReference) -> DfResult<Arc<dyn TableSource>> {
        if let Some(source) = self.sources.borrow().get(&name) {
            return Ok(Arc::clone(source));
        }
        let provider = self.provider(&name).map_err(raise)?;
        let source = provider_as_source(provider);
        self.sources.borrow_mut().insert(name, Arc::clone(&source));
        Ok(source)
    }

    fn create_cte_work_table(
        &self,
        name: &str,
        schema: SchemaRef,
    ) -> DfResult<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(
            name, schema,
        ))))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.expr_planners
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        functions::scalar(name)
    }

    fn get_higher_order_meta(&self, _: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        if name == "group_concat" {
            let variables = &self.view.session.variables;
            let length_max = variables.integer(known!("group_concat_max_len"));
            return Some(functions::group_concat(
                usize::try_from(length_max).unwrap_or(usize::MAX),
            ));
        }
        functions::aggregate(name)
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        functions::window(name)
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.config
    }

    // Asked for to suggest similar names when one is unknown.
    fn udf_names(&self) -> Vec<String> {
        functions::scalar_names()
    }
    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }
    fn udaf_names(&self) -> Vec<String> {
        functions::aggregate_names()
    }
    fn udwf_names(&self) -> Vec<String> {
        functions::window_names()
    }
}
