//! The command line of Recoup: doors only. What happens behind them belongs to the other crates.
//!
//! Modules are listed in reading order and import only earlier ones: how a run ends, what is shown,
//! how things are named, what was asked for, and last the commands.

mod exit;
mod output;
mod names;
mod settings;
mod access;
mod signals;
mod alerts;
mod context;
mod commands;
mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
