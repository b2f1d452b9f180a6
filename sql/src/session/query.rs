//! Queries of a session: SELECT, EXPLAIN, DO, and the values SET asks for.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlparser::ast::Expr;
use storno_storage::TableMeta;

use super::access::{Relation, relations};
use super::command::placeholders;
use super::insert::now_utc;
use super::into::into_variables;
use super::variables::{self, SessionVariables, VariableValue, known};
use super::{Session, done};
use crate::dialect::{Lexed, lex, parse_expression, parse_query};
use crate::error::{Result, SqlError};
use crate::insert::Scalar;
use crate::result::{Outcome, Rows};
use crate::select::evaluate::Evaluator;
use crate::select::expr::{number, text};
use crate::select::found_rows::counted;
use crate::select::planner::View;
use crate::select::reuse::{Setting, Statement};
use crate::select::{Compiled, Environment, QueryText, bind, compile, explanation, run};
use crate::types::TimeZone;

/// What expressions may ask of a session, copied for the planning thread.
#[derive(Debug)]
pub(super) struct SessionEnvironment {
    variables: SessionVariables,
    user_variables: HashMap<String, Scalar>,
    functions: Vec<(&'static str, Expr)>,
    warning_count: u64,
    error_count: u64,
    last_insert_id: u64,
    time_zone: TimeZone,
    /// The statement's time, microseconds since 1970 in UTC.
    now_utc: i64,
}

impl Environment for SessionEnvironment {
    fn variable(&self, name: &str) -> Result<Expr> {
        if let Some(user) = name.strip_prefix('@') {
            let known = self.user_variables.get(&user.to_lowercase());
            return Ok(bind::literal(known.unwrap_or(&Scalar::Null)));
        }
        let (scope, name) = name.split_once('.').unwrap_or(("", name));
        match name.to_lowercase().as_str() {
            "warning_count" => return Ok(number(self.warning_count)),
            "error_count" => return Ok(number(self.error_count)),
            "last_insert_id" | "identity" => return Ok(number(self.last_insert_id)),
            _ => {}
        }
        let variable = variables::find(name)?;
        variables::check_scope(variable, scope)?;
        let value = match scope.to_lowercase().as_str() {
            "global" => Cow::Owned(self.variables.globals().get(variable)),
            _ => self.variables.get(variable),
        };
        Ok(match variables::select_value(variable, &value) {
            VariableValue::Text(t) => text(t),
            VariableValue::Integer(i) => number(i),
            VariableValue::Null => bind::literal(&Scalar::Null),
        })
    }

    fn now(&self) -> i64 {
        self.time_zone.from_utc(self.now_utc)
    }

    fn time_zone(&self) -> String {
        self.time_zone.to_string()
    }

    fn session_function(&self, name: &str) -> Option<Expr> {
        self.functions
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, e)| e.clone())
    }
}

/// A scalar as the text a variable would hold.
pub(super) fn scalar_text(scalar: &Scalar) -> String {
    use crate::functions::convert::text::{push_date, push_datetime, push_double, push_time};
    let mut s = String::new();
    match scalar {
        Scalar::Null => {}
        Scalar::Int(i) => s = i.to_string(),
        Scalar::Decimal(d) => s.clone_from(d),
        Scalar::Text(t) => s.clone_from(t),
        Scalar::Bytes(b) | Scalar::Bits(b) => s = String::from_utf8_lossy(b).into_owned(),
        Scalar::Double(d) => push_double(&mut s, *d),
        Scalar::Date(days) => push_date(&mut s, *days),
        Scalar::DateTime { micros, fsp } => push_datetime(&mut s, *micros, Some(*fsp)),
        Scalar::Time { micros, fsp } => push_time(&mut s, *micros, Some(*fsp)),
    }
    s
}

