//! How money, prices, quantities and times are written for people: English, one style everywhere.
//!
//! Thousands are set off by U+202F (narrow no-break space), decimals by a point, a negative number
//! has U+2212 (minus), and money names its currency. Between a number and its unit stands a plain
//! space, so that the text can be searched for; pages keep the two together by `white-space`.

mod charge;
pub mod filters;
mod number;
mod time;

pub use charge::{charge_price, charge_quantity};
pub use number::{
    grouped, held, money, money_number, percent, price, priced_quantity, quantity, unit_price,
};
pub use time::{day, duration, instant, local_time, period, period_local};
