//! `turnpike bench-month`: a month of a provider of any size, for `bench/rating`.
//!
//! Four tenths of the events are of instances (eight each: started, stopped, resized, mostly deleted),
//! a tenth of volumes (three each), half are hourly readings of buckets. They are written in the order
//! in which they would arrive, up to five minutes late, and one in fifty is sent twice. A part of the
//! month can be written alone, so that no file has to hold all of it. Integers only: the same on every
//! machine.

mod book;
mod life;

use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use crate::app::App;
use crate::fault::{Kind, fault};
use life::{MONTH_MICROS, Month};

/// Writes a month of usage and its price book
#[derive(Debug, Args)]
pub struct BenchMonth {
    /// Events, without those sent twice
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Parts of the month
    #[arg(long, default_value_t = 1)]
    parts: u64,
    /// Which part to write, from 0
    #[arg(long, default_value_t = 0)]
    part: u64,
    /// Where the part is written
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Where the price book is written
    #[arg(long, value_name = "FILE")]
    book: Option<PathBuf>,
    /// What rated lines are of: account, project or resource
    #[arg(long, default_value = "account")]
    detail: String,
}

/// An event at its place in the order of arrival.
type Arrival = (i64, u64, u32);

/// Events are up to so late.
const LATE_MICROS: u64 = 300_000_000;
/// One in so many is sent twice.
const TWICE: u64 = 50;

impl BenchMonth {
    pub async fn run(self, _: &App) -> anyhow::Result<()> {
        let month = Month::new(self.events);
        if let Some(path) = &self.book {
            let text = book::text(&month, &self.detail);
            std::fs::write(path, text).context("writing the price book")?;
        }
        let Some(path) = &self.to else { return Ok(()) };
        if self.part >= self.parts {
            return Err(fault(Kind::Usage, "--part counts from 0 and is below --parts"));
        }
        let edge = |part: u64| {
            let whole = u64::try_from(MONTH_MICROS).unwrap_or(0) + LATE_MICROS + 1;
            i64::try_from(u128::from(whole) * u128::from(part) / u128::from(self.parts))
        };
        let (from, to) = (edge(self.part)?, edge(self.part + 1)?);
        let mut arrivals: Vec<Arrival> = Vec::new();
        month.for_each(|resource, step, time| {
            let late = i64::try_from(life::mix(resource, step, 1) % LATE_MICROS).unwrap_or(0);
            if (from..to).contains(&(time + late)) {
                arrivals.push((time + late, resource, step));
            }
        });
        arrivals.sort_unstable();
        let file = std::fs::File::create(path).context("creating the part")?;
        let mut out = BufWriter::with_capacity(1 << 20, file);
        let mut line = String::new();
        for (_, resource, step) in arrivals {
            line.clear();
            month.write(resource, step, &mut line);
            let times = if life::mix(resource, step, 2).is_multiple_of(TWICE) { 2 } else { 1 };
            for _ in 0..times {
                out.write_all(line.as_bytes()).context("writing the part")?;
            }
        }
        out.flush().context("writing the part")
    }
}
