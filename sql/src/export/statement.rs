//! SELECT .. INTO OUTFILE, DUMPFILE, S3 and their kin, read from tokens: one export in all spellings.

use storno_transfer::{Compression, TextRules};

use super::options::StoreOptions;
use crate::dialect::{Kind, Lexed, lex};
use crate::error::{Result, SqlError};
use crate::load::{ClauseReader, Format};

/// Aurora's size of a part.
const PART_BYTES: u64 = 6 << 30;
/// What any store takes in one object.
const PART_BYTES_MAX: u64 = 5 << 40;

/// An export as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExportStatement {
    /// The query without its INTO.
    pub(crate) query: String,
    pub(crate) target: Target,
    pub(crate) content: Content,
    pub(crate) options: StoreOptions,
    pub(crate) manifest: bool,
    pub(crate) overwrite: bool,
    /// Names of columns.
    pub(crate) partition_by: Vec<String>,
    pub(crate) part_bytes: u64,
    /// The client does not wait.
    pub(crate) detached: bool,
}

/// Where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// One file of the server, below `secure_file_priv`.
    File(String),
    /// Several files, at a URL or below `secure_file_priv`.
    Url(String),
    /// Behind a link.
    Link { name: String, path: String },
}

/// How rows become files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Text {
        rules: TextRules,
        header: bool,
        compression: Compression,
    },
    Parquet,
    Delta,
    /// DUMPFILE
    Dump,
}

/// Which dialect's defaults hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    Mysql,
    Aurora,
    Heatwave,
    Singlestore,
}

impl ExportStatement {
    /// The token INTO of a query that goes into files.
    pub(crate) fn find(lexed: &Lexed) -> Option<usize> {
        const TARGETS: [&str; 6] = ["OUTFILE", "DUMPFILE", "S3", "GCS", "AZURE", "LINK"];
        let mut depth = 0_usize;
        for at in 0..lexed.tokens.len() {
            match lexed.word(at) {
                "(" => depth += 1,
                ")" => depth = depth.saturating_sub(1),
                _ if depth == 0
                    && lexed.is(at, "INTO")
                    && TARGETS.iter().any(|word| lexed.is(at + 1, word)) =>
                {
                    return Some(at);
                }
                _ => {}
            }
        }
        None
    }

    /// `at`: where `find` found it.
    pub(crate) fn parse(lexed: &Lexed, at: usize) -> Result<Self> {
        let mut reader = ClauseReader { lexed, at: at + 1 };
        let (target, spelling) = target(&mut reader)?;
        let clauses = Clauses::read(&mut reader)?;
        let query = without(lexed, at, reader.at)?;
        clauses.into_statement(query, target, spelling)
    }
}

fn target(reader: &mut ClauseReader<'_>) -> Result<(Target, Spelling)> {
    if reader.take(&["DUMPFILE"]) {
        return Ok((Target::File(reader.text()?), Spelling::Mysql));
    }
    if reader.take(&["OUTFILE"]) {
        let spelling = match () {
            () if reader.take(&["S3"]) => Spelling::Aurora,
            () if reader.take(&["URL"]) => Spelling::Heatwave,
            () => return Ok((Target::File(reader.text()?), Spelling::Mysql)),
        };
        return Ok((Target::Url(reader.text()?), spelling));
    }
    if reader.take(&["LINK"]) {
        let mut name = reader.name()?;
        while reader.take(&["."]) {
            name = reader.name()?;
        }
        let path = reader.text()?;
        return Ok((Target::Link { name, path }, Spelling::Singlestore));
    }
    let schemes = [("S3", "s3"), ("GCS", "gs"), ("AZURE", "az")];
    let scheme = schemes.iter().find(|(word, _)| reader.take(&[word]));
    let (_, scheme) = scheme.ok_or_else(|| reader.error())?;
    let path = reader.text()?;
    let url = match path.contains("://") {
        true => path,
        false => format!("{scheme}://{path}"),
    };
    Ok((Target::Url(url), Spelling::Singlestore))
}

