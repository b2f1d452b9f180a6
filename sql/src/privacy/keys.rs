//! The keys of pseudonyms: one for each length of a period, another one when the period is over.
//!
//! They are in a file of the data directory, `pseudonym.keys`, a line for each: days of the period (0: for
//! ever), its number, the key in hexadecimal digits. A key that is over is overwritten by its successor and
//! nowhere else: from then on nobody can tell whom its pseudonyms mean. They are in no log and no table.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rand::RngCore;
use sha2::{Digest, Sha256};

use crate::error::{Result, SqlError};

const FILE: &str = "pseudonym.keys";
const KEY_BYTES: usize = 32;
const BLOCK_BYTES: usize = 64;
const DAY_MICROS: i64 = 86_400_000_000;

type Key = [u8; KEY_BYTES];

/// The keys of one data directory.
#[derive(Debug)]
pub(crate) struct Keys {
    /// `None`: an engine without a directory, whose pseudonyms end with it.
    directory: Option<PathBuf>,
    /// By days of the period: its number and its key. `None`: not read yet.
    known: Mutex<Option<BTreeMap<u32, Period>>>,
}

#[derive(Debug, Clone)]
struct Period {
    number: i64,
    key: Pseudonymiser,
}

/// Makes pseudonyms under one key. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pseudonymiser(Arc<Prepared>);

/// The hash after the two blocks that depend on the key alone.
struct Prepared {
    key: Key,
    inner: Sha256,
    outer: Sha256,
}

// A key is in no log.
impl std::fmt::Debug for Pseudonymiser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pseudonymiser")
    }
}

impl Pseudonymiser {
    fn new(key: Key) -> Self {
        let block = |pad: u8| {
            let mut block = [pad; BLOCK_BYTES];
            block.iter_mut().zip(&key).for_each(|(b, k)| *b ^= k);
            Sha256::new().chain_update(block)
        };
        Self(Arc::new(Prepared {
            inner: block(0x36),
            outer: block(0x5c),
            key,
        }))
    }

    /// HMAC-SHA-256 (RFC 2104).
    fn mac(&self, value: &[u8]) -> [u8; 32] {
        let inner = self.0.inner.clone().chain_update(value).finalize();
        self.0.outer.clone().chain_update(inner).finalize().into()
    }

    /// The pseudonym in a binary column.
    pub(crate) fn hash(&self, value: &[u8]) -> [u8; 16] {
        let mut half = [0; 16];
        half.iter_mut()
            .zip(self.mac(value))
            .for_each(|(h, b)| *h = b);
        half
    }

    /// The pseudonym in a text column.
    pub(crate) fn digits(&self, value: &[u8]) -> String {
        hex(&self.hash(value))
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from_digit(n.into(), 16).unwrap_or('0');
    let digits = |b: &u8| [digit(b >> 4), digit(b & 15)];
    bytes.iter().flat_map(digits).collect()
}

impl Keys {
    pub(crate) fn new(directory: Option<PathBuf>) -> Self {
        Self {
            directory,
            known: Mutex::default(),
        }
    }

    /// The key of the current period. A new one is durable before it is used.
    pub(crate) fn current(&self, rotate_days: Option<u32>, now_utc: i64) -> Result<Pseudonymiser> {
        let days = rotate_days.unwrap_or(0);
        let number = match rotate_days {
            Some(days) => now_utc.div_euclid(DAY_MICROS) / i64::from(days.max(1)),
            None => 0,
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut periods = match known.as_ref() {
            Some(periods) => periods.clone(),
            None => self.read()?,
        };
        // A clock that goes back does not bring a key back.
        if let Some(period) = periods.get(&days).filter(|p| p.number >= number) {
            let key = period.key.clone();
            known.get_or_insert(periods);
            return Ok(key);
        }
        let mut key = [0; KEY_BYTES];
        rand::rng().fill_bytes(&mut key);
        let key = Pseudonymiser::new(key);
        let period = Period {
            number,
            key: key.clone(),
        };
        periods.insert(days, period);
        self.write(&periods)?;
        *known = Some(periods);
        Ok(key)
    }

    fn read(&self) -> Result<BTreeMap<u32, Period>> {
        let Some(directory) = &self.directory else {
            return Ok(BTreeMap::new());
        };
        let text = match std::fs::read_to_string(directory.join(FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(BTreeMap::new());
            }
            Err(error) => return Err(failed(directory, &error)),
        };
        let unreadable = || {
            let text = format!("{FILE} of the data directory is damaged");
            SqlError::internal(text)
        };
        let line = |line: &str| {
            let mut parts = line.split_ascii_whitespace();
            let days = parts.next()?.parse().ok()?;
            let number = parts.next()?.parse().ok()?;
            let bytes = crate::insert::hex(parts.next()?.as_bytes())?;
            let key = Pseudonymiser::new(bytes.try_into().ok()?);
            Some((days, Period { number, key }))
        };
        let lines = text.lines().map(|l| line(l).ok_or_else(unreadable));
        lines.collect()
    }

    /// Replaces the file as a whole.
    fn write(&self, periods: &BTreeMap<u32, Period>) -> Result<()> {
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        let mut text = String::new();
        for (days, period) in periods {
            let key = hex(&period.key.0.key);
            text.push_str(&format!("{days} {} {key}\n", period.number));
        }
        let replace = || -> std::io::Result<()> {
            let new = directory.join(format!("{FILE}.new"));
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&new, directory.join(FILE))?;
            File::open(directory)?.sync_all()
        };
        replace().map_err(|error| failed(directory, &error))
    }
}

fn failed(directory: &Path, error: &std::io::Error) -> SqlError {
    tracing::error!(directory = %directory.display(), %error, "pseudonym keys");
    SqlError::internal("Internal error: the keys of pseudonyms cannot be kept")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = DAY_MICROS;

    #[test]
    fn pseudonyms_are_hmac_sha_256() {
        // RFC 4231, test case 1; its key is shorter than ours and filled up with zeros.
        let mut key = [0; KEY_BYTES];
        key[..20].fill(0x0b);
        let mac = Pseudonymiser::new(key).mac(b"Hi There");
        let expected = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
        assert_eq!(hex(&mac), expected);
    }

    #[test]
    fn a_key_lasts_its_period_and_a_restart_and_then_is_gone() {
        let dir = tempfile::tempdir().expect("a directory");
        let keys = || Keys::new(Some(dir.path().to_owned()));
        let name = |keys: &Keys, days, now| {
            let key = keys.current(days, now).expect("a key");
            key.digits(b"ada")
        };
        let first = keys();
        let today = name(&first, Some(1), 20_000 * DAY);
        assert_eq!(today.len(), 32);
        assert_eq!(name(&first, Some(1), 20_000 * DAY + 5), today);
        assert_eq!(name(&keys(), Some(1), 20_000 * DAY + 7), today);
        let week = name(&first, Some(7), 20_000 * DAY);
        let ever = name(&first, None, 20_000 * DAY);
        assert!(week != today && ever != today && ever != week);
        let later = keys();
        let tomorrow = name(&later, Some(1), 20_001 * DAY);
        assert_ne!(tomorrow, today);
        assert_eq!(name(&later, None, 40_000 * DAY), ever);
        // The clock goes back: the old key is gone.
        assert_eq!(name(&later, Some(1), 20_000 * DAY), tomorrow);
        let text = std::fs::read_to_string(dir.path().join(FILE)).expect("a file");
        assert_eq!(text.lines().count(), 3);
    }
}
