//! Rows that meet others with the same unique key: REPLACE, ON DUPLICATE KEY UPDATE, INSERT IGNORE.
//!
//! MySQL takes the rows of a statement one by one. Here they are taken in rounds: those of one round
//! neither share a key among themselves nor meet the same stored row, so that a round can be done in
//! whole columns and the result is the same.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array, UInt64Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{Field, Float32Type, Float64Type, Schema, SchemaRef, UInt64Type};
use arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::ScalarValue;
use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Query, SelectItem,
    SetExpr, VisitMut, VisitorMut,
};
use storno_storage::{
    CompareOp, IfGone, KeySpec, PendingChanges, Predicate, Repeated, ScanRequest, TableMeta,
    TableSnapshot, Value,
};

use super::Assigned;
use super::rows::{failed, read};
use super::statement::taken_from;
use crate::dialect::{lex, parse_query};
use crate::error::{Result, SqlError};
use crate::memory::Held;
use crate::select::expr::value;
use crate::select::planner::POSITION;
use crate::types::same_name;

/// Before a column's name: the value that was to be inserted into it.
const VALUES: &str = "values:";

/// What becomes of a row whose key is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// REPLACE: the stored rows go, the new one comes.
    Replace,
    /// ON DUPLICATE KEY UPDATE: the first stored row it meets is updated by the caller.
    Update,
    /// INSERT IGNORE: the new row is left out.
    Skip,
}

/// What one round did.
#[derive(Debug)]
pub struct Round {
    pub pending: PendingChanges,
    /// Rows for the next round.
    pub rest: RecordBatch,
    /// Those that came in.
    pub inserted: Vec<u32>,
    /// Stored rows that were replaced.
    pub replaced: u64,
    /// Rows left out.
    pub skipped: Vec<Repeated>,
    /// With `OnConflict::Update`: rows to be updated.
    pub met: Option<Met>,
}

/// Stored rows at `positions`, and the new row that met each, with its number in the round.
#[derive(Debug)]
pub struct Met {
    pub positions: Vec<u64>,
    pub by: Vec<u32>,
    pub old: RecordBatch,
    /// Never read: kept until they are written.
    #[allow(dead_code)]
    pub held: Held,
    pub new: RecordBatch,
}

/// Takes as many rows as go together.
pub fn round(mut pending: PendingChanges, rows: &RecordBatch, mode: OnConflict) -> Result<Round> {
    let table = pending.snapshot();
    let meta = Arc::clone(table.meta());
    let keys = &meta.spec.unique_keys;
    let mut chosen = Chosen::of(&meta, rows)?;
    let mut met: Vec<Vec<u64>> = vec![Vec::new(); rows.num_rows()];
    let mut met_by: Vec<usize> = vec![0; rows.num_rows()];
    for (number, (key, wanted)) in keys.iter().zip(&chosen.wanted).enumerate() {
        let found = match keys.len() {
            // Without ranges of values to go by, the table's key is faster than its rows.
            1 if folds(&meta, key) => found_by_key(&table, rows, wanted)?,
            _ => stored(&table, key, rows, wanted)?,
        };
        for (row, position) in found {
            if let (Some(positions), Some(by)) = (met.get_mut(row), met_by.get_mut(row)) {
                if positions.is_empty() {
                    *by = number;
                }
                positions.push(position);
            }
        }
    }
    let mut taken = HashSet::new();
    let (mut fresh, mut gone, mut pairs) = (Vec::new(), Vec::new(), Vec::new());
    let mut skipped = Vec::new();
    for row in std::mem::take(&mut chosen.rows) {
        let positions = met.get(row as usize).map_or(&[][..], Vec::as_slice);
        match (positions.first(), mode) {
            (None, _) => fresh.push(row),
            (Some(_), OnConflict::Skip) => {
                let (insert, row) = (0, row as usize);
                let key = met_by.get(row).copied().unwrap_or_default();
                skipped.push(Repeated { insert, row, key });
            }
            (Some(first), OnConflict::Update) if taken.insert(*first) => pairs.push((*first, row)),
            (Some(_), OnConflict::Update) => chosen.deferred.push(row),
            (Some(_), OnConflict::Replace) => {
                gone.extend(positions.iter().filter(|p| taken.insert(**p)));
                fresh.push(row);
            }
        }
    }
    chosen.deferred.sort_unstable();
    let replaced = gone.len() as u64;
    if !gone.is_empty() {
        gone.sort_unstable();
        let mut selection = table.selection();
        selection.extend(&gone)?;
        pending.delete(&selection, IfGone::Conflict)?;
    }
    if !fresh.is_empty() {
        let fresh = pick(rows, &fresh)?;
        match mode {
            OnConflict::Replace => pending.insert(&fresh)?,
            // Those whose event is known are not among them; the commit looks again.
            _ => drop(pending.arrive(&fresh)?),
        }
    }
    Ok(Round {
        pending,
        rest: pick(rows, &chosen.deferred)?,
        inserted: fresh,
        replaced,
        skipped,
        met: (!pairs.is_empty())
            .then(|| pair_up(&table, rows, pairs))
            .transpose()?,
    })
}

