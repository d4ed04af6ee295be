//! The flat rows beside a finalized invoice: made from its value, and read back to be compared.

use sqlx::any::AnyRow;
use turnpike_schemas::{Charge, Instant, Invoice, InvoiceId, canonical};

use super::Audience;
use crate::book::terms::TermsKey;
use crate::store::bulk::{self, Cell, Insert, insert_of};
use crate::store::{RowExt, Tx};

/// A line without its quantities, which queries have no use for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LineRow {
    pub line: i64,
    pub service: String,
    pub resource: String,
    pub resource_kind: String,
    pub project: Option<String>,
    pub site: Option<String>,
    pub meter: String,
    pub tariff: String,
    pub tariff_version: String,
    pub agreement: Option<String>,
    pub tax_category: String,
    pub net: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShareRow {
    pub line: i64,
    pub position: i64,
    pub party: String,
    pub role: String,
    pub weight_ppm: i64,
    pub amount: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TaxRow {
    pub position: i64,
    pub category: String,
    pub code: String,
    pub rate_ppm: i64,
    pub base: i64,
    pub tax: i64,
}

/// All flat rows of an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct FlatRows {
    pub lines: Vec<LineRow>,
    pub shares: Vec<ShareRow>,
    pub taxes: Vec<TaxRow>,
}

pub(crate) fn of(invoice: &Invoice) -> FlatRows {
    let lines = invoice.charges.iter().map(line_of).collect();
    let shares = invoice.charges.iter().flat_map(shares_of).collect();
    let taxes = (1_i64..)
        .zip(&invoice.taxes)
        .map(|(position, line)| TaxRow {
            position,
            category: line.category.to_string(),
            code: line.code.clone(),
            rate_ppm: line.rate_ppm.into(),
            base: line.base.minor(),
            tax: line.tax.minor(),
        })
        .collect();
    FlatRows { lines, shares, taxes }
}

fn line_of(charge: &Charge) -> LineRow {
    LineRow {
        line: charge.line.into(),
        service: charge.service.clone(),
        resource: charge.resource.to_string(),
        resource_kind: charge.resource_kind.clone(),
        project: charge.project.clone(),
        site: charge.site.clone(),
        meter: charge.meter.to_string(),
        tariff: charge.tariff.to_string(),
        tariff_version: charge.tariff_version.to_string(),
        agreement: charge.agreement.as_ref().map(ToString::to_string),
        tax_category: charge.tax_category.to_string(),
        net: charge.net.minor(),
    }
}

fn shares_of(charge: &Charge) -> impl Iterator<Item = ShareRow> + '_ {
    (1_i64..).zip(&charge.shares).map(|(position, share)| ShareRow {
        line: charge.line.into(),
        position,
        party: share.party.to_string(),
        role: share.role.clone(),
        weight_ppm: share.weight_ppm.into(),
        amount: share.money.minor(),
    })
}

const LINES: Insert<13> = insert_of!(
    13,
    "INSERT INTO invoice_line (invoice, line, service, resource, resource_kind, project, site, \
     meter, tariff, tariff_version, agreement, tax_category, net) VALUES"
);
const SHARES: Insert<7> = insert_of!(
    7,
    "INSERT INTO invoice_share (invoice, line, position, party, role, weight_ppm, amount) VALUES"
);
const TAXES: Insert<7> = insert_of!(
    7,
    "INSERT INTO invoice_tax (invoice, position, category, code, rate_ppm, base, tax) VALUES"
);

pub(super) async fn insert(
    tx: &mut Tx,
    invoice: &InvoiceId,
    rows: FlatRows,
) -> Result<(), sqlx::Error> {
    let lines = rows.lines.into_iter().map(|row| line_cells(invoice, row)).collect();
    bulk::insert(tx, LINES, lines).await?;
    let share = |row: ShareRow| {
        [
            Cell::from(invoice.as_str()),
            Cell::Int(row.line),
            Cell::Int(row.position),
            Cell::Text(row.party),
            Cell::Text(row.role),
            Cell::Int(row.weight_ppm),
            Cell::Int(row.amount),
        ]
    };
    bulk::insert(tx, SHARES, rows.shares.into_iter().map(share).collect()).await?;
    let tax = |row: TaxRow| {
        [
            Cell::from(invoice.as_str()),
            Cell::Int(row.position),
            Cell::Text(row.category),
            Cell::Text(row.code),
            Cell::Int(row.rate_ppm),
            Cell::Int(row.base),
            Cell::Int(row.tax),
        ]
    };
    bulk::insert(tx, TAXES, rows.taxes.into_iter().map(tax).collect()).await
}

