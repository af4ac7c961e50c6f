//! The keys of arguments whose values end by repeating them.

use hashbrown::HashMap;
use std::sync::Arc;

/// The number of a key whose value ends by repeating it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct KeyId(pub u32);

impl KeyId {
    /// No key, or one that makes no difference.
    pub const NONE: KeyId = KeyId(0);
}

/// The keys that ends of values repeat.
#[derive(Default)]
pub(super) struct ArgumentKeys {
    texts: Vec<Arc<str>>,
    ids: HashMap<Arc<str>, KeyId>,
}

impl ArgumentKeys {
    pub fn id(&mut self, key: &str) -> KeyId {
        if let Some(&id) = self.ids.get(key) {
            return id;
        }
        let text: Arc<str> = key.into();
        self.texts.push(text.clone());
        let id = KeyId(self.texts.len() as u32);
        self.ids.insert(text, id);
        id
    }

    /// The text of a key; empty for [`KeyId::NONE`].
    pub fn text(&self, id: KeyId) -> Arc<str> {
        let index = (id.0 as usize).checked_sub(1);
        index.and_then(|index| self.texts.get(index)).cloned().unwrap_or_default()
    }
}
