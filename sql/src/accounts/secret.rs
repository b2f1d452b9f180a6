//! What is stored of a password.

use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// What is stored of a password, by authentication plugin.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Secret {
    None,
    /// mysql_native_password: SHA1(SHA1(password)).
    Native([u8; 20]),
    /// caching_sha2_password: SHA256(SHA256(password)).
    CachingSha2([u8; 32]),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Native(_) => "Native(..)",
            Self::CachingSha2(_) => "CachingSha2(..)",
        })
    }
}

/// How a password is stored and proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Plugin {
    Native,
    #[default]
    CachingSha2,
}

impl Plugin {
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "mysql_native_password",
            Self::CachingSha2 => "caching_sha2_password",
        }
    }

    /// In any case.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Native, Self::CachingSha2]
            .into_iter()
            .find(|plugin| plugin.name().eq_ignore_ascii_case(name))
    }

    /// What to store of a password; of an empty one nothing.
    pub fn secret(self, password: &str) -> Secret {
        match (password, self) {
            ("", _) => Secret::None,
            (p, Self::Native) => Secret::Native(Sha1::digest(Sha1::digest(p)).into()),
            (p, Self::CachingSha2) => Secret::CachingSha2(Sha256::digest(Sha256::digest(p)).into()),
        }
    }

    /// What another server stored, as SHOW CREATE USER prints it; `None`: it is no such text, or one
    /// that cannot be used here.
    pub fn stored(self, text: &str) -> Option<Secret> {
        let hex = text.strip_prefix('*').filter(|hex| hex.is_ascii())?;
        let byte = |i: usize| u8::from_str_radix(hex.get(i * 2..i * 2 + 2)?, 16).ok();
        let bytes: Vec<u8> = (0..hex.len() / 2).map_while(byte).collect();
        if bytes.len() * 2 != hex.len() {
            return None;
        }
        match self {
            Self::Native => bytes.try_into().ok().map(Secret::Native),
            Self::CachingSha2 => bytes.try_into().ok().map(Secret::CachingSha2),
        }
    }
}

impl Secret {
    /// As SHOW CREATE USER prints it: what `Plugin::stored` reads.
    pub fn text(&self) -> Option<String> {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02X}")).collect::<String>();
        match self {
            Self::None => None,
            Self::Native(hash) => Some(format!("*{}", hex(hash))),
            Self::CachingSha2(hash) => Some(format!("*{}", hex(hash))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_back() {
        for plugin in [Plugin::Native, Plugin::CachingSha2] {
            let secret = plugin.secret("pässword");
            let text = secret.text().expect("a hash");
            assert_eq!(plugin.stored(&text), Some(secret));
            assert_eq!(plugin.stored(&text[..text.len() - 1]), None);
            assert_eq!(plugin.stored(&text[..text.len() - 2]), None);
        }
        let native = Plugin::Native.stored("*14E65567ABDB5135D0CFD9A70B3032C179A49EE7");
        assert_eq!(native, Some(Plugin::Native.secret("secret")));
        assert_eq!(Plugin::CachingSha2.stored("$A$005$abc"), None);
    }

    #[test]
    fn secrets_do_not_print_themselves() {
        let secret = Plugin::Native.secret("x");
        assert_eq!(format!("{secret:?}"), "Native(..)");
    }
}
