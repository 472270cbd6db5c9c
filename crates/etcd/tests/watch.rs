//! A watch yields every revision once, whole and in order, or says that some are missing.

mod rig;

use recoup_etcd::testing::{Server, ServerOptions};
use recoup_etcd::{Client, Event, Gap, Revision, Seen, Settings, Watch};
use rig::gateway::Gateway;
use rig::proxy::Proxy;
use rig::{Map, capture, client, load, local, start, start_cluster};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use testkit::{Random, is_long};

const LONG: Duration = Duration::from_secs(30);

/// What a watch has yielded, checked as it comes.
#[derive(Default)]
struct Followed {
    revisions: Vec<Revision>,
    connected: usize,
    gap: Option<Gap>,
}

impl Followed {
    /// Follows until a revision is seen or the watch ends.
    fn until(watch: &mut Watch, revision: i64) -> Self {
        let mut followed = Self::default();
        while followed.gap.is_none() && watch.next_revision() <= revision {
            followed.take(watch, LONG).expect("nothing in time");
        }
        followed
    }

    fn take(&mut self, watch: &mut Watch, wait: Duration) -> Option<()> {
        match watch.next(wait).unwrap()? {
            Seen::Revision(revision) => self.revisions.push(revision),
            Seen::Connected(_) => self.connected += 1,
            Seen::Gap(gap) => self.gap = Some(gap),
            Seen::Progress(_) | Seen::Disconnected(_) => {}
        }
        Some(())
    }

    fn numbers(&self) -> Vec<i64> {
        self.revisions.iter().map(|seen| seen.revision).collect()
    }

    /// The state that the events leave.
    fn replay(&self) -> Map {
        let mut map = Map::new();
        for event in self.revisions.iter().flat_map(|seen| &seen.events) {
            match &event.now {
                Some(kv) => drop(map.insert(kv.key.clone(), kv.value.clone())),
                None => drop(map.remove(&event.key)),
            }
        }
        map
    }
}

type Ledger = BTreeMap<i64, (Vec<u8>, Option<Vec<u8>>)>;

/// Writes over several gateways until told to stop, noting what was acknowledged.
fn write_until(stop: &AtomicBool, ports: &[u16], seed: u64) -> Ledger {
    let mut gateways: Vec<_> = ports.iter().map(|port| Gateway::new(*port)).collect();
    let (mut random, mut ledger, mut turn) = (Random::new(seed), Ledger::new(), 0);
    while !stop.load(Ordering::Relaxed) {
        let gateway = &mut gateways[turn % ports.len()];
        let key = format!("/k/{seed}/{}", random.below(50)).into_bytes();
        let written = if random.below(4) == 0 {
            gateway
                .delete(&key)
                .map(|at| at.map(|at| (at, (key, None))))
        } else {
            let len = random.below(300);
            let value = random.bytes(len);
            gateway
                .put(&key, &value)
                .map(|at| Some((at, (key, Some(value)))))
        };
        match written {
            Ok(written) => ledger.extend(written),
            Err(_) => {
                turn += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
    ledger
}

/// Everything acknowledged was seen, and nothing else is in what is left.
fn check(followed: &Followed, ledger: &Ledger, first: i64, client: &Client) {
    assert_eq!(followed.gap, None);
    let expected: Vec<_> = (first..).take(followed.revisions.len()).collect();
    assert_eq!(
        followed.numbers(),
        expected,
        "revisions out of order or missing"
    );
    for (revision, (key, value)) in ledger {
        let at = usize::try_from(revision - first).unwrap();
        let event = |event: &Event| {
            event.key == *key && event.now.as_ref().map(|kv| &kv.value) == value.as_ref()
        };
        assert!(
            followed.revisions[at].events.iter().any(event),
            "revision {revision}"
        );
    }
    let last = followed.numbers().pop().unwrap();
    assert!(followed.replay() == capture(client, b"", Some(last)).1);
}

#[test]
fn nothing_is_missed_when_etcd_is_killed_and_comes_back() {
    let Some((mut server, _directory)) = start(&ServerOptions::default()) else {
        return;
    };
    let (client, port) = (client(&server), server.endpoint().port);
    let first = client.revision().unwrap() + 1;
    let mut watch = client.watch(b"", first, false);
    let stop = AtomicBool::new(false);
    let kills = if is_long() { 60 } else { 4 };
    let (ledger, followed) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| write_until(&stop, &[port], 1));
        let killer = scope.spawn(|| {
            for _ in 0..kills {
                std::thread::sleep(Duration::from_millis(300));
                server.kill9().unwrap();
                server.restart().unwrap();
            }
            std::thread::sleep(Duration::from_millis(300));
            stop.store(true, Ordering::Relaxed);
        });
        let mut followed = Followed::default();
        while !killer.is_finished() {
            followed.take(&mut watch, Duration::from_millis(50));
        }
        let ledger = writer.join().unwrap();
        let rest = Followed::until(&mut watch, client.revision().unwrap());
        followed.revisions.extend(rest.revisions);
        followed.gap = followed.gap.or(rest.gap);
        (ledger, followed)
    });
    check(&followed, &ledger, first, &client);
    assert!(
        followed.connected > kills / 2,
        "{} connections",
        followed.connected
    );
    println!(
        "{kills} kills: {} revisions seen, {} writes acknowledged, {} connections",
        followed.revisions.len(),
        ledger.len(),
        followed.connected
    );
}

