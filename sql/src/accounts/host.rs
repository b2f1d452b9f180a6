//! Patterns: from where an account may log in, and which databases a privilege is for.

use std::cmp::Reverse;
use std::net::IpAddr;

/// `%`, `_` and backslash escapes, as in LIKE. After a mismatch only the last `%` takes one character
/// more, so that the time is bounded by the product of the lengths.
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern = parts(pattern);
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut retry = None;
    while let Some(c) = text.get(t) {
        match pattern.get(p) {
            Some(Part::Any) => {
                p += 1;
                retry = Some((p, t));
            }
            Some(Part::One) => (p, t) = (p + 1, t + 1),
            Some(Part::Char(wanted)) if wanted == c => (p, t) = (p + 1, t + 1),
            _ => match retry {
                Some((behind, from)) => {
                    retry = Some((behind, from + 1));
                    (p, t) = (behind, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|part| *part == Part::Any)
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Any,
    One,
    Char(char),
}

fn parts(pattern: &str) -> Vec<Part> {
    let mut chars = pattern.chars();
    let mut parts = Vec::new();
    while let Some(c) = chars.next() {
        parts.push(match c {
            '%' => Part::Any,
            '_' => Part::One,
            '\\' => Part::Char(chars.next().unwrap_or('\\')),
            c => Part::Char(c),
        });
    }
    parts
}

/// Does an account's host let in a client? `client` is "localhost" for this machine, otherwise an
/// address: names of other machines are not looked up.
pub fn admits(host: &str, client: &str) -> bool {
    let here: &[&str] = match client {
        "localhost" => &["localhost", "127.0.0.1", "::1"],
        other => &[other],
    };
    here.iter().any(|client| admits_address(host, client))
}

fn admits_address(host: &str, client: &str) -> bool {
    if let Some((network, mask)) = host.split_once('/') {
        return in_network(network, mask, client);
    }
    matches(&host.to_lowercase(), &client.to_lowercase())
}

/// `192.168.1.0/255.255.255.0` and `192.168.1.0/24`, IPv6 with a length.
fn in_network(network: &str, mask: &str, client: &str) -> bool {
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => (u128::from(ip.to_bits()), 32),
        IpAddr::V6(ip) => (ip.to_bits(), 128),
    };
    let (Ok(network), Ok(client)) = (network.parse(), client.parse()) else {
        return false;
    };
    let ((network, width), (client, client_width)) = (bits(network), bits(client));
    let all = u128::MAX >> (128 - width);
    let mask = match (mask.parse::<u32>(), mask.parse::<IpAddr>()) {
        (Ok(length), _) if length <= width => all & all.checked_shl(width - length).unwrap_or(0),
        (_, Ok(mask)) if bits(mask).1 == width => bits(mask).0,
        _ => return false,
    };
    width == client_width && network & mask == client & mask
}

/// Sorts hosts from the narrowest to the widest: whole names, networks, then patterns by how much stands
/// before their first wildcard.
pub fn width(host: &str) -> (u8, Reverse<usize>) {
    let wildcard = host.find(['%', '_']);
    match wildcard {
        None if host.contains('/') => (1, Reverse(host.len())),
        None => (0, Reverse(0)),
        Some(position) => (2, Reverse(position)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_admit_what_they_name() {
        for (host, client, expected) in [
            ("%", "192.0.2.1", true),
            ("localhost", "localhost", true),
            ("127.0.0.1", "localhost", true),
            ("localhost", "192.0.2.1", false),
            ("192.0.2.%", "192.0.2.77", true),
            ("192.0.2.%", "192.0.20.77", false),
            ("192.0.2._", "192.0.2.7", true),
            ("192.0.2.0/24", "192.0.2.200", true),
            ("192.0.2.0/255.255.255.128", "192.0.2.200", false),
            ("192.0.2.0/0", "198.51.100.1", true),
            ("2001:db8::/32", "2001:db8::1", true),
            ("2001:db8::/32", "192.0.2.1", false),
            ("192.0.2.0/33", "192.0.2.0", false),
            ("192.0.2.0/x", "192.0.2.0", false),
            ("LOCALHOST", "localhost", true),
        ] {
            assert_eq!(admits(host, client), expected, "{host} {client}");
        }
    }

    #[test]
    fn narrow_hosts_come_first() {
        let mut hosts = ["%", "192.0.2.%", "192.0.2.0/24", "192.%", "192.0.2.1"];
        hosts.sort_by_key(|host| width(host));
        assert_eq!(
            hosts,
            ["192.0.2.1", "192.0.2.0/24", "192.0.2.%", "192.%", "%"]
        );
    }

    #[test]
    fn database_patterns_have_escapes() {
        assert!(matches(r"app\_%", "app_1") && !matches(r"app\_%", "appx1"));
        assert!(matches("app_1", "appx1"));
        assert!(!matches("app", "App"), "names differ by case");
    }
}
