//! A store in memory that fails, waits and remembers as a test asks for.
//!
//! A request that was sent is done, whether or not somebody still waits for its answer: so are those of stores.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::list::{PaginatedListOptions, PaginatedListResult, PaginatedListStore};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result, UploadPart,
};

use super::{Kind, Place, Site};

/// What becomes of a request.
pub(crate) enum Fate {
    Done,
    Fails,
    /// It is done so much later.
    Late(Duration),
}

type Rule = Box<dyn Fn(&str) -> Fate + Send + Sync>;

#[derive(Clone, Default)]
pub(crate) struct Fake(Arc<State>);

#[derive(Default)]
struct State {
    objects: InMemory,
    /// By request, `put a/b`: of put, get, delete, begin, complete and abort.
    rule: Mutex<Option<Rule>>,
    done: Mutex<Vec<String>>,
    /// Whether it knows nothing of conditions.
    is_plain: AtomicBool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refused() -> Error {
    Error::Generic {
        store: "fake",
        source: "as asked for".into(),
    }
}

impl Fake {
    pub(crate) fn place(&self, path: &str) -> Place {
        Place {
            store: Arc::new(self.clone()),
            base: "fake://".into(),
            path: Path::parse(path).expect("a path"),
            prefix: path.into(),
            secrets: Arc::default(),
            kind: Kind::Store(Arc::new(self.clone())),
            site: Site::Here,
        }
    }

    pub(crate) fn rule(&self, rule: impl Fn(&str) -> Fate + Send + Sync + 'static) {
        *locked(&self.0.rule) = Some(Box::new(rule));
    }

    /// From now on it puts without conditions only.
    pub(crate) fn without_conditions(&self) {
        self.0.is_plain.store(true, Ordering::Relaxed);
    }

    /// Requests that were done, in their order.
    pub(crate) fn done(&self) -> Vec<String> {
        locked(&self.0.done).clone()
    }

    /// Uploads that were begun and neither completed nor given up.
    pub(crate) fn open_uploads(&self) -> usize {
        let count = |what: &str| self.done().iter().filter(|d| d.starts_with(what)).count();
        count("begin ") - count("complete ") - count("abort ")
    }

    /// What somebody else does, at once and whatever the rule says.
    pub(crate) fn insert(&self, path: &str, text: &str) {
        let path = Path::parse(path).expect("a path");
        let put = self.0.objects.put(&path, text.to_owned().into());
        put.now_or_never().expect("at once").expect("written");
    }

    pub(crate) fn take_away(&self, path: &str) {
        let path = Path::parse(path).expect("a path");
        let removed = self.0.objects.delete(&path);
        removed.now_or_never().expect("at once").expect("removed");
    }

    pub(crate) async fn keys(&self) -> Vec<String> {
        let listed: Vec<ObjectMeta> = self
            .0
            .objects
            .list(None)
            .try_collect()
            .await
            .expect("lists");
        let mut keys: Vec<String> = listed.iter().map(|m| m.location.to_string()).collect();
        keys.sort();
        keys
    }

    fn fate(&self, request: &str) -> Fate {
        let rule = locked(&self.0.rule);
        rule.as_ref().map_or(Fate::Done, |rule| rule(request))
    }

    async fn ask<T: Send + 'static>(
        &self,
        what: &str,
        path: &Path,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let request = format!("{what} {path}");
        let fate = self.fate(&request);
        let state = Arc::clone(&self.0);
        let sent = tokio::spawn(async move {
            match fate {
                Fate::Done => {}
                Fate::Late(wait) => tokio::time::sleep(wait).await,
                Fate::Fails => return Err(refused()),
            }
            let done = work.await?;
            locked(&state.done).push(request);
            Ok(done)
        });
        sent.await.expect("ends")
    }
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fake")
    }
}

impl fmt::Display for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fake")
    }
}

#[async_trait]
impl ObjectStore for Fake {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        if options.mode != PutMode::Overwrite && self.0.is_plain.load(Ordering::Relaxed) {
            return Err(Error::NotImplemented {
                operation: "a condition".into(),
                implementer: self.to_string(),
            });
        }
        let (state, path) = (Arc::clone(&self.0), location.clone());
        let work = async move { state.objects.put_opts(&path, payload, options).await };
        self.ask("put", location, work).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let (state, path) = (Arc::clone(&self.0), location.clone());
        let work = async move { state.objects.put_multipart_opts(&path, options).await };
        let begun = self.ask("begin", location, work).await?;
        Ok(Box::new(Begun {
            fake: self.clone(),
            path: location.clone(),
            upload: Arc::new(tokio::sync::Mutex::new(begun)),
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let (state, path) = (Arc::clone(&self.0), location.clone());
        let work = async move { state.objects.get_opts(&path, options).await };
        let fate = self.fate(&format!("get {location}"));
        match fate {
            Fate::Done => work.await,
            _ => Err(refused()),
        }
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let fake = self.clone();
        let one = move |path: Result<Path>| {
            let fake = fake.clone();
            async move {
                let path = path?;
                let (state, own) = (Arc::clone(&fake.0), path.clone());
                let work = async move { state.objects.delete(&own).await };
                fake.ask("delete", &path, work).await?;
                Ok(path)
            }
        };
        locations.then(one).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.objects.copy_opts(from, to, options).await
    }
}

#[async_trait]
impl PaginatedListStore for Fake {
    /// Pages of two objects.
    async fn list_paginated(
        &self,
        prefix: Option<&str>,
        options: PaginatedListOptions,
    ) -> Result<PaginatedListResult> {
        let prefix = prefix.unwrap_or_default();
        if options.delimiter.is_some() {
            let directory = Path::parse(prefix)?;
            let result = self.0.objects.list_with_delimiter(Some(&directory)).await?;
            return Ok(PaginatedListResult {
                result,
                page_token: None,
            });
        }
        let after = options.page_token.unwrap_or_default();
        let mut objects: Vec<ObjectMeta> = self.0.objects.list(None).try_collect().await?;
        objects.retain(|meta| {
            let key = meta.location.as_ref();
            key.starts_with(prefix) && key > after.as_str()
        });
        objects.sort_by(|a, b| a.location.cmp(&b.location));
        let more = objects.len() > 2;
        objects.truncate(2);
        let last = objects.last().map(|meta| meta.location.to_string());
        let common_prefixes = Vec::new();
        Ok(PaginatedListResult {
            result: ListResult {
                common_prefixes,
                objects,
            },
            page_token: last.filter(|_| more),
        })
    }
}

#[derive(Debug)]
struct Begun {
    fake: Fake,
    path: Path,
    upload: Arc<tokio::sync::Mutex<Box<dyn MultipartUpload>>>,
}

#[async_trait]
impl MultipartUpload for Begun {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let upload = Arc::clone(&self.upload);
        async move {
            let part = upload.lock().await.put_part(data);
            part.await
        }
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let upload = Arc::clone(&self.upload);
        let work = async move { upload.lock().await.complete().await };
        self.fake.ask("complete", &self.path, work).await
    }

    async fn abort(&mut self) -> Result<()> {
        let upload = Arc::clone(&self.upload);
        let work = async move { upload.lock().await.abort().await };
        self.fake.ask("abort", &self.path, work).await
    }
}
