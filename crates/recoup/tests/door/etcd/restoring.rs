//! A whole state goes into another store, which must hold nothing of it.

use super::{BALANCERS, Stage, balancer, config, summary};

#[test]
fn a_state_goes_into_an_empty_store() {
    let Some(stage) = Stage::new() else { return };
    let Some(other) = Stage::empty() else { return };
    let lease = stage.store.grant_lease(600).unwrap();
    stage.store.put(b"/lock", b"mine", lease).unwrap();
    let (url, to) = (stage.url(), other.url());
    stage.backup();
    let words = ["restore", "latest", "--source", &url, "--to", &to];
    let planned = stage.home.json(&[&words[..], &["--dry-run"]].concat(), 0);
    assert_eq!(other.count(""), 0, "a dry run writes nothing");
    assert_eq!(summary(&planned)["keys"], BALANCERS + 30);
    let lines = stage.home.json(&words, 0);
    let keys = BALANCERS + 30;
    for (name, value) in [("keys", keys), ("leased", 1)] {
        assert_eq!(summary(&lines)[name], value, "{:?}", summary(&lines));
    }
    assert_eq!(summary(&lines)["target"], to);
    assert_eq!(summary(&lines)["revision"], other.store.revision().unwrap());
    assert_eq!(other.count(""), keys as u64);
    assert_eq!(other.get(&balancer(3)), Some(config(3)));
    assert_eq!(other.get("/lock"), None);

    let ran = stage.home.run(&words);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("it holds 150 keys"), "{}", ran.stderr);
    assert!(ran.stderr.contains("recoup undo"), "{}", ran.stderr);
    let last = stage.home.json(&words, 1).pop().unwrap();
    assert_eq!(last["type"], "error");
}

#[test]
fn a_part_goes_beneath_its_prefix() {
    let Some(stage) = Stage::new() else { return };
    let Some(other) = Stage::empty() else { return };
    stage.backup();
    other.put("/own", "work");
    let to = other.url_of("/zones/");
    stage
        .home
        .json(&["restore", "latest:/zones", "--to", &to], 0);
    assert_eq!(other.count("/zones/"), 30);
    assert_eq!(other.get("/own").as_deref(), Some("work"));
    // A key keeps its name: what lies elsewhere has no place there.
    let to = other.url_of("/elsewhere/");
    let ran = stage.home.run(&["restore", "latest:/lb", "--to", &to]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("lies outside"), "{}", ran.stderr);
    assert_eq!(other.count("/elsewhere/"), 0);
}

#[test]
fn a_store_and_a_directory_are_not_mixed_up() {
    let Some(stage) = Stage::new() else { return };
    let (home, url) = (&stage.home, stage.url());
    stage.backup();
    home.write("tree/file", "text");
    home.ok(&["backup", "tree"]);
    let ran = home.run(&["restore", "latest", "--source", &url, "--to", "directory"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    let to = stage.url_of("/empty/");
    let ran = home.run(&["restore", "latest", "--source", "tree", "--to", &to]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    let ran = home.run(&["restore", "latest", "--source", &url]);
    assert_eq!(ran.code, 2, "in place: {}", ran.stderr);
    assert!(ran.stderr.contains("recoup undo"), "{}", ran.stderr);
}
