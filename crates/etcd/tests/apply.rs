//! Writes are applied where the key is what was expected, and nowhere else.

mod rig;

use model::Cancel;
use recoup_etcd::testing::ServerOptions;
use recoup_etcd::{
    Applied, Applier, Client, EtcdError, Expect, Lease, Limits, Outcome, Settings, Write,
};
use rig::gateway::Gateway;
use rig::proxy::Proxy;
use rig::{capture, client, load, local, start};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use testkit::{Random, is_long};

fn write(key: &[u8], new: Option<&[u8]>, expect: Expect) -> Write {
    Write {
        key: key.to_vec(),
        new: new.map(<[u8]>::to_vec),
        expect,
        lease: Lease::None,
    }
}

fn apply(client: &Client, writes: &[Write]) -> Applied {
    let mut reported = Vec::new();
    let mut report = |place: usize, outcome: &Outcome| {
        assert_eq!(place, reported.len());
        reported.push(outcome.is_success());
    };
    let applied = Applier::new(client, None).apply(writes, &Cancel::default(), &mut report);
    let expected: Vec<_> = applied.outcomes.iter().map(Outcome::is_success).collect();
    assert_eq!(reported, expected, "reported something else than returned");
    assert!(applied.stopped.is_none(), "{:?}", applied.stopped);
    applied
}

#[test]
fn every_condition_has_its_outcome() {
    let Some((server, _directory)) = start(&ServerOptions::default()) else {
        return;
    };
    let client = client(&server);
    let value = |bytes: &[u8]| Expect::Value(bytes.to_vec());
    let at = client.put(b"/stays", b"old", 0).unwrap();
    client.put(b"/moved", b"older", 0).unwrap();
    client.put(b"/moved", b"newer", 0).unwrap();
    client.put(b"/empty", b"", 0).unwrap();
    client.put(b"/gone", b"x", 0).unwrap();
    let gone = client.put(b"\0\xff", b"x", 0).unwrap();
    let before = client.revision().unwrap();
    let writes = [
        write(b"/new", Some(b"n"), Expect::Absent),
        write(b"/stays", Some(b""), Expect::ModRevision(at)),
        write(b"/moved", Some(b"n"), Expect::ModRevision(at)),
        write(b"/empty", Some(b"n"), value(b"")),
        write(b"/gone", None, value(b"x")),
        write(b"\0\xff", None, Expect::ModRevision(gone)),
        write(b"/never", Some(b"n"), value(b"")),
        write(b"/never", None, Expect::ModRevision(3)),
        write(b"/new", Some(b"m"), value(b"n")),
        write(b"/moved", Some(b"newer"), Expect::Absent),
        write(b"/moved", Some(b"n"), value(b"older")),
        write(b"/absent", None, Expect::Absent),
    ];
    let words: Vec<_> = apply(&client, &writes)
        .outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Outcome::Done(revision) => format!("done +{}", revision - before),
            Outcome::Already(kv) => format!("already {:?}", kv.map(|kv| kv.value)),
            Outcome::Conflict(kv) => format!("conflict {:?}", kv.map(|kv| kv.value)),
            other => format!("{other:?}"),
        })
        .collect();
    let newer = format!("{:?}", Some(b"newer".to_vec()));
    let conflict = format!("conflict {newer}");
    let already = format!("already {newer}");
    // A key that comes again begins another transaction.
    let expected = [
        "done +1",
        "done +1",
        &conflict,
        "done +1",
        "done +1",
        "done +1",
        "conflict None",
        "already None",
        "done +2",
        &already,
        &conflict,
        "already None",
    ];
    assert_eq!(words, expected);
    let (_, now) = capture(&client, b"", None);
    let now: Vec<_> = now
        .iter()
        .map(|(key, value)| (&key[..], &value[..]))
        .collect();
    let expected: [(&[u8], &[u8]); 4] = [
        (b"/empty", b"n"),
        (b"/moved", b"newer"),
        (b"/new", b"m"),
        (b"/stays", b""),
    ];
    assert_eq!(now, expected);
}

