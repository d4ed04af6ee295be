//! Damaged records of every mapping: an answer, and never a panic.

use proptest::prelude::*;

use super::{decoded, hyper_v, opennebula, storage, xen};
use crate::Decoded;

fn records() -> Vec<String> {
    vec![
        opennebula::history(0, [1_767_225_600, 1_767_225_630, 0, 0], 0, 2048),
        hyper_v::report("2026-10-02T00:00:00Z", "\"1.00:00:00\"", 2048, 7),
        xen::message("VM_STARTED", "VM"),
        format!("2026-10-01T00:00:00Z\n{}\n{}", xen::HEADING, xen::WEB),
        storage::QUOTAS.to_owned(),
        storage::usage_log("2026-10-01T02:15:00Z", 9),
        "command,system,time,pre_comp_gib,post_comp_gib\n\
         filesys show compression,dd01,2026-10-01T00:00:00Z,1.5,1"
            .to_owned(),
    ]
}

proptest! {
    #[test]
    fn no_damage_panics(
        record in 0..7_usize,
        edits in prop::collection::vec((any::<prop::sample::Index>(), "[ -~]{0,3}", 0..4_usize), 0..5),
    ) {
        let mut text = records().swap_remove(record);
        for (at, new, removed) in edits {
            let start = text.floor_char_boundary(at.index(text.len() + 1));
            let end = text.floor_char_boundary((start + removed).min(text.len()));
            text.replace_range(start..end.max(start), &new);
        }
        let found = decoded(&text, None);
        prop_assert!(!found.is_empty());
        for decoded in found {
            if let Decoded::Dead(reject) = decoded {
                prop_assert!(reject.message.len() < 2_000, "{}", reject.message);
            }
        }
    }
}
