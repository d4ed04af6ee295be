use super::{decoded, events, shown};

pub(super) fn report(time: &str, duration: &str, memory: u32, traffic: u32) -> String {
    format!(
        r#"{{"ComputerName":"HV01","VMId":"3a2f","VMName":"web","MeteringDuration":{duration},
        "AverageProcessorUsage":812,"AverageMemoryUsage":{memory},"TotalDiskAllocation":131072,
        "NetworkMeteredTrafficReport":[
          {{"LocalAddress":"*","RemoteAddress":"0.0.0.0/0","Direction":"Inbound","TotalTraffic":1}},
          {{"LocalAddress":"*","RemoteAddress":"::/0","Direction":"Outbound","TotalTraffic":7}},
          {{"LocalAddress":"*","RemoteAddress":"0.0.0.0/0","Direction":"Outbound","TotalTraffic":{traffic}}}
        ],"time":"{time}","owner":"t-1"}}"#
    )
}

#[test]
fn a_report_is_cumulative_over_its_window() {
    let text = report("2026-10-02T00:00:00Z", r#""1.00:00:00""#, 2048, 2048);
    let expect = [
        "3a2f/usage/2026-10-02T00:00:00Z interval active \
         2026-10-01T00:00:00Z..2026-10-02T00:00:00Z cpu-mhz=812000000 memory=2147483648 \
         egress=+2154823680 ingress=+1048576",
        "3a2f/disks/2026-10-02T00:00:00Z audit active \
         2026-10-01T00:00:00Z..2026-10-02T00:00:00Z root-disk=137438953472",
    ];
    assert_eq!(shown(&decoded(&text, None)), expect);
    // PowerShell's JSON writes a duration as its ticks.
    let ticks = report("2026-10-02T00:00:00Z", r#"{"Ticks":864000000000,"Days":1}"#, 2048, 2048);
    assert_eq!(shown(&decoded(&ticks, None)), expect);
    let usage = &events(&text)[0];
    assert_eq!(usage.since, usage.window.map(|window| window.start), "it accumulates");
    assert_eq!(events(&text)[0].owner.as_ref().map(|owner| owner.as_str()), Some("hyper-v/t-1"));
}

#[test]
fn directions_are_words_or_their_numbers() {
    let text = report("2026-10-02T00:00:00Z", r#""1.00:00:00""#, 2048, 2048);
    let numbered = text.replace("\"Inbound\"", "1").replace("\"Outbound\"", "2");
    assert_eq!(decoded(&numbered, None), decoded(&text, None));
    for odd in ["\"Both\"", "3", "0", "null", "\"\u{e5}t\""] {
        let odd = text.replacen("\"Outbound\"", odd, 1);
        let told = shown(&decoded(&odd, None)).join("\n");
        let expect = "invalid_field: NetworkMeteredTrafficReport[].Direction: ";
        assert!(told.starts_with(expect), "{told}");
    }
}

#[test]
fn the_time_comes_from_the_report_or_for_the_whole_file() {
    let text = report("2026-10-02T00:00:00Z", r#""01:00:00""#, 2048, 2048);
    let bare = text.replace(r#""time":"2026-10-02T00:00:00Z","#, "");
    assert_eq!(
        shown(&decoded(&bare, None)),
        ["missing_field: time: is absent, and no instant was given for the file (--at)"]
    );
    assert_eq!(decoded(&bare, Some("2026-10-02T00:00:00Z")), decoded(&text, None));
    let local = text.replace("2026-10-02T00:00:00Z", "2026-10-02T02:00:00.0000000+02:00");
    assert_eq!(decoded(&local, None), decoded(&text, None));
}

#[test]
fn unmetered_traffic_and_odd_durations() {
    let text = report("2026-10-02T00:00:00Z", r#""00:59:58.9""#, 2048, 2048);
    let window = events(&text)[0].window.expect("window");
    assert_eq!(window.end.floor_seconds() - window.start.floor_seconds(), 3_598);
    let report =
        text.find("\"NetworkMetered").expect("a report")..text.find("\"time\"").expect("a time");
    let mut quiet = text.clone();
    quiet.replace_range(report, "\"NetworkMeteredTrafficReport\":[],");
    assert!(events(&quiet)[0].measurements.iter().all(|m| m.meter.as_str() != "egress"));
    let odd = text.replace("00:59:58.9", "an hour");
    assert_eq!(
        shown(&decoded(&odd, None)),
        ["invalid_field: MeteringDuration: `an hour` is no duration"]
    );
}
