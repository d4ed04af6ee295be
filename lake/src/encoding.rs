//! How the columns of each table are encoded in its Parquet files.

use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

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
/// Bytes of a page of raw events, before they are compressed. Larger buffers are given back to the
/// system after each page, and cleared anew for the next: that took as long as compressing them.
const RAW_PAGE_BYTES: usize = 128 << 10;
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

/// Writes rows, sorted by the columns `order`, into the bytes of a file.
pub(crate) fn writer(
    schema: &SchemaRef,
    order: &[&str],
) -> Result<ArrowWriter<Vec<u8>>, ParquetError> {
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
    let properties = properties.build();
    ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties))
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
    let mut properties = properties
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .set_data_page_size_limit(RAW_PAGE_BYTES);
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
