//! Whether two servers gave the same answer, and where they did not.

use mysql_async::Column;

use super::answer::class_of;
use super::{Answer, Refusal};

/// Floating point sums depend on the order of their terms: this much of the value may differ.
const RELATIVE_ERROR: f64 = 1e-12;

/// How rows are brought together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As they came.
    Given,
    /// The statement fixes no order.
    Any,
}

/// `None` when both say the same: names, classes of types, rows; or the same error number.
pub fn difference(
    expected: &Result<Answer, Refusal>,
    actual: &Result<Answer, Refusal>,
    order: Order,
) -> Option<String> {
    match (expected, actual) {
        (Ok(expected), Ok(actual)) => answers(expected, actual, order),
        (Err(expected), Err(actual)) if code(expected) == code(actual) => None,
        _ => Some(format!(
            "expected {}\n  actual   {}",
            show(expected),
            show(actual)
        )),
    }
}

fn code(refusal: &Refusal) -> Option<u16> {
    match refusal {
        Refusal::Server { code, .. } => Some(*code),
        Refusal::Broken(_) => None,
    }
}

fn show(answer: &Result<Answer, Refusal>) -> String {
    match answer {
        Ok(answer) => {
            let lines = answer.lines();
            let first: Vec<&String> = lines.iter().take(5).collect();
            format!("{} rows {first:?}", lines.len())
        }
        Err(refusal) => refusal.to_string(),
    }
}

fn answers(expected: &Answer, actual: &Answer, order: Order) -> Option<String> {
    let (names, actual_names) = (expected.column_names(), actual.column_names());
    if names != actual_names {
        return Some(format!(
            "expected names {names:?}\n  actual   names {actual_names:?}"
        ));
    }
    let classes = |answer: &Answer| answer.columns.iter().map(class_of).collect::<String>();
    if classes(expected) != classes(actual) {
        let (expected, actual) = (classes(expected), classes(actual));
        return Some(format!(
            "expected types {expected}\n  actual   types {actual}"
        ));
    }
    let (mut rows, mut actual_rows) = (expected.texts(), actual.texts());
    if order == Order::Any {
        rows.sort();
        actual_rows.sort();
    }
    if rows.len() != actual_rows.len() {
        let (expected, actual) = (rows.len(), actual_rows.len());
        return Some(format!(
            "expected {expected} rows {:?}\n  actual   {actual} rows {:?}",
            rows.iter().take(5).collect::<Vec<_>>(),
            actual_rows.iter().take(5).collect::<Vec<_>>()
        ));
    }
    let pairs = rows.iter().zip(&actual_rows).enumerate();
    for (number, (row, actual_row)) in pairs {
        let mut cells = row.iter().zip(actual_row).zip(&expected.columns);
        if !cells.all(|((cell, actual), column)| same_cell(cell, actual, column)) {
            return Some(format!(
                "row {number} of {}\n  expected {row:?}\n  actual   {actual_row:?}",
                rows.len()
            ));
        }
    }
    None
}

fn same_cell(expected: &Option<String>, actual: &Option<String>, column: &Column) -> bool {
    if expected == actual {
        return true;
    }
    let (Some(expected), Some(actual)) = (expected, actual) else {
        return false;
    };
    if class_of(column) != 'R' {
        return false;
    }
    match (expected.parse::<f64>(), actual.parse::<f64>()) {
        (Ok(expected), Ok(actual)) => {
            (expected - actual).abs() <= RELATIVE_ERROR * expected.abs().max(actual.abs())
        }
        _ => false,
    }
}