impl Session {
    pub(super) fn environment(&self) -> SessionEnvironment {
        let account = format!("{}@{}", self.context.user, self.context.host);
        let current = format!("{}@{}", self.account.user, self.account.host);
        let database = self.database.clone().map_or(Scalar::Null, Scalar::Text);
        let database = bind::literal(&database);
        let (warning_count, error_count) = self.diagnostics();
        SessionEnvironment {
            variables: self.variables.clone(),
            user_variables: self.user_variables.clone(),
            functions: vec![
                ("database", database.clone()),
                ("schema", database),
                ("user", text(&account)),
                ("session_user", text(&account)),
                ("system_user", text(&account)),
                ("current_user", text(current)),
                ("version", text(self.engine.version())),
                ("connection_id", number(self.context.connection_id)),
                (
                    "found_rows",
                    number(self.found_rows.load(Ordering::Relaxed)),
                ),
                ("last_insert_id", number(self.last_insert_id)),
                (
                    "row_count",
                    bind::literal(&Scalar::Int(self.row_count.into())),
                ),
            ],
            warning_count,
            error_count,
            last_insert_id: self.last_insert_id,
            time_zone: self.time_zone(),
            now_utc: now_utc(),
        }
    }

    /// Compiles a query, unless its plan is kept.
    async fn planned(&mut self, lexed: Lexed, params: Vec<Scalar>) -> Result<Compiled> {
        let time_zone = self.variables.get(known!("time_zone"));
        let sql_mode = self.variables.get(known!("sql_mode"));
        let collation = self.variables.get(known!("collation_connection"));
        let views = self.engine.views().generation;
        let account = self.account.quoted();
        let setting = Setting {
            database: self.database.as_deref(),
            time_zone: &time_zone,
            sql_mode: &sql_mode,
            collation: &collation,
            views,
            group_concat_max_len: self.variables.integer(known!("group_concat_max_len")),
            account: &account,
            accounts: self.engine.accounts().generation(),
        };
        let statement = match self.files.is_empty() {
            true => Statement::read(&lexed, &params, &setting),
            // Files may be others the next time.
            false => None,
        };
        if let Some(statement) = &statement {
            let (snapshot, changed) = self.read_state();
            let current = |meta: &TableMeta| {
                let table = snapshot.table(&meta.schema, &meta.spec.name)?;
                Some(changed.get(&meta.id).cloned().unwrap_or(table))
            };
            if let Some(found) = self.engine.plans().find(statement, current)? {
                return Ok(found);
            }
        }
        self.compile(lexed, params, statement).await
    }

    /// Compiles a query on a planning thread. Its plan is kept for statements like `kept_as`.
    pub(super) async fn compile(
        &mut self,
        lexed: Lexed,
        params: Vec<Scalar>,
        kept_as: Option<Statement>,
    ) -> Result<Compiled> {
        let view = self.read_view();
        self.compile_over(view, lexed, params, kept_as).await
    }

    /// The same, over what `view` shows.
    pub(super) async fn compile_over(
        &mut self,
        view: View,
        lexed: Lexed,
        params: Vec<Scalar>,
        kept_as: Option<Statement>,
    ) -> Result<Compiled> {
        let env = self.environment();
        let engine = self.engine.clone();
        let (state, sink) = (engine.state(), self.sink.clone());
        let warned = sink.total();
        let work = move || {
            let text = QueryText {
                lexed: &lexed,
                params: &params,
                kept_as: kept_as.as_ref(),
            };
            let (compiled, template) = sink.within(|| compile(&text, &view, &state, &env))?;
            // What planning has warned of, the next statement is to be warned of, too.
            if let (Some(statement), Some(template)) = (kept_as, template)
                && sink.total() == warned
            {
                engine.plans().keep(statement, template);
            }
            Ok(compiled)
        };
        self.engine.planning().run(work).await
    }

    pub(super) async fn select(&mut self, lexed: Lexed, params: Vec<Scalar>) -> Result<Outcome> {
        if let Some((names, query)) = into_variables(&lexed)? {
            return self.select_into(names, (query, params)).await;
        }
        let compiled = self.planned(lexed, params).await?;
        Ok(Outcome::Rows(self.start(compiled)?))
    }

    /// Starts a query. FOUND_ROWS() will be the number of its rows.
    pub(super) fn start(&mut self, compiled: Compiled) -> Result<Rows> {
        let limit = match self.variables.integer(known!("max_execution_time")) {
            0 => None,
            millis => Some(Duration::from_millis(millis)),
        };
        let schema = compiled.schema();
        let pool = self.engine.pool()?;
        let batches = run::run(pool, compiled.plan, compiled.context, limit, &self.sink);
        self.found_rows = Arc::default();
        let batches = counted(batches, compiled.window, Arc::clone(&self.found_rows));
        Ok(Rows {
            columns: compiled.columns,
            schema,
            batches,
        })
    }

