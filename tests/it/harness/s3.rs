//! An S3 server in this process: signatures are checked, objects are files of a temporary directory, and
//! requests fail as often as a test asks for.
//!
//! Also used by the tests of `sql/transfer`, which include this file.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};

pub const ACCESS_KEY: &str = "AKSTORNOTEST";
/// A canary, too: it must appear nowhere.
pub const SECRET_KEY: &str = "s3cr3t-CANARY-4711";
pub const BUCKET: &str = "bucket";

/// How requests fail.
#[derive(Debug, Default)]
pub struct Faults {
    /// Of 1,000 requests so many fail, in one of the ways below.
    pub per_mille: AtomicU32,
    /// All answers are 403 ExpiredToken.
    pub expired: AtomicBool,
    /// All connections break off before an answer.
    pub dead: AtomicBool,
    state: AtomicU64,
    /// Requests that came, and those that failed.
    pub requests: AtomicU64,
    pub failed: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    InternalError,
    SlowDown,
    /// The connection breaks off in the middle of the request.
    Reset,
    /// The request is done and its answer is lost.
    LostAnswer,
}

impl Faults {
    pub fn seed(&self, seed: u64) {
        self.state.store(
            seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            Ordering::Relaxed,
        );
    }

    fn random(&self) -> u64 {
        let next = |mut x: u64| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            Some(x)
        };
        let before = self
            .state
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        before.unwrap_or(1).wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32
    }

    fn next(&self, request: &Request<Incoming>) -> Option<Fault> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if self.dead.load(Ordering::Relaxed) {
            return Some(Fault::Reset);
        }
        if self.random() % 1000 >= u64::from(self.per_mille.load(Ordering::Relaxed)) {
            return None;
        }
        self.failed.fetch_add(1, Ordering::Relaxed);
        // The upload that a lost answer begins has no name for anybody: stores remove such by a rule of
        // their own.
        let begins = *request.method() == Method::POST
            && request
                .uri()
                .query()
                .is_some_and(|query| query.starts_with("uploads"));
        Some(match self.random() % 4 {
            0 => Fault::InternalError,
            1 => Fault::SlowDown,
            2 => Fault::Reset,
            _ if begins => Fault::InternalError,
            _ => Fault::LostAnswer,
        })
    }
}

/// The server; it ends when dropped.
pub struct S3Server {
    pub faults: Arc<Faults>,
    address: SocketAddr,
    dir: PathBuf,
    /// Removed with the server.
    _own: Option<tempfile::TempDir>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl S3Server {
    /// On a directory of its own.
    pub fn start() -> Self {
        let own = tempfile::tempdir().expect("a directory");
        let mut server = Self::start_at(own.path().to_owned(), 0);
        server._own = Some(own);
        server
    }

    /// On a directory that stays; port 0: any.
    pub fn start_at(dir: PathBuf, port: u16) -> Self {
        std::fs::create_dir_all(dir.join(BUCKET)).expect("a bucket");
        let files = s3s_fs::FileSystem::new(&dir).expect("a file system");
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = builder.build();
        let faults = Arc::new(Faults::default());
        faults.seed(1);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        // Tests call this from within a runtime of theirs, where nothing may be waited for.
        let listener = std::net::TcpListener::bind(("127.0.0.1", port)).expect("a port");
        listener.set_nonblocking(true).expect("an option");
        let address = listener.local_addr().expect("an address");
        let faulty = Faulty {
            service,
            faults: Arc::clone(&faults),
        };
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            while let Ok((socket, _)) = listener.accept().await {
                let faulty = faulty.clone();
                tokio::spawn(async move {
                    let builder = Builder::new(TokioExecutor::new());
                    let _ = builder.serve_connection(TokioIo::new(socket), faulty).await;
                });
            }
        });
        Self {
            faults,
            address,
            dir,
            _own: None,
            runtime: Some(runtime),
        }
    }

    /// `http://127.0.0.1:port`
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The file that an object is.
    pub fn file(&self, key: &str) -> PathBuf {
        self.dir.join(BUCKET).join(key)
    }

    /// Keys of all objects, sorted.
    pub fn keys(&self) -> Vec<String> {
        let root = self.dir.join(BUCKET);
        let mut found = Vec::new();
        let mut waiting = vec![root.clone()];
        while let Some(directory) = waiting.pop() {
            for entry in std::fs::read_dir(directory).expect("lists").flatten() {
                let path = entry.path();
                match path.is_dir() {
                    true => waiting.push(path),
                    false => {
                        let key = path.strip_prefix(&root).expect("below").to_string_lossy();
                        found.push(key.into_owned());
                    }
                }
            }
        }
        found.sort();
        found
    }

    /// Multipart uploads that are neither completed nor aborted, and pieces of them.
    pub fn open_uploads(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.dir).expect("lists").flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with(".upload")).collect()
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[derive(Clone)]
struct Faulty {
    service: S3Service,
    faults: Arc<Faults>,
}

/// The connection breaks off.
#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken off")
    }
}

impl std::error::Error for Broken {}

impl From<Infallible> for Broken {
    fn from(_: Infallible) -> Self {
        Self
    }
}

type Answer = Result<Response<s3s::Body>, Broken>;

impl hyper::service::Service<Request<Incoming>> for Faulty {
    type Response = Response<s3s::Body>;
    type Error = Broken;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { this.answer(request).await })
    }
}

impl Faulty {
    async fn answer(self, request: Request<Incoming>) -> Answer {
        if self.faults.expired.load(Ordering::Relaxed) {
            return Ok(refusal(403, "ExpiredToken"));
        }
        match self.faults.next(&request) {
            Some(Fault::InternalError) => Ok(refusal(500, "InternalError")),
            Some(Fault::SlowDown) => Ok(refusal(503, "SlowDown")),
            Some(Fault::Reset) => {
                // Half of the body is taken, then the connection goes.
                let mut body = request.into_body();
                let _ = body.frame().await;
                Err(Broken)
            }
            Some(Fault::LostAnswer) => {
                let _ = self.service.call(request.map(s3s::Body::from)).await;
                Err(Broken)
            }
            None => {
                let answer = self.service.call(request.map(s3s::Body::from)).await;
                answer.map_err(|_| Broken)
            }
        }
    }
}

fn refusal(status: u16, code: &str) -> Response<s3s::Body> {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <Error><Code>{code}</Code><Message>as asked for</Message></Error>"
    );
    let response = Response::builder().status(status);
    let response = response.header("content-type", "application/xml");
    response.body(s3s::Body::from(text)).expect("a response")
}
