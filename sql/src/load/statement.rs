//! The statement LOAD DATA, read from its tokens.

use sqlparser::ast::Expr;

use super::compression::Compression;
use super::stored::{FileFormat, Stored};
use crate::dialect::{Kind, Lexed, lex, parse_expression};
use crate::error::{Result, SqlError};

/// LOAD DATA [LOCAL] INFILE, as written.
#[derive(Debug, Clone)]
pub(crate) struct LoadStatement {
    pub(crate) file: String,
    /// The client sends the file.
    pub(crate) local: bool,
    /// Instead of `file`: files elsewhere.
    pub(crate) stored: Option<Stored>,
    pub(crate) layout: FileFormat,
    pub(crate) on_repeated_key: OnRepeatedKey,
    pub(crate) schema: Option<String>,
    pub(crate) table: String,
    pub(crate) compression: Compression,
    pub(crate) charset: FileCharset,
    pub(crate) format: Format,
    pub(crate) skip_lines: u64,
    /// Where the fields of a line go; `None`: into all columns in the table's order.
    pub(crate) targets: Option<Vec<Target>>,
    pub(crate) assignments: Vec<(String, Assigned)>,
}

/// What becomes of a line whose unique key is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnRepeatedKey {
    Fail,
    Ignore,
    Replace,
}

/// Where a field goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Column(String),
    /// `@name`; folded, without the `@`.
    Variable(String),
}

/// The right-hand side of an assignment in SET.
#[derive(Debug, Clone)]
pub(crate) enum Assigned {
    Default,
    Expression(Box<Expr>),
}

/// How the file's characters are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileCharset {
    /// And ascii and binary: bytes are taken as they are, what is no text is found by the columns.
    Utf8,
    /// windows-1252, which MySQL calls latin1.
    Latin1,
}

/// How fields and lines are told apart. Empty: there is no such mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) field_end: Vec<u8>,
    pub(crate) enclosed: Option<u8>,
    /// OPTIONALLY, which a reader need not know.
    pub(crate) optionally: bool,
    pub(crate) escape: Option<u8>,
    pub(crate) line_start: Vec<u8>,
    pub(crate) line_end: Vec<u8>,
    /// A carriage return before a line's end is part of it.
    pub(crate) crlf: bool,
}

impl Default for Format {
    fn default() -> Self {
        Self {
            field_end: b"\t".to_vec(),
            enclosed: None,
            optionally: false,
            escape: Some(b'\\'),
            line_start: Vec::new(),
            line_end: b"\n".to_vec(),
            crlf: false,
        }
    }
}

impl LoadStatement {
    /// Token 0 is LOAD. To be called on a planning thread: expressions are trees.
    pub(crate) fn parse(lexed: &Lexed) -> Result<Self> {
        ClauseReader { lexed, at: 1 }.statement()
    }
}

/// A place in a statement with FIELDS and LINES.
pub(crate) struct ClauseReader<'a> {
    pub(crate) lexed: &'a Lexed,
    pub(crate) at: usize,
}

