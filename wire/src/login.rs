//! The connection phase: greeting, authentication, opening the session. Also COM_CHANGE_USER, which
//! authenticates anew on a connection that exists.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::auth::{Plugin, Scramble};
use crate::backend::{Backend, Login};
use crate::capability::Capabilities;
use crate::channel::{Channel, ReadError, Stream};
use crate::compress::Algorithm;
use crate::control::Control;
use crate::error::SqlError;
use crate::handshake::{
    HandshakeResponse, Identity, is_tls_request, put_auth_switch, put_fast_auth_success,
    put_full_auth_request, put_greeting,
};
use crate::line::{Broken, Hangup, Line, Phase};
use crate::server::Shared;
use crate::tls::{Tls, Transport};

/// What stays the same for a connection's life, whoever is logged in.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) connection_id: u32,
    pub(crate) peer: SocketAddr,
    pub(crate) capabilities: Capabilities,
    pub(crate) charset: u16,
    pub(crate) encrypted: bool,
    pub(crate) control: Control,
    pub(crate) compression: Option<Algorithm>,
    /// The greeting's scramble: what clients that know no plugins answer to.
    greeting: Scramble,
}

/// Greets a client and logs it in, all within the connect time-out but for opening the session.
/// On failure the client has been told and the connection is closed.
pub(crate) async fn login<B: Backend, S: Stream>(
    shared: &Arc<Shared<B>>,
    stream: S,
    peer: SocketAddr,
    phase: watch::Receiver<Phase>,
) -> Option<(Line<Transport<S>>, Client, B::Session)> {
    let limits = &shared.limits;
    let stream = Transport::Plain(stream);
    let mut channel = Channel::new(stream, limits.max_login_packet, limits.connect_timeout);
    let control = Control::new();
    let exchange = exchange(shared, &mut channel, peer, &control);
    let greeted = timeout(limits.connect_timeout, exchange)
        .await
        .unwrap_or(Err(Hangup::Gone));
    let mut line = Line::new(channel, control.listen(), phase);
    let opened = match greeted {
        Ok((client, identity)) => {
            line.channel.inbox.trust(limits.max_allowed_packet);
            let session = open(shared, &mut line, &client, identity).await;
            session.map(|session| (client, session))
        }
        Err(reason) => Err(reason),
    };
    match opened {
        Ok((client, session)) => Some((line, client, session)),
        Err(reason) => {
            line.hang_up(reason).await;
            None
        }
    }
}

async fn exchange<B: Backend, S: Stream>(
    shared: &Shared<B>,
    channel: &mut Channel<Transport<S>>,
    peer: SocketAddr,
    control: &Control,
) -> Result<(Client, Identity), Hangup> {
    let greeting = scramble()?;
    let connection_id = shared.next_connection_id();
    let version = shared.backend.server_version();
    let offered = shared.offered();
    channel
        .outbox
        .message(|out| put_greeting(out, &version, connection_id, &greeting, offered));
    let mut message = channel.ask().await.map_err(unreadable)?;
    let tls = shared.tls.as_ref();
    let encrypts = tls.filter(|_| is_tls_request(&message));
    if let Some(tls) = encrypts {
        let received = channel.inbox.take_pending();
        let started = channel.stream_mut().start_tls(tls, received).await;
        started.map_err(|_| Hangup::Gone)?;
        message = channel.ask().await.map_err(unreadable)?;
    }
    let HandshakeResponse {
        capabilities,
        identity,
        compression,
    } = HandshakeResponse::decode(&message, offered)
        .map_err(|_| Hangup::Refused(SqlError::bad_handshake()))?;
    if encrypts.is_none() && tls.is_some_and(Tls::is_required) {
        return Err(Hangup::Refused(SqlError::insecure_transport()));
    }
    let client = Client {
        connection_id,
        peer,
        capabilities,
        charset: identity.charset,
        encrypted: encrypts.is_some(),
        control: control.clone(),
        compression,
        greeting,
    };
    authenticate(shared, channel, &client, &identity, Moment::Handshake).await?;
    Ok((client, identity))
}

/// When a client proves itself; decides what its first response was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// The response answers the greeting's scramble.
    Handshake,
    /// Clients do not agree on what the response answers, so a new one is asked for.
    ChangeUser,
}

