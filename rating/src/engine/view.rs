//! [`View`]: another way to price what is metered, beside the run's own.
//!
//! Each bucket is metered once; every interval goes into the harvest of the run and into that of
//! each view, by the same gathering.

use std::collections::BTreeMap;
use std::sync::Arc;

use turnpike_schemas::interval::Holder;
use turnpike_schemas::{AccountId, Instant, Period, PriceBook, SiteId, UsageInterval};

use crate::gather::Harvest;
use crate::tariff_lookup::Lookup;

/// A book, the periods to price by it, and where usage is taken to have run.
#[derive(Debug, Clone)]
pub struct View {
    pub book: Arc<PriceBook>,
    pub periods: Arc<BTreeMap<AccountId, Period>>,
    pub span: Period,
    pub until: Instant,
    /// Usage of a site counts as that of another one, in whose region it then is.
    pub sites: Arc<BTreeMap<String, SiteId>>,
}

impl View {
    fn moved(&self, holder: &Holder) -> Option<Holder> {
        let to = self.sites.get(holder.site.as_deref()?)?;
        let region = self.book.site(to).and_then(|site| site.region.clone());
        Some(Holder { site: Some(to.to_string()), region, ..holder.clone() })
    }
}

/// Gathers intervals for a view.
pub(super) struct Gatherer<'a> {
    view: &'a View,
    lookup: Lookup<'a>,
    pub(super) harvest: Harvest,
    /// The holder seen last, and where it is taken to be.
    last: Option<(Arc<Holder>, Option<Arc<Holder>>)>,
}

impl<'a> Gatherer<'a> {
    pub(super) fn new(view: &'a View) -> Self {
        let lookup = Lookup::new(&view.book, &view.periods);
        Self { view, lookup, harvest: Harvest::default(), last: None }
    }

    /// Seconds past what is rated that intervals without an end have to reach.
    pub(super) fn after_seconds(&self) -> i64 {
        self.lookup.after_seconds()
    }

    pub(super) fn take(&mut self, interval: &UsageInterval) {
        let View { span, until, .. } = self.view;
        match self.moved(interval) {
            None => self.harvest.add(&self.lookup, interval, span, *until),
            Some(moved) => self.harvest.add(&self.lookup, &moved, span, *until),
        }
    }

    /// [`Gatherer::take`] of what has no end yet.
    pub(super) fn take_open(&mut self, interval: &UsageInterval) {
        let View { span, until, .. } = self.view;
        match self.moved(interval) {
            None => self.harvest.add_open(&self.lookup, interval, span, *until),
            Some(moved) => self.harvest.add_open(&self.lookup, &moved, span, *until),
        }
    }

    pub(super) fn close_resource(&mut self) {
        self.harvest.close_resource();
    }

    /// The interval where it is taken to have been elsewhere.
    fn moved(&mut self, interval: &UsageInterval) -> Option<UsageInterval> {
        let holder = self.holder(&interval.holder)?;
        Some(UsageInterval { holder, ..interval.clone() })
    }

    /// The holder where it is taken to be elsewhere.
    fn holder(&mut self, holder: &Arc<Holder>) -> Option<Arc<Holder>> {
        if self.view.sites.is_empty() {
            return None;
        }
        let known = self.last.as_ref().is_some_and(|(seen, _)| Arc::ptr_eq(seen, holder));
        if !known {
            let moved = self.view.moved(holder).map(Arc::new);
            self.last = Some((Arc::clone(holder), moved));
        }
        self.last.as_ref().and_then(|(_, moved)| moved.clone())
    }
}
