//! The command line: what is run, and how it ends.

use std::process::ExitCode;
use std::sync::Arc;

use clap::FromArgMatches;

use crate::commands::{self, Cli};
use crate::context::Context;
use crate::exit::{Exit, Failure, Result};
use crate::output::sink::Sink;
use crate::output::terminal::Terminal;
use crate::signals;

/// Runs the program.
pub(crate) fn run() -> ExitCode {
    let matches = commands::definition().get_matches();
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
