//! Names of files that live for a moment: an editor's or a browser's, on the way to the real one.

/// How long such a file is left alone: programs rename or remove it long before.
pub(crate) const GRACE_SECS: u64 = 10;

/// Whether a file of this name is likely to be gone in a moment. Those of vim (`4913`, `.x.swp`, `x~`),
/// GLib (`.goutputstream-XXXXXX`), Emacs (`#x#`, `.#x`), LibreOffice (`.~lock.x#`), browsers
/// (`.part`, `.crdownload`), and our own.
pub(crate) fn is_passing(name: &[u8]) -> bool {
    let begins = [&b".goutputstream-"[..], b".#", b".~lock.", b".tmp-", b"~$"];
    let ends = [
        &b"~"[..],
        b".swp",
        b".swx",
        b".tmp",
        b".part",
        b".crdownload",
        b".partial",
    ];
    name == b"4913"
        || begins.iter().any(|begin| name.starts_with(begin))
        || ends.iter().any(|end| name.ends_with(end))
        || (name.starts_with(b"#") && name.ends_with(b"#") && name.len() > 1)
        || source::files::write::is_temporary(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_passing_names_pass() {
        for name in [
            &b"4913"[..],
            b".report.odt.swp",
            b"report~",
            b"#a#",
            b".x.recoup-abcdef",
        ] {
            assert!(is_passing(name), "{}", name.escape_ascii());
        }
        for name in [
            &b"report.odt"[..],
            b"49130",
            b"#",
            b"swp",
            b"tmp",
            b"a.recoup-3.txt",
        ] {
            assert!(!is_passing(name), "{}", name.escape_ascii());
        }
    }
}
