//! Strings of many scripts under every collation that the judge has, too: equality, order, groups, joins and
//! patterns are the judge's. Its uca1400 collations stand in for MySQL's 0900 ones, over the letters that both
//! versions of Unicode order alike.

use libtest_mimic::Trial;

use crate::data::literal::quote;
use crate::harness::compare::{Order, difference};
use crate::harness::random::Random;
use crate::harness::{Outcome, Server, Session, block_on, ensure, judge};

const STRINGS: usize = 400;
const PAIRS: usize = 300;
const PROBLEMS_SHOWN: usize = 12;

/// Storno's collation, the judge's, and whether only letters are compared.
const COLLATIONS: [(&str, &str, bool); 7] = [
    ("utf8mb4_general_ci", "utf8mb4_general_ci", false),
    ("utf8mb4_unicode_ci", "utf8mb4_unicode_ci", false),
    ("utf8mb4_unicode_520_ci", "utf8mb4_unicode_520_ci", false),
    ("utf8mb4_bin", "utf8mb4_bin", false),
    ("utf8mb4_0900_ai_ci", "uca1400_nopad_ai_ci", true),
    ("utf8mb4_0900_as_ci", "uca1400_nopad_as_ci", true),
    ("utf8mb4_0900_as_cs", "uca1400_nopad_as_cs", true),
];

/// Letters of many scripts, with and without accents, in both cases. Those of Hangul are among the signs: the
/// judge orders syllables by their code points, MySQL 8 by their letters.
const LETTERS: &str = "aAbBzZáÁäÄåÅæÆßéÉèñÑøØœŒıİłŁșžŽαΑάωΩσςяЯйЙёЁґіאבعبकখあアい一日本";
/// Signs, controls, spaces, characters beyond the first plane.
const SIGNS: &str = "가각 \t\u{1}!-_%.,0129٣½²µΩ™…\u{a0}\u{301}\u{200b}😀😁𝒜🇩";

pub fn trials() -> Vec<Trial> {
    let trial = |(number, (own, other, letters)): (usize, &'static (&str, &str, bool))| {
        Trial::test(format!("collations::{own}_is_the_judges"), move || {
            block_on(run(number as u64 + 1, (own, other), *letters))
        })
        .with_ignored_flag(!judge::is_installed())
    };
    COLLATIONS.iter().enumerate().map(trial).collect()
}

fn string(random: &mut Random, characters: &[char]) -> String {
    // Short ones of few characters: many are equal, or differ only at the end.
    let few = random.chance(60);
    let length = random.below(5);
    let one = |random: &mut Random| match few {
        true => *random.pick(&['a', 'A', 'á', 'b', 'B', 's', 'ß']),
        false => *random.pick(characters),
    };
    (0..length).map(|_| one(random)).collect()
}

async fn fill(session: &mut Session, collation: &str, strings: &[String]) -> Outcome {
    session
        .run(format!(
            "CREATE TABLE s (id INT NOT NULL, v VARCHAR(20) CHARACTER SET utf8mb4 COLLATE {collation})"
        ))
        .await?;
    for (batch, chunk) in strings.chunks(100).enumerate() {
        let rows = chunk.iter().enumerate();
        let rows = rows.map(|(at, s)| format!("({}, {})", batch * 100 + at, quote(s)));
        let rows: Vec<String> = rows.collect();
        session
            .run(format!("INSERT INTO s VALUES {}", rows.join(", ")))
            .await?;
    }
    Ok(())
}

/// Statements whose answers are the same whichever member a group shows.
fn statements(random: &mut Random, strings: &[String]) -> Vec<(String, Order)> {
    let mut all = vec![
        ("SELECT id FROM s ORDER BY v, id".to_owned(), Order::Given),
        (
            "SELECT MIN(id), COUNT(*) FROM s GROUP BY v".to_owned(),
            Order::Any,
        ),
        ("SELECT COUNT(DISTINCT v) FROM s".to_owned(), Order::Given),
        (
            "SELECT COUNT(*) FROM s a JOIN s b ON a.v = b.v".to_owned(),
            Order::Given,
        ),
        (
            "SELECT id, RANK() OVER (ORDER BY v) FROM s".to_owned(),
            Order::Any,
        ),
    ];
    for _ in 0..PAIRS {
        let (one, other) = (
            quote(random.pick::<String>(strings)),
            quote(random.pick::<String>(strings)),
        );
        let condition = match random.below(7) {
            0 => format!("v = {one}"),
            1 => format!("v < {one}"),
            2 => format!("v >= {one}"),
            3 => format!("v BETWEEN {one} AND {other}"),
            4 => format!("v IN ({one}, {other})"),
            5 => format!("v NOT IN ({one}, {other}, 'a', 'b', 'c', 'd')"),
            _ => format!("v LIKE CONCAT('%', REPLACE({one}, '_', 'x'), '%')"),
        };
        let sql = format!("SELECT id FROM s WHERE {condition}");
        all.push((sql, Order::Any));
    }
    all
}

async fn run(seed: u64, (own, other): (&str, &str), letters: bool) -> Outcome {
    let mut random = Random::new(seed);
    let mut characters: Vec<char> = LETTERS.chars().collect();
    if !letters {
        characters.extend(SIGNS.chars());
    }
    let strings: Vec<String> = (0..STRINGS)
        .map(|_| string(&mut random, &characters))
        .collect();
    let mut server = Server::start()?;
    let judge = Server::start_judge()?;
    let mut session = server.connect_to("collations").await?;
    let mut expected_session = judge.connect_to("collations").await?;
    fill(&mut session, own, &strings).await?;
    fill(&mut expected_session, other, &strings).await?;
    let mut problems = Vec::new();
    for (sql, order) in statements(&mut random, &strings) {
        let expected = expected_session.run(&sql).await;
        let actual = session.run(&sql).await;
        if let Some(text) = difference(&expected, &actual, order) {
            problems.push(format!("{sql}\n  {text}"));
        }
    }
    server.must_be_running()?;
    ensure(problems.is_empty(), || {
        let shown = problems.iter().take(PROBLEMS_SHOWN).cloned();
        let shown = shown.collect::<Vec<_>>().join("\n");
        format!("{} statements differ\n{shown}", problems.len())
    })
}
