//! The sites, pages and referrers that the demo's visitors choose from. Fixed by the seed.

use super::rng::{Odds, Rng, mix};
use super::row::{Campaign, Referrer, Visitor};
use super::vocabulary::{
    CAMPAIGN_SOURCES, CAMPAIGNS, CLIENTS, COUNTRIES, CROWD_REFERRER, FIXED_PAGES, HOURS, REFERRERS,
    SITES, TOPICS, WORDS,
};

const SMALL_REFERRERS: usize = 1_500;

#[derive(Debug)]
pub(super) struct Site {
    pub(super) id: u32,
    pub(super) domain: &'static str,
    pub(super) hostname: String,
    pub(super) pages: Vec<String>,
    pub(super) popularity: Odds,
    /// Odds of each hour of the UTC day.
    pub(super) hours: Odds,
    /// Position in `COUNTRIES` of the country most visitors come from.
    home: usize,
}

#[derive(Debug)]
pub(super) struct World {
    /// Largest first.
    pub(super) sites: Vec<Site>,
    /// Share of all visits by site.
    pub(super) site_odds: Odds,
    small_referrers: Vec<String>,
    referrer_paths: Vec<String>,
    referrer_odds: Odds,
    client_odds: Odds,
    country_odds: Odds,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::named(&[seed, 1]);
        let sites: Vec<Site> = (0..SITES.len())
            .map(|rank| Site::new(rank, &mut rng))
            .collect();
        let small_referrers = (0..SMALL_REFERRERS)
            .map(|i| format!("{}-{i}.example", two_words(&mut rng)))
            .collect();
        let referrer_paths = (0..400)
            .map(|_| format!("/{}/{}", word(&mut rng), two_words(&mut rng)))
            .collect();
        let known: f64 = REFERRERS.iter().map(|referrer| f64::from(referrer.2)).sum();
        let tail = Odds::zipf(SMALL_REFERRERS, 4);
        let tail = (0..SMALL_REFERRERS).map(|i| tail.share(i) * known / 4.0);
        Self {
            small_referrers,
            referrer_paths,
            referrer_odds: Odds::new(REFERRERS.iter().map(|r| f64::from(r.2)).chain(tail)),
            client_odds: Odds::new(CLIENTS.iter().map(|client| f64::from(client.3))),
            country_odds: Odds::new(COUNTRIES.iter().map(|country| f64::from(country.2))),
            site_odds: Odds::zipf(sites.len(), 0),
            sites,
        }
    }

    /// The person behind `client_id`: always the same one.
    pub(super) fn visitor(&self, site: &Site, client_id: u64) -> Visitor<'_> {
        let mut rng = Rng::named(&[client_id, 2]);
        let home = rng.chance(0.35);
        let country = if home {
            site.home
        } else {
            self.country_odds.pick(&mut rng)
        };
        let (country_code, places, _) = COUNTRIES[country];
        let place = places
            .get(Odds::zipf(places.len(), 0).pick(&mut rng))
            .copied();
        let (device_type, operating_system, browser, _) = CLIENTS[self.client_odds.pick(&mut rng)];
        Visitor {
            client_id,
            country_code,
            place,
            browser,
            operating_system,
            device_type,
        }
    }

    /// Where a visit comes from. `None`: typed, bookmarked or hidden.
    pub(super) fn referrer(&self, rng: &mut Rng, crowd: bool) -> Option<Referrer<'_>> {
        if crowd && rng.chance(0.7) {
            let (hostname, kind, _) = REFERRERS[CROWD_REFERRER];
            return Some(Referrer {
                hostname,
                pathname: "/item",
                kind,
            });
        }
        if rng.chance(0.38) {
            return None;
        }
        let i = self.referrer_odds.pick(rng);
        Some(match REFERRERS.get(i) {
            Some(&(hostname, kind, _)) => Referrer {
                hostname,
                pathname: "/",
                kind,
            },
            None => Referrer {
                hostname: &self.small_referrers[i - REFERRERS.len()],
                pathname: &self.referrer_paths[rng.below(self.referrer_paths.len())],
                kind: "Referral",
            },
        })
    }

    pub(super) fn campaign(&self, rng: &mut Rng) -> Option<Campaign<'_>> {
        rng.chance(0.12).then(|| {
            let (source, medium) = CAMPAIGN_SOURCES[rng.below(CAMPAIGN_SOURCES.len())];
            Campaign {
                source,
                medium,
                name: CAMPAIGNS[rng.below(CAMPAIGNS.len())],
            }
        })
    }
}

impl Site {
    fn new(rank: usize, rng: &mut Rng) -> Self {
        let (domain, utc_offset) = SITES[rank];
        let written = 40 + 24_000 / (rank + 1);
        let fixed = FIXED_PAGES.iter().map(|page| page.to_string());
        let pages: Vec<String> = fixed
            .chain((0..written).map(|number| written_page(number, rng)))
            .collect();
        let local = |hour: usize| (hour as i32 + utc_offset).rem_euclid(24) as usize;
        Self {
            id: rank as u32 + 1,
            domain,
            hostname: format!("www.{domain}"),
            popularity: Odds::zipf(pages.len(), 1),
            pages,
            hours: Odds::new((0..24).map(|hour| HOURS[local(hour)])),
            home: (mix(rank as u64) % 9) as usize * usize::from(rank > 0),
        }
    }
}

/// The `number`-th page that a site's authors have written.
fn written_page(number: usize, rng: &mut Rng) -> String {
    let slug = two_words(rng);
    let topic = TOPICS[rng.below(TOPICS.len())];
    match rng.below(10) {
        0..=4 => {
            let (year, month) = (2023 + rng.below(4), 1 + rng.below(12));
            format!("/blog/{year}/{month:02}/{slug}-{topic}-{number}")
        }
        5..=6 => format!("/docs/{}/{slug}-{number}", word(rng)),
        7..=8 => format!("/shop/{}/{slug}-{number}", word(rng)),
        _ => format!("/community/t/{number}/{slug}-{topic}"),
    }
}

fn word(rng: &mut Rng) -> &'static str {
    WORDS[rng.below(WORDS.len())]
}

fn two_words(rng: &mut Rng) -> String {
    format!("{}-{}", word(rng), word(rng))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_site_has_no_page_twice_and_its_front_page_is_the_most_wanted() {
        let world = World::new(1);
        for site in &world.sites {
            assert_eq!(
                site.pages.iter().collect::<HashSet<_>>().len(),
                site.pages.len()
            );
            assert_eq!(site.pages[0], "/");
            assert!(site.popularity.share(0) > site.popularity.share(1));
        }
    }

    #[test]
    fn a_client_is_the_same_person_each_time() {
        let world = World::new(1);
        let site = &world.sites[0];
        assert_eq!(world.visitor(site, 42), world.visitor(site, 42));
        let countries: HashSet<_> = (0..1000)
            .map(|id| world.visitor(site, id).country_code)
            .collect();
        assert!(countries.len() > 10);
    }

    #[test]
    fn the_crowd_comes_from_where_the_vocabulary_says() {
        assert_eq!(REFERRERS[CROWD_REFERRER].0, "news.ycombinator.com");
    }
}
