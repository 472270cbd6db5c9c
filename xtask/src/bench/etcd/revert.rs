//! A job deletes 6.8 % of the keys: how soon that is known, what the way back takes, and how fast it is
//! beside a plain client that writes as many keys in batches of the same size.

use super::super::desk::Desk;
use super::super::run::call;
use super::super::watch::{Watch, now};
use super::full::MEMORY_MOST_BYTES;
use super::stage::Stage;
use super::table::{Bound, Row};
use anyhow::{Context, Result, ensure};
use std::time::Duration;

/// Of a thousand keys: what was lost in 2012.
const LOST_PER_MILLE: u64 = 68;

/// How long detection may take at all; well above what is promised.
const FOUND_WITHIN: Duration = Duration::from_secs(120);

/// Nothing new for so long: the watcher has caught up.
const QUIET: Duration = Duration::from_secs(2);

pub(super) fn measure(stage: &Stage, desk: &Desk, watch: &Watch, runs: u64) -> Result<Vec<Row>> {
    let count = stage.keys * LOST_PER_MILLE / 1000;
    let lost = format!("{count} keys deleted, from the last one to");
    let mut alarm = Row::new(format!("{lost} the alarm"), "s").target(Bound::AtMost(5.0));
    let mut whole = Row::new(format!("{lost} an incident with all"), "s");
    let limited = |row: Row| row.memory_most(MEMORY_MOST_BYTES);
    let mut plan =
        limited(Row::new("recoup undo --dry-run (plan)", "s")).target(Bound::AtMost(2.0));
    let mut undo = limited(Row::new("recoup undo --yes", "s"));
    let mut rate = Row::new("the same, less the time of a plan", "keys/s");
    let mut plain = Row::new("the same etcd, a plain client", "keys/s");
    for run in 0..runs {
        watch.wait_quiet(QUIET, FOUND_WITHIN);
        let (id, times) = damage(stage, watch, count)?;
        alarm.add(times.0);
        whole.add(times.1);
        let command = ["undo", "--incident", &id];
        let dry = desk.step(&command).args(["--dry-run", "--json"]);
        let planned = stage.measure(desk, &dry)?;
        plan.note_seconds(planned);
        let applied = stage.measure(desk, &desk.step(&command).arg("--yes"))?;
        undo.note_seconds(applied);
        rate.add(count as f64 / (applied.0.wall_seconds - planned.0.wall_seconds));
        let there = stage.count(&stage.server)?;
        let expected = stage.keys + run * count;
        ensure!(there == expected, "{there} of {expected} keys are there");
        // Beneath a prefix of their own: new keys beside those that go would look like their successors.
        let fill = stage.filling("/plain/", [run * count, (run + 1) * count, 1, 0]);
        let filled = stage.measure(desk, &fill)?;
        plain.note(count as f64 / filled.0.wall_seconds, filled);
    }
    let ratio = "undo, less the time of a plan / a plain client";
    let ratio = Row::ratio(ratio, &rate, &plain).target(Bound::AtLeast(0.6));
    Ok(vec![alarm, whole, plan, undo, rate, plain, ratio])
}

/// Runs the job; gives the incident, and the seconds from the last deletion to the alarm and to the line
/// that knows of every key. An alarm that comes while the job is at work took none.
fn damage(stage: &Stage, watch: &Watch, count: u64) -> Result<(String, (f64, f64))> {
    let begun = now();
    let job = stage.load("delete", &stage.server, &[stage.keys, count]);
    let output = String::from_utf8(call(&mut job.command())?)?;
    let (deleted, last) = output.trim().split_once(' ').context("the job is mute")?;
    let (deleted, last): (u64, f64) = (deleted.parse()?, last.parse()?);
    ensure!(deleted == count, "{deleted} of {count} keys were deleted");
    let alarm = |(time, line): &(f64, serde_json::Value)| {
        *time > begun && line["type"] == "incident" && line["level"] == "alarm"
    };
    let first = watch.wait_for(FOUND_WITHIN, alarm)?;
    let knows_all = |line: &(f64, serde_json::Value)| {
        alarm(line)
            && line.1["deleted"]
                .as_u64()
                .is_some_and(|known| known >= count)
    };
    let whole = watch.wait_for(FOUND_WITHIN, knows_all)?;
    let id = whole.1["id"].to_string();
    Ok((id, ((first.0 - last).max(0.0), (whole.0 - last).max(0.0))))
}
