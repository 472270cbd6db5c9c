//! Users and passwords, certificates, and members that are down.

use std::path::Path;
use std::process::Command;

use ::etcd::testing::{Server, ServerOptions, ServerTls};
use ::etcd::{Client, Identity, Settings, Tls};

use super::{Stage, balancer, of_type, started, summary};
use crate::home::Home;
use crate::watching::Watching;

/// Runs a program of the system that has to succeed.
fn system(program: &str, directory: &Path, words: &[&str]) {
    let mut command = Command::new(program);
    command.args(words).current_dir(directory);
    command.env("ETCDCTL_API", "3");
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {words:?}: {text}");
}

/// A store in which root has the password `r` and ann, who may do everything beneath `/lb/`, `secret`.
fn with_users() -> Option<Stage> {
    let stage = Stage::new()?;
    let endpoint = stage.server.endpoint().to_string();
    for words in [
        "user add root:r",
        "role add root",
        "user grant-role root root",
        "user add ann:secret",
        "role add balancers",
        "role grant-permission balancers --prefix=true readwrite /lb/",
        "user grant-role ann balancers",
        "auth enable",
    ] {
        let all: Vec<&str> = ["--endpoints", &endpoint]
            .into_iter()
            .chain(words.split(' '))
            .collect();
        system("etcdctl", Path::new("/"), &all);
    }
    Some(stage)
}

