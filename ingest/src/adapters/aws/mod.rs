//! Amazon's formats, and those of all clouds that are shaped like it: Eucalyptus for EC2, and object
//! stores with an S3 interface. Nothing here depends on the names of Amazon's regions or hosts.
//!
//! Resources of compute are `ec2/KIND/REGION/ID`, since another cloud may give the same id; buckets
//! are `s3/bucket/NAME`. Holders are account ids (`ec2/111122223333`) and bucket owners
//! (`s3/CANONICAL-ID`).

pub mod cloudtrail;
pub mod ec2_state;
pub mod s3_access_log;
pub mod s3_event;
pub mod usage_report;

use std::borrow::Cow;

use crate::decode::Reject;
use crate::json::{Json, Value};
use crate::reason;

/// Sets ids of compute and block storage apart.
pub const EC2: &str = "ec2";
/// Sets ids of object storage apart.
pub const S3: &str = "s3";

/// The records of a list as they stand there.
fn listed<'a>(json: &Json<'a>) -> Vec<Cow<'a, str>> {
    let records = json.get("Records").and_then(Json::items).unwrap_or_default();
    records.iter().map(|record| Cow::Borrowed(record.text)).collect()
}

/// The value at a path, unless it is null.
fn at<'j, 'a>(json: &'j Json<'a>, path: &[&str]) -> Option<&'j Json<'a>> {
    path.iter().try_fold(json, |here, name| here.get(name)).filter(|found| !found.is_null())
}

/// The text or the digits at a path.
fn text<'j>(json: &'j Json<'_>, path: &[&str]) -> Option<&'j str> {
    match &at(json, path)?.value {
        Value::Text(text) if !text.is_empty() => Some(text),
        Value::Number(digits) => Some(digits),
        _ => None,
    }
}

fn required<'j>(json: &'j Json<'_>, path: &[&str]) -> Result<&'j str, Reject> {
    text(json, path).ok_or_else(|| {
        Reject::new(reason::MISSING_FIELD, format!("{}: the event has none", path.join(".")))
    })
}
