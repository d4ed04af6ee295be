//! Calls of the EC2 interface as CloudTrail records them: one record, or the list of a log file.
//!
//! - A call names any number of instances: each is an event of its own.
//! - A call starts or stops what it names at its time. An event bus tells the same some seconds
//!   later and more exactly; both may be read, since each only says what holds from then on.
//! - A call that failed (`errorCode`) has changed nothing and meters nothing.
//! - The type of an instance is the attribute `flavor`, that of a volume `tier`; a call that changes
//!   either says what holds from then on. Volumes are GiB.

use std::borrow::Cow;

use turnpike_schemas::event::ResourceState;
use turnpike_schemas::meter::GIB;
use turnpike_schemas::{EventKind, Flow, Instant, UsageEvent};

use super::{EC2, at, required, text};
use crate::adapters::{Adapter, Message, make, time};
use crate::decode::{DecodeContext, Reject};
use crate::json::Json;
use crate::quantity::Written;

/// Reads recorded calls.
pub struct CloudTrail;

/// Where a call names its volume, its size and its type: in the request or in the answer.
struct VolumeCall {
    id: &'static [&'static [&'static str]],
    size: &'static [&'static [&'static str]],
    tier: &'static [&'static [&'static str]],
}

const CREATE_VOLUME: VolumeCall = VolumeCall {
    id: &[&["responseElements", "volumeId"]],
    size: &[&["responseElements", "size"], &["requestParameters", "size"]],
    tier: &[&["responseElements", "volumeType"], &["requestParameters", "volumeType"]],
};
const MODIFY_VOLUME: VolumeCall = VolumeCall {
    id: &[
        &["responseElements", "ModifyVolumeResponse", "volumeModification", "volumeId"],
        &["requestParameters", "ModifyVolumeRequest", "VolumeId"],
        &["requestParameters", "volumeId"],
    ],
    size: &[
        &["responseElements", "ModifyVolumeResponse", "volumeModification", "targetSize"],
        &["requestParameters", "ModifyVolumeRequest", "Size"],
        &["requestParameters", "size"],
    ],
    tier: &[
        &["responseElements", "ModifyVolumeResponse", "volumeModification", "targetVolumeType"],
        &["requestParameters", "ModifyVolumeRequest", "VolumeType"],
        &["requestParameters", "volumeType"],
    ],
};

impl Adapter for CloudTrail {
    fn name(&self) -> &'static str {
        "aws-cloudtrail"
    }

    fn reads(&self) -> &'static str {
        "CloudTrail records of EC2 calls: instances and volumes"
    }

    fn recognises(&self, message: &Message<'_>) -> bool {
        let Message::Object(json) = message else { return false };
        match json.get("Records").and_then(Json::items) {
            Some(records) => records.iter().any(is_record),
            None => is_record(json),
        }
    }

    fn adapt(
        &self,
        message: &Message<'_>,
        context: &DecodeContext,
    ) -> Result<Vec<UsageEvent>, Reject> {
        let Message::Object(json) = message else { return Ok(Vec::new()) };
        let Some(records) = json.get("Records").and_then(Json::items) else {
            return Call::read(json)?.events(context);
        };
        let mut events = make::Events::default();
        for record in records {
            events.extend(Call::read(record)?.events(context)?)?;
        }
        Ok(events.into_vec())
    }

    fn records<'m>(&self, message: &Message<'m>) -> Vec<Cow<'m, str>> {
        let Message::Object(json) = message else { return Vec::new() };
        super::listed(json)
    }
}

/// One that lacks a single field is still known for what it is.
fn is_record(json: &Json<'_>) -> bool {
    let names = ["eventSource", "eventName", "eventTime", "eventID"];
    names.iter().filter(|name| json.get(name).is_some()).count() >= names.len() - 1
}

/// One recorded call.
struct Call<'j, 'a> {
    json: &'j Json<'a>,
    id: &'j str,
    name: &'j str,
    region: &'j str,
    time: Instant,
}

impl<'j, 'a> Call<'j, 'a> {
    fn read(json: &'j Json<'a>) -> Result<Self, Reject> {
        Ok(Self {
            json,
            id: required(json, &["eventID"])?,
            name: required(json, &["eventName"])?,
            region: required(json, &["awsRegion"])?,
            time: time::parse("eventTime", required(json, &["eventTime"])?)?,
        })
    }

