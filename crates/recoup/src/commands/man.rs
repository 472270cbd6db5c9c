//! `recoup man`: the manual, made from the command line itself.

use std::path::{Path, PathBuf};

use clap::Args;
use clap_mangen::Man;

use crate::commands;
use crate::exit::{self, Exit, Failure, Result};
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
            let page = page(&definition, "recoup")?;
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
    let page = page(command, name)?;
    let path = directory.join(format!("{name}.1"));
    std::fs::write(&path, page)
        .map_err(|error| Failure::io(format!("write {}", path.display()), &error))
}

/// One page. Examples and exit codes are set line by line, in sections of their own.
fn page(command: &clap::Command, name: &str) -> Result<Vec<u8>> {
    let bare = command.clone().display_name(name.to_owned());
    let bare = bare.after_help(clap::builder::Resettable::Reset);
    let mut page = Vec::new();
    Man::new(bare).render(&mut page)?;
    if name == "recoup" {
        for (heading, text) in [("EXAMPLES", super::EXAMPLES), ("EXIT STATUS", exit::TABLE)] {
            page.extend_from_slice(format!(".SH \"{heading}\"\n.nf\n").as_bytes());
            for line in text.lines() {
                // What begins with a dot or a quote would be a command.
                let line = line.replace('\\', "\\e").replace('-', "\\-");
                page.extend_from_slice(format!("\\&{line}\n").as_bytes());
            }
            page.extend_from_slice(b".fi\n");
        }
    }
    Ok(page)
}
