//! Generated files in generated formats: lines and fields must be cut exactly as MariaDB cuts them.

use super::{offer, said, storno};
use crate::harness::random::Random;
use crate::harness::{Outcome, Server, Session, ensure};

const FILES: u64 = 150;
const PROBLEMS_SHOWN: usize = 5;

pub async fn run(seed: u64) -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = storno(dir.path())?;
    let judge = Server::start_judge()?;
    let mut session = server.connect_to("db").await?;
    let mut expected_session = judge.connect_to("db").await?;
    let create = "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(200), \
                  b VARCHAR(200), c VARCHAR(200) NOT NULL)";
    session.run(create).await?;
    expected_session.run(create).await?;
    let mut random = Random::new(seed);
    let mut problems = Vec::new();
    for number in 0..FILES {
        let format = format_clause(&mut random);
        let file = content(&mut random);
        let sql = format!("LOAD DATA LOCAL INFILE 'x' INTO TABLE t {format} (a, b, c)");
        let expected = observe(&judge, &mut expected_session, &file, &sql).await?;
        let actual = observe(&server, &mut session, &file, &sql).await?;
        if expected != actual {
            let file = String::from_utf8_lossy(&file).into_owned();
            problems.push(format!(
                "seed {seed}, file {number}: {sql}\n  file {file:?}\n  expected {expected:#?}\n  \
                 actual   {actual:#?}"
            ));
        }
    }
    problems.truncate(PROBLEMS_SHOWN);
    ensure(problems.is_empty(), || problems.join("\n"))
}

async fn observe(
    server: &Server,
    session: &mut Session,
    file: &[u8],
    sql: &str,
) -> Outcome<Vec<String>> {
    session.run("TRUNCATE t").await?;
    offer(session, file);
    let mut lines = said(server, session, sql).await?;
    let rows = session.run("SELECT a, b, c FROM t ORDER BY id").await?;
    lines.extend(rows.texts().into_iter().map(|row| format!("{row:?}")));
    Ok(lines)
}

fn format_clause(random: &mut Random) -> String {
    let fields = ["\\t", ",", "||", ",;"];
    let enclosed = ["", "ENCLOSED BY '\"'", "OPTIONALLY ENCLOSED BY ''''"];
    let escaped = ["", "ESCAPED BY ''", "ESCAPED BY '\"'", "ESCAPED BY '|'"];
    let ends = ["\\n", "\\r\\n", ";", ",,", "||\\n"];
    let starts = ["", "", "STARTING BY 'x'", "STARTING BY 'xa'"];
    let skip = ["", "", "IGNORE 1 LINES", "IGNORE 2 LINES"];
    format!(
        "FIELDS TERMINATED BY '{}' {} {} LINES {} TERMINATED BY '{}' {}",
        random.pick(&fields),
        random.pick(&enclosed),
        random.pick(&escaped),
        random.pick(&starts),
        random.pick(&ends),
        random.pick(&skip),
    )
}

fn content(random: &mut Random) -> Vec<u8> {
    let pieces: [&[u8]; 20] = [
        b"a", b"b", b"x", b"xa", b"7", b" ", b"N", b"NULL", b"\\N", b"\\", b"\"", b"\"\"", b"'",
        b",", b"\t", b"|", b"||", b"\n", b"\r\n", b";",
    ];
    let count = random.below(60);
    let mut file = Vec::new();
    for _ in 0..count {
        let piece: &&[u8] = random.pick(&pieces[..]);
        file.extend_from_slice(piece);
    }
    file
}
