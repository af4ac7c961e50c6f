//! Values that other modules derive from a vocabulary alone and keep with it, one for each type.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

type Slot<T> = OnceLock<Arc<T>>;

#[derive(Default)]
pub(super) struct Extensions(Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>);

impl Extensions {
    /// The value of type `T`, made by `init` on first use. The lock is not held while `init` runs,
    /// so `init` may ask for values of other types.
    pub(super) fn get_or_init<T: Any + Send + Sync>(&self, init: impl FnOnce() -> T) -> Arc<T> {
        let slot = {
            let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(Slot::<T>::new())))
        };
        match slot.downcast::<Slot<T>>() {
            Ok(slot) => Arc::clone(slot.get_or_init(|| Arc::new(init()))),
            Err(_) => unreachable!("slots are keyed by the type they hold"),
        }
    }
}
