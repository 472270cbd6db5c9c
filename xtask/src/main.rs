//! Automation of the project: `cargo xtask tidy`, `bench`, `dist`. Knows nothing of how Recoup works.

mod workspace;

mod bench;
mod dist;
mod tidy;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Automation of the Recoup workspace")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check layers, module order, lengths, names and the format document
    Tidy(tidy::Options),
    /// Measure Recoup beside its peers, on the same data, in turn
    Bench(Box<bench::Options>),
    /// Build the distributed binary with its man pages and completions
    Dist,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Tidy(options) => tidy::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Dist => dist::run(),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