    fn events(&self, context: &DecodeContext) -> Result<Vec<UsageEvent>, Reject> {
        use ResourceState as S;
        // The host of the service: `ec2.amazonaws.com`, `ec2.cloud.example`.
        let service = required(self.json, &["eventSource"])?;
        let has_failed = text(self.json, &["errorCode"]).is_some();
        if has_failed || service.split('.').next() != Some("ec2") {
            return Ok(vec![self.unmetered()?]);
        }
        let events = match self.name {
            "RunInstances" | "StartInstances" => self.instances(S::Active, context)?,
            "StopInstances" => self.instances(S::Stopped, context)?,
            "TerminateInstances" => self.instances(S::Deleted, context)?,
            "ModifyInstanceAttribute" => self.resized(context)?,
            "CreateVolume" => vec![self.volume(&CREATE_VOLUME, true, context)?],
            "ModifyVolume" => vec![self.volume(&MODIFY_VOLUME, false, context)?],
            "DeleteVolume" => {
                let id = required(self.json, &["requestParameters", "volumeId"])?;
                vec![self.gone("volume", id)?]
            }
            _ => Vec::new(),
        };
        if events.is_empty() {
            return Ok(vec![self.unmetered()?]);
        }
        Ok(events)
    }

    fn origin(&self, part: Option<&str>) -> Result<make::Origin, Reject> {
        let service = required(self.json, &["eventSource"])?;
        Ok(make::Origin {
            system: CloudTrail.name(),
            source: format!("/cloudtrail/{service}/{}", self.region),
            id: part.map_or_else(|| self.id.to_owned(), |part| format!("{}/{part}", self.id)),
        })
    }

    fn unmetered(&self) -> Result<UsageEvent, Reject> {
        let failed = text(self.json, &["errorCode"]);
        let what = failed
            .map_or_else(|| self.name.to_owned(), |code| format!("{} failed: {code}", self.name));
        Ok(make::unmetered(self.origin(None)?, self.time, &what))
    }

    /// An event about one of the things that the call names.
    fn about(&self, kind: &str, id: &str) -> Result<UsageEvent, Reject> {
        let mut event = make::event(self.origin(Some(id))?, EventKind::Transition, self.time);
        make::about(&mut event, EC2, kind, &format!("{}/{id}", self.region))?;
        let account = text(self.json, &["recipientAccountId"])
            .or_else(|| text(self.json, &["userIdentity", "accountId"]));
        event.owner = account.map(|id| make::owner(EC2, id)).transpose()?;
        event.region = Some(self.region.to_owned());
        Ok(event)
    }

    fn gone(&self, kind: &str, id: &str) -> Result<UsageEvent, Reject> {
        let mut event = self.about(kind, id)?;
        event.state = Some(ResourceState::Deleted);
        event.terminal = true;
        Ok(event)
    }

    fn instances(
        &self,
        state: ResourceState,
        context: &DecodeContext,
    ) -> Result<Vec<UsageEvent>, Reject> {
        let listed = |side: &str| at(self.json, &[side, "instancesSet", "items"])?.items();
        let items = listed("responseElements").or_else(|| listed("requestParameters"));
        let mut events = make::Events::default();
        for item in items.unwrap_or_default() {
            let id = required(item, &["instanceId"])?;
            if state == ResourceState::Deleted {
                events.push(self.gone("instance", id)?)?;
                continue;
            }
            let mut event = self.about("instance", id)?;
            event.state = Some(state);
            make::hold_one(&mut event, context, "instance")?;
            let flavor = text(item, &["instanceType"])
                .or_else(|| text(self.json, &["requestParameters", "instanceType"]));
            make::label(&mut event, "flavor", flavor);
            events.push(event)?;
        }
        Ok(events.into_vec())
    }

    /// An instance of another type, which it is from then on. Of the other attributes that a call
    /// may change, none is billed.
    fn resized(&self, context: &DecodeContext) -> Result<Vec<UsageEvent>, Reject> {
        let of = |path: &[&str]| {
            let path: Vec<&str> = ["requestParameters"].iter().chain(path).copied().collect();
            text(self.json, &path)
        };
        let is_named = of(&["attribute"]) == Some("instanceType");
        let flavor = of(&["instanceType", "value"])
            .or_else(|| of(&["instanceType"]))
            .or_else(|| of(&["value"]).filter(|_| is_named));
        let Some(flavor) = flavor else { return Ok(Vec::new()) };
        let id = of(&["instanceId"]).ok_or_else(|| make::missing("instanceId"))?;
        let mut event = self.about("instance", id)?;
        make::hold_one(&mut event, context, "instance")?;
        make::label(&mut event, "flavor", Some(flavor));
        Ok(vec![event])
    }

    fn volume(
        &self,
        call: &VolumeCall,
        is_new: bool,
        context: &DecodeContext,
    ) -> Result<UsageEvent, Reject> {
        let find = |places: &[&[&str]]| places.iter().find_map(|path| text(self.json, path));
        let id = find(call.id).ok_or_else(|| make::missing("volumeId"))?;
        let mut event = self.about("volume", id)?;
        if is_new {
            event.state = Some(ResourceState::Active);
        }
        if let Some(digits) = find(call.size) {
            let written = Written { digits, field: "size" };
            make::measure(&mut event, context, "volume", Flow::Held, written, GIB)?;
        } else if is_new {
            return Err(make::missing("responseElements.size"));
        }
        make::label(&mut event, "tier", find(call.tier));
        Ok(event)
    }
}
