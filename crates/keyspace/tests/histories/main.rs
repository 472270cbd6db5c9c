//! Random histories on a real etcd: writers at work, damage, undo, redo, kills and compactions, compared
//! with an oracle that is written apart from the product: its own client, its own ledger, its own merge.

#[path = "../../../etcd/tests/rig/gateway.rs"]
mod gateway;
mod history;
mod ledger;

use etcd::testing::{Server, ServerOptions, StartError};
use history::{Counts, History};

pub(crate) type Map = std::collections::BTreeMap<Vec<u8>, Vec<u8>>;

/// Long enough for every kind of step to meet every other many times.
const LONG: u64 = 5000;

/// A minute on a slow machine.
const QUICK: u64 = 30;

#[test]
fn histories_end_as_the_oracle_says() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = match Server::start(directory.path(), &ServerOptions::default()) {
        Ok(server) => server,
        Err(StartError::NotInstalled) => {
            println!("SKIP: {}", StartError::NotInstalled);
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let count = if testkit::is_long() { LONG } else { QUICK };
    let first = std::env::var("RECOUP_SEED").ok();
    let first = first.and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut counts = Counts::default();
    for seed in first..first + count {
        History::new(seed, &mut server).run(&mut counts);
    }
    println!("{count} histories: {counts:?}");
    assert!(counts.points > count && counts.undone > 0 && counts.redone > 0);
    assert!(counts.kills > 0 && counts.compactions > 0 && counts.conflicts > 0);
}
