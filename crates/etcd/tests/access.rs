//! Users, passwords and certificates.

mod rig;

use model::Cancel;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use recoup_etcd::testing::{Server, ServerOptions, ServerTls};
use recoup_etcd::{
    Applier, Client, EtcdError, Expect, Identity, Lease, Login, Outcome, Seen, Settings, Tls, Write,
};
use rig::gateway::{Gateway, text};
use rig::start;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::Duration;

fn settings(name: &str, password: &str) -> Settings {
    let login = Login {
        name: name.into(),
        password: password.to_owned().into(),
    };
    Settings {
        login: Some(login),
        patience: Duration::from_secs(10),
        ..Settings::default()
    }
}

/// Two users: root, and one that may do everything beneath `/ours/`.
fn switch_on_users(port: u16) {
    let mut gateway = Gateway::new(port);
    let mut ask = |path: &str, question: Value| {
        let answer = gateway.ask(path, &question).unwrap();
        assert!(answer.get("error").is_none(), "{path}: {answer}");
    };
    ask(
        "/v3/auth/user/add",
        json!({"name": "root", "password": "r"}),
    );
    ask("/v3/auth/role/add", json!({"name": "root"}));
    ask(
        "/v3/auth/user/grant",
        json!({"user": "root", "role": "root"}),
    );
    ask(
        "/v3/auth/user/add",
        json!({"name": "ours", "password": "o"}),
    );
    ask("/v3/auth/role/add", json!({"name": "ours"}));
    let permission =
        json!({"permType": "READWRITE", "key": text(b"/ours/"), "range_end": text(b"/ours0")});
    ask(
        "/v3/auth/role/grant",
        json!({"name": "ours", "perm": permission}),
    );
    ask(
        "/v3/auth/user/grant",
        json!({"user": "ours", "role": "ours"}),
    );
    ask("/v3/auth/enable", json!({}));
}

#[test]
fn users_may_do_what_they_may() {
    let Some((mut server, _directory)) = start(&ServerOptions::default()) else {
        return;
    };
    rig::client(&server).put(b"/theirs/a", b"1", 0).unwrap();
    switch_on_users(server.endpoint().port);
    let address = server.address();
    for settings in [
        Settings::default(),
        settings("ours", "wrong"),
        settings("nobody", "o"),
    ] {
        let error = Client::connect(&address, &settings).unwrap_err();
        assert!(
            matches!(error, EtcdError::AuthenticationFailed { .. }),
            "{error}"
        );
        let shown = format!("{settings:?}");
        assert!(!shown.contains("wrong"), "{shown}");
    }
    let root = Client::connect(&address, &settings("root", "r")).unwrap();
    assert_eq!(root.count(b"").unwrap(), 1);
    let error = Client::connect(&address, &settings("ours", "o")).unwrap_err();
    assert!(
        matches!(error, EtcdError::PermissionDenied),
        "everything is not ours: {error}"
    );
    let ours_only = address.with_prefix(b"/ours/".to_vec());
    let ours = Client::connect(&ours_only, &settings("ours", "o")).unwrap();
    check_writes(&ours);
    let first = ours.revision().unwrap() + 1;
    let mut watch = ours.watch(b"/ours/", first, false);
    assert!(matches!(
        watch.next(Duration::from_secs(10)).unwrap(),
        Some(Seen::Connected(_))
    ));
    let denied = loop {
        match ours.watch(b"", first, false).next(Duration::from_secs(10)) {
            Ok(seen) => assert!(matches!(seen, Some(Seen::Connected(_))), "{seen:?}"),
            Err(error) => break error,
        }
    };
    assert!(matches!(denied, EtcdError::PermissionDenied), "{denied}");
    // Tokens do not outlive the server: both log in again by themselves.
    server.kill9().unwrap();
    server.restart().unwrap();
    assert_eq!(ours.count(b"/ours/").unwrap(), 4);
    let at = ours.put(b"/ours/z", b"1", 0).unwrap();
    let seen = loop {
        match watch
            .next(Duration::from_secs(20))
            .unwrap()
            .expect("nothing in time")
        {
            Seen::Revision(revision) => break revision.revision,
            Seen::Gap(gap) => panic!("{gap:?}"),
            _ => {}
        }
    };
    assert_eq!(seen, at);
}

