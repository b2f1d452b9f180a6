//! A column's definition: type and attributes, in any order in which MySQL or its clients write
//! them.

use sqlparser::ast::{CharacterLength, DataType, Expr};
use sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::generated::GeneratedDefinition;
use super::key::{check, constraint_name, references};
use super::lifetime::MARK;
use super::options::charset_option;
use crate::check::CheckDefinition;
use crate::error::{Result, SqlError, Warning};
use crate::types::{KeyKind, MysqlType, Privacy, declared_type};

/// A column as written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ColumnDefinition {
    pub(super) name: String,
    pub(super) mysql_type: MysqlType,
    /// `None`: neither NULL nor NOT NULL.
    pub(super) nullable: Option<bool>,
    pub(super) default: Option<Expr>,
    /// Fractional digits of ON UPDATE CURRENT_TIMESTAMP.
    pub(super) on_update: Option<u8>,
    pub(super) auto_increment: bool,
    pub(super) comment: String,
    pub(super) charset: Option<String>,
    pub(super) collation: Option<String>,
    /// ROUND TO MINUTE or PSEUDONYMISE.
    pub(super) privacy: Option<Privacy>,
    /// GENERATED ALWAYS AS.
    pub(super) generated: Option<GeneratedDefinition>,
    /// PRIMARY KEY or UNIQUE in the column's definition.
    pub(super) keys: Vec<KeyKind>,
    /// CHECK in the column's definition.
    pub(super) checks: Vec<CheckDefinition>,
    pub(super) warnings: Vec<Warning>,
}

