//! Tools: `hr_tool_options`, grammars of replies that call tools, and the detection of the format
//! of calls.
//!
//! Unsafe code: the struct promises [`Versioned`], and its texts are the caller's; see
//! [`boundary`].
#![allow(unsafe_code)]

use super::boundary::{self, CallError};
use super::enumeration::enumeration;
use super::error::hr_error;
use super::grammar::{self, SourceText, hr_grammar};
use super::interrupt::hr_interrupt;
use super::options::{self, Versioned};
use super::status::hr_status;
use super::vocab::hr_text;
use crate::tags::{Preset, Reasoning, ToolChoice, ToolOptions, Tools};
use std::ffi::c_char;

enumeration! {
    /// The reasoning before an answer.
    hr_reasoning for Reasoning {
        /// The reply continues the prompt, whose end is prompt_end. If the prompt has begun to
        /// reason, the reply first ends that. If it has not, the model may reason.
        HR_REASONING_AS_PROMPT = 0 => Reasoning::AsPrompt,
        /// The model does not reason.
        HR_REASONING_FORBID = 1 => Reasoning::Forbid,
        /// The model reasons.
        HR_REASONING_REQUIRE = 2 => Reasoning::Require,
    }
}

/// Options for replies that call tools. Initialise them with hr_tool_options_init(), then change
/// some of them. Pointers are needed only until the grammar is made.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hr_tool_options {
    /// Set by hr_tool_options_init().
    pub struct_size: usize,
    /// The calls of a reply: "auto", "none", "required", a tool's name, or a tool_choice of a chat
    /// API as JSON. Default "auto".
    pub tool_choice: hr_text,
    /// Largest number of calls in one reply; 0 for none. Default 32.
    pub max_calls: u32,
    /// The reasoning before an answer. Default HR_REASONING_AS_PROMPT.
    pub reasoning: hr_reasoning,
    /// The text that the prompt has after the header of the assistant's message. Default empty.
    pub prompt_end: hr_text,
    /// A JSON Schema of answers without calls. Default empty: such an answer is free text.
    pub response_schema: hr_text,
}

// The members are numbers, raw pointers and structs of them.
unsafe impl Versioned for hr_tool_options {
    fn set_defaults(&mut self) {
        self.tool_choice = hr_text::lend("auto");
        self.max_calls = ToolOptions::default().calls;
    }
}

impl hr_tool_options {
    /// The library's options. Relies on each text being as long as its length says.
    unsafe fn to_options(self) -> Result<ToolOptions, CallError> {
        let (choice, prompt_end, response) = unsafe {
            (
                self.tool_choice.get("tool_choice")?,
                self.prompt_end.get("prompt_end")?,
                self.response_schema.get("response_schema")?,
            )
        };
        let choice: ToolChoice = choice.parse()?;
        let options = ToolOptions::default()
            .choice(choice)
            .calls(self.max_calls)
            .reasoning(self.reasoning.get("reasoning")?)
            .prompt_end(prompt_end);
        Ok(if response.is_empty() { options } else { options.response(response) })
    }
}

/// Writes the defaults into a struct of struct_size bytes; NULL is ignored. hr_tool_options_init()
/// passes the size that the struct has in this header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_tool_options_init_sized(options: *mut hr_tool_options, struct_size: usize) {
    unsafe { options::init(options, struct_size) }
}

/// Reads the parameter `format`: the name of a preset, or a preset in JSON.
fn read_preset(format: &str) -> Result<Preset, CallError> {
    Ok(match format.trim_start().starts_with('{') {
        true => Preset::from_json(format)?,
        false => Preset::named(format)?,
    })
}

/// The grammar of replies that call tools. tools is a list in JSON, as chat APIs take it. format is
/// the name of a format of calls, such as "hermes", or such a format in JSON; docs/tools.md lists
/// the formats. options may be NULL for the defaults, interrupt may be NULL. hr_grammar_warning()
/// tells the parts of the tools' schemas that have no effect.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_grammar_from_tools(
    tools: *const c_char,
    tools_len: usize,
    format: hr_text,
    options: *const hr_tool_options,
    interrupt: *const hr_interrupt,
    out: *mut *mut hr_grammar,
    error: *mut *mut hr_error,
) -> hr_status {
    let source = SourceText { name: "tools", text: tools, len: tools_len };
    let compile = |tools: &str| {
        let (options, format) =
            unsafe { (options::read(options, "options")?.to_options()?, format.get("format")?) };
        Ok(Tools::from_json(tools)?.grammar_with_warnings(&read_preset(format)?, &options)?)
    };
    unsafe { grammar::create_from_text(source, interrupt, out, error, compile) }
}

/// Finds the format in which a model writes calls. The model's chat template renders an answer with
/// calls, and the format is the one that renders the same text. name becomes the format's name; it
/// is not NUL-terminated and lives as long as the program. Of several templates of a model, the one
/// named tool_use counts if there is one.
///
/// Fails with HR_ERROR_GRAMMAR if the text is not a chat template, or if no format renders the same
/// text, and with HR_ERROR_INVALID_ARGUMENT in a library that was built without the feature
/// "decode".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_preset_detect(
    chat_template: *const c_char,
    chat_template_len: usize,
    name: *mut hr_text,
    error: *mut *mut hr_error,
) -> hr_status {
    let body = || unsafe {
        let template = boundary::text(chat_template, chat_template_len, "chat_template")?;
        let found = detect_preset(template)?;
        boundary::write_if_not_null(name, hr_text::lend(found));
        Ok(())
    };
    unsafe { boundary::return_status(error, body) }
}

/// The name of the preset that renders calls as the chat template does.
#[cfg(feature = "decode")]
fn detect_preset(template: &str) -> Result<&'static str, CallError> {
    use crate::decode::{ChatTemplate, ChatTemplateError};
    let failed = |error: &ChatTemplateError| CallError::from_error(hr_status::HR_ERROR_GRAMMAR, error);
    let template = ChatTemplate::new(template).map_err(|error| failed(&error))?;
    let found = template.detect_tool_format(&Default::default());
    let known = |preset: Preset| Preset::all().iter().find(|other| **other == preset);
    match found.preset.and_then(known) {
        Some(preset) => Ok(preset.name()),
        None => {
            Err(CallError::new(hr_status::HR_ERROR_GRAMMAR, "the chat template proves no format of calls"))
        }
    }
}

/// Refuses the call, because chat templates need the feature `decode`.
#[cfg(not(feature = "decode"))]
fn detect_preset(_template: &str) -> Result<&'static str, CallError> {
    Err(CallError::invalid_argument("this library was built without the feature \"decode\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_the_librarys() {
        hr_reasoning::check_names();
        let options = unsafe { hr_tool_options::defaults().to_options() };
        assert!(options.is_ok_and(|options| options == ToolOptions::default()));
    }
}
