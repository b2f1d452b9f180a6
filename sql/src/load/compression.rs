//! Compressed files: gzip and zstd, told by the statement or by their first bytes.
//!
//! They are decoded as they are read, so that a small file which unpacks to a huge one takes no memory.

use std::io::{self, BufReader, Cursor, Read};

use flate2::read::MultiGzDecoder;

/// Bytes that are read of a file at once.
const READ_BYTES: usize = 256 << 10;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// Its first bytes tell.
    Auto,
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// By the name in a statement; `None`: there is no such.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let known = [
            ("auto", Self::Auto),
            ("none", Self::None),
            ("gzip", Self::Gzip),
            ("gz", Self::Gzip),
            ("zstd", Self::Zstd),
        ];
        let found = known.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, compression)| *compression)
    }

    /// No text begins with these bytes: none of them is a character in UTF-8.
    fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, 0x08, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd] => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// The bytes of a file as they were before it was compressed.
pub(crate) fn decoded<'a>(
    mut file: impl Read + Send + 'a,
    compression: Compression,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    let mut head = Vec::new();
    let compression = match compression {
        Compression::Auto => {
            file.by_ref().take(4).read_to_end(&mut head)?;
            Compression::of(&head)
        }
        told => told,
    };
    let file = Cursor::new(head).chain(file);
    Ok(match compression {
        Compression::Gzip => Box::new(MultiGzDecoder::new(BufReader::with_capacity(
            READ_BYTES, file,
        ))),
        Compression::Zstd => Box::new(zstd::Decoder::with_buffer(BufReader::with_capacity(
            READ_BYTES, file,
        ))?),
        Compression::Auto | Compression::None => Box::new(file),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;

    use super::*;

    const TEXT: &[u8] = b"1\tone\n2\ttwo\n";

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).expect("in memory");
        encoder.finish().expect("in memory")
    }

    fn read(file: &[u8], compression: Compression) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        decoded(file, compression)?.read_to_end(&mut text)?;
        Ok(text)
    }

    #[test]
    fn the_first_bytes_tell() {
        let zstd = zstd::encode_all(TEXT, 0).expect("in memory");
        for file in [TEXT.to_vec(), gzip(TEXT), zstd.clone()] {
            assert_eq!(read(&file, Compression::Auto).expect("readable"), TEXT);
        }
        assert_eq!(read(&zstd, Compression::None).expect("as it is"), zstd);
        for short in [&b""[..], b"1", b"\x1f\x8b"] {
            assert_eq!(read(short, Compression::Auto).expect("as it is"), short);
        }
    }

    #[test]
    fn files_one_after_the_other_are_one() {
        let gz = [gzip(TEXT), gzip(TEXT)].concat();
        assert_eq!(read(&gz, Compression::Gzip).expect("readable").len(), 24);
        let one = zstd::encode_all(TEXT, 0).expect("in memory");
        let zst = [one.clone(), one].concat();
        assert_eq!(read(&zst, Compression::Zstd).expect("readable").len(), 24);
    }

    #[test]
    fn half_a_file_is_an_error() {
        let text: Vec<u8> = (0..100_000_u32).flat_map(|n| n.to_le_bytes()).collect();
        let zstd = zstd::encode_all(text.as_slice(), 0).expect("in memory");
        for file in [gzip(&text), zstd] {
            for length in [5, file.len() / 2, file.len() - 1] {
                let half = file.get(..length).unwrap_or_default();
                assert!(read(half, Compression::Auto).is_err(), "{length}");
            }
        }
        assert!(read(TEXT, Compression::Gzip).is_err());
        assert!(read(TEXT, Compression::Zstd).is_err());
    }
}
