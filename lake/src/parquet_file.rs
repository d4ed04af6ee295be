//! Writing and reading the Parquet files of a table.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowFilter,
};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use crate::data_file::DataFile;
use crate::disk::{Disk, Publish};
use crate::log::Table;
use crate::{LakeError, checksum};

/// Rows decoded at once: large enough that the kernels' fixed costs vanish.
const READ_ROWS: usize = 32_768;

/// Columns of which hardly two values are alike: a dictionary would be built and thrown away.
const DISTINCT: [&str; 3] = ["raw", "event_id", "event_key"];
/// Columns of runs whose values differ from their neighbours' by little: differences are smaller than
/// a dictionary of them, and decoded faster than either.
const STEPPED: [&str; 3] = ["time", "quantity", "raw_row"];
/// Columns of runs in which zstd would find nothing.
const UNPACKED: [&str; 3] = ["time", "raw_row", "content_hash"];
/// Rows of a run that are decoded together: a merge of runs holds so many of each.
const RUN_GROUP_ROWS: usize = 131_072;
/// Bytes of a dictionary of resources, so that a row group never falls back to repeating their names.
const RESOURCE_DICTIONARY_BYTES: usize = 16 << 20;
/// Columns of raw events with a few short words, most often the same in many rows.
const WORDS: [&str; 5] = ["status", "system", "kind", "resource_kind", "state"];
/// The same, and numbers, of measurements.
const MEASURED: [&str; 4] = ["meter", "quantity", "scale", "flow"];
/// Columns that nobody looks for by value.
const UNSEARCHED: [&str; 2] = ["raw", "error"];

/// Columns of rated lines of which hardly two values are alike.
const LINE_FIGURES: [&str; 8] = [
    "line_id",
    "quantity",
    "seconds",
    "amount_numerator",
    "amount_denominator",
    "service_start",
    "service_end",
    "intervals",
];
/// Columns of rated lines with a few values, that is with a few bits of each line.
const LINE_WORDS: [&str; 21] = [
    "kind",
    "seller",
    "site",
    "resource_kind",
    "meter",
    "service",
    "detail",
    "attributes",
    "tariff",
    "tariff_version",
    "agreement",
    "tax_category",
    "aggregation",
    "scale",
    "price_nano",
    "unit",
    "unit_base",
    "per",
    "per_seconds",
    "currency",
    "estimated",
];

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

/// Encodes a file and returns when it is on disk. No commit names it yet.
pub(crate) async fn write(table: &Table, file: NewFile) -> Result<DataFile, LakeError> {
    let path = table.folder.join(&file.path);
    let (name, schema, disk) = (table.spec.name, table.spec.file_schema(), table.disk.clone());
    let task = tokio::task::spawn_blocking(move || write_now(&path, name, &schema, &disk, file));
    task.await.map_err(|source| LakeError::Task { operation: "write", source: source.into() })?
}

fn write_now(
    path: &Path,
    name: &'static str,
    schema: &SchemaRef,
    disk: &Disk,
    file: NewFile,
) -> Result<DataFile, LakeError> {
    let failed = |source| encode_failed(name, source);
    let mut encoder = Encoder::new(schema, file.order).map_err(failed)?;
    for batch in &file.batches {
        encoder.write(batch).map_err(failed)?;
    }
    publish(path, name, disk, encoder, file)
}

fn encode_failed(table: &'static str, source: ParquetError) -> LakeError {
    LakeError::Rows { operation: "encode", table, source: source.into() }
}

/// Writes what was encoded; of `file` all but its rows is looked at.
fn publish(
    path: &Path,
    name: &'static str,
    disk: &Disk,
    encoder: Encoder,
    file: NewFile,
) -> Result<DataFile, LakeError> {
    let rows = encoder.rows;
    let bytes = encoder.finish().map_err(|source| encode_failed(name, source))?;
    let failed = |source: std::io::Error| LakeError::File {
        operation: "write",
        path: path.to_path_buf(),
        source: source.into(),
    };
    disk.write(path, Publish::Create, |file| file.write_all(&bytes)).map_err(failed)?;
    let mut tags = file.tags;
    tags.extend([checksum::tag(&bytes)]);
    Ok(DataFile {
        path: file.path,
        bytes: bytes.len() as i64,
        rows: rows as i64,
        modified: modified_millis(path).map_err(failed)?,
        partition: file.partition,
        tags,
    })
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
        let encoder = Encoder::new(&table.spec.file_schema(), file.order)
            .map_err(|source| encode_failed(table.spec.name, source))?;
        Ok(Self { table, file, encoder })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), LakeError> {
        self.encoder.write(batch).map_err(|source| encode_failed(self.table.spec.name, source))
    }

    /// Waits for the disk on the thread that calls. No commit names the file yet.
    pub(crate) fn finish(self) -> Result<DataFile, LakeError> {
        let Self { table, file, encoder } = self;
        let path = table.folder.join(&file.path);
        publish(&path, table.spec.name, &table.disk, encoder, file)
    }
}

