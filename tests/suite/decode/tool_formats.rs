//! Detection of the format of calls from chat templates.

use hedgerow::decode::ChatTemplate;
use hedgerow::tags::Preset;

fn detected(template: &str) -> String {
    let template = match ChatTemplate::new(template) {
        Ok(template) => template,
        Err(error) => return format!("error: {error}"),
    };
    let variables = [("bos_token", "<s>"), ("eos_token", "</s>")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.into())).into_iter().collect();
    let found = template.detect_tool_format(&variables);
    match (found.preset, found.fault) {
        (Some(preset), _) => preset.name().to_owned(),
        (None, Some(fault)) if found.written.is_empty() => format!("no answer: {fault}"),
        (None, _) if found.written.is_empty() => "writes no calls".to_owned(),
        (None, _) => {
            let shown: String = found.written.chars().take(60).collect();
            format!("unknown: {}", shown.replace('\n', "\\n"))
        }
    }
}

#[test]
fn templates_are_detected_by_what_they_write() {
    let around = |call: &str| {
        format!(
            "{{% for m in messages %}}<|{{{{ m.role }}}}|>{{{{ m.content }}}}{{% for c in m.tool_calls %}}{call}{{% endfor %}}{{% endfor %}}"
        )
    };
    let json = r#"{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}"#;
    let table = [
        (
            around(&format!(
                "{{% if not loop.first %}}\n{{% endif %}}{{{{ '' }}}}<tool_call>\n{json}\n</tool_call>"
            )),
            "reka",
        ),
        (around(&format!("<tool_call>\n{json}\n</tool_call>{{{{ '' if loop.last else '\\n' }}}}")), "hermes"),
        (around("[TOOL_CALLS]{{ c.function.name }}[ARGS]{{ c.function.arguments | tojson }}"), "mistral"),
        (around("<call {{ c.function.name }}>"), "unknown: <|assistant|><call first_tool><call second_tool>"),
        (around(""), "writes no calls"),
        ("{{ raise_exception('no') }}".to_owned(), "no answer: the chat template refuses these messages: no"),
    ];
    for (template, expected) in table {
        assert_eq!(detected(&template), expected, "{template}");
    }
}

mod needs_templates {
    use super::*;

    /// Every template of a folder with the preset that is found for it, as a table.
    #[test]
    #[ignore = "needs chat templates: make bench-deps"]
    fn templates_of_models_are_detected() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let files = std::fs::read_dir(root.join(".deps/chat-templates")).unwrap();
        let mut files: Vec<_> = files.flatten().map(|file| file.path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "jinja"));
        files.sort();
        let mut table = String::new();
        for path in &files {
            let name = path.file_stem().unwrap().to_string_lossy();
            let found = detected(&std::fs::read_to_string(path).unwrap());
            table.push_str(&format!("{name}: {found}\n"));
        }
        insta::assert_snapshot!("tool_formats_of_templates", table);
        for preset in Preset::all().iter().filter(|preset| preset.is_verified()) {
            let is_found = table.lines().any(|line| line.ends_with(&format!(": {preset}")));
            assert!(is_found, "no template is found to write {preset}");
        }
    }
}