/// Checks a client's proof, asking again with the account's plugin where needed. Takes the same way,
/// the same packets and the same hashing for users that do not exist.
async fn authenticate<B: Backend, S: Stream>(
    shared: &Shared<B>,
    channel: &mut Channel<S>,
    client: &Client,
    identity: &Identity,
    moment: Moment,
) -> Result<(), Hangup> {
    let Some(_turn) = shared.throttle.wait(client.peer.ip(), &identity.user).await else {
        return Err(denied(client, identity, true));
    };
    let account = shared.backend.account(&identity.user, client.peer);
    let credential = account.map_or(shared.decoy, |account| account.credential);
    let named = match &identity.plugin {
        Some(name) => Plugin::from_name(name),
        None => Some(Plugin::Native),
    };
    let plugin = credential.plugin().or(named).unwrap_or(Plugin::DEFAULT);
    let knows_plugins = client.capabilities.contains(Capabilities::PLUGIN_AUTH);
    let is_usable = named == Some(plugin);
    let (scramble, response) = if is_usable && (moment == Moment::Handshake || !knows_plugins) {
        (client.greeting, identity.auth_response.clone())
    } else if knows_plugins {
        let scramble = scramble()?;
        channel
            .outbox
            .message(|out| put_auth_switch(out, plugin, &scramble));
        (scramble, channel.ask().await.map_err(unreadable)?.to_vec())
    } else {
        return Err(Hangup::Refused(SqlError::old_client()));
    };
    // Client libraries send an empty password as nothing or as one NUL.
    let response = if response == [0] { &[][..] } else { &response };
    let with_password = !response.is_empty();
    let by_sha2 = plugin == Plugin::CachingSha2 && with_password;
    let is_fast = credential.is_proved_by(&scramble, response);
    let is_proved = is_fast
        || by_sha2 && client.encrypted && credential.is_of(&ask_for_password(channel).await?);
    if !is_proved {
        shared.throttle.failed(client.peer.ip(), &identity.user);
        return Err(denied(client, identity, with_password));
    }
    shared.throttle.passed(client.peer.ip(), &identity.user);
    if by_sha2 && is_fast {
        channel.outbox.message(put_fast_auth_success);
    }
    Ok(())
}

/// The full path of caching_sha2_password: some clients' proof is always wrong, or none, and they wait to
/// be asked for the password. Only where nobody else can read it.
async fn ask_for_password<S: Stream>(channel: &mut Channel<S>) -> Result<Vec<u8>, Hangup> {
    channel.outbox.message(put_full_auth_request);
    let message = channel.ask().await.map_err(unreadable)?;
    Ok(message.strip_suffix(&[0]).unwrap_or(&message).to_vec())
}

fn denied(client: &Client, identity: &Identity, with_password: bool) -> Hangup {
    let ip = client.peer.ip().to_canonical();
    let host = if ip.is_loopback() {
        "localhost".to_owned()
    } else {
        ip.to_string()
    };
    Hangup::Refused(SqlError::access_denied(
        &identity.user,
        &host,
        with_password,
    ))
}

async fn open<B: Backend, S: Stream>(
    shared: &Shared<B>,
    line: &mut Line<S>,
    client: &Client,
    identity: Identity,
) -> Result<B::Session, Hangup> {
    let login = Login {
        connection_id: client.connection_id,
        user: identity.user,
        peer: client.peer,
        database: identity.database,
        attributes: identity.attributes,
        charset: identity.charset,
        found_rows: client.capabilities.contains(Capabilities::FOUND_ROWS),
        ignore_space: client.capabilities.contains(Capabilities::IGNORE_SPACE),
        local_files: client.capabilities.contains(Capabilities::LOCAL_FILES),
        multi_statements: client.capabilities.contains(Capabilities::MULTI_STATEMENTS),
        interactive: client.capabilities.contains(Capabilities::INTERACTIVE),
        encrypted: client.encrypted,
        control: client.control.clone(),
    };
    line.run(shared.backend.open(login))
        .await
        .map_err(|broken| match broken {
            Broken::Statement(error) => Hangup::Refused(error),
            Broken::Panic => Hangup::Refused(SqlError::internal("Internal error at login")),
            Broken::Connection(reason) => reason,
        })
}

/// COM_CHANGE_USER: the new user's session. Any failure ends the connection, as in MySQL: the old
/// user's session must not go on.
pub(crate) async fn change_user<B: Backend, S: Stream>(
    shared: &Shared<B>,
    line: &mut Line<S>,
    client: &mut Client,
    body: &[u8],
) -> Result<B::Session, Hangup> {
    let identity = Identity::decode_change_user(body, client.capabilities, client.charset)
        .map_err(|malformed| Hangup::Refused(malformed.into()))?;
    let proof = authenticate(
        shared,
        &mut line.channel,
        client,
        &identity,
        Moment::ChangeUser,
    );
    timeout(shared.limits.connect_timeout, proof)
        .await
        .unwrap_or(Err(Hangup::Gone))?;
    client.charset = identity.charset;
    open(shared, line, client, identity).await
}

fn scramble() -> Result<Scramble, Hangup> {
    Scramble::random().map_err(|error| {
        tracing::error!(%error, "no random bytes for a login");
        Hangup::Refused(SqlError::internal("No random bytes available"))
    })
}

fn unreadable(error: ReadError) -> Hangup {
    match error {
        ReadError::Frame(error) => Hangup::Refused(error.into()),
        ReadError::Closed | ReadError::Io(_) => Hangup::Gone,
    }
}
