//! SET of LOAD DATA: lines gathered as columns, their expressions computed by one query for all of them.
//!
//! A field that goes into a column and is not assigned passes through untouched; an expression that
//! names its column sees the value that the column gets.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryViewArray, BinaryViewBuilder, RecordBatch};
use arrow::array::{RecordBatchOptions, StringViewArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema};
use sqlparser::ast::{
    Expr, Ident, ObjectName, Query, SelectItem, SetExpr, TableFactor, VisitMut, VisitorMut,
};

use super::rows::end_line;
use super::statement::{Assigned, LoadStatement, Target};
use crate::dialect::{lex, parse_query};
use crate::error::{Result, SqlError};
use crate::insert::{RowWriter, Scalar, Settings};
use crate::select::planner::POSITION;
use crate::types::{TableDefinition, TimeZone};

/// Before a user variable's name among the columns that expressions see.
const USER_VARIABLE: &str = "@";

/// Runs a query over a table's name that stands for these rows; one row for each, in order.
pub(crate) type Evaluate<'a> = &'a mut dyn FnMut(&Query, RecordBatch) -> Result<RecordBatch>;

/// The assignments of a statement.
#[derive(Debug)]
pub(super) struct Expressions {
    query: Query,
    /// For each assigned column: the query's output, or `None` for DEFAULT.
    outputs: Vec<Option<usize>>,
    targets: Vec<Target>,
    /// Fields whose columns expressions name, and their position in the table.
    seen: Vec<(usize, usize)>,
    table: TableDefinition,
}

impl Expressions {
    /// `None`: every field goes into a column, and nothing is computed.
    pub(super) fn new(
        load: &LoadStatement,
        targets: &[Target],
        table: &TableDefinition,
    ) -> Result<Option<Self>> {
        if load.assignments.is_empty() {
            return Ok(None);
        }
        let mut naming = Naming {
            targets,
            named: HashSet::new(),
        };
        let (mut projection, mut outputs) = (Vec::new(), Vec::new());
        for (i, (_, assigned)) in load.assignments.iter().enumerate() {
            let Assigned::Expression(expr) = assigned else {
                outputs.push(None);
                continue;
            };
            let mut expr = expr.as_ref().clone();
            let _ = expr.visit(&mut naming);
            outputs.push(Some(projection.len()));
            projection.push(SelectItem::ExprWithAlias {
                expr,
                alias: Ident::with_quote('`', format!("assigned {i}")),
            });
        }
        let is_seen = |(at, target): (usize, &Target)| match target {
            Target::Column(name) if naming.named.contains(&name.to_lowercase()) => {
                Some((at, table.position(name)?))
            }
            _ => None,
        };
        Ok(Some(Self {
            seen: targets.iter().enumerate().filter_map(is_seen).collect(),
            query: query_over(table, projection)?,
            outputs,
            targets: targets.to_vec(),
            table: table.clone(),
        }))
    }
}

fn query_over(table: &TableDefinition, mut projection: Vec<SelectItem>) -> Result<Query> {
    let mut query = parse_query(&lex("SELECT 1 FROM t")?)?;
    let SetExpr::Select(select) = query.body.as_mut() else {
        return Err(SqlError::internal("SELECT is no SELECT"));
    };
    let parts = [&table.meta.schema, &table.meta.spec.name];
    let name: Vec<Ident> = parts.map(|part| Ident::with_quote('`', part)).into();
    for from in &mut select.from {
        if let TableFactor::Table { name: n, .. } = &mut from.relation {
            *n = ObjectName::from(name.clone());
        }
    }
    let position = Expr::Identifier(Ident::with_quote('`', POSITION));
    projection.push(SelectItem::UnnamedExpr(position));
    select.projection = projection;
    Ok(query)
}

/// Has variables that are fields of the file named as columns, and notes the names of columns.
struct Naming<'a> {
    targets: &'a [Target],
    named: HashSet<String>,
}

impl VisitorMut for Naming<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let column = match expr {
            Expr::Identifier(ident) => ident,
            Expr::CompoundIdentifier(parts) => match parts.last_mut() {
                Some(last) => last,
                None => return ControlFlow::Continue(()),
            },
            _ => return ControlFlow::Continue(()),
        };
        let name = column.value.to_lowercase();
        let is_field = |target: &Target| match target {
            Target::Variable(v) => {
                column.quote_style.is_none() && name.strip_prefix('@') == Some(v)
            }
            Target::Column(_) => false,
        };
        if self.targets.iter().any(is_field) {
            *expr = Expr::Identifier(Ident::with_quote('`', name));
        } else {
            self.named.insert(name);
        }
        ControlFlow::Continue(())
    }
}

/// Lines waiting for their expressions.
#[derive(Debug)]
pub(super) struct Gathered {
    expressions: Expressions,
    settings: Settings,
    /// For each field its position among the writer's values, if it is one itself; those of SET follow.
    positions: Vec<Option<usize>>,
    columns: Vec<BinaryViewBuilder>,
    /// Fields of each line, and whether there were more than wanted.
    lines: Vec<(usize, bool)>,
}

