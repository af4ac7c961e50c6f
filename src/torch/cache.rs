//! The keys and values of one sequence, for every layer.
//!
//! A layer keeps two tensors `[kv_heads, capacity, head_dim]`, of which the first `len` positions
//! are in use. Appending copies the new positions in, truncating reduces `len`, and forking copies
//! the positions in use.
//!
//! The capacity doubles as the sequence grows. Appending therefore costs amortised constant time
//! per token, and memory is at most twice what is used. A fork costs one copy of the used part
//! (`2 · layers · kv_heads · head_dim` numbers per token). Forks never share memory, so no write
//! needs a check.

use tch::{Device, Kind, Tensor};

use super::device::upload;
use super::error::{Doing, TorchError};
use crate::decode::ModelError;

/// The properties that all caches of one model share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CacheShape {
    pub(crate) layers: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
    /// Largest number of positions of a sequence.
    pub(crate) limit: usize,
    pub(crate) kind: Kind,
    pub(crate) device: Device,
}

/// The key–value cache of one sequence of one model. Dropping it frees its memory.
#[derive(Debug)]
pub struct KvCache {
    shape: CacheShape,
    /// Keys and values per layer, each `[kv_heads, capacity, head_dim]`.
    layers: Vec<(Tensor, Tensor)>,
    capacity: usize,
    len: usize,
}

impl KvCache {
    pub(crate) fn new(shape: CacheShape) -> Self {
        Self { shape, layers: Vec::new(), capacity: 0, len: 0 }
    }

    pub(crate) fn shape(&self) -> CacheShape {
        self.shape
    }

    /// Number of positions in use.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if no position is in use.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of bytes held, in use or not.
    pub fn bytes(&self) -> usize {
        let number = self.shape.kind.elt_size_in_bytes();
        2 * self.layers.len() * self.shape.kv_heads * self.capacity * self.shape.head_dim * number
    }

    pub(crate) fn truncate(&mut self, len: usize) -> Result<(), TorchError> {
        if len > self.len {
            return Err(ModelError::Truncate { wanted: len, held: self.len }.into());
        }
        self.len = len;
        Ok(())
    }

    /// Reduces the positions from `start` on to those at the offsets `path`, in this order.
    pub(crate) fn keep(&mut self, start: usize, path: &[usize]) -> Result<(), TorchError> {
        let wanted = path.iter().map(|offset| start + offset + 1).chain([start]).max().unwrap_or(start);
        if wanted > self.len {
            return Err(ModelError::Truncate { wanted, held: self.len }.into());
        }
        if path.iter().enumerate().any(|(at, &offset)| at != offset) {
            let places: Vec<i64> = path.iter().map(|&offset| (start + offset) as i64).collect();
            let doing = "keeping a path in the key-value cache";
            let places = upload(&places, self.shape.device).doing(doing)?;
            let gather = |all: &Tensor| {
                let kept = all.f_index_select(1, &places)?;
                all.f_narrow(1, start as i64, path.len() as i64)?.f_copy_(&kept)
            };
            for (keys, values) in &self.layers {
                gather(keys).and_then(|_| gather(values)).doing(doing)?;
            }
        }
        self.len = start + path.len();
        Ok(())
    }

    pub(crate) fn fork(&self) -> Result<Self, TorchError> {
        let mut fork = Self::new(self.shape);
        if self.len > 0 {
            fork.allocate_from(self, self.len)?;
        }
        Ok(fork)
    }

    /// Makes room for `extra` positions after those in use.
    pub(crate) fn reserve(&mut self, extra: usize) -> Result<(), TorchError> {
        let needed = self.len.saturating_add(extra);
        if needed > self.shape.limit {
            return Err(ModelError::ContextFull { given: needed, limit: self.shape.limit }.into());
        }
        if needed > self.capacity {
            let mut grown = Self::new(self.shape);
            grown.allocate_from(self, needed.max(2 * self.capacity))?;
            *self = grown;
        }
        Ok(())
    }

    /// Writes the keys and values of new positions of one layer after those in use. Returns all
    /// keys and values of the layer, the new ones included: `[1, kv_heads, len + new, head_dim]`
    /// each.
    ///
    /// The new positions count only after [`KvCache::advance`], which is called when every layer is
    /// done. A forward pass that fails midway therefore leaves the cache unchanged.
    ///
    /// `keys` and `values` are `[new, kv_heads, head_dim]`; room must have been reserved.
    pub(crate) fn append(
        &mut self,
        layer: usize,
        keys: &Tensor,
        values: &Tensor,
    ) -> Result<(Tensor, Tensor), TorchError> {
        let (start, new) = (self.len as i64, keys.size()[0]);
        let (all_keys, all_values) = &self.layers[layer];
        let write = |all: &Tensor, rows: &Tensor| {
            all.f_narrow(1, start, new)?.f_copy_(&rows.f_transpose(0, 1)?)?;
            all.f_narrow(1, 0, start + new)?.f_unsqueeze(0)
        };
        let doing = "writing to the key-value cache";
        Ok((write(all_keys, keys).doing(doing)?, write(all_values, values).doing(doing)?))
    }

