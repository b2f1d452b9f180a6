//! A deterministic year (2025) of page views with corrections, in order of arrival.
//!
//! Sites 412 (large), 1626 (medium) and 175 (small) always have traffic, most of it in December, so
//! that the dashboard queries find something in every window they ask for.

use super::pageview::{Measures, Moment, PageView, Referrer, Utm};
use crate::harness::random::Random;

const COUNTRIES: [&str; 12] = [
    "US", "GB", "DE", "FR", "CA", "NL", "IN", "AU", "BR", "ES", "CH", "SG",
];
const CLIENTS: [(&str, &str, &str); 8] = [
    ("Desktop", "Windows", "Chrome"),
    ("Mobile", "iOS", "Safari"),
    ("Desktop", "Mac OS X", "Chrome"),
    ("Mobile", "Android", "Chrome"),
    ("Desktop", "Windows", "Edge"),
    ("Desktop", "Linux", "Firefox"),
    ("Tablet", "iPadOS", "Safari"),
    ("TV", "Other", "Samsung Internet"),
];
const REFERRERS: [(&str, &str); 9] = [
    ("www.google.com", "Search"),
    ("t.co", "Social"),
    ("www.linkedin.com", "Social"),
    ("news.ycombinator.com", "Social"),
    ("out.reddit.com", "Social"),
    ("duckduckgo.com", "Search"),
    ("www.bücher-blog.de", "Referral"),
    ("github.com", "Referral"),
    ("例え.jp", "Referral"),
];
const PATHS: [&str; 14] = [
    "/",
    "/pricing",
    "/blog",
    "/about",
    "/docs/it's-quoted",
    "/docs/back\\slash",
    "/docs/pricing-faq",
    "/blog/2024/launch",
    "/blog/2024/café",
    "/blog/2025/🚀-emoji",
    "/Pricing",
    "/100%/under_score",
    "",
    "/contact",
];
const UTM: [(&str, &str); 4] = [
    ("newsletter", "email"),
    ("google", "cpc"),
    ("twitter", "social"),
    ("partner", ""),
];
const DAYS_OF_MONTH: [u8; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Visits until at least `rows` rows were made; a visit has one page view or several with
/// corrections.
pub fn year_of_traffic(seed: u64, rows: usize) -> Vec<PageView> {
    let mut random = Random::new(seed);
    let mut views = Vec::with_capacity(rows + 16);
    while views.len() < rows {
        add_visit(&mut random, &mut views);
    }
    views
}

fn add_visit(random: &mut Random, views: &mut Vec<PageView>) {
    let mut view = first_view(random);
    let pages = 1 + random.skewed(6);
    views.push(view.clone());
    for page in 1..pages {
        let mut correction = view.correction(random.between(1, 900) as i32);
        if page > 1 {
            correction.measures.bounces = 0;
        }
        views.push(correction);
        view.pathname = path(random);
        view.measures = Measures {
            pageviews: 1,
            exits: 1,
            ..Measures::default()
        };
        views.push(view.clone());
    }
}

fn first_view(random: &mut Random) -> PageView {
    let (device_type, operating_system, browser) = CLIENTS[random.skewed(8) as usize];
    let country_code = COUNTRIES[random.skewed(12) as usize];
    let region = random
        .chance(80)
        .then(|| format!("{country_code}-{}", random.skewed(5)));
    let city = region
        .as_ref()
        .filter(|_| random.chance(70))
        .map(|region| format!("Zürich {region}-{}", random.skewed(4)));
    let site_id = site(random);
    let unique = i32::from(random.chance(75));
    PageView {
        site_id,
        timestamp: moment(random),
        client_id: random.below(400).wrapping_mul(0x9E37_79B9_7F4A_7C15),
        hostname: format!(
            "{}.example.com",
            ["www", "shop", "app"][random.skewed(3) as usize]
        ),
        pathname: path(random),
        referrer: referrer(random),
        country_code,
        region,
        city,
        browser,
        operating_system,
        device_type,
        utm: utm(random),
        measures: Measures {
            pageviews: 1,
            visits: 1,
            uniques: unique,
            bounces: 1,
            exits: 1,
            duration: 0,
        },
    }
}

fn site(random: &mut Random) -> u32 {
    match random.below(100) {
        0..45 => 412,
        45..70 => 1626,
        70..78 => 175,
        _ => 1 + random.skewed(60) as u32,
    }
}

/// Half of the year's traffic is in December, a little of it in the last five minutes.
fn moment(random: &mut Random) -> Moment {
    let (month, day) = match random.below(100) {
        0..50 => (12, 1 + random.below(31) as u8),
        50..52 => {
            let (minute, second) = (55 + random.below(5) as u8, random.below(60) as u8);
            return Moment {
                year: 2025,
                month: 12,
                day: 31,
                hour: 23,
                minute,
                second,
            };
        }
        _ => {
            let month = random.below(12);
            let days = DAYS_OF_MONTH[month as usize];
            (1 + month as u8, 1 + random.below(u64::from(days)) as u8)
        }
    };
    let hour = random.below(24) as u8;
    Moment {
        year: 2025,
        month,
        day,
        hour,
        minute: random.below(60) as u8,
        second: 0,
    }
}

fn path(random: &mut Random) -> String {
    if random.chance(25) {
        format!("/blog/2024/post-{}", random.skewed(300))
    } else {
        PATHS[random.skewed(PATHS.len() as u64) as usize].to_owned()
    }
}

fn referrer(random: &mut Random) -> Option<Referrer> {
    random.chance(60).then(|| {
        let (hostname, kind) = REFERRERS[random.skewed(9) as usize];
        let pathname = random
            .chance(50)
            .then(|| format!("/r/{}", random.skewed(20)));
        Referrer {
            hostname,
            pathname,
            kind,
        }
    })
}

fn utm(random: &mut Random) -> Option<Utm> {
    random.chance(25).then(|| {
        let (source, medium) = UTM[random.skewed(4) as usize];
        let campaign = random
            .chance(80)
            .then(|| format!("campaign {}", random.skewed(12)));
        let content = random.chance(30).then(|| "variant-b".to_owned());
        let term = random.chance(10).then(String::new);
        Utm {
            source,
            medium,
            campaign,
            content,
            term,
        }
    })
}
