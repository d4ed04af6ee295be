//! The command line: one file per subcommand.

mod adapters;
mod amounts;
mod bench_duplicates;
mod bench_live_bill;
mod bench_month;
mod book;
mod check_event;
mod compact;
mod compare;
mod completions;
mod config;
mod dead_letters;
mod decoded;
mod demo;
mod explain;
mod health;
mod ingest;
mod ingest_health;
mod inventory;
mod invoice;
mod key;
mod man;
mod produce;
mod quote;
mod rate;
mod serve;
mod simulate;
mod verify;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use turnpike_schemas::Instant;

use crate::app::{App, Runtimes};
use crate::clock::Clock;
use crate::fault::{self, Kind};
use crate::output::{self, Format};
use crate::settings::{self, Settings, layers::Origin};

/// Meters what hypervisors and storage systems report and turns it into bills, by the second.
#[derive(Debug, Parser)]
#[command(name = "turnpike", version, propagate_version = true, max_term_width = 100)]
#[command(
    after_long_help = "Exit codes: 0 ok, 1 error, 2 usage, 3 config, 4 data, 5 a dependency \
is down.\nSettings: defaults < turnpike.toml < TURNPIKE__SECTION__KEY < flags (turnpike config \
show)."
)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
struct Global {
    /// Settings file; ./turnpike.toml where it exists
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    config: Option<PathBuf>,
    /// Folder of the tables and the embedded database [data.dir]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Global options")]
    data_dir: Option<String>,
    /// Database of the books: sqlite:PATH or postgres://... [books.url]
    #[arg(long, global = true, value_name = "URL", help_heading = "Global options")]
    books_url: Option<String>,
    /// What to log: error, warn, info, debug, trace or a filter [log.level]
    #[arg(long, global = true, value_name = "LEVEL", help_heading = "Global options")]
    log: Option<String>,
    /// How data is printed
    #[arg(long, global = true, value_enum, default_value_t, help_heading = "Global options")]
    format: Format,
    /// Takes this instant (RFC 3339) for now, so that a run can be repeated
    #[arg(long, global = true, value_name = "INSTANT", hide_short_help = true)]
    #[arg(value_parser = Instant::parse, help_heading = "Global options")]
    now: Option<Instant>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Serve(serve::Serve),
    Ingest(ingest::Ingest),
    Produce(produce::Produce),
    Simulate(simulate::Simulate),
    Compact(compact::Compact),
    Rate(rate::Rate),
    Invoice(invoice::Invoice),
    Quote(quote::Quote),
    Compare(compare::Compare),
    Explain(explain::Explain),
    Verify(verify::Verify),
    Book(book::Book),
    DeadLetters(dead_letters::DeadLetters),
    Inventory(inventory::Inventory),
    CheckEvent(check_event::CheckEvent),
    Config(config::Config),
    Health(health::Health),
    Key(key::Key),
    Adapters(adapters::Adapters),
    Completions(completions::Completions),
    Man(man::Man),
    #[command(hide = true)]
    BenchDuplicates(bench_duplicates::BenchDuplicates),
    #[command(hide = true)]
    BenchLiveBill(bench_live_bill::BenchLiveBill),
    #[command(hide = true)]
    BenchMonth(bench_month::BenchMonth),
}

/// Parses the command line, runs the command and answers with the exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output and are no failure.
            let code = if error.use_stderr() { Kind::Usage.code() } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::note(&fault::describe(&error));
            ExitCode::from(fault::kind_of(&error).code())
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let document = matches!(&cli.command, Command::Invoice(command) if command.has_document());
    if cli.global.format == Format::Html && !document {
        return Err(fault::fault(Kind::Usage, "--format html is for `turnpike invoice show`"));
    }
    // These need no settings, and must work where the settings are wrong.
    match &cli.command {
        Command::Completions(command) => return command.run(),
        Command::Man(command) => return command.run(),
        Command::Adapters(command) => {
            // Only for an operator's own mappings.
            if let Err(error) = settings::load(cli.global.config.as_deref(), flags(&cli)) {
                output::note(&format!("without mappings of your own: {error}"));
            }
            return command.run(cli.global.format);
        }
        _ => {}
    }
    let settings = settings::load(cli.global.config.as_deref(), flags(&cli))?;
    if let Command::Config(command) = &cli.command {
        return command.run(&settings, cli.global.format);
    }
    start_log(&settings, matches!(cli.command, Command::Serve(_)));
    let runtimes = Runtimes::start(&settings)?;
    let clock = Clock::new(cli.global.now);
    let app = App::new(settings, clock, cli.global.format, runtimes.engine());
    let result = runtimes.main.block_on(dispatch(cli.command, &app));
    runtimes.stop();
    result
}

