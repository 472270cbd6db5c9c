//! What is read at one revision is what stood there, whatever happens meanwhile.

mod rig;

use recoup_etcd::testing::ServerOptions;
use recoup_etcd::{EtcdError, keys};
use rig::gateway::Gateway;
use rig::{Map, capture, client, load, start};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use testkit::{Random, is_long};

/// Every write that was acknowledged, by revision.
type Ledger = Mutex<BTreeMap<i64, (Vec<u8>, Option<Vec<u8>>)>>;

fn odd_key(random: &mut Random) -> Vec<u8> {
    let number = random.below(400);
    match number % 4 {
        0 => format!("/lb/lb-{number:05}").into_bytes(),
        1 => format!("bare-{number}").into_bytes(),
        2 => [b"/bin/\0\xff/".as_slice(), &(number as u32).to_le_bytes()].concat(),
        _ => format!("/lb//{number}/").into_bytes(),
    }
}

fn write_until(stop: &AtomicBool, port: u16, seed: u64, ledger: &Ledger) {
    let (mut gateway, mut random) = (Gateway::new(port), Random::new(seed));
    while !stop.load(Ordering::Relaxed) {
        // Writers share keys: two may write one at the same time.
        let key = odd_key(&mut random);
        let entry = if random.below(3) == 0 {
            gateway
                .delete(&key)
                .unwrap()
                .map(|revision| (revision, (key, None)))
        } else {
            let mut value = vec![0; random.below(200)];
            random.fill(&mut value);
            let revision = gateway.put(&key, &value).unwrap();
            Some((revision, (key, Some(value))))
        };
        if let Some((revision, write)) = entry {
            let twice = ledger.lock().unwrap().insert(revision, write);
            assert!(twice.is_none(), "two writes in revision {revision}");
        }
    }
}

#[test]
fn a_capture_is_one_moment_while_writers_write() {
    let Some((server, _directory)) = start(&ServerOptions::default()) else {
        return;
    };
    let port = server.endpoint().port;
    let client = client(&server);
    let standing: Vec<_> = (0..5000_u32)
        .map(|at| {
            (
                format!("/standing/{at:06}").into_bytes(),
                vec![at as u8; 900],
            )
        })
        .collect();
    load(&client, &standing);
    let standing: Map = standing.into_iter().collect();
    let (stop, ledger) = (AtomicBool::new(false), Ledger::default());
    let rounds = if is_long() { 500 } else { 30 };
    let captures = std::thread::scope(|scope| {
        for seed in 0..3 {
            let (stop, ledger) = (&stop, &ledger);
            scope.spawn(move || write_until(stop, port, seed, ledger));
        }
        let captures: Vec<_> = (0..rounds).map(|_| capture(&client, b"", None)).collect();
        stop.store(true, Ordering::Relaxed);
        captures
    });
    let ledger = ledger.into_inner().unwrap();
    let mut oracle = Gateway::new(port);
    let mut keys_seen = 0;
    for (revision, seen) in &captures {
        let mut expected = standing.clone();
        for (key, value) in ledger.range(..=revision).map(|(_, write)| write.clone()) {
            match value {
                Some(value) => drop(expected.insert(key, value)),
                None => drop(expected.remove(&key)),
            }
        }
        assert!(
            *seen == expected,
            "the ledger at revision {revision} is another"
        );
        keys_seen += seen.len() - standing.len();
        for key in seen.keys() {
            assert_eq!(keys::decode(&keys::encode(key)).as_ref(), Some(key));
        }
    }
    let moments: std::collections::BTreeSet<_> = captures.iter().map(|(at, _)| at).collect();
    assert!(moments.len() > rounds / 2, "the writers stood still");
    for (revision, seen) in captures.iter().step_by(7) {
        assert!(
            *seen == oracle.range(*revision),
            "the gateway at revision {revision}"
        );
    }
    println!(
        "{} captures at {} revisions beside {} writes, {keys_seen} odd keys seen",
        captures.len(),
        moments.len(),
        ledger.len()
    );
}

