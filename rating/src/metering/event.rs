//! Rows of the `usage` table, read back as events.

use std::collections::BTreeMap;

use arrow::array::{
    Array, AsArray, BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray,
};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use turnpike_schemas::event::{EventKind, Flow, Measurement, ResourceState, Window};
use turnpike_schemas::{Instant, MeterId, OwnerRef, ResourceId, canonical};

use crate::error::RatingError;

/// An event as the fold needs it: rows of one (resource, instant, key) put together again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeteredEvent {
    pub resource: ResourceId,
    pub time: Instant,
    pub key: String,
    pub kind: EventKind,
    pub state: Option<ResourceState>,
    pub terminal: bool,
    pub window: Option<Window>,
    pub since: Option<Instant>,
    pub seconds: Option<i64>,
    pub incarnation: Option<String>,
    pub resource_kind: String,
    pub parent: Option<ResourceId>,
    pub owner: Option<OwnerRef>,
    pub project: Option<String>,
    pub site: Option<String>,
    pub region: Option<String>,
    pub source: String,
    pub attributes: BTreeMap<String, String>,
    pub tags: Option<BTreeMap<String, String>>,
    pub measurements: Vec<Measurement>,
}

/// Puts events together from ordered batches; the last event of a batch may go on in the next.
#[derive(Debug, Default)]
pub struct EventReader {
    open: Option<MeteredEvent>,
}

impl EventReader {
    /// Reads a batch of `usage` rows and hands over each event that is complete.
    pub fn read(
        &mut self,
        batch: &RecordBatch,
        mut each: impl FnMut(MeteredEvent) -> Result<(), RatingError>,
    ) -> Result<(), RatingError> {
        let columns = Columns::of(batch)?;
        for row in 0..batch.num_rows() {
            let same = self.open.as_ref().is_some_and(|event| columns.continues(event, row));
            if !same {
                if let Some(complete) = self.open.take() {
                    each(complete)?;
                }
                self.open = Some(columns.head(row)?);
            }
            if let (Some(event), Some(measurement)) = (&mut self.open, columns.measurement(row)?) {
                event.measurements.push(measurement);
            }
        }
        Ok(())
    }

    /// The event that the last batch left open.
    pub fn finish(self) -> Option<MeteredEvent> {
        self.open
    }
}

struct Columns<'a> {
    resource: &'a StringArray,
    time: &'a [i64],
    key: &'a StringArray,
    meter: &'a StringArray,
    flow: &'a StringArray,
    quantity: &'a Int64Array,
    scale: &'a Int32Array,
    kind: &'a StringArray,
    state: &'a StringArray,
    terminal: &'a BooleanArray,
    window_start: InstantColumn<'a>,
    window_end: InstantColumn<'a>,
    since: InstantColumn<'a>,
    seconds: &'a Int64Array,
    incarnation: &'a StringArray,
    resource_kind: &'a StringArray,
    parent: &'a StringArray,
    owner: &'a StringArray,
    project: &'a StringArray,
    site: &'a StringArray,
    region: &'a StringArray,
    source: &'a StringArray,
    attributes: &'a StringArray,
    tags: &'a StringArray,
}

type InstantColumn<'a> = &'a arrow::array::PrimitiveArray<TimestampMicrosecondType>;

const TABLE: &str = "usage";

fn column<'a>(batch: &'a RecordBatch, name: &'static str) -> Result<&'a dyn Array, RatingError> {
    batch.column_by_name(name).map(AsRef::as_ref).ok_or_else(|| RatingError::Column {
        table: TABLE,
        column: name,
        row: 0,
        problem: "the column is missing".to_owned(),
    })
}

fn wrong_type(name: &'static str, array: &dyn Array) -> RatingError {
    RatingError::Column {
        table: TABLE,
        column: name,
        row: 0,
        problem: format!("the column has type {}", array.data_type()),
    }
}

fn text_column<'a>(
    batch: &'a RecordBatch,
    name: &'static str,
) -> Result<&'a StringArray, RatingError> {
    let array = column(batch, name)?;
    array.as_string_opt::<i32>().ok_or_else(|| wrong_type(name, array))
}

fn instant_column<'a>(
    batch: &'a RecordBatch,
    name: &'static str,
) -> Result<InstantColumn<'a>, RatingError> {
    let array = column(batch, name)?;
    array.as_primitive_opt().ok_or_else(|| wrong_type(name, array))
}

fn long_column<'a>(
    batch: &'a RecordBatch,
    name: &'static str,
) -> Result<&'a Int64Array, RatingError> {
    let array = column(batch, name)?;
    array.as_primitive_opt::<Int64Type>().ok_or_else(|| wrong_type(name, array))
}

fn optional(array: &StringArray, row: usize) -> Option<&str> {
    (!array.is_null(row)).then(|| array.value(row))
}

fn bad(column: &'static str, row: usize, problem: impl ToString) -> RatingError {
    RatingError::Column { table: TABLE, column, row, problem: problem.to_string() }
}

