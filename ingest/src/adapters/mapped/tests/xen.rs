use super::{decoded, events, shown};

pub(super) fn message(name: &str, class: &str) -> String {
    format!(
        r#"{{"uuid":"m-1","name":"{name}","priority":5,"cls":"{class}","obj_uuid":"vm-1",
        "timestamp":"20260101T10:00:00Z","body":""}}"#
    )
}

#[test]
fn messages_of_xapi_change_the_state() {
    let check = |name: &str, class: &str, expect: &str| {
        assert_eq!(shown(&decoded(&message(name, class), None)), [expect], "{name}");
    };
    let line = |state: &str| format!("m-1 transition {state} 2026-01-01T10:00:00Z");
    for name in ["VM_STARTED", "VM_REBOOTED", "VM_RESUMED"] {
        check(name, "VM", &line("active"));
    }
    check("VM_SHUTDOWN", "VM", &line("stopped"));
    check("VM_CRASHED", "VM", &line("stopped"));
    check("VM_SUSPENDED", "VM", &line("suspended"));
    check("VM_PAUSED", "VM", &line("paused"));
    check("VM_CLONED", "VM", "unmetered: no rule applies");
    check("HOST_CLOCK_SKEW_DETECTED", "Host", "unmetered: no rule applies");
    let event = &events(&message("VM_STARTED", "VM"))[0];
    assert_eq!(event.resource.as_ref().map(|id| id.as_str()), Some("xen/instance/vm-1"));
}

#[test]
fn messages_that_only_look_like_it_are_not_claimed() {
    let other = message("VM_STARTED", "VM").replace("obj_uuid", "object");
    assert!(shown(&decoded(&other, None))[0].starts_with("unrecognised"));
}

pub(super) const HEADING: &str = "      NAME  STATE   CPU(sec) CPU(%)     MEM(k) MEM(%)  MAXMEM(k) MAXMEM(%) \
     VCPUS NETS NETTX(k) NETRX(k) VBDS   VBD_OO   VBD_RD   VBD_WR  VBD_RSECT  VBD_WSECT SSID";
const DOMAIN_0: &str = "  Domain-0 -----r     161513    2.6    1048576    3.1   no limit       n/a     \
     8    0        0        0    0        0        0        0          0          0    0";
pub(super) const WEB: &str = "      web1 --b---     128529    0.8    2097152    6.2    2098176       6.2     2    \
     1  4803908   202702    1        0    84460    75132    4754377    8759386    0";

#[test]
fn rows_of_xentop_are_snapshots_with_counters() {
    let at = "2026-10-01T00:00:00Z";
    let expect = "web1/2026-10-01T00:00:00Z snapshot active 2026-10-01T00:00:00Z vcpu=2000000 \
         memory=2147483648 cpu-time=+128529000000000 egress=+4919201792 ingress=+207566848 \
         disk-ops=+159592";
    let check = |row: &str, expect: &str| {
        let given = format!("{at}\n{HEADING}\n{row}");
        assert_eq!(shown(&decoded(&given, None)), [expect], "{row}");
        let bare = format!("{HEADING}\n{row}");
        assert_eq!(shown(&decoded(&bare, Some(at))), [expect], "{row}");
    };
    check(WEB, expect);
    check(&WEB.replace("--b---", "----p-"), &expect.replace("active", "paused"));
    check(&WEB.replace("web1", "my web"), &expect.replace("web1", "my web"));
    check(DOMAIN_0, "unmetered: Domain-0 is the host");
    check(
        &WEB.replace("4803908", "many"),
        "quantity_invalid: \"NETTX(k)\": `many` is not a decimal number",
    );
    assert_eq!(
        shown(&decoded(&format!("{HEADING}\n{WEB}"), None)),
        ["missing_field: time: is absent, and no instant was given for the file (--at)"]
    );
}
