//! How large the pieces of a file are that is sent in several.

/// Smallest piece. Stores take at most 10,000 of them, and files of at most 5 TiB.
pub(super) const PIECE_BYTES: u64 = 8 << 20;
const PIECES_MAX: u64 = 9_000;
const FILE_BYTES_MAX: u64 = 5 << 40;

/// The size of the next piece. While a file may fit into pieces of the smallest size, all are of that one, as
/// some stores want them; else they grow with what was sent, so that a file takes memory for what it is and not
/// for what it might become.
pub(super) fn piece_bytes(sent: u64, bytes_max: u64) -> u64 {
    let bytes_max = bytes_max.min(FILE_BYTES_MAX);
    if bytes_max <= PIECE_BYTES * PIECES_MAX {
        return PIECE_BYTES;
    }
    // Pieces that grow by the same step each, s, are s * n^2 / 2 bytes after n.
    let step = 2 * bytes_max / (PIECES_MAX * PIECES_MAX);
    let next = (2 * u128::from(step) * u128::from(sent)).isqrt();
    let next = u64::try_from(next).unwrap_or(FILE_BYTES_MAX);
    next.next_multiple_of(1 << 20).max(PIECE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_any_size_fit_into_the_pieces_there_are() {
        for bytes_max in [0, 6 << 30, 200 << 30, FILE_BYTES_MAX, u64::MAX] {
            let (mut sent, mut pieces) = (0, 0);
            let end = bytes_max.min(FILE_BYTES_MAX);
            while sent < end {
                let piece = piece_bytes(sent, bytes_max);
                assert!(sent > 1 << 30 || piece <= 24 << 20, "{bytes_max}: {piece}");
                assert!(piece <= 2 << 30, "{bytes_max}: {piece}");
                (sent, pieces) = (sent + piece, pieces + 1);
            }
            assert!(pieces <= 10_000, "{bytes_max}: {pieces}");
        }
        assert_eq!(piece_bytes(60 << 30, 70 << 30), PIECE_BYTES);
    }
}
