//! [`MeterExec`]: the operator that folds a bucket's ordered rows into exact sums per price.
//!
//! Invariants: the input is one partition ordered by `USAGE_ORDER` (required of the planner); each
//! resource lies in it in one stretch. The operator's product stays in its task as a
//! [`BucketResult`]; the rows it emits are only its counts, so that no sum of money or quantity ever
//! passes through an engine that adds with wrapping.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex};

use arrow::array::{Array, AsArray, BooleanArray, Int64Array, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, Partitioning, PlanProperties,
};
use futures::{StreamExt, stream};
use turnpike_schemas::{AccountId, Instant, Period, PriceBook, ResourceId, UsageInterval};

use super::view::{Gatherer, View};
use crate::fast::Left;
use crate::gather::Harvest;
use crate::metering::{self, EventReader, Fold, Metered, MeteredEvent};
use crate::tariff_lookup::Lookup;

/// What metering one bucket needs, and where its result is left.
pub struct MeterTask {
    pub bucket: u32,
    /// Keys of events that corrections took back or replaced: they are not metered.
    pub masked: Arc<HashSet<String>>,
    pub book: Arc<PriceBook>,
    pub periods: Arc<BTreeMap<AccountId, Period>>,
    pub span: Period,
    /// Nothing is billed at or past this instant.
    pub until: Instant,
    /// Month starts at which the state is kept, ascending.
    pub state_months: Vec<(i32, Instant)>,
    pub opening: BTreeMap<ResourceId, Metered>,
    /// Other ways to price the same usage.
    pub views: Arc<Vec<View>>,
    /// The resources to meter; others were metered the short way.
    pub(crate) left: Left,
    pub result: Mutex<BucketResult>,
}

/// What one bucket comes to.
#[derive(Debug, Default)]
pub struct BucketResult {
    pub bucket: u32,
    pub harvest: Harvest,
    /// One of each view.
    pub views: Vec<Harvest>,
    /// Per month start that was metered across, and no other: every resource that is known there.
    pub states: BTreeMap<i32, Vec<Metered>>,
    pub rows: u64,
    pub events: u64,
    /// Times that rows were spilled, where memory was too short to merge them.
    pub spills: u64,
}

impl MeterTask {
    /// The result, once the plan has run.
    pub fn take_result(&self) -> BucketResult {
        std::mem::take(&mut *self.result.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

/// The operator.
pub struct MeterExec {
    input: Arc<dyn ExecutionPlan>,
    task: Arc<MeterTask>,
    properties: Arc<PlanProperties>,
}

impl MeterExec {
    pub fn new(input: Arc<dyn ExecutionPlan>, task: Arc<MeterTask>) -> Self {
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(counts_schema()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        ));
        Self { input, task, properties }
    }
}

fn counts_schema() -> SchemaRef {
    let long = |name| Field::new(name, DataType::Int64, false);
    Arc::new(Schema::new(vec![long("bucket"), long("rows"), long("events"), long("intervals")]))
}

impl fmt::Debug for MeterExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MeterExec(bucket {})", self.task.bucket)
    }
}

impl DisplayAs for MeterExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MeterExec: bucket={}, span={}", self.task.bucket, self.task.span)
    }
}

impl ExecutionPlan for MeterExec {
    fn name(&self) -> &str {
        "MeterExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        vec![Distribution::SinglePartition]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(input) = children.pop().filter(|_| children.is_empty()) else {
            return Err(DataFusionError::Internal("MeterExec has one input".to_owned()));
        };
        Ok(Arc::new(Self::new(input, Arc::clone(&self.task))))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let task = Arc::clone(&self.task);
        let counts = stream::once(run(task, input));
        Ok(Box::pin(RecordBatchStreamAdapter::new(counts_schema(), counts)))
    }
}

async fn run(task: Arc<MeterTask>, mut input: SendableRecordBatchStream) -> Result<RecordBatch> {
    let mut worker = Worker::new(&task);
    let mut reader = EventReader::default();
    while let Some(batch) = input.next().await {
        let batch = left_of(&task.left, &batch?)?;
        worker.result.rows += u64::try_from(batch.num_rows()).unwrap_or(u64::MAX);
        reader
            .read(&batch, |event| {
                worker.take(event);
                Ok(())
            })
            .map_err(|error| DataFusionError::External(Box::new(error)))?;
    }
    if let Some(event) = reader.finish() {
        worker.take(event);
    }
    let result = worker.finish();
    let long = |value: u64| {
        Arc::new(Int64Array::from(vec![i64::try_from(value).unwrap_or(i64::MAX)])) as _
    };
    let counts = RecordBatch::try_new(
        counts_schema(),
        vec![
            long(u64::from(task.bucket)),
            long(result.rows),
            long(result.events),
            long(result.harvest.intervals),
        ],
    )?;
    *task.result.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = result;
    Ok(counts)
}

