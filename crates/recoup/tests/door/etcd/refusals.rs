//! What can't be done is told in one line that says what to do.

use super::{Stage, balancer, nobody};
use crate::home::Home;

/// Runs what has to fail with this code, having said this.
fn refused(home: &Home, words: &[&str], code: i32, said: &str) {
    let ran = home.run(words);
    let text = format!("{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.code, code, "{words:?}: {text}");
    assert!(text.contains(said), "{words:?}: {text}");
    let last = home.json(words, code).pop().unwrap();
    assert_eq!(
        (&last["type"], &last["code"]),
        (&"error".into(), &code.into())
    );
}

#[test]
fn what_is_no_address() {
    let home = Home::with_backup();
    for (url, said) in [
        ("etcd://", "names no host"),
        ("etcd:///lb", "names no host"),
        ("etcd://host:port", "1 to 65535"),
        ("etcd://host:0", "1 to 65535"),
        ("etcd://user:secret@host", "passwords don't belong in it"),
        ("etcd://host/a?b", "%3F"),
        ("etcd://host/%zz", "hexadecimal"),
        ("etcd://host,,other", "names no host"),
    ] {
        for words in [
            &["backup", url][..],
            &["watch", url],
            &["log", url],
            &["undo", url, "--since", "latest"],
            &["restore", "latest", "--to", url],
            &["protect", url],
        ] {
            refused(&home, words, 2, said);
        }
    }
    // Nobody's password is repeated.
    let ran = home.run(&["backup", "etcd://user:secret@host"]);
    assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
}

#[test]
fn where_nobody_answers() {
    let mut home = Home::with_backup();
    home.set("RECOUP_ETCD_WAIT", "0");
    let (home, url) = (&home, nobody().to_string());
    refused(home, &["backup", &url], 1, "is it running");
    let one = home.json(&["backup", &url, "tree"], 3);
    let of = |kind: &str| one.iter().filter(|line| line["type"] == kind).count();
    assert_eq!((of("snapshot-made"), of("problem")), (1, 1), "{one:?}");
    refused(home, &["watch", &url], 1, "is it running");
}

#[test]
fn where_something_else_answers() {
    let mut home = Home::with_backup();
    home.set("RECOUP_ETCD_WAIT", "0");
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            use std::io::Write;
            let _ = (&stream).write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let url = format!("etcd://127.0.0.1:{port}");
    refused(&home, &["backup", &url], 1, "is it running");
}

#[test]
fn what_was_never_there() {
    let Some(stage) = Stage::new() else { return };
    let home = &stage.home;
    let url = stage.url();
    let ran = home.run(&["log", &url]);
    assert_eq!(ran.code, 10, "no repository yet: {}", ran.stderr);
    let revision = stage.backup();
    let no = stage.url_of("/lb/no");
    refused(home, &["log", &no], 1, "no snapshot holds it");
    refused(home, &["undo", &no, "--yes"], 1, "no snapshot holds it");
    refused(
        home,
        &["log", "etcd://elsewhere:1/x"],
        1,
        "no snapshot is of a source",
    );
    refused(
        home,
        &["undo", "--incident", "7", "--yes"],
        1,
        "there is none",
    );
    refused(home, &["undo", "--op", "7", "--yes"], 1, "there is none");
    let before = format!(
        "no state of it is known at or before revision {}",
        revision - 1
    );
    let early = (revision - 1).to_string();
    refused(
        home,
        &["undo", &url, "--before", &early, "--after", "latest"],
        1,
        &before,
    );
    refused(home, &["ls", &format!("rev:{}", revision - 1)], 1, &before);
    refused(
        home,
        &["undo", &url, "--yes"],
        2,
        "say what is to be taken back",
    );
    let ran = home.run(&["backup", &stage.url_of("/nothing/")]);
    assert_eq!(ran.code, 0);
    assert!(
        ran.stderr.contains("no key begins with /nothing/"),
        "{}",
        ran.stderr
    );
    refused(home, &["backup", "--dry-run", &url], 2, "--dry-run");
}

/// What etcd has compacted is still in the repository, and an undo needs nothing but that.
#[test]
fn a_compacted_revision_is_undone_all_the_same() {
    let Some(stage) = Stage::new() else { return };
    let before = stage.backup();
    stage.delete_balancers();
    let after = stage.backup();
    stage.put("/later", "work");
    stage
        .store
        .compact(stage.store.revision().unwrap())
        .unwrap();
    stage.undo_between((before, after), &["--yes"], 0);
    assert_eq!(stage.get("/later").as_deref(), Some("work"));
    assert!(stage.get(&balancer(4)).is_some());
}

/// Revisions that were compacted while nobody watched are told as a gap, and as blurred.
#[test]
fn a_gap_is_told() {
    let Some(stage) = Stage::new() else { return };
    let watching = stage.watch();
    assert_eq!(watching.lines("ready")[0]["resumed"], false);
    assert_eq!(watching.stop().0, 0);
    stage.put(&balancer(1), "unseen");
    stage.put(&balancer(1), "seen");
    stage
        .store
        .compact(stage.store.revision().unwrap())
        .unwrap();
    let mut watching = stage.watch();
    let gap = watching.wait_for("gap", 0);
    let point = watching.wait_for("point", 0);
    assert_eq!(point["blurred"], true, "{point}");
    assert!(
        gap["from"].as_i64().unwrap() <= gap["to"].as_i64().unwrap(),
        "{gap}"
    );
    for (_, line) in watching.said() {
        crate::schema::check(&line);
    }
    assert_eq!(watching.lines("ready")[0]["resumed"], true);
    assert_eq!(watching.stop().0, 0);
}
