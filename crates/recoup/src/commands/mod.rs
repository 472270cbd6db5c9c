//! The commands, one file each.

use clap::{CommandFactory, Parser, Subcommand};

use crate::context::Context;
use crate::exit::{self, Exit, Result};
use crate::settings::Global;

mod exclusions;
mod live_options;
mod make;
mod states;
mod store;
mod backup;
mod init;
mod snapshots;
mod lost;
pub(crate) mod ls;
mod log;
mod diff_show;
mod diff_live;
mod diff;
mod find;
mod safety;
mod record;
mod restore_plan;
mod restore;
mod undo;
mod continuous;
mod demo;
mod check;
mod repair;
mod key;
mod stats;
mod config;
mod completions;
mod man;
mod version;

const EXAMPLES: &str = "\
Begin:
  recoup backup ~/Documents               back up; the first time makes repository and key
  recoup snapshots                        what there is
  recoup undo ~/Documents/report.odt      its previous version back; the current one is kept
  recoup undo ~/work --since @14:00       take back everything since then
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

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Back up; the first time, make a repository and a key
    Backup(backup::Arguments),
    /// Watch a directory: its state becomes restorable every few seconds
    Watch(continuous::watch::Arguments),
    /// Protect directories and stores: a first backup, then watched, by services where there are some
    Protect(continuous::protect::Arguments),
    /// Show how well everything is protected; ends with 0 only when all is well
    Status(continuous::status::Arguments),
    /// Show the points of a watched directory: changes, bulk changes, incidents
    Timeline(continuous::timeline::Arguments),
    /// List what happened that somebody should know of
    Incidents(continuous::incidents::Arguments),
    /// Keep a moment of a watched directory whatever its age
    Pin(continuous::pin::Arguments),
    /// Let a pinned moment go
    Unpin(continuous::pin::Arguments),
    /// List the snapshots
    Snapshots(snapshots::Arguments),
    /// List what a snapshot holds
    Ls(ls::Arguments),
    /// Show the versions of one path over time
    Log(log::Arguments),
    /// Show what differs between two snapshots, or between one and now
    Diff(diff::Arguments),
    /// Find files by name
    Find(find::Arguments),
    /// Bring back a snapshot, or a part of one
    Restore(restore::Arguments),
    /// Take back what an event did; what was done since stays
    Undo(undo::Arguments),
    /// List what has changed live data: undos and restores
    Ops(undo::ops::Arguments),
    /// List what undos left to decide
    Conflicts(undo::conflicts::Arguments),
    /// Decide a conflict
    Resolve(undo::resolve::Arguments),
    /// List what is gone
    Deleted(undo::deleted::Arguments),
    /// See in a minute what Recoup is for: a night of 2012, in a scratch directory
    Demo(demo::Arguments),
    /// Check that what is stored is whole
    Check(check::Arguments),
    /// Make a repository
    Init(init::Arguments),
    /// Manage the keys of the repository
    Key(key::Arguments),
    /// Repair the index or the config of the repository
    Repair(repair::Arguments),
    /// Show how much is stored
    Stats(stats::Arguments),
    /// Look at the config file
    Config(config::Arguments),
    /// Write completions for a shell
    Completions(completions::Arguments),
    /// Write the manual pages
    Man(man::Arguments),
    /// Show the version
    Version,
}

/// Runs the commands that must work whatever the config file says.
pub(crate) fn run_without_settings(command: &Command, global: &Global) -> Result<Option<Exit>> {
    match command {
        Command::Completions(arguments) => completions::run(arguments).map(Some),
        Command::Man(arguments) => man::run(arguments).map(Some),
        Command::Version => version::run(global).map(Some),
        Command::Config(arguments) => config::run(arguments, global).map(Some),
        _ => Ok(None),
    }
}

/// Runs a command.
pub(crate) fn run(command: &Command, context: &mut Context) -> Result<Exit> {
    match command {
        Command::Backup(arguments) => backup::run(arguments, context),
        Command::Watch(arguments) => continuous::watch::run(arguments, context),
        Command::Protect(arguments) => continuous::protect::run(arguments, context),
        Command::Status(arguments) => continuous::status::run(arguments, context),
        Command::Timeline(arguments) => continuous::timeline::run(arguments, context),
        Command::Incidents(arguments) => continuous::incidents::run(arguments, context),
        Command::Pin(arguments) => continuous::pin::run(arguments, false, context),
        Command::Unpin(arguments) => continuous::pin::run(arguments, true, context),
        Command::Snapshots(arguments) => snapshots::run(arguments, context),
        Command::Ls(arguments) => ls::run(arguments, context),
        Command::Log(arguments) => log::run(arguments, context),
        Command::Diff(arguments) => diff::run(arguments, context),
        Command::Find(arguments) => find::run(arguments, context),
        Command::Restore(arguments) => restore::run(arguments, context),
        Command::Undo(arguments) => undo::run(arguments, context),
        Command::Ops(arguments) => undo::ops::run(arguments, context),
        Command::Conflicts(arguments) => undo::conflicts::run(arguments, context),
        Command::Resolve(arguments) => undo::resolve::run(arguments, context),
        Command::Deleted(arguments) => undo::deleted::run(arguments, context),
        Command::Demo(arguments) => demo::run(arguments, context),
        Command::Check(arguments) => check::run(arguments, context),
        Command::Init(arguments) => init::run(arguments, context),
        Command::Key(arguments) => key::run(arguments, context),
        Command::Repair(arguments) => repair::run(arguments, context),
        Command::Stats(arguments) => stats::run(arguments, context),
        Command::Config(_) | Command::Completions(_) | Command::Man(_) | Command::Version => {
            Ok(Exit::Ok)
        }
    }
}
