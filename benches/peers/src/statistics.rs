//! Averages and percentiles, and tables of them.

use serde_json::{Map, Value, json};

/// Declares counters that are reported by name.
macro_rules! counts {
    ($name:ident { $($count:ident,)+ }) => {
        #[derive(Default, Clone)]
        struct $name {
            $($count: usize,)+
        }

        impl $name {
            fn named(&self) -> [(&'static str, usize); [$(stringify!($count)),+].len()] {
                [$((stringify!($count), self.$count)),+]
            }
        }
    };
}
pub(crate) use counts;

/// The percentiles that MaskBench prints, with their names in the JSON output.
pub const PERCENTILES: [(&str, f64); 8] = [
    ("p25", 0.25),
    ("p50", 0.5),
    ("p75", 0.75),
    ("p90", 0.9),
    ("p95", 0.95),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("p100", 1.0),
];

/// Average and percentiles of durations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Number of durations.
    pub count: usize,
    /// Their average in microseconds.
    pub avg: f64,
    /// Their percentiles in microseconds, in the order of [`PERCENTILES`].
    pub percentiles: [f64; 8],
}

impl Summary {
    /// The summary of durations in nanoseconds. The percentile `p` of `n` sorted durations is the
    /// one at index `⌊n·p⌋`, as in MaskBench, or the last.
    pub fn of(mut nanoseconds: Vec<u64>) -> Self {
        nanoseconds.sort_unstable();
        let count = nanoseconds.len();
        if count == 0 {
            return Summary::default();
        }
        let sum: u128 = nanoseconds.iter().map(|&ns| u128::from(ns)).sum();
        let at = |p: f64| nanoseconds[((count as f64 * p) as usize).min(count - 1)] as f64 / 1e3;
        Summary { count, avg: sum as f64 / count as f64 / 1e3, percentiles: PERCENTILES.map(|(_, p)| at(p)) }
    }

    /// The figures by name: `avg`, then the percentiles.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, f64)> + '_ {
        let percentiles = PERCENTILES.iter().zip(self.percentiles).map(|(&(name, _), value)| (name, value));
        std::iter::once(("avg", self.avg)).chain(percentiles)
    }

    /// The figures as a JSON object, in microseconds.
    pub fn to_json(&self) -> Value {
        self.named()
            .map(|(name, value)| (name.to_owned(), json!(rounded(value))))
            .collect::<Map<_, _>>()
            .into()
    }

    /// The factor by which each of this summary's figures is smaller than `base`'s.
    pub fn speedup_over(&self, base: &Summary) -> Vec<(&'static str, f64)> {
        self.named().zip(base.named()).map(|((name, own), (_, base))| (name, base / own)).collect()
    }
}

/// The value rounded to six significant digits; more would be noise.
pub fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let scale = 10f64.powi(5 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

/// The value as text for people, with about three digits.
pub fn shown(value: f64) -> String {
    match value.abs() {
        v if !v.is_finite() => "-".to_owned(),
        v if v >= 1e4 => {
            let digits = format!("{v:.0}");
            let mut grouped = String::new();
            for (i, digit) in digits.chars().enumerate() {
                if i > 0 && (digits.len() - i).is_multiple_of(3) {
                    grouped.push(',');
                }
                grouped.push(digit);
            }
            grouped
        }
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v if v >= 1.0 => format!("{v:.2}"),
        v => format!("{v:.3}"),
    }
}

/// A table with aligned columns: the first to the left, the others to the right.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with this head.
    pub fn new<S: Into<String>>(head: impl IntoIterator<Item = S>) -> Self {
        Table { rows: vec![head.into_iter().map(Into::into).collect()] }
    }

    /// Adds a row.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Prints the table.
    pub fn print(&self) {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (i, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                if i == 0 {
                    line.push_str(&format!("{cell:<width$}"));
                } else {
                    line.push_str(&format!("  {cell:>width$}"));
                }
            }
            println!("{}", line.trim_end());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_maskbenchs() {
        let summary = Summary::of((1..=1_000).rev().map(|n| n * 1_000).collect());
        assert_eq!((summary.count, summary.avg), (1_000, 500.5));
        assert_eq!(summary.percentiles, [251.0, 501.0, 751.0, 901.0, 951.0, 991.0, 1_000.0, 1_000.0]);
        assert_eq!(Summary::of(vec![]), Summary::default());
        let twice = Summary::of((1..=1_000).map(|n| n * 2_000).collect());
        assert!(summary.speedup_over(&twice).iter().all(|&(_, ratio)| ratio == 2.0));
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in
            [(1234567.8, "1,234,568"), (345.6, "346"), (34.56, "34.6"), (3.456, "3.46"), (0.3456, "0.346")]
        {
            assert_eq!(shown(value), text);
        }
        assert_eq!(rounded(1234567.8), 1234570.0);
    }
}
