//! The class of a column in a golden file: one letter per wire type a driver tells apart.

use sqllogictest::ColumnType;

/// I integer, D decimal, R floating point, T text, B bytes, A date, S date with time, M time, N
/// NULL, ? (in a file only) any of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class(pub char);

impl ColumnType for Class {
    fn from_char(letter: char) -> Option<Self> {
        "IDRTBASMN?".contains(letter).then_some(Self(letter))
    }

    fn to_char(&self) -> char {
        self.0
    }
}
