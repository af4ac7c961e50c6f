//! The request of `hedgerow generate`, made and checked before the model's weights are read.

use super::super::command_error::CommandError;
use super::super::constraint::{LoadedConstraint, ends_within, fit_to_vocabulary};
use super::super::model::{
    detect_format, forbid_words, missing_format_error, no_template_error, prompt_error, template_error,
};
use super::super::outcome::{Context, generation_failed};
use super::super::prompt::needs_no_template;
use super::super::sampling::{Chosen, NoTokenLeft, check_lengths, leave_out_length};
use super::super::trace::SHOWN_CANDIDATES;
use super::args::Args;
use super::choose::output_count;
use super::inputs::Inputs;
use hedgerow::decode::{
    ChatTemplate, Prompt, PromptEncoder, PromptError, ReasoningBudget, Request, TokenHealing, check_request,
};
use hedgerow::sampling::{SamplingParams, WatermarkSeeding};
use hedgerow::tags::Tools;
use hedgerow::torch::ModelFiles;
use hedgerow::vocab::TokenId;

/// The request, and what the report of its results needs.
pub(super) struct Prepared {
    pub request: Request,
    pub constraint: Option<LoadedConstraint>,
    /// The name of the source of all parameters without an option.
    pub source: String,
    /// The remedy if options forbid all tokens.
    pub bans: Option<String>,
    /// Number of tokens whose log-probabilities are listed beside each token.
    pub top_logprobs: Option<usize>,
    /// The context that limits outputs.
    pub limit: Context,
}

/// Refuses a watermark that leaves no trace: one with an empty list, or with more tokens for a list
/// than there can be. `prompt` is the number of tokens of the prompt.
fn check_watermark(
    args: &Args,
    files: &ModelFiles,
    chosen: &mut Chosen,
    prompt: usize,
) -> Result<(), CommandError> {
    let Some(watermark) = &chosen.params.watermark else { return Ok(()) };
    let tokens = files.vocabulary().token_count();
    let room = files.context_length().saturating_sub(prompt);
    let most = prompt.saturating_add(chosen.params.max_tokens.map_or(room, |most| most.min(room)));
    let (fault, help) = match watermark.seeding {
        _ if f64::from(watermark.greenlist_ratio) * (tokens as f64) < 1.0 => (
            format!("its list is empty, since its share of {tokens} tokens is less than one"),
            "raise its share, such as 0.25",
        ),
        WatermarkSeeding::SelfHash { context_width } if context_width >= most => (
            format!(
                "its list needs {context_width} tokens before the token that is drawn, and prompt and \
                 output have at most {} there",
                most.saturating_sub(1)
            ),
            "lower the width, or leave it out",
        ),
        _ => return Ok(()),
    };
    let refused = args.sampling.refuse_or_leave_out(chosen, "watermark", &fault);
    write_stderr!("note: {}", refused.map_err(|error| error.help(help))?);
    chosen.params.watermark = None;
    Ok(())
}

/// Refuses a forced end token at a position where the smallest length allows none, and a last token
/// that is the forced first one.
fn check_forced(args: &Args, files: &ModelFiles, chosen: &mut Chosen) -> Result<(), CommandError> {
    let SamplingParams { forced_first, forced_last, min_tokens, max_tokens, .. } = chosen.params;
    if forced_first.and(forced_last).is_some() && max_tokens == Some(1) {
        let fault = "the only token is the first one, which is forced";
        write_stderr!("note: {}", args.sampling.refuse_or_leave_out(chosen, "forced_last", fault)?);
        chosen.params.forced_last = None;
    }
    let ends = |token: Option<TokenId>| {
        token.filter(|token| files.vocabulary().eos().contains(token) || args.stop_tokens.contains(&token.0))
    };
    let of_first = ends(forced_first).filter(|_| min_tokens > 0).map(|token| ("forced_first", token));
    let of_last =
        ends(forced_last).filter(|_| max_tokens == Some(min_tokens)).map(|token| ("forced_last", token));
    let Some((parameter, token)) = of_first.or(of_last) else { return Ok(()) };
    let fault = format!("token {} ends outputs, which have at least {min_tokens} tokens", token.0);
    let refused = args.sampling.refuse_or_leave_out(chosen, parameter, &fault);
    let help = "lower the smallest number of tokens, or force another token";
    write_stderr!("note: {}", refused.map_err(|error| error.help(help))?);
    match parameter {
        "forced_first" => chosen.params.forced_first = None,
        _ => chosen.params.forced_last = None,
    }
    Ok(())
}

