//! `recoup version`.

use serde_json::json;

use crate::exit::{Exit, Result};
use crate::output::sink::Sink;
use crate::settings::Global;

pub(crate) fn run(global: &Global) -> Result<Exit> {
    let mut sink = Sink::new(global.json, false);
    let version = env!("CARGO_PKG_VERSION");
    sink.json(
        "program",
        &json!({ "program": "recoup", "version": version, "format": format::VERSION }),
    )?;
    sink.line(&format!(
        "recoup {version} (repository format {})",
        format::VERSION
    ))?;
    sink.flush()?;
    Ok(Exit::Ok)
}