fn instant(
    array: InstantColumn<'_>,
    name: &'static str,
    row: usize,
) -> Result<Option<Instant>, RatingError> {
    if array.is_null(row) {
        return Ok(None);
    }
    Instant::from_micros(array.value(row)).map(Some).map_err(|error| bad(name, row, error))
}

impl<'a> Columns<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Self, RatingError> {
        let scale = column(batch, "scale")?;
        let terminal = column(batch, "terminal")?;
        Ok(Self {
            resource: text_column(batch, "resource")?,
            time: instant_column(batch, "time")?.values(),
            key: text_column(batch, "event_key")?,
            meter: text_column(batch, "meter")?,
            flow: text_column(batch, "flow")?,
            quantity: long_column(batch, "quantity")?,
            scale: scale
                .as_primitive_opt::<Int32Type>()
                .ok_or_else(|| wrong_type("scale", scale))?,
            kind: text_column(batch, "kind")?,
            state: text_column(batch, "state")?,
            terminal: terminal.as_boolean_opt().ok_or_else(|| wrong_type("terminal", terminal))?,
            window_start: instant_column(batch, "window_start")?,
            window_end: instant_column(batch, "window_end")?,
            since: instant_column(batch, "since")?,
            seconds: long_column(batch, "seconds")?,
            incarnation: text_column(batch, "incarnation")?,
            resource_kind: text_column(batch, "resource_kind")?,
            parent: text_column(batch, "parent")?,
            owner: text_column(batch, "owner")?,
            project: text_column(batch, "project")?,
            site: text_column(batch, "site")?,
            region: text_column(batch, "region")?,
            source: text_column(batch, "source")?,
            attributes: text_column(batch, "attributes")?,
            tags: text_column(batch, "tags")?,
        })
    }

    fn continues(&self, event: &MeteredEvent, row: usize) -> bool {
        event.time.micros() == self.time[row]
            && event.key == self.key.value(row)
            && event.resource.as_str() == self.resource.value(row)
    }

    fn head(&self, row: usize) -> Result<MeteredEvent, RatingError> {
        let resource = ResourceId::new(self.resource.value(row))
            .map_err(|error| bad("resource", row, error))?;
        let kind = EventKind::from_word(self.kind.value(row))
            .ok_or_else(|| bad("kind", row, self.kind.value(row)))?;
        let state = optional(self.state, row)
            .map(|word| ResourceState::from_word(word).ok_or_else(|| bad("state", row, word)))
            .transpose()?;
        let window_start = instant(self.window_start, "window_start", row)?;
        let window_end = instant(self.window_end, "window_end", row)?;
        let parent = optional(self.parent, row).map(ResourceId::new).transpose();
        let owner = optional(self.owner, row).map(OwnerRef::new).transpose();
        let labels = |array: &StringArray, name| {
            optional(array, row)
                .map(|text| canonical::labels_from_json(text).ok_or_else(|| bad(name, row, text)))
                .transpose()
        };
        let text = |array: &StringArray| optional(array, row).map(str::to_owned);
        Ok(MeteredEvent {
            resource,
            time: Instant::from_micros(self.time[row]).map_err(|error| bad("time", row, error))?,
            key: self.key.value(row).to_owned(),
            kind,
            state,
            terminal: !self.terminal.is_null(row) && self.terminal.value(row),
            window: window_start.zip(window_end).map(|(start, end)| Window { start, end }),
            since: instant(self.since, "since", row)?,
            seconds: (!self.seconds.is_null(row)).then(|| self.seconds.value(row)),
            incarnation: text(self.incarnation),
            resource_kind: text(self.resource_kind).unwrap_or_default(),
            parent: parent.map_err(|error| bad("parent", row, error))?,
            owner: owner.map_err(|error| bad("owner", row, error))?,
            project: text(self.project),
            site: text(self.site),
            region: text(self.region),
            source: text(self.source).unwrap_or_default(),
            attributes: labels(self.attributes, "attributes")?.unwrap_or_default(),
            tags: labels(self.tags, "tags")?,
            measurements: Vec::new(),
        })
    }

    fn measurement(&self, row: usize) -> Result<Option<Measurement>, RatingError> {
        let Some(meter) = optional(self.meter, row) else {
            return Ok(None);
        };
        let flow = optional(self.flow, row).unwrap_or_default();
        if self.quantity.is_null(row) || self.scale.is_null(row) {
            return Err(bad("quantity", row, "a meter without a quantity"));
        }
        Ok(Some(Measurement {
            meter: MeterId::new(meter).map_err(|error| bad("meter", row, error))?,
            quantity: self.quantity.value(row),
            scale: u32::try_from(self.scale.value(row))
                .map_err(|error| bad("scale", row, error))?,
            flow: Flow::from_word(flow).ok_or_else(|| bad("flow", row, flow))?,
        }))
    }
}
