//! Who may log in, and what each account may do.
//!
//! The accounts are one durable property of the store and are held in memory; every change writes all of
//! them. What a statement needs is `session::access`'s business.
//!
//! As long as `root` has no password it is let in from the loopback interface only.

mod grants;
mod host;
mod privilege;
mod secret;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use storno_storage::Store;

use crate::error::{Result, SqlError};

pub use grants::Grants;
pub use host::matches;
pub use privilege::{Level, Privileges};
pub use secret::{Plugin, Secret};

/// Key of the durable property that holds the accounts.
const PROPERTY: &str = "accounts";
const ROOT: &str = "root";

/// An account's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AccountName {
    pub user: String,
    /// From where: a name, an address, a network or a pattern.
    pub host: String,
}

impl AccountName {
    pub fn new(user: &str, host: &str) -> Self {
        Self {
            user: user.into(),
            host: host.into(),
        }
    }

    /// As identifiers: `` `u`@`h` ``.
    pub fn quoted(&self) -> String {
        let quote = |part: &str| format!("`{}`", part.replace('`', "``"));
        format!("{}@{}", quote(&self.user), quote(&self.host))
    }
}

impl FromStr for AccountName {
    type Err = ();

    /// Reads what `quoted` gives.
    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        fn part(text: &str) -> Option<(&str, String)> {
            Some((text.strip_prefix('`')?, String::new()))
        }
        let (mut rest, mut name) = part(text).ok_or(())?;
        let mut user = None;
        loop {
            let (plain, behind) = rest.split_once('`').ok_or(())?;
            name.push_str(plain);
            rest = behind;
            if let Some(more) = behind.strip_prefix('`') {
                name.push('`');
                rest = more;
            } else if let Some(user) = user {
                let whole = Self { user, host: name };
                return if rest.is_empty() { Ok(whole) } else { Err(()) };
            } else {
                user = Some(name);
                let host = rest.strip_prefix('@').and_then(part);
                (rest, name) = host.ok_or(())?;
            }
        }
    }
}

/// As in MySQL's messages: `'u'@'h'`.
impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'@'{}'", self.user, self.host)
    }
}

/// One account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub name: AccountName,
    pub plugin: Plugin,
    pub secret: Secret,
    #[serde(default)]
    pub locked: bool,
    /// REQUIRE SSL.
    #[serde(default)]
    pub encrypted_only: bool,
    #[serde(default)]
    pub comment: String,
    #[serde(default)]
    pub grants: Grants,
}

impl Account {
    pub fn new(name: AccountName) -> Self {
        Self {
            name,
            plugin: Plugin::default(),
            secret: Secret::None,
            locked: false,
            encrypted_only: false,
            comment: String::new(),
            grants: Grants::default(),
        }
    }

    /// The account that a new store has.
    fn root(secret: Secret) -> Self {
        let grants = Grants {
            global: Privileges::all_at(&Level::Global) | Privileges::GRANT_OPTION,
            ..Grants::default()
        };
        Self {
            secret,
            grants,
            ..Self::new(AccountName::new(ROOT, "%"))
        }
    }
}

/// All accounts, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    pub accounts: Vec<Account>,
}

impl List {
    pub fn find(&self, name: &AccountName) -> Option<&Account> {
        self.accounts.iter().find(|account| account.name == *name)
    }

    pub fn find_mut(&mut self, name: &AccountName) -> Option<&mut Account> {
        self.accounts
            .iter_mut()
            .find(|account| account.name == *name)
    }

    /// The account by which `user` comes in from `client`, an address or "localhost": that of the
    /// narrowest host, and of the user before that of anybody.
    pub fn admitted(&self, user: &str, client: &str) -> Option<&Account> {
        let fits = |account: &&Account| {
            let name = &account.name;
            (name.user == user || name.user.is_empty()) && host::admits(&name.host, client)
        };
        let fitting = self.accounts.iter().filter(fits);
        fitting.min_by_key(|a| (host::width(&a.name.host), a.name.user.is_empty()))
    }
}

/// The accounts of a store. Looking one up takes no lock that a change holds for long.
#[derive(Debug)]
pub struct Accounts {
    current: RwLock<Arc<List>>,
    /// Held while a change is written.
    changing: Mutex<()>,
    generation: AtomicU64,
}

