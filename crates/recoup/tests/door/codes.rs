//! Exit codes, and what is said with them.

use std::process::{Command, Stdio};

use crate::home::{Home, Ran, files_below, is_root};

fn check(home: &Home, arguments: &[&str], code: i32, said: &str) {
    let ran = home.run(arguments);
    assert_eq!(
        ran.code, code,
        "{arguments:?}: {}{}",
        ran.stdout, ran.stderr
    );
    let text = format!("{}{}", ran.stdout, ran.stderr);
    assert!(text.contains(said), "{arguments:?}: {text}");
}

#[test]
fn what_is_not_there() {
    let mut home = Home::with_backup();
    check(
        &home,
        &["snapshots", "--repo", "nowhere"],
        10,
        "there is no repository",
    );
    check(
        &home,
        &["backup", "tree", "--repo", "nowhere"],
        10,
        "recoup init",
    );
    check(
        &home,
        &["backup", "nothing"],
        1,
        "failed to back up nothing",
    );
    check(&home, &["ls", "latest:nothing"], 1, "does not hold it");
    check(&home, &["restore", "latest:nothing"], 1, "does not hold it");
    check(&home, &["ls", "ffff0000"], 1, "no such snapshot");
    check(&home, &["ls", "latest~7"], 1, "there are only 1");
    let error = home.json(&["ls", "latest~7"], 1).pop().unwrap();
    assert_eq!(
        (&error["type"], &error["code"]),
        (&"error".into(), &1.into())
    );
    home.set("HOME", home.path("empty").to_str().unwrap());
    check(&home, &["snapshots"], 10, "recoup backup PATH");
}

#[test]
fn what_is_not_understood() {
    let home = Home::with_backup();
    check(&home, &["frobnicate"], 2, "unrecognized subcommand");
    check(&home, &["ls", "@soon"], 2, "is not a time");
    check(&home, &["ls", "xyz"], 2, "is not the name of a snapshot");
    check(&home, &["check", "--sample", "5%"], 2, "--read-data");
    check(&home, &["init", "s3://bucket"], 2, "s3://");
    home.write(".config/recoup/config.toml", "\nexclud = []\n");
    check(&home, &["snapshots"], 2, "line 2");
    check(&home, &["config", "check"], 2, "did you mean `exclude`?");
}

#[test]
fn wrong_keys() {
    let mut home = Home::new();
    home.make_tree();
    home.set("RECOUP_PASSWORD", "correct horse");
    home.set("RECOUP_REPO", home.path("repo").to_str().unwrap());
    home.ok(&["init"]);
    home.ok(&["backup", "tree"]);
    home.write("other", "staple\n");
    home.ok(&[
        "key",
        "add",
        "--new-password-file",
        "other",
        "--label",
        "second",
    ]);
    check(&home, &["--password-file", "other", "snapshots"], 0, "tree");
    check(
        &home,
        &["--password-command", "echo staple", "snapshots"],
        0,
        "tree",
    );
    home.set("RECOUP_PASSWORD", "wrong");
    check(&home, &["snapshots"], 12, "fits none");
    home.set("RECOUP_PASSWORD", "staple");
    home.ok(&["key", "add", "--write-only", "--new-key-file", "writer.key"]);
    check(
        &home,
        &["--key-file", "writer.key", "backup", "tree"],
        0,
        "Snapshot",
    );
    for command in [["ls", "latest"], ["restore", "latest"], ["log", "tree"]] {
        let arguments = [["--key-file", "writer.key"], command].concat();
        check(&home, &arguments, 12, "can back up only");
    }
    let keys = home.list(&["key", "list"], 0);
    let writer = keys.iter().find(|key| key["role"] == "write-only").unwrap();
    home.ok(&["key", "remove", &writer["id"].as_str().unwrap()[..8]]);
    check(
        &home,
        &["--key-file", "writer.key", "backup", "tree"],
        12,
        "fits none",
    );
}

#[test]
fn damage_is_found() {
    let home = Home::with_backup();
    let packs = files_below(&home.repository().join("packs"));
    for pack in &packs {
        let mut bytes = std::fs::read(pack).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::remove_file(pack).unwrap();
        std::fs::write(pack, bytes).unwrap();
    }
    let lines = home.json(&["check", "--read-data"], 4);
    assert!(lines.last().unwrap()["damaged"].as_u64().unwrap() > 0);
    check(&home, &["check", "--read-data"], 4, "DAMAGED");
}

#[test]
fn a_snapshot_that_vanished_is_damage() {
    let home = Home::with_backup();
    let snapshots = files_below(&home.repository().join("snapshots"));
    std::fs::remove_file(&snapshots[0]).unwrap();
    check(&home, &["check"], 4, "it is gone");
}

#[test]
fn a_lost_config_is_written_again() {
    let home = Home::with_backup();
    let config = home.repository().join("config");
    let before = std::fs::read(&config).unwrap();
    std::fs::write(&config, "{}").unwrap();
    check(&home, &["ls", "latest"], 0, "repair config");
    std::fs::remove_file(&config).unwrap();
    check(&home, &["ls", "latest"], 10, "repair config");
    home.ok(&["repair", "config"]);
    assert_eq!(std::fs::read(&config).unwrap(), before);
    let text = String::from_utf8(before)
        .unwrap()
        .replace("\"version\": 1", "\"version\": 99");
    std::fs::write(&config, text).unwrap();
    check(&home, &["ls", "latest"], 16, "newer");
}

