//! Which price lists apply together: a tariff and those it is based on.

use turnpike_schemas::{Instant, PriceBook, Tariff, TariffVersion};

use crate::parked::{ParkCode, ParkReason};

/// A tariff with its version in force.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link<'a> {
    pub tariff: &'a Tariff,
    pub version: &'a TariffVersion,
}

/// Tariffs a tariff may be based on, one after the other. A book has three levels (network,
/// franchisee, account); the bound only has to end a circle.
const BASES_MAX: usize = 16;

/// The versions in force at an instant: of the tariffs it is based on, the most general first, then
/// its own. A base without a version in force adds nothing.
pub(crate) fn chain<'a>(
    book: &'a PriceBook,
    tariff: &'a Tariff,
    at: Instant,
) -> Result<Vec<Link<'a>>, ParkReason> {
    let mut links = Vec::new();
    let mut next = Some(tariff);
    for _ in 0..BASES_MAX {
        let Some(tariff) = next else {
            links.reverse();
            return Ok(links);
        };
        let versions: Vec<&TariffVersion> =
            tariff.versions.iter().filter(|version| version.in_force(at)).collect();
        match versions.as_slice() {
            [] => {}
            [version] => links.push(Link { tariff, version }),
            many => {
                let text = format!(
                    "{} versions of tariff `{}` are in force at {at}",
                    many.len(),
                    tariff.id
                );
                return Err(ParkReason::new(ParkCode::TariffOverlap, text));
            }
        }
        next = match &tariff.base {
            Some(base) => Some(book.tariff(base).ok_or_else(|| {
                let text =
                    format!("tariff `{base}`, the base of `{}`, is not in the book", tariff.id);
                ParkReason::new(ParkCode::UnknownTariff, text)
            })?),
            None => None,
        };
    }
    let text = format!("tariff `{}` is based on itself, or on too many others", tariff.id);
    Err(ParkReason::new(ParkCode::UnknownTariff, text))
}
