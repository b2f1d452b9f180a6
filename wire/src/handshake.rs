//! Packets of the connection phase: greeting, the client's response, AuthSwitch, COM_CHANGE_USER.
//!
//! Encoding and decoding only; the order in which they go back and forth is in `login`.

use crate::auth::{Plugin, Scramble};
use crate::capability::Capabilities;
use crate::column::UTF8MB4_0900_AI_CI;
use crate::compress::Algorithm;
use crate::payload::{Malformed, Payload, put_nul_bytes};
use crate::reply::GREETING_STATUS;

/// The server's first packet (HandshakeV10).
pub(crate) fn put_greeting(
    out: &mut Vec<u8>,
    version: &str,
    connection_id: u32,
    scramble: &Scramble,
    offered: Capabilities,
) {
    let [low_0, low_1, high_0, high_1] = offered.bits().to_le_bytes();
    let (first, second) = scramble.bytes().split_at(8);
    out.push(10);
    put_nul_bytes(out, version.as_bytes());
    out.extend_from_slice(&connection_id.to_le_bytes());
    out.extend_from_slice(first);
    out.push(0);
    out.extend_from_slice(&[low_0, low_1]);
    out.push(UTF8MB4_0900_AI_CI as u8);
    out.extend_from_slice(&GREETING_STATUS.to_le_bytes());
    out.extend_from_slice(&[high_0, high_1]);
    out.push(scramble.bytes().len() as u8 + 1);
    out.extend_from_slice(&[0; 10]);
    put_nul_bytes(out, second);
    put_nul_bytes(out, Plugin::DEFAULT.name());
}

/// Asks the client to authenticate with another plugin and a new scramble.
pub(crate) fn put_auth_switch(out: &mut Vec<u8>, plugin: Plugin, scramble: &Scramble) {
    out.push(0xFE);
    put_nul_bytes(out, plugin.name());
    put_nul_bytes(out, scramble.bytes());
}

/// Tells a caching_sha2_password client that its scramble was accepted; OK follows.
pub(crate) fn put_fast_auth_success(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0x01, 0x03]);
}

/// Tells a caching_sha2_password client that its proof was not accepted, and to send the password itself.
pub(crate) fn put_full_auth_request(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0x01, 0x04]);
}

/// Who a client says it is, from a handshake response or from COM_CHANGE_USER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) user: String,
    /// The plugin's first answer to the scramble.
    pub(crate) auth_response: Vec<u8>,
    pub(crate) database: Option<String>,
    pub(crate) charset: u16,
    /// Name of the plugin that made the response; None of clients that know only the native one.
    pub(crate) plugin: Option<Vec<u8>>,
    pub(crate) attributes: Vec<(String, String)>,
}

/// The client's answer to the greeting (HandshakeResponse41).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HandshakeResponse {
    /// What both sides can do.
    pub(crate) capabilities: Capabilities,
    pub(crate) identity: Identity,
    /// How the connection is compressed once the client is logged in.
    pub(crate) compression: Option<Algorithm>,
}

/// Whether a client's first packet asks for TLS: the head of a handshake response, and no more.
pub(crate) fn is_tls_request(bytes: &[u8]) -> bool {
    const LENGTH: usize = 32;
    let flags = Payload::new(bytes)
        .u32()
        .map(Capabilities::from_bits_truncate);
    bytes.len() == LENGTH && flags.is_ok_and(|flags| flags.contains(Capabilities::SSL))
}

impl HandshakeResponse {
    pub(crate) fn decode(bytes: &[u8], offered: Capabilities) -> Result<Self, Malformed> {
        let mut payload = Payload::new(bytes);
        let capabilities = Capabilities::from_bits_truncate(payload.u32()?) & offered;
        if !capabilities.contains(Capabilities::PROTOCOL_41) {
            return Err(Malformed);
        }
        let _max_packet = payload.u32()?;
        let charset = u16::from(payload.u8()?);
        payload.bytes(23)?;
        let user = text(payload.nul_bytes()?);
        let auth_response = if capabilities.contains(Capabilities::PLUGIN_AUTH_LENENC) {
            payload.lenenc_bytes()?
        } else {
            short_response(&mut payload, capabilities)?
        };
        let mut database = None;
        if capabilities.contains(Capabilities::CONNECT_WITH_DB) {
            database = database_name(payload.nul_bytes_or_rest());
        }
        let (plugin, attributes) = plugin_and_attributes(&mut payload, capabilities)?;
        let auth_response = auth_response.to_vec();
        let identity = Identity {
            user,
            auth_response,
            database,
            charset,
            plugin,
            attributes,
        };
        Ok(HandshakeResponse {
            capabilities,
            identity,
            compression: compression(&mut payload, capabilities),
        })
    }
}

