//! An incident as scripts and people read it.

use model::Timestamp;
use model::incident::{Actor, Dismissal, Incident};
use serde::Serialize;

use crate::commands::undo::listing::FoundIncident;
use crate::output::json::SourceText;
use crate::output::text;

/// Type `incident`.
#[derive(Serialize)]
pub(in crate::commands) struct IncidentLine<'a> {
    id: u64,
    level: &'static str,
    rule: &'a str,
    about: &'a str,
    #[serde(flatten)]
    source: SourceText,
    from: String,
    to: String,
    before: String,
    after: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    before_revision: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after_revision: Option<u64>,
    keys: u64,
    deleted: u64,
    changed: u64,
    actor: Option<ActorLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    undone_by: Option<u64>,
    /// Nothing happened: somebody tries whether he would be told.
    #[serde(skip_serializing_if = "is_false")]
    test: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    dismissed: Option<DismissedLine<'a>>,
}

fn is_false(value: &bool) -> bool {
    !value
}

#[derive(Serialize)]
struct DismissedLine<'a> {
    time: String,
    by: &'a str,
    reason: &'a str,
}

#[derive(Serialize)]
struct ActorLine<'a> {
    pid: u32,
    ppid: Option<u32>,
    uid: Option<u32>,
    login_uid: Option<u32>,
    comm: &'a str,
    exe: &'a str,
    command: &'a str,
    gone: bool,
}

impl<'a> IncidentLine<'a> {
    /// One that was just found.
    pub(in crate::commands) fn new(incident: &'a Incident, source: &[u8]) -> Self {
        Self {
            id: incident.number,
            level: incident.level.word(),
            rule: &incident.rule,
            about: &incident.about,
            source: SourceText::new(source),
            from: text::rfc3339(incident.from),
            to: text::rfc3339(incident.to),
            before: incident.before.to_hex(),
            after: incident.after.to_hex(),
            before_revision: None,
            after_revision: None,
            keys: incident.keys,
            deleted: incident.deleted,
            changed: incident.changed,
            actor: incident.actor.as_ref().map(|actor| ActorLine {
                pid: actor.pid,
                ppid: actor.ppid,
                uid: actor.uid,
                login_uid: actor.login_uid,
                comm: &actor.comm,
                exe: &actor.exe,
                command: &actor.command,
                gone: actor.gone,
            }),
            undone_by: None,
            test: false,
            dismissed: None,
        }
    }

    /// One that never happened.
    pub(super) fn of_test(incident: &'a Incident, source: &[u8]) -> Self {
        Self {
            test: true,
            ..Self::new(incident, source)
        }
    }

    /// With what became of it since.
    pub(super) fn of(found: &'a FoundIncident) -> Self {
        let dismissed = found.dismissed.as_ref();
        Self {
            before_revision: found.revisions.0,
            after_revision: found.revisions.1,
            undone_by: found.undone,
            dismissed: dismissed.map(|(time, dismissal)| DismissedLine {
                time: text::rfc3339(*time),
                by: &dismissal.by,
                reason: &dismissal.reason,
            }),
            ..Self::new(&found.incident, &found.source)
        }
    }
}

/// That an incident is taken for nothing, by whom and why.
pub(super) fn dismissed(time: Timestamp, dismissal: &Dismissal) -> String {
    let (time, by) = (text::local(time), text::path(dismissal.by.as_bytes()));
    let reason = match dismissal.reason.as_str() {
        "" => String::new(),
        reason => format!(": {}", text::path(reason.as_bytes())),
    };
    format!("dismissed by {by}, {time}{reason}")
}

/// An incident in one line.
pub(in crate::commands) fn words(incident: &Incident) -> String {
    let who = incident
        .actor
        .as_ref()
        .map_or("by an unknown process".to_owned(), |actor| {
            format!("by {}", process(actor))
        });
    format!(
        "{} {}: {}, {} to {}, {who}",
        incident.level.word(),
        incident.number,
        text::path(incident.about.as_bytes()),
        text::local(incident.from),
        text::local(incident.to)
    )
}

/// The source behind a command, where a shell can be told of it: with escapes it would be another path.
pub(super) fn place(source: &[u8]) -> String {
    let shown = text::path(source);
    match shown.as_bytes() == source {
        true => format!(" {}", text::shell_word(&shown)),
        false => String::new(),
    }
}

/// Who did it.
pub(super) fn process(actor: &Actor) -> String {
    let name = if actor.command.is_empty() {
        &actor.comm
    } else {
        &actor.command
    };
    let uid = actor
        .uid
        .map_or(String::new(), |uid| format!(", uid {uid}"));
    let name = text::path(name.as_bytes());
    format!("`{name}` (pid {}{uid})", actor.pid)
}
