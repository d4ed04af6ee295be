//! Tests of the tables as a whole, on a disk that can fail.

mod appends;
mod compaction;
mod corrections;
mod durability;
mod fixture;
mod random;
mod speed;
mod states;
mod vacuum;
