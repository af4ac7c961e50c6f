//! Tables of fields: an API's names for parameters of the sampler, and the numbers it allows.

use super::{Fields, Json};
use crate::sampling::value::Bounds;
use crate::sampling::{SamplingError, SamplingParams};

/// A field of an API that is a parameter of the sampler.
pub(super) struct FieldRow {
    pub field: &'static str,
    pub parameter: &'static str,
    pub bounds: Bounds,
    /// Sets the parameter to a value in JSON.
    pub set: fn(&mut SamplingParams, &Json, Bounds) -> Result<(), String>,
}

/// Declares a table. A row has the API's name of a field, the name of the parameter, and for
/// numbers the least and the greatest that the API allows: `"max_new_tokens" => max_tokens, 1.0,
/// ANY`.
macro_rules! rows {
    ($($field:literal => $parameter:ident $(, $low:expr, $high:expr)?;)*) => {
        &[$($crate::sampling::parameter_sets::row::FieldRow {
            field: $field,
            parameter: stringify!($parameter),
            bounds: $crate::sampling::parameter_sets::row::bounds(&[$($low, $high)?]),
            set: |params, json, bounds| {
                params.$parameter = $crate::sampling::value::Value::from_json(json, bounds)?;
                Ok(())
            },
        }),*]
    };
}
pub(super) use rows;

/// The greatest number, where an API names none.
pub(super) const ANY: f64 = f64::INFINITY;

/// The bounds that a row gives; without them, all numbers.
pub(super) const fn bounds(given: &[f64]) -> Bounds {
    match *given {
        [low, high] => Bounds { low, high },
        _ => Bounds { low: f64::NEG_INFINITY, high: ANY },
    }
}

impl Fields<'_> {
    /// Reads the fields of a table that are there. Parameters without a field keep their values.
    pub fn read(&mut self, rows: &[FieldRow], params: &mut SamplingParams) -> Result<(), SamplingError> {
        rows.iter().try_for_each(|row| match self.take(row.field) {
            None => Ok(()),
            Some(json) => {
                self.parameters.push((row.parameter, row.field));
                (row.set)(params, json, row.bounds).map_err(|reason| self.fault(row.field, reason))
            }
        })
    }
}
