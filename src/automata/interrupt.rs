//! Ending work early: at a moment, after a time, or when a flag is set.
//!
//! Compiling a grammar, looking for a word of an intersection and finding a mask can take long.
//! Only the caller knows how long is too long, and an [`Interrupt`] says how long work may take. It
//! belongs to a call and not to an object. [`Interrupt::scope`] runs a piece of work under it on
//! this thread, and every loop inside asks [`check`] or [`is_over`] as it goes. The interrupt is
//! not an argument, because nearly every function of the library would have to take it.
//!
//! # Functions that cannot fail
//!
//! Some functions have no error to return, such as
//! [`ExprPool::is_never`](super::ExprPool::is_never). They answer at once when the work is over,
//! and their answer may be wrong. Two rules make this sound:
//!
//! - Work that is over stays over until the scope ends. The scope then returns an error, whatever
//!   the work returned, so that no wrong answer leaves it.
//! - An answer is remembered beyond the scope only if [`is_over`] is false after it was found.
//!
//! Answers that are kept for the whole process are found under no interrupt ([`suspended`]).

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// The units of work between two looks at the clock and the flags. For example, a unit is a
/// transition that is found, or a node that is made.
const INTERVAL: u32 = 64;

/// The pause between two tries to get a lock.
const PAUSE: Duration = Duration::from_micros(100);

/// The reasons to end work early. The default has none.
///
/// ```
/// use hedgerow::automata::{Interrupt, Interrupted};
/// use hedgerow::schema::{self, SchemaOptions};
/// use std::sync::{atomic::AtomicBool, Arc};
/// use std::time::Duration;
///
/// let compile = || schema::compile(r#"{"type": "string"}"#, &SchemaOptions::default());
/// let grammar = Interrupt::default().timeout(Duration::from_secs(60)).scope(compile)??;
///
/// let flag = Arc::new(AtomicBool::new(true));
/// assert_eq!(Interrupt::default().flag(flag).scope(compile).err(), Some(Interrupted::Cancelled));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default, Debug)]
pub struct Interrupt {
    deadline: Option<Instant>,
    timeout: Option<Duration>,
    /// The units of work that are left.
    units: Option<u64>,
    flags: Vec<Arc<AtomicBool>>,
}

/// The reason why work ended early.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Interrupted {
    /// The deadline has passed, or the call took longer than it may.
    #[error("the deadline passed before the answer was found")]
    Deadline,
    /// The flag is set.
    #[error("cancelled")]
    Cancelled,
}

impl Interrupt {
    /// Ends the work at this moment.
    #[must_use]
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Ends the work of each call, or [`scope`](Self::scope), after this time.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Ends the work when the flag is set. While it is set, no work begins. If there are several
    /// flags, one that is set is enough.
    #[must_use]
    pub fn flag(mut self, flag: Arc<AtomicBool>) -> Self {
        self.flags.push(flag);
        self
    }

    /// Ends the work of each call after `units` units of work, as if a deadline had passed. On
    /// every machine this is at the same place. It is for tests, which end a call at every place,
    /// and does not count work of other threads.
    #[cfg(any(test, feature = "ablation"))]
    #[must_use]
    pub fn units(mut self, units: u64) -> Self {
        self.units = Some(units);
        self
    }

    /// True if work never ends early.
    pub fn is_never(&self) -> bool {
        self.deadline.is_none() && self.timeout.is_none() && self.units.is_none() && self.flags.is_empty()
    }

    /// The reason why the work is over, if it is.
    fn over(&self) -> Option<Interrupted> {
        if self.flags.iter().any(|flag| flag.load(Ordering::Relaxed)) {
            return Some(Interrupted::Cancelled);
        }
        let is_late =
            self.units == Some(0) || self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        is_late.then_some(Interrupted::Deadline)
    }

    /// All reasons that may end the present work of this thread, to be given to other threads that
    /// do a part of the work.
    pub fn current() -> Self {
        let mut all = Interrupt::default();
        SCOPES.with_borrow(|scopes| {
            for scope in scopes {
                all.deadline = [all.deadline, scope.deadline].into_iter().flatten().min();
                all.flags.extend_from_slice(&scope.flags);
            }
        });
        all
    }