#[test]
fn nothing_is_missed_while_connections_break() {
    let Some((server, _directory)) = start(&ServerOptions::default()) else {
        return;
    };
    let port = server.endpoint().port;
    let direct = client(&server);
    let proxies = [Proxy::to(port), Proxy::to(port)];
    let address = local(&[proxies[0].port, proxies[1].port]);
    let broken = Client::connect(&address, &Settings::default()).unwrap();
    let first = direct.revision().unwrap() + 1;
    let mut watch = broken.watch(b"", first, false);
    let (stop, rounds) = (AtomicBool::new(false), if is_long() { 2000 } else { 60 });
    let (ledger, followed) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| write_until(&stop, &[port], 2));
        let breaker = scope.spawn(|| {
            let mut random = Random::new(3);
            for _ in 0..rounds {
                std::thread::sleep(Duration::from_millis(random.below(60) as u64));
                let proxy = &proxies[random.below(2)];
                let is_down = random.below(4) == 0;
                proxy.set_down(is_down);
                proxy.cut();
            }
            proxies.iter().for_each(|proxy| proxy.set_down(false));
            stop.store(true, Ordering::Relaxed);
        });
        let mut followed = Followed::default();
        while !breaker.is_finished() {
            followed.take(&mut watch, Duration::from_millis(20));
        }
        let ledger = writer.join().unwrap();
        let rest = Followed::until(&mut watch, direct.revision().unwrap());
        followed.revisions.extend(rest.revisions);
        followed.gap = followed.gap.or(rest.gap);
        (ledger, followed)
    });
    check(&followed, &ledger, first, &direct);
    let cuts: u64 = proxies.iter().map(Proxy::cuts).sum();
    assert!(cuts > 5, "{cuts} connections broken");
    println!(
        "{cuts} connections broken, {} revisions seen",
        followed.revisions.len()
    );
}

