//! Standard output: data for people or for scripts, never both.

use std::io::{BufWriter, Stdout, Write};

use serde::Serialize;

use crate::exit::Result;

/// Standard output.
#[derive(Debug)]
pub(crate) struct Sink {
    json: bool,
    quiet: bool,
    stdout: BufWriter<Stdout>,
}

/// A line for scripts.
#[derive(Serialize)]
struct Line<'a, T> {
    v: u8,
    r#type: &'a str,
    #[serde(flatten)]
    body: &'a T,
}

impl Sink {
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        Self {
            json,
            quiet,
            stdout: BufWriter::with_capacity(1 << 16, std::io::stdout()),
        }
    }

    /// Whether lines for scripts were asked for.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// A line for scripts; nothing when people read.
    pub(crate) fn json(&mut self, kind: &str, body: &impl Serialize) -> Result<()> {
        if self.json {
            let line = Line {
                v: 1,
                r#type: kind,
                body,
            };
            serde_json::to_writer(&mut self.stdout, &line).map_err(std::io::Error::from)?;
            self.stdout.write_all(b"\n")?;
        }
        Ok(())
    }

    /// A line for scripts that goes elsewhere.
    pub(crate) fn json_text(kind: &str, body: &impl Serialize) -> String {
        let line = Line {
            v: 1,
            r#type: kind,
            body,
        };
        serde_json::to_string(&line).unwrap_or_default()
    }

    /// How what lists ends: with the number of its lines.
    pub(crate) fn json_count(&mut self, count: u64) -> Result<()> {
        self.json("summary", &serde_json::json!({ "count": count }))
    }

    /// Data for people; nothing when scripts read.
    pub(crate) fn line(&mut self, text: &str) -> Result<()> {
        if !self.json {
            self.raw(text.as_bytes())?;
            self.raw(b"\n")?;
        }
        Ok(())
    }

    /// What was done, for people who want to hear of it.
    pub(crate) fn report(&mut self, text: &str) -> Result<()> {
        if self.quiet { Ok(()) } else { self.line(text) }
    }

    /// Bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stdout.write_all(bytes)?)
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        Ok(self.stdout.flush()?)
    }
}
