//! Merging by lines: laws, and what git and GNU diff3 say about the same three texts.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use recoup_merge::content::{How, Reason, Verdict, merge, unified};

use crate::cases;
use crate::random::Random;

const NAME: &[u8] = b"notes.txt";

/// Some lines over an alphabet; a small one makes many equal lines, which are the hard cases.
fn base(random: &mut Random) -> Vec<String> {
    let alphabet = *random.pick(&[2, 5, 30, 1000]);
    let length = random.below(40);
    (0..length)
        .map(|_| format!("line {}\n", random.below(alphabet)))
        .collect()
}

fn edited(random: &mut Random, lines: &[String], alphabet: usize) -> Vec<String> {
    let mut lines = lines.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(lines.len() + 1);
        let length = random.below(3).min(lines.len() - at);
        let new: Vec<String> = (0..random.below(3))
            .map(|_| format!("line {}\n", random.below(alphabet)))
            .collect();
        lines.splice(at..at + length, new);
    }
    lines
}

/// Before, after and live.
fn triple(random: &mut Random) -> [String; 3] {
    let after = base(random);
    let alphabet = *random.pick(&[2, 5, 30, 1000]);
    let before = edited(random, &after, alphabet);
    let live = edited(random, &after, alphabet);
    let mut texts = [before, after, live].map(|lines| lines.concat());
    for text in &mut texts {
        if random.chance(10) {
            text.pop();
        }
    }
    if random.chance(10) {
        texts = texts.map(|text| text.replace('\n', "\r\n"));
    }
    texts
}

fn by_lines([before, after, live]: &[String; 3]) -> Result<(Vec<u8>, How), Reason> {
    match merge(NAME, before.as_bytes(), after.as_bytes(), live.as_bytes()) {
        Verdict::Merged { bytes, how, .. } => Ok((bytes, how)),
        Verdict::Refused(reason) => Err(reason),
    }
}

/// Runs a program that merges; its output if it met no conflict.
fn run(command: &mut Command) -> Option<Vec<u8>> {
    let output = command.output().expect("it was there a moment ago");
    output.status.success().then_some(output.stdout)
}

fn is_installed(program: &str) -> bool {
    let is_there = Command::new(program).arg("--version").output().is_ok();
    if !is_there {
        println!("SKIP {program}: not installed");
    }
    is_there
}

#[test]
fn whatever_merges_merges_the_same_in_git_and_diff3() {
    let (has_git, has_diff3) = (is_installed("git"), is_installed("diff3"));
    let folder = tempfile::tempdir().expect("temporary folder");
    let [before_path, after_path, live_path] =
        ["before", "after", "live"].map(|name| folder.path().join(name));
    let wanted = cases(300, 5_000);
    let (mut merged, mut by_diff3, mut git_alone) = (0, 0, 0);
    let mut refused = HashMap::new();
    let mut random = Random::new(1);
    while merged < wanted {
        let texts = triple(&mut random);
        for (path, text) in [&before_path, &after_path, &live_path]
            .into_iter()
            .zip(&texts)
        {
            fs::write(path, text).expect("write");
        }
        let git = |algorithm: &str| {
            run(Command::new("git")
                .args(["merge-file", "-p", "-q", algorithm])
                .args([&live_path, &after_path, &before_path]))
        };
        match by_lines(&texts) {
            Ok((_, How::Whole)) => {}
            Ok((bytes, _)) => {
                merged += 1;
                let same = Some(&bytes);
                if has_git {
                    for algorithm in ["--diff-algorithm=myers", "--diff-algorithm=histogram"] {
                        assert_eq!(git(algorithm).as_ref(), same, "git {algorithm}: {texts:#?}");
                    }
                }
                // diff3 fails where a last line isn't ended on one side only.
                if has_diff3 && texts.iter().all(|text| text.ends_with('\n')) {
                    let paths: [&Path; 3] = [&live_path, &after_path, &before_path];
                    // It compares the sides with each other and so refuses what others merge.
                    if let Some(theirs) = run(Command::new("diff3").arg("-m").args(paths)) {
                        assert_eq!(theirs, bytes, "diff3: {texts:#?}");
                        by_diff3 += 1;
                    }
                }
            }
            Err(reason) => {
                if has_git && merged % 10 == 0 {
                    git_alone += usize::from(git("--diff-algorithm=histogram").is_some());
                }
                *refused.entry(format!("{reason:?}")).or_insert(0) += 1;
            }
        }
    }
    println!(
        "{merged} merged as git merges (two algorithms), {by_diff3} also as diff3; refused: {refused:?}; of a sample of \
         these git would have merged {git_alone}"
    );
}

