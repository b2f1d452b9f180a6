//! The words the demo's world is made of. Every site name is invented; `.example` is reserved
//! for such use (RFC 2606).

/// Sites from the largest to the smallest: domain and hours ahead of UTC.
pub(super) const SITES: &[(&str, i32)] = &[
    ("lantern-books.example", -5),
    ("harbour-bikes.example", 1),
    ("quiet-notes.example", -8),
    ("alpine-trails.example", 1),
    ("copper-kettle.example", 0),
    ("tidewater-news.example", -5),
    ("paperplane-travel.example", 10),
    ("little-observatory.example", 9),
    ("orchard-recipes.example", 0),
    ("northgate-museum.example", 1),
    ("bramble-garden.example", 0),
    ("sparrow-software.example", -8),
    ("cobalt-records.example", 2),
    ("saltmarsh-pottery.example", -5),
    ("juniper-clinic.example", 5),
    ("driftwood-surf.example", 10),
    ("marigold-school.example", 5),
    ("old-mill-bakery.example", 1),
    ("foxglove-theatre.example", 0),
    ("pebble-chess.example", 2),
];

/// Pages that every site has, most wanted first.
pub(super) const FIXED_PAGES: &[&str] = &[
    "/",
    "/pricing",
    "/features",
    "/blog",
    "/docs",
    "/signup",
    "/about",
    "/login",
    "/contact",
    "/changelog",
    "/careers",
    "/privacy",
    "/terms",
    "/search",
    "/newsletter",
];

pub(super) const TOPICS: &[&str] = &[
    "guide",
    "review",
    "recipe",
    "history",
    "interview",
    "checklist",
    "workshop",
    "story",
    "comparison",
    "introduction",
];

pub(super) const WORDS: &[&str] = &[
    "amber", "autumn", "basket", "beacon", "birch", "bridge", "bright", "canvas", "cedar", "clay",
    "cloud", "coast", "copper", "cotton", "crane", "dawn", "delta", "ember", "fern", "field",
    "flint", "garden", "glass", "granite", "harvest", "hazel", "island", "ivory", "juniper",
    "kite", "lake", "lantern", "linen", "maple", "marble", "meadow", "mist", "moon", "moss",
    "north", "oak", "ocean", "orchard", "paper", "pearl", "pebble", "pine", "plain", "quiet",
    "rain", "reed", "ridge", "river", "saffron", "sand", "shadow", "silver", "slate", "snow",
    "spring", "stone", "summer", "thistle", "timber", "tulip", "valley", "velvet", "violet",
    "willow", "winter",
];

/// Device type, operating system, browser and weight.
pub(super) const CLIENTS: &[(&str, &str, &str, u32)] = &[
    ("Desktop", "Windows", "Chrome", 220),
    ("Desktop", "Windows", "Edge", 70),
    ("Desktop", "Windows", "Firefox", 30),
    ("Desktop", "Windows", "Opera", 12),
    ("Desktop", "macOS", "Chrome", 90),
    ("Desktop", "macOS", "Safari", 75),
    ("Desktop", "macOS", "Firefox", 14),
    ("Desktop", "Linux", "Firefox", 16),
    ("Desktop", "Linux", "Chrome", 14),
    ("Desktop", "Chrome OS", "Chrome", 10),
    ("Mobile", "iOS", "Safari", 195),
    ("Mobile", "iOS", "Chrome", 28),
    ("Mobile", "Android", "Chrome", 150),
    ("Mobile", "Android", "Samsung Internet", 27),
    ("Mobile", "Android", "Firefox", 6),
    ("Mobile", "Android", "DuckDuckGo", 4),
    ("Tablet", "iPadOS", "Safari", 24),
    ("Tablet", "Android", "Chrome", 9),
    ("Other", "Other", "Other", 3),
];

/// Hostname, type and weight; a tail of small sites is added to them.
pub(super) const REFERRERS: &[(&str, &str, u32)] = &[
    ("www.google.com", "Search", 430),
    ("www.bing.com", "Search", 62),
    ("duckduckgo.com", "Search", 41),
    ("search.yahoo.com", "Search", 13),
    ("www.ecosia.org", "Search", 9),
    ("chatgpt.com", "AI", 24),
    ("www.perplexity.ai", "AI", 7),
    ("l.facebook.com", "Social", 57),
    ("t.co", "Social", 43),
    ("www.linkedin.com", "Social", 34),
    ("l.instagram.com", "Social", 26),
    ("www.reddit.com", "Social", 25),
    ("www.youtube.com", "Social", 18),
    ("news.ycombinator.com", "Social", 12),
    ("bsky.app", "Social", 8),
    ("mastodon.social", "Social", 5),
    ("github.com", "Referral", 21),
    ("en.wikipedia.org", "Referral", 12),
    ("stackoverflow.com", "Referral", 10),
    ("mail.google.com", "Email", 11),
    ("outlook.live.com", "Email", 7),
];

