//! Snapshots of a store, and what is seen in them.

use serde_json::Value;

use super::{BALANCERS, Stage, balancer, of_type, summary};
use crate::watching::Watching;

#[test]
fn a_store_is_backed_up_and_read() {
    let Some(stage) = Stage::new() else { return };
    let (home, url) = (&stage.home, stage.url());
    let lines = home.json(&["backup", &url, "--tag", "nightly"], 0);
    let made = of_type(&lines, "snapshot-made")[0];
    assert_eq!(made["files"], BALANCERS + 30, "{made}");
    assert_eq!(made["source"], url, "{made}");
    assert_eq!(made["errors"], 0);
    stage.put(&balancer(1), "changed");
    stage.put("/new", "");
    stage.store.delete(balancer(2).as_bytes()).unwrap();
    home.json(&["backup", &url], 0);
    assert_eq!(home.list(&["snapshots", "--source", &url], 0).len(), 2);
    assert_eq!(home.list(&["snapshots", "--tag", "nightly"], 0).len(), 1);

    let listed = home.list(&["ls", "latest~1", "--source", &url, "-r"], 0);
    assert_eq!(listed.len(), BALANCERS + 30);
    assert_eq!(
        home.list(&["ls", "latest:/lb", "-r"], 0).len(),
        BALANCERS - 1
    );
    assert_eq!(
        home.list(&["ls", "latest:lb", "-r"], 0).len(),
        BALANCERS - 1
    );

    let changes = home.json(&["diff", "latest~1", "latest", "--source", &url], 0);
    assert_changes(&changes);
    let live = home.json(&["diff", "latest~1", "live", "--source", &url], 0);
    assert_changes(&live);
    let revision = stage.store.revision().unwrap() - 3;
    let at = format!("rev:{revision}");
    assert_changes(&home.json(&["diff", &at, "latest", "--source", &url], 0));
    home.ok(&["check", "--read-data"]);
}

/// One key changed, one made, one gone.
fn assert_changes(lines: &[Value]) {
    let mut changes: Vec<(&str, &str)> = of_type(lines, "change")
        .iter()
        .map(|line| {
            (
                line["path"].as_str().unwrap(),
                line["change"].as_str().unwrap(),
            )
        })
        .collect();
    changes.sort_unstable();
    let expected = [
        ("lb/lb-00001", "changed"),
        ("lb/lb-00002", "deleted"),
        ("new", "created"),
    ];
    assert_eq!(changes, expected);
}

fn versions(stage: &Stage, more: &[&str]) -> Vec<(String, String)> {
    let url = stage.url_of(&balancer(1));
    let lines = stage.home.list(&[&["log", &url], more].concat(), 0);
    let version = |line: &Value| {
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        (text("host"), text("change"))
    };
    lines.iter().map(version).collect()
}

#[test]
fn versions_of_a_key_are_told_apart_by_machine() {
    let Some(stage) = Stage::new() else { return };
    let (home, url) = (&stage.home, stage.url());
    home.ok(&["backup", &url, "--host", "one", "--tag", "x"]);
    stage.put(&balancer(1), "second");
    home.ok(&["backup", &url, "--host", "two"]);
    stage.put(&balancer(1), "third");
    home.ok(&["backup", &url, "--host", "one"]);
    let pair = |host: &str, change: &str| (host.to_owned(), change.to_owned());
    let of_one = [pair("one", "changed"), pair("one", "created")];
    let of_two = [pair("two", "created")];
    assert_eq!(versions(&stage, &["--host", "one"]), of_one);
    assert_eq!(versions(&stage, &["--host", "two"]), of_two);
    assert_eq!(versions(&stage, &["--tag", "x"]), [pair("one", "created")]);
    assert_eq!(versions(&stage, &["--source", &url]).len(), 3);
    let mut all = versions(&stage, &[]);
    all.sort();
    assert_eq!(all, [of_one.to_vec(), of_two.to_vec()].concat());
    let text = home.ok(&["log", &stage.url_of(&balancer(1))]);
    assert!(text.contains(&format!("one:{url}")), "{text}");
    let none = home.run(&["log", &stage.url_of(&balancer(1)), "--host", "three"]);
    assert_eq!(none.code, 1, "{}", none.stdout);
}

