//! The live tree that is undone on, opened.

use backup::Selection;
use model::{Cancel, Monitor};
use undo::{Files, FilesOptions, Who, Work};

use super::place::Spot;
use crate::access::open::Opened;
use crate::access::own;
use crate::commands::live_options;
use crate::context::{self, Context};
use crate::exit::Result;

/// Hands the work on a source to `act`.
pub(super) fn with_ground<T>(
    spot: &Spot,
    opened: &Opened,
    monitor: &dyn Monitor,
    cancel: &Cancel,
    context: &Context,
    act: impl FnOnce(&Work<'_>) -> Result<T>,
) -> Result<T> {
    let backup = live_options::of(opened, &spot.root, &spot.source, Selection::All, context)?;
    let options = FilesOptions {
        backup,
        protected: own::paths(&context.settings)?,
        root_user: rustix::process::geteuid().is_root(),
    };
    let who = Who {
        host: context.host(),
        user: context::user(),
        program: context::PROGRAM.to_owned(),
    };
    let files = Files::new(
        &opened.repository,
        options,
        &context::timestamp,
        monitor,
        cancel,
    );
    act(&Work {
        repository: &opened.repository,
        ground: &files,
        who,
        clock: &context::timestamp,
        monitor,
    })
}
