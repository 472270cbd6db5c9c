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
    let shown = text::path(source);
    // With escapes it would be another path. A store has no path.
    let is_sayable = shown.as_bytes() == source && source.starts_with(b"/");
    let place = if is_sayable {
        format!(" {}", text::quoted(&shown))
    } else {
        String::new()
    };
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
         An undo takes back what that process did and keeps what others did since.\n",
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
