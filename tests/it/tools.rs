//! The tools around prices: what they say is what a run says.

mod book;
mod compare;
mod explain;
mod hashmap;
mod live;
mod peers;
mod quote;
mod revision;
mod sums;
