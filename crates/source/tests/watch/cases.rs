//! What each kind of change is told as, by both ways of sensing.

use recoup_source::files::watch::{Batch, Capture, Dirty, WatchOptions, What};
use std::os::unix::ffi::OsStrExt;

use crate::rig::{self, Place};

/// What must be told of a key: its path, the bits, whether all beneath.
type Expected<'a> = (&'a str, What, bool);

const CREATED: What = What::CREATED;
const DELETED: What = What::DELETED;
const FROM: What = What::RENAMED_FROM;
const TO: What = What::RENAMED_TO;
const ENTRIES: What = What::ENTRIES;

/// Set-up, what is done, what must be told.
const CASES: [(&str, &str, &[Expected<'_>]); 18] = [
    (
        "",
        ": > f",
        &[
            ("f", CREATED.with(What::CLOSED), false),
            ("", ENTRIES, false),
        ],
    ),
    (
        ": > f",
        "echo x >> f",
        &[("f", What::MODIFIED.with(What::CLOSED), false)],
    ),
    (
        ": > f",
        "rm f",
        &[("f", DELETED, false), ("", ENTRIES, false)],
    ),
    (
        "mkdir d; : > d/f",
        "chmod 600 d/f; chmod 700 d",
        &[
            ("d/f", What::ATTRIBUTES, false),
            ("d", What::ATTRIBUTES, false),
        ],
    ),
    (
        ": > f",
        "truncate -s 100 f",
        &[("f", What::MODIFIED, false)],
    ),
    (
        ": > f",
        "touch -d 2001-01-01 f",
        &[("f", What::ATTRIBUTES, false)],
    ),
    ("", "ln -s nowhere l", &[("l", CREATED, false)]),
    ("", "mkfifo p", &[("p", CREATED, false)]),
    (
        "",
        "mkdir -p a/b/c; : > a/b/c/f",
        &[("a", CREATED, true), ("a/b/c/f", CREATED, true)],
    ),
    (": > a", "mv a b", &[("a", FROM, false), ("b", TO, false)]),
    // No deletion is told for what is replaced: the target must be dirty.
    (
        "echo 1 > a; echo 2 > b",
        "mv a b",
        &[("a", FROM, false), ("b", TO, false)],
    ),
    (
        "mkdir -p d/e; : > d/e/f",
        "mv d n; echo x > n/e/f",
        &[
            ("d", FROM, true),
            ("n", TO, true),
            ("n/e/f", What::MODIFIED, true),
        ],
    ),
    (
        "mkdir -p d/e; : > d/e/f",
        "mv d ../outside/d; echo x > ../outside/d/e/f",
        &[("d", FROM, true)],
    ),
    (
        "mkdir -p ../outside/d/e",
        "mv ../outside/d d; : > d/e/f",
        &[("d", TO, true), ("d/e/f", CREATED, true)],
    ),
    (
        "mkdir -p d/e; : > d/e/f",
        "rm -r d",
        &[("d", DELETED, true)],
    ),
    (
        ": > f",
        "ln f g; rm f",
        &[("f", DELETED, false), ("g", CREATED, false)],
    ),
    (
        "mkdir a b; : > a/1; : > b/2",
        "mv a t; mv b a; mv t b; : > a/x; : > b/y",
        &[
            ("a", FROM.with(TO), true),
            ("b", FROM.with(TO), true),
            ("a/x", CREATED, true),
            ("b/y", CREATED, true),
        ],
    ),
    (
        "",
        "for i in 1 2 3; do : > f; rm f; done; mkdir f",
        &[("f", CREATED.with(DELETED), true)],
    ),
];

fn find<'a>(batch: &'a Batch, path: &str) -> Option<&'a Dirty> {
    let key = path.replace('/', "\0").into_bytes();
    batch.dirty.iter().find(|dirty| dirty.key == key)
}

/// Whether the key itself or a subtree above it is told.
fn is_told(batch: &Batch, (path, what, subtree): Expected<'_>) -> bool {
    let exact = find(batch, path).is_some_and(|dirty| dirty.what.has(what));
    let above = path
        .match_indices('/')
        .any(|(at, _)| find(batch, &path[..at]).is_some_and(|dirty| dirty.subtree));
    let itself = find(batch, path).is_some_and(|dirty| dirty.subtree);
    (exact && (!subtree || itself || above)) || (subtree && above)
}

