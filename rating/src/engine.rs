//! The engine: DataFusion plans and runs the metering of each bucket.
//!
//! A bucket is the unit of work: it is metered alone, deterministically, and can be repeated alone.
//! What is usual goes the short way ([`crate::fast`]). For the resources that are left DataFusion
//! reads the bucket's sorted files (and the rows not yet compacted), merges them in order and feeds
//! [`MeterExec`]; it sorts nothing, since every file declares its order (but where memory is too short
//! to merge, and a sort spills), and it computes nothing, since its sums wrap (docs/adr/0001).

mod meter_exec;
mod plan;
mod stage;
mod view;

use std::sync::Arc;

use datafusion::execution::context::SessionContext;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::SessionConfig;

pub use meter_exec::{BucketResult, MeterExec, MeterTask};
pub(crate) use plan::meter_bucket;
pub(crate) use stage::{Found, Job, meter_all, opening, resources_of};
pub use view::View;

use crate::error::RatingError;

/// Sets up a session whose options are pinned, so that no default of the environment can change a
/// plan.
pub fn session(batch_rows: usize, memory_bytes: usize) -> Result<SessionContext, RatingError> {
    let mut config = SessionConfig::new()
        .with_target_partitions(1)
        .with_batch_size(batch_rows)
        .with_information_schema(false)
        .with_parquet_pruning(true);
    let options = config.options_mut();
    // The fold reads plain strings; views would be converted row by row.
    options.execution.parquet.schema_force_view_types = false;
    options.optimizer.prefer_existing_sort = true;
    // Set aside to merge what a sort has spilled: no more than a part of what there is.
    let aside = &mut options.execution.sort_spill_reservation_bytes;
    *aside = (*aside).min(memory_bytes / 8);
    let runtime = RuntimeEnvBuilder::new()
        // Fair, not greedy: a greedy pool starves the merge of sorted runs (reference measurement).
        .with_memory_pool(Arc::new(FairSpillPool::new(memory_bytes)))
        .build_arc()
        .map_err(|error| RatingError::Setup(Box::new(error)))?;
    Ok(SessionContext::new_with_config_rt(config, runtime))
}