#[test]
fn a_prefix_is_a_source_of_its_own() {
    let Some(stage) = Stage::new() else { return };
    let (home, url) = (&stage.home, stage.url_of("/zones/"));
    let lines = home.json(&["backup", &url], 0);
    assert_eq!(of_type(&lines, "snapshot-made")[0]["files"], 30);
    stage.put("/zones/07", "broken");
    stage.put(&balancer(3), "other work");
    let key = stage.url_of("/zones/07");
    home.json(&["undo", &key, "--yes"], 0);
    assert_eq!(stage.get("/zones/07").as_deref(), Some("healthy"));
    assert_eq!(stage.get(&balancer(3)).as_deref(), Some("other work"));
    let versions = home.ok(&["log", &key]);
    assert!(versions.contains("created"), "{versions}");
    let ran = home.run(&["undo", &stage.url_of("/zones/no"), "--yes"]);
    assert!(
        ran.stderr.contains(&stage.url_of("/zones/no:")),
        "{}",
        ran.stderr
    );
}

/// However a place is written, it is the same: with a slash at its end it is what is beneath it.
#[test]
fn places_are_named_with_and_without_a_slash() {
    let Some(stage) = Stage::new() else { return };
    let (home, zones) = (&stage.home, stage.url_of("/zones/"));
    home.json(&["backup", &zones], 0);
    home.json(&["backup", &stage.url()], 0);
    let broken = |keys: [&str; 2]| keys.iter().for_each(|key| stage.put(key, "broken"));
    for place in [zones.as_str(), &stage.url_of("/zones"), &stage.url()] {
        broken(["/zones/01", "/zones/02"]);
        let done = home.json(&["undo", place, "--since", "latest", "--yes"], 0);
        assert_eq!(summary(&done)["restored"], 2, "{place}");
        assert_eq!(
            stage.get("/zones/01").as_deref(),
            Some("healthy"),
            "{place}"
        );
        let ran = home.run(&["undo", place, "--yes"]);
        assert_eq!(ran.code, 2, "{place}: {}", ran.stderr);
    }
    for place in ["latest:/lb/", "latest:/lb"] {
        let listed = home.list(&["ls", place, "--source", &stage.url()], 0);
        assert_eq!(listed.len(), BALANCERS, "{place}");
    }
    let mut watching = Watching::start(home.command(&["watch", &zones, "--json"]));
    watching.ready();
    broken(["/zones/01", "/lb/lb-00001"]);
    let point = watching.wait_for("point", 0);
    assert_eq!(point["changes"], 1, "the other key is not of this source");
    let timeline = home.list(&["timeline", &zones], 0);
    assert_eq!(of_type(&timeline, "point").len(), 1, "{timeline:?}");
    assert_eq!(watching.stop().0, 0);
}

/// What an etcd may hold that a directory may not.
#[test]
fn odd_keys_and_values_come_back() {
    let Some(stage) = Stage::empty() else { return };
    let odd: [(&[u8], &[u8]); 6] = [
        (b"/a", b"a key"),
        (b"/a/b", b"and one beneath it"),
        (b"/a//b", b""),
        (b"no slash", b"\x00\xff"),
        (b"\xff\x00/..", b"binary"),
        (b"/large", &[b'x'; 1_000_000]),
    ];
    for (key, value) in odd {
        stage.store.put(key, value, 0).unwrap();
    }
    stage.backup();
    let (home, url) = (&stage.home, stage.url());
    assert_eq!(home.list(&["ls", "latest", "-r"], 0).len(), odd.len());
    stage.store.delete_prefix(b"").unwrap();
    home.json(&["undo", &url, "--since", "latest", "--yes"], 0);
    for (key, value) in odd {
        let found = stage.store.get(key, None).unwrap();
        assert_eq!(found.unwrap().value, value, "{}", key.escape_ascii());
    }
}