fn pick(rows: &RecordBatch, which: &[u32]) -> Result<RecordBatch> {
    take_record_batch(rows, &UInt32Array::from(which.to_vec())).map_err(failed)
}

fn pair_up(table: &TableSnapshot, rows: &RecordBatch, mut pairs: Vec<(u64, u32)>) -> Result<Met> {
    pairs.sort_unstable();
    let (positions, by): (Vec<u64>, Vec<u32>) = pairs.into_iter().unzip();
    let (old, held) = read(table, &positions)?;
    Ok(Met {
        old,
        held,
        new: pick(rows, &by)?,
        positions,
        by,
    })
}

/// Comparable bytes of keys without NULL, and the row that has each; NULL equals nothing.
type Wanted = HashMap<Box<[u8]>, usize>;

struct Chosen {
    rows: Vec<u32>,
    deferred: Vec<u32>,
    wanted: Vec<Wanted>,
}

impl Chosen {
    /// The rows whose keys no earlier row has.
    fn of(meta: &TableMeta, rows: &RecordBatch) -> Result<Self> {
        let keys = &meta.spec.unique_keys;
        let columns = keys.iter().map(|key| {
            let columns = key_columns(key, rows)?;
            Keys::of(&meta.folds.folded(&key.columns, &columns)?)
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let mut chosen = Self {
            rows: Vec::new(),
            deferred: Vec::new(),
            wanted: vec![Wanted::new(); keys.len()],
        };
        let mut seen: Vec<HashSet<Box<[u8]>>> = vec![HashSet::new(); keys.len()];
        for row in 0..rows.num_rows() {
            let mut fresh = true;
            for (seen, column) in seen.iter_mut().zip(&columns) {
                let key = column.with(row, |key| seen.insert(key.into()));
                fresh &= key.unwrap_or(true);
            }
            if fresh {
                chosen.rows.push(row as u32);
                for (wanted, column) in chosen.wanted.iter_mut().zip(&columns) {
                    column.with(row, |key| wanted.insert(key.into(), row));
                }
            } else {
                chosen.deferred.push(row as u32);
            }
        }
        Ok(chosen)
    }
}

/// The keys of some rows.
pub(super) struct Keys {
    rows: Rows,
    columns: Vec<ArrayRef>,
}

impl Keys {
    pub(super) fn of(columns: &[ArrayRef]) -> Result<Self> {
        let fields = columns
            .iter()
            .map(|c| SortField::new(c.data_type().clone()));
        let converter = RowConverter::new(fields.collect()).map_err(failed)?;
        let columns: Vec<ArrayRef> = columns.iter().map(without_negative_zero).collect();
        Ok(Self {
            rows: converter.convert_columns(&columns).map_err(failed)?,
            columns,
        })
    }

    /// Looks at a row's key; `None` where a part of it is NULL.
    pub(super) fn with<T>(&self, row: usize, look: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let complete = self.columns.iter().all(|c| c.is_valid(row));
        complete.then(|| look(self.rows.row(row).as_ref()))
    }
}

/// Keys tell -0.0 from 0.0 as little as `=` does.
fn without_negative_zero(column: &ArrayRef) -> ArrayRef {
    if let Some(doubles) = column.as_primitive_opt::<Float64Type>() {
        return Arc::new(doubles.unary::<_, Float64Type>(|value| value + 0.0));
    }
    if let Some(floats) = column.as_primitive_opt::<Float32Type>() {
        return Arc::new(floats.unary::<_, Float32Type>(|value| value + 0.0));
    }
    Arc::clone(column)
}

pub(super) fn key_columns(key: &KeySpec, rows: &RecordBatch) -> Result<Vec<ArrayRef>> {
    let column = |c: &usize| rows.columns().get(*c).cloned();
    let columns: Option<Vec<ArrayRef>> = key.columns.iter().map(column).collect();
    columns.ok_or_else(|| SqlError::internal("a key without its columns"))
}

/// Whether values of a key count as something else than they are.
fn folds(meta: &TableMeta, key: &KeySpec) -> bool {
    key.columns.iter().any(|&c| meta.folds.folds(c))
}

/// The same as `stored` for the only key of a table.
fn found_by_key(
    table: &TableSnapshot,
    rows: &RecordBatch,
    wanted: &Wanted,
) -> Result<Vec<(usize, u64)>> {
    let numbers: Vec<u32> = wanted.values().map(|row| *row as u32).collect();
    let duplicates = table.find_duplicates(&pick(rows, &numbers)?)?;
    let found = numbers.iter().zip(duplicates);
    Ok(found
        .filter_map(|(row, duplicate)| Some((*row as usize, duplicate?.position)))
        .collect())
}

/// Stored rows with one of the keys: the new row's number and the stored row's position.
fn stored(
    table: &TableSnapshot,
    key: &KeySpec,
    rows: &RecordBatch,
    wanted: &Wanted,
) -> Result<Vec<(usize, u64)>> {
    let mut found = Vec::new();
    if wanted.is_empty() {
        return Ok(found);
    }
    let request = ScanRequest {
        columns: key.columns.clone(),
        predicates: predicates(table.meta(), key, rows, wanted)?,
    };
    let scan = table.scan(request)?.with_row_positions();
    for batch in scan.into_morsels().into_iter().flatten() {
        let batch = batch?;
        let Some((positions, columns)) = batch.columns().split_last() else {
            continue;
        };
        let positions = positions.as_primitive::<UInt64Type>();
        let keys = Keys::of(&table.meta().folds.folded(&key.columns, columns)?)?;
        for (stored, position) in positions.values().iter().enumerate() {
            let row = keys.with(stored, |key| wanted.get(key).copied());
            found.extend(row.flatten().map(|row| (row, *position)));
        }
    }
    Ok(found)
}

/// Most keys that a scan is given one by one.
const LISTED_MAX: usize = 1_000;

/// What lets the scan leave out blocks: values of the key's columns, or their range.
fn predicates(
    meta: &TableMeta,
    key: &KeySpec,
    rows: &RecordBatch,
    wanted: &Wanted,
) -> Result<Vec<Predicate>> {
    let numbers: UInt32Array = wanted.values().map(|row| *row as u32).collect();
    let mut all = Vec::new();
    for &column in key.columns.iter().filter(|&&c| !meta.folds.folds(c)) {
        let Some(array) = rows.columns().get(column) else {
            continue;
        };
        let array = arrow::compute::take(array, &numbers, None).map_err(failed)?;
        let values: Option<Vec<Value>> = (0..array.len()).map(|i| literal(&array, i)).collect();
        let Some(values) = values else { continue };
        if values.len() <= LISTED_MAX {
            all.push(Predicate::In { column, values });
        } else if let Some((low, high)) = integer_range(&values) {
            let compare = |op, n| Predicate::Compare {
                column,
                op,
                value: Value::Int(n),
            };
            all.push(compare(CompareOp::GtEq, low));
            all.push(compare(CompareOp::LtEq, high));
        }
    }
    Ok(all)
}

fn integer_range(values: &[Value]) -> Option<(i128, i128)> {
    let integer = |value: &Value| match value {
        Value::Int(n) => Some(*n),
        _ => None,
    };
    let all: Vec<i128> = values.iter().map(integer).collect::<Option<_>>()?;
    Some((*all.iter().min()?, *all.iter().max()?))
}

/// `None` for types whose values storage does not compare.
fn literal(array: &ArrayRef, row: usize) -> Option<Value> {
    use ScalarValue as S;
    Some(match ScalarValue::try_from_array(array, row).ok()? {
        S::Int8(Some(n)) => Value::Int(n.into()),
        S::Int16(Some(n)) => Value::Int(n.into()),
        S::Int32(Some(n)) | S::Date32(Some(n)) => Value::Int(n.into()),
        S::Int64(Some(n)) | S::TimestampMicrosecond(Some(n), _) => Value::Int(n.into()),
        S::UInt8(Some(n)) => Value::Int(n.into()),
        S::UInt16(Some(n)) => Value::Int(n.into()),
        S::UInt32(Some(n)) => Value::Int(n.into()),
        S::UInt64(Some(n)) => Value::Int(n.into()),
        S::Decimal128(Some(n), _, scale) => Value::Decimal(n, scale),
        S::Utf8View(Some(s)) | S::Utf8(Some(s)) => Value::Str(s),
        S::BinaryView(Some(b)) | S::Binary(Some(b)) => Value::Bytes(b),
        _ => return None,
    })
}

/// The assignments of ON DUPLICATE KEY UPDATE.
#[derive(Debug, Clone)]
pub struct Assignments {
    pub columns: Vec<Assigned>,
    pub values: Vec<Expr>,
    /// `INSERT ... AS name [(columns)]`: another way to say VALUES(column).
    pub row_alias: Option<String>,
    /// Names given to the inserted columns, and the columns.
    pub column_aliases: Vec<(String, String)>,
}

impl Assignments {
    /// A query over the table of `table_of`: positions, then the assigned values.
    pub fn query(&self, schema: Option<&str>, table: &str) -> Result<Query> {
        let mut query = parse_query(&lex("SELECT 1 FROM t")?)?;
        let SetExpr::Select(select) = query.body.as_mut() else {
            return Err(SqlError::internal("SELECT is no SELECT"));
        };
        let name: Vec<Ident> = schema
            .into_iter()
            .chain([table])
            .map(|part| Ident::with_quote('`', part))
            .collect();
        for from in &mut select.from {
            if let sqlparser::ast::TableFactor::Table { name: n, .. } = &mut from.relation {
                *n = ObjectName::from(name.clone());
            }
        }
        let position = Expr::Identifier(Ident::with_quote('`', POSITION));
        let mut projection = vec![SelectItem::UnnamedExpr(position)];
        for (i, (expr, assigned)) in self.values.iter().zip(&self.columns).enumerate() {
            let mut expr = expr.clone();
            if assigned.default {
                expr = value(sqlparser::ast::Value::Null);
            }
            let _ = expr.visit(&mut NewValues(self));
            projection.push(SelectItem::ExprWithAlias {
                expr,
                alias: Ident::with_quote('`', format!("assigned {i}")),
            });
        }
        select.projection = projection;
        Ok(query)
    }

    /// Tells of each value whether it is a column's, stored or new, of the table by this name.
    pub fn note_sources(&mut self, table: &str) {
        let own = |expr: &Expr| match expr {
            Expr::Identifier(column) => {
                Some(self.aliased(&column.value).unwrap_or(column.value.clone()))
            }
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [of, column] if same_name(&of.value, table) => Some(column.value.clone()),
                _ => self.column_of(expr),
            },
            other => self.column_of(other),
        };
        let sources: Vec<_> = self.values.iter().map(|v| taken_from(v, &own)).collect();
        for (assigned, source) in self.columns.iter_mut().zip(sources) {
            assigned.taken_from = source.filter(|_| !assigned.default);
        }
    }

    fn column_of(&self, expr: &Expr) -> Option<String> {
        match expr {
            Expr::Function(f) if f.name.to_string().eq_ignore_ascii_case("values") => {
                let FunctionArguments::List(list) = &f.args else {
                    return None;
                };
                match list.args.as_slice() {
                    [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(column)))] => {
                        Some(column.value.clone())
                    }
                    [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::CompoundIdentifier(p)))] => {
                        p.last().map(|column| column.value.clone())
                    }
                    _ => None,
                }
            }
            Expr::CompoundIdentifier(parts) => match (parts.as_slice(), &self.row_alias) {
                ([table, column], Some(alias)) if same_name(&table.value, alias) => {
                    Some(self.aliased(&column.value).unwrap_or(column.value.clone()))
                }
                _ => None,
            },
            Expr::Identifier(column) => self.aliased(&column.value),
            _ => None,
        }
    }

    fn aliased(&self, name: &str) -> Option<String> {
        let found = self.column_aliases.iter().find(|(a, _)| same_name(a, name));
        found.map(|(_, column)| column.clone())
    }
}

struct NewValues<'a>(&'a Assignments);

impl VisitorMut for NewValues<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some(column) = self.0.column_of(expr) {
            let name = format!("{VALUES}{}", column.to_lowercase());
            *expr = Expr::Identifier(Ident::with_quote('`', name));
        }
        ControlFlow::Continue(())
    }
}

/// The rows that met as one table: stored values under the columns' names in `schema`, new ones under
/// `values:column`, and the number of the pair as its position.
pub fn table_of(met: &Met, schema: &SchemaRef) -> Result<RecordBatch> {
    let mut fields: Vec<Arc<Field>> = schema.fields().to_vec();
    let mut columns = met.old.columns().to_vec();
    for (field, column) in schema.fields().iter().zip(met.new.columns()) {
        let name = format!("{VALUES}{}", field.name());
        fields.push(Arc::new(field.as_ref().clone().with_name(name)));
        columns.push(Arc::clone(column));
    }
    let position = Field::new(POSITION, arrow::datatypes::DataType::UInt64, false);
    fields.push(Arc::new(position));
    columns.push(Arc::new(UInt64Array::from_iter_values(
        0..met.positions.len() as u64,
    )));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(failed)
}
