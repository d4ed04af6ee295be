//! Usage events by HTTP: every form of a body, and what becomes of each item.

use std::io::Write as _;

use super::fixture::{Site, Wishes};
use super::{api_key, event, json, submit};

async fn site() -> (Site, String) {
    let site = Site::start(Wishes { empty: true, ..Wishes::default() }).await;
    let key = api_key(&site, |_| {}).await;
    (site, key)
}

/// `status/reason` of each result.
fn verdicts(value: &serde_json::Value) -> String {
    let one = |result: &serde_json::Value| {
        let text = |name: &str| result[name].as_str().unwrap_or_default().to_owned();
        format!("{}:{}/{}", result["index"], text("status"), text("reason"))
    };
    let results = value["results"].as_array().expect("results");
    results.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("packs");
    encoder.finish().expect("packs")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_a_body_is_read() {
    let (site, key) = site().await;
    let check = async |headers: &[(&str, &str)], body: Vec<u8>, expect: &str| {
        let answer = submit(&site, "/v1/events", &key, headers, &body).await;
        assert_eq!(answer.status, 202, "{headers:?}: {}", answer.body);
        assert_eq!(verdicts(&json(&answer)), expect, "{headers:?}");
    };
    let bytes = |text: String| text.into_bytes();
    check(&[], bytes(event("a")), "0:accepted/").await;
    check(&[("Content-Type", "application/json")], bytes(event("a")), "0:duplicate/").await;
    let structured = [("Content-Type", "application/cloudevents+json; charset=utf-8")];
    check(&structured, bytes(event("b")), "0:accepted/").await;
    let batch = [("Content-Type", "application/cloudevents-batch+json")];
    let two = format!("[{},\n{}]", event("c"), event("d"));
    check(&batch, bytes(two.clone()), "0:accepted/ 1:accepted/").await;
    check(&[], bytes(two), "0:duplicate/ 1:duplicate/").await;
    let lines = [("Content-Type", "application/x-ndjson")];
    let text = format!("{}\n\n{{broken\n{}\n", event("e"), event("f"));
    check(&lines, bytes(text), "0:accepted/ 1:dead/json_invalid 2:accepted/").await;
    let data = r#"{"resource":{"kind":"instance","id":"é"},"owner":"o","state":"active"}"#;
    let binary = [
        ("Content-Type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "bin%C3%A9"),
        ("ce-source", "/test"),
        ("ce-type", "dev.turnpike.usage.transition.v1"),
        ("ce-time", "2026-11-19T00:00:00Z"),
    ];
    check(&binary, bytes(data.to_owned()), "0:accepted/").await;
    let packed = [("Content-Encoding", "gzip")];
    check(&packed, gzip(event("g").as_bytes()), "0:accepted/").await;
    let packed = [("Content-Encoding", "zstd")];
    let zstd = zstd::stream::encode_all(event("h").as_bytes(), 3).expect("packs");
    check(&packed, zstd, "0:accepted/").await;
    let counts = site.counts().await;
    assert_eq!((counts.read, counts.accepted, counts.duplicate, counts.dead), (13, 9, 3, 1));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_item_gets_its_own_result() {
    let (site, key) = site().await;
    let other = event("a").replace("\"quantity\":2", "\"quantity\":3");
    let bad = event("x").replace("2026-11-19T00:00:00Z", "2027-01-01T00:00:00Z");
    let body = format!("[{},{},{other},{bad},7,{{\"what\":1}}]", event("a"), event("a"));
    let answer = submit(&site, "/v1/events", &key, &[], body).await;
    let value = json(&answer);
    assert_eq!(
        verdicts(&value),
        "0:accepted/ 1:duplicate/ 2:conflict/ 3:dead/future_time 4:dead/not_an_object \
         5:dead/unrecognised"
    );
    assert_eq!(value["accepted"], 1);
    assert_eq!(
        (&value["duplicate"], &value["conflict"], &value["dead"]),
        (&1.into(), &1.into(), &3.into())
    );
    assert_eq!(value["results"][0]["id"], "a");
    assert_eq!(value["results"][0]["source"], "/test");
    let message = value["results"][3]["message"].as_str().expect("a message");
    assert!(message.contains("2027-01-01"), "{message}");
    let counts = site.counts().await;
    assert_eq!((counts.read, counts.accepted, counts.conflict, counts.dead), (6, 1, 1, 3));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_system_reads_what_is_sent_to_its_address() {
    let (site, key) = site().await;
    let xml = [("Content-Type", "application/xml")];
    let check = async |path: &str, headers: &[(&str, &str)], body: &str, expect: u16| {
        let answer = submit(&site, path, &key, headers, body).await;
        assert_eq!(answer.status, expect, "{path}: {}", answer.body);
        json(&answer)
    };
    let taken = check("/v1/events/native", &[], &event("a"), 202).await;
    assert_eq!(verdicts(&taken), "0:accepted/");
    // Another adapter would read it, but this one was named.
    let taken = check("/v1/events/openstack-nova", &[], &event("b"), 202).await;
    assert_eq!(verdicts(&taken), "0:dead/unrecognised");
    let taken = check("/v1/events/native", &xml, "<usage>\n<vm/>\n</usage>", 202).await;
    assert_eq!(verdicts(&taken), "0:dead/json_invalid");
    let refused = check("/v1/events/frob", &[], &event("c"), 404).await;
    assert_eq!(refused["error"], "unknown-system");
    let refused = check("/v1/events", &xml, "<a/>", 415).await;
    assert_eq!(refused["error"], "content-type");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_a_usage_listing_may_be_long() {
    let (site, key) = site().await;
    let record = |number: usize| {
        format!(
            r#"{{"accountid":"a-1","usagetype":1,"rawusage":"1","virtualmachineid":"vm-{number}",
            "description":"{}","startdate":"2026-10-07T00:00:00+0000",
            "enddate":"2026-10-07T23:59:59+0000"}}"#,
            "machine ".repeat(400)
        )
    };
    let records: Vec<String> = (0..1_000).map(record).collect();
    let body =
        format!(r#"{{"listusagerecordsresponse":{{"usagerecord":[{}]}}}}"#, records.join(","));
    assert!(body.len() > 3 << 20);
    let answer = submit(&site, "/v1/events", &key, &[], body).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let value = json(&answer);
    assert_eq!((value["accepted"].as_u64(), value["dead"].as_u64()), (Some(1_000), Some(0)));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_installations_of_one_system_are_told_apart() {
    let (site, key) = site().await;
    let xml = [("Content-Type", "application/xml"), ("Idempotency-Key", "poll-1")];
    let history = "<HISTORY><OID>13</OID><SEQ>0</SEQ><STIME>1767225600</STIME><ETIME>0</ETIME>\
        <RSTIME>0</RSTIME><RETIME>0</RETIME><VM><TEMPLATE><MEMORY>1024</MEMORY></TEMPLATE></VM></HISTORY>";
    let check = async |query: &str, body: &str, status: u16, part: &str| {
        let path = format!("/v1/events/opennebula{query}");
        let headers = if status == 202 { &xml[..1] } else { &xml };
        let answer = submit(&site, &path, &key, headers, body).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(answer.body.contains(part), "{part} in {}", answer.body);
    };
    check("?installation=zone-a", history, 202, "\"source\":\"/opennebula/zone-a\"").await;
    // Its machine 13 is another one.
    let other = history.replace("1024", "2048");
    check("?installation=zone-b", &other, 202, "\"source\":\"/opennebula/zone-b\"").await;
    check("", history, 202, "\"source\":\"/opennebula\"").await;
    for query in [
        "?instalation=zone-a",
        "?installation=",
        "?installation=a%2Fb",
        "?installation=a&installation=b",
    ] {
        check(query, history, 400, "\"error\":\"query\"").await;
    }
    let counts = site.counts().await;
    assert_eq!((counts.accepted, counts.conflict), (3, 0));
    // The same key for another installation is another request.
    for (zone, status) in [("zone-a", 202), ("zone-a", 202), ("zone-b", 422)] {
        let path = format!("/v1/events/opennebula?installation={zone}");
        let answer = submit(&site, &path, &key, &xml, history).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_at_all_is_refused_whole() {
    let (site, key) = site().await;
    let check = async |headers: &[(&str, &str)], body: &[u8], status: u16, code: &str| {
        let answer = submit(&site, "/v1/events", &key, headers, body).await;
        let value = json(&answer);
        assert_eq!((answer.status, value["error"].as_str()), (status, Some(code)), "{value}");
        assert_eq!(value["request_id"].as_str(), answer.header("x-request-id"));
        assert!(!value["message"].as_str().expect("a message").is_empty());
    };
    check(&[], b"", 400, "body-empty").await;
    check(&[], b" \n", 400, "body-empty").await;
    check(&[], b"[]", 400, "body-empty").await;
    check(&[], b"{\"a\":", 400, "body-unreadable").await;
    check(&[], format!("[{},", event("a")).as_bytes(), 400, "body-unreadable").await;
    check(&[], b"7", 400, "body-unreadable").await;
    check(&[], b"\xff\xfe", 400, "body-unreadable").await;
    check(&[("Content-Encoding", "gzip")], b"no gzip", 400, "body-unreadable").await;
    let cut = gzip(event("a").as_bytes());
    let gzipped = [("Content-Encoding", "gzip")];
    check(&gzipped, &cut[..cut.len() - 9], 400, "body-unreadable").await;
    check(&[("Content-Encoding", "br")], b"{}", 415, "content-encoding").await;
    check(&[("Content-Type", "image/png")], b"{}", 415, "content-type").await;
    let many = format!("[{}]", vec!["1"; 10_001].join(","));
    check(&[], many.as_bytes(), 413, "too-many-items").await;
    // One record that is too long takes the others with it: its sender has them all.
    let long = format!("[{},{{\"pad\":\"{}\"}}]", event("a"), "x".repeat(1 << 20));
    check(&[], long.as_bytes(), 413, "item-too-large").await;
    check(&[("Idempotency-Key", "")], b"{}", 400, "idempotency-key").await;
    let long = "k".repeat(256);
    check(&[("Idempotency-Key", &long)], b"{}", 400, "idempotency-key").await;
    assert_eq!(site.counts().await.read, 0);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_is_refused_before_it_takes_memory() {
    let wishes = Wishes { empty: true, body_bytes_max: Some(4 << 20), ..Wishes::default() };
    let site = Site::start(wishes).await;
    let key = api_key(&site, |_| {}).await;
    // 4 GiB in members of 4 MiB: gzip allows several, and one packs a thousandfold.
    let member = gzip(&vec![b' '; 4 << 20]);
    let bomb = member.repeat(1_024);
    assert!(bomb.len() < 5 << 20, "{}", bomb.len());
    let before = peak_kib();
    let headers = [("Content-Encoding", "gzip")];
    let answer = submit(&site, "/v1/events", &key, &headers, &bomb[..4 << 20]).await;
    assert_eq!((answer.status, json(&answer)["error"].as_str()), (413, Some("body-too-large")));
    let grown = peak_kib() - before;
    assert!(grown < 200 << 10, "the peak grew by {grown} KiB");
    let frame = zstd::stream::encode_all(vec![b' '; 64 << 20].as_slice(), 19).expect("packs");
    let headers = [("Content-Encoding", "zstd")];
    let answer = submit(&site, "/v1/events", &key, &headers, &frame).await;
    assert_eq!(answer.status, 413);
    // A body that says itself that it is too large is not even read.
    let answer = submit(&site, "/v1/events", &key, &[], vec![b' '; 5 << 20]).await;
    assert_eq!(answer.status, 413);
    site.stop().await;
}

/// The most memory that this process ever had, which includes what other tests take meanwhile.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_share_few_commits() {
    let (site, key) = site().await;
    let requests =
        (0..100).map(|number| {
            let (site, key) = (&site, &key);
            async move {
                submit(site, "/v1/events", key, &[], event(&format!("e{number}"))).await.status
            }
        });
    let statuses = futures::future::join_all(requests).await;
    assert_eq!(statuses, vec![202; 100]);
    assert_eq!(site.counts().await.accepted, 100);
    let commits = site.counted.snapshot().commits;
    assert!(commits < 100, "{commits} commits");
    site.stop().await;
}
