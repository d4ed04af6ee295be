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
    /// Every adapter with what it reads, in the order in which they are asked. `verified`: it was
    /// held against public captures of the format; `unverified`: against its description only
    List,
}

impl Adapters {
    pub fn run(&self, format: Format) -> anyhow::Result<()> {
        let Action::List = self.command;
        let mut table = Table::new(&["adapter", "capture", "reads"]);
        for adapter in turnpike_ingest::adapters() {
            let capture = if adapter.is_verified() { "verified" } else { "unverified" };
            let cells = [adapter.name(), capture, adapter.reads()];
            table.push(cells.into_iter().map(Cell::text).collect());
        }
        Ok(output::print(&table.text(format))?)
    }
}
