//! Writing and reading the Parquet files of a table.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowFilter,
};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::errors::ParquetError;

use crate::data_file::DataFile;
use crate::disk::{Disk, Publish};
use crate::log::Table;
use crate::spec::TableSpec;
use crate::{LakeError, checksum, encoding};

/// Rows decoded at once: large enough that the kernels' fixed costs vanish.
const READ_ROWS: usize = 32_768;

/// A data file to write.
pub(crate) struct NewFile {
    /// Relative to the table's folder.
    pub(crate) path: String,
    pub(crate) partition: HashMap<String, Option<String>>,
    pub(crate) tags: HashMap<String, Option<String>>,
    /// Rows without the partition columns.
    pub(crate) batches: Vec<RecordBatch>,
    /// Columns that the rows are sorted by, ascending, nulls first.
    pub(crate) order: &'static [&'static str],
}

/// A data file that is encoded and not on disk.
#[derive(Debug)]
pub(crate) struct Encoded {
    rows: i64,
    partition: HashMap<String, Option<String>>,
    /// With the checksum of the bytes.
    tags: HashMap<String, Option<String>>,
    bytes: Vec<u8>,
}

/// Encodes a file and returns when it is on disk. No commit names it yet.
pub(crate) async fn write(table: &Table, file: NewFile) -> Result<DataFile, LakeError> {
    let (path, to) = (file.path.clone(), table.folder.join(&file.path));
    let (spec, disk) = (table.spec, table.disk.clone());
    let write = move || write_at(path, &to, &disk, &encode(spec, file)?);
    tokio::task::spawn_blocking(write)
        .await
        .map_err(|source| LakeError::Task { operation: "write", source: source.into() })?
}

/// Writes what is encoded already, under a name of its own.
pub(crate) async fn write_encoded(
    table: &Table,
    path: String,
    file: Arc<Encoded>,
) -> Result<DataFile, LakeError> {
    let (to, disk) = (table.folder.join(&path), table.disk.clone());
    tokio::task::spawn_blocking(move || write_at(path, &to, &disk, &file))
        .await
        .map_err(|source| LakeError::Task { operation: "write", source: source.into() })?
}

fn encode(spec: &TableSpec, file: NewFile) -> Result<Encoded, LakeError> {
    let mut encoder = Encoder::new(spec, file.order)?;
    for batch in &file.batches {
        encoder.push(batch)?;
    }
    encoder.finish(file.partition, file.tags)
}

/// Encodes the rows of one file as they come.
pub(crate) struct Encoder {
    table: &'static str,
    writer: ArrowWriter<Vec<u8>>,
    rows: usize,
}

impl Encoder {
    pub(crate) fn new(spec: &TableSpec, order: &[&str]) -> Result<Self, LakeError> {
        let table = spec.name;
        let writer = encoding::writer(&spec.file_schema(), order);
        Ok(Self { table, writer: writer.map_err(|source| failed(table, source))?, rows: 0 })
    }

    /// Rows without the partition columns.
    pub(crate) fn push(&mut self, rows: &RecordBatch) -> Result<(), LakeError> {
        self.rows += rows.num_rows();
        self.writer.write(rows).map_err(|source| failed(self.table, source))
    }

    pub(crate) fn finish(
        self,
        partition: HashMap<String, Option<String>>,
        mut tags: HashMap<String, Option<String>>,
    ) -> Result<Encoded, LakeError> {
        let bytes = self.writer.into_inner().map_err(|source| failed(self.table, source))?;
        tags.extend([checksum::tag(&bytes)]);
        Ok(Encoded { rows: self.rows as i64, partition, tags, bytes })
    }
}

/// A file whose rows come piece by piece: only what they are encoded as is kept.
pub(crate) struct FileParts {
    table: Arc<Table>,
    file: NewFile,
    encoder: Encoder,
}

impl FileParts {
    /// `file` has no rows yet.
    pub(crate) fn new(table: Arc<Table>, file: NewFile) -> Result<Self, LakeError> {
        let encoder = Encoder::new(table.spec, file.order)?;
        Ok(Self { table, file, encoder })
    }

    pub(crate) fn write(&mut self, rows: &RecordBatch) -> Result<(), LakeError> {
        self.encoder.push(rows)
    }

