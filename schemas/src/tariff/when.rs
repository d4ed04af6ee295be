//! [`TimeOfUse`]: hours of local days in which a rate applies.

use serde::{Deserialize, Serialize};

/// Hours of some days of the week, in the local time of the account. A rate with several applies in
/// any of them; a rate with none applies always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TimeOfUse {
    /// Bit 0 is Monday, bit 6 is Sunday.
    pub days: u8,
    /// Local seconds of the day, from 0 to 86,400; `[from, to)`. Where `to` is not after `from` the
    /// hours go on past midnight.
    pub from: u32,
    pub to: u32,
}

const DAY_SECONDS: i64 = 86_400;
pub const WEEK_SECONDS: i64 = 7 * DAY_SECONDS;

impl TimeOfUse {
    /// The seconds of a week that these are, `[from, to)` from Monday on, in no order. Hours of Sunday
    /// night go on on Monday.
    pub fn of_week(&self) -> impl Iterator<Item = (i64, i64)> + use<> {
        let (days, from, to) = (self.days, i64::from(self.from), i64::from(self.to));
        let length = if to > from { to - from } else { DAY_SECONDS - from + to };
        let of_day = move |day: i64| {
            let (start, end) = (day * DAY_SECONDS + from, day * DAY_SECONDS + from + length);
            [(start, end.min(WEEK_SECONDS)), (0, end - WEEK_SECONDS)]
        };
        let all = (0..7).filter(move |day| days >> day & 1 == 1).flat_map(of_day);
        all.filter(|(from, to)| from < to)
    }
}

pub const EVERY_DAY: u8 = 0b111_1111;
pub const WORKING_DAYS: u8 = 0b001_1111;
pub const WEEKEND: u8 = 0b110_0000;
