//! Ctrl-C during `hedgerow generate`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The exit code of a process that Ctrl-C has ended, by the convention of shells.
pub(super) const EXIT_INTERRUPTED: u8 = 130;

/// The handling of Ctrl-C. Before the generation begins, Ctrl-C ends the process. After that, the
/// first Ctrl-C ends the generation, and the second one ends the process.
#[derive(Clone)]
pub(super) struct CtrlC {
    generation_began: Arc<AtomicBool>,
    was_pressed: Arc<AtomicBool>,
}

impl CtrlC {
    /// Catches Ctrl-C from now on.
    pub fn catch() -> Self {
        let flag = || Arc::new(AtomicBool::new(false));
        let ctrl_c = Self { generation_began: flag(), was_pressed: flag() };
        let Self { generation_began, was_pressed } = ctrl_c.clone();
        // Without a handler, Ctrl-C ends the process as usual.
        let _ = ctrlc::set_handler(move || {
            let generation_began = generation_began.load(Ordering::Relaxed);
            if !generation_began {
                write_stderr!("note: stopped by Ctrl-C before anything was made");
            }
            if was_pressed.swap(true, Ordering::Relaxed) || !generation_began {
                // The main thread may be inside libtorch, whose destructors must not run then.
                signal_hook::low_level::exit(i32::from(EXIT_INTERRUPTED));
            }
        });
        ctrl_c
    }

    /// Tells the handler that the generation begins.
    pub fn begin_generation(&self) {
        self.generation_began.store(true, Ordering::Relaxed);
    }

    /// True if Ctrl-C was pressed.
    pub fn was_pressed(&self) -> bool {
        self.was_pressed.load(Ordering::Relaxed)
    }
}
