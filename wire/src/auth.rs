//! Credentials and how they are proved: mysql_native_password and caching_sha2_password.

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// What the server stores of a password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// Logs in without a password.
    None,
    /// mysql_native_password: SHA1(SHA1(password)).
    Native([u8; 20]),
    /// caching_sha2_password: SHA256(SHA256(password)). It allows the plugin's fast path always.
    CachingSha2([u8; 32]),
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Credential::None => "None",
            Credential::Native(_) => "Native(..)",
            Credential::CachingSha2(_) => "CachingSha2(..)",
        })
    }
}

impl Credential {
    /// The mysql_native_password credential of a password; an empty one is [`Credential::None`].
    pub fn native(password: &[u8]) -> Self {
        if password.is_empty() {
            return Credential::None;
        }
        Credential::Native(Sha1::digest(Sha1::digest(password)).into())
    }

    /// The caching_sha2_password credential of a password; an empty one is [`Credential::None`].
    pub fn caching_sha2(password: &[u8]) -> Self {
        if password.is_empty() {
            return Credential::None;
        }
        Credential::CachingSha2(Sha256::digest(Sha256::digest(password)).into())
    }
}
