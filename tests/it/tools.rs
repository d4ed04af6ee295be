//! The tools around prices: what they say is what a run says.

mod book;
mod compare;
mod live;
mod quote;
mod revision;
