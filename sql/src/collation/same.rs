//! Bytes that are equal where strings are, and in no order: for joins and groups, which ask for nothing else.
//!
//! Where only letters count, every weight that an ASCII character has is written as one such character, the small letter
//! of both, and any other as three bytes. So a text of small letters, digits and signs, as most are, stands for
//! itself, and an array of them is not even copied.

use std::sync::OnceLock;

use arrow::array::{Array, BinaryViewArray, BinaryViewBuilder, StringViewArray};

use super::order::Order;
use super::weights::Table;

/// Stands before a weight that no ASCII character has.
const OTHER: u8 = 0x80;
/// In the place of a character that weighs nothing.
const NOTHING: u8 = 0xFF;

/// How the strings of an order are written.
#[derive(Debug)]
struct Letters {
    table: &'static Table,
    /// What each ASCII character is written as.
    written: [u8; 128],
    /// The same by weight, in the order of weights.
    by_weight: Vec<(u16, u8)>,
    /// Whether only capitals and control characters are written as others.
    usual: bool,
    /// Whether spaces at the end do not count.
    pads: bool,
}

impl Letters {
    fn of(order: Order) -> Option<&'static Self> {
        static ALL: [OnceLock<Option<Letters>>; Order::ALL.len()] =
            [const { OnceLock::new() }; Order::ALL.len()];
        let letters = ALL.get(order as usize)?;
        letters.get_or_init(|| Self::new(order)).as_ref()
    }

    /// `None` for orders by bytes, and by more than letters.
    fn new(order: Order) -> Option<Self> {
        let table = order.table().filter(|_| order.levels() == 1)?;
        let mut by_weight: Vec<(u16, u8)> = Vec::new();
        // Small letters come first, so that they stand for capitals.
        let small_first = (b'a'..=b'z').chain(0..b'a').chain(b'{'..128);
        for (byte, weight) in small_first.map(|byte| (byte, weight(table, byte))) {
            if weight > 0 && by_weight.iter().all(|(known, _)| *known != weight) {
                by_weight.push((weight, byte));
            }
        }
        by_weight.sort_unstable();
        let mut letters = Self {
            table,
            written: [NOTHING; 128],
            by_weight,
            usual: false,
            pads: order.pads(),
        };
        for byte in 0..128 {
            let written = letters.ascii(weight(table, byte)).unwrap_or(NOTHING);
            if let Some(slot) = letters.written.get_mut(usize::from(byte)) {
                *slot = written;
            }
        }
        let signs = (b' '..=b'~').filter(|byte| !byte.is_ascii_uppercase());
        letters.usual = signs.into_iter().all(|byte| letters.byte(byte) == byte);
        Some(letters)
    }

    #[inline]
    fn byte(&self, byte: u8) -> u8 {
        let written = self.written.get(usize::from(byte));
        written.copied().unwrap_or(NOTHING)
    }

    fn ascii(&self, weight: u16) -> Option<u8> {
        let at = self.by_weight.binary_search_by_key(&weight, |(w, _)| *w);
        at.ok()
            .and_then(|at| self.by_weight.get(at))
            .map(|(_, byte)| *byte)
    }

    /// Whether a text is written as it is.
    #[inline]
    fn is_itself(&self, text: &[u8]) -> bool {
        let changes = |byte: u8| {
            u8::from(byte.wrapping_sub(b' ') > b'~' - b' ') | u8::from(byte.wrapping_sub(b'A') < 26)
        };
        // Without a branch per byte.
        self.usual
            && text.iter().fold(0, |any, &byte| any | changes(byte)) == 0
            && !(self.pads && text.last() == Some(&b' '))
    }

    fn put(&self, text: &str, out: &mut Vec<u8>) {
        if self.is_itself(text.as_bytes()) {
            return out.extend(text.bytes());
        }
        match text.is_ascii() {
            true => self.put_ascii(text.as_bytes(), out),
            false => self.put_any(text, out),
        }
    }

    fn put_ascii(&self, text: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + text.len(), 0);
        let mut end = start;
        for &byte in text {
            let written = self.byte(byte);
            // What weighs nothing is overwritten by the next, without a branch.
            if let Some(slot) = out.get_mut(end) {
                *slot = written;
            }
            end += usize::from(written != NOTHING);
        }
        while self.pads && end > start && out.get(end - 1) == Some(&b' ') {
            end -= 1;
        }
        out.truncate(end);
    }

    fn put_any(&self, text: &str, out: &mut Vec<u8>) {
        let start = out.len();
        // Behind the last that is no space.
        let mut end = start;
        for c in text.chars() {
            if c.is_ascii() {
                let written = self.byte(c as u8);
                if written != NOTHING {
                    out.push(written);
                    end = if written == b' ' { end } else { out.len() };
                }
                continue;
            }
            self.table.each(0, c, &mut |weight| {
                match self.ascii(weight) {
                    Some(byte) => out.push(byte),
                    None => {
                        out.push(OTHER);
                        out.extend(weight.to_be_bytes());
                    }
                }
                if self.ascii(weight) != Some(b' ') {
                    end = out.len();
                }
            });
        }
        if self.pads {
            out.truncate(end);
        }
    }
}

