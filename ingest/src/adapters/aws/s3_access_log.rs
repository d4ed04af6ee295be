//! Access logs of buckets: one line a request, 26 fields (18 in older logs and in other stores with
//! an S3 interface), separated by spaces, in quotes or brackets where they hold some; `-` is nothing.
//!
//! - A line is one request of a class (`op_class`): `tier1` writes and lists, `tier2` reads, `delete`
//!   removes, `lifecycle` is the store's own. It meters one of `requests`, and as `egress` the bytes
//!   that it sent.
//! - A copy within the store has two lines: of the request, in the log of the bucket that it writes,
//!   and of what the store read for it (`REST.COPY.OBJECT_GET`), in that of the other. The second is
//!   no request and nothing that was sent, and meters nothing.
//! - A request that the store itself failed (status 5xx) meters nothing.
//! - The id is the request id with a hash of what tells lines of one request apart: a request that
//!   removes many objects has a line for each. Logs are delivered on a best effort, and at times
//!   twice.
//! - The resource is the bucket, and its owner is who pays, whoever asked. Where no bucket is named,
//!   the resource is the owner's account.

use turnpike_schemas::{EventKind, Flow, UsageEvent};

use super::S3;
use crate::adapters::{Adapter, Message, make, time};
use crate::decode::{DecodeContext, Reject};
use crate::installation::Local;
use crate::quantity::Written;
use crate::reason;

/// Fields up to the agent. The version id, which comes next, ends the shorter form.
const FIELDS_MIN: usize = 17;
/// No log has more; a line that has is something else.
const FIELDS_MAX: usize = 64;

/// Reads access logs.
pub struct S3AccessLog;

impl Adapter for S3AccessLog {
    fn name(&self) -> &'static str {
        "s3-access-log"
    }

    fn reads(&self) -> &'static str {
        "S3 server access logs: requests and outgoing traffic of buckets"
    }

    fn recognises(&self, message: &Message<'_>) -> bool {
        let Message::Text(text) = message else { return false };
        let line = text.trim_ascii();
        // The time in brackets stands third, and no key or agent comes before it.
        let mut head = line.splitn(3, ' ');
        let third = head.nth(2).unwrap_or_default();
        !line.contains('\n') && third.starts_with('[') && Line::read(line).is_some()
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
        let line = Line::read(text.trim_ascii()).ok_or_else(|| {
            Reject::new(reason::INVALID_FIELD, "the line has not the fields of an access log")
        })?;
        request(&line, context).map(|event| vec![event])
    }
}

/// The fields that are of use, by their place.
struct Line<'a> {
    fields: Vec<&'a str>,
}

impl<'a> Line<'a> {
    /// `None`: not a line of an access log.
    fn read(line: &'a str) -> Option<Self> {
        let fields = fields(line)?;
        let line = Self { fields };
        let operation = line.at(6)?;
        let dotted = operation.contains('.') && operation.is_ascii();
        (line.fields.len() >= FIELDS_MIN && dotted).then_some(line)
    }

    /// The field at a place, counted from zero; `-` is none.
    fn at(&self, place: usize) -> Option<&'a str> {
        self.fields.get(place).copied().filter(|text| *text != "-" && !text.is_empty())
    }

    fn required(&self, place: usize, name: &str) -> Result<&'a str, Reject> {
        self.at(place).ok_or_else(|| make::missing(name))
    }
}

/// Fields without the quotes or brackets around them. A quote ends a field only where a space
/// follows: some agents put quotes into their names.
fn fields(line: &str) -> Option<Vec<&str>> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.as_bytes().first()? {
            b'"' => quoted(&rest[1..], "\"")?,
            b'[' => quoted(&rest[1..], "]")?,
            _ => rest.split_at(rest.find(' ').unwrap_or(rest.len())),
        };
        fields.push(field);
        if after.is_empty() || fields.len() == FIELDS_MAX {
            return after.is_empty().then_some(fields);
        }
        rest = after.strip_prefix(' ')?;
    }
}