impl ClauseReader<'_> {
    pub(crate) fn take(&mut self, words: &[&str]) -> bool {
        let there = self.lexed.are(self.at, words);
        if there {
            self.at += words.len();
        }
        there
    }

    pub(crate) fn take_any(&mut self, words: &[&str]) -> bool {
        words.iter().any(|word| self.take(&[word]))
    }

    pub(crate) fn error(&self) -> SqlError {
        self.lexed.error_at(self.at)
    }

    pub(crate) fn expect(&mut self, words: &[&str]) -> Result<()> {
        match self.take(words) {
            true => Ok(()),
            false => Err(self.error()),
        }
    }

    pub(crate) fn name(&mut self) -> Result<String> {
        let name = self.lexed.identifier(self.at).ok_or_else(|| self.error())?;
        self.at += 1;
        Ok(name)
    }

    /// A string. Where another one stands beside it, the error is at the first: a key may be in the second, and what
    /// blots keys out of errors finds them by the name before them.
    pub(crate) fn text(&mut self) -> Result<String> {
        let text = self.lexed.string(self.at);
        let beside = self.lexed.tokens.get(self.at + 1);
        let alone = beside.is_none_or(|token| token.kind != Kind::Text);
        let text = text.filter(|_| alone).ok_or_else(|| self.error())?;
        self.at += 1;
        Ok(text)
    }

    /// CHARACTER SET, of which a file that is written knows only one.
    pub(crate) fn utf8(&mut self) -> Result<()> {
        match self.charset()? {
            FileCharset::Utf8 => Ok(()),
            FileCharset::Latin1 => Err(SqlError::not_supported("INTO OUTFILE in latin1")),
        }
    }

    fn statement(mut self) -> Result<LoadStatement> {
        if self.lexed.is(self.at, "XML") {
            return Err(SqlError::not_supported("LOAD XML"));
        }
        self.expect(&["DATA"])?;
        self.take_any(&["LOW_PRIORITY", "CONCURRENT"]);
        let local = self.take(&["LOCAL"]);
        let stored = match local {
            true => None,
            false => Stored::read(&mut self)?,
        };
        let file = match stored {
            Some(_) => String::new(),
            None => {
                self.expect(&["INFILE"])?;
                self.text()?
            }
        };
        let first_layout = FileFormat::read(&mut self)?;
        let before = self.compression()?;
        let on_repeated_key = match () {
            () if self.take(&["REPLACE"]) => OnRepeatedKey::Replace,
            // What the client sends cannot be stopped half-way, so MySQL takes what it can.
            () if self.take(&["IGNORE"]) || local => OnRepeatedKey::Ignore,
            () => OnRepeatedKey::Fail,
        };
        self.expect(&["INTO", "TABLE"])?;
        let (schema, table) = self.table()?;
        let behind = self.compression()?;
        let layout = first_layout.or(FileFormat::read(&mut self)?);
        let charset = self.charset()?;
        let compression = before.or(behind).or(self.compression()?);
        let layout = layout.or(FileFormat::read(&mut self)?);
        let base = match layout {
            Some(FileFormat::Csv) => Format::csv(),
            _ => Format::default(),
        };
        let format = self.format(base)?;
        let skip_lines = self.skip_lines()?;
        let targets = self.targets()?;
        let assignments = self.assignments()?;
        self.take(&[";"]);
        if self.at < self.lexed.tokens.len() {
            return Err(self.error());
        }
        Ok(LoadStatement {
            file,
            local,
            stored,
            layout: layout.unwrap_or(FileFormat::Lines),
            on_repeated_key,
            schema,
            table,
            compression: compression.unwrap_or(Compression::Auto),
            charset,
            format: format.checked()?,
            skip_lines,
            targets,
            assignments,
        })
    }

    fn table(&mut self) -> Result<(Option<String>, String)> {
        let first = self.name()?;
        let name = match self.take(&["."]) {
            true => (Some(first), self.name()?),
            false => (None, first),
        };
        match self.lexed.is(self.at, "PARTITION") {
            true => Err(SqlError::not_supported("LOAD DATA .. PARTITION")),
            false => Ok(name),
        }
    }

    /// `COMPRESSION [=] 'gzip'`, where MySQL or SingleStore have it.
    fn compression(&mut self) -> Result<Option<Compression>> {
        if !self.take(&["COMPRESSION"]) {
            return Ok(None);
        }
        self.take(&["="]);
        let name = self.word_or_string()?;
        let compression = Compression::named(&name);
        let unknown = || SqlError::not_supported(&format!("LOAD DATA .. COMPRESSION {name}"));
        compression.ok_or_else(unknown).map(Some)
    }

    pub(crate) fn word_or_string(&mut self) -> Result<String> {
        match self.lexed.string(self.at) {
            Some(_) => self.text(),
            None => self.name(),
        }
    }

    pub(crate) fn charset(&mut self) -> Result<FileCharset> {
        if !self.take(&["CHARACTER", "SET"]) && !self.take(&["CHARSET"]) {
            return Ok(FileCharset::Utf8);
        }
        let name = self.word_or_string()?;
        match name.to_ascii_lowercase().as_str() {
            "utf8mb4" | "utf8mb3" | "utf8" | "ascii" | "binary" => Ok(FileCharset::Utf8),
            "latin1" => Ok(FileCharset::Latin1),
            _ => {
                // 1115 for one that MySQL does not know either.
                crate::types::charset::resolve(Some(&name), None, "utf8mb4_bin")?;
                let what = format!("LOAD DATA of files in {name}");
                Err(SqlError::not_supported(&what))
            }
        }
    }

    /// `[FIELDS ..] [LINES ..]`, over what is given.
    pub(crate) fn format(&mut self, mut format: Format) -> Result<Format> {
        if self.take_any(&["FIELDS", "COLUMNS"]) {
            let start = self.at;
            loop {
                if self.take(&["TERMINATED", "BY"]) {
                    format.field_end = self.mark()?;
                } else if self.take(&["OPTIONALLY", "ENCLOSED", "BY"]) {
                    format.enclosed = self.character()?;
                    format.optionally = true;
                } else if self.take(&["ENCLOSED", "BY"]) {
                    format.enclosed = self.character()?;
                    format.optionally = false;
                } else if self.take(&["ESCAPED", "BY"]) {
                    format.escape = self.character()?;
                } else {
                    break;
                }
            }
            self.something_since(start)?;
        }
        if self.take(&["LINES"]) {
            let start = self.at;
            loop {
                if self.take(&["TERMINATED", "BY"]) {
                    format.line_end = self.mark()?;
                    format.crlf = false;
                } else if self.take(&["STARTING", "BY"]) {
                    format.line_start = self.mark()?;
                } else {
                    break;
                }
            }
            self.something_since(start)?;
        }
        Ok(format)
    }

    fn something_since(&self, start: usize) -> Result<()> {
        match self.at > start {
            true => Ok(()),
            false => Err(self.error()),
        }
    }

    /// A string, also as `0x09`, `X'09'` or `b'1001'`.
    fn mark(&mut self) -> Result<Vec<u8>> {
        if let Some(text) = self.lexed.string(self.at) {
            self.at += 1;
            return Ok(text.into_bytes());
        }
        let word = self.lexed.word(self.at);
        let bytes = if let Some(digits) = word.strip_prefix("0x") {
            self.at += 1;
            crate::insert::hex(digits.as_bytes())
        } else if word.eq_ignore_ascii_case("x") {
            let digits = self.lexed.string(self.at + 1).ok_or_else(|| self.error())?;
            self.at += 2;
            crate::insert::hex(digits.as_bytes())
        } else {
            None
        };
        bytes.ok_or_else(|| self.error())
    }

    /// At most one character; 1083 for more.
    fn character(&mut self) -> Result<Option<u8>> {
        match self.mark()?.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(*one)),
            _ => {
                let text = "Field separator argument is not what is expected; check the manual";
                Err(SqlError::new(1083, "42000", text))
            }
        }
    }

    fn skip_lines(&mut self) -> Result<u64> {
        if !self.take(&["IGNORE"]) {
            return Ok(0);
        }
        let count = self.lexed.word(self.at).parse().map_err(|_| self.error())?;
        self.at += 1;
        match self.take_any(&["LINES", "ROWS"]) {
            true => Ok(count),
            false => Err(self.error()),
        }
    }

    fn targets(&mut self) -> Result<Option<Vec<Target>>> {
        if !self.take(&["("]) || self.take(&[")"]) {
            return Ok(None);
        }
        let mut targets = Vec::new();
        loop {
            targets.push(self.target()?);
            if self.take(&[")"]) {
                return Ok(Some(targets));
            }
            self.expect(&[","])?;
        }
    }

    fn target(&mut self) -> Result<Target> {
        let word = self.lexed.word(self.at);
        if let Some(name) = word.strip_prefix('@').filter(|name| !name.starts_with('@')) {
            self.at += 1;
            // @`name` and @'name' come as two tokens.
            if !name.is_empty() {
                return Ok(Target::Variable(name.to_lowercase()));
            }
            let quoted = self.lexed.string(self.at);
            let name = quoted.or_else(|| self.lexed.identifier(self.at));
            let name = name.ok_or_else(|| self.error())?;
            self.at += 1;
            return Ok(Target::Variable(name.to_lowercase()));
        }
        // `column`, `table.column` or `schema.table.column`.
        let mut name = self.name()?;
        while self.take(&["."]) {
            name = self.name()?;
        }
        Ok(Target::Column(name))
    }

    fn assignments(&mut self) -> Result<Vec<(String, Assigned)>> {
        let mut assignments = Vec::new();
        if !self.take(&["SET"]) {
            return Ok(assignments);
        }
        loop {
            let Target::Column(column) = self.target()? else {
                return Err(self.error());
            };
            if !self.take(&["="]) && !self.take(&[":="]) {
                return Err(self.error());
            }
            assignments.push((column, self.assigned()?));
            if !self.take(&[","]) {
                return Ok(assignments);
            }
        }
    }

    /// Everything up to the next comma outside parentheses.
    fn assigned(&mut self) -> Result<Assigned> {
        let start = self.at;
        let mut depth = 0_usize;
        while let Some(token) = self.lexed.tokens.get(self.at) {
            match self.lexed.slice(*token) {
                "(" => depth += 1,
                ")" => depth = depth.saturating_sub(1),
                "," if depth == 0 => break,
                ";" if depth == 0 && token.kind == Kind::Symbol => break,
                _ => {}
            }
            self.at += 1;
        }
        let tokens = &self.lexed.tokens;
        let (Some(first), Some(last)) = (tokens.get(start), tokens.get(self.at.wrapping_sub(1)))
        else {
            return Err(self.lexed.error_at(start));
        };
        if self.at == start {
            return Err(self.lexed.error_at(start));
        }
        if self.at == start + 1 && self.lexed.is(start, "DEFAULT") {
            return Ok(Assigned::Default);
        }
        let text = self.lexed.text.get(first.start..last.end);
        let expression = parse_expression(&lex(text.unwrap_or_default())?)?;
        Ok(Assigned::Expression(Box::new(expression)))
    }
}

