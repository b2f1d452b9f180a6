//! Comparing character by character, as LIKE and the functions that look for a string in another do: each
//! character with one of the other string, whatever several of them together would weigh.

use super::ascii::{self, AsciiPattern};
use super::order::Order;

impl Order {
    /// Whether two characters are alike.
    pub(super) fn is_same(self, one: char, other: char) -> bool {
        if one == other {
            return true;
        }
        let Some(table) = self.table() else {
            return false;
        };
        if let (Some(a), Some(b)) = (
            table.ascii.get(one as usize),
            table.ascii.get(other as usize),
        ) && self.levels() == 1
        {
            return a == b;
        }
        (0..self.levels()).all(|level| {
            let (mut first, mut second) = ([0u16; 24], [0u16; 24]);
            for (c, weights) in [(one, &mut first), (other, &mut second)] {
                let mut at = 0;
                table.each(level, c, &mut |weight| {
                    if let Some(slot) = weights.get_mut(at) {
                        *slot = weight;
                    }
                    at += 1;
                });
            }
            first == second
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    Char(char),
    /// `_`
    One,
    /// `%`
    Any,
}

/// The pattern of a LIKE.
#[derive(Debug)]
pub(crate) struct Pattern {
    order: Order,
    tokens: Vec<Token>,
    ascii: AsciiPattern,
}

impl Pattern {
    /// Takes a pattern apart whose escape character is the backslash.
    pub(crate) fn new(order: Order, pattern: &str) -> Self {
        let mut tokens = Vec::with_capacity(pattern.len());
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            tokens.push(match c {
                '%' if tokens.last() == Some(&Token::Any) => continue,
                '%' => Token::Any,
                '_' => Token::One,
                '\\' => Token::Char(chars.next().unwrap_or('\\')),
                c => Token::Char(c),
            });
        }
        Self {
            order,
            ascii: AsciiPattern::new(order, &tokens),
            tokens,
        }
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        match text.is_ascii() {
            true => self.ascii.matches(self.order, text.as_bytes()),
            false => self.matches_chars(text),
        }
    }

    fn matches_chars(&self, text: &str) -> bool {
        let (mut rest, mut at) = (text, 0);
        // Where to go on when what follows the last `%` does not fit.
        let mut retry: Option<(&str, usize)> = None;
        loop {
            let mut chars = rest.chars();
            let fits = match (self.tokens.get(at), chars.next()) {
                (Some(Token::Any), _) => {
                    at += 1;
                    if at == self.tokens.len() {
                        return true;
                    }
                    retry = Some((rest, at));
                    continue;
                }
                (None, None) => return true,
                (Some(Token::One), Some(_)) => true,
                (Some(Token::Char(wanted)), Some(c)) => self.order.is_same(*wanted, c),
                (None, Some(_)) => false,
                (Some(_), None) => return false,
            };
            if fits {
                (rest, at) = (chars.as_str(), at + 1);
                continue;
            }
            let Some((from, behind)) = retry else {
                return false;
            };
            let mut later = from.chars();
            if later.next().is_none() {
                return false;
            }
            (rest, at) = (later.as_str(), behind);
            retry = Some((rest, behind));
        }
    }
}

/// Where in a text a part of it begins, in bytes.
pub(crate) fn find(order: Order, part: &str, text: &str) -> Option<usize> {
    if order.table().is_none() {
        return text.find(part);
    }
    match part.is_ascii() && text.is_ascii() {
        true => ascii::find(order, part, text),
        false => find_chars(order, part, text),
    }
}

fn find_chars(order: Order, part: &str, text: &str) -> Option<usize> {
    let begins = |from: &str| {
        let mut chars = from.chars();
        part.chars()
            .all(|wanted| chars.next().is_some_and(|c| order.is_same(wanted, c)))
    };
    let mut starts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    starts.find(|&at| text.get(at..).is_some_and(begins))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_match_character_by_character() {
        let like = |order, text: &str, pattern: &str| Pattern::new(order, pattern).matches(text);
        for (text, pattern, expected) in [
            ("Chrome", "chr%", true),
            ("Chrome", "%OM%", true),
            ("Chrome", "c_r%E", true),
            ("Chrome", "chr", false),
            ("Crème", "creme", true),
            ("ß", "ss", false),
            ("", "%", true),
            ("", "_", false),
            ("a%b", r"A\%b", true),
            ("aXb", r"a\%b", false),
            ("a\\", r"a\", true),
            ("abcabd", "%AB_", true),
            ("abcabd", "%abc", false),
            ("a ", "a", false),
        ] {
            assert_eq!(
                like(Order::Letters, text, pattern),
                expected,
                "{text} {pattern}"
            );
        }
        assert!(!like(Order::Accents, "Crème", "creme"));
        assert!(!like(Order::Case, "Chrome", "chrome"));
        assert!(!like(Order::PaddedBytes, "Chrome", "chrome"));
        assert!(like(Order::General, "ß", "S"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn texts_of_ascii_match_byte_by_byte_as_character_by_character(
            pattern in r"([aAbBsS%%%_\\\x00\x01\x1f~ -]|é|É|ß|ss|\u{301}|\u{212a}|k){0,8}",
            text in r"[aAbBsSkKeE%_\\\x00\x01\x1f~ -]{0,12}",
        ) {
            for order in Order::ALL {
                let compiled = Pattern::new(order, &pattern);
                let expected = compiled.matches_chars(&text);
                prop_assert_eq!(compiled.matches(&text), expected, "{:?}", order);
                if order.table().is_some() {
                    prop_assert_eq!(find(order, &pattern, &text), find_chars(order, &pattern, &text));
                }
            }
        }

        #[test]
        fn other_texts_match_as_they_did(pattern in "[aAé%_]{0,5}", text in "[aAéÉß]{0,6}") {
            for order in Order::ALL {
                let compiled = Pattern::new(order, &pattern);
                prop_assert_eq!(compiled.matches(&text), compiled.matches_chars(&text));
            }
        }
    }

    #[test]
    fn a_part_is_found_in_any_case() {
        assert_eq!(find(Order::Letters, "BAR", "föobar"), Some(4));
        assert_eq!(find(Order::Letters, "", "x"), Some(0));
        assert_eq!(find(Order::Letters, "y", "x"), None);
        assert_eq!(find(Order::Case, "BAR", "foobar"), None);
    }
}
