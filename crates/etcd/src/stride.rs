//! How far one page of a range should reach.
//!
//! For each page etcd walks over every key up to the end that was asked for, whatever the limit, only to
//! count them: reading a million keys in pages to the same end takes it the square of that. So each
//! page is asked up to an end of its own, a step beyond its first key at one byte of the key. How far a
//! step should go is learned from how much the last one found; a wrong guess costs a request, never a
//! key.

/// How many values of a byte keys use in a row: digits, of one kind or the other.
const VALUES: usize = 16;

/// Largest step, in values of the byte at which it is made; beyond, the byte before is the better one.
const STEP_MAX: u8 = 8;

/// Up to where to read, page by page.
#[derive(Debug)]
pub(crate) struct Stride {
    /// The end of the whole range, as etcd wants it: a zero byte for none.
    end: Vec<u8>,
    /// The byte of the key at which a step is made; `None` before anything is known.
    depth: Option<usize>,
    step: u8,
    /// The last page had nothing.
    was_empty: bool,
}

impl Stride {
    pub(crate) fn new(end: Vec<u8>) -> Self {
        Self {
            end,
            depth: None,
            step: 1,
            was_empty: false,
        }
    }

    /// The end of the page that begins at `start`.
    pub(crate) fn end_after(&self, start: &[u8]) -> Vec<u8> {
        let Some(depth) = self.depth else {
            return self.end.clone();
        };
        let depth = depth.min(start.len().saturating_sub(1));
        let mut end = start[..depth].to_vec();
        match start
            .get(depth)
            .and_then(|byte| byte.checked_add(self.step))
        {
            Some(byte) => end.push(byte),
            // The next key that does not begin like this; none if everything does.
            None => end = crate::keys::prefix_end(&end),
        }
        let is_beyond = end == [0] || (self.end != [0] && end >= self.end);
        if is_beyond { self.end.clone() } else { end }
    }

    /// Whether nothing follows this end.
    pub(crate) fn is_last(&self, end: &[u8]) -> bool {
        end == self.end
    }

    /// Learns from a page: how many keys it was allowed to hold, how many there were up to its end, whether
    /// held or not, and its first and last key.
    pub(crate) fn learn(&mut self, limit: usize, there: usize, ends: Option<(&[u8], &[u8])>) {
        let Some(depth) = self.depth else {
            if let Some((first, last)) = ends.filter(|_| there > limit) {
                let shared = first
                    .iter()
                    .zip(last)
                    .take_while(|(one, other)| one == other);
                self.depth = Some(shared.count());
            }
            return;
        };
        if there == 0 {
            // The second time, nothing more begins like this: on to the next value of the byte before,
            // which is two steps from here.
            self.depth = Some(depth.saturating_sub(usize::from(self.was_empty)));
            self.step = 2;
            self.was_empty = true;
            return;
        }
        self.was_empty = false;
        let fitting = usize::from(self.step) * limit / there;
        if there > limit + limit / 2 && fitting == 0 {
            let finer = VALUES * usize::from(self.step) * limit / there;
            self.depth = Some(depth + 1);
            self.step = clamp(finer);
        } else if there > limit + limit / 2 || there < limit / 2 {
            if fitting > VALUES {
                self.depth = Some(depth.saturating_sub(1));
            }
            self.step = if fitting > VALUES { 2 } else { clamp(fitting) };
        }
    }
}

fn clamp(step: usize) -> u8 {
    u8::try_from(step).unwrap_or(STEP_MAX).clamp(1, STEP_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::range_of;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// Reads a range of a set as etcd would; gives what was found, how often it was asked and how many keys
    /// it walked over.
    fn read(keys: &BTreeSet<Vec<u8>>, prefix: &[u8], limit: usize) -> (Vec<Vec<u8>>, usize, usize) {
        let (mut start, end) = range_of(prefix);
        let mut stride = Stride::new(end);
        let (mut found, mut asked, mut walked) = (Vec::new(), 0, 0);
        loop {
            let end = stride.end_after(&start);
            assert!(end == [0] || end > start, "{start:?} {end:?}");
            let is_before = |key: &&Vec<u8>| end == [0] || **key < end;
            let all: Vec<_> = keys.range(start.clone()..).take_while(is_before).collect();
            let page = &all[..limit.min(all.len())];
            let more = all.len() > limit;
            asked += 1;
            walked += all.len();
            let ends = page
                .first()
                .zip(page.last())
                .map(|(one, other)| (&one[..], &other[..]));
            stride.learn(limit, all.len(), ends);
            found.extend(page.iter().map(|key| key.to_vec()));
            if more {
                start = [found.last().unwrap(), &[0][..]].concat();
            } else if stride.is_last(&end) {
                return (found, asked, walked);
            } else {
                start = end;
            }
        }
    }

    #[test]
    fn pages_of_usual_keys_walk_over_little_more_than_they_hold() {
        let numbered = (0..100_000).map(|at| format!("/lb/lb-{at:07}").into_bytes());
        let hashed = (0..100_000_u64).map(|at| {
            let hash = at.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            format!("/registry/pods/ns-{}/{hash:016x}", at % 30).into_bytes()
        });
        let plain = (0..100_000).map(|at: u32| at.reverse_bits().to_be_bytes().to_vec());
        let grown = (0..100_000).map(|at| format!("/jobs/{at}/state").into_bytes());
        for (name, keys) in [
            ("numbered", numbered.collect::<BTreeSet<_>>()),
            ("hashed", hashed.collect()),
            ("binary", plain.collect()),
            ("grown", grown.collect()),
        ] {
            let (found, asked, walked) = read(&keys, b"", 1000);
            assert!(found.iter().eq(&keys), "{name}");
            println!("{name}: {asked} pages, {walked} keys walked over");
            // Without steps: 100 pages, 5,050,000 keys.
            assert!(
                asked <= 400 && walked <= 600_000,
                "{name}: {asked} {walked}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn every_key_is_found_once_in_order(
            keys in prop::collection::btree_set(
                prop::collection::vec(prop_oneof![4 => b'0'..b'3', 1 => any::<u8>()], 1..6), 0..200,
            ),
            prefix in prop::collection::vec(b'0'..b'3', 0..2),
            limit in 1_usize..9,
        ) {
            let (found, asked, _) = read(&keys, &prefix, limit);
            let expected: Vec<_> = keys.into_iter().filter(|key| key.starts_with(&prefix)).collect();
            prop_assert!(asked <= 200 + 12 * expected.len(), "{asked} for {}", expected.len());
            prop_assert_eq!(found, expected);
        }
    }
}