/// Builds the request and checks it. Also gives the tokens of the negative prompt.
pub(super) fn prepare_request(
    args: &Args,
    inputs: Inputs,
    files: &ModelFiles,
    amateur: Option<&ModelFiles>,
    is_traced: bool,
) -> Result<(Prepared, Option<Vec<TokenId>>), CommandError> {
    let Inputs { prompt, negative, mut chosen, constraint, tools, .. } = inputs;
    check_template(args, files, &prompt, tools.is_some())?;
    forbid_words(files, &mut chosen);
    let tokens = encode_prompt(args, files, &prompt)?;
    check_watermark(args, files, &mut chosen, tokens.len())?;
    check_forced(args, files, &mut chosen)?;
    let negative = match (&negative, args.strategy.guidance) {
        (Some(prompt), _) => Some(files.prompt_tokens(prompt).map_err(prompt_error)?),
        (None, guidance) => guidance.map(|_| tokens[tokens.len().saturating_sub(1)..].to_vec()),
    };
    let (constraint, reasoning) = constrain_replies(args, files, &prompt, constraint, tools)?;
    let limit = limiting_context(files, amateur, negative.as_deref(), tokens.len());
    let source = chosen.source.clone();
    let what = if constraint.is_some() { "the constraint" } else { "the model" };
    let bans = args.sampling.remedy_of_bans(&chosen, what, NoTokenLeft::AtSomeToken);
    let foreseen_bans = args.sampling.remedy_of_bans(&chosen, what, NoTokenLeft::BeforeTheFirstPass);
    let outputs = output_count(args, &chosen);
    let mut request = build_request(args, chosen, tokens)?.completions(outputs);
    request.reasoning = reasoning;
    let top_logprobs = args.logprobs.or(request.logprobs);
    request.logprobs = match is_traced {
        true => Some(top_logprobs.unwrap_or(0).max(SHOWN_CANDIDATES)),
        false => top_logprobs,
    };
    let fit = |loaded: &LoadedConstraint| {
        fit_to_vocabulary(&loaded.grammar, files.vocabulary(), "the model's vocabulary")
    };
    request.constraint = constraint.as_ref().map(fit).transpose()?;
    check_reasoning(&request)?;
    check_request(&request, files.vocabulary(), files.context_length())
        .map_err(|error| generation_failed(&error, &limit, foreseen_bans))?;
    Ok((Prepared { request, constraint, source, bans, top_logprobs, limit }, negative))
}

/// Prints a note if the prompt is too long for the draft model.
pub(super) fn note_on_draft_context(drafter: &ModelFiles, prompt: usize) {
    let context = drafter.context_length();
    if context <= prompt {
        write_stderr!(
            "note: --draft model guesses nothing: the prompt has {prompt} tokens, and the draft model's \
             context {context}"
        );
    }
}

/// Refuses a limit on reasoning that is not below the limit on the whole output.
fn check_reasoning(request: &Request) -> Result<(), CommandError> {
    match (&request.reasoning, request.sampling.max_tokens) {
        (Some(reasoning), Some(longest)) if reasoning.tokens >= longest => {
            let what = format!(
                "--reasoning-budget {} has no effect: an output has at most {longest} tokens",
                reasoning.tokens
            );
            Err(CommandError::usage(what).help("lower it, or raise --max-tokens"))
        }
        _ => Ok(()),
    }
}

