//! `recoup outage`: the night of 24 December 2012, on a real etcd, in seconds.
//!
//! A control plane keeps its load balancers in etcd and writes its own ledger beside it; `recoup watch`
//! follows; a maintenance job deletes 6.8 % of the keys, out of order; the control plane goes on. Then what
//! was done in 2012 by hand is done by `recoup`, as a person would type it, and everything is compared with
//! the ledger. Nothing here reaches into the program that is shown: it is run as a process.

mod plane;
mod protector;
mod tell;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use etcd::testing::{Server, ServerOptions};
use etcd::{Client, Settings};
use serde_json::json;

use crate::context::Context;
use crate::exit::{Exit, Failure, Result};
use plane::{Difference, Plane};
use protector::Protector;
use tell::Times;

/// How many keys of the control plane the job deletes, of a thousand: 6.8 % were lost in 2012.
const LOST_PER_MILLE: usize = 68;

/// How long the control plane works before and after the damage.
const WORK: Duration = Duration::from_secs(5);

/// How long the incident may take to be found. Well above what is promised: the rest is told as it was.
const FOUND_WITHIN: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How many load balancers there are
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1000..=5_000_000))]
    keys: u64,
    /// Write at most so many keys a second when they come back
    #[arg(long, value_name = "KEYS", default_value_t = 5000)]
    rate: u32,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    let scratch = std::env::temp_dir().join(format!("recoup-outage-{}", std::process::id()));
    let done = replay(arguments, &scratch, context);
    let removed = std::fs::remove_dir_all(&scratch);
    let exit = done?;
    removed.map_err(|error| Failure::io(format!("remove {}", scratch.display()), &error))?;
    Ok(exit)
}

fn replay(arguments: &Arguments, scratch: &Path, context: &mut Context) -> Result<Exit> {
    let options = ServerOptions {
        // Two gigabytes are usual; two million keys need more.
        arguments: vec!["--quota-backend-bytes=8000000000".to_owned()],
        ..ServerOptions::default()
    };
    let server = Server::start(&scratch.join("etcd"), &options);
    let server = server.map_err(|error| Failure::failed(format!("begin: {error}")))?;
    let client = Client::connect(&server.address(), &Settings::default())?;
    let plane = Plane::load(&client, arguments.keys)?;
    let count = crate::output::text::count(arguments.keys);
    let at = server.endpoint();
    let line = format!("A control plane with {count} load balancers in etcd at {at}");
    context.sink.report(&line)?;
    let mut protector = Protector::start(&server.address().to_string(), scratch)?;
    protector.wait_until_ready()?;
    let work = plane.start(&client);
    thread::sleep(WORK);

    let began = Instant::now();
    let lost = plane.damage(&client, arguments.keys as usize * LOST_PER_MILLE / 1000)?;
    let damaged = Instant::now();
    context.sink.report(&format!("A job deleted {lost} keys"))?;
    let incident = protector.wait_for_incident(FOUND_WITHIN)?;
    let found = Instant::now();
    thread::sleep(WORK);

    let planned = Instant::now();
    let plan = protector.run(&["undo", "--incident", &incident, "--dry-run", "--json"])?;
    let plan_took = planned.elapsed();
    let merging = Instant::now();
    let rate = arguments.rate.to_string();
    let undo = ["undo", "--incident", &incident, "--rate", &rate];
    let merged = protector.run(&[&undo[..], &["--yes", "--json"]].concat())?;
    let merge_took = merging.elapsed();
    let requests = work.stop()?;
    let whole = Instant::now();
    protector.end()?;
    let difference = plane.compare(&client)?;
    let times = Times {
        delete: damaged - began,
        know: found.duration_since(damaged),
        state: plan_took,
        merge: merge_took,
        normal: whole - began,
    };
    let summary = json!({
        "keys": arguments.keys,
        "deleted": lost,
        "steps": plan.iter().filter(|line| line["type"] == "step").count(),
        "restored": protector::field(&merged, "restored"),
        "conflicts": protector::field(&merged, "conflicts"),
        "requests": requests,
        "keys_lost": difference.lost,
        "later_changes_lost": difference.older,
        "keys_too_many": difference.extra,
        "seconds": times.as_json(),
    });
    context.sink.json("summary", &summary)?;
    tell::tell(&times, &difference, requests, lost, context)?;
    let Difference { lost, older, .. } = difference;
    server
        .stop()
        .map_err(|error| Failure::io("stop etcd", &error))?;
    Ok(if lost + older == 0 {
        Exit::Ok
    } else {
        Exit::Failed
    })
}
