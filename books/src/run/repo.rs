//! Runs in SQL.

use sqlx::any::AnyRow;
use turnpike_schemas::{Amount, Currency, PriceBook, RunId, Scope, Total};

use super::{ParkedRecord, RunEntry, RunRecord, RunStatus, UnassignedRecord};
use crate::BooksError;
use crate::store::bulk::{self, Cell, Insert, insert_of};
use crate::store::{RowExt, ScopeKeys, Tx, corrupt, sql};

const PARKED: Insert<6> =
    insert_of!(6, "INSERT INTO parked (run, position, account, seller, code, text) VALUES");
const UNASSIGNED: Insert<7> = insert_of!(
    7,
    "INSERT INTO unassigned (run, position, owner, resource, meter, first_seen, seconds) VALUES"
);

pub(super) async fn insert(tx: &mut Tx, record: &RunRecord) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO run (id, label, as_of, raw_version, usage_version, book_hash, code_version, \
         result_hash, lines, accounts, created_at, status) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(record.run.as_str())
    .bind(record.label.as_str())
    .bind(record.as_of.micros())
    .bind(record.raw_version)
    .bind(record.usage_version)
    .bind(record.book_hash.as_str())
    .bind(record.code_version.as_str())
    .bind(record.result_hash.as_str())
    .bind(record.lines)
    .bind(record.accounts)
    .bind(record.created_at.micros())
    .bind(record.status.as_str())
    .execute(&mut **tx)
    .await?;
    for total in &record.totals {
        sqlx::query(
            "INSERT INTO run_total (run, currency, numerator, denominator, is_exact) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(record.run.as_str())
        .bind(total.currency().code())
        .bind(total.amount.numerator().to_string())
        .bind(total.amount.denominator().to_string())
        .bind(i64::from(total.is_exact))
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// The sellers of parked accounts are written down, so that a franchisee finds its own.
pub(super) async fn insert_parked(
    tx: &mut Tx,
    run: &RunId,
    entries: &[ParkedRecord],
    book: &PriceBook,
) -> Result<(), sqlx::Error> {
    let row = |(position, entry): (i64, &ParkedRecord)| {
        let seller = book.account(&entry.account).map_or("", |found| found.seller.as_str());
        [
            Cell::from(run.as_str()),
            Cell::Int(position),
            Cell::from(entry.account.as_str()),
            Cell::from(seller),
            Cell::from(entry.code.as_str()),
            Cell::from(entry.text.as_str()),
        ]
    };
    let rows = (0_i64..).zip(entries).map(row).collect();
    bulk::insert(tx, PARKED, rows).await
}

pub(super) async fn insert_unassigned(
    tx: &mut Tx,
    run: &RunId,
    entries: &[UnassignedRecord],
) -> Result<(), sqlx::Error> {
    let row = |(position, entry): (i64, &UnassignedRecord)| {
        [
            Cell::from(run.as_str()),
            Cell::Int(position),
            Cell::TextOpt(entry.owner.as_ref().map(ToString::to_string)),
            Cell::from(entry.resource.as_str()),
            Cell::from(entry.meter.as_str()),
            Cell::Int(entry.first_seen.micros()),
            Cell::Int(entry.seconds),
        ]
    };
    let rows = (0_i64..).zip(entries).map(row).collect();
    bulk::insert(tx, UNASSIGNED, rows).await
}

pub(super) async fn find(tx: &mut Tx, run: &RunId) -> Result<Option<RunRecord>, BooksError> {
    let row = sqlx::query(
        "SELECT id, label, as_of, raw_version, usage_version, book_hash, code_version, \
         result_hash, lines, accounts, created_at, status FROM run WHERE id = $1",
    )
    .bind(run.as_str())
    .fetch_optional(&mut **tx)
    .await
    .map_err(sql("reading a run"))?;
    match row {
        Some(row) => Ok(Some(record(tx, &row).await?)),
        None => Ok(None),
    }
}

/// Newest first; of one status and one label (any where empty).
pub(super) async fn newest(
    tx: &mut Tx,
    status: Option<RunStatus>,
    label: &str,
    limit: u32,
) -> Result<Vec<RunEntry>, BooksError> {
    let what = "listing runs";
    let rows = sqlx::query(
        "SELECT id, label, as_of, raw_version, usage_version, book_hash, code_version, \
         result_hash, lines, accounts, created_at, status, \
         (SELECT COUNT(*) FROM parked WHERE parked.run = run.id) AS parked, \
         (SELECT COUNT(*) FROM unassigned WHERE unassigned.run = run.id) AS unassigned \
         FROM run WHERE ($1 = '' OR status = $1) AND ($2 = '' OR label = $2) \
         ORDER BY created_at DESC, id DESC LIMIT $3",
    )
    .bind(status.map_or("", RunStatus::as_str))
    .bind(label)
    .bind(i64::from(limit))
    .fetch_all(&mut **tx)
    .await
    .map_err(sql(what))?;
    let mut entries = Vec::with_capacity(rows.len());
    for row in &rows {
        entries.push(RunEntry {
            record: record(tx, row).await?,
            parked: row.int("parked").map_err(sql(what))?,
            unassigned: row.int("unassigned").map_err(sql(what))?,
        });
    }
    Ok(entries)
}

async fn record(tx: &mut Tx, row: &AnyRow) -> Result<RunRecord, BooksError> {
    let what = "reading a run";
    let mut record = plain_record(row).map_err(sql(what))??;
    let totals = sqlx::query(
        "SELECT currency, numerator, denominator, is_exact FROM run_total \
         WHERE run = $1 ORDER BY currency",
    )
    .bind(record.run.as_str())
    .fetch_all(&mut **tx)
    .await
    .map_err(sql(what))?;
    for row in &totals {
        let (numerator, denominator, currency) = total(row).map_err(sql(what))?;
        let amount = Amount::from_text(&numerator, &denominator, currency)
            .map_err(|error| corrupt("the total of run", record.run.as_str(), error))?;
        let is_exact = row.int("is_exact").map_err(sql(what))? != 0;
        record.totals.push(Total { amount, is_exact });
    }
    Ok(record)
}

fn total(row: &AnyRow) -> Result<(String, String, Currency), sqlx::Error> {
    Ok((row.text("numerator")?, row.text("denominator")?, row.parsed("currency")?))
}

fn plain_record(row: &AnyRow) -> Result<Result<RunRecord, BooksError>, sqlx::Error> {
    let run: RunId = row.parsed("id")?;
    let word = row.text("status")?;
    let Some(status) = RunStatus::from_word(&word) else {
        return Ok(Err(corrupt("the status of run", run.as_str(), word)));
    };
    Ok(Ok(RunRecord {
        run,
        label: row.text("label")?,
        as_of: row.instant("as_of")?,
        raw_version: row.int("raw_version")?,
        usage_version: row.int("usage_version")?,
        book_hash: row.text("book_hash")?,
        code_version: row.text("code_version")?,
        result_hash: row.text("result_hash")?,
        lines: row.int("lines")?,
        accounts: row.int("accounts")?,
        totals: Vec::new(),
        created_at: row.instant("created_at")?,
        status,
    }))
}

/// The run named, or the newest complete one.
pub(super) async fn named_or_newest(
    tx: &mut Tx,
    run: Option<&RunId>,
) -> Result<Option<RunId>, sqlx::Error> {
    if let Some(run) = run {
        return Ok(Some(run.clone()));
    }
    sqlx::query("SELECT id FROM run WHERE status = $1 ORDER BY created_at DESC, id DESC LIMIT 1")
        .bind(RunStatus::Complete.as_str())
        .fetch_optional(&mut **tx)
        .await?
        .map(|row| row.parsed("id"))
        .transpose()
}

pub(super) async fn parked(
    tx: &mut Tx,
    scope: &Scope,
    run: &RunId,
) -> Result<Vec<ParkedRecord>, sqlx::Error> {
    let scope = ScopeKeys::of(scope);
    let rows = sqlx::query(
        "SELECT account, code, text FROM parked \
         WHERE run = $1 AND ($2 = '' OR seller = $2) AND ($3 = '' OR account = $3) \
         ORDER BY account, position",
    )
    .bind(run.as_str())
    .bind(scope.seller)
    .bind(scope.account)
    .fetch_all(&mut **tx)
    .await?;
    let read = |row: &AnyRow| {
        Ok(ParkedRecord {
            account: row.parsed("account")?,
            code: row.text("code")?,
            text: row.text("text")?,
        })
    };
    rows.iter().map(read).collect()
}

pub(super) async fn unassigned(
    tx: &mut Tx,
    run: &RunId,
) -> Result<Vec<UnassignedRecord>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT owner, resource, meter, first_seen, seconds FROM unassigned WHERE run = $1 \
         ORDER BY position",
    )
    .bind(run.as_str())
    .fetch_all(&mut **tx)
    .await?;
    let read = |row: &AnyRow| {
        Ok(UnassignedRecord {
            owner: row.parsed_opt("owner")?,
            resource: row.parsed("resource")?,
            meter: row.text("meter")?,
            first_seen: row.instant("first_seen")?,
            seconds: row.int("seconds")?,
        })
    };
    rows.iter().map(read).collect()
}
