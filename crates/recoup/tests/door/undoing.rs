//! Undo as scripts see it: the contract, the table of cases on a real directory, the way back.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use testkit::Picture;

use crate::home::Home;

/// What happens to a tree, told as a function.
type Deed = &'static dyn Fn(&Path);

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn snapshots(home: &Home) -> Vec<String> {
    let lines = home.list(&["snapshots"], 0);
    let id = |line: &Value| line["id"].as_str().unwrap().to_owned();
    let safety = |line: &&Value| !line["safety"].as_bool().unwrap();
    lines.iter().filter(safety).map(id).collect()
}

/// A tree before and after an event, backed up at both moments.
fn happened(before: Deed, event: Deed) -> Home {
    let home = Home::new();
    let tree = home.path("tree");
    std::fs::create_dir(&tree).unwrap();
    before(&tree);
    home.ok(&["backup", "tree"]);
    event(&tree);
    home.ok(&["backup", "tree"]);
    home
}

fn undo(home: &Home, more: &[&str], code: i32) -> Vec<Value> {
    let ids = snapshots(home);
    let fixed = ["undo", "tree", "--before", &ids[0], "--after", &ids[1]];
    home.json(&[&fixed, more].concat(), code)
}

fn of_type<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["type"] == kind).collect()
}

fn picture(home: &Home) -> Picture {
    let mut picture = Picture::take(&home.path("tree")).unwrap();
    for shot in picture.0.values_mut() {
        shot.holes.clear();
    }
    picture
}

/// Pictures without the times of directories, which follow from what is done in them.
fn assert_same(one: &Picture, two: &Picture, what: &str) {
    let names = |picture: &Picture| -> Vec<String> {
        let mut lines = Vec::new();
        for (key, shot) in &picture.0 {
            let mut shot = shot.clone();
            if shot.kind == "dir" {
                shot.mtime = (0, 0);
            }
            lines.push(format!("{} {shot:?}", key.escape_ascii()));
        }
        lines
    };
    assert_eq!(names(one), names(two), "{what}");
}

#[test]
fn the_contract_of_undo() {
    let home = happened(
        &|tree| {
            write(&tree.join("gone"), "one\n");
            write(&tree.join("bad"), "two\n");
            write(&tree.join("reused"), "three\n");
        },
        &|tree| {
            std::fs::remove_file(tree.join("gone")).unwrap();
            write(&tree.join("bad"), "garbage\n");
            std::fs::remove_file(tree.join("reused")).unwrap();
            write(&tree.join("made"), "by the event\n");
        },
    );
    write(&home.path("tree/reused"), "later work\n");
    write(&home.path("tree/later"), "later work\n");
    let planned = undo(&home, &["--dry-run"], 8);
    let again = undo(&home, &["--dry-run"], 8);
    assert_eq!(planned, again, "a plan is a value");
    let mut actions: Vec<(&str, &str)> = of_type(&planned, "step")
        .iter()
        .map(|step| {
            (
                step["path"].as_str().unwrap(),
                step["action"].as_str().unwrap(),
            )
        })
        .collect();
    actions.sort_unstable();
    let expected = [
        ("bad", "put-back"),
        ("gone", "restore"),
        ("made", "remove"),
        ("reused", "beside"),
    ];
    assert_eq!(actions, expected);
    assert_eq!(home.read("tree/bad"), "garbage\n", "a dry run does nothing");
    let strict = undo(&home, &["--strict", "--yes"], 8);
    assert_eq!(of_type(&strict, "summary")[0]["op"], Value::Null);
    assert_eq!(home.read("tree/bad"), "garbage\n", "strict does nothing");

    let before = picture(&home);
    let lines = undo(&home, &["--yes"], 8);
    let conflict = of_type(&lines, "conflict")[0];
    assert_eq!(
        (conflict["path"].as_str(), conflict["kind"].as_str()),
        (Some("reused"), Some("path-reused"))
    );
    let summary = of_type(&lines, "summary")[0].clone();
    for (name, number) in [
        ("op", 1),
        ("restored", 2),
        ("removed", 1),
        ("metadata", 0),
        ("merged", 0),
        ("conflicts", 1),
        ("deferred", 0),
    ] {
        assert_eq!(summary[name], number, "{name}");
    }
    assert_eq!(home.read("tree/gone"), "one\n");
    assert_eq!(home.read("tree/bad"), "two\n");
    assert_eq!(home.read("tree/reused"), "later work\n");
    assert_eq!(home.read("tree/reused.recoup-1"), "three\n");
    assert_eq!(home.read("tree/later"), "later work\n");
    assert!(!home.path("tree/made").exists());

    assert_eq!(
        of_type(&home.json(&["conflicts", "1"], 8), "conflict").len(),
        1
    );
    home.json(&["resolve", "1", "reused", "--take"], 0);
    assert_eq!(home.read("tree/reused"), "three\n");
    home.json(&["conflicts"], 0);
    home.json(&["undo", "--op", "2", "--yes"], 0);
    assert_eq!(home.read("tree/reused"), "later work\n");
    home.json(&["undo", "--op", "1", "--yes"], 0);
    assert_same(&before, &picture(&home), "the undo of the undo");
    let kinds: Vec<String> = home
        .list(&["ops"], 0)
        .iter()
        .map(|line| format!("{} {}", line["kind"], line["status"]))
        .collect();
    assert_eq!(kinds.len(), 4, "{kinds:?}");
    home.json(&["ops", "show", "1"], 0);
    home.ok(&["check"]);
}

