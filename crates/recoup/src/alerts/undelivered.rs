//! What did not arrive, remembered for `recoup status`: a message that failed hours ago must not be a line
//! that has long scrolled away. Of each way the last failure; gone with the next success.

use std::path::{Path, PathBuf};

use delivery::{Attempt, Way};
use serde::{Deserialize, Serialize};

use crate::output::text;
use crate::settings::directories::make_private;

/// Type `undelivered`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Undelivered {
    pub(crate) time: String,
    /// In words, without secrets.
    pub(crate) way: String,
    pub(crate) source: String,
    pub(crate) incident: u64,
    pub(crate) reason: String,
}

/// Remembers a failure, and forgets it after a success. Where that can't be written there is still the
/// warning.
pub(super) fn record(state: &Path, way: &Way, source: &str, attempt: &Attempt<'_>) {
    let path = file(state, way);
    let Err(error) = attempt.result else {
        forget(state, way);
        return;
    };
    let undelivered = Undelivered {
        time: text::rfc3339(text::timestamp(jiff::Timestamp::now())),
        way: text::path(way.describe().as_bytes()),
        source: source.to_owned(),
        incident: attempt.message.fact("id").parse().unwrap_or_default(),
        reason: text::path(error.reason.as_bytes()),
    };
    if let (Some(folder), Ok(line)) = (path.parent(), serde_json::to_vec(&undelivered)) {
        let is_there = make_private(folder).is_ok();
        let _ = is_there.then(|| std::fs::write(&path, line));
    }
}

/// It works again.
pub(crate) fn forget(state: &Path, way: &Way) {
    let _ = std::fs::remove_file(file(state, way));
}

/// The last failure of a way, if nothing arrived since.
pub(crate) fn last(state: &Path, way: &Way) -> Option<Undelivered> {
    let text = std::fs::read(file(state, way)).ok()?;
    // One that was cut off by a crash is none.
    serde_json::from_slice(&text).ok()
}

/// Named by a hash: an address may be a secret.
fn file(state: &Path, way: &Way) -> PathBuf {
    let hash = blake3::hash(way.identity().as_bytes()).to_hex();
    state
        .join("undelivered")
        .join(format!("{}.json", &hash[..32]))
}
