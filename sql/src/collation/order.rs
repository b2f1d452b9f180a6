//! Orders of strings as keys of bytes: strings are equal when their keys are, and in the order of their
//! keys.
//!
//! A key is the weights of the string's characters, the more significant byte first, one level after
//! another with a weight of zero between. Where trailing spaces do not count, a string compares as if
//! spaces followed without end: its own at the end are left out, each other space is followed by how the
//! next other weight compares with a space, and the end looks like a space followed by "equal".

use std::cmp::Ordering;

use super::same::same;
use super::weights::{GENERAL, Table, UCA_900, UNICODE, UNICODE_520};

/// How strings are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Order {
    /// By their bytes (utf8mb4_0900_bin, binary).
    Bytes,
    /// By their bytes, trailing spaces not counting (utf8mb4_bin).
    PaddedBytes,
    /// utf8mb4_general_ci.
    General,
    /// utf8mb4_unicode_ci.
    Unicode,
    /// utf8mb4_unicode_520_ci.
    Unicode520,
    /// utf8mb4_0900_ai_ci: letters count.
    Letters,
    /// utf8mb4_0900_as_ci: letters, then accents.
    Accents,
    /// utf8mb4_0900_as_cs: letters, then accents, then case.
    Case,
}

/// How the rest of a padded string compares with spaces.
const LESS: u8 = 0;
const EQUAL: u8 = 1;
const GREATER: u8 = 2;

impl Order {
    pub(super) const ALL: [Self; 8] = [
        Self::Bytes,
        Self::PaddedBytes,
        Self::General,
        Self::Unicode,
        Self::Unicode520,
        Self::Letters,
        Self::Accents,
        Self::Case,
    ];

    /// By which storage tells folds apart.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bytes => "Bytes",
            Self::PaddedBytes => "PaddedBytes",
            Self::General => "General",
            Self::Unicode => "Unicode",
            Self::Unicode520 => "Unicode520",
            Self::Letters => "Letters",
            Self::Accents => "Accents",
            Self::Case => "Case",
        }
    }

    /// The order of a collation, for those with a language the order that it is derived from; `None` if
    /// it has none.
    pub(crate) fn of(collation: &str) -> Self {
        match collation
            .split_once('_')
            .map_or(collation, |(_, rest)| rest)
        {
            "binary" | "0900_bin" | "nopad_bin" => Self::Bytes,
            rest if rest.ends_with("bin") => Self::PaddedBytes,
            rest if rest.ends_with("0900_ai_ci") => Self::Letters,
            rest if rest.ends_with("0900_as_ci") => Self::Accents,
            rest if rest.ends_with("_cs") => Self::Case,
            "general_ci" | "swedish_ci" | "general_nopad_ci" => Self::General,
            "unicode_520_ci" | "unicode_520_nopad_ci" | "vietnamese_ci" => Self::Unicode520,
            rest if rest.starts_with("uca1400") => Self::Letters,
            _ => Self::Unicode,
        }
    }

    /// Whether upper and lower case are alike.
    pub(crate) fn ignores_case(self) -> bool {
        !matches!(self, Self::Bytes | Self::PaddedBytes | Self::Case)
    }

    pub(super) fn pads(self) -> bool {
        matches!(
            self,
            Self::PaddedBytes | Self::General | Self::Unicode | Self::Unicode520
        )
    }

    pub(super) fn table(self) -> Option<&'static Table> {
        Some(match self {
            Self::Bytes | Self::PaddedBytes => return None,
            Self::General => &GENERAL,
            Self::Unicode => &UNICODE,
            Self::Unicode520 => &UNICODE_520,
            Self::Letters | Self::Accents | Self::Case => &UCA_900,
        })
    }

    pub(super) fn levels(self) -> usize {
        match self {
            Self::Case => 3,
            Self::Accents => 2,
            _ => 1,
        }
    }

    /// Appends the key of a string.
    pub(crate) fn put_key(self, text: &str, out: &mut Vec<u8>) {
        let Some(table) = self.table() else {
            match self {
                Self::PaddedBytes => put_padded_bytes(text.as_bytes(), out),
                _ => out.extend_from_slice(text.as_bytes()),
            }
            return;
        };
        out.reserve(2 * self.levels() * text.len() + 4);
        if self.pads() {
            return put_padded(table, text, out);
        }
        for level in 0..self.levels() {
            if level > 0 {
                out.extend([0, 0]);
            }
            match text.is_ascii() {
                true => put_ascii(table.ascii_level(level), text.as_bytes(), out),
                false => put_level(table, level, text, out),
            }
        }
    }

    pub(crate) fn key(self, text: &str) -> Vec<u8> {
        let mut key = Vec::new();
        self.put_key(text, &mut key);
        key
    }

    pub(crate) fn compare(self, one: &str, other: &str) -> Ordering {
        if one == other {
            return Ordering::Equal;
        }
        match self {
            Self::Bytes => one.cmp(other),
            _ => self.key(one).cmp(&self.key(other)),
        }
    }
}

