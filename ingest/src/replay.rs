//! Dead letters read after all, or given up.
//!
//! Owns: how a stored payload takes its way again (decode, redaction, one commit), and the row that
//! says what became of the dead letter.
//!
//! Invariants:
//! - A dead letter ends once. Its end is a `txn` of its own that the commit compares and sets, so
//!   that a second replay, at the same time or later, changes nothing.
//! - The dead letter's row stays. A row with the status `replayed` or `discarded` stands beside it.
//! - One whose payload still cannot be read stays what it was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::compute::concat_batches;
use arrow::error::ArrowError;
use turnpike_lake::{AppId, Append, Lake, OffsetAdvance};
use turnpike_schemas::Instant;
use turnpike_schemas::arrow::{status, usage_events};

use crate::batch::Batcher;
use crate::block::Prepared;
use crate::decode::{self, DEAD_BYTES_MAX, DecodeContext, Decoded, Outcome, Record};
use crate::http::Producer;
use crate::{IngestError, IngestReport, IngestSettings, file, reason};

/// Dead letters of one commit: each adds a `txn` to it.
const LETTERS_MAX: usize = 1_000;
/// Why a letter stays one though it can be read: who sent it may not send this.
const NOT_ALLOWED: &str = "not_allowed";
const APP_PREFIX: &str = "dead-letter:";
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Where a dead letter's row stands: origin, position, part.
pub type Place = (String, i64, i32);

/// A dead letter as its row holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub origin: String,
    pub position: i64,
    /// Which of the rows of its record; 0 unless the record lists several.
    pub part: i32,
    pub reason: Option<String>,
    pub system: Option<String>,
    pub payload: Vec<u8>,
    /// Given by an operator in place of what is stored.
    pub is_fixed: bool,
    /// The column `attributes` of its row: who sent it, if that has a say in how it is read.
    pub route: Option<String>,
}

/// What became of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Replayed,
    Discarded,
}

impl Fate {
    fn progress(self) -> i64 {
        match self {
            Fate::Replayed => 1,
            Fate::Discarded => 2,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Fate::Replayed => status::REPLAYED,
            Fate::Discarded => status::DISCARDED,
        }
    }
}

/// What a replay did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplayReport {
    /// Dead letters that were read now.
    pub replayed: u64,
    /// Those that had ended before.
    pub ended: u64,
    /// What their rows are, as far as ingest knows.
    pub rows: IngestReport,
    pub still_dead: Vec<StillDead>,
}

/// A dead letter that still cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StillDead {
    pub origin: String,
    pub position: i64,
    pub part: i32,
    pub reason: String,
    pub message: String,
}

/// The position and the part as an id shows them: `17`, or `17.3` past the first part.
pub fn shown(position: i64, part: i32) -> String {
    match part {
        0 => position.to_string(),
        part => format!("{position}.{part}"),
    }
}

/// The position and the part of such a text.
pub fn parse_shown(text: &str) -> Option<(i64, i32)> {
    let (position, part) = match text.split_once('.') {
        None => (text, 0),
        Some((position, part)) => (position, part.parse().ok().filter(|part| *part > 0)?),
    };
    Some((position.parse().ok()?, part))
}

/// The ends of all dead letters that have one.
pub async fn ends(lake: &Lake) -> Result<BTreeMap<Place, Fate>, IngestError> {
    let apps = lake
        .apps_with_prefix(APP_PREFIX)
        .await
        .map_err(|source| failed("look dead letters up", source))?;
    let end = |(app, progress): &(AppId, i64)| {
        let (origin, at) = app.as_str().strip_prefix(APP_PREFIX)?.rsplit_once(':')?;
        let (position, part) = parse_shown(at)?;
        let fate = match progress {
            1 => Fate::Replayed,
            _ => Fate::Discarded,
        };
        Some(((origin.to_owned(), position, part), fate))
    };
    Ok(apps.iter().filter_map(end).collect())
}

/// Whether the stored payload is not all that was received.
pub fn is_cut(letter: &DeadLetter) -> bool {
    // A cut keeps whole characters, of up to four bytes.
    let cut = letter.payload.len() + 4 > DEAD_BYTES_MAX;
    !letter.is_fixed && (cut || letter.reason.as_deref() == Some(reason::TOO_LARGE))
}

/// Reads dead letters again and commits what they hold.
pub async fn replay(
    lake: &Lake,
    letters: Vec<DeadLetter>,
    settings: &IngestSettings,
    now: Instant,
) -> Result<ReplayReport, IngestError> {
    let mut report = ReplayReport::default();
    for part in unique(letters).chunks(LETTERS_MAX) {
        replay_part(lake, part, settings, now, &mut report).await?;
    }
    Ok(report)
}

