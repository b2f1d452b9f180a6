//! Files that show one rule each, into both servers.

use super::{offer, said, storno};
use crate::harness::{Outcome, Server, Session, ensure};

struct Case {
    what: &'static str,
    create: &'static str,
    file: &'static [u8],
    /// Behind `INTO TABLE t`; `how` stands before it (IGNORE, REPLACE).
    how: &'static str,
    rest: &'static str,
    select: &'static str,
}

const PAGES: &str = "CREATE TABLE t (id INT NOT NULL, page VARCHAR(20) NOT NULL, at DATETIME NULL, \
                     n DECIMAL(8,2) NULL DEFAULT 5)";
const WORDS: &str = "CREATE TABLE t (a VARCHAR(20), b VARCHAR(20), c VARCHAR(20))";
const KEYED: &str = "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, s VARCHAR(10))";
const NUMBERED: &str = "CREATE TABLE t (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, s VARCHAR(10))";

const ALL: &str = "SELECT * FROM t ORDER BY 1, 2";

const fn case(
    what: &'static str,
    create: &'static str,
    file: &'static [u8],
    rest: &'static str,
) -> Case {
    Case {
        what,
        create,
        file,
        how: "",
        rest,
        select: ALL,
    }
}

const fn how(how: &'static str, case: Case) -> Case {
    Case { how, ..case }
}

const CASES: &[Case] = &[
    case(
        "defaults",
        PAGES,
        b"1\t/\t2026-01-02 03:04:05\t1.5\n2\t/b\\tc\t\\N\t-7\n3\t\t\\N\t\\N\n",
        "",
    ),
    case("no newline at the end", PAGES, b"1\ta\t\\N\t1\n2\tb\t\\N\t2", ""),
    case("nothing", PAGES, b"", ""),
    case("an empty line", WORDS, b"a\tb\tc\n\nd\te\tf\n", ""),
    case("lines too short", PAGES, b"1\n2\tb\n3\tc\t2026-01-01\n", ""),
    case("lines too long", WORDS, b"a\tb\tc\td\ne\tf\tg\nh\ti\tj\t\nk\tl\tm\tn", ""),
    case("values that do not fit", PAGES, b"x\tthis is longer than twenty\t2026-02-03\t1e9\n", ""),
    case("numbers with something behind", PAGES, b"12abc\ta\t\\N\t1.239\n 7\tb\t\\N\t\n", ""),
    case("an empty number", PAGES, b"\ta\t\\N\t\n", ""),
    case("NULL where none may be", PAGES, b"\\N\t\\N\t\\N\t\\N\n", ""),
    case("escapes", WORDS, b"a\\tb\t\\0\\b\\n\\r\\Z\\\\\tx\\\ny\n\\q\\,\t\\N\t\\NN\n", ""),
    case(
        "csv",
        WORDS,
        b"\"a, b\",\"say \"\"x\"\"\",\"line\nbreak\"\nplain,\"\",NULL\n\"NULL\",a\"b,\"c\"d\n",
        "FIELDS TERMINATED BY ',' ENCLOSED BY '\"'",
    ),
    case(
        "csv of Windows with a head",
        WORDS,
        b"A,B,C\r\n1,\"2\",3\r\n4,5,\"6\"\r\n",
        "FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' LINES TERMINATED BY '\\r\\n' \
         IGNORE 1 LINES",
    ),
    case(
        "no escapes",
        WORDS,
        b"a\\,\\N,\"b\"\"\\\"\n",
        "FIELDS TERMINATED BY ',' ENCLOSED BY '\"' ESCAPED BY ''",
    ),
    case(
        "quotes escape themselves",
        WORDS,
        b"\"fie\"\"ld1\",\"field2\",\"a\\b\"\n",
        "FIELDS TERMINATED BY ',' ENCLOSED BY '\"' ESCAPED BY '\"'",
    ),
    case(
        "long marks",
        WORDS,
        b"a||b||c##d|e||f#||g##",
        "FIELDS TERMINATED BY '||' LINES TERMINATED BY '##'",
    ),
    case(
        "lines that start with a mark",
        WORDS,
        b"xxx\"abc\",1,2\nsomething xxx\"def\",3,4\n\"ghi\",5,6\n",
        "FIELDS TERMINATED BY ',' ENCLOSED BY '\"' LINES STARTING BY 'xxx'",
    ),
    case(
        "fields end lines",
        WORDS,
        b"a,b,c,d,e,f,g",
        "FIELDS TERMINATED BY ',' LINES TERMINATED BY ','",
    ),
    case("some columns", PAGES, b"a\t1\nb\t2\n", "(page, id)"),
    case("more lines skipped than there are", WORDS, b"a\n", "IGNORE 5 ROWS"),
    case("an unclosed quote", WORDS, b"\"a,b\nc,d", "FIELDS TERMINATED BY ',' ENCLOSED BY '\"'"),
    case("an escape at the end", WORDS, b"a\tb\tc\\", ""),
    case("bytes that are no text", WORDS, b"a\xFFb\tb\tc\n", ""),
    case("latin1", WORDS, b"caf\xE9\t\x80\tx\n", "CHARACTER SET latin1"),
    case(
        "expressions",
        PAGES,
        b"7\tabc\t02/01/2026\n8\tdef\t\\N\n",
        "(id, @p, @d) SET page = UPPER(@p), at = STR_TO_DATE(@d, '%d/%m/%Y'), n = @unknown",
    ),
    case(
        "expressions over columns",
        PAGES,
        b"7\tabc\n8\tdef\n",
        "(id, page) SET n = id * 2 + LENGTH(page), at = DEFAULT",
    ),
    case(
        "a column computed from itself",
        PAGES,
        b"7\tabc\n8\tdef\n",
        "(id, page) SET id = id + 100",
    ),
    case("a field thrown away", WORDS, b"a\tb\tc\nd\n", "(a, @x, c)"),
    case("variables of short lines", WORDS, b"a\nb\tc\n", "(a, @x) SET b = IFNULL(@x, 'none')"),
    case("numbered lines", NUMBERED, b"\\N\ta\n7\tb\n\\N\tc\n0\td\n", ""),
    case("numbered by themselves", NUMBERED, b"a\nb\n", "(s)"),
    case("a repeated key", KEYED, b"1\ta\n2\tb\n1\tc\n", ""),
    how("IGNORE", case("a repeated key left out", KEYED, b"1\ta\n2\tb\n1\tc\n", "")),
    how("REPLACE", case("a repeated key replaced", KEYED, b"1\ta\n2\tb\n1\tc\n", "")),
    how("IGNORE", case("values made to fit", PAGES, b"x\tlonger than twenty characters\n", "")),
    case(
        "types",
        "CREATE TABLE t (t TINYINT, u BIGINT UNSIGNED, f FLOAT, d DOUBLE, y YEAR, ti TIME, \
         da DATE, e ENUM('a','b'), b VARBINARY(4), m MEDIUMINT)",
        b"127\t18446744073709551615\t1.5\t-1e-3\t2026\t-12:13:14\t20260102\tb\t\\0x\xFF\t-8388608\n\
          128\t-1\t0\t0\t26\t1\t2026-1-2\tc\ttoolong\t8388608\n",
        "",
    ),
    case(
        "timestamps",
        "CREATE TABLE t (id INT, ts TIMESTAMP NULL, d6 DATETIME(6))",
        b"1\t2026-07-01 12:00:00\t2026-07-01 12:00:00.123456\n2\t\\N\t2026-07-01T12:00\n",
        "",
    ),
];

