//! The end of a prefix of a sorted order, without sorting: for steps that keep the best tokens up
//! to a mass or a number.
//!
//! A sample of the keys gives a band of keys that probably holds the end. One pass sums the weights
//! above the band and collects the band. The end is then found exactly within the band, by a
//! histogram and a sort of one of its buckets. If the end is not in the band, a histogram of all
//! keys gives the band. So the results are those of a full sort, up to the rounding of 64-bit sums,
//! and the price is O(n) with two light passes.

use super::rank::rank;
use super::simd;
use std::cmp::Reverse;

/// The end of a prefix of the order by falling key, ties by rising id: its last member.
pub(super) struct PrefixEnd {
    pub key: f32,
    pub id: u32,
    /// True if no other candidate is known to have that key.
    is_unique: bool,
}

impl PrefixEnd {
    /// Places of the candidates that have the last member's key. Empty if it is known to be unique.
    pub fn equals<'a>(&self, keys: &[f32], work: &'a mut Work) -> &'a [u32] {
        work.places.clear();
        if !self.is_unique {
            simd::split(keys, None, self.key..self.key.next_up(), &mut work.places);
        }
        &work.places
    }
}

/// Keys, with their ids and weights. Without ids, places serve as ids; without weights, each weight
/// is 1.
#[derive(Clone, Copy)]
pub(super) struct WeightedKeys<'a> {
    pub keys: &'a [f32],
    pub ids: Option<&'a [u32]>,
    pub weights: Option<&'a [f32]>,
}

/// Finds the end of a prefix: a candidate belongs to it while the mass of those before it is below
/// `limit`. The first always belongs to it. `total` is the sum of the weights. Keys of −∞ mark
/// candidates that do not exist.
///
/// A sample of the keys gives the band, as the head of this file describes. If the end is not in
/// the band, a histogram of all keys gives the band.
pub(super) fn prefix_end(list: WeightedKeys<'_>, total: f64, limit: f64, work: &mut Work) -> PrefixEnd {
    let WeightedKeys { keys, weights, .. } = list;
    if keys.len() <= SMALL {
        work.places.clear();
        work.places.extend(0..keys.len() as u32);
        return exact_end(list, 0.0, limit, work).0;
    }
    if keys.len() > 16 * SMALL {
        for (low, high) in sampled_bands(list, total, limit, work).into_iter().flatten() {
            work.places.clear();
            let above = simd::split(keys, weights, low..high, &mut work.places);
            let band: f64 = work.places.iter().map(|&i| weight(weights, i as usize)).sum();
            // Strictly inside, with room for rounding: the first member above the limit must be in
            // the band.
            let slack = 1e-9 * limit;
            if above + slack < limit && above + band > limit + slack && !work.places.is_empty() {
                return band_end(list, above, limit, work);
            }
        }
    }
    if let Some(end) = weights.and_then(|weights| heavy_end(list, weights, total, limit, work)) {
        return end;
    }
    let buckets = Buckets::over(keys);
    let entries = keys.iter().copied().enumerate().map(|(i, key)| (key, weight(weights, i)));
    buckets.fill(entries, &mut work.masses);
    let (cut, before) = crossing_bucket(&work.masses, 0.0, limit);
    // Somewhat wider than the bucket, then exact.
    let (low, high) = buckets.range(cut);
    work.places.clear();
    simd::split(keys, None, low..high, &mut work.places);
    work.places.retain(|&i| buckets.of(keys[i as usize]) == cut);
    exact_end(list, before, limit, work).0
}

/// The end of the prefix, if a few heavy members decide it: the end is at the same member wherever
/// the light members stand.
fn heavy_end(
    list: WeightedKeys<'_>,
    weights: &[f32],
    total: f64,
    limit: f64,
    work: &mut Work,
) -> Option<PrefixEnd> {
    /// The largest number of heavy members. Sorting more of them would not pay.
    const MAX_HEAVY_MEMBERS: usize = 2048;
    let least = 1e-3 * limit.min(total - limit);
    work.places.clear();
    simd::split(weights, None, least as f32..f32::INFINITY, &mut work.places);
    if work.places.is_empty() || work.places.len() > MAX_HEAVY_MEMBERS {
        return None;
    }
    let heavy: f64 = work.places.iter().map(|&i| weights[i as usize] as f64).sum();
    // The light ones' mass, and room for rounding.
    let light = (total - heavy).max(0.0) + 1e-6 * total;
    let (end, reached) = exact_end(WeightedKeys { weights: Some(weights), ..list }, light, limit, work);
    // The heavy members reach the limit with all light members before them. They must also reach it
    // with none.
    (reached - light >= limit).then_some(PrefixEnd { is_unique: false, ..end })
}

/// The first bucket that reaches the limit (or the last that holds anything), and the mass before
/// it.
fn crossing_bucket(masses: &[f64], above: f64, limit: f64) -> (usize, f64) {
    let (mut before, mut reached, mut cut) = (above, above, 0);
    for b in 0..BUCKETS {
        let mass = mass(masses, b);
        if mass > 0.0 {
            (cut, before) = (b, reached);
            reached += mass;
            if reached >= limit {
                break;
            }
        }
    }
    (cut, before)
}

/// The largest number of members that are simply sorted.
const SMALL: usize = 128;
const BUCKETS: usize = 1024;

/// Memory of [`prefix_end`].
#[derive(Debug, Clone, Default)]
pub(super) struct Work {
    masses: Vec<f64>,
    places: Vec<u32>,
    members: Vec<(u64, f32, f32)>,
}

fn weight(weights: Option<&[f32]>, i: usize) -> f64 {
    weights.map_or(1.0, |w| w[i] as f64)
}

