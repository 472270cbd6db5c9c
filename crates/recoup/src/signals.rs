//! Ctrl-C and termination: the first one asks the work to stop, the second one ends the program.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};

use model::Cancel;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::exit::{Exit, Failure, Result};

/// The first signal that came; 0 for none.
static RECEIVED: AtomicI32 = AtomicI32::new(0);

/// A question stands on the terminal: nothing is under way that had to be ended in order.
static ASKING: AtomicBool = AtomicBool::new(false);

/// What the first signal asks to stop.
static WISH: OnceLock<Arc<Cancel>> = OnceLock::new();

/// Begins to listen; commands that can simply be killed don't. Whoever asks again is given the same
/// wish: two listeners would each take the one signal for the second.
pub(crate) fn listen() -> Result<Arc<Cancel>> {
    if let Some(wish) = WISH.get() {
        return Ok(Arc::clone(wish));
    }
    let cancel = Arc::clone(WISH.get_or_init(Arc::default));
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])
        .map_err(|error| Failure::io("listen to signals", &error))?;
    let wish = Arc::clone(&cancel);
    std::thread::spawn(move || {
        for signal in signals.forever() {
            let again = RECEIVED.swap(signal, Ordering::Relaxed) != 0;
            if again || ASKING.load(Ordering::Relaxed) {
                std::process::exit(128 + signal);
            }
            wish.request();
        }
    });
    Ok(cancel)
}

/// Asks something; a signal ends the program at once meanwhile.
pub(crate) fn while_asking<T>(ask: impl FnOnce() -> T) -> T {
    ASKING.store(true, Ordering::Relaxed);
    let answer = ask();
    ASKING.store(false, Ordering::Relaxed);
    answer
}

/// The exit code of a run that was asked to stop.
pub(crate) fn exit() -> Exit {
    match RECEIVED.load(Ordering::Relaxed) {
        SIGTERM | SIGHUP => Exit::Terminated,
        _ => Exit::Interrupted,
    }
}
