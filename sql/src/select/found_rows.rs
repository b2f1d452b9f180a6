//! How many rows a SELECT gives, and with SQL_CALC_FOUND_ROWS would give without its LIMIT.
//!
//! Such a query is planned without the LIMIT; its rows are counted and cut on their way to the client.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use futures::stream::{BoxStream, StreamExt};
use sqlparser::ast::{Expr, LimitClause, Query, SetExpr, Value};

use super::rewrite::limits;
use crate::error::Result;

/// The rows that are sent, counted from the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    offset: u64,
    count: u64,
}

impl Window {
    const ALL: Self = Self {
        offset: 0,
        count: u64::MAX,
    };
}

/// Takes the LIMIT from a query that says SQL_CALC_FOUND_ROWS.
pub fn take_window(query: &mut Query) -> Result<Option<Window>> {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return Ok(None);
    };
    let modifiers = select.select_modifiers.as_ref();
    if !modifiers.is_some_and(|m| m.sql_calc_found_rows) {
        return Ok(None);
    }
    let Some(mut clause) = query.limit_clause.take() else {
        return Ok(None);
    };
    limits(&mut clause)?;
    let (offset, count) = match &clause {
        LimitClause::LimitOffset { limit, offset, .. } => {
            (offset.as_ref().map(|o| &o.value), limit.as_ref())
        }
        LimitClause::OffsetCommaLimit { offset, limit } => (Some(offset), Some(limit)),
    };
    Ok(Some(Window {
        offset: offset.map_or(0, |e| integer(e, 0)),
        count: count.map_or(u64::MAX, |e| integer(e, u64::MAX)),
    }))
}

/// A number that `limits` has made of the expression.
fn integer(expr: &Expr, otherwise: u64) -> u64 {
    match expr {
        Expr::Value(v) => match &v.value {
            Value::Number(n, _) => n.parse().unwrap_or(otherwise),
            _ => otherwise,
        },
        _ => otherwise,
    }
}

/// Counts all rows in `found` and passes on those of the window.
pub fn counted(
    batches: BoxStream<'static, Result<RecordBatch>>,
    window: Option<Window>,
    found: Arc<AtomicU64>,
) -> BoxStream<'static, Result<RecordBatch>> {
    let Window { offset, count } = window.unwrap_or(Window::ALL);
    let end = offset.saturating_add(count);
    let cut = move |batch: RecordBatch| {
        let rows = batch.num_rows() as u64;
        let before = found.fetch_add(rows, Ordering::Relaxed);
        let from = offset.saturating_sub(before).min(rows);
        let to = end.saturating_sub(before).min(rows);
        // Both are at most the rows of one batch.
        batch.slice(from as usize, to.saturating_sub(from) as usize)
    };
    let sent = batches.map(move |batch| batch.map(&cut));
    sent.filter(|batch| {
        let wanted = batch.as_ref().map_or(true, |b| b.num_rows() > 0);
        std::future::ready(wanted)
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int32Array};
    use futures::stream;

    use super::*;
    use crate::dialect::{lex, parse_query};

    fn window(sql: &str) -> Option<(u64, u64)> {
        let mut query = parse_query(&lex(sql).expect("lexes")).expect("parses");
        let window = take_window(&mut query).expect("numbers");
        window.map(|w| (w.offset, w.count))
    }

    #[test]
    fn only_the_modifier_takes_the_limit() {
        assert_eq!(window("SELECT 1 LIMIT 2"), None);
        let calculated = "SELECT SQL_CALC_FOUND_ROWS 1";
        assert_eq!(window(calculated), None);
        assert_eq!(window(&format!("{calculated} LIMIT 2")), Some((0, 2)));
        assert_eq!(window(&format!("{calculated} LIMIT 5, 2")), Some((5, 2)));
        let offset = window(&format!("{calculated} LIMIT 2 OFFSET 5"));
        assert_eq!(offset, Some((5, 2)));
    }

    #[tokio::test]
    async fn rows_outside_the_window_are_counted_and_not_sent() {
        let batch = |values: [i32; 3]| {
            let array: ArrayRef = Arc::new(Int32Array::from(values.to_vec()));
            RecordBatch::try_from_iter([("a", array)]).map_err(|e| unreachable!("{e}"))
        };
        let batches = stream::iter([batch([1, 2, 3]), batch([4, 5, 6]), batch([7, 8, 9])]).boxed();
        let found = Arc::new(AtomicU64::new(0));
        let window = Window {
            offset: 2,
            count: 2,
        };
        let sent = counted(batches, Some(window), Arc::clone(&found));
        let sizes: Vec<usize> = sent.map(|b| b.map_or(0, |b| b.num_rows())).collect().await;
        assert_eq!((sizes, found.load(Ordering::Relaxed)), (vec![1, 1], 9));
    }
}
