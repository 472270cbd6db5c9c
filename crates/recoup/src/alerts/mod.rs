//! Telling people of incidents while a source is watched: to whom, how often, and what did not arrive.

mod news;
pub(crate) mod undelivered;

use std::sync::Arc;

use delivery::outbox::WAITS;
use delivery::{Attempt, Message, Outbox, Way};
use model::incident::Incident;

use self::news::News;
use crate::output::terminal::Terminal;
use crate::output::text;
use crate::settings::Settings;
use crate::settings::on_incident::Telling;

/// Who is told, and what is on its way to them.
#[derive(Debug)]
pub(crate) struct Alerts {
    tellings: Vec<Telling>,
    outbox: Outbox,
    news: News,
}

impl Alerts {
    /// `source` is what is watched.
    pub(crate) fn new(settings: &Settings, source: &[u8], terminal: &Arc<Terminal>) -> Self {
        let tellings = settings.config.tellings().to_vec();
        let ways: Vec<Way> = tellings.iter().map(|telling| telling.way.clone()).collect();
        let outbox = Outbox::new(ways.clone(), &WAITS, {
            let state = settings.directories.state.clone();
            let source = text::path(source);
            let terminal = Arc::clone(terminal);
            move |attempt| {
                let way = &ways[attempt.way];
                undelivered::record(&state, way, &source, attempt);
                if let Some(words) = words(way, attempt) {
                    terminal.finish_progress();
                    terminal.warn(&words);
                }
            }
        });
        Self {
            tellings,
            outbox,
            news: News::default(),
        }
    }

    /// Tells everybody who is to be told. Nobody is waited for.
    pub(crate) fn send(&mut self, incident: &Incident, message: &Message) {
        let is_news = self.news.take(incident);
        for (number, telling) in self.tellings.iter().enumerate() {
            // A command counts for itself: it is run each time that more is known.
            let is_told = is_news || matches!(telling.way, Way::Command(_));
            if is_told && incident.level >= telling.level {
                self.outbox.send(number, message.clone());
            }
        }
    }
}

/// What a failure is told with: the first one, and the last.
fn words(way: &Way, attempt: &Attempt<'_>) -> Option<String> {
    let error = attempt.result.as_ref().err()?;
    let next = match attempt.again {
        Some(_) if attempt.earlier > 0 => return None,
        Some(_) => "it is tried again",
        None => "`recoup incidents test` tries whether it works",
    };
    let fact = |name: &str| attempt.message.fact(name).to_owned();
    Some(format!(
        "failed to tell of {} {} by {}: {}; {next}",
        fact("level"),
        fact("id"),
        text::path(way.describe().as_bytes()),
        text::path(error.reason.as_bytes())
    ))
}
