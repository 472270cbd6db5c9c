//! `recoup watch etcd://...`.

use std::time::Duration;

use etcd::Address;
use keyspace::{Event, WatchOptions};
use model::point::Class;
use model::{Cancel, Silent};
use serde_json::json;

use crate::access::busy::Busy;
use crate::access::open;
use crate::commands::continuous::tell::{self, Totals};
use crate::commands::continuous::watched_lock;
use crate::commands::make;
use crate::commands::store::connect as store;
use crate::context::{self, Context};
use crate::exit::{Exit, Result};
use crate::output::text;

/// Follows a store until somebody asks to stop.
pub(in crate::commands) fn run(
    address: &Address,
    every: u64,
    checkpoint: u64,
    cancel: &Cancel,
    context: &mut Context,
) -> Result<Exit> {
    let settings = store::settings(&context.settings)?;
    let location = open::location(&context.settings)?;
    let (opened, _) = make::open_or_make(location, context)?;
    opened.repository.require_read()?;
    let options = store::options(address, Vec::new(), context);
    let watched = watched_lock(&options.source);
    let _busy = Busy::take(&context.settings.directories.state, &watched)?;
    let options = WatchOptions {
        gather: Duration::from_secs(every.max(1)),
        checkpoint: Duration::from_secs(60 * checkpoint.max(1)),
        ..WatchOptions::new(address.clone(), settings, options)
    };
    let mut show = Show {
        source: address.to_string(),
        totals: Totals::default(),
    };
    keyspace::watch(
        &opened.repository,
        &options,
        &context::timestamp,
        &Silent,
        cancel,
        &mut |event| {
            // Where nobody listens any more there is no use in talking, but in watching.
            let _ = show.event(&event, context);
        },
    )?;
    show.totals.end("written", context)?;
    Ok(Exit::Ok)
}

/// Tells of what happens.
struct Show {
    source: String,
    totals: Totals,
}

impl Show {
    fn event(&mut self, event: &Event<'_>, context: &mut Context) -> Result<()> {
        match event {
            Event::Ready {
                point,
                revision,
                keys,
                resumed,
            } => {
                let line = json!({
                    "id": point.to_hex(),
                    "capture": "etcd",
                    "files": keys,
                    "blind": [],
                    "refusals": [],
                    "revision": revision,
                    "resumed": resumed,
                });
                self.ready(&line, *keys, *revision, context)?;
            }
            Event::Point { .. } => self.point(event, context)?,
            Event::Checkpoint { snapshot, revision } => {
                let line = json!({ "id": snapshot.to_hex(), "revision": revision });
                context.sink.json("checkpoint", &line)?;
            }
            Event::Gap { from, to } => {
                let line = json!({ "from": from, "to": to });
                context.sink.json("gap", &line)?;
                context.terminal.warn(&format!(
                    "revisions {from} to {to} were not seen: everything is read anew, and what \
                     happened between is blurred"
                ));
            }
            Event::Thinned(thinning) => {
                let line = json!({ "dropped": thinning.dropped, "kept": thinning.kept });
                context.sink.json("thinned", &line)?;
            }
            Event::Incident(incident) => {
                tell::incident(incident, self.source.as_bytes(), context)?;
            }
            Event::Connection { what, is_there } => {
                if !is_there {
                    let line = format!("the connection is lost ({what}); another one is sought");
                    context.terminal.note(&line);
                }
            }
            Event::Trouble { message, waiting } => {
                tell::trouble(message, *waiting, ("key waits", "keys wait"), context)?;
            }
        }
        context.sink.flush()
    }

    fn ready(
        &self,
        line: &serde_json::Value,
        keys: u64,
        revision: i64,
        context: &mut Context,
    ) -> Result<()> {
        context.sink.json("ready", line)?;
        let keys = text::counted(keys, "key", "keys");
        let source = &self.source;
        let line = format!("Watching  {source}  {keys}, from revision {revision}");
        context.sink.line(&line)
    }

    fn point(&mut self, event: &Event<'_>, context: &mut Context) -> Result<()> {
        let Event::Point {
            id,
            time,
            changes,
            revision,
            class,
            stored_bytes,
            lag,
        } = event
        else {
            return Ok(());
        };
        self.totals.add(*changes, *stored_bytes);
        let is_blurred = *class == Class::Blurred;
        let line = json!({
            "id": id.to_hex(),
            "time": text::rfc3339(*time),
            "changes": changes,
            "revision": revision,
            "blurred": is_blurred,
            "class": class.word(),
            "stored_bytes": stored_bytes,
            "lag_ms": lag.as_millis() as u64,
        });
        context.sink.json("point", &line)?;
        context.sink.line(&format!(
            "{}  {} up to revision {revision}, lag {:.1} s{}",
            text::local(*time),
            text::counted(*changes, "change", "changes"),
            lag.as_secs_f64(),
            if is_blurred { ", blurred" } else { "" },
        ))
    }
}
