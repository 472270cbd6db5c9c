//! The numbers of the rules, each with where it comes from.
//!
//! "Start value" means: chosen before there were measurements of real machines, to be confirmed by
//! replaying benign and malicious work. "Chosen here" means that nobody else had a number.

pub(super) const SECOND: i64 = 1_000;
pub(super) const MINUTE: i64 = 60 * SECOND;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

// --- Time.

/// Damage is kept in mind for the longest window of the rules.
pub(super) const HORIZON: i64 = DAY;
/// Harmless changes are kept for pairing them with damage; a program that writes the new file and
/// removes the old one does so within minutes. Chosen here.
pub(super) const HARMLESS_HORIZON: i64 = HOUR;
/// A finding is closed, and damage is another event, after so long without more of it. Chosen here: a
/// slow attack of one file a minute stays one event.
pub(super) const QUIET: i64 = 10 * MINUTE;
/// Bin in which the start of an event is sought (start value).
pub(super) const START_BIN: i64 = 10 * SECOND;
/// So many damaged keys in one bin are the start (start value).
pub(super) const START_KEYS: usize = 3;
/// A file made and removed within this by the same program was its own temporary file. Chosen here.
pub(super) const TEMPORARY: i64 = HOUR;
/// The same whoever made and removed it: so short that no person made it. Chosen here.
pub(super) const TEMPORARY_UNKNOWN: i64 = 10 * SECOND;

// --- Pin: costs disk only, so it may be wrong ten times a day.

/// Files removed or overwritten in a minute (start value).
pub(super) const PIN_FILES: usize = 100;
/// Share of a subtree lost, in per cent (start value).
pub(super) const PIN_SHARE: u64 = 1;
/// At least so many files for that share: one file of a directory of sixty is not worth a pin. Chosen here.
pub(super) const PIN_SHARE_FILES: usize = 10;
/// Unique bytes lost in a minute (start value).
pub(super) const PIN_BYTES: u64 = 10 << 20;

// --- Notice: a bulk change.

/// Unique files lost in five minutes (start value).
pub(super) const NOTICE_FILES: u64 = 500;
/// Share of the subtree lost in five minutes, in per cent (start value): the larger of the two counts.
pub(super) const NOTICE_SHARE: u64 = 5;
/// Or so many unique bytes (start value).
pub(super) const NOTICE_BYTES: u64 = 1 << 30;
/// Window of both (start value).
pub(super) const NOTICE_WINDOW: i64 = 5 * MINUTE;
/// Keys whose metadata changed in five minutes (start value).
pub(super) const NOTICE_RESTYLED: usize = 1_000;

/// Share of a small subtree (ten files lost, fewer than fifty there), in per cent. Chosen here: too small
/// for an alarm, but not to be passed over.
pub(super) const NOTICE_SMALL_SHARE: u64 = 50;

// --- Alarm (a): unique content lost.

/// Subtrees with fewer files do not count by themselves, only as part of larger ones (start value).
pub(super) const SUBTREE_FILES: u64 = 50;
/// Share of a subtree lost within an hour, in per cent (start value).
pub(super) const ALARM_SHARE: u64 = 20;
/// Share lost within a day, slower than the hour's rule sees: a day of honest tidying takes more than
/// a fifth of a small directory now and then. Chosen here.
pub(super) const ALARM_SHARE_DAY: u64 = 50;
/// Share that is enough where most of it happened while events were lost: a flood beside deletions is a
/// sign of its own. Chosen here: half of the hour's.
pub(super) const ALARM_SHARE_BLURRED: u64 = 10;
/// Above the usual of a program by so many median absolute deviations (start value).
pub(super) const BASELINE_DEVIATIONS: u64 = 8;
/// A usual is known after so many bursts of work. Chosen here: below, a median says little.
pub(super) const BASELINE_BURSTS: usize = 8;
/// Bursts remembered for each program: two months of nightly work. Chosen here.
pub(super) const BASELINE_MEMORY: usize = 64;

// --- Alarm (b): content that became random.

