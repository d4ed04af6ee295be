//! What happens to each resource in the month.

use std::fmt::Write as _;

use turnpike_schemas::Instant;

/// 2026-01-01T00:00:00Z in seconds.
pub(super) const MONTH_START: i64 = 1_767_225_600;
pub(super) const MONTH_MICROS: i64 = 31 * 86_400 * 1_000_000;
pub(super) const FLAVORS: [&str; 8] =
    ["nano", "small", "medium", "large", "xlarge", "gpu1", "gpu4", "mem8"];
const INSTANCE_STEPS: u32 = 8;
const VOLUME_STEPS: u32 = 3;
const BUCKET_STEPS: u32 = 200;
/// Between two readings of a bucket, in microseconds.
const READING_MICROS: i64 = 13_392_000_000;
const AGENTS: u64 = 16;

/// The resources of a month, numbered: instances, then volumes, then buckets.
pub(super) struct Month {
    pub(super) accounts: u64,
    instances: u64,
    volumes: u64,
    buckets: u64,
    /// Sums of weights: the account of rank r weighs r^-0.8.
    weights: Vec<u64>,
}

/// A number that looks random, the same for the same resource, step and purpose.
pub(super) fn mix(resource: u64, step: u32, purpose: u64) -> u64 {
    let mut z = resource
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(u64::from(step).wrapping_mul(0xd6e8_feb8_6659_fd93))
        .wrapping_add(purpose.wrapping_mul(0xbf58_476d_1ce4_e5b9));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn below(resource: u64, step: u32, purpose: u64, bound: i64) -> i64 {
    let bound = u64::try_from(bound).unwrap_or(1).max(1);
    i64::try_from(mix(resource, step, purpose) % bound).unwrap_or(0)
}

/// rank^0.8 in 1024ths.
fn weight_divisor(rank: u64) -> u128 {
    let wanted = u128::from(rank).pow(4) << 50;
    let (mut low, mut high) = (1_u128, 1 << 25);
    while low < high {
        let middle = (low + high).div_ceil(2);
        match middle.checked_pow(5).is_some_and(|power| power <= wanted) {
            true => low = middle,
            false => high = middle - 1,
        }
    }
    low
}

impl Month {
    pub(super) fn new(events: u64) -> Self {
        let accounts = (events / 1_000).max(10);
        let mut sum = 0;
        let weight = |rank: u64| {
            sum += u64::try_from((1 << 40) / weight_divisor(rank)).unwrap_or(1);
            sum
        };
        Self {
            accounts,
            instances: events * 4 / 10 / u64::from(INSTANCE_STEPS),
            volumes: events / 10 / u64::from(VOLUME_STEPS),
            buckets: (events / 2 / u64::from(BUCKET_STEPS)).max(1),
            weights: (1..=accounts).map(weight).collect(),
        }
    }

    fn account(&self, resource: u64) -> u64 {
        let all = self.weights.last().copied().unwrap_or(1);
        let drawn = mix(resource, 0, 3) % all;
        self.weights.partition_point(|sum| *sum <= drawn) as u64
    }

    /// Hands over each event: resource, step and microseconds since the start of the month.
    pub(super) fn for_each(&self, mut each: impl FnMut(u64, u32, i64)) {
        for resource in 0..self.instances {
            let times = times::<8>(resource);
            (0..).zip(times).for_each(|(step, time)| each(resource, step, time));
        }
        for resource in self.instances..self.instances + self.volumes {
            let times = times::<3>(resource);
            (0..).zip(times).for_each(|(step, time)| each(resource, step, time));
        }
        let first = self.instances + self.volumes;
        for resource in first..first + self.buckets {
            for step in 0..BUCKET_STEPS {
                each(resource, step, reading_time(resource, step));
            }
        }
    }

    /// Writes an event as a line.
    pub(super) fn write(&self, resource: u64, step: u32, line: &mut String) {
        if resource < self.instances {
            self.instance(resource, step, line);
        } else if resource < self.instances + self.volumes {
            self.volume(resource, step, line);
        } else {
            self.bucket(resource, step, line);
        }
    }

    fn instance(&self, resource: u64, step: u32, line: &mut String) {
        let time = times::<8>(resource)[step as usize];
        let flavor = below(resource, 0, 4, 8) + i64::from(step >= 4);
        let flavor = FLAVORS[usize::try_from(flavor % 8).unwrap_or(0)];
        let what = match step {
            7 if below(resource, 0, 5, 10) < 6 => r#""terminal":true"#,
            2 | 5 => r#""state":"stopped""#,
            _ => r#""state":"active""#,
        };
        self.open(line, "transition", "instance", resource, step, time);
        let _ = writeln!(
            line,
            r#"{what},"held":[{{"meter":"instance","quantity":1}}],"attributes":{{"flavor":"{flavor}"}}}}}}"#
        );
    }

    fn volume(&self, resource: u64, step: u32, line: &mut String) {
        let time = times::<3>(resource)[step as usize];
        let size = (10 + below(resource, 0, 4, 1_990)) * i64::from(step.min(1) + 1);
        let tier = if below(resource, 0, 5, 10) < 4 { "hdd" } else { "ssd" };
        let what = match step {
            2 if below(resource, 0, 6, 2) == 0 => r#""terminal":true"#,
            _ => r#""state":"active""#,
        };
        self.open(line, "transition", "volume", resource, step, time);
        let _ = writeln!(
            line,
            r#"{what},"held":[{{"meter":"volume","quantity":{size},"unit":"GiB"}}],"attributes":{{"tier":"{tier}"}}}}}}"#
        );
    }

    fn bucket(&self, resource: u64, step: u32, line: &mut String) {
        let mut size = (1 << (24 + below(resource, 0, 4, 14))) + below(resource, 0, 5, 1 << 24);
        for step in 0..=step {
            size += size / 1_000 * (below(resource, step, 6, 21) - 8);
        }
        self.open(line, "snapshot", "bucket", resource, step, reading_time(resource, step));
        let _ = writeln!(
            line,
            r#""held":[{{"meter":"object-storage","quantity":{size}}}],"attributes":{{"class":"standard"}}}}}}"#
        );
    }

    fn open(
        &self,
        line: &mut String,
        kind: &str,
        resource_kind: &str,
        resource: u64,
        step: u32,
        time: i64,
    ) {
        let time = Instant::from_micros(MONTH_START * 1_000_000 + time)
            .map_or_else(|_| String::new(), |time| time.to_string());
        let (agent, account) = (resource % AGENTS, self.account(resource));
        let _ = write!(
            line,
            r#"{{"specversion":"1.0","id":"{resource:x}-{step}","source":"/agent/{agent:02}","type":"dev.turnpike.usage.{kind}.v1","time":"{time}","data":{{"resource":{{"kind":"{resource_kind}","id":"{resource:09}"}},"owner":"a-{account:06}","#
        );
    }
}

fn times<const STEPS: usize>(resource: u64) -> [i64; STEPS] {
    let mut step = 0;
    let mut times = std::array::from_fn(|_| {
        step += 1;
        below(resource, step, 7, MONTH_MICROS)
    });
    times.sort_unstable();
    times
}

fn reading_time(resource: u64, step: u32) -> i64 {
    i64::from(step) * READING_MICROS + below(resource, step, 7, 60_000_000)
}
