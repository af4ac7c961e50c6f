//! Arrays and objects that differ from given ones, as the grammar's primitives have them.
//!
//! An array differs from others in some first place, so it is divided by that place, along the tree of their common
//! beginnings: as many parts as the tree has nodes. An object is divided by its size. One of another size is different
//! anyway, and among those of the same size one is equal if as many properties agree as it has: a counter each, which must
//! not fill up. Where more objects are given than there are counters, a key whose value tells most of them apart divides
//! them first.

use super::shape::{ArrayShape, Declared, Eval, Members, ObjectShape};
use super::term::{Failure, TermId};
use std::sync::Arc;

/// At most this many given objects are told from by counters.
const MAX_COUNTED: usize = 16;

impl Eval<'_> {
    /// Arrays without a list of others to differ from, which together are `array`.
    pub fn divide_array(&mut self, array: &Arc<ArrayShape>) -> Result<Vec<Arc<ArrayShape>>, Failure> {
        if array.differs.is_empty() {
            return Ok(vec![array.clone()]);
        }
        let mut parts = Vec::new();
        let plain = ArrayShape { differs: Vec::new(), ..(**array).clone() };
        // What begins as these do, which agree so far.
        let mut groups = vec![(plain, array.differs.clone(), 0usize)];
        while let Some((array, agreeing, place)) = groups.pop() {
            self.algebra.spend(1 + agreeing.len() as u64)?;
            if array.min as usize <= place && !agreeing.iter().any(|items| items.len() == place) {
                parts.extend(self.finish_array(ArrayShape { max: place as u32, ..array.clone() })?);
            }
            if array.max as usize <= place {
                continue;
            }
            let mut values: Vec<TermId> =
                agreeing.iter().filter_map(|items| items.get(place).copied()).collect();
            values.sort_unstable();
            values.dedup();
            let longer = |eval: &mut Self, value: TermId| {
                let mut longer = array.clone();
                let len = longer.prefix.len().max(place + 1);
                longer.prefix.resize(len, array.rest);
                longer.prefix[place] = eval.algebra.and2(longer.prefix[place], value);
                longer.min = longer.min.max(place as u32 + 1);
                eval.finish_array(longer)
            };
            let among = self.algebra.or(&values);
            let others = self.algebra.not(among);
            parts.extend(longer(self, others)?);
            for value in values {
                let Some(array) = longer(self, value)? else { continue };
                let mut same = Vec::with_capacity(agreeing.len());
                for items in &agreeing {
                    if items.len() > place && self.may_agree(items[place], value)? {
                        same.push(items.clone());
                    }
                }
                groups.push(((*array).clone(), same, place + 1));
            }
        }
        Ok(parts)
    }

    /// Objects that together are `object`. Those that have a list of others to differ from are all of the size of those.
    pub fn divide_object(&mut self, object: &Arc<ObjectShape>) -> Result<Vec<Arc<ObjectShape>>, Failure> {
        if object.differs.is_empty() {
            return Ok(vec![object.clone()]);
        }
        let mut sizes: Vec<u32> = object.differs.iter().map(|pairs| pairs.len() as u32).collect();
        sizes.sort_unstable();
        sizes.dedup();
        let mut parts = Vec::new();
        let mut next = object.min;
        let plain = ObjectShape { differs: Vec::new(), ..(**object).clone() };
        for size in sizes {
            if size > next {
                parts.extend(self.finish_object(ObjectShape {
                    min: next,
                    max: size - 1,
                    ..plain.clone()
                })?);
            }
            next = size + 1;
            if size == 0 {
                // All objects without properties are the same.
                continue;
            }
            let of_size = object.differs.iter().filter(|pairs| pairs.len() as u32 == size);
            let sized =
                ObjectShape { min: size, max: size, differs: of_size.cloned().collect(), ..plain.clone() };
            if let Some(sized) = self.finish_object(sized)? {
                self.divide_by_keys(sized, &mut parts)?;
            }
        }
        if next <= object.max {
            parts.extend(self.finish_object(ObjectShape { min: next, ..plain })?);
        }
        Ok(parts)
    }

    fn divide_by_keys(
        &mut self,
        object: Arc<ObjectShape>,
        parts: &mut Vec<Arc<ObjectShape>>,
    ) -> Result<(), Failure> {
        let mut groups = vec![object];
        while let Some(object) = groups.pop() {
            self.algebra.spend(1)?;
            let Some((key, values)) = telling_key(&object).filter(|_| object.differs.len() > MAX_COUNTED)
            else {
                parts.push(object);
                continue;
            };
            let without = object.differs.iter().filter(|p| ObjectShape::value_in(p, &key).is_none());
            let without = without.cloned().collect();
            groups.extend(self.with_key(&object, &key, TermId::NEVER, without)?);
            let among = self.algebra.or(&values);
            let others = self.algebra.not(among);
            parts.extend(self.with_key(&object, &key, others, Vec::new())?);
            for value in values {
                let mut same = Vec::with_capacity(object.differs.len());
                for pairs in &object.differs {
                    if let Some(other) = ObjectShape::value_in(pairs, &key) {
                        if self.may_agree(other, value)? {
                            same.push(pairs.clone());
                        }
                    }
                }
                groups.extend(self.with_key(&object, &key, value, same)?);
            }
        }
        Ok(())
    }

    /// Whether two terms of one value each may be the same value, perhaps spelt differently.
    fn may_agree(&mut self, a: TermId, b: TermId) -> Result<bool, Failure> {
        let both = self.algebra.and2(a, b);
        Ok(both != TermId::NEVER && !self.is_evidently_never(both)?)
    }

    /// The part of `object` whose `key` has this value, or is absent where that is never; it differs from these.
    fn with_key(
        &mut self,
        object: &ObjectShape,
        key: &Arc<str>,
        value: TermId,
        differs: Vec<Members>,
    ) -> Result<Option<Arc<ObjectShape>>, Failure> {
        let mut part = ObjectShape { differs, ..object.clone() };
        let required = value != TermId::NEVER;
        match part.position(key) {
            Some(i) => {
                let declared = &mut part.declared[i];
                if !required && declared.required {
                    return Ok(None);
                }
                declared.value = self.algebra.and2(declared.value, value);
                declared.required = required;
            }
            None => {
                let value = match required {
                    true => {
                        let allowed = self.rest_value(object, key);
                        self.algebra.and2(allowed, value)
                    }
                    false => value,
                };
                part.declared.push(Declared { key: key.clone(), value, required, listed: false });
            }
        }
        self.finish_object(part)
    }
}

/// The key that has the most different values among the objects to differ from, and these values.
fn telling_key(object: &ObjectShape) -> Option<(Arc<str>, Vec<TermId>)> {
    let mut pairs: Vec<&(Arc<str>, TermId)> = object.differs.iter().flat_map(|pairs| pairs.iter()).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let most = pairs.chunk_by(|a, b| a.0 == b.0).max_by_key(|values| values.len())?;
    Some((most[0].0.clone(), most.iter().map(|pair| pair.1).collect()))
}
