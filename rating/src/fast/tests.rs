//! Columns as the lake's writer and others encode them, read by code and by value.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, Encoding, ZstdLevel};
use datafusion::parquet::file::metadata::ParquetMetaDataReader;
use datafusion::parquet::file::properties::{WriterProperties, WriterVersion};
use datafusion::parquet::schema::types::ColumnPath;

use super::column::{self, NO_LONG, Texts, Values};
use super::pages::Pages;

/// Writes columns to a file and opens it.
fn written(columns: Vec<(&str, ArrayRef)>, properties: WriterProperties) -> File {
    let name = format!("turnpike-column-{}-{:?}", std::process::id(), std::thread::current().id());
    let path = std::env::temp_dir().join(name);
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .expect("batch");
    let file = File::create(&path).expect("creates");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("writer");
    writer.write(&batch).expect("writes");
    writer.close().expect("closes");
    let file = File::open(&path).expect("opens");
    std::fs::remove_file(&path).expect("removes");
    file
}

fn text_at(texts: &Texts, row: usize) -> Option<&str> {
    texts.entries.get(texts.codes.at(row)).map(|bytes| std::str::from_utf8(bytes).expect("text"))
}

#[test]
fn columns_come_back_whatever_their_encoding() {
    let rows = 5_000_usize;
    let texts: Vec<Option<String>> =
        (0..rows).map(|row| (row % 7 != 3).then(|| format!("r-{:05}", row / 11))).collect();
    let longs: Vec<Option<i64>> = (0..rows)
        .map(|row| (row % 5 != 1).then_some((1 << 40) | ((row as i64 * 7_919) % 1_000)))
        .collect();
    let truths: Vec<Option<bool>> =
        (0..rows).map(|row| (row > 9).then_some(row % 3 == 0)).collect();
    let columns = || -> Vec<(&str, ArrayRef)> {
        vec![
            ("text", Arc::new(StringArray::from(texts.clone()))),
            ("long", Arc::new(Int64Array::from(longs.clone()))),
            ("truth", Arc::new(BooleanArray::from(truths.clone()))),
            ("same", Arc::new(Int32Array::from(vec![6; rows]))),
            ("none", Arc::new(StringArray::new_null(rows))),
        ]
    };
    let plain = || WriterProperties::builder().set_dictionary_enabled(false);
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let ways = [
        WriterProperties::builder().build(),
        WriterProperties::builder()
            .set_compression(zstd)
            .set_data_page_row_count_limit(700)
            .build(),
        WriterProperties::builder().set_dictionary_page_size_limit(64).build(),
        WriterProperties::builder().set_writer_version(WriterVersion::PARQUET_2_0).build(),
        plain().build(),
        plain()
            .set_column_encoding(ColumnPath::from("long"), Encoding::DELTA_BINARY_PACKED)
            .build(),
    ];
    let mut pages = Pages::default();
    for properties in ways {
        let mut file = written(columns(), properties);
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&file).expect("metadata");
        let group = metadata.row_group(0);
        let found = column::texts(&mut pages, &mut file, group.column(0), rows).expect("texts");
        let found_longs =
            column::longs(&mut pages, &mut file, group.column(1), rows).expect("longs");
        let found_truths =
            column::longs(&mut pages, &mut file, group.column(2), rows).expect("truths");
        for row in 0..rows {
            assert_eq!(text_at(&found, row), texts[row].as_deref());
            assert_eq!(found_longs.at(row), longs[row].unwrap_or(NO_LONG));
            assert_eq!(found_truths.at(row), truths[row].map_or(NO_LONG, i64::from));
        }
        let same = column::longs(&mut pages, &mut file, group.column(3), rows).expect("same");
        assert!(matches!(same, Values::Same(6)));
        let none = column::texts(&mut pages, &mut file, group.column(4), rows).expect("none");
        assert_eq!(text_at(&none, 0), None);
        assert!(
            column::longs(&mut pages, &mut file, group.column(0), rows).is_none(),
            "a text is no number"
        );
    }
}
