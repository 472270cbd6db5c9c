//! Watches a directory and prints what it tells: `watch ROOT [fanotify|inotify] [system-queue] [brief]`.
//!
//! Ends when its input ends. One line per batch with counts, after it the keys unless `brief`. The
//! processor time of the reading thread and the memory of the process come last.

use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use recoup_source::files::watch::{Batch, Capture, Settle, WatchOptions, Watcher};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let has = |word: &str| args.iter().any(|arg| arg == word);
    let root = std::fs::canonicalize(&args[0]).expect("a directory");
    let options = WatchOptions {
        best: if has("inotify") {
            Capture::Inotify
        } else {
            Capture::Fanotify
        },
        system_queue: has("system-queue"),
        ..WatchOptions::default()
    };
    let begun = std::time::Instant::now();
    let (watcher, info) = Watcher::open(&root, &options).expect("a directory that can be watched");
    println!(
        "capture {} after {:?}",
        info.capture.word(),
        begun.elapsed()
    );
    info.refusals
        .iter()
        .chain(&info.blind)
        .for_each(|text| println!("  {text}"));
    println!("memory {} MB", resident_mb());
    println!("ready");
    static ENDED: AtomicBool = AtomicBool::new(false);
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        ENDED.store(true, Ordering::Relaxed);
    });
    let mut actors = [0u64; 3];
    loop {
        let last = ENDED.load(Ordering::Relaxed);
        if last {
            println!("caught-up {}", watcher.catch_up(Duration::from_secs(60)));
        }
        let wait = Duration::from_millis(if last { 0 } else { 500 });
        let batch = watcher.drain(wait, Settle::AT_ONCE);
        print(&batch, has("brief"));
        if has("brief") && !last {
            std::thread::sleep(Duration::from_millis(200));
        }
        for (_, actor) in &batch.actors {
            let kind = match (actor.gone, actor.comm.is_some()) {
                (false, _) => 0,
                (true, true) => 1,
                (true, false) => 2,
            };
            actors[kind] += 1;
        }
        if last {
            break;
        }
    }
    println!(
        "actors resolved {} ended {} gone {}",
        actors[0], actors[1], actors[2]
    );
    println!("reader {:.3} s", reader_seconds());
    println!("memory {} MB", resident_mb());
}

fn print(batch: &Batch, brief: bool) {
    if batch.is_quiet() && batch.events == 0 {
        return;
    }
    let unnamed = batch.dirty.iter().filter(|dirty| {
        let actor = dirty.actor.and_then(|id| batch.actor(id));
        actor.is_none_or(|actor| actor.comm.is_none())
    });
    println!(
        "batch events {} dirty {} unnamed {} renames {} files {} linked {} blurred {:?}",
        batch.events,
        batch.dirty.len(),
        unnamed.count(),
        batch.renames.len(),
        batch.files.len(),
        batch.all_linked,
        batch.blurred.as_ref().map(|blurred| &blurred.reasons),
    );
    if brief {
        return;
    }
    for dirty in &batch.dirty {
        let key = String::from_utf8_lossy(&dirty.key).replace('\0', "/");
        let actor = dirty.actor.and_then(|id| batch.actor(id));
        let name = actor.map(|actor| match &actor.comm {
            Some(comm) => format!("{} ({})", String::from_utf8_lossy(comm), actor.pid),
            None => format!("gone ({})", actor.pid),
        });
        let star = if dirty.subtree { "/**" } else { "" };
        println!(
            "  {key}{star} {:?} {}",
            dirty.what,
            name.unwrap_or_default()
        );
    }
    for (_, actor) in &batch.actors {
        println!("  {actor:?}");
    }
}

/// Processor time of the reading thread so far, from its scheduler statistics.
fn reader_seconds() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("/proc is there");
    for task in tasks.flatten() {
        let read = |name: &str| {
            std::fs::read_to_string(Path::new(&task.path()).join(name)).unwrap_or_default()
        };
        if read("comm").trim() == "recoup-watch" {
            let stat = read("schedstat");
            let nanos = stat
                .split(' ')
                .next()
                .and_then(|text| text.parse::<f64>().ok());
            return nanos.unwrap_or(0.0) / 1e9;
        }
    }
    0.0
}

fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}
