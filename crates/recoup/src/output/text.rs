//! Numbers, times and paths as people read them.

use jiff::tz::TimeZone;
use model::{Entry, Kind, Timestamp};

/// A path safe to print: control characters, characters that turn the writing direction, and bytes
/// that are no text are written as escapes.
pub(crate) fn path(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' => text.push_str("\\n"),
                '\t' => text.push_str("\\t"),
                '\r' => text.push_str("\\r"),
                c if c.is_control() || turns_direction(c) => {
                    text.extend(c.escape_unicode());
                }
                c => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// A word as a shell reads it.
pub(crate) fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Characters that make a name look like another one: bidirectional controls, line separators.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A size with one decimal: `1.5 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    // What would be rounded to 1024.0 is shown in the next unit.
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A number with commas: `3,412`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number and what is counted: `1 file`, `3,412 files`.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A length of time: `0.4 s`, `2 min 05 s`, `1 h 04 min`.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
    }
}

/// Local time to the second.
pub(crate) fn local(time: Timestamp) -> String {
    zoned(time).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Universal time with all digits, as scripts read it.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    moment(time).to_string()
}

/// As jiff holds it. Times that no calendar reaches are drawn to its ends.
pub(crate) fn moment(time: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::new(time.secs, time.nanos as i32).unwrap_or(if time.secs < 0 {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    })
}

/// As the nouns hold it.
pub(crate) fn timestamp(time: jiff::Timestamp) -> Timestamp {
    let (mut secs, mut nanos) = (time.as_second(), time.subsec_nanosecond());
    if nanos < 0 {
        secs -= 1;
        nanos += 1_000_000_000;
    }
    Timestamp::new(secs, nanos as u32)
}

fn zoned(time: Timestamp) -> jiff::Zoned {
    moment(time).to_zoned(TimeZone::system())
}

/// Kind and permissions as `ls -l` writes them.
pub(crate) fn mode(entry: &Entry) -> String {
    let kind = match entry.kind {
        Kind::File => '-',
        Kind::Directory => 'd',
        Kind::Symlink => 'l',
        Kind::Fifo => 'p',
        Kind::CharDevice => 'c',
        Kind::BlockDevice => 'b',
        Kind::Socket => 's',
        Kind::Value => 'v',
    };
    let bit = |mask: u32, letter: char| {
        if entry.mode & mask == 0 { '-' } else { letter }
    };
    let special = |execute: u32, mask: u32, letter: char| match (
        entry.mode & execute != 0,
        entry.mode & mask != 0,
    ) {
        (true, true) => letter,
        (false, true) => letter.to_ascii_uppercase(),
        (true, false) => 'x',
        (false, false) => '-',
    };
    [
        kind,
        bit(0o400, 'r'),
        bit(0o200, 'w'),
        special(0o100, 0o4000, 's'),
        bit(0o040, 'r'),
        bit(0o020, 'w'),
        special(0o010, 0o2000, 's'),
        bit(0o004, 'r'),
        bit(0o002, 'w'),
        special(0o001, 0o1000, 't'),
    ]
    .iter()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_read_words_as_they_are() {
        assert_eq!(shell_word("/a/b.c"), "/a/b.c");
        assert_eq!(shell_word("/a b/c"), "'/a b/c'");
        assert_eq!(shell_word("/it's"), r"'/it'\''s'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn numbers_are_written_for_people() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1.0 MiB"),
            (1_610_612_736, "1.5 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(999), "999");
        assert_eq!(counted(1, "file", "files"), "1 file");
        assert_eq!(duration(125.0), "2 min 05 s");
    }

    #[test]
    fn names_cant_play_tricks_on_the_terminal() {
        assert_eq!(path(b"a\x1b[2Jb\n"), "a\\u{1b}[2Jb\\n");
        assert_eq!(path("gnp\u{202e}.exe".as_bytes()), "gnp\\u{202e}.exe");
        assert_eq!(path(b"\xff\xc3\xa4"), "\\xffä");
    }

    #[test]
    fn modes_look_like_those_of_ls() {
        let mut entry = Entry::new(Kind::File);
        entry.mode = 0o4755;
        assert_eq!(mode(&entry), "-rwsr-xr-x");
        entry.kind = Kind::Directory;
        entry.mode = 0o1776;
        assert_eq!(mode(&entry), "drwxrwxrwT");
    }

    #[test]
    fn times_before_1970_keep_their_fraction() {
        let time = Timestamp::new(-2, 250_000_000);
        assert_eq!(timestamp(moment(time)), time);
        assert_eq!(
            rfc3339(Timestamp::new(0, 1)),
            "1970-01-01T00:00:00.000000001Z"
        );
    }
}