/// Files in a minute, of at least [`SCRAMBLED_TYPES`] types (start value).
pub(super) const SCRAMBLED_FILES: usize = 20;
pub(super) const SCRAMBLED_TYPES: usize = 3;
/// Files, with a new extension that spreads or a note in several directories (start value).
pub(super) const SCRAMBLED_SIGNED: usize = 5;
/// Directories in which a file of equal content is a note (start value).
pub(super) const NOTE_DIRECTORIES: usize = 3;
/// Longest note. Chosen here: a page of text or a picture of one.
pub(super) const NOTE_BYTES: u64 = 64 << 10;
/// Share of a subtree that became random within a day, in per cent (start value).
pub(super) const STOCK_SHARE: u64 = 2;
/// At least so many files for that share. Chosen here: a person who encrypts a few letters is none.
pub(super) const STOCK_FILES: usize = 10;

// --- Alarm (c): contents emptied, and metadata.

/// Files truncated, zeroed, cut or given one content (start value), within [`EMPTIED_WINDOW`].
pub(super) const EMPTIED_FILES: usize = 20;
/// Chosen here: a wipe of large files takes minutes.
pub(super) const EMPTIED_WINDOW: i64 = 10 * MINUTE;
/// A file is cut if its beginning is the same and at least this part of it is gone, in per cent. Chosen
/// here: new versions seldom halve.
pub(super) const CUT_SHARE: u64 = 50;

// --- Key-value stores.

/// Share of a prefix deleted within an hour, and how many keys at least (start values).
pub(super) const PREFIX_SHARE: u64 = 20;
pub(super) const PREFIX_KEYS: u64 = 20;
/// Net loss within ten minutes that is an alarm whatever the usual share: in 2012 it was 6.8 % of the
/// load balancers. Chosen here.
pub(super) const PREFIX_NET_SHARE: u64 = 5;
pub(super) const PREFIX_NET_KEYS: u64 = 100;
/// The same for large prefixes. Chosen here.
pub(super) const PREFIX_LARGE_SHARE: u64 = 1;
pub(super) const PREFIX_LARGE_KEYS: u64 = 1_000;
/// Share of a prefix that was given one value (start value: as for rows of a table).
pub(super) const SAME_VALUE_SHARE: u64 = 50;

/// Marks that must come close upon each other to be of a burst. Chosen here: fewer come so by chance.
pub(super) const BURST_MARKS: usize = 5;
/// Slower than this part of the fastest second is not of the burst. Chosen here.
pub(super) const BURST_SHARE: usize = 20;
/// But so many a second always are: more than customers delete by themselves. Chosen here.
pub(super) const BURST_RATE_MAX: usize = 20;
/// A job may pause for so long. Chosen here: that of a start.
pub(super) const BURST_PAUSE: i64 = START_BIN;
/// A stretch of a burst has at least this part of the marks of the largest. Chosen here.
pub(super) const BURST_PART: usize = 10;

// --- Memory.

/// Damaged keys kept in mind: about 480 bytes each, 30 MB in all. What comes beyond is counted.
pub(super) const HARMFUL_MAX: usize = 65_536;
/// Seconds, for each who did it, in which what comes beyond is counted.
pub(super) const BEYOND_MAX: usize = 32_768;
/// Harmless changes kept in mind for pairing.
pub(super) const HARMLESS_MAX: usize = 32_768;
/// Directories whose population is followed.
pub(super) const DIRECTORIES_MAX: usize = 65_536;
/// Processes kept in mind; later ones are taken as unknown.
pub(super) const ACTORS_MAX: usize = 16_384;
/// Programs whose usual is kept in mind.
pub(super) const CLASSES_MAX: usize = 1_024;
/// Points kept in mind: a day of one every five seconds.
pub(super) const POINTS_MAX: usize = 17_280;
/// How often what is too old is forgotten. Chosen here: going through all marks takes milliseconds.
pub(super) const FORGET_EVERY: i64 = MINUTE;

// --- Work.

/// Harmless changes are judged when so many have come, as few as any rule fires on. Chosen here.
pub(super) const JUDGE_CHANGES: usize = 20;
/// Or after so long: weighing a full memory takes a third of a second, and an editor saves all day.
/// Damage is judged at once. Chosen here.
pub(super) const JUDGE_EVERY: i64 = MINUTE;
