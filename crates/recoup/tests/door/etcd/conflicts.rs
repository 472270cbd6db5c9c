//! Keys that somebody changed after the event.

use super::{BALANCERS, Stage, balancer, config, of_type, summary};

/// Two revisions: before and after the event, with work since on two of its keys.
fn with_work_since() -> Option<(Stage, (u64, u64))> {
    let stage = Stage::new()?;
    let before = stage.backup();
    for at in 0..BALANCERS {
        stage.put(&balancer(at), "garbage");
    }
    let after = stage.backup();
    stage.put(&balancer(1), "repaired by hand");
    stage.store.delete(balancer(2).as_bytes()).unwrap();
    Some((stage, (before, after)))
}

#[test]
fn conflicts_are_listed_and_decided() {
    let Some((stage, span)) = with_work_since() else {
        return;
    };
    let home = &stage.home;
    let strict = stage.undo_between(span, &["--strict", "--yes"], 8);
    assert_eq!(summary(&strict)["op"], serde_json::Value::Null);
    assert_eq!(stage.get(&balancer(9)).as_deref(), Some("garbage"));

    let done = stage.undo_between(span, &["--yes"], 8);
    assert_eq!(summary(&done)["conflicts"], 2, "{:?}", summary(&done));
    assert_eq!(summary(&done)["restored"], BALANCERS - 2);
    assert_eq!(stage.get(&balancer(9)), Some(config(9)));
    assert_eq!(stage.get(&balancer(1)).as_deref(), Some("repaired by hand"));
    assert_eq!(stage.get(&balancer(2)), None);

    let open = home.json(&["conflicts"], 8);
    assert_eq!(of_type(&open, "conflict").len(), 2);
    assert_eq!(home.json(&["conflicts", "1"], 8), open);
    home.json(&["resolve", "1", "lb/lb-00001", "--keep"], 0);
    assert_eq!(stage.get(&balancer(1)).as_deref(), Some("repaired by hand"));
    let whole = stage.url_of(&balancer(2));
    home.json(&["resolve", "1", &whole, "--take"], 0);
    assert_eq!(stage.get(&balancer(2)), Some(config(2)));
    home.json(&["conflicts"], 0);

    // What was decided can be taken back, as everything can.
    home.json(&["undo", "--op", "3", "--yes"], 0);
    assert_eq!(stage.get(&balancer(2)), None);
}

#[test]
fn there_is_no_place_beside_a_key() {
    let Some((stage, span)) = with_work_since() else {
        return;
    };
    stage.undo_between(span, &["--yes"], 8);
    let ran = stage.home.run(&["resolve", "1", "--all", "--both"]);
    assert!(ran.code != 0 && ran.code != 101, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("--keep") && ran.stderr.contains("--take"),
        "{}",
        ran.stderr
    );
    assert_eq!(stage.get(&balancer(1)).as_deref(), Some("repaired by hand"));
    assert_eq!(
        of_type(&stage.home.json(&["conflicts"], 8), "conflict").len(),
        2
    );
}

#[test]
fn documents_are_merged_where_that_is_asked_for() {
    let Some(stage) = Stage::empty() else { return };
    let document = |port: u32, zone: &str| {
        format!("{{\n  \"port\": {port},\n  \"owner\": \"ann\",\n  \"zone\": \"{zone}\"\n}}\n")
    };
    stage.put("/lb/a", &document(443, "east"));
    let before = stage.backup();
    stage.put("/lb/a", &document(0, "east"));
    let after = stage.backup();
    stage.put("/lb/a", &document(0, "west"));
    let lines = stage.undo_between((before, after), &["--content-merge", "auto", "--yes"], 0);
    assert_eq!(summary(&lines)["merged"], 1, "{lines:?}");
    assert_eq!(stage.get("/lb/a"), Some(document(443, "west")));
}
