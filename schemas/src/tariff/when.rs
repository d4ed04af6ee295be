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

pub const EVERY_DAY: u8 = 0b111_1111;
pub const WORKING_DAYS: u8 = 0b001_1111;
pub const WEEKEND: u8 = 0b110_0000;
