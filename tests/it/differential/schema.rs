//! Tables with one column of each kind, and rows for them.

use mysql_async::Value;

use crate::harness::random::Random;

const ROWS: u64 = 250;

/// What a column holds, as far as the generator of expressions cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Numbers every row by itself.
    Id,
    /// Small integers, few distinct ones.
    Key,
    Int,
    BigInt,
    Unsigned,
    Decimal,
    /// Multiples of 0.25, so that sums are exact in any order.
    Double,
    /// Few distinct words.
    Word,
    /// The same under a collation that ignores case. Which of several spellings a group shows is not said:
    /// in results it is in lower case.
    Folded,
    /// Many distinct paths.
    Path,
    DateTime,
    Date,
    Bool,
    /// Generated from others.
    Made,
}

pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    pub mysql_type: &'static str,
}

const COLUMNS: [Column; 14] = [
    Column {
        name: "id",
        kind: Kind::Id,
        mysql_type: "INT NOT NULL",
    },
    Column {
        name: "k",
        kind: Kind::Key,
        mysql_type: "SMALLINT NULL",
    },
    Column {
        name: "i",
        kind: Kind::Int,
        mysql_type: "INT NULL",
    },
    Column {
        name: "b",
        kind: Kind::BigInt,
        mysql_type: "BIGINT NOT NULL",
    },
    Column {
        name: "u",
        kind: Kind::Unsigned,
        mysql_type: "INT UNSIGNED NULL",
    },
    Column {
        name: "d",
        kind: Kind::Decimal,
        mysql_type: "DECIMAL(10,2) NULL",
    },
    Column {
        name: "f",
        kind: Kind::Double,
        mysql_type: "DOUBLE NULL",
    },
    Column {
        name: "w",
        kind: Kind::Word,
        mysql_type: "VARCHAR(20) NULL",
    },
    Column {
        name: "c",
        kind: Kind::Folded,
        mysql_type: "VARCHAR(20) COLLATE utf8mb4_general_ci NULL",
    },
    Column {
        name: "p",
        kind: Kind::Path,
        mysql_type: "VARCHAR(100) NOT NULL",
    },
    Column {
        name: "t",
        kind: Kind::DateTime,
        mysql_type: "DATETIME NULL",
    },
    Column {
        name: "y",
        kind: Kind::Date,
        mysql_type: "DATE NOT NULL",
    },
    Column {
        name: "o",
        kind: Kind::Bool,
        mysql_type: "TINYINT(1) NULL",
    },
    Column {
        name: "m",
        kind: Kind::Made,
        mysql_type: "INT AS (k * 3 + CHAR_LENGTH(p)) STORED",
    },
];

pub const WORDS: [&str; 9] = ["", "a", "A", "b", "Zürich", "zürich", "100%", "x_y", "日本"];

pub struct Table {
    pub name: String,
    pub rows: Vec<Vec<Value>>,
}

impl Table {
    pub fn generate(name: &str, random: &mut Random) -> Self {
        let nulls = *random.pick(&[0, 5, 30]);
        let row = |id: u64, random: &mut Random| {
            given()
                .map(|column| column.value(id, nulls, random))
                .collect()
        };
        let rows = (0..ROWS).map(|id| row(id, random)).collect();
        Self {
            name: name.to_owned(),
            rows,
        }
    }

    pub fn create(&self) -> String {
        let columns: Vec<String> = COLUMNS
            .iter()
            .map(|column| format!("`{}` {}", column.name, column.mysql_type))
            .collect();
        format!(
            "CREATE TABLE {} ({}) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
            self.name,
            columns.join(", ")
        )
    }

    pub fn column_names(&self) -> Vec<&'static str> {
        given().map(|column| column.name).collect()
    }
}

/// The columns that rows bring values for.
fn given() -> impl Iterator<Item = &'static Column> {
    COLUMNS.iter().filter(|column| column.kind != Kind::Made)
}

/// A column of one of these kinds.
pub fn column_of(kinds: &[Kind], random: &mut Random) -> &'static Column {
    let kind = random.pick(kinds);
    COLUMNS
        .iter()
        .find(|column| column.kind == *kind)
        .unwrap_or(&COLUMNS[0])
}

impl Column {
    fn value(&self, id: u64, nulls: u64, random: &mut Random) -> Value {
        if !self.mysql_type.contains("NOT NULL") && random.chance(nulls) {
            return Value::NULL;
        }
        match self.kind {
            Kind::Id => Value::UInt(id),
            Kind::Key => Value::Int(random.between(-2, 6)),
            Kind::Int => Value::Int(random.between(-5_000, 5_000)),
            Kind::BigInt => Value::Int(random.between(-1_000_000_000_000, 1_000_000_000_000)),
            Kind::Unsigned => Value::UInt(random.skewed(4_000_000_000)),
            Kind::Decimal => {
                let cents = random.between(-1_000_000, 1_000_000);
                let sign = if cents < 0 { "-" } else { "" };
                let cents = cents.unsigned_abs();
                Value::from(format!("{sign}{}.{:02}", cents / 100, cents % 100))
            }
            Kind::Double => Value::Double(random.between(-4_000, 4_000) as f64 / 4.0),
            Kind::Word | Kind::Folded => Value::from(*random.pick(&WORDS)),
            Kind::Path => Value::from(format!("/blog/{}/{}", random.skewed(4), random.skewed(200))),
            Kind::DateTime => Value::from(moment(random)),
            Kind::Date => Value::from(moment(random)[..10].to_owned()),
            Kind::Bool => Value::UInt(random.below(2)),
            Kind::Made => Value::NULL,
        }
    }
}

/// Mostly in 2025, sometimes far away, often at a day's or a month's first second.
pub fn moment(random: &mut Random) -> String {
    let year = match random.below(20) {
        0 => random.between(1971, 2037),
        1 => 2024,
        _ => 2025,
    };
    let (month, day) = (random.between(1, 12), random.between(1, 28));
    let day = if random.chance(10) { 1 } else { day };
    let (h, m, s) = match random.below(3) {
        0 => (0, 0, 0),
        1 => (random.between(0, 23), 0, 0),
        _ => (
            random.between(0, 23),
            random.between(0, 59),
            random.between(0, 59),
        ),
    };
    format!("{year:04}-{month:02}-{day:02} {h:02}:{m:02}:{s:02}")
}
