//! The watcher is asked to stop at any moment: it ends well, and what was seen up to then is protected.

use std::time::{Duration, Instant};

use testkit::{Random, is_long};

use crate::home::Home;
use crate::watching::{PATIENCE, Watching};

const STOPS: usize = 16;

/// Waits until the process has asked to be told of the signal.
fn listens(watching: &mut Watching) {
    let began = Instant::now();
    let status = format!("/proc/{}/status", watching.pid());
    let term = 1_u64 << (rustix::process::Signal::TERM.as_raw() - 1);
    loop {
        let text = std::fs::read_to_string(&status).unwrap();
        let caught = text.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = u64::from_str_radix(caught.unwrap().trim(), 16).unwrap();
        if caught & term != 0 {
            return;
        }
        assert!(
            began.elapsed() < PATIENCE && !watching.has_ended(),
            "it does not listen"
        );
        std::thread::yield_now();
    }
}

#[test]
fn stopped_at_any_moment_of_its_start_it_ends_well() {
    let home = Home::with_repository();
    home.shell("mkdir d; for i in $(seq 3000); do echo content $i of its own > d/f$i; done");
    let mut random = Random::new(17);
    let stops = if is_long() { 10 * STOPS } else { STOPS };
    for round in 0..stops {
        // There is something to read in each round.
        home.shell(&format!(
            "for i in $(seq 300); do echo {round} > d/f$i; done"
        ));
        let mut watching = home.watch(&[]);
        listens(&mut watching);
        std::thread::sleep(Duration::from_millis(random.below(12 * round + 1) as u64));
        let (code, text) = watching.stop();
        assert_eq!(code, 0, "round {round}: {text}");
        assert!(!text.contains("panicked"), "round {round}: {text}");
    }
    home.ends_as_it_is();
}

/// What the log says the last state is.
fn last_state(home: &Home) -> String {
    let lines = home.json(&["timeline", "tree"]);
    let last = lines.iter().rev().find(|line| line["type"] == "point");
    last.unwrap()["id"].as_str().unwrap().to_owned()
}

#[test]
fn what_was_written_before_a_stop_is_in_the_last_point() {
    let home = Home::with_repository();
    home.write("tree/a", "1");
    for round in 0..4 {
        let mut watching = home.watch(&["--every", "600"]);
        watching.ready();
        home.shell(&format!(
            "mkdir -p d{round}; for i in $(seq 50); do echo {round} $i > d{round}/f$i; done; rm -f a; echo > a{round}"
        ));
        let (code, text) = watching.stop();
        assert_eq!(code, 0, "round {round}: {text}");
        let restored = home.restored(&last_state(&home), "the last state");
        home.live().assert_same(&restored, "written before a stop");
    }
    home.ok(&["check"], "afterwards");
}

#[test]
fn a_loss_just_before_a_stop_is_judged() {
    let home = Home::with_repository();
    home.shell("for i in $(seq 80); do echo content $i of its own > f$i; done");
    let mut watching = home.watch(&["--every", "600"]);
    watching.ready();
    home.shell("rm -f f*");
    assert_eq!(watching.stop().0, 0);
    let incidents = home.json(&["incidents"]);
    let alarms = incidents.iter().filter(|line| line["level"] == "alarm");
    assert_eq!(alarms.count(), 1, "{incidents:?}");
}
