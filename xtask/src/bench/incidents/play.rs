//! One case from its fresh tree to its outcome.

use super::arena::Arena;
use super::attacks::{Attack, Pace};
use super::benign::Benign;
use super::picture::{self, Picture};
use super::score::{Known, Outcome, judge};
use anyhow::Result;
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// Nothing new for so long: every change has become a point and was judged. Points come every second, and
/// names that pass are looked at after ten.
const QUIET: Duration = Duration::from_secs(5);
const QUIET_MOST: Duration = Duration::from_secs(90);

/// Benign work, for which nothing but silence is right.
pub(super) fn benign(case: &Benign, arena: &Arena) -> Result<Outcome> {
    if let Some(missing) = case.needs.iter().find(|program| !is_there(program)) {
        return Ok(Outcome::skipped(
            case.name,
            format!("{missing} is not there"),
        ));
    }
    arena.script(case.prepare)?;
    let watch = arena.watch()?;
    arena.script(case.work)?;
    watch.wait_quiet(QUIET, QUIET_MOST);
    let lines = watch.stop()?;
    Ok(Outcome::of_benign(case.name, &lines))
}

fn is_there(program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .output();
    found.is_ok_and(|output| output.status.success())
}

/// An attack, beside somebody who goes on working; then what Recoup says of it is compared with what the
/// harness knows, and taken back.
pub(super) fn attack(case: &Attack, arena: &Arena) -> Result<Outcome> {
    let before = picture::take(&arena.tree)?;
    let watch = arena.watch()?;
    let bystander = arena.bystander()?;
    // So that there are points before the attack.
    thread::sleep(Duration::from_secs(3));
    let struck = arena.script(case.script);
    thread::sleep(QUIET);
    arena.send_bystander_home(bystander)?;
    struck?;
    watch.wait_quiet(QUIET, QUIET_MOST);
    let lines = watch.stop()?;
    let after = picture::take(&arena.tree)?;
    let (began, pid) = arena.struck()?;
    let damaged = damaged(&before, &after);
    let incidents = loud(arena)?;
    let mut named = BTreeSet::new();
    for incident in &incidents {
        named.extend(keys(arena, incident)?);
    }
    let known = Known {
        began,
        pid: if case.one_process { pid } else { 0 },
        comm: case.comm,
        slow: case.pace == Pace::Slow,
        before: &before,
        damaged: &damaged,
    };
    let mut outcome = judge(case.name, &known, &lines, &incidents, &named);
    if !incidents.is_empty() {
        for incident in &incidents {
            let number = incident["id"].to_string();
            arena.lines(&["undo", "--incident", &number, "--yes"])?;
        }
        let healed = picture::take(&arena.tree)?;
        outcome.undone(&known, &after, &healed);
    }
    Ok(outcome)
}

/// What the attack did to what was there; the desk is the bystander's.
fn damaged(before: &Picture, after: &Picture) -> BTreeSet<String> {
    let worse = picture::worse(before, after);
    worse
        .into_iter()
        .filter(|path| !path.starts_with("desk"))
        .collect()
}

/// Incidents that people are told of, the oldest first.
fn loud(arena: &Arena) -> Result<Vec<Value>> {
    let mut found = arena.lines(&["incidents"])?;
    found.retain(|line| line["type"] == "incident");
    found.sort_by_key(|line| line["id"].as_u64());
    Ok(found)
}

fn keys(arena: &Arena, incident: &Value) -> Result<Vec<String>> {
    let number = incident["id"].to_string();
    let lines = arena.lines(&["incidents", "show", &number])?;
    let keys = lines.iter().filter(|line| line["type"] == "key");
    Ok(keys
        .filter_map(|line| Some(line["path"].as_str()?.to_owned()))
        .collect())
}