/// Gives dead letters up. Returns how many; others had ended before.
pub async fn discard(
    lake: &Lake,
    letters: Vec<DeadLetter>,
    why: &str,
    now: Instant,
) -> Result<u64, IngestError> {
    let mut discarded = 0;
    for part in unique(letters).chunks(LETTERS_MAX) {
        loop {
            let open = still_open(lake, part).await?;
            if open.is_empty() {
                break;
            }
            let rows = marks(&open, Fate::Discarded, Some(why), now);
            let rows = rows.map_err(IngestError::Batch)?;
            if commit(lake, rows, &open, Fate::Discarded).await? {
                discarded += open.len() as u64;
                break;
            }
        }
    }
    Ok(discarded)
}

async fn replay_part(
    lake: &Lake,
    part: &[DeadLetter],
    settings: &IngestSettings,
    now: Instant,
    report: &mut ReplayReport,
) -> Result<(), IngestError> {
    // A fenced commit means that somebody else has ended one of them, so this ends.
    loop {
        let open = still_open(lake, part).await?;
        let decoded = decode_all(lake.buckets(), &open, settings, now)?;
        let done = match &decoded.batch {
            None => true,
            Some((rows, read)) => commit(lake, rows.clone(), read, Fate::Replayed).await?,
        };
        if done {
            report.replayed += decoded.batch.map_or(0, |(_, read)| read.len() as u64);
            report.ended += (part.len() - open.len()) as u64;
            if let Some(rows) = &decoded.report {
                report.rows.add(rows);
            }
            report.still_dead.extend(decoded.still_dead);
            return Ok(());
        }
    }
}

/// What dead letters turn out to be this time.
struct DecodedLetters<'a> {
    /// Rows and marks, and the letters that they are of.
    batch: Option<(RecordBatch, Vec<&'a DeadLetter>)>,
    report: Option<IngestReport>,
    still_dead: Vec<StillDead>,
}

fn decode_all<'a>(
    buckets: u32,
    letters: &[&'a DeadLetter],
    settings: &IngestSettings,
    now: Instant,
) -> Result<DecodedLetters<'a>, IngestError> {
    let mut batcher = Batcher::new(settings, buckets, now);
    let (mut read, mut still_dead) = (Vec::new(), Vec::new());
    let mut opened = BTreeSet::new();
    for letter in letters {
        let mut way = way(letter, &batcher.context);
        let mut outcome = decode::read(&record(letter), &way.context);
        let refused = way.refuse(&mut outcome);
        let why = match outcome.decoded.iter().find_map(|decoded| match decoded {
            Decoded::Dead(reject) => Some(reject),
            Decoded::Event(_) | Decoded::Unmetered(_) => None,
        }) {
            _ if is_cut(letter) => Some((
                letter.reason.clone().unwrap_or_default(),
                "only the start of the payload was kept; give all of it with --payload".to_owned(),
            )),
            Some(reject) => Some((reject.code.to_owned(), reject.message.clone())),
            None => refused.map(|message| (NOT_ALLOWED.to_owned(), message)),
        };
        if let Some((reason, message)) = why {
            let (origin, position, part) = place(letter);
            still_dead.push(StillDead { origin, position, part, reason, message });
            continue;
        }
        let origin: Arc<str> = letter.origin.as_str().into();
        // To open it again would drop what was pushed of it before.
        if opened.insert(Arc::clone(&origin)) {
            batcher.open(Arc::clone(&origin), None);
        }
        let prepared = Prepared::new(outcome, letter.payload.len()).at_part(letter.part);
        batcher.push_prepared(&origin, letter.position, prepared);
        read.push(*letter);
    }
    let Some(batch) = batcher.take(now)? else {
        return Ok(DecodedLetters { batch: None, report: None, still_dead });
    };
    let marks = marks(&read, Fate::Replayed, None, now).map_err(IngestError::Batch)?;
    let rows = concat_batches(&usage_events(), [&batch.rows, &marks]);
    let rows = rows.map_err(IngestError::Batch)?;
    let report = Some(batch.counts.report());
    Ok(DecodedLetters { batch: Some((rows, read)), report, still_dead })
}

/// The rules by which a letter was read the first time.
struct Way {
    context: DecodeContext,
    producer: Producer,
}

impl Way {
    /// Puts the producer's site on the events. Why the producer may not send one of them.
    fn refuse(&mut self, outcome: &mut Outcome) -> Option<String> {
        let mut decoded = outcome.decoded.iter_mut();
        decoded.find_map(|decoded| self.producer.allow(0, decoded).err()).map(|e| e.to_string())
    }
}

