//! Generation in one expression, over a model of the caller's with a tokenizer of the caller's.

use super::fake::*;
use hedgerow::Constraint;
use hedgerow::decode::{
    ChatInput, ChatTemplate, ChatTemplates, FinishReason, Generate, GenerateError, Message, Prompt,
    PromptEncoder, PromptError, TextModel,
};
use hedgerow::sampling::parameter_sets::ParameterSet;
use hedgerow::sampling::{SamplingError, SamplingParams};
use hedgerow::vocab::{TokenId, Vocabulary, VocabularyError};
use serde_json::{Map, Value, json};
use std::ops::ControlFlow;

/// A fake model with the vocabulary's own tokenizer, and a chat template or none.
struct Talker {
    fake: Fake,
    templates: ChatTemplates,
    /// The model's `generation_config.json`.
    recommended: &'static str,
    /// The variables of templates that the model sets.
    own: Value,
}

impl TextModel for Talker {
    type Model = Fake;

    fn language_model(&self) -> &Fake {
        &self.fake
    }

    fn default_sampling(&self) -> Result<SamplingParams, SamplingError> {
        ParameterSet::recommended(self.recommended)
    }
}

impl PromptEncoder for Talker {
    fn vocabulary(&self) -> &Vocabulary {
        &self.fake.vocabulary
    }

    fn encode(&self, text: &str) -> Result<Vec<TokenId>, VocabularyError> {
        Ok(tokens(text.as_bytes()))
    }

    fn encode_prompt(&self, text: &str) -> Result<Vec<TokenId>, VocabularyError> {
        Ok(tokens(format!("^{text}").as_bytes()))
    }

    fn chat_templates(&self) -> &ChatTemplates {
        &self.templates
    }

    fn template_variables(&self) -> Map<String, Value> {
        self.own.as_object().unwrap().clone()
    }
}

const TEMPLATE: &str = "{{ bos_token }}{% for m in messages %}{{ m.role }}:{{ m.content }}{{ eos_token }}\
    {% endfor %}{% if add_generation_prompt %}assistant:{% endif %}";

fn talker(template: Option<&'static str>) -> Talker {
    let templates = template.map(ChatTemplates::new).unwrap_or_default();
    Talker {
        fake: Fake::new(Scores::Hash { eos: 0.0 }),
        templates,
        recommended: r#"{"do_sample": true}"#,
        own: json!({"bos_token": "^"}),
    }
}

/// A template named `tool_use` renders conversations with tools, and no others.
#[test]
fn tools_reach_a_template_of_their_own() {
    let mut model = talker(Some(TEMPLATE));
    let calls = "{% for m in messages %}{{ m.content }}{% for c in m.tool_calls %}[TOOL_CALLS]{{ c.function.name }}\
        [ARGS]{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}{{ tools | length }}{% if \
        add_generation_prompt %}>>{% endif %}";
    model.templates = model.templates.tool_use(calls);
    for (tools, prompt, end) in [
        (vec![], "^user:Hi</s>assistant:", "assistant:"),
        (vec![json!({"type": "function", "function": {"name": "f"}})], "Hi1>>", ">>"),
    ] {
        let mut input = ChatInput::new([Message::new("user", "Hi")]);
        input.tools = tools;
        let input = Prompt::from(input);
        assert_eq!(model.prompt_tokens(&input).unwrap(), tokens(prompt.as_bytes()));
        assert_eq!(model.prompt_end(&input).unwrap(), end);
    }
    let preset = model.tool_format().unwrap().preset.unwrap();
    assert_eq!(preset.name(), "mistral");
    assert_eq!(talker(Some(TEMPLATE)).tool_format().unwrap().preset, None);
}

/// The beginning of the answer is told from the prompt itself, also where no template makes it, or
/// where the template writes more before an answer that goes on than before a new one.
#[test]
fn the_beginning_of_an_answer_is_that_of_the_prompt() {
    let thinks = "{% for m in messages %}{{ m.role }}:{% if loop.last and m.role == 'assistant' %}<think></think>\
        {% endif %}{{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}assistant:<think>{% endif %}";
    let chat = |answer: &str| {
        let json = json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": answer}]);
        Prompt::from(ChatInput::from_json(json).unwrap())
    };
    let alone = ChatInput::from_json(json!([{"role": "assistant", "content": "So"}])).unwrap();
    let raw = "user:a <think>b</s>assistant:<think>c";
    for (prompt, expected) in [
        (Prompt::user("Hi"), "assistant:<think>"),
        (chat("So"), "assistant:<think></think>So"),
        (chat(" "), "assistant:<think>"),
        (Prompt::from(alone), "assistant:<think></think>So"),
        (Prompt::text(raw), "assistant:<think>c"),
        (Prompt::text("a <think>"), "a <think>"),
        (Prompt::from([tokens(b"a"), vec![eos()], tokens(b"<think>")].concat()), "<think>"),
    ] {
        assert_eq!(talker(Some(thinks)).prompt_end(&prompt).unwrap(), expected, "{prompt:?}");
    }
}

