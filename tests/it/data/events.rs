//! Custom events with properties: two tables joined on the event's id.

use mysql_async::Value;

use super::pageview::Moment;
use crate::harness::random::Random;

pub const CREATE_EVENTS: &str = "CREATE TABLE events (
  `uuid` CHAR(36) NOT NULL,
  `site_id` INT UNSIGNED NOT NULL,
  `timestamp` DATETIME NOT NULL,
  `name` VARCHAR(64) NOT NULL
) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin";

pub const CREATE_PROPERTIES: &str = "CREATE TABLE event_properties (
  `event_uuid` CHAR(36) NOT NULL,
  `site_id` INT UNSIGNED NOT NULL,
  `key` VARCHAR(64) NOT NULL,
  `value` VARCHAR(255) NOT NULL
) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin";

pub const EVENT_COLUMNS: [&str; 4] = ["uuid", "site_id", "timestamp", "name"];
pub const PROPERTY_COLUMNS: [&str; 4] = ["event_uuid", "site_id", "key", "value"];

const NAMES: [&str; 4] = ["signup", "purchase", "download", "Sign up"];
const KEYS: [&str; 3] = ["plan", "source", "value €"];

/// Rows of both tables: events, and up to three properties of each.
pub fn events(seed: u64, count: usize) -> (Vec<Vec<Value>>, Vec<Vec<Value>>) {
    let mut random = Random::new(seed);
    let (mut events, mut properties) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let uuid = uuid(&mut random);
        let site_id = if random.chance(60) { 412u32 } else { 1626 };
        let december = random.chance(60);
        let month = if december {
            12
        } else {
            1 + random.below(11) as u8
        };
        let timestamp = Moment {
            year: 2025,
            month,
            day: 1 + random.below(28) as u8,
            hour: random.below(24) as u8,
            minute: 0,
            second: 0,
        };
        let name = NAMES[random.skewed(4) as usize];
        events.push(vec![
            (&uuid).into(),
            site_id.into(),
            timestamp.value(),
            name.into(),
        ]);
        for key in &KEYS[..random.below(4) as usize] {
            let value = format!("v{}", random.skewed(9));
            properties.push(vec![
                (&uuid).into(),
                site_id.into(),
                (*key).into(),
                value.into(),
            ]);
        }
    }
    (events, properties)
}

fn uuid(random: &mut Random) -> String {
    let (a, b) = (random.next(), random.next());
    let digits = format!("{a:016x}{b:016x}");
    let part = |from: usize, to: usize| &digits[from..to];
    [
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32),
    ]
    .join("-")
}
