//! The account stage: from what was gathered for one account to its rated lines.
//!
//! The order, which changes money and therefore stands here once:
//! 1. Usage of a rate is put into pools (account, project, site or resource; month; window), in the
//!    order of tariff versions, then of first use.
//! 2. Each pool is priced by its model ([`crate::price`]).
//! 3. Every part becomes a rated line.
//!
//! An account is priced alone: nothing here sees another one.

mod lines;
mod pool;

pub(crate) use pool::series_name;
use turnpike_schemas::{Account, PriceBook, RatedLine, RunId};

use crate::gather::{GatherKey, Gathered};
use crate::parked::ParkReason;
use crate::price::model_of;

/// Prices what was gathered for an account.
pub fn price_account(
    book: &PriceBook,
    run: &RunId,
    account: &Account,
    gathered: &[(GatherKey, Gathered)],
) -> Result<Vec<RatedLine>, ParkReason> {
    let pools = pool::pools(book, gathered)?;
    let mut lines = Vec::with_capacity(gathered.len());
    for pool in &pools {
        let parts = model_of(pool.rate)?.price(pool)?;
        for part in &parts {
            lines.push(lines::line_of(run, account, pool, part)?);
        }
    }
    lines.sort_by(|a, b| lines::order(a).cmp(&lines::order(b)));
    Ok(lines)
}
