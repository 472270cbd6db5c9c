//! Outcomes as a table for people.

use super::score::{Outcome, Sort};

pub(super) fn print(outcomes: &[Outcome]) {
    let attacks: Vec<&Outcome> = outcomes
        .iter()
        .filter(|one| one.sort != Sort::Benign)
        .collect();
    let benign: Vec<&Outcome> = outcomes
        .iter()
        .filter(|one| one.sort == Sort::Benign)
        .collect();
    if !attacks.is_empty() {
        println!(
            "| attack | level | delay s | damaged | precision | recall | moment, points | actor | undone | bystander | target |"
        );
        println!("|---|---|---:|---:|---:|---:|---:|---|---:|---:|---|");
    }
    for one in &attacks {
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            one.name,
            one.level,
            one.delay_seconds
                .map_or("-".to_owned(), |delay| format!("{delay:.1}")),
            one.damaged,
            per_cent(one.precision),
            per_cent(one.recall),
            one.moment
                .map_or("-".to_owned(), |moment| format!("{moment:+}")),
            one.actor,
            per_cent(one.back),
            if one.bystander_lost == 0 {
                "whole".to_owned()
            } else {
                format!("{} lost", one.bystander_lost)
            },
            verdict(one)
        );
    }
    if !benign.is_empty() {
        println!(
            "\n| benign work | level | alarms | notices | said | target |\n|---|---|---:|---:|---|---|"
        );
    }
    for one in &benign {
        println!(
            "| {} | {} | {} | {} | {} | {} |",
            one.name,
            one.level,
            one.alarms,
            one.notices,
            one.said,
            verdict(one)
        );
    }
    let played = |all: &[&Outcome]| all.iter().filter(|one| one.skipped.is_none()).count();
    let alarmed = attacks.iter().filter(|one| one.alarms > 0).count();
    let loud: usize = benign.iter().map(|one| one.alarms).sum();
    let notices: usize = benign.iter().map(|one| one.notices).sum();
    println!(
        "\n{alarmed} of {} attacks raised an alarm; {loud} false alarms and {notices} notices in {} kinds of benign work, {} skipped; {} of {} cases met every target",
        played(&attacks),
        played(&benign),
        benign.len() - played(&benign),
        outcomes
            .iter()
            .filter(|one| one.skipped.is_none() && one.met())
            .count(),
        played(&attacks) + played(&benign),
    );
}

fn per_cent(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |share| format!("{:.1} %", 100.0 * share))
}

fn verdict(one: &Outcome) -> String {
    match (&one.skipped, &one.failed) {
        (Some(why), _) => format!("SKIP: {why}"),
        (_, Some(why)) => format!("FAILED: {}", why.lines().next().unwrap_or_default()),
        _ if one.met() => "met".to_owned(),
        _ => "missed".to_owned(),
    }
}