#[test]
fn leases_stay_or_go_as_asked() {
    let Some((server, _directory)) = start(&ServerOptions::default()) else {
        return;
    };
    let client = client(&server);
    let lease = client.grant_lease(600).unwrap();
    let at = client.put(b"/keeps", b"1", lease).unwrap();
    client.put(b"/loses", b"1", lease).unwrap();
    let mut writes = [
        write(b"/keeps", Some(b"2"), Expect::ModRevision(at)),
        write(b"/loses", Some(b"2"), Expect::Value(b"1".to_vec())),
        write(b"/new", Some(b"2"), Expect::Absent),
        write(b"/missing", Some(b"2"), Expect::ModRevision(at)),
    ];
    writes[0].lease = Lease::Keep;
    writes[2].lease = Lease::Keep;
    writes[3].lease = Lease::Keep;
    let applied = apply(&client, &writes);
    assert!(applied.outcomes[..3].iter().all(Outcome::is_success));
    assert!(matches!(applied.outcomes[3], Outcome::Conflict(None)));
    let leases: Vec<_> = [&b"/keeps"[..], b"/loses", b"/new"]
        .map(|key| client.get(key, None).unwrap().unwrap().lease)
        .into();
    assert_eq!(leases, [lease, 0, 0]);
    client.revoke_lease(lease).unwrap();
    assert_eq!(client.count(b"/").unwrap(), 2);
}

#[test]
fn many_keys_go_in_batches_and_are_read_back() {
    let Some((server, _directory)) = start(&ServerOptions::default()) else {
        return;
    };
    let client = client(&server);
    let pairs: Vec<_> = (0..2000_u32)
        .map(|at| {
            (
                format!("/lb/{at:05}").into_bytes(),
                at.to_le_bytes().repeat(100),
            )
        })
        .collect();
    load(&client, &pairs);
    let (deleted, _) = client.delete_prefix(b"/lb/").unwrap();
    let mut writes: Vec<_> = pairs
        .iter()
        .map(|(key, value)| write(key, Some(value), Expect::Absent))
        .collect();
    writes.push(write(b"/large", Some(&vec![7; 1_400_000]), Expect::Absent));
    writes.push(write(
        b"/too-large",
        Some(&vec![7; 1_600_000]),
        Expect::Absent,
    ));
    let (_, wrong) = client.verify(&writes, None).unwrap();
    assert_eq!(wrong.len(), writes.len(), "nothing is there yet");
    let mut applier = Applier::new(&client, None);
    let applied = applier.apply(&writes, &Cancel::default(), &mut |_, _| {});
    let mut per_revision = BTreeMap::<i64, usize>::new();
    for outcome in &applied.outcomes[..2001] {
        let Outcome::Done(revision) = outcome else {
            panic!("{outcome:?}");
        };
        *per_revision.entry(*revision).or_default() += 1;
    }
    // 15 x 127, then what is left with the large value.
    assert_eq!(
        per_revision.into_values().collect::<Vec<_>>(),
        [[127; 15].as_slice(), &[96]].concat()
    );
    assert!(matches!(
        applied.outcomes[2001],
        Outcome::Refused(EtcdError::TooLarge { .. })
    ));
    let (at, wrong) = client.verify(&writes[..2001], None).unwrap();
    assert_eq!((wrong.len(), at), (0, deleted + 16));
    client.put(&writes[5].key, b"other", 0).unwrap();
    let (_, wrong) = client.verify(&writes[..2001], None).unwrap();
    assert_eq!(
        wrong.iter().map(|wrong| wrong.place).collect::<Vec<_>>(),
        [5]
    );
}

