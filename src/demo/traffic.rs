//! Makes the demo's rows: visits to the sites, day by day, written down the way Storno wants them.
//!
//! The first view of a visit carries `visits = 1`, `bounces = 1` (so far it is the only one) and
//! `exits = 1` (so far it is the last one). When another view arrives, the row of the view before
//! it is posted again with `exits = -1`, `duration` = the seconds spent there, the first time also
//! `bounces = -1`, and nothing in pageviews, visits and uniques. Rows are never changed; sums are
//! right.

use chrono::{Datelike, Days, NaiveDate};

use super::rng::{Odds, Rng, mix};
use super::row::{Measures, Row};
use super::vocabulary::WEEKDAYS;
use super::world::{Site, World};

/// Days of traffic.
pub const DAYS: u32 = 365;

const ONE_PAGE: f64 = 0.47;
const ANOTHER_PAGE: f64 = 0.60;
const PAGES_MAX: usize = 40;
const COMES_BACK: f64 = 0.18;
/// Rows of an average visit of v views: the mean of 2v - 1 under the three odds above, less what
/// midnight cuts off.
const ROWS_PER_VISIT: f64 = 3.64;
/// This many days before the end the largest site has its busiest day.
const CROWD_DAYS_BEFORE_END: u32 = 12;

/// What rows to make. The same plan makes the same rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// About this many, corrections included.
    pub rows: u64,
    pub seed: u64,
    /// The first day without rows.
    pub today: NaiveDate,
}

/// The rows of a plan.
#[derive(Debug)]
pub struct Traffic {
    plan: Plan,
    world: World,
    days: Odds,
}

impl Traffic {
    pub fn new(plan: Plan) -> Self {
        let busy = |day: u32| {
            let weekday = date_of(&plan, day).weekday().num_days_from_monday() as usize;
            let growth = 0.7 + 0.3 * f64::from(day) / f64::from(DAYS);
            growth
                * WEEKDAYS[weekday]
                * (0.92 + 0.16 * Rng::named(&[plan.seed, 3, day.into()]).unit())
        };
        Self {
            plan,
            world: World::new(plan.seed),
            days: Odds::new((0..DAYS).map(busy)),
        }
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The largest site: its id and domain.
    pub fn largest_site(&self) -> (u32, &str) {
        let site = &self.world.sites[0];
        (site.id, site.domain)
    }

    /// Domain of a site.
    pub fn domain(&self, site_id: u32) -> Option<&str> {
        self.world
            .sites
            .iter()
            .find(|site| site.id == site_id)
            .map(|site| site.domain)
    }

    /// The rows of day `day` (0 to `DAYS` - 1), in the order in which they arrive. Days are
    /// independent.
    pub fn day(&self, day: u32) -> Vec<Row<'_>> {
        let mut arrivals = Vec::new();
        for rank in 0..self.world.sites.len() {
            self.site_day(rank, day, &mut arrivals);
        }
        arrivals.sort_by_key(|(second, _)| *second);
        arrivals.into_iter().map(|(_, row)| row).collect()
    }

    fn site_day<'w>(&'w self, rank: usize, day: u32, out: &mut Vec<(u32, Row<'w>)>) {
        let site = &self.world.sites[rank];
        let mut rng = Rng::named(&[self.plan.seed, 4, rank as u64, day.into()]);
        let crowd = rank == 0 && day + CROWD_DAYS_BEFORE_END + 1 == DAYS;
        let visits = self.plan.rows as f64 / ROWS_PER_VISIT
            * self.world.site_odds.share(rank)
            * self.days.share(day as usize)
            * if crowd { 2.6 } else { 1.0 };
        let visits = (visits + rng.unit()) as usize;
        let mut starts: Vec<u32> = (0..visits)
            .map(|_| site.hours.pick(&mut rng) as u32 * 3600 + rng.below(3600) as u32)
            .collect();
        starts.sort_unstable();
        let mut visitors = 0;
        for start in starts {
            let returning = visitors > 0 && rng.chance(COMES_BACK);
            let number = if returning {
                rng.below(visitors)
            } else {
                visitors
            };
            visitors += usize::from(!returning);
            let client = Rng::named(&[self.plan.seed, 5, rank as u64, day.into(), number as u64]);
            let visit = Visit {
                world: &self.world,
                site,
                date: date_of(&self.plan, day),
                client_id: mix(client.clone().next()),
                new: !returning,
                crowd,
            };
            visit.rows(start, &mut rng, out);
        }
    }
}

fn date_of(plan: &Plan, day: u32) -> NaiveDate {
    plan.today - Days::new(u64::from(DAYS - day))
}

/// One visit of one visitor to one site.
struct Visit<'w> {
    world: &'w World,
    site: &'w Site,
    date: NaiveDate,
    client_id: u64,
    /// Not seen before on this day.
    new: bool,
    crowd: bool,
}

