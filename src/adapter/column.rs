//! A result column of `sql` as a column definition of the protocol.

use storno_sql::ResultColumn;
use storno_wire::{Column, ColumnFlags, ColumnType};

pub(super) fn column(column: ResultColumn) -> Column {
    let field = column.field;
    Column {
        schema: column.schema,
        table: column.table,
        org_table: column.org_table,
        name: column.name,
        org_name: column.org_name,
        charset: field.charset,
        length: field.length,
        column_type: column_type(field.type_byte),
        flags: ColumnFlags::from_bits_truncate(field.flags),
        decimals: field.decimals,
    }
}

/// The protocol's name for a type byte. A byte that is none is sent as a string, which any value
/// has a form in.
fn column_type(byte: u8) -> ColumnType {
    const ALL: [ColumnType; 27] = [
        ColumnType::Decimal,
        ColumnType::Tiny,
        ColumnType::Short,
        ColumnType::Long,
        ColumnType::Float,
        ColumnType::Double,
        ColumnType::Null,
        ColumnType::Timestamp,
        ColumnType::LongLong,
        ColumnType::Int24,
        ColumnType::Date,
        ColumnType::Time,
        ColumnType::DateTime,
        ColumnType::Year,
        ColumnType::VarChar,
        ColumnType::Bit,
        ColumnType::Json,
        ColumnType::NewDecimal,
        ColumnType::Enum,
        ColumnType::Set,
        ColumnType::TinyBlob,
        ColumnType::MediumBlob,
        ColumnType::LongBlob,
        ColumnType::Blob,
        ColumnType::VarString,
        ColumnType::String,
        ColumnType::Geometry,
    ];
    ALL.into_iter()
        .find(|kind| *kind as u8 == byte)
        .unwrap_or(ColumnType::VarString)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_bytes_keep_their_value() {
        for byte in (0..=13).chain([15, 16]).chain(245..=255) {
            assert_eq!(column_type(byte) as u8, byte);
        }
        assert_eq!(column_type(99), ColumnType::VarString);
    }
}
