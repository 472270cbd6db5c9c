//! Laws of thinning, for any history.

use std::time::Duration;

use proptest::prelude::*;
use recoup_policy::thinning::{GFS_TIERS, Kept, Ladder, droppable};

const YEAR_SECS: u64 = 365 * 86_400;

fn kept(id: u64, secs: u64) -> Kept {
    Kept {
        id,
        lived: Duration::from_secs(secs),
        pinned: false,
        checkpoint: true,
        proven: false,
    }
}

fn history() -> impl Strategy<Value = Vec<Kept>> {
    // Gaps from seconds to weeks, as of a machine that is off now and then.
    let gap = prop_oneof![8 => 1_u64..10, 2 => 10_u64..4_000, 1 => 4_000_u64..2_000_000];
    let point = (
        gap,
        prop::bool::weighted(0.05),
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.1),
    );
    prop::collection::vec(point, 1..300).prop_map(|points| {
        let mut lived = 0;
        points
            .into_iter()
            .enumerate()
            .map(|(id, (gap, pinned, checkpoint, proven))| {
                lived += gap;
                Kept {
                    pinned,
                    checkpoint,
                    proven,
                    ..kept(id as u64, lived)
                }
            })
            .collect()
    })
}

fn thin(points: &[Kept], now: Duration, ladder: &Ladder) -> Vec<Kept> {
    let gone = droppable(points, now, ladder, false);
    points
        .iter()
        .filter(|point| !gone.contains(&point.id))
        .copied()
        .collect()
}

fn ladders() -> [Ladder; 2] {
    [Ladder::default(), Ladder::Gfs(GFS_TIERS.to_vec())]
}

proptest! {
    #[test]
    fn what_must_stay_stays(points in history(), later in 0_u64..3 * YEAR_SECS) {
        let now = points.last().unwrap().lived + Duration::from_secs(later);
        for ladder in ladders() {
            let left = thin(&points, now, &ladder);
            prop_assert_eq!(left.last(), points.last());
            for point in points.iter().filter(|point| point.pinned) {
                prop_assert!(left.contains(point));
            }
            if let Some(proven) = points.iter().rfind(|point| point.proven) {
                prop_assert!(left.contains(proven));
            }
            prop_assert_eq!(&thin(&left, now, &ladder), &left, "a second time changes nothing");
            prop_assert!(droppable(&points, now, &ladder, true).is_empty(), "an alarm is open");
            let mut turned = points.clone();
            turned.reverse();
            prop_assert_eq!(thin(&turned, now, &ladder).len(), left.len());
        }
    }

    #[test]
    fn gaps_stay_below_a_64th_of_the_age(points in history(), steps in prop::collection::vec(1_u64..YEAR_SECS / 4, 1..6)) {
        // Thinned again and again as it gets older, as a timeline is.
        let mut left = points.clone();
        let mut now = points.last().unwrap().lived;
        for step in steps {
            now += Duration::from_secs(step);
            left = thin(&left, now, &Ladder::default());
        }
        for pair in left.windows(2) {
            let gap = pair[1].lived - pair[0].lived;
            let was_there = points.windows(2).any(|two| two[0].id == pair[0].id && two[1].id == pair[1].id);
            prop_assert!(was_there || gap * 64 <= now - pair[1].lived, "{pair:?} at {now:?}");
        }
    }
}

#[test]
fn a_year_of_points_every_five_seconds() {
    let mut left: Vec<Kept> = Vec::new();
    let mut batch = 64;
    for id in 0..YEAR_SECS / 5 {
        left.push(kept(id, id * 5));
        batch -= 1;
        if batch == 0 {
            left = thin_sorted(&left, Duration::from_secs(id * 5));
            batch = 512;
        }
    }
    left = thin_sorted(&left, Duration::from_secs(YEAR_SECS));
    let all: Vec<Kept> = (0..YEAR_SECS / 5).map(|id| kept(id, id * 5)).collect();
    let at_once = all.len()
        - droppable(
            &all,
            Duration::from_secs(YEAR_SECS),
            &Ladder::default(),
            false,
        )
        .len();
    println!(
        "a year: {} points thinned as they came, {at_once} thinned at once, 800 by the formula",
        left.len()
    );
    // At once the greedy choice is the formula and what whole steps of 5 s cost; thinned as they come, gaps can only be
    // joined, so they lie between half the allowed and the allowed.
    assert!((760..=860).contains(&at_once), "{at_once}");
    assert!((800..=1_300).contains(&left.len()), "{}", left.len());
}

fn thin_sorted(points: &[Kept], now: Duration) -> Vec<Kept> {
    let gone = droppable(points, now, &Ladder::default(), false);
    let gone: std::collections::HashSet<u64> = gone.into_iter().collect();
    points
        .iter()
        .filter(|point| !gone.contains(&point.id))
        .copied()
        .collect()
}

#[test]
fn generations_keep_the_counts_that_they_promise() {
    // Every 5 s for two hours, before that a point a minute for two days.
    let now = 2 * 86_400;
    let mut points: Vec<Kept> = (0..(now - 7_200) / 60)
        .map(|id| kept(id, id * 60))
        .collect();
    points.extend((0..7_200 / 5).map(|id| kept(1_000_000 + id, now - 7_200 + id * 5)));
    let left = thin(
        &points,
        Duration::from_secs(now),
        &Ladder::Gfs(GFS_TIERS.to_vec()),
    );
    let fine = left
        .iter()
        .filter(|point| point.lived.as_secs() >= now - 3_600)
        .count();
    assert_eq!(fine, 720, "an hour of 5 s");
    let minutes = left
        .iter()
        .filter(|point| point.lived.as_secs() >= now - 86_400)
        .count()
        - fine;
    assert_eq!(minutes, 23 * 60);
    let coarse = left
        .iter()
        .filter(|point| point.lived.as_secs() < now - 86_400)
        .count();
    assert!(
        (143..=145).contains(&coarse),
        "a day of ten minutes: {coarse}"
    );
}
