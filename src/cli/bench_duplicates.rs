//! `turnpike bench-duplicates`: what duplicate detection costs beside a large key index. For
//! `bench/duplicates`; it needs a data folder of its own.

use std::io::{BufWriter, Write};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use turnpike_lake::{CompactReport, Lake};

use crate::app::App;
use crate::fault::{Kind, fault};
use crate::output;

/// Measures duplicate detection beside a large key index
#[derive(Debug, Args)]
pub struct BenchDuplicates {
    /// Keys of earlier events
    #[arg(long, default_value_t = 100_000_000)]
    keys: u64,
    /// Days over which they are spread
    #[arg(long, default_value_t = 90)]
    days: u64,
    /// New events; one in twenty repeats an earlier key
    #[arg(long, default_value_t = 2_000_000)]
    events: u64,
}

/// Keys that go into the index at once, as a compaction of as many events would put them.
const SEED_CHUNK: u64 = 1_000_000;
/// One event in so many is an old repeat.
const REPEAT_EVERY: u64 = 20;
/// Coprime with any number of keys that is not a multiple of it: repeats are spread over all days.
const STRIDE: u64 = 1_000_003;
/// What keys may take of ingest and compaction.
const SHARE_PERMILLE_MAX: u128 = 200;
const SECONDS_PER_DAY: u64 = 86_400;

impl BenchDuplicates {
    pub async fn run(self, app: &App) -> anyhow::Result<()> {
        let lake = app.lake().await?;
        if lake.snapshot().await?.final_counts().await?.read > 0 {
            return Err(fault(Kind::Usage, "the data folder is not empty"));
        }
        let seeded = self.seed(&lake).await?;
        let peak_seeding = peak_kib();
        reset_peak();
        let path = app.settings.data.dir.join("bench-events.jsonl");
        self.write_events(&path)?;
        let books = app.books().await?;
        let settings = app.ingest_settings(&books).await?;
        let clock = Instant::now();
        let now = app.clock.now();
        let ingested = turnpike_ingest::file::ingest(&lake, &path, &settings, now, &|_| {}).await;
        let ingested = ingested.context("ingesting")?;
        let ingest = clock.elapsed();
        std::fs::remove_file(&path).context("removing the events")?;
        let clock = Instant::now();
        let compacted = lake.compact(&app.compact_settings(), &|_| {}).await;
        let compacted = compacted.context("compacting")?;
        let compact = clock.elapsed();
        self.check(ingested.read, &compacted)?;
        let ids: Vec<String> = (0..self.events).map(|number| self.id(number)).collect();
        let events = ids.iter().map(|id| ("/bench", id.as_str()));
        let filter = turnpike_ingest::time_identities(events, settings.filter_events_max);
        let permille = share_permille(filter + compacted.key_time, ingest + compact);
        let text = format!(
            "keys {} over {} days, seeded in {:.1} s (peak {} MiB)\n\
             events {}, old repeats {} all found\n\
             ingest {:.1} s, compaction {:.1} s, of which keys (hashing, look-up, merging) {:.1} s\n\
             keys of ingest (hashing, filter; one after the other) {:.1} s\n\
             share of keys in ingest and compaction: {}.{} % (at most {})\n\
             peak memory of ingest and compaction: {} MiB\n",
            self.keys,
            self.days,
            seeded.as_secs_f32(),
            peak_seeding / 1_024,
            self.events,
            compacted.duplicates + compacted.conflicts,
            ingest.as_secs_f32(),
            compact.as_secs_f32(),
            compacted.key_time.as_secs_f32(),
            filter.as_secs_f32(),
            permille / 10,
            permille % 10,
            SHARE_PERMILLE_MAX / 10,
            peak_kib() / 1_024,
        );
        output::print(&text)?;
        match permille <= SHARE_PERMILLE_MAX {
            true => Ok(()),
            false => Err(fault(Kind::General, "looking keys up takes more than its share")),
        }
    }

    async fn seed(&self, lake: &Lake) -> anyhow::Result<Duration> {
        let clock = Instant::now();
        let bar = crate::progress::open("seeding keys");
        let mut from = 0;
        while from < self.keys {
            let to = self.keys.min(from + SEED_CHUNK);
            let keys: Vec<(String, String)> =
                (from..to).map(|n| ("/bench".to_owned(), self.old_id(n))).collect();
            lake.seed_keys(&keys).await.context("seeding keys")?;
            bar.set_position(to);
            from = to;
        }
        bar.finish_and_clear();
        Ok(clock.elapsed())
    }

    fn old_id(&self, number: u64) -> String {
        let per_day = self.keys.div_ceil(self.days.max(1)).max(1);
        format!("day-{:03}-{:09}", number / per_day, number % per_day)
    }

    /// Of a new event.
    fn id(&self, number: u64) -> String {
        match number % REPEAT_EVERY {
            0 => self.old_id(number / REPEAT_EVERY * STRIDE % self.keys.max(1)),
            _ => format!("new-{number:012}"),
        }
    }

    fn write_events(&self, path: &std::path::Path) -> anyhow::Result<()> {
        let file = std::fs::File::create(path).context("creating the events")?;
        let mut out = BufWriter::with_capacity(1 << 20, file);
        for number in 0..self.events {
            let id = self.id(number);
            let second = number * 20 * SECONDS_PER_DAY / self.events.max(1);
            let (day, second) = (second / SECONDS_PER_DAY + 1, second % SECONDS_PER_DAY);
            let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
            let resource = number % 50_000;
            writeln!(
                out,
                r#"{{"specversion":"1.0","id":"{id}","source":"/bench","type":"dev.turnpike.usage.transition.v1","time":"2026-10-{day:02}T{hour:02}:{minute:02}:{second:02}Z","data":{{"resource":{{"kind":"instance","id":"i-{resource:06}"}},"owner":"t-{}","state":"active","held":[{{"meter":"vcpu","quantity":2}}]}}}}"#,
                resource % 100
            )
            .context("writing the events")?;
        }
        out.flush().context("writing the events")
    }

    /// The repeats were found, all of them and nothing else.
    fn check(&self, read: u64, compacted: &CompactReport) -> anyhow::Result<()> {
        let expected = self.events.div_ceil(REPEAT_EVERY);
        let found = compacted.duplicates + compacted.conflicts;
        if read != self.events || found != expected {
            let text = format!("{found} of {expected} repeats were found among {read} events");
            return Err(fault(Kind::General, text));
        }
        Ok(())
    }
}

fn share_permille(part: Duration, whole: Duration) -> u128 {
    part.as_micros() * 1_000 / whole.as_micros().max(1)
}

/// The most memory that this process held since the last reset, as Linux tells it.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.trim().split(' ').next());
    number.and_then(|number| number.parse().ok()).unwrap_or_default()
}

fn reset_peak() {
    // Where it is not allowed, the peak of seeding counts as well.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}
