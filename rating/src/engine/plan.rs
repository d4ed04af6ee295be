//! The plan of one bucket: its files and its tail, merged in order, under [`MeterExec`].
//!
//! The merge keeps a batch of each input in memory and cannot spill. Where the memory of the run does
//! not hold them the bucket is metered once more: small batches in any order, sorted by an operator
//! that spills. Both give the same rows in the same order.

use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
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

/// Rows of a batch where memory is short.
const SMALL_BATCH_ROWS: usize = 256;

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
    let merged = ordered_input(session, files, tail.clone(), true).await.map_err(wrap)?;
    let spills = match metered(session, merged, &task).await {
        Ok(spills) => spills,
        Err(error) if is_out_of_memory(&error) => {
            let session = spilling(session);
            let tail = in_small_batches(&tail).map_err(|error| wrap(error.into()))?;
            let sorted = ordered_input(&session, files, tail, false).await.map_err(wrap)?;
            metered(&session, sorted, &task).await.map_err(wrap)?
        }
        Err(error) => return Err(wrap(error)),
    };
    Ok(BucketResult { spills, ..task.take_result() })
}

/// Runs the operator over an ordered input; how often it was spilled.
async fn metered(
    session: &SessionContext,
    input: Arc<dyn ExecutionPlan>,
    task: &Arc<MeterTask>,
) -> Result<u64, DataFusionError> {
    let meter = Arc::new(MeterExec::new(Arc::clone(&input), Arc::clone(task)));
    collect(meter as Arc<dyn ExecutionPlan>, session.task_ctx()).await?;
    Ok(spills_of(&input))
}

fn is_out_of_memory(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::ResourcesExhausted(_))
}

fn spills_of(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let own = plan.metrics().and_then(|metrics| metrics.spill_count()).unwrap_or(0);
    let below: u64 = plan.children().into_iter().map(spills_of).sum();
    u64::try_from(own).unwrap_or(u64::MAX).saturating_add(below)
}

/// The same session with small batches, and one sort over all inputs.
fn spilling(session: &SessionContext) -> SessionContext {
    let config = session.copied_config();
    let rows = config.batch_size().min(SMALL_BATCH_ROWS);
    let mut config = config.with_batch_size(rows);
    let options = config.options_mut();
    options.optimizer.repartition_sorts = false;
    SessionContext::new_with_config_rt(config, session.runtime_env())
}

/// Copies, since a slice holds on to all of what it is of.
fn in_small_batches(tail: &[RecordBatch]) -> Result<Vec<RecordBatch>, ArrowError> {
    let mut found = Vec::new();
    for batch in tail {
        let rows = u32::try_from(batch.num_rows()).unwrap_or(u32::MAX);
        let all: Vec<u32> = (0..rows).collect();
        for some in all.chunks(SMALL_BATCH_ROWS) {
            found.push(take_record_batch(batch, &UInt32Array::from(some.to_vec()))?);
        }
    }
    Ok(found)
}

/// All rows of the bucket in one ordered stream: merged where each source has its declared order, else
/// sorted.
async fn ordered_input(
    session: &SessionContext,
    files: &[RunFile],
    tail: Vec<RecordBatch>,
    merged: bool,
) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    let schema = usage();
    let columns = read_columns(&schema);
    let orders = || if merged { vec![order()] } else { Vec::new() };
    let mut union: Option<DataFrame> = None;
    let mut add = |frame: DataFrame| -> Result<(), DataFusionError> {
        union = Some(match union.take() {
            Some(all) => all.union(frame)?,
            None => frame,
        });
        Ok(())
    };
    for file in files {
        add(session.read_table(run_table(file, orders())?)?.select_columns(&columns)?)?;
    }
    if !tail.is_empty() || files.is_empty() {
        add(session.read_table(tail_table(tail, orders())?)?.select_columns(&columns)?)?;
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

fn run_table(
    file: &RunFile,
    orders: Vec<Vec<SortExpr>>,
) -> Result<Arc<dyn TableProvider>, DataFusionError> {
    let url = url::Url::from_file_path(&file.path).map_err(|()| {
        DataFusionError::Configuration(format!("{} is no absolute path", file.path.display()))
    })?;
    let options = ListingOptions::new(Arc::new(ParquetFormat::default()))
        .with_file_extension(".parquet")
        .with_file_sort_order(orders);
    let config = ListingTableConfig::new(ListingTableUrl::parse(url.as_str())?)
        .with_listing_options(options)
        .with_schema(file_schema());
    Ok(Arc::new(ListingTable::try_new(config)?))
}

fn tail_table(
    tail: Vec<RecordBatch>,
    orders: Vec<Vec<SortExpr>>,
) -> Result<Arc<dyn TableProvider>, DataFusionError> {
    let schema = tail.first().map_or_else(usage, RecordBatch::schema);
    let table = MemTable::try_new(schema, vec![tail])?.with_sort_order(orders);
    Ok(Arc::new(table))
}
