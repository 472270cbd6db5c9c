//! The watcher is killed at random moments: what it said is durable is there.

use std::time::{Duration, Instant};

use testkit::{Random, is_long};

use crate::home::Home;

const KILLS: usize = 30;

#[test]
fn killed_at_any_moment() {
    let home = Home::with_repository();
    home.shell("mkdir a b; for i in $(seq 20); do echo $i > a/f$i; done");
    let mut random = Random::new(4711);
    let began = Instant::now();
    let kills = if is_long() { 10 * KILLS } else { KILLS };
    let (mut acknowledged, mut restored, mut blurred, mut before_ready) = (0, 0, 0, 0);
    for round in 0..kills {
        let what = format!("round {round}");
        // What happens while nobody watches.
        home.shell(&format!("echo gap {round} > b/gap"));
        let mut watching = home.watch(&["--every", "1"]);
        let soon = random.below(5) == 0;
        if soon {
            std::thread::sleep(Duration::from_millis(random.below(300) as u64));
        } else {
            watching.ready();
            let until = Instant::now() + Duration::from_millis(random.below(2500) as u64);
            let mut step = 0;
            while Instant::now() < until {
                step += 1;
                home.shell(&format!(
                    "echo {round} {step} > a/f{}; rm -f b/x; echo x{step} > b/x",
                    step % 20
                ));
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        watching.kill();
        std::thread::sleep(Duration::from_millis(30));
        let points = watching.lines("point");
        if watching.lines("ready").is_empty() {
            before_ready += 1;
        } else if round > 0 {
            let gap = points.iter().filter(|line| line["blurred"] == true).count();
            assert!(gap <= 1, "{what}: {points:?}");
            blurred += gap;
        }
        let known = home.json(&["timeline", "tree"]);
        for line in &points {
            let is_known = known
                .iter()
                .any(|row| row["type"] == "point" && row["id"] == line["id"]);
            assert!(
                is_known,
                "{what}: {line} was said to be durable and is gone"
            );
        }
        acknowledged += points.len();
        if let Some(last) = points.last() {
            home.restored(last["id"].as_str().unwrap(), &what);
            restored += 1;
        }
    }
    home.ends_as_it_is();
    println!(
        "watcher killed {kills} times ({before_ready} before it was ready): {} points acknowledged, none lost, {restored} \
         restored, {blurred} gaps each one blurred point; {:.0} s",
        acknowledged,
        began.elapsed().as_secs_f64()
    );
}
