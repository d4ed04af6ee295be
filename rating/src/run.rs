//! A rating run: meter every bucket, gather, price per account, and hash the result.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use turnpike_lake::{Lake, LakeSnapshot};
use turnpike_schemas::{AccountId, Period, PriceBook, RatedLine, RunId, canonical};

use crate::account::price_account;
use crate::convert;
use crate::engine::{self, Found, Job};
use crate::error::RatingError;
use crate::fast::Tally;
use crate::gather::{self, GatherKey, Gathered, Harvest};
use crate::metering::{FOLD_VERSION, Metered};
use crate::parked::{Parked, Unassigned};
use crate::request::{RatingProgress, RatingRequest};

#[cfg(test)]
mod tests;

/// Version of what rating computes: part of a run's inputs.
pub const CODE_VERSION: &str = "1";

/// What a run was computed from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInputs {
    pub raw_version: i64,
    pub usage_version: i64,
    pub book_hash: String,
    pub code_version: String,
}

/// What a run comes to.
#[derive(Debug)]
pub struct RatingOutcome {
    pub run: RunId,
    /// In canonical order.
    pub lines: Vec<RatedLine>,
    pub parked: Vec<Parked>,
    pub unassigned: Vec<Unassigned>,
    /// SHA-256 over the lines, parked and unassigned usage, without the run's id.
    pub hash: String,
    pub inputs: RunInputs,
    pub periods: BTreeMap<AccountId, Period>,
    pub rows: u64,
    pub events: u64,
    /// Events that went the short way.
    pub short_events: u64,
    pub intervals: u64,
    /// Per month start and bucket: what is known there, to be stored ([`store`]).
    pub states: BTreeMap<i32, BTreeMap<u32, Vec<Metered>>>,
}

/// Rates a window. Pure: reads the snapshot and writes nothing.
pub async fn rate(
    snapshot: &LakeSnapshot,
    book: &PriceBook,
    request: &RatingRequest,
    progress: &(dyn Fn(RatingProgress) + Send + Sync),
) -> Result<RatingOutcome, RatingError> {
    let periods = request.periods(&book.accounts)?;
    let span = request.span(&periods)?;
    let job = Job {
        snapshot: snapshot.clone(),
        session: engine::session(request.batch_rows, request.memory_bytes)?,
        book: Arc::new(book.clone()),
        periods: Arc::new(periods.clone()),
        span,
        request: request.clone(),
        masked: snapshot.masked().await?,
    };
    let found = engine::meter_all(job, progress).await?;
    Ok(assemble(snapshot, book, request, periods, found))
}

fn assemble(
    snapshot: &LakeSnapshot,
    book: &PriceBook,
    request: &RatingRequest,
    periods: BTreeMap<AccountId, Period>,
    found: Found,
) -> RatingOutcome {
    let Found { mut harvest, tallies, rows, events, short_events, states } = found;
    add_tallies(book, &tallies, &mut harvest);
    drop(tallies);
    let lines = priced(book, &request.run, &mut harvest);
    let parked = harvest.parked();
    let unassigned: Vec<Unassigned> = harvest.unassigned.into_values().collect();
    RatingOutcome {
        run: request.run.clone(),
        hash: hash(&lines, &parked, &unassigned),
        lines,
        parked,
        unassigned,
        inputs: RunInputs {
            raw_version: snapshot.raw_version(),
            usage_version: snapshot.usage_version(),
            book_hash: book.hash(),
            code_version: CODE_VERSION.to_owned(),
        },
        periods,
        rows,
        events,
        short_events,
        intervals: harvest.intervals,
        states,
    }
}

/// Adds what went the short way.
fn add_tallies(book: &PriceBook, tallies: &[Tally], harvest: &mut Harvest) {
    for tally in tallies {
        harvest.intervals += tally.intervals;
        let mut too_large: Vec<GatherKey> = tally.overflows.clone();
        for (number, account) in (0_u32..).zip(&book.accounts) {
            let gathered = &mut harvest.gathered;
            tally.of_account(number, account, gathered, |key| too_large.push(key.clone()));
        }
        for key in too_large {
            let reason = gather::overflow(&key);
            harvest.park_id(key.account, reason);
        }
    }
}

/// Prices all that was gathered for accounts that are not parked. An account whose amounts fail is
/// parked whole: no line of it is kept.
pub(crate) fn priced(book: &PriceBook, run: &RunId, harvest: &mut Harvest) -> Vec<RatedLine> {
    let mut by_account: BTreeMap<AccountId, Vec<(GatherKey, Gathered)>> = BTreeMap::new();
    for (key, sums) in std::mem::take(&mut harvest.gathered) {
        by_account.entry(key.account.clone()).or_default().push((key, sums));
    }
    let mut lines = Vec::new();
    for (id, gathered) in by_account {
        if harvest.parked.contains_key(&id) {
            continue;
        }
        let account = book.account(&id).expect("a gathered account is in the book");
        match price_account(book, run, account, &gathered) {
            Ok(priced) => lines.extend(priced),
            Err(reason) => harvest.park_id(id, reason),
        }
    }
    lines
}

fn hash(lines: &[RatedLine], parked: &[Parked], unassigned: &[Unassigned]) -> String {
    let nameless = RunId::new("-").expect("a dash is a slug");
    let mut digest = Sha256::new();
    for line in lines {
        let line = RatedLine { run: nameless.clone(), ..line.clone() };
        digest.update(canonical::to_json(&line));
        digest.update(b"\n");
    }
    digest.update(canonical::to_json(parked));
    digest.update(canonical::to_json(unassigned));
    hex::encode(digest.finalize())
}

/// Stores a run's lines in one commit, then the states it found. The states are a saving, not a
/// result: a run without them is complete.
pub async fn store(lake: &Lake, outcome: &RatingOutcome) -> Result<(), RatingError> {
    lake.put_rated_lines(&outcome.run, convert::lines_to_batch(&outcome.lines)?).await?;
    for (month, buckets) in &outcome.states {
        let raw_version = outcome.inputs.raw_version;
        let batches = buckets
            .iter()
            .map(|(bucket, known)| {
                Ok((*bucket, convert::states_to_batch(*bucket, *month, known, raw_version)?))
            })
            .collect::<Result<Vec<_>, RatingError>>()?;
        lake.put_states(*month, batches, raw_version, FOLD_VERSION).await?;
    }
    Ok(())
}
