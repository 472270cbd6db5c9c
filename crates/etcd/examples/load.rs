//! An etcd, and the load that benchmarks put on it: what `cargo xtask bench etcd` runs beside what it measures.
//!
//!     load serve DIRECTORY                             an etcd until standard input ends; prints address and process
//!     load fill ADDRESS PREFIX FROM TO STEP VERSION    load balancers, a batch of puts in each transaction
//!     load write ADDRESS KEYS RATE SECONDS             single puts; prints revision and time of each acknowledgement
//!     load delete ADDRESS KEYS COUNT                   single deletions, spread; prints the time of the last one
//!     load count ADDRESS                               how many there are
//!
//! Times are seconds since 1970. It is a program of its own so that it is as fast as a release can be, and
//! its share of the processor can be told apart.

use recoup_etcd::testing::{Server, ServerOptions};
use recoup_etcd::{Client, EtcdError, Settings};
use std::error::Error;
use std::io::{BufWriter, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Keys of one transaction: as many as `recoup undo` sends at once.
const BATCH: usize = 127;
/// Requests under way at a time: as many as keep the log of etcd busy.
const WRITERS: u64 = 40;
/// Targets of a load balancer: 430 to 580 bytes, about 500 in the middle.
const TARGETS_LEAST: u64 = 6;
const TARGETS_MORE: u64 = 4;
/// Of the keys that are written over and deleted.
const PREFIX: &str = "/lb/lb-";

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", directory] => serve(Path::new(directory)),
        ["fill", address, prefix, numbers @ ..] => {
            let [from, to, step, version] = numbers_of(numbers)?;
            fill(&connect(address)?, prefix, (from, to), step, version)
        }
        ["write", address, numbers @ ..] => {
            let [keys, rate, seconds] = numbers_of(numbers)?;
            write(&connect(address)?, keys, rate, seconds)
        }
        ["delete", address, numbers @ ..] => {
            let [keys, count] = numbers_of(numbers)?;
            delete(&connect(address)?, keys, count)
        }
        ["count", address] => {
            println!("{}", connect(address)?.count(b"")?);
            Ok(())
        }
        _ => Err("serve, fill, write, delete or count: see the head of the source".into()),
    }
}

fn numbers_of<const COUNT: usize>(words: &[&str]) -> Result<[u64; COUNT]> {
    let numbers: Vec<u64> = words
        .iter()
        .map(|word| word.parse())
        .collect::<std::result::Result<_, _>>()?;
    let wrong = |_| format!("{COUNT} numbers are needed");
    Ok(numbers.try_into().map_err(wrong)?)
}

fn connect(address: &str) -> Result<Client> {
    Ok(Client::connect(&address.parse()?, &Settings::default())?)
}

/// Whoever started this ends it by ending, however that comes about: no server is left behind.
fn serve(directory: &Path) -> Result<()> {
    let options = ServerOptions {
        // Two gigabytes are usual; two million keys need more.
        arguments: vec!["--quota-backend-bytes=8000000000".into()],
        ..ServerOptions::default()
    };
    let server = Server::start(directory, &options)?;
    println!("{} {}", server.address(), server.pid().unwrap_or(0));
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(server.stop()?)
}

fn fill(
    client: &Client,
    prefix: &str,
    (from, to): (u64, u64),
    step: u64,
    version: u64,
) -> Result<()> {
    let step = usize::try_from(step.max(1))?;
    let numbers: Vec<u64> = (from..to).step_by(step).collect();
    for some in numbers.chunks(BATCH) {
        let pairs: Vec<_> = some
            .iter()
            .map(|&number| (key_of(prefix, number), value_of(number, version)))
            .collect();
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(key, value)| (&key[..], &value[..]))
            .collect();
        client.put_all(&pairs)?;
    }
    Ok(())
}

/// So many puts a second, each a revision of its own, to keys that are there.
fn write(client: &Client, keys: u64, rate: u64, seconds: u64) -> Result<()> {
    let (begin, end) = (Instant::now(), Duration::from_secs(seconds));
    let acknowledged = in_parallel(client, move |client, writer| {
        let mut acknowledged = Vec::new();
        for turn in 0.. {
            let number = writer + turn * WRITERS;
            let due = Duration::from_secs_f64(number as f64 / rate as f64);
            if due > end {
                break;
            }
            thread::sleep(due.saturating_sub(begin.elapsed()));
            let key = mix(number) % keys;
            let revision = client.put(&key_of(PREFIX, key), &value_of(key, number + 1), 0)?;
            acknowledged.push((revision, now()));
        }
        Ok(acknowledged)
    })?;
    let mut output = BufWriter::new(std::io::stdout().lock());
    for (revision, time) in acknowledged {
        writeln!(output, "{revision} {time:.6}")?;
    }
    Ok(output.flush()?)
}

/// A faulty job: one of so many keys each, in no order.
fn delete(client: &Client, keys: u64, count: u64) -> Result<()> {
    let next = Arc::<AtomicU64>::default();
    let gone = in_parallel(client, move |client, _| {
        let mut gone = Vec::new();
        loop {
            let turn = next.fetch_add(1, Ordering::Relaxed);
            if turn >= count {
                return Ok(gone);
            }
            // A prime, so that every one of them comes once.
            let place = turn * 1_000_003 % count;
            let (_, was_there) = client.delete(&key_of(PREFIX, place * keys / count))?;
            gone.push((i64::from(was_there), now()));
        }
    })?;
    let count: i64 = gone.iter().map(|(was_there, _)| was_there).sum();
    let last = gone.iter().map(|(_, time)| *time).fold(0.0, f64::max);
    println!("{count} {last:.6}");
    Ok(())
}

type Noted = Vec<(i64, f64)>;

fn in_parallel<W>(client: &Client, work: W) -> Result<Noted>
where
    W: Fn(&Client, u64) -> std::result::Result<Noted, EtcdError> + Clone + Send + 'static,
{
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (client, work) = (client.clone(), work.clone());
            thread::spawn(move || work(&client, writer))
        })
        .collect();
    let mut all = Vec::new();
    for writer in writers {
        all.extend(writer.join().map_err(|_| "a writer broke down")??);
    }
    Ok(all)
}

fn key_of(prefix: &str, number: u64) -> Vec<u8> {
    format!("{prefix}{number:07}").into_bytes()
}

/// A load balancer: names and addresses that repeat, ids that do not.
fn value_of(number: u64, version: u64) -> Vec<u8> {
    let mut seed = mix(number ^ mix(version));
    let mut value = format!(
        "{{\"id\":\"lb-{:016x}\",\"version\":{version},\"scheme\":\"internet-facing\",\"targets\":[",
        mix(number)
    )
    .into_bytes();
    for _ in 0..TARGETS_LEAST + seed % TARGETS_MORE {
        seed = mix(seed);
        let (subnet, host) = (number % 200, seed % 256);
        let target =
            format!("{{\"instance\":\"i-{seed:016x}\",\"address\":\"10.0.{subnet}.{host}\"}},");
        value.extend(target.bytes());
    }
    value.extend(b"\"end\"]}");
    value
}

/// Numbers that no compressor foresees.
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}
