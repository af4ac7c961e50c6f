//! Arrays and objects that must differ from given ones, divided into parts that the grammar can
//! describe.
//!
//! An array that differs from the given arrays differs first at some position. So the array is
//! divided along the tree of their common beginnings, into as many parts as the tree has nodes. For
//! example, an array other than `[1, 2]` does not begin with 1, or begins with 1 and goes on with
//! something else than 2, or has another length.
//!
//! An object is divided by its size. An object of another size differs from a given object in any
//! case. An object of the same size is equal to it if all its properties agree. So for each given
//! object, a counter of agreeing properties must stay below that size. If there are more given
//! objects than counters, the object is first divided by the key whose value tells most of them
//! apart.

use super::eval::Eval;
use super::shape::{ArrayShape, Declared, Members, ObjectShape};
use super::term::{EvalError, TermId};
use std::sync::Arc;

/// The most given objects that counters tell an object from.
const MAX_COUNTED: usize = 16;

impl Eval<'_> {
    /// Arrays whose union is `array`, none of which has a list of arrays to differ from.
    pub fn divide_array(&mut self, array: &Arc<ArrayShape>) -> Result<Vec<Arc<ArrayShape>>, EvalError> {
        if array.differs.is_empty() {
            return Ok(vec![array.clone()]);
        }
        let mut parts = Vec::new();
        let plain = ArrayShape { differs: Vec::new(), ..(**array).clone() };
        // Each group holds an array, the given arrays that agree with it so far, and the number of
        // positions compared.
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

    /// Objects whose union is `object`. A part with a list of objects to differ from has the same
    /// size as all of them.
    pub fn divide_object(&mut self, object: &Arc<ObjectShape>) -> Result<Vec<Arc<ObjectShape>>, EvalError> {
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
                // There is only one object without properties.
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
    ) -> Result<(), EvalError> {
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
                    if let Some(other) = ObjectShape::value_in(pairs, &key)
                        && self.may_agree(other, value)?
                    {
                        same.push(pairs.clone());
                    }
                }
                groups.extend(self.with_key(&object, &key, value, same)?);
            }
        }
        Ok(())
    }

    /// Reports whether two terms of one value each may be the same value, perhaps spelt
    /// differently.
    fn may_agree(&mut self, a: TermId, b: TermId) -> Result<bool, EvalError> {
        let both = self.algebra.and2(a, b);
        Ok(both != TermId::NEVER && !self.is_evidently_never(both)?)
    }

    /// The part of `object` whose `key` has the value `value`, with the list `differs` in place of
    /// its own. A `value` of `never` means that the key is absent.
    fn with_key(
        &mut self,
        object: &ObjectShape,
        key: &Arc<str>,
        value: TermId,
        differs: Vec<Members>,
    ) -> Result<Option<Arc<ObjectShape>>, EvalError> {
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