    /// Runs `work` on this thread, under this interrupt and those of the scopes around it. Work
    /// that would be over at once is not begun.
    ///
    /// # Errors
    /// [`Interrupted`] if the work was ended early, whatever it returned.
    pub fn scope<T>(&self, work: impl FnOnce() -> T) -> Result<T, Interrupted> {
        if self.is_never() {
            return Ok(work());
        }
        let _scope = Scope::enter(self);
        look();
        if let Some(why) = OVER.get() {
            return Err(why);
        }
        let result = work();
        OVER.get().map_or(Ok(result), Err)
    }
}

thread_local! {
    /// The interrupts of the scopes that this thread is in.
    static SCOPES: RefCell<Vec<Interrupt>> = const { RefCell::new(Vec::new()) };
    /// The reason why the work of the innermost scope is over.
    static OVER: Cell<Option<Interrupted>> = const { Cell::new(None) };
    /// The units left until the next look, and 0 outside of all scopes.
    static LEFT: Cell<u32> = const { Cell::new(0) };
    /// The units from the last look to the next.
    static GIVEN: Cell<u32> = const { Cell::new(0) };
}

/// A scope on the list of this thread. Dropping it takes it off the list.
struct Scope {
    outer: Option<Interrupted>,
}

impl Scope {
    fn enter(interrupt: &Interrupt) -> Self {
        // A moment that is too far away to be represented never comes.
        let timeout = interrupt.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let deadline = [interrupt.deadline, timeout].into_iter().flatten().min();
        let flags = interrupt.flags.clone();
        let now = Interrupt { deadline, timeout: None, units: interrupt.units, flags };
        if LEFT.get() != 0 {
            look();
        }
        SCOPES.with_borrow_mut(|scopes| scopes.push(now));
        Scope { outer: OVER.get() }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        let over = OVER.replace(self.outer);
        let outermost = SCOPES.with_borrow_mut(|scopes| {
            scopes.pop();
            scopes.is_empty()
        });
        if outermost {
            stop_counting();
        } else if over.is_some() {
            // The interrupt of a scope around this one may have ended the work.
            look();
        }
    }
}

/// Runs `work` under no interrupt.
///
/// This is for answers that are found once and kept for the whole process, such as the language of
/// a `format`. They must not depend on the call that needed them first. Such work takes a few
/// milliseconds.
pub(crate) fn suspended<T>(work: impl FnOnce() -> T) -> T {
    /// The scopes that were left for the time of the work. Dropping them enters them again.
    struct Left {
        scopes: Vec<Interrupt>,
        over: Option<Interrupted>,
    }

    impl Drop for Left {
        fn drop(&mut self) {
            SCOPES.set(std::mem::take(&mut self.scopes));
            OVER.set(self.over);
            if SCOPES.with_borrow(|scopes| !scopes.is_empty()) {
                look();
            }
        }
    }

    if LEFT.get() != 0 {
        look();
    }
    let _left = Left { scopes: SCOPES.take(), over: OVER.take() };
    stop_counting();
    work()
}

/// Counts no work until a scope is entered.
fn stop_counting() {
    LEFT.set(0);
    GIVEN.set(0);
}

/// Looks at the clock and the flags of all scopes.
fn look() {
    look_after(GIVEN.get().saturating_sub(LEFT.get()));
}

/// The same, `units` of work after the last look.
fn look_after(units: u32) {
    let mut next = INTERVAL;
    let over = SCOPES.with_borrow_mut(|scopes| {
        for left in scopes.iter_mut().filter_map(|scope| scope.units.as_mut()) {
            *left = left.saturating_sub(units.into());
            next = next.min(u32::try_from(*left).unwrap_or(INTERVAL)).max(1);
        }
        OVER.get().or_else(|| scopes.iter().find_map(Interrupt::over))
    });
    LEFT.set(next);
    GIVEN.set(next);
    OVER.set(over);
}

/// Counts `units` of work that are about to be done, and looks at the clock and the flags now and
/// then. A unit takes about a microsecond.
#[inline]
pub fn spend(units: u32) {
    let left = LEFT.get();
    if left == 0 {
        return;
    }
    if left > units {
        LEFT.set(left - units);
    } else {
        look_after((GIVEN.get() - left).saturating_add(units));
    }
}