/// Finds the context that limits outputs: that of the model, or the shorter one of the amateur.
fn limiting_context(
    files: &ModelFiles,
    amateur: Option<&ModelFiles>,
    negative: Option<&[TokenId]>,
    prompt: usize,
) -> Context {
    let tokens = files.context_length();
    let of_model = format!("the model's context of {tokens} tokens");
    let shortest = amateur.map(|amateur| amateur.context_length()).filter(|&length| length < tokens);
    let longest = negative.map(<[TokenId]>::len).filter(|&length| length > prompt);
    match (shortest, longest) {
        (Some(tokens), _) => {
            let name = format!("the context of --amateur with {tokens} tokens");
            Context { name, remedy: "shorten the prompt", tokens }
        }
        (_, Some(count)) => {
            let name = format!("{of_model} beside --negative-prompt with {count}");
            Context { name, remedy: "shorten --negative-prompt", tokens }
        }
        (None, None) => Context { name: of_model, remedy: "shorten the prompt", tokens },
    }
}

/// Refuses options that need a chat template, if the model has none.
fn check_template(
    args: &Args,
    files: &ModelFiles,
    prompt: &Prompt,
    has_tools: bool,
) -> Result<(), CommandError> {
    let templates = files.chat_templates();
    if let Prompt::Chat(input) = prompt {
        match templates.for_input(input) {
            Some(_) => args.prompt.check_healing(prompt)?,
            None => args.prompt.check_without_template(prompt)?,
        }
    }
    let needs_format = (has_tools || args.reasoning_budget.is_some()) && templates.for_tools().is_none();
    match needs_format && args.tools.named_format()?.is_none() {
        true => Err(missing_format_error(no_template_error(), has_tools)),
        false => Ok(()),
    }
}

/// Makes the constraint of replies that call tools, and the limit on reasoning. Both depend on the
/// format in which the model writes calls.
fn constrain_replies(
    args: &Args,
    model: &ModelFiles,
    prompt: &Prompt,
    constraint: Option<LoadedConstraint>,
    tools: Option<Tools>,
) -> Result<(Option<LoadedConstraint>, Option<ReasoningBudget>), CommandError> {
    if tools.is_none() && args.reasoning_budget.is_none() {
        return Ok((constraint, None));
    }
    let preset = match args.tools.named_format()? {
        Some(preset) => preset,
        None => match detect_format(model) {
            Ok(preset) => preset,
            Err(failure) if args.tools.are_calls_optional() && args.reasoning_budget.is_none() => {
                write_stderr!(
                    "note: the tools of --messages do not constrain the output: {}; name the format \
                     with --tool-format",
                    failure.message()
                );
                return Ok((constraint, None));
            }
            Err(failure) => return Err(missing_format_error(failure, tools.is_some())),
        },
    };
    let prompt_end = model.prompt_end(prompt).map_err(prompt_error)?;
    let reasoning = match (&args.reasoning_budget, preset.reasoning()) {
        (None, _) => None,
        (Some(_), None) => {
            return Err(CommandError::usage(format!("models of the format {preset} do not reason"))
                .help("leave out --reasoning-budget"));
        }
        (Some((_, message)), Some((_, end))) if message.contains(end) => {
            let what = format!("the MESSAGE of --reasoning-budget has the end of reasoning in it, `{end}`");
            return Err(CommandError::usage(what).help("leave it out there; it is appended to the message"));
        }
        (Some((tokens, message)), Some((begin, end))) => {
            let ending = model.encode(&format!("{message}{end}")).map_err(|error| {
                CommandError::new("cannot make tokens of --reasoning-budget").because(&error)
            })?;
            let spelt = model.vocabulary().decode(&ending);
            if !String::from_utf8_lossy(&spelt).contains(message.trim()) {
                write_stderr!(
                    "note: the vocabulary cannot spell the MESSAGE of --reasoning-budget; it becomes `{}`",
                    String::from_utf8_lossy(&spelt).trim_end_matches(end)
                );
            }
            let budget = ReasoningBudget::new(*tokens, end, ending);
            let begins_in_prompt = ends_within(&prompt_end, begin, end);
            Some(if begins_in_prompt { budget } else { budget.begins_with(begin) })
        }
    };
    let Some(tools) = tools else { return Ok((constraint, reasoning)) };
    let schema = constraint.and_then(|loaded| loaded.schema);
    Ok((Some(args.tools.compile_replies(&tools, &preset, schema, &args.policy, prompt_end)?), reasoning))
}

