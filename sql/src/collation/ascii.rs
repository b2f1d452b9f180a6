//! Patterns and parts of strings in texts of nothing but ASCII: compared byte by byte, without a character being decoded.
//!
//! Characters that are alike under an order have one class, which is the first of them. A character of the pattern
//! that is no ASCII may be alike to one that is (é and e): it has its class then.

use std::sync::OnceLock;

use memchr::{memchr, memchr2, memchr3};

use super::matching::Token;
use super::order::Order;

/// The class of `_`, which every byte has.
const ONE: u8 = 0xFF;

/// Bytes of paths and of texts for people, from the most frequent on; others are rare.
const FREQUENT: &[u8] = b"etaoinsrlc/ dhump-.gfby_wv0123k=&x456789?jqz";

/// The class of each byte under an order; those that are no ASCII are in no text.
#[derive(Debug)]
pub(super) struct Classes([u8; 256]);

impl Classes {
    pub(super) fn of(order: Order) -> &'static Self {
        static ALL: [OnceLock<Classes>; Order::ALL.len()] =
            [const { OnceLock::new() }; Order::ALL.len()];
        static NONE: Classes = Classes([0; 256]);
        let classes = ALL.get(order as usize);
        classes.map_or(&NONE, |classes| classes.get_or_init(|| Self::new(order)))
    }

    fn new(order: Order) -> Self {
        let mut classes = [0; 256];
        for (byte, class) in (0..128).zip(&mut classes) {
            let first = (0..byte).find(|&other| order.is_same(other.into(), byte.into()));
            *class = first.unwrap_or(byte);
        }
        Self(classes)
    }

    #[inline]
    fn class(&self, byte: u8) -> u8 {
        self.0.get(usize::from(byte)).copied().unwrap_or(0)
    }

    /// The class of a character; `None` if no ASCII is alike.
    fn of_char(&self, order: Order, wanted: char) -> Option<u8> {
        match u8::try_from(wanted).ok().filter(u8::is_ascii) {
            Some(byte) => Some(self.class(byte)),
            None => (0..128).find(|&byte| order.is_same(wanted, byte.into())),
        }
    }

    #[inline]
    fn fits(&self, piece: &[u8], text: &[u8]) -> bool {
        let fits = |(&class, &byte): (&u8, &u8)| class == ONE || class == self.class(byte);
        piece.len() == text.len() && piece.iter().zip(text).all(fits)
    }
}

/// Where a text has a part of it; both are ASCII.
pub(super) fn find(order: Order, part: &str, text: &str) -> Option<usize> {
    let classes = Classes::of(order);
    let part: Vec<u8> = part.bytes().map(|byte| classes.class(byte)).collect();
    Piece::new(classes, part).find(classes, text.as_bytes())
}

/// A pattern for texts of ASCII.
#[derive(Debug)]
pub(super) enum AsciiPattern {
    /// No such text matches.
    Never,
    /// Without `%`: a class per byte.
    Whole(Vec<u8>),
    /// What the text begins with, what it has then, one after the other, and what it ends with.
    Pieces {
        prefix: Vec<u8>,
        within: Vec<Piece>,
        suffix: Vec<u8>,
    },
}

impl AsciiPattern {
    pub(super) fn new(order: Order, tokens: &[Token]) -> Self {
        let classes = Classes::of(order);
        let mut pieces: Vec<Vec<u8>> = vec![Vec::new()];
        for token in tokens {
            let class = match *token {
                Token::Any => {
                    pieces.push(Vec::new());
                    continue;
                }
                Token::One => ONE,
                Token::Char(wanted) => match classes.of_char(order, wanted) {
                    Some(class) => class,
                    None => return Self::Never,
                },
            };
            if let Some(piece) = pieces.last_mut() {
                piece.push(class);
            }
        }
        let mut pieces = pieces.into_iter();
        let prefix = pieces.next().unwrap_or_default();
        let Some(suffix) = pieces.next_back() else {
            return Self::Whole(prefix);
        };
        Self::Pieces {
            prefix,
            within: pieces.map(|piece| Piece::new(classes, piece)).collect(),
            suffix,
        }
    }

    /// Whether a text of ASCII matches.
    pub(super) fn matches(&self, order: Order, text: &[u8]) -> bool {
        let classes = Classes::of(order);
        let (prefix, within, suffix) = match self {
            Self::Never => return false,
            Self::Whole(whole) => return classes.fits(whole, text),
            Self::Pieces {
                prefix,
                within,
                suffix,
            } => (prefix, within, suffix),
        };
        let Some((start, rest)) = text.split_at_checked(prefix.len()) else {
            return false;
        };
        let Some(middle) = rest.len().checked_sub(suffix.len()) else {
            return false;
        };
        let Some((mut rest, end)) = rest.split_at_checked(middle) else {
            return false;
        };
        if !classes.fits(prefix, start) || !classes.fits(suffix, end) {
            return false;
        }
        // Where a piece comes first leaves most for those after it.
        for piece in within {
            let Some(at) = piece.find(classes, rest) else {
                return false;
            };
            rest = rest.get(at + piece.classes.len()..).unwrap_or_default();
        }
        true
    }
}

/// Something to look for in texts.
#[derive(Debug)]
pub(super) struct Piece {
    /// A class per byte.
    classes: Vec<u8>,
    /// What is looked for first: which of its bytes, and all bytes that are alike to it.
    rarest: Option<(usize, Vec<u8>)>,
}

impl Piece {
    fn new(classes: &Classes, piece: Vec<u8>) -> Self {
        let alike = |class: u8| {
            let bytes = (0..128).filter(|&byte| classes.class(byte) == class);
            bytes.collect::<Vec<u8>>()
        };
        let known = piece.iter().enumerate().filter(|(_, class)| **class != ONE);
        let places = known.map(|(at, &class)| (at, alike(class)));
        // More are not looked for at a time.
        let places = places.filter(|(_, bytes)| (1..=3).contains(&bytes.len()));
        let rarest = places.max_by_key(|(at, bytes)| (rarity(bytes), *at));
        Self {
            classes: piece,
            rarest,
        }
    }

    /// Where it is first.
    fn find(&self, classes: &Classes, text: &[u8]) -> Option<usize> {
        let last = text.len().checked_sub(self.classes.len())?;
        let fits_at = |at: usize| {
            let part = text.get(at..at + self.classes.len());
            part.is_some_and(|part| classes.fits(&self.classes, part))
        };
        let Some((place, bytes)) = &self.rarest else {
            return (0..=last).find(|&at| fits_at(at));
        };
        let mut at = 0;
        while at <= last {
            let rest = text.get(at + place..=last + place)?;
            at += next_of(bytes, rest)?;
            if fits_at(at) {
                return Some(at);
            }
            at += 1;
        }
        None
    }
}

fn next_of(bytes: &[u8], text: &[u8]) -> Option<usize> {
    match *bytes {
        [one] => memchr(one, text),
        [one, two] => memchr2(one, two, text),
        [one, two, three] => memchr3(one, two, three, text),
        _ => None,
    }
}

/// How rare the most frequent of some bytes is.
fn rarity(bytes: &[u8]) -> usize {
    let place = |byte: &u8| FREQUENT.iter().position(|frequent| frequent == byte);
    let places = bytes.iter().filter_map(place);
    places.min().unwrap_or(FREQUENT.len())
}