/// As MySQL, zlib for clients that offer both. An absent level is zstd's usual one.
fn compression(payload: &mut Payload<'_>, capabilities: Capabilities) -> Option<Algorithm> {
    if capabilities.contains(Capabilities::COMPRESS) {
        Some(Algorithm::Zlib)
    } else if capabilities.contains(Capabilities::ZSTD_COMPRESSION) {
        Some(Algorithm::zstd(payload.u8().unwrap_or(3)))
    } else {
        None
    }
}

impl Identity {
    /// The body of COM_CHANGE_USER; `charset` stays in force if the packet names none.
    pub(crate) fn decode_change_user(
        bytes: &[u8],
        capabilities: Capabilities,
        charset: u16,
    ) -> Result<Self, Malformed> {
        let mut payload = Payload::new(bytes);
        let user = text(payload.nul_bytes()?);
        let auth_response = short_response(&mut payload, capabilities)?.to_vec();
        let database = database_name(payload.nul_bytes_or_rest());
        let charset = if payload.is_empty() {
            charset
        } else {
            payload.u16()?
        };
        let (plugin, attributes) = plugin_and_attributes(&mut payload, capabilities)?;
        Ok(Identity {
            user,
            auth_response,
            database,
            charset,
            plugin,
            attributes,
        })
    }
}

fn short_response<'a>(
    payload: &mut Payload<'a>,
    capabilities: Capabilities,
) -> Result<&'a [u8], Malformed> {
    if capabilities.contains(Capabilities::SECURE_CONNECTION) {
        let length = payload.u8()?;
        payload.bytes(usize::from(length))
    } else {
        payload.nul_bytes()
    }
}

type PluginAndAttributes = (Option<Vec<u8>>, Vec<(String, String)>);