/// The rows of resources that are left. Rows of one resource stand together.
fn left_of(left: &Left, batch: &RecordBatch) -> Result<RecordBatch> {
    let column = batch.column_by_name("resource").and_then(|column| column.as_string_opt::<i32>());
    let Some(column) = column else {
        return Err(DataFusionError::Internal("`usage` has no resource column".to_owned()));
    };
    let mut last: Option<(&str, bool)> = None;
    let mut rows = Vec::with_capacity(column.len());
    for name in column {
        let answer = match (name, last) {
            (None, _) => true,
            (Some(name), Some((known, answer))) if known == name => answer,
            (Some(name), _) => left.contains(name),
        };
        rows.push(answer);
        last = name.map(|name| (name, answer));
    }
    Ok(filter_record_batch(batch, &BooleanArray::from(rows))?)
}

/// Folds resource after resource.
struct Worker<'a> {
    task: &'a MeterTask,
    lookup: Lookup<'a>,
    /// Opening states of resources that no event has come for yet.
    waiting: BTreeMap<ResourceId, Metered>,
    current: Option<(ResourceId, Fold, usize)>,
    views: Vec<Gatherer<'a>>,
    result: BucketResult,
}

impl<'a> Worker<'a> {
    fn new(task: &'a MeterTask) -> Self {
        Self {
            task,
            lookup: Lookup::new(&task.book, &task.periods),
            waiting: task.opening.clone(),
            current: None,
            views: task.views.iter().map(Gatherer::new).collect(),
            result: BucketResult {
                bucket: task.bucket,
                // Each month start that this bucket was metered across, also where nothing is known.
                states: task.state_months.iter().map(|(month, _)| (*month, Vec::new())).collect(),
                ..BucketResult::default()
            },
        }
    }

    fn take(&mut self, event: MeteredEvent) {
        if self.task.masked.contains(&event.key) {
            return;
        }
        self.result.events += 1;
        if self.current.as_ref().is_none_or(|(resource, ..)| resource != &event.resource) {
            self.close_resource();
            let opening = self.waiting.remove(&event.resource);
            self.current = Some((event.resource.clone(), Fold::open(opening), 0));
        }
        let Some((_, fold, month)) = &mut self.current else {
            return;
        };
        while let Some((name, start)) = self.task.state_months.get(*month) {
            if event.time < *start {
                break;
            }
            keep_state(&mut self.result.states, *name, *start, fold);
            *month += 1;
        }
        let (harvest, lookup, task) = (&mut self.result.harvest, &self.lookup, self.task);
        let views = &mut self.views;
        fold.apply(&event, &mut |interval: UsageInterval| {
            harvest.add(lookup, &interval, &task.span, task.until);
            views.iter_mut().for_each(|view| view.take(&interval));
        });
    }

    fn close_resource(&mut self) {
        let Some((_, fold, month)) = self.current.take() else {
            return;
        };
        for (name, start) in self.task.state_months.iter().skip(month) {
            keep_state(&mut self.result.states, *name, *start, &fold);
        }
        let Some(source) = fold.state().map(|known| known.holder.source.clone()) else {
            return;
        };
        let policy = self.task.book.open_intervals(&source);
        let (harvest, lookup, task) = (&mut self.result.harvest, &self.lookup, self.task);
        let views = &mut self.views;
        // What has no end yet goes on past what is rated.
        let after =
            views.iter().map(Gatherer::after_seconds).fold(lookup.after_seconds(), i64::max);
        let until = task.views.iter().map(|view| view.until).fold(task.until, Instant::max);
        let beyond = until.plus_seconds(after).unwrap_or(Instant::MAX);
        fold.finish(beyond, policy, &mut |interval: UsageInterval| {
            harvest.add_open(lookup, &interval, &task.span, task.until);
            views.iter_mut().for_each(|view| view.take_open(&interval));
        });
        harvest.close_resource();
        views.iter_mut().for_each(Gatherer::close_resource);
    }

    fn finish(mut self) -> BucketResult {
        self.close_resource();
        for (resource, opening) in std::mem::take(&mut self.waiting) {
            self.current = Some((resource, Fold::open(Some(opening)), 0));
            self.close_resource();
        }
        self.result.views = self.views.into_iter().map(|view| view.harvest).collect();
        self.result
    }
}

fn keep_state(states: &mut BTreeMap<i32, Vec<Metered>>, month: i32, start: Instant, fold: &Fold) {
    let Some(known) = fold.state() else { return };
    if metering::is_remembered(known, start) {
        states.entry(month).or_default().push(known.clone());
    }
}
