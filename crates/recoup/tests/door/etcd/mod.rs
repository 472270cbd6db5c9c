//! A real etcd as a source, as a user has it: every line of JSON is checked against the schema.

use ::etcd::testing::{Server, ServerOptions, StartError};
use ::etcd::{Address, Client, Settings};
use serde_json::Value;
use tempfile::TempDir;

use crate::home::Home;
use crate::watching::Watching;

mod backups;
mod undoing;
mod conflicts;
mod interrupted;
mod restoring;
mod refusals;
mod entering;
mod serving;

/// Balancers that a store has at first.
const BALANCERS: usize = 120;

/// A store, and a home in which recoup runs.
struct Stage {
    home: Home,
    store: Client,
    server: Server,
    _directory: TempDir,
}

impl Stage {
    /// With some load balancers and a few other keys; nothing where no etcd is installed.
    fn new() -> Option<Self> {
        let stage = Self::empty()?;
        for at in 0..BALANCERS {
            stage.put(&balancer(at), &config(at));
        }
        for at in 0..30 {
            stage.put(&format!("/zones/{at:02}"), "healthy");
        }
        Some(stage)
    }

    fn empty() -> Option<Self> {
        Self::with(&ServerOptions::default())
    }

    /// A store that has no users yet and takes connections in the clear.
    fn with(options: &ServerOptions) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let server = started(Server::start(directory.path(), options))?;
        let store = Client::connect(&server.address(), &Settings::default()).unwrap();
        Some(Self {
            home: Home::new(),
            store,
            server,
            _directory: directory,
        })
    }

    /// The address of the whole store, as it is typed.
    fn url(&self) -> String {
        self.server.address().to_string()
    }

    /// The address of what begins with `prefix`.
    fn url_of(&self, prefix: &str) -> String {
        format!("{}{prefix}", self.url())
    }

    fn put(&self, key: &str, value: &str) {
        self.store.put(key.as_bytes(), value.as_bytes(), 0).unwrap();
    }

    fn get(&self, key: &str) -> Option<String> {
        let found = self.store.get(key.as_bytes(), None).unwrap();
        found.map(|kv| String::from_utf8(kv.value).unwrap())
    }

    fn count(&self, prefix: &str) -> u64 {
        self.store.count(prefix.as_bytes()).unwrap()
    }

    /// What an incident is: every balancer goes, in one blow.
    fn delete_balancers(&self) {
        let (_, deleted) = self.store.delete_prefix(b"/lb/").unwrap();
        assert_eq!(deleted, BALANCERS as u64);
    }

    /// Backs up, and gives the revision of the snapshot.
    fn backup(&self) -> u64 {
        self.home.json(&["backup", &self.url()], 0);
        let revision = self.store.revision().unwrap();
        u64::try_from(revision).unwrap()
    }

    fn watch(&self) -> Watching {
        let url = self.url();
        let words = ["watch", &url, "--every", "1", "--json"];
        let mut watching = Watching::start(self.home.command(&words));
        watching.ready();
        watching
    }

    /// The undo of what happened between two revisions.
    fn undo_between(&self, (before, after): (u64, u64), more: &[&str], code: i32) -> Vec<Value> {
        let (url, before, after) = (self.url(), before.to_string(), after.to_string());
        let fixed = ["undo", &url, "--before", &before, "--after", &after];
        self.home.json(&[&fixed, more].concat(), code)
    }
}

/// The server, unless it is not installed here.
fn started<T>(server: Result<T, StartError>) -> Option<T> {
    match server {
        Ok(server) => Some(server),
        Err(StartError::NotInstalled) => {
            println!("SKIP: etcd is not installed");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn balancer(at: usize) -> String {
    format!("/lb/lb-{at:05}")
}

fn config(at: usize) -> String {
    format!(r#"{{"name":"lb-{at:05}","port":443,"members":[{at}]}}"#)
}

fn of_type<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["type"] == kind).collect()
}

/// The summary, which is the last line.
fn summary(lines: &[Value]) -> &Value {
    let last = lines.last().unwrap();
    assert_eq!(last["type"], "summary", "{last}");
    last
}

/// An address with nobody behind it.
fn nobody() -> Address {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    format!("etcd://127.0.0.1:{port}").parse().unwrap()
}