/// True if the work is over. For functions that cannot fail: the documentation of this module has
/// the rules.
#[inline]
pub fn is_over() -> bool {
    LEFT.get() != 0 && OVER.get().is_some()
}

/// Counts a unit of work that is about to be done, and fails when the work is over.
///
/// # Errors
/// [`Interrupted`].
#[inline]
pub fn check() -> Result<(), Interrupted> {
    spend(1);
    ended()
}

/// Fails when the work is over, without another look at the clock. Work that ends with this check
/// has succeeded as a whole.
///
/// # Errors
/// [`Interrupted`].
#[inline]
pub fn ended() -> Result<(), Interrupted> {
    if LEFT.get() == 0 {
        return Ok(());
    }
    OVER.get().map_or(Ok(()), Err)
}

/// Locks something that other threads may hold for long. The wait ends when the work is over.
///
/// # Errors
/// [`Interrupted`].
pub fn lock<T>(mutex: &Mutex<T>) -> Result<MutexGuard<'_, T>, Interrupted> {
    if LEFT.get() == 0 {
        return Ok(mutex.lock().unwrap_or_else(PoisonError::into_inner));
    }
    loop {
        look();
        ended()?;
        match mutex.try_lock() {
            Ok(guard) => return Ok(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endless() -> Result<(), Interrupted> {
        loop {
            check()?;
        }
    }

    #[test]
    fn scopes_end_their_work_and_leave_nothing_behind() {
        let soon = Interrupt::default().timeout(Duration::from_millis(2));
        let flag = Arc::new(AtomicBool::new(true));
        let set = Interrupt::default().flag(flag.clone());
        let far = Interrupt::default().timeout(Duration::MAX);
        assert_eq!(soon.scope(endless), Err(Interrupted::Deadline));
        assert_eq!(set.scope(|| unreachable!("work began")), Err::<(), _>(Interrupted::Cancelled));
        assert_eq!(Interrupt::default().deadline(Instant::now()).scope(endless), Err(Interrupted::Deadline));
        // The outer interrupt counts inside as well.
        assert_eq!(soon.scope(|| far.scope(endless)), Err(Interrupted::Deadline));
        // The inner interrupt ends with its scope.
        let inner = far.scope(|| {
            assert_eq!(soon.scope(endless), Err(Interrupted::Deadline));
            !is_over()
        });
        assert_eq!(inner, Ok(true));
        // The scope reports an interrupt that the work cannot report.
        flag.store(false, Ordering::Relaxed);
        let unnoticed = set.scope(|| {
            flag.store(true, Ordering::Relaxed);
            while !is_over() {
                spend(1);
            }
        });
        assert_eq!(unnoticed, Err(Interrupted::Cancelled));
        assert!(!is_over() && check().is_ok());
        // Other threads can work under it, and nobody waits for a lock for ever.
        let mutex = Mutex::new(());
        let held = mutex.lock();
        let passed_on = soon.scope(|| {
            let current = Interrupt::current();
            std::thread::scope(|threads| {
                threads.spawn(|| current.scope(|| lock(&mutex).err())).join().unwrap()
            })
        });
        drop(held);
        assert_eq!(passed_on, Ok(Err(Interrupted::Deadline)));
        assert!(lock(&mutex).is_ok());
        // Work for all callers is not ended, but the scope around it is over afterwards.
        let kept = soon.scope(|| {
            assert_eq!(endless(), Err(Interrupted::Deadline));
            suspended(|| assert!(!is_over() && check().is_ok() && far.scope(check) == Ok(Ok(()))));
            is_over()
        });
        assert_eq!(kept, Err(Interrupted::Deadline));
        let late = soon.scope(|| {
            suspended(|| std::thread::sleep(Duration::from_millis(4)));
            is_over()
        });
        assert_eq!(late, Err(Interrupted::Deadline));
        let panicked = std::panic::catch_unwind(|| far.scope(|| panic!("as asked")));
        assert!(panicked.is_err() && check().is_ok());
        assert_eq!(SCOPES.with_borrow(Vec::len), 0);
    }
}
