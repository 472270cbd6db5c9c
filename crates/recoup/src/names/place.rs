//! `SNAPSHOT` and `SNAPSHOT:PATH` as typed.

use jiff::Zoned;

use crate::exit::{Failure, Result};
use crate::names::moment;
use crate::output::text;

/// Fewest digits of an id that name a snapshot.
const ID_DIGITS_MIN: usize = 4;

/// What the revision of a store begins with.
const REVISION: &str = "rev:";

/// A snapshot as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SnapshotName {
    /// `latest`, or so many before it.
    Latest(usize),
    /// The first digits of an id.
    Id(String),
    /// The last one at or before this moment.
    At(model::Timestamp),
    /// The last one at or before this revision of a store that counts them.
    Revision(u64),
}

/// A place inside a snapshot as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) snapshot: SnapshotName,
    /// What was typed, for messages.
    pub(crate) typed: String,
    /// Behind the colon; `None` if there is none.
    pub(crate) path: Option<Vec<u8>>,
}

impl Place {
    /// Reads `SNAPSHOT[:PATH]`. A time has colons of its own: as much of the text as is a time is
    /// taken for one (`@14:03:./10` names the file `10`).
    pub(crate) fn parse(typed: &[u8], now: &Zoned) -> Result<Self> {
        let colons = typed.iter().enumerate().filter(|(_, byte)| **byte == b':');
        let colons: Vec<usize> = colons.map(|(at, _)| at).collect();
        let split = |at: usize| (&typed[..at], Some(&typed[at + 1..]));
        if let Some(rest) = typed.strip_prefix(REVISION.as_bytes()) {
            return Self::of_revision(typed, rest);
        }
        let (name, path) = if typed.starts_with(b"@") {
            let whole = (typed, None);
            let parts = std::iter::once(whole).chain(colons.iter().rev().map(|at| split(*at)));
            parts
                .into_iter()
                .find(|(name, _)| moment_of(name, now).is_some())
                .unwrap_or(whole)
        } else {
            colons.first().map_or((typed, None), |at| split(*at))
        };
        Ok(Self {
            snapshot: parse_name(name, now)?,
            typed: text::path(name),
            path: path.filter(|path| !path.is_empty()).map(<[u8]>::to_vec),
        })
    }
}

impl Place {
    /// `rev:NUMBER[:PATH]`.
    fn of_revision(typed: &[u8], rest: &[u8]) -> Result<Self> {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (name, path) = typed.split_at(REVISION.len() + digits);
        let number = std::str::from_utf8(&rest[..digits]).unwrap_or_default();
        let number = number.parse();
        let path = match path {
            [] => Some(None),
            [b':', path @ ..] => Some(Some(path)),
            _ => None,
        };
        let (Ok(number), Some(path)) = (number, path) else {
            let shown = text::path(typed);
            return Err(Failure::usage(format!("`{shown}` is not a revision"))
                .hint("write rev:81233, or rev:81233:/lb/lb-7"));
        };
        Ok(Self {
            snapshot: SnapshotName::Revision(number),
            typed: text::path(name),
            path: path.filter(|path| !path.is_empty()).map(<[u8]>::to_vec),
        })
    }
}

fn moment_of(name: &[u8], now: &Zoned) -> Option<jiff::Timestamp> {
    let text = std::str::from_utf8(name).ok()?.strip_prefix('@')?;
    moment::parse(text, now)
}

fn parse_name(name: &[u8], now: &Zoned) -> Result<SnapshotName> {
    if let Some(moment) = moment_of(name, now) {
        return Ok(SnapshotName::At(text::timestamp(moment)));
    }
    let shown = text::path(name);
    if name.starts_with(b"@") {
        return Err(Failure::usage(format!("`{shown}` is not a time"))
            .hint("write @14:03, @2026-11-22, @2026-11-22T14:03:10, '@5 minutes ago' or '@yesterday 14:00'"));
    }
    if let Some(rest) = shown.strip_prefix("latest") {
        let back = match rest.strip_prefix('~') {
            Some(number) => number.parse().ok(),
            None => rest.is_empty().then_some(0),
        };
        if let Some(back) = back {
            return Ok(SnapshotName::Latest(back));
        }
    }
    let is_id = (ID_DIGITS_MIN..=2 * model::SnapshotId::LEN).contains(&shown.len())
        && shown.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id {
        return Ok(SnapshotName::Id(shown.to_ascii_lowercase()));
    }
    Err(
        Failure::usage(format!("`{shown}` is not the name of a snapshot")).hint(
            "write `latest`, `latest~2`, four or more digits of an id, or a time like @14:03; \
             `recoup snapshots` lists them",
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(typed: &str, name: &str, path: Option<&str>) {
        let now: Zoned = "2026-11-23T14:10:00[UTC]".parse().unwrap();
        let place = Place::parse(typed.as_bytes(), &now).unwrap();
        assert_eq!(place.typed, name);
        assert_eq!(place.path.as_deref(), path.map(str::as_bytes));
    }

    #[test]
    fn places_are_read() {
        check("rev:81233", "rev:81233", None);
        check("rev:81233:/lb/a:b", "rev:81233", Some("/lb/a:b"));
        check("latest", "latest", None);
        check("latest:", "latest", None);
        check("latest~2:a/b", "latest~2", Some("a/b"));
        check("3f2A:a:b", "3f2A", Some("a:b"));
        check("@14:03", "@14:03", None);
        check("@14:03:report.odt", "@14:03", Some("report.odt"));
        check("@14:03:10", "@14:03:10", None);
        check("@14:03:./10", "@14:03", Some("./10"));
        check("@2026-11-22:x", "@2026-11-22", Some("x"));
        check(
            "@2026-11-22T14:03:10:x:y",
            "@2026-11-22T14:03:10",
            Some("x:y"),
        );
        check("@5 minutes ago:/home/a", "@5 minutes ago", Some("/home/a"));
    }

    #[test]
    fn wrong_names_are_usage_errors() {
        let now: Zoned = "2026-11-23T14:10:00[UTC]".parse().unwrap();
        for typed in [
            "", "3f2", "xyzw", "latest~", "latest~x", "@soon", "latestx", "live", "rev:", "rev:x",
        ] {
            let failure = Place::parse(typed.as_bytes(), &now).unwrap_err();
            assert_eq!(failure.exit, crate::exit::Exit::Usage, "{typed}");
        }
    }
}
