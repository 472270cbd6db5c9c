//! The night of 24 December 2012 in code: watch an etcd, let a job delete a part of it, hear the alarm, undo it.
//!
//!     cargo run --release -p recoup-keyspace --example outage      (needs etcd: apt-get install etcd-server)
//!
//! `recoup demo outage` plays the same from outside, with a control plane that goes on, and books to compare with.

use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use etcd::testing::{Server, ServerOptions};
use etcd::{Client, Settings};
use model::incident::Level;
use model::{Cancel, Silent, Timestamp};
use recoup_keyspace::{Event, Keyspace, Options, WatchOptions, watch};
use repository::Repository;
use storage::MemoryStorage;
use testkit::Lab;
use undo::{ContentMerge, Who, Work};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const KEYS: usize = 2_000;
const HOST: &str = "controller-1";

/// What the watcher tells this program.
enum Told {
    Ready,
    Alarm(u64),
}

fn main() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let server = Server::start(directory.path(), &ServerOptions::default())?;
    let client = Client::connect(&server.address(), &Settings::default())?;
    for number in 0..KEYS {
        let (key, value) = (
            format!("/lb/lb-{number:05}"),
            format!("{{\"id\": {number}}}"),
        );
        client.put(key.as_bytes(), value.as_bytes(), 0)?;
    }

    // A repository: in memory here.
    let (storage, lab) = (Arc::new(MemoryStorage::new()), Lab::new(2012));
    lab.create(&*storage)?;
    let watched = lab.open(storage.clone())?;
    let options = Options {
        source: server.address().to_string().into_bytes(),
        prefix: Vec::new(),
        tags: Vec::new(),
        host: HOST.to_owned(),
        user: "ann".to_owned(),
        program: "outage example".to_owned(),
        threads: 2,
    };

    let (tell, told) = channel();
    let cancel = Arc::new(Cancel::default());
    let following = WatchOptions::new(server.address(), Settings::default(), options.clone());
    let stop = Arc::clone(&cancel);
    let watcher = thread::spawn(move || follow(&watched, &following, &stop, &tell));
    while !matches!(told.recv()?, Told::Ready) {}

    // The job deletes 6.8 % of the keys, and somebody goes on with another one.
    for number in (0..KEYS).step_by(15) {
        client.delete(format!("/lb/lb-{number:05}").as_bytes())?;
    }
    client.put(b"/lb/lb-00001", b"{\"id\": 1, \"scaled\": true}", 0)?;
    let number = loop {
        if let Told::Alarm(number) = told.recv_timeout(Duration::from_secs(30))? {
            break number;
        }
    };

    // The plan is a three-way merge of the state before, the state after, and what is there now.
    // An opened repository knows what was stored when it was opened: it is opened when it is needed.
    undo(&lab.open(storage)?, &client, options, number)?;
    println!("now     {} of {KEYS} keys", client.count(b"/lb/")?);
    let later = client.get(b"/lb/lb-00001", None)?.map(|kv| kv.value);
    println!(
        "later   {}",
        String::from_utf8_lossy(&later.unwrap_or_default())
    );
    cancel.request();
    watcher.join().map_err(|_| "the watcher broke off")??;
    Ok(server.stop()?)
}

/// Follows the store until somebody asks to stop.
fn follow(
    repository: &Repository,
    options: &WatchOptions,
    stop: &Cancel,
    tell: &Sender<Told>,
) -> std::result::Result<(), recoup_keyspace::KeyspaceError> {
    watch(repository, options, &clock, &Silent, stop, &mut |event| {
        let told = match event {
            Event::Ready { revision, keys, .. } => {
                println!("ready   {keys} keys of revision {revision}");
                Told::Ready
            }
            Event::Incident(incident) if incident.level == Level::Alarm => {
                println!("alarm   {}", incident.about);
                Told::Alarm(incident.number)
            }
            _ => return,
        };
        // After the alarm nobody listens any more.
        let _ = tell.send(told);
    })
}

fn undo(repository: &Repository, client: &Client, options: Options, number: u64) -> Result<()> {
    let timeline = repository.timeline(HOST, &options.source)?;
    let known = timeline.incidents()?;
    let known = known
        .into_iter()
        .find(|known| known.incident.number == number);
    let known = known.ok_or("the incident is not recorded")?;
    let keys = known
        .keys
        .map(|listed| repository.keys(&listed))
        .transpose()?;
    let keys = keys.unwrap_or_default();
    let event = undo::Event::of_incident(repository, &timeline, &known.incident, &keys)?;
    let cancel = Cancel::default();
    let who = Who {
        host: options.host.clone(),
        user: options.user.clone(),
        program: options.program.clone(),
    };
    let ground = Keyspace::new(repository, client, options, None, &clock, &Silent, &cancel);
    let work = Work {
        repository,
        ground: &ground,
        who,
        clock: &clock,
        monitor: &Silent,
    };
    let proposal = work.ground.propose(&event, ContentMerge::Off)?;
    let report = work.run(&event, &proposal)?;
    println!(
        "undone  operation {}, {} conflicts",
        report.number,
        report.open.conflicts.len()
    );
    Ok(())
}

fn clock() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default();
    Timestamp::new(now.as_secs().cast_signed(), now.subsec_nanos())
}
