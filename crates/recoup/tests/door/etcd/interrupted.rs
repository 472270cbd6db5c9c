//! An undo that is killed on its way is finished, or taken back.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::{BALANCERS, Stage, balancer, config, summary};

/// Kills an undo that has written some of the keys, and not all.
fn killed_on_its_way() -> Option<Stage> {
    let stage = Stage::new()?;
    let before = stage.backup();
    stage.delete_balancers();
    let after = stage.backup();
    let (url, before, after) = (stage.url(), before.to_string(), after.to_string());
    let words = [
        "undo", &url, "--before", &before, "--after", &after, "--yes",
    ];
    let slowly = ["--rate", "20"];
    let mut command = stage.home.command(&[&words[..], &slowly].concat());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut undo: Child = command.spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(30);
    while stage.count("/lb/") == 0 {
        assert!(Instant::now() < end, "nothing was written");
        std::thread::sleep(Duration::from_millis(10));
    }
    undo.kill().unwrap();
    undo.wait().unwrap();
    let written = stage.count("/lb/");
    assert!((1..BALANCERS as u64).contains(&written), "{written}");
    Some(stage)
}

#[test]
fn it_is_finished() {
    let Some(stage) = killed_on_its_way() else {
        return;
    };
    let home = &stage.home;
    assert_eq!(home.list(&["ops"], 0)[0]["status"], "interrupted");
    let url = stage.url();
    let refused = home.run(&["undo", &url, "--since", "latest~1", "--yes"]);
    assert_eq!(refused.code, 8, "{}", refused.stderr);
    assert!(refused.stderr.contains("--resume"), "{}", refused.stderr);
    let done = home.json(&["undo", "--resume"], 0);
    assert_eq!(summary(&done)["restored"], BALANCERS, "{done:?}");
    assert_eq!(stage.count("/lb/"), BALANCERS as u64);
    assert_eq!(stage.get(&balancer(5)), Some(config(5)));
    assert_eq!(home.list(&["ops"], 0)[0]["status"], "done");
    home.ok(&["check"]);
}

#[test]
fn it_is_taken_back() {
    let Some(stage) = killed_on_its_way() else {
        return;
    };
    let home = &stage.home;
    // Somebody wrote meanwhile: that stays.
    stage.put(&balancer(0), "made by hand");
    home.json(&["undo", "--resume", "--abort"], 8);
    assert_eq!(stage.count("/lb/"), 1);
    assert_eq!(stage.get(&balancer(0)).as_deref(), Some("made by hand"));
    assert_eq!(home.list(&["ops"], 0)[0]["status"], "rolled-back");
}