#[test]
fn laws_of_lines() {
    let (mut merged, mut random) = (0, Random::new(2));
    for _ in 0..cases(3_000, 100_000) {
        let texts = triple(&mut random);
        let [before, after, live] = texts.clone();
        assert_eq!(
            by_lines(&[after.clone(), after.clone(), live.clone()]),
            Ok((live.clone().into_bytes(), How::Whole))
        );
        assert_eq!(
            by_lines(&[before.clone(), after.clone(), after.clone()]).map(|(bytes, _)| bytes),
            Ok(before.clone().into_bytes())
        );
        let Ok((bytes, How::Text)) = by_lines(&texts) else {
            continue;
        };
        merged += 1;
        let mirrored = by_lines(&[live.clone(), after.clone(), before.clone()]);
        assert_eq!(
            mirrored,
            Ok((bytes.clone(), How::Text)),
            "symmetric: {texts:#?}"
        );
        let result = String::from_utf8(bytes).expect("text");
        let again = by_lines(&[before.clone(), after.clone(), result.clone()]);
        assert_eq!(
            again.map(|(bytes, _)| bytes),
            Ok(result.clone().into_bytes()),
            "idempotent"
        );
        let [after, live, result] = [&after, &live, &result].map(|text| counts(text));
        for (line, lives) in live.iter().filter(|(line, _)| !after.contains_key(*line)) {
            let left = result.get(line).copied().unwrap_or(0);
            assert!(left >= *lives, "{line:?} is lost: {texts:#?}");
        }
    }
    println!("{merged} merges by lines keep the laws");
    assert!(merged > 300);
}

fn counts(text: &str) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for line in text.split_inclusive('\n') {
        *counts.entry(line.to_owned()).or_insert(0) += 1;
    }
    counts
}

#[test]
fn refusals_name_their_reason() {
    let merge = |before: &[u8], after: &[u8], live: &[u8]| match merge(NAME, before, after, live) {
        Verdict::Refused(reason) => Some(reason),
        Verdict::Merged { .. } => None,
    };
    assert_eq!(merge(b"a\n\0", b"b\n", b"c\n"), Some(Reason::Binary));
    assert_eq!(
        merge(b"a\n", b"\x1f\x8b\x08", b"c\n"),
        Some(Reason::AfterIsNoBase)
    );
    assert_eq!(merge(b"a\n", b"", b"c\n"), Some(Reason::AfterIsNoBase));
    assert_eq!(
        merge(b"a\nb\n", b"a\nc\n", b"a\r\nc\r\nd\r\n"),
        Some(Reason::LineEnds)
    );
    assert_eq!(
        merge(b"a\nb\n", b"a\r\nb\r\n", b"a\r\nb\r\nc\r\n"),
        Some(Reason::LineEnds)
    );
    assert_eq!(merge(b"a\n", b"b\n", b"c\n"), Some(Reason::Overlap));
    let large = vec![b'a'; recoup_merge::content::MERGE_BYTES_MAX + 1];
    assert_eq!(merge(&large, b"b\n", b"c\n"), Some(Reason::TooLarge));
    // Encrypted by the event, then touched by somebody: no base.
    let noise: Vec<u8> = (0..4096_u32)
        .map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    assert_eq!(merge(b"a\n", &noise, b"c\n"), Some(Reason::AfterIsNoBase));
    assert_eq!(
        merge("ä\n".as_bytes(), b"\xe4\n", b"c\n"),
        Some(Reason::AfterIsNoBase)
    );
}

#[test]
fn large_files_of_equal_lines_end_soon() {
    let many = "x\n".repeat(5_000);
    let after = format!("{many}one\n{many}two\n");
    let before = after.replace("one\n", "one\ny\n");
    let live = format!("{after}z\n");
    let expected = format!("{before}z\n").into_bytes();
    assert_eq!(by_lines(&[before, after, live]), Ok((expected, How::Text)));
    let many = "x\n".repeat(250_000);
    let (before, live) = (format!("y\n{many}y\n"), format!("{many}z\n"));
    assert_eq!(by_lines(&[before, many, live]), Err(Reason::TooRepetitive));
}

#[test]
fn git_applies_what_unified_prints() {
    if !is_installed("git") {
        return;
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut random = Random::new(3);
    let (mut applied, wanted) = (0, cases(100, 2_000));
    while applied < wanted {
        let [old, _, new] = triple(&mut random);
        if old == new || old.is_empty() || new.is_empty() {
            continue;
        }
        let patch = format!(
            "--- a/f\n+++ b/f\n{}",
            unified(old.as_bytes(), new.as_bytes())
        );
        fs::write(folder.path().join("f"), &old).expect("write");
        fs::write(folder.path().join("patch"), &patch).expect("write");
        let output = Command::new("git")
            .args(["apply", "--whitespace=nowarn", "patch"])
            .current_dir(folder.path())
            .env(
                "GIT_CEILING_DIRECTORIES",
                folder.path().parent().expect("it has one"),
            )
            .output()
            .expect("git");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}\n{patch}");
        assert_eq!(
            fs::read_to_string(folder.path().join("f")).expect("read"),
            new,
            "{patch}"
        );
        applied += 1;
    }
    println!("git applies {applied} diffs as printed");
}

proptest! {
    #[test]
    fn unified_of_anything(old in any::<Vec<u8>>(), new in any::<Vec<u8>>()) {
        prop_assert_eq!(unified(&old, &new).is_empty(), old == new);
    }
}