impl ColumnDefinition {
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        let name = cursor.name()?;
        let serial = cursor.is_word("SERIAL");
        let mysql_type = read_type(cursor, &name)?;
        let mut column = Self {
            name,
            mysql_type,
            nullable: None,
            default: None,
            on_update: None,
            auto_increment: false,
            comment: String::new(),
            charset: None,
            collation: None,
            privacy: None,
            generated: None,
            keys: Vec::new(),
            checks: Vec::new(),
            warnings: Vec::new(),
        };
        if serial {
            column.serial();
        }
        while !is_end(cursor) {
            if !column.read_type_attribute(cursor)?
                && !column.read_attribute(cursor)?
                && !column.skip_attribute(cursor)?
            {
                return Err(cursor.error());
            }
        }
        Ok(column)
    }

    /// NOT NULL AUTO_INCREMENT UNIQUE.
    fn serial(&mut self) {
        self.nullable = Some(false);
        self.auto_increment = true;
        self.keys.push(KeyKind::Unique);
    }

    /// What belongs to the type but stands behind it.
    fn read_type_attribute(&mut self, cursor: &mut Cursor<'_>) -> Result<bool> {
        if cursor.take("UNSIGNED") {
            self.make_unsigned(cursor)?;
        } else if cursor.take("ZEROFILL") {
            self.make_unsigned(cursor)?;
            self.warnings.push(Warning::no_effect("ZEROFILL"));
        } else if cursor.take("SIGNED") {
        } else if cursor.take("BINARY") {
            self.collation = Some("utf8mb4_bin".into());
        } else if cursor.take("ASCII") {
            self.charset = Some("latin1".into());
        } else if cursor.take("UNICODE") {
            self.charset = Some("ucs2".into());
        } else if cursor.take("BYTE") {
            self.charset = Some("binary".into());
        } else {
            return self.read_charset(cursor);
        }
        Ok(true)
    }

    fn read_charset(&mut self, cursor: &mut Cursor<'_>) -> Result<bool> {
        let text = self.mysql_type.is_character() || self.mysql_type == MysqlType::Json;
        if text {
            return charset_option(cursor, &mut self.charset, &mut self.collation);
        }
        // MySQL takes a COLLATE, but no CHARACTER SET, of a column that is no text.
        let collate = cursor.is_word("COLLATE");
        Ok(collate && charset_option(cursor, &mut None, &mut None)?)
    }

    fn make_unsigned(&mut self, cursor: &Cursor<'_>) -> Result<()> {
        match &mut self.mysql_type {
            MysqlType::Int {
                unsigned,
                display_width,
                ..
            } => {
                (*unsigned, *display_width) = (true, None);
            }
            MysqlType::Float { unsigned, .. }
            | MysqlType::Double { unsigned, .. }
            | MysqlType::Decimal { unsigned, .. } => *unsigned = true,
            MysqlType::Year => {}
            _ => return Err(cursor.error()),
        }
        Ok(())
    }

    fn read_attribute(&mut self, cursor: &mut Cursor<'_>) -> Result<bool> {
        if cursor.take("NOT NULL") {
            self.nullable = Some(false);
        } else if cursor.take("NULL") {
            self.nullable = Some(true);
        } else if cursor.take("SERIAL DEFAULT VALUE") {
            self.serial();
        } else if cursor.take("DEFAULT") {
            self.default = Some(cursor.operand()?);
        } else if cursor.take("ON UPDATE") {
            self.on_update = Some(read_now(cursor, &self.name)?);
        } else if cursor.take("AUTO_INCREMENT") {
            self.auto_increment = true;
        } else if cursor.take("UNIQUE") {
            cursor.take("KEY");
            self.keys.push(KeyKind::Unique);
        } else if cursor.take("PRIMARY KEY") || cursor.take("PRIMARY") || cursor.take("KEY") {
            self.keys.push(KeyKind::Primary);
        } else if cursor.take("COMMENT") {
            let comment = cursor.string()?;
            self.comment = self.take_from(&comment)?;
        } else {
            return self.read_privacy(cursor);
        }
        Ok(true)
    }

    fn read_privacy(&mut self, cursor: &mut Cursor<'_>) -> Result<bool> {
        if cursor.take("ROUND TO MINUTE") {
            self.privacy = Some(Privacy::Minute);
        } else if cursor.take_any(&["PSEUDONYMISE", "PSEUDONYMIZE"]) {
            let rotate_days = if !cursor.take("ROTATE") {
                Some(1)
            } else if cursor.take("NEVER") {
                None
            } else {
                let days = u32::try_from(cursor.unsigned()?).ok();
                let days = days.filter(|days| (1..=36_500).contains(days));
                let days = days.ok_or_else(|| cursor.error())?;
                if !cursor.take_any(&["DAY", "DAYS"]) {
                    return Err(cursor.error());
                }
                Some(days)
            };
            self.privacy = Some(Privacy::Pseudonym { rotate_days });
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Takes the clauses out of a comment, as `Lifetime::take_from` does of a table's.
    fn take_from(&mut self, comment: &str) -> Result<String> {
        let Some((mark, clauses)) = comment.split_at_checked(MARK.len()) else {
            return Ok(comment.to_owned());
        };
        if !mark.eq_ignore_ascii_case(MARK) {
            return Ok(comment.to_owned());
        }
        let (clauses, rest) = clauses.split_once(';').unwrap_or((clauses, ""));
        let mut cursor = Cursor::new(clauses)?;
        self.read_privacy(&mut cursor)?;
        cursor.expect_end()?;
        Ok(rest.trim().to_owned())
    }

    /// Constraints, attributes without effect, and those that would need one.
    fn skip_attribute(&mut self, cursor: &mut Cursor<'_>) -> Result<bool> {
        if cursor.is_word("REFERENCES") {
            references(cursor)?;
            self.warnings.push(Warning::no_effect("REFERENCES"));
        } else if cursor.is_word("CONSTRAINT") || cursor.is_word("CHECK") {
            let symbol = constraint_name(cursor)?;
            cursor.expect("CHECK")?;
            let mut check = check(cursor, symbol.flatten())?;
            check.column = Some(self.name.clone());
            self.checks.push(check);
        } else if cursor.take_any(&["COLUMN_FORMAT", "STORAGE"]) {
            cursor.name()?;
        } else if cursor.take_any(&["ENGINE_ATTRIBUTE", "SECONDARY_ENGINE_ATTRIBUTE"]) {
            cursor.take_symbol(&Token::Eq);
            cursor.string()?;
        } else if cursor.take("OPTION") {
            cursor.string()?;
        } else if cursor.take_any(&["VISIBLE", "SPARSE", "SERIES TIMESTAMP"]) {
        } else if cursor.take("GENERATED ALWAYS AS") || cursor.take("AS") {
            self.generated = Some(GeneratedDefinition::read(cursor)?);
        } else if cursor.is_word("INVISIBLE") {
            return Err(SqlError::not_supported("INVISIBLE columns"));
        } else if cursor.is_word("SRID") {
            return Err(SqlError::not_supported("spatial columns"));
        } else {
            return Ok(false);
        }
        Ok(true)
    }
}

/// The definition is over: in CREATE TABLE another element follows or none, in ALTER TABLE a place.
fn is_end(cursor: &Cursor<'_>) -> bool {
    cursor.at_end()
        || [Token::Comma, Token::RParen, Token::SemiColon]
            .iter()
            .any(|symbol| cursor.is_symbol(symbol))
        || cursor.is_word("FIRST")
        || cursor.is_word("AFTER")
}

/// CURRENT_TIMESTAMP and its synonyms, with `()` or `(n)`.
fn read_now(cursor: &mut Cursor<'_>, column: &str) -> Result<u8> {
    if !cursor.take_any(&["CURRENT_TIMESTAMP", "NOW", "LOCALTIME", "LOCALTIMESTAMP"]) {
        return Err(cursor.error());
    }
    if !cursor.take_symbol(&Token::LParen) {
        return Ok(0);
    }
    if cursor.take_symbol(&Token::RParen) {
        return Ok(0);
    }
    let fsp = cursor.unsigned()?;
    cursor.expect_symbol(&Token::RParen)?;
    u8::try_from(fsp).map_err(|_| SqlError::precision_too_big(fsp, column, 6))
}

/// The type, where sqlparser knows it, and MySQL's spellings that it does not.
fn read_type(cursor: &mut Cursor<'_>, column: &str) -> Result<MysqlType> {
    let start = cursor.location();
    let data_type = if cursor.take("NATIONAL") {
        let varying = cursor.is_word("VARCHAR")
            || cursor.are_words(&["CHAR", "VARYING"])
            || cursor.are_words(&["CHARACTER", "VARYING"]);
        if !varying && !cursor.is_word("CHAR") && !cursor.is_word("CHARACTER") {
            return Err(cursor.error());
        }
        cursor.data_type()?
    } else if cursor.take_any(&["NCHAR VARYING", "NCHAR VARCHAR"]) {
        let length = cursor.parenthesized_number()?;
        DataType::Varchar(Some(CharacterLength::IntegerLength { length, unit: None }))
    } else if cursor.take("LONG VARBINARY") {
        DataType::MediumBlob
    } else if cursor.take_any(&["LONG VARCHAR", "LONG CHAR VARYING", "LONG"]) {
        DataType::MediumText
    } else {
        cursor.data_type()?
    };
    let data_type = with_digits(cursor, data_type)?;
    declared_type(&data_type, column)?.ok_or_else(|| cursor.error_at(start))
}

/// The (M,D) of REAL and DOUBLE PRECISION, and the (M) of NUMERIC's synonyms that sqlparser leaves.
fn with_digits(cursor: &mut Cursor<'_>, data_type: DataType) -> Result<DataType> {
    use sqlparser::ast::ExactNumberInfo;
    let real = matches!(data_type, DataType::Real | DataType::DoublePrecision);
    if !real || !cursor.take_symbol(&Token::LParen) {
        return Ok(data_type);
    }
    let m = cursor.unsigned()?;
    cursor.expect_symbol(&Token::Comma)?;
    let d = i64::try_from(cursor.unsigned()?).unwrap_or(i64::MAX);
    cursor.expect_symbol(&Token::RParen)?;
    Ok(DataType::Double(ExactNumberInfo::PrecisionAndScale(m, d)))
}
