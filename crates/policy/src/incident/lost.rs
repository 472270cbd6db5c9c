//! Unique content lost: removed files whose contents are nowhere any more.

use model::Level;

use super::limits::{
    ALARM_SHARE, ALARM_SHARE_BLURRED, ALARM_SHARE_DAY, DAY, HOUR, MINUTE, NOTICE_BYTES,
    NOTICE_FILES, NOTICE_SHARE, NOTICE_SMALL_SHARE, NOTICE_WINDOW, PIN_BYTES, PIN_FILES, PIN_SHARE,
    PIN_SHARE_FILES, SUBTREE_FILES,
};
use super::mark::Mark;
use super::scene::Scene;
use super::windows::{beneath, densest, times};
use super::words::{self, Verdict};

pub(super) fn weigh(scene: &mut Scene<'_>, marks: &[&Mark]) -> Option<Verdict> {
    let (files, bytes) = densest(&times(marks), MINUTE);
    let mut verdict = (files >= PIN_FILES || bytes >= PIN_BYTES).then(|| Verdict {
        level: Level::Pin,
        rule: "lost",
        about: format!(
            "{} files removed within {}",
            marks.len(),
            words::span(marks)
        ),
    });
    let usual = usual(scene, marks);
    let mut largest = 0;
    for (dir, lost) in beneath(marks, PIN_SHARE_FILES) {
        let found = subtree(scene, dir, &lost, usual);
        let better = found.level.is_some_and(|level| {
            verdict.as_ref().is_none_or(|verdict| level > verdict.level)
                || (lost.len() > largest
                    && verdict
                        .as_ref()
                        .is_some_and(|verdict| level == verdict.level))
        });
        if let Some(level) = found.level.filter(|_| better) {
            largest = lost.len();
            verdict = Some(Verdict {
                level,
                rule: "lost",
                about: found.about(dir, &lost),
            });
        }
    }
    verdict
}

/// What a program usually loses in one go; `None` where there is no one program, or nothing is known.
fn usual(scene: &Scene<'_>, marks: &[&Mark]) -> Option<u64> {
    let first = marks.first()?.who;
    let program = scene.actors.program(first)?;
    let one = marks
        .iter()
        .all(|mark| scene.actors.program(mark.who) == Some(program));
    one.then(|| scene.baselines.usual(&scene.actors.class(first)))
        .flatten()
}

struct Subtree {
    level: Option<Level>,
    files: u64,
    bytes: u64,
}

impl Subtree {
    fn about(&self, dir: &[u8], lost: &[&Mark]) -> String {
        let count = lost.len() as u64;
        format!(
            "{count} of {} files under {} ({}) removed within {}; {} are nowhere else",
            self.files,
            words::place(dir),
            words::share(count, self.files),
            words::span(lost),
            words::bytes(self.bytes),
        )
    }
}

fn subtree(scene: &mut Scene<'_>, dir: &[u8], lost: &[&Mark], usual: Option<u64>) -> Subtree {
    let (files, all_bytes) = scene.base(dir, lost);
    let times = times(lost);
    let most = |window| densest(&times, window);
    let (hour, day, recent) = (most(HOUR), most(DAY), most(NOTICE_WINDOW));
    let blurred = lost.iter().filter(|mark| mark.blurred).count() * 2 >= lost.len();
    let share = if blurred {
        ALARM_SHARE_BLURRED
    } else {
        ALARM_SHARE
    };
    let is_share =
        |count: usize, per_cent: u64| count as u64 * 100 >= files.saturating_mul(per_cent);
    let unusual = usual.is_none_or(|usual| hour.0 as u64 > usual);
    let large = files >= SUBTREE_FILES;
    let level = if large && unusual && (is_share(hour.0, share) || is_share(day.0, ALARM_SHARE_DAY))
    {
        Some(Level::Alarm)
    } else if recent.0 as u64 >= NOTICE_FILES.max(files * NOTICE_SHARE / 100)
        || recent.1 >= NOTICE_BYTES.max(all_bytes / 100 * NOTICE_SHARE)
    {
        Some(Level::Notice)
    } else if large && is_share(hour.0, ALARM_SHARE) {
        // Usual for this program, but no less a bulk change.
        Some(Level::Notice)
    } else if !large && hour.0 >= PIN_SHARE_FILES && is_share(hour.0, NOTICE_SMALL_SHARE) {
        Some(Level::Notice)
    } else if large && hour.0 >= PIN_SHARE_FILES && is_share(hour.0, PIN_SHARE) {
        Some(Level::Pin)
    } else {
        None
    };
    Subtree {
        level,
        files,
        bytes: day.1,
    }
}