#[test]
fn limits_of_the_server_are_learned() {
    for (keys, expected) in [(16, 15), (2, 1), (1, 0), (4096, 127)] {
        let options = ServerOptions {
            arguments: vec![
                format!("--max-txn-ops={keys}"),
                "--max-request-bytes=65536".into(),
            ],
            ..ServerOptions::default()
        };
        let Some((server, _directory)) = start(&options) else {
            return;
        };
        let client = client(&server);
        let writes: Vec<_> = (0..200_usize)
            .map(|at| {
                let bytes = if at % 50 == 20 { 80_000 } else { 900 };
                write(
                    format!("/{at}").as_bytes(),
                    Some(&vec![at as u8; bytes]),
                    Expect::Absent,
                )
            })
            .collect();
        let mut applier = Applier::new(&client, None);
        let before = client.revision().unwrap();
        let applied = applier.apply(&writes, &Cancel::default(), &mut |_, _| {});
        assert!(applied.stopped.is_none(), "{:?}", applied.stopped);
        let refused = applied
            .outcomes
            .iter()
            .filter(|outcome| !outcome.is_success());
        assert_eq!(refused.count(), 4, "{keys}");
        assert_eq!(client.count(b"/").unwrap(), 196);
        let learned = applier.limits();
        assert!(
            learned.keys <= expected && learned.keys * 2 + 1 >= expected,
            "{learned:?}"
        );
        assert!(learned.bytes < Limits::default().bytes || keys < 100);
        println!(
            "--max-txn-ops={keys}: {learned:?}, {} revisions",
            client.revision().unwrap() - before
        );
    }
}

/// The values of a key by revision; `None` where it was deleted.
type History = Vec<(i64, Option<Vec<u8>>)>;

/// Every event of every key in order, from the history of the server.
fn histories(client: &Client, first: i64) -> BTreeMap<Vec<u8>, History> {
    let last = client.revision().unwrap();
    let mut watch = client.watch(b"", first, false);
    let mut histories = BTreeMap::<Vec<u8>, History>::new();
    while watch.next_revision() <= last {
        let seen = watch
            .next(Duration::from_secs(30))
            .unwrap()
            .expect("nothing in time");
        assert!(!matches!(seen, recoup_etcd::Seen::Gap(_)));
        let recoup_etcd::Seen::Revision(revision) = seen else {
            continue;
        };
        for event in revision.events {
            let value = event.now.map(|kv| kv.value);
            histories
                .entry(event.key)
                .or_default()
                .push((revision.revision, value));
        }
    }
    histories
}

/// Makes, changes and deletes keys, never as we do.
fn race_until(stop: &AtomicBool, port: u16, seed: u64, keys: &[Vec<u8>], raced: &AtomicUsize) {
    let (mut gateway, mut random) = (Gateway::new(port), Random::new(seed));
    while !stop.load(Ordering::Relaxed) {
        let key = &keys[random.below(keys.len())];
        let written = match random.below(3) {
            0 => gateway.delete(key).map(drop),
            _ => gateway
                .put(key, format!("theirs {}", random.next()).as_bytes())
                .map(drop),
        };
        written.unwrap();
        raced.fetch_add(1, Ordering::Relaxed);
    }
}

/// Conditions as a plan would set them: every third key is to be made, the rest is there.
fn planned(keys: &[Vec<u8>], client: &Client) -> Vec<Write> {
    let plan = |(at, key): (usize, &Vec<u8>)| {
        let new = (at % 7 != 6).then(|| format!("ours {at}").into_bytes());
        let Some(kv) = client.get(key, None).unwrap() else {
            let new = Some(format!("ours {at}").into_bytes());
            return write(key, new.as_deref(), Expect::Absent);
        };
        let expect = if at % 2 == 0 {
            Expect::Value(kv.value)
        } else {
            Expect::ModRevision(kv.mod_revision)
        };
        write(key, new.as_deref(), expect)
    };
    keys.iter().enumerate().map(plan).collect()
}