impl<'w> Visit<'w> {
    /// Adds the visit's rows with the second of the day at which each arrives. What would arrive
    /// after midnight is left out, as by a visitor who leaves.
    fn rows(&self, start: u32, rng: &mut Rng, out: &mut Vec<(u32, Row<'w>)>) {
        let mut view = self.first_view(start, rng);
        out.push((start, view));
        let mut arrival = start;
        let mut views = 1;
        while views < PAGES_MAX
            && rng.chance(if views == 1 {
                1.0 - ONE_PAGE
            } else {
                ANOTHER_PAGE
            })
        {
            let seconds = 3 + (rng.unit() * rng.unit() * 420.0) as u32;
            arrival += seconds;
            if arrival >= 86_400 {
                break;
            }
            out.push((arrival, correction(&view, views == 1, seconds)));
            view = Row {
                minute: (arrival / 60) as u16,
                pathname: &self.site.pages[self.site.popularity.pick(rng)],
                referrer: None,
                campaign: None,
                measures: Measures {
                    pageviews: 1,
                    exits: 1,
                    ..Measures::default()
                },
                ..view
            };
            out.push((arrival, view));
            views += 1;
        }
    }

    fn first_view(&self, start: u32, rng: &mut Rng) -> Row<'w> {
        let page = if self.crowd && rng.chance(0.6) {
            3
        } else {
            self.site.popularity.pick(rng)
        };
        Row {
            site_id: self.site.id,
            date: self.date,
            minute: (start / 60) as u16,
            visitor: self.world.visitor(self.site, self.client_id),
            hostname: &self.site.hostname,
            pathname: &self.site.pages[page],
            referrer: self.world.referrer(rng, self.crowd),
            campaign: self.world.campaign(rng),
            measures: Measures {
                pageviews: 1,
                visits: 1,
                uniques: i32::from(self.new),
                bounces: 1,
                exits: 1,
                duration: 0,
            },
        }
    }
}

/// The row that corrects `view` once another view has followed it after `seconds`.
fn correction<'w>(view: &Row<'w>, first: bool, seconds: u32) -> Row<'w> {
    let measures = Measures {
        bounces: -i32::from(first),
        exits: -1,
        duration: seconds as i32,
        ..Measures::default()
    };
    Row { measures, ..*view }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    fn traffic(rows: u64, seed: u64) -> Traffic {
        Traffic::new(Plan {
            rows,
            seed,
            today: NaiveDate::from_ymd_opt(2026, 3, 1).unwrap(),
        })
    }

    fn all(traffic: &Traffic) -> Vec<Row<'_>> {
        (0..DAYS).flat_map(|day| traffic.day(day)).collect()
    }

    #[test]
    fn the_same_plan_makes_the_same_rows_and_another_seed_others() {
        assert_eq!(all(&traffic(20_000, 1)), all(&traffic(20_000, 1)));
        assert_ne!(traffic(20_000, 1).day(100), traffic(20_000, 2).day(100));
    }

    #[test]
    fn about_as_many_rows_as_asked_for() {
        for rows in [20_000, 200_000] {
            let made = all(&traffic(rows, 1)).len() as f64;
            assert!(
                (made / rows as f64 - 1.0).abs() < 0.03,
                "{rows} asked, {made} made"
            );
        }
    }

    #[test]
    fn data_ends_the_day_before_today() {
        let traffic = traffic(50_000, 1);
        let last = traffic.day(DAYS - 1);
        let yesterday = NaiveDate::from_ymd_opt(2026, 2, 28).unwrap();
        assert!(
            last.iter()
                .all(|row| row.date == yesterday && row.minute < 24 * 60)
        );
        assert!(!last.is_empty());
    }

    #[test]
    fn sums_of_each_visit_are_those_of_what_happened_in_it() {
        let traffic = traffic(60_000, 3);
        let rows = traffic.day(200);
        let mut clients: HashMap<(u32, u64), Vec<&Row<'_>>> = HashMap::new();
        for row in &rows {
            clients
                .entry((row.site_id, row.visitor.client_id))
                .or_default()
                .push(row);
        }
        for rows in clients.values() {
            let sum = |pick: fn(&Measures) -> i32| {
                rows.iter().map(|row| pick(&row.measures)).sum::<i32>()
            };
            let visits = sum(|m| m.visits);
            let corrected = rows.iter().filter(|row| row.measures.bounces < 0).count() as i32;
            assert_eq!(sum(|m| m.uniques), 1, "a client is counted once a day");
            assert_eq!(sum(|m| m.exits), visits, "each visit ends on one page");
            assert_eq!(sum(|m| m.bounces), visits - corrected);
            let views = sum(|m| m.pageviews);
            assert_eq!(
                rows.len() as i32,
                2 * views - visits,
                "all views but the last are corrected"
            );
        }
    }

    #[test]
    fn a_correction_repeats_its_view_and_counts_nothing_again() {
        let traffic = traffic(60_000, 3);
        let rows = traffic.day(10);
        fn dimensions<'w>(row: &Row<'w>) -> Row<'w> {
            Row {
                measures: Measures::default(),
                ..*row
            }
        }
        let views: Vec<_> = rows
            .iter()
            .filter(|row| row.measures.pageviews == 1)
            .map(dimensions)
            .collect();
        let corrections: Vec<_> = rows
            .iter()
            .filter(|row| row.measures.pageviews == 0)
            .collect();
        assert!(corrections.len() > 20);
        for row in corrections {
            assert!(views.contains(&dimensions(row)));
            let m = row.measures;
            assert_eq!((m.pageviews, m.visits, m.uniques, m.exits), (0, 0, 0, -1));
            assert!(m.duration > 0 && (m.bounces == 0 || m.bounces == -1));
        }
    }

    #[test]
    fn the_largest_site_has_most_rows_and_all_sites_have_some() {
        let traffic = traffic(100_000, 1);
        let mut counts: HashMap<u32, usize> = HashMap::new();
        all(&traffic)
            .iter()
            .for_each(|row| *counts.entry(row.site_id).or_default() += 1);
        assert_eq!(counts.len(), traffic.world.sites.len());
        assert_eq!(
            counts.iter().max_by_key(|(_, n)| **n).unwrap().0,
            &traffic.largest_site().0
        );
        let clients: HashSet<u64> = all(&traffic)
            .iter()
            .map(|row| row.visitor.client_id)
            .collect();
        assert!(clients.len() > 10_000);
    }
}
