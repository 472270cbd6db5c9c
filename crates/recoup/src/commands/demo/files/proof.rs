//! The proof: every file compared with the books, after the undo, after its undo, and after that one's.

use std::collections::HashSet;
use std::time::Instant;

use serde_json::json;

use super::check::{Beside, Compared, compare};
use super::fleet::number_of;
use super::ledger::{Entry, State, left_by};
use super::story::Story;
use crate::commands::demo::stage::program::Answer;
use crate::commands::demo::stage::screen::{Row, during};
use crate::exit::{Exit, Result};
use crate::output::text::{self, count};

impl Story<'_> {
    /// What an undo has put beside, and what that should hold.
    pub(super) fn beside(
        &self,
        answer: &Answer,
        expected: impl Fn(u64) -> Option<Vec<u8>>,
    ) -> Beside {
        let content = |path: &String| number_of(path.as_ref()).and_then(&expected);
        let paths = answer.paths("beside").into_iter();
        paths.map(|path| (path.clone(), content(&path))).collect()
    }

    fn compare(&self, state: State, beside: &Beside) -> Result<Compared> {
        during(&self.stage.context.terminal, "comparing every file", || {
            compare(&self.fleet, &self.ledger, state, beside)
        })
    }

    pub(super) fn check(&mut self, beside: &Beside, newer: u64, gap: f64) -> Result<Compared> {
        let began = Instant::now();
        let compared = self.compare(State::Repaired, beside)?;
        let mut lines = vec![
            format!(
                "{} files, byte for byte, against books that the demo keeps itself:",
                count(compared.files)
            ),
            format!(
                "{} lost, {} later changes lost, {} unexpected",
                count(compared.lost),
                count(compared.later_lost),
                count(compared.other)
            ),
        ];
        if newer > 0 {
            lines.push(format!(
                "{} came back as they were at the backup: changed in the {} before the mistake",
                count(newer),
                text::duration(gap)
            ));
        }
        self.stage.show(&Row {
            step: "check",
            label: "Checked",
            lines,
            seconds: began.elapsed().as_secs_f64(),
            facts: json!({
                "files": compared.files, "lost": compared.lost,
                "later_changes_lost": compared.later_lost, "unexpected": compared.other,
                "changed_between_backup_and_event": newer,
            }),
        })?;
        Ok(compared)
    }

    /// Every conflict has its cause in the books, and every cause its conflict.
    pub(super) fn explain(&self, answer: &Answer, touched_before: &[u64], compared: &mut Compared) {
        let mut in_conflict = HashSet::new();
        for line in answer.of("conflict") {
            let path = line["path"].as_str().unwrap_or_default();
            let number = number_of(path.as_ref()).filter(|number| *number < self.ledger.capacity());
            in_conflict.extend(number);
            let touched = |entry: &Entry| entry.damage.is_some() && entry.since;
            if !number.is_some_and(|number| touched(&self.ledger.entry(number))) {
                compared.note(format!("{path}: in conflict, and nobody touched it since"));
            }
        }
        for number in touched_before {
            if !in_conflict.contains(number) {
                let path = self.fleet.file_path(*number);
                compared.note(format!(
                    "{path}: made again before the undo, but no conflict"
                ));
            }
        }
    }

    /// Undoes the undo, and that again; the control plane rests.
    pub(super) fn there_and_back(
        &mut self,
        op: &str,
        first: &Beside,
    ) -> Result<(Compared, Compared)> {
        let began = Instant::now();
        let undone = self.stage.run(&["undo", "--op", op, "--yes"], Exit::Open)?;
        let beside = self.beside(&undone, |number| {
            let damage = self.ledger.entry(number).damage;
            damage.and_then(|damage| left_by(damage, &self.fleet, number))
        });
        let back = self.compare(State::Damaged, &beside)?;
        let second = undone.number("op")?.to_string();
        let redone = self
            .stage
            .run(&["undo", "--op", &second, "--yes"], Exit::Open)?;
        let again = self.compare(State::Repaired, first)?;
        let word = |compared: &Compared| match compared.is_exact() {
            true => "exactly",
            false => "NOT exactly",
        };
        self.stage.show(&Row {
            step: "redo",
            label: "And back",
            lines: vec![
                format!(
                    "`recoup undo --op {op}`: {} the damaged tree again, {} files",
                    word(&back),
                    count(back.files)
                ),
                format!(
                    "`recoup undo --op {second}`: {} the repaired tree, {} files",
                    word(&again),
                    count(again.files)
                ),
            ],
            seconds: began.elapsed().as_secs_f64(),
            facts: json!({
                "op": redone.number("op")?,
                "files": back.files + again.files,
                "exact_back": back.is_exact(),
                "exact_again": again.is_exact(),
            }),
        })?;
        Ok((back, again))
    }
}
