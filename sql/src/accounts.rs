//! Who may log in. So far there is one account, `root`.
//!
//! Without a password `root` is let in from the loopback interface only; with one, from anywhere.
//! CREATE USER and GRANT are refused until they are enforced.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use storno_storage::Store;

use crate::error::{Result, SqlError};

/// Key of the durable property that holds the accounts.
const PROPERTY: &str = "accounts";

/// What is stored of a password, by authentication plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Secret {
    None,
    /// mysql_native_password: SHA1(SHA1(password)).
    Native([u8; 20]),
    /// caching_sha2_password: SHA256(SHA256(password)).
    CachingSha2([u8; 32]),
}

/// How a new password is to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plugin {
    Native,
    CachingSha2,
}

/// The account that a login may use, or `None`: access denied.
pub fn account(store: &Store, user: &str, peer: IpAddr) -> Option<Secret> {
    if user != "root" {
        return None;
    }
    match stored(store) {
        // An unreadable record lets nobody in.
        Err(error) => {
            tracing::error!(%error, "the accounts cannot be read");
            None
        }
        Ok(Secret::None) if !peer.to_canonical().is_loopback() => None,
        Ok(secret) => Some(secret),
    }
}

fn stored(store: &Store) -> Result<Secret> {
    match store.property(PROPERTY) {
        None => Ok(Secret::None),
        Some(json) => serde_json::from_str(&json).map_err(|e| SqlError::internal(e.to_string())),
    }
}

/// Sets a password durably; an empty one removes it. 1396 for an account that does not exist.
pub fn set_password(store: &Store, user: &str, password: &str, plugin: Plugin) -> Result<()> {
    if user != "root" {
        let text = format!("Operation ALTER USER failed for '{user}'@'%'");
        return Err(SqlError::new(1396, "HY000", text));
    }
    let secret = match (password, plugin) {
        ("", _) => Secret::None,
        (p, Plugin::Native) => Secret::Native(Sha1::digest(Sha1::digest(p)).into()),
        (p, Plugin::CachingSha2) => Secret::CachingSha2(Sha256::digest(Sha256::digest(p)).into()),
    };
    let json = serde_json::to_string(&secret).map_err(|e| SqlError::internal(e.to_string()))?;
    store.set_property(PROPERTY, Some(&json))?;
    Ok(())
}
