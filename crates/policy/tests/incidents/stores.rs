//! Key-value stores: a control plane at work, and what went wrong in 2012.

use model::incident::Looks;
use model::{Level, PathKey};
use recoup_policy::incident::Mode;

use super::play::{Outcome, WHOLE, play};
use super::script::{SECOND, Script};
use super::world::{Dice, control_plane};

pub(crate) type Case = (&'static str, fn(&mut Script));

/// Honest work first, then damage.
pub(crate) const STORES: [Case; 10] = [
    ("churn of load balancers", churn),
    ("rolling update", rolling_update),
    ("controller resync", resync),
    ("scale down by ten", scale_down),
    ("maintenance deletes 6.8 %", maintenance),
    ("6.8 % amid customers who delete", amid_customers),
    ("prefix deleted", prefix_gone),
    ("namespace deleted", namespace_gone),
    ("one value over all", one_value),
    ("a fifth, at random", fifth),
];

/// So many of them are honest.
const HONEST: usize = 4;

fn run(write: fn(&mut Script)) -> (Script, Outcome) {
    let mut dice = Dice(7);
    let tree = control_plane(&mut dice);
    let mut script = Script::new(tree.clone(), dice);
    write(&mut script);
    let outcome = play(&tree, &script, Mode::KeyValue, &WHOLE);
    (script, outcome)
}

#[test]
fn a_control_plane_at_work_is_a_note() {
    for (name, write) in &STORES[..HONEST] {
        let (_, outcome) = run(*write);
        println!("{name:<28} {}", outcome.worst.map_or("-", Level::word));
        assert!(
            outcome.worst < Some(Level::Alarm),
            "{name}: {:#?}",
            outcome.last
        );
    }
}

#[test]
fn damage_of_a_store_is_an_alarm() {
    for (name, write) in &STORES[HONEST..] {
        let (script, outcome) = run(*write);
        let alarms = outcome.standing(Level::Alarm);
        let mut named: Vec<&PathKey> = alarms.iter().flat_map(|finding| &finding.keys).collect();
        let mut damaged: Vec<&PathKey> = script
            .acts
            .iter()
            .filter(|act| act.evil)
            .map(|act| &act.key)
            .collect();
        named.sort();
        named.dedup();
        damaged.sort();
        let right = damaged
            .iter()
            .filter(|key| named.binary_search(key).is_ok())
            .count();
        let (recall, precision) = (
            right as f64 / damaged.len() as f64,
            right as f64 / named.len().max(1) as f64,
        );
        println!(
            "{name:<28} after {:>3} s, recall {:.1} %, precision {:.1} %: {}",
            outcome.delay.unwrap_or(-1) / 1000,
            recall * 100.0,
            precision * 100.0,
            alarms.first().map_or("", |finding| &finding.about)
        );
        assert!(recall >= 1.0 && precision >= 0.99, "{name}");
        assert!(outcome.delay.unwrap() <= 10 * SECOND, "{name}");
    }
}

fn put(script: &mut Script, path: &str) {
    let facts = script.fresh(500, Looks::Compressible);
    script.put(path, facts);
}

fn churn(script: &mut Script) {
    for at in 0..600_u64 {
        script.wait(300);
        for part in ["spec", "state", "targets"] {
            put(script, &format!("services/lb/lb-{:05}/{part}", 2_000 + at));
        }
        let old = script.dice.below(2_000);
        for part in ["spec", "state", "targets"] {
            let path = format!("services/lb/lb-{old:05}/{part}");
            if script.exists(&path) {
                script.remove(&path);
            }
        }
    }
}

fn rolling_update(script: &mut Script) {
    for at in 0..200 {
        script.wait(400);
        put(script, &format!("registry/pods/shop/web2-{at}"));
        script
            .wait(400)
            .remove(&format!("registry/pods/shop/web-{at}"));
    }
}

fn resync(script: &mut Script) {
    for path in script.files("registry") {
        script.wait(5);
        put(script, &path);
    }
}

fn scale_down(script: &mut Script) {
    for at in 0..10 {
        script
            .wait(100)
            .remove(&format!("registry/pods/shop/web-{at}"));
    }
}

/// The control plane goes on, before and after.
fn busy(script: &mut Script, from: u64) {
    script.honest();
    for at in from..from + 30 {
        script.wait(300);
        put(script, &format!("services/lb/lb-{at:05}/spec"));
        put(script, &format!("services/lb/lb-{:05}/state", at % 50));
    }
}

fn maintenance(script: &mut Script) {
    busy(script, 5_000);
    script.evil();
    for at in 0..136 {
        // Out of order.
        let lb = 100 + at * 37 % 1_900;
        script.wait(20);
        for part in ["targets", "state", "spec"] {
            script.remove(&format!("services/lb/lb-{lb:05}/{part}"));
        }
    }
    busy(script, 6_000);
}

/// The same, and all the time, before and after, customers delete what they need no more.
fn amid_customers(script: &mut Script) {
    let customers = |script: &mut Script, numbers: std::ops::Range<u64>| {
        script.honest();
        for at in numbers {
            put(script, &format!("services/lb/lb-{:05}/state", at % 50));
            script.wait(1_000);
            script.remove(&format!("services/lb/lb-{at:05}/spec"));
        }
    };
    customers(script, 100..140);
    script.evil();
    for at in 0..1_360 {
        script.wait(2);
        let (lb, part) = (
            300 + at % 1_600,
            ["targets", "state"][usize::from(at < 700)],
        );
        script.remove(&format!("services/lb/lb-{lb:05}/{part}"));
    }
    customers(script, 140..250);
}

fn prefix_gone(script: &mut Script) {
    script.evil();
    for path in script.files("registry/secrets") {
        script.wait(10).remove(&path);
    }
}

fn namespace_gone(script: &mut Script) {
    script.evil();
    for path in script.files("registry/secrets/ns3") {
        script.wait(10).remove(&path);
    }
    script.remove("registry/namespaces/ns3");
}

fn one_value(script: &mut Script) {
    script.evil();
    let one = script.fresh(20, Looks::Compressible);
    for path in script.files("registry/pods") {
        script.wait(10).put(&path, one);
    }
}

fn fifth(script: &mut Script) {
    script.evil();
    for path in script.files("registry/pods").into_iter().step_by(5) {
        script.wait(10).remove(&path);
    }
}
