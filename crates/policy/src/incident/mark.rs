//! A mark: what became of one key since before it was touched.

use model::incident::{Facts, Looks};
use model::{BlobId, PathKey};

use super::actors::Who;
use super::limits::CUT_SHARE;

/// What a change amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Deed {
    Created,
    /// Only metadata changed.
    Restyled,
    /// Other contents, nothing suspicious in them.
    Rewritten,
    /// Nothing left of the contents: truncated, zeroed, cut.
    Emptied,
    /// Sound contents became random, or not what the name promises.
    Scrambled,
    Removed,
}

impl Deed {
    pub(super) fn harms(self) -> bool {
        self >= Self::Emptied
    }
}

/// One key that differs from what it was. Its origin stays while changes follow each other: a file that
/// is truncated in one point and filled with noise in the next is one scrambled file.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) key: PathKey,
    /// When the damage was done, in milliseconds; of harmless changes the last one.
    pub(super) at: i64,
    pub(super) point: u64,
    pub(super) blurred: bool,
    pub(super) who: Who,
    pub(super) deed: Deed,
    pub(super) before: Option<Facts>,
    pub(super) after: Option<Facts>,
    /// The last good contents.
    pub(super) lost: Option<BlobId>,
    /// When and by whom the key was made, if that was seen.
    pub(super) born: Option<(i64, Who)>,
    /// In a place that can be made again.
    pub(super) soft: bool,
    /// What is there now is suspect and had never been seen.
    pub(super) novel: bool,
    /// Orderly work of a program that is known to do so: at most a notice.
    pub(super) excused: bool,
    /// The finding that it belongs to; 0 for none.
    pub(super) finding: u64,
}

impl Mark {
    /// Length of what was there.
    pub(super) fn size(&self) -> u64 {
        self.before.map_or(0, |facts| facts.size)
    }

    pub(super) fn is_directory(&self) -> bool {
        self.before
            .or(self.after)
            .is_some_and(|facts| facts.is_directory)
    }
}

/// What the step between two states amounts to; `None` if they are equal. `novel`: the contents that
/// are there now had never been seen.
pub(super) fn deed(before: Option<&Facts>, after: Option<&Facts>, novel: bool) -> Option<Deed> {
    let (before, after) = match (before, after) {
        (None, None) => return None,
        (None, Some(_)) => return Some(Deed::Created),
        (Some(_), None) => return Some(Deed::Removed),
        (Some(before), Some(after)) => (before, after),
    };
    let same = before.content == after.content
        && before.size == after.size
        && before.is_directory == after.is_directory;
    if same || (before.is_directory && after.is_directory) {
        return (before.metadata != after.metadata).then_some(Deed::Restyled);
    }
    Some(if is_emptied(before, after) {
        Deed::Emptied
    } else if novel && is_scrambled(before, after) {
        Deed::Scrambled
    } else {
        Deed::Rewritten
    })
}

fn is_emptied(before: &Facts, after: &Facts) -> bool {
    let cut = before.head.is_some()
        && before.head == after.head
        && after.size.saturating_mul(100) <= before.size.saturating_mul(100 - CUT_SHARE);
    before.size > 0
        && !before.is_directory
        && (after.size == 0 || cut || (after.looks == Looks::Zeros && before.looks != Looks::Zeros))
}

fn is_scrambled(before: &Facts, after: &Facts) -> bool {
    let noise = after.looks == Looks::Random && is_sound(before);
    // Noise in base64, or behind a head of its own, compresses; the name gives it away.
    noise || (after.magic_ok == Some(false) && before.magic_ok == Some(true))
}

/// Whether contents are known to be something: what is noise already cannot be scrambled.
pub(super) fn is_sound(facts: &Facts) -> bool {
    matches!(facts.looks, Looks::Compressible | Looks::KnownPacked)
}

/// Whether somebody must ask if the contents had been seen before.
pub(super) fn is_suspect(facts: &Facts) -> bool {
    facts.looks == Looks::Random || facts.magic_ok == Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(size: u64, content: u8, looks: Looks) -> Facts {
        Facts {
            size,
            looks,
            content: Some(BlobId([content; 32])),
            head: Some(u64::from(content)),
            magic_ok: Some(true),
            ..Facts::default()
        }
    }

    fn step(before: Facts, after: Facts) -> Option<Deed> {
        deed(Some(&before), Some(&after), true)
    }

    #[test]
    fn a_full_memory_of_marks_is_bounded() {
        // A path of a hundred bytes, held as key of the map and in the mark.
        let each = size_of::<Mark>() + size_of::<PathKey>() + 2 * 100;
        let all = each * (super::super::limits::HARMFUL_MAX + super::super::limits::HARMLESS_MAX);
        println!("{each} bytes a mark, {} MiB in all", all >> 20);
        assert!(all < 64 << 20, "{all}");
    }

    #[test]
    fn every_step_has_its_name() {
        let text = facts(1000, 1, Looks::Compressible);
        assert_eq!(step(text, text), None);
        assert_eq!(
            step(
                text,
                Facts {
                    metadata: 7,
                    ..text
                }
            ),
            Some(Deed::Restyled)
        );
        assert_eq!(
            step(text, facts(1000, 2, Looks::Compressible)),
            Some(Deed::Rewritten)
        );
        assert_eq!(
            step(text, facts(1000, 2, Looks::Random)),
            Some(Deed::Scrambled)
        );
        assert_eq!(
            step(text, facts(1000, 2, Looks::KnownPacked)),
            Some(Deed::Rewritten)
        );
        assert_eq!(
            step(facts(1000, 3, Looks::Random), facts(1000, 2, Looks::Random)),
            Some(Deed::Rewritten),
            "noise before"
        );
        assert_eq!(step(text, facts(0, 2, Looks::Unknown)), Some(Deed::Emptied));
        assert_eq!(
            step(text, facts(1000, 2, Looks::Zeros)),
            Some(Deed::Emptied)
        );
        assert_eq!(
            deed(Some(&text), Some(&facts(1, 2, Looks::Random)), false),
            Some(Deed::Rewritten),
            "known"
        );
    }

    #[test]
    fn a_tail_is_cut_from_half_on() {
        let whole = facts(1000, 1, Looks::Compressible);
        let cut = |size| Facts {
            content: Some(BlobId([9; 32])),
            size,
            ..whole
        };
        assert_eq!(step(whole, cut(500)), Some(Deed::Emptied));
        assert_eq!(step(whole, cut(501)), Some(Deed::Rewritten));
        assert_eq!(
            step(
                whole,
                Facts {
                    head: Some(9),
                    ..cut(100)
                }
            ),
            Some(Deed::Rewritten),
            "another head"
        );
    }

    #[test]
    fn a_broken_promise_of_the_name_is_enough() {
        let picture = facts(1000, 1, Looks::KnownPacked);
        let broken = Facts {
            magic_ok: Some(false),
            ..facts(1400, 2, Looks::Compressible)
        };
        assert_eq!(step(picture, broken), Some(Deed::Scrambled));
        assert_eq!(
            step(
                broken,
                Facts {
                    content: None,
                    ..broken
                }
            ),
            Some(Deed::Rewritten)
        );
    }
}
