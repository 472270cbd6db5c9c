//! Workloads in a watched tree: each quiet moment can be restored exactly, and soon.

use std::time::{Duration, Instant};

use crate::home::Home;
use crate::watching::PATIENCE;

/// A workload as a shell script, run in the tree.
const WORKLOADS: [(&str, &str); 10] = [
    (
        "editing by rename",
        "for i in 1 2 3 4 5; do echo \"version $i $$\" > .doc.tmp; mv .doc.tmp doc; done",
    ),
    (
        "appends",
        "for i in 1 2 3 4 5 6 7 8; do echo line $i >> log; sleep 0.05; done; sync log",
    ),
    (
        "checkout of many files",
        "for i in $(seq 300); do echo \"int f$i(void) { return $i; }\" > src/$((i % 7))/f$i.c.new
         mv src/$((i % 7))/f$i.c.new src/$((i % 7))/f$i.c; done; rm src/0/f7.c src/0/f14.c",
    ),
    ("untar", "tar xf ../many.tar"),
    (
        "updates as rsync makes them",
        "for i in $(seq 40); do cp -p src/1/f1.c many/d1/.f$i.XyZ123; echo $i >> many/d1/.f$i.XyZ123
         touch -d '2020-01-01 00:00' many/d1/.f$i.XyZ123; mv many/d1/.f$i.XyZ123 many/d1/f$i; done",
    ),
    (
        "renamed directories",
        "mv many/d2 many/moved; mkdir many/d2; echo new > many/d2/f1; mv many/moved/f1 many/d2/f2; mv many/d3 outside
         mv outside many/d3~",
    ),
    (
        "hard links",
        "ln doc doc.link; ln many/d4/f1 many/d5/linked; echo more >> doc.link; rm many/d4/f1",
    ),
    (
        "a database in place",
        "for i in $(seq 30); do dd if=/dev/urandom of=db bs=4096 count=1 seek=$((i * 7 % 50)) conv=notrunc 2>/dev/null; done",
    ),
    (
        "modes, times, links, odd names",
        "chmod 600 doc; touch -d '2001-02-03 04:05:06.789' log; ln -s nowhere dangling; mkfifo pipe
         printf x > \"$(printf 'odd\\377\\nname')\"; echo kept > notes~; echo kept > build.tmp",
    ),
    ("removed directories", "rm -rf many/d6 many/d7; find many -name 'f1*' -delete"),
];

#[test]
fn every_quiet_moment_is_restorable() {
    let home = Home::with_repository();
    home.shell(
        "mkdir -p src/0 src/1 src/2 src/3 src/4 src/5 src/6; echo 1 > doc; echo a > log
         head -c 300000 /dev/urandom > db; cd ..; mkdir -p pack/many; cd pack
         for d in $(seq 10); do mkdir many/d$d; for f in $(seq 500); do echo $d $f > many/d$d/f$f; done; done
         tar cf ../many.tar many",
    );
    let mut watching = home.watch(&[]);
    watching.ready();
    let (mut delays, mut points) = (Vec::new(), 0);
    for (name, script) in WORKLOADS {
        let before = watching.lines("point").len();
        let restored_before = watching.last_point().unwrap();
        home.shell(script);
        let quiet = Instant::now();
        let live = home.live();
        // Until the tree and the last point agree; files of passing names wait for ten seconds.
        let mut last = restored_before;
        let found = loop {
            let now = watching.last_point().unwrap();
            if now != last {
                last = now;
                if live == home.restored(&last, name) {
                    break true;
                }
            }
            if quiet.elapsed() > PATIENCE {
                break false;
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        assert!(!watching.has_ended(), "{name}");
        if !found {
            live.assert_same(&home.restored(&last, name), name);
            panic!("{name}: no point came");
        }
        let said = watching.said();
        let durable = said
            .iter()
            .find(|(_, line)| line["id"] == last.as_str())
            .map(|(at, _)| at.saturating_duration_since(quiet));
        let delay = durable.unwrap_or_default();
        let lines = watching.lines("point");
        let changes: u64 = lines[before..]
            .iter()
            .map(|line| line["changes"].as_u64().unwrap())
            .sum();
        points += lines.len() - before;
        println!(
            "  {name}: exact {:.1} s after the last change",
            delay.as_secs_f64()
        );
        let slow: u64 = lines[before..]
            .iter()
            .filter(|line| line["lag_ms"].as_u64().unwrap() > 5000)
            .map(|line| line["changes"].as_u64().unwrap())
            .sum();
        delays.push((changes, slow, delay));
        assert!(
            lines[before..].iter().all(|line| line["blurred"] == false),
            "{name}"
        );
    }
    let last_point = watching.last_point().unwrap();
    let (code, text) = watching.stop();
    assert_eq!(code, 0, "{text}");
    let all: u64 = delays.iter().map(|(changes, ..)| changes).sum();
    let slow: u64 = delays.iter().map(|(_, slow, _)| slow).sum();
    let worst = delays.iter().map(|(.., delay)| *delay).max().unwrap();
    println!(
        "exactness: {} quiet moments exact, {points} points; {:.1} % of {all} changes durable within 5 s of the first of \
         their point, all within {:.1} s of the last",
        WORKLOADS.len(),
        100.0 * (all - slow) as f64 / all as f64,
        worst.as_secs_f64()
    );
    assert!(worst < Duration::from_secs(30), "{worst:?}");
    // The map that the points lead to is that of a full backup.
    home.ok(&["backup", "tree"], "a full backup");
    let differences = home.json(&["diff", &last_point, "latest"]);
    let summary = differences.last().unwrap();
    assert_eq!(summary["type"], "summary", "{differences:?}");
    assert_eq!(differences.len(), 1, "{differences:?}");
    home.ok(&["check"], "afterwards");
    let live = home.live();
    live.assert_same(&home.restored("latest", "a backup"), "a backup");
}
