//! Text cells of the dashboard: numbers, names cut to a width, bars of block characters.

use std::time::Duration;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Rows of text in the chart of days.
pub(super) const CHART_ROWS: usize = 7;

const BLOCKS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// Height of `value` within text row `row` (0 is the lowest) of the chart; the last cell stays
/// empty where there is room, to tell neighbours apart.
pub(super) fn bar_cell(value: i64, most: i64, row: usize, wide: usize) -> String {
    let eighths = (value.max(0) as u128 * (CHART_ROWS * 8) as u128).div_ceil(most as u128) as usize;
    let block = BLOCKS[eighths.saturating_sub(row * 8).min(8)];
    let bar = if wide > 1 { wide - 1 } else { 1 };
    format!("{}{}", block.repeat(bar), " ".repeat(wide - bar))
}

/// A bar of `cells` cells at most, in eighths.
pub(super) fn horizontal(value: i64, most: i64, cells: usize) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (value.max(0) as u128 * (cells * 8) as u128 / most as u128) as usize;
    fit(
        &format!("{}{}", "█".repeat(eighths / 8), PARTS[eighths % 8]),
        cells,
    )
}

/// `text` in exactly `width` columns: cut with an ellipsis, or filled with blanks.
pub(super) fn fit(text: &str, width: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    let cut = text.width() > width;
    let room = if cut { width.saturating_sub(1) } else { width };
    for c in text.chars() {
        let w = c.width().unwrap_or(0);
        if used + w > room || c.is_control() {
            break;
        }
        out.push(c);
        used += w;
    }
    if cut && width > 0 {
        out.push('…');
        used += 1;
    }
    out.push_str(&" ".repeat(width.saturating_sub(used)));
    out
}

pub(super) fn side_by_side(blocks: &[Vec<String>], width: usize) -> Vec<String> {
    let height = blocks.iter().map(Vec::len).max().unwrap_or(0);
    let line = |row: usize| {
        let cells = blocks.iter().map(|block| {
            let text = block.get(row).map_or("", String::as_str);
            let gap = width.saturating_sub(console_width(text));
            format!("{text}{}", " ".repeat(gap))
        });
        cells.collect::<Vec<_>>().join("    ")
    };
    (0..height).map(line).collect()
}

/// Columns of `text` without its colour codes.
pub(super) fn console_width(text: &str) -> usize {
    let mut inside = false;
    let visible = text.chars().filter(|c| {
        let was = inside;
        inside = (inside || *c == '\x1b') && !(inside && *c == 'm');
        !was && *c != '\x1b'
    });
    visible.map(|c| c.width().unwrap_or(0)).sum()
}

pub(super) fn milliseconds(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    if ms < 99.95 {
        format!("{ms:.1} ms")
    } else {
        format!("{ms:.0} ms")
    }
}

pub(super) fn minutes(seconds: f64) -> String {
    let seconds = seconds.round() as i64;
    format!("{}m {:02}s", seconds / 60, seconds % 60)
}

pub(super) fn thousands(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if number < 0 { format!("-{out}") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_fit_their_cells() {
        assert_eq!(thousands(-1_234_567), "-1,234,567");
        assert_eq!(thousands(999), "999");
        assert_eq!(fit("abcdef", 4), "abc…");
        assert_eq!(fit("서울시", 5), "서울…");
        assert_eq!(fit("ab", 4), "ab  ");
        assert_eq!(minutes(61.6), "1m 02s");
        assert_eq!(console_width("\x1b[1mab\x1b[0m c"), 4);
    }

    #[test]
    fn the_largest_day_fills_its_column_and_none_is_taller() {
        assert_eq!(bar_cell(10, 10, CHART_ROWS - 1, 1), "█");
        assert_eq!(bar_cell(0, 10, 0, 1), " ");
        assert_eq!(bar_cell(1, 10_000, 0, 2), "▁ ");
        assert_eq!(horizontal(10, 10, 3), "███");
    }
}
