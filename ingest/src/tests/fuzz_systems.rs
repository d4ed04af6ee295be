//! Damaged reports of CloudStack, vSphere, libvirt, EC2 and S3: any of them ends as events or as a
//! dead letter with a reason.

use proptest::prelude::*;

use super::fuzz::holds;
use crate::decode::Record;

const FIXTURES: [&str; 13] = [
    include_str!("../../fixtures/cloudstack_bus.json"),
    include_str!("../../fixtures/cloudstack_usage.json"),
    include_str!("../../fixtures/cloudstack_usage.xml"),
    include_str!("../../fixtures/vsphere_event.json"),
    include_str!("../../fixtures/vsphere_reconfigured.json"),
    include_str!("../../fixtures/libvirt_started.json"),
    include_str!("../../fixtures/libvirt_domstats.json"),
    include_str!("../../fixtures/libvirt_domstats.txt"),
    include_str!("../../fixtures/ec2_state.json"),
    include_str!("../../fixtures/cloudtrail_calls.json"),
    include_str!("../../fixtures/s3_access.log"),
    include_str!("../../fixtures/ecs_access.log"),
    include_str!("../../fixtures/usage_report.csv"),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_damaged_report_panics(
        fixture in 0..FIXTURES.len(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 0..6),
    ) {
        let mut bytes = FIXTURES[fixture].as_bytes().to_vec();
        for (at, byte, what) in edits {
            if bytes.len() < 2 {
                break;
            }
            let at = at.index(bytes.len());
            match what {
                0 => bytes[at] = byte,
                1 => { bytes.remove(at); }
                _ => bytes.truncate(at.max(1)),
            }
        }
        holds(&Record::of(&bytes));
    }

    #[test]
    fn no_value_in_a_report_panics(
        fixture in 0..FIXTURES.len(),
        at in any::<prop::sample::Index>(),
        value in r#"(null|true|-?[0-9]{1,40}(\.[0-9]{1,40})?(e[0-9]{1,3})?|"[^"\\\x00-\x1f]{0,40}"|\[\]|\{\})"#,
    ) {
        // Replaces what stands between two marks that separate values in some form.
        let text = FIXTURES[fixture];
        let marks: Vec<usize> =
            text.match_indices([':', '=', '>', ',', ' ']).map(|(at, _)| at + 1).collect();
        let start = marks[at.index(marks.len())];
        let end = start + text[start..].find([',', '\n', '<', ' ']).unwrap_or(0);
        holds(&Record::of(format!("{}{value}{}", &text[..start], &text[end..]).as_bytes()));
    }
}
