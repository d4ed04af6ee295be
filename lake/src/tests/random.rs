//! Whatever order events come in and whenever they are compacted, the same usage comes out.

use std::collections::BTreeMap;

use super::fixture::*;
use crate::CompactSettings;

/// A small generator: the tests must be the same on each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        // The constants of Knuth's MMIX.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

fn random_event(random: &mut Random) -> Event {
    let (id, resource) = (random.below(60), random.below(7));
    let time = format!("2026-{:02}-{:02}T00:00:00Z", 8 + random.below(3), 1 + random.below(5));
    let mut event = event(&id.to_string(), &format!("r{resource}"), &time, 0);
    // The content is what the event says: the same key with other content is a conflict.
    event.content = (resource * 1_000 + random.below(2)) as i64;
    event.meters = (0..random.below(3)).map(|n| (format!("m{n}"), event.content)).collect();
    event
}

/// The rule, told once more: the first of a key counts. Ids that count, with their content.
fn expected(commits: &[Vec<Event>]) -> BTreeMap<String, Event> {
    let mut first = BTreeMap::new();
    for events in commits {
        let mut events: Vec<_> = events.iter().collect();
        events.sort_by_key(|event| {
            let bucket = event
                .resource
                .as_deref()
                .map(|name| turnpike_schemas::canonical::bucket_of(name, BUCKETS));
            (bucket, event.resource.clone(), event.time.clone(), event.id.clone())
        });
        for event in events {
            first.entry(event.id.clone()).or_insert_with(|| event.clone());
        }
    }
    first
}

#[tokio::test(flavor = "multi_thread")]
async fn scans_do_not_depend_on_compaction() {
    for seed in 0..6 {
        let mut random = Random(seed);
        let commits: Vec<Vec<Event>> = (0..12)
            .map(|_| (0..random.below(25)).map(|_| random_event(&mut random)).collect())
            .collect();
        let expected = expected(&commits);
        let rows: usize = expected.values().map(|event| event.meters.len().max(1)).sum();
        let mut seen = Vec::new();
        for odds in [0, 1, 3] {
            let fixture = Fixture::new().await;
            for events in &commits {
                append(&fixture.lake, events).await;
                if odds > 0 && random.below(odds) == 0 {
                    let settings = CompactSettings {
                        chunk_rows: 1 + random.below(40),
                        runs_max: 2,
                        ..CompactSettings::default()
                    };
                    fixture.lake.compact(&settings, &|_| {}).await.unwrap();
                }
            }
            let snapshot = fixture.lake.snapshot().await.unwrap();
            seen.push((usage(&snapshot).await, snapshot.final_counts().await.unwrap()));
        }
        let (lines, counts) = &seen[0];
        assert_eq!(lines.len(), rows, "seed {seed}");
        assert_eq!(counts.accepted as usize, expected.len(), "seed {seed}");
        assert_eq!(counts.read as usize, commits.iter().map(Vec::len).sum::<usize>());
        for (id, event) in &expected {
            let key = format!(" /test|{id} ");
            let mut found = lines.iter().filter(|line| line.contains(&key));
            let line = found.next().unwrap_or_else(|| panic!("seed {seed}: no {id}"));
            let resource = event.resource.as_deref().unwrap();
            assert!(line.contains(&format!(" {resource} {}", event.time)), "{line} {event:?}");
        }
        assert!(seen.iter().all(|one| *one == seen[0]), "seed {seed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_is_in_order() {
    let mut random = Random(99);
    let fixture = Fixture::new().await;
    for round in 0..10 {
        let events: Vec<Event> = (0..20).map(|_| random_event(&mut random)).collect();
        append(&fixture.lake, &events).await;
        if round % 3 == 0 {
            compact(&fixture.lake).await;
        }
    }
    let snapshot = fixture.lake.snapshot().await.unwrap();
    for bucket in 0..BUCKETS {
        let batches = snapshot.scan(bucket, 0, i32::MAX).await.unwrap();
        let lines: Vec<_> = batches.iter().flat_map(lines_of).collect();
        let key = |line: &String| {
            let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
            (words[2].clone(), words[3].clone(), words[4].clone(), words[5].clone())
        };
        assert!(lines.is_sorted_by_key(key), "{lines:#?}");
        // One month of it is that part of it.
        let month: Vec<_> =
            lines.iter().filter(|line| line.contains(" 202609 ")).cloned().collect();
        let part = snapshot.scan(bucket, 202_609, 202_609).await.unwrap();
        assert_eq!(part.iter().flat_map(lines_of).collect::<Vec<_>>(), month);
    }
}
