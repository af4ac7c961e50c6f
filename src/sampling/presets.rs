//! Settings with names: five presets by mood, ten recipes by task.

use super::params::SamplingParams;

/// A named setting. All other parameters are off.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Preset {
    /// The name, lower case with hyphens.
    pub name: &'static str,
    /// Temperature.
    pub temperature: f32,
    /// Nucleus mass.
    pub top_p: f32,
    /// Frequency penalty.
    pub frequency_penalty: f32,
}

const fn preset(name: &'static str, temperature: f32, top_p: f32, frequency_penalty: f32) -> Preset {
    Preset { name, temperature, top_p, frequency_penalty }
}

/// Presets by mood.
pub const PRESETS: [Preset; 5] = [
    preset("factual", 0.0, 1.0, 0.0),
    preset("code-gen", 0.2, 0.95, 0.0),
    preset("balanced", 0.7, 0.9, 0.0),
    preset("creative", 1.0, 0.95, 0.0),
    preset("brainstorm", 1.2, 0.95, 0.0),
];

/// Recipes by task.
pub const RECIPES: [Preset; 10] = [
    preset("factual-qa", 0.0, 1.0, 0.0),
    preset("code-generation", 0.2, 0.95, 0.0),
    preset("code-review", 0.3, 0.95, 0.0),
    preset("chat", 0.7, 0.9, 0.3),
    preset("creative-writing", 0.9, 0.95, 0.5),
    preset("brainstorming", 1.2, 0.95, 0.7),
    preset("translation", 0.3, 0.9, 0.0),
    preset("summarisation", 0.3, 0.9, 0.0),
    preset("data-extraction", 0.0, 1.0, 0.0),
    preset("classification", 0.0, 1.0, 0.0),
];

impl Preset {
    /// The preset or recipe of a name; case, and `_` or a space for `-`, make no difference.
    ///
    /// ```
    /// use hedgerow::sampling::presets::Preset;
    /// assert_eq!(Preset::by_name("CODE_GEN").map(|p| p.temperature), Some(0.2));
    /// assert_eq!(Preset::by_name("nonesuch"), None);
    /// ```
    pub fn by_name(name: &str) -> Option<Preset> {
        let name = name.trim().to_ascii_lowercase().replace(['_', ' '], "-");
        PRESETS.iter().chain(&RECIPES).copied().find(|p| p.name == name)
    }

    /// The setting as parameters.
    pub fn params(&self) -> SamplingParams {
        SamplingParams::default()
            .temperature(self.temperature)
            .top_p(self.top_p)
            .frequency_penalty(self.frequency_penalty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_found_by_its_name_and_valid() {
        for preset in PRESETS.iter().chain(&RECIPES) {
            assert_eq!(Preset::by_name(preset.name), Some(*preset));
            assert_eq!(Preset::by_name(&preset.name.to_uppercase().replace('-', "_")), Some(*preset));
            assert_eq!(preset.params().validate(), Ok(()));
        }
    }
}
