//! `recoup demo outage`: the night of 24 December 2012, on a real etcd.
//!
//! A control plane keeps its load balancers in etcd and books of its own beside it; `recoup watch` follows;
//! a maintenance job deletes 6.8 % of the keys, out of order; the control plane goes on. Then what took
//! hours in 2012 is done by `recoup`, as a person would type it, and every key is compared with the books.

use std::time::Instant;

use clap::Args;
use etcd::testing::{Server, ServerOptions, StartError};
use etcd::{Client, Settings};
use serde_json::json;

use super::SEED;
use super::stage::Stage;
use super::stage::program::Program;
use super::stage::scratch::Scratch;
use super::stage::screen;
use crate::context::Context;
use crate::exit::{Exit, Failure, Result};
use crate::output::text;
use crate::signals;

mod books;
mod plane;
mod watcher;
mod story;
mod night;

use night::Told;
use story::Story;

/// What etcd may keep: two gigabytes are usual, but a few million keys need more.
const QUOTA: &str = "--quota-backend-bytes=8000000000";

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How many load balancers there are
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1_000..=5_000_000))]
    keys: u64,
    /// Write at most so many keys a second when they come back
    #[arg(long, value_name = "KEYS", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Other requests, other deletions: the same number makes the same
    #[arg(long, value_name = "N", default_value_t = SEED)]
    seed: u64,
}

pub(super) fn run(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    let began = Instant::now();
    let cancel = signals::listen()?;
    let mut scratch = Scratch::new(false)?;
    let program = Program::new(&scratch)?;
    let about = "The night of 2012: a control plane's state is deleted in etcd, and work goes on.";
    context.sink.report(&format!("{about}\n"))?;
    context.sink.flush()?;
    let options = ServerOptions {
        arguments: vec![QUOTA.to_owned()],
        ..ServerOptions::default()
    };
    let place = scratch.path().join("etcd");
    let server = screen::during(&context.terminal, "starting etcd", || {
        Server::start(&place, &options)
    })
    .map_err(not_started)?;
    let client = Client::connect(&server.address(), &Settings::default())?;
    let stage = Stage {
        scratch: &mut scratch,
        program,
        cancel: std::sync::Arc::clone(&cancel),
        context,
    };
    let told = Story {
        arguments,
        address: server.address().to_string(),
        client,
        stage,
    }
    .tell();
    // Who ends the demo from a terminal ends etcd as well: that it does not answer then is no failure.
    if cancel.requested() {
        return Err(super::stage::interrupted());
    }
    let told = told?;
    server
        .stop()
        .map_err(|error| Failure::io("stop etcd", &error))?;
    screen::nights(&told.night, context)?;
    screen::during(&context.terminal, "cleaning up", || scratch.finish())?;
    let seconds = began.elapsed().as_secs_f64();
    context.sink.report(&format!(
        "All of it took {}; etcd is stopped, the scratch directory is gone.",
        text::duration(seconds)
    ))?;
    context
        .sink
        .report("Now for your own: recoup watch etcd://127.0.0.1:2379")?;
    summary(arguments, &told, seconds, context)?;
    judge(&told, context)
}

fn not_started(error: StartError) -> Failure {
    let hint = match error {
        StartError::NotInstalled => {
            "then run `recoup demo outage` again; nothing is set up with it"
        }
        _ => "set TMPDIR to a directory with some gigabytes of space",
    };
    Failure::failed(error).hint(hint)
}

/// Type `summary`.
fn summary(arguments: &Arguments, told: &Told, seconds: f64, context: &mut Context) -> Result<()> {
    let Told {
        compared, night, ..
    } = told;
    let summary = json!({
        "keys": arguments.keys,
        "deleted": told.deleted,
        "restored": told.restored,
        "conflicts": told.conflicts,
        "requests": told.counted.requests,
        "refused": told.counted.refused,
        "compared": compared.keys,
        "lost": compared.lost,
        "wrong": compared.wrong,
        "later_changes": compared.later,
        "later_changes_lost": compared.later_lost,
        "came_back": compared.came_back,
        "know_seconds": screen::rounded(night.know),
        "plan_seconds": night.open.map(screen::rounded),
        "undo_seconds": screen::rounded(night.merge),
        "seconds": screen::rounded(seconds),
    });
    context.sink.json("summary", &summary)
}

/// The demo fails when anything is lost.
fn judge(told: &Told, context: &mut Context) -> Result<Exit> {
    let compared = &told.compared;
    if compared.lost + compared.wrong + compared.later_lost == 0 {
        return Ok(Exit::Ok);
    }
    context.sink.flush()?;
    context
        .terminal
        .error("the result is not what should be there: please report this, with the lines above");
    Ok(Exit::Failed)
}
