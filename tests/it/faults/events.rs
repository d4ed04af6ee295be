//! Events of which the oracle knows the worth, made from their number alone.

use std::fmt::Write;

use crate::support::kafka::Record;

/// SplitMix64: small, seeded, the same everywhere.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            let other = self.below(at as u64 + 1);
            items.swap(at, usize::try_from(other).unwrap());
        }
    }
}

/// The month of all events, long past.
pub const PERIOD: &str = "2025-10";

/// A time in October 2025; those of two numbers that are far apart may be equal.
fn time(number: u64, hours: u64) -> String {
    let second = number * 977 % (20 * 86_400) + hours * 3_600 + number % 60;
    let (day, rest) = (1 + second / 86_400, second % 86_400);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("2025-10-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

fn envelope(number: u64, kind: &str, time: &str, data: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"e-{number}","source":"/faults","type":"dev.turnpike.usage.{kind}.v1","time":"{time}","data":{data}}}"#
    )
}

/// Event `number`. Of ten, eight are some traffic of one of ten instances, one begins the life of an
/// instance of its own, and one ends the life that the one before began.
pub fn event(number: u64) -> String {
    let owner = 1 + number / 10 % 3;
    match number % 10 {
        0 => {
            let (cpus, at) = (1 + number % 7, time(number, 0));
            let data = format!(
                r#"{{"resource":{{"kind":"instance","id":"v-{number}"}},"owner":"t-{owner}","state":"active","held":[{{"meter":"vcpu","quantity":{cpus}}}]}}"#
            );
            envelope(number, "transition", &at, &data)
        }
        1 => {
            let begun = number - 1;
            let at = time(begun, 1 + begun % 200);
            let data = format!(
                r#"{{"resource":{{"kind":"instance","id":"v-{begun}"}},"owner":"t-{owner}","terminal":true}}"#
            );
            envelope(number, "transition", &at, &data)
        }
        _ => traffic(number, &format!("{}.{:09}", number % 4, number * 7_919 % 1_000_000_000)),
    }
}

/// An event of so many GB, given as the wire has it.
pub fn traffic(number: u64, gigabytes: &str) -> String {
    let (id, owner) = (number % 10, 1 + number % 10 % 3);
    let data = format!(
        r#"{{"resource":{{"kind":"instance","id":"i-{id}"}},"owner":"t-{owner}","used":[{{"meter":"egress","quantity":"{gigabytes}","unit":"GB"}}]}}"#
    );
    envelope(number, "delta", &time(number, 0), &data)
}

pub fn events(numbers: std::ops::Range<u64>) -> Vec<Record> {
    numbers.map(|number| Record::new(event(number))).collect()
}

/// Something that no adapter can read, and the reason that has to be given.
pub fn poison(random: &mut Random) -> Record {
    let number = random.below(1_000_000);
    match random.below(6) {
        0 => Record::new(format!("{{\"specversion\":\"1.0\",\"id\":\"cut-{number}"))
            .dead("json_invalid"),
        1 => Record::new(format!("[{number}")).dead("any"),
        2 => Record::new(format!("{{\"nothing\":{number}}}")).dead("unrecognised"),
        3 => Record::new([0xff, 0xfe, 0x00, u8::try_from(number % 256).unwrap()]).dead("not_utf8"),
        4 => Record::tombstone().dead("empty"),
        _ => Record::new(traffic(number, "-4")).dead("quantity_negative"),
    }
}

/// The events of a range as a file, and of each its line.
pub fn lines(records: &[Record]) -> String {
    records.iter().fold(String::new(), |mut text, record| {
        writeln!(text, "{}", record.text()).unwrap();
        text
    })
}