    pub(super) async fn explain(
        &mut self,
        lexed: &Lexed,
        (from, analyze): (usize, bool),
        params: Vec<Scalar>,
    ) -> Result<Outcome> {
        let query = lexed.text.get(from..).unwrap_or_default();
        self.check_may_explain(lex(query)?).await?;
        let compiled = self.compile(lex(query)?, params, None).await?;
        let plan = Arc::clone(&compiled.plan);
        if analyze {
            let mut rows = self.start(compiled)?;
            while let Some(batch) = futures::StreamExt::next(&mut rows.batches).await {
                batch?;
            }
        }
        let explained = move || Ok(explanation(plan.as_ref(), analyze));
        let text = self.engine.planning().run(explained).await?;
        let line = text.trim_end().to_string();
        Rows::of_texts(&["EXPLAIN"], &[vec![Some(line)]]).map(Outcome::Rows)
    }

    /// 1235 for `||` where sql_mode says that it joins strings: here it is OR always. Some clients set the mode
    /// and never write the operator.
    pub(super) fn check_pipes(&self, lexed: &Lexed) -> Result<()> {
        let joins = || {
            let mode = self.variables.get(known!("sql_mode"));
            mode.split(',').any(|m| m == "PIPES_AS_CONCAT")
        };
        let has_pipes = (0..lexed.tokens.len()).any(|at| lexed.word(at) == "||");
        match has_pipes && joins() {
            true => Err(SqlError::not_supported("|| with sql_mode PIPES_AS_CONCAT")),
            false => Ok(()),
        }
    }

    /// 1345 for a view whose text is not for the account: a plan tells it.
    async fn check_may_explain(&self, lexed: Lexed) -> Result<()> {
        let view = self.catalog_view();
        let work = move || {
            let rights = view.rights();
            let is_hidden = |relation: &Relation| {
                let schema = relation.schema.as_deref().or(view.database.as_deref());
                let schema = schema.unwrap_or_default();
                let is_view = view.views.get(schema, &relation.table).is_some();
                is_view && !rights.may_show_view(schema, &relation.table)
            };
            match relations(&parse_query(&lexed)?)?.iter().any(is_hidden) {
                true => {
                    let text =
                        "EXPLAIN/SHOW can not be issued; lacking privileges for underlying table";
                    Err(SqlError::new(1345, "HY000", text))
                }
                false => Ok(()),
            }
        };
        self.engine.planning().run(work).await
    }

    /// Evaluates an expression given as text, with as many of the parameters that are left as it has placeholders.
    pub(super) async fn evaluate(
        &mut self,
        text: String,
        params: &mut VecDeque<Scalar>,
    ) -> Result<Scalar> {
        let (view, env) = (self.read_view(), self.environment());
        let state = self.engine.state();
        let lexed = lex(strip_select(&text))?;
        let wanted = placeholders(&lexed).min(params.len());
        let params: Vec<Scalar> = params.drain(..wanted).collect();
        let work = move || {
            let mut expression = parse_expression(&lexed)?;
            bind::parameters(&mut expression, &params)?;
            Evaluator::new(&view, &state, &env).evaluate(&expression)
        };
        let sink = self.sink.clone();
        let work = move || sink.within(work);
        self.engine.planning().run(work).await
    }

    pub(super) async fn do_expressions(
        &mut self,
        lexed: &Lexed,
        params: Vec<Scalar>,
    ) -> Result<Outcome> {
        let list = lexed.rest(1).trim_end().trim_end_matches(';').to_string();
        let query = lex(&format!("SELECT {list}"))?;
        let compiled = self.compile(query, params, None).await?;
        let mut rows = self.start(compiled)?;
        while let Some(batch) = futures::StreamExt::next(&mut rows.batches).await {
            batch?;
        }
        Ok(done(0))
    }
}

/// sqlx sets `sql_mode=(SELECT CONCAT(..))`: a sub-query without FROM is its expression.
fn strip_select(text: &str) -> &str {
    let inner = text
        .trim()
        .strip_prefix('(')
        .and_then(|t| t.strip_suffix(')'))
        .map(str::trim);
    let Some(inner) = inner else { return text };
    match inner.get(..7) {
        Some(head) if head.eq_ignore_ascii_case("select ") => inner.get(7..).unwrap_or(text),
        _ => text,
    }
}
