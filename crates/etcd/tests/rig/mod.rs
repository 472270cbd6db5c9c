//! What the tests of this crate stand on: a real etcd, a second client written apart from the product, and
//! a proxy that breaks connections.
#![allow(dead_code, reason = "each test binary uses a part")]

pub(crate) mod gateway;
pub(crate) mod proxy;

use recoup_etcd::testing::{Server, ServerOptions, StartError};
use recoup_etcd::{Address, Client, Endpoint, Settings};
use std::collections::BTreeMap;
use tempfile::TempDir;

pub(crate) type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// A running etcd and where it lives; `None`, and a word about it, where none is installed.
pub(crate) fn start(options: &ServerOptions) -> Option<(Server, TempDir)> {
    let (mut servers, directory) = start_cluster(1, options)?;
    Some((servers.pop().unwrap(), directory))
}

pub(crate) fn start_cluster(
    count: usize,
    options: &ServerOptions,
) -> Option<(Vec<Server>, TempDir)> {
    let directory = tempfile::tempdir().unwrap();
    match Server::start_cluster(directory.path(), count, options) {
        Ok(servers) => Some((servers, directory)),
        Err(StartError::NotInstalled) => {
            println!("SKIP: {}", StartError::NotInstalled);
            None
        }
        Err(error) => panic!("{error}"),
    }
}

pub(crate) fn client(server: &Server) -> Client {
    Client::connect(&server.address(), &Settings::default()).unwrap()
}

/// The address of something on a port of loopback.
pub(crate) fn local(ports: &[u16]) -> Address {
    let endpoint = |port: &u16| Endpoint {
        host: "127.0.0.1".into(),
        port: *port,
    };
    Address::new(ports.iter().map(endpoint).collect(), Vec::new()).unwrap()
}

/// Everything under a prefix, as the product reads it.
pub(crate) fn capture(client: &Client, prefix: &[u8], revision: Option<i64>) -> (i64, Map) {
    let (mut at, mut map) = (0, Map::new());
    for page in client.pages(prefix, revision) {
        let page = page.unwrap();
        assert!(at == 0 || at == page.revision, "pages of two moments");
        at = page.revision;
        for entry in page.entries {
            let twice = map.insert(entry.key, entry.value);
            assert!(twice.is_none(), "a key on two pages");
        }
    }
    (at, map)
}

/// Puts keys by transactions of a hundred.
pub(crate) fn load(client: &Client, pairs: &[(Vec<u8>, Vec<u8>)]) -> i64 {
    let mut revision = 0;
    for some in pairs.chunks(100) {
        let some: Vec<_> = some
            .iter()
            .map(|(key, value)| (&key[..], &value[..]))
            .collect();
        revision = client.put_all(&some).unwrap();
    }
    revision
}
