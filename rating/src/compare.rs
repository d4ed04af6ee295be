//! Real history under other terms: another tariff, another book, another site.
//!
//! Usage is metered once and gathered twice, by the run's own code; both sides are priced by the
//! account stage of a run, and of their lines only the sums are kept. Invariant: an account that either side cannot price is in neither sum,
//! and is named with its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use turnpike_lake::LakeSnapshot;
use turnpike_schemas::{AccountId, PriceBook, SiteId, TariffId, WideSum};

use crate::difference::{Side, SideKey, SideSums, sides};
use crate::engine::View;
use crate::error::RatingError;
use crate::parked::{Parked, Unassigned};
use crate::request::{RatingProgress, RatingRequest};
use crate::run::{Viewed, rated};

/// The other terms.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// In place of the book of the run.
    pub book: Option<PriceBook>,
    /// Accounts on the first tariff are taken to be on the second.
    pub tariffs: Vec<(TariffId, TariffId)>,
    /// Usage of the first site is taken to have run at the second.
    pub sites: Vec<(String, SiteId)>,
}

/// Both sides.
#[derive(Debug)]
pub struct Comparison {
    pub old: BTreeMap<SideKey, WideSum>,
    pub new: BTreeMap<SideKey, WideSum>,
    /// Accounts left out, with the reason of the side that cannot price them.
    pub parked_old: Vec<Parked>,
    pub parked_new: Vec<Parked>,
    pub unassigned: Vec<Unassigned>,
}

impl Comparison {
    pub fn sides(&self) -> BTreeMap<SideKey, Side> {
        sides(&self.old, &self.new)
    }
}

impl Terms {
    /// The book in which they hold.
    fn book(&self, own: &PriceBook) -> PriceBook {
        let mut book = self.book.clone().unwrap_or_else(|| own.clone());
        for account in &mut book.accounts {
            for assignment in &mut account.tariffs {
                // Each assignment is replaced once: A=B and B=A change places.
                let found = self.tariffs.iter().find(|(old, _)| *old == assignment.tariff);
                if let Some((_, new)) = found {
                    assignment.tariff = new.clone();
                }
            }
        }
        book
    }

    fn view(&self, own: &PriceBook, request: &RatingRequest) -> Result<View, RatingError> {
        let book = self.book(own);
        let periods = request.periods(&book.accounts)?;
        let span = request.span(&periods)?;
        let sites = self.sites.iter().cloned().collect();
        Ok(View {
            book: Arc::new(book),
            periods: Arc::new(periods),
            span,
            until: span.end().min(request.as_of),
            sites: Arc::new(sites),
        })
    }
}

/// Rates the request's window as it is, and under the terms. Writes nothing.
pub async fn compare(
    snapshot: &LakeSnapshot,
    book: &PriceBook,
    terms: &Terms,
    request: &RatingRequest,
    progress: &(dyn Fn(RatingProgress) + Send + Sync),
) -> Result<Comparison, RatingError> {
    let view = terms.view(book, request)?;
    let (old, new) = (Arc::new(SideSums::default()), Arc::new(SideSums::default()));
    let viewed = vec![Viewed { view, sink: new.clone() }];
    let (own, mut views) = rated(snapshot, book, viewed, request, progress, old.clone()).await?;
    let Some(other) = views.pop() else {
        return Err(RatingError::View);
    };
    let parked: BTreeSet<&AccountId> =
        own.parked.iter().chain(&other.parked).map(|parked| &parked.account).collect();
    let kept = |sums: Arc<SideSums>| {
        let sums = Arc::into_inner(sums).expect("the run has ended and gave its lines up");
        let mut sums = sums.into_sums();
        sums.retain(|key, _| !parked.contains(&key.account));
        sums
    };
    let (old, new) = (kept(old), kept(new));
    Ok(Comparison {
        old,
        new,
        parked_old: own.parked,
        parked_new: other.parked,
        unassigned: other.unassigned,
    })
}
