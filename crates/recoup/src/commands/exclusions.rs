//! What is left out: of the config file, the environment and the command line together.

use source::files::ExcludeOptions;

use crate::exit::{Failure, Result};
use crate::names::amount;
use crate::settings::Settings;

/// What the config file and the environment leave out, under what was given.
pub(super) fn with(given: &ExcludeOptions, settings: &Settings) -> Result<ExcludeOptions> {
    let config = &settings.config;
    let configured = config.exclude_larger_than.as_ref();
    let configured = configured.map(|size| amount::size(size).map_err(Failure::usage));
    let join = |from_config: &Option<Vec<String>>, more: &[String]| {
        let mut all = from_config.clone().unwrap_or_default();
        all.extend_from_slice(more);
        all
    };
    let mut pattern_files = config.exclude_from.clone().unwrap_or_default();
    pattern_files.extend_from_slice(&given.pattern_files);
    let mut if_present: Vec<Vec<u8>> = join(&config.exclude_if_present, &[])
        .into_iter()
        .map(String::into_bytes)
        .collect();
    if_present.extend_from_slice(&given.if_present);
    Ok(ExcludeOptions {
        patterns: join(&config.exclude, &given.patterns),
        pattern_files,
        caches: given.caches || config.exclude_caches.unwrap_or(false),
        if_present,
        larger_than: given.larger_than.or(configured.transpose()?),
        paths: given.paths.clone(),
    })
}