#[derive(Debug, Default)]
struct Tally {
    done: usize,
    already: usize,
    conflicts: usize,
    unknown: usize,
    taken_back: usize,
}

/// Nothing of theirs was overwritten by ours: before each write of ours stood what was expected.
fn judge(
    writes: &[Write],
    applied: &Applied,
    client: &Client,
    planned_at: i64,
    is_reliable: bool,
) -> Tally {
    let histories = histories(client, 2);
    let mut tally = Tally::default();
    for (write, outcome) in writes.iter().zip(&applied.outcomes) {
        let none = Vec::new();
        let history = histories.get(&write.key).unwrap_or(&none);
        let ours = |value: &Option<Vec<u8>>| {
            value
                .as_ref()
                .is_some_and(|value| value.starts_with(b"ours"))
        };
        let mut made = 0;
        for (at, (revision, value)) in history.iter().enumerate() {
            if !ours(value) {
                continue;
            }
            made += 1;
            let before = at.checked_sub(1).and_then(|at| history.get(at));
            let is_expected = match &write.expect {
                Expect::Absent => before.is_none_or(|(_, value)| value.is_none()),
                Expect::ModRevision(expected) => before.is_some_and(|(at, _)| at == expected),
                Expect::Value(expected) => {
                    before.is_some_and(|(_, value)| value.as_ref() == Some(expected))
                }
            };
            assert!(
                is_expected && *revision > planned_at,
                "{write:?} {history:?}"
            );
        }
        if made > 1 {
            // Made, deleted by them, made again: their deletion has the last word.
            tally.taken_back += 1;
            assert!(
                !is_reliable && matches!(outcome, Outcome::Conflict(_)),
                "{outcome:?} {history:?}"
            );
            assert!(!history.last().is_some_and(|(_, value)| ours(value)));
        }
        match outcome {
            Outcome::Done(revision) => {
                let event = history.iter().find(|(at, _)| at == revision);
                assert_eq!(event.map(|(_, value)| value), Some(&write.new));
                tally.done += 1;
            }
            Outcome::Already(_) => tally.already += 1,
            Outcome::Conflict(_) => {
                assert!(!is_reliable || made == 0, "{write:?} {history:?}");
                tally.conflicts += 1;
            }
            Outcome::Unknown => tally.unknown += 1,
            other => panic!("{other:?}"),
        }
    }
    tally
}

#[test]
fn racing_writers_lose_nothing() {
    let Some((server, _directory)) = start(&ServerOptions::default()) else {
        return;
    };
    let (client, port) = (client(&server), server.endpoint().port);
    let rounds = if is_long() { 40 } else { 3 };
    let raced = AtomicUsize::new(0);
    for round in 0..rounds {
        let keys: Vec<_> = (0..1500)
            .map(|at| format!("/{round}/{at:04}").into_bytes())
            .collect();
        let there: Vec<_> = (0..keys.len())
            .filter(|at| at % 3 > 0)
            .map(|at| (keys[at].clone(), format!("old {at}").into_bytes()))
            .collect();
        let planned_at = load(&client, &there);
        let writes = planned(&keys, &client);
        let stop = AtomicBool::new(false);
        let applied = std::thread::scope(|scope| {
            for seed in 0..3 {
                let (stop, keys, raced) = (&stop, &keys, &raced);
                scope.spawn(move || race_until(stop, port, round * 10 + seed, keys, raced));
            }
            std::thread::sleep(Duration::from_millis(150));
            let applied = Applier::new(&client, Some(1500)).apply(
                &writes,
                &Cancel::default(),
                &mut |_, _| {},
            );
            stop.store(true, Ordering::Relaxed);
            applied
        });
        let tally = judge(&writes, &applied, &client, planned_at, true);
        assert!(
            tally.conflicts > 20 && tally.done > 20 && tally.unknown == 0,
            "{tally:?}"
        );
        println!(
            "round {round}: {tally:?}, {} writes of others",
            raced.load(Ordering::Relaxed)
        );
    }
}

