//! `turnpike completions SHELL`.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::output;

/// Prints a completion script for a shell
#[derive(Debug, Args)]
pub struct Completions {
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub fn run(&self) -> anyhow::Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::Cli::command(), "turnpike", &mut script);
        Ok(output::print(&String::from_utf8_lossy(&script))?)
    }
}
