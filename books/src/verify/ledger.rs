//! The ledger by itself: every transaction sums to zero in every currency.

use super::VerifyReport;
use crate::store::{RowExt, Tx};

pub(super) async fn verify(tx: &mut Tx, report: &mut VerifyReport) -> Result<(), sqlx::Error> {
    let rows = sqlx::query(
        "SELECT ledger_transaction, currency, CAST(SUM(amount) AS BIGINT) AS total FROM posting \
         GROUP BY ledger_transaction, currency HAVING SUM(amount) <> 0 \
         ORDER BY ledger_transaction, currency",
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in &rows {
        let (transaction, currency) = (row.text("ledger_transaction")?, row.text("currency")?);
        let total = row.int("total")?;
        let message = format!("its legs sum to {total} minor units of {currency}, not to zero");
        report.find("postings", &transaction, message);
    }
    Ok(())
}
