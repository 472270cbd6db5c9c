//! `recoup demo`: a night of 2012 in small, in a scratch directory, in less than a minute.
//!
//! A fleet of load balancers is protected; while a control plane goes on changing it, a maintenance job
//! deletes a part of it; Recoup takes back what the job did and keeps what the control plane did. What
//! should be there in the end is known from books that the control plane keeps itself; everything is
//! compared with them. Recoup is run as a person would run it, as another process.

use clap::{Args, Subcommand};

use crate::context::Context;
use crate::exit::{Exit, Result};

mod stage;
mod files;
mod outage;

/// Of which tree the demo is, unless another is asked for.
const SEED: u64 = 20_121_224;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    other: Option<Other>,
    /// How many load balancers there are
    #[arg(long, value_name = "N", default_value_t = 100_000,
          value_parser = clap::value_parser!(u64).range(1_000..=10_000_000))]
    files: u64,
    /// Another fleet, other mistakes: the same number makes the same
    #[arg(long, value_name = "N", default_value_t = SEED)]
    seed: u64,
    /// Leave the directory to play with
    #[arg(long)]
    keep: bool,
}

/// Other stages for the same night.
#[derive(Debug, Subcommand)]
enum Other {
    /// The night on a real etcd, watched while a control plane writes to it
    Outage(outage::Arguments),
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    match &arguments.other {
        None => files::run(arguments, context),
        Some(Other::Outage(arguments)) => outage::run(arguments, context),
    }
}
