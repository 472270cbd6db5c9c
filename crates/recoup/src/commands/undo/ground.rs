//! The live tree or store that is undone on, opened.

use backup::Selection;
use model::{Cancel, Monitor};
use undo::{Files, FilesOptions, Who, Work};

use super::place::Spot;
use crate::access::open::Opened;
use crate::access::own;
use crate::commands::live_options;
use crate::commands::store::connect as store;
use crate::context::{self, Context};
use crate::exit::Result;

/// Hands the work on a source to `act`.
pub(super) fn with_ground<T>(
    spot: &Spot,
    opened: &Opened,
    monitor: &dyn Monitor,
    cancel: &Cancel,
    context: &mut Context,
    act: impl FnOnce(&Work<'_>, &mut Context) -> Result<T>,
) -> Result<T> {
    if spot.is_store() {
        return with_store(spot, opened, (monitor, cancel), context, act);
    }
    let backup = live_options::of(opened, &spot.root, &spot.source, Selection::All, context)?;
    let options = FilesOptions {
        backup,
        protected: own::paths(&context.settings)?,
        root_user: rustix::process::geteuid().is_root(),
    };
    let files = Files::new(
        &opened.repository,
        options,
        &context::timestamp,
        monitor,
        cancel,
    );
    let work = Work {
        repository: &opened.repository,
        ground: &files,
        who: who(context),
        clock: &context::timestamp,
        monitor,
    };
    act(&work, context)
}

/// The same, for a key-value store.
fn with_store<T>(
    spot: &Spot,
    opened: &Opened,
    (monitor, cancel): (&dyn Monitor, &Cancel),
    context: &mut Context,
    act: impl FnOnce(&Work<'_>, &mut Context) -> Result<T>,
) -> Result<T> {
    let address = store::address_of_source(&spot.source)?;
    let client = store::connect(&address, context)?;
    let ground = keyspace::Keyspace::new(
        &opened.repository,
        &client,
        store::options(&address, Vec::new(), context),
        spot.rate,
        &context::timestamp,
        monitor,
        cancel,
    );
    let work = Work {
        repository: &opened.repository,
        ground: &ground,
        who: who(context),
        clock: &context::timestamp,
        monitor,
    };
    act(&work, context)
}

fn who(context: &Context) -> Who {
    Who {
        host: context.host(),
        user: context::user(),
        program: context::PROGRAM.to_owned(),
    }
}