fn line_cells(invoice: &InvoiceId, row: LineRow) -> [Cell; 13] {
    [
        Cell::from(invoice.as_str()),
        Cell::Int(row.line),
        Cell::Text(row.service),
        Cell::Text(row.resource),
        Cell::Text(row.resource_kind),
        Cell::TextOpt(row.project),
        Cell::TextOpt(row.site),
        Cell::Text(row.meter),
        Cell::Text(row.tariff),
        Cell::Text(row.tariff_version),
        Cell::TextOpt(row.agreement),
        Cell::Text(row.tax_category),
        Cell::Int(row.net),
    ]
}

pub(crate) async fn read(tx: &mut Tx, invoice: &InvoiceId) -> Result<FlatRows, sqlx::Error> {
    let lines = sqlx::query(
        "SELECT line, service, resource, resource_kind, project, site, meter, tariff, \
         tariff_version, agreement, tax_category, net FROM invoice_line WHERE invoice = $1 \
         ORDER BY line",
    )
    .bind(invoice.as_str())
    .fetch_all(&mut **tx)
    .await?;
    let shares = sqlx::query(
        "SELECT line, position, party, role, weight_ppm, amount FROM invoice_share \
         WHERE invoice = $1 ORDER BY line, position",
    )
    .bind(invoice.as_str())
    .fetch_all(&mut **tx)
    .await?;
    let taxes = sqlx::query(
        "SELECT position, category, code, rate_ppm, base, tax FROM invoice_tax \
         WHERE invoice = $1 ORDER BY position",
    )
    .bind(invoice.as_str())
    .fetch_all(&mut **tx)
    .await?;
    Ok(FlatRows {
        lines: lines.iter().map(read_line).collect::<Result<_, _>>()?,
        shares: shares.iter().map(read_share).collect::<Result<_, _>>()?,
        taxes: taxes.iter().map(read_tax).collect::<Result<_, _>>()?,
    })
}

fn read_line(row: &AnyRow) -> Result<LineRow, sqlx::Error> {
    Ok(LineRow {
        line: row.int("line")?,
        service: row.text("service")?,
        resource: row.text("resource")?,
        resource_kind: row.text("resource_kind")?,
        project: row.text_opt("project")?,
        site: row.text_opt("site")?,
        meter: row.text("meter")?,
        tariff: row.text("tariff")?,
        tariff_version: row.text("tariff_version")?,
        agreement: row.text_opt("agreement")?,
        tax_category: row.text("tax_category")?,
        net: row.int("net")?,
    })
}

fn read_share(row: &AnyRow) -> Result<ShareRow, sqlx::Error> {
    Ok(ShareRow {
        line: row.int("line")?,
        position: row.int("position")?,
        party: row.text("party")?,
        role: row.text("role")?,
        weight_ppm: row.int("weight_ppm")?,
        amount: row.int("amount")?,
    })
}

fn read_tax(row: &AnyRow) -> Result<TaxRow, sqlx::Error> {
    Ok(TaxRow {
        position: row.int("position")?,
        category: row.text("category")?,
        code: row.text("code")?,
        rate_ppm: row.int("rate_ppm")?,
        base: row.int("base")?,
        tax: row.int("tax")?,
    })
}

pub(super) async fn insert_document(
    tx: &mut Tx,
    invoice: &InvoiceId,
    audience: Audience,
    html: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO invoice_document (invoice, audience, html, sha256) VALUES ($1, $2, $3, $4)",
    )
    .bind(invoice.as_str())
    .bind(audience.as_str())
    .bind(html)
    .bind(canonical::sha256_hex(html))
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub(super) async fn insert_terms(
    tx: &mut Tx,
    invoice: &InvoiceId,
    (kind, id): &TermsKey,
    hash: &str,
    used_to: Instant,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO invoice_terms (invoice, kind, id, hash, used_to) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(invoice.as_str())
    .bind(*kind)
    .bind(id.as_str())
    .bind(hash)
    .bind(used_to.micros())
    .execute(&mut **tx)
    .await
    .map(drop)
}
