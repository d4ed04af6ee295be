//! The short way from sorted runs to exact sums, for what is usual.
//!
//! Owns: decoding runs into numbers, the fold over them, and sums in dense slots. It reads only the
//! columns that metering needs, and none that a row group's statistics show to be constant.
//!
//! Does not own any rule. What usage means is said by [`crate::metering`] and what it is priced by is
//! said by [`crate::gather`]; both remain the meaning.
//!
//! Invariants:
//! - It may only agree with the general way or decline. It declines resource by resource: the
//!   general way then meters all of that resource's rows, and none of them counts here.
//! - Where usage is summed is not decided here but asked of the general way, by a probe for each
//!   stretch of time in which nothing changes (`route`); whether usage may simply be added up is asked
//!   of [`crate::tariff_lookup::Lookup::is_plain`].
//! - Sums are checked 128-bit integers of quantity x seconds, with the same floors and clips.
//! - What it holds in memory: one row group per run of the buckets at hand, and a sum per account
//!   (or resource, where lines are of resources) and price.

mod block;
mod codec;
mod column;
mod counting;
mod cursor;
mod fold;
mod head;
mod held;
mod kept;
mod names;
mod pages;
mod places;
mod policies;
mod route;
mod sink;
mod state;
mod tally;
#[cfg(test)]
mod tests;
mod worker;

pub(crate) use kept::Kept;
pub(crate) use sink::Terms;
pub(crate) use tally::{Slot, Subject, Sums, Tally};
pub(crate) use worker::{FastResult, FastTask, Left, Worker};