/// The weights of ASCII characters on one level, of which each has at most one.
fn put_ascii(weights: &[u16; 128], text: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + 2 * text.len(), 0);
    let mut end = start;
    for &byte in text {
        let weight = weights.get(usize::from(byte)).copied().unwrap_or(0);
        // A weight of zero is overwritten by the next, without a branch.
        if let Some(slot) = out.get_mut(end..end + 2) {
            slot.copy_from_slice(&weight.to_be_bytes());
        }
        end += 2 * usize::from(weight > 0);
    }
    out.truncate(end);
}

fn put_level(table: &Table, level: usize, text: &str, out: &mut Vec<u8>) {
    let mut put = |weight: u16| out.extend(weight.to_be_bytes());
    for c in text.chars() {
        table.each(level, c, &mut put);
    }
}

/// Weights of one level that end in spaces without end.
struct Padded<'o> {
    out: &'o mut Vec<u8>,
    space: u16,
    /// Spaces that nothing else has followed yet.
    waiting: usize,
}

impl Padded<'_> {
    #[inline]
    fn put(&mut self, weight: u16) {
        if weight == self.space {
            self.waiting += 1;
            return;
        }
        if self.waiting > 0 {
            let rest = if weight < self.space { LESS } else { GREATER };
            let [high, low] = self.space.to_be_bytes();
            for _ in 0..std::mem::take(&mut self.waiting) {
                self.out.extend([high, low, rest]);
            }
        }
        self.out.extend(weight.to_be_bytes());
    }

    fn end(self) {
        let [high, low] = self.space.to_be_bytes();
        self.out.extend([high, low, EQUAL]);
    }
}

fn put_padded(table: &Table, text: &str, out: &mut Vec<u8>) {
    let space = table.ascii[usize::from(b' ')];
    let mut padded = Padded {
        out,
        space,
        waiting: 0,
    };
    if text.is_ascii() {
        for byte in text.bytes() {
            let weight = table.ascii.get(usize::from(byte)).copied().unwrap_or(0);
            if weight > 0 {
                padded.put(weight);
            }
        }
        return padded.end();
    }
    for c in text.chars() {
        match table.ascii.get(c as usize) {
            Some(0) => {}
            Some(&weight) => padded.put(weight),
            None => table.each(0, c, &mut |weight| padded.put(weight)),
        }
    }
    padded.end();
}

fn put_padded_bytes(text: &[u8], out: &mut Vec<u8>) {
    let text = text.trim_suffix_spaces();
    out.reserve(text.len() + 2);
    let mut waiting = 0;
    for &byte in text {
        if byte == b' ' {
            waiting += 1;
            continue;
        }
        let rest = if byte < b' ' { LESS } else { GREATER };
        for _ in 0..std::mem::take(&mut waiting) {
            out.extend([b' ', rest]);
        }
        out.push(byte);
    }
    out.extend([b' ', EQUAL]);
}

trait Spaces {
    fn trim_suffix_spaces(&self) -> &[u8];
}

impl Spaces for [u8] {
    fn trim_suffix_spaces(&self) -> &[u8] {
        let end = self.iter().rposition(|&b| b != b' ').map_or(0, |at| at + 1);
        self.get(..end).unwrap_or_default()
    }
}

/// A string that many are compared with for equality: most differ within a few characters, of which no
/// key is made.
#[derive(Debug)]
pub(crate) struct Needle {
    order: Order,
    text: String,
    key: Vec<u8>,
    /// First-level weights, without spaces at the end where they do not count.
    letters: Vec<u16>,
}