#[test]
fn members_of_a_cluster_take_over_from_each_other() {
    let Some((mut servers, _directory)) = start_cluster(3, &ServerOptions::default()) else {
        return;
    };
    let ports: Vec<_> = servers
        .iter()
        .map(|server| server.endpoint().port)
        .collect();
    let client = Client::connect(&local(&ports), &Settings::default()).unwrap();
    let first = client.revision().unwrap() + 1;
    let mut watch = client.watch(b"", first, false);
    let stop = AtomicBool::new(false);
    let (ledger, followed) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| write_until(&stop, &ports, 4));
        let killer = scope.spawn(|| {
            for server in &mut servers {
                std::thread::sleep(Duration::from_millis(500));
                server.kill9().unwrap();
                std::thread::sleep(Duration::from_millis(1500));
                server.restart().unwrap();
            }
            stop.store(true, Ordering::Relaxed);
        });
        let mut followed = Followed::default();
        while !killer.is_finished() {
            followed.take(&mut watch, Duration::from_millis(50));
        }
        let ledger = writer.join().unwrap();
        let rest = Followed::until(&mut watch, client.revision().unwrap());
        followed.revisions.extend(rest.revisions);
        followed.gap = followed.gap.or(rest.gap);
        (ledger, followed)
    });
    check(&followed, &ledger, first, &client);
    let status: Vec<_> = client.status().into_iter().map(Result::unwrap).collect();
    assert!(
        status
            .iter()
            .all(|member| member.leader == status[0].leader && member.leader != 0)
    );
    let hash = client.hash_kv(client.revision().unwrap()).unwrap();
    println!(
        "3 members killed in turn: {} revisions, hash {hash:?}",
        followed.revisions.len()
    );
}

#[test]
fn compaction_of_what_was_not_seen_is_a_gap() {
    let Some((server, _directory)) = start(&ServerOptions::default()) else {
        return;
    };
    let direct = client(&server);
    let proxy = Proxy::to(server.endpoint().port);
    let settings = Settings::default();
    let broken = Client::connect(&local(&[proxy.port]), &settings).unwrap();
    let first = direct.put(b"/a", b"1", 0).unwrap();
    let mut watch = broken.watch(b"", first, false);
    assert_eq!(Followed::until(&mut watch, first).numbers(), [first]);
    proxy.set_down(true);
    for value in [b"2", b"3", b"4"] {
        direct.put(b"/a", value, 0).unwrap();
    }
    let last = direct.revision().unwrap();
    direct.compact(last).unwrap();
    proxy.set_down(false);
    let followed = Followed::until(&mut watch, last);
    assert_eq!(followed.numbers(), [0; 0], "nothing is claimed");
    let gap = Gap {
        from: first + 1,
        to: last,
    };
    assert_eq!(followed.gap, Some(gap));
    assert_eq!(
        watch.next(LONG).unwrap(),
        Some(Seen::Gap(gap)),
        "said again"
    );
    // From where everything is kept, it goes on.
    let mut watch = broken.watch(b"", last + 1, false);
    let next = direct.put(b"/a", b"5", 0).unwrap();
    assert_eq!(Followed::until(&mut watch, next).numbers(), [next]);
}

/// etcd issue 19179: a watch that begins at the revision of a compaction can miss a delete there.
#[test]
fn a_delete_that_a_compaction_swallowed_is_a_gap() {
    let Some((server, _directory)) = start(&ServerOptions::default()) else {
        return;
    };
    let client = client(&server);
    for prefix in [&b""[..], b"/a"] {
        client.put(b"/a/x", b"1", 0).unwrap();
        let (deleted, _) = client.delete(b"/a/x").unwrap();
        client.put(b"/a/y", b"2", 0).unwrap();
        client.compact(deleted).unwrap();
        let last = client.put(b"/a/z", b"3", 0).unwrap();
        let mut watch = client.watch(prefix, deleted, false);
        let followed = Followed::until(&mut watch, last);
        let gap = followed.gap.expect("a gap");
        assert_eq!(
            (gap.from, followed.revisions.len()),
            (deleted, 0),
            "{prefix:?}"
        );
        let mut watch = client.watch(prefix, deleted + 1, false);
        assert_eq!(
            Followed::until(&mut watch, last).numbers(),
            [deleted + 1, last]
        );
    }
}

