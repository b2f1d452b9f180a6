//! Credentials and how a client proves it knows the password: mysql_native_password and
//! caching_sha2_password. Only the arithmetic; the exchange of packets is in `login`.
//!
//! Both plugins work alike: the client sends `H(pw) XOR H'(scramble, H(H(pw)))`, the server knows
//! H(H(pw)) and can recover H(pw) and check it. Because SHA256(SHA256(pw)) itself is stored, the fast
//! path of caching_sha2_password is always open. Some clients rely on the other one all the same: it is
//! there on connections that are encrypted.

use std::fmt;

use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What the server stores of a password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// Logs in without a password.
    None,
    /// mysql_native_password: SHA1(SHA1(password)).
    Native([u8; 20]),
    /// caching_sha2_password: SHA256(SHA256(password)).
    CachingSha2([u8; 32]),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

    /// The plugin that can check this credential; without a password any can.
    pub(crate) fn plugin(&self) -> Option<Plugin> {
        match self {
            Credential::None => None,
            Credential::Native(_) => Some(Plugin::Native),
            Credential::CachingSha2(_) => Some(Plugin::CachingSha2),
        }
    }

    /// A credential that no response proves, checked at the price of a real one.
    pub(crate) fn unprovable() -> Result<Self, getrandom::Error> {
        let mut hash = [0; 32];
        getrandom::fill(&mut hash)?;
        Ok(Credential::CachingSha2(hash))
    }

    /// Whether `response`, made with `scramble` by this credential's plugin, proves the password.
    pub(crate) fn is_proved_by(&self, scramble: &Scramble, response: &[u8]) -> bool {
        match self {
            Credential::None => response.is_empty(),
            Credential::Native(stored) => {
                let Ok(response) = <[u8; 20]>::try_from(response) else {
                    return false;
                };
                let mask = Sha1::new()
                    .chain_update(scramble.bytes())
                    .chain_update(stored);
                let candidate = xor(response, mask.finalize().into());
                Sha1::digest(candidate).ct_eq(stored).into()
            }
            Credential::CachingSha2(stored) => {
                let Ok(response) = <[u8; 32]>::try_from(response) else {
                    return false;
                };
                let mask = Sha256::new()
                    .chain_update(stored)
                    .chain_update(scramble.bytes());
                let candidate = xor(response, mask.finalize().into());
                Sha256::digest(candidate).ct_eq(stored).into()
            }
        }
    }

    /// Whether `password` itself is the one of caching_sha2_password.
    pub(crate) fn is_of(&self, password: &[u8]) -> bool {
        match self {
            Credential::CachingSha2(stored) => Sha256::digest(Sha256::digest(password))
                .ct_eq(stored)
                .into(),
            Credential::None | Credential::Native(_) => false,
        }
    }
}

fn xor<const N: usize>(mut a: [u8; N], b: [u8; N]) -> [u8; N] {
    a.iter_mut().zip(b).for_each(|(a, b)| *a ^= b);
    a
}

/// An authentication plugin both sides can speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plugin {
    Native,
    CachingSha2,
}

impl Plugin {
    pub(crate) const DEFAULT: Plugin = Plugin::CachingSha2;

    pub(crate) fn name(self) -> &'static [u8] {
        match self {
            Plugin::Native => b"mysql_native_password",
            Plugin::CachingSha2 => b"caching_sha2_password",
        }
    }

    pub(crate) fn from_name(name: &[u8]) -> Option<Self> {
        [Plugin::Native, Plugin::CachingSha2]
            .into_iter()
            .find(|plugin| plugin.name() == name)
    }
}

/// The server's random challenge: 20 bytes, none of them NUL, because it is sent as a C string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scramble([u8; 20]);

