//! `turnpike book import --from cloudkitty`: a HashMap as a tariff of the newest book.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use turnpike_books::BookVersion;
use turnpike_books::cloudkitty::{Again, CloudKittyImport, MadeTariff, again, tariff_of};
use turnpike_schemas::meter::MeterCatalogue;
use turnpike_schemas::{Currency, MeterId, PriceBook, TariffId, TaxCategoryId};

use crate::fault::{Blame as _, Kind, fault};

/// What the file is, where it is no book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Source {
    /// The HashMap of CloudKitty as JSON: a tariff is made of it and added to the newest book
    Cloudkitty,
}

/// How a price list of another system is read.
#[derive(Debug, Args)]
pub struct System {
    /// Reads the file as the price list of another system
    #[arg(long, value_enum)]
    from: Option<Source>,
    /// Prints the tariff instead of importing it
    #[arg(long, requires = "from")]
    pub print: bool,
    /// Id of the tariff that is made
    #[arg(long, value_name = "ID", requires = "from", default_value = "cloudkitty")]
    tariff: TariffId,
    /// Name of the tariff that is made
    #[arg(long, requires = "from", default_value = "CloudKitty")]
    name: String,
    /// Currency of the costs
    #[arg(long, requires = "from", required_if_eq("from", "cloudkitty"))]
    currency: Option<Currency>,
    /// Tax category of the book for all its prices
    #[arg(long, value_name = "ID", requires = "from", required_if_eq("from", "cloudkitty"))]
    tax: Option<TaxCategoryId>,
    /// First day of the tariff, or an instant
    #[arg(long, value_name = "DAY", requires = "from", required_if_eq("from", "cloudkitty"))]
    valid_from: Option<String>,
    /// Seconds for which a cost is due: the collect period
    #[arg(long, value_name = "N", requires = "from", default_value_t = 3_600)]
    period_seconds: i64,
    /// The meter of a service, with the unit that its quantities are in
    #[arg(long, value_name = "NAME=METER[:UNIT]", requires = "from")]
    service: Vec<String>,
    /// The attribute of a field
    #[arg(long, value_name = "NAME=ATTRIBUTE", requires = "from")]
    field: Vec<String>,
}

impl System {
    pub fn is_book(&self) -> bool {
        self.from.is_none()
    }

    pub fn id(&self) -> &TariffId {
        &self.tariff
    }

    /// The tariff as text. Meters are those of the book, else the built-in ones.
    pub fn tariff(&self, json: &str, book: Option<&PriceBook>) -> anyhow::Result<MadeTariff> {
        let builtin = MeterCatalogue::builtin();
        let meters = book.map_or(&builtin, |book| &book.meters);
        tariff_of(json, &self.import()?, meters).map_err(refused)
    }

    /// The newest book with the tariff, or with another version of it. `None`: it has these prices.
    pub fn added(&self, made: &MadeTariff, newest: &BookVersion) -> anyhow::Result<Option<String>> {
        if newest.book.tariff(&self.tariff).is_none() {
            return Ok(Some(format!("{}\n{}", newest.text, made.text())));
        }
        match again(&newest.text, &newest.book, &self.import()?, made).map_err(refused)? {
            Again::Unchanged => Ok(None),
            Again::Version(text) => Ok(Some(text)),
        }
    }

    fn import(&self) -> anyhow::Result<CloudKittyImport> {
        let needed = |name: &str| fault(Kind::Usage, format!("--{name} is missing"));
        let mut services = BTreeMap::new();
        for pair in &self.service {
            let (service, meter) = split(pair, "--service NAME=METER[:UNIT]")?;
            let (meter, unit) = match meter.split_once(':') {
                Some((meter, unit)) => (meter, Some(unit.to_owned())),
                None => (meter, None),
            };
            let meter = MeterId::new(meter).blame(Kind::Usage, format!("--service {pair}"))?;
            services.insert(service.to_owned(), (meter, unit));
        }
        let mut fields = BTreeMap::new();
        for pair in &self.field {
            let (field, attribute) = split(pair, "--field NAME=ATTRIBUTE")?;
            fields.insert(field.to_owned(), attribute.to_owned());
        }
        Ok(CloudKittyImport {
            tariff: self.tariff.clone(),
            name: self.name.clone(),
            currency: self.currency.ok_or_else(|| needed("currency"))?,
            tax: self.tax.clone().ok_or_else(|| needed("tax"))?,
            valid_from: self.valid_from.clone().ok_or_else(|| needed("valid-from"))?,
            period_seconds: self.period_seconds,
            services,
            fields,
        })
    }
}

fn refused(error: impl std::fmt::Display) -> anyhow::Error {
    fault(Kind::Data, format!("{error}; nothing was imported"))
}

fn split<'a>(pair: &'a str, form: &str) -> anyhow::Result<(&'a str, &'a str)> {
    let parts = pair.split_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty());
    parts.ok_or_else(|| fault(Kind::Usage, format!("`{pair}` is not {form}")))
}
