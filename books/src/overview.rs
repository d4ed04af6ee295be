//! Reading models of pages: accounts with what they were billed, totals per period.

use std::collections::BTreeMap;

use sqlx::any::AnyRow;
use turnpike_schemas::{Account, AccountId, Currency, Money, PartyId, Scope};

use crate::run::ParkedRecord;
use crate::store::{RowExt, ScopeKeys, Tx, sql};
use crate::{Books, BooksError};

/// An account of the newest book (or of an invoice, where the book has dropped it).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSummary {
    pub id: AccountId,
    pub name: String,
    pub seller: PartyId,
    pub currency: Option<Currency>,
    /// Finalized ones.
    pub invoices: i64,
    pub drafts: i64,
    /// Number, period label and gross of the newest finalized invoice.
    pub last: Option<(String, String, Money)>,
    /// Why the newest complete run did not bill it.
    pub parked: Option<ParkedRecord>,
}

/// What a party receives of a period's charges, by role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartyTotal {
    pub party: PartyId,
    pub role: String,
    pub amount: Money,
}

/// Sums of the invoices of one period and currency, drafts included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeriodTotal {
    pub period_label: String,
    pub currency: Currency,
    pub finalized: i64,
    pub drafts: i64,
    /// Of `finalized` and `drafts`, those with estimated usage.
    pub estimated: i64,
    pub net: Money,
    pub tax: Money,
    pub gross: Money,
    /// Empty for a customer.
    pub shares: Vec<PartyTotal>,
}