async fn dispatch(command: Command, app: &App) -> anyhow::Result<()> {
    match command {
        Command::Demo(command) => Box::pin(command.run(app)).await,
        Command::Serve(command) => Box::pin(command.run(app)).await,
        Command::Ingest(command) => Box::pin(command.run(app)).await,
        Command::Produce(command) => Box::pin(command.run(app)).await,
        Command::Simulate(command) => command.run(app).await,
        Command::Compact(command) => Box::pin(command.run(app)).await,
        Command::Rate(command) => Box::pin(command.run(app)).await,
        Command::Invoice(command) => Box::pin(command.run(app)).await,
        Command::Quote(command) => Box::pin(command.run(app)).await,
        Command::Compare(command) => Box::pin(command.run(app)).await,
        Command::Explain(command) => Box::pin(command.run(app)).await,
        Command::Verify(command) => Box::pin(command.run(app)).await,
        Command::Book(command) => command.run(app).await,
        Command::DeadLetters(command) => Box::pin(command.run(app)).await,
        Command::Inventory(command) => Box::pin(command.run(app)).await,
        Command::CheckEvent(command) => command.run(app).await,
        Command::Health(command) => command.run(app).await,
        Command::BenchDuplicates(command) => Box::pin(command.run(app)).await,
        Command::BenchLiveBill(command) => Box::pin(command.run(app)).await,
        Command::BenchMonth(command) => command.run(app).await,
        Command::Key(command) => command.run(app).await,
        // Answered before anything was opened.
        Command::Config(_) | Command::Adapters(_) | Command::Completions(_) | Command::Man(_) => {
            Ok(())
        }
    }
}

/// The flags that are settings, as (key, flag, value).
fn flags(cli: &Cli) -> Vec<(&'static str, &'static str, String)> {
    let mut flags = Vec::new();
    let mut add = |key, flag, value: Option<String>| {
        flags.extend(value.map(|value| (key, flag, value)));
    };
    add("data.dir", "--data-dir", cli.global.data_dir.clone());
    add("books.url", "--books-url", cli.global.books_url.clone());
    add("log.level", "--log", cli.global.log.clone());
    match &cli.command {
        Command::Serve(serve) => add("web.listen", "--listen", serve.listen.clone()),
        Command::Demo(demo) => add("web.listen", "--listen", demo.listen.clone()),
        Command::Ingest(ingest) => {
            add("kafka.bootstrap", "--brokers", ingest.brokers.clone());
            add("kafka.topics", "--topics", ingest.topics.clone());
            add("kafka.group", "--group", ingest.group.clone());
            add("kafka.start", "--start", ingest.start.clone());
            add("ingest.adapter", "--system", ingest.system.clone());
            add("ingest.installation", "--installation", ingest.installation.clone());
        }
        Command::Produce(produce) => add("kafka.bootstrap", "--brokers", produce.brokers.clone()),
        Command::CheckEvent(check) => {
            add("ingest.adapter", "--system", check.system.clone());
            add("ingest.installation", "--installation", check.installation.clone());
        }
        Command::Simulate(simulate) => {
            add("kafka.bootstrap", "--brokers", simulate.brokers.clone());
        }
        Command::Rate(rate) => {
            add("rating.threads", "--threads", rate.threads.map(|threads| threads.to_string()));
        }
        _ => {}
    }
    flags
}

