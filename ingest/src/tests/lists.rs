//! Messages that list records: one that cannot be read is a dead letter alone, and what is stored of
//! it is read the same way once it is mended.

use turnpike_lake::EventFilter;
use turnpike_schemas::UsageEvent;
use turnpike_schemas::arrow::status;

use super::store::{Store, now, store};
use super::{read, summary};
use crate::http::{EventResult, Item, Producer, Slot, SubmitSettings, Submitter, Verdict};
use crate::replay::{DeadLetter, Fate, ends, parse_shown, replay, shown};
use crate::{Decoded, IngestMetrics, IngestSettings, reason};

const JSON: &str = include_str!("../../fixtures/cloudstack_usage.json");
const XML: &str = include_str!("../../fixtures/cloudstack_usage.xml");
const CALLS: &str = include_str!("../../fixtures/cloudtrail_calls.json");
const REPORT: &str = include_str!("../../fixtures/usage_report.csv");
const QUOTAS: &str = r#"{"quotas":[
    {"id":"q-1","path":"/ifs/data/a","owner":"t-1","usage":{"applogical":1000,"physical":9}},
    {"id":"q-2","path":"/ifs/data/b","owner":"t-2","usage":{"applogical":77,"physical":9}},
    {"id":"q-3","path":"/ifs/data/c","owner":"t-3","usage":{"applogical":6,"physical":9}}],
    "resume":null,"time":"2026-10-01T00:00:00Z"}"#;
const NOTIFICATIONS: &str = r#"{"Records": [
    {"eventSource": "aws:s3", "eventTime": "2026-10-01T08:00:01Z", "eventName": "ObjectCreated:Put",
     "awsRegion": "eu-west-3", "s3": {"bucket": {"name": "b"}, "object": {"key": "one"}}},
    {"eventSource": "aws:s3", "eventTime": "2026-10-01T08:00:02Z", "eventName": "ObjectCreated:Put",
     "awsRegion": "eu-west-3", "s3": {"bucket": {"name": "b"}, "object": {"key": "two"}}}]}"#;

fn events(text: &str) -> Vec<UsageEvent> {
    let event = |decoded| match decoded {
        Decoded::Event(event) | Decoded::Unmetered(event) => *event,
        Decoded::Dead(reject) => panic!("{}", reject.message),
    };
    read(text).decoded.into_iter().map(event).collect()
}

/// `right` stands in one record only, and what stands there in its place cannot be read.
fn check(list: &str, right: &str, wrong: &str, code: &str) {
    assert_eq!(list.matches(right).count(), 1, "{right}");
    let all = events(list);
    let outcome = read(&list.replace(right, wrong));
    let (mut dead, mut taken) = (Vec::new(), Vec::new());
    for decoded in outcome.decoded {
        match decoded {
            Decoded::Dead(reject) => dead.push(reject),
            Decoded::Event(event) | Decoded::Unmetered(event) => taken.push(*event),
        }
    }
    let [reject] = dead.as_slice() else { panic!("{dead:?}") };
    assert_eq!(reject.code, code, "{}", reject.message);
    assert!(reject.message.starts_with("record ") && reject.system.is_some(), "{reject:?}");
    let payload = reject.payload.clone().expect("a payload of its own");
    let payload = String::from_utf8(payload).expect("text");
    assert!(payload.contains(wrong) && payload.len() < list.len(), "{payload}");
    // As it was stored it cannot be read, by the same adapter.
    let again = read(&payload).decoded;
    let [Decoded::Dead(again)] = again.as_slice() else { panic!("{}", summary(&again)) };
    assert_eq!((again.code, again.system), (reject.code, reject.system));
    // Mended, it is the events that were missing.
    let missing = events(&payload.replace(wrong, right));
    assert!(!missing.is_empty() && !taken.is_empty());
    let expect: Vec<UsageEvent> =
        all.into_iter().filter(|event| !missing.contains(event)).collect();
    assert_eq!(taken, expect);
}

