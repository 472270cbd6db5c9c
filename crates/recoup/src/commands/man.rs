//! `recoup man`: the manual, made from the command line itself.

use std::path::{Path, PathBuf};

use clap::Args;
use clap_mangen::Man;

use crate::commands;
use crate::exit::{Exit, Failure, Result};
use crate::output::sink::Sink;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Write a page per command into this directory
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit> {
    // Names the subcommands in full and hands the global flags down.
    let mut definition = commands::definition();
    definition.build();
    match &arguments.out {
        None => {
            let mut page = Vec::new();
            Man::new(definition).render(&mut page)?;
            let mut sink = Sink::new(false, false);
            sink.raw(&page)?;
            sink.flush()?;
        }
        Some(directory) => {
            std::fs::create_dir_all(directory)
                .map_err(|error| Failure::io(format!("create {}", directory.display()), &error))?;
            write_pages(&definition, "recoup", directory)?;
        }
    }
    Ok(Exit::Ok)
}

fn write_pages(command: &clap::Command, name: &str, directory: &Path) -> Result<()> {
    for inner in command.get_subcommands() {
        let name = format!("{name}-{}", inner.get_name());
        write_pages(inner, &name, directory)?;
    }
    let mut page = Vec::new();
    Man::new(command.clone().display_name(name.to_owned())).render(&mut page)?;
    let path = directory.join(format!("{name}.1"));
    std::fs::write(&path, page)
        .map_err(|error| Failure::io(format!("write {}", path.display()), &error))
}