impl Gathered {
    pub(super) fn new(
        expressions: Expressions,
        positions: Vec<Option<usize>>,
        settings: Settings,
    ) -> Self {
        let columns = expressions.targets.iter();
        Self {
            columns: columns.map(|_| BinaryViewBuilder::new()).collect(),
            expressions,
            settings,
            positions,
            lines: Vec::new(),
        }
    }

    pub(super) fn begin_line(&mut self, fields: usize, cut: bool) {
        self.lines.push((fields, cut));
    }

    /// The line's `at`-th field.
    pub(super) fn push(&mut self, at: usize, value: Option<&[u8]>) {
        if let Some(column) = self.columns.get_mut(at) {
            column.append_option(value);
        }
    }

    /// Computes the expressions of the lines and writes them as rows.
    pub(super) fn write(&mut self, writer: &mut RowWriter, evaluate: Evaluate<'_>) -> Result<()> {
        let columns = self.columns.iter_mut().map(BinaryViewBuilder::finish);
        let columns: Vec<BinaryViewArray> = columns.collect();
        let lines = std::mem::take(&mut self.lines);
        if lines.is_empty() {
            return Ok(());
        }
        let visible = self.visible(&columns, lines.len())?;
        let values = evaluate(&self.expressions.query, visible)?;
        if values.num_rows() != lines.len() {
            return Err(SqlError::internal("a line became several, or none"));
        }
        let fields = self.positions.iter().flatten().count();
        for (row, (present, cut)) in lines.into_iter().enumerate() {
            self.write_fields(writer, &columns, (row, present))?;
            for (at, output) in self.expressions.outputs.iter().enumerate() {
                let position = fields + at;
                match output.and_then(|output| values.columns().get(output)) {
                    Some(array) => {
                        let value = Scalar::from_array(array.as_ref(), row)?;
                        writer.append(position, value.datum())?;
                    }
                    None => writer.append_default(position)?,
                }
            }
            end_line(writer, cut)?;
        }
        Ok(())
    }

    fn write_fields(
        &self,
        writer: &mut RowWriter,
        columns: &[BinaryViewArray],
        (row, present): (usize, usize),
    ) -> Result<()> {
        let targets = self.expressions.targets.iter().zip(&self.positions);
        for (at, ((target, position), column)) in targets.zip(columns).enumerate() {
            match position {
                Some(position) if at >= present => writer.append_missing_field(*position)?,
                Some(position) if column.is_null(row) => writer.append_null_field(*position)?,
                Some(position) => writer.append_field(*position, column.value(row))?,
                // Its value comes from SET, but it is missing all the same.
                None if at >= present && matches!(target, Target::Column(_)) => {
                    writer.warn_of_missing_field()?;
                }
                None => {}
            }
        }
        Ok(())
    }

    /// What expressions see: variables as text, columns as they will be stored.
    fn visible(&self, columns: &[BinaryViewArray], rows: usize) -> Result<RecordBatch> {
        let (mut fields, mut arrays) = (Vec::new(), Vec::<ArrayRef>::new());
        for (target, column) in self.expressions.targets.iter().zip(columns) {
            if let Target::Variable(name) = target {
                fields.push(Field::new(
                    format!("{USER_VARIABLE}{name}"),
                    DataType::Utf8View,
                    true,
                ));
                arrays.push(Arc::new(as_text(column)));
            }
        }
        for (at, position) in &self.expressions.seen {
            let column = columns.get(*at).map(|c| self.coerced(c, *position));
            let spec = self.expressions.table.meta.spec.columns.get(*position);
            if let (Some(column), Some(spec)) = (column, spec) {
                let column = column?;
                let name = spec.name.to_lowercase();
                fields.push(Field::new(name, column.data_type().clone(), true));
                arrays.push(column);
            }
        }
        fields.push(Field::new(POSITION, DataType::UInt64, false));
        arrays.push(Arc::new(UInt64Array::from_iter_values(0..rows as u64)));
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
            .map_err(|e| SqlError::internal(e.to_string()))
    }

    /// A field as its column will have it. What is wrong with it is reported when it is written.
    fn coerced(&self, column: &BinaryViewArray, position: usize) -> Result<ArrayRef> {
        // A TIMESTAMP on the session's clock, as it is written.
        let settings = Settings {
            mode: self.settings.mode.with_ignore(true),
            time_zone: TimeZone::UTC,
            ..self.settings
        };
        let mut writer = RowWriter::for_columns(&self.expressions.table, &[position], settings)?;
        for row in 0..column.len() {
            match column.is_null(row) {
                true => writer.append_null_field(0)?,
                false => writer.append_field(0, column.value(row))?,
            }
        }
        let (columns, _, _) = writer.finish_columns()?;
        let missing = || SqlError::internal("a column without its values");
        columns.into_iter().next().ok_or_else(missing)
    }
}

fn as_text(column: &BinaryViewArray) -> StringViewArray {
    let text = |value: Option<&[u8]>| value.map(|v| String::from_utf8_lossy(v).into_owned());
    column.iter().map(text).collect()
}
