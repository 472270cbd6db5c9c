//! From a mass deletion under a watcher to its undo, and back.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{BALANCERS, Stage, balancer, config, of_type, summary};
use crate::schema;

/// Stage, watcher, and the alarm: every balancer was deleted after some work.
fn with_alarm() -> Option<(Stage, crate::watching::Watching, Value)> {
    let stage = Stage::new()?;
    let mut watching = stage.watch();
    stage.put(&balancer(1), "scaled");
    let point = watching.wait_for("point", 0);
    assert_eq!(point["changes"], 1, "{point}");
    assert_eq!(point["revision"], stage.store.revision().unwrap());
    stage.delete_balancers();
    let alarm = watching.wait_for("incident", 0);
    Some((stage, watching, alarm))
}

#[test]
fn a_mass_deletion_is_found_and_taken_back() {
    let Some((stage, watching, alarm)) = with_alarm() else {
        return;
    };
    let (home, url) = (&stage.home, stage.url());
    assert_eq!(alarm["level"], "alarm", "{alarm}");
    assert_eq!(alarm["deleted"], BALANCERS, "{alarm}");
    let listed = home.list(&["incidents"], 0);
    for (name, value) in [("id", &alarm["id"]), ("before", &alarm["before"])] {
        assert_eq!(&listed[0][name], value, "{name}");
    }
    assert_eq!(listed[0]["source"], url);
    let good = listed[0]["before_revision"].as_u64().unwrap();
    assert_eq!(good + 1, listed[0]["after_revision"].as_u64().unwrap());
    let text = home.ok(&["incidents"]);
    assert!(
        text.contains(&format!("last good revision {good}")),
        "{text}"
    );
    assert_eq!(home.json(&["status"], 1).len(), 2);

    // The control plane goes on, and its work stays.
    stage.put("/zones/03", "scaled");
    stage.put("/lb/new", "later");
    let number = listed[0]["id"].to_string();
    let planned = home.json(&["undo", "--incident", &number, "--dry-run"], 0);
    assert_eq!(stage.count("/lb/"), 1, "a dry run does nothing");
    assert_eq!(summary(&planned)["dry_run"], true);
    let done = home.json(&["undo", "--incident", &number, "--yes"], 0);
    assert_eq!(summary(&done)["restored"], summary(&planned)["restored"]);
    assert_eq!(stage.get(&balancer(1)).as_deref(), Some("scaled"));
    assert_eq!(stage.get("/zones/03").as_deref(), Some("scaled"));
    assert_eq!(stage.get("/lb/new").as_deref(), Some("later"));
    assert_eq!(stage.get(&balancer(7)), Some(config(7)));
    assert_eq!(stage.count("/lb/"), BALANCERS as u64 + 1);
    home.json(&["status"], 0);
    assert_eq!(home.list(&["ops"], 0)[0]["incident"], listed[0]["id"]);

    // Redo, and the undo of that.
    home.json(&["undo", "--op", "1", "--yes"], 0);
    assert_eq!(stage.count("/lb/"), 1);
    home.json(&["undo", "--op", "2", "--yes"], 0);
    assert_eq!(stage.count("/lb/"), BALANCERS as u64 + 1);
    let said = watching.said();
    let (code, text) = watching.stop();
    assert_eq!(code, 0, "{text}");
    for (_, line) in said {
        schema::check(&line);
    }
    home.ok(&["check"]);
}

#[test]
fn the_timeline_names_revisions() {
    let Some((stage, watching, alarm)) = with_alarm() else {
        return;
    };
    let (home, url) = (&stage.home, stage.url());
    let timeline = home.list(&["timeline", &url], 0);
    let points = of_type(&timeline, "point");
    let revision = stage.store.revision().unwrap();
    assert_eq!(points[0]["revision"], revision - 1, "{timeline:?}");
    assert_eq!(of_type(&timeline, "incident")[0]["source"], url);
    let shown = home.json(&["incidents", "show", "1"], 0);
    assert_eq!(of_type(&shown, "key").len(), BALANCERS);

    // Points and revisions name the same states.
    let before = alarm["before"].as_str().unwrap();
    let (good, bad) = (format!("rev:{}", revision - 1), format!("rev:{revision}"));
    let by_revision = home.json(&["diff", &good, &bad, "--source", &url], 0);
    let by_point = home.json(&["diff", before, &bad, "--source", &url], 0);
    assert_eq!(by_revision, by_point);
    assert_eq!(of_type(&by_point, "change").len(), BALANCERS);
    let key = stage.url_of(&balancer(1));
    let versions = home.list(&["log", &key], 0);
    let told = |line: &Value| (line["change"].clone(), line["revision"].as_i64().unwrap());
    let told: Vec<_> = versions.iter().map(told).collect();
    let expected = [
        ("deleted".into(), revision),
        ("changed".into(), revision - 1),
        ("created".into(), revision - 2),
    ];
    assert_eq!(told, expected);
    assert_eq!(watching.stop().0, 0);
}

