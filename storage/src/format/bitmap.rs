//! Sets of row numbers in files: Roaring's portable serialisation, with a length in front.

use roaring::RoaringBitmap;

use super::{ByteReader, ByteWriter, Malformed};

/// Appends a set.
pub(crate) fn put_bitmap(out: &mut Vec<u8>, rows: &RoaringBitmap) {
    let mut rows = rows.clone();
    rows.optimize();
    let length = rows.serialized_size();
    out.put_length(length);
    let start = out.len();
    // Writing to a vector does not fail.
    let written = rows.serialize_into(&mut *out);
    debug_assert!(written.is_ok() && out.len() == start + length);
}

pub(crate) fn read_bitmap(reader: &mut ByteReader<'_>) -> Result<RoaringBitmap, Malformed> {
    let length = reader.length()?;
    let mut bytes = reader.bytes(length)?;
    let rows = RoaringBitmap::deserialize_from(&mut bytes);
    let rows = rows.map_err(|_| Malformed("a set of rows is not a Roaring bitmap"))?;
    if bytes.is_empty() {
        Ok(rows)
    } else {
        Err(Malformed("bytes after a set of rows"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sets_come_back_as_written(
            single in prop::collection::vec(any::<u32>(), 0..50),
            run in 0u32..200_000,
        ) {
            let mut rows: RoaringBitmap = single.into_iter().collect();
            rows.insert_range(70_000..70_000 + run);
            let mut out = Vec::new();
            put_bitmap(&mut out, &rows);
            let mut reader = ByteReader::new(&out);
            prop_assert_eq!(read_bitmap(&mut reader).unwrap(), rows);
            reader.finish().unwrap();
        }

        #[test]
        fn damaged_sets_do_no_harm(rows: Vec<u16>, place: prop::sample::Index, value: u8) {
            let mut out = Vec::new();
            put_bitmap(&mut out, &rows.into_iter().map(u32::from).collect());
            let at = place.index(out.len());
            out[at] = value;
            if let Ok(rows) = read_bitmap(&mut ByteReader::new(&out)) {
                prop_assert_eq!(rows.iter().count() as u64, rows.len());
            }
        }
    }
}
