//! `recoup watch`: continuous protection in the foreground.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use backup::Selection;
use clap::Args;
use model::{Silent, SnapshotId};
use serde_json::json;
use source::files::watch::CaptureInfo;
use timeline::{Event, RootEvent, WatchOptions};

use super::tell::{self, Totals};
use super::watched_lock;
use crate::access::busy::Busy;
use crate::access::{first_use, open, own};
use crate::commands::{live_options, make, store};
use crate::context::{self, Context};
use crate::exit::{Exit, Failure, Result};
use crate::names::store::source_of;
use crate::output::json::PathText;
use crate::output::text;
use crate::signals;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The directory, or an `etcd://HOST[:PORT]/PREFIX`
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Gather changes for so many seconds before they become a point [default: 2; of an etcd: 1]
    #[arg(long, value_name = "SECONDS")]
    every: Option<u64>,
    /// Scan the whole directory so often, in minutes: finds what no event told of
    #[arg(long, value_name = "MINUTES", default_value_t = 60)]
    scan: u64,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    // Before all else: whoever stops it while it starts is no reason for a failure.
    let cancel = signals::listen()?;
    if let Some(address) = source_of(&arguments.path)? {
        let every = arguments.every.unwrap_or(1);
        return store::watch::run(&address, every, arguments.scan, &cancel, context);
    }
    let root = std::fs::canonicalize(&arguments.path)
        .map_err(|error| Failure::io(format!("watch {}", arguments.path.display()), &error))?;
    if !root.is_dir() {
        let shown = text::path(root.as_os_str().as_bytes());
        return Err(Failure::usage(format!("{shown} is not a directory"))
            .hint("watch the directory that it is in"));
    }
    let location = open::location(&context.settings)?;
    make::refuse_repository(&root, &location.path)?;
    let (opened, _) = make::open_or_make(location, context)?;
    opened.repository.require_read()?;
    if let Some(warning) = first_use::same_disk_warning(&opened.storage, &root) {
        context.terminal.advise(&warning);
    }
    let source = root.as_os_str().as_bytes().to_vec();
    let _busy = Busy::take(&context.settings.directories.state, &watched_lock(&source))?;
    let backup = live_options::of(&opened, &root, &source, Selection::All, context)?;
    let options = WatchOptions {
        own: own::paths(&context.settings)?,
        gather: Duration::from_secs(arguments.every.unwrap_or(2).max(1)),
        checkpoint: Duration::from_secs(60 * arguments.scan.max(1)),
        own_program: std::env::current_exe()
            .map(|path| path.to_string_lossy().into_owned())
            .unwrap_or_default(),
        ..WatchOptions::new(backup)
    };
    let mut show = Show {
        root: text::path(&source),
        source: source.clone(),
        totals: Totals::default(),
        began: Instant::now(),
    };
    timeline::watch(
        &opened.repository,
        &options,
        &context::timestamp,
        &Silent,
        &cancel,
        &mut |event| {
            // Where nobody listens any more there is no use in talking, but in watching.
            let _ = show.event(&event, context);
        },
    )?;
    show.totals.end("changed", context)?;
    Ok(Exit::Ok)
}

/// Tells of what happens.
struct Show {
    root: String,
    source: Vec<u8>,
    totals: Totals,
    began: Instant,
}

impl Show {
    fn event(&mut self, event: &Event<'_>, context: &mut Context) -> Result<()> {
        match event {
            Event::Ready {
                capture,
                point,
                files,
            } => self.ready(capture, *point, *files, context)?,
            Event::Point {
                id,
                time,
                changes,
                class,
                stored_bytes,
                lag,
            } => {
                self.totals.add(*changes, *stored_bytes);
                let line = json!({
                    "id": id.to_hex(),
                    "time": text::rfc3339(*time),
                    "changes": changes,
                    "blurred": *class == model::point::Class::Blurred,
                    "class": class.word(),
                    "stored_bytes": stored_bytes,
                    "lag_ms": lag.as_millis() as u64,
                });
                context.sink.json("point", &line)?;
                self.live_line(*changes, *lag, context)?;
            }
            Event::Checkpoint { snapshot, files } => {
                let line = json!({ "id": snapshot.to_hex(), "files": files });
                context.sink.json("checkpoint", &line)?;
            }
            Event::Thinned(thinning) => {
                let line = json!({ "dropped": thinning.dropped, "kept": thinning.kept });
                context.sink.json("thinned", &line)?;
            }
            Event::Incident(incident) => tell::incident(incident, &self.source, context)?,
            Event::Root(what) => self.root(what, context)?,
            Event::Trouble { message, waiting } => {
                tell::trouble(message, *waiting, ("path waits", "paths wait"), context)?;
            }
        }
        context.sink.flush()
    }

