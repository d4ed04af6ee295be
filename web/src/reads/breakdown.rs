//! [`breakdown`]: a period's charges by service and site, from its invoices.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Mutex;
use turnpike_books::{InvoiceFilter, InvoiceSummary};
use turnpike_schemas::money::MoneyError;
use turnpike_schemas::{AccountId, Currency, Invoice, Money, Scope};

use crate::error::WebError;
use crate::state::WebState;

/// Net of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceTotal {
    pub service: String,
    pub net: Money,
}

/// Net of one site, by service in the order of [`CurrencyBreakdown::services`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteTotal {
    /// `None`: the source named no site.
    pub site: Option<String>,
    pub net: Money,
    pub services: Vec<ServiceTotal>,
}

/// An account and what it is billed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopAccount {
    pub account: AccountId,
    pub name: String,
    pub net: Money,
    pub estimated: bool,
}

/// The charges of one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrencyBreakdown {
    pub currency: Currency,
    pub net: Money,
    /// Largest first.
    pub services: Vec<ServiceTotal>,
    pub sites: Vec<SiteTotal>,
    /// The ten largest.
    pub accounts: Vec<TopAccount>,
}

/// The charges of a period.
pub type Breakdown = Vec<CurrencyBreakdown>;

/// The newest breakdown of each scope and period, with the drafts and invoices it was made of. The
/// lock is held while one is made: many who look at once wait for one reader.
#[derive(Default)]
pub struct BreakdownCache(Mutex<BTreeMap<(String, String), Made>>);

/// What a breakdown was made of, and the breakdown.
type Made = (Vec<String>, Arc<Breakdown>);

/// Invoices are read in pages of this size, the most that the books give at once.
const PAGE: u32 = 1_000;
/// Periods kept; more are not looked at by one overview.
const CACHED_MAX: usize = 64;

pub async fn breakdown(
    state: &WebState,
    cache: &BreakdownCache,
    scope: &Scope,
    label: &str,
) -> Result<Arc<Breakdown>, WebError> {
    let mut cached = cache.0.lock().await;
    let summaries = summaries(state, scope, label).await?;
    let made_of: Vec<String> =
        summaries.iter().map(|summary| format!("{} {}", summary.id, summary.run)).collect();
    let key = (format!("{scope:?}"), label.to_owned());
    if let Some((known, breakdown)) = cached.get(&key)
        && *known == made_of
    {
        return Ok(Arc::clone(breakdown));
    }
    let breakdown = Arc::new(read(state, scope, &summaries).await?);
    if cached.len() >= CACHED_MAX {
        cached.clear();
    }
    cached.insert(key, (made_of, Arc::clone(&breakdown)));
    Ok(breakdown)
}

async fn summaries(
    state: &WebState,
    scope: &Scope,
    label: &str,
) -> Result<Vec<InvoiceSummary>, WebError> {
    let mut all = Vec::new();
    loop {
        let offset = u32::try_from(all.len()).unwrap_or(u32::MAX);
        let period_label = Some(label.to_owned());
        let filter =
            InvoiceFilter { period_label, limit: PAGE, offset, ..InvoiceFilter::default() };
        let page = state.books.invoices(scope, &filter).await?;
        let ended = page.invoices.is_empty();
        all.extend(page.invoices);
        if ended || i64::try_from(all.len()).unwrap_or(i64::MAX) >= page.total {
            return Ok(all);
        }
    }
}

async fn read(
    state: &WebState,
    scope: &Scope,
    summaries: &[InvoiceSummary],
) -> Result<Breakdown, WebError> {
    let mut sums: BTreeMap<Currency, Sums> = BTreeMap::new();
    for summary in summaries {
        let Some(invoice) = state.books.invoice(scope, summary.id.as_str()).await? else {
            // Replaced by another draft since the list was read: the next look has it.
            continue;
        };
        let sums = sums.entry(summary.currency).or_insert_with(|| Sums::new(summary.currency));
        sums.add(&invoice)?;
    }
    Ok(sums.into_values().map(Sums::into_breakdown).collect::<Result<_, MoneyError>>()?)
}

/// Sums under way.
struct Sums {
    net: Money,
    cells: BTreeMap<(Option<String>, String), Money>,
    accounts: Vec<TopAccount>,
}

impl Sums {
    fn new(currency: Currency) -> Self {
        Self { net: Money::zero(currency), cells: BTreeMap::new(), accounts: Vec::new() }
    }

    fn add(&mut self, invoice: &Invoice) -> Result<(), MoneyError> {
        self.net = self.net.checked_add(&invoice.net)?;
        for charge in &invoice.charges {
            let key = (charge.site.clone(), charge.service.clone());
            let cell = self.cells.entry(key).or_insert_with(|| Money::zero(invoice.currency));
            *cell = cell.checked_add(&charge.net)?;
        }
        self.accounts.push(TopAccount {
            account: invoice.account.id.clone(),
            name: invoice.account.name.clone(),
            net: invoice.net,
            estimated: invoice.estimated,
        });
        Ok(())
    }

    fn into_breakdown(mut self) -> Result<CurrencyBreakdown, MoneyError> {
        let currency = self.net.currency();
        let mut services: BTreeMap<&str, Money> = BTreeMap::new();
        for ((_, service), net) in &self.cells {
            let total = services.entry(service).or_insert_with(|| Money::zero(currency));
            *total = total.checked_add(net)?;
        }
        let mut services: Vec<ServiceTotal> = services
            .into_iter()
            .map(|(service, net)| ServiceTotal { service: service.to_owned(), net })
            .collect();
        services.sort_by_key(|total| std::cmp::Reverse(total.net.minor()));
        let mut sites = Vec::new();
        for (site, _) in self.cells.keys() {
            if sites.last().is_none_or(|last: &SiteTotal| &last.site != site) {
                sites.push(self.site(site, &services)?);
            }
        }
        sites.sort_by_key(|site| std::cmp::Reverse(site.net.minor()));
        self.accounts.sort_by_key(|account| std::cmp::Reverse(account.net.minor()));
        self.accounts.truncate(10);
        Ok(CurrencyBreakdown { currency, net: self.net, services, sites, accounts: self.accounts })
    }

    fn site(
        &self,
        site: &Option<String>,
        services: &[ServiceTotal],
    ) -> Result<SiteTotal, MoneyError> {
        let currency = self.net.currency();
        let cell = |service: &ServiceTotal| {
            let net = self.cells.get(&(site.clone(), service.service.clone()));
            let net = net.copied().unwrap_or_else(|| Money::zero(currency));
            ServiceTotal { service: service.service.clone(), net }
        };
        let services: Vec<ServiceTotal> = services.iter().map(cell).collect();
        let net = Money::sum(services.iter().map(|service| &service.net), currency)?;
        Ok(SiteTotal { site: site.clone(), net, services })
    }
}
