//! The name of what is put beside a live file.

use model::key::NAME_BYTES_MAX;

/// Longest ending that is kept behind the mark: longer ones are rather sentences with a full stop.
const EXTENSION_BYTES_MAX: usize = 32;

/// `stem.recoup-MARK.ext`, or with `-2`, `-3` … behind the mark for later tries. A leading dot belongs to
/// the stem; the stem is cut, between characters, where the whole would be too long for a name.
pub(super) fn beside(name: &[u8], mark: &str, try_number: usize) -> Vec<u8> {
    let dot = name.iter().rposition(|&byte| byte == b'.');
    let (stem, extension) = match dot {
        // `.bashrc` has no extension, nor has `name.`.
        Some(at) if at > 0 && (2..=EXTENSION_BYTES_MAX).contains(&(name.len() - at)) => {
            name.split_at(at)
        }
        _ => (name, &b""[..]),
    };
    let mut middle = format!(".recoup-{mark}");
    if try_number > 1 {
        middle.push_str(&format!("-{try_number}"));
    }
    let room = NAME_BYTES_MAX.saturating_sub(middle.len() + extension.len());
    let mut len = stem.len().min(room);
    // Some file systems take nothing but UTF-8: don't cut through a character.
    while len > 1 && stem.get(len).is_some_and(|byte| byte & 0xc0 == 0x80) {
        len -= 1;
    }
    [&stem[..len], middle.as_bytes(), extension].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beside() {
        for (name, number, expected) in [
            ("report.txt", 1, "report.recoup-42.txt"),
            ("report.txt", 3, "report.recoup-42-3.txt"),
            ("Makefile", 1, "Makefile.recoup-42"),
            (".bashrc", 1, ".bashrc.recoup-42"),
            (".config.toml", 1, ".config.recoup-42.toml"),
            ("archive.tar.gz", 2, "archive.tar.recoup-42-2.gz"),
            ("odd.", 1, "odd..recoup-42"),
        ] {
            let found = beside(name.as_bytes(), "42", number);
            assert_eq!(String::from_utf8(found).unwrap(), expected);
        }
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        for name in [
            "ü".repeat(127),
            format!("{}.txt", "漢".repeat(83)),
            "x".repeat(255),
        ] {
            let found = beside(name.as_bytes(), "1234567", 12);
            assert!(found.len() <= NAME_BYTES_MAX, "{}", found.len());
            assert!(
                String::from_utf8(found)
                    .unwrap()
                    .contains(".recoup-1234567-12")
            );
        }
        assert!(beside(&[0x80; 255], "1", 1).len() <= NAME_BYTES_MAX);
    }
}
