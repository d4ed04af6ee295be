//! What records become, for people: a line for each event, or every field of one in words.
//!
//! Owns: how decoded events are shown by `ingest --dry-run` and `check-event`.
//! Does not own: decoding itself.

use std::path::Path;

use turnpike_ingest::file::Preview;
use turnpike_ingest::{Decoded, IngestSettings, adapters};
use turnpike_schemas::event::{Flow, Measurement, Window};
use turnpike_schemas::meter::MeterCatalogue;
use turnpike_schemas::parse::scaled_to_short_decimal;
use turnpike_schemas::{Instant, UsageEvent};

use crate::app::App;
use crate::output::{self, Cell, Record, Table};

/// Ingest's settings without making anything: where no books are, the built-in meters hold.
pub async fn settings(app: &App) -> anyhow::Result<IngestSettings> {
    if !app.has_books() {
        return Ok(app.ingest_settings_with(MeterCatalogue::builtin()));
    }
    app.ingest_settings(&app.books().await?).await
}

const COLUMNS: [&str; 12] = [
    "record",
    "status",
    "adapter",
    "kind",
    "resource",
    "owner",
    "time",
    "window",
    "state",
    "measurements",
    "reason",
    "error",
];

/// A line for each event, up to a limit.
pub struct Lines {
    rows: Vec<Vec<Cell>>,
    limit: usize,
    file: Option<String>,
    events: u64,
    dead: u64,
    is_cut: bool,
}

impl Lines {
    pub fn new(limit: usize) -> Self {
        Self { rows: Vec::new(), limit, file: None, events: 0, dead: 0, is_cut: false }
    }

    /// Adds what a record became. Whether there is room for more.
    pub fn add(&mut self, path: Option<&Path>, preview: &Preview) -> bool {
        if self.rows.len() >= self.limit {
            self.is_cut = true;
            return false;
        }
        self.file = path.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
        for decoded in &preview.decoded {
            match decoded {
                Decoded::Dead(_) => self.dead += 1,
                Decoded::Event(_) | Decoded::Unmetered(_) => self.events += 1,
            }
            let place = match &self.file {
                Some(file) => format!("{file}:{}", preview.position),
                None => preview.position.to_string(),
            };
            self.rows.push(line(place, decoded));
        }
        true
    }

    pub fn table(&self) -> Table {
        let mut table = Table::new(&COLUMNS);
        for row in &self.rows {
            table.push(row.clone());
        }
        table
    }

    /// Says what the table is not: everything.
    pub fn note(&self) {
        let more = if self.is_cut { "; there are more records (--limit)" } else { "" };
        let (events, dead) = (output::grouped(self.events), output::grouped(self.dead));
        output::note(&format!("nothing was stored: {events} events, {dead} dead letters{more}"));
    }
}

fn line(place: String, decoded: &Decoded) -> Vec<Cell> {
    let place = Cell::Text(place);
    match decoded {
        Decoded::Dead(reject) => {
            let mut cells = vec![place, Cell::text("dead"), Cell::optional(reject.system)];
            cells.resize(COLUMNS.len() - 2, Cell::None);
            cells.extend([Cell::text(reject.code), Cell::text(&reject.message)]);
            cells
        }
        Decoded::Event(event) | Decoded::Unmetered(event) => {
            let unmetered = event.resource.is_none();
            let because = event.attributes.get("unmetered_because");
            let because = because.or(event.attributes.get("event_type")).filter(|_| unmetered);
            let sizes: Vec<String> = event.measurements.iter().map(quantity).collect();
            vec![
                place,
                Cell::text("accepted"),
                Cell::text(&event.system),
                Cell::text(event.kind.as_str()),
                Cell::optional(event.resource.as_ref()),
                Cell::optional(event.owner.as_ref()),
                Cell::text(event.time),
                Cell::optional(event.window.map(between)),
                Cell::optional(event.state.map(|state| state.as_str())),
                Cell::text(sizes.join(", ")),
                if unmetered { Cell::text(turnpike_ingest::reason::UNMETERED) } else { Cell::None },
                Cell::optional(because),
            ]
        }
    }
}

fn between(window: Window) -> String {
    format!("{} to {}", window.start, window.end)
}

