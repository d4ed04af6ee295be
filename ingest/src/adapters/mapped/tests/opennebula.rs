use super::{decoded, events, shown};
use crate::tests::summary;

/// A history record of machine 13 with these fields.
pub(super) fn history(seq: u32, times: [u64; 4], action: u32, memory: u32) -> String {
    let [start, running, stopped, ended] = times;
    format!(
        "<HISTORY><OID>13</OID><SEQ>{seq}</SEQ><HOSTNAME>host01</HOSTNAME><STIME>{start}</STIME>\
         <ETIME>{ended}</ETIME><RSTIME>{running}</RSTIME><RETIME>{stopped}</RETIME>\
         <ACTION>{action}</ACTION><UID>0</UID><VM><ID>13</ID><UID>2</UID><TEMPLATE><CPU>0.5</CPU>\
         <VCPU>2</VCPU><MEMORY>{memory}</MEMORY><DISK><DISK_ID>0</DISK_ID><SIZE>10240</SIZE></DISK>\
         <DISK><DISK_ID>1</DISK_ID><SIZE>512</SIZE></DISK></TEMPLATE></VM></HISTORY>"
    )
}

const SIZES: &str = "instance=1 vcpu=2000000 memory=2147483648 root-disk=11274289152";
/// 2026-01-01T00:00:00Z.
const T: u64 = 1_767_225_600;

#[test]
fn each_boundary_of_a_history_record_is_an_event() {
    let check = |record: &str, expect: &[&str]| {
        let expect: Vec<String> = expect.iter().map(|line| format!("{line} {SIZES}")).collect();
        assert_eq!(shown(&decoded(record, None)), expect, "{record}");
    };
    let open = history(0, [T, T + 30, 0, 0], 0, 2048);
    let first = [
        "13/000000/1-allocated transition stopped 2026-01-01T00:00:00Z",
        "13/000000/2-running transition active 2026-01-01T00:00:30Z",
    ];
    check(&open, &first);
    let stopped = "13/000000/3-stopped transition stopped 2026-01-01T01:00:00Z";
    let resized = "13/000000/4-ended transition shelved-offloaded 2026-01-01T01:00:00Z";
    let closed = history(0, [T, T + 30, T + 3600, T + 3600], 35, 2048);
    check(&closed, &[first[0], first[1], stopped, resized]);
    let ended = "13/000000/4-ended transition deleted 2026-01-01T01:00:00Z";
    for action in [3, 4, 13, 27, 28] {
        let gone = history(0, [T, T + 30, T + 3600, T + 3600], action, 2048);
        check(&gone, &[first[0], first[1], stopped, ended]);
        assert!(events(&gone)[3].terminal);
    }
    // A machine that never ran holds its disks.
    check(&history(0, [T, 0, 0, 0], 0, 2048), &first[..1]);
}

#[test]
fn a_later_poll_repeats_what_was_known() {
    let open = events(&history(0, [T, T + 30, 0, 0], 0, 2048));
    let closed = events(&history(0, [T, T + 30, T + 3600, T + 3600], 35, 2048));
    assert_eq!(open[..], closed[..2], "the same ids with the same content are duplicates");
    // The sequence after a resize tells the new size, from the second at which the old one ended.
    let next = events(&history(1, [T + 3600, T + 3600, 0, 0], 0, 4096));
    assert_eq!(next[0].time, closed[3].time);
    assert!(next[0].key() > closed[3].key(), "of one second, the next sequence comes last");
    assert!(
        events(&history(10, [T, T, 0, 0], 0, 1))[0].key()
            > events(&history(9, [T, T, T, T], 1, 1))[3].key()
    );
}

#[test]
fn all_forms_say_the_same() {
    let record = history(0, [T, T + 30, 0, 0], 0, 2048);
    let expect = events(&record);
    let list = format!("<HISTORY_RECORDS>{record}</HISTORY_RECORDS>");
    assert_eq!(events(&list), expect);
    let json = r#"{"OID":"13","SEQ":"0","STIME":"1767225600","ETIME":"0","RSTIME":"1767225630",
        "RETIME":"0","ACTION":"0","UID":"0","VM":{"UID":"2","TEMPLATE":{"CPU":"0.5","VCPU":"2",
        "MEMORY":"2048","DISK":[{"SIZE":"10240"},{"SIZE":"512"}]}}}"#;
    assert_eq!(events(json), expect);
    for wrapped in [format!("[{json}]"), json.to_owned()] {
        let all = format!(r#"{{"HISTORY_RECORDS":{{"HISTORY":{wrapped}}}}}"#);
        assert_eq!(events(&all), expect);
    }
    assert_eq!(expect[0].owner.as_ref().map(|owner| owner.as_str()), Some("opennebula/2"));
    assert_eq!(expect[0].resource.as_ref().map(|id| id.as_str()), Some("opennebula/instance/13"));
    assert_eq!(expect[0].attributes["cpu-share"], "0.5");
}

#[test]
fn what_is_wrong_is_named() {
    let check = |record: &str, expect: &str| assert_eq!(summary(&decoded(record, None)), expect);
    let record = history(0, [T, T + 30, 0, 0], 0, 2048);
    check(
        &record.replace("<MEMORY>2048</MEMORY>", ""),
        "missing_field: VM.TEMPLATE.MEMORY: is absent",
    );
    check(
        &record.replace("<STIME>1767225600", "<STIME>soon"),
        "bad_time: STIME: `soon` is no number of seconds",
    );
    check(
        &record.replace("<SIZE>512", "<SIZE>-1"),
        "quantity_negative: VM.TEMPLATE.DISK[].SIZE: `-1` is negative",
    );
    let no_vcpu = record.replace("<VCPU>2</VCPU>", "");
    assert_eq!(events(&no_vcpu)[0].measurements[1].quantity, 1_000_000);
}
