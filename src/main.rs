//! The one binary: composition root and command line.
//!
//! Owns: what is wired to what, settings, the clock, the scheduler, the simulator, the second way
//! of metering that `verify` uses.
//! Does not own: business rules and SQL; those are in the crates below.
//! Invariants: the clock is read in [`clock`] only; every failure ends in one of the exit codes of
//! [`fault`], with its causes on standard error.

mod app;
mod cli;
mod clock;
mod fault;
mod jobs;
mod naive;
mod output;
mod progress;
mod rows;
mod scheduler;
mod settings;
mod simulate;

/// Rating and ingest make and drop many small things on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::main()
}
