//! Random SELECTs of the shapes dashboards and reports have.

use super::expression::Writer;
use super::schema::{Kind, Table};
use crate::harness::compare::Order;
use crate::harness::random::Random;

pub struct Query {
    pub sql: String,
    pub order: Order,
}

impl Query {
    pub fn generate(tables: &[Table; 2], random: &mut Random) -> Self {
        let name = random.pick(&["t0", "t1"]).to_owned();
        debug_assert!(tables.iter().any(|table| table.name == name));
        match random.below(16) {
            0 | 1 => rows(name, random),
            2 => totals(name, random),
            3..=6 => groups(name, random),
            7 => distinct(name, random),
            8 => join(random),
            9 => nested(name, random),
            10 | 11 => windows(name, random),
            12 => sets(random),
            13 => correlated(random),
            14 => rollup(name, random),
            _ => values(name, random),
        }
    }
}

/// A statement that changes rows.
pub fn change(random: &mut Random, number: u64) -> String {
    let table = *random.pick(&["t0", "t1"]);
    let mut writer = Writer { random, alias: "" };
    let condition = writer.boolean(1);
    match writer.random.below(6) {
        0 => format!(
            "DELETE FROM {table} WHERE {condition} ORDER BY id DESC LIMIT {}",
            writer.random.below(4)
        ),
        1 => format!(
            "INSERT INTO {table} (id, k, i, b, w, p, y, t) SELECT id + {}, k, i, b, w, p, y, t \
             FROM {table} WHERE id < 1000 AND ({condition}) ORDER BY id LIMIT 5",
            1000 * (number + 1)
        ),
        2 => format!(
            "UPDATE {table} SET i = {}, k = {} WHERE {condition}",
            writer.signed(1),
            writer.random.between(-3, 9)
        ),
        3 => format!(
            "UPDATE {table} SET w = {}, d = d * {} WHERE {condition}",
            writer.word(),
            writer.random.pick(&["1.5", "-1", "0.333"])
        ),
        4 => format!(
            "UPDATE {table} SET t = {}, o = NOT o WHERE {condition}",
            writer.time(1)
        ),
        _ => format!(
            "UPDATE {table} SET k = k + 1, p = CONCAT(p, '/x') WHERE {condition} ORDER BY id LIMIT 9"
        ),
    }
}

/// Window functions over partitions in an order that names each row.
fn windows(table: &str, random: &mut Random) -> Query {
    let mut writer = Writer { random, alias: "" };
    let list: Vec<String> = (0..1 + writer.random.below(2))
        .map(|_| writer.window())
        .collect();
    let filter = filter(&mut writer, 60);
    let sql = format!(
        "SELECT id, {} FROM {table}{filter} ORDER BY id LIMIT 80",
        aliased("w", list)
    );
    Query {
        sql,
        order: Order::Given,
    }
}

/// Two queries of the same shape, joined as sets.
fn sets(random: &mut Random) -> Query {
    let operator = *random.pick(&["UNION", "UNION ALL", "INTERSECT", "EXCEPT"]);
    let mut writer = Writer { random, alias: "" };
    let kinds = [
        writer.column(&[Kind::Key]),
        writer.column(&[Kind::Word, Kind::Path]),
        writer.column(&[Kind::Date, Kind::DateTime]),
    ];
    let width = 1 + writer.random.below(2) as usize;
    let from = writer.random.below(2) as usize;
    let list = kinds[from..from + width].join(", ");
    let (one, other) = (filter(&mut writer, 80), filter(&mut writer, 80));
    Query {
        sql: format!("SELECT {list} FROM t0{one} {operator} SELECT {list} FROM t1{other}"),
        order: Order::Any,
    }
}

