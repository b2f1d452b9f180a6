//! FIELDS and LINES, as an export uses them (MySQL manual, "SELECT ... INTO Statement").

/// How fields and lines are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextRules {
    pub field_end: Vec<u8>,
    pub enclosed: Option<u8>,
    /// Enclose strings and times only.
    pub optionally: bool,
    pub escape: Option<u8>,
    pub line_start: Vec<u8>,
    pub line_end: Vec<u8>,
}

impl TextRules {
    /// MySQL's defaults: tabs, newlines, backslashes.
    pub fn tabs() -> Self {
        Self {
            field_end: b"\t".to_vec(),
            enclosed: None,
            optionally: false,
            escape: Some(b'\\'),
            line_start: Vec::new(),
            line_end: b"\n".to_vec(),
        }
    }

    /// FORMAT CSV, after RFC 4180: commas, quotes around strings and doubled in them, no escapes.
    pub fn csv() -> Self {
        Self {
            field_end: b",".to_vec(),
            enclosed: Some(b'"'),
            optionally: true,
            escape: None,
            ..Self::tabs()
        }
    }
}