#[test]
fn large_empty_binary_and_leased_values_come_back() {
    let Some((server, _directory)) = start(&ServerOptions::default()) else {
        return;
    };
    let client = client(&server);
    let mut expected = Map::new();
    // More than one page may hold, so the page is asked for again with fewer keys.
    for at in 0..60_u8 {
        let (key, value) = (vec![b'l', at], vec![at; 1_400_000]);
        client.put(&key, &value, 0).unwrap();
        expected.insert(key, value);
    }
    for key in [&b"\0"[..], b"\0\0", b"\xff\xff", b"/", b"/a/../b", b"%"] {
        client.put(key, b"", 0).unwrap();
        expected.insert(key.to_vec(), Vec::new());
    }
    let lease = client.grant_lease(600).unwrap();
    client.put(b"leased", b"v", lease).unwrap();
    expected.insert(b"leased".to_vec(), b"v".to_vec());
    let (revision, seen) = capture(&client, b"", None);
    assert!(
        seen == expected,
        "{} keys of {}",
        seen.len(),
        expected.len()
    );
    assert_eq!(client.count(b"").unwrap(), expected.len() as u64);
    let leased = client.get(b"leased", None).unwrap().unwrap();
    assert_eq!((leased.lease, leased.version), (lease, 1));
    client.revoke_lease(lease).unwrap();
    assert_eq!(client.get(b"leased", None).unwrap(), None);
    assert!(client.get(b"leased", Some(revision)).unwrap().is_some());
    let keys: Vec<_> = expected.keys().map(Vec::as_slice).collect();
    let (at, found) = client.get_many(&keys, Some(revision)).unwrap();
    assert_eq!(at, revision);
    let found: Map = found
        .into_iter()
        .flatten()
        .map(|kv| (kv.key, kv.value))
        .collect();
    assert!(found == expected);
    let hash = client.hash_kv(revision).unwrap();
    assert_eq!(hash, client.hash_kv(revision).unwrap());
}

#[test]
fn what_a_mass_delete_took_is_read_at_the_revision_before() {
    let Some((server, _directory)) = start(&ServerOptions::default()) else {
        return;
    };
    let client = client(&server);
    let pairs: Vec<_> = (0..20_000_u32)
        .map(|at| (format!("/lb/{at:06}").into_bytes(), vec![at as u8; 500]))
        .collect();
    load(&client, &pairs);
    client.put(b"/lb", b"beside", 0).unwrap();
    let (revision, count) = client.delete_prefix(b"/lb/").unwrap();
    assert_eq!(count, 20_000);
    assert_eq!(capture(&client, b"/lb/", None).1, Map::new());
    let begin = Instant::now();
    let (at, before) = capture(&client, b"/lb/", Some(revision - 1));
    println!("20,000 keys at the revision before: {:?}", begin.elapsed());
    assert_eq!(at, revision - 1);
    assert!(before == pairs.into_iter().collect());
    client.compact(revision).unwrap();
    let page = client.pages(b"/lb/", Some(revision - 1)).next().unwrap();
    assert!(matches!(page, Err(EtcdError::Compacted { revision: at }) if at == revision - 1));
    let page = client.pages(b"/lb/", Some(revision + 9)).next().unwrap();
    assert!(matches!(page, Err(EtcdError::FutureRevision { .. })));
    let status = client.status().remove(0).unwrap();
    assert!(status.version.starts_with("3.") && status.leader == status.member);
    assert_eq!(status.revision, revision);
}

#[test]
fn nobody_there_is_said_in_time() {
    let settings = recoup_etcd::Settings {
        patience: std::time::Duration::from_millis(300),
        ..recoup_etcd::Settings::default()
    };
    let error = recoup_etcd::Client::connect(&rig::local(&[1, 2]), &settings).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("127.0.0.1:1, 127.0.0.1:2") && text.contains("refused"),
        "{text}"
    );
}