fn weight(table: &Table, byte: u8) -> u16 {
    table.ascii.get(usize::from(byte)).copied().unwrap_or(0)
}

/// Appends what is equal for strings that are.
fn put(order: Order, text: &str, out: &mut Vec<u8>) {
    match (Letters::of(order), order) {
        (Some(letters), _) => letters.put(text, out),
        (None, Order::PaddedBytes) => out.extend(text.trim_end_matches(' ').bytes()),
        (None, _) => order.put_key(text, out),
    }
}

/// Bytes that are equal for strings that are.
pub(super) fn same(order: Order, text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(order, text, &mut bytes);
    bytes
}

fn is_itself(order: Order, text: &str) -> bool {
    match (Letters::of(order), order) {
        (Some(letters), _) => letters.is_itself(text.as_bytes()),
        (None, Order::PaddedBytes) => !text.ends_with(' '),
        (None, order) => order == Order::Bytes,
    }
}

/// Per string bytes that are equal where the strings are; NULL stays NULL.
pub(crate) fn same_of(order: Order, strings: &StringViewArray) -> BinaryViewArray {
    let all = || strings.iter();
    if all().flatten().all(|text| is_itself(order, text)) {
        return strings.clone().to_binary_view();
    }
    let (mut same, mut bytes) = (BinaryViewBuilder::with_capacity(strings.len()), Vec::new());
    for text in all() {
        bytes.clear();
        same.append_option(text.map(|text| {
            put(order, text, &mut bytes);
            &bytes
        }));
    }
    same.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn usual_texts_stand_for_themselves() {
        let uuid = "0198c2b4-77aa-7bd1-8ef0-5a4c33221100";
        for order in [
            Order::General,
            Order::Unicode,
            Order::Unicode520,
            Order::Letters,
            Order::PaddedBytes,
        ] {
            assert!(is_itself(order, uuid), "{order:?}");
            assert_eq!(same(order, uuid), uuid.as_bytes(), "{order:?}");
            assert_eq!(is_itself(order, "Abc"), order == Order::PaddedBytes);
            assert_eq!(is_itself(order, "abc "), order == Order::Letters);
            assert!(order == Order::PaddedBytes || !is_itself(order, "é"));
        }
        assert_eq!(same(Order::Letters, "É\u{1}A"), b"ea");
        assert!(!is_itself(Order::Case, uuid));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn equal_where_the_keys_are(
            one in "[ aAbáßsS-_\u{1}e\u{301}é가一😀~@]{0,5}",
            other in "[ aAbáßsS-_\u{1}e\u{301}é가一😀~@]{0,5}",
        ) {
            for order in Order::ALL {
                for (one, other) in [(&one, &other), (&one, &one.to_uppercase()), (&other, &format!("{other} "))] {
                    let keys = order.key(one) == order.key(other);
                    prop_assert_eq!(same(order, one) == same(order, other), keys, "{:?}", order);
                }
                let array: StringViewArray = [Some(one.as_str()), None, Some(other.as_str())].into_iter().collect();
                let arrays = same_of(order, &array);
                prop_assert_eq!(arrays.value(0), same(order, &one));
                prop_assert!(arrays.is_null(1));
                prop_assert_eq!(arrays.value(2), same(order, &other));
            }
        }

        #[test]
        fn what_is_itself_is_written_so(text in "[ -~\\x00-\\x1f\\x7fé]{0,20}") {
            for order in Order::ALL {
                if is_itself(order, &text) {
                    prop_assert_eq!(same(order, &text), text.as_bytes(), "{:?}", order);
                }
            }
        }
    }
}