    fn ready(
        &self,
        capture: &CaptureInfo,
        point: SnapshotId,
        files: u64,
        context: &mut Context,
    ) -> Result<()> {
        let line = json!({
            "id": point.to_hex(),
            "capture": capture.capture.word(),
            "files": files,
            "blind": capture.blind,
            "refusals": capture.refusals,
        });
        context.sink.json("ready", &line)?;
        let files = text::counted(files, "file", "files");
        self.watching(&files, capture, context)
    }

    fn watching(&self, what: &str, capture: &CaptureInfo, context: &mut Context) -> Result<()> {
        let (root, how) = (&self.root, capture.capture.word());
        context
            .sink
            .line(&format!("Watching  {root}  {what}, by {how}"))?;
        for sentence in capture.refusals.iter().chain(&capture.blind) {
            context.sink.line(&format!("          {sentence}"))?;
        }
        Ok(())
    }

    /// The root went, or is there again: said once, without alarm, as the incident has said it by then.
    fn root(&self, what: &RootEvent<'_>, context: &mut Context) -> Result<()> {
        context.terminal.finish_progress();
        let root = &self.root;
        let (state, sentence) = match what {
            RootEvent::Removed => (
                "removed",
                format!(
                    "{root} is gone; what is stored stays, and `recoup undo` makes it again. It is watched \
                     on as soon as it is there"
                ),
            ),
            RootEvent::Renamed { to, replaced } => {
                let to = text::path(to.as_os_str().as_bytes());
                let next = if *replaced {
                    "another directory is in its place, and watched from now on"
                } else {
                    "nothing in it is taken for removed. It is watched on as soon as it is back"
                };
                ("renamed", format!("{root} was renamed to {to}; {next}"))
            }
            RootEvent::Hidden => (
                "hidden",
                format!(
                    "{root} can't be reached: its file system was unmounted, or another one lies over it. \
                     Nothing in it is taken for removed. It is watched on as soon as it is back"
                ),
            ),
            RootEvent::Back(capture) => {
                let line = json!({ "state": "back", "capture": capture.capture.word() });
                context.sink.json("root", &line)?;
                return self.watching("again", capture, context);
            }
        };
        let line = match what {
            RootEvent::Renamed { to, replaced } => {
                let to = PathText::new(to.as_os_str().as_bytes());
                json!({ "state": state, "replaced": replaced, "to": to })
            }
            _ => json!({ "state": state }),
        };
        context.sink.json("root", &line)?;
        context.terminal.important(&sentence);
        Ok(())
    }

    /// On a terminal one line that changes; in a pipe a line for each point.
    fn live_line(&self, changes: u64, lag: Duration, context: &mut Context) -> Result<()> {
        let now = text::local(context::timestamp());
        let line = format!(
            "{now}  {}, lag {:.1} s; {} so far, {} a day at this rate",
            text::counted(changes, "change", "changes"),
            lag.as_secs_f64(),
            text::counted(self.totals.points, "point", "points"),
            text::size(self.per_day())
        );
        if context.terminal.shows_progress() && !context.sink.is_json() {
            context.terminal.progress(&line);
            return Ok(());
        }
        context.sink.line(&line)
    }

    fn per_day(&self) -> u64 {
        const DAY_SECS: f64 = 86_400.0;
        let seconds = self.began.elapsed().as_secs_f64().max(1.0);
        (self.totals.stored_bytes as f64 / seconds * DAY_SECS) as u64
    }
}
