//! Column names of a result: MySQL names a select item without an alias after its source text.

use crate::dialect::{Kind, Lexed};

/// What the select list's `i`-th item is called. `Wildcard` items take their columns' own names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemName {
    Text(String),
    Wildcard,
}

/// The items of the first SELECT in the statement, by position in the text. Aliases are included in an
/// item's text; the caller uses the text only for items without one.
pub fn item_texts(lexed: &Lexed) -> Vec<ItemName> {
    let Some((start, base)) = first_select(lexed) else {
        return Vec::new();
    };
    let mut items = Vec::new();
    let mut depth = base;
    let mut item_start = start;
    let mut i = start;
    loop {
        let text = lexed.word(i);
        match text {
            "(" => depth += 1,
            ")" if depth == base => break,
            ")" => depth -= 1,
            "" => break,
            "," if depth == base => {
                items.push(item(lexed, item_start, i));
                item_start = i + 1;
            }
            _ if depth == base && ends_list(lexed, i) => break,
            _ => {}
        }
        i += 1;
    }
    if i > item_start {
        items.push(item(lexed, item_start, i));
    }
    items
}

/// Index of the first token of the select list and the nesting depth there.
fn first_select(lexed: &Lexed) -> Option<(usize, usize)> {
    let mut depth = 0usize;
    // In `WITH x AS (SELECT ..) SELECT ..` the list is the one outside the parentheses; in
    // `(SELECT ..) UNION ..` the parentheses come first.
    let leading = (0..).take_while(|i| lexed.word(*i) == "(").count();
    for i in 0..lexed.tokens.len() {
        match lexed.word(i) {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ if depth == leading && lexed.is(i, "SELECT") => {
                let skip = (i + 1..).take_while(|n| is_modifier(lexed, *n)).count();
                return Some((i + 1 + skip, depth));
            }
            _ => {}
        }
    }
    None
}

fn is_modifier(lexed: &Lexed, i: usize) -> bool {
    const WORDS: [&str; 9] = [
        "ALL",
        "DISTINCT",
        "DISTINCTROW",
        "HIGH_PRIORITY",
        "STRAIGHT_JOIN",
        "SQL_CALC_FOUND_ROWS",
        "SQL_NO_CACHE",
        "SQL_BIG_RESULT",
        "SQL_SMALL_RESULT",
    ];
    WORDS.iter().any(|w| lexed.is(i, w))
}

fn ends_list(lexed: &Lexed, i: usize) -> bool {
    const WORDS: [&str; 14] = [
        "FROM",
        "WHERE",
        "GROUP",
        "HAVING",
        "ORDER",
        "LIMIT",
        "UNION",
        "INTERSECT",
        "EXCEPT",
        "FOR",
        "INTO",
        "WINDOW",
        "LOCK",
        ";",
    ];
    let qualified = i > 0 && lexed.word(i - 1) == ".";
    !qualified && WORDS.iter().any(|w| lexed.is(i, w))
}

fn item(lexed: &Lexed, from: usize, to: usize) -> ItemName {
    let (Some(first), Some(last)) = (lexed.tokens.get(from), lexed.tokens.get(to - 1)) else {
        return ItemName::Text(String::new());
    };
    if lexed.word(to - 1) == "*" && (to - from == 1 || lexed.word(to - 2) == ".") {
        return ItemName::Wildcard;
    }
    // A single string is named after its value, a (qualified) column after its last part.
    let plain = (from..to).all(|i| match (i - from) % 2 {
        0 => matches!(
            lexed.tokens.get(i).map(|t| t.kind),
            Some(Kind::Word | Kind::QuotedWord)
        ),
        _ => lexed.word(i) == ".",
    });
    let name = match last.kind {
        Kind::Text if to - from == 1 => lexed.string(from),
        Kind::Word | Kind::QuotedWord if plain => lexed.identifier(to - 1),
        _ => None,
    };
    let whole = lexed.text.get(first.start..last.end).unwrap_or_default();
    ItemName::Text(name.unwrap_or_else(|| whole.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::lex;

    fn names(sql: &str) -> Vec<String> {
        let lexed = lex(sql).expect("lexes");
        let name = |item| match item {
            ItemName::Text(t) => t,
            ItemName::Wildcard => "*".to_string(),
        };
        item_texts(&lexed).into_iter().map(name).collect()
    }

    #[test]
    fn items_are_named_after_their_source_text() {
        assert_eq!(
            names("select SUM( a ), count(*) , `x y`, t.B, 'it''s' from t"),
            ["SUM( a )", "count(*)", "x y", "B", "it's"]
        );
        assert_eq!(names("SELECT DISTINCT *, t.*, 1+1"), ["*", "*", "1+1"]);
        assert_eq!(
            names("with c as (select 1) select a, (select b from c) from c"),
            ["a", "(select b from c)"]
        );
        assert_eq!(names("(select a from t) union (select b from t)"), ["a"]);
        assert_eq!(
            names("select extract(year from d), f(a, b) where 1"),
            ["extract(year from d)", "f(a, b)"]
        );
        assert_eq!(
            names("select /* c */ 1, @@version_comment limit 1"),
            ["1", "@@version_comment"]
        );
    }
}
