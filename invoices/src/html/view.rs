//! What the page shows, in the order in which it shows it. No figure is computed here but sums of
//! charges for subtotals.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

mod notes;
mod split;

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use turnpike_schemas::invoice::InvoiceStatus;
use turnpike_schemas::{Charge, Invoice, Money};

use super::Audience;
use crate::group::is_of_account;
use crate::{InvoiceError, filters, format};
use notes::Notes;
use split::Split;

/// What a group without a project is called.
const NO_PROJECT: &str = "No project";
/// And one that belongs to the account as a whole.
const WHOLE_ACCOUNT: &str = "Whole account";

#[derive(Template)]
#[template(path = "invoice.html", whitespace = "minimize")]
pub(super) struct Document<'a> {
    invoice: &'a Invoice,
    provider: bool,
    draft: bool,
    zone: &'static str,
    service_period: String,
    services: Vec<Service<'a>>,
    projects: Vec<Subtotal<'a>>,
    notes: Notes<'a>,
    split: Option<Split<'a>>,
}

/// The charges of one service, under one heading.
struct Service<'a> {
    name: &'a str,
    /// Its place among the services, for links.
    place: usize,
    count: usize,
    net: Money,
    projects: Vec<Project<'a>>,
}

struct Project<'a> {
    name: &'a str,
    net: Money,
    /// A heading of its own: left out where a service has charges of no project only.
    headed: bool,
    rows: Vec<Row<'a>>,
}

struct Subtotal<'a> {
    name: &'a str,
    count: usize,
    net: Money,
}

struct Row<'a> {
    charge: &'a Charge,
    details: String,
    quantity: String,
    held: Option<String>,
    price: String,
    /// `/ vCPU·hour`, on a line of its own.
    per: String,
}

impl<'a> Document<'a> {
    pub fn new(invoice: &'a Invoice, audience: Audience) -> Result<Self, InvoiceError> {
        let provider = audience == Audience::Provider;
        let zone = invoice.account.time_zone;
        let versions: BTreeSet<_> =
            invoice.charges.iter().map(|charge| &charge.tariff_version).collect();
        let rows = Rows { invoice, name_tariffs: versions.len() > 1 };
        Ok(Self {
            invoice,
            provider,
            draft: invoice.status == InvoiceStatus::Draft,
            zone: zone.name(),
            service_period: format::period_local(&invoice.period, zone),
            services: rows.services()?,
            projects: projects(invoice)?,
            notes: Notes::new(invoice)?,
            split: if provider { Some(Split::new(invoice)?) } else { None },
        })
    }

    /// `Draft invoice` or `Invoice LYO-2026-000001`: the page's title.
    fn title(&self) -> String {
        match &self.invoice.number {
            Some(number) => format!("Invoice {number}"),
            None => format!("Draft invoice {}", self.invoice.period_label),
        }
    }

    /// The title as the content of a CSS string, for the foot of each printed page: there is no
    /// other way to put a document's own text there. Whatever is not plainly harmless in CSS and
    /// in HTML is written as its code point.
    fn page_footer(&self) -> String {
        let mut text = String::new();
        for c in self.title().chars() {
            if c.is_ascii_alphanumeric() || " -._".contains(c) {
                text.push(c);
            } else {
                text.push_str(&format!("\\{:x} ", u32::from(c)));
            }
        }
        text
    }

    fn has_projects(&self) -> bool {
        self.invoice.charges.iter().any(|charge| charge.project.is_some())
    }
}

struct Rows<'a> {
    invoice: &'a Invoice,
    /// More than one tariff version priced this invoice, so each row names its own.
    name_tariffs: bool,
}

impl<'a> Rows<'a> {
    fn services(&self) -> Result<Vec<Service<'a>>, InvoiceError> {
        let chunks = self.invoice.charges.chunk_by(|a, b| a.service == b.service);
        (1_usize..).zip(chunks).map(|(place, charges)| self.service(place, charges)).collect()
    }

    fn service(&self, place: usize, charges: &'a [Charge]) -> Result<Service<'a>, InvoiceError> {
        let headed = charges.iter().any(|charge| charge.project.is_some());
        let projects = charges
            .chunk_by(|a, b| group_of(a) == group_of(b))
            .map(|charges| {
                Ok(Project {
                    name: charges.first().map_or(NO_PROJECT, project_name),
                    net: net(self.invoice, charges)?,
                    headed,
                    rows: charges.iter().map(|charge| self.row(charge)).collect(),
                })
            })
            .collect::<Result<_, InvoiceError>>()?;
        Ok(Service {
            name: charges.first().map_or("", |charge| &charge.service),
            place,
            count: charges.len(),
            net: net(self.invoice, charges)?,
            projects,
        })
    }

    fn row(&self, charge: &'a Charge) -> Row<'a> {
        let (quantity, held) = format::charge_quantity(charge);
        let (price, per) = format::charge_price(charge);
        Row { charge, details: self.details(charge), quantity, held, price, per }
    }

    /// Site, time used where it is not the whole period, and the tariff version where there are
    /// several.
    fn details(&self, charge: &Charge) -> String {
        let mut details: Vec<String> = charge.site.iter().cloned().collect();
        if charge.service_period != self.invoice.period {
            details
                .push(format::period_local(&charge.service_period, self.invoice.account.time_zone));
        }
        if self.name_tariffs {
            details.push(format!("tariff {}", charge.tariff_version));
        }
        details.join(" · ")
    }
}

fn projects(invoice: &Invoice) -> Result<Vec<Subtotal<'_>>, InvoiceError> {
    let mut by_project: BTreeMap<(bool, Option<&str>), Vec<&Charge>> = BTreeMap::new();
    for charge in &invoice.charges {
        by_project.entry(group_of(charge)).or_default().push(charge);
    }
    by_project
        .into_values()
        .map(|charges| {
            Ok(Subtotal {
                name: charges.first().map_or(NO_PROJECT, |charge| project_name(charge)),
                count: charges.len(),
                net: net(invoice, charges)?,
            })
        })
        .collect()
}

/// The charges under one heading: of a project, of none, or of the account as a whole.
fn group_of(charge: &Charge) -> (bool, Option<&str>) {
    (is_of_account(&charge.resource), charge.project.as_deref())
}

fn project_name(charge: &Charge) -> &str {
    let none = if is_of_account(&charge.resource) { WHOLE_ACCOUNT } else { NO_PROJECT };
    charge.project.as_deref().unwrap_or(none)
}

fn net<'a>(
    invoice: &Invoice,
    charges: impl IntoIterator<Item = &'a Charge>,
) -> Result<Money, InvoiceError> {
    sum(invoice, "subtotal", charges.into_iter().map(|charge| &charge.net))
}

fn sum<'a>(
    invoice: &Invoice,
    what: &'static str,
    parts: impl Iterator<Item = &'a Money>,
) -> Result<Money, InvoiceError> {
    Money::sum(parts, invoice.currency).map_err(|source| InvoiceError::Total {
        what,
        account: invoice.account.id.clone(),
        source,
    })
}
