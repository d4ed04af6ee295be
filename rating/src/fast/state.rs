//! What is known of a resource, from stored states to numbers and back.

use std::collections::BTreeMap;
use std::sync::Arc;

use turnpike_schemas::interval::Holder as FullHolder;
use turnpike_schemas::{Instant, MeterId, OwnerRef, ResourceId};

use super::block::Numbers;
use super::column::NO_LONG;
use super::fold::Known;
use super::head::Holder;
use super::held::{Counter, Held, LANES, Way};
use super::names::NONE;
use crate::metering::{self, Metered};

fn instant(micros: i64) -> Option<Instant> {
    Instant::from_micros(micros).ok()
}

fn optional(micros: i64) -> Option<Instant> {
    instant(micros).filter(|_| micros != NO_LONG)
}

fn micros(instant: Option<Instant>) -> i64 {
    instant.map_or(NO_LONG, |instant| instant.micros())
}

impl Known {
    /// Takes up what was stored; `None` where the general fold has to.
    pub(super) fn load(&mut self, from: &Metered, numbers: &mut Numbers) -> Option<()> {
        self.clear();
        let Numbers { names, labels, .. } = numbers;
        let mut name = |text: Option<&str>| text.map_or(Some(NONE), |text| names.number(text));
        let holder = &from.holder;
        self.holder = Holder {
            kind: name(Some(&holder.resource_kind))?,
            parent: name(holder.parent.as_ref().map(ResourceId::as_str))?,
            owner: name(holder.owner.as_ref().map(OwnerRef::as_str))?,
            project: name(holder.project.as_deref())?,
            site: name(holder.site.as_deref())?,
            region: name(holder.region.as_deref())?,
            source: name(Some(&holder.source))?,
            attributes: labels.of_map(&holder.attributes)?,
            tags: labels.of_map(&holder.tags)?,
        };
        for (meter, held) in &from.held {
            self.held.push(Held {
                meter: name(Some(meter.as_str()))?,
                quantity: held.quantity,
                scale: held.scale,
                from: held.from.micros(),
                ways: [Way::NONE; LANES],
            });
        }
        for (meter, counter) in &from.counters {
            if counter.since.is_some() {
                return None;
            }
            self.counters.push(Counter {
                meter: name(Some(meter.as_str()))?,
                incarnation: name(counter.incarnation.as_deref())?,
                value: counter.value,
                scale: counter.scale,
                at: counter.at.micros(),
            });
        }
        self.seen = true;
        self.state = from.state;
        self.begun = micros(from.begun);
        self.evidence = from.evidence.micros();
        self.ended = micros(from.ended);
        Some(())
    }

    /// What would be stored; `None` where nothing is known.
    pub(super) fn to_metered(&self, resource: &str, numbers: &Numbers) -> Option<Metered> {
        if !self.seen {
            return None;
        }
        let name = |number: u32| numbers.names.text(number);
        let text = |number: u32| name(number).map(str::to_owned);
        let holder = &self.holder;
        let meter = |number: u32| MeterId::new(name(number)?).ok();
        let held = self.held.iter().map(|held| {
            let from = instant(held.from)?;
            let Held { quantity, scale, .. } = *held;
            Some((meter(held.meter)?, metering::Held { quantity, scale, from }))
        });
        let counters = self.counters.iter().map(|counter| {
            let stored = metering::Counter {
                incarnation: text(counter.incarnation),
                value: counter.value,
                scale: counter.scale,
                at: instant(counter.at)?,
                since: None,
            };
            Some((meter(counter.meter)?, stored))
        });
        Some(Metered {
            holder: Arc::new(FullHolder {
                resource: ResourceId::new(resource).ok()?,
                resource_kind: text(holder.kind).unwrap_or_default(),
                parent: name(holder.parent).and_then(|text| ResourceId::new(text).ok()),
                owner: name(holder.owner).and_then(|text| OwnerRef::new(text).ok()),
                project: text(holder.project),
                site: text(holder.site),
                region: text(holder.region),
                source: text(holder.source).unwrap_or_default(),
                attributes: numbers.labels.map(holder.attributes).clone(),
                tags: numbers.labels.map(holder.tags).clone(),
            }),
            state: self.state,
            held: held.collect::<Option<BTreeMap<_, _>>>()?,
            counters: counters.collect::<Option<BTreeMap<_, _>>>()?,
            begun: optional(self.begun),
            evidence: instant(self.evidence)?,
            ended: optional(self.ended),
        })
    }
}
