//! Attacks amid the honest work of others, at the same time: the keys of both are told apart.

use super::attacks::ATTACKS;
use super::benign::BENIGN;
use super::script::Script;
use super::table::row;

/// Work on places that these attacks leave alone.
const BESIDE: [&str; 7] = [
    "npm ci",
    "cargo build",
    "git checkout",
    "mail: new to cur",
    "logrotate",
    "apt upgrade",
    "store merges its files",
];

#[test]
fn attacks_amid_honest_work() {
    let elsewhere = ["rm -rf of everything", "rm -rf .git", "chmod -R 777"];
    let mut played = 0;
    let mut wrong = Vec::new();
    for (name, seconds, attack) in ATTACKS {
        if elsewhere.contains(&name) {
            continue;
        }
        for beside in BESIDE {
            let honest = BENIGN.iter().find(|(one, _)| *one == beside).unwrap().1;
            let row = row(name, 1, |script: &mut Script| {
                let begin = script.now;
                honest(script);
                script.now = begin;
                attack(script);
            });
            played += 1;
            if row.delay > seconds * 1000
                || row.recall < 1.0
                || row.precision < 0.99
                || row.moment.abs() > 1
            {
                wrong.push((
                    name,
                    beside,
                    row.delay,
                    row.recall,
                    row.precision,
                    row.moment,
                ));
            }
        }
    }
    println!("{played} attacks amid honest work, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}