fn cases(best: Capture) {
    let mut done = 0;
    for (setup, script, expected) in CASES {
        let place = Place::new();
        rig::shell(&place.root, setup);
        let Some(watcher) = rig::watch(&place.root, best) else {
            return;
        };
        rig::shell(&place.root, script);
        let batch = rig::settled(&watcher);
        for &expected in expected {
            assert!(
                is_told(&batch, expected),
                "{script}: {expected:?} in {batch:#?}"
            );
        }
        for dirty in &batch.dirty {
            assert!(!dirty.key.starts_with(b"outside") && !dirty.key.starts_with(b".."));
            assert_eq!(dirty.actor.is_some(), best == Capture::Fanotify);
            assert!(dirty.first <= dirty.last);
        }
        assert!(batch.blurred.is_none());
        done += 1;
    }
    println!("{}: {done} cases", best.word());
}

#[test]
fn each_change_is_told_by_fanotify() {
    cases(Capture::Fanotify);
}

#[test]
fn each_change_is_told_by_inotify() {
    cases(Capture::Inotify);
}

#[test]
fn renames_come_in_order_with_both_names() {
    for best in [Capture::Fanotify, Capture::Inotify] {
        let place = Place::new();
        rig::shell(&place.root, "mkdir d; : > d/f; : > ../outside/in");
        let Some(watcher) = rig::watch(&place.root, best) else {
            continue;
        };
        rig::shell(
            &place.root,
            "mv d/f d/g; mv d e; mv e/g h; mv ../outside/in in; mv h ../outside/h",
        );
        let batch = rig::settled(&watcher);
        let renames: Vec<_> = batch
            .renames
            .iter()
            .map(|rename| {
                (
                    rename.old.as_deref(),
                    rename.new.as_deref(),
                    rename.is_directory,
                )
            })
            .collect();
        let key = |bytes: &'static [u8]| Some(bytes);
        // A file in a directory that was renamed since goes by the new name, if it is asked for only now.
        let one = renames[0];
        assert!(
            [key(b"d\0f"), key(b"e\0f")].contains(&one.0)
                && [key(b"d\0g"), key(b"e\0g")].contains(&one.1)
        );
        assert_eq!(
            renames[1..],
            [
                (key(b"d"), key(b"e"), true),
                (key(b"e\0g"), key(b"h"), false),
                (None, key(b"in"), false),
                (key(b"h"), None, false),
            ],
            "{}",
            best.word()
        );
    }
}

#[test]
fn names_of_any_bytes() {
    for best in [Capture::Fanotify, Capture::Inotify] {
        let place = Place::new();
        let Some(watcher) = rig::watch(&place.root, best) else {
            continue;
        };
        let names: [&[u8]; 6] = [
            b"\xff\xfe",
            b"a\nb",
            b" (deleted)",
            b"\\040",
            b"-",
            &[b'n'; 255],
        ];
        let mut command = std::process::Command::new("mkdir");
        command.current_dir(&place.root).arg("--");
        command.args(names.map(std::ffi::OsStr::from_bytes));
        rig::run(command);
        // A directory whose name looks like that of a removed one.
        rig::shell(
            &place.root,
            ": > ' (deleted)/x'; mkdir 'd'; mkdir 'd (deleted)'; rmdir d; : > 'd (deleted)/y'",
        );
        let batch = rig::settled(&watcher);
        for name in names {
            assert!(
                batch.dirty.iter().any(|dirty| dirty.key == name),
                "{name:?}"
            );
        }
        for path in [" (deleted)/x", "d (deleted)/y"] {
            assert!(is_told(&batch, (path, CREATED, true)), "{path}");
        }
    }
}

#[test]
fn deeper_than_any_path() {
    for best in [Capture::Fanotify, Capture::Inotify] {
        let place = Place::new();
        let name = "d".repeat(200);
        let down = format!("for i in $(seq 30); do mkdir -p {name}; cd -P {name}; done");
        rig::shell(&place.root, &down);
        let Some(watcher) = rig::watch(&place.root, best) else {
            continue;
        };
        rig::shell(
            &place.root,
            &format!("for i in $(seq 30); do cd {name}; done; : > end"),
        );
        let batch = rig::settled(&watcher);
        let mut key = vec![name.as_bytes(); 30];
        key.push(b"end");
        let key = key.join(&0);
        let told = batch.dirty.iter().any(|dirty| {
            dirty.key == key
                || dirty.subtree && key.starts_with(&dirty.key) && dirty.key.len() > 201
        });
        assert!(
            told,
            "{}: {:?}",
            best.word(),
            batch.dirty.iter().map(|d| d.key.len()).collect::<Vec<_>>()
        );
    }
}

