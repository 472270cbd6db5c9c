//! `on_incident` of the config file: a command that is told of incidents.

use std::io::Write;
use std::process::{Command, Stdio};

use model::incident::{Incident, Level};

use super::incidents::IncidentLine;
use crate::context::Context;

/// Runs the command with the incident as a line of JSON on its standard input. What is only a pin is
/// told to nobody. The command is not waited for: watching goes on.
pub(in crate::commands) fn run(incident: &Incident, source: &[u8], context: &Context) {
    let Some(command) = &context.settings.config.on_incident else {
        return;
    };
    if incident.level == Level::Pin {
        return;
    }
    let line = IncidentLine::new(incident, source);
    let started = Command::new("sh")
        .arg("-c")
        .arg(command)
        .env("RECOUP_INCIDENT", incident.number.to_string())
        .env("RECOUP_LEVEL", incident.level.word())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match started {
        Ok(mut child) => {
            let text = serde_json::to_string(&line).unwrap_or_default();
            if let Some(mut stdin) = child.stdin.take() {
                // A command that does not read is told by its environment.
                let _ = writeln!(stdin, "{text}");
            }
            std::thread::spawn(move || child.wait());
        }
        Err(error) => context
            .terminal
            .warn(&format!("failed to run on_incident: {error}")),
    }
}
