//! How fast a real etcd is read, written and followed.
//!
//!     cargo run --release -p recoup-etcd --features testing --example measure [KEYS] [VALUE_BYTES] [read]
//!
//! Starts an etcd in a scratch directory, and itself once more as the writer whose changes are followed, so
//! that its own share of the processor can be told apart.

use model::Cancel;
use recoup_etcd::testing::{Server, ServerOptions};
use recoup_etcd::{Applier, Client, Expect, Lease, Outcome, Seen, Settings, Write};
use std::error::Error;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Keys of one transaction in every measurement that writes.
const BATCH: usize = 127;

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [word, address, rate] = arguments.as_slice()
        && word == "write"
    {
        return write_steadily(address, rate.parse()?);
    }
    let number = |place: usize, default: usize| -> Result<usize> {
        Ok(arguments
            .get(place)
            .map_or(Ok(default), |text| text.parse())?)
    };
    let (keys, bytes) = (number(0, 200_000)?, number(1, 500)?);
    let directory = std::env::temp_dir().join(format!("recoup-measure-{}", std::process::id()));
    let options = ServerOptions {
        arguments: vec!["--quota-backend-bytes=8000000000".into()],
        ..ServerOptions::default()
    };
    let server = Server::start(&directory, &options)?;
    let only_reads = arguments.get(2).is_some_and(|word| word == "read");
    let measured = measure(&server, keys, bytes, only_reads);
    server.stop()?;
    fs::remove_dir_all(&directory)?;
    measured
}

fn measure(server: &Server, keys: usize, bytes: usize, only_reads: bool) -> Result<()> {
    let client = Client::connect(&server.address(), &Settings::default())?;
    let load: Vec<_> = (0..keys).collect();
    let begin = Instant::now();
    for some in load.chunks(BATCH) {
        let pairs: Vec<_> = some
            .iter()
            .map(|at| (format!("/lb/lb-{at:07}").into_bytes(), filler(*at, bytes)))
            .collect();
        put_plainly(&client, &pairs)?;
    }
    rate("loaded", keys, begin.elapsed());
    for _ in 0..3 {
        read(&client)?;
        save_snapshot(server)?;
    }
    if only_reads {
        return Ok(());
    }
    let (deleted, _) = client.delete_prefix(b"/lb/")?;
    let begin = Instant::now();
    let writes = read_before(&client, deleted)?;
    rate(
        "keys at the revision before their deletion",
        writes.len(),
        begin.elapsed(),
    );
    write_in_turns(&client, &writes)?;
    let begin = Instant::now();
    let (_, wrong) = client.verify(&writes, None)?;
    rate("verified", keys, begin.elapsed());
    println!("  wrong: {}", wrong.len());
    follow(server, &client)
}

/// Half of the keys as puts without conditions, half by our transactions, a hundred batches of the one and
/// then of the other: what else the machine does meets both.
fn write_in_turns(client: &Client, writes: &[Write]) -> Result<()> {
    let mut applier = Applier::new(client, None);
    let (mut plain, mut nested, mut count) = (Duration::ZERO, Duration::ZERO, [0, 0]);
    for (turn, some) in writes.chunks(100 * BATCH).enumerate() {
        let begin = Instant::now();
        if turn % 2 == 0 {
            let pairs: Vec<_> = some
                .iter()
                .map(|write| (write.key.clone(), write.new.clone().unwrap_or_default()))
                .collect();
            put_plainly(client, &pairs)?;
            plain += begin.elapsed();
        } else {
            let applied = applier.apply(some, &Cancel::default(), &mut |_, _| {});
            nested += begin.elapsed();
            let is_done = |outcome: &Outcome| matches!(outcome, Outcome::Done(_));
            if !applied.outcomes.iter().all(is_done) {
                return Err(format!("not all were written: {:?}", applied.stopped).into());
            }
        }
        count[turn % 2] += some.len();
    }
    rate("plain transactions of puts", count[0], plain);
    rate("nested transactions, absent keys", count[1], nested);
    Ok(())
}

fn filler(at: usize, bytes: usize) -> Vec<u8> {
    let mut value = format!("{{\"id\": {at}, \"targets\": [").into_bytes();
    value.resize(bytes, b'x');
    value
}

fn rate(what: &str, count: usize, time: Duration) {
    let seconds = time.as_secs_f64();
    println!(
        "{what}: {count} in {seconds:.2} s, {:.0}/s",
        count as f64 / seconds
    );
}

fn put_plainly(client: &Client, pairs: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
    for some in pairs.chunks(BATCH) {
        let some: Vec<_> = some
            .iter()
            .map(|(key, value)| (&key[..], &value[..]))
            .collect();
        client.put_all(&some)?;
    }
    Ok(())
}