impl Scramble {
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 20];
        getrandom::fill(&mut bytes)?;
        // Printable and neither NUL nor '$', as MySQL's.
        for byte in &mut bytes {
            *byte = match *byte & 0x7F {
                0 | b'$' => b'%',
                other => other,
            };
        }
        Ok(Scramble(bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The client's half of mysql_native_password.
    fn native_response(password: &[u8], scramble: &Scramble) -> Vec<u8> {
        let once: [u8; 20] = Sha1::digest(password).into();
        let mask = Sha1::new()
            .chain_update(scramble.bytes())
            .chain_update(Sha1::digest(once));
        xor(once, mask.finalize().into()).to_vec()
    }

    /// The client's half of caching_sha2_password.
    fn sha2_response(password: &[u8], scramble: &Scramble) -> Vec<u8> {
        let once: [u8; 32] = Sha256::digest(password).into();
        let twice = Sha256::digest(once);
        let mask = Sha256::new()
            .chain_update(twice)
            .chain_update(scramble.bytes());
        xor(once, mask.finalize().into()).to_vec()
    }

    #[test]
    fn the_native_hash_is_mysqls() {
        // SELECT PASSWORD('secret') in MySQL 5.7.
        let Credential::Native(hash) = Credential::native(b"secret") else {
            panic!()
        };
        let hex: String = hash.iter().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(hex, "14E65567ABDB5135D0CFD9A70B3032C179A49EE7");
    }

    #[test]
    fn responses_of_known_clients_are_accepted() {
        // Computed apart from this code, as the plugins' documentation states the formulas.
        let scramble = Scramble(*b"abcdefghij0123456789");
        let native = hex("99db25ccb2a625f0e7cf4ce2e895ef9609dfe5e4");
        let sha2 = hex("bd7d89fc1c297010da753d08822e9e48d3eafbb6e68e1f9b403be12dc5687a40");
        assert!(Credential::native(b"secret").is_proved_by(&scramble, &native));
        assert!(Credential::caching_sha2(b"secret").is_proved_by(&scramble, &sha2));
    }

    fn hex(text: &str) -> Vec<u8> {
        let digit = |byte: u8| (byte as char).to_digit(16).unwrap() as u8;
        text.as_bytes()
            .chunks(2)
            .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
            .collect()
    }

    proptest! {
        #[test]
        fn only_the_password_proves_the_credential(password in ".{1,30}", other in ".{1,30}") {
            prop_assume!(password != other);
            let scramble = Scramble::random().unwrap();
            let (password, other) = (password.as_bytes(), other.as_bytes());
            let native = Credential::native(password);
            let sha2 = Credential::caching_sha2(password);
            prop_assert!(native.is_proved_by(&scramble, &native_response(password, &scramble)));
            prop_assert!(sha2.is_proved_by(&scramble, &sha2_response(password, &scramble)));
            prop_assert!(!native.is_proved_by(&scramble, &native_response(other, &scramble)));
            prop_assert!(!sha2.is_proved_by(&scramble, &sha2_response(other, &scramble)));
            let replay = Scramble::random().unwrap();
            prop_assert!(!native.is_proved_by(&replay, &native_response(password, &scramble)));
            prop_assert!(!sha2.is_proved_by(&replay, &sha2_response(password, &scramble)));
        }

        #[test]
        fn no_response_of_any_form_proves_an_unprovable_credential(
            response in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let scramble = Scramble::random().unwrap();
            let credential = Credential::unprovable().unwrap();
            prop_assert!(!credential.is_proved_by(&scramble, &response));
        }
    }

    #[test]
    fn an_empty_password_is_an_empty_response_and_nothing_else() {
        let scramble = Scramble::random().unwrap();
        assert_eq!(Credential::caching_sha2(b""), Credential::None);
        assert_eq!(Credential::native(b""), Credential::None);
        assert!(Credential::None.is_proved_by(&scramble, b""));
        assert!(!Credential::None.is_proved_by(&scramble, &native_response(b"x", &scramble)));
        assert!(!Credential::native(b"x").is_proved_by(&scramble, b""));
        assert!(!Credential::caching_sha2(b"x").is_proved_by(&scramble, b""));
    }

    #[test]
    fn credentials_do_not_print_their_hash() {
        assert_eq!(
            format!("{:?}", Credential::caching_sha2(b"x")),
            "CachingSha2(..)"
        );
    }
}
