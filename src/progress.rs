//! Progress of long work: bars on a terminal, silence elsewhere.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

const UNITS: &str = "{msg:11} {bar:32} {pos:>9}/{len} {elapsed:>4}";
const BYTES: &str = "{msg:11} {bar:32} {bytes:>11}/{total_bytes} {elapsed:>4}";
const OPEN: &str = "{msg:11} {spinner} {pos} {elapsed:>4}";

fn bar(total: Option<u64>, template: &str, what: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// A bar over a known number of things.
pub fn units(what: &'static str, total: u64) -> ProgressBar {
    bar(Some(total), UNITS, what)
}

/// A bar over bytes, whose total is set when it is known.
pub fn bytes(what: &'static str) -> ProgressBar {
    bar(Some(0), BYTES, what)
}

/// A counter without an end.
pub fn open(what: &'static str) -> ProgressBar {
    bar(None, OPEN, what)
}
