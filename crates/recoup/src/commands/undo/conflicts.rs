//! `recoup conflicts`: what undos left for a person to decide.

use clap::Args;
use serde_json::json;

use super::listing;
use super::show::{OpenLine, shown, words};
use crate::context::Context;
use crate::exit::{Exit, Failure, Result};
use crate::output::text;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only those of this operation
    #[arg(value_name = "N")]
    number: Option<u64>,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<Exit> {
    let opened = context.open_to_read()?;
    let all = listing::all(&opened, context)?;
    let chosen = all.iter().filter(|op| {
        arguments
            .number
            .is_none_or(|number| op.begun.number == number)
    });
    let mut count = 0;
    let mut known = false;
    for operation in chosen {
        known = true;
        let number = operation.begun.number;
        let conflicts = listing::open_conflicts(operation, &all, &opened)?;
        if !conflicts.is_empty() {
            let about = &operation.begun.about;
            context.sink.line(&format!("operation {number}: {about}"))?;
        }
        for conflict in &conflicts {
            count += 1;
            let line = OpenLine::conflict(conflict, Some(number), None);
            context.sink.json("conflict", &line)?;
            let row = format!("  {}  ({})", shown(&conflict.key), words(conflict.kind));
            context.sink.line(&row)?;
        }
    }
    if let (Some(number), false) = (arguments.number, known) {
        return Err(Failure::failed(format!(
            "list conflicts of operation {number}: there is none"
        ))
        .hint("`recoup ops` lists them"));
    }
    context.sink.json("summary", &json!({ "count": count }))?;
    match count {
        0 => context.terminal.note("No open conflicts."),
        _ => context.terminal.note(&format!(
            "{}; decide with: recoup resolve N PATH --keep|--take|--both",
            text::counted(count, "open conflict", "open conflicts")
        )),
    }
    Ok(if count > 0 { Exit::Open } else { Exit::Ok })
}