/// The model's files say which of several end tokens is the template's `eos_token`.
#[test]
fn variables_of_templates_have_an_order() {
    let mut model = talker(Some("{{ eos_token }}{{ bos_token }}{{ pad_token }}"));
    let text = |model: &Talker, input: ChatInput| {
        ChatTemplate::new(model.templates.default.as_deref().unwrap())
            .unwrap()
            .render(&model.template_input(&input))
            .unwrap()
    };
    let input = || ChatInput::new([Message::new("user", "Hi")]);
    assert_eq!(text(&model, input()), "</s>^");
    assert_eq!(text(&model, input().variable("bos_token", "b").variable("eos_token", "e")), "eb");
    model.own = json!({"eos_token": "<|end|>", "pad_token": "p"});
    assert_eq!(text(&model, input()), "<|end|>p");
}

#[test]
fn prompts_become_tokens() {
    let chat = |answer: &str| {
        let json =
            format!(r#"[{{"role":"user","content":"Hi"}},{{"role":"assistant","content":"{answer}"}}]"#);
        Prompt::from(ChatInput::from_json(serde_json::from_str(&json).unwrap()).unwrap())
    };
    let user = || Prompt::user("Hi");
    for (template, prompt, expected) in [
        (Some(TEMPLATE), Prompt::text("Hi"), Some("^Hi")),
        (Some(TEMPLATE), user(), Some("^user:Hi</s>assistant:")),
        (Some(TEMPLATE), user().system("Be."), Some("^system:Be.</s>user:Hi</s>assistant:")),
        (Some(TEMPLATE), chat("So"), Some("^user:Hi</s>assistant:So")),
        (Some(TEMPLATE), Prompt::from(tokens(b"ab")), Some("ab")),
        (None, user(), Some("^Hi")),
        (None, user().system("Be."), None),
        (None, chat("So"), None),
    ] {
        let found = talker(template).prompt_tokens(&prompt);
        match (found, expected) {
            (Ok(found), Some(expected)) => assert_eq!(found, tokens(expected.as_bytes()), "{prompt:?}"),
            (Err(PromptError::NoTemplate), None) => {}
            (found, _) => panic!("{prompt:?}: {found:?}"),
        }
    }
}

#[test]
fn one_expression_generates() {
    let model = talker(Some(TEMPLATE));
    let schema = r#"{"type": "object", "properties": {"name": {"type": "boolean"}}, "required": ["name"],
        "additionalProperties": false}"#;
    let constraint = || Constraint::json_schema(schema, model.vocabulary()).unwrap();
    let request = || model.generate(Prompt::user("Say so.")).constraint(constraint()).max_tokens(40);
    let mut streamed = String::new();
    let made = request().seed(3).stream(|chunk| streamed.push_str(chunk.text)).run().unwrap();
    assert_eq!(made.text(), streamed);
    assert_eq!(made.completions[0].complete, Some(true));
    assert!(serde_json::from_str::<serde_json::Value>(made.text()).unwrap()["name"].is_boolean());
    let several =
        request().temperature(0.0).completions(3).with(|request| request.logprobs(1)).run().unwrap();
    assert!(several.completions.iter().all(|c| c.logprobs.len() == c.tokens.len()));
    let stopped = request().stream_until(|_| ControlFlow::Break(())).run().unwrap();
    assert_eq!(stopped.completions[0].finish, FinishReason::Cancelled);
    // Faults of the prompt and of the request.
    let conversation = ChatInput::new([Message::new("tool", "7")]);
    let other = talker(None);
    let error = Generate::run(other.generate(conversation)).unwrap_err();
    assert!(matches!(error, GenerateError::Prompt(PromptError::NoTemplate)), "{error}");
    let error = request().max_tokens(2).run().unwrap_err();
    assert!(error.to_string().contains("shortest known output"), "{error}");
}

/// The caller's sampling is above the model's, and a fault of the model's counts where it is used.
#[test]
fn the_models_own_sampling_is_the_default() {
    let mut model = talker(None);
    let text = |model: &Talker| model.generate(Prompt::text("a")).max_tokens(12).seed(5).run();
    let drawn = text(&model).unwrap();
    model.recommended = r#"{"do_sample": true, "top_k": 1, "eos_token_id": 3, "max_length": 5}"#;
    let greedy = model.generate(Prompt::text("a")).sampling(SamplingParams::default().temperature(0.0));
    let greedy = greedy.max_tokens(12).run().unwrap();
    assert_eq!(text(&model).unwrap().text(), greedy.text());
    assert_ne!(drawn.text(), greedy.text());
    model.recommended = r#"{"do_sample": true, "top_p": 7}"#;
    let error = text(&model).unwrap_err();
    assert!(error.to_string().contains("/top_p"), "{error}");
    let replaced = model.generate(Prompt::text("a")).sampling(SamplingParams::default()).max_tokens(12);
    assert!(!replaced.run().unwrap().text().is_empty());
}
