//! `turnpike adapters list`: which systems can be read.

use clap::{Args, Subcommand};

use crate::output::{self, Cell, Format, Table};

/// The systems whose messages can be read
#[derive(Debug, Args)]
pub struct Adapters {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Every adapter with what it reads, in the order in which they are asked
    List,
}

impl Adapters {
    pub fn run(&self, format: Format) -> anyhow::Result<()> {
        let Action::List = self.command;
        let mut table = Table::new(&["adapter", "reads"]);
        for adapter in turnpike_ingest::adapters() {
            table.push(vec![Cell::text(adapter.name()), Cell::text(adapter.reads())]);
        }
        Ok(output::print(&table.text(format))?)
    }
}