impl Needle {
    pub(crate) fn new(order: Order, text: &str) -> Self {
        let mut letters = Vec::new();
        if let Some(table) = order.table() {
            for c in text.chars() {
                table.each(0, c, &mut |weight| letters.push(weight));
            }
            let space = table.ascii[usize::from(b' ')];
            while order.pads() && letters.last() == Some(&space) {
                letters.pop();
            }
        }
        Self {
            order,
            key: order.key(text),
            text: text.to_owned(),
            letters,
        }
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    pub(crate) fn order(&self) -> Order {
        self.order
    }

    /// What it has in common with the strings that are equal to it, and with no other.
    pub(crate) fn same(&self) -> Vec<u8> {
        same(self.order, &self.text)
    }

    pub(crate) fn equals(&self, text: &str) -> bool {
        let spaceless = |text: &str| text.as_bytes().trim_suffix_spaces().len();
        match (self.order, self.order.table()) {
            (_, Some(table)) => {
                self.letters_equal(table, text)
                    && (self.order.levels() == 1
                        || self.text == text
                        || self.order.key(text) == self.key)
            }
            (Order::PaddedBytes, None) => {
                let length = spaceless(&self.text);
                text.as_bytes().get(..length) == self.text.as_bytes().get(..length)
                    && spaceless(text) == length
            }
            (_, None) => self.text == text,
        }
    }

    fn letters_equal(&self, table: &Table, text: &str) -> bool {
        let space = table.ascii[usize::from(b' ')];
        let pads = self.order.pads();
        let mut wanted = self.letters.iter();
        let mut meets = |weight: u16| match wanted.next() {
            Some(&wanted) => wanted == weight,
            None => pads && weight == space,
        };
        for c in text.chars() {
            let equal = match table.ascii.get(c as usize) {
                Some(0) => true,
                Some(&weight) => meets(weight),
                None => {
                    let mut all = true;
                    table.each(0, c, &mut |weight| all = meets(weight) && all);
                    all
                }
            };
            if !equal {
                return false;
            }
        }
        wanted.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ORDERS: [Order; 8] = Order::ALL;

    #[test]
    fn names_tell_orders_apart() {
        let names: std::collections::BTreeSet<_> = ORDERS.iter().map(|o| o.name()).collect();
        assert_eq!(names.len(), ORDERS.len());
    }

    #[test]
    fn equality_is_that_of_each_collation() {
        let equal = |one: &str, other: &str| {
            let equal = ORDERS.iter().filter(|o| o.compare(one, other).is_eq());
            equal.copied().collect::<Vec<_>>()
        };
        use Order::*;
        assert_eq!(
            equal("a", "A"),
            [General, Unicode, Unicode520, Letters, Accents]
        );
        assert_eq!(equal("a", "á"), [General, Unicode, Unicode520, Letters]);
        assert_eq!(equal("ß", "ss"), [Unicode, Unicode520, Letters]);
        assert_eq!(equal("ß", "s"), [General]);
        assert_eq!(
            equal("a", "a "),
            [PaddedBytes, General, Unicode, Unicode520]
        );
        assert_eq!(
            equal("a", "a\u{1}"),
            [Unicode, Unicode520, Letters, Accents, Case]
        );
        assert_eq!(equal("가", "\u{1100}\u{1161}"), [Letters, Accents, Case]);
        assert_eq!(equal("😀", "😁"), [General, Unicode]);
    }

    #[test]
    fn trailing_spaces_are_as_if_there_were_more() {
        for order in [Order::PaddedBytes, Order::General] {
            let mut words = ["a", "a\t", "a!", "a  \t", "a b", "a  b", "", " ", "\t", "b"];
            words.sort_by(|a, b| order.compare(a, b).then(a.len().cmp(&b.len())));
            let expected = ["\t", "", " ", "a\t", "a  \t", "a", "a  b", "a b", "a!", "b"];
            assert_eq!(words, expected, "{order:?}");
        }
    }

    #[test]
    fn case_and_accents_decide_where_letters_are_equal() {
        let mut words = ["cote", "côté", "coté", "Cote", "côte", "cotes"];
        words.sort_by(|a, b| Order::Case.compare(a, b));
        assert_eq!(words, ["cote", "Cote", "coté", "côte", "côté", "cotes"]);
    }

    /// Padded strings by the letter: the shorter one filled up with spaces.
    fn padded_by_hand(one: &str, other: &str) -> Ordering {
        let length = one.len().max(other.len());
        let filled = |s: &str| {
            let mut bytes = s.as_bytes().to_vec();
            bytes.resize(length, b' ');
            bytes
        };
        filled(one).cmp(&filled(other))
    }

    proptest! {
        #[test]
        fn padding_equals_filling_up_with_spaces(one in "[ \t!a]{0,6}", other in "[ \t!a]{0,6}") {
            let expected = padded_by_hand(&one, &other);
            prop_assert_eq!(Order::PaddedBytes.compare(&one, &other), expected);
            prop_assert_eq!(Order::General.compare(&one, &other), expected);
        }

        #[test]
        fn keys_of_ascii_are_those_of_its_characters(text in "[ -~\\x00-\\x1f\\x7f]{0,20}") {
            for order in ORDERS.into_iter().filter(|o| !o.pads()) {
                let Some(table) = order.table() else { continue };
                let mut expected = Vec::new();
                for level in 0..order.levels() {
                    if level > 0 {
                        expected.extend([0, 0]);
                    }
                    put_level(table, level, &text, &mut expected);
                }
                prop_assert_eq!(order.key(&text), expected, "{:?}", order);
            }
        }

        #[test]
        fn a_needle_equals_what_has_its_key(one in "[ aAáßs\u{1}e\u{301}é가😀]{0,4}", other in "[ aAáßs\u{1}e\u{301}é가😀]{0,4}") {
            for order in ORDERS {
                let needle = Needle::new(order, &one);
                let expected = order.key(&one) == order.key(&other);
                prop_assert_eq!(needle.equals(&other), expected, "{:?} {:?} {:?}", order, one, other);
            }
        }
    }
}