impl Format {
    /// What FORMAT CSV is written and read with, after RFC 4180, whose lines end with carriage returns.
    pub(crate) fn csv() -> Self {
        Self {
            crlf: true,
            field_end: b",".to_vec(),
            enclosed: Some(b'"'),
            optionally: true,
            escape: None,
            ..Self::default()
        }
    }

    /// What MySQL makes of marks that are missing or equal.
    fn checked(mut self) -> Result<Self> {
        if self.field_end.is_empty() && self.enclosed.is_none() {
            return Err(SqlError::not_supported(
                "LOAD DATA of lines with fields of fixed width",
            ));
        }
        // Without a mark of their own, lines end where fields do, after as many as there are columns.
        if self.field_end == self.line_end {
            self.line_end.clear();
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(rest: &str) -> Result<LoadStatement> {
        LoadStatement::parse(&lex(&format!("LOAD DATA {rest}")).expect("lexes"))
    }

    #[test]
    fn every_clause_is_read() {
        let load = load(
            "CONCURRENT LOCAL INFILE '/tmp/a.csv' REPLACE INTO TABLE `d`.t CHARACTER SET utf8mb4 \
             COLUMNS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '' \
             LINES STARTING BY 'x' TERMINATED BY '\\r\\n' IGNORE 1 LINES \
             (a, @b, t.c, @`D e`) SET d = @b + GREATEST(1, 2), e = DEFAULT;",
        )
        .expect("parses");
        assert_eq!((load.file.as_str(), load.local), ("/tmp/a.csv", true));
        assert_eq!(load.on_repeated_key, OnRepeatedKey::Replace);
        assert_eq!(
            (load.schema.as_deref(), load.table.as_str()),
            (Some("d"), "t")
        );
        let format = Format {
            field_end: b",".to_vec(),
            enclosed: Some(b'"'),
            optionally: true,
            escape: None,
            line_start: b"x".to_vec(),
            line_end: b"\r\n".to_vec(),
            crlf: false,
        };
        assert_eq!((load.format, load.skip_lines), (format, 1));
        let column = |name: &str| Target::Column(name.into());
        let variable = |name: &str| Target::Variable(name.into());
        let targets = vec![column("a"), variable("b"), column("c"), variable("d e")];
        assert_eq!(load.targets, Some(targets));
        assert_eq!(load.assignments.len(), 2);
        assert!(matches!(load.assignments[1].1, Assigned::Default));
    }

    #[test]
    fn the_defaults_are_tab_backslash_and_newline() {
        let load = load("INFILE 'x' INTO TABLE t").expect("parses");
        assert_eq!(load.format, Format::default());
        assert_eq!(load.on_repeated_key, OnRepeatedKey::Fail);
        let hex =
            self::load("LOCAL INFILE 'x' INTO TABLE t FIELDS TERMINATED BY 0x2C ENCLOSED BY X'22'")
                .expect("parses");
        assert_eq!(
            (hex.format.field_end, hex.format.enclosed),
            (vec![b','], Some(b'"'))
        );
        assert_eq!(hex.on_repeated_key, OnRepeatedKey::Ignore);
    }

    #[test]
    fn compression_is_told_or_found_out() {
        let told = |rest: &str| load(rest).map(|load| load.compression);
        assert_eq!(told("INFILE 'x' INTO TABLE t"), Ok(Compression::Auto));
        for rest in [
            "INFILE 'x' COMPRESSION GZIP REPLACE INTO TABLE t",
            "INFILE 'x' INTO TABLE t COMPRESSION = 'gzip' CHARSET utf8mb4 (a)",
            "INFILE 'x' INTO TABLE t CHARSET utf8mb4 COMPRESSION 'GZIP' FIELDS TERMINATED BY ','",
        ] {
            assert_eq!(told(rest), Ok(Compression::Gzip), "{rest}");
        }
        let unknown = told("INFILE 'x' INTO TABLE t COMPRESSION 'zip'");
        assert_eq!(unknown.map_err(|e| e.code), Err(1235));
    }

    #[test]
    fn what_is_no_statement_is_refused() {
        let code = |rest: &str| load(rest).expect_err(rest).code;
        assert_eq!(code("INFILE x INTO TABLE t"), 1064);
        assert_eq!(code("INFILE 'x' INTO TABLE t FIELDS"), 1064);
        assert_eq!(code("INFILE 'x' INTO TABLE t IGNORE LINES"), 1064);
        assert_eq!(code("INFILE 'x' INTO TABLE t (a,)"), 1064);
        assert_eq!(code("INFILE 'x' INTO TABLE t SET a"), 1064);
        assert_eq!(code("INFILE 'x' INTO TABLE t SET a = 1 +"), 1064);
        assert_eq!(
            code("INFILE 'x' INTO TABLE t FIELDS ENCLOSED BY '\"\"'"),
            1083
        );
        assert_eq!(code("INFILE 'x' INTO TABLE t CHARACTER SET nonsense"), 1115);
        assert_eq!(
            code("INFILE 'x' INTO TABLE t FIELDS TERMINATED BY ''"),
            1235
        );
    }
}