/// The clauses behind the target, in any order.
#[derive(Default)]
struct Clauses {
    format: Option<String>,
    header: bool,
    /// Where FIELDS and LINES stand: what they change is known when FORMAT is.
    marks: Vec<usize>,
    lines: Option<Format>,
    compression: Option<Compression>,
    manifest: Option<bool>,
    overwrite: bool,
    options: StoreOptions,
    partition_by: Vec<String>,
    part_bytes: Option<u64>,
    detached: bool,
    is_dump: bool,
}

impl Clauses {
    fn read(reader: &mut ClauseReader<'_>) -> Result<Self> {
        let mut clauses = Self {
            is_dump: reader.at > 1 && reader.lexed.is(reader.at - 2, "DUMPFILE"),
            ..Self::default()
        };
        while clauses.one(reader)? {}
        clauses.read_marks(reader.lexed)?;
        Ok(clauses)
    }

    /// FIELDS and LINES over the marks of the format, wherever that is said.
    fn read_marks(&mut self, lexed: &Lexed) -> Result<()> {
        let base = match self.format.as_deref() {
            Some("CSV") => Format::csv(),
            _ => Format::default(),
        };
        let over = |base, at: &usize| ClauseReader { lexed, at: *at }.format(base);
        if !self.marks.is_empty() {
            self.lines = Some(self.marks.iter().try_fold(base, over)?);
        }
        Ok(())
    }

