//! `turnpike config show|check`.

use clap::{Args, Subcommand};

use crate::output::{self, Cell, Format, Table};
use crate::settings::keys::{KAFKA_OPTIONS, KEYS};
use crate::settings::{Settings, shown};

/// Settings and where each comes from
#[derive(Debug, Args)]
pub struct Config {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Prints every setting with its value, origin and meaning; secrets are masked
    Show,
    /// Says whether all settings are right; ends with code 3 where they are not
    Check,
}

impl Config {
    pub fn run(&self, settings: &Settings, format: Format) -> anyhow::Result<()> {
        match self.command {
            // Settings that are wrong were reported before we came here.
            Action::Check => Ok(output::print("The settings are right.\n")?),
            Action::Show => Ok(output::print(&show(settings).text(format))?),
        }
    }
}

fn show(settings: &Settings) -> Table {
    let mut table = Table::new(&["setting", "value", "origin", "meaning"]);
    let options = settings.values.keys().filter(|key| key.starts_with(KAFKA_OPTIONS));
    let options = options.map(|key| (key.as_str(), "passed on to librdkafka"));
    for (name, meaning) in KEYS.iter().map(|key| (key.name, key.meaning)).chain(options) {
        let Some(value) = settings.values.get(name) else { continue };
        let text = match name {
            "books.url" => &settings.books.url,
            _ => &value.text,
        };
        table.push(vec![
            Cell::text(name),
            Cell::text(shown(name, text)),
            Cell::text(&value.origin),
            Cell::text(meaning),
        ]);
    }
    table
}