/// Every case from the client's side (LOCAL) or from the server's.
pub async fn run(local: bool) -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = storno(dir.path())?;
    let judge = Server::start_judge()?;
    let mut session = server.connect_to("db").await?;
    let mut expected_session = judge.connect_to("db").await?;
    let mut problems = Vec::new();
    for case in CASES {
        let path = dir.path().join("file");
        std::fs::write(&path, case.file)?;
        let local = if local { "LOCAL" } else { "" };
        let sql = format!(
            "LOAD DATA {local} INFILE '{}' {} INTO TABLE t {}",
            path.display(),
            case.how,
            case.rest
        );
        let expected = observe(&judge, &mut expected_session, case, &sql).await?;
        let actual = observe(&server, &mut session, case, &sql).await?;
        if expected != actual {
            problems.push(format!(
                "{}: {sql}\n  expected {expected:#?}\n  actual   {actual:#?}",
                case.what
            ));
        }
    }
    ensure(problems.is_empty(), || problems.join("\n"))
}

async fn observe(
    server: &Server,
    session: &mut Session,
    case: &Case,
    sql: &str,
) -> Outcome<Vec<String>> {
    session.run("DROP TABLE IF EXISTS t").await?;
    session.run(case.create).await?;
    offer(session, case.file);
    let mut lines = said(server, session, sql).await?;
    // Storno stops at the first value that is refused.
    let is_refused = lines.first().is_some_and(|line| line.starts_with("ERROR"));
    lines.retain(|line| !is_refused || line.starts_with("ERROR"));
    lines.extend(session.lines(case.select).await?);
    Ok(lines)
}
