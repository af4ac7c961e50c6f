//! Time, as given by the caller: the decoding loop reads no clock of its own.

use std::fmt;
use std::time::Duration;

/// A clock that the caller supplies, or none. Without a clock the time is always zero.
#[derive(Default)]
pub(crate) struct Clock(Option<Box<dyn Fn() -> Duration + Send>>);

impl Clock {
    pub fn new(now: impl Fn() -> Duration + Send + 'static) -> Self {
        Self(Some(Box::new(now)))
    }

    pub fn now(&self) -> Duration {
        self.0.as_ref().map_or(Duration::ZERO, |now| now())
    }

    pub fn since(&self, start: Duration) -> Duration {
        self.now().saturating_sub(start)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Clock" } else { "Clock(none)" })
    }
}