/// Logs go to standard error. One-off commands are quiet unless they were asked to speak.
fn start_log(settings: &Settings, serving: bool) {
    let asked = settings.values.get("log.level").is_some_and(|v| v.origin != Origin::Default);
    let level = if serving || asked { settings.log.level.as_str() } else { "error" };
    let plain = !level.contains(['=', ',']);
    let filter = if plain { format!("warn,turnpike={level}") } else { level.to_owned() };
    let filter = if level == "error" { level.to_owned() } else { filter };
    let filter = tracing_subscriber::EnvFilter::try_new(filter)
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // A second initialisation can only happen in tests, and keeps the first.
    let _ = if settings.log.json { builder.json().try_init() } else { builder.try_init() };
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn arguments_are_parsed_strictly() {
        let check = |line: &str, ok: bool| {
            assert_eq!(Cli::try_parse_from(line.split(' ')).is_ok(), ok, "{line}");
        };
        check("turnpike rate --period 2026-10", true);
        check("turnpike rate --period 2026-10 --from 2026-10-01T00:00:00Z", false);
        check("turnpike rate --from 2026-10-01T00:00:00Z --to 2026-10-02T00:00:00Z", true);
        check("turnpike rate --from 2026-10-01T00:00:00Z", false);
        check("turnpike rate --period 2026-08 --through 2026-10 --against latest", true);
        check("turnpike rate --period 2026-08 --against run_1", true);
        check("turnpike rate --through 2026-10", false);
        check("turnpike compare --period 2026-10 --tariff a=b --site x=y --account c", true);
        check("turnpike compare --runs run_1 run_2", true);
        check("turnpike compare --runs run_1", false);
        check("turnpike compare --period 2026-10 --tariff a", false);
        check("turnpike compare --tariff a=b", false);
        check("turnpike rate", false);
        check("turnpike ingest --from file:events.jsonl", true);
        check("turnpike ingest", false);
        check("turnpike ingest --from http", false);
        check("turnpike produce events.jsonl --to http", true);
        check("turnpike produce events.jsonl --to kafka --topic usage", true);
        check("turnpike produce events.jsonl --to kafka", false);
        check("turnpike key create rack-7 --site lyon-1 --source /rack-7", true);
        check("turnpike key create", false);
        check("turnpike simulate --to -", true);
        check("turnpike simulate --to tape:1", false);
        check("turnpike invoice finalize --period 2026-10", true);
        check("turnpike invoice finalize", false);
        check("turnpike invoice show LYO-2026-000001 --as customer --format json", true);
        check("turnpike --now yesterday demo", false);
        check("turnpike demo --now 2026-11-21T12:00:00Z --no-serve", true);
        check("turnpike ingest --from file:a.csv --dry-run --system inventory", true);
        check("turnpike ingest --from kafka --dry-run", true);
        check(
            "turnpike inventory import a.csv --system cloudstack --at 2026-10-01T00:00:00Z",
            true,
        );
        check("turnpike inventory import", false);
        check("turnpike inventory missing", true);
        check("turnpike quote --tariff standard --use vcpu=4 --use volume=1TiB,for=2d", true);
        check("turnpike quote --account a --events events.jsonl --period 2026-10", true);
        check("turnpike quote --use vcpu=4", false);
        check("turnpike quote --tariff t --events a.jsonl --use vcpu=4", false);
        check("turnpike ingest --from file:a.xml --installation zone-a", true);
        check("turnpike produce a.xml --to http --system opennebula --installation zone-a", true);
        check("turnpike check-event", true);
        check("turnpike check-event - --system native", true);
        check("turnpike frobnicate", false);
    }

    #[test]
    fn flags_become_settings() {
        let line = "turnpike ingest --from kafka --topics a,b --start earliest --data-dir /x";
        let cli = Cli::try_parse_from(line.split(' ')).expect("parses");
        let flags = flags(&cli);
        assert!(flags.contains(&("kafka.topics", "--topics", "a,b".to_owned())));
        assert!(flags.contains(&("data.dir", "--data-dir", "/x".to_owned())));
    }
}
