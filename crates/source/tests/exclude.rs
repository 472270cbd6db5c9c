//! What is left out, and why.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use model::{Cancel, Silent, key};
use recoup_source::files::{ExcludeOptions, Excludes, Reason, ScanOptions, Scanned, scan};
use tempfile::TempDir;

const SIGNATURE: &str = "Signature: 8a477f597d28d172789f06886806bc55\n# made by a test\n";

fn tree() -> TempDir {
    let tree = TempDir::new().unwrap();
    for (path, text) in [
        ("a.o", ""),
        ("a.c", "large"),
        ("build/keep.o", ""),
        ("build/sub/x.o", ""),
        ("src/build/x.c", ""),
        ("cache/CACHEDIR.TAG", SIGNATURE),
        ("cache/blob", ""),
        ("fake/CACHEDIR.TAG", "no signature"),
        ("fake/blob", ""),
        ("marked/.nobackup", ""),
        ("marked/deep/blob", ""),
    ] {
        let path = tree.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    tree
}

fn check(options: &ExcludeOptions, gone: &[&str], excluded: u64) -> Excludes {
    let tree = tree();
    check_in(tree.path(), options, gone, excluded)
}

fn check_in(root: &Path, options: &ExcludeOptions, gone: &[&str], excluded: u64) -> Excludes {
    let paths = |exclude: Excludes| {
        let options = ScanOptions {
            exclude,
            ..ScanOptions::default()
        };
        let mut paths = Vec::new();
        let summary = scan(
            root,
            &options,
            &Silent,
            &Cancel::default(),
            &mut |scanned| {
                let Scanned::Entry { key, .. } = scanned else {
                    panic!("{scanned:?}")
                };
                paths.push(String::from_utf8(key::to_path(&key)).unwrap());
                ControlFlow::Continue(())
            },
        );
        (paths, summary.unwrap().excluded)
    };
    let exclude = Excludes::new(root, options).unwrap();
    let (all, _) = paths(Excludes::none());
    let (kept, counted) = paths(exclude.clone());
    let missing: Vec<&str> = all
        .iter()
        .filter(|path| !kept.contains(path))
        .map(String::as_str)
        .collect();
    assert_eq!(missing, gone, "{options:?}");
    assert_eq!(counted, excluded, "{options:?}");
    for path in &all {
        let key: Vec<u8> = path
            .bytes()
            .map(|b| if b == b'/' { 0 } else { b })
            .collect();
        let explained = exclude.explain(root, &key);
        assert_eq!(
            explained.is_some(),
            gone.contains(&path.as_str()),
            "{path}: {explained:?}"
        );
    }
    exclude
}

fn patterns(patterns: &[&str]) -> ExcludeOptions {
    let patterns = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
    ExcludeOptions {
        patterns,
        ..ExcludeOptions::default()
    }
}

#[test]
fn patterns_are_those_of_gitignore() {
    check(&patterns(&[]), &[], 0);
    check(
        &patterns(&["*.o"]),
        &["a.o", "build/keep.o", "build/sub/x.o"],
        3,
    );
    check(&patterns(&["*.o", "!keep.o"]), &["a.o", "build/sub/x.o"], 2);
    check(
        &patterns(&["/build/"]),
        &["build", "build/keep.o", "build/sub", "build/sub/x.o"],
        1,
    );
    check(
        &patterns(&["src/**/x.c", "# a remark", ""]),
        &["src/build/x.c"],
        1,
    );
    check(&patterns(&["build/*", "!build/sub"]), &["build/keep.o"], 1);
}

#[test]
fn pattern_files_are_read() {
    let tree = tree();
    let outside = TempDir::new().unwrap();
    let file = outside.path().join("patterns");
    fs::write(&file, "*.c\n!a.c\n").unwrap();
    let options = ExcludeOptions {
        pattern_files: vec![file],
        ..ExcludeOptions::default()
    };
    check_in(tree.path(), &options, &["src/build/x.c"], 1);
    let missing = vec![outside.path().join("missing")];
    let options = ExcludeOptions {
        pattern_files: missing,
        ..ExcludeOptions::default()
    };
    assert!(Excludes::new(tree.path(), &options).is_err());
    assert!(Excludes::new(tree.path(), &patterns(&["a{b"])).is_err());
}

#[test]
fn markers_keep_themselves_and_their_directory() {
    let options = ExcludeOptions {
        caches: true,
        ..ExcludeOptions::default()
    };
    check(&options, &["cache/blob"], 1);
    let if_present = vec![b".nobackup".to_vec()];
    let options = ExcludeOptions {
        if_present,
        ..ExcludeOptions::default()
    };
    check(&options, &["marked/deep", "marked/deep/blob"], 1);
}

#[test]
fn large_files_are_left_out() {
    let options = ExcludeOptions {
        larger_than: Some(4),
        ..ExcludeOptions::default()
    };
    let gone = ["a.c", "cache/CACHEDIR.TAG", "fake/CACHEDIR.TAG"];
    check(&options, &gone, 3);
}

#[test]
fn directories_never_entered_are_kept() {
    let tree = tree();
    let paths = vec![tree.path().join("build"), tree.path().join("missing")];
    let options = ExcludeOptions {
        paths,
        ..ExcludeOptions::default()
    };
    let gone = ["build/keep.o", "build/sub", "build/sub/x.o"];
    let exclude = check_in(tree.path(), &options, &gone, 0);
    assert_eq!(
        exclude.explain(tree.path(), b"build\0sub"),
        Some(Reason::Never)
    );
}

#[test]
fn the_directory_of_undo_is_left_out_and_no_other_of_its_name() {
    use recoup_source::files::exclude::OWN_TAG;
    let tree = TempDir::new().unwrap();
    for ours in ["", "deep/"] {
        let home = tree.path().join(format!("{ours}.recoup/op/quarantine"));
        fs::create_dir_all(&home).unwrap();
        fs::write(home.join("displaced"), "x").unwrap();
        let tag = tree.path().join(format!("{ours}.recoup/CACHEDIR.TAG"));
        fs::write(tag, OWN_TAG).unwrap();
    }
    fs::create_dir_all(tree.path().join("theirs/.recoup")).unwrap();
    fs::write(tree.path().join("theirs/.recoup/notes"), "x").unwrap();
    let mut found = Vec::new();
    let options = ScanOptions::default();
    scan(
        tree.path(),
        &options,
        &Silent,
        &Cancel::default(),
        &mut |scanned| {
            if let Scanned::Entry { key, .. } = scanned {
                found.push(String::from_utf8(key::to_path(&key)).unwrap());
            }
            ControlFlow::Continue(())
        },
    )
    .unwrap();
    assert_eq!(
        found,
        [
            "",
            "deep",
            "theirs",
            "theirs/.recoup",
            "theirs/.recoup/notes"
        ]
    );
    let why = |path: &[u8]| Excludes::none().explain(tree.path(), path);
    assert_eq!(why(b"deep\0.recoup\0op"), Some(Reason::Own));
    assert_eq!(why(b".recoup"), Some(Reason::Own));
    assert_eq!(why(b"theirs\0.recoup\0notes"), None);
}