/// Old clients leave the last fields out although they announced them.
fn plugin_and_attributes(
    payload: &mut Payload<'_>,
    capabilities: Capabilities,
) -> Result<PluginAndAttributes, Malformed> {
    let mut plugin = None;
    if capabilities.contains(Capabilities::PLUGIN_AUTH) && !payload.is_empty() {
        plugin = Some(payload.nul_bytes_or_rest().to_vec());
    }
    let mut attributes = Vec::new();
    if capabilities.contains(Capabilities::CONNECT_ATTRS) && !payload.is_empty() {
        let mut block = Payload::new(payload.lenenc_bytes()?);
        while !block.is_empty() {
            attributes.push((text(block.lenenc_bytes()?), text(block.lenenc_bytes()?)));
        }
    }
    Ok((plugin, attributes))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn database_name(bytes: &[u8]) -> Option<String> {
    (!bytes.is_empty()).then(|| text(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::OFFERED;
    use crate::payload::put_lenenc_bytes;
    use proptest::prelude::*;

    fn response(capabilities: Capabilities, identity: &Identity) -> Vec<u8> {
        let mut out = capabilities.bits().to_le_bytes().to_vec();
        out.extend_from_slice(&[0; 4]);
        out.push(identity.charset as u8);
        out.extend_from_slice(&[0; 23]);
        put_nul_bytes(&mut out, identity.user.as_bytes());
        if capabilities.contains(Capabilities::PLUGIN_AUTH_LENENC) {
            put_lenenc_bytes(&mut out, &identity.auth_response);
        } else if capabilities.contains(Capabilities::SECURE_CONNECTION) {
            out.push(identity.auth_response.len() as u8);
            out.extend_from_slice(&identity.auth_response);
        } else {
            put_nul_bytes(&mut out, &identity.auth_response);
        }
        if let Some(database) = &identity.database {
            put_nul_bytes(&mut out, database.as_bytes());
        }
        if let Some(plugin) = &identity.plugin {
            put_nul_bytes(&mut out, plugin);
        }
        if capabilities.contains(Capabilities::CONNECT_ATTRS) {
            let mut block = Vec::new();
            for (name, value) in &identity.attributes {
                put_lenenc_bytes(&mut block, name.as_bytes());
                put_lenenc_bytes(&mut block, value.as_bytes());
            }
            put_lenenc_bytes(&mut out, &block);
        }
        out
    }

    fn identities() -> impl Strategy<Value = Identity> {
        let name = "[a-zA-Z0-9_é]{1,20}";
        let pairs = prop::collection::vec((name, "\\PC{0,40}"), 0..5);
        let auth = prop::collection::vec(1u8..=255, 0..33);
        (
            name,
            auth,
            prop::option::of(name),
            0u16..256,
            prop::option::of(name),
            pairs,
        )
            .prop_map(
                |(user, auth_response, database, charset, plugin, attributes)| {
                    let plugin = plugin.map(String::into_bytes);
                    Identity {
                        user,
                        auth_response,
                        database,
                        charset,
                        plugin,
                        attributes,
                    }
                },
            )
    }

    proptest! {
        #[test]
        fn a_response_survives_a_round_trip(
            mut identity in identities(), lenenc: bool, secure: bool, attributes: bool,
        ) {
            let mut capabilities = Capabilities::PROTOCOL_41;
            capabilities.set(Capabilities::PLUGIN_AUTH_LENENC, lenenc);
            capabilities.set(Capabilities::SECURE_CONNECTION, secure);
            capabilities.set(Capabilities::CONNECT_WITH_DB, identity.database.is_some());
            capabilities.set(Capabilities::PLUGIN_AUTH, identity.plugin.is_some());
            capabilities.set(Capabilities::CONNECT_ATTRS, attributes);
            if !attributes {
                identity.attributes.clear();
            }
            let bytes = response(capabilities, &identity);
            let decoded = HandshakeResponse::decode(&bytes, OFFERED).unwrap();
            let compression = None;
            prop_assert_eq!(decoded, HandshakeResponse { capabilities, identity, compression });
        }

        #[test]
        fn any_prefix_decodes_or_is_malformed(identity in identities(), cut in 0usize..200) {
            let bytes = response(OFFERED, &identity);
            let cut = cut.min(bytes.len());
            let _ = HandshakeResponse::decode(&bytes[..cut], OFFERED);
            let _ = Identity::decode_change_user(&bytes[..cut], OFFERED, 45);
        }
    }

    #[test]
    fn fields_announced_but_left_out_are_absent() {
        let mut out = (Capabilities::PROTOCOL_41
            | Capabilities::SECURE_CONNECTION
            | Capabilities::CONNECT_WITH_DB
            | Capabilities::PLUGIN_AUTH
            | Capabilities::CONNECT_ATTRS)
            .bits()
            .to_le_bytes()
            .to_vec();
        out.extend_from_slice(&[0; 28]);
        out.extend_from_slice(b"root\0\0");
        let identity = HandshakeResponse::decode(&out, OFFERED).unwrap().identity;
        assert_eq!((identity.database, identity.plugin), (None, None));
    }

    #[test]
    fn clients_before_protocol_4_1_are_refused() {
        let mut out = (OFFERED - Capabilities::PROTOCOL_41)
            .bits()
            .to_le_bytes()
            .to_vec();
        out.resize(80, 0);
        assert_eq!(HandshakeResponse::decode(&out, OFFERED), Err(Malformed));
        out.splice(..4, OFFERED.bits().to_le_bytes());
        assert!(HandshakeResponse::decode(&out, OFFERED).is_ok());
    }

    #[test]
    fn only_a_head_without_a_response_asks_for_tls() {
        let flags = (OFFERED | Capabilities::SSL).bits().to_le_bytes();
        let request = [&flags[..], &[0; 28]].concat();
        assert!(is_tls_request(&request));
        assert!(!is_tls_request(&request[..31]));
        assert!(!is_tls_request(&[&request[..], &[0]].concat()));
        assert!(!is_tls_request(
            &[&OFFERED.bits().to_le_bytes()[..], &[0; 28]].concat()
        ));
    }

    #[test]
    fn change_user_keeps_the_character_set_unless_it_names_one() {
        let capabilities = Capabilities::SECURE_CONNECTION | Capabilities::PLUGIN_AUTH;
        let decode = |bytes: &[u8]| Identity::decode_change_user(bytes, capabilities, 255).unwrap();
        let short = decode(b"u\0\x02abdb\0");
        assert_eq!(
            (short.charset, short.plugin, short.database.as_deref()),
            (255, None, Some("db"))
        );
        let long = decode(b"u\0\0\0\x2D\0caching_sha2_password\0");
        assert_eq!(
            (long.charset, long.plugin.as_deref()),
            (45, Some(Plugin::CachingSha2.name()))
        );
    }

    #[test]
    fn the_greeting_has_the_v10_layout() {
        let scramble = Scramble::random().unwrap();
        let mut out = Vec::new();
        put_greeting(&mut out, "8.4.0-storno", 77, &scramble, OFFERED);
        let mut payload = Payload::new(&out);
        assert_eq!(payload.u8(), Ok(10));
        assert_eq!(payload.nul_bytes(), Ok(&b"8.4.0-storno"[..]));
        assert_eq!(payload.u32(), Ok(77));
        let first = payload.nul_bytes().unwrap();
        payload.bytes(2).unwrap();
        assert_eq!((payload.u8(), payload.u16()), (Ok(255), Ok(2)));
        payload.bytes(2).unwrap();
        assert_eq!(payload.u8(), Ok(21));
        assert_eq!(payload.bytes(10), Ok(&[0; 10][..]));
        let second = payload.nul_bytes().unwrap();
        assert_eq!([first, second].concat(), scramble.bytes());
        assert_eq!(payload.nul_bytes(), Ok(Plugin::DEFAULT.name()));
        assert!(payload.is_empty());
    }
}
