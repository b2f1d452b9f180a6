//! TLS: a connection that begins in the clear and is encrypted after the client asks for it.
//!
//! Certificates are the caller's; this only wires rustls in. Whatever a client sends behind its request
//! for TLS is taken for TLS, never for a packet, so nothing can be slipped in ahead of the encryption.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto::ring};
use tokio_rustls::server::TlsStream;

/// How a server offers TLS 1.2 and 1.3.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    required: bool,
}

impl Tls {
    /// TLS with a certificate chain and its private key, both in PEM form. Clients that do not ask
    /// for TLS are refused with error 3159 if it is `required`.
    pub fn from_pem(chain: &[u8], key: &[u8], required: bool) -> io::Result<Self> {
        let invalid = |error: &dyn std::fmt::Display| {
            io::Error::new(io::ErrorKind::InvalidData, error.to_string())
        };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|error| invalid(&error))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| invalid(&error))?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| invalid(&error))?;
        Ok(Tls {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            required,
        })
    }

    pub(crate) fn is_required(&self) -> bool {
        self.required
    }
}

/// A client's byte stream, in the clear or encrypted.
pub(crate) enum Transport<T> {
    Plain(T),
    Tls(Box<TlsStream<Rewound<T>>>),
    /// TLS was asked for and did not come about.
    Broken,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Transport<T> {
    /// Goes over to TLS; `received` was read behind the client's request for it.
    pub(crate) async fn start_tls(&mut self, tls: &Tls, received: Bytes) -> io::Result<()> {
        let Transport::Plain(inner) = std::mem::replace(self, Transport::Broken) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let stream = tls.acceptor.accept(Rewound { received, inner }).await?;
        *self = Transport::Tls(Box::new(stream));
        Ok(())
    }
}

/// A stream whose first bytes were read before.
pub(crate) struct Rewound<T> {
    received: Bytes,
    inner: T,
}

impl<T: AsyncRead + Unpin> AsyncRead for Rewound<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.received.is_empty() {
            return Pin::new(&mut self.inner).poll_read(context, buffer);
        }
        let count = self.received.len().min(buffer.remaining());
        buffer.put_slice(self.received.get(..count).unwrap_or_default());
        self.received.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Rewound<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Transport<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Plain(inner) => Pin::new(inner).poll_read(context, buffer),
            Transport::Tls(stream) => {
                let read = ready!(Pin::new(stream).poll_read(context, buffer));
                // Clients close without TLS's own goodbye; the protocol has one of its own.
                Poll::Ready(match read {
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
                    other => other,
                })
            }
            Transport::Broken => Poll::Ready(Ok(())),
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Transport<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Transport::Plain(inner) => Pin::new(inner).poll_write(context, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
            Transport::Broken => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Plain(inner) => Pin::new(inner).poll_flush(context),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(context),
            Transport::Broken => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Plain(inner) => Pin::new(inner).poll_shutdown(context),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            Transport::Broken => Poll::Ready(Ok(())),
        }
    }
}
