use proptest::prelude::*;

use super::context;
use crate::decode::{self, Record};
use crate::{Decoded, reason};

const FIXTURES: [&str; 13] = [
    include_str!("../../fixtures/native.json"),
    include_str!("../../fixtures/nova_instance.json"),
    include_str!("../../fixtures/nova_legacy.json"),
    include_str!("../../fixtures/cinder_volume.json"),
    include_str!("../../fixtures/cinder_snapshot.json"),
    include_str!("../../fixtures/glance_image.json"),
    include_str!("../../fixtures/neutron_floatingip.json"),
    include_str!("../../fixtures/neutron_l3_meter.json"),
    include_str!("../../fixtures/nova_volume_usage.json"),
    include_str!("../../fixtures/octavia_loadbalancer.json"),
    include_str!("../../fixtures/swift_request.json"),
    include_str!("../../fixtures/ceilometer_polling.json"),
    include_str!("../../fixtures/trove_instance.json"),
];

pub(super) fn holds(record: &Record<'_>) {
    let outcome = decode::read(record, &context());
    assert!(!outcome.decoded.is_empty());
    for decoded in &outcome.decoded {
        match decoded {
            Decoded::Dead(reject) => {
                assert!(reason::ALL.iter().any(|reason| reason.code == reject.code));
                assert!(reject.message.len() < 2_000, "{}", reject.message);
            }
            Decoded::Event(event) | Decoded::Unmetered(event) => {
                let json = serde_json::to_string(event).expect("an event is JSON");
                assert_eq!(
                    &serde_json::from_str::<turnpike_schemas::UsageEvent>(&json).expect("and back"),
                    event.as_ref()
                );
            }
        }
    }
    assert!(std::str::from_utf8(&outcome.raw).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        holds(&Record::of(&bytes));
    }

    #[test]
    fn no_headers_panic(
        name in "(ce_)?(specversion|id|source|type|time|content-type)",
        value in prop::collection::vec(any::<u8>(), 0..32),
        body in r#"[{}\[\]":,a-z0-9]{0,32}"#,
    ) {
        let headers = [("ce_specversion".to_owned(), b"1.0".to_vec()), (name, value)];
        holds(&Record { headers: &headers, ..Record::of(body.as_bytes()) });
    }

    #[test]
    fn no_damaged_message_panics(
        fixture in 0..FIXTURES.len(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 0..6),
        enveloped in any::<bool>(),
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
        if enveloped {
            let message = String::from_utf8_lossy(&bytes).into_owned();
            let text = serde_json::json!({"oslo.version": "2.0", "oslo.message": message}).to_string();
            holds(&Record::of(text.as_bytes()));
        } else {
            holds(&Record::of(&bytes));
        }
    }

    #[test]
    fn no_value_in_a_message_panics(
        fixture in 0..FIXTURES.len(),
        at in any::<prop::sample::Index>(),
        value in r#"(null|true|-?[0-9]{1,40}(\.[0-9]{1,40})?(e[0-9]{1,3})?|"[^"\\\x00-\x1f]{0,40}"|\[\]|\{\})"#,
    ) {
        // Replaces the value after some colon.
        let text = FIXTURES[fixture];
        let colons: Vec<usize> = text.match_indices("\": ").map(|(at, _)| at + 3).collect();
        let start = colons[at.index(colons.len())];
        let end = start + text[start..].find([',', '\n']).unwrap_or(0);
        holds(&Record::of(format!("{}{value}{}", &text[..start], &text[end..]).as_bytes()));
    }
}
