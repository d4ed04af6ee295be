//! Usage reports of object storage: tables (CSV) in which each row says how much of one usage type
//! a bucket used within a window. A record is the heading line with any number of rows.
//!
//! - `TimedStorage-ByteHrs` is byte-hours: bytes times hours over the window, already multiplied. It
//!   is read as that many bytes held for 3600 s of the window, which is the same number of
//!   byte-seconds, exactly; dividing by the hours first might leave a fraction.
//! - `Requests-Tier1` and the like are requests, of the class that the type names; bytes transferred
//!   are `egress` or `ingress`.
//! - Every row says `op_class` and `storage_class`, so that what one row says of a bucket is never
//!   taken for what the next row, silent on it, is about.
//! - What stands before the type (`USW2-`) is the region, as the cloud writes it.
//! - A report has no column for the holder. One may be added (`Account`); otherwise inventory events
//!   name who holds the bucket.
//! - The id is a hash of everything but the value: the same report read again is a duplicate, and
//!   another value for the same window a conflict.

use std::borrow::Cow;

use turnpike_schemas::event::{ResourceState, Window};
use turnpike_schemas::{EventKind, Flow, UsageEvent};

use super::S3;
use crate::adapters::row::Row;
use crate::adapters::{AROUND_BYTES_MAX, Adapter, Message, make};
use crate::decode::{DecodeContext, Reject};
use crate::installation::Local;
use crate::reason;

const SECONDS_PER_HOUR: i64 = 3_600;
/// What identifies a row.
const IDENTITY: [&str; 5] = ["Service", "Operation", "UsageType", "Resource", "Account"];

/// Reads usage reports.
pub struct UsageReport;

impl Adapter for UsageReport {
    fn name(&self) -> &'static str {
        "s3-usage-report"
    }

    fn reads(&self) -> &'static str {
        "S3 usage reports (CSV): bytes stored, requests and traffic of buckets"
    }

    fn is_verified(&self) -> bool {
        false
    }

    fn recognises(&self, message: &Message<'_>) -> bool {
        let Message::Text(text) = message else { return false };
        let heading = text.trim_ascii_start().lines().next().unwrap_or_default();
        let Some(names) = cells(heading) else { return false };
        ["UsageType", "StartTime", "EndTime", "UsageValue"]
            .iter()
            .all(|name| names.iter().any(|cell| cell == name))
    }

    fn local(&self, _: &Message<'_>) -> Local {
        // Buckets of two stores may have one name.
        Local::Ids
    }

    fn adapt(
        &self,
        message: &Message<'_>,
        context: &DecodeContext,
    ) -> Result<Vec<UsageEvent>, Reject> {
        let Message::Text(text) = message else { return Ok(Vec::new()) };
        let broken =
            || Reject::new(reason::INVALID_FIELD, "a line has a quote that nothing closes");
        let mut lines =
            text.trim_ascii_start().lines().filter(|line| !line.trim_ascii().is_empty());
        let names = cells(lines.next().unwrap_or_default()).ok_or_else(broken)?;
        let mut events = Vec::new();
        for line in lines {
            let row = Row::from_line(&names, cells(line).ok_or_else(broken)?);
            events.push(used(&row, context)?);
        }
        if events.is_empty() {
            return Err(Reject::new(reason::EMPTY, "the report is a heading without rows"));
        }
        Ok(events)
    }

    /// Each row under the heading. None: the heading is so long that it would be stored many times
    /// over.
    fn records<'m>(&self, message: &Message<'m>) -> Vec<Cow<'m, str>> {
        let Message::Text(text) = message else { return Vec::new() };
        let mut lines =
            text.trim_ascii_start().lines().filter(|line| !line.trim_ascii().is_empty());
        let heading = lines.next().unwrap_or_default();
        if heading.len().saturating_mul(lines.clone().count()) > AROUND_BYTES_MAX {
            return Vec::new();
        }
        lines.map(|line| Cow::Owned(format!("{heading}\n{line}\n"))).collect()
    }
}

