//! `recoup incidents test`: learn today whether the mail arrives, and not at the worst moment.

use std::time::Instant;

use delivery::{Message, Way};
use model::SnapshotId;
use model::incident::{Incident, Level};
use serde::Serialize;

use super::alert;
use super::incident_line::IncidentLine;
use crate::alerts::undelivered;
use crate::context::{self, Context};
use crate::exit::{Exit, Failure, Result};
use crate::output::sink::Sink;
use crate::output::text;

/// Type `delivery`.
#[derive(Serialize)]
struct DeliveryLine<'a> {
    way: &'a str,
    level: &'static str,
    ok: bool,
    error: Option<&'a str>,
    took_ms: u64,
}

/// Tells everybody, whatever their level, and says how it went.
pub(super) fn run(context: &mut Context) -> Result<Exit> {
    let tellings = context.settings.config.tellings().to_vec();
    if tellings.is_empty() {
        let file = context.settings.config_file.display();
        let hint =
            format!("write on-incident into {file}: a command, a webhook, a mail or desktop");
        return Err(Failure::failed("tell anybody: nobody is to be told of incidents").hint(hint));
    }
    let message = message(&context.host());
    let mut failed = 0_u64;
    for telling in &tellings {
        let began = Instant::now();
        let result = telling.way.deliver(&message, true);
        let way = text::path(telling.way.describe().as_bytes());
        let error = result
            .err()
            .map(|error| text::path(error.reason.as_bytes()));
        context.sink.json(
            "delivery",
            &DeliveryLine {
                way: &way,
                level: telling.level.word(),
                ok: error.is_none(),
                error: error.as_deref(),
                took_ms: began.elapsed().as_millis() as u64,
            },
        )?;
        match &error {
            None => {
                undelivered::forget(&context.settings.directories.state, &telling.way);
                context
                    .sink
                    .report(&format!("{:<8}{way}", took(&telling.way)))?;
            }
            Some(error) => {
                failed += 1;
                context
                    .sink
                    .line(&format!("{:<8}{way}: {error}", "FAILED"))?;
            }
        }
        context.sink.flush()?;
    }
    let count = tellings.len() as u64;
    context.sink.json(
        "summary",
        &serde_json::json!({ "count": count, "failed": failed }),
    )?;
    if failed > 0 {
        return Ok(Exit::Failed);
    }
    context
        .terminal
        .note("Everything was handed over; look whether it arrived where you will see it.");
    Ok(Exit::Ok)
}

/// What a success means.
fn took(way: &Way) -> &'static str {
    match way {
        Way::Command(_) => "ran",
        Way::Webhook(_) | Way::Mail(_) => "sent",
        Way::Desktop => "shown",
    }
}

fn message(host: &str) -> Message {
    let nothing = nothing();
    let line = IncidentLine::of_test(&nothing, b"/test");
    let shown = text::path(host.as_bytes());
    Message {
        is_urgent: true,
        title: format!("TEST of Recoup on {shown}: nothing happened"),
        text: format!(
            "This is a test message of Recoup on {shown}, sent by `recoup incidents test`.\n\
             Nothing happened, and there is nothing to do.\n\
             \n\
             If something happens, a message like this one will tell you what it was, since when,\n\
             by which process, which moment was the last good one, and which command to run next.\n"
        ),
        json: Sink::json_text("incident", &line),
        fields: alert::facts(&nothing, b"/test"),
        environment: vec![
            ("RECOUP_INCIDENT", "0".to_owned()),
            ("RECOUP_LEVEL", nothing.level.word().to_owned()),
            ("RECOUP_TEST", "1".to_owned()),
        ],
        ..alert::stamped(host)
    }
}

/// What is told in a test.
pub(super) fn nothing() -> Incident {
    let now = context::timestamp();
    Incident {
        number: 0,
        level: Level::Alarm,
        rule: "test".to_owned(),
        about: "this is a test, nothing happened".to_owned(),
        from: now,
        to: now,
        before: SnapshotId([0; SnapshotId::LEN]),
        after: SnapshotId([0; SnapshotId::LEN]),
        keys: 0,
        deleted: 0,
        changed: 0,
        actor: None,
        points: (0, 0),
    }
}