/// Rows by whether another table has some for them, and what it has.
fn correlated(random: &mut Random) -> Query {
    let key = *random.pick(&["k", "w", "y", "id"]);
    let mut inner = Writer { random, alias: "r" };
    let condition = inner.boolean(1);
    let (sum, not) = (
        inner.column(&[Kind::Int, Kind::Decimal]),
        *inner.random.pick(&["", "NOT "]),
    );
    let sql = match random.below(4) {
        0 => format!(
            "SELECT id FROM t0 l WHERE {not}EXISTS \
             (SELECT 1 FROM t1 r WHERE r.{key} = l.{key} AND {condition}) ORDER BY id"
        ),
        1 => format!(
            "SELECT id FROM t0 l WHERE l.i > \
             (SELECT AVG(r.i) FROM t1 r WHERE r.{key} = l.{key}) ORDER BY id"
        ),
        2 => format!(
            "SELECT id, (SELECT SUM({sum}) FROM t1 r WHERE r.{key} = l.{key}) AS s \
             FROM t0 l WHERE l.id < 60 ORDER BY id"
        ),
        _ => format!(
            "SELECT id FROM t0 l WHERE l.{key} {not}IN \
             (SELECT r.{key} FROM t1 r WHERE {condition}) ORDER BY id"
        ),
    };
    Query {
        sql,
        order: Order::Given,
    }
}

/// Groups and their sub-totals.
fn rollup(table: &str, random: &mut Random) -> Query {
    let mut writer = Writer { random, alias: "" };
    let mut keys: Vec<String> = (0..1 + writer.random.below(2))
        .map(|_| writer.column(&[Kind::Key, Kind::Bool, Kind::Date, Kind::Word]))
        .collect();
    keys.dedup();
    let aggregate = writer.aggregate();
    let filter = filter(&mut writer, 60);
    let keys = keys.join(", ");
    Query {
        sql: format!(
            "SELECT {keys}, {aggregate} AS a FROM {table}{filter} GROUP BY {keys} WITH ROLLUP"
        ),
        order: Order::Any,
    }
}

/// Functions of values that stand in the statement, and of columns.
fn values(table: &str, random: &mut Random) -> Query {
    let mut writer = Writer { random, alias: "" };
    let list: Vec<String> = (0..1 + writer.random.below(4))
        .map(|_| writer.function())
        .collect();
    let sql = format!(
        "SELECT {} FROM {table} WHERE id < 12 ORDER BY id",
        aliased("v", list)
    );
    Query {
        sql,
        order: Order::Given,
    }
}

fn filter(writer: &mut Writer<'_>, percent: u64) -> String {
    if !writer.random.chance(percent) {
        return String::new();
    }
    let depth = 1 + writer.random.below(3) as u32;
    format!(" WHERE {}", writer.boolean(depth))
}

/// Some rows, in an order that names each.
fn rows(table: &str, random: &mut Random) -> Query {
    let mut writer = Writer { random, alias: "" };
    let list: Vec<String> = (0..1 + writer.random.below(4))
        .map(|_| writer.any(2))
        .collect();
    let filter = filter(&mut writer, 80);
    let (order, direction) = (writer.any(1), writer.random.pick(&["", " DESC"]).to_owned());
    let (limit, offset) = (1 + writer.random.below(60), writer.random.below(3) * 10);
    let sql = format!(
        "SELECT {}, id FROM {table}{filter} ORDER BY {order}{direction}, id LIMIT {limit} OFFSET {offset}",
        aliased("c", list)
    );
    Query {
        sql,
        order: Order::Given,
    }
}

fn totals(table: &str, random: &mut Random) -> Query {
    let mut writer = Writer { random, alias: "" };
    let list: Vec<String> = (0..1 + writer.random.below(5))
        .map(|_| writer.aggregate())
        .collect();
    let filter = filter(&mut writer, 80);
    Query {
        sql: format!("SELECT {} FROM {table}{filter}", aliased("a", list)),
        order: Order::Given,
    }
}

