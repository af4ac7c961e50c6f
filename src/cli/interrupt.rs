//! Ctrl-C during `hedgerow generate`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The exit code of a process that Ctrl-C has ended, by the convention of shells.
pub(super) const INTERRUPTED: u8 = 130;

/// Ctrl-C. Before the generation begins it ends the process. Then the first one ends the
/// generation, and the second one the process.
#[derive(Clone)]
pub(super) struct Interrupt {
    began: Arc<AtomicBool>,
    came: Arc<AtomicBool>,
}

impl Interrupt {
    /// Catches Ctrl-C from now on.
    pub fn catch() -> Self {
        let flag = || Arc::new(AtomicBool::new(false));
        let interrupt = Self { began: flag(), came: flag() };
        let Self { began, came } = interrupt.clone();
        // Without a handler, Ctrl-C ends the process as usual.
        let _ = ctrlc::set_handler(move || {
            let began = began.load(Ordering::Relaxed);
            if !began {
                say!("note: stopped by Ctrl-C before anything was made");
            }
            if came.swap(true, Ordering::Relaxed) || !began {
                // The main thread may be inside libtorch, whose destructors must not run then.
                signal_hook::low_level::exit(i32::from(INTERRUPTED));
            }
        });
        interrupt
    }

    /// Begins the generation.
    pub fn begin(&self) {
        self.began.store(true, Ordering::Relaxed);
    }

    /// True if Ctrl-C has come.
    pub fn came(&self) -> bool {
        self.came.load(Ordering::Relaxed)
    }
}