/// One row of the table: what was there, what the event did, what people did since, and what has to be
/// there afterwards, as path and text; `None` is absent.
struct Row {
    name: &'static str,
    before: Deed,
    event: Deed,
    since: Deed,
    expected: &'static [(&'static str, Option<&'static str>)],
    conflicts: usize,
}

const ROWS: &[Row] = &[
    Row {
        name: "3a deleted, still absent",
        before: &|t| write(&t.join("d/f"), "old"),
        event: &|t| std::fs::remove_dir_all(t.join("d")).unwrap(),
        since: &|_| {},
        expected: &[("d/f", Some("old"))],
        conflicts: 0,
    },
    Row {
        name: "3b made by the event, untouched",
        before: &|_| {},
        event: &|t| write(&t.join("note"), "pay"),
        since: &|_| {},
        expected: &[("note", None)],
        conflicts: 0,
    },
    Row {
        name: "3e made directory that holds later work",
        before: &|_| {},
        event: &|t| write(&t.join("d/made"), "x"),
        since: &|t| write(&t.join("d/later"), "work"),
        expected: &[("d/made", None), ("d/later", Some("work"))],
        conflicts: 0,
    },
    Row {
        name: "3g a directory took a file's place",
        before: &|t| write(&t.join("x"), "file"),
        event: &|t| {
            std::fs::remove_file(t.join("x")).unwrap();
            write(&t.join("x/inner"), "made");
        },
        since: &|_| {},
        expected: &[("x", Some("file"))],
        conflicts: 0,
    },
    Row {
        name: "3h a file took a directory's place",
        before: &|t| write(&t.join("x/inner"), "old"),
        event: &|t| {
            std::fs::remove_dir_all(t.join("x")).unwrap();
            write(&t.join("x"), "made");
        },
        since: &|_| {},
        expected: &[("x/inner", Some("old"))],
        conflicts: 0,
    },
    Row {
        name: "4b changed by the event, deleted since",
        before: &|t| write(&t.join("f"), "old"),
        event: &|t| write(&t.join("f"), "bad"),
        since: &|t| std::fs::remove_file(t.join("f")).unwrap(),
        expected: &[("f", None)],
        conflicts: 1,
    },
    Row {
        name: "4c made by the event, edited since",
        before: &|_| {},
        event: &|t| write(&t.join("f"), "made"),
        since: &|t| write(&t.join("f"), "edited"),
        expected: &[("f", Some("edited"))],
        conflicts: 1,
    },
    Row {
        name: "4d changed by the event, edited since",
        before: &|t| write(&t.join("f.txt"), "old"),
        event: &|t| write(&t.join("f.txt"), "bad"),
        since: &|t| write(&t.join("f.txt"), "later"),
        expected: &[("f.txt", Some("later")), ("f.recoup-1.txt", Some("old"))],
        conflicts: 1,
    },
    Row {
        name: "closure 2: a live child must stay",
        before: &|t| write(&t.join("x"), "file"),
        event: &|t| {
            std::fs::remove_file(t.join("x")).unwrap();
            std::fs::create_dir(t.join("x")).unwrap();
        },
        since: &|t| write(&t.join("x/child"), "work"),
        expected: &[("x/child", Some("work")), ("x.recoup-1", Some("file"))],
        conflicts: 1,
    },
    Row {
        name: "closure 3: a file stands where the directory was",
        before: &|t| write(&t.join("etc/conf"), "old"),
        event: &|t| std::fs::remove_dir_all(t.join("etc")).unwrap(),
        since: &|t| write(&t.join("etc"), "a file now"),
        expected: &[
            ("etc", Some("a file now")),
            ("etc.recoup-1/conf", Some("old")),
        ],
        conflicts: 1,
    },
    Row {
        name: "renamed by the event, edited since: the edit travels back",
        before: &|t| write(&t.join("a"), "content long enough to be told from others"),
        event: &|t| rename(&t.join("a"), &t.join("b")),
        since: &|_| {},
        expected: &[
            ("a", Some("content long enough to be told from others")),
            ("b", None),
        ],
        conflicts: 0,
    },
];