fn quoted<'a>(text: &'a str, close: &str) -> Option<(&'a str, &'a str)> {
    let ends = |at: &usize| matches!(text.as_bytes().get(at + 1), None | Some(b' '));
    let end = text.match_indices(close).map(|(at, _)| at).find(ends)?;
    Some((&text[..end], &text[end + 1..]))
}

fn request(line: &Line<'_>, context: &DecodeContext) -> Result<UsageEvent, Reject> {
    let holder = line.at(0);
    let at = time::parse("time", line.required(2, "time")?)?;
    let request_id = line.required(5, "request id")?;
    let operation = line.required(6, "operation")?;
    // Host id and version, where the log is long enough to have them.
    let more = [6, 7, 17, 18].map(|place| line.at(place).unwrap_or_default());
    let origin = make::Origin {
        system: S3AccessLog.name(),
        source: format!("/{S3}/access-log"),
        id: format!("{request_id}:{}", make::natural_id(&more)),
    };
    if line.at(9).is_some_and(|status| status.starts_with('5')) {
        return Ok(make::unmetered(origin, at, &format!("{operation} failed")));
    }
    if operation.starts_with("REST.COPY.") && operation.ends_with("_GET") {
        return Ok(make::unmetered(origin, at, operation));
    }
    let mut event = make::event(origin, EventKind::Delta, at);
    match line.at(1) {
        Some(bucket) => make::about(&mut event, S3, "bucket", bucket)?,
        None => make::about(&mut event, S3, "account", line.required(0, "bucket owner")?)?,
    }
    event.owner = holder.map(|id| make::owner(S3, id)).transpose()?;
    make::label(&mut event, "op_class", Some(class(operation)));
    let one = Written { digits: "1", field: "requests" };
    make::measure(&mut event, context, "requests", Flow::Delta, one, 1)?;
    if let Some(digits) = line.at(11) {
        let sent = Written { digits, field: "bytes sent" };
        make::measure(&mut event, context, "egress", Flow::Delta, sent, 1)?;
    }
    Ok(event)
}

/// The class of an operation such as `REST.GET.OBJECT`. What the store does by itself (`S3.EXPIRE.OBJECT`)
/// nobody has asked for.
fn class(operation: &str) -> &'static str {
    if operation.starts_with("S3.") {
        return "lifecycle";
    }
    let mut words = operation.split('.').skip(1);
    let (verb, what) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    match (verb, what) {
        ("DELETE", _) => "delete",
        ("PUT" | "POST" | "COPY", _) => "tier1",
        // What a bucket or an account holds is listed.
        ("GET", "BUCKET" | "BUCKETVERSIONS" | "SERVICE" | "UPLOADS") => "tier1",
        _ => "tier2",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_split_at_spaces_outside_quotes_and_brackets() {
        let check = |line: &str, expect: Option<&[&str]>| {
            assert_eq!(fields(line).as_deref(), expect, "{line}");
        };
        check("a - [b c] \"d e\" f", Some(&["a", "-", "b c", "d e", "f"]));
        check("\"a \"b\" c\" d", Some(&["a \"b", "c\"", "d"]));
        check("\"an \"agent\"x\" d", Some(&["an \"agent\"x", "d"]));
        check("\"\" b", Some(&["", "b"]));
        check("\"open", None);
        check("a  b", Some(&["a", "", "b"]));
        check("", None);
    }

    #[test]
    fn operations_have_a_class() {
        for (operation, expect) in [
            ("REST.PUT.OBJECT", "tier1"),
            ("REST.POST.UPLOAD", "tier1"),
            ("REST.COPY.OBJECT", "tier1"),
            ("REST.GET.BUCKET", "tier1"),
            ("REST.GET.OBJECT", "tier2"),
            ("REST.HEAD.OBJECT", "tier2"),
            ("REST.DELETE.OBJECT", "delete"),
            ("BATCH.DELETE.OBJECT", "delete"),
            ("S3.EXPIRE.OBJECT", "lifecycle"),
        ] {
            assert_eq!(class(operation), expect, "{operation}");
        }
    }
}
