//! The table: level, delay, precision, recall and moment of every case.

use std::collections::BTreeSet;

use model::{Level, PathKey};
use recoup_policy::incident::Mode;

use super::attacks::ATTACKS;
use super::benign::BENIGN;
use super::play::{WHOLE, play};
use super::script::{SECOND, Script};
use super::world::{Dice, home};

const SEEDS: u64 = 3;

#[test]
fn honest_work_raises_no_alarm() {
    println!("{:<34} {:<8} findings", "honest work", "worst");
    for seed in 0..SEEDS {
        for (name, write) in BENIGN {
            let mut dice = Dice(seed);
            let tree = home(&mut dice);
            let mut script = Script::new(tree.clone(), dice);
            write(&mut script);
            let outcome = play(&tree, &script, Mode::Tree, &WHOLE);
            if seed == 0 {
                let rules: BTreeSet<&str> =
                    outcome.last.values().map(|finding| finding.rule).collect();
                println!(
                    "{name:<34} {:<8} {rules:?}",
                    outcome.worst.map_or("-", Level::word)
                );
            }
            assert!(
                outcome.worst < Some(Level::Alarm),
                "{name}, seed {seed}: {:#?}",
                outcome.last
            );
        }
    }
}

pub(crate) struct Row {
    pub(crate) delay: i64,
    pub(crate) recall: f64,
    pub(crate) precision: f64,
    /// Points between the named last good one and the true one; negative: too early.
    pub(crate) moment: i64,
    pub(crate) actor: bool,
}

#[test]
fn every_attack_is_found_and_named() {
    println!(
        "{:<34} {:>8} {:>7} {:>9} {:>7} {:>6}",
        "attack", "delay s", "recall", "precision", "moment", "actor"
    );
    let mut wrong = Vec::new();
    for seed in 0..SEEDS {
        for (name, seconds, write) in ATTACKS {
            let row = row(name, seed, write);
            if seed == 0 {
                println!(
                    "{name:<34} {:>8} {:>6.1}% {:>8.1}% {:>7} {:>6}",
                    row.delay / 1000,
                    row.recall * 100.0,
                    row.precision * 100.0,
                    row.moment,
                    if row.actor { "right" } else { "-" }
                );
            }
            let known = !name.contains("nobody") && !name.contains("flood");
            let right = row.delay <= seconds * SECOND
                && row.recall >= 1.0
                && row.precision >= 0.99
                && row.moment.abs() <= 1
                && (row.actor || !known);
            if !right {
                wrong.push((name, seed));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

pub(crate) fn row(name: &str, seed: u64, write: impl FnOnce(&mut Script)) -> Row {
    let mut dice = Dice(seed);
    let tree = home(&mut dice);
    let mut script = Script::new(tree.clone(), dice);
    write(&mut script);
    let outcome = play(&tree, &script, Mode::Tree, &WHOLE);
    let born: BTreeSet<&PathKey> = script
        .acts
        .iter()
        .filter(|act| !act.evil && act.after.is_some())
        .map(|act| &act.key)
        .collect();
    let damaged: BTreeSet<&PathKey> = script
        .acts
        .iter()
        .filter(|act| act.evil && (tree.contains_key(&act.key) || born.contains(&act.key)))
        .map(|act| &act.key)
        .collect();
    let alarms = outcome.standing(Level::Alarm);
    assert!(
        !alarms.is_empty(),
        "{name}: no alarm; {:#?}",
        outcome
            .last
            .values()
            .map(|one| &one.about)
            .collect::<Vec<_>>()
    );
    let named: BTreeSet<&PathKey> = alarms.iter().flat_map(|finding| &finding.keys).collect();
    let right = named.intersection(&damaged).count() as f64;
    let first = outcome.first_damaged_point.unwrap();
    let good = alarms
        .iter()
        .filter_map(|finding| finding.last_good)
        .min()
        .unwrap();
    let evil: BTreeSet<u32> = script
        .acts
        .iter()
        .filter(|act| act.evil)
        .filter_map(|act| act.who)
        .collect();
    let mut who = alarms.iter().filter_map(|finding| finding.actor.as_ref());
    Row {
        delay: outcome.delay.unwrap(),
        recall: right / damaged.len() as f64,
        precision: right / named.len() as f64,
        moment: good.cast_signed() - (first.cast_signed() - 1),
        actor: who.any(|actor| {
            evil.iter()
                .any(|index| script.actors[*index as usize].pid == actor.pid)
        }),
    }
}
