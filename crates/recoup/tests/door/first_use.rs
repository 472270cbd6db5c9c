//! From nothing to a restored file.

use crate::home::Home;

#[test]
fn two_commands_and_it_is_back() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    home.make_tree();
    let ran = home.run(&["backup", "tree"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("RECOUP-").count(), 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("same disk"), "{}", ran.stderr);
    let keys: Vec<_> = std::fs::read_dir(home.path(".config/recoup/keys"))
        .unwrap()
        .flatten()
        .collect();
    assert_eq!(keys.len(), 1);
    let mode = keys[0].metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    home.write("tree/report.odt", "broken\n");
    let stdout = home.ok(&["restore", "latest:report.odt"]);
    assert_eq!(home.read("tree/report.odt"), "first\n");
    // What was there is kept, and the way back is shown.
    let back = stdout.split("recoup restore ").nth(1).unwrap().trim_end();
    let back = back.lines().next().unwrap();
    home.ok(&["restore", back]);
    assert_eq!(home.read("tree/report.odt"), "broken\n");
}

#[test]
fn everything_comes_back_elsewhere() {
    let home = Home::with_backup();
    home.ok(&["restore", "latest", "--to", "new"]);
    home.same_trees("tree", "new");
    home.ok(&["restore", "latest:letters", "--to", "part"]);
    home.same_trees("tree/letters", "part");
    home.ok(&["restore", "latest:letters/2026/a.odt", "--to", "one"]);
    assert_eq!(home.read("one/a.odt"), "letter\n");
    let whole = home.path("tree/report.odt");
    let place = format!("latest:{}", whole.display());
    home.ok(&["restore", &place, "--to", "two"]);
    assert_eq!(home.read("two/report.odt"), "first\n");
}

#[test]
fn extra_files_are_kept_before_they_are_removed() {
    let home = Home::with_backup();
    home.write("tree/extra", "precious");
    let dry = home.json(&["restore", "latest", "--delete", "--dry-run"], 0);
    assert!(
        dry.iter()
            .any(|line| line["action"] == "delete" && line["path"] == "extra")
    );
    assert!(home.path("tree/extra").exists());
    let summary = home.summary(&["restore", "latest", "--delete"], 0);
    assert_eq!(summary["deleted"], 1);
    assert!(!home.path("tree/extra").exists());
    let safety = summary["safety_snapshot"].as_str().unwrap();
    let list = home.list(&["snapshots"], 0);
    assert!(
        list.iter()
            .any(|line| line["id"] == safety && line["safety"] == true)
    );
    // `latest` passes over it.
    let latest = home.list(&["ls", "latest"], 0);
    assert!(!latest.iter().any(|line| line["path"] == "extra"));
    home.ok(&["restore", &format!("{safety}:extra"), "--to", "kept"]);
    assert_eq!(home.read("kept/extra"), "precious");
}

#[test]
fn the_recovery_code_opens_the_repository() {
    let mut home = Home::new();
    home.make_tree();
    let lines = home.json(&["backup", "tree"], 0);
    let code = lines[0]["recovery_code"].as_str().unwrap().to_owned();
    std::fs::remove_dir_all(home.path(".config/recoup/keys")).unwrap();
    assert_eq!(home.run(&["snapshots"]).code, 12);
    home.set("RECOUP_PASSWORD", &code.to_lowercase());
    assert_eq!(home.list(&["snapshots"], 0).len(), 1);
}

#[test]
fn the_repository_does_not_back_itself_up() {
    let home = Home::with_backup();
    let summary = home.summary(&["backup", ".", "--exclude", "/tree"], 0);
    let id = summary["snapshot"].as_str().unwrap();
    let lines = home.list(&["ls", "-r", id], 0);
    let inside = |line: &&serde_json::Value| line["path"].as_str().unwrap().contains("repository/");
    assert_eq!(lines.iter().find(inside), None);
    assert!(lines.iter().all(|line| line["path"] != "tree"));
}

#[test]
fn a_first_dry_run_makes_nothing() {
    let home = Home::new();
    home.make_tree();
    let summary = home.summary(&["backup", "--dry-run", "tree"], 0);
    assert_eq!(
        (&summary["files"], &summary["dry_run"]),
        (&6.into(), &true.into())
    );
    assert!(summary["snapshot"].is_null());
    let ran = home.run(&["backup", "-n", "tree"]);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("There is no repository yet"), "{said}");
    assert!(said.contains("6 files"), "{said}");
    assert!(!home.path(".local").exists() && !home.path(".config").exists());
}

#[test]
fn several_first_backups_at_once_share_a_repository() {
    for _ in 0..4 {
        let home = Home::new();
        home.write("tree/x", "1");
        let children: Vec<_> = (0..8)
            .map(|_| {
                home.command(&["backup", "tree"])
                    .stdout(std::process::Stdio::piped())
                    .stderr(std::process::Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        let mut codes = 0;
        for child in children {
            let ran = crate::home::Ran::new(child.wait_with_output().unwrap());
            assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
            codes += ran.stderr.matches("RECOUP-").count();
        }
        assert_eq!(codes, 1, "one recovery code, of the one repository");
        assert_eq!(home.list(&["snapshots"], 0).len(), 8);
        assert_eq!(home.list(&["key", "list"], 0).len(), 2);
        let keys = crate::home::files_below(&home.path(".config/recoup/keys"));
        assert_eq!(keys.len(), 1, "{keys:?}");
        let slots = crate::home::files_below(&home.repository().join("keys"));
        assert_eq!(slots.len(), 2, "{slots:?}");
        home.ok(&["check"]);
    }
}

/// The loser of the race sees keys and no config yet.
#[test]
fn a_backup_waits_for_a_repository_that_is_being_made() {
    let home = Home::with_backup();
    let config = home.repository().join("config");
    let aside = home.path("config");
    std::fs::hard_link(&config, &aside).unwrap();
    std::fs::remove_file(&config).unwrap();
    let child = home
        .command(&["backup", "tree"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    std::fs::hard_link(&aside, &config).unwrap();
    let ran = crate::home::Ran::new(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn the_repository_is_no_source() {
    let home = Home::with_backup();
    for inner in ["", "/packs", "/config"] {
        let path = format!("{}{inner}", home.repository().display());
        let ran = home.run(&["backup", &path]);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains("is the repository"), "{}", ran.stderr);
    }
    home.ok(&["backup", ".local"]);
}
