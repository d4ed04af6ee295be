//! The house rules that a machine can check: a new rule goes here, with a test that shows it fail.
//!
//! A rule is a function from text to findings. Beside it stand one test that runs it over the tree
//! and one that feeds it what it must refuse.

mod changelog;
mod edges;
mod heads;
mod lexer;
mod pages;
mod size;
mod sources;
mod tree;
mod words;
