//! A clock for operations of a tenth of a microsecond, which excludes the time of other processes.
//!
//! The operating system's clock costs as much as a memoised mask. The processor's time stamp
//! counter is therefore read if it is reliable; the `quanta` crate calibrates it and otherwise
//! falls back to the system's clock.
//!
//! On a busy machine the scheduler sometimes stops a process for milliseconds, which would dominate
//! a high percentile. If an operation took long, the running time of its thread therefore counts
//! instead. That clock costs a system call, which is made outside the timed interval.

use cpu_time::ThreadTime;
use quanta::{Clock, Instant};

/// Operations longer than this many nanoseconds are checked for interruptions.
const LONG: u64 = 50_000;

/// A clock that times operations.
pub struct Stopwatch(Clock);

/// The beginning of an operation of this thread.
pub struct Lap {
    thread: ThreadTime,
    start: Instant,
}

/// A moment, for operations of several threads.
#[derive(Clone, Copy)]
pub struct Moment(Instant);

impl Stopwatch {
    /// Calibrates the clock; takes up to 0.2 seconds the first time in a process.
    pub fn new() -> Self {
        Stopwatch(Clock::new())
    }

    /// Starts to time an operation of this thread.
    #[inline]
    pub fn start(&self) -> Lap {
        let thread = ThreadTime::now();
        Lap { thread, start: self.0.now() }
    }

    /// Nanoseconds since the operation began, without those in which another process ran.
    #[inline]
    pub fn stop(&self, lap: &Lap) -> u64 {
        let wall = self.0.now().duration_since(lap.start).as_nanos() as u64;
        if wall <= LONG {
            return wall;
        }
        wall.min(lap.thread.elapsed().as_nanos() as u64)
    }

    /// Nanoseconds to copy a mask of `tokens` tokens, one of some dozens. No stored mask can be had
    /// faster.
    pub fn copy_cost(&self, tokens: usize) -> f64 {
        let masks: Vec<Vec<u32>> = (0..64).map(|i| vec![i; tokens.div_ceil(32)]).collect();
        let mut out = masks[0].clone();
        let mut laps: Vec<u64> = Vec::with_capacity(masks.len() * 64);
        // Strides that meet every mask, in an order that a processor does not predict.
        for i in 0..laps.capacity() {
            let from = &masks[(i * 37 + i / 64 * 11) % masks.len()];
            let lap = self.start();
            out.copy_from_slice(from);
            std::hint::black_box(&mut out);
            laps.push(self.stop(&lap));
        }
        laps.sort_unstable();
        laps[laps.len() / 2] as f64 - self.cost()
    }

    /// The moment now.
    pub fn now(&self) -> Moment {
        Moment(self.0.now())
    }

    /// Nanoseconds of an operation that does nothing: a part of every figure.
    pub fn cost(&self) -> f64 {
        let laps = 10_000;
        let total: u64 = (0..laps).map(|_| self.stop(&self.start())).sum();
        total as f64 / f64::from(laps)
    }
}

impl Moment {
    /// Nanoseconds of wall-clock time from `earlier` to this moment.
    pub fn since(self, earlier: Moment) -> u64 {
        self.0.duration_since(earlier.0).as_nanos() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn sleeping_is_not_working() {
        let clock = Stopwatch::new();
        let (lap, moment) = (clock.start(), clock.now());
        std::thread::sleep(Duration::from_millis(30));
        assert!(clock.stop(&lap) < 10_000_000);
        assert!(clock.now().since(moment) >= 29_000_000);
    }
}
