use super::{decoded, events, shown};

#[test]
fn data_domain_prints_less_than_bytes() {
    let check = |record: &str, expect: &str| {
        assert_eq!(shown(&decoded(record, None)), [expect], "{record}");
    };
    let record = r#"{"command":"filesys show compression","system":"dd01","owner":"t-1",
        "time":"2026-10-01T00:00:00Z","pre_comp_gib":387857.4,"post_comp_gib":"16280.8"}"#;
    // 387857.4 x 2^30 = 416458712127897.6 and 16280.8 x 2^30 = 17481375888179.2, floored.
    check(
        record,
        "dd01//2026-10-01T00:00:00Z snapshot active 2026-10-01T00:00:00Z backup=416458712127897 \
         backup-physical=17481375888179",
    );
    let csv = "command,system,time,pre_comp_gib,post_comp_gib,owner\n\
         filesys show compression,dd01,2026-10-01T00:00:00Z,387857.4,16280.8,t-1";
    assert_eq!(events(csv), events(record));
    let bytes = record.replace("pre_comp_gib\":387857.4", "pre_comp_bytes\":5");
    let bytes = bytes.replace("post_comp_gib\":\"16280.8\"", "post_comp_bytes\":3");
    check(
        &bytes,
        "dd01//2026-10-01T00:00:00Z snapshot active 2026-10-01T00:00:00Z backup=5 \
         backup-physical=3",
    );
    let other = record.replace("filesys show compression", "filesys show space");
    assert!(shown(&decoded(&other, None))[0].starts_with("unrecognised"));
}

pub(super) const QUOTAS: &str = r#"{"quotas":[
    {"id":"q-1","path":"/ifs/data/a","owner":"t-1","usage":{"applogical":1000,
     "applogical_ready":true,"fslogical":1100,"physical":2200,"physical_ready":true}},
    {"id":"q-2","path":"/ifs/data/b","persona":{"id":"UID:501"},"usage":{"applogical":0,
     "applogical_ready":false,"physical":0,"physical_ready":false}},
    {"id":"q-3","path":"/ifs/data/c","persona":{"id":"UID:501"},"usage":{"applogical":7,
     "physical":9}}],"resume":null,"time":"2026-10-01T00:00:00Z"}"#;

#[test]
fn quotas_that_are_not_ready_meter_nothing() {
    let stamp = "2026-10-01T00:00:00Z";
    let expect = [
        format!("q-1/{stamp} snapshot active {stamp} volume=1000 volume-physical=2200"),
        "unmetered: usage.applogical_ready is false".to_owned(),
        format!("q-3/{stamp} snapshot active {stamp} volume=7 volume-physical=9"),
    ];
    let found = decoded(QUOTAS, None);
    assert_eq!(shown(&found), expect);
    let untimed = QUOTAS.replace(",\"time\":\"2026-10-01T00:00:00Z\"", "");
    assert_eq!(decoded(&untimed, Some(stamp)), found);
    let elsewhere = QUOTAS.replace("/ifs/data/c", "/export/c");
    assert!(shown(&decoded(&elsewhere, None))[0].starts_with("unrecognised"));
}

#[test]
fn buckets_of_ceph_are_logical_and_physical() {
    let record = r#"{"bucket":"b-1","tenant":"","id":"7.1","marker":"7.1","owner":"u-1",
        "placement_rule":"default","time":"2026-10-01T00:00:00Z","bucket_quota":{"enabled":false},
        "usage":{"rgw.main":{"size":5000,"size_actual":8192,"size_utilized":3000,"num_objects":2},
        "rgw.multimeta":{"size":10,"size_actual":10,"size_utilized":10,"num_objects":1}}}"#;
    let id = "b-1/7.1/2026-10-01T00:00:00Z snapshot active 2026-10-01T00:00:00Z";
    let check = |record: &str, expect: String| {
        assert_eq!(shown(&decoded(record, None)), [expect], "{record}");
    };
    check(record, format!("{id} object-storage=5010 object-storage-physical=3010 objects=3"));
    let empty = format!("{}\"usage\":{{}}}}", record.split("\"usage\"").next().expect("start"));
    check(&empty, format!("{id} object-storage=0 object-storage-physical=0 objects=0"));
    let shared = record.replace("\"tenant\":\"\"", "\"tenant\":\"x\"");
    let resource = events(&shared)[0].resource.clone();
    assert_eq!(resource.as_ref().map(|id| id.as_str()), Some("ceph-rgw/bucket/x/b-1"));
}

/// A usage log of two hours, of which the second has this many operations, reported at `time`.
pub(super) fn usage_log(time: &str, ops: u32) -> String {
    let entry = |epoch: u64, ops: u32| {
        format!(
            r#"{{"bucket":"b-1","time":"x","epoch":{epoch},"owner":"u-1","categories":[
            {{"category":"get_obj","bytes_sent":{ops}00,"bytes_received":5,"ops":{ops},
            "successful_ops":1}}]}}"#
        )
    };
    format!(
        r#"{{"entries":[{{"user":"u-1","buckets":[{},{}]}}],"summary":[],"time":"{time}"}}"#,
        entry(1_790_812_800, 3),
        entry(1_790_816_400, ops),
    )
}

#[test]
fn an_hour_of_the_usage_log_counts_once_it_is_over() {
    let hour = "u-1/b-1/get_obj/1790812800 delta 2026-10-01T00:00:00Z..2026-10-01T01:00:00Z \
         requests=3 egress=300 ingress=5";
    let next = "u-1/b-1/get_obj/1790816400 delta 2026-10-01T01:00:00Z..2026-10-01T02:00:00Z \
         requests=9 egress=900 ingress=5";
    let open = "unmetered: its window is not over yet";
    let check = |time: &str, ops: u32, expect: [&str; 2]| {
        assert_eq!(shown(&decoded(&usage_log(time, ops), None)), expect, "{time}");
    };
    check("2026-10-01T01:14:59Z", 2, [open, open]);
    check("2026-10-01T01:15:00Z", 2, [hour, open]);
    check("2026-10-01T02:00:00Z", 5, [hour, open]);
    check("2026-10-01T02:15:00Z", 9, [hour, next]);
    // What was open has an id of its own each time, so that it is in no conflict with what counts.
    let ids = |time: &str, ops: u32| -> Vec<String> {
        let id = |decoded: &crate::Decoded| match decoded {
            crate::Decoded::Event(event) | crate::Decoded::Unmetered(event) => event.id.clone(),
            crate::Decoded::Dead(reject) => panic!("{reject:?}"),
        };
        decoded(&usage_log(time, ops), None).iter().map(id).collect()
    };
    assert_eq!(ids("2026-10-01T01:15:00Z", 2)[0], ids("2026-10-01T02:15:00Z", 9)[0]);
    assert_ne!(ids("2026-10-01T01:15:00Z", 2)[1], ids("2026-10-01T02:15:00Z", 9)[1]);
    assert_ne!(ids("2026-10-01T01:15:00Z", 2)[1], ids("2026-10-01T02:00:00Z", 5)[1]);
}
