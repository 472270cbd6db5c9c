//! Files as people have them: an event damages one, people work on, and the damage is taken back.

use recoup_merge::content::{How, Reason, Verdict, merge};

/// Applies edits, each of which must find its place once.
fn edit(text: &str, edits: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (from, to) in edits {
        assert_eq!(text.matches(from).count(), 1, "{from:?} in {text}");
        text = text.replace(from, to);
    }
    text
}

/// `event` damages `before`, then people make the edits `since`; the result must be before with the
/// edits of people only.
fn check(name: &str, how: How, before: &str, event: &[(&str, &str)], since: &[(&str, &str)]) {
    let after = edit(before, event);
    let live = edit(&after, since);
    let expected = edit(before, since);
    for [before, after, live, expected] in [
        [before, &after, &live, &expected].map(str::to_owned),
        [before, &after, &live, &expected].map(|text| text.replace('\n', "\r\n")),
        [before, &after, &live, &expected].map(|text| text.trim_end().to_owned()),
    ] {
        match merge(
            name.as_bytes(),
            before.as_bytes(),
            after.as_bytes(),
            live.as_bytes(),
        ) {
            Verdict::Merged {
                bytes,
                how: done,
                layout_kept,
            } => {
                assert_eq!(String::from_utf8_lossy(&bytes), expected);
                assert_eq!((done, layout_kept), (how, false));
            }
            Verdict::Refused(reason) => panic!("{name}: {reason}\nlive:\n{live}"),
        }
    }
}

fn refusal(name: &str, before: &str, after: &str, live: &str) -> Option<Reason> {
    match merge(
        name.as_bytes(),
        before.as_bytes(),
        after.as_bytes(),
        live.as_bytes(),
    ) {
        Verdict::Merged { bytes, .. } => panic!("{}", String::from_utf8_lossy(&bytes)),
        Verdict::Refused(reason) => Some(reason),
    }
}

const NGINX: &str = "\
user www-data;
worker_processes auto;

http {
    # Static files
    server {
        listen 80;
        server_name example.org;
        root /srv/www;
    }

    server {
        listen 443 ssl;
        server_name example.org;
        ssl_certificate /etc/ssl/example.pem;
    }
}
";

#[test]
fn nginx_conf_is_no_ini_and_merges_by_lines() {
    check(
        "nginx.conf",
        How::Text,
        NGINX,
        &[("/etc/ssl/example.pem", "/tmp/nothing.pem")],
        &[
            ("worker_processes auto", "worker_processes 4"),
            ("/srv/www", "/srv/new"),
        ],
    );
    let after = NGINX.replace("/srv/www", "/tmp");
    let live = after.replace("/tmp", "/srv/new");
    assert_eq!(
        refusal("nginx.conf", NGINX, &after, &live),
        Some(Reason::Overlap)
    );
}

const PACKAGE: &str = r#"{
  "name": "shop",
  "version": "2.10.0",
  "private": true,
  "scripts": {
    "build": "vite build",
    "test": "vitest run"
  },
  "dependencies": {
    "express": "^4.19.2",
    "pg": "^8.11.5"
  },
  "config": { "ratio": 1.0, "limit": 1e3, "serial": 12345678901234567890 },
  "files": ["dist", "README.md"]
}
"#;

#[test]
fn package_json() {
    // Neighbouring lines, which no merge by lines would take.
    check(
        "package.json",
        How::Json,
        PACKAGE,
        &[
            ("    \"express\": \"^4.19.2\",\n", ""),
            ("\"limit\": 1e3", "\"limit\": 1000"),
        ],
        &[(
            "\"pg\": \"^8.11.5\"\n",
            "\"pg\": \"^8.12.0\",\n    \"zod\": \"^3.23.8\"\n",
        )],
    );
    // The event removed the last members, so that commas must come back; the list is one value.
    check(
        "package.json",
        How::Json,
        PACKAGE,
        &[
            (",\n    \"test\": \"vitest run\"", ""),
            (",\n  \"files\": [\"dist\", \"README.md\"]", ""),
        ],
        &[
            ("\"private\": true", "\"private\" : false"),
            ("1.0,", "1.00,"),
        ],
    );
    let after = PACKAGE.replace("2.10.0", "0.0.0");
    let live = after.replace("0.0.0", "2.10.1");
    assert_eq!(
        refusal("package.json", PACKAGE, &after, &live),
        Some(Reason::SameKey("version".into()))
    );
    // Cut short by the event: nothing that work since could be told from.
    assert_eq!(
        refusal("package.json", PACKAGE, &PACKAGE[..200], &live),
        Some(Reason::AfterIsNoBase)
    );
}

