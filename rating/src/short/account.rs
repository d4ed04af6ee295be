//! [`ShortWay`]: the lines of one account, from its sums.

use std::cmp::Ordering;

use ethnum::I256;
use turnpike_schemas::{Account, Amount, Currency, Instant, Period, Pool, RunId};

use super::form::{Form, Forms};
use crate::account::{line_id, owes_usage_alone};
use crate::convert;
use crate::difference::SideParts;
use crate::fast::{Subject, Sums, Tally};
use crate::line_digest::TermsDigest;
use crate::line_view::LineView;
use crate::tariff_lookup::Lookup;

/// The short way of a run: one for all of its threads.
pub(crate) struct ShortWay<'t, 'l> {
    lookup: &'t Lookup<'l>,
    run: &'t RunId,
    tallies: &'t [Tally],
    /// `None`: declined.
    forms: Vec<Option<Form<'t, 'l>>>,
    /// Of each tally, the form of each slot.
    of_slots: Vec<Vec<u32>>,
}

/// What an account has used at one price.
#[derive(Debug, Clone, Copy)]
struct Item<'t> {
    form: u32,
    project: Option<&'t str>,
    /// `None`: the account itself.
    resource: Option<&'t str>,
    sums: Sums,
    /// When anything of the same tariff version was used first.
    begun: i64,
}

struct ShortLine {
    item: usize,
    tier: usize,
    id: [u8; line_id::DIGITS],
    quantity: i128,
    amount: Amount,
    service_period: Period,
}

/// The lines of an account; the memory serves the next one as well.
#[derive(Default)]
pub(crate) struct ShortLines<'t> {
    items: Vec<Item<'t>>,
    /// Places of items, in the order in which they are priced.
    order: Vec<usize>,
    lines: Vec<ShortLine>,
    /// What items come to, where lines are not asked for: numerator and denominator.
    worths: Vec<(u32, I256, I256)>,
    /// What the account as a resource is called.
    own: String,
    /// Of a key.
    text: String,
}