#[test]
fn a_record_that_cannot_be_read_does_not_take_the_others_with_it() {
    check(JSON, "\"9.0125\"", "\"nine\"", reason::QUANTITY_INVALID);
    check(CALLS, "\"2026-10-07T08:10:00Z\"", "\"soon\"", reason::BAD_TIME);
    check(NOTIFICATIONS, "2026-10-01T08:00:01Z", "now", reason::BAD_TIME);
    check(REPORT, "1288490188800", "many", reason::QUANTITY_INVALID);
    check(QUOTAS, "77", "\"x\"", reason::QUANTITY_INVALID);
}

#[test]
fn the_elements_of_a_document_are_read_one_by_one() {
    let start = XML.find("  <usagerecord>").expect("a record");
    let end = XML.find("</listusage").expect("an end");
    let element = &XML[start..end];
    let other = element.replace("9.0125", "1.5").replace("<usageid>", "<usageid>f");
    let two = format!("{}{other}{}", &XML[..end], &XML[end..]);
    check(&two, "<rawusage>9.0125<", "<rawusage>nine<", reason::QUANTITY_INVALID);
}

#[test]
fn a_broken_envelope_goes_whole() {
    let check = |text: &str, expect: &str| {
        let outcome = read(text);
        let [Decoded::Dead(reject)] = outcome.decoded.as_slice() else {
            panic!("{}", summary(&outcome.decoded))
        };
        assert!(reject.message.contains(expect), "{}", reject.message);
        assert_eq!(reject.payload, None);
        assert_eq!(String::from_utf8_lossy(&outcome.raw), text);
    };
    check(&JSON[..JSON.len() - 3], "not JSON");
    check(&XML.replace("</listusagerecordsresponse>", ""), "not XML");
    check(r#"{"listusagerecordsresponse":{"usagerecord":{}}}"#, "an object, not a list");
    check(r#"{"Records":[{"eventName":"x"},7]}"#, "no adapter reads");
}

#[test]
fn secrets_of_a_record_are_masked_where_it_is_kept_alone() {
    let secret = JSON.replace("\"9.0125\"", "\"nine\", \"adminpass\": \"hunter2\"");
    let outcome = read(&secret);
    let Decoded::Dead(reject) = &outcome.decoded[0] else { panic!("is read") };
    let payload = String::from_utf8_lossy(reject.payload.as_deref().unwrap_or_default());
    assert!(payload.contains("[redacted]") && !payload.contains("hunter2"), "{payload}");
    assert!(!String::from_utf8_lossy(&outcome.raw).contains("hunter2"));
}

async fn send(store: &Store, text: &str) -> Vec<EventResult> {
    let slot = Slot::take(store.folder.path(), "test").expect("a slot");
    let settings = SubmitSettings::new(IngestSettings::default());
    let metrics = std::sync::Arc::new(IngestMetrics::default());
    let clock = std::sync::Arc::new(now);
    let (submitter, writer) = Submitter::start(store.lake.clone(), slot, &settings, clock, metrics);
    let value = text.as_bytes().to_vec().into();
    let items = [
        Item { headers: Vec::new(), value: b"{broken".to_vec().into() },
        Item { headers: Vec::new(), value },
    ];
    let submission = submitter.read(&items, &Producer::default()).expect("is allowed");
    let results = submitter.submit(submission, submitter.reserve()).await.expect("is taken");
    writer.finish().await;
    results
}

/// Part, status and payload of the rows of one position.
async fn stored(store: &Store, position: i64) -> Vec<(i32, String, Option<String>)> {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::Int32Type;
    let snapshot = store.lake.snapshot().await.expect("snapshot");
    let filter = EventFilter { position: Some(position), ..EventFilter::default() };
    let columns = ["part", "status", "raw"];
    let batches = snapshot.events(&filter, Some(&columns), usize::MAX).await.expect("rows");
    let mut found = Vec::new();
    for batch in &batches {
        let column = |name: &str| batch.column_by_name(name).expect("column");
        let (parts, raw) = (column("part").as_primitive::<Int32Type>(), column("raw"));
        for row in 0..batch.num_rows() {
            let text = |row| String::from_utf8_lossy(raw.as_binary::<i32>().value(row)).into();
            let status = column("status").as_string::<i32>().value(row).to_owned();
            found.push((parts.value(row), status, raw.is_valid(row).then(|| text(row))));
        }
    }
    found.sort();
    found
}

fn letter(part: i32, payload: &str) -> DeadLetter {
    DeadLetter {
        origin: "http:test:0".to_owned(),
        position: 1,
        part,
        reason: Some(reason::QUANTITY_INVALID.to_owned()),
        system: Some("cloudstack-usage".to_owned()),
        payload: payload.as_bytes().to_vec(),
        is_fixed: true,
        route: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_dead_record_of_a_list_ends_alone() {
    let store = store().await;
    // Of three records the first and the last are wrong.
    let wrong = JSON.replace("\"9.0125\"", "\"nine\"");
    let wrong = wrong.replace("\"1610612736\"", "\"-1\"");
    let results = send(&store, &wrong).await;
    let told: Vec<(usize, Verdict, bool)> =
        results.iter().map(|it| (it.index, it.status, it.id.is_some())).collect();
    use Verdict::{Accepted, Dead};
    assert_eq!(told, [(0, Dead, false), (1, Dead, false), (1, Accepted, true), (1, Dead, false)]);
    assert!(results[1].message.as_deref().is_some_and(|text| text.starts_with("record 1 of 3: ")));
    let rows = stored(&store, 1).await;
    let [first, whole, last] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((whole.1.as_str(), whole.2.as_deref()), (status::ACCEPTED, Some(wrong.trim_end())));
    let (first, last) = (first.2.as_deref().expect("kept"), last.2.as_deref().expect("kept"));
    assert!(first.contains("nine") && !first.contains("\"-1\""), "{first}");
    assert!(last.contains("\"-1\"") && !last.contains("nine"), "{last}");
    let counts = store.counts().await;
    assert_eq!((counts.read, counts.accepted, counts.dead), (4, 1, 3));

    // The last is mended: it ends, the first does not, and nothing ends twice.
    let settings = IngestSettings::default();
    let mended = letter(2, &last.replace("\"-1\"", "\"1610612736\""));
    for (replayed, ended) in [(1, 0), (0, 1)] {
        let letters = vec![letter(0, first), mended.clone()];
        let report = replay(&store.lake, letters, &settings, now()).await.expect("replays");
        assert_eq!((report.replayed, report.ended), (replayed, ended));
        let still: Vec<(i64, i32)> =
            report.still_dead.iter().map(|dead| (dead.position, dead.part)).collect();
        assert_eq!(still, [(1, 0)]);
    }
    let ends = ends(&store.lake).await.expect("reads");
    let ends: Vec<_> = ends.into_iter().collect();
    assert_eq!(ends, [(("http:test:0".to_owned(), 1, 2), Fate::Replayed)]);
    let counts = store.counts().await;
    assert_eq!((counts.read, counts.accepted, counts.dead), (4, 2, 2));
    // The whole list again, right this time: what was taken is known.
    let results = send(&store, JSON).await;
    let told: Vec<Verdict> = results.iter().skip(1).map(|it| it.status).collect();
    assert_eq!(told, [Accepted, Accepted, Accepted]);
    let counts = store.counts().await;
    assert_eq!((counts.accepted, counts.duplicate), (3, 2));
}

#[test]
fn a_part_is_shown_behind_its_position() {
    for (place, text) in [((17, 0), "17"), ((17, 3), "17.3")] {
        assert_eq!(shown(place.0, place.1), text);
        assert_eq!(parse_shown(text), Some(place));
    }
    for text in ["", "17.0", "17.", "17.-1", "a.1", "1.2.3"] {
        assert_eq!(parse_shown(text), None, "{text}");
    }
}
