//! Draws the answers as text: as wide as asked, coloured only if asked. Knows nothing of terminals.

use std::time::Duration;

use unicode_width::UnicodeWidthStr;

use super::cells::{
    CHART_ROWS, bar_cell, fit, horizontal, milliseconds, minutes, side_by_side, thousands,
};
use super::figures::{Figures, Line, Scope};
use super::queries::{Answers, Panel};

/// How to draw.
#[derive(Debug, Clone, Copy)]
pub struct Canvas {
    /// Columns of the terminal.
    pub width: usize,
    pub colour: bool,
}

const NARROWEST: usize = 56;
const WIDEST: usize = 118;

#[derive(Clone, Copy)]
enum Ink {
    Strong,
    Faint,
    Bar,
}

/// The whole dashboard. `domain` turns a site's id into its name.
pub fn render(
    answers: &Answers,
    scope: &Scope,
    canvas: Canvas,
    domain: impl Fn(&str) -> String,
) -> String {
    let canvas = Canvas {
        width: canvas.width.clamp(NARROWEST, WIDEST),
        ..canvas
    };
    let figures = &answers.figures;
    let site = domain(&scope.site_id.to_string());
    let last = scope.to.pred_opt().unwrap_or(scope.to);
    let mut out = vec![
        canvas.ink(&format!("{site}   {} to {last}", scope.from), Ink::Strong),
        canvas.ink(&"─".repeat(canvas.width), Ink::Faint),
    ];
    out.extend(canvas.totals(figures, answers.time(Panel::Totals)));
    out.push(String::new());
    out.extend(canvas.chart(&figures.days, answers.time(Panel::Days)));
    let sites: Vec<Line> = figures
        .sites
        .iter()
        .map(|line| Line {
            name: domain(&line.name),
            ..line.clone()
        })
        .collect();
    let lists = [
        (
            Panel::Pages,
            "Top pages",
            ["views", "visits"],
            &figures.pages,
        ),
        (
            Panel::Referrers,
            "Referrers",
            ["visits", "views"],
            &figures.referrers,
        ),
        (
            Panel::Browsers,
            "Browsers",
            ["visitors", "views"],
            &figures.browsers,
        ),
        (
            Panel::Countries,
            "Countries",
            ["visitors", "views"],
            &figures.countries,
        ),
        (
            Panel::Months,
            "By month, all data",
            ["views", "visits"],
            &figures.months,
        ),
        (Panel::Sites, "Sites, all data", ["views", "visits"], &sites),
    ];
    let columns = if canvas.width >= 92 { 2 } else { 1 };
    let each = Canvas {
        width: (canvas.width - 4 * (columns - 1)) / columns,
        ..canvas
    };
    let lists = lists
        .map(|(panel, title, heads, lines)| each.list(title, heads, lines, answers.time(panel)));
    for row in lists.chunks(columns) {
        out.push(String::new());
        out.extend(side_by_side(row, each.width));
    }
    out.push(String::new());
    out.extend(canvas.summary(answers));
    let mut text = String::new();
    for line in out {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

impl Canvas {
    fn ink(&self, text: &str, ink: Ink) -> String {
        let code = match ink {
            Ink::Strong => "1",
            Ink::Faint => "2",
            Ink::Bar => "36",
        };
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_string()
        }
    }

    /// A heading, with the time of its query at the right edge where there is room for it.
    fn heading(&self, title: &str, time: Option<Duration>) -> String {
        let time = time.map(milliseconds).unwrap_or_default();
        let gap = self.width.saturating_sub(title.width() + time.width());
        let title = self.ink(title, Ink::Strong);
        if gap == 0 {
            return title;
        }
        format!("{title}{}{}", " ".repeat(gap), self.ink(&time, Ink::Faint))
    }

    fn totals(&self, figures: &Figures, time: Option<Duration>) -> Vec<String> {
        let totals = &figures.totals;
        let rate = totals
            .bounce_rate
            .as_deref()
            .and_then(|text| text.parse::<f64>().ok());
        let seconds = totals
            .average_duration
            .as_deref()
            .and_then(|text| text.parse::<f64>().ok());
        let cells = [
            ("Views", thousands(totals.pageviews)),
            ("Visits", thousands(totals.visits)),
            ("Visitors", thousands(totals.uniques)),
            (
                "Bounce rate",
                rate.map_or("-".into(), |rate| format!("{rate:.1} %")),
            ),
            ("Avg. visit", seconds.map_or("-".into(), minutes)),
        ];
        let each = (self.width.saturating_sub(8) / cells.len()).clamp(8, 16);
        let (mut names, mut values) = (String::new(), String::new());
        for (name, value) in &cells {
            let each = each.max(name.width() + 2);
            names.push_str(&fit(name, each));
            values.push_str(&fit(value, each));
        }
        let names = self.heading(names.trim_end(), time);
        vec![names, self.ink(values.trim_end(), Ink::Bar)]
    }

    /// Columns of blocks, one a day, over the first and last date.
    fn chart(&self, days: &[Line], time: Option<Duration>) -> Vec<String> {
        let mut out = vec![self.heading("Views per day", time)];
        let most = days.iter().map(|day| day.first).max().unwrap_or(0).max(1);
        let axis = thousands(most).width();
        let room = self.width.saturating_sub(axis + 2) / days.len().max(1);
        let wide = room.clamp(1, 3);
        for row in (0..CHART_ROWS).rev() {
            let label = match row {
                _ if row + 1 == CHART_ROWS => thousands(most),
                0 => "0".into(),
                _ => String::new(),
            };
            let bars: String = days
                .iter()
                .map(|day| bar_cell(day.first, most, row, wide))
                .collect();
            let label = self.ink(&format!("{label:>axis$}"), Ink::Faint);
            out.push(format!("{label} {}", self.ink(bars.trim_end(), Ink::Bar)));
        }
        if let (Some(first), Some(last)) = (days.first(), days.last()) {
            let gap = (days.len() * wide).saturating_sub(first.name.width() + last.name.width());
            let dates = format!("{}{}{}", first.name, " ".repeat(gap.max(1)), last.name);
            out.push(format!(
                "{} {}",
                " ".repeat(axis),
                self.ink(&dates, Ink::Faint)
            ));
        }
        out
    }

    fn list(
        &self,
        title: &str,
        heads: [&str; 2],
        lines: &[Line],
        time: Option<Duration>,
    ) -> Vec<String> {
        const NUMBER: usize = 10;
        const BAR: usize = 5;
        let name = self.width.saturating_sub(2 * NUMBER);
        let head = format!(
            "{}{:>NUMBER$}{:>NUMBER$}",
            " ".repeat(name),
            heads[0],
            heads[1]
        );
        let mut out = vec![self.heading(title, time), self.ink(&head, Ink::Faint)];
        let most = lines
            .iter()
            .map(|line| line.first)
            .max()
            .unwrap_or(0)
            .max(1);
        for line in lines {
            let bar = self.ink(&horizontal(line.first, most, BAR), Ink::Bar);
            let text = fit(&line.name, name.saturating_sub(BAR + 1));
            let [first, second] = [line.first, line.second].map(thousands);
            out.push(format!("{bar} {text}{first:>NUMBER$}{second:>NUMBER$}"));
        }
        if lines.is_empty() {
            out.push(self.ink("nothing in this period", Ink::Faint));
        }
        out
    }

    fn summary(&self, answers: &Answers) -> Vec<String> {
        let total: Duration = answers.times.iter().map(|(_, time)| *time).sum();
        let queries = format!("{} queries in {}", answers.times.len(), milliseconds(total));
        let [rows, corrections] =
            [answers.figures.rows, answers.figures.corrections].map(thousands);
        let rows = format!("{rows} rows, {corrections} of them corrections");
        let one = format!("{queries} over {rows}");
        let lines = if one.width() <= self.width {
            vec![one]
        } else {
            vec![queries, rows]
        };
        lines
            .iter()
            .map(|line| self.ink(line, Ink::Faint))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::{DAYS, Plan, Traffic, expected};
    use chrono::{Days, NaiveDate};

    fn sample() -> (Answers, Scope) {
        let today = NaiveDate::from_ymd_opt(2026, 3, 1).unwrap();
        let traffic = Traffic::new(Plan {
            rows: 30_000,
            seed: 1,
            today,
        });
        let rows: Vec<_> = (0..DAYS).flat_map(|day| traffic.day(day)).collect();
        let scope = Scope {
            site_id: 1,
            from: today - Days::new(30),
            to: today,
        };
        let times = Panel::ALL
            .map(|panel| (panel, Duration::from_micros(1_234)))
            .to_vec();
        (
            Answers {
                figures: expected(&rows, &scope),
                times,
            },
            scope,
        )
    }

    fn draw(width: usize, colour: bool) -> String {
        let (answers, scope) = sample();
        render(&answers, &scope, Canvas { width, colour }, |id| {
            format!("site-{id}.example")
        })
    }

    #[test]
    fn no_line_is_wider_than_the_canvas() {
        for width in [20, 56, 60, 79, 80, 92, 100, 118] {
            for line in draw(width, false).lines() {
                assert!(
                    line.width() <= width.max(NARROWEST),
                    "{width}: {} {line}",
                    line.width()
                );
            }
        }
    }

    #[test]
    fn colour_only_adds_codes_and_without_it_there_are_none() {
        let plain = draw(100, false);
        assert!(!plain.contains('\x1b'));
        let coloured = draw(100, true);
        let mut stripped = String::new();
        for (i, part) in coloured.split('\x1b').enumerate() {
            stripped.push_str(if i == 0 {
                part
            } else {
                part.split_once('m').unwrap().1
            });
        }
        let trim = |text: &str| {
            text.lines()
                .map(str::trim_end)
                .collect::<Vec<_>>()
                .join("\n")
        };
        assert_eq!(trim(&stripped), trim(&plain));
    }

    #[test]
    fn shows_totals_lists_and_the_time_of_every_query() {
        let (answers, _) = sample();
        let text = draw(100, false);
        let totals = &answers.figures.totals;
        for number in [
            totals.pageviews,
            totals.visits,
            totals.uniques,
            answers.figures.rows,
        ] {
            assert!(text.contains(&thousands(number)), "{number}\n{text}");
        }
        assert_eq!(text.matches("1.2 ms").count(), Panel::ALL.len() - 1);
        for word in [
            "Top pages",
            "www.google.com",
            "Chrome",
            "US",
            "site-1.example",
            "corrections",
        ] {
            assert!(text.contains(word), "{word}\n{text}");
        }
    }

    #[test]
    fn an_empty_period_is_drawn_not_refused() {
        let (mut answers, scope) = sample();
        answers.figures = Figures::default();
        let text = render(
            &answers,
            &scope,
            Canvas {
                width: 80,
                colour: false,
            },
            str::to_string,
        );
        assert!(text.contains("nothing in this period"), "{text}");
    }
}
