//! Constraints that are kept for later requests, within bounds on their number and their memory.

use super::constraint::Constraint;
use super::error::EngineError;
use crate::automata::interrupt;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Constraints that are kept by the texts that they were made from, those that were used last. A
/// server has one, so that requests with the same schema share a constraint and its masks.
///
/// Any number of threads may use it at once. Where several ask for a constraint that is not there,
/// one of them makes it and the others wait.
///
/// ```
/// use hedgerow::engine::ConstraintCache;
/// use hedgerow::{Constraint, ConstraintError, Vocabulary};
///
/// let vocabulary = Vocabulary::from_byte_list((0..=255).map(|byte| vec![byte]).collect())?;
/// let cache = ConstraintCache::new(1000, 1 << 30);
/// let schema = r#"{"type": "integer"}"#;
/// let compile = || Constraint::json_schema(schema, &vocabulary);
/// let constraint = cache.get_or_make::<ConstraintError>(schema.as_bytes(), compile)?;
/// cache.get_or_make::<ConstraintError>(schema.as_bytes(), || unreachable!("it is there"))?;
/// assert_eq!((cache.stats().hits, cache.stats().misses), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ConstraintCache {
    max_constraints: usize,
    max_bytes: usize,
    kept: Mutex<Kept>,
}

/// Figures of a [`ConstraintCache`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Requests for a constraint that was there, or that another thread was making.
    pub hits: u64,
    /// Requests that had to make one, the failed ones among them.
    pub misses: u64,
    /// Constraints that are kept now.
    pub constraints: usize,
    /// Bytes of their states and masks, as [`Constraint::memory`] tells them.
    pub bytes: usize,
}

/// The place of a constraint, locked while it is made. It is empty before, and after a failure.
type Place = Arc<Mutex<Option<Constraint>>>;

#[derive(Default)]
struct Kept {
    entries: HashMap<Arc<[u8]>, Entry>,
    /// The number of requests so far, which tells the entry that was used last.
    requests: u64,
    hits: u64,
    misses: u64,
}

struct Entry {
    place: Place,
    /// The number of the request that used it last.
    used: u64,
}

impl Entry {
    /// The constraint, unless it is being made.
    fn constraint(&self) -> Option<Constraint> {
        self.place.try_lock().ok()?.clone()
    }

    /// True if nobody will put a constraint into the place any more.
    fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.place) == 1 && self.constraint().is_none()
    }
}

impl ConstraintCache {
    /// An empty cache. It keeps at most so many constraints, and constraints with at most so many
    /// bytes of states and masks together; `usize::MAX` is no bound.
    ///
    /// Constraints grow while they are used, up to [`Limits::graph_bytes`](super::Limits) each. The
    /// bounds are enforced whenever a constraint is added. The first to go is the one whose last
    /// use is longest ago. Matchers keep the constraint that they belong to.
    pub fn new(max_constraints: usize, max_bytes: usize) -> Self {
        ConstraintCache { max_constraints, max_bytes, kept: Mutex::default() }
    }

    /// The constraint of a key; `make` makes it if it is not there.
    ///
    /// The key must have all that the constraint depends on: the text of the grammar, its notation
    /// and options, and the end tokens where requests differ in them. If `make` fails, nothing is
    /// kept, and a thread that waited calls its own `make`. The wait ends when the caller's
    /// [`Interrupt`](super::Interrupt) does. `make` must not ask this cache for the same key.
    ///
    /// # Errors
    /// Those of `make`, and the caller's interrupt.
    pub fn get_or_make<E: From<EngineError>>(
        &self,
        key: &[u8],
        make: impl FnOnce() -> Result<Constraint, E>,
    ) -> Result<Constraint, E> {
        let place = self.place(key);
        let mut constraint = interrupt::lock(&place).map_err(EngineError::from)?;
        if let Some(known) = &*constraint {
            self.lock().hits += 1;
            return Ok(known.clone());
        }
        self.lock().misses += 1;
        let made = make().inspect(|made| *constraint = Some(made.clone()));
        drop(constraint);
        drop(place);
        self.enforce_bounds();
        made
    }

    /// Forgets all constraints. Those in use go on.
    pub fn clear(&self) {
        let gone = std::mem::take(&mut self.lock().entries);
        drop(gone);
    }

