//! The plan of a statement, kept for others that differ in literals.
//!
//! A plan is taken over as it is when the literals are the same, too. Others are put in their places when
//! three things are known. Each literal has a place: its column has as many literals in the conditions of the
//! operators that read tables as were cut out of the statement, and one of them has its value. The place has
//! a type which the new value has, read as coercion reads it. And nothing else depends on it: two plans, made for
//! different values of it, were alike everywhere else.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::physical_plan::{ExecutionPlan, displayable};
use storno_storage::{TableMeta, TableSnapshot};

use super::hole::{Read, filled, with_holes};
use super::literal::Literal;
use super::statement::{Cut, Statement};
use crate::result::ResultColumn;
use crate::select::Compiled;
use crate::select::aggregate::Recipe;
use crate::select::found_rows::Window;

/// Free of rows and snapshots.
#[derive(Debug)]
pub struct Template {
    columns: Vec<ResultColumn>,
    window: Option<Window>,
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    /// By the number of their holes.
    tables: Vec<(Arc<TableMeta>, Arc<Recipe>)>,
    cuts: Vec<Kept>,
    /// The operators above the holes.
    text: String,
}

#[derive(Debug)]
struct Kept {
    cut: Cut,
    place: Option<Place>,
    /// Whether a plan for another value of it was alike.
    varied: bool,
}

/// A literal in a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    table: usize,
    condition: usize,
    /// Among the condition's literals.
    number: usize,
}

/// Whether a plan means the same when it is asked for again, and its conditions are known.
pub fn is_reusable(plan: &LogicalPlan) -> Result<bool> {
    let mut reusable = true;
    plan.apply(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|e| {
                reusable &= match e {
                    Expr::ScalarFunction(call) => {
                        call.func.signature().volatility == Volatility::Immutable
                    }
                    Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) => false,
                    _ => true,
                };
                Ok(match reusable {
                    true => TreeNodeRecursion::Continue,
                    false => TreeNodeRecursion::Stop,
                })
            })
        })
    })?;
    Ok(reusable)
}

impl Template {
    /// Keeps what was compiled for a statement, unless its plan cannot be used again.
    pub fn of(statement: &Statement, compiled: &Compiled) -> Result<Option<Self>> {
        let mut reads = Vec::new();
        let Some(plan) = with_holes(&compiled.plan, &mut reads, 0)? else {
            return Ok(None);
        };
        let places = places(&statement.literals, &reads);
        let cuts = statement.literals.iter().zip(places);
        let cuts = cuts.map(|(cut, place)| Kept {
            cut: cut.clone(),
            place,
            varied: false,
        });
        let text = displayable(plan.as_ref()).indent(false).to_string();
        let tables = reads.iter();
        let tables = tables.map(|read| (Arc::clone(read.table.meta()), Arc::clone(&read.recipe)));
        Ok(Some(Self {
            columns: compiled.columns.clone(),
            window: compiled.window,
            context: Arc::clone(&compiled.context),
            tables: tables.collect(),
            cuts: cuts.collect(),
            text,
            plan,
        }))
    }

    /// Takes over what is known from a template of the same key that was made before. `None`: that one
    /// is of more use.
    pub fn learned_from(mut self, earlier: &Self) -> Option<Self> {
        let tables = || self.tables.iter().zip(&earlier.tables);
        let same_tables = self.tables.len() == earlier.tables.len()
            && tables().all(|((one, _), (other, _))| Arc::ptr_eq(one, other));
        let alike = same_tables
            && self.text == earlier.text
            && tables().all(|((_, one), (_, other))| one.is_alike(other));
        if alike {
            for (cut, known) in self.cuts.iter_mut().zip(&earlier.cuts) {
                cut.varied = known.varied || cut.cut != known.cut;
            }
        }
        // An odd value is no reason to forget what holds of others.
        let odd = !alike && same_tables && earlier.cuts.iter().any(|cut| cut.varied);
        (!odd).then_some(self)
    }

