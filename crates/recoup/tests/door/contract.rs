//! What scripts rely on.

use crate::home::Home;

#[test]
fn backup_ends_with_a_summary() {
    let home = Home::new();
    home.make_tree();
    let lines = home.json(&["backup", "tree", "--tag", "b", "--tag", "a"], 0);
    let types: Vec<_> = lines
        .iter()
        .map(|line| line["type"].as_str().unwrap())
        .collect();
    assert_eq!(types, ["init", "snapshot-made", "summary"]);
    let summary = lines.last().unwrap();
    assert_eq!(summary["files"], 6);
    assert_eq!(summary["bytes"], 6 + 7 + 3_000_000 + 1);
    assert_eq!(summary["errors"], 0);
    let list = home.list(&["snapshots"], 0);
    assert_eq!(list.len(), 1);
    assert_eq!(list[0]["id"], summary["snapshot"]);
    assert_eq!(list[0]["source"], home.path("tree").to_str().unwrap());
    assert_eq!(list[0]["tags"], serde_json::json!(["a", "b"]));
    assert_eq!(list[0]["partial"], false);
    assert!(home.list(&["snapshots", "--tag", "c"], 0).is_empty());
}

#[test]
fn each_path_is_a_source_of_its_own() {
    let home = Home::with_backup();
    home.write("other/x", "1");
    let lines = home.json(&["backup", "tree", "other"], 0);
    let made = lines
        .iter()
        .filter(|line| line["type"] == "snapshot-made")
        .count();
    assert_eq!(made, 2);
    let summary = lines.last().unwrap();
    assert_eq!(summary["snapshots"].as_array().unwrap().len(), 2);
    assert_eq!(summary["snapshot"], summary["snapshots"][1]);
    let dry = home.summary(&["backup", "tree", "--dry-run"], 0);
    assert!(dry["snapshot"].is_null());
    assert_eq!(home.list(&["snapshots", "--source", "tree"], 0).len(), 2);
    assert_eq!(home.list(&["ls", "--source", "tree"], 0).len(), 7);
    assert_eq!(home.list(&["ls"], 0).len(), 1);
}

#[test]
fn ls_tells_paths_as_they_are() {
    let home = Home::with_backup();
    let lines = home.list(&["ls", "-r", "latest"], 0);
    let paths: Vec<_> = lines
        .iter()
        .map(|line| line["path"].as_str().unwrap())
        .collect();
    assert!(paths.contains(&"letters/2026/a.odt"), "{paths:?}");
    let odd = lines
        .iter()
        .find(|line| !line["path_b64"].is_null())
        .unwrap();
    assert_eq!(odd["path_b64"], "b2Rk/wobWzJK");
    let link = lines.iter().find(|line| line["path"] == "link").unwrap();
    assert_eq!(link["target"], "report.odt");
    let shown = home.ok(&["ls", "latest"]);
    assert!(shown.contains("odd\\xff\\n\\u{1b}[2J"), "{shown}");
    let below = home.list(&["ls", "latest:letters"], 0);
    assert_eq!(below[0]["path"], "letters/2026");
}

#[test]
fn diff_log_and_find_agree() {
    let home = Home::with_backup();
    home.write("tree/report.odt", "second, longer\n");
    home.write("tree/new", "n");
    std::fs::remove_file(home.path("tree/big")).unwrap();
    let live = home.list(&["diff", "latest"], 0);
    home.ok(&["backup", "tree"]);
    let stored = home.list(&["diff", "latest~1", "latest"], 0);
    assert_eq!(live, stored);
    let change = |path: &str| {
        let line = stored.iter().find(|line| line["path"] == path);
        line.map(|line| line["change"].as_str().unwrap().to_owned())
    };
    assert_eq!(change("report.odt").as_deref(), Some("changed"));
    assert_eq!(change("new").as_deref(), Some("created"));
    assert_eq!(change("big").as_deref(), Some("deleted"));
    assert_eq!(change("link"), None);
    assert_eq!(
        home.list(&["diff", "latest~1", "latest", "letters"], 0)
            .len(),
        0
    );
    let stat = home.summary(&["diff", "--stat", "latest~1", "latest"], 0);
    assert_eq!((&stat["created"], &stat["deleted"]), (&1.into(), &1.into()));

    let log = home.list(&["log", "tree/report.odt"], 0);
    let words: Vec<_> = log
        .iter()
        .map(|line| line["change"].as_str().unwrap())
        .collect();
    assert_eq!(words, ["changed", "created"]);
    let log = home.list(&["log", "tree/big"], 0);
    assert_eq!(log[0]["change"], "deleted");
    home.ok(&["backup", "tree"]);
    let log = home.list(&["log", "tree/report.odt"], 0);
    assert_eq!((log.len(), &log[0]["snapshots"]), (2, &2.into()));
    assert_eq!(home.run(&["log", "tree/never"]).code, 1);

    let found = home.list(&["find", "*.odt"], 0);
    let paths: Vec<_> = found
        .iter()
        .map(|line| line["path"].as_str().unwrap())
        .collect();
    assert_eq!(paths, ["letters/2026/a.odt", "report.odt"]);
    assert_eq!(home.list(&["find", "--all-snapshots", "big"], 0).len(), 1);
}

#[test]
fn the_other_commands_speak_json_too() {
    let mut home = Home::with_backup();
    assert_eq!(
        home.summary(&["check", "--read-data", "--sample", "50%"], 0)["damaged"],
        0
    );
    assert_eq!(home.summary(&["stats"], 0)["snapshots"], 1);
    assert_eq!(home.list(&["key", "list"], 0).len(), 2);
    assert!(home.summary(&["key", "recovery-code"], 0)["recovery_code"].is_string());
    home.summary(&["repair", "index"], 0);
    home.summary(&["repair", "config"], 0);
    home.json(&["config", "show"], 0);
    home.json(&["config", "settings"], 0);
    home.json(&["config", "check"], 0);
    home.json(&["version"], 0);
    let summary = home.summary(&["restore", "latest", "--to", "new", "--verify"], 0);
    assert_eq!(
        (&summary["files"], &summary["errors"]),
        (&6.into(), &0.into())
    );
    home.set("RECOUP_REPO", home.path("elsewhere").to_str().unwrap());
    let created = home.json(&["init"], 0);
    assert_eq!(created[0]["type"], "init");
    assert!(home.list(&["snapshots"], 0).is_empty());
}

#[test]
fn manual_and_completions_are_written() {
    let home = Home::new();
    assert!(home.ok(&["man"]).contains(".TH"));
    home.ok(&["man", "--out", "man"]);
    assert!(home.read("man/recoup.1").contains("Exit codes"));
    assert!(home.path("man/recoup-key-add.1").exists());
    for shell in ["bash", "zsh", "fish"] {
        assert!(home.ok(&["completions", shell]).contains("snapshots"));
    }
}
