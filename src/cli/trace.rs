//! `--trace FILE.html`: a page that shows, token by token, how an output came about.
//!
//! A row for each drawn token shows the model's likeliest tokens first; those that the constraint
//! forbids are struck out. Beside them are the likeliest tokens that mask, penalties, temperature
//! and truncation have left, and the token that was chosen. Consecutive tokens that the constraint
//! forced share one row. Guesses that came true are marked.
//!
//! A matcher reads the finished output again to find the tokens that were allowed, so the decoding
//! loop need not record them. The page is one file without scripts and links.

use std::fmt::Write;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::command_error::CommandError;
use hedgerow::decode::{Chunk, Completion, Generation, Strategy, TokenLogprobs};
use hedgerow::engine::{Constraint, EngineError, Matcher};
use hedgerow::vocab::{TokenId, TokenSet, Vocabulary};

/// Number of candidates that a row shows.
pub(super) const SHOWN_CANDIDATES: usize = 8;

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem;color:#1b1b1b;background:#fff}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}
pre,code{font-family:ui-monospace,monospace;font-size:.9em}
pre{background:#f4f4f2;padding:.7rem;white-space:pre-wrap;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%}
th{text-align:left;font-weight:600}
th,td{padding:.25rem .6rem .25rem 0;vertical-align:top;border-top:1px solid #ddd}
tr.pass td{border-top:2px solid #888}
.n{color:#777;font-variant-numeric:tabular-nums}
.chosen{background:#d9f0d3}.guessed{background:#d8e6f7}.forced{background:#f1e6cf}.budget{background:#f3d3d3}
.chosen,.guessed,.forced,.budget{padding:0 .2em;border-radius:.2em}
s{color:#a33}.p{color:#777;font-size:.85em;margin-right:.7em}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}pre{background:#222}th,td{border-color:#444}
.chosen{background:#24502a}.guessed{background:#1f4066}.forced{background:#5a4720}.budget{background:#652b2b}s{color:#e08a8a}}";

/// A record of the number of tokens that each pass adds, made while outputs are generated.
pub(super) struct Trace {
    /// For each output, the number of tokens that each pass added. An output's list stays empty
    /// under a strategy that does not add tokens pass by pass, such as beam search.
    passes: Vec<Vec<usize>>,
    /// True if the strategy adds tokens pass by pass.
    adds_by_pass: bool,
}

/// The run that a page shows.
pub(super) struct TracedRun<'a> {
    pub model: &'a str,
    pub prompt: &'a str,
    pub vocabulary: &'a Vocabulary,
    pub constraint: Option<&'a Constraint>,
    pub generation: &'a Generation,
}

impl Trace {
    /// Creates an empty record for `outputs` outputs.
    pub fn new(strategy: &Strategy, outputs: usize) -> Self {
        let adds_by_pass = matches!(strategy, Strategy::Sample | Strategy::Contrastive(_));
        Self { passes: vec![Vec::new(); outputs], adds_by_pass }
    }

    /// Records the tokens that one pass has added.
    pub fn record_pass(&mut self, chunk: &Chunk<'_>) {
        if let Some(passes) = self.passes.get_mut(chunk.completion).filter(|_| self.adds_by_pass)
            && !chunk.tokens.is_empty()
        {
            passes.push(chunk.tokens.len());
        }
    }

    /// Renders the page.
    pub fn render_page(&self, run: &TracedRun<'_>) -> Result<String, CommandError> {
        let TracedRun { model, prompt, generation, .. } = run;
        let usage = generation.usage;
        let mut page = String::new();
        // Writing to a string cannot fail.
        let _ = write!(
            page,
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Trace of {title}</title>\n<style>{STYLE}</style></head>\n\
             <body><h1>{title}</h1>\n<pre>{}</pre>\n<p>{} tokens of prompt, {} of output in {} forward passes. \
             <span class=\"forced\">Forced</span>: {}. Guessed ahead: {}, of which \
             <span class=\"guessed\">came true</span>: {}. \
             <span class=\"budget\">Written by the budget</span>, not by the model: {}.</p>\n\
             <p>Before: the model's likeliest tokens, <s>struck out</s> where the constraint forbids them. After: what \
             mask, penalties, temperature and truncation have made of them; \
             <span class=\"chosen\">chosen</span> is what was drawn.</p>\n",
            escape_html(prompt),
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.forward_passes,
            usage.forced_tokens,
            usage.drafted_tokens,
            usage.confirmed_tokens,
            usage.budget_tokens,
            title = escape_html(model),
        );
        for (number, completion) in generation.completions.iter().enumerate() {
            let _ = writeln!(page, "<h2>Output {}: {}</h2>", number + 1, completion.finish);
            let _ = writeln!(page, "<pre>{}</pre>", escape_html(&completion.text));
            if let Some(error) = &completion.error {
                let _ = writeln!(
                    page,
                    "<p>{}</p>",
                    escape_html(&CommandError::new("").because(error).causes_line())
                );
            }
            let passes = self.passes.get(number).map_or(&[][..], Vec::as_slice);
            let rows = OutputTable { run, completion, origins: token_origins(completion, passes) };
            let unread = || CommandError::new("cannot read the output again for --trace");
            let is_read = rows.write(&mut page).map_err(|error| unread().because(&error))?;
            if !is_read {
                return Err(unread().help("its tokens do not satisfy the constraint"));
            }
        }
        page.push_str("</body></html>\n");
        Ok(page)
    }
}

/// The way in which one token came into an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TokenOrigin {
    source: TokenSource,
    /// True if a pass of the model lies between this token and the one before it. False if there is
    /// none, or if it is not known.
    begins_pass: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TokenSource {
    /// Drawn from the model's distribution.
    Drawn,
    /// Drawn, and guessed correctly before, so that its pass could draw another token after it.
    Guessed,
    /// The only token that the constraint allowed.
    Forced,
    /// Written by the budget, to complete the output in time.
    Budget,
}

/// Finds the origin of each token of an output. `passes` has the number of tokens that each pass
/// added.
fn token_origins(completion: &Completion, passes: &[usize]) -> Vec<TokenOrigin> {
    let forced = |at: usize| completion.logprobs.get(at).is_some_and(|entry| entry.raw.is_none());
    let budget = |at: usize| completion.budget_ending.is_some_and(|end| at >= end.first_token);
    let source = |at: usize| match (budget(at), forced(at)) {
        (true, _) => TokenSource::Budget,
        (false, true) => TokenSource::Forced,
        (false, false) if completion.confirmed.binary_search(&at).is_ok() => TokenSource::Guessed,
        (false, false) => TokenSource::Drawn,
    };
    let mut origins: Vec<TokenOrigin> = (0..completion.tokens.len())
        .map(|at| TokenOrigin { source: source(at), begins_pass: false })
        .collect();
    let mut first = 0;
    for &tokens in passes {
        let end = (first + tokens).min(origins.len());
        let is_drawn =
            |origin: &&mut TokenOrigin| matches!(origin.source, TokenSource::Drawn | TokenSource::Guessed);
        if let Some(drawn) = origins[first..end].iter_mut().find(is_drawn) {
            drawn.begins_pass = true;
        }
        first = end;
    }
    origins
}

/// The table of one output.
struct OutputTable<'a> {
    run: &'a TracedRun<'a>,
    completion: &'a Completion,
    origins: Vec<TokenOrigin>,
}

impl OutputTable<'_> {
    /// Writes the table; returns `false` for an output that the constraint refuses.
    fn write(&self, page: &mut String) -> Result<bool, EngineError> {
        page.push_str("<table><tr><th>#<th>Token<th>Allowed<th>Before<th>After\n");
        let mut matcher = self.run.constraint.map(Constraint::matcher);
        let mut healed = self.completion.healed_bytes;
        let mut at = 0;
        while at < self.completion.tokens.len() {
            let TokenOrigin { source, .. } = self.origins[at];
            let end = match source {
                TokenSource::Forced | TokenSource::Budget => {
                    at + self.origins[at..].iter().take_while(|origin| origin.source == source).count()
                }
                TokenSource::Drawn | TokenSource::Guessed => at + 1,
            };
            match source {
                TokenSource::Forced => self.write_undrawn(page, at, end, ("forced", "forced")),
                TokenSource::Budget => self.write_undrawn(page, at, end, ("budget", "written by the budget")),
                TokenSource::Drawn | TokenSource::Guessed if healed > 0 => {
                    self.write_drawn(page, at, None)?
                }
                TokenSource::Drawn | TokenSource::Guessed => self.write_drawn(page, at, matcher.as_mut())?,
            }
            for &token in &self.completion.tokens[at..end] {
                // The first bytes of a healed output are the prompt's, which the constraint does
                // not read.
                let bytes = self.run.vocabulary.bytes(token);
                let (own, is_whole) = (&bytes[healed.min(bytes.len())..], healed == 0);
                healed = healed.saturating_sub(bytes.len());
                let is_read = match &mut matcher {
                    Some(matcher) if is_whole => matcher.advance(token)?,
                    Some(matcher) => matcher.advance_bytes(own)?,
                    None => true,
                };
                if !is_read {
                    return Ok(false);
                }
            }
            at = end;
        }
        page.push_str("</table>\n");
        Ok(true)
    }

    /// Writes one row for consecutive tokens that the model did not draw, such as forced ones.
    /// `class` is their CSS class, and `word` is shown beside them.
    fn write_undrawn(&self, page: &mut String, at: usize, end: usize, (class, word): (&str, &str)) {
        let tokens = self.completion.tokens[at..end].iter();
        let text: Vec<String> = tokens.map(|&token| self.token_html(token)).collect();
        let number = if end - at == 1 { at.to_string() } else { format!("{at}–{}", end - 1) };
        let _ = writeln!(
            page,
            "<tr><td class=\"n\">{number}<td colspan=\"4\"><code class=\"{class}\">{}</code> {} {word}",
            text.join(&format!("</code> <code class=\"{class}\">")),
            end - at
        );
    }

    /// Writes the row of a token that was drawn. Without a matcher, the constraint does not say
    /// which tokens were allowed.
    fn write_drawn(
        &self,
        page: &mut String,
        at: usize,
        matcher: Option<&mut Matcher>,
    ) -> Result<(), EngineError> {
        let token = self.completion.tokens[at];
        let is_healed = matcher.is_none() && self.run.constraint.is_some();
        let mask = matcher.map(Matcher::mask).transpose()?;
        let allowed = match &mask {
            Some(mask) => format!("{} of {}", mask.count(), self.run.vocabulary.token_count()),
            None if is_healed => "those that spell the prompt's end".to_owned(),
            None => "all".to_owned(),
        };
        let TokenOrigin { source, begins_pass } = self.origins[at];
        let (row, class, word) = match (source, begins_pass) {
            (TokenSource::Guessed, true) => (" class=\"pass\"", "guessed", " guessed"),
            (TokenSource::Guessed, false) => ("", "guessed", " guessed"),
            (_, true) => (" class=\"pass\"", "chosen", ""),
            (_, false) => ("", "chosen", ""),
        };
        let _ = write!(
            page,
            "<tr{row}><td class=\"n\">{at}<td><code class=\"{class}\">{}</code>{word}<td class=\"n\">{allowed}",
            self.token_html(token)
        );
        if let Some(entry) = self.completion.logprobs.get(at) {
            let TokenLogprobs { top_raw, top_processed, raw, processed } = entry;
            let forbidden = |token| mask.as_deref().is_some_and(|mask: &TokenSet| !mask.contains(token));
            self.write_candidates(page, top_raw, (token, raw.unwrap_or(f32::NEG_INFINITY)), &forbidden);
            self.write_candidates(page, top_processed, (token, *processed), &|_| false);
        }
        page.push('\n');
        Ok(())
    }

    /// Writes a cell of tokens with their probabilities. The chosen token comes last if it is not
    /// among the likeliest.
    fn write_candidates(
        &self,
        page: &mut String,
        top: &[(TokenId, f32)],
        chosen: (TokenId, f32),
        forbidden: &dyn Fn(TokenId) -> bool,
    ) {
        page.push_str("<td>");
        let missing = Some(chosen).filter(|chosen| top.iter().all(|entry| entry.0 != chosen.0));
        for (token, logprob) in top.iter().copied().chain(missing) {
            let text = self.token_html(token);
            let shown = match (token == chosen.0, forbidden(token)) {
                (true, _) => format!("<code class=\"chosen\">{text}</code>"),
                (false, true) => format!("<s><code>{text}</code></s>"),
                (false, false) => format!("<code>{text}</code>"),
            };
            let _ = write!(page, "{shown} <span class=\"p\">{}</span>", format_percent(logprob));
        }
    }

    /// A token as HTML: its name, or its text with spaces and line ends made visible.
    fn token_html(&self, token: TokenId) -> String {
        let vocabulary = self.run.vocabulary;
        if let Some(name) = vocabulary.name(token) {
            return escape_html(name);
        }
        let bytes = vocabulary.bytes(token);
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.replace(' ', "␣").replace('\n', "⏎").replace('\t', "⇥"),
            Err(_) => bytes.escape_ascii().to_string(),
        };
        match text.is_empty() {
            true => format!("#{}", token.0),
            false => escape_html(&text),
        }
    }
}

/// Writes a log-probability as a percentage: "37.5%".
fn format_percent(logprob: f32) -> String {
    let share = f64::from(logprob).exp() * 100.0;
    match share {
        small if small < 0.01 => format!("{small:.0e}%"),
        share if share < 10.0 => format!("{share:.2}%"),
        share => format!("{share:.1}%"),
    }
}

/// Escapes text for HTML.
fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // HTML has no notation for these characters.
            control if control.is_control() && !matches!(control, '\n' | '\t') => out.push('\u{FFFD}'),
            other => out.push(other),
        }
    }
    out
}

