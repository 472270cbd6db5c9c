//! Scans a path a few times and prints how fast that was: `scan PATH [THREADS] [ROUNDS]`.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use model::{Cancel, Silent};
use recoup_source::files::{ScanOptions, scan};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let threads = args.get(2).and_then(|arg| arg.parse().ok()).unwrap_or(2);
    let rounds: usize = args.get(3).and_then(|arg| arg.parse().ok()).unwrap_or(5);
    let options = ScanOptions {
        threads,
        ..ScanOptions::default()
    };
    let path = std::fs::canonicalize(args.get(1).map_or(".", String::as_str)).expect("a path");
    for _ in 0..rounds {
        round(&path, &options);
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .filter(|line| line.starts_with("VmHWM"))
        .for_each(|line| println!("{line}"));
}

fn round(path: &Path, options: &ScanOptions) {
    let begin = Instant::now();
    let mut first = None;
    let summary = scan(path, options, &Silent, &Cancel::default(), &mut |_| {
        first.get_or_insert_with(|| begin.elapsed());
        ControlFlow::Continue(())
    })
    .expect("a readable root");
    let seconds = begin.elapsed().as_secs_f64();
    let entries = summary.files + summary.directories;
    println!(
        "{entries} entries, {seconds:.3} s, {:.0}/s, {summary:?}",
        entries as f64 / seconds
    );
}