/// Keys that are not ours are refused one by one; the rest is written.
fn check_writes(ours: &Client) {
    let keys = [
        "/ours/a",
        "/theirs/a",
        "/ours/b",
        "/ours/c",
        "/theirs/b",
        "/ours/d",
    ];
    let writes = keys.map(|key| Write {
        key: key.into(),
        new: Some(b"2".to_vec()),
        expect: Expect::Absent,
        lease: Lease::None,
    });
    let applied = Applier::new(ours, None).apply(&writes, &Cancel::default(), &mut |_, _| {});
    assert!(applied.stopped.is_none());
    for (key, outcome) in keys.iter().zip(&applied.outcomes) {
        let is_denied = matches!(outcome, Outcome::Refused(EtcdError::PermissionDenied));
        assert_eq!(
            (outcome.is_success(), is_denied),
            (key.starts_with("/ours"), key.starts_with("/theirs"))
        );
    }
}

struct Certificates {
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { authority }
    }

    /// Certificate and key for a name.
    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn client(&self, with_identity: bool) -> Tls {
        let (certificate, key) = self.issue("client");
        let identity = Identity {
            certificate: certificate.into_bytes(),
            key: key.into_bytes().into(),
        };
        Tls {
            authority: self.authority.pem().into_bytes(),
            identity: with_identity.then_some(identity),
            server_name: None,
        }
    }
}

fn start_with_tls(directory: &Path, certificates: &Certificates, name: &str) -> Option<Server> {
    let (certificate, key) = certificates.issue(name);
    let path = |name: &str, text: &str| {
        let path = directory.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let mut client = certificates.client(true);
    client.server_name = Some(name.to_owned());
    let tls = ServerTls {
        certificate: path("server.pem", &certificate),
        key: path("server.key", &key),
        client_authority: Some(path("authority.pem", &certificates.authority.pem())),
        client,
    };
    let options = ServerOptions {
        tls: Some(tls),
        ..ServerOptions::default()
    };
    match Server::start(directory, &options) {
        Ok(server) => Some(server),
        Err(recoup_etcd::testing::StartError::NotInstalled) => {
            println!("SKIP: etcd is not installed");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn certificates_are_asked_for_on_both_sides() {
    let directory = tempfile::tempdir().unwrap();
    let certificates = Certificates::new();
    let Some(server) = start_with_tls(directory.path(), &certificates, "127.0.0.1") else {
        return;
    };
    let with = |tls: Option<Tls>| Settings {
        tls,
        patience: Duration::from_millis(300),
        ..Settings::default()
    };
    let client =
        Client::connect(&server.address(), &with(Some(certificates.client(true)))).unwrap();
    let first = client.put(b"/a", b"1", 0).unwrap();
    let mut watch = client.watch(b"", first, false);
    let mut seen = || watch.next(Duration::from_secs(10)).unwrap().unwrap();
    assert!(matches!(seen(), Seen::Connected(_)));
    assert!(matches!(seen(), Seen::Revision(revision) if revision.revision == first));
    let named = Tls {
        server_name: Some("elsewhere.example".into()),
        ..certificates.client(true)
    };
    for (wrong, says) in [
        (
            Some(Certificates::new().client(true)),
            "invalid peer certificate",
        ),
        (Some(named), "not valid for name"),
        // How the server closes the line differs from time to time.
        (Some(certificates.client(false)), ""),
        (None, ""),
    ] {
        let error = Client::connect(&server.address(), &with(wrong)).unwrap_err();
        let text = error.to_string();
        assert!(
            matches!(error, EtcdError::Unreachable { .. }) && text.contains(says),
            "{text}"
        );
    }
    let unreadable = Tls {
        authority: b"no certificate".to_vec(),
        ..certificates.client(false)
    };
    let error = Client::connect(&server.address(), &with(Some(unreadable))).unwrap_err();
    assert!(matches!(error, EtcdError::Settings { .. }), "{error}");
}