/// `memory 2147483648 byte (2 GiB)`.
fn quantity(measurement: &Measurement) -> String {
    let catalogue = MeterCatalogue::builtin();
    let shown = scaled_to_short_decimal(i128::from(measurement.quantity), measurement.scale);
    let flow = match measurement.flow {
        Flow::Held => "",
        Flow::Delta => " consumed",
        Flow::Cumulative => " on a counter",
    };
    let Some(meter) = catalogue.get(&measurement.meter) else {
        return format!("{} {shown}{flow}", measurement.meter);
    };
    // The largest unit in which it is a whole number.
    let whole = meter.units.iter().filter(|unit| {
        let one =
            10_i64.checked_pow(measurement.scale).and_then(|p| p.checked_mul(unit.base_units));
        unit.base_units > 1
            && measurement.quantity > 0
            && one.is_some_and(|one| measurement.quantity % one == 0)
    });
    let largest = whole.max_by_key(|unit| unit.base_units).map(|unit| {
        let one = i128::from(unit.base_units);
        let count = i128::from(measurement.quantity) / one;
        format!(" ({} {})", scaled_to_short_decimal(count, measurement.scale), unit.name)
    });
    format!("{} {shown} {}{}{flow}", meter.id, meter.unit, largest.unwrap_or_default())
}

/// Every field of what a record became, in words.
pub fn in_words(decoded: &Decoded) -> Record {
    match decoded {
        Decoded::Dead(reject) => {
            let meaning =
                turnpike_ingest::reason::ALL.iter().find(|known| known.code == reject.code);
            Record::default()
                .with("verdict", Cell::text("refused: it would be a dead letter"))
                .with("adapter", Cell::optional(reject.system))
                .with("reason", Cell::text(reject.code))
                .with("meaning", Cell::optional(meaning.map(|known| known.meaning)))
                .with("error", Cell::text(&reject.message))
        }
        Decoded::Event(event) | Decoded::Unmetered(event) => of_event(event),
    }
}

fn of_event(event: &UsageEvent) -> Record {
    let verdict = match event.resource {
        Some(_) => "accepted",
        None => "accepted, and meters nothing",
    };
    let adapter = adapters::find(&event.system);
    let capture = adapter.map(|a| if a.is_verified() { "verified" } else { "unverified" });
    let sizes: Vec<String> = event.measurements.iter().map(quantity).collect();
    let labels = |labels: &std::collections::BTreeMap<String, String>| {
        let pairs: Vec<String> =
            labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        Cell::optional((!pairs.is_empty()).then(|| pairs.join(", ")))
    };
    let instant = |instant: Option<Instant>| Cell::optional(instant);
    let text = |text: &Option<String>| Cell::optional(text.as_ref());
    Record::default()
        .with("verdict", Cell::text(verdict))
        .with("adapter", Cell::text(&event.system))
        .with("capture", Cell::optional(capture))
        .with("kind", Cell::text(event.kind.as_str()))
        .with("source", Cell::text(&event.source))
        .with("id", Cell::text(&event.id))
        .with("resource", Cell::optional(event.resource.as_ref()))
        .with("parent", Cell::optional(event.parent.as_ref()))
        .with("owner", Cell::optional(event.owner.as_ref()))
        .with("project", text(&event.project))
        .with("site", text(&event.site))
        .with("region", text(&event.region))
        .with("time", Cell::text(event.time))
        .with("window", Cell::optional(event.window.map(between)))
        .with("since", instant(event.since))
        .with("seconds", event.seconds.map_or(Cell::None, Cell::Integer))
        .with("state", Cell::optional(event.state.map(|state| state.as_str())))
        .with("terminal", Cell::Flag(event.terminal))
        .with("incarnation", text(&event.incarnation))
        .with("measurements", Cell::optional((!sizes.is_empty()).then(|| sizes.join(", "))))
        .with("attributes", labels(&event.attributes))
        .with("tags", event.tags.as_ref().map_or(Cell::None, labels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use turnpike_schemas::MeterId;

    #[test]
    fn quantities_are_told_in_their_units() {
        let check = |meter: &str, quantity: i64, scale: u32, flow: Flow, expect: &str| {
            let meter = MeterId::new(meter).expect("meter");
            assert_eq!(self::quantity(&Measurement { meter, quantity, scale, flow }), expect);
        };
        check("memory", 2 << 30, 0, Flow::Held, "memory 2147483648 byte (2 GiB)");
        check("memory", 1_000_001, 0, Flow::Held, "memory 1000001 byte");
        check("vcpu", 2_500_000, 6, Flow::Held, "vcpu 2.5 vCPU");
        check("egress", 0, 0, Flow::Cumulative, "egress 0 byte on a counter");
        check("cpu-mhz", 2_000_000_000, 6, Flow::Held, "cpu-mhz 2000 MHz (2 GHz)");
        check("unknown", 15, 1, Flow::Delta, "unknown 1.5 consumed");
    }
}
