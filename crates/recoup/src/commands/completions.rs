//! `recoup completions`.

use clap::Args;
use clap_complete::Shell;

use crate::commands;
use crate::exit::{Exit, Result};
use crate::output::sink::Sink;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// For which shell
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut commands::definition(),
        "recoup",
        &mut script,
    );
    let mut sink = Sink::new(false, false);
    sink.raw(&script)?;
    sink.flush()?;
    Ok(Exit::Ok)
}
