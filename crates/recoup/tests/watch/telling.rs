//! `on-incident`: whoever is to be told is told, and nothing that goes wrong there touches the watching.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::receiver::{Answer, Receiver};

use crate::home::Home;
use crate::watching::PATIENCE;

/// Loses all files of `a`, whose first one is of this name; the watcher has told of the alarm.
const LOSS: &str = "rm -f a/*";

fn home(config: &str) -> Home {
    let home = Home::with_repository();
    home.write(".config/recoup/config.toml", config);
    home.shell("mkdir a; for i in $(seq 80); do echo a $i > a/f$i; done");
    home
}

/// A program that keeps its arguments and its input in files beside it.
fn recorder(home: &Home, name: &str) -> String {
    let path = home.path(name);
    let shown = path.display();
    let text = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" > '{shown}.args'\ncat > '{shown}.tmp'\nmv '{shown}.tmp' '{shown}.input'\n"
    );
    home.write(name, text);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    shown.to_string()
}

fn eventually(home: &Home, name: &str) -> String {
    let began = Instant::now();
    loop {
        match std::fs::read_to_string(home.path(name)) {
            Ok(text) => return text,
            Err(error) => assert!(began.elapsed() < PATIENCE, "{name}: {error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn everybody_is_told_of_an_alarm() {
    let bad = Answer::Status(500, Vec::new());
    let receiver = Receiver::start(vec![bad, Answer::Status(200, Vec::new())]).unwrap();
    let config = format!(
        "[[on-incident]]\nwebhook = \"{}\"\nlevel = \"alarm\"\n\
         [[on-incident]]\ncommand = \"cat > ../command.tmp; mv ../command.tmp ../command\"\n\
         [[on-incident]]\nmail = \"ann@example.org\"\nlevel = \"alarm\"\nsendmail = \"../../bin/sm\"\n\
         [[on-incident]]\ndesktop = true\nlevel = \"alarm\"\n",
        receiver.url("/SECRET")
    );
    let home = home(&config.replace("../command", &home_file("command")));
    recorder(&home, "bin/sm");
    recorder(&home, "bin/notify-send");
    let path = format!("{}:/usr/bin:/bin", home.path("bin").display());
    let runner = [
        "/usr/bin/env",
        &format!("PATH={path}"),
        "sh",
        "-c",
        "exec \"$@\"",
        "sh",
    ];
    let mut watching = home.watch_by(&runner, &["--every", "1"]);
    watching.ready();
    home.shell(LOSS);
    let incident = watching.wait_for("incident", 0);
    let requests = receiver.wait_for(2, PATIENCE);
    assert_eq!(requests[0], requests[1], "a 500 is tried again");
    let posted: Value = serde_json::from_str(&requests[0].body).unwrap();
    crate::schema::check(&posted);
    assert_eq!(posted, incident);
    let letter = eventually(&home, "bin/sm.input");
    let text = letter.replace("=\n", "");
    for part in [
        "To: ann@example.org\n",
        "Subject: Recoup alarm on ",
        "Last good point   ",
        "removed within",
        "recoup undo --incident 1 /",
    ] {
        assert!(text.contains(part), "{part}: {letter}");
    }
    assert_eq!(eventually(&home, "bin/sm.args"), "-i\nann@example.org\n");
    let note = eventually(&home, "bin/notify-send.args");
    assert!(note.starts_with("--app-name=Recoup\n--urgency=critical\n--\nRecoup alarm on "));
    let told: Value = serde_json::from_str(&eventually(&home, "command")).unwrap();
    assert_eq!(told["type"], "incident");
    let (code, said) = watching.stop();
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("answered 500") && !said.contains("SECRET"),
        "{said}"
    );
    // It arrived in the end: nothing is left to tell.
    let status = home.json(&["status"]);
    assert!(
        !status.iter().any(|line| line["type"] == "undelivered"),
        "{status:?}"
    );
}

/// A file in the home, as a command finds it: it runs where the watcher does.
fn home_file(name: &str) -> String {
    format!("$HOME/{name}")
}

#[test]
fn a_receiver_that_is_not_there_hinders_nobody() {
    let silent = Receiver::start(vec![Answer::Silence(PATIENCE)]).unwrap();
    let refuses = Receiver::start(vec![Answer::Status(403, Vec::new())]).unwrap();
    let home = home(&format!(
        "on-incident = [\n{{ webhook = \"{}\", timeout = 60 }},\n{{ webhook = \"{}\" }},\n]\n",
        silent.url("/SECRET"),
        refuses.url("/SECRET")
    ));
    let mut watching = home.watch(&["--every", "1"]);
    watching.ready();
    home.shell(LOSS);
    watching.wait_for("incident", 0);
    assert_eq!(silent.wait_for(1, PATIENCE).len(), 1);
    let points = watching.lines("point").len();
    home.write("tree/later", "later");
    watching.wait_for("point", points);
    let began = Instant::now();
    let (code, said) = watching.stop();
    assert!(began.elapsed() < Duration::from_secs(20), "the end waits");
    assert_eq!(code, 0, "{said}");
    for words in [
        "answered 403 Forbidden",
        "the program ended before it arrived",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("SECRET"), "{said}");
    assert_eq!(refuses.requests().len(), 1, "a 403 is not tried again");
    let output = home.run(&["status"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(text.matches("was not told by webhook").count(), 2, "{text}");
    assert!(!text.contains("SECRET"), "{text}");
    let status = home.json(&["status"]);
    assert_eq!(
        status
            .iter()
            .filter(|line| line["type"] == "undelivered")
            .count(),
        2
    );
}

#[test]
fn hostile_names_break_out_of_nothing() {
    let receiver = Receiver::start(vec![Answer::Status(200, Vec::new())]).unwrap();
    let body = "'{\"text\": \"{{title}} {{text:html}} {{process}} {{source}} {{next}}\"}'";
    let home = home(&format!(
        "[[on-incident]]\nwebhook = \"{}\"\nbody = {body}\n\
         [[on-incident]]\nmail = \"ann@example.org\"\nsendmail = \"../../bin/sm\"\n",
        receiver.url("/")
    ));
    recorder(&home, "bin/sm");
    // The directory that is lost has the name of a header, of a link and of a bit of JSON.
    let name = "x\nBcc: eve@example.org\n\n\",\"channel\":\"#all\u{1b}[2J<!channel>";
    let tree = home.path("tree");
    std::fs::create_dir(tree.join(name)).unwrap();
    for number in 1..=80 {
        std::fs::write(
            tree.join(name).join(format!("f{number}")),
            format!("x {number}"),
        )
        .unwrap();
    }
    let mut watching = home.watch(&["--every", "1"]);
    watching.ready();
    for number in 1..=80 {
        std::fs::remove_file(tree.join(name).join(format!("f{number}"))).unwrap();
    }
    watching.wait_for("incident", 0);
    let posted = &receiver.wait_for(1, PATIENCE)[0].body;
    let posted: Value = serde_json::from_str(posted).unwrap();
    assert_eq!(posted.as_object().unwrap().len(), 1, "{posted}");
    let text = posted["text"].as_str().unwrap();
    assert!(text.contains("\\nBcc: eve"), "{text}");
    let letter = eventually(&home, "bin/sm.input");
    assert!(letter.is_ascii() && !letter.contains('\u{1b}'), "{letter}");
    assert!(
        !letter.lines().any(|line| line.starts_with("Bcc")),
        "{letter}"
    );
    assert_eq!(letter.matches("\n\nRecoup has seen").count(), 1, "{letter}");
    watching.stop();
}

#[test]
fn pins_and_notices_below_the_level_are_not_told() {
    let receiver = Receiver::start(vec![Answer::Status(200, Vec::new())]).unwrap();
    let home = home(&format!(
        "on-incident = [\"cat >> $HOME/command\", {{ webhook = \"{}\", level = \"alarm\" }}]\n",
        receiver.url("/")
    ));
    let mut watching = home.watch(&["--every", "1"]);
    watching.ready();
    home.shell(LOSS);
    loop {
        let seen = watching.lines("incident").len();
        if watching.wait_for("incident", seen.saturating_sub(1))["level"] == "alarm" {
            break;
        }
    }
    receiver.wait_for(1, PATIENCE);
    watching.stop();
    let levels = |text: &str| {
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|line| line["level"].clone()).collect::<Vec<_>>()
    };
    let posted: String = receiver
        .requests()
        .iter()
        .map(|r| format!("{}\n", r.body))
        .collect();
    assert!(
        levels(&posted).iter().all(|level| level == "alarm"),
        "{posted}"
    );
    let ran = eventually(&home, "command");
    assert!(levels(&ran).iter().all(|level| level != "pin"), "{ran}");
}

#[test]
fn a_test_message_goes_to_everybody_and_says_what_it_is() {
    let receiver = Receiver::start(vec![Answer::Status(200, Vec::new())]).unwrap();
    let home = Home::new();
    let none = home.run(&["incidents", "test"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&none.stderr).contains("write on-incident into"));
    let config = format!(
        "[[on-incident]]\nwebhook = \"{}\"\nlevel = \"alarm\"\n\
         [[on-incident]]\nmail = \"ann@example.org\"\nsendmail = \"../../bin/sm\"\n\
         [[on-incident]]\ncommand = \"echo $RECOUP_TEST $RECOUP_INCIDENT > $HOME/command\"\n",
        receiver.url("/SECRET")
    );
    home.write(".config/recoup/config.toml", &config);
    recorder(&home, "bin/sm");
    let lines = home.json(&["incidents", "test"]);
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(
        lines[..3].iter().all(|line| line["ok"] == true),
        "{lines:?}"
    );
    let posted: Value = serde_json::from_str(&receiver.requests()[0].body).unwrap();
    crate::schema::check(&posted);
    assert_eq!(
        (&posted["test"], &posted["id"]),
        (&Value::Bool(true), &Value::from(0))
    );
    assert!(eventually(&home, "bin/sm.input").contains("\nSubject: TEST of Recoup on "));
    assert_eq!(eventually(&home, "command"), "1 0\n");
    // Neither a repository nor a key was made for it.
    assert!(!home.path("repository").exists());
    let more =
        format!("{config}[[on-incident]]\ncommand = \"exit 3\"\n[[on-incident]]\ndesktop = true\n");
    home.write(".config/recoup/config.toml", more);
    let output = home
        .command(&["incidents", "test"])
        .env("PATH", "/bin")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(text.matches("FAILED").count(), 2, "{text}");
    assert!(
        text.contains("it failed (exit status: 3)") && text.contains("there is no notify-send")
    );
    assert!(!text.contains("SECRET"), "{text}");
    let shown = home.ok(&["config", "show"], "what holds");
    assert!(shown.contains("on-incident  webhook http://") && !shown.contains("SECRET"));
}
