//! Messages to real receivers: servers on loopback, and scripts in the place of programs.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use recoup_delivery::{Mail, Message, Outbox, Template, Way, Webhook};
use testkit::receiver::{Answer, Receiver};

const PATIENCE: Duration = Duration::from_secs(30);

const ONCE: [Duration; 0] = [];

const SOON: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(20)];

fn message(title: &str) -> Message {
    Message {
        id: "recoup.1".to_owned(),
        date: "Tue, 24 Nov 2026 20:24:20 +0000".to_owned(),
        host: "web1".to_owned(),
        title: title.to_owned(),
        text: format!("{title}\n.\nFrom here\n"),
        json: "{\"id\":1}".to_owned(),
        ..Message::default()
    }
}

fn hook(address: &str) -> Webhook {
    let mut hook = Webhook::new(address).unwrap();
    hook.heeds_proxies = false;
    hook
}

fn way(hook: Webhook) -> Way {
    Way::Webhook(Box::new(hook))
}

fn ok() -> Answer {
    Answer::Status(200, Vec::new())
}

fn script(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("program");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// What was reported of each attempt: way, whether it arrived, whether it is tried again.
type Reported = Arc<Mutex<Vec<(usize, Result<(), String>, bool)>>>;

fn outbox(ways: Vec<Way>, waits: &'static [Duration]) -> (Outbox, Reported) {
    let reported = Reported::default();
    let theirs = Arc::clone(&reported);
    let outbox = Outbox::new(ways, waits, move |attempt| {
        let result = attempt.result.map_err(|error| error.reason.clone());
        let line = (attempt.way, result, attempt.again.is_some());
        theirs.lock().unwrap().push(line);
    });
    (outbox, reported)
}

#[test]
fn the_line_of_json_is_posted() {
    let receiver = Receiver::start(vec![ok()]).unwrap();
    let mut hook = hook(&receiver.url("/in?key=1"));
    hook.header("Authorization", "Bearer x").unwrap();
    way(hook).deliver(&message("a"), false).unwrap();
    let request = &receiver.requests()[0];
    assert_eq!(request.first, "POST /in?key=1 HTTP/1.1");
    assert_eq!(request.body, "{\"id\":1}");
    let headers = request.headers.join("\n").to_ascii_lowercase();
    for line in [
        "authorization: bearer x",
        "content-type: application/json",
        "user-agent: recoup/",
    ] {
        assert!(headers.contains(line), "{line}: {headers}");
    }
}

#[test]
fn secrets_can_stand_in_files() {
    let receiver = Receiver::start(vec![ok()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (address, headers) = (folder.path().join("address"), folder.path().join("headers"));
    std::fs::write(&address, format!("{}\n", receiver.url("/SECRET"))).unwrap();
    std::fs::write(&headers, "Authorization: Bearer a:b\n\nX-Key: 1\n").unwrap();
    let mut hook = Webhook::of_file(address.clone());
    hook.heeds_proxies = false;
    hook.headers_file = Some(headers.clone());
    hook.deliver(&message("a")).unwrap();
    let request = &receiver.requests()[0];
    assert_eq!(request.first, "POST /SECRET HTTP/1.1");
    let lines = request.headers.join("\n").to_ascii_lowercase();
    assert!(lines.contains("authorization: bearer a:b") && lines.contains("x-key: 1"));
    assert!(hook.describe().ends_with("/address"));
    for (path, text) in [
        (&headers, "SECRET"),
        (&headers, "Host: SECRET"),
        (&address, "SECRET"),
    ] {
        std::fs::write(path, text).unwrap();
        let error = hook.deliver(&message("a")).unwrap_err().to_string();
        assert!(!error.contains("SECRET"), "{error}");
        assert!(error.contains(&path.display().to_string()), "{error}");
    }
    assert_eq!(receiver.requests().len(), 1);
}

#[test]
fn a_template_is_filled_and_names_stay_inside() {
    let receiver = Receiver::start(vec![ok()]).unwrap();
    let mut hook = hook(&receiver.url("/"));
    let template = Template::parse(r#"{"text": "{{title}}"}"#, &[]).unwrap();
    hook.body = Some(template);
    let hostile = "x\", \"channel\": \"#all\r\nX-Header: 1\u{0}";
    hook.deliver(&message(hostile)).unwrap();
    let request = &receiver.requests()[0];
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
    assert!(!request.headers.join("\n").contains("X-Header"));
}

#[test]
fn a_redirect_is_not_followed() {
    let other = Receiver::start(vec![ok()]).unwrap();
    for code in [301, 302, 303, 307, 308] {
        let to = format!("Location: {}", other.url("/SECRET"));
        let receiver = Receiver::start(vec![Answer::Status(code, vec![to])]).unwrap();
        let error = hook(&receiver.url("/")).deliver(&message("a")).unwrap_err();
        assert!(!error.may_pass, "{code}: {error}");
        assert!(error.reason.contains("redirects are not followed"));
        assert!(!error.reason.contains("SECRET"), "{error}");
    }
    assert!(other.requests().is_empty());
}

#[test]
fn who_does_not_answer_is_not_waited_for() {
    let receiver = Receiver::start(vec![Answer::Silence(PATIENCE)]).unwrap();
    let mut hook = hook(&receiver.url("/SECRET"));
    hook.timeout = Duration::from_secs(1);
    let began = Instant::now();
    let error = hook.deliver(&message("a")).unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_eq!(error.reason, "there was no answer within 1 s");
    assert!(error.may_pass);
}

#[test]
fn failures_have_words_without_secrets() {
    let closed = Receiver::start(vec![Answer::Close]).unwrap().url("/SECRET");
    let noise = Receiver::start(vec![Answer::Noise]).unwrap().url("/SECRET");
    let refuses = Receiver::start(vec![Answer::Status(401, Vec::new())]).unwrap();
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/SECRET", listener.local_addr().unwrap())
    };
    for (address, words, may_pass) in [
        (nobody, "refused", true),
        (closed, "connection failed", true),
        (noise, "does not speak HTTP", true),
        (refuses.url("/SECRET"), "answered 401 Unauthorized", false),
    ] {
        let mut hook = hook(&address);
        hook.header("X-Key", "SECRET").unwrap();
        let error = hook.deliver(&message("a")).unwrap_err();
        assert!(error.reason.contains(words), "{words}: {error}");
        assert!(!error.reason.contains("SECRET"), "{error}");
        assert_eq!(error.may_pass, may_pass, "{error}");
    }
}

#[test]
fn it_is_tried_again_until_it_arrives() {
    let bad = Answer::Status(500, Vec::new());
    let receiver = Receiver::start(vec![bad.clone(), bad, ok()]).unwrap();
    let (outbox, reported) = outbox(vec![way(hook(&receiver.url("/")))], &SOON);
    outbox.send(0, message("a"));
    assert_eq!(receiver.wait_for(3, PATIENCE).len(), 3);
    drop(outbox);
    let reported = reported.lock().unwrap().clone();
    let again: Vec<bool> = reported.iter().map(|line| line.2).collect();
    assert_eq!(again, [true, true, false], "{reported:?}");
    assert_eq!(reported[2].1, Ok(()));
}

#[test]
fn it_is_not_tried_for_ever() {
    let receiver = Receiver::start(vec![Answer::Status(503, Vec::new())]).unwrap();
    let refuses = Receiver::start(vec![Answer::Status(404, Vec::new())]).unwrap();
    let ways = [&receiver, &refuses].map(|to| way(hook(&to.url("/"))));
    let (outbox, reported) = outbox(ways.to_vec(), &SOON);
    outbox.send(0, message("a"));
    outbox.send(1, message("a"));
    assert_eq!(receiver.wait_for(3, PATIENCE).len(), 3);
    drop(outbox);
    assert_eq!(
        (receiver.requests().len(), refuses.requests().len()),
        (3, 1)
    );
    let last = reported.lock().unwrap().clone();
    assert_eq!(last.iter().filter(|line| !line.2).count(), 2, "{last:?}");
}

#[test]
fn nobody_waits_for_a_slow_receiver_and_nothing_is_lost_in_silence() {
    let slow = Receiver::start(vec![Answer::Silence(PATIENCE)]).unwrap();
    let quick = Receiver::start(vec![ok()]).unwrap();
    let mut slow_hook = hook(&slow.url("/"));
    slow_hook.timeout = PATIENCE;
    let (outbox, reported) = outbox(vec![way(slow_hook), way(hook(&quick.url("/")))], &ONCE);
    let began = Instant::now();
    for _ in 0..20 {
        outbox.send(0, message("a"));
    }
    outbox.send(1, message("a"));
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(quick.wait_for(1, PATIENCE).len(), 1);
    drop(outbox);
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "the end waits too long"
    );
    let reported = reported.lock().unwrap().clone();
    let why = |words: &str| {
        let failed = reported.iter().filter_map(|line| line.1.as_ref().err());
        failed.filter(|reason| reason.contains(words)).count()
    };
    let (refused, ended) = (why("too many messages"), why("the program ended"));
    assert_eq!(refused + ended, 20, "{reported:?}");
    assert_eq!(refused, 3, "one is told, 16 wait: {reported:?}");
}

#[test]
fn the_end_tries_once_more_at_once() {
    const LATER: [Duration; 1] = [PATIENCE];
    let receiver = Receiver::start(vec![Answer::Status(500, Vec::new()), ok()]).unwrap();
    let (outbox, reported) = outbox(vec![way(hook(&receiver.url("/")))], &LATER);
    outbox.send(0, message("a"));
    receiver.wait_for(1, PATIENCE);
    while reported.lock().unwrap().is_empty() {
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(outbox);
    assert_eq!(receiver.requests().len(), 2);
    assert_eq!(reported.lock().unwrap()[1].1, Ok(()));
}

#[test]
fn a_mail_is_handed_to_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    let text = format!(
        "printf '%s|' \"$@\" > '{0}.args'; cat > '{0}'",
        kept.display()
    );
    let mut mail = Mail::new(&["ann@example.org", "root"], Some("recoup@example.org")).unwrap();
    mail.program = Some(script(folder.path(), &text));
    let hostile = "lost\r\nBcc: eve@example.org\u{2028}\u{1b}[2J";
    Way::Mail(mail).deliver(&message(hostile), false).unwrap();
    let arguments = std::fs::read_to_string(kept.with_extension("args")).unwrap();
    assert_eq!(arguments, "-i|-f|recoup@example.org|ann@example.org|root|");
    let letter = std::fs::read_to_string(kept).unwrap();
    let (head, _) = letter.split_once("\n\n").unwrap();
    assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
    assert!(letter.is_ascii() && !letter.contains(['\r', '\u{1b}']));
    assert!(letter.lines().all(|line| line.len() <= 78), "{letter}");
}

#[test]
fn a_mail_that_is_not_taken_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut mail = Mail::new(&["ann@example.org"], None).unwrap();
    mail.program = Some(script(folder.path(), "echo no server >&2; exit 75"));
    let error = Way::Mail(mail.clone())
        .deliver(&message("a"), false)
        .unwrap_err();
    assert!(error.reason.contains("exit status: 75"), "{error}");
    assert!(error.reason.ends_with("no server") && error.may_pass);
    mail.program = Some(folder.path().join("nothing"));
    let error = Way::Mail(mail).deliver(&message("a"), false).unwrap_err();
    assert!(error.reason.contains("install a mail program"), "{error}");
}

#[test]
fn commands_run_beside_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("1"), folder.path().join("2"));
    // The first ends when the second has run.
    let line = format!(
        "if [ -z \"$SECOND\" ]; then while ! [ -e '{}' ]; do sleep 0.05; done; fi; cat > '{}'$SECOND",
        two.display(),
        one.display(),
    );
    let (outbox, reported) = outbox(vec![Way::Command(line)], &ONCE);
    outbox.send(0, message("a"));
    let second = Message {
        environment: vec![("SECOND", ".2".to_owned())],
        json: "second".to_owned(),
        ..message("b")
    };
    outbox.send(0, second);
    let other = folder.path().join("1.2");
    let began = Instant::now();
    while !std::fs::read(&other).is_ok_and(|text| text == b"second\n") {
        assert!(began.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(10));
    }
    std::fs::write(&two, "").unwrap();
    drop(outbox);
    assert_eq!(std::fs::read_to_string(one).unwrap(), "{\"id\":1}\n");
    assert!(reported.lock().unwrap().iter().all(|line| line.1.is_ok()));
}