const COMPOSE: &str = "\
# Maintained by the shop team
services:
  web:
    image: registry.example.org/shop/web:2.10
    ports:
      - \"8080:80\"
    environment:
      LOG_LEVEL: info # not debug
      WORKERS: 4

  db:
    image: postgres:16
    command: [\"postgres\", \"-c\", \"max_connections=200\"]
    volumes:
      - data:/var/lib/postgresql/data

  # Keeps sessions
  cache:
    image: redis:7

volumes:
  data:
";

#[test]
fn docker_compose() {
    let db =
        &COMPOSE[COMPOSE.find("  db:").expect("db")..COMPOSE.find("  # Keeps").expect("cache")];
    check(
        "docker-compose.yml",
        How::Yaml,
        COMPOSE,
        &[(db, ""), ("WORKERS: 4", "WORKERS: 400")],
        &[
            ("LOG_LEVEL: info", "LOG_LEVEL: warn"),
            ("redis:7\n", "redis:7\n    restart: always\n"),
        ],
    );
    // A service with its comment, removed by the event.
    check(
        "docker-compose.yml",
        How::Yaml,
        COMPOSE,
        &[("\n  # Keeps sessions\n  cache:\n    image: redis:7\n", "")],
        &[(
            "      WORKERS: 4\n",
            "      WORKERS: 4\n      # tried in May\n      SLOW: no\n",
        )],
    );
    let anchored = COMPOSE.replace("image: postgres:16", "image: &pg postgres:16");
    check(
        "docker-compose.yml",
        How::Text,
        &anchored,
        &[("redis:7", "redis:0")],
        &[("WORKERS: 4", "WORKERS: 8")],
    );
}

const CARGO: &str = "\
[package]
name = \"shop\" # as on the index
version = \"0.4.0\"
edition = \"2024\"

# What it needs
[dependencies]
anyhow = \"1.0.100\"
serde = { version = \"1.0.228\", features = [\"derive\"] }
tokio = { version = \"1.48\", features = [
    \"net\", # sockets
    \"rt\",
] }

[[bin]]
name = \"shop\"
path = \"src/main.rs\"

[[bin]]
name = \"admin\"
path = \"src/admin.rs\"

[profile.release]
lto = \"thin\"
";

#[test]
fn cargo_toml() {
    check(
        "Cargo.toml",
        How::Toml,
        CARGO,
        &[
            (
                "serde = { version = \"1.0.228\", features = [\"derive\"] }\n",
                "",
            ),
            ("[[bin]]\nname = \"admin\"\npath = \"src/admin.rs\"\n\n", ""),
        ],
        &[
            ("1.0.100", "1.0.101"),
            ("lto = \"thin\"\n", "lto = \"fat\" # slow\nstrip = true\n"),
        ],
    );
    let after = CARGO.replace("lto = \"thin\"", "lto = \"off\"");
    let live = after.replace("lto = \"off\"", "lto = \"fat\"");
    assert_eq!(
        refusal("Cargo.toml", CARGO, &after, &live),
        Some(Reason::SameKey("profile.release.lto".into()))
    );
}

const SAMBA: &str = "\
[global]
    workgroup = WORKGROUP
    server string = %h server
; old clients
    server min protocol = SMB2
    map to guest = bad user

[homes]
    browseable = no
    read only = no

# The shared disk
[projects]
    path = /srv/projects
    valid users = @staff, root
    vfs objects = fruit streams_xattr
    fruit:metadata = stream
";

#[test]
fn smb_conf() {
    check(
        "smb.conf",
        How::Ini,
        SAMBA,
        &[
            ("    valid users = @staff, root\n", ""),
            ("[homes]\n    browseable = no\n    read only = no\n\n", ""),
            ("SMB2", "NT1"),
        ],
        &[
            ("workgroup = WORKGROUP", "workgroup = OFFICE"),
            (
                "map to guest = bad user\n",
                "map to guest = never\n    # for the scanner\n    ntlm auth = yes\n",
            ),
        ],
    );
}

#[test]
fn only_comments_were_changed_by_the_event() {
    check(
        "smb.conf",
        How::Text,
        SAMBA,
        &[("; old clients\n", "")],
        &[("path = /srv/projects", "path = /srv/work")],
    );
}

#[test]
fn comments_that_the_event_changed_beside_values_are_reported() {
    let after = edit(SAMBA, &[("; old clients\n", ""), ("WORKGROUP", "X")]);
    let live = edit(&after, &[("path = /srv/projects", "path = /srv/work")]);
    let verdict = merge(
        b"smb.conf",
        SAMBA.as_bytes(),
        after.as_bytes(),
        live.as_bytes(),
    );
    let expected = edit(&live, &[("= X", "= WORKGROUP")]);
    assert_eq!(
        verdict,
        Verdict::Merged {
            bytes: expected.into_bytes(),
            how: How::Ini,
            layout_kept: true
        }
    );
}

#[test]
fn lists_merge_by_id_or_as_one_value() {
    let list = |items: &[&str]| format!("{{\"rules\": [\n  {}\n]}}\n", items.join(",\n  "));
    let (one, two) = (r#"{"id": 1, "to": "a"}"#, r#"{"id": 2, "to": "b"}"#);
    let three = r#"{"id": 3, "to": "c"}"#;
    let merged = |before: &str, after: &str, live: &str| match merge(
        b"r.json",
        before.as_bytes(),
        after.as_bytes(),
        live.as_bytes(),
    ) {
        Verdict::Merged { bytes, .. } => Ok(String::from_utf8(bytes).expect("text")),
        Verdict::Refused(reason) => Err(reason),
    };
    // The event dropped 1, somebody changed 2.
    let changed = r#"{"id": 2, "to": "z"}"#;
    assert_eq!(
        merged(&list(&[one, two]), &list(&[two]), &list(&[changed])),
        Ok(list(&[one, changed]))
    );
    // One comes back and one was added since at the same place: which goes first?
    assert_eq!(
        merged(&list(&[one, two]), &list(&[one]), &list(&[one, three])),
        Err(Reason::NotSymmetric)
    );
    // Somebody changed the order.
    assert_eq!(
        merged(
            &list(&[one, two, three]),
            &list(&[one, two]),
            &list(&[two, one])
        ),
        Err(Reason::SameKey("rules".into()))
    );
    // Without ids.
    assert_eq!(
        merged("{\"l\": [1, 2]}", "{\"l\": [1]}", "{\"l\": [1, 3]}"),
        Err(Reason::SameKey("l".into()))
    );
}

#[test]
fn what_the_event_left_unreadable_is_no_base() {
    // Whether live can be read or not: else merging once more could say something else.
    for live in ["a: 1\nb: 2\nc: }\nd: 4\n", "a: 1\nb: 2\nc: 3\nd: 4\n"] {
        assert_eq!(
            refusal("a.yml", "a: 1\nb: 2\nc: 3\n", "a: 1\nb: 2\nc: }\n", live),
            Some(Reason::AfterIsNoBase)
        );
    }
}

#[test]
fn edges_of_ini() {
    // The last line has no end, and it is what the event had brought.
    let verdict = merge(b"a.ini", b"# c\n", b"a = 1\n", b"a = 1");
    let bytes = Vec::new();
    assert_eq!(
        verdict,
        Verdict::Merged {
            bytes,
            how: How::Ini,
            layout_kept: true
        }
    );
    assert_eq!(
        refusal("a.ini", "a = 1\n", "a = 2\n", "a = 3\n"),
        Some(Reason::SameKey("a".into()))
    );
    // An empty value comes and goes.
    check(
        "a.ini",
        How::Ini,
        "[s]\na =\nb = 1\n",
        &[("a =\n", "a = x\n")],
        &[("b = 1", "b  =  2")],
    );
}
