//! [`RowChoice`]: which rows of a bucket a scan is after.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::Int64Type;
use arrow::error::ArrowError;
use parquet::arrow::arrow_reader::{ArrowPredicate, ArrowPredicateFn, RowFilter};

use crate::raw::RAW_VERSION;
use crate::run::Run;
use crate::{LakeError, parquet_file};

const RESOURCE: &str = "resource";

/// Which rows are wanted.
#[derive(Debug, Clone)]
pub(crate) enum RowChoice {
    All,
    /// Those of later commits of `usage_events`.
    After(i64),
    /// Those of some resources.
    Of(Arc<HashSet<String>>),
}

impl RowChoice {
    pub(crate) fn may_be_in(&self, run: &Run) -> bool {
        match self {
            RowChoice::After(version) => run.raw_to > *version,
            RowChoice::All | RowChoice::Of(_) => true,
        }
    }

    /// Reads the rows of a file. Only the column that decides is decoded for the others.
    pub(crate) fn read(&self, path: &Path) -> Result<Vec<RecordBatch>, LakeError> {
        let Some(column) = self.column() else { return parquet_file::read("usage", path, None) };
        let choice = self.clone();
        let reader = parquet_file::open(path, None, move |columns, builder| {
            let wanted =
                ArrowPredicateFn::new(columns.mask(&[column])?, move |batch| choice.wanted(&batch));
            let wanted: Box<dyn ArrowPredicate> = Box::new(wanted);
            Ok(parquet_file::filtered(builder, RowFilter::new(vec![wanted])))
        });
        let read = reader.and_then(|reader| Ok(reader.collect::<Result<Vec<_>, _>>()?));
        read.map_err(|source| parquet_file::read_failed("usage", path, source))
    }

    pub(crate) fn of_batch(&self, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        match self {
            RowChoice::All => Ok(rows.clone()),
            _ => filter_record_batch(rows, &self.wanted(rows)?),
        }
    }

    fn column(&self) -> Option<&'static str> {
        match self {
            RowChoice::All => None,
            RowChoice::After(_) => Some(RAW_VERSION),
            RowChoice::Of(_) => Some(RESOURCE),
        }
    }

    fn wanted(&self, rows: &RecordBatch) -> Result<BooleanArray, ArrowError> {
        let missing = |name| ArrowError::SchemaError(format!("no column {name}"));
        let column = |name| rows.column_by_name(name).ok_or_else(|| missing(name));
        Ok(match self {
            RowChoice::All => BooleanArray::from(vec![true; rows.num_rows()]),
            RowChoice::After(version) => {
                let versions = column(RAW_VERSION)?.as_primitive_opt::<Int64Type>();
                let versions = versions.ok_or_else(|| missing(RAW_VERSION))?;
                versions.iter().map(|at| Some(at.is_some_and(|at| at > *version))).collect()
            }
            RowChoice::Of(resources) => {
                let names = column(RESOURCE)?.as_string_opt::<i32>();
                let names = names.ok_or_else(|| missing(RESOURCE))?;
                names
                    .iter()
                    .map(|name| Some(name.is_some_and(|name| resources.contains(name))))
                    .collect()
            }
        })
    }
}