/// Who sends the crowd on the demo's busiest day.
pub(super) const CROWD_REFERRER: usize = 13;

/// Source and medium of links with campaign parameters.
pub(super) const CAMPAIGN_SOURCES: &[(&str, &str)] = &[
    ("newsletter", "email"),
    ("google", "cpc"),
    ("facebook", "paid-social"),
    ("linkedin", "paid-social"),
    ("partner", "referral"),
    ("podcast", "audio"),
];

pub(super) const CAMPAIGNS: &[&str] = &[
    "spring-sale",
    "summer-reading",
    "back-to-school",
    "black-friday",
    "new-year",
    "launch",
    "win-back",
    "webinar",
    "open-house",
    "member-week",
];

/// A region and a city in it.
type Place = (&'static str, &'static str);

/// Country, places in it, and weight. Without places, region and city are not known (NULL).
pub(super) const COUNTRIES: &[(&str, &[Place], u32)] = &[
    (
        "US",
        &[
            ("California", "San Francisco"),
            ("California", "Los Angeles"),
            ("New York", "New York"),
            ("Texas", "Austin"),
            ("Washington", "Seattle"),
            ("Illinois", "Chicago"),
            ("Massachusetts", "Boston"),
        ],
        340,
    ),
    (
        "GB",
        &[
            ("England", "London"),
            ("England", "Manchester"),
            ("Scotland", "Edinburgh"),
        ],
        120,
    ),
    (
        "DE",
        &[
            ("Berlin", "Berlin"),
            ("Bavaria", "Munich"),
            ("Hamburg", "Hamburg"),
        ],
        95,
    ),
    (
        "FR",
        &[("Île-de-France", "Paris"), ("Auvergne-Rhône-Alpes", "Lyon")],
        62,
    ),
    ("CA", &[("Ontario", "Toronto"), ("Quebec", "Montréal")], 60),
    (
        "NL",
        &[("North Holland", "Amsterdam"), ("Utrecht", "Utrecht")],
        44,
    ),
    (
        "IN",
        &[("Karnataka", "Bengaluru"), ("Maharashtra", "Mumbai")],
        43,
    ),
    (
        "AU",
        &[("New South Wales", "Sydney"), ("Victoria", "Melbourne")],
        40,
    ),
    (
        "BR",
        &[
            ("São Paulo", "São Paulo"),
            ("Rio de Janeiro", "Rio de Janeiro"),
        ],
        34,
    ),
    (
        "ES",
        &[("Madrid", "Madrid"), ("Catalonia", "Barcelona")],
        31,
    ),
    ("IT", &[("Lombardy", "Milan"), ("Lazio", "Rome")], 29),
    ("SE", &[("Stockholm", "Stockholm")], 25),
    (
        "PL",
        &[("Mazovia", "Warsaw"), ("Lesser Poland", "Kraków")],
        24,
    ),
    ("JP", &[("Tokyo", "Tokyo"), ("Osaka", "Osaka")], 23),
    ("CH", &[("Zurich", "Zürich"), ("Geneva", "Genève")], 21),
    ("BE", &[], 17),
    ("MX", &[("Mexico City", "Mexico City")], 17),
    ("AT", &[("Vienna", "Wien")], 16),
    ("NO", &[("Oslo", "Oslo")], 15),
    ("DK", &[], 15),
    ("FI", &[], 13),
    ("IE", &[("Leinster", "Dublin")], 13),
    ("PT", &[("Lisbon", "Lisboa")], 11),
    ("NZ", &[], 10),
    ("SG", &[], 10),
    ("ZA", &[], 8),
    ("CZ", &[], 8),
    ("TR", &[("Istanbul", "İstanbul")], 7),
    ("KR", &[("Seoul", "서울")], 7),
    ("AR", &[], 6),
    ("NG", &[], 5),
    ("KE", &[], 4),
];

/// Visits by local hour of day, and by day of the week from Monday, as odds.
pub(super) const HOURS: [f64; 24] = [
    3.0, 2.0, 1.0, 1.0, 1.0, 2.0, 4.0, 7.0, 10.0, 12.0, 13.0, 13.0, 12.0, 12.0, 13.0, 13.0, 12.0,
    11.0, 10.0, 11.0, 12.0, 11.0, 8.0, 5.0,
];
pub(super) const WEEKDAYS: [f64; 7] = [1.08, 1.12, 1.10, 1.06, 0.98, 0.78, 0.84];
