//! What a key may send, the first time and when a dead letter of it is replayed.

use arrow::array::{Array, AsArray};
use turnpike_lake::EventFilter;
use turnpike_schemas::arrow::status;

use super::store::{Store, event, now, store};
use crate::http::{NotAllowed, Producer};
use crate::replay::{DeadLetter, replay};
use crate::{IngestSettings, Installation};

fn correction(source: &str, target: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"r-1","source":"{source}","time":"2026-10-02T00:00:00Z",
        "type":"dev.turnpike.usage.correction.v1","data":{{"correction":{{"action":"retract",
        "target":{{"source":"{target}","id":"a"}}}}}}}}"#
    )
}

fn amendment(source: &str, target: &str) -> String {
    let correction =
        format!(r#""correction":{{"action":"amend","target":{{"source":"{target}","id":"a"}}}}"#);
    event("b", 2)
        .replace("\"source\":\"/test\"", &format!("\"source\":\"{source}\""))
        .replace("\"owner\":\"o\"", &format!("\"owner\":\"o\",{correction}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_takes_back_only_what_it_may_send() {
    let store = store().await;
    let key = Producer { source_prefix: Some("/acme/".to_owned()), ..Producer::default() };
    for make in [correction, amendment] {
        let refused = store.send(&[&make("/acme/agent", "/other/agent")], &key).await;
        let Err(NotAllowed::Target { index: 0, target, prefix }) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!((target.as_str(), prefix.as_str()), ("/other/agent", "/acme/"));
        let taken = store.send(&[&make("/acme/agent", "/acme/other")], &key).await;
        assert!(taken.is_ok(), "{taken:?}");
    }
    assert_eq!(store.counts().await.read, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_a_site_takes_nothing_back() {
    let store = store().await;
    let key = Producer { site: Some("lyon-1".to_owned()), ..Producer::default() };
    for make in [correction, amendment] {
        let refused = store.send(&[&make("/acme/agent", "/acme/agent")], &key).await;
        assert!(matches!(refused, Err(NotAllowed::TargetSite { index: 0, .. })), "{refused:?}");
    }
    assert_eq!(store.counts().await.read, 0);
    // What adds an event and changes none is not meant.
    let late = event("c", 1)
        .replace("\"owner\":\"o\"", r#""owner":"o","correction":{"action":"backfill"}"#);
    assert!(store.send(&[&late], &key).await.is_ok());
}

/// The dead letters as their rows have them.
async fn letters(store: &Store) -> Vec<DeadLetter> {
    let snapshot = store.lake.snapshot().await.expect("snapshot");
    let filter = EventFilter { status: Some(status::DEAD.to_owned()), ..EventFilter::default() };
    let columns = ["origin", "attributes", "raw", "reason"];
    let mut letters = Vec::new();
    for batch in snapshot.events(&filter, Some(&columns), usize::MAX).await.expect("rows") {
        let text = |name: &str| batch.column_by_name(name).expect("column").as_string::<i32>();
        let raw = batch.column_by_name("raw").expect("column").as_binary::<i32>();
        for row in 0..batch.num_rows() {
            let attributes = text("attributes");
            letters.push(DeadLetter {
                origin: text("origin").value(row).to_owned(),
                position: 0,
                part: 0,
                reason: Some(text("reason").value(row).to_owned()),
                system: None,
                payload: raw.value(row).to_vec(),
                is_fixed: true,
                route: attributes.is_valid(row).then(|| attributes.value(row).to_owned()),
            });
        }
    }
    letters
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_replayed_by_the_rules_of_its_key() {
    let store = store().await;
    let key = Producer {
        site: Some("lyon-1".to_owned()),
        source_prefix: Some("/test".to_owned()),
        ..Producer::default()
    };
    store.send(&["{broken"], &key).await.expect("is kept");
    let [letter] = &letters(&store).await[..] else { panic!("one") };
    let settings = IngestSettings::default();
    let mended =
        |payload: String| vec![DeadLetter { payload: payload.into_bytes(), ..letter.clone() }];
    for wrong in [
        event("a", 1).replace("/test", "/else"),
        event("a", 1).replace("\"owner\"", "\"site\":\"paris-2\",\"owner\""),
        correction("/test", "/test"),
    ] {
        let report = replay(&store.lake, mended(wrong), &settings, now()).await.expect("ends");
        assert_eq!((report.replayed, report.still_dead.len()), (0, 1));
        assert_eq!(report.still_dead[0].reason, "not_allowed");
    }
    let report = replay(&store.lake, mended(event("a", 1)), &settings, now()).await.expect("ends");
    assert_eq!((report.replayed, report.rows.accepted), (1, 1), "{report:?}");
    let snapshot = store.lake.snapshot().await.expect("snapshot");
    let filter =
        EventFilter { status: Some(status::ACCEPTED.to_owned()), ..EventFilter::default() };
    let rows = snapshot.events(&filter, Some(&["site"]), 10).await.expect("rows");
    assert_eq!(rows[0].column(0).as_string::<i32>().value(0), "lyon-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_replayed_by_its_adapter_and_its_installation() {
    let store = store().await;
    let key = Producer {
        system: Some("opennebula".to_owned()),
        installation: Installation::new("zone-b").ok(),
        ..Producer::default()
    };
    let right = "<HISTORY><OID>13</OID><SEQ>0</SEQ><STIME>1767225600</STIME><ETIME>0</ETIME>\
        <RSTIME>0</RSTIME><RETIME>0</RETIME><VM><TEMPLATE><MEMORY>1024</MEMORY></TEMPLATE></VM></HISTORY>";
    store.send(&[&right.replace("1767225600", "soon")], &key).await.expect("is kept");
    let [letter] = &letters(&store).await[..] else { panic!("one") };
    let settings = IngestSettings::default();
    let mended =
        |payload: String| vec![DeadLetter { payload: payload.into_bytes(), ..letter.clone() }];
    // Another adapter would read this.
    let report = replay(&store.lake, mended(event("a", 1)), &settings, now()).await.expect("ends");
    assert!(report.still_dead[0].message.contains("pinned to `opennebula`"), "{report:?}");
    let report =
        replay(&store.lake, mended(right.to_owned()), &settings, now()).await.expect("ends");
    assert_eq!(report.replayed, 1, "{report:?}");
    let snapshot = store.lake.snapshot().await.expect("snapshot");
    let filter =
        EventFilter { status: Some(status::ACCEPTED.to_owned()), ..EventFilter::default() };
    let rows = snapshot.events(&filter, Some(&["resource"]), 10).await.expect("rows");
    assert_eq!(rows[0].column(0).as_string::<i32>().value(0), "opennebula/instance/zone-b/13");
}
