//! The distribution before and after each step of a chain, as an SVG picture.
//!
//! The picture has one panel for each step, and one for the whole chain. A panel's horizontal axis
//! is the rank of a token by its probability before the step, its vertical axis is the probability;
//! both are logarithmic. The grey area is the distribution before the step, and a dot is the
//! probability of a token after it, so that a token without a dot was dropped. If several tokens
//! share a column of pixels, the largest and the smallest of their values are drawn, which keeps a
//! picture of 100,000 tokens as small as one of 1,000.

use std::collections::HashMap;
use std::fmt::Write;

use super::{StageResult, mass_in};
use hedgerow::vocab::TokenId;

/// Size of a panel's plotting area and of the margins around it, in pixels.
const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 170.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 18.0;
const ABOVE: f64 = 34.0;
const BELOW: f64 = 46.0;
/// Height of the picture's title and legend.
const HEAD: f64 = 56.0;
const COLUMNS: usize = 2;
/// The lowest probability that the vertical axis may reach. Smaller probabilities are drawn at its
/// lower edge. If all probabilities of the row are larger, the axis begins higher.
const MIN_PROBABILITY: f64 = 1e-10;

/// Draws the effect of every step. `stages` begins with the distribution of the row itself.
pub(super) fn draw_chain(title: &str, stages: &[StageResult]) -> String {
    let panels = make_panels(stages);
    let rows = panels.len().div_ceil(COLUMNS);
    let columns = panels.len().min(COLUMNS);
    let (across, down) = (LEFT + WIDTH + RIGHT, ABOVE + HEIGHT + BELOW);
    let (width, height) = (across * columns.max(1) as f64, HEAD + down * rows as f64);
    let mut svg = String::new();
    let smallest = stages.first().and_then(|stage| stage.kept.last()).map_or(1.0, |entry| f64::from(entry.1));
    let floor = 10f64.powf(smallest.clamp(MIN_PROBABILITY, 1e-2).log10().floor());
    // Writing to a string does not fail.
    let _ = write!(
        svg,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" font-family="sans-serif" font-size="11">
<title>Sampling chain on {title}</title>
<rect width="100%" height="100%" fill="#fff"/>
<text x="{LEFT}" y="22" font-size="15">Sampling chain on {title}</text>
<rect x="{LEFT}" y="33" width="14" height="10" fill="#cfd4da"/><text x="{a}" y="42">before the step</text>
<circle cx="{b}" cy="38" r="2.5" fill="#1863b5"/><text x="{c}" y="42">after the step; grey without a dot: dropped</text>
"##,
        title = escape_xml(title),
        a = LEFT + 20.0,
        b = LEFT + 127.0,
        c = LEFT + 135.0,
    );
    for (at, panel) in panels.iter().enumerate() {
        let (x, y) = ((at % COLUMNS) as f64 * across + LEFT, (at / COLUMNS) as f64 * down + HEAD + ABOVE);
        let _ = write!(svg, "<g transform=\"translate({x} {y})\">\n{}</g>\n", panel.draw(floor));
    }
    svg + "</svg>\n"
}

/// One panel of the picture: the distributions before and after a step.
struct Panel<'a> {
    title: String,
    before: &'a [(TokenId, f32)],
    after: &'a [(TokenId, f32)],
}

impl<'a> Panel<'a> {
    /// Makes the panel of a step. `mass` is the probability that the kept tokens had before it.
    fn new(name: &str, before: &'a StageResult, after: &'a StageResult, mass: f64) -> Self {
        let title = format!("{name}: {} of {} tokens, mass {mass:.4}", after.kept.len(), before.kept.len());
        Panel { title, before: &before.kept, after: &after.kept }
    }
}

/// Makes a panel for each step, and one for the whole chain.
fn make_panels(stages: &[StageResult]) -> Vec<Panel<'_>> {
    let steps = stages.windows(2).map(|pair| Panel::new(pair[1].name, &pair[0], &pair[1], pair[1].mass));
    let mut panels: Vec<_> = steps.collect();
    match stages {
        [only] => panels.push(Panel::new(only.name, only, only, 1.0)),
        [first, _, .., last] => {
            panels.push(Panel::new("whole chain", first, last, mass_in(&last.kept, &first.distribution())));
        }
        _ => {}
    }
    panels
}

impl Panel<'_> {
    /// Draws the panel. `floor` is the lowest probability of the vertical axis.
    fn draw(&self, floor: f64) -> String {
        let count = self.before.len();
        let x = |rank: usize| match count {
            1 => WIDTH / 2.0,
            _ => WIDTH * (rank as f64).ln() / (count as f64).ln(),
        };
        let y = |p: f64| HEIGHT * p.max(floor).log10() / floor.log10();
        let mut svg = format!("<text y=\"-10\" font-size=\"13\">{}</text>\n", escape_xml(&self.title));
        svg += &draw_grid(count, floor, x, y);

        let mut area = format!("M{:.1} {HEIGHT}", x(1));
        for (column, (most, _)) in pixel_columns(self.before.iter().map(|entry| Some(entry.1)), x) {
            let _ = write!(area, "L{column:.1} {:.1}", y(most));
        }
        let _ = writeln!(
            svg,
            "<path d=\"{area}L{:.1} {HEIGHT}Z\" fill=\"#cfd4da\" stroke=\"#cfd4da\" stroke-width=\"2\"/>",
            x(count)
        );

        let distribution: HashMap<TokenId, f32> = self.after.iter().copied().collect();
        let mut dots = String::new();
        for (column, (most, least)) in
            pixel_columns(self.before.iter().map(|entry| distribution.get(&entry.0).copied()), x)
        {
            let _ = write!(dots, "M{column:.1} {:.1}V{:.1}", y(most), y(least));
        }
        let _ = writeln!(
            svg,
            "<path d=\"{dots}\" stroke=\"#1863b5\" stroke-width=\"3\" stroke-linecap=\"round\" fill=\"none\"/>"
        );
        svg
    }
}

