//! A clock cheap enough to stand between two operations of a tenth of a microsecond.
//!
//! The operating system's clock costs as much as a memoised mask, so the processor's time stamp counter is read where it
//! can be trusted (the `quanta` crate calibrates it and falls back to the system's clock where it cannot).

use quanta::{Clock, Instant};

/// Reads the time.
pub struct Stopwatch(Clock);

/// A moment.
#[derive(Clone, Copy)]
pub struct Moment(Instant);

impl Stopwatch {
    /// Calibrates the clock; takes up to 0.2 seconds the first time in a process.
    pub fn new() -> Self {
        Stopwatch(Clock::new())
    }

    /// The moment now.
    #[inline]
    pub fn now(&self) -> Moment {
        Moment(self.0.now())
    }

    /// What reading the clock costs, in nanoseconds: part of every figure.
    pub fn cost(&self) -> f64 {
        let reads = 100_000;
        let start = self.now();
        for _ in 1..reads {
            std::hint::black_box(self.now());
        }
        self.now().since(start) as f64 / f64::from(reads)
    }
}

impl Moment {
    /// Nanoseconds from `earlier` to this moment.
    #[inline]
    pub fn since(self, earlier: Moment) -> u64 {
        self.0.duration_since(earlier.0).as_nanos() as u64
    }
}