#[test]
fn what_is_ignored_is_not_told() {
    for best in [Capture::Fanotify, Capture::Inotify] {
        let place = Place::new();
        rig::shell(&place.root, "mkdir -p store/deep beside; : > store/old");
        let options = WatchOptions {
            best,
            ignore: vec![b"store".to_vec(), b"beside\0cache".to_vec()],
            ..WatchOptions::default()
        };
        let Some(watcher) = rig::watch_with(&place.root, &options) else {
            continue;
        };
        let script =
            ": > store/x; : > store/deep/y; mkdir beside/cache; : > beside/cache/z; : > beside/q";
        rig::shell(&place.root, script);
        let batch = rig::settled(&watcher);
        assert!(find(&batch, "beside/q").is_some());
        for path in [
            "store",
            "store/x",
            "store/deep/y",
            "beside/cache",
            "beside/cache/z",
        ] {
            assert!(find(&batch, path).is_none(), "{path} by {}", best.word());
        }
        // What leaves it comes into the tree, with all beneath.
        rig::shell(
            &place.root,
            "mv store/deep beside/deep; mv store/old beside/old; : > beside/deep/new",
        );
        let batch = rig::settled(&watcher);
        assert!(find(&batch, "beside/deep").is_some_and(|dirty| dirty.subtree));
        assert!(find(&batch, "beside/old").is_some());
        assert!(is_told(&batch, ("beside/deep/new", CREATED, true)));
        // What was ignored under its old name counts under a new one, also what is done there later.
        rig::shell(&place.root, "mv store kept");
        let batch = rig::settled(&watcher);
        assert!(find(&batch, "kept").is_some_and(|dirty| dirty.subtree));
        rig::shell(&place.root, ": > kept/z");
        let batch = rig::settled(&watcher);
        assert!(
            is_told(&batch, ("kept/z", CREATED, false)),
            "by {}",
            best.word()
        );
    }
}

#[test]
fn a_root_that_moves_away_is_told() {
    for best in [Capture::Fanotify, Capture::Inotify] {
        let place = Place::new();
        let Some(watcher) = rig::watch(&place.root, best) else {
            continue;
        };
        rig::shell(&place.outside, "mv ../root ../elsewhere");
        let batch = rig::settled(&watcher);
        let reasons = batch.blurred.map(|blurred| blurred.reasons);
        assert_eq!(
            reasons,
            Some(vec![recoup_source::files::watch::BlurReason::RootMoved]),
            "{}",
            best.word()
        );
        // The directory is still watched, wherever it is.
        rig::shell(&place.outside, "mkdir ../elsewhere/d");
        assert!(find(&rig::settled(&watcher), "d").is_some());
    }
}

/// A file with several names is changed by all of them: through one that stays, that goes, that leaves.
#[test]
fn the_other_names_of_a_file_are_found() {
    for best in [Capture::Fanotify, Capture::Inotify] {
        let mut by_file = 0;
        for script in [
            "echo x >> d/a",
            "echo x >> d/a; rm d/a",
            "echo x >> d/a; mv d/a ../outside/c",
            "echo x >> d/a; : > new; mv new d/a",
            "ln b c; echo x >> c; rm c",
            "ln b c; echo x >> c; mv c ../outside; rm ../outside/c",
            "ln b c; echo x >> c; mv other c",
            "mv ../outside/a c; echo x >> c; rm c",
            "chmod 600 d/a; mv d e; rm -r e",
        ] {
            let place = Place::new();
            let setup = "mkdir d; echo 1 > d/a; ln d/a b; ln d/a ../outside/a; : > other";
            rig::shell(&place.root, setup);
            let Some(watcher) = rig::watch(&place.root, best) else {
                return;
            };
            let before = rig::Seen::take(&place.root);
            rig::shell(&place.root, script);
            let batch = rig::settled(&watcher);
            let after = rig::Seen::take(&place.root);
            let verdict = rig::judge(&before, &after, &[batch]);
            assert!(
                verdict.missed.is_empty(),
                "{script} by {}: {verdict:?}",
                best.word()
            );
            assert!(verdict.changed > 1);
            by_file += verdict.by_file;
        }
        println!("{}: {by_file} names found by inode", best.word());
        assert!(by_file >= 9);
    }
}
