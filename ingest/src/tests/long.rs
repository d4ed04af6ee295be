//! Lists that are longer than a record may be, by HTTP and from a file.

use super::store::{now, store};
use crate::http::{Body, MediaType, NotAllowed, Producer, Verdict};
use crate::{IngestSettings, file};

/// A page of a usage listing of at least so many bytes, and how many records it has.
fn listing(bytes: usize) -> (String, u64) {
    let mut records = Vec::new();
    let mut length = 0;
    while length < bytes {
        let record = format!(
            r#"{{"account":"acme","accountid":"a-1","zoneid":"z-1","description":"{}","usage":"1 Hrs",
            "usagetype":1,"rawusage":"1","virtualmachineid":"vm-{}","offeringid":"o-1","cpunumber":2,
            "memory":2048,"startdate":"2026-10-07T00:00:00+0000","enddate":"2026-10-07T23:59:59+0000"}}"#,
            "machine ".repeat(40),
            records.len(),
        );
        length += record.len();
        records.push(record);
    }
    let count = records.len() as u64;
    let list = records.join(",\n");
    (format!(r#"{{"listusagerecordsresponse":{{"count":{count},"usagerecord":[{list}]}}}}"#), count)
}

/// A file of a trail with so many calls of a kilobyte.
fn trail(calls: u64) -> String {
    let calls: Vec<String> = (0..calls)
        .map(|number| {
            format!(
                r#"{{"eventTime":"2026-10-07T08:00:00Z","eventSource":"ec2.amazonaws.com",
                "eventName":"RunInstances","awsRegion":"eu-west-3","eventID":"e-{number}",
                "userAgent":"{}","responseElements":{{"instancesSet":{{"items":
                [{{"instanceId":"i-{number}","instanceType":"m5.large"}}]}}}}}}"#,
                "agent ".repeat(120)
            )
        })
        .collect();
    format!("{{\"Records\":[{}]}}", calls.join(","))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_sent_by_http_is_taken_record_by_record() {
    let store = store().await;
    let (page, records) = listing(3 << 20);
    let calls = trail(3_500);
    assert!(page.len() > 3 << 20 && calls.len() > 3 << 20);
    // As the web does, so that a body is no special case.
    let body = Body {
        media_type: MediaType::Json,
        attributes: &[],
        bytes: page.as_bytes(),
        items_max: 10,
    };
    assert_eq!(body.items().expect("an item").len(), 1);
    let results = store.send(&[&page, &calls], &Producer::default()).await.expect("is taken");
    let accepted = results.iter().filter(|result| result.status == Verdict::Accepted).count();
    assert_eq!(accepted as u64, records + 3_500);
    assert!(results.iter().all(|result| result.index < 2));
    let counts = store.counts().await;
    let expect = i64::try_from(records + 3_500).expect("few");
    assert_eq!((counts.read, counts.accepted, counts.dead), (expect, expect, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_record_of_a_long_list_is_a_dead_letter_that_can_be_replayed() {
    let store = store().await;
    let (page, records) = listing(3 << 20);
    let bad = page.replacen("\"rawusage\":\"1\"", "\"rawusage\":\"one\"", 1);
    let results = store.send(&[&bad], &Producer::default()).await.expect("is taken");
    assert_eq!(results.len() as u64, records);
    assert_eq!(results.iter().filter(|result| result.status == Verdict::Dead).count(), 1);
    assert!(results[0].message.as_deref().is_some_and(|text| text.starts_with("record 1 of ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_and_no_list_is_refused_before_anything_is_committed() {
    let store = store().await;
    let long = format!("{{\"pad\":\"{}\"}}", "x".repeat(2 << 20));
    let one = format!(r#"{{"Records":[{{"eventID":"{}"}}]}}"#, "x".repeat(2 << 20));
    let crumbs = format!("{{\"Records\":[1{}]}}", ",1".repeat(1 << 20));
    for text in [long, one, crumbs] {
        let sent = store.send(&[&super::store::event("a", 1), &text], &Producer::default()).await;
        let Err(NotAllowed::TooLarge { index: 1, bytes, bytes_max }) = sent else {
            panic!("{sent:?}")
        };
        assert_eq!((bytes, bytes_max), (text.len(), IngestSettings::BYTES_MAX));
    }
    assert_eq!(store.counts().await.read, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_in_a_file_is_taken_record_by_record() {
    let store = store().await;
    let (page, records) = listing(3 << 20);
    // As one text, and as a line among others.
    let (whole, lines) =
        (store.folder.path().join("page.json"), store.folder.path().join("trail.jsonl"));
    std::fs::write(&whole, &page).expect("writes");
    let calls = trail(3_500).replace('\n', " ");
    let long = format!("{{\"pad\":\"{}\"}}", "x".repeat(2 << 20));
    let event = super::store::event("a", 1);
    std::fs::write(&lines, format!("{event}\n{calls}\n{long}\n")).expect("writes");
    let settings = IngestSettings::default();
    let mut accepted = Vec::new();
    for path in [&whole, &lines] {
        let report = file::ingest(&store.lake, path, &settings, now(), &|_| {}).await;
        let report = report.expect("reads");
        accepted.push((report.accepted, report.dead));
    }
    assert_eq!(accepted, [(records, 0), (3_501, 1)]);
    let rows = store.rows().await;
    assert!(rows.iter().any(|row| row.ends_with(" 3 dead too_large")), "its place is told");
}