/// Reads everything, keeping nothing.
fn read(client: &Client) -> Result<()> {
    let rss_before = peak_rss_kib()?;
    let (begin, mut count, mut bytes, mut pages) = (Instant::now(), 0, 0, 0);
    for page in client.pages(b"", None) {
        let page = page?;
        pages += 1;
        count += page.entries.len();
        bytes += page
            .entries
            .iter()
            .map(recoup_etcd::KeyValue::bytes)
            .sum::<usize>();
    }
    rate("range", count, begin.elapsed());
    let megabytes = bytes as f64 / 1e6;
    println!(
        "  {megabytes:.0} MB in {pages} pages, {:.0} MB/s, peak RSS {} MiB, {} before",
        megabytes / begin.elapsed().as_secs_f64(),
        peak_rss_kib()? / 1024,
        rss_before / 1024
    );
    Ok(())
}

fn save_snapshot(server: &Server) -> Result<()> {
    let path = server.directory().join("snapshot");
    let begin = Instant::now();
    let saved = Command::new("etcdctl")
        .env("ETCDCTL_API", "3")
        .arg(format!("--endpoints={}", server.endpoint()))
        .args(["snapshot", "save"])
        .arg(&path)
        .output();
    match saved {
        Ok(output) if output.status.success() => {
            let megabytes = fs::metadata(&path)?.len() as f64 / 1e6;
            println!(
                "etcdctl snapshot save: {megabytes:.0} MB in {:.2?}",
                begin.elapsed()
            );
        }
        _ => println!("etcdctl snapshot save: not measured, no etcdctl"),
    }
    Ok(())
}

fn read_before(client: &Client, deleted: i64) -> Result<Vec<Write>> {
    let mut writes = Vec::new();
    for page in client.pages(b"/lb/", Some(deleted - 1)) {
        writes.extend(page?.entries.into_iter().map(|entry| Write {
            key: entry.key,
            new: Some(entry.value),
            expect: Expect::Absent,
            lease: Lease::None,
        }));
    }
    Ok(writes)
}

/// How long after a write it is seen, and what that costs.
fn follow(server: &Server, client: &Client) -> Result<()> {
    let mut watch = client.watch(b"", client.revision()? + 1, false);
    for rate in [1000, 5000] {
        let mut writer = Command::new(std::env::current_exe()?)
            .args(["write", &server.address().to_string(), &rate.to_string()])
            .spawn()?;
        let (begin, used) = (Instant::now(), processor_ticks()?);
        let (mut lags, mut events) = (Vec::new(), 0);
        while writer.try_wait()?.is_none() {
            if let Some(Seen::Revision(revision)) = watch.next(Duration::from_millis(100))? {
                events += revision.events.len();
                let stamp = revision.events.first().and_then(|event| event.now.as_ref());
                let stamp = stamp.and_then(|kv| kv.value.first_chunk::<8>());
                let sent = stamp.map_or(0, |bytes| u64::from_le_bytes(*bytes));
                lags.push(micros_now()?.saturating_sub(sent));
            }
        }
        let seconds = begin.elapsed().as_secs_f64();
        // USER_HZ is 100 on every Linux that we know.
        let share = (processor_ticks()? - used) as f64 / seconds;
        lags.sort_unstable();
        let at = |part: f64| {
            let place = (lags.len() as f64 * part) as usize;
            lags.get(place).copied().unwrap_or(0) as f64 / 1000.0
        };
        println!(
            "watch: {:.0} events/s in {:.0} revisions/s, from sending to seeing {:.1} ms median, {:.1} 99 %, {:.1} longest; {share:.1} % of a core",
            events as f64 / seconds,
            lags.len() as f64 / seconds,
            at(0.5),
            at(0.99),
            at(0.999_999)
        );
    }
    Ok(())
}

/// Writes so many keys a second for five seconds, each in a revision of its own, with the time of sending in
/// the value.
fn write_steadily(address: &str, rate: u32) -> Result<()> {
    // As many connections as keep the log of etcd busy.
    const WRITERS: u32 = 40;
    let client = Client::connect(&address.parse()?, &Settings::default())?;
    let pause = Duration::from_secs_f64(f64::from(WRITERS) / f64::from(rate));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let client = client.clone();
            thread::spawn(move || {
                let begin = Instant::now();
                for turn in 0_u32.. {
                    let due = begin + pause * turn;
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    if begin.elapsed() > Duration::from_secs(5) {
                        break;
                    }
                    let mut value = micros_now().unwrap_or(0).to_le_bytes().to_vec();
                    value.resize(500, b'x');
                    let key = format!("/live/{writer}/{}", turn % 100);
                    if client.put(key.as_bytes(), &value, 0).is_err() {
                        break;
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().map_err(|_| "a writer broke down")?;
    }
    Ok(())
}

fn micros_now() -> Result<u64> {
    Ok(u64::try_from(
        SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros(),
    )?)
}

fn peak_rss_kib() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("no VmHWM")?.parse()?)
}

/// What this process has used, in ticks.
fn processor_ticks() -> Result<u64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let field =
        |place: usize| -> Result<u64> { Ok(fields.get(place).ok_or("too short")?.parse()?) };
    Ok(field(11)? + field(12)?)
}