/// The file of `--trace`. Its content is unchanged until the page is written.
pub(super) enum TraceFile {
    /// A file, device or pipe that exists.
    Open(File),
    /// A file that does not exist and can be created.
    New(PathBuf),
}

impl TraceFile {
    /// Checks that the file can be written.
    pub fn open(path: &Path) -> io::Result<Self> {
        if let Err(error) = File::create_new(path) {
            return match error.kind() {
                io::ErrorKind::AlreadyExists => Ok(Self::Open(File::options().write(true).open(path)?)),
                _ => Err(error),
            };
        }
        std::fs::remove_file(path)?;
        Ok(Self::New(path.to_owned()))
    }

    /// Writes the page in place of what the file holds.
    pub fn write(self, page: &str) -> io::Result<()> {
        let mut file = match self {
            Self::Open(file) => file,
            Self::New(path) => File::create(path)?,
        };
        // A device or a pipe holds nothing.
        if file.metadata()?.is_file() {
            file.set_len(0)?;
        }
        io::Write::write_all(&mut file, page.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hedgerow::decode::{BudgetEnding, FinishReason, Timings, Usage};
    use hedgerow::syntax::choice;

    fn drawn(processed: &[(u32, f32)], raw: &[(u32, f32)], token: u32) -> TokenLogprobs {
        let list = |distribution: &[(u32, f32)]| {
            distribution.iter().map(|&(id, p)| (TokenId(id), p.ln())).collect::<Vec<_>>()
        };
        let of = |distribution: &[(u32, f32)]| {
            distribution.iter().find(|entry| entry.0 == token).map_or(f32::MIN, |e| e.1.ln())
        };
        TokenLogprobs {
            processed: of(processed),
            top_processed: list(processed),
            raw: Some(of(raw)),
            top_raw: list(raw),
        }
    }

    fn forced() -> TokenLogprobs {
        TokenLogprobs { processed: 0.0, top_processed: Vec::new(), raw: None, top_raw: Vec::new() }
    }

    /// A small vocabulary, a constraint over it, and an output.
    fn output() -> (Vocabulary, Constraint, Generation) {
        let spellings = ["a", "<b", " ", "c\n", "d"];
        let tokens = spellings.iter().map(|text| text.as_bytes().to_vec()).collect();
        let vocabulary = Vocabulary::from_byte_list(tokens).unwrap();
        let grammar = choice::compile(&["a<b c\n", "a<b d", "d"]).unwrap();
        let constraint = Constraint::new(&grammar, &vocabulary).unwrap();
        let completion = Completion {
            reply: None,
            error: None,
            reasoning_tokens: None,
            tokens: [0, 1, 2, 3].map(TokenId).to_vec(),
            text: "a<b c\n".to_owned(),
            bytes: b"a<b c\n".to_vec(),
            finish: FinishReason::ConstraintComplete,
            stop_sequence: None,
            complete: Some(true),
            budget_ending: None,
            forced_tokens: 2,
            confirmed: vec![0, 1],
            healed_bytes: 0,
            score: None,
            logprobs: vec![
                drawn(&[(0, 0.75), (4, 0.25)], &[(1, 0.5), (0, 0.375), (4, 0.125)], 0),
                forced(),
                forced(),
                drawn(&[(3, 1.0)], &[(4, 0.99995), (3, 0.00005)], 3),
            ],
        };
        let usage = Usage { drafted_tokens: 3, confirmed_tokens: 1, ..Usage::default() };
        let generation = Generation { completions: vec![completion], usage, timings: Timings::default() };
        (vocabulary, constraint, generation)
    }

    #[test]
    fn a_page_shows_allowed_chosen_forced_and_guessed_tokens() {
        let (vocabulary, constraint, generation) = output();
        let mut trace = Trace::new(&Strategy::Sample, 1);
        let tokens = generation.completions[0].tokens.clone();
        trace.record_pass(&Chunk { completion: 0, tokens: &tokens, text: "", events: &[], finish: None });
        let page = trace
            .render_page(&TracedRun {
                model: "m",
                prompt: "<|x|> & y",
                vocabulary: &vocabulary,
                constraint: Some(&constraint),
                generation: &generation,
            })
            .unwrap();
        assert!(page.contains("<pre>&lt;|x|&gt; &amp; y</pre>"), "{page}");
        let (_, table) = page.split_once("<th>After\n").unwrap();
        let expected = [
            "<tr class=\"pass\"><td class=\"n\">0<td><code class=\"guessed\">a</code> guessed<td class=\"n\">2 of 5\
             <td><s><code>&lt;b</code></s> <span class=\"p\">50.0%</span>\
             <code class=\"chosen\">a</code> <span class=\"p\">37.5%</span><code>d</code> <span class=\"p\">12.5%</span>\
             <td><code class=\"chosen\">a</code> <span class=\"p\">75.0%</span><code>d</code> <span class=\"p\">25.0%</span>",
            "<tr><td class=\"n\">1–2<td colspan=\"4\"><code class=\"forced\">&lt;b</code> <code class=\"forced\">␣</code> 2 forced",
            "<tr><td class=\"n\">3<td><code class=\"chosen\">c⏎</code><td class=\"n\">2 of 5\
             <td><code>d</code> <span class=\"p\">100.0%</span><code class=\"chosen\">c⏎</code> <span class=\"p\">5e-3%</span>\
             <td><code class=\"chosen\">c⏎</code> <span class=\"p\">100.0%</span>",
            "</table>",
        ];
        for (line, expected) in table.lines().zip(expected) {
            assert_eq!(line, expected);
        }
        // Tokens that the budget has written get a row of their own.
        let mut ended = generation.clone();
        ended.completions[0].finish = FinishReason::Length;
        ended.usage.budget_tokens = 2;
        ended.completions[0].budget_ending = Some(BudgetEnding { first_token: 2, tokens: 2, first_byte: 3 });
        let run = TracedRun {
            model: "m",
            prompt: "",
            vocabulary: &vocabulary,
            constraint: None,
            generation: &ended,
        };
        let page = trace.render_page(&run).unwrap();
        assert!(page.contains("<code class=\"forced\">&lt;b</code> 1 forced"), "{page}");
        let written =
            "<code class=\"budget\">␣</code> <code class=\"budget\">c⏎</code> 2 written by the budget";
        assert!(page.contains(written) && page.contains("not by the model: 2."), "{page}");
    }

    #[test]
    fn guesses_and_healed_tokens_are_shown() {
        let (vocabulary, constraint, generation) = output();
        // A guess may be the last token, and be known without the passes.
        let mut last = generation.completions[0].clone();
        last.confirmed = vec![3];
        let hows = token_origins(&last, &[]).into_iter().map(|origin| origin.source).collect::<Vec<_>>();
        assert_eq!(
            hows,
            [TokenSource::Drawn, TokenSource::Forced, TokenSource::Forced, TokenSource::Guessed]
        );
        // The constraint reads what is behind the healed end of the prompt, here ` a<b` of `a a<b`.
        let mut healed = generation.clone();
        healed.completions[0].tokens = [0, 2, 0, 1, 2, 3].map(TokenId).to_vec();
        healed.completions[0].healed_bytes = 2;
        healed.completions[0].logprobs.clear();
        let page = |healed: &Generation| {
            let constraint = Some(&constraint);
            Trace::new(&Strategy::Sample, 1).render_page(&TracedRun {
                model: "",
                prompt: "",
                vocabulary: &vocabulary,
                constraint,
                generation: healed,
            })
        };
        let text = page(&healed).unwrap();
        assert_eq!(text.matches("those that spell the prompt").count(), 2, "{text}");
        assert!(text.contains("<code class=\"chosen\">a</code><td class=\"n\">2 of 5"), "{text}");
        healed.completions[0].healed_bytes = 1;
        assert!(page(&healed).is_err());
    }
}