impl<'t, 'l: 't> ShortWay<'t, 'l> {
    pub(crate) fn new(lookup: &'t Lookup<'l>, run: &'t RunId, tallies: &'t [Tally]) -> Self {
        let mut forms = Forms::default();
        let mut of_slots = Vec::with_capacity(tallies.len());
        for tally in tallies {
            let slots = tally.slots().iter();
            let number = |slot: &'t crate::fast::Slot| {
                forms.number(lookup.book, &slot.template, &slot.resource_kind)
            };
            of_slots.push(slots.map(number).collect());
        }
        Self { lookup, run, tallies, forms: forms.ranked(), of_slots }
    }

    /// Prices the account of a number in the book, of which there is nothing but its sums. `None`: it
    /// has to go the general way.
    pub(crate) fn price(
        &self,
        number: u32,
        account: &'l Account,
        lines: &mut ShortLines<'t>,
    ) -> Option<()> {
        let Some(currency) = self.begin(number, account, lines)? else { return Some(()) };
        line_id::put_account(account.id.as_str(), &mut lines.text);
        let of_account = lines.text.len();
        let ShortLines { items, order, lines: priced, own, text, .. } = lines;
        self.each_place(items, order, own, |place, among| {
            text.truncate(of_account);
            let texts = (own.as_str(), &mut *text);
            self.price_item((items.as_slice(), place), currency, among, texts, priced)
        })?;
        self.sort(lines);
        Some(())
    }

    /// The same without lines: what the items of the account come to.
    pub(crate) fn sum(
        &self,
        number: u32,
        account: &'l Account,
        lines: &mut ShortLines<'t>,
    ) -> Option<()> {
        if self.begin(number, account, lines)?.is_none() {
            return Some(());
        }
        let ShortLines { items, order, own, worths, .. } = lines;
        self.each_place(items, order, own, |place, (low, high, total)| {
            let item = &items[place];
            period_of(&item.sums)?;
            let whole = self.form(item).whole();
            whole.price((low, high), total, |tier, quantity| {
                let (numerator, denominator) = whole.worth(tier, quantity)?;
                // What does not fit a line must not fit here.
                if !convert::integers_fit([quantity, numerator, denominator]) {
                    return None;
                }
                worths.push((item.form, numerator.into(), denominator.into()));
                Some(())
            })
        })
    }

    /// Adds up what [`ShortWay::sum`] found.
    pub(crate) fn put_sums(&self, account: &Account, lines: &ShortLines<'t>, sums: &mut SideParts) {
        for (form, numerator, denominator) in &lines.worths {
            let Some(form) = &self.forms[*form as usize] else { continue };
            let of = (&form.key.meter, form.key.site.as_deref(), form.currency);
            sums.add(&account.id, of, (*numerator, *denominator));
        }
    }

    /// Arranges the items of an account, and tells its currency where there are some.
    #[expect(clippy::option_option, reason = "declined, nothing to price, or priced in a currency")]
    fn begin(
        &self,
        number: u32,
        account: &'l Account,
        lines: &mut ShortLines<'t>,
    ) -> Option<Option<Currency>> {
        lines.begin(account);
        self.collect(number, &mut lines.items)?;
        // An account that moves between tariffs counts its units anew.
        if account.tariffs.len() > 1 || !owes_usage_alone(self.lookup, account) {
            return None;
        }
        if lines.items.is_empty() {
            return Some(None);
        }
        let currency = account.currency?;
        let known = lines.items.iter().all(|item| self.form(item).currency == currency);
        if !known {
            return None;
        }
        self.merge(lines)?;
        self.arrange(lines);
        Some(Some(currency))
    }

    /// The lines of an account that was priced, each with what its terms contribute to the hash.
    pub(crate) fn views<'a>(
        &'a self,
        account: &'a Account,
        lines: &'a ShortLines<'t>,
    ) -> impl Iterator<Item = (LineView<'a>, &'a TermsDigest)> {
        lines.lines.iter().map(move |line| {
            let item = &lines.items[line.item];
            let texts = &self.form(item).texts().tiers[line.tier];
            let view = LineView {
                line_id: line_id::digits_text(&line.id),
                run: self.run,
                account: &account.id,
                seller: &account.seller,
                project: item.project,
                resource: item.resource(&lines.own),
                terms: &texts.terms,
                quantity: line.quantity,
                seconds: item.sums.seconds,
                amount: &line.amount,
                service_period: line.service_period,
                intervals: item.sums.intervals,
            };
            (view, &texts.digest)
        })
    }

    /// The form of an item that was not declined.
    fn form(&self, item: &Item<'_>) -> &Form<'t, 'l> {
        self.forms[item.form as usize].as_ref().expect("items of declined forms are not collected")
    }

    fn collect(&self, number: u32, items: &mut Vec<Item<'t>>) -> Option<()> {
        for (tally, of_slots) in self.tallies.iter().zip(&self.of_slots) {
            for (slot, resource, sums) in tally.of_number(number) {
                let form = of_slots[slot as usize];
                self.forms[form as usize].as_ref()?;
                let slot = &tally.slots()[slot as usize];
                let resource = match slot.subject {
                    Subject::Resource => Some(resource?),
                    Subject::Account => None,
                    Subject::Named => Some(slot.template.resource.as_str()),
                };
                let project = slot.template.project.as_deref();
                items.push(Item { form, project, resource, sums: *sums, begun: sums.first });
            }
        }
        Some(())
    }

    /// Puts items in the order of their keys and adds up those of one key.
    fn merge(&self, lines: &mut ShortLines<'t>) -> Option<()> {
        let own = lines.own.as_str();
        let order = |left: &Item<'t>, right: &Item<'t>| {
            let (left_form, right_form) = (self.form(left), self.form(right));
            let services = left_form.service_rank.cmp(&right_form.service_rank);
            services
                .then_with(|| left.project.cmp(&right.project))
                .then_with(|| left.resource_order(right, own))
                .then_with(|| left_form.rank.cmp(&right_form.rank))
        };
        lines.items.sort_unstable_by(order);
        let mut sound = true;
        lines.items.dedup_by(|next, kept| {
            if order(next, kept) != Ordering::Equal {
                return false;
            }
            // Two kinds of resources under one key: the general way says which is named.
            sound &= next.form == kept.form && kept.sums.add(&next.sums).is_some();
            true
        });
        sound.then_some(())
    }

    /// Puts items in the order in which they are priced: by series and member, then as
    /// [`crate::account`] sorts them by use.
    fn arrange(&self, lines: &mut ShortLines<'t>) {
        let ShortLines { items, order, own, .. } = lines;
        order.clear();
        order.extend(0..items.len());
        let of_version = |item: &Item<'t>| (self.form(item).version, item.sums.first);
        order.sort_unstable_by(|left, right| {
            let (left, right) = (&items[*left], &items[*right]);
            let series = self.series_order(left, right, own);
            series.then_with(|| of_version(left).cmp(&of_version(right)))
        });
        let mut before: Option<usize> = None;
        for place in order.iter() {
            let item = &items[*place];
            let same = before.map(|before| &items[before]).filter(|before| {
                self.series_order(before, item, own) == Ordering::Equal
                    && self.form(before).version == self.form(item).version
            });
            let begun = same.map_or(item.sums.first, |before| before.begun);
            items[*place].begun = begun;
            before = Some(*place);
        }
        let by_use = |place: usize| {
            let item = &items[place];
            (item.begun, self.form(item).valid_from, item.sums.first, place)
        };
        order.sort_unstable_by(|left, right| {
            let series = self.series_order(&items[*left], &items[*right], own);
            series.then_with(|| by_use(*left).cmp(&by_use(*right)))
        });
    }

    /// Equal where units are counted on from one to the other.
    fn series_order(&self, left: &Item<'t>, right: &Item<'t>, own: &str) -> Ordering {
        let (left_form, right_form) = (self.form(left), self.form(right));
        left_form.series.cmp(&right_form.series).then_with(|| match left_form.rate.pool {
            Pool::Account => Ordering::Equal,
            Pool::Project => left.project.cmp(&right.project),
            Pool::Site => left_form.key.site.cmp(&right_form.key.site),
            Pool::Resource => left.resource_order(right, own),
        })
    }

    /// Hands over each item, with where it stands among the units of its series.
    fn each_place(
        &self,
        items: &[Item<'t>],
        order: &[usize],
        own: &str,
        mut each: impl FnMut(usize, (i128, i128, i128)) -> Option<()>,
    ) -> Option<()> {
        let mut rest = order;
        while let Some(first) = rest.first() {
            let same = |place: &&usize| {
                self.series_order(&items[*first], &items[**place], own) == Ordering::Equal
            };
            let (series, others) = rest.split_at(rest.iter().take_while(same).count());
            rest = others;
            let quantities = series.iter().map(|place| items[*place].sums.quantity);
            let total = quantities.clone().try_fold(0_i128, i128::checked_add)?;
            let mut low = 0_i128;
            for (place, quantity) in series.iter().zip(quantities) {
                let high = low.checked_add(quantity)?;
                each(*place, (low, high, total))?;
                low = high;
            }
        }
        Some(())
    }

    /// Prices an item at its place among the units of its series.
    fn price_item(
        &self,
        (items, place): (&[Item<'t>], usize),
        currency: Currency,
        (low, high, total): (i128, i128, i128),
        (own, text): (&str, &mut String),
        lines: &mut Vec<ShortLine>,
    ) -> Option<()> {
        let item = &items[place];
        let (form, sums) = (self.form(item), &item.sums);
        let service_period = period_of(sums)?;
        let texts = form.texts();
        line_id::put_project(&form.key.service, item.project, text);
        line_id::put_resource(item.resource(own), text);
        text.push_str(&texts.price);
        let hash = line_id::KeyHash::of(text);
        form.whole().price((low, high), total, |tier, quantity| {
            let amount = form.whole().amount(tier, quantity, currency)?;
            if !convert::figures_fit(quantity, &amount) {
                return None;
            }
            let id = hash.id(&texts.tiers[tier].apart);
            lines.push(ShortLine { item: place, tier, id, quantity, amount, service_period });
            Some(())
        })
    }

    /// The canonical order of an account's lines.
    fn sort(&self, lines: &mut ShortLines<'t>) {
        let ShortLines { items, lines, own, .. } = lines;
        lines.sort_unstable_by(|left, right| {
            let (item, other) = (&items[left.item], &items[right.item]);
            let (form, other_form) = (self.form(item), self.form(other));
            let services = form.service_rank.cmp(&other_form.service_rank);
            services
                .then_with(|| item.project.cmp(&other.project))
                .then_with(|| item.resource_order(other, own))
                .then_with(|| form.meter_rank.cmp(&other_form.meter_rank))
                .then_with(|| left.service_period.cmp(&right.service_period))
                .then_with(|| left.id.cmp(&right.id))
        });
    }
}

fn period_of(sums: &Sums) -> Option<Period> {
    let (first, last) = (Instant::from_micros(sums.first), Instant::from_micros(sums.last));
    Period::new(first.ok()?, last.ok()?).ok()
}

impl<'t> Item<'t> {
    /// In the order of their names.
    #[inline]
    fn resource_order(&self, other: &Self, own: &str) -> Ordering {
        match (self.resource, other.resource) {
            (None, None) => Ordering::Equal,
            _ => self.resource(own).cmp(other.resource(own)),
        }
    }

    #[inline]
    fn resource<'a>(&self, own: &'a str) -> &'a str
    where
        't: 'a,
    {
        self.resource.unwrap_or(own)
    }
}

impl ShortLines<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    fn begin(&mut self, account: &Account) {
        self.items.clear();
        self.order.clear();
        self.lines.clear();
        self.worths.clear();
        self.text.clear();
        self.own.clear();
        self.own.push_str("account:");
        self.own.push_str(account.id.as_str());
    }
}