    /// Figures about the requests so far, and about what is kept now.
    pub fn stats(&self) -> CacheStats {
        let kept = self.lock();
        let (hits, misses) = (kept.hits, kept.misses);
        let constraints: Vec<Constraint> = kept.entries.values().filter_map(Entry::constraint).collect();
        drop(kept);
        let bytes = constraints.iter().map(Constraint::memory).sum();
        CacheStats { hits, misses, constraints: constraints.len(), bytes }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of a key's constraint, which is used now.
    fn place(&self, key: &[u8]) -> Place {
        let mut kept = self.lock();
        kept.requests += 1;
        let used = kept.requests;
        if let Some(entry) = kept.entries.get_mut(key) {
            entry.used = used;
            return entry.place.clone();
        }
        let place = Place::default();
        kept.entries.insert(key.into(), Entry { place: place.clone(), used });
        place
    }

    /// Removes the constraints that were not used for longest, until the others are within the
    /// bounds, and the places that were left empty.
    fn enforce_bounds(&self) {
        let mut kept = self.lock();
        kept.entries.retain(|_, entry| !entry.is_abandoned());
        let mut latest: Vec<(u64, usize)> = kept
            .entries
            .values()
            .filter_map(|entry| Some((entry.used, entry.constraint()?.memory())))
            .collect();
        latest.sort_unstable_by_key(|&(used, _)| std::cmp::Reverse(used));
        let mut bytes = 0_usize;
        let fits = latest.iter().take(self.max_constraints).take_while(|(_, memory)| {
            bytes = bytes.saturating_add(*memory);
            bytes <= self.max_bytes
        });
        let Some(&(last_to_go, _)) = latest.get(fits.count()) else { return };
        let goes =
            |_: &Arc<[u8]>, entry: &mut Entry| entry.used <= last_to_go && entry.constraint().is_some();
        let gone: Vec<_> = kept.entries.extract_if(goes).collect();
        // Large constraints take a while to be freed, for which no request should wait.
        drop(kept);
        drop(gone);
    }
}

impl std::fmt::Debug for ConstraintCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConstraintCache").field("stats", &self.stats()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Interrupt, Interrupted};
    use crate::grammar::GrammarBuilder;
    use crate::vocab::Vocabulary;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    type Test = Result<(), Box<dyn std::error::Error>>;

    fn constraint(word: &str) -> Result<Constraint, EngineError> {
        let tokens = (0..=255).map(|byte| vec![byte]).collect();
        let vocabulary = Vocabulary::from_byte_list(tokens).map_err(|_| EngineError::EmptyVocabulary)?;
        let mut builder = GrammarBuilder::new();
        let word = builder.nodes.literal(word.as_bytes());
        Constraint::new(&builder.build(word, None)?, &vocabulary)
    }

    /// The names of the words that the cache keeps.
    fn kept(cache: &ConstraintCache) -> String {
        let kept = cache.lock();
        let mut keys: Vec<u8> = kept.entries.keys().flat_map(|key| key.iter().copied()).collect();
        keys.sort_unstable();
        String::from_utf8_lossy(&keys).into_owned()
    }

    #[test]
    fn the_constraints_used_last_are_kept_within_the_bounds() -> Test {
        let bytes = constraint("a")?.memory();
        assert!(bytes > 0);
        // The words are asked for in this order.
        for (max_constraints, max_bytes, asked, left) in [
            (2, usize::MAX, "abc", "bc"),
            (2, usize::MAX, "abac", "ac"),
            (9, usize::MAX, "abcabc", "abc"),
            (9, bytes * 5 / 2, "abc", "bc"),
            (9, bytes * 5 / 2, "abac", "ac"),
            (9, bytes / 2, "ab", ""),
            (0, usize::MAX, "ab", ""),
        ] {
            let cache = ConstraintCache::new(max_constraints, max_bytes);
            for word in asked.split("").filter(|word| !word.is_empty()) {
                cache.get_or_make(word.as_bytes(), || constraint(word))?;
            }
            assert_eq!(kept(&cache), left, "{max_constraints}, {max_bytes}, {asked}");
            assert_eq!(cache.stats().constraints, left.len());
            assert!(cache.stats().bytes <= max_bytes);
        }
        Ok(())
    }

    #[test]
    fn failures_are_not_kept() -> Test {
        let cache = ConstraintCache::new(9, usize::MAX);
        let fails = || Err(EngineError::EmptyVocabulary);
        assert!(matches!(cache.get_or_make(b"a", fails), Err(EngineError::EmptyVocabulary)));
        assert_eq!(kept(&cache), "");
        cache.get_or_make(b"a", || constraint("a"))?;
        cache.get_or_make(b"a", fails)?;
        cache.clear();
        assert!(cache.get_or_make(b"a", fails).is_err());
        let stats = CacheStats { hits: 1, misses: 3, constraints: 0, bytes: 0 };
        assert_eq!(cache.stats(), stats);
        Ok(())
    }

    #[test]
    fn threads_make_a_constraint_once_and_wait_no_longer_than_they_may() -> Test {
        let cache = ConstraintCache::new(9, usize::MAX);
        let (calls, soon) = (AtomicU32::new(0), Interrupt::default().timeout(Duration::from_millis(5)));
        let made = std::thread::scope(|scope| {
            let (begin, began) = std::sync::mpsc::channel();
            let (go, gone) = std::sync::mpsc::channel::<()>();
            let (cache, calls) = (&cache, &calls);
            let first = scope.spawn(move || {
                cache.get_or_make(b"a", || {
                    calls.fetch_add(1, Ordering::Relaxed);
                    let _ = (begin.send(()), gone.recv());
                    constraint("a")
                })
            });
            let _ = began.recv();
            let late = soon.scope(|| cache.get_or_make(b"a", || constraint("late")));
            assert_eq!(late.err(), Some(Interrupted::Deadline));
            // The figures do not wait for what is being made.
            assert_eq!(cache.stats().constraints, 0);
            let waiting = scope.spawn(move || cache.get_or_make(b"a", || constraint("second")));
            drop(go);
            [first.join(), waiting.join()]
        });
        let [Ok(first), Ok(second)] = made else { return Err("a thread panicked".into()) };
        assert!(Arc::ptr_eq(&first?.shared, &second?.shared));
        assert_eq!((calls.into_inner(), cache.stats().misses), (1, 1));
        Ok(())
    }
}