fn rename(from: &Path, to: &Path) {
    rustix::fs::rename(from, to).unwrap();
}

#[test]
fn rows_of_the_table_on_a_real_directory() {
    for row in ROWS {
        let home = happened(row.before, row.event);
        (row.since)(&home.path("tree"));
        let live = picture(&home);
        let code = if row.conflicts > 0 { 8 } else { 0 };
        let lines = undo(&home, &["--yes"], code);
        assert_eq!(
            of_type(&lines, "conflict").len(),
            row.conflicts,
            "{}",
            row.name
        );
        for (path, text) in row.expected {
            let found = std::fs::read_to_string(home.path("tree").join(path)).ok();
            assert_eq!(found.as_deref(), *text, "{}: {path}", row.name);
        }
        home.json(&["undo", "--last", "--yes"], 0);
        assert_same(&live, &picture(&home), row.name);
    }
    println!("{} rows, each undone and redone", ROWS.len());
}

#[test]
fn metadata_alone_is_taken_back_and_later_edits_stay() {
    let home = happened(
        &|tree| {
            for n in 0..5 {
                write(&tree.join(format!("f{n}")), "text");
            }
        },
        &|tree| {
            for n in 0..5 {
                let mode = std::fs::Permissions::from_mode(0o000);
                std::fs::set_permissions(tree.join(format!("f{n}")), mode).unwrap();
            }
        },
    );
    write_as_owner(&home.path("tree/f0"), "edited since");
    let lines = undo(&home, &["--yes"], 0);
    assert_eq!(of_type(&lines, "summary")[0]["metadata"], 5);
    for n in 0..5 {
        let metadata = std::fs::metadata(home.path(&format!("tree/f{n}"))).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o644, "f{n}");
    }
    assert_eq!(home.read("tree/f0"), "edited since");
}

/// Whoever may not write to it opens it up, writes, and closes it again.
fn write_as_owner(path: &Path, text: &str) {
    let set = |mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    set(0o600);
    std::fs::write(path, text).unwrap();
    set(0o000);
}