#[test]
fn lost_answers_lose_nothing() {
    let Some((server, _directory)) = start(&ServerOptions::default()) else {
        return;
    };
    let (direct, port) = (client(&server), server.endpoint().port);
    let proxy = Proxy::to(port);
    let settings = Settings {
        answer_time: Duration::from_millis(400),
        ..Settings::default()
    };
    let broken = Client::connect(&local(&[proxy.port]), &settings).unwrap();
    let rounds = if is_long() { 40 } else { 3 };
    let (raced, lost) = (AtomicUsize::new(0), AtomicUsize::new(0));
    for round in 0..rounds {
        let keys: Vec<_> = (0..600)
            .map(|at| format!("/{round}/{at:04}").into_bytes())
            .collect();
        let there: Vec<_> = (0..keys.len())
            .filter(|at| at % 3 > 0)
            .map(|at| (keys[at].clone(), format!("old {at}").into_bytes()))
            .collect();
        let planned_at = load(&direct, &there);
        let writes = planned(&keys, &direct);
        let stop = AtomicBool::new(false);
        let applied = std::thread::scope(|scope| {
            let (stop, keys, raced) = (&stop, &keys, &raced);
            scope.spawn(move || race_until(stop, port, round, keys, raced));
            scope.spawn(|| {
                let mut random = Random::new(round);
                while !stop.load(Ordering::Relaxed) {
                    // Questions arrive, answers do not; then the line is cut.
                    proxy.set_swallowing(true);
                    std::thread::sleep(Duration::from_millis(random.below(120) as u64));
                    lost.fetch_add(proxy.cut(), Ordering::Relaxed);
                    proxy.set_swallowing(false);
                    std::thread::sleep(Duration::from_millis(random.below(150) as u64));
                }
            });
            let applied =
                Applier::new(&broken, Some(600)).apply(&writes, &Cancel::default(), &mut |_, _| {});
            stop.store(true, Ordering::Relaxed);
            applied
        });
        assert!(applied.stopped.is_none(), "{:?}", applied.stopped);
        let tally = judge(&writes, &applied, &direct, planned_at, false);
        println!(
            "round {round}: {tally:?}, {} connections lost",
            lost.load(Ordering::Relaxed)
        );
        assert_eq!(tally.unknown, 0);
    }
    assert!(lost.into_inner() > 5);
}

#[test]
fn the_pace_is_kept_and_a_wish_to_stop_is_heard() {
    let Some((server, _directory)) = start(&ServerOptions::default()) else {
        return;
    };
    let client = client(&server);
    let writes: Vec<_> = (0..300)
        .map(|at| write(format!("/{at}").as_bytes(), Some(b"v"), Expect::Absent))
        .collect();
    let cancel = Cancel::default();
    let begin = Instant::now();
    let mut count = 0;
    let mut report = |_: usize, _: &Outcome| {
        count += 1;
        if count == 150 {
            cancel.request();
        }
    };
    let applied = Applier::new(&client, Some(200)).apply(&writes, &cancel, &mut report);
    // 150 keys, of which the first 20 need not wait.
    assert!(
        begin.elapsed() >= Duration::from_millis(650),
        "{:?}",
        begin.elapsed()
    );
    assert!(matches!(applied.stopped, Some(EtcdError::Cancelled)));
    let done = applied
        .outcomes
        .iter()
        .filter(|outcome| outcome.is_success())
        .count();
    let left = applied
        .outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Outcome::NotTried))
        .count();
    assert_eq!(
        (done + left, client.count(b"/").unwrap()),
        (300, done as u64)
    );
    assert!((150..170).contains(&done), "{done}");
    // Run again, the rest is done and what was done is known.
    let again = apply(&client, &writes);
    let already = again
        .outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Outcome::Already(_)));
    assert_eq!(already.count(), done);
    assert_eq!(client.count(b"/").unwrap(), 300);
}
