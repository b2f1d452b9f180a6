//! Weights of characters on the levels of a collation: Unicode's collation elements and MySQL's older
//! tables. `sql/collations/make.py` says where the files come from.
//!
//! Contractions and the tailorings of languages are not known here.

use std::io::Read;
use std::sync::LazyLock;

use flate2::read::ZlibDecoder;

/// Levels: letters, accents, case.
pub(super) const LEVELS: usize = 3;

/// What characters that are in no table weigh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Formula {
    /// Their code point; beyond the first plane all the same.
    Itself,
    /// Two weights made of the code point; beyond the first plane all the same.
    FirstPlane,
    /// Two weights made of the code point.
    AllPlanes,
    /// The same as UCA 9.0.0 has it, with all levels; Hangul syllables as their letters.
    Uca900,
}

/// The weights of a collation's characters.
#[derive(Debug)]
pub(super) struct Table {
    /// Per 256 code points the number of their page; page 0 has none.
    pages: Vec<u16>,
    /// Per code point of each page its sequence, 0 for none.
    numbers: Vec<u32>,
    /// Per sequence where it starts among the words, and its weights on each level.
    sequences: Vec<(u32, [u8; LEVELS])>,
    words: Vec<u16>,
    formula: Formula,
    /// First-level weights of ASCII characters, which have at most one; 0 for none.
    pub(super) ascii: [u16; 128],
    /// The same on the other levels.
    ascii_more: [[u16; 128]; LEVELS - 1],
}

macro_rules! table {
    ($name:ident, $file:literal, $formula:ident) => {
        pub(super) static $name: LazyLock<Table> = LazyLock::new(|| {
            let packed = include_bytes!(concat!("../../collations/", $file));
            Table::read(packed, Formula::$formula)
                .unwrap_or_else(|| Table::empty(Formula::$formula))
        });
    };
}

table!(GENERAL, "general.weights", Itself);
table!(UNICODE, "unicode.weights", FirstPlane);
table!(UNICODE_520, "unicode520.weights", AllPlanes);
table!(UCA_900, "uca0900.weights", Uca900);

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }
}

impl Table {
    fn empty(formula: Formula) -> Self {
        Self {
            pages: vec![0; 0x1100],
            numbers: vec![0; 256],
            sequences: vec![(0, [0; LEVELS])],
            words: Vec::new(),
            formula,
            ascii: [0; 128],
            ascii_more: [[0; 128]; LEVELS - 1],
        }
    }

    /// The table of a file; `None` if the bytes are none, which a test rules out.
    fn read(packed: &[u8], formula: Formula) -> Option<Self> {
        let mut bytes = Vec::new();
        ZlibDecoder::new(packed).read_to_end(&mut bytes).ok()?;
        let mut reader = Reader(&bytes);
        let mut table = Self::empty(formula);
        for _ in 0..reader.u32()? {
            let counts = reader.take::<LEVELS>()?;
            table.sequences.push((table.words.len() as u32, counts));
            for _ in 0..counts.iter().map(|&n| usize::from(n)).sum() {
                table.words.push(u16::from_le_bytes(reader.take()?));
            }
        }
        let mut code = 0;
        for _ in 0..reader.u32()? {
            code += reader.u32()?;
            let number = reader.u32()?.checked_add(1)?;
            table.put(code, number)?;
        }
        table.ascii = table.ascii_weights(0);
        for level in 1..LEVELS {
            let weights = table.ascii_weights(level);
            if let Some(slot) = table.ascii_more.get_mut(level - 1) {
                *slot = weights;
            }
        }
        Some(table)
    }

    fn ascii_weights(&self, level: usize) -> [u16; 128] {
        let mut weights = [0; 128];
        for (c, weight) in (0..128u8).zip(&mut weights) {
            self.each(level, c.into(), &mut |first| *weight = first);
        }
        weights
    }

    /// Weights of ASCII characters on a level, which have at most one; 0 for none.
    pub(super) fn ascii_level(&self, level: usize) -> &[u16; 128] {
        let more = level.checked_sub(1).and_then(|at| self.ascii_more.get(at));
        more.unwrap_or(&self.ascii)
    }

    fn put(&mut self, code: u32, number: u32) -> Option<()> {
        let page = self.pages.get_mut(code as usize >> 8)?;
        if *page == 0 {
            *page = u16::try_from(self.numbers.len() / 256).ok()?;
            self.numbers.resize(self.numbers.len() + 256, 0);
        }
        let at = usize::from(*page) * 256 + (code as usize & 255);
        *self.numbers.get_mut(at)? = number;
        Some(())
    }

    /// The weights of a character on a level that are in the table.
    fn listed(&self, level: usize, c: char) -> Option<&[u16]> {
        let code = c as usize;
        let page = usize::from(*self.pages.get(code >> 8)?);
        let number = *self.numbers.get(page * 256 + (code & 255))? as usize;
        let (start, counts) = self.sequences.get(number).filter(|_| number > 0)?;
        let before: usize = counts.iter().take(level).map(|&n| usize::from(n)).sum();
        let from = *start as usize + before;
        let count = usize::from(*counts.get(level)?);
        self.words.get(from..from + count)
    }

