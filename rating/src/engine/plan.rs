//! The plan of one bucket: its files and its tail, merged in order, under [`MeterExec`].

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::dataframe::DataFrame;
use datafusion::datasource::MemTable;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::error::DataFusionError;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::SortExpr;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::col;
use turnpike_lake::RunFile;
use turnpike_schemas::arrow::{USAGE_ORDER, USAGE_PARTITIONS, usage};

use super::meter_exec::{BucketResult, MeterExec, MeterTask};
use crate::error::{RatingError, engine_error};

/// Columns of `usage` that metering does not read.
const UNREAD: [&str; 3] = ["content_hash", "raw_version", "raw_row"];

/// Meters the resources of one bucket that are left.
pub(crate) async fn meter_bucket(
    session: &SessionContext,
    files: &[RunFile],
    tail: Vec<RecordBatch>,
    task: MeterTask,
) -> Result<BucketResult, RatingError> {
    let bucket = task.bucket;
    let wrap = |error| engine_error(bucket, error);
    let task = Arc::new(task);
    let input = ordered_input(session, files, tail).await.map_err(wrap)?;
    let meter = Arc::new(MeterExec::new(input, Arc::clone(&task)));
    let plan: Arc<dyn ExecutionPlan> = Arc::clone(&meter) as Arc<dyn ExecutionPlan>;
    collect(plan, session.task_ctx()).await.map_err(wrap)?;
    Ok(task.take_result())
}

/// All rows of the bucket, each source in its declared order, merged into one ordered stream.
async fn ordered_input(
    session: &SessionContext,
    files: &[RunFile],
    tail: Vec<RecordBatch>,
) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    let schema = usage();
    let columns = read_columns(&schema);
    let mut union: Option<DataFrame> = None;
    let mut add = |frame: DataFrame| -> Result<(), DataFusionError> {
        union = Some(match union.take() {
            Some(all) => all.union(frame)?,
            None => frame,
        });
        Ok(())
    };
    for file in files {
        add(session.read_table(run_table(file)?)?.select_columns(&columns)?)?;
    }
    if !tail.is_empty() || files.is_empty() {
        add(session.read_table(tail_table(tail)?)?.select_columns(&columns)?)?;
    }
    let all = union.ok_or_else(|| DataFusionError::Internal("a plan without input".to_owned()))?;
    all.sort(order())?.create_physical_plan().await
}

fn order() -> Vec<SortExpr> {
    USAGE_ORDER.iter().map(|name| col(*name).sort(true, true)).collect()
}

fn read_columns(schema: &Schema) -> Vec<&str> {
    let names = schema.fields().iter().map(|field| field.name().as_str());
    names.filter(|name| !UNREAD.contains(name) && !USAGE_PARTITIONS.contains(name)).collect()
}

/// The columns inside a run file: all but the partition columns, which are in its path.
fn file_schema() -> SchemaRef {
    let fields: Vec<_> = usage()
        .fields()
        .iter()
        .filter(|field| !USAGE_PARTITIONS.contains(&field.name().as_str()))
        .cloned()
        .collect();
    Arc::new(Schema::new(fields))
}

fn run_table(file: &RunFile) -> Result<Arc<dyn TableProvider>, DataFusionError> {
    let url = url::Url::from_file_path(&file.path).map_err(|()| {
        DataFusionError::Configuration(format!("{} is no absolute path", file.path.display()))
    })?;
    let options = ListingOptions::new(Arc::new(ParquetFormat::default()))
        .with_file_extension(".parquet")
        .with_file_sort_order(vec![order()]);
    let config = ListingTableConfig::new(ListingTableUrl::parse(url.as_str())?)
        .with_listing_options(options)
        .with_schema(file_schema());
    Ok(Arc::new(ListingTable::try_new(config)?))
}

fn tail_table(tail: Vec<RecordBatch>) -> Result<Arc<dyn TableProvider>, DataFusionError> {
    let schema = tail.first().map_or_else(usage, RecordBatch::schema);
    let table = MemTable::try_new(schema, vec![tail])?.with_sort_order(vec![order()]);
    Ok(Arc::new(table))
}
