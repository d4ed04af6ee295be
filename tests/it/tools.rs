//! The tools around prices: what they say is what a run says.

mod quote;