#[test]
fn a_killed_watcher_goes_on_where_it_was() {
    let Some(stage) = Stage::new() else { return };
    let mut watching = stage.watch();
    stage.put(&balancer(1), "seen");
    watching.wait_for("point", 0);
    let last = watching.last_point().unwrap();
    watching.kill();
    assert!(watching.has_ended());
    stage.put(&balancer(2), "while nobody watched");
    let mut watching = stage.watch();
    assert_eq!(watching.ready()["resumed"], true);
    let point = watching.wait_for("point", 0);
    assert_eq!(
        (&point["changes"], &point["blurred"]),
        (&1.into(), &false.into())
    );
    let now = point["id"].as_str().unwrap();
    let changes = stage.home.json(&["diff", &last, now], 0);
    let changes = of_type(&changes, "change");
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(changes[0]["path"], "lb/lb-00002");
    // Two at once would tell of everything twice.
    let ran = stage.home.run(&["watch", &stage.url()]);
    assert_eq!(ran.code, 11, "{}", ran.stderr);
    assert_eq!(watching.stop().0, 0);
}

#[test]
fn a_span_of_revisions_is_taken_back_in_part() {
    let Some(stage) = Stage::new() else { return };
    let before = stage.backup();
    stage.delete_balancers();
    stage.put("/zones/01", "down");
    let after = stage.backup();
    stage.put("/zones/02", "later");
    let lines = stage.undo_between((before, after), &["--path", "lb/**", "--yes"], 0);
    assert_eq!(summary(&lines)["restored"], BALANCERS);
    assert_eq!(stage.count("/lb/"), BALANCERS as u64);
    assert_eq!(stage.get("/zones/01").as_deref(), Some("down"));
    let lines = stage.undo_between((before, after), &["--path", "/zones/*", "--yes"], 0);
    assert_eq!(summary(&lines)["restored"], 1);
    assert_eq!(stage.get("/zones/01").as_deref(), Some("healthy"));
    assert_eq!(stage.get("/zones/02").as_deref(), Some("later"));
    let again = stage.undo_between((before, after), &["--yes"], 0);
    assert_eq!(summary(&again)["restored"], 0, "{again:?}");
}

#[test]
fn a_key_goes_back_by_one_point() {
    let Some(stage) = Stage::new() else { return };
    let mut watching = stage.watch();
    let key = stage.url_of(&balancer(1));
    for (at, value) in ["second", "garbage"].into_iter().enumerate() {
        stage.put(&balancer(1), value);
        watching.wait_for("point", at);
    }
    stage.home.json(&["undo", &key, "--yes"], 0);
    assert_eq!(stage.get(&balancer(1)).as_deref(), Some("second"));
    stage.store.delete(balancer(3).as_bytes()).unwrap();
    let gone = stage.home.run(&["deleted", &stage.url()]);
    let way = format!("recoup undo {}", stage.url_of(&balancer(3)));
    assert!(gone.stderr.contains(&way), "{}", gone.stderr);
    stage
        .home
        .json(&["undo", &stage.url_of(&balancer(3)), "--yes"], 0);
    assert_eq!(stage.get(&balancer(3)), Some(config(3)));
    assert_eq!(watching.stop().0, 0);
}

/// What is there for directories is there for stores.
#[test]
fn other_commands_take_a_store() {
    let Some((stage, watching, _)) = with_alarm() else {
        return;
    };
    let (home, url) = (&stage.home, stage.url());
    home.write("tree/file", "text");
    home.ok(&["backup", "tree"]);
    assert_eq!(home.list(&["deleted", &url], 0).len(), BALANCERS);
    assert_eq!(
        home.list(&["find", "lb-00007", "--all-snapshots"], 0).len(),
        1
    );
    home.json(&["pin", "latest", &url], 0);
    home.json(&["unpin", "latest", &url], 0);
    home.json(&["stats"], 0);
    let whole = home.json(
        &["undo", &url, "--incident", "1", "--dry-run", "--rate", "10"],
        0,
    );
    let about = summary(&whole)["estimated_ms"].as_u64().unwrap();
    assert!(about >= 12_000, "{about}");
    home.json(
        &["incidents", "dismiss", "1", &url, "--reason", "a drill"],
        0,
    );
    home.json(&["status"], 0);
    assert_eq!(watching.stop().0, 0);
}

#[test]
fn a_rate_is_kept() {
    let Some(stage) = Stage::new() else { return };
    let before = stage.backup();
    stage.delete_balancers();
    let after = stage.backup();
    let began = Instant::now();
    stage.undo_between((before, after), &["--rate", "60", "--yes"], 0);
    let took = began.elapsed();
    // The first second's worth may go at once.
    assert!(took >= Duration::from_millis(900), "{took:?}");
    assert_eq!(stage.count("/lb/"), BALANCERS as u64);
}

#[test]
fn what_has_a_lease_is_not_brought_back() {
    let Some(stage) = Stage::new() else { return };
    let lease = stage.store.grant_lease(600).unwrap();
    stage.store.put(b"/lb/lock", b"mine", lease).unwrap();
    let before = stage.backup();
    stage.store.delete_prefix(b"/lb/").unwrap();
    let after = stage.backup();
    let lines = stage.undo_between((before, after), &["--yes"], 0);
    assert_eq!(stage.get("/lb/lock"), None, "two could hold the lock");
    assert_eq!(stage.count("/lb/"), BALANCERS as u64);
    assert_eq!(summary(&lines)["restored"], BALANCERS);
}
