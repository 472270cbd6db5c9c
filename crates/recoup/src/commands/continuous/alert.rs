//! An incident as a message to people who are somewhere else and may be asleep: calmly what happened, since
//! when, by which process, which moment was the last good one, and what to do next.

use delivery::Message;
use jiff::Zoned;
use jiff::fmt::rfc2822;
use model::incident::{Incident, Level};

use super::incident_line::{self, IncidentLine};
use crate::alerts::Alerts;
use crate::context::{self, Context};
use crate::output::sink::Sink;
use crate::output::text;

/// Tells whom the config file names. Nobody is waited for: watching goes on.
pub(super) fn send(incident: &Incident, source: &[u8], context: &mut Context) {
    if context.settings.config.on_incident.is_none() || incident.level == Level::Pin {
        return;
    }
    let message = message(incident, source, &context.host());
    if context.alerts.is_none() {
        let alerts = Alerts::new(&context.settings, source, &context.terminal);
        context.alerts = Some(alerts);
    }
    if let Some(alerts) = &mut context.alerts {
        alerts.send(incident, &message);
    }
}

/// The message of an incident.
fn message(incident: &Incident, source: &[u8], host: &str) -> Message {
    let level = incident.level.word();
    let about = text::path(incident.about.as_bytes());
    let line = IncidentLine::new(incident, source);
    Message {
        is_urgent: incident.level == Level::Alarm,
        title: format!("Recoup {level} on {}: {about}", text::path(host.as_bytes())),
        text: letter(incident, source, host),
        json: Sink::json_text("incident", &line),
        fields: facts(incident, source),
        environment: vec![
            ("RECOUP_INCIDENT", incident.number.to_string()),
            ("RECOUP_LEVEL", level.to_owned()),
        ],
        ..stamped(host)
    }
}

/// A message without content: whence and when.
pub(super) fn stamped(host: &str) -> Message {
    let now = context::now();
    let random = getrandom::u64().unwrap_or_default();
    Message {
        id: format!("recoup.{}.{random:016x}", now.timestamp().as_millisecond()),
        date: date(&now),
        host: host.to_owned(),
        ..Message::default()
    }
}

fn date(now: &Zoned) -> String {
    rfc2822::to_string(now).unwrap_or_default()
}

/// The facts that a template may name: `settings::on_incident::FACTS`.
pub(super) fn facts(incident: &Incident, source: &[u8]) -> Vec<(&'static str, String)> {
    vec![
        ("level", incident.level.word().to_owned()),
        ("id", incident.number.to_string()),
        ("about", text::path(incident.about.as_bytes())),
        ("source", text::path(source)),
        ("from", text::rfc3339(incident.from)),
        ("to", text::rfc3339(incident.to)),
        ("before", incident.before.short()),
        ("keys", incident.keys.to_string()),
        ("deleted", incident.deleted.to_string()),
        ("changed", incident.changed.to_string()),
        ("process", process(incident)),
        ("next", commands(incident, source).0),
    ]
}

fn process(incident: &Incident) -> String {
    let actor = incident.actor.as_ref();
    actor.map_or_else(
        || "a process that could not be seen".to_owned(),
        incident_line::process,
    )
}

/// How to look at it, and what comes behind the commands: the source, where a shell can be told of it.
fn commands(incident: &Incident, source: &[u8]) -> (String, String) {
    let number = incident.number;
    let place = incident_line::place(source);
    (format!("recoup incidents show {number}{place}"), place)
}

