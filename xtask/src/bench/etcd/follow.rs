//! `recoup watch` while 5,000 keys a second are written: how far behind it is, and what that takes.

use super::super::run::call;
use super::super::watch::{Line, Watch};
use super::stage::{Stage, cpu_seconds};
use super::table::{Bound, Row};
use anyhow::{Context, Result, ensure};
use std::thread;
use std::time::{Duration, Instant};

const WRITES_A_SECOND: u64 = 5000;

/// How long what was written last may take to become a point; well above what is promised.
const LAST_POINT_MOST: Duration = Duration::from_secs(60);

pub(super) fn measure(stage: &Stage, watch: &Watch, seconds: u64) -> Result<Vec<Row>> {
    thread::sleep(Duration::from_secs(2));
    let numbers = [stage.keys, WRITES_A_SECOND, seconds];
    let mut load = stage.load("write", &stage.server, &numbers).command();
    let (used, server_used) = (cpu_seconds(watch.pid())?, stage.server.cpu_seconds()?);
    let begin = Instant::now();
    let output = String::from_utf8(call(&mut load)?)?;
    let took = begin.elapsed().as_secs_f64();
    let used = cpu_seconds(watch.pid())? - used;
    let server_used = stage.server.cpu_seconds()? - server_used;
    let written = acknowledged(&output)?;
    let last = written.iter().map(|(revision, _)| *revision).max();
    let last = last.context("nothing was written")?;
    watch.wait_for(LAST_POINT_MOST, |line| reaches(line, last))?;
    let lags = lags(&written, &watch.lines())?;
    let mut rate = Row::new("writes a second, each a revision", "keys/s");
    rate.add(written.len() as f64 / took);
    let mut share = Row::new("recoup watch meanwhile", "% of a core");
    share.add(used / took * 100.0);
    let mut server = Row::new("etcd meanwhile", "% of a core");
    server.add(server_used / took * 100.0);
    let mut rows = vec![rate, share.target(Bound::AtMost(20.0)), server];
    for (name, part) in [("median", 0.5), ("99 %", 0.99), ("longest", 1.0)] {
        let mut row = Row::new(format!("acknowledged to durable in a point: {name}"), "s");
        let place = (lags.len() - 1) as f64 * part;
        row.add(lags[place as usize]);
        rows.push(row.target(Bound::AtMost(2.0)));
    }
    Ok(rows)
}

/// Revision and time of each write.
fn acknowledged(output: &str) -> Result<Vec<(i64, f64)>> {
    let line = |line: &str| {
        let (revision, time) = line.split_once(' ').context("a line without a time")?;
        Ok((revision.parse()?, time.parse()?))
    };
    output.lines().map(line).collect()
}

fn revision((_, line): &Line) -> Option<i64> {
    if line["type"] == "point" {
        line["revision"].as_i64()
    } else {
        None
    }
}

fn reaches(line: &Line, last: i64) -> bool {
    revision(line).is_some_and(|revision| revision >= last)
}

/// From the acknowledgement of each write to the first point that has it, sorted.
fn lags(written: &[(i64, f64)], lines: &[Line]) -> Result<Vec<f64>> {
    let points = lines
        .iter()
        .filter_map(|line| Some((revision(line)?, line.0)));
    let points: Vec<(i64, f64)> = points.collect();
    ensure!(points.is_sorted(), "points went back in revision or time");
    let mut lags = Vec::with_capacity(written.len());
    for (revision, time) in written {
        let at = points.partition_point(|(reached, _)| reached < revision);
        let (_, durable) = points.get(at).context("a write is in no point")?;
        lags.push((durable - time).max(0.0));
    }
    lags.sort_by(f64::total_cmp);
    Ok(lags)
}