#[test]
fn a_mass_delete_is_one_revision_and_fragments_are_joined() {
    let Some((server, _directory)) = start(&ServerOptions::default()) else {
        return;
    };
    let client = client(&server);
    let pairs: Vec<_> = (0..33_000_u32)
        .map(|at| (format!("/lb/{at:06}").into_bytes(), vec![at as u8; 500]))
        .collect();
    let first = client.revision().unwrap() + 1;
    load(&client, &pairs);
    let (deleted, _) = client.delete_prefix(b"/lb/").unwrap();
    let begin = Instant::now();
    let followed = Followed::until(&mut client.watch(b"/lb", deleted, false), deleted);
    println!("33,000 deletes in one revision: {:?}", begin.elapsed());
    assert_eq!(followed.numbers(), [deleted]);
    let keys: Vec<_> = followed.revisions[0]
        .events
        .iter()
        .map(|event| &event.key)
        .collect();
    assert!(keys.iter().zip(&pairs).all(|(seen, (key, _))| *seen == key) && keys.len() == 33_000);
    // Far behind: many revisions come in one answer, cut in fragments within a revision.
    for at in 0..30_u8 {
        client.put(&[b'v', at], &vec![at; 1_000_000], 0).unwrap();
    }
    let last = client.revision().unwrap();
    let followed = Followed::until(&mut client.watch(b"", first, false), last);
    assert_eq!(followed.numbers(), (first..=last).collect::<Vec<_>>());
    assert!(followed.replay() == capture(&client, b"", None).1);
    assert!(
        followed.revisions[..330]
            .iter()
            .all(|seen| seen.events.len() == 100)
    );
}

#[test]
fn progress_previous_values_and_leases_are_told() {
    let options = ServerOptions {
        arguments: vec!["--experimental-watch-progress-notify-interval=300ms".into()],
        ..ServerOptions::default()
    };
    let Some((server, _directory)) = start(&options) else {
        return;
    };
    let client = client(&server);
    let lease = client.grant_lease(600).unwrap();
    let first = client.put(b"/p/k", b"old", 0).unwrap();
    client.put(b"/p/k", b"new", lease).unwrap();
    client.revoke_lease(lease).unwrap();
    let last = client.put(b"/other", b"", 0).unwrap();
    let mut watch = client.watch(b"/p/", first, true);
    let followed = Followed::until(&mut watch, last - 1);
    let events: Vec<_> = followed
        .revisions
        .iter()
        .map(|seen| &seen.events[0])
        .collect();
    let value =
        |kv: &Option<recoup_etcd::KeyValue>| kv.as_ref().map(|kv| (kv.value.clone(), kv.lease));
    let (old, new) = (Some((b"old".to_vec(), 0)), Some((b"new".to_vec(), lease)));
    assert_eq!(events.len(), 3);
    assert_eq!(
        (value(&events[0].now), value(&events[0].previous)),
        (old.clone(), None)
    );
    assert_eq!(
        (value(&events[1].now), value(&events[1].previous)),
        (new.clone(), old)
    );
    assert_eq!(
        (value(&events[2].now), value(&events[2].previous)),
        (None, new)
    );
    // What happens elsewhere only shows as progress.
    let end = Instant::now() + LONG;
    while watch.next_revision() <= last {
        assert!(Instant::now() < end, "no progress");
        match watch.next(LONG).unwrap() {
            Some(Seen::Progress(at)) => assert_eq!(at, last),
            other => assert_eq!(other, None),
        }
    }
}

/// A store that was replaced by an older one must not be followed as if nothing had happened.
#[test]
fn a_store_that_went_back_or_is_another_is_an_error() {
    let Some((server, _directory)) = start(&ServerOptions::default()) else {
        return;
    };
    let Some((other, _other_directory)) = start(&ServerOptions::default()) else {
        return;
    };
    let client = client(&server);
    let mut watch = client.watch(b"", client.revision().unwrap() + 10, false);
    let error = loop {
        match watch.next(LONG) {
            Ok(seen) => assert_eq!(seen, None),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("went back"), "{error}");
    let ports = [server.endpoint().port, other.endpoint().port];
    assert_other_cluster(server, &ports);
}

fn assert_other_cluster(server: Server, ports: &[u16]) {
    let client = Client::connect(&local(ports), &Settings::default()).unwrap();
    server.stop().unwrap();
    let error = client.revision().unwrap_err();
    let is_other = matches!(error, recoup_etcd::EtcdError::OtherCluster { .. });
    assert!(is_other, "{error}");
}
