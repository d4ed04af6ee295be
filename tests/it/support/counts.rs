//! What finally became of every record, asked of the tables themselves.

use serde_json::{Value, json};
use turnpike_lake::{Lake, LakeSettings};
use turnpike_schemas::Instant;

use super::cli::{BUCKETS, Turnpike};

/// The final counts of an installation: those that hold whatever ingest thought at the time.
pub fn of(turnpike: &Turnpike) -> Value {
    let root = turnpike.data().join("lake");
    let settings = LakeSettings { buckets: BUCKETS, ..LakeSettings::new(root) };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let counts = runtime.block_on(async {
        // The instant names the folder of what is quarantined; after a clean end nothing is.
        let lake = Lake::open(settings, Instant::MIN).await.unwrap();
        assert!(lake.recovered().is_empty(), "recovered: {:?}", lake.recovered());
        lake.snapshot().await.unwrap().final_counts().await.unwrap()
    });
    json!({
        "read": counts.read,
        "accepted": counts.accepted,
        "duplicate": counts.duplicate,
        "conflict": counts.conflict,
        "dead": counts.dead,
        "discarded": counts.discarded,
        "unmetered": counts.unmetered,
        "by_reason": counts.by_reason,
    })
}