impl Accounts {
    pub fn open(store: &Store) -> Result<Self> {
        let list = match store.property(PROPERTY) {
            None => List {
                accounts: vec![Account::root(Secret::None)],
            },
            Some(json) => read(&json)?,
        };
        Ok(Self {
            current: RwLock::new(Arc::new(list)),
            changing: Mutex::new(()),
            generation: AtomicU64::new(0),
        })
    }

    /// As they are now.
    pub fn list(&self) -> Arc<List> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }

    /// What `user` must prove to log in from `peer`; `None`: access denied.
    pub fn secret(&self, user: &str, peer: IpAddr) -> Option<Secret> {
        let peer = peer.to_canonical();
        let list = self.list();
        let account = list.admitted(user, &client(peer))?;
        let is_open_root = account.name.user == ROOT && account.secret == Secret::None;
        (!is_open_root || peer.is_loopback()).then(|| account.secret.clone())
    }

    /// Changes the list durably, or not at all. Waits for the disk.
    pub fn change<T>(
        &self,
        store: &Store,
        change: impl FnOnce(&mut List) -> Result<T>,
    ) -> Result<T> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list = List::clone(&self.list());
        let given = change(&mut list)?;
        list.accounts.sort_by(|a, b| a.name.cmp(&b.name));
        let json = serde_json::to_string(&list).map_err(|e| SqlError::internal(e.to_string()))?;
        store.set_property(PROPERTY, Some(&json))?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(list);
        self.generation.fetch_add(1, Ordering::SeqCst);
        Ok(given)
    }

    /// Changes so far since the store was opened: plans in which privileges were asked are kept for one number.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }
}

/// A client's host, as MySQL shows it in USER().
pub fn client(ip: IpAddr) -> String {
    match ip.to_canonical() {
        ip if ip.is_loopback() => "localhost".into(),
        ip => ip.to_string(),
    }
}

fn read(json: &str) -> Result<List> {
    // Before there were others, the secret of root was all that was kept.
    if let Ok(secret) = serde_json::from_str::<Secret>(json) {
        let accounts = vec![Account::root(secret)];
        return Ok(List { accounts });
    }
    serde_json::from_str(json).map_err(|error| {
        let text = format!("the accounts cannot be read: {error}");
        tracing::error!("{text}");
        SqlError::internal(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[(&str, &str)]) -> List {
        let accounts = names
            .iter()
            .map(|(user, host)| Account::new(AccountName::new(user, host)));
        List {
            accounts: accounts.collect(),
        }
    }

    #[test]
    fn the_narrowest_account_is_the_one_that_logs_in() {
        let list = list(&[
            ("app", "%"),
            ("", "localhost"),
            ("app", "192.0.2.%"),
            ("app", "192.0.2.9"),
            ("root", "%"),
        ]);
        let admitted = |user, client| {
            let account = list.admitted(user, client)?;
            Some(account.name.to_string())
        };
        assert_eq!(
            admitted("app", "192.0.2.9").as_deref(),
            Some("'app'@'192.0.2.9'")
        );
        assert_eq!(
            admitted("app", "192.0.2.8").as_deref(),
            Some("'app'@'192.0.2.%'")
        );
        assert_eq!(
            admitted("app", "198.51.100.1").as_deref(),
            Some("'app'@'%'")
        );
        // MySQL's old surprise: the anonymous account of a narrower host comes first.
        assert_eq!(
            admitted("app", "localhost").as_deref(),
            Some("''@'localhost'")
        );
        assert_eq!(admitted("nobody", "192.0.2.9"), None);
    }

    #[test]
    fn quoted_names_are_read_again() {
        for (user, host) in [
            ("a", "%"),
            ("", "localhost"),
            ("we`ird`", "1.2.3.%"),
            ("a@b", "h"),
        ] {
            let name = AccountName::new(user, host);
            assert_eq!(name.quoted().parse(), Ok(name));
        }
        for wrong in ["", "a@b", "`a`", "`a`@`b", "`a`@`b` "] {
            assert_eq!(wrong.parse::<AccountName>(), Err(()), "{wrong}");
        }
    }

    #[test]
    fn the_password_of_a_store_from_before_accounts_is_that_of_root() {
        let old = serde_json::to_string(&Plugin::Native.secret("x")).expect("writes");
        let list = read(&old).expect("reads");
        let root = list.find(&AccountName::new("root", "%")).expect("root");
        assert_eq!(root.secret, Plugin::Native.secret("x"));
        assert!(
            root.grants
                .global
                .has(Privileges::SUPER | Privileges::GRANT_OPTION)
        );
        assert!(read("{").is_err());
    }
}