    /// The plan for a statement of the same key; `None` when it is to be planned. `current` finds the
    /// statement's snapshot of a table.
    pub fn reuse(
        &self,
        statement: &Statement,
        current: impl Fn(&TableMeta) -> Option<TableSnapshot>,
    ) -> Result<Option<Compiled>> {
        let mut reads = Vec::with_capacity(self.tables.len());
        for (number, (meta, recipe)) in self.tables.iter().enumerate() {
            let Some(table) = current(meta).filter(|t| Arc::ptr_eq(t.meta(), meta)) else {
                return Ok(None);
            };
            let Some(recipe) = self.recipe(number, recipe, statement)? else {
                return Ok(None);
            };
            reads.push(Read { table, recipe });
        }
        // Without a table there is no place for another value.
        let differs = |(kept, cut): (&Kept, &Cut)| kept.cut != *cut && kept.place.is_none();
        if self.cuts.iter().zip(&statement.literals).any(differs) {
            return Ok(None);
        }
        Ok(Some(Compiled {
            columns: self.columns.clone(),
            plan: filled(&self.plan, &reads)?,
            context: Arc::clone(&self.context),
            window: self.window,
        }))
    }

    /// A table's recipe under the statement's conditions.
    fn recipe(
        &self,
        table: usize,
        recipe: &Arc<Recipe>,
        statement: &Statement,
    ) -> Result<Option<Arc<Recipe>>> {
        let mut conditions: Option<Vec<(usize, Expr)>> = None;
        for (kept, cut) in self.cuts.iter().zip(&statement.literals) {
            let place = kept.place.filter(|place| place.table == table);
            let Some(place) = place.filter(|_| kept.cut != *cut) else {
                continue;
            };
            let conditions = conditions.get_or_insert_with(|| recipe.conditions().to_vec());
            let condition = conditions.get_mut(place.condition);
            let Some((_, expr)) = condition.filter(|_| kept.varied) else {
                return Ok(None);
            };
            match replaced(expr, place.number, &cut.literal)? {
                Some(new) => *expr = new,
                None => return Ok(None),
            }
        }
        Ok(Some(match conditions {
            Some(conditions) => Arc::new(recipe.with_conditions(conditions)?),
            None => Arc::clone(recipe),
        }))
    }
}

/// The condition with another literal at one place, if it can be one of the type there.
fn replaced(expr: &Expr, number: usize, literal: &Literal) -> Result<Option<Expr>> {
    let (mut seen, mut put) = (0, false);
    let replaced = expr.clone().transform_down(|e| {
        let Expr::Literal(value, metadata) = &e else {
            return Ok(Transformed::no(e));
        };
        seen += 1;
        if seen != number + 1 {
            return Ok(Transformed::no(e));
        }
        Ok(match literal.as_value(value) {
            Some(value) => {
                put = true;
                Transformed::yes(Expr::Literal(value, metadata.clone()))
            }
            None => Transformed::no(e),
        })
    })?;
    Ok(put.then_some(replaced.data))
}

/// Where each literal is in the conditions.
fn places(cuts: &[Cut], reads: &[Read]) -> Vec<Option<Place>> {
    let literals = literals(reads);
    let of = |name: &str| -> Vec<&(String, Place, ScalarValue)> {
        literals
            .iter()
            .filter(|(column, ..)| column == name)
            .collect()
    };
    let place = |cut: &Cut| {
        let there = of(&cut.column);
        let cuts = cuts.iter().filter(|c| c.column == cut.column);
        let is_here = |value: &ScalarValue| cut.literal.as_value(value).as_ref() == Some(value);
        let mut fitting = there.iter().filter(|(.., value)| is_here(value));
        let (Some((_, place, _)), None) = (fitting.next(), fitting.next()) else {
            return None;
        };
        (there.len() == cuts.count()).then_some(*place)
    };
    let places: Vec<Option<Place>> = cuts.iter().map(place).collect();
    // Two literals in one place: another of that column has none.
    let alone = |place: &Place| places.iter().flatten().filter(|p| *p == place).count() == 1;
    places.iter().map(|place| place.filter(alone)).collect()
}

/// All literals of conditions: column, place and value.
fn literals(reads: &[Read]) -> Vec<(String, Place, ScalarValue)> {
    let mut found = Vec::new();
    for (table, read) in reads.iter().enumerate() {
        for (condition, (column, expr)) in read.recipe.conditions().iter().enumerate() {
            let column = read.recipe.column_name(*column).unwrap_or_default();
            let mut number = 0;
            // It does not fail.
            let _ = expr.apply(|e| {
                if let Expr::Literal(value, _) = e {
                    let place = Place {
                        table,
                        condition,
                        number,
                    };
                    found.push((column.to_string(), place, value.clone()));
                    number += 1;
                }
                Ok(TreeNodeRecursion::Continue)
            });
        }
    }
    found
}