#[test]
fn a_file_a_list_and_a_root_that_is_gone() {
    let home = happened(
        &|tree| {
            write(&tree.join("a/one"), "1");
            write(&tree.join("a/two"), "2");
        },
        &|tree| std::fs::remove_dir_all(tree.join("a")).unwrap(),
    );
    write(&home.path("job.log"), "a/one\n");
    let lines = undo(&home, &["--paths-from", "job.log", "--yes"], 0);
    assert_eq!(
        of_type(&lines, "summary")[0]["restored"],
        2,
        "with its directory"
    );
    assert!(home.path("tree/a/one").exists() && !home.path("tree/a/two").exists());
    home.json(&["undo", "tree/a/two", "--yes"], 0);
    assert_eq!(home.read("tree/a/two"), "2");
    write(&home.path("tree/a/two"), "overwritten by mistake");
    home.json(&["undo", "tree/a/two", "--yes"], 0);
    assert_eq!(home.read("tree/a/two"), "2");
    // A list from Windows ends its lines in two bytes.
    std::fs::remove_dir_all(home.path("tree/a")).unwrap();
    write(&home.path("job.log"), "a/one\r\na/two\r\n");
    let ids = snapshots(&home);
    let listed = [
        "undo",
        "tree",
        "--since",
        &ids[0],
        "--paths-from",
        "job.log",
        "--yes",
    ];
    home.json(&listed, 0);
    assert_eq!(home.read("tree/a/two"), "2");
    std::fs::remove_dir_all(home.path("tree")).unwrap();
    let planned = home.json(&["undo", "tree", "--since", &ids[0], "--dry-run"], 0);
    let steps = of_type(&planned, "step");
    let mut paths: Vec<_> = steps
        .iter()
        .map(|step| step["path"].as_str().unwrap())
        .collect();
    paths.sort_unstable();
    assert_eq!(paths, ["a", "a/one", "a/two"], "{planned:?}");
    assert!(!home.path("tree").exists(), "a dry run makes nothing");
    home.json(&["undo", "tree", "--since", &ids[0], "--yes"], 0);
    assert_eq!(home.read("tree/a/one"), "1");
    std::fs::remove_file(home.path("tree/a/one")).unwrap();
    let gone = home.list(&["deleted", "tree"], 0);
    assert_eq!(gone[0]["path"], "a/one", "{gone:?}");
}

#[test]
fn what_can_not_be_done_is_one_line_and_touches_nothing() {
    let home = happened(&|tree| write(&tree.join("f"), "old"), &|tree| {
        write(&tree.join("f"), "bad");
    });
    let ids = snapshots(&home);
    let live = picture(&home);
    let cases: &[(&[&str], i32)] = &[
        (&["undo"], 2),
        (&["undo", "tree"], 2),
        (&["undo", "/nowhere/at/all", "--since", &ids[0]], 1),
        (&["undo", "tree", "--before", "abcd", "--after", &ids[1]], 1),
        (
            &["undo", "tree", "--before", &ids[1], "--after", &ids[0]],
            2,
        ),
        (&["undo", "tree", "--before", &ids[0]], 2),
        (&["undo", "--op", "99"], 1),
        (&["undo", "--incident", "1"], 1),
        (
            &[
                "undo",
                "tree",
                "--since",
                &ids[0],
                "--paths-from",
                "missing.log",
            ],
            1,
        ),
        (&["resolve", "1", "f", "--keep"], 1),
        (&["resolve", "1", "f"], 2),
        (&["ops", "show", "7"], 1),
        (&["conflicts", "7"], 1),
    ];
    for (arguments, code) in cases {
        let ran = home.run(&[arguments, &["--yes"][..]].concat());
        assert_eq!(ran.code, *code, "{arguments:?}: {}", ran.stderr);
        let errors = ran
            .stderr
            .lines()
            .filter(|line| line.starts_with("recoup: "));
        assert!(
            ran.code == 2 || errors.count() == 1,
            "{arguments:?}: {}",
            ran.stderr
        );
        assert_same(&live, &picture(&home), "nothing touched");
    }
    println!("{} refusals", cases.len());
}

#[test]
fn groups_are_taken_back_whole_or_not_at_all() {
    let home = happened(
        &|tree| {
            write(&tree.join(".git/HEAD"), "ref: refs/heads/main\n");
            write(&tree.join(".git/refs/heads/main"), "1111\n");
            write(&tree.join("work"), "text");
        },
        &|tree| {
            write(&tree.join(".git/refs/heads/main"), "2222\n");
            write(&tree.join("work"), "bad");
        },
    );
    write(&home.path("tree/.git/refs/heads/other"), "3333\n");
    let lines = undo(&home, &["--yes"], 8);
    let conflict = of_type(&lines, "conflict")[0];
    assert_eq!(
        (conflict["path"].as_str(), conflict["kind"].as_str()),
        (Some(".git"), Some("group"))
    );
    assert_eq!(home.read("tree/.git/refs/heads/main"), "2222\n");
    assert_eq!(home.read("tree/work"), "text");
}