    /// Waits for the disk on the thread that calls. No commit names the file yet.
    pub(crate) fn finish(self) -> Result<DataFile, LakeError> {
        let Self { table, file, encoder } = self;
        let encoded = encoder.finish(file.partition, file.tags)?;
        let to = table.folder.join(&file.path);
        write_at(file.path, &to, &table.disk, &encoded)
    }
}

fn failed(table: &'static str, source: ParquetError) -> LakeError {
    LakeError::Rows { operation: "encode", table, source: source.into() }
}

fn write_at(path: String, to: &Path, disk: &Disk, file: &Encoded) -> Result<DataFile, LakeError> {
    let failed = |source: std::io::Error| LakeError::File {
        operation: "write",
        path: to.to_path_buf(),
        source: source.into(),
    };
    disk.write(to, Publish::Create, |open| open.write_all(&file.bytes)).map_err(failed)?;
    Ok(DataFile {
        path,
        bytes: file.bytes.len() as i64,
        rows: file.rows,
        modified: modified_millis(to).map_err(failed)?,
        partition: file.partition.clone(),
        tags: file.tags.clone(),
    })
}

/// When the file system says that the file was written: this crate reads no clock.
fn modified_millis(path: &Path) -> std::io::Result<i64> {
    let modified = fs::metadata(path)?.modified()?;
    let since = modified.duration_since(UNIX_EPOCH).map_err(std::io::Error::other)?;
    i64::try_from(since.as_millis()).map_err(std::io::Error::other)
}

/// Reads columns of a file, all for `None`, in the order of `schema`.
pub(crate) fn read(
    table: &'static str,
    path: &Path,
    columns: Option<&[&str]>,
) -> Result<Vec<RecordBatch>, LakeError> {
    let reader = open(path, columns, |_, builder| Ok(builder));
    let read = reader.and_then(|reader| Ok(reader.collect::<Result<Vec<_>, _>>()?));
    read.map_err(|source| read_failed(table, path, source))
}

/// Opens a file on some columns, with a chance to add a filter.
pub(crate) fn open(
    path: &Path,
    columns: Option<&[&str]>,
    with: impl FnOnce(&FileColumns, Builder) -> Result<Builder, ParquetError>,
) -> Result<ParquetRecordBatchReader, ParquetError> {
    let file = File::open(path)?;
    let metadata = ArrowReaderMetadata::load(&file, Default::default())?;
    let file_columns = FileColumns { metadata: metadata.clone() };
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
    let mut builder = with(&file_columns, builder.with_batch_size(READ_ROWS))?;
    if let Some(columns) = columns {
        builder = builder.with_projection(file_columns.mask(columns)?);
    }
    builder.build()
}

pub(crate) type Builder = ParquetRecordBatchReaderBuilder<File>;

/// Adds the filter to a builder.
pub(crate) fn filtered(builder: Builder, filter: RowFilter) -> Builder {
    builder.with_row_filter(filter)
}

/// Finds columns of a file by name.
pub(crate) struct FileColumns {
    metadata: ArrowReaderMetadata,
}

impl FileColumns {
    pub(crate) fn mask(&self, columns: &[&str]) -> Result<ProjectionMask, ParquetError> {
        let schema: &Schema = self.metadata.schema();
        let roots = columns.iter().map(|name| Ok(schema.index_of(name)?));
        let roots = roots.collect::<Result<Vec<_>, ParquetError>>()?;
        Ok(ProjectionMask::roots(self.metadata.parquet_schema(), roots))
    }
}

pub(crate) fn read_failed(table: &'static str, path: &Path, source: ParquetError) -> LakeError {
    let source = format!("{}: {source}", path.display());
    LakeError::Rows { operation: "read", table, source: source.into() }
}

/// Reads files of a table, each whole and as it was written, one after another on a thread that may
/// wait.
pub(crate) async fn read_all(
    table: &Table,
    files: Vec<Arc<DataFile>>,
) -> Result<Vec<Vec<RecordBatch>>, LakeError> {
    let (name, folder) = (table.spec.name, table.folder.clone());
    let checked = move |file: Arc<DataFile>| {
        let path = folder.join(&file.path);
        checksum::check(name, &path, &file)?;
        read(name, &path, None)
    };
    tokio::task::spawn_blocking(move || files.into_iter().map(checked).collect())
        .await
        .map_err(|source| LakeError::Task { operation: "read", source: source.into() })?
}