fn way(letter: &DeadLetter, context: &DecodeContext) -> Way {
    let mut context = context.clone();
    let producer = letter.route.as_deref().and_then(Producer::from_column).unwrap_or_default();
    producer.pin(&mut context);
    if letter.origin.starts_with("file:") {
        let (at, installation) = file::said_of(&letter.origin);
        context.at = at.or(context.at);
        if installation.is_some() {
            Producer { installation, ..Producer::default() }.pin(&mut context);
        }
    }
    Way { context, producer }
}

/// The payload as a record of the topic that it came from, whose adapter may be pinned. Its headers
/// were read into the payload when it was stored.
fn record(letter: &DeadLetter) -> Record<'_> {
    // kafka:CLUSTER:TOPIC:EPOCH:PARTITION; a topic's name holds no colon.
    let mut parts = letter.origin.split(':');
    let topic = match parts.next() {
        Some("kafka") => parts.nth(1),
        _ => None,
    };
    Record { topic, ..Record::of(&letter.payload) }
}

async fn still_open<'a>(
    lake: &Lake,
    letters: &'a [DeadLetter],
) -> Result<Vec<&'a DeadLetter>, IngestError> {
    let apps: Vec<AppId> = letters.iter().map(app).collect();
    let ends =
        lake.offsets(&apps).await.map_err(|source| failed("look dead letters up", source))?;
    let open = letters.iter().zip(ends).filter(|(_, end)| end.is_none());
    Ok(open.map(|(letter, _)| letter).collect())
}

/// Whether the commit was made; if not, one of the letters has ended meanwhile.
async fn commit(
    lake: &Lake,
    rows: RecordBatch,
    letters: &[&DeadLetter],
    fate: Fate,
) -> Result<bool, IngestError> {
    let advance = |letter: &&DeadLetter| OffsetAdvance {
        app: app(letter),
        start: None,
        end: fate.progress(),
    };
    let advances: Vec<OffsetAdvance> = letters.iter().map(advance).collect();
    let append = lake.append_events(rows, &advances).await;
    match append.map_err(|source| failed("end dead letters", source))? {
        Append::Committed { .. } => Ok(true),
        Append::Fenced { .. } => Ok(false),
    }
}

fn app(letter: &DeadLetter) -> AppId {
    let at = shown(letter.position, letter.part);
    AppId::new(format!("{APP_PREFIX}{}:{at}", letter.origin))
}

/// One row for each letter that says how it ended.
fn marks(
    letters: &[&DeadLetter],
    fate: Fate,
    why: Option<&str>,
    now: Instant,
) -> Result<RecordBatch, ArrowError> {
    let rows = letters.len();
    let day = i32::try_from(now.micros().div_euclid(MICROS_PER_DAY)).unwrap_or(i32::MAX);
    let text = |of: &dyn Fn(&DeadLetter) -> Option<String>| -> ArrayRef {
        Arc::new(letters.iter().map(|letter| of(letter)).collect::<StringArray>())
    };
    let schema = usage_events();
    let column = |field: &Arc<arrow::datatypes::Field>| -> ArrayRef {
        match field.name().as_str() {
            "ingest_day" => Arc::new(Date32Array::from_value(day, rows)),
            "ingested_at" => {
                let instants = TimestampMicrosecondArray::from_value(now.micros(), rows);
                Arc::new(instants.with_timezone("UTC"))
            }
            "origin" => text(&|letter| Some(letter.origin.clone())),
            "position" => {
                Arc::new(Int64Array::from_iter_values(letters.iter().map(|letter| letter.position)))
            }
            "part" => {
                Arc::new(Int32Array::from_iter_values(letters.iter().map(|letter| letter.part)))
            }
            "status" => text(&|_| Some(fate.word().to_owned())),
            "reason" => text(&|letter| letter.reason.clone()),
            "error" => text(&|_| why.map(str::to_owned)),
            "system" => text(&|letter| letter.system.clone()),
            _ => new_null_array(field.data_type(), rows),
        }
    };
    let columns = schema.fields().iter().map(column).collect();
    RecordBatch::try_new(schema, columns)
}

fn place(letter: &DeadLetter) -> Place {
    (letter.origin.clone(), letter.position, letter.part)
}

/// Each dead letter once.
fn unique(letters: Vec<DeadLetter>) -> Vec<DeadLetter> {
    let by_place = letters.into_iter().map(|letter| (place(&letter), letter));
    by_place.collect::<BTreeMap<_, _>>().into_values().collect()
}

fn failed(operation: &'static str, source: turnpike_lake::LakeError) -> IngestError {
    IngestError::Lake { operation, source }
}
