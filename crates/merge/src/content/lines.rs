//! Lines and how they end.

/// How the lines of a text end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineEnds {
    /// No line is ended: at most one line.
    None,
    /// `\n`
    Lf,
    /// `\r\n`
    CrLf,
    /// Both, or a `\r` alone.
    Mixed,
}

impl LineEnds {
    pub(super) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let returns = bytes.iter().filter(|&&byte| byte == b'\r').count();
        let feeds = bytes.iter().filter(|&&byte| byte == b'\n').count();
        let pairs = bytes.windows(2).filter(|pair| pair == b"\r\n").count();
        match (returns, feeds) {
            (0, 0) => Self::None,
            (0, _) => Self::Lf,
            _ if pairs == returns && pairs == feeds => Self::CrLf,
            _ => Self::Mixed,
        }
    }

    /// The bytes that end a line.
    pub(super) fn bytes(self) -> &'static str {
        if self == Self::CrLf { "\r\n" } else { "\n" }
    }

    /// How the lines of all `texts` end, or `None` where that differs. A text without any end of a
    /// line agrees with every other.
    pub(super) fn shared(texts: [&str; 3]) -> Option<Self> {
        let mut shared = Self::None;
        for text in texts {
            shared = match (shared, Self::of(text)) {
                (_, Self::Mixed) => return None,
                (shared, Self::None) => shared,
                (Self::None, ends) => ends,
                (shared, ends) if shared == ends => shared,
                _ => return None,
            };
        }
        Some(shared)
    }
}

/// The lines of a text, each with its end. A last line without an end is a line of its own kind: it
/// equals no line that has one.
pub(super) fn split(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// Start of the line that holds the byte `at`.
pub(super) fn start_of_line(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |feed| feed + 1)
}

/// Start of the line after the one that holds the byte `at`.
pub(super) fn end_of_line(text: &str, at: usize) -> usize {
    text[at..]
        .find('\n')
        .map_or(text.len(), |feed| at + feed + 1)
}

/// Whether a line holds nothing but a comment, in the formats whose comments are lines: `#` in all,
/// `;` in INI.
pub(super) fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with(['#', ';'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_apart() {
        assert_eq!(LineEnds::of("a"), LineEnds::None);
        assert_eq!(LineEnds::of("a\nb"), LineEnds::Lf);
        assert_eq!(LineEnds::of("a\r\nb\r\n"), LineEnds::CrLf);
        for mixed in ["a\r\nb\n", "a\rb", "a\r\r\n"] {
            assert_eq!(LineEnds::of(mixed), LineEnds::Mixed, "{mixed:?}");
        }
        assert_eq!(LineEnds::shared(["a", "a\r\n", ""]), Some(LineEnds::CrLf));
        assert_eq!(LineEnds::shared(["a\n", "a\r\n", ""]), None);
    }
}