    /// Calls with the weights of a character on a level.
    #[inline]
    pub(super) fn each(&self, level: usize, c: char, call: &mut impl FnMut(u16)) {
        match self.listed(level, c) {
            Some(weights) => weights.iter().for_each(|&weight| call(weight)),
            None => self.each_computed(level, c, call),
        }
    }

    fn each_computed(&self, level: usize, c: char, call: &mut impl FnMut(u16)) {
        let code = c as u32;
        let in_two = |base: u32| {
            [
                (base + (code >> 15)) as u16,
                (code & 0x7FFF) as u16 | 0x8000,
            ]
        };
        match (self.formula, level) {
            (Formula::Itself, 0) => call(u16::try_from(code).unwrap_or(0xFFFD)),
            (Formula::FirstPlane, 0) if code > 0xFFFF => call(0xFFFD),
            (Formula::FirstPlane | Formula::AllPlanes, 0) => {
                in_two(base_of(code)).into_iter().for_each(call);
            }
            (Formula::Uca900, level) => match (hangul(code), level) {
                (Some(letters), _) => {
                    for letter in letters.into_iter().flatten() {
                        for &weight in self.listed(level, letter).unwrap_or_default() {
                            call(weight);
                        }
                    }
                }
                (None, 0) => match code {
                    0x17000..=0x18AFF => {
                        call(0xFB00);
                        call((code - 0x17000) as u16 | 0x8000);
                    }
                    _ => in_two(base_of_900(code)).into_iter().for_each(call),
                },
                (None, 1) => call(0x20),
                (None, _) => call(0x02),
            },
            _ => {}
        }
    }
}

/// Before UCA 9.0.0: ideographs of Unicode 2 and 3 come before what else has no entry.
fn base_of(code: u32) -> u32 {
    match code {
        0x3400..=0x4DB5 => 0xFB80,
        0x4E00..=0x9FA5 => 0xFB40,
        _ => 0xFBC0,
    }
}

/// UTS #10 of version 9.0.0, 10.1.3: unified ideographs, those of the extensions, the rest.
fn base_of_900(code: u32) -> u32 {
    match code {
        0x4E00..=0x9FD5
        | 0xFA0E
        | 0xFA0F
        | 0xFA11
        | 0xFA13
        | 0xFA14
        | 0xFA1F
        | 0xFA21
        | 0xFA23
        | 0xFA24
        | 0xFA27..=0xFA29 => 0xFB40,
        0x3400..=0x4DB5
        | 0x20000..=0x2A6D6
        | 0x2A700..=0x2B734
        | 0x2B740..=0x2B81D
        | 0x2B820..=0x2CEA1 => 0xFB80,
        _ => 0xFBC0,
    }
}

/// The letters of a Hangul syllable (The Unicode Standard, 3.12).
fn hangul(code: u32) -> Option<[Option<char>; 3]> {
    let index = code.checked_sub(0xAC00).filter(|&index| index < 11_172)?;
    let (lead, vowel, trail) = (index / 588, index % 588 / 28, index % 28);
    let trail = (trail > 0)
        .then(|| char::from_u32(0x11A7 + trail))
        .flatten();
    Some([
        char::from_u32(0x1100 + lead),
        char::from_u32(0x1161 + vowel),
        trail,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_read_and_have_the_weights_their_sources_say() {
        let weights = |table: &Table, level, c| {
            let mut found = Vec::new();
            table.each(level, c, &mut |weight| found.push(weight));
            found
        };
        assert_eq!(weights(&GENERAL, 0, 'ß'), [0x53]);
        assert_eq!(weights(&GENERAL, 0, 'é'), [0x45]);
        assert_eq!(weights(&GENERAL, 0, '😀'), [0xFFFD]);
        assert_eq!(weights(&UNICODE, 0, 'ß'), [0x0FEA, 0x0FEA]);
        assert_eq!(weights(&UNICODE, 0, '一'), [0xFB40, 0xCE00]);
        assert!(weights(&UNICODE_520, 0, '\u{1}').is_empty());
        assert_eq!(weights(&UNICODE_520, 0, '\u{1F600}'), [0xFBC3, 0xF600]);
        // allkeys.txt: 00E9 ; [.1CAA.0020.0002][.0000.0024.0002]
        assert_eq!(weights(&UCA_900, 0, 'é'), [0x1CAA]);
        assert_eq!(weights(&UCA_900, 1, 'é'), [0x20, 0x24]);
        assert_eq!(weights(&UCA_900, 2, 'É'), [0x08, 0x02]);
        assert_eq!(weights(&UCA_900, 0, '각').len(), 3);
        assert_eq!(
            UCA_900.ascii[usize::from(b'a')],
            UCA_900.ascii[usize::from(b'A')]
        );
        assert_eq!(UCA_900.ascii[1], 0);
    }
}
