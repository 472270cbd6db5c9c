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
    let parsed = commands::definition().try_get_matches();
    let parsed = parsed.and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let no_color =
        cli.global.no_color || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let terminal = Arc::new(Terminal::new(no_color, cli.global.quiet));
    let exit = match work(&cli, &terminal) {
        Ok(exit) => exit,
        Err(failure) => tell(&cli, &terminal, failure),
    };
    ExitCode::from(exit as u8)
}

/// What could not be parsed, or asked for help.
fn refuse(error: &clap::Error) -> ExitCode {
    let mut arguments = std::env::args_os().take_while(|argument| argument != "--");
    if error.use_stderr() && arguments.any(|argument| argument == "--json") {
        let text = error.render().to_string();
        let first = text.lines().find(|line| !line.trim().is_empty());
        let message = first.unwrap_or_default();
        let message = message.strip_prefix("error: ").unwrap_or(message);
        let code = Exit::Usage as u8;
        let line = serde_json::json!({ "code": code, "message": message, "hint": null });
        let mut sink = Sink::new(true, false);
        let _ = sink.json("error", &line).and_then(|()| sink.flush());
    }
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8))
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