#[test]
fn a_user_is_named_and_the_password_is_not_shown() {
    let Some(mut stage) = with_users() else {
        return;
    };
    stage.home.set("RECOUP_ETCD_WAIT", "1");
    let url = stage.url_of("/lb/");
    let run = |home: &Home, words: &[&str], code: i32, said: &str| {
        let ran = home.run(words);
        assert_eq!(ran.code, code, "{words:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{words:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
    };
    run(&stage.home, &["backup", &url], 1, "--etcd-user");
    let as_ann = ["backup", &url, "--etcd-user", "ann"];
    run(&stage.home, &as_ann, 2, "RECOUP_ETCD_PASSWORD");
    stage.home.set("RECOUP_ETCD_PASSWORD", "wrong");
    run(&stage.home, &as_ann, 1, "does not accept the user");
    stage.home.set("RECOUP_ETCD_PASSWORD", "secret");
    run(&stage.home, &as_ann, 0, "");
    // A role that may not read these keys.
    let zones = stage.url_of("/zones/");
    run(
        &stage.home,
        &["backup", &zones, "--etcd-user", "ann"],
        1,
        "a role that may",
    );

    // The same from files, as a service has it: a config file and a password file.
    stage.home.set("RECOUP_ETCD_PASSWORD", "");
    stage.home.write("password", "secret\n");
    let config = "etcd-user = \"ann\"\netcd-password-file = \"../../password\"\n";
    stage.home.write(".config/recoup/config.toml", config);
    undo_as_ann(&stage, &url);
    run(&stage.home, &["config", "show"], 0, "");
}

/// Watching, the alarm and the undo, as a user who may do just that.
fn undo_as_ann(stage: &Stage, url: &str) {
    let ann = Settings {
        login: Some(::etcd::Login {
            name: "ann".to_owned(),
            password: "secret".to_owned().into(),
        }),
        ..Settings::default()
    };
    let address = url.parse().unwrap();
    let store = Client::connect(&address, &ann).unwrap();
    let mut watching = Watching::start(stage.home.command(&["watch", url, "--json"]));
    watching.ready();
    store.delete_prefix(b"/lb/").unwrap();
    let incident = watching.wait_for("incident", 0);
    assert_eq!(incident["level"], "alarm", "{incident}");
    assert_eq!(watching.stop().0, 0);
    let done = stage.home.json(&["undo", "--incident", "1", "--yes"], 0);
    assert_eq!(summary(&done)["restored"], super::BALANCERS);
    assert_eq!(store.count(b"/lb/").unwrap(), super::BALANCERS as u64);
}

/// An authority, and what it signed for the server and for a client, made as an administrator makes them.
fn make_certificates(directory: &Path) {
    let openssl = |words: &str| {
        let words: Vec<&str> = words.split(' ').collect();
        system("openssl", directory, &words);
    };
    let new_key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for name in ["ca", "other"] {
        openssl(&format!(
            "req -x509 {new_key} -keyout {name}.key -out {name}.pem -days 2 -subj /CN={name}"
        ));
    }
    std::fs::write(directory.join("for"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    for name in ["server", "client"] {
        openssl(&format!(
            "req {new_key} -keyout {name}.key -out {name}.csr -subj /CN={name}"
        ));
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out {name}.pem \
             -days 2 -extfile for"
        ));
    }
}

/// A store that takes encrypted connections only, of clients that show a certificate.
fn start_with_tls(directory: &Path) -> Option<Server> {
    make_certificates(directory);
    let path = |name: &str| directory.join(name);
    let read = |name: &str| std::fs::read(path(name)).unwrap();
    let client = Tls {
        authority: read("ca.pem"),
        identity: Some(Identity {
            certificate: read("client.pem"),
            key: read("client.key").into(),
        }),
        server_name: None,
    };
    let tls = ServerTls {
        certificate: path("server.pem"),
        key: path("server.key"),
        client_authority: Some(path("ca.pem")),
        client,
    };
    let options = ServerOptions {
        tls: Some(tls),
        ..ServerOptions::default()
    };
    started(Server::start(&directory.join("data"), &options))
}

#[test]
fn certificates_are_asked_for_and_shown() {
    let mut home = Home::new();
    home.set("RECOUP_ETCD_WAIT", "1");
    let directory = home.path("tls");
    std::fs::create_dir(&directory).unwrap();
    let Some(server) = start_with_tls(&directory) else {
        return;
    };
    let url = server.address().to_string();
    let ca = ["--etcd-ca", "tls/ca.pem"];
    let shown = [
        "--etcd-cert",
        "tls/client.pem",
        "--etcd-key",
        "tls/client.key",
    ];
    let all = [&["backup", &url], &ca[..], &shown].concat();
    home.json(&all, 0);
    for (words, code, said) in [
        (vec![], 1, "--etcd-ca"),
        (ca.to_vec(), 1, "--etcd-cert"),
        (shown.to_vec(), 2, "--etcd-ca"),
        ([&ca, &shown[..2]].concat(), 2, "go together"),
        (
            [&["--etcd-ca", "tls/other.pem"], &shown[..]].concat(),
            1,
            "certificate",
        ),
        (
            [&["--etcd-ca", "tls/none"], &shown[..]].concat(),
            1,
            "read tls/none",
        ),
        (
            [&["--etcd-ca", "tls/ca.key"], &shown[..]].concat(),
            2,
            "no certificate",
        ),
    ] {
        let ran = home.run(&[&["backup", &url], &words[..]].concat());
        assert_eq!(ran.code, code, "{words:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{words:?}: {}", ran.stderr);
    }
    let config = "etcd-ca = \"~/tls/ca.pem\"\netcd-cert = \"~/tls/client.pem\"\n\
                  etcd-key = \"~/tls/client.key\"\n";
    home.write(".config/recoup/config.toml", config);
    home.json(&["backup", &url], 0);
    home.json(&["diff", "latest", "live"], 0);
}

#[test]
fn one_member_may_be_down() {
    let directory = tempfile::tempdir().unwrap();
    let options = ServerOptions::default();
    let Some(mut servers) = started(Server::start_cluster(directory.path(), 3, &options)) else {
        return;
    };
    let endpoints: Vec<String> = servers.iter().map(|it| it.endpoint().to_string()).collect();
    let url = format!("etcd://{}", endpoints.join(","));
    let home = Home::new();
    let writer = Client::connect(&url.parse().unwrap(), &Settings::default()).unwrap();
    for at in 0..80 {
        writer.put(balancer(at).as_bytes(), b"x", 0).unwrap();
    }
    home.json(&["backup", &url], 0);
    let mut watching = Watching::start(home.command(&["watch", &url, "--json"]));
    watching.ready();
    servers[0].kill9().unwrap();
    // Of a call that got no answer nobody knows what became of it.
    while writer.delete_prefix(b"/lb/").is_err() {}
    let incident = watching.wait_for("incident", 0);
    assert_eq!(incident["deleted"], 80, "{incident}");
    assert_eq!(watching.lines("gap").len(), 0, "{:?}", watching.said());
    home.json(&["undo", "--incident", "1", "--yes"], 0);
    assert_eq!(writer.count(b"/lb/").unwrap(), 80);
    home.json(&["backup", &url], 0);
    // One member names the whole cluster.
    let key = format!("etcd://{}{}", endpoints[1], balancer(1));
    assert_eq!(home.list(&["log", &key], 0).len(), 3);
    assert_eq!(watching.stop().0, 0);
    let made = home.json(&["backup", &url], 0);
    assert_eq!(of_type(&made, "snapshot-made")[0]["files"], 80);
}
