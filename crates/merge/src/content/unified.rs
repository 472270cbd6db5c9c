//! A unified diff, for people who are asked whether a proposed merge is right.

use std::fmt::{self, Write};

use imara_diff::{
    Algorithm, Diff, InternedInput, Interner, Token, UnifiedDiffConfig, UnifiedDiffPrinter,
};

use super::sniff;

/// Lines of context around a change, as `diff -u` has them.
const CONTEXT_LINES: u32 = 3;

/// What changed from `before` to `after`, as a unified diff without file names: hunks with three lines
/// of context, as `patch` takes them. Empty where nothing changed; one sentence where one is no text.
#[must_use]
pub fn unified(before: &[u8], after: &[u8]) -> String {
    if before == after {
        return String::new();
    }
    if !sniff::looks_like_text(before) || !sniff::looks_like_text(after) {
        return "Binary contents differ\n".into();
    }
    let (before, after) = (
        String::from_utf8_lossy(before),
        String::from_utf8_lossy(after),
    );
    let input = InternedInput::new(&*before, &*after);
    let mut diff = Diff::compute(Algorithm::Histogram, &input);
    diff.postprocess_lines(&input);
    let mut config = UnifiedDiffConfig::default();
    config.context_len(CONTEXT_LINES);
    diff.unified_diff(&Printer(&input.interner), config, &input)
        .to_string()
}

/// Prints like `diff -u`; the printer of the diff library doesn't mark a missing last line end.
struct Printer<'a>(&'a Interner<&'a str>);

impl Printer<'_> {
    fn line(&self, f: &mut impl Write, mark: char, token: Token) -> fmt::Result {
        let line = self.0[token];
        write!(f, "{mark}{line}")?;
        if !line.ends_with('\n') {
            f.write_str("\n\\ No newline at end of file\n")?;
        }
        Ok(())
    }
}

impl UnifiedDiffPrinter for Printer<'_> {
    fn display_header(
        &self,
        mut f: impl Write,
        start_before: u32,
        start_after: u32,
        len_before: u32,
        len_after: u32,
    ) -> fmt::Result {
        // An empty range names the line before it.
        let first = |start: u32, length: u32| start + u32::from(length > 0);
        writeln!(
            f,
            "@@ -{},{len_before} +{},{len_after} @@",
            first(start_before, len_before),
            first(start_after, len_after)
        )
    }

    fn display_context_token(&self, mut f: impl Write, token: Token) -> fmt::Result {
        self.line(&mut f, ' ', token)
    }

    fn display_hunk(&self, mut f: impl Write, before: &[Token], after: &[Token]) -> fmt::Result {
        for &token in before {
            self.line(&mut f, '-', token)?;
        }
        for &token in after {
            self.line(&mut f, '+', token)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_shown_with_its_context() {
        let before = b"1\n2\n3\n4\n5\n6\n7\n8\n9";
        let after = b"1\n2\n3\n4\nfive\n6\n7\n8\n9";
        assert_eq!(
            unified(before, after),
            "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"
        );
        assert_eq!(
            unified(b"a", b"a\n"),
            "@@ -1,1 +1,1 @@\n-a\n\\ No newline at end of file\n+a\n"
        );
        assert_eq!(unified(b"", b"a\n"), "@@ -0,0 +1,1 @@\n+a\n");
        assert_eq!(unified(b"a", b"a"), "");
        assert_eq!(unified(b"\0", b"a"), "Binary contents differ\n");
    }
}