    /// Takes one clause; false: there is none.
    fn one(&mut self, reader: &mut ClauseReader<'_>) -> Result<bool> {
        if self.options.read(reader)? {
            return Ok(true);
        }
        if reader.lexed.is(reader.at, "CHARACTER") || reader.lexed.is(reader.at, "CHARSET") {
            reader.utf8()?;
        } else if reader.take(&["FORMAT"]) {
            reader.take(&["="]);
            self.format = Some(reader.word_or_string()?.to_uppercase());
        } else if reader.take(&["HEADER"]) {
            self.header = on(reader)?.unwrap_or(true);
        } else if reader.take(&["MANIFEST"]) {
            self.manifest = Some(on(reader)?.unwrap_or(true));
        } else if reader.take(&["OVERWRITE"]) {
            self.overwrite = on(reader)?.unwrap_or(true);
        } else if reader.take(&["WITH", "COMPRESSION"]) {
            self.compression = Some(Compression::Gzip);
        } else if reader.take(&["COMPRESSION"]) {
            self.compression = compression(reader)?;
        } else if reader.take(&["PARTITION", "BY"]) {
            self.partition_by = names(reader)?;
        } else if reader.take(&["MAXFILESIZE"]) {
            self.part_bytes = Some(size(reader)?);
        } else if reader.take(&["ASYNC"]) {
            self.detached = true;
        } else if ["FIELDS", "COLUMNS", "LINES"]
            .iter()
            .any(|w| reader.lexed.is(reader.at, w))
        {
            self.marks.push(reader.at);
            reader.format(Format::default())?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn into_statement(
        self,
        query: String,
        target: Target,
        spelling: Spelling,
    ) -> Result<ExportStatement> {
        let content = self.content(spelling)?;
        if spelling == Spelling::Mysql
            && (!self.partition_by.is_empty() || self.manifest == Some(true) || self.detached)
        {
            let what = "PARTITION BY, MANIFEST or ASYNC with one file; write INTO OUTFILE URL";
            return Err(SqlError::not_supported(what));
        }
        Ok(ExportStatement {
            query,
            target,
            content,
            options: self.options,
            manifest: self.manifest.unwrap_or(spelling != Spelling::Aurora),
            overwrite: self.overwrite,
            partition_by: self.partition_by,
            part_bytes: self.part_bytes.unwrap_or(PART_BYTES),
            detached: self.detached,
        })
    }

    fn content(&self, spelling: Spelling) -> Result<Content> {
        if self.is_dump {
            return Ok(Content::Dump);
        }
        let default = match (spelling, &self.lines) {
            (Spelling::Heatwave, None) => "CSV",
            _ => "TEXT",
        };
        let format = self.format.as_deref().unwrap_or(default);
        let typed = match format {
            "PARQUET" => Some(Content::Parquet),
            "DELTA" => Some(Content::Delta),
            "CSV" | "TEXT" | "TSV" => None,
            other => {
                let what = format!("SELECT .. INTO .. FORMAT {other}");
                return Err(SqlError::not_supported(&what));
            }
        };
        if let Some(content) = typed {
            if self.lines.is_some() || self.header || self.compression == Some(Compression::Gzip) {
                let what = format!("FIELDS, LINES, HEADER or gzip with FORMAT {format}");
                return Err(SqlError::not_supported(&what));
            }
            if spelling == Spelling::Mysql {
                return Err(SqlError::not_supported(
                    "one file of Parquet; write INTO OUTFILE URL",
                ));
            }
            return Ok(content);
        }
        let rules = match (&self.lines, format) {
            (Some(lines), _) => rules(lines)?,
            (None, "CSV") => rules(&Format::csv())?,
            (None, _) => rules(&Format::default())?,
        };
        Ok(Content::Text {
            rules,
            header: self.header,
            compression: self.compression.unwrap_or(Compression::None),
        })
    }
}

fn rules(format: &Format) -> Result<TextRules> {
    if format.field_end.is_empty() && format.enclosed.is_none() {
        return Err(SqlError::not_supported(
            "SELECT .. INTO OUTFILE with fields of fixed width",
        ));
    }
    Ok(TextRules {
        field_end: format.field_end.clone(),
        enclosed: format.enclosed,
        optionally: format.optionally,
        escape: format.escape,
        line_start: format.line_start.clone(),
        line_end: format.line_end.clone(),
    })
}

/// `[=] ON | OFF | TRUE | FALSE`; `None`: no such word.
fn on(reader: &mut ClauseReader<'_>) -> Result<Option<bool>> {
    let told = reader.take(&["="]);
    if reader.take_any(&["ON", "TRUE"]) {
        return Ok(Some(true));
    }
    if reader.take_any(&["OFF", "FALSE"]) {
        return Ok(Some(false));
    }
    match told {
        true => Err(reader.error()),
        false => Ok(None),
    }
}

fn compression(reader: &mut ClauseReader<'_>) -> Result<Option<Compression>> {
    reader.take(&["="]);
    let name = reader.word_or_string()?;
    match name.to_ascii_lowercase().as_str() {
        "auto" => Ok(None),
        "none" => Ok(Some(Compression::None)),
        "gzip" | "gz" => Ok(Some(Compression::Gzip)),
        "zstd" => Ok(Some(Compression::Zstd)),
        _ => Err(SqlError::not_supported(&format!("COMPRESSION {name}"))),
    }
}

fn names(reader: &mut ClauseReader<'_>) -> Result<Vec<String>> {
    reader.expect(&["("])?;
    let mut names = vec![reader.name()?];
    while reader.take(&[","]) {
        names.push(reader.name()?);
    }
    reader.expect(&[")"])?;
    Ok(names)
}

/// `[=|AS] 256 MB`, `'256MB'`, `268435456`.
fn size(reader: &mut ClauseReader<'_>) -> Result<u64> {
    reader.take_any(&["=", "AS"]);
    let start = reader.at;
    let mut text = match reader.lexed.string(reader.at) {
        Some(text) => text,
        None => reader.lexed.word(reader.at).to_owned(),
    };
    reader.at += 1;
    if let Some(unit) = ["KB", "MB", "GB"].iter().find(|unit| reader.take(&[unit])) {
        text.push_str(unit);
    }
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text
        .get(digits.len()..)
        .unwrap_or_default()
        .trim()
        .to_uppercase()
        .as_str()
    {
        "" | "B" => 1,
        "K" | "KB" => 1 << 10,
        "M" | "MB" => 1 << 20,
        "G" | "GB" => 1 << 30,
        _ => return Err(reader.lexed.error_at(start)),
    };
    let count: u64 = digits.parse().map_err(|_| reader.lexed.error_at(start))?;
    match count.checked_mul(unit) {
        Some(bytes) if (1 << 16..=PART_BYTES_MAX).contains(&bytes) => Ok(bytes),
        _ => Err(SqlError::wrong_value("MAXFILESIZE", &text)),
    }
}

/// The statement without the tokens `from..to`; 1064 for what cannot follow them.
fn without(lexed: &Lexed, from: usize, to: usize) -> Result<String> {
    let begin = lexed.tokens.get(from).map_or(lexed.text.len(), |t| t.start);
    let end = lexed.tokens.get(to).map_or(lexed.text.len(), |t| t.start);
    let goes_on = [
        "FROM", "WHERE", "GROUP", "ORDER", "HAVING", "LIMIT", "UNION", "FOR", ";",
    ];
    let ends = to >= lexed.tokens.len();
    if !ends && !goes_on.iter().any(|word| lexed.is(to, word)) {
        return Err(lexed.error_at(to));
    }
    // The rest keeps its place, so that errors name the right line.
    let blank: String = lexed
        .text
        .get(begin..end)
        .unwrap_or_default()
        .chars()
        .map(|c| if c == '\n' { '\n' } else { ' ' })
        .collect();
    let head = lexed.text.get(..begin).unwrap_or_default();
    let tail = lexed.text.get(end..).unwrap_or_default();
    let query = format!("{head}{blank}{tail}");
    // A second INTO is one too many.
    let again = lex(&query)?;
    match again
        .tokens
        .iter()
        .any(|t| t.kind == Kind::Word && again.slice(*t).eq_ignore_ascii_case("OUTFILE"))
    {
        true => Err(lexed.error_at(from)),
        false => Ok(query),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn export(sql: &str) -> Result<ExportStatement> {
        let lexed = lex(sql).expect("lexes");
        let at = ExportStatement::find(&lexed).expect("an export");
        ExportStatement::parse(&lexed, at)
    }

    fn text(sql: &str) -> (TextRules, bool, Compression) {
        match export(sql).expect("parses").content {
            Content::Text {
                rules,
                header,
                compression,
            } => (rules, header, compression),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn aurora_singlestore_and_heatwave_say_the_same_thing() {
        let aurora = export(
            "SELECT * FROM t INTO OUTFILE S3 's3-us-east-2://b/p' FORMAT CSV HEADER \
             MANIFEST ON OVERWRITE ON",
        )
        .expect("parses");
        assert_eq!(aurora.target, Target::Url("s3-us-east-2://b/p".into()));
        assert!(aurora.manifest && aurora.overwrite && !aurora.detached);
        let heatwave =
            export("SELECT 1 INTO OUTFILE URL 's3://b/p' FORMAT PARQUET").expect("parses");
        assert_eq!(
            (heatwave.content, heatwave.manifest),
            (Content::Parquet, true)
        );
        let singlestore = export(
            "SELECT a FROM t WHERE b > (SELECT 1) INTO S3 'b/p' CONFIG '{}' CREDENTIALS '{\"k\": 1}' \
             FIELDS TERMINATED BY ',' WITH COMPRESSION",
        )
        .expect("parses");
        assert_eq!(singlestore.target, Target::Url("s3://b/p".into()));
        assert_eq!(
            singlestore.options.credentials.as_deref(),
            Some("{\"k\": 1}")
        );
        assert_eq!(
            singlestore.query.trim_end(),
            "SELECT a FROM t WHERE b > (SELECT 1)"
        );
        let link = export("SELECT 1 INTO LINK d.l 'b/p' FORMAT PARQUET").expect("parses");
        assert!(matches!(link.target, Target::Link { name, .. } if name == "l"));
    }

    #[test]
    fn mysqls_outfile_stands_behind_or_before_from() {
        let sql = "SELECT a INTO OUTFILE '/x' CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' \
                   OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '' LINES TERMINATED BY '\\r\\n' FROM t";
        let (rules, header, _) = text(sql);
        assert_eq!(
            (rules.line_end.as_slice(), rules.escape),
            (&b"\r\n"[..], None)
        );
        assert!(rules.optionally && !header);
        let words: Vec<String> = export(sql)
            .expect("parses")
            .query
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        assert_eq!(words, ["SELECT", "a", "FROM", "t"]);
        assert_eq!(text("SELECT 1 INTO OUTFILE '/x'").0, TextRules::tabs());
        let dump = export("SELECT 1 INTO DUMPFILE '/x'").expect("parses");
        assert_eq!(dump.content, Content::Dump);
    }

    #[test]
    fn options_stand_in_any_order() {
        let export = export(
            "SELECT 1 INTO OUTFILE S3 's3://b/p' OVERWRITE ON PARTITION BY (a, `b c`) \
             MAXFILESIZE 256 MB COMPRESSION = 'zstd' FORMAT CSV ASYNC",
        )
        .expect("parses");
        assert_eq!(export.partition_by, ["a", "b c"]);
        assert_eq!(export.part_bytes, 256 << 20);
        assert!(export.detached && !export.manifest);
    }

    #[test]
    fn fields_change_the_format_that_is_said_behind_them() {
        let before = text("SELECT 1 INTO OUTFILE URL 'x' FIELDS TERMINATED BY ';' FORMAT CSV").0;
        let behind = text("SELECT 1 INTO OUTFILE URL 'x' FORMAT CSV FIELDS TERMINATED BY ';'").0;
        assert_eq!(before, behind);
        assert_eq!(
            (before.field_end.as_slice(), before.enclosed, before.escape),
            (&b";"[..], Some(b'"'), None)
        );
        let apart = "SELECT 1 INTO OUTFILE URL 'x' LINES TERMINATED BY '\\r\\n' FORMAT CSV HEADER \
                     COLUMNS TERMINATED BY ';'";
        let expected = TextRules {
            line_end: b"\r\n".to_vec(),
            ..before
        };
        assert_eq!(text(apart).0, expected);
        assert_eq!(
            text("SELECT 1 INTO OUTFILE URL 'x' FIELDS ESCAPED BY '' FORMAT TEXT").0,
            TextRules {
                escape: None,
                ..TextRules::tabs()
            }
        );
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let code = |sql: &str| export(sql).expect_err(sql).code;
        assert_eq!(code("SELECT 1 INTO OUTFILE"), 1064);
        assert_eq!(code("SELECT 1 INTO OUTFILE 'x' NONSENSE"), 1064);
        assert_eq!(code("SELECT 1 INTO OUTFILE 'x' FORMAT PARQUET"), 1235);
        assert_eq!(code("SELECT 1 INTO S3 'b/p' FORMAT ORC"), 1235);
        assert_eq!(code("SELECT 1 INTO S3 'b/p' FORMAT PARQUET HEADER"), 1235);
        assert_eq!(code("SELECT 1 INTO S3 'b/p' MAXFILESIZE 1 KB"), 1525);
        assert_eq!(
            code("SELECT 1 INTO OUTFILE 'x' FIELDS TERMINATED BY ''"),
            1235
        );
        assert_eq!(code("SELECT 1 INTO OUTFILE 'x' CHARACTER SET latin1"), 1235);
    }

    #[test]
    fn an_into_of_something_else_is_no_export() {
        for sql in [
            "SELECT 1 INTO @a",
            "SELECT (SELECT 1 INTO OUTFILE 'x')",
            "SELECT 'INTO OUTFILE'",
        ] {
            assert_eq!(
                ExportStatement::find(&lex(sql).expect("lexes")),
                None,
                "{sql}"
            );
        }
    }
}
