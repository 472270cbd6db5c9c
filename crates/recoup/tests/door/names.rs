//! Snapshots named by id, place in the row, and time.

use crate::home::Home;

#[test]
fn snapshots_are_found_by_time() {
    let home = Home::with_backup();
    home.write("tree/report.odt", "second\n");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    home.ok(&["backup", "tree"]);
    let list = home.list(&["snapshots"], 0);
    let restore = |name: &str| {
        let _ = std::fs::remove_dir_all(home.path("out"));
        home.ok(&["restore", &format!("{name}:report.odt"), "--to", "out"]);
        home.read("out/report.odt")
    };
    for (line, content) in list.iter().zip(["first\n", "second\n"]) {
        assert_eq!(restore(&line["id"].as_str().unwrap()[..8]), content);
        assert_eq!(
            restore(&format!("@{}", line["time"].as_str().unwrap())),
            content
        );
    }
    assert_eq!(restore("latest"), "second\n");
    assert_eq!(restore("latest~1"), "first\n");
    assert_eq!(restore("@now"), "second\n");
    // The table shows local time, to the second, and what it shows is understood.
    let table = home.ok(&["snapshots"]);
    for (row, content) in table.lines().skip(1).zip(["first\n", "second\n"]) {
        let words: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(restore(&format!("@{} {}", words[1], words[2])), content);
        assert_eq!(restore(&format!("@{}T{}", words[1], words[2])), content);
    }
    let ran = home.run(&["ls", "@2001-01-01"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("all snapshots are younger"),
        "{}",
        ran.stderr
    );
}

#[test]
fn an_absolute_path_finds_its_source() {
    let home = Home::with_backup();
    home.write("other/x", "1");
    home.ok(&["backup", "other"]);
    let place = format!("latest:{}", home.path("tree/letters").display());
    assert_eq!(home.list(&["ls", &place], 0)[0]["path"], "letters/2026");
    let nowhere = format!("latest:{}", home.path("nowhere").display());
    let ran = home.run(&["ls", &nowhere]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("no source holds"), "{}", ran.stderr);
}

#[test]
fn settings_come_from_file_environment_and_flags() {
    let mut home = Home::new();
    home.make_tree();
    let repository = home.path("a place/repo");
    let config = format!(
        "repo = {:?}\nexclude = [\"*.odt\"]\n",
        repository.display().to_string()
    );
    home.write(".config/recoup/config.toml", config);
    home.ok(&["init"]);
    home.ok(&["backup", "tree"]);
    assert!(home.list(&["find", "*.odt"], 0).is_empty());
    home.set("RECOUP_EXCLUDE", "big");
    home.ok(&["backup", "tree"]);
    assert_eq!(home.list(&["find", "*.odt"], 0).len(), 2);
    assert!(home.list(&["find", "big"], 0).is_empty());
    let shown = home.ok(&["config", "show"]);
    assert!(shown.contains("(config file)"), "{shown}");
}