/// Equal intervals between the largest key and the smallest. Any monotone map from keys to buckets
/// would be right.
struct Buckets {
    high: f32,
    scale: f32,
}

impl Buckets {
    fn over(keys: &[f32]) -> Self {
        let (mut low, high) = simd::extent(keys);
        if low == f32::NEG_INFINITY {
            // Whatever lies further down shares the last bucket.
            low = high - 64.0;
        }
        let scale = (BUCKETS - 1) as f32 / (high - low).max(f32::MIN_POSITIVE);
        Buckets { high, scale: if scale.is_finite() { scale } else { 0.0 } }
    }

    /// The bucket of a key. The cast turns NaN, which 0 · ∞ gives, into bucket 0.
    fn of(&self, key: f32) -> usize {
        (((self.high - key) * self.scale) as u32 as usize).min(BUCKETS - 1)
    }

    /// An interval [low, high) that holds every key of bucket `b`, and few others.
    ///
    /// The edges are 64-bit numbers rounded to the nearest key. Rounding keeps order, so the
    /// rounded upper edge may equal the largest key of the bucket, as it does where buckets are
    /// narrower than the distance of neighbouring keys. The interval therefore ends one key higher.
    fn range(&self, b: usize) -> (f32, f32) {
        let edge = |b: f64| (self.high as f64 - b / self.scale as f64) as f32;
        if self.scale == 0.0 {
            return (f32::NEG_INFINITY, f32::INFINITY);
        }
        let low = if b + 1 >= BUCKETS { f32::NEG_INFINITY } else { edge(b as f64 + 1.1) };
        (low, if b == 0 { f32::INFINITY } else { edge(b as f64 - 0.1).next_up() })
    }

    /// Sums the weights of each bucket. Four histograms take turns, so that successive entries in
    /// one bucket do not wait for each other's addition.
    fn fill(&self, entries: impl Iterator<Item = (f32, f64)>, masses: &mut Vec<f64>) {
        masses.clear();
        masses.resize(4 * BUCKETS, 0.0);
        for (i, (key, weight)) in entries.enumerate() {
            masses[i % 4 * BUCKETS + self.of(key)] += weight;
        }
    }
}

fn mass(masses: &[f64], b: usize) -> f64 {
    masses[b] + masses[BUCKETS + b] + masses[2 * BUCKETS + b] + masses[3 * BUCKETS + b]
}

/// Estimates two intervals of keys that hold the end of the prefix, a narrow and a wide one, from
/// one key in 32.
///
/// The estimate uses the mass that is left out. It consists of many light tokens, which a sample
/// represents well. The kept mass may be a few heavy tokens.
fn sampled_bands(
    WeightedKeys { keys, weights, .. }: WeightedKeys<'_>,
    total: f64,
    limit: f64,
    work: &mut Work,
) -> [Option<(f32, f32)>; 2] {
    const STRIDE: usize = 32;
    let left_out = total - limit;
    if left_out <= 0.0 {
        return [None; 2];
    }
    let buckets = Buckets::over(keys);
    let sample = keys.iter().copied().enumerate().step_by(STRIDE);
    buckets.fill(sample.map(|(i, key)| (key, weight(weights, i) * STRIDE as f64)), &mut work.masses);
    // Factors by which the sample may misjudge the mass that is left out.
    [(0.93, 1.07), (0.75, 1.35)].map(|(less, more)| {
        let mut below = 0.0;
        let (mut last, mut first) = (None, 0);
        for b in (0..BUCKETS).rev() {
            below += mass(&work.masses, b);
            if last.is_none() && below >= less * left_out {
                last = Some(b);
            }
            if below >= more * left_out {
                first = b;
                break;
            }
        }
        let low = buckets.range((last? + 1).min(BUCKETS - 1)).0;
        Some((low, buckets.range(first.saturating_sub(1)).1))
    })
}

/// The end of the prefix inside the band that `work.places` names, with the mass above it.
fn band_end(list: WeightedKeys<'_>, above: f64, limit: f64, work: &mut Work) -> PrefixEnd {
    let WeightedKeys { keys, weights, .. } = list;
    if work.places.len() <= SMALL {
        return exact_end(list, above, limit, work).0;
    }
    let band: Vec<f32> = work.places.iter().map(|&i| keys[i as usize]).collect();
    let buckets = Buckets::over(&band);
    let entries = work.places.iter().map(|&i| (keys[i as usize], weight(weights, i as usize)));
    buckets.fill(entries, &mut work.masses);
    let (cut, before) = crossing_bucket(&work.masses, above, limit);
    work.places.retain(|&i| buckets.of(keys[i as usize]) == cut);
    exact_end(list, before, limit, work).0
}

/// Sorts the members that `work.places` lists and adds their weights to `before` until the limit is
/// reached. Returns the last member of the prefix, and the mass up to and including it.
fn exact_end(
    WeightedKeys { keys, ids, weights }: WeightedKeys<'_>,
    mut before: f64,
    limit: f64,
    work: &mut Work,
) -> (PrefixEnd, f64) {
    let Work { places, members, .. } = work;
    members.clear();
    members.extend(places.iter().map(|&i| {
        let i = i as usize;
        (rank(keys[i], ids.map_or(i as u32, |ids| ids[i])), weight(weights, i) as f32, keys[i])
    }));
    members.sort_unstable_by_key(|m| Reverse(m.0));
    let mut last = members.first().map_or((u64::MAX, 0.0, f32::NEG_INFINITY), |m| *m);
    for &member in members.iter() {
        if before >= limit {
            break;
        }
        last = member;
        before += member.1 as f64;
    }
    let is_unique = members.iter().filter(|m| m.2 == last.2).count() == 1;
    (PrefixEnd { key: last.2, id: !(last.0 as u32), is_unique }, before)
}
