//! Whether a column's type can become another without a look at its values.

use crate::types::MysqlType;

/// Whether a column of type `new` holds every value of one of type `old`, written the same.
pub(super) fn holds(new: &MysqlType, old: &MysqlType) -> bool {
    use MysqlType as T;
    match (new, old) {
        (
            T::Int {
                width: a,
                unsigned: u,
                ..
            },
            T::Int {
                width: b,
                unsigned: v,
                ..
            },
        ) => {
            let ((low, high), (least, most)) = (a.range(*u), b.range(*v));
            low <= least && most <= high
        }
        (
            T::Float {
                unsigned: u,
                digits: d,
            },
            T::Float {
                unsigned: v,
                digits: e,
            },
        )
        | (
            T::Double {
                unsigned: u,
                digits: d,
            },
            T::Double {
                unsigned: v,
                digits: e,
            },
        )
        | (
            T::Double {
                unsigned: u,
                digits: d,
            },
            T::Float {
                unsigned: v,
                digits: e,
            },
        ) => (d.is_none() || d == e) && (!u || *v),
        (
            T::Decimal {
                precision: p,
                scale: s,
                unsigned: u,
            },
            T::Decimal {
                precision: q,
                scale: r,
                unsigned: v,
            },
        ) => p >= q && s == r && (!u || *v),
        (T::DateTime { fsp: a }, T::DateTime { fsp: b })
        | (T::Timestamp { fsp: a }, T::Timestamp { fsp: b })
        | (T::Time { fsp: a }, T::Time { fsp: b }) => a >= b,
        (T::Enum { values: a }, T::Enum { values: b })
        | (T::Set { values: a }, T::Set { values: b }) => b.iter().all(|value| a.contains(value)),
        (T::Binary { length: a }, T::Binary { length: b }) => a == b,
        (
            T::VarBinary { .. } | T::Blob { .. },
            T::Binary { .. } | T::VarBinary { .. } | T::Blob { .. },
        ) => bytes(new) >= bytes(old),
        // Trailing blanks are no part of a CHAR.
        (T::Char { length: a }, T::Char { length: b }) => a >= b,
        (T::VarChar { length: a }, T::VarChar { length: b } | T::Char { length: b }) => a >= b,
        (T::Text { .. }, T::Json) => bytes(new) == Some(u32::MAX.into()),
        (T::Text { .. }, _) => text_bytes(old).is_some_and(|b| bytes(new) >= Some(b)),
        _ => new == old,
    }
}

/// Most bytes of a binary type, or of a TEXT.
fn bytes(of: &MysqlType) -> Option<u64> {
    match of {
        MysqlType::Binary { length } | MysqlType::VarBinary { length } => Some((*length).into()),
        MysqlType::Text { max_bytes } | MysqlType::Blob { max_bytes } => Some((*max_bytes).into()),
        _ => None,
    }
}

fn text_bytes(of: &MysqlType) -> Option<u64> {
    match of {
        MysqlType::Char { length } | MysqlType::VarChar { length } => Some(4 * u64::from(*length)),
        MysqlType::Text { max_bytes } => Some((*max_bytes).into()),
        _ => None,
    }
}
