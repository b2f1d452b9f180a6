//! Users and passwords in URLs: `http://user:password@host`.

use memchr::memmem;

/// Bytes of a URL that are looked at.
const URL_BYTES: usize = 2_048;

/// Where URLs have a user and a password.
pub(super) fn users(bytes: &[u8]) -> Vec<(usize, usize)> {
    let starts = memmem::find_iter(bytes, b"://").map(|at| at + 3);
    let user = |start: usize| {
        let rest = bytes.get(start..)?.iter().take(URL_BYTES);
        let is_url = |b: &&u8| !b.is_ascii_whitespace() && !b"'\"`".contains(b);
        let url = bytes.get(start..start + rest.take_while(is_url).count())?;
        Some((start, start + user_length(url)?))
    };
    starts.filter_map(user).collect()
}

/// How long the user and the password are with which a URL begins behind its scheme. Keys may have slashes in them, which
/// belong into no URL, and of a URL that is cut the end of the password may be missing.
fn user_length(url: &[u8]) -> Option<usize> {
    let is_end = |b: &u8| matches!(b, b'/' | b'?' | b'#');
    let authority = url.split(is_end).next().unwrap_or_default();
    let end = authority.iter().rposition(|b| !b.is_ascii_punctuation());
    let name = authority.get(..=end?).unwrap_or_default();
    let colon = name.iter().rposition(|b| *b == b':');
    let port = colon.and_then(|at| name.get(at + 1..)).unwrap_or_default();
    let is_host = authority.starts_with(b"[") || port.iter().all(u8::is_ascii_digit);
    match url.iter().rposition(|b| *b == b'@') {
        Some(at) if authority.contains(&b'@') || !is_host => Some(at),
        None if !is_host => Some(url.len()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::hidden;

    #[test]
    fn users_in_urls_are_hidden() {
        for (text, shown) in [
            ("to http://AK:CANARY@h:90 only", "to http://***@h:90 only"),
            (
                "{\"url\": \"https://CANARY@h\"}",
                "{\"url\": \"https://***@h\"}",
            ),
            ("'s3://AK:CAN/A@RY@h/b/p': why", "'s3://***@h/b/p': why"),
            ("near 'http://AK:CANARY", "near 'http://***"),
            (
                "'http://AK:CANARY@h' CREDENTIALS 'CANARY'",
                "'http://***@h' CREDENTIALS '***'",
            ),
        ] {
            assert_eq!(hidden(text), shown, "{text}");
        }
        for text in [
            "File 's3://b/a@b.csv' already exists",
            "http://127.0.0.1:9000/b/a@b: why",
            "the endpoint http://[::1]:9000 is",
            "https://h:80: expected 'me@h'",
            "://",
        ] {
            assert_eq!(hidden(text), text);
        }
    }
}
