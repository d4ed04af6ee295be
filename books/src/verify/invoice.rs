//! One finalized invoice: its place in the chain, its JSON, and all that stands beside it.

use sqlx::any::AnyRow;
use turnpike_schemas::{Invoice, canonical};

use super::VerifyReport;
use crate::book::terms;
use crate::invoice::{check_invoice, flat, number, postings};
use crate::store::{RowExt, Tx};

/// Verifies an invoice and returns its stored hash, from which the next one goes on: a broken link
/// is reported once, where it is.
pub(super) async fn verify(
    tx: &mut Tx,
    series: &str,
    sequence: i64,
    id: &str,
    previous_hash: &str,
    report: &mut VerifyReport,
) -> Result<String, sqlx::Error> {
    report.checked.invoices += 1;
    let row = sqlx::query(
        "SELECT id, number, account, account_name, seller, seller_name, currency, period_start, \
         period_end, period_label, issue_date, due_date, run, net, tax, gross, estimated, \
         canonical, previous_hash, hash FROM invoice WHERE id = $1",
    )
    .bind(id)
    .fetch_one(&mut **tx)
    .await?;
    let subject = row.text("number")?;
    let text = row.text("canonical")?;
    let hash = row.text("hash")?;
    if subject != number(series, sequence) {
        let message = format!("its number should be {}", number(series, sequence));
        report.find("numbers", &subject, message);
    }
    if row.text("previous_hash")? != previous_hash {
        report.find("chain", &subject, "it does not follow on the invoice before it");
    }
    if canonical::sha256_hex(format!("{previous_hash}\n{text}")) != hash {
        report.find("chain", &subject, "its hash does not come out");
    }
    let invoice: Invoice = match serde_json::from_str(&text) {
        Ok(invoice) => invoice,
        Err(error) => {
            report.find("canonical", &subject, format!("it cannot be read: {error}"));
            return Ok(hash);
        }
    };
    if canonical::to_json(&invoice) != text {
        report.find("canonical", &subject, "its text is not canonical");
    }
    for problem in check_invoice(&invoice) {
        report.find("sums", &subject, problem);
    }
    verify_head(&row, &invoice, &subject, report)?;
    verify_rows(tx, &invoice, &subject, report).await?;
    verify_documents(tx, &invoice, &subject, report).await?;
    verify_postings(tx, &invoice, &subject, report).await?;
    Ok(hash)
}

/// The columns of the invoice's own row.
fn verify_head(
    row: &AnyRow,
    invoice: &Invoice,
    subject: &str,
    report: &mut VerifyReport,
) -> Result<(), sqlx::Error> {
    let day = |day: Option<chrono::NaiveDate>| day.map(|day| day.to_string());
    let texts = [
        ("id", Some(invoice.id.to_string())),
        ("number", invoice.number.clone()),
        ("account", Some(invoice.account.id.to_string())),
        ("account_name", Some(invoice.account.name.clone())),
        ("seller", Some(invoice.seller.id.to_string())),
        ("seller_name", Some(invoice.seller.name.clone())),
        ("currency", Some(invoice.currency.to_string())),
        ("period_label", Some(invoice.period_label.clone())),
        ("issue_date", day(invoice.issue_date)),
        ("due_date", day(invoice.due_date)),
        ("run", Some(invoice.run.to_string())),
    ];
    for (column, expected) in texts {
        if row.text_opt(column)? != expected {
            report.find("rows", subject, format!("column `{column}` differs from the invoice"));
        }
    }
    let numbers = [
        ("period_start", invoice.period.start().micros()),
        ("period_end", invoice.period.end().micros()),
        ("net", invoice.net.minor()),
        ("tax", invoice.tax.minor()),
        ("gross", invoice.gross.minor()),
        ("estimated", i64::from(invoice.estimated)),
    ];
    for (column, expected) in numbers {
        if row.int(column)? != expected {
            report.find("rows", subject, format!("column `{column}` differs from the invoice"));
        }
    }
    Ok(())
}

async fn verify_rows(
    tx: &mut Tx,
    invoice: &Invoice,
    subject: &str,
    report: &mut VerifyReport,
) -> Result<(), sqlx::Error> {
    let stored = flat::read(tx, &invoice.id).await?;
    let expected = flat::of(invoice);
    for (what, same) in [
        ("lines", stored.lines == expected.lines),
        ("shares", stored.shares == expected.shares),
        ("taxes", stored.taxes == expected.taxes),
    ] {
        if !same {
            report.find("rows", subject, format!("its {what} differ from the invoice"));
        }
    }
    let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    report.checked.lines += count(stored.lines.len());
    report.checked.shares += count(stored.shares.len());
    report.checked.taxes += count(stored.taxes.len());
    let rows = sqlx::query("SELECT kind, id, used_to FROM invoice_terms WHERE invoice = $1")
        .bind(invoice.id.as_str())
        .fetch_all(&mut **tx)
        .await?;
    let mut left = terms::of_invoice(invoice);
    for row in &rows {
        let (kind, id) = (row.text("kind")?, row.text("id")?);
        let key = left.keys().find(|(a, b)| *a == kind && *b == id).cloned();
        let used_to = key.and_then(|key| left.remove(&key));
        if used_to != Some(row.instant("used_to")?) {
            report.find("rows", subject, format!("{kind} `{id}` differs from the invoice"));
        }
    }
    for (kind, id) in left.keys() {
        report.find("rows", subject, format!("{kind} `{id}` is not written down as used"));
    }
    Ok(())
}

async fn verify_documents(
    tx: &mut Tx,
    invoice: &Invoice,
    subject: &str,
    report: &mut VerifyReport,
) -> Result<(), sqlx::Error> {
    let rows = sqlx::query(
        "SELECT audience, html, sha256 FROM invoice_document WHERE invoice = $1 ORDER BY audience",
    )
    .bind(invoice.id.as_str())
    .fetch_all(&mut **tx)
    .await?;
    let mut audiences = Vec::new();
    for row in &rows {
        report.checked.documents += 1;
        let audience = row.text("audience")?;
        if canonical::sha256_hex(row.text("html")?) != row.text("sha256")? {
            let message = format!("the {audience}'s document has another hash than stored");
            report.find("documents", subject, message);
        }
        audiences.push(audience);
    }
    if audiences != ["customer", "provider"] {
        let message =
            format!("it should have a customer's and a provider's, and has {audiences:?}");
        report.find("documents", subject, message);
    }
    Ok(())
}

async fn verify_postings(
    tx: &mut Tx,
    invoice: &Invoice,
    subject: &str,
    report: &mut VerifyReport,
) -> Result<(), sqlx::Error> {
    let stored = postings::read(tx, &invoice.id).await?;
    report.checked.postings += u64::try_from(stored.len()).unwrap_or(u64::MAX);
    match postings::of(invoice) {
        Ok(expected) if expected == stored => {}
        Ok(_) => report.find("postings", subject, "they differ from what the invoice makes"),
        Err(error) => report.find("postings", subject, error.to_string()),
    }
    let row = sqlx::query(
        "SELECT COUNT(*) AS found FROM ledger_transaction \
         WHERE id = $1 AND source_kind = $2 AND source_id = $3",
    )
    .bind(postings::transaction_id(&invoice.id))
    .bind(postings::SOURCE_KIND)
    .bind(invoice.id.as_str())
    .fetch_one(&mut **tx)
    .await?;
    match row.int("found")? {
        1 => report.checked.transactions += 1,
        _ => report.find("postings", subject, "it has no transaction in the ledger"),
    }
    Ok(())
}
