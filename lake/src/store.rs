//! [`DurableStore`]: the local object store that delta-rs works on, with every write on disk
//! before it is acknowledged.
//!
//! object_store 0.13 never syncs local files. A commit of delta-rs's default log store is
//! `put_opts` with [`PutMode::Create`], a checkpoint `put`, so those go through [`Disk`]; what else
//! may create a name is synced after the fact, which is enough for files that no commit names yet.

use std::fmt;
use std::io::{self, Write};
use std::ops::Range;
use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
    UploadPart,
};

use crate::disk::{Disk, Publish};

#[derive(Debug)]
pub(crate) struct DurableStore {
    local: LocalFileSystem,
    disk: Disk,
}

impl DurableStore {
    pub(crate) fn new(local: LocalFileSystem, disk: Disk) -> Self {
        Self { local, disk }
    }

    async fn create_folder_of(&self, location: &Path) -> Result<()> {
        let path = self.local.path_to_filesystem(location)?;
        let folder = path.parent().map(PathBuf::from).unwrap_or_default();
        let disk = self.disk.clone();
        blocking(location, move || disk.create_folders(&folder)).await
    }

    async fn sync(&self, location: &Path) -> Result<()> {
        let path = self.local.path_to_filesystem(location)?;
        let disk = self.disk.clone();
        blocking(location, move || disk.sync(&path)).await
    }
}

impl fmt::Display for DurableStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DurableStore({})", self.local)
    }
}

#[async_trait]
impl ObjectStore for DurableStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let publish = match options.mode {
            PutMode::Create => Publish::Create,
            PutMode::Overwrite => Publish::Replace,
            // The local store says why it cannot.
            PutMode::Update(_) => return self.local.put_opts(location, payload, options).await,
        };
        let path = self.local.path_to_filesystem(location)?;
        let disk = self.disk.clone();
        blocking(location, move || {
            disk.write(&path, publish, |file| {
                payload.iter().try_for_each(|part| file.write_all(part))
            })
        })
        .await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.create_folder_of(location).await?;
        let path = self.local.path_to_filesystem(location)?;
        let upload = self.local.put_multipart_opts(location, options).await?;
        Ok(Box::new(DurableUpload {
            upload,
            location: location.clone(),
            path,
            disk: self.disk.clone(),
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.local.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.local.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.local.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.local.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.local.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.local.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        // A copy is a hard link: the content must be on disk before the new name is.
        self.sync(from).await?;
        self.create_folder_of(to).await?;
        self.local.copy_opts(from, to, options).await?;
        self.sync(to).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.sync(from).await?;
        self.create_folder_of(to).await?;
        self.local.rename_opts(from, to, options).await?;
        self.sync(to).await
    }
}

#[derive(Debug)]
struct DurableUpload {
    upload: Box<dyn MultipartUpload>,
    location: Path,
    path: PathBuf,
    disk: Disk,
}

#[async_trait]
impl MultipartUpload for DurableUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.upload.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let result = self.upload.complete().await?;
        let (disk, path) = (self.disk.clone(), self.path.clone());
        blocking(&self.location, move || disk.sync(&path)).await?;
        Ok(result)
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}

/// Runs file work where it may wait, and gives its errors the kinds that delta-rs looks at.
async fn blocking<T: Send + 'static>(
    location: &Path,
    run: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let path = location.to_string();
    let done = tokio::task::spawn_blocking(run)
        .await
        .map_err(|source| object_store::Error::JoinError { source })?;
    done.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            object_store::Error::AlreadyExists { path, source: error.into() }
        }
        io::ErrorKind::NotFound => object_store::Error::NotFound { path, source: error.into() },
        _ => object_store::Error::Generic { store: "DurableStore", source: error.into() },
    })
}
