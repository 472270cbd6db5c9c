//! What every night needs: a scratch directory, the program in it, and a screen to tell it on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::Cancel;

use crate::context::Context;
use crate::exit::{Exit, Failure, Result};

pub(super) mod dice;
pub(super) mod program;
pub(super) mod scratch;
pub(super) mod screen;

use program::{Answer, Program};
use scratch::Scratch;
use screen::{Row, during};

/// Between two looks at whether somebody asked to stop.
pub(super) const NAP: Duration = Duration::from_millis(50);

/// Where a night is played.
pub(super) struct Stage<'a> {
    pub(super) scratch: &'a mut Scratch,
    pub(super) program: Program,
    pub(super) cancel: Arc<Cancel>,
    pub(super) context: &'a mut Context,
}

impl Stage<'_> {
    /// Tells a step.
    pub(super) fn show(&mut self, row: &Row<'_>) -> Result<()> {
        self.stop_if_asked()?;
        screen::show(row, self.context)
    }

    pub(super) fn stop_if_asked(&self) -> Result<()> {
        match self.cancel.requested() {
            true => Err(interrupted()),
            false => Ok(()),
        }
    }

    /// Lets time pass.
    pub(super) fn wait(&self, time: Duration, what: &str) -> Result<()> {
        let began = Instant::now();
        during(&self.context.terminal, what, || {
            while began.elapsed() < time {
                self.stop_if_asked()?;
                std::thread::sleep(NAP);
            }
            Ok(())
        })
    }

    /// Runs the program; other exit codes than 0 and `also` are failures.
    pub(super) fn run(&self, arguments: &[&str], also: Exit) -> Result<Answer> {
        let what = format!("recoup {}", arguments[0]);
        let answer = during(&self.context.terminal, &what, || {
            self.program.run(arguments, also)
        })?;
        self.stop_if_asked()?;
        Ok(answer)
    }
}

/// What a person is told who ends the demo.
pub(super) fn interrupted() -> Failure {
    Failure {
        message: "interrupted; the scratch directory was removed".to_owned(),
        ..Failure::interrupted()
    }
}
