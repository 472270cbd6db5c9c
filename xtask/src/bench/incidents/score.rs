//! What Recoup said, beside what the harness knows.

use super::super::watch::Line;
use super::picture::Picture;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What the harness knows of an attack.
pub(super) struct Known<'a> {
    /// Just before the first damage, in seconds since 1970.
    pub(super) began: f64,
    /// 0 if there were several.
    pub(super) pid: u64,
    pub(super) comm: &'a str,
    pub(super) slow: bool,
    pub(super) before: &'a Picture,
    /// Paths that were there and are gone or different.
    pub(super) damaged: &'a BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Benign,
    Fast,
    Slow,
}

/// Of one case.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) name: String,
    pub(super) sort: Sort,
    /// Why it was not played, or failed.
    pub(super) skipped: Option<String>,
    pub(super) failed: Option<String>,
    /// Highest level, or nothing.
    pub(super) level: String,
    /// Incidents that were an alarm, or a notice, at any time.
    pub(super) alarms: usize,
    pub(super) notices: usize,
    pub(super) said: String,
    pub(super) delay_seconds: Option<f64>,
    pub(super) damaged: usize,
    pub(super) named: usize,
    pub(super) precision: Option<f64>,
    pub(super) recall: Option<f64>,
    /// Distance of the named last good point from the true one, in points; negative: too early.
    pub(super) moment: Option<i64>,
    pub(super) actor: String,
    /// Share of the damaged paths that came back.
    pub(super) back: Option<f64>,
    /// Paths of the bystander that the undo changed.
    pub(super) bystander_lost: usize,
}

impl Outcome {
    fn new(name: &str, sort: Sort) -> Self {
        Self {
            name: name.to_owned(),
            sort,
            skipped: None,
            failed: None,
            level: "-".to_owned(),
            alarms: 0,
            notices: 0,
            said: String::new(),
            delay_seconds: None,
            damaged: 0,
            named: 0,
            precision: None,
            recall: None,
            moment: None,
            actor: "-".to_owned(),
            back: None,
            bystander_lost: 0,
        }
    }

    pub(super) fn skipped(name: &str, why: String) -> Self {
        Self {
            skipped: Some(why),
            ..Self::new(name, Sort::Benign)
        }
    }

    pub(super) fn failed(name: &str, sort: Sort, why: String) -> Self {
        Self {
            failed: Some(why),
            ..Self::new(name, sort)
        }
    }

    pub(super) fn of_benign(name: &str, lines: &[Line]) -> Self {
        let mut outcome = Self::new(name, Sort::Benign);
        outcome.take_levels(lines);
        outcome
    }

    /// The highest level that each incident ever had: an alarm that is withdrawn has woken somebody.
    fn take_levels(&mut self, lines: &[Line]) {
        let mut levels: BTreeMap<u64, (u8, String)> = BTreeMap::new();
        for (_, line) in lines.iter().filter(|(_, line)| line["type"] == "incident") {
            let level = (
                rank(&line["level"]),
                line["about"].as_str().unwrap_or_default().to_owned(),
            );
            let known = levels.entry(line["id"].as_u64().unwrap_or(0)).or_default();
            if level.0 >= known.0 {
                *known = level;
            }
        }
        let worst = levels.values().max_by_key(|(level, _)| *level);
        if let Some((level, about)) = worst {
            self.level = ["-", "pin", "notice", "alarm"][usize::from(*level)].to_owned();
            self.said.clone_from(about);
        }
        self.alarms = levels.values().filter(|(level, _)| *level == 3).count();
        self.notices = levels.values().filter(|(level, _)| *level == 2).count();
    }

    /// What an undo of all incidents brought back, and what it took from the bystander.
    pub(super) fn undone(&mut self, known: &Known<'_>, after: &Picture, healed: &Picture) {
        let back = known
            .damaged
            .iter()
            .filter(|path| healed.get(*path) == known.before.get(*path));
        self.back = share(back.count(), known.damaged.len());
        let desk = |path: &&String| path.starts_with("desk/");
        let changed = |path: &&String| healed.get(*path) != after.get(*path);
        let paths: BTreeSet<&String> = after.keys().chain(healed.keys()).filter(desk).collect();
        self.bystander_lost = paths.into_iter().filter(changed).count();
    }

    /// Whether it is what the project promises.
    pub(super) fn met(&self) -> bool {
        if self.skipped.is_some() {
            return true;
        }
        if self.failed.is_some() {
            return false;
        }
        match self.sort {
            Sort::Benign => self.alarms == 0,
            Sort::Fast | Sort::Slow => {
                let in_time = self
                    .delay_seconds
                    .is_some_and(|delay| self.sort == Sort::Slow || delay <= 10.0);
                in_time
                    && self.recall == Some(1.0)
                    && self.precision.is_some_and(|precision| precision >= 0.99)
                    && self.moment.is_some_and(|moment| moment.abs() <= 1)
                    && self.bystander_lost == 0
            }
        }
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "case": self.name, "sort": format!("{:?}", self.sort).to_lowercase(), "met": self.met(),
            "skipped": self.skipped, "failed": self.failed, "level": self.level,
            "alarms": self.alarms, "notices": self.notices, "said": self.said,
            "delay_seconds": self.delay_seconds, "damaged": self.damaged, "named": self.named,
            "precision": self.precision, "recall": self.recall, "moment_points": self.moment,
            "actor": self.actor, "back": self.back, "bystander_lost": self.bystander_lost,
        })
    }
}