impl Books {
    /// In order of id.
    pub async fn accounts(&self, scope: &Scope) -> Result<Vec<AccountSummary>, BooksError> {
        let what = "listing accounts";
        let mut accounts: BTreeMap<AccountId, AccountSummary> = match self.price_book().await {
            Ok(book) => book
                .accounts
                .into_iter()
                .filter(|account| scope.sees_account(&account.id, &account.seller))
                .map(|account| (account.id.clone(), of_book(account)))
                .collect(),
            Err(BooksError::NoBook) => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        let mut tx = self.snapshot(what).await?;
        for row in entry_counts(&mut tx, scope).await.map_err(sql(what))? {
            add_counts(&mut accounts, &row).map_err(sql(what))?;
        }
        for row in newest_finalized(&mut tx, scope).await.map_err(sql(what))? {
            add_newest(&mut accounts, &row).map_err(sql(what))?;
        }
        drop(tx);
        for parked in self.parked(scope, None).await? {
            if let Some(account) = accounts.get_mut(&parked.account) {
                account.parked.get_or_insert(parked);
            }
        }
        Ok(accounts.into_values().collect())
    }

    /// An account of the newest book.
    pub async fn account(
        &self,
        scope: &Scope,
        id: &AccountId,
    ) -> Result<Option<Account>, BooksError> {
        let book = match self.price_book().await {
            Ok(book) => book,
            Err(BooksError::NoBook) => return Ok(None),
            Err(error) => return Err(error),
        };
        let found = book.accounts.into_iter().find(|account| &account.id == id);
        Ok(found.filter(|account| scope.sees_account(&account.id, &account.seller)))
    }

    /// Newest period first; of one period label where given.
    pub async fn period_totals(
        &self,
        scope: &Scope,
        period_label: Option<&str>,
    ) -> Result<Vec<PeriodTotal>, BooksError> {
        let what = "summing up periods";
        let label = period_label.unwrap_or("");
        let mut tx = self.snapshot(what).await?;
        let rows = period_sums(&mut tx, scope, label).await.map_err(sql(what))?;
        let mut totals: Vec<PeriodTotal> =
            rows.iter().map(period_total).collect::<Result<_, _>>().map_err(sql(what))?;
        if !scope.sees_split() {
            return Ok(totals);
        }
        for row in share_sums(&mut tx, scope, label).await.map_err(sql(what))? {
            add_share(&mut totals, &row).map_err(sql(what))?;
        }
        Ok(totals)
    }
}

fn of_book(account: Account) -> AccountSummary {
    AccountSummary {
        id: account.id,
        name: account.name,
        seller: account.seller,
        currency: account.currency,
        invoices: 0,
        drafts: 0,
        last: None,
        parked: None,
    }
}

async fn entry_counts(tx: &mut Tx, scope: &Scope) -> Result<Vec<AnyRow>, sqlx::Error> {
    let scope = ScopeKeys::of(scope);
    sqlx::query(
        "SELECT account, MAX(account_name) AS account_name, MAX(seller) AS seller, \
         SUM(CASE WHEN status = 'finalized' THEN 1 ELSE 0 END) AS finalized, \
         SUM(CASE WHEN status = 'draft' THEN 1 ELSE 0 END) AS drafts \
         FROM invoice_entry WHERE ($1 = '' OR seller = $1) AND ($2 = '' OR account = $2) \
         GROUP BY account",
    )
    .bind(scope.seller)
    .bind(scope.account)
    .fetch_all(&mut **tx)
    .await
}

fn add_counts(
    accounts: &mut BTreeMap<AccountId, AccountSummary>,
    row: &AnyRow,
) -> Result<(), sqlx::Error> {
    let id: AccountId = row.parsed("account")?;
    let name = row.text("account_name")?;
    let seller = row.parsed("seller")?;
    let account = accounts.entry(id.clone()).or_insert_with(|| AccountSummary {
        id,
        name,
        seller,
        currency: None,
        invoices: 0,
        drafts: 0,
        last: None,
        parked: None,
    });
    account.invoices = row.int("finalized")?;
    account.drafts = row.int("drafts")?;
    Ok(())
}

async fn newest_finalized(tx: &mut Tx, scope: &Scope) -> Result<Vec<AnyRow>, sqlx::Error> {
    let scope = ScopeKeys::of(scope);
    sqlx::query(
        "SELECT account, number, period_label, currency, gross FROM invoice \
         WHERE ($1 = '' OR seller = $1) AND ($2 = '' OR account = $2) \
         AND period_start = (SELECT MAX(other.period_start) FROM invoice AS other \
         WHERE other.account = invoice.account) ORDER BY account, number",
    )
    .bind(scope.seller)
    .bind(scope.account)
    .fetch_all(&mut **tx)
    .await
}

fn add_newest(
    accounts: &mut BTreeMap<AccountId, AccountSummary>,
    row: &AnyRow,
) -> Result<(), sqlx::Error> {
    if let Some(account) = accounts.get_mut(&row.parsed("account")?) {
        let gross = row.money("gross", row.parsed("currency")?)?;
        account.last = Some((row.text("number")?, row.text("period_label")?, gross));
    }
    Ok(())
}

/// The sums are checked: both databases refuse one that does not fit in 64 bits.
async fn period_sums(tx: &mut Tx, scope: &Scope, label: &str) -> Result<Vec<AnyRow>, sqlx::Error> {
    let scope = ScopeKeys::of(scope);
    sqlx::query(
        "SELECT period_label, currency, \
         SUM(CASE WHEN status = 'finalized' THEN 1 ELSE 0 END) AS finalized, \
         SUM(CASE WHEN status = 'draft' THEN 1 ELSE 0 END) AS drafts, \
         CAST(SUM(estimated) AS BIGINT) AS estimated, CAST(SUM(net) AS BIGINT) AS net, \
         CAST(SUM(tax) AS BIGINT) AS tax, CAST(SUM(gross) AS BIGINT) AS gross \
         FROM invoice_entry WHERE ($1 = '' OR seller = $1) AND ($2 = '' OR account = $2) \
         AND ($3 = '' OR period_label = $3) \
         GROUP BY period_label, currency ORDER BY period_label DESC, currency",
    )
    .bind(scope.seller)
    .bind(scope.account)
    .bind(label)
    .fetch_all(&mut **tx)
    .await
}

fn period_total(row: &AnyRow) -> Result<PeriodTotal, sqlx::Error> {
    let currency: Currency = row.parsed("currency")?;
    Ok(PeriodTotal {
        period_label: row.text("period_label")?,
        currency,
        finalized: row.int("finalized")?,
        drafts: row.int("drafts")?,
        estimated: row.int("estimated")?,
        net: row.money("net", currency)?,
        tax: row.money("tax", currency)?,
        gross: row.money("gross", currency)?,
        shares: Vec::new(),
    })
}

async fn share_sums(tx: &mut Tx, scope: &Scope, label: &str) -> Result<Vec<AnyRow>, sqlx::Error> {
    let scope = ScopeKeys::of(scope);
    sqlx::query(
        "SELECT period_label, currency, party, role, CAST(SUM(amount) AS BIGINT) AS amount \
         FROM share_entry WHERE ($1 = '' OR seller = $1) AND ($2 = '' OR account = $2) \
         AND ($3 = '' OR period_label = $3) \
         GROUP BY period_label, currency, party, role ORDER BY party, role",
    )
    .bind(scope.seller)
    .bind(scope.account)
    .bind(label)
    .fetch_all(&mut **tx)
    .await
}

fn add_share(totals: &mut [PeriodTotal], row: &AnyRow) -> Result<(), sqlx::Error> {
    let label = row.text("period_label")?;
    let currency: Currency = row.parsed("currency")?;
    let total =
        totals.iter_mut().find(|total| total.period_label == label && total.currency == currency);
    if let Some(total) = total {
        total.shares.push(PartyTotal {
            party: row.parsed("party")?,
            role: row.text("role")?,
            amount: row.money("amount", currency)?,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invoice::testing::*;
    use crate::store::testing::TestBooks;

    #[tokio::test]
    async fn accounts_and_periods_are_summed_up_within_the_scope() {
        for test in TestBooks::all().await {
            let books = &test.books;
            let provider = Scope::Provider;
            assert_eq!(books.accounts(&provider).await.expect("empty"), []);
            prepare(books).await;
            invoiced(books, "inv-1", "dupont", "2026-10").await;
            invoiced(books, "inv-2", "sato", "2026-10").await;
            books.put_draft(&draft("inv-3", "rossi", "2026-10", "run-1")).await.expect("stores");
            books.put_draft(&draft("inv-4", "dupont", "2026-11", "run-1")).await.expect("stores");
            let accounts = books.accounts(&provider).await.expect("lists");
            let shown: Vec<String> = accounts
                .iter()
                .map(|account| {
                    let last = account
                        .last
                        .as_ref()
                        .map(|(number, label, gross)| format!("{number} {label} {gross}"));
                    format!("{} {} {} {last:?}", account.id, account.invoices, account.drafts)
                })
                .collect();
            assert_eq!(
                shown,
                [
                    r#"dupont 1 1 Some("LYO-2026-000001 2026-10 4292.40 EUR")"#,
                    "rossi 0 1 None",
                    r#"sato 1 0 Some("TYO-2026-000001 2026-10 3935 JPY")"#,
                ]
            );
            let lyon = Scope::Franchisee(PartyId::new("lyon").expect("id"));
            let dupont = Scope::Customer(AccountId::new("dupont").expect("id"));
            for scope in [&lyon, &dupont] {
                let ids: Vec<_> = books.accounts(scope).await.expect("lists");
                assert_eq!(ids, accounts[..1]);
                assert!(books.account(scope, &accounts[0].id).await.expect("own").is_some());
                assert!(books.account(scope, &accounts[1].id).await.expect("foreign").is_none());
            }

            let totals = books.period_totals(&provider, Some("2026-10")).await.expect("sums");
            let shown: Vec<String> = totals
                .iter()
                .map(|total| {
                    let shares: Vec<String> = total
                        .shares
                        .iter()
                        .map(|share| format!("{} {} {}", share.party, share.role, share.amount))
                        .collect();
                    let counts = format!("{}+{}", total.finalized, total.drafts);
                    format!("{counts} {} {} {shares:?}", total.net, total.gross)
                })
                .collect();
            // 3577.00 twice; royalties: 1135.47 of lyon, and a quarter of each line of milano.
            assert_eq!(
                shown,
                [
                    r#"1+1 7154.00 EUR 8656.34 EUR ["acme royalty 2029.72 EUR", "lyon proceeds 2441.53 EUR", "milano proceeds 2682.75 EUR"]"#,
                    r#"1+0 3577 JPY 3935 JPY ["acme royalty 429 JPY", "tokyo proceeds 3148 JPY"]"#,
                ]
            );
            let all = books.period_totals(&dupont, None).await.expect("sums");
            let labels: Vec<&str> = all.iter().map(|total| total.period_label.as_str()).collect();
            assert_eq!(labels, ["2026-11", "2026-10"]);
            assert!(all.iter().all(|total| total.shares.is_empty()));
        }
    }
}
