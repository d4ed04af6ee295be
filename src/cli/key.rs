//! `turnpike key create|list|revoke`: keys of programs that send usage events.

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use turnpike_books::{ApiKey, NewApiKey, Right};
use turnpike_web::mint_key;

use crate::app::App;
use crate::fault::{Kind, fault};
use crate::output::{self, Cell, Record, Table};

/// API keys: what programs send usage events with
#[derive(Debug, Args)]
pub struct Key {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Makes a key and prints it, once: only its hash is kept
    Create {
        /// What the key is for, such as the name of a machine
        name: String,
        /// Events sent with it are of this site; those of another are refused
        #[arg(long, value_name = "SITE")]
        site: Option<String>,
        /// The source of every event sent with it starts with this
        #[arg(long, value_name = "PREFIX")]
        source: Option<String>,
        /// What it may be used for
        #[arg(long, value_enum, default_values_t = [KeyRight::Ingest], value_name = "RIGHT")]
        right: Vec<KeyRight>,
    },
    /// Lists all keys, without their secrets
    List,
    /// Makes a key useless within seconds
    Revoke {
        /// Its id, as `key list` shows it
        id: String,
    },
}

/// What a key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KeyRight {
    /// Sending usage events
    Ingest,
    /// Reading /metrics from another machine
    Metrics,
}

impl KeyRight {
    fn to_right(self) -> Right {
        match self {
            KeyRight::Ingest => Right::Ingest,
            KeyRight::Metrics => Right::Metrics,
        }
    }
}

/// Who made or revoked a key, in the audit trail.
const ACTOR: &str = "cli";

impl Key {
    pub async fn run(self, app: &App) -> anyhow::Result<()> {
        match self.command {
            Action::Create { name, site, source, right } => {
                let mut rights: Vec<Right> = Vec::new();
                for right in right.into_iter().map(KeyRight::to_right) {
                    if !rights.contains(&right) {
                        rights.push(right);
                    }
                }
                create(app, &name, site, source, rights).await
            }
            Action::List => {
                let keys = app.books().await?.keys().await.context("listing the keys")?;
                Ok(output::print(&table(&keys).text(app.format))?)
            }
            Action::Revoke { id } => {
                let books = app.books().await?;
                let revoked = books.revoke_key(&id, app.clock.now(), ACTOR).await;
                if !revoked.context("revoking a key")? {
                    let text = format!("no key `{id}` is in use (turnpike key list)");
                    return Err(fault(Kind::Data, text));
                }
                output::note("The key is refused within two seconds, by every running server.");
                Ok(())
            }
        }
    }
}

async fn create(
    app: &App,
    name: &str,
    site: Option<String>,
    source_prefix: Option<String>,
    rights: Vec<Right>,
) -> anyhow::Result<()> {
    if name.trim().is_empty() || name.chars().any(char::is_control) {
        return Err(fault(Kind::Usage, "a key needs a name that says what it is for"));
    }
    let books = app.books().await?;
    let minted = mint_key().context("making a key")?;
    let key = NewApiKey {
        id: minted.id,
        name: name.trim().to_owned(),
        hash: minted.hash,
        rights,
        site,
        source_prefix,
    };
    books.create_key(&key, app.clock.now(), ACTOR).await.context("storing the key")?;
    let record = Record::default()
        .with("id", Cell::text(&key.id))
        .with("name", Cell::text(&key.name))
        .with("key", Cell::text(minted.secret.expose()));
    output::print(&record.text(app.format))?;
    output::note("Keep the key now: it is not shown again.");
    Ok(())
}

fn table(keys: &[ApiKey]) -> Table {
    let mut table = Table::new(&[
        "id",
        "name",
        "key",
        "rights",
        "site",
        "source",
        "created",
        "last_used",
        "revoked",
    ]);
    for ApiKey { key, created_at, last_used_at, revoked_at } in keys {
        let rights: Vec<&str> = key.rights.iter().map(|right| right.as_str()).collect();
        table.push(vec![
            Cell::text(&key.id),
            Cell::text(&key.name),
            Cell::text(format!("tp_live_{}_...", key.id)),
            Cell::text(rights.join(" ")),
            Cell::optional(key.site.as_ref()),
            Cell::optional(key.source_prefix.as_ref()),
            Cell::text(created_at),
            Cell::optional(*last_used_at),
            Cell::optional(*revoked_at),
        ]);
    }
    table
}