/// Encodes the prompt, and prints notes on its chat template. The template is applied if the model
/// has one, unless `--raw` is given.
fn encode_prompt(args: &Args, model: &ModelFiles, prompt: &Prompt) -> Result<Vec<TokenId>, CommandError> {
    let chat = match prompt {
        Prompt::Chat(input) if !args.quiet => Some((input, model.chat_templates().for_input(input))),
        _ => None,
    };
    if let Some((input, Some(source))) = chat {
        let template = ChatTemplate::new(source);
        let template = template.map_err(|error| template_error(PromptError::Template(error)))?;
        let text = template.render(&model.template_input(input));
        let text = text.map_err(|error| prompt_error(PromptError::Template(error)))?;
        args.prompt
            .notes_on_template(input, &template, &text)
            .iter()
            .for_each(|note| write_stderr!("note: {note}"));
    }
    if matches!(chat, Some((_, None))) && needs_no_template(prompt) {
        write_stderr!("note: this model has no chat template; it continues the prompt as it is");
    }
    model.prompt_tokens(prompt).map_err(prompt_error)
}

/// Builds the request. Options of the command line take precedence over the file of parameters.
fn build_request(args: &Args, chosen: Chosen, prompt: Vec<TokenId>) -> Result<Request, CommandError> {
    let strategy = chosen.strategy(args);
    let has_file_of_model = args.sampling.has_file_of_model(&chosen);
    let Chosen { mut params, set, source, .. } = chosen;
    let mut request = match set {
        // An option takes precedence over a length that counts the prompt.
        Some(mut set) => {
            set.max_length = set.max_length.filter(|_| args.max_tokens.is_none());
            set.min_length = set.min_length.filter(|_| args.min_tokens.is_none());
            (set.sampling.max_tokens, set.sampling.min_tokens) = (params.max_tokens, params.min_tokens);
            if has_file_of_model {
                leave_out_length(&mut set, prompt.len(), &params, &source);
            }
            let (counts_most, counts_least) = (set.max_length.is_some(), set.min_length.is_some());
            let request = Request::from_parameters(prompt, set).map_err(|error| {
                let failure =
                    CommandError::usage(format!("cannot use the parameters of {source}")).because(&error);
                match (counts_most, counts_least) {
                    (true, _) => failure.help("--max-tokens counts the output alone"),
                    (false, true) => failure.help("--min-tokens counts the output alone"),
                    (false, false) => failure,
                }
            })?;
            if counts_most {
                params.max_tokens = request.sampling.max_tokens;
            }
            if counts_least {
                params.min_tokens = request.sampling.min_tokens;
            }
            check_lengths(&params, None)?;
            request
        }
        None => Request::new(prompt),
    };
    // The request already has these end tokens, which end outputs in addition to the vocabulary's.
    params.end_tokens.clear();
    request.stop_tokens.extend(args.stop_tokens.iter().map(|&id| TokenId(id)));
    if !args.stop.is_empty() {
        request = request.stop(args.stop.iter().map(String::as_str));
    }
    Ok(request
        .strategy(strategy)
        .sampling(params)
        .draft(args.strategy.draft())
        .acceptance(args.strategy.acceptance())
        .healing(if args.prompt.healing { TokenHealing::On } else { TokenHealing::Off })
        .forced(args.forced.unwrap_or_default())
        .budget(args.budget.unwrap_or_default()))
}