fn groups(table: &str, random: &mut Random) -> Query {
    let mut writer = Writer { random, alias: "" };
    let keys: Vec<String> = (0..1 + writer.random.below(3))
        .map(|_| writer.key())
        .collect();
    let aggregates: Vec<String> = (0..1 + writer.random.below(3))
        .map(|_| writer.aggregate())
        .collect();
    let filter = filter(&mut writer, 60);
    let names: Vec<String> = (0..keys.len()).map(|index| format!("g{index}")).collect();
    let having = match writer.random.below(4) {
        0 => " HAVING COUNT(*) > 2".to_owned(),
        1 => format!(" HAVING SUM(i) {} 0", writer.random.pick(&[">", "<", ">="])),
        _ => String::new(),
    };
    let order = match writer.random.below(3) {
        0 => format!("a0 DESC, {}", names.join(", ")),
        1 => names.join(" DESC, "),
        _ => names.join(", "),
    };
    let limit = if writer.random.chance(40) {
        " LIMIT 10"
    } else {
        ""
    };
    let sql = format!(
        "SELECT {}, {} FROM {table}{filter} GROUP BY {}{having} ORDER BY {order}{limit}",
        aliased("g", keys),
        aliased("a", aggregates),
        names.join(", "),
    );
    Query {
        sql,
        order: Order::Given,
    }
}

fn distinct(table: &str, random: &mut Random) -> Query {
    let mut writer = Writer { random, alias: "" };
    let list: Vec<String> = (0..1 + writer.random.below(2))
        .map(|_| writer.key())
        .collect();
    let filter = filter(&mut writer, 50);
    let sql = format!(
        "SELECT DISTINCT {} FROM {table}{filter}",
        aliased("c", list)
    );
    Query {
        sql,
        order: Order::Any,
    }
}

/// Two tables on a key, sometimes with rows that have no partner.
fn join(random: &mut Random) -> Query {
    let kind = if random.chance(40) {
        "LEFT JOIN"
    } else {
        "JOIN"
    };
    let on = *random.pick(&[
        "l.id = r.id",
        "l.k = r.k AND l.id < 60",
        "l.w = r.w AND r.id < 20",
        "l.y = r.y",
        "l.c = r.c AND r.id < 20",
        "l.c = r.w AND l.id < 20",
    ]);
    let mut left = Writer { random, alias: "l" };
    let (key, sum) = (left.key(), left.column(&[Kind::Int, Kind::Decimal]));
    let filter = filter(&mut left, 50);
    let mut right = Writer { random, alias: "r" };
    let aggregate = right.aggregate();
    let sql = format!(
        "SELECT {key} AS g0, COUNT(*) AS n, SUM({sum}) AS s, {aggregate} AS a \
         FROM t0 l {kind} t1 r ON {on}{filter} GROUP BY g0 ORDER BY g0"
    );
    Query {
        sql,
        order: Order::Given,
    }
}

/// An aggregate over a derived table, or rows chosen by a sub-query.
fn nested(table: &str, random: &mut Random) -> Query {
    let mut writer = Writer { random, alias: "" };
    let (key, aggregate) = (writer.key(), writer.column(&[Kind::Int, Kind::Decimal]));
    let filter = filter(&mut writer, 60);
    let sql = match writer.random.below(3) {
        0 => format!(
            "SELECT COUNT(*) AS n, MAX(s) AS most, SUM(s) AS total FROM \
             (SELECT {key} AS g, SUM({aggregate}) AS s FROM {table}{filter} GROUP BY g) q WHERE s > 0"
        ),
        1 => {
            format!("SELECT COUNT(*) AS n FROM {table} WHERE k IN (SELECT k FROM {table}{filter})")
        }
        _ => format!(
            "SELECT id, i FROM {table} WHERE i > (SELECT AVG(i) FROM {table}{filter}) ORDER BY id"
        ),
    };
    Query {
        sql,
        order: Order::Given,
    }
}

fn aliased(prefix: &str, list: Vec<String>) -> String {
    let names = list
        .into_iter()
        .enumerate()
        .map(|(index, text)| format!("{text} AS {prefix}{index}"));
    names.collect::<Vec<_>>().join(", ")
}