fn rank(level: &Value) -> u8 {
    match level.as_str() {
        Some("alarm") => 3,
        Some("notice") => 2,
        Some("pin") => 1,
        _ => 0,
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Compares. `incidents` are those that people are told of, `named` the keys of all of them. Keys that
/// the attack made count neither for nor against: they are its doing, but nothing was lost there.
pub(super) fn judge(
    name: &str,
    known: &Known<'_>,
    lines: &[Line],
    incidents: &[Value],
    named: &BTreeSet<String>,
) -> Outcome {
    let sort = if known.slow { Sort::Slow } else { Sort::Fast };
    let mut outcome = Outcome::new(name, sort);
    outcome.take_levels(lines);
    let alarm = lines
        .iter()
        .find(|(_, line)| line["type"] == "incident" && line["level"] == "alarm");
    outcome.delay_seconds = alarm.map(|(at, _)| at - known.began);
    outcome.damaged = known.damaged.len();
    outcome.named = named.len();
    let right = named.intersection(known.damaged).count();
    let wrong = named
        .difference(known.damaged)
        .filter(|path| known.before.contains_key(*path) || path.starts_with("desk"))
        .count();
    outcome.precision = share(right, right + wrong);
    outcome.recall = (!incidents.is_empty())
        .then(|| share(right, known.damaged.len()))
        .flatten();
    let main = incidents
        .iter()
        .max_by_key(|line| (rank(&line["level"]), line["keys"].as_u64()));
    if let Some(main) = main {
        outcome.moment = moment(known, lines, main);
        outcome.actor = actor(known, &main["actor"]).to_owned();
    }
    outcome
}

/// The true last good point is the last that was durable before the first damage.
fn moment(known: &Known<'_>, lines: &[Line], incident: &Value) -> Option<i64> {
    let states: Vec<&Line> = lines
        .iter()
        .filter(|(_, line)| {
            ["ready", "point", "checkpoint"]
                .iter()
                .any(|word| line["type"] == *word)
        })
        .collect();
    let truth = states.iter().rposition(|(at, _)| *at <= known.began)?;
    let named = states
        .iter()
        .rposition(|(_, line)| line["id"] == incident["before"])?;
    Some(named as i64 - truth as i64)
}

fn actor(known: &Known<'_>, actor: &Value) -> &'static str {
    let same_name = actor["comm"] == known.comm;
    let same_process = actor["pid"].as_u64() == Some(known.pid);
    match (known.pid, actor) {
        (_, Value::Null) => "none",
        (0, _) if same_name => "right",
        (_, _) if same_name && same_process => "right",
        (_, _) if same_process => "process only",
        _ => "wrong",
    }
}

#[cfg(test)]
mod tests {
    use super::super::picture::Look;
    use super::*;

    fn line(at: f64, kind: &str, id: &str) -> Line {
        (at, json!({ "type": kind, "id": id }))
    }

    #[test]
    fn keys_moment_and_actor_are_compared_with_the_truth() {
        let look = Look {
            mode: 0,
            owner: (0, 0),
            content: 0,
            size: 0,
        };
        let before: Picture = ["a", "b", "c", "desk/x"]
            .iter()
            .map(|path| ((*path).to_owned(), look.clone()))
            .collect();
        let damaged: BTreeSet<String> = ["a".to_owned(), "b".to_owned()].into();
        let known = Known {
            began: 10.0,
            pid: 7,
            comm: "rm",
            slow: false,
            before: &before,
            damaged: &damaged,
        };
        let incident = json!({ "type": "incident", "id": 1, "level": "alarm", "before": "p1", "keys": 3,
            "actor": { "pid": 7, "comm": "rm" } });
        let lines = [
            line(1.0, "ready", "r"),
            line(5.0, "point", "p1"),
            line(9.0, "point", "p2"),
            line(12.0, "point", "p3"),
            (12.5, incident.clone()),
        ];
        // One right, one that was not damaged, one of the bystander, one that the attack made.
        let named = ["a", "c", "desk/new", "a.locked"].map(str::to_owned).into();
        let outcome = judge("x", &known, &lines, &[incident], &named);
        assert_eq!(
            (outcome.precision, outcome.recall),
            (Some(1.0 / 3.0), Some(0.5))
        );
        assert_eq!(
            (outcome.delay_seconds, outcome.moment),
            (Some(2.5), Some(-1))
        );
        assert_eq!(
            (outcome.actor.as_str(), outcome.level.as_str()),
            ("right", "alarm")
        );
        assert!(!outcome.met());
    }

    #[test]
    fn an_alarm_that_was_withdrawn_is_a_false_alarm() {
        let incident = |level: &str| (0.0, json!({ "type": "incident", "id": 1, "level": level }));
        let outcome = Outcome::of_benign("x", &[incident("alarm"), incident("pin")]);
        assert_eq!((outcome.alarms, outcome.level.as_str()), (1, "alarm"));
        assert!(!outcome.met());
    }
}
