//! The rows: what was measured, in its own unit, and what it has to reach.

use super::super::report::machine;
use super::super::run::Sample;
use super::super::targets;
use serde_json::{Value, json};

#[derive(Clone, Copy)]
pub(super) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// Values of some runs, one each, in the same unit; a row judges their median.
pub(super) struct Row {
    what: String,
    unit: &'static str,
    values: Vec<f64>,
    cpu_seconds: Vec<f64>,
    server_cpu_seconds: Vec<f64>,
    memory_bytes: u64,
    target: Option<Bound>,
    memory_most_bytes: Option<u64>,
}

impl Row {
    pub(super) fn new(what: impl Into<String>, unit: &'static str) -> Self {
        Self {
            what: what.into(),
            unit,
            values: Vec::new(),
            cpu_seconds: Vec::new(),
            server_cpu_seconds: Vec::new(),
            memory_bytes: 0,
            target: None,
            memory_most_bytes: None,
        }
    }

    pub(super) fn target(mut self, bound: Bound) -> Self {
        self.target = Some(bound);
        self
    }

    pub(super) fn memory_most(mut self, bytes: u64) -> Self {
        self.memory_most_bytes = Some(bytes);
        self
    }

    /// The quotients of each pair of runs: drift of the machine between runs falls out.
    pub(super) fn ratio(what: &str, one: &Self, other: &Self) -> Self {
        let mut row = Self::new(what, "x");
        let pairs = one.values.iter().zip(&other.values);
        row.values = pairs.map(|(one, other)| one / other).collect();
        row
    }

    pub(super) fn add(&mut self, value: f64) {
        eprintln!("{}: {} {}", self.what, figure(value), self.unit);
        self.values.push(value);
    }

    /// A run of which `value` came; `server_cpu_seconds` is what it cost etcd.
    pub(super) fn note(&mut self, value: f64, (sample, server_cpu_seconds): (Sample, f64)) {
        self.add(value);
        self.cpu_seconds.push(sample.cpu_seconds);
        self.server_cpu_seconds.push(server_cpu_seconds);
        self.remember(sample.memory_bytes);
    }

    pub(super) fn note_seconds(&mut self, measured: (Sample, f64)) {
        self.note(measured.0.wall_seconds, measured);
    }

    pub(super) fn remember(&mut self, memory_bytes: u64) {
        self.memory_bytes = self.memory_bytes.max(memory_bytes);
    }

    fn median(&self) -> f64 {
        targets::median(self.values.clone()).unwrap_or(f64::NAN)
    }

    fn is_reached(&self) -> bool {
        match self.target {
            Some(Bound::AtMost(most)) => self.median() <= most,
            Some(Bound::AtLeast(least)) => self.median() >= least,
            None => true,
        }
    }

    fn is_small(&self) -> bool {
        let most = self.memory_most_bytes;
        most.is_none_or(|most| self.memory_bytes <= most)
    }

    pub(super) fn met(&self) -> bool {
        self.is_reached() && self.is_small()
    }

    fn verdict(&self) -> String {
        let word = |met| if met { "met" } else { "MISSED" };
        let target = self.target.map(|bound| {
            let (sign, value) = match bound {
                Bound::AtMost(value) => ("<=", value),
                Bound::AtLeast(value) => (">=", value),
            };
            let met = word(self.is_reached());
            format!("{met}: {sign} {value} {}", self.unit)
        });
        let memory = self.memory_most_bytes.map(|most| {
            let met = word(self.is_small());
            format!("{met}: <= {} MB of memory", most / 1_000_000)
        });
        let parts: Vec<String> = target.into_iter().chain(memory).collect();
        parts.join("; ")
    }
}

pub(super) fn heading(keys: u64) -> String {
    format!("{}; {keys} keys of about 500 bytes\n", machine())
}

pub(super) fn markdown(rows: &[Row]) -> String {
    let mut text = "| work | median | unit | runs | CPU s | CPU s of etcd | peak MB | target |\n\
                    |---|---:|---|---|---:|---:|---:|---|\n"
        .to_owned();
    let median = |values: &Vec<f64>| targets::median(values.clone()).map_or(String::new(), figure);
    for row in rows {
        let runs: Vec<String> = row.values.iter().map(|value| figure(*value)).collect();
        let memory = match row.memory_bytes {
            0 => String::new(),
            bytes => format!("{:.0}", bytes as f64 / 1e6),
        };
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} | {memory} | {} |\n",
            row.what,
            median(&row.values),
            row.unit,
            runs.join(" "),
            median(&row.cpu_seconds),
            median(&row.server_cpu_seconds),
            row.verdict(),
        ));
    }
    text
}

pub(super) fn json(rows: &[Row]) -> Value {
    let rows = rows.iter().map(|row| {
        json!({
            "what": row.what, "unit": row.unit, "values": row.values, "median": row.median(),
            "cpu_seconds": row.cpu_seconds, "server_cpu_seconds": row.server_cpu_seconds,
            "memory_bytes": row.memory_bytes, "met": row.met(),
        })
    });
    rows.collect()
}

/// About three significant digits.
fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.995 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
