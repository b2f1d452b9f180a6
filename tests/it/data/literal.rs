//! Values as SQL text.

use mysql_async::Value;

/// A value as a literal of the default sql_mode (backslash escapes).
pub fn literal(value: &Value) -> String {
    match value {
        Value::NULL => "NULL".to_owned(),
        Value::Bytes(bytes) => quote(&String::from_utf8_lossy(bytes)),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Float(number) => format!("{number:e}"),
        Value::Double(number) => format!("{number:e}"),
        Value::Date(y, mo, d, h, mi, s, 0) => {
            format!("'{y:04}-{mo:02}-{d:02} {h:02}:{mi:02}:{s:02}'")
        }
        Value::Date(y, mo, d, h, mi, s, micros) => {
            format!("'{y:04}-{mo:02}-{d:02} {h:02}:{mi:02}:{s:02}.{micros:06}'")
        }
        Value::Time(..) => unreachable!("no test writes TIME values as literals"),
    }
}

/// A string literal.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for c in text.chars() {
        match c {
            '\'' => quoted.push_str("''"),
            '\\' => quoted.push_str("\\\\"),
            '\0' => quoted.push_str("\\0"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\u{1a}' => quoted.push_str("\\Z"),
            other => quoted.push(other),
        }
    }
    quoted.push('\'');
    quoted
}

/// `(1,'a',NULL)` for a row of values.
pub fn tuple(values: &[Value]) -> String {
    let cells: Vec<String> = values.iter().map(literal).collect();
    format!("({})", cells.join(","))
}

/// `INSERT INTO table (columns) VALUES (..),(..)`.
pub fn insert<R: AsRef<[Value]>>(table: &str, columns: &[&str], rows: &[R]) -> String {
    let tuples: Vec<String> = rows.iter().map(|row| tuple(row.as_ref())).collect();
    format!(
        "INSERT INTO {table} (`{}`) VALUES {}",
        columns.join("`,`"),
        tuples.join(",")
    )
}

/// The same with placeholders for `rows` rows.
pub fn insert_with_placeholders(table: &str, columns: &[&str], rows: usize) -> String {
    let tuple = format!("({})", vec!["?"; columns.len()].join(","));
    let tuples = vec![tuple; rows].join(",");
    format!(
        "INSERT INTO {table} (`{}`) VALUES {tuples}",
        columns.join("`,`")
    )
}