/// Finds the largest and the smallest probability in each column of pixels, with the column's
/// place.
fn pixel_columns(
    distribution: impl Iterator<Item = Option<f32>>,
    x: impl Fn(usize) -> f64,
) -> impl Iterator<Item = (f64, (f64, f64))> {
    let mut columns: Vec<(f64, (f64, f64))> = Vec::new();
    for (at, p) in distribution.enumerate() {
        let Some(p) = p.map(f64::from) else { continue };
        let place = x(at + 1);
        match columns.last_mut() {
            Some((last, (most, least))) if place - *last < 1.0 => {
                (*most, *least) = (most.max(p), least.min(p));
            }
            _ => columns.push((place, (p, p))),
        }
    }
    columns.into_iter()
}

/// Draws the axes with their titles, and lines at the powers of ten.
fn draw_grid(count: usize, floor: f64, x: impl Fn(usize) -> f64, y: impl Fn(f64) -> f64) -> String {
    let mut svg = String::from("<g stroke=\"#e3e6ea\">\n");
    let mut labels = String::from("<g fill=\"#444\">\n");
    let decades = -floor.log10().round() as i32;
    for decade in 0..=decades {
        let at = y(10f64.powi(-decade));
        let _ = writeln!(svg, "<path d=\"M0 {at:.1}H{WIDTH}\"/>");
        if decades <= 5 || decade % 2 == 0 {
            let label = if decade < 4 { format!("{}", 10f64.powi(-decade)) } else { format!("1e-{decade}") };
            let _ =
                writeln!(labels, "<text x=\"-6\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", at + 4.0);
        }
    }
    for rank in std::iter::successors(Some(1usize), |rank| rank.checked_mul(10)).take_while(|&r| r <= count) {
        let at = x(rank);
        let _ = writeln!(svg, "<path d=\"M{at:.1} 0V{HEIGHT}\"/>");
        let label = if rank < 10_000 { rank.to_string() } else { format!("{}k", rank / 1000) };
        let _ = writeln!(
            labels,
            "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
            HEIGHT + 15.0
        );
    }
    let _ = writeln!(
        labels,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">rank before the step</text>",
        WIDTH / 2.0,
        HEIGHT + 32.0
    );
    let _ = writeln!(
        labels,
        "<text transform=\"translate(-46 {}) rotate(-90)\" text-anchor=\"middle\">probability</text>",
        HEIGHT / 2.0
    );
    let _ = writeln!(svg, "<path d=\"M0 0V{HEIGHT}H{WIDTH}\" stroke=\"#444\" fill=\"none\"/>\n</g>");
    svg + &labels + "</g>\n"
}

/// Escapes text for XML. Characters that XML forbids are left out.
fn escape_xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(name: &'static str, kept: &[(u32, f32)], mass: f64) -> StageResult {
        StageResult { name, kept: kept.iter().map(|&(id, p)| (TokenId(id), p)).collect(), mass }
    }

    #[test]
    fn one_panel_a_step_and_one_for_the_chain() {
        let row = stage("logits", &[(4, 0.5), (2, 0.3), (0, 0.2)], 1.0);
        let cut = stage("top-k", &[(4, 0.625), (2, 0.375)], 0.8);
        let end = stage("min-p", &[(4, 1.0)], 0.625);
        let svg = draw_chain("a <b> & c", &[row, cut, end]);
        assert_eq!(svg.matches("<g transform").count(), 3);
        for expected in [
            "Sampling chain on a &lt;b&gt; &amp; c</text>",
            "top-k: 2 of 3 tokens, mass 0.8000",
            "min-p: 1 of 2 tokens, mass 0.6250",
            "whole chain: 1 of 3 tokens, mass 0.5000",
        ] {
            assert!(svg.contains(expected), "{expected}: {svg}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn extreme_distributions_stay_in_the_panel() {
        let single = draw_chain("x", &[stage("logits", &[(4, 1.0)], 1.0)]);
        assert_eq!(single.matches("<g transform").count(), 1);
        let far =
            [stage("logits", &[(0, 1.0), (1, 0.0)], 1.0), stage("temperature", &[(0, 1.0), (1, 1e-38)], 1.0)];
        for svg in [single, draw_chain("x", &far)] {
            assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains("-1e"), "{svg}");
        }
    }

    #[test]
    fn large_rows_make_small_pictures() {
        let kept: Vec<(u32, f32)> = (0..100_000).map(|i| (i, 1e-5)).collect();
        let svg = draw_chain("x", &[stage("logits", &kept, 1.0), stage("temperature", &kept, 1.0)]);
        assert!(svg.len() < 40_000, "{}", svg.len());
    }
}
