//! The command line: what is typed, what is run, how it ends.

use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, FromArgMatches, Parser};

use crate::commands::{self, Command};
use crate::context::Context;
use crate::exit::{self, Exit, Failure, Result};
use crate::output::sink::Sink;
use crate::output::terminal::Terminal;
use crate::settings::Global;
use crate::signals;

const EXAMPLES: &str = "\
Begin:
  recoup backup ~/Documents               back up; the first time makes repository and key
  recoup snapshots                        what there is
  recoup log ~/Documents/report.odt       the versions of one file
  recoup restore latest:report.odt        bring it back, in place; what is there now is kept first
  recoup restore latest --to /mnt/new     everything, elsewhere

Snapshots are named `latest`, `latest~2`, by the first digits of their ids, or by time: @14:03,
@2026-11-22, @2026-11-22T14:03:10, '@5 minutes ago', '@yesterday 14:00' (the last one at or before
it). SNAPSHOT:PATH is a place inside.";

/// Backup and recovery that takes you back to the moment before the mistake
#[derive(Debug, Parser)]
#[command(
    name = "recoup",
    version,
    propagate_version = false,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) global: Global,
}

/// The whole command line, as help, completions and manual show it.
pub(crate) fn definition() -> clap::Command {
    Cli::command().after_help(format!("{EXAMPLES}\n\n{}", exit::TABLE))
}

/// Runs the program.
pub(crate) fn run() -> ExitCode {
    let matches = definition().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let no_color =
        cli.global.no_color || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let terminal = Arc::new(Terminal::new(no_color, cli.global.quiet));
    let exit = match work(&cli, &terminal) {
        Ok(exit) => exit,
        Err(failure) => tell(&cli, &terminal, failure),
    };
    ExitCode::from(exit as u8)
}

fn work(cli: &Cli, terminal: &Arc<Terminal>) -> Result<Exit> {
    if let Some(done) = commands::run_without_settings(&cli.command, &cli.global)? {
        return Ok(done);
    }
    let mut context = Context::new(&cli.global, Arc::clone(terminal))?;
    let exit = commands::run(&cli.command, &mut context);
    // What was written before a failure is still of use.
    let flushed = context.sink.flush();
    let exit = exit?;
    flushed?;
    Ok(exit)
}

/// Says why the run ended.
fn tell(cli: &Cli, terminal: &Terminal, failure: Failure) -> Exit {
    let Failure {
        exit,
        message,
        hint,
    } = failure;
    let exit = match exit {
        Exit::Interrupted => signals::exit(),
        exit => exit,
    };
    if message.is_empty() {
        return exit;
    }
    terminal.error(&message);
    if let Some(hint) = &hint {
        terminal.important(&format!("        {hint}"));
    }
    let line = serde_json::json!({ "code": exit as u8, "message": message, "hint": hint });
    let mut sink = Sink::new(cli.global.json, false);
    let _ = sink.json("error", &line).and_then(|()| sink.flush());
    exit
}
