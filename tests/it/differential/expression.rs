//! Random expressions, typed: each function makes one whose value is of that kind.
//!
//! Not generated, because MySQL's own answer is no yardstick there:
//! - a division inside an expression: MySQL and MariaDB keep more digits of an intermediate
//!   quotient
//!   than its type says, so `(1/3)*3` is 1.0000 (documented in docs/testing.md);
//! - integers whose product leaves BIGINT: which of several errors is met first is not defined;
//! - a choice between numbers and strings (CASE, IF, COALESCE): MariaDB's and MySQL 8's types
//!   differ;
//! - comparisons of strings with dates that are none: MariaDB gives NULL, MySQL 8 an error.

use super::schema::{Kind, WORDS, column_of, moment};
use crate::data::literal::quote;
use crate::harness::random::Random;

const INTEGERS: [Kind; 6] = [
    Kind::Id,
    Kind::Key,
    Kind::Int,
    Kind::Unsigned,
    Kind::Bool,
    Kind::Made,
];
const STRINGS: [Kind; 2] = [Kind::Word, Kind::Path];
const TIMES: [Kind; 2] = [Kind::DateTime, Kind::Date];
const COMPARISONS: [&str; 7] = ["=", "<>", "<", "<=", ">", ">=", "<=>"];

/// Writes expressions over the columns of one table, which may have an alias.
pub struct Writer<'a> {
    pub random: &'a mut Random,
    pub alias: &'a str,
}