fn letter(incident: &Incident, source: &[u8], host: &str) -> String {
    let host = text::path(host.as_bytes());
    let (when, kept) = match incident.level {
        Level::Alarm => ("now", ", and nothing of it is thinned while this is open"),
        _ => ("when there is time", ""),
    };
    let number = incident.number;
    let (look, place) = commands(incident, source);
    format!(
        "Recoup has seen something on {host} that somebody should look at {when}.\n\
         \n\
         What happened     {about}\n\
         Where             {source}\n\
         Since             {from}\n\
         Last change seen  {to}\n\
         By                {process}\n\
         Damaged           {keys}: {deleted} gone, {changed} changed\n\
         Last good point   {before}, the last one before {from}\n\
         \n\
         What was there at the last good point is still stored{kept}.\n\
         \n\
         What to do next, on {host}:\n\
         \n\
         Look at it             {look}\n\
         See what undo would do recoup undo --incident {number}{place} --dry-run\n\
         Take it back           recoup undo --incident {number}{place}\n\
         It is nothing          recoup incidents dismiss {number}{place}\n\
         \n\
         An undo takes back {what} and keeps what others did since.\n",
        what = match incident.actor {
            Some(_) => "what that process did",
            None => "what is gone or damaged here",
        },
        about = text::path(incident.about.as_bytes()),
        source = text::path(source),
        from = text::local(incident.from),
        to = text::local(incident.to),
        process = process(incident),
        keys = text::counted(incident.keys, "path", "paths"),
        deleted = text::count(incident.deleted),
        changed = text::count(incident.changed),
        before = incident.before.short(),
    )
}

#[cfg(test)]
mod tests {
    use model::incident::Actor;
    use model::{SnapshotId, Timestamp};

    use super::*;

    #[test]
    fn names_break_out_of_no_line() {
        let hostile = "rm\r\nBcc: eve@example.org\u{1b}[2J\u{202e}\u{2028}\0";
        let incident = Incident {
            number: 3,
            level: Level::Alarm,
            rule: "lost".to_owned(),
            about: format!("80 files under {hostile} removed"),
            from: Timestamp::default(),
            to: Timestamp::default(),
            before: SnapshotId([0xab; SnapshotId::LEN]),
            after: SnapshotId([0; SnapshotId::LEN]),
            keys: 80,
            deleted: 80,
            changed: 0,
            actor: Some(Actor {
                pid: 7,
                comm: hostile.to_owned(),
                command: hostile.to_owned(),
                exe: hostile.to_owned(),
                ..Actor::default()
            }),
            points: (1, 2),
        };
        let source = format!("/home/{hostile}\u{a0}");
        for source in [source.as_bytes(), b"/home/it's \xff"] {
            let message = message(&incident, source, hostile);
            let facts: String = message
                .fields
                .iter()
                .map(|(_, value)| value.as_str())
                .collect();
            // In JSON the others stand in a string, where they end nothing.
            assert!(!message.json.contains(char::is_control));
            for text in [&message.title, &facts] {
                let is_broken = |c: char| c.is_control() || matches!(c, '\u{202e}' | '\u{2028}');
                assert!(!text.contains(is_broken), "{text:?}");
            }
            assert!(!message.text.lines().any(|line| line.starts_with("Bcc")));
            assert!(message.text.lines().count() < 25, "{}", message.text);
            // What can't be said in a shell is left out; the number alone finds it.
            assert_eq!(message.fact("next"), "recoup incidents show 3");
        }
        let message = message(&incident, b"/home/it's", "web1");
        assert_eq!(
            message.fact("next"),
            r"recoup incidents show 3 '/home/it'\''s'"
        );
        let of_store = super::message(&incident, b"etcd://h:2379/lb", "web1");
        assert_eq!(
            of_store.fact("next"),
            "recoup incidents show 3 etcd://h:2379/lb"
        );
        for part in [
            "that somebody should look at now.",
            "Last good point   abababab,",
            "(pid 7)",
            r"recoup undo --incident 3 '/home/it'\''s' --dry-run",
        ] {
            assert!(message.text.contains(part), "{part}: {}", message.text);
        }
    }

    #[test]
    fn templates_know_every_fact_and_no_other() {
        let incident = crate::commands::continuous::trial::nothing();
        let facts = facts(&incident, b"/test");
        let names: Vec<&str> = facts.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, crate::settings::on_incident::FACTS);
    }
}