struct Encoder {
    writer: ArrowWriter<Vec<u8>>,
    rows: usize,
}

impl Encoder {
    fn new(schema: &SchemaRef, order: &[&str]) -> Result<Self, ParquetError> {
        let properties = properties(schema, order)?;
        let writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties))?;
        Ok(Self { writer, rows: 0 })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), ParquetError> {
        self.rows += batch.num_rows();
        self.writer.write(batch)
    }

    fn finish(self) -> Result<Vec<u8>, ParquetError> {
        self.writer.into_inner()
    }
}

fn properties(schema: &SchemaRef, order: &[&str]) -> Result<WriterProperties, ParquetError> {
    let position = |name: &&str| schema.index_of(name).map(|at| at as i32);
    let sorting = order.iter().map(position).collect::<Result<Vec<_>, _>>()?;
    let sorting = sorting.into_iter().map(|column_idx| SortingColumn {
        column_idx,
        descending: false,
        nulls_first: true,
    });
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_created_by("turnpike".to_owned())
        .set_sorting_columns((!order.is_empty()).then(|| sorting.collect()));
    for name in DISTINCT {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(name), false);
    }
    if schema.index_of("raw").is_ok() {
        properties = for_raw(schema, properties);
    }
    for name in UNSEARCHED {
        let column = ColumnPath::from(name);
        properties = properties.set_column_statistics_enabled(column, EnabledStatistics::None);
    }
    if schema.index_of("line_id").is_ok() {
        properties = for_lines(properties);
    }
    if !order.is_empty() {
        properties = for_runs(properties);
    }
    Ok(properties.build())
}

/// Rated lines are written by every run and read whole. A compressor for each column of a few values
/// would cost more than it saves, and so would looking for repeats among exact figures.
fn for_lines(mut properties: WriterPropertiesBuilder) -> WriterPropertiesBuilder {
    for name in LINE_FIGURES {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(name), false);
    }
    for name in LINE_WORDS {
        properties =
            properties.set_column_compression(ColumnPath::from(name), Compression::UNCOMPRESSED);
    }
    properties.set_statistics_enabled(EnabledStatistics::None)
}

/// Raw events are written far more often than read, and read as a whole or looked through row by
/// row: numbers and words stay plain, which zstd packs well enough and sooner than a dictionary looks
/// them up, and nobody asks for the least value of a column.
fn for_raw(schema: &SchemaRef, properties: WriterPropertiesBuilder) -> WriterPropertiesBuilder {
    let mut properties =
        properties.set_statistics_enabled(EnabledStatistics::None).set_offset_index_disabled(true);
    let numbers = schema.fields().iter().filter(|field| field.data_type().is_primitive());
    let names = numbers.map(|field| field.name().as_str()).chain(WORDS);
    let columns = names.map(ColumnPath::from);
    let nested = MEASURED.map(|name| ["measurements", "list", "element", name]);
    let nested = nested.map(|path| ColumnPath::new(path.map(str::to_owned).to_vec()));
    for column in columns.chain(nested) {
        properties = properties.set_column_dictionary_enabled(column, false);
    }
    properties
}

/// Files that are sorted are read in order, column by column, again and again.
fn for_runs(mut properties: WriterPropertiesBuilder) -> WriterPropertiesBuilder {
    for name in STEPPED {
        properties = properties
            .set_column_dictionary_enabled(ColumnPath::from(name), false)
            .set_column_encoding(ColumnPath::from(name), Encoding::DELTA_BINARY_PACKED);
    }
    for name in UNPACKED {
        properties =
            properties.set_column_compression(ColumnPath::from(name), Compression::UNCOMPRESSED);
    }
    properties
        .set_column_dictionary_enabled(ColumnPath::from("content_hash"), false)
        .set_max_row_group_row_count(Some(RUN_GROUP_ROWS))
        .set_column_dictionary_page_size_limit(
            ColumnPath::from("resource"),
            RESOURCE_DICTIONARY_BYTES,
        )
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
