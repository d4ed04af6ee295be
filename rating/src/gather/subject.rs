//! [`Subject`]: what a line is about: a resource, or all of a project or account.

use std::collections::BTreeMap;

use turnpike_schemas::interval::Holder;
use turnpike_schemas::tariff::{Detail, Pool};
use turnpike_schemas::{Account, Meter, PriceModel, Rate, ResourceId};

use crate::parked::{ParkCode, ParkReason};

pub(super) struct Subject {
    pub resource: ResourceId,
    pub resource_kind: String,
    pub project: Option<String>,
    pub attributes: BTreeMap<String, String>,
}

/// Of whom the lines of a rate are: as the tariff says, but at most of what the rate counts its units
/// over, and at least of what its meter's measure is taken over.
pub(super) fn detail_of(detail: Detail, rate: &Rate, meter: &Meter) -> Detail {
    let counted = match rate.pool {
        _ if !rate.counts_units() => Detail::Account,
        // Lines keep their site, whatever they sum over.
        Pool::Account | Pool::Site => Detail::Account,
        Pool::Project => Detail::Project,
        Pool::Resource => Detail::Resource,
    };
    let over = match meter.over {
        _ if meter.measure.is_total() => Detail::Resource,
        None | Some(Pool::Resource) => Detail::Resource,
        Some(Pool::Project) => Detail::Project,
        Some(Pool::Site | Pool::Account) => Detail::Account,
    };
    detail.min(counted).max(over)
}

impl Subject {
    pub fn of(
        detail: Detail,
        account: &Account,
        rate: &Rate,
        holder: &Holder,
    ) -> Result<Self, ParkReason> {
        // Of several resources only what the price depends on is the same.
        let common = || {
            let named = |key: &String| holder.attributes.get(key).map(|v| (key.clone(), v.clone()));
            rate.conditions.keys().filter_map(named).collect()
        };
        let all = |kind: &str, name: &str| {
            ResourceId::new(format!("{kind}:{name}"))
                .map_err(|error| ParkReason::new(ParkCode::Overflow, error.to_string()))
        };
        match (detail, holder.project.as_deref()) {
            (Detail::Resource, _) => Ok(Self {
                resource: holder.resource.clone(),
                resource_kind: holder.resource_kind.clone(),
                project: holder.project.clone(),
                attributes: own_attributes(rate, holder),
            }),
            (Detail::Project, Some(project)) => Ok(Self {
                resource: all("project", project)?,
                resource_kind: "project".to_owned(),
                project: Some(project.to_owned()),
                attributes: common(),
            }),
            (Detail::Project, None) | (Detail::Account, _) => Ok(Self {
                resource: all("account", account.id.as_str())?,
                resource_kind: "account".to_owned(),
                project: None,
                attributes: common(),
            }),
        }
    }
}

/// All attributes but the price that each event names: lines would be as many as events.
fn own_attributes(rate: &Rate, holder: &Holder) -> BTreeMap<String, String> {
    let mut attributes = holder.attributes.clone();
    if let PriceModel::Dynamic(dynamic) = &rate.model {
        attributes.remove(&dynamic.attribute);
    }
    attributes
}