impl Writer<'_> {
    pub fn column(&mut self, kinds: &[Kind]) -> String {
        let name = column_of(kinds, self.random).name;
        if self.alias.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.alias)
        }
    }

    pub fn word(&mut self) -> String {
        quote(self.random.pick::<&str>(&WORDS))
    }

    fn small(&mut self) -> i64 {
        self.random.between(-20, 20)
    }

    /// An integer of at most a few thousand, or some billions for UNSIGNED columns.
    pub fn integer(&mut self, depth: u32) -> String {
        if depth == 0 {
            return match self.random.below(4) {
                0 => self.small().to_string(),
                _ => self.column(&INTEGERS),
            };
        }
        let depth = depth - 1;
        match self.random.below(12) {
            // Sums as signed numbers: an UNSIGNED operand would make a negative result an error.
            0 => format!("({} + {})", self.signed(depth), self.signed(depth)),
            1 => format!("({} - {})", self.signed(depth), self.signed(depth)),
            2 => format!("({} * {})", self.signed(0), self.small()),
            3 => format!("ABS({})", self.signed(depth)),
            4 => format!("({} % {})", self.signed(depth), self.random.between(0, 7)),
            5 => format!("({} DIV {})", self.signed(depth), self.random.between(0, 7)),
            6 => self.part_of_time(),
            7 => format!("CHAR_LENGTH({})", self.string(depth)),
            8 => {
                let condition = self.boolean(depth);
                format!(
                    "IF({condition}, {}, {})",
                    self.signed(depth),
                    self.signed(depth)
                )
            }
            9 => format!("COALESCE({}, {})", self.signed(0), self.small()),
            10 => {
                let condition = self.boolean(depth);
                format!(
                    "(CASE WHEN {condition} THEN {} ELSE {} END)",
                    self.signed(0),
                    self.small()
                )
            }
            _ => format!("NULLIF({}, {})", self.signed(0), self.small()),
        }
    }

    /// An integer of a signed type.
    pub fn signed(&mut self, depth: u32) -> String {
        if depth == 0 || self.random.chance(60) {
            return match self.random.below(4) {
                0 => self.small().to_string(),
                _ => self.column(&[Kind::Id, Kind::Key, Kind::Int, Kind::Bool]),
            };
        }
        self.integer(depth)
    }

    fn part_of_time(&mut self) -> String {
        let function = *self.random.pick(&[
            "YEAR",
            "MONTH",
            "DAYOFMONTH",
            "HOUR",
            "MINUTE",
            "DAYOFWEEK",
            "WEEKDAY",
            "QUARTER",
            "DAYOFYEAR",
            "TO_DAYS",
            "WEEK",
        ]);
        let time = if matches!(function, "HOUR" | "MINUTE") {
            self.column(&[Kind::DateTime])
        } else {
            self.time(0)
        };
        format!("{function}({time})")
    }

    pub fn number(&mut self, depth: u32) -> String {
        match self.random.below(8) {
            0 | 1 => self.column(&[Kind::Decimal]),
            2 => self.column(&[Kind::Double]),
            3 => self.column(&[Kind::BigInt]),
            4 => format!(
                "({} * {})",
                self.column(&[Kind::Decimal]),
                self.random.pick(&["2", "1.5", "-0.25"])
            ),
            5 => format!(
                "ROUND({}, {})",
                self.column(&[Kind::Decimal]),
                self.random.between(-1, 3)
            ),
            6 => format!("({} + {})", self.column(&[Kind::Decimal]), self.signed(0)),
            _ => self.integer(depth),
        }
    }

    pub fn string(&mut self, depth: u32) -> String {
        if depth == 0 {
            return match self.random.below(5) {
                0 => self.word(),
                1 => format!("LOWER({})", self.column(&[Kind::Folded])),
                _ => self.column(&STRINGS),
            };
        }
        let depth = depth - 1;
        match self.random.below(9) {
            0 => format!(
                "CONCAT({}, '-', {})",
                self.string(depth),
                self.string(depth)
            ),
            1 => format!("UPPER({})", self.string(depth)),
            2 => format!("LOWER({})", self.string(depth)),
            3 => format!("LEFT({}, {})", self.string(depth), self.random.below(8)),
            4 => format!(
                "SUBSTRING({}, {}, {})",
                self.string(depth),
                self.small(),
                self.random.below(6)
            ),
            5 => format!("COALESCE({}, '?')", self.string(depth)),
            6 => format!(
                "SUBSTRING_INDEX({}, '/', {})",
                self.column(&[Kind::Path]),
                self.random.between(-3, 3)
            ),
            7 => {
                let condition = self.boolean(depth);
                format!("IF({condition}, {}, 'no')", self.string(depth))
            }
            _ => format!("REPLACE({}, '/', ':')", self.string(depth)),
        }
    }

    pub fn time(&mut self, depth: u32) -> String {
        if depth == 0 {
            return self.column(&TIMES);
        }
        let (time, amount) = (self.column(&TIMES), self.random.between(-400, 400));
        let unit = *self
            .random
            .pick(&["DAY", "HOUR", "MONTH", "MINUTE", "WEEK", "YEAR", "SECOND"]);
        match self.random.below(4) {
            0 => format!("DATE({time})"),
            1 => format!("({time} + INTERVAL {amount} {unit})"),
            2 => format!("DATE_SUB({time}, INTERVAL {} DAY)", amount.abs()),
            _ => format!("LAST_DAY({time})"),
        }
    }

    pub fn boolean(&mut self, depth: u32) -> String {
        let depth = depth.saturating_sub(1);
        match self.random.below(if depth == 0 { 12 } else { 16 }) {
            0..=2 => {
                let (left, operator) = (self.number(depth), *self.random.pick(&COMPARISONS));
                let right = if self.random.chance(70) {
                    self.small().to_string()
                } else {
                    self.number(0)
                };
                format!("{left} {operator} {right}")
            }
            3 => {
                let (left, operator) = (self.string(depth), *self.random.pick(&COMPARISONS));
                format!("{left} {operator} {}", self.word())
            }
            4 | 5 => {
                let (left, operator) = (self.time(depth.min(1)), *self.random.pick(&COMPARISONS));
                format!("{left} {operator} '{}'", self.moment())
            }
            6 => {
                let not = self.not();
                let (low, high) = (self.small(), self.small());
                format!("{} {not}BETWEEN {low} AND {high}", self.number(depth))
            }
            7 => {
                let not = self.not();
                let items: Vec<String> = (0..1 + self.random.below(4))
                    .map(|_| self.small().to_string())
                    .collect();
                format!("{} {not}IN ({})", self.integer(depth), items.join(", "))
            }
            8 => {
                let not = self.not();
                let pattern = *self.random.pick(&[
                    "%",
                    "/blog/1/%",
                    "%1%",
                    "_",
                    "%ü%",
                    "100\\%",
                    "a",
                    "",
                    "x\\_y",
                ]);
                format!("{} {not}LIKE '{pattern}'", self.column(&STRINGS))
            }
            9 => {
                let not = self.not();
                let column = self.column(&[
                    Kind::Int,
                    Kind::Word,
                    Kind::DateTime,
                    Kind::Decimal,
                    Kind::Bool,
                ]);
                format!("{column} IS {not}NULL")
            }
            10 => {
                let not = self.not();
                let words: Vec<String> =
                    (0..1 + self.random.below(3)).map(|_| self.word()).collect();
                format!(
                    "{} {not}IN ({})",
                    self.column(&[Kind::Word]),
                    words.join(", ")
                )
            }
            11 => self.folded(),
            12 => format!("({} AND {})", self.boolean(depth), self.boolean(depth)),
            13 => format!("({} OR {})", self.boolean(depth), self.boolean(depth)),
            14 => format!("(NOT {})", self.boolean(depth)),
            _ => self.column(&[Kind::Bool]),
        }
    }

    /// A comparison that ignores case.
    fn folded(&mut self) -> String {
        let (column, not) = (self.column(&[Kind::Folded]), self.not());
        match self.random.below(6) {
            0 => format!(
                "{column} {} {}",
                self.random.pick(&COMPARISONS),
                self.word()
            ),
            1 => format!("{column} {not}IN ({}, {})", self.word(), self.word()),
            2 => format!("{column} {not}BETWEEN {} AND {}", self.word(), self.word()),
            3 => {
                let pattern = *self.random.pick(&["A", "Z%", "%RICH", "_", "X\\_%", "%Ü%"]);
                format!("{column} {not}LIKE '{pattern}'")
            }
            4 => format!("{column} = {}", self.column(&[Kind::Word])),
            _ => format!("LOCATE({}, {column}) > 0", self.word()),
        }
    }

    fn not(&mut self) -> &'static str {
        if self.random.chance(30) { "NOT " } else { "" }
    }

    /// A moment as dashboards write it: with or without the time of day.
    fn moment(&mut self) -> String {
        let text = moment(self.random);
        if self.random.chance(40) {
            text[..10].to_owned()
        } else {
            text
        }
    }

    pub fn any(&mut self, depth: u32) -> String {
        match self.random.below(5) {
            0 => self.integer(depth),
            1 => self.number(depth),
            2 => self.string(depth),
            3 => self.time(depth.min(1)),
            _ => format!("({})", self.boolean(depth)),
        }
    }

    /// A group key: what dashboards group by.
    pub fn key(&mut self) -> String {
        match self.random.below(10) {
            0..=2 => self.column(&[Kind::Key, Kind::Word, Kind::Bool]),
            3 => match self.random.below(4) {
                0 => format!("LOWER({})", self.column(&[Kind::Folded])),
                _ => self.column(&[Kind::Path, Kind::Date, Kind::DateTime]),
            },
            4 => format!("DATE({})", self.column(&TIMES)),
            5 => format!("DATE_FORMAT({}, '%Y-%m-01')", self.column(&TIMES)),
            6 => format!(
                "DATE_FORMAT({}, '%Y-%m-%d %H:00:00')",
                self.column(&[Kind::DateTime])
            ),
            7 => self.part_of_time(),
            8 => format!("SUBSTRING_INDEX({}, '/', 3)", self.column(&[Kind::Path])),
            _ => self.integer(1),
        }
    }

    /// A window function; rows are told apart by the order.
    pub fn window(&mut self) -> String {
        let partition = match self.random.below(3) {
            0 => String::new(),
            _ => format!("PARTITION BY {} ", self.column(&[Kind::Key, Kind::Word])),
        };
        let direction = *self.random.pick(&["", " DESC"]);
        let column = self.column(&[Kind::Int, Kind::Date, Kind::Decimal, Kind::BigInt]);
        let over = format!("OVER ({partition}ORDER BY {column}{direction}, id)");
        let peers = format!("OVER ({partition}ORDER BY {column}{direction})");
        let argument = self.column(&[Kind::Int, Kind::Decimal, Kind::Word, Kind::DateTime]);
        let sum = self.column(&[Kind::Int, Kind::Decimal, Kind::Unsigned]);
        match self.random.below(11) {
            0 => format!("ROW_NUMBER() {over}"),
            1 => format!("RANK() {peers}"),
            2 => format!("DENSE_RANK() {peers}"),
            3 => format!("NTILE({}) {over}", 1 + self.random.below(5)),
            4 => format!("LAG({argument}, {}) {over}", 1 + self.random.below(3)),
            5 => format!("LEAD({argument}) {over}"),
            6 => format!("FIRST_VALUE({argument}) {over}"),
            7 => format!("SUM({sum}) {peers}"),
            8 => format!(
                "SUM({sum}) OVER ({partition}ORDER BY {column}{direction}, id \
                 ROWS BETWEEN {} PRECEDING AND CURRENT ROW)",
                self.random.below(4)
            ),
            9 => format!("COUNT(*) OVER ({})", partition.trim_end()),
            _ => format!("MAX({sum}) {peers}"),
        }
    }

    /// A call of a function that other expressions do not have.
    pub fn function(&mut self) -> String {
        let (string, word) = (self.string(1), self.word());
        let (integer, number) = (self.signed(0), self.column(&[Kind::Decimal, Kind::Int]));
        let (time, other) = (self.time(0), self.time(0));
        let small = self.random.between(-3, 6);
        let unit = *self
            .random
            .pick(&["DAY", "HOUR", "MONTH", "MINUTE", "WEEK", "YEAR"]);
        match self.random.below(52) {
            0 => format!("GREATEST({integer}, {small})"),
            1 => format!("LEAST({number}, {number})"),
            2 => format!("TRIM({string})"),
            3 => format!("TRIM(LEADING '/' FROM {string})"),
            4 => format!("LPAD({string}, {}, 'xy')", small + 4),
            5 => format!("RPAD({string}, {}, '.')", small + 4),
            6 => format!("TIMESTAMPDIFF({unit}, {time}, {other})"),
            7 => format!("DATEDIFF({time}, {other})"),
            8 => format!("HEX({string})"),
            9 => format!("FIELD({string}, 'a', 'b', {word})"),
            10 => format!("ELT({small}, 'x', {word}, 'z')"),
            11 => format!("FORMAT({number}, {})", small.abs()),
            12 => format!("TRUNCATE({number}, {small})"),
            13 => format!("ROUND({number}, {small})"),
            14 => format!("CEIL({number})"),
            15 => format!("FLOOR({number})"),
            16 => format!("SIGN({number})"),
            17 => format!("({integer} & {})", self.random.below(255)),
            18 => format!("({integer} | {})", self.random.below(255)),
            19 => format!("({integer} ^ {})", self.random.below(255)),
            20 => format!("CRC32({string})"),
            21 => format!("MD5({string})"),
            22 => format!("REVERSE({string})"),
            23 => format!("REPEAT({string}, {small})"),
            24 => format!("INSTR({string}, {word})"),
            25 => format!("LOCATE({word}, {string}, {})", small.abs() + 1),
            26 => format!("RIGHT({string}, {small})"),
            27 => format!("INSERT({string}, {small}, 2, {word})"),
            28 => format!("CONCAT_WS('-', {string}, {word}, {string})"),
            29 => format!("ASCII({string})"),
            30 => format!("LENGTH({string})"),
            31 => format!("BIT_LENGTH({string})"),
            32 => format!("DATE_FORMAT({time}, '%W %d %b %y %j %T')"),
            33 => format!("DATE_FORMAT({time}, '%U %u %V %v %X %x %w')"),
            34 => format!("YEARWEEK({time}, {})", small.abs()),
            35 => format!("WEEK({time}, {})", small.abs()),
            36 => format!("DAYNAME({time})"),
            37 => format!("MONTHNAME({time})"),
            38 => format!("UNIX_TIMESTAMP({time})"),
            39 => format!("TO_SECONDS({time})"),
            40 => format!("EXTRACT(YEAR_MONTH FROM {time})"),
            41 => format!("EXTRACT(DAY_HOUR FROM {time})"),
            42 => format!("ADDDATE({time}, {small})"),
            43 => format!("TIMESTAMPADD({unit}, {small}, {time})"),
            44 => format!("STR_TO_DATE(DATE_FORMAT({time}, '%d.%m.%Y'), '%d.%m.%Y')"),
            45 => format!("SEC_TO_TIME({})", self.random.between(-90_000, 90_000)),
            46 => format!(
                "MAKEDATE(2024 + {}, {})",
                small.abs(),
                self.random.below(800)
            ),
            47 => format!("INTERVAL({integer}, -5, 0, 5)"),
            48 => format!("STRCMP({string}, {word})"),
            49 => format!("CAST({number} AS SIGNED)"),
            50 => format!("CAST({string} AS CHAR({}))", small.abs()),
            _ => format!("CAST({time} AS DATE)"),
        }
    }

    pub fn aggregate(&mut self) -> String {
        let number = self.number(1);
        match self.random.below(15) {
            12 => {
                let id = self.column(&[Kind::Id]);
                let column = self.column(&[Kind::Key, Kind::Word, Kind::Decimal]);
                format!("GROUP_CONCAT({column} ORDER BY {id} SEPARATOR '|')")
            }
            13 => format!(
                "{}({})",
                self.random.pick(&["BIT_OR", "BIT_AND", "BIT_XOR"]),
                self.column(&[Kind::Key, Kind::Bool, Kind::Id])
            ),
            14 => format!("SUM(DISTINCT {})", self.column(&[Kind::Key, Kind::Int])),
            0 => "COUNT(*)".to_owned(),
            1 => format!("COUNT({})", self.any(1)),
            2..=4 => format!("SUM({number})"),
            5 => format!(
                "AVG({})",
                self.column(&[Kind::Int, Kind::Decimal, Kind::BigInt, Kind::Double])
            ),
            6 => format!("MIN({})", self.any(0)),
            7 => format!("MAX({})", self.any(0)),
            8 if self.random.chance(20) => {
                format!("COUNT(DISTINCT {})", self.column(&[Kind::Folded]))
            }
            8 => format!("COUNT(DISTINCT {})", self.any(0)),
            9 => {
                let condition = self.boolean(1);
                format!(
                    "SUM(CASE WHEN {condition} THEN {} ELSE 0 END)",
                    self.column(&[Kind::Int, Kind::Decimal])
                )
            }
            10 => {
                let condition = self.boolean(1);
                format!("SUM(IF({condition}, 1, 0))")
            }
            _ => {
                let (over, under) = (
                    self.column(&[Kind::Int, Kind::Decimal]),
                    self.column(&[Kind::Key, Kind::Bool]),
                );
                format!("SUM({over}) / NULLIF(SUM({under}), 0)")
            }
        }
    }
}