/// The cells of a line. `None`: a quote is left open.
fn cells(line: &str) -> Option<Vec<Cow<'_, str>>> {
    let mut cells = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_start();
        let Some(inner) = rest.strip_prefix('"') else {
            let (cell, after) = match rest.split_once(',') {
                Some((cell, after)) => (cell, Some(after)),
                None => (rest, None),
            };
            cells.push(Cow::Borrowed(cell.trim_ascii()));
            match after {
                Some(after) => rest = after,
                None => return Some(cells),
            }
            continue;
        };
        let (cell, after) = quoted(inner)?;
        cells.push(cell);
        match after.trim_ascii_start().strip_prefix(',') {
            Some(after) => rest = after,
            None => return after.trim_ascii().is_empty().then_some(cells),
        }
    }
}

/// A cell up to its closing quote, in which two quotes are one, and what follows.
fn quoted(inner: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut cell = Cow::Borrowed("");
    let mut rest = inner;
    loop {
        let (part, after) = rest.split_once('"')?;
        cell += part;
        match after.strip_prefix('"') {
            Some(after) => {
                cell += "\"";
                rest = after;
            }
            None => return Some((cell, after)),
        }
    }
}

/// What a usage type counts.
#[derive(Debug, PartialEq, Eq)]
enum Counts<'a> {
    ByteHours { class: &'a str },
    Objects,
    Requests { class: &'a str },
    Transferred { meter: &'static str, class: &'static str },
}

fn used(row: &Row<'_>, context: &DecodeContext) -> Result<UsageEvent, Reject> {
    let (start, end) = (row.required_time("StartTime")?, row.required_time("EndTime")?);
    if end <= start {
        return Err(Reject::new(
            reason::BAD_WINDOW,
            format!("EndTime: {end} is not after StartTime {start}"),
        ));
    }
    let window = Window { start, end };
    let usage_type = row.required("UsageType")?;
    let origin = origin(row, window);
    let Some((region, counts)) = counts(usage_type) else {
        return Ok(make::unmetered(origin, window.end, usage_type));
    };
    let value = row.written("UsageValue").ok_or_else(|| make::missing("UsageValue"))?;
    let held = matches!(counts, Counts::ByteHours { .. } | Counts::Objects);
    let kind = if held { EventKind::Interval } else { EventKind::Delta };
    let mut event = make::windowed(origin, kind, window);
    match row.text("Resource") {
        Some(bucket) => make::about(&mut event, S3, "bucket", bucket)?,
        None => make::about(&mut event, S3, "service", row.text("Service").unwrap_or(S3))?,
    }
    event.owner = row.text("Account").map(|id| make::owner(S3, id)).transpose()?;
    event.region = (!region.is_empty()).then(|| region.to_owned());
    let flow = if held { Flow::Held } else { Flow::Delta };
    let (meter, op_class, storage_class) = match counts {
        Counts::ByteHours { class } => ("object-storage", "storage", class),
        Counts::Objects => ("objects", "storage", ""),
        Counts::Requests { class } => ("requests", class, ""),
        Counts::Transferred { meter, class } => (meter, class, ""),
    };
    make::label(&mut event, "op_class", Some(&op_class.to_lowercase()));
    let storage_class = if storage_class.is_empty() { "standard" } else { storage_class };
    make::label(&mut event, "storage_class", Some(&storage_class.to_lowercase()));
    if held {
        event.state = Some(ResourceState::Active);
        event.seconds = Some(match counts {
            Counts::ByteHours { .. } => SECONDS_PER_HOUR,
            _ => end.floor_seconds() - start.floor_seconds(),
        });
    }
    if event.seconds.is_some_and(|seconds| start.plus_seconds(seconds).is_none_or(|to| to > end)) {
        return Err(Reject::new(
            reason::BAD_WINDOW,
            format!("byte-hours of less than an hour, from {start} to {end}"),
        ));
    }
    make::measure(&mut event, context, meter, flow, value, 1)?;
    Ok(event)
}

fn origin(row: &Row<'_>, window: Window) -> make::Origin {
    let (start, end) = (window.start.to_string(), window.end.to_string());
    let mut parts: Vec<&str> =
        IDENTITY.iter().map(|name| row.text(name).unwrap_or_default()).collect();
    parts.extend([start.as_str(), end.as_str()]);
    make::Origin {
        system: UsageReport.name(),
        source: format!("/{S3}/usage-report"),
        id: make::natural_id(&parts),
    }
}

/// The region before a usage type, and what it counts. `None`: nothing that is known.
fn counts(usage_type: &str) -> Option<(&str, Counts<'_>)> {
    let region = |text: &str| text.strip_suffix('-').map_or(0, str::len);
    if let Some((before, after)) = usage_type.split_once("TimedStorage-") {
        let class = after.strip_suffix("ByteHrs")?;
        let class = class.strip_suffix('-').unwrap_or(class);
        return Some((&before[..region(before)], Counts::ByteHours { class }));
    }
    if let Some((before, class)) = usage_type.split_once("Requests-") {
        return Some((&before[..region(before)], Counts::Requests { class }));
    }
    if let Some(before) = usage_type.strip_suffix("StorageObjectCount") {
        return Some((&before[..region(before)], Counts::Objects));
    }
    let (before, meter) = match usage_type.strip_suffix("-Out-Bytes") {
        Some(before) => (before, "egress"),
        None => (usage_type.strip_suffix("-In-Bytes")?, "ingress"),
    };
    // To the internet; within a region; from one region to another.
    let (before, class) = match before.strip_suffix("C3DataTransfer") {
        Some(before) => (before, "transfer-local"),
        None => match before.strip_suffix("DataTransfer") {
            Some(before) => (before, "transfer"),
            None => (before.strip_suffix("AWS")?, "transfer-region"),
        },
    };
    Some((&before[..region(before)], Counts::Transferred { meter, class }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_types_are_taken_apart() {
        let check = |text: &str, expect: Option<(&str, Counts<'_>)>| {
            assert_eq!(counts(text), expect, "{text}");
        };
        check("TimedStorage-ByteHrs", Some(("", Counts::ByteHours { class: "" })));
        check("USW2-TimedStorage-ZIA-ByteHrs", Some(("USW2", Counts::ByteHours { class: "ZIA" })));
        check("Requests-Tier1", Some(("", Counts::Requests { class: "Tier1" })));
        check("EUC1-Requests-Tier2", Some(("EUC1", Counts::Requests { class: "Tier2" })));
        let moved = |meter, class| Counts::Transferred { meter, class };
        check("DataTransfer-Out-Bytes", Some(("", moved("egress", "transfer"))));
        check("USW2-C3DataTransfer-In-Bytes", Some(("USW2", moved("ingress", "transfer-local"))));
        check("USW2-USE1-AWS-Out-Bytes", Some(("USW2-USE1", moved("egress", "transfer-region"))));
        check("StorageObjectCount", Some(("", Counts::Objects)));
        check("BoxUsage:m5.large", None);
    }

    #[test]
    fn lines_are_split_as_tables_are() {
        let check = |line: &str, expect: Option<&[&str]>| {
            assert_eq!(
                cells(line).map(|cells| cells.iter().map(|c| c.to_string()).collect::<Vec<_>>()),
                expect.map(|cells| cells.iter().map(|c| c.to_string()).collect()),
                "{line}"
            );
        };
        check("a, b,c", Some(&["a", "b", "c"]));
        check("a,,", Some(&["a", "", ""]));
        check("\"a,b\", \"c \"\"d\"\"\"", Some(&["a,b", "c \"d\""]));
        check("\"open", None);
        check("\"a\"b", None);
    }
}