#[test]
fn what_cant_be_read_makes_a_partial_snapshot() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    home.make_tree();
    let secret = home.path("tree/report.odt");
    std::fs::set_permissions(secret, std::fs::Permissions::from_mode(0o0)).unwrap();
    let mut command = home.command(&["--json", "backup", "tree"]);
    if is_root() {
        // Root without its capabilities is bound by permissions like everybody else.
        let program = command.get_program().to_owned();
        let mut wrapped = Command::new("setpriv");
        wrapped
            .arg("--bounding-set=-all")
            .arg(program)
            .args(command.get_args());
        wrapped
            .env_clear()
            .envs(command.get_envs().filter_map(|(k, v)| Some((k, v?))));
        wrapped.current_dir(home.path(""));
        command = wrapped;
    }
    let ran = match command.output() {
        Ok(output) => Ran::new(output),
        Err(error) => return println!("SKIP: no setpriv: {error}"),
    };
    assert_eq!(ran.code, 3, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("report.odt"), "{}", ran.stderr);
    assert!(ran.stdout.contains("\"errors\":1"), "{}", ran.stdout);
    assert_eq!(home.list(&["snapshots"], 0)[0]["partial"], true);
}

#[test]
fn an_interrupted_backup_says_so() {
    let home = Home::new();
    for number in 0..40 {
        let mut bytes = vec![0u8; 8 << 20];
        let words = bytes.chunks_exact_mut(8).enumerate();
        words.for_each(|(at, word)| {
            let mixed = (at as u64 ^ (number << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            word.copy_from_slice(&(mixed ^ mixed >> 29).to_le_bytes());
        });
        home.write(&format!("tree/{number}"), bytes);
    }
    home.ok(&["init"]);
    let mut child = home
        .command(&["backup", "tree", "--threads", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(250));
    let pid = rustix::process::Pid::from_child(&child);
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
    let _ = child.try_wait();
    let ran = Ran::new(child.wait_with_output().unwrap());
    if ran.code == 0 {
        return println!("SKIP: the backup was faster than the signal");
    }
    assert_eq!(ran.code, 130, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("interrupted; nothing stored was lost"),
        "{}",
        ran.stderr
    );
    home.ok(&["backup", "tree"]);
    home.ok(&["check"]);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let home = Home::with_backup();
    for number in 0..20_000 {
        let name = format!("tree/many/a file with quite a long name, number {number}");
        home.write(&name, "");
    }
    home.ok(&["backup", "tree"]);
    let mut child = home
        .command(&["ls", "-r", "latest"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ran = Ran::new(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
}

#[test]
fn a_refused_pattern_is_named_by_file_and_line() {
    let home = Home::new();
    home.make_tree();
    let huge = "[a-z]".repeat(600_000);
    for (bad, begins) in [("[z-a]", "[z-a]"), (huge.as_str(), "[a-z][a-z]")] {
        home.write("patterns", format!("*.tmp\n\n{bad}\n"));
        let ran = home.run(&["backup", "tree", "--exclude-from", "patterns"]);
        assert_eq!(ran.code, 2, "{begins}: {}", ran.stderr);
        assert!(ran.stderr.contains("line 3 of patterns"), "{}", ran.stderr);
        assert!(ran.stderr.contains(begins), "{}", ran.stderr);
        assert!(ran.stderr.len() < 1000, "{}", ran.stderr.len());
    }
    home.write("patterns", "\u{feff}*.odt\r\nbig\n# a comment\n");
    home.ok(&["backup", "tree", "--exclude-from", "patterns"]);
    assert!(home.list(&["find", "*.odt"], 0).is_empty());
    assert!(home.list(&["find", "big"], 0).is_empty());
}

#[test]
fn a_secret_that_fits_nothing_hears_what_would() {
    let mut home = Home::with_backup();
    home.set("RECOUP_PASSWORD", "wrong");
    let said = "it has no password key; it has 1 key file and 1 recovery code";
    check(&home, &["snapshots"], 12, said);
}

#[test]
fn a_damaged_key_slot_does_not_hide_the_others() {
    let mut home = Home::new();
    home.make_tree();
    let lines = home.json(&["backup", "tree"], 0);
    let code = lines[0]["recovery_code"].as_str().unwrap().to_owned();
    home.write("code", &code);
    let keys = home.list(&["key", "list"], 0);
    let used = keys.iter().find(|key| key["current"] == true).unwrap();
    let slot = home
        .repository()
        .join("keys")
        .join(used["id"].as_str().unwrap());
    for damage in [&b"{"[..], &[b' '; 1 << 20]] {
        std::fs::remove_file(&slot).unwrap();
        std::fs::write(&slot, damage).unwrap();
        let ran = home.run(&["snapshots"]);
        assert_eq!(ran.code, 15, "{}", ran.stderr);
        assert!(ran.stderr.contains("another key"), "{}", ran.stderr);
        check(&home, &["--key-file", "code", "ls"], 0, "report.odt");
        check(&home, &["--key-file", "code", "check"], 4, "keys/");
        check(&home, &["--key-file", "code", "key", "list"], 15, "damaged");
        let list = home.list(&["--key-file", "code", "key", "list"], 15);
        assert!(list.iter().any(|line| line["type"] == "damaged"));
    }
    home.set("RECOUP_PASSWORD", &code);
    assert_eq!(home.list(&["snapshots"], 0).len(), 1);
}

#[test]
fn usage_errors_are_json_too() {
    let home = Home::new();
    for arguments in [&["frobnicate"][..], &["ls", "--frob"], &[]] {
        let lines = home.json(arguments, 2);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(
            (&lines[0]["type"], &lines[0]["code"]),
            (&"error".into(), &2.into())
        );
    }
    assert_eq!(home.run(&["ls", "--frob", "--", "--json"]).stdout, "");
}
