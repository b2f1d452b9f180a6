//! LIKE as SHOW applies it to names.

/// `%`, `_`, backslash escapes, case ignored. After a mismatch only the last `%` takes one character
/// more, so that the time is bounded by the product of the lengths.
pub fn like(pattern: &str, text: &str) -> bool {
    #[derive(PartialEq)]
    enum Part {
        Any,
        One,
        Char(char),
    }
    let mut parts = Vec::new();
    let lower = pattern.to_lowercase();
    let mut chars = lower.chars();
    while let Some(c) = chars.next() {
        parts.push(match c {
            '%' => Part::Any,
            '_' => Part::One,
            '\\' => Part::Char(chars.next().unwrap_or('\\')),
            c => Part::Char(c),
        });
    }
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while let Some(c) = text.get(t) {
        match parts.get(p) {
            Some(Part::Any) => {
                retry = Some((p, t));
                p += 1;
            }
            Some(Part::One) => (p, t) = (p + 1, t + 1),
            Some(Part::Char(x)) if x == c => (p, t) = (p + 1, t + 1),
            _ => match retry {
                Some((star, from)) => {
                    retry = Some((star, from + 1));
                    (p, t) = (star + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    parts.iter().skip(p).all(|part| *part == Part::Any)
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn like_ignores_case_and_knows_wildcards_and_escapes() {
        assert!(like("page%", "PageViews"));
        assert!(like("p_ge", "page"));
        assert!(like(r"a\_b", "a_b") && !like(r"a\_b", "axb"));
        assert!(!like(
            &"%a".repeat(30).replace("%a%a", "%a%a%b"),
            &"a".repeat(64)
        ));
        assert!(like("%ab%c", "xxababyc") && !like("%ab%c", "xxababyd"));
        assert!(!like("", "x") && like("", ""));
    }
}