    /// Counts `new` positions that every layer has appended.
    pub(crate) fn advance(&mut self, new: usize) {
        self.len += new;
    }

    /// Allocates an empty cache with room for at least `capacity` positions, and copies the
    /// positions in use of `other` into it.
    fn allocate_from(&mut self, other: &Self, capacity: usize) -> Result<(), TorchError> {
        // Multiples of 64 keep small caches from growing at every other token.
        let capacity = capacity.next_multiple_of(64).min(self.shape.limit);
        let size = [self.shape.kv_heads as i64, capacity as i64, self.shape.head_dim as i64];
        let used = other.len as i64;
        let fill = |old: Option<&Tensor>| {
            // Positions past `len` are never read, so they need not be cleared.
            let fresh = Tensor::f_empty(size, (self.shape.kind, self.shape.device))?;
            if let Some(old) = old.filter(|_| used > 0) {
                fresh.f_narrow(1, 0, used)?.f_copy_(&old.f_narrow(1, 0, used)?)?;
            }
            Ok(fresh)
        };
        let mut layers = Vec::with_capacity(self.shape.layers);
        for layer in 0..self.shape.layers {
            let old = other.layers.get(layer);
            let keys = fill(old.map(|(keys, _)| keys));
            let values = fill(old.map(|(_, values)| values));
            let doing = "making room in the key-value cache";
            layers.push((keys.doing(doing)?, values.doing(doing)?));
        }
        self.layers = layers;
        self.capacity = capacity;
        self.len = other.len;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: CacheShape = CacheShape {
        layers: 2,
        kv_heads: 2,
        head_dim: 4,
        limit: 100,
        kind: Kind::Float,
        device: Device::Cpu,
    };

    /// Appends `count` positions whose numbers are all `value`.
    fn push(cache: &mut KvCache, count: usize, value: f64) {
        cache.reserve(count).unwrap();
        let rows = Tensor::full([count as i64, 2, 4], value, (Kind::Float, Device::Cpu));
        for layer in 0..2 {
            let (keys, _) = cache.append(layer, &rows, &rows.neg()).unwrap();
            assert_eq!(keys.size(), [1, 2, (cache.len() + count) as i64, 4]);
        }
        cache.advance(count);
    }

    /// One number per position, from both layers.
    fn numbers(cache: &KvCache) -> Vec<f32> {
        let (keys, values) = &cache.layers[1];
        let keys = keys.narrow(1, 0, cache.len() as i64);
        let values = values.narrow(1, 0, cache.len() as i64);
        assert_eq!((&keys + &values).abs().sum(Kind::Float).double_value(&[]), 0.0);
        Vec::try_from(keys.select(0, 1).select(1, 3)).unwrap()
    }

    #[test]
    fn grows_truncates_and_forks() {
        let mut cache = KvCache::new(SHAPE);
        assert!(cache.is_empty() && cache.bytes() == 0);
        push(&mut cache, 2, 1.0);
        push(&mut cache, 1, 2.0);
        assert_eq!(cache.bytes(), 2 * 2 * 2 * 64 * 4 * 4);
        push(&mut cache, 90, 3.0);
        assert_eq!(numbers(&cache)[..4], [1.0, 1.0, 2.0, 3.0]);
        cache.truncate(2).unwrap();
        let mut fork = cache.fork().unwrap();
        push(&mut cache, 1, 4.0);
        push(&mut fork, 1, 5.0);
        assert_eq!(numbers(&cache), [1.0, 1.0, 4.0]);
        assert_eq!(numbers(&fork), [1.0, 1.0, 5.0]);
        assert!(cache.fork().unwrap().len() == 3);
    }

    #[test]
    fn keeps_a_path() {
        let mut cache = KvCache::new(SHAPE);
        (0..6).for_each(|value| push(&mut cache, 1, f64::from(value)));
        cache.keep(2, &[1, 3]).unwrap();
        assert_eq!(numbers(&cache), [0.0, 1.0, 3.0, 5.0]);
        cache.keep(2, &[0]).unwrap();
        assert_eq!(numbers(&cache), [0.0, 1.0, 3.0]);
        assert!(cache.keep(2, &[1]).is_err() && cache.keep(4, &[]).is_err());
        cache.keep(1, &[]).unwrap();
        assert_eq!(numbers(&cache), [0.0]);
    }

    #[test]
    fn limits_are_errors() {
        let mut cache = KvCache::new(SHAPE);
        assert!(matches!(
            cache.reserve(101),
            Err(TorchError::Model(ModelError::ContextFull { given: 101, limit: 100 }))
        ));
        assert!(cache.reserve(usize::MAX).is_err());
        push(&mut cache, 100, 1.0);
        assert!(matches!(
            cache.reserve(1),
            Err(TorchError::Model(ModelError::ContextFull { given: 101, limit: 100 }))
        ));
        assert!(cache.truncate(101).is_err());
        cache.truncate(0).unwrap();
        assert!(cache.is_empty());
    }
}
