//! `turnpike man`: manual pages.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _};

use crate::output;

/// Prints the manual page, or writes one per command into a folder
#[derive(Debug, Args)]
pub struct Man {
    /// Folder for turnpike.1, turnpike-rate.1 and so on
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

impl Man {
    pub fn run(&self) -> anyhow::Result<()> {
        let command = super::Cli::command();
        match &self.to {
            Some(folder) => std::fs::create_dir_all(folder)
                .and_then(|()| clap_mangen::generate_to(command, folder))
                .with_context(|| format!("writing manual pages to {}", folder.display())),
            None => {
                let mut page = Vec::new();
                clap_mangen::Man::new(command).render(&mut page).context("writing the page")?;
                Ok(output::print(&String::from_utf8_lossy(&page))?)
            }
        }
    }
}
