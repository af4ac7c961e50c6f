/*
 * hedgerow: keeps a language model's output inside a grammar. The C interface.
 *
 * Generated from src/ffi/; do not edit (HEDGEROW_UPDATE=1 cargo test -p hedgerow-header).
 *
 * In short: a vocabulary (hr_vocab) and a grammar (hr_grammar) make a constraint (hr_constraint); a
 * matcher (hr_matcher) is one sequence's position in it. For every token: fill a mask, let a sampler
 * (hr_sampler) draw under it, advance.
 *
 * Rules that hold everywhere:
 * - Functions that can fail return hr_status, HR_OK being 0, and take a last parameter hr_error
 *   **error. It may be NULL; otherwise it receives an error object on failure, which the caller
 *   frees, and is left alone on success. Results go to out-parameters, which a failing call leaves
 *   unchanged.
 * - "This token is not allowed" is a result, not an error.
 * - Texts and byte strings are a pointer and a length; text is UTF-8; a pointer of length 0 is not
 *   looked at.
 * - The caller frees an object that it made, with the function of its type; NULL may be freed.
 *   Objects keep the parts of others that they need alive: the order of frees never matters. The
 *   library frees nothing that the caller allocated, nor the reverse.
 * - Structs of options and of statistics begin with struct_size. Their hr_..._init function sets it
 *   to the size that the struct has in this header, so a program works with older and newer versions
 *   of the library. Languages without C headers call hr_..._init_sized with their own struct's size.
 * - Token ids and mask words are uint32_t; bit i % 32 of word i / 32 of a mask stands for token i.
 * - The comment of each type says what threads may do with it. Pointers must be NULL (where that is
 *   allowed) or valid; NULL elsewhere is an error, not a crash.
 *
 * Functions inside HR_HAS_TORCH exist in libraries built with the feature "torch", and those inside
 * HR_HAS_TOKENIZERS in libraries built with "tokenizers", "torch" or "cli"; see hr_has_feature().
 */

#ifndef HEDGEROW_H
#define HEDGEROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* The functions of a shared library on Windows, and of all libraries elsewhere. A program that links
 * the static library on Windows defines HR_API as nothing. */
#ifndef HR_API
#if defined(_WIN32)
#define HR_API __declspec(dllimport)
#elif defined(__GNUC__)
#define HR_API __attribute__((visibility("default")))
#else
#define HR_API
#endif
#endif

/* A status must be looked at. A program that does not want this warning defines HR_NODISCARD as
 * nothing. */
#ifndef HR_NODISCARD
#if (defined(__cplusplus) && __cplusplus >= 201703L) || (defined(__STDC_VERSION__) && __STDC_VERSION__ >= 202311L)
#define HR_NODISCARD [[nodiscard]]
#elif defined(__GNUC__)
#define HR_NODISCARD __attribute__((warn_unused_result))
#else
#define HR_NODISCARD
#endif
#endif


/**
 * Version of the header, first number. Compare it with hr_version(), the version of the library
 * that was loaded at run time.
 */
#define HR_VERSION_MAJOR 0

/**
 * Version of the header, second number.
 */
#define HR_VERSION_MINOR 1

/**
 * Version of the header, third number.
 */
#define HR_VERSION_PATCH 0

/**
 * Number of the ABI. It rises if programs must be recompiled. It stays the same if something is
 * added.
 */
#define HR_ABI_VERSION 3

/**
 * The value for "no token" of every parameter and result that is a token id.
 */
#define HR_NO_TOKEN UINT32_MAX

/**
 * The outcome of a call. With any value but HR_OK the results of the call are unchanged.
 *
 * Numbers are frozen. Later versions may add some, so a switch needs a default.
 */
enum hr_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Success.
     */
    HR_OK = 0,
    /**
     * An argument cannot be used: NULL for a required pointer, text that is not UTF-8, a number
     * out of range.
     */
    HR_ERROR_INVALID_ARGUMENT = 1,
    /**
     * A mistake inside the library. Later calls on the same object return this status too; free
     * it. Other objects are not affected. Please report the mistake, with the message.
     */
    HR_ERROR_INTERNAL = 2,
    /**
     * A limit or budget was exceeded; the message names it and the excess.
     */
    HR_ERROR_LIMIT = 3,
    /**
     * A vocabulary or tokenizer file cannot be used.
     */
    HR_ERROR_VOCABULARY = 4,
    /**
     * A schema, pattern or grammar is malformed, not supported or cannot be satisfied; see
     * hr_error_location().
     */
    HR_ERROR_GRAMMAR = 5,
    /**
     * A row of logits cannot be sampled, or sampling parameters are not valid.
     */
    HR_ERROR_SAMPLING = 6,
    /**
     * A file cannot be read.
     */
    HR_ERROR_IO = 7,
    /**
     * A language model cannot be loaded or failed while running.
     */
    HR_ERROR_MODEL = 8,
    /**
     * An hr_cancel_flag was set; the call may be repeated after the flag is cleared.
     */
    HR_ERROR_CANCELLED = 9,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_status hr_status;
#else
typedef uint32_t hr_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The syntax of a regular expression.
 */
enum hr_regex_dialect
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * ECMA-262 (JavaScript) with the flag u, as JSON Schema prescribes.
     */
    HR_REGEX_DIALECT_ECMA262 = 0,
    /**
     * The syntax of the Rust crate regex: Unicode classes, inline flags, operations on
     * classes.
     */
    HR_REGEX_DIALECT_RUST = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_regex_dialect hr_regex_dialect;
#else
typedef uint32_t hr_regex_dialect;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The notation of a grammar's rules.
 */
enum hr_grammar_notation
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * llama.cpp's GBNF; outputs start from the rule root.
     */
    HR_GRAMMAR_NOTATION_GBNF = 0,
    /**
     * EBNF as the W3C or as ISO 14977 writes it; outputs start from the first rule.
     */
    HR_GRAMMAR_NOTATION_EBNF = 1,
    /**
     * The notation of the Python library Lark, with terminals that its lexer finds; outputs
     * start from the rule start.
     */
    HR_GRAMMAR_NOTATION_LARK = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_grammar_notation hr_grammar_notation;
#else
typedef uint32_t hr_grammar_notation;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The order of the declared keys of an object.
 */
enum hr_key_order
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * As declared, then all others in any order.
     */
    HR_KEY_ORDER_DECLARED = 0,
    /**
     * Any order at all.
     */
    HR_KEY_ORDER_ANY = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_key_order hr_key_order;
#else
typedef uint32_t hr_key_order;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The whitespace between the tokens of the JSON text. There is none before the value or after
 * it.
 */
enum hr_whitespace
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Wherever JSON allows it, each run at most 64 bytes, so that a model cannot produce
     * blanks for ever.
     */
    HR_WHITESPACE_FLEXIBLE = 0,
    /**
     * Wherever JSON allows it, without limit.
     */
    HR_WHITESPACE_UNLIMITED = 1,
    /**
     * None at all.
     */
    HR_WHITESPACE_COMPACT = 2,
    /**
     * Exactly item_separator between items and key_separator between a key and its value,
     * nothing elsewhere.
     */
    HR_WHITESPACE_EXACT = 3,
    /**
     * One item a line, indented by indent spaces a level.
     */
    HR_WHITESPACE_PRETTY = 4,
    /**
     * Whatever whitespace_pattern matches, wherever JSON allows whitespace.
     */
    HR_WHITESPACE_PATTERN = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_whitespace hr_whitespace;
#else
typedef uint32_t hr_whitespace;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The keys that an object may have besides the declared ones, if the schema does not restrict
 * them.
 */
enum hr_additional_properties
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Any, as JSON Schema says.
     */
    HR_ADDITIONAL_PROPERTIES_AS_SCHEMA = 0,
    /**
     * Only the keys that are named by a subschema that applies to the object, as with
     * "unevaluatedProperties": false at every object.
     */
    HR_ADDITIONAL_PROPERTIES_FORBID = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_additional_properties hr_additional_properties;
#else
typedef uint32_t hr_additional_properties;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The spelling of strings.
 */
enum hr_escapes
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Every escape that JSON has in free strings; only the escapes that JSON requires in
     * declared keys, enum and const.
     */
    HR_ESCAPES_FREE_STRINGS = 0,
    /**
     * Every escape everywhere.
     */
    HR_ESCAPES_ANY = 1,
    /**
     * Only the escapes JSON requires, everywhere.
     */
    HR_ESCAPES_MINIMAL = 2,
    /**
     * No \uXXXX; the short escapes everywhere.
     */
    HR_ESCAPES_NO_UNICODE = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_escapes hr_escapes;
#else
typedef uint32_t hr_escapes;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The treatment of undeclared keys that come twice in one object.
 */
enum hr_unique_keys
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * No key may come twice.
     */
    HR_UNIQUE_KEYS_ENFORCED = 0,
    /**
     * Undeclared keys may repeat, which is cheaper; readers keep the last value.
     */
    HR_UNIQUE_KEYS_IGNORED = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_unique_keys hr_unique_keys;
#else
typedef uint32_t hr_unique_keys;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The spelling of numbers.
 */
enum hr_numbers
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * A number that the schema does not restrict may have any JSON spelling. With bounds, an
     * exponent is allowed only in scientific notation, such as 1.5e3. With multipleOf, no
     * exponent is allowed. Whole numbers are written without ".0".
     */
    HR_NUMBERS_CANONICAL = 0,
    /**
     * The spellings of HR_NUMBERS_CANONICAL, and every other one without an exponent. For
     * example, 1.0 is then an integer.
     */
    HR_NUMBERS_JSON = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_numbers hr_numbers;
#else
typedef uint32_t hr_numbers;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The effect of "format".
 */
enum hr_format
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Known formats are enforced.
     */
    HR_FORMAT_ASSERT = 0,
    /**
     * It is an annotation, which restricts nothing.
     */
    HR_FORMAT_ANNOTATE = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_format hr_format;
#else
typedef uint32_t hr_format;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The effect of a "format" that is not known.
 */
enum hr_unknown_format
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * It is ignored, as the specification says.
     */
    HR_UNKNOWN_FORMAT_WARN = 0,
    /**
     * It is an error.
     */
    HR_UNKNOWN_FORMAT_REFUSE = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_unknown_format hr_unknown_format;
#else
typedef uint32_t hr_unknown_format;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The treatment of a keyword that cannot be enforced.
 */
enum hr_strictness
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * It is an error.
     */
    HR_STRICTNESS_STRICT = 0,
    /**
     * It is ignored: the output may then violate the schema.
     */
    HR_STRICTNESS_LENIENT = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_strictness hr_strictness;
#else
typedef uint32_t hr_strictness;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The effect of "contentEncoding".
 */
enum hr_content_encoding
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * "base64" is enforced.
     */
    HR_CONTENT_ENCODING_ASSERT = 0,
    /**
     * It is an annotation, which restricts nothing.
     */
    HR_CONTENT_ENCODING_ANNOTATE = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_content_encoding hr_content_encoding;
#else
typedef uint32_t hr_content_encoding;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The draft of JSON Schema by which a schema without "$schema" is read.
 */
enum hr_draft
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * 2020-12, with older spellings where they are unambiguous.
     */
    HR_DRAFT_UNSPECIFIED = 0,
    /**
     * Draft 4.
     */
    HR_DRAFT_4 = 4,
    /**
     * Draft 6.
     */
    HR_DRAFT_6 = 6,
    /**
     * Draft 7.
     */
    HR_DRAFT_7 = 7,
    /**
     * 2019-09.
     */
    HR_DRAFT_2019_09 = 2019,
    /**
     * 2020-12.
     */
    HR_DRAFT_2020_12 = 2020,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_draft hr_draft;
#else
typedef uint32_t hr_draft;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The reasoning before an answer.
 */
enum hr_reasoning
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * The reply continues the prompt, whose end is prompt_end. If the prompt has begun to
     * reason, the reply first ends that. If it has not, the model may reason.
     */
    HR_REASONING_AS_PROMPT = 0,
    /**
     * The model does not reason.
     */
    HR_REASONING_FORBID = 1,
    /**
     * The model reasons.
     */
    HR_REASONING_REQUIRE = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_reasoning hr_reasoning;
#else
typedef uint32_t hr_reasoning;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The kind of an event. Later versions may add some, so a switch needs a default.
 */
enum hr_event_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * More text for the user, in the member text.
     */
    HR_EVENT_KIND_TEXT = 0,
    /**
     * More reasoning, in the member text.
     */
    HR_EVENT_KIND_REASONING = 1,
    /**
     * A call of a tool begins. text is the tool's name; id is the call's id, if the output has
     * given one so far.
     */
    HR_EVENT_KIND_CALL_BEGIN = 2,
    /**
     * The id of a call whose id comes after its name, in the member id.
     */
    HR_EVENT_KIND_CALL_ID = 3,
    /**
     * More of a call's arguments, in the member text. The arguments so far are the beginning
     * of a JSON text.
     */
    HR_EVENT_KIND_ARGUMENTS = 4,
    /**
     * A call is complete.
     */
    HR_EVENT_KIND_CALL_END = 5,
    /**
     * A tag without a role of its own begins. text is its name.
     */
    HR_EVENT_KIND_TAG_BEGIN = 6,
    /**
     * More content of the innermost tag, in the member text.
     */
    HR_EVENT_KIND_CONTENT = 7,
    /**
     * The innermost tag ends. text is its name.
     */
    HR_EVENT_KIND_TAG_END = 8,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_event_kind hr_event_kind;
#else
typedef uint32_t hr_event_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The way to draw a token from the final distribution. Both draw from the same distribution.
 */
enum hr_selection
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Inverse of the cumulative distribution function, at one random number.
     */
    HR_SELECTION_INVERSE_CDF = 0,
    /**
     * The largest sum of a logit and a Gumbel number: the choice between two tokens does not
     * depend on the others.
     */
    HR_SELECTION_GUMBEL_MAX = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_selection hr_selection;
#else
typedef uint32_t hr_selection;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Order of a sampler's steps.
 */
enum hr_chain_order
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * As Hugging Face: biases, bans, penalties, mask, temperature, top-k, top-p, min-p, the
     * other truncations.
     */
    HR_CHAIN_ORDER_HF = 0,
    /**
     * As llama.cpp: biases, bans, penalties, mask, top-n-sigma, top-k, typical, top-p, min-p,
     * XTC, temperature last.
     */
    HR_CHAIN_ORDER_LLAMA = 1,
    /**
     * The steps named in custom_order.
     */
    HR_CHAIN_ORDER_CUSTOM = 2,
    /**
     * As vLLM: as HR_CHAIN_ORDER_HF, but with min-p before top-k and top-p.
     */
    HR_CHAIN_ORDER_VLLM = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_chain_order hr_chain_order;
#else
typedef uint32_t hr_chain_order;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The treatment of tokens whose logit equals the k-th largest.
 */
enum hr_top_k_ties
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Keep exactly k, the lowest ids among equals.
     */
    HR_TOP_K_TIES_LOWEST_ID = 0,
    /**
     * Keep all that equal the k-th.
     */
    HR_TOP_K_TIES_KEEP_ALL = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_top_k_ties hr_top_k_ties;
#else
typedef uint32_t hr_top_k_ties;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The place at which tail-free sampling cuts. Implementations differ in it by one token.
 */
enum hr_tail_free_end
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Keep the token at which the cumulative weight passes z.
     */
    HR_TAIL_FREE_END_AFTER = 0,
    /**
     * Drop the token at which the cumulative weight passes z, as llama.cpp did.
     */
    HR_TAIL_FREE_END_BEFORE = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_tail_free_end hr_tail_free_end;
#else
typedef uint32_t hr_tail_free_end;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The forms of p-less, a truncation whose threshold follows from the distribution.
 */
enum hr_p_less
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Off.
     */
    HR_P_LESS_OFF = 0,
    /**
     * Keep p >= the sum of p squared.
     */
    HR_P_LESS_PLAIN = 1,
    /**
     * Keep p >= (V * that sum - 1) / (V - 1), V the number of candidates.
     */
    HR_P_LESS_NORMALISED = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_p_less hr_p_less;
#else
typedef uint32_t hr_p_less;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The rule by which the temperature changes from token to token. T is the member temperature.
 */
enum hr_dynamic_temperature
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * The temperature is always T.
     */
    HR_DYNAMIC_TEMPERATURE_OFF = 0,
    /**
     * T * (1 + 0.3 * position / dynamic_temperature_total).
     */
    HR_DYNAMIC_TEMPERATURE_POSITION = 1,
    /**
     * T * (0.5 + H / H_max), H the entropy of the distribution.
     */
    HR_DYNAMIC_TEMPERATURE_ENTROPY = 2,
    /**
     * low + (high - low) * (H / H_max)^exponent, instead of T.
     */
    HR_DYNAMIC_TEMPERATURE_RANGE = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_dynamic_temperature hr_dynamic_temperature;
#else
typedef uint32_t hr_dynamic_temperature;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The versions of Mirostat.
 */
enum hr_mirostat
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Off.
     */
    HR_MIROSTAT_OFF = 0,
    /**
     * Estimates Zipf's exponent from the top 100, then draws from a top-k.
     */
    HR_MIROSTAT_V1 = 1,
    /**
     * Drops tokens whose surprise exceeds a threshold.
     */
    HR_MIROSTAT_V2 = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_mirostat hr_mirostat;
#else
typedef uint32_t hr_mirostat;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The tokens that decide a watermark's green list.
 */
enum hr_watermark
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * No watermark.
     */
    HR_WATERMARK_OFF = 0,
    /**
     * The last token before the candidate.
     */
    HR_WATERMARK_LEFT_HASH = 1,
    /**
     * The last watermark_context_width tokens, the candidate included.
     */
    HR_WATERMARK_SELF_HASH = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_watermark hr_watermark;
#else
typedef uint32_t hr_watermark;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * An API whose sampling parameters can be read.
 */
enum hr_parameter_api
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * OpenAI's chat completions.
     */
    HR_PARAMETER_API_OPEN_AI = 0,
    /**
     * Anthropic's messages.
     */
    HR_PARAMETER_API_ANTHROPIC = 1,
    /**
     * The file generation_config.json of Hugging Face transformers.
     */
    HR_PARAMETER_API_HUGGING_FACE = 2,
    /**
     * vLLM's SamplingParams.
     */
    HR_PARAMETER_API_VLLM = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_parameter_api hr_parameter_api;
#else
typedef uint32_t hr_parameter_api;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * A list of texts among parameters.
 */
enum hr_parameter_texts
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Texts that end the output.
     */
    HR_PARAMETER_TEXTS_STOP = 0,
    /**
     * Texts that may not occur. The caller turns them into tokens, for the member bad_words
     * of hr_sampler_options.
     */
    HR_PARAMETER_TEXTS_BAD_WORDS = 1,
    /**
     * Names of members that are not read, such as "model".
     */
    HR_PARAMETER_TEXTS_PASSED_OVER = 2,
    /**
     * Names among HR_PARAMETER_TEXTS_PASSED_OVER whose members would change the output if they
     * were read, such as "temperature" where "do_sample" is false. A caller warns of them.
     */
    HR_PARAMETER_TEXTS_UNUSED = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_parameter_texts hr_parameter_texts;
#else
typedef uint32_t hr_parameter_texts;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

#if defined(HR_HAS_TORCH)
/**
 * The strategy that finds outputs.
 */
enum hr_strategy
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
#if defined(HR_HAS_TORCH)
    /**
     * Token by token, drawn by the sampler; greedy at temperature 0.
     */
    HR_STRATEGY_SAMPLE = 0,
#endif
#if defined(HR_HAS_TORCH)
    /**
     * The most probable of width outputs.
     */
    HR_STRATEGY_BEST_OF = 1,
#endif
#if defined(HR_HAS_TORCH)
    /**
     * Beam search with width beams.
     */
    HR_STRATEGY_BEAM = 2,
#endif
#if defined(HR_HAS_TORCH)
    /**
     * Contrastive search among the width most probable tokens.
     */
    HR_STRATEGY_CONTRASTIVE = 3,
#endif
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_strategy hr_strategy;
#else
typedef uint32_t hr_strategy;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus
#endif

#if defined(HR_HAS_TORCH)
/**
 * The rule that ends beam search, once as many outputs have ended as there are beams.
 */
enum hr_early_stopping
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
#if defined(HR_HAS_TORCH)
    /**
     * Stops when the best beam, at its present length, scores no more than the worst ended
     * output.
     */
    HR_EARLY_STOPPING_HEURISTIC = 0,
#endif
#if defined(HR_HAS_TORCH)
    /**
     * Stops at once.
     */
    HR_EARLY_STOPPING_FULL = 1,
#endif
#if defined(HR_HAS_TORCH)
    /**
     * Stops when no beam can reach a higher score.
     */
    HR_EARLY_STOPPING_NEVER = 2,
#endif
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_early_stopping hr_early_stopping;
#else
typedef uint32_t hr_early_stopping;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus
#endif

#if defined(HR_HAS_TORCH)
/**
 * The source of guesses. Guesses save forward passes and leave the distribution of outputs
 * unchanged.
 */
enum hr_drafter
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
#if defined(HR_HAS_TORCH)
    /**
     * No guesses.
     */
    HR_DRAFTER_NONE = 0,
#endif
#if defined(HR_HAS_TORCH)
    /**
     * The tokens that followed the latest tokens at their last earlier occurrence. At most
     * draft_ngram of the latest tokens are looked for.
     */
    HR_DRAFTER_NGRAM = 1,
#endif
#if defined(HR_HAS_TORCH)
    /**
     * draft_model, a smaller model over the same tokens.
     */
    HR_DRAFTER_MODEL = 2,
#endif
#if defined(HR_HAS_TORCH)
    /**
     * The model without its layers draft_skipped_layers.
     */
    HR_DRAFTER_SKIP_LAYERS = 3,
#endif
#if defined(HR_HAS_TORCH)
    /**
     * draft_heads: a tree of guesses, read in one pass.
     */
    HR_DRAFTER_HEADS = 4,
#endif
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_drafter hr_drafter;
#else
typedef uint32_t hr_drafter;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus
#endif

#if defined(HR_HAS_TORCH)
/**
 * The token that a draft model guesses.
 */
enum hr_draft_choice
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
#if defined(HR_HAS_TORCH)
    /**
     * The most probable token. Outputs have the tokens that they would have without guesses.
     */
    HR_DRAFT_CHOICE_LIKELIEST = 0,
#endif
#if defined(HR_HAS_TORCH)
    /**
     * A token drawn from its distribution. Outputs have the distribution that they would have
     * without guesses.
     */
    HR_DRAFT_CHOICE_DRAWN = 1,
#endif
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_draft_choice hr_draft_choice;
#else
typedef uint32_t hr_draft_choice;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus
#endif

#if defined(HR_HAS_TORCH)
/**
 * The reason why an output ended.
 */
enum hr_finish_reason
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
#if defined(HR_HAS_TORCH)
    /**
     * The model ended it, or a stop token did.
     */
    HR_FINISH_REASON_STOP = 0,
#endif
#if defined(HR_HAS_TORCH)
    /**
     * max_tokens, or the end of the model's context, was reached. The output was cut, or its
     * end was written without the model: see hr_generation_budget_ending().
     */
    HR_FINISH_REASON_LENGTH = 1,
#endif
#if defined(HR_HAS_TORCH)
    /**
     * A stop text appeared; it is not part of the output.
     */
    HR_FINISH_REASON_STOP_SEQUENCE = 2,
#endif
#if defined(HR_HAS_TORCH)
    /**
     * The callback ended it, or the interrupt of the options did.
     */
    HR_FINISH_REASON_CANCELLED = 3,
#endif
#if defined(HR_HAS_TORCH)
    /**
     * The constraint's output is complete and no token can follow.
     */
    HR_FINISH_REASON_CONSTRAINT_COMPLETE = 4,
#endif
#if defined(HR_HAS_TORCH)
    /**
     * A reason that only a later version of the library knows.
     */
    HR_FINISH_REASON_OTHER = 5,
#endif
#if defined(HR_HAS_TORCH)
    /**
     * An error ended it; hr_generation_error() gives it. The text up to there is the output.
     */
    HR_FINISH_REASON_FAILED = 6,
#endif
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum hr_finish_reason hr_finish_reason;
#else
typedef uint32_t hr_finish_reason;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus
#endif

/**
 * A cache of constraints. It finds a constraint by a key, such as the text of its grammar, and
 * keeps those that were used last. Made by hr_cache_new(), freed by hr_cache_free().
 *
 * Any number of threads may use it at once. It may be freed before the constraints that it gave.
 */
typedef struct hr_cache hr_cache;

/**
 * A flag that ends calls which take too long. Made by hr_cancel_flag_new(), freed by
 * hr_cancel_flag_free().
 *
 * An hr_interrupt names it for one call, or for all calls on a matcher. While it is set, these
 * calls fail with HR_ERROR_CANCELLED; a call in progress ends within milliseconds. Matchers are
 * unchanged, and the call may be repeated after the flag is cleared.
 *
 * Any number of threads may use it at once, and one flag may serve any number of matchers. It may
 * be freed at any time: matchers keep its state, which then does not change any more.
 */
typedef struct hr_cancel_flag hr_cancel_flag;

/**
 * A grammar tied to a vocabulary, from which matchers are made. Made by hr_constraint_new(), freed
 * by hr_constraint_free().
 *
 * Any number of threads may use it at once. It keeps the parts of grammar and vocabulary that it
 * needs alive, and matchers keep it alive: they may be freed in any order. Keep a constraint for
 * as long as more sequences may come, because it remembers the masks that earlier ones computed.
 */
typedef struct hr_constraint hr_constraint;

/**
 * The text of one output, made from its tokens as they are generated. It ends at a stop text or at
 * an end token. Made by hr_detokenizer_new() and hr_detokenizer_clone(), freed by
 * hr_detokenizer_free().
 *
 * One thread at a time may use it; it may move between threads. It keeps what it needs of its
 * vocabulary alive.
 */
typedef struct hr_detokenizer hr_detokenizer;

#if defined(HR_HAS_TORCH)
/**
 * Medusa heads, which guess tokens for one model. Made by hr_draft_heads_load(), freed by
 * hr_draft_heads_free().
 *
 * Any number of threads may use them at once. They do not need the model any more.
 */
typedef struct hr_draft_heads hr_draft_heads;
#endif

/**
 * The reason why a call failed. The receiver owns it and frees it with hr_error_free().
 *
 * An error never changes: several threads may read it, and any of them may free it.
 */
typedef struct hr_error hr_error;

/**
 * A reader of the events of one output: text, reasoning, calls of tools with their arguments. Made
 * by hr_events_new() and hr_events_clone(), freed by hr_events_free().
 *
 * It reads the same tokens as a matcher does. The events that a function of the reader makes are
 * kept until the next function call that changes the reader. One thread at a time may use it; it
 * may move between threads. It keeps what it needs of its constraint alive.
 */
typedef struct hr_events hr_events;

#if defined(HR_HAS_TORCH)
/**
 * The result of hr_generate(). Freed by hr_generation_free().
 *
 * It never changes: any number of threads may read it at once. It depends on no other object.
 */
typedef struct hr_generation hr_generation;
#endif

/**
 * The set of allowed outputs. Made by one of the hr_grammar_from_... functions, freed by
 * hr_grammar_free().
 *
 * It never changes: any number of threads may use it at once. It knows no tokens:
 * hr_constraint_new() ties it to a vocabulary. It may be freed at any time.
 */
typedef struct hr_grammar hr_grammar;

/**
 * One sequence's position in a constraint. Made by hr_matcher_new() and hr_matcher_clone(), freed
 * by hr_matcher_free().
 *
 * One thread at a time may use it; it may move between threads. Different threads may use matchers
 * of one constraint at once. It keeps its constraint alive.
 */
typedef struct hr_matcher hr_matcher;

#if defined(HR_HAS_TORCH)
/**
 * A language model with its vocabulary and tokenizer. Made by hr_model_load(), freed by
 * hr_model_free().
 *
 * Any number of threads may use it at once. Generations made with it do not need it any more.
 */
typedef struct hr_model hr_model;
#endif

/**
 * Sampling parameters that were read from another API's JSON. Made by hr_parameters_from_json(),
 * freed by hr_parameters_free().
 *
 * They never change: any number of threads may read them at once. Options that were filled from
 * them point into them, so they must live until those options were used.
 */
typedef struct hr_parameters hr_parameters;

/**
 * A sampler, which draws tokens from rows of logits. Made by hr_sampler_new(), freed by
 * hr_sampler_free().
 *
 * One thread at a time may use it; it may move between threads. It depends on no other object.
 */
typedef struct hr_sampler hr_sampler;

/**
 * All states of a constraint, with the tokens that each allows and the states that they lead to.
 * It serves loops that run without this library, such as on a GPU. Made by hr_token_fsm_new() or
 * hr_token_fsm_from_bytes(), freed by hr_token_fsm_free().
 *
 * It never changes: any number of threads may use it at once. It needs neither constraint nor
 * vocabulary.
 *
 * States are numbered from 0, which is the one before the first token. A token that ends the
 * sequence leads to a state of its own, in which only such tokens are allowed. Tokens that behave
 * the same in every state are of one class; class 0 is allowed in no state.
 */
typedef struct hr_token_fsm hr_token_fsm;

#if defined(HR_HAS_TOKENIZERS)
/**
 * A model's tokenizer: text to tokens, as the model was trained on them. Made by
 * hr_tokenizer_from_json(), freed by hr_tokenizer_free().
 *
 * It never changes: any number of threads may use it at once.
 */
typedef struct hr_tokenizer hr_tokenizer;
#endif

/**
 * The tokens of a model: ids, bytes and names. Made by one of the hr_vocab_from_... functions,
 * freed by hr_vocab_free().
 *
 * It never changes: any number of threads may use it at once. Objects made from it keep the parts
 * that they need alive, so it may be freed at any time.
 */
typedef struct hr_vocab hr_vocab;

/**
 * UTF-8 text in the caller's memory. data is ignored if len is 0; no NUL is needed.
 */
typedef struct hr_text {
    /**
     * The first byte.
     */
    const char *data;
    /**
     * Number of bytes.
     */
    size_t len;
} hr_text;

/**
 * A special (control) token, which text never matches.
 */
typedef struct hr_special_token {
    /**
     * Its name, such as "<|im_end|>".
     */
    struct hr_text name;
    /**
     * Its id.
     */
    uint32_t id;
} hr_special_token;

/**
 * Bytes in the caller's memory. data is ignored if len is 0.
 */
typedef struct hr_bytes {
    /**
     * The first byte.
     */
    const uint8_t *data;
    /**
     * Number of bytes.
     */
    size_t len;
} hr_bytes;

/**
 * The conditions under which a call ends early: with HR_ERROR_LIMIT after a time, and with
 * HR_ERROR_CANCELLED when a flag is set. Initialise it with hr_interrupt_init(). It belongs to one
 * call, or to one matcher; calls of other matchers on the same constraint continue.
 */
typedef struct hr_interrupt {
    /**
     * Set by hr_interrupt_init().
     */
    size_t struct_size;
    /**
     * Time limit of each call, in milliseconds; 0, the default, is no limit.
     */
    uint64_t timeout_ms;
    /**
     * A flag that ends calls while it is set; NULL, the default, for none. The pointer is needed
     * only during the call that takes this struct.
     */
    const struct hr_cancel_flag *cancel;
} hr_interrupt;

/**
 * A grammar in Lark's notation from which another one imports.
 */
typedef struct hr_lark_module {
    /**
     * Its name, with dots between its parts: "%import my.numbers.INT" reads from "my.numbers".
     */
    struct hr_text name;
    /**
     * Its text.
     */
    struct hr_text text;
} hr_lark_module;

/**
 * A document that "$ref" may name.
 */
typedef struct hr_document {
    /**
     * Its absolute URI.
     */
    struct hr_text uri;
    /**
     * Its JSON text.
     */
    struct hr_text text;
} hr_document;

/**
 * Options for compiling a JSON Schema. Initialise them with hr_schema_options_init(), then change
 * some of them. Pointers are needed only until the schema is compiled.
 */
typedef struct hr_schema_options {
    /**
     * Set by hr_schema_options_init().
     */
    size_t struct_size;
    /**
     * The order of an object's declared keys. Default HR_KEY_ORDER_DECLARED.
     */
    hr_key_order key_order;
    /**
     * The whitespace between the tokens of the JSON text. Default HR_WHITESPACE_FLEXIBLE.
     */
    hr_whitespace whitespace;
    /**
     * For HR_WHITESPACE_EXACT: a comma with JSON whitespace around. Default ", ".
     */
    struct hr_text item_separator;
    /**
     * For HR_WHITESPACE_EXACT: a colon with JSON whitespace around. Default ": ".
     */
    struct hr_text key_separator;
    /**
     * For HR_WHITESPACE_PATTERN: a regular expression in Rust's syntax that matches JSON
     * whitespace only. Default " ?".
     */
    struct hr_text whitespace_pattern;
    /**
     * For HR_WHITESPACE_PRETTY: spaces a level, at most 16. Default 2.
     */
    uint32_t indent;
    /**
     * The keys that an object may have besides the declared ones. Default
     * HR_ADDITIONAL_PROPERTIES_AS_SCHEMA.
     */
    hr_additional_properties additional_properties;
    /**
     * The spelling of strings. Default HR_ESCAPES_FREE_STRINGS.
     */
    hr_escapes escapes;
    /**
     * The treatment of repeated keys. Default HR_UNIQUE_KEYS_ENFORCED.
     */
    hr_unique_keys unique_keys;
    /**
     * The spelling of numbers. Default HR_NUMBERS_CANONICAL.
     */
    hr_numbers numbers;
    /**
     * The effect of "format". Default HR_FORMAT_ASSERT.
     */
    hr_format format;
    /**
     * The effect of an unknown "format". Default HR_UNKNOWN_FORMAT_WARN.
     */
    hr_unknown_format unknown_format;
    /**
     * The treatment of a keyword that cannot be enforced. Default HR_STRICTNESS_STRICT.
     */
    hr_strictness strictness;
    /**
     * The effect of "contentEncoding". Default HR_CONTENT_ENCODING_ASSERT.
     */
    hr_content_encoding content_encoding;
    /**
     * The draft of schemas without "$schema". Default HR_DRAFT_UNSPECIFIED.
     */
    hr_draft default_draft;
    /**
     * Documents that "$ref" may name; nothing is ever fetched. Default none.
     */
    const struct hr_document *documents;
    /**
     * Number of documents.
     */
    size_t document_count;
    /**
     * Largest number of steps for combining the schema's parts. Default 250,000.
     */
    uint64_t fuel;
    /**
     * 1 allows JSON whitespace around the whole text, at most 64 bytes before and after. 0, the
     * default, does not.
     */
    uint32_t surrounding_whitespace;
    /**
     * Largest number of characters of a string for which the schema sets no greatest length. The
     * schema takes precedence: a larger "minLength" raises the cap. Default UINT32_MAX: no cap.
     */
    uint32_t max_string_length;
    /**
     * Largest number of items of an array for which the schema sets no greatest number. A larger
     * "minItems" raises the cap. Default UINT32_MAX: no cap.
     */
    uint32_t max_items;
    /**
     * Largest number of digits of a number before the point, after it and in the exponent. Longer
     * bounds and divisors raise the cap. Default UINT32_MAX: no cap.
     */
    uint32_t max_digits;
} hr_schema_options;

/**
 * Options for replies that call tools. Initialise them with hr_tool_options_init(), then change
 * some of them. Pointers are needed only until the grammar is made.
 */
typedef struct hr_tool_options {
    /**
     * Set by hr_tool_options_init().
     */
    size_t struct_size;
    /**
     * The calls of a reply: "auto", "none", "required", a tool's name, or a tool_choice of a chat
     * API as JSON. Default "auto".
     */
    struct hr_text tool_choice;
    /**
     * Largest number of calls in one reply; 0 for none. Default 32.
     */
    uint32_t max_calls;
    /**
     * The reasoning before an answer. Default HR_REASONING_AS_PROMPT.
     */
    hr_reasoning reasoning;
    /**
     * The text that the prompt has after the header of the assistant's message. Default empty.
     */
    struct hr_text prompt_end;
    /**
     * A JSON Schema of answers without calls. Default empty: such an answer is free text.
     */
    struct hr_text response_schema;
} hr_tool_options;

/**
 * Statistics of a constraint. All but the last three members describe the states and masks that
 * are remembered now. Initialise it with hr_constraint_stats_init().
 */
typedef struct hr_constraint_stats {
    /**
     * Set by hr_constraint_stats_init().
     */
    size_t struct_size;
    /**
     * States found so far.
     */
    size_t states;
    /**
     * Transitions found so far.
     */
    size_t transitions;
    /**
     * States of terminals for which a summary over the vocabulary is used.
     */
    size_t summaries;
    /**
     * Expressions in the pool of regular languages.
     */
    size_t languages;
    /**
     * Nodes of the grammar, including those expanded so far.
     */
    size_t nodes;
    /**
     * Approximate number of bytes used.
     */
    size_t bytes;
    /**
     * Number of times that states and masks were dropped because they exceeded graph_bytes.
     */
    size_t rebuilds;
    /**
     * Masks that matchers asked for. A matcher's masks are added when it is reset or freed.
     */
    uint64_t masks;
    /**
     * Masks among these that were remembered already.
     */
    uint64_t mask_hits;
} hr_constraint_stats;

/**
 * Bounds on the work and memory of one constraint. A call that would exceed a bound fails with
 * HR_ERROR_LIMIT; for graph_bytes, only a call that alone adds more bytes than that. Initialise it
 * with hr_limits_init().
 */
typedef struct hr_limits {
    /**
     * Set by hr_limits_init().
     */
    size_t struct_size;
    /**
     * Approximate number of bytes of states and masks to remember. If they take more, they are
     * dropped, and computed again when needed. Default 64 MiB.
     */
    size_t graph_bytes;
    /**
     * Largest number of ways to read the output at one position. Default 100,000.
     */
    size_t state_threads;
    /**
     * Largest number of states that are searched to decide whether an intersection or a complement
     * of languages is empty. Default 100,000.
     */
    uint64_t search_states;
    /**
     * Largest number of nodes of the grammar, including those expanded later. Default 4,000,000.
     */
    size_t nodes;
} hr_limits;

/**
 * The program's function that makes a constraint which a cache does not have. On success it writes
 * a constraint to out and returns HR_OK, as hr_constraint_new() does. On failure it returns
 * another hr_status, and may write an error that hr_error_new() made. The cache takes over both
 * objects.
 *
 * The function is called on the thread that called hr_cache_get(), under the interrupt of that
 * call. It must not ask the cache for the same key, and must not unwind (no C++ exception, no
 * longjmp).
 */
typedef uint32_t (*hr_make_constraint)(void *user_data, struct hr_constraint **out, struct hr_error **error);

/**
 * Statistics of a cache. Initialise it with hr_cache_stats_init().
 */
typedef struct hr_cache_stats {
    /**
     * Set by hr_cache_stats_init().
     */
    size_t struct_size;
    /**
     * Requests for a constraint that was there, or that another thread was making.
     */
    uint64_t hits;
    /**
     * Requests that had to make one, including those that failed.
     */
    uint64_t misses;
    /**
     * Constraints that are kept now.
     */
    size_t constraints;
    /**
     * Approximate number of bytes of their states and masks.
     */
    size_t bytes;
} hr_cache_stats;

/**
 * A number to add to the logit of a token; -infinity bans the token.
 */
typedef struct hr_token_bias {
    /**
     * The token.
     */
    uint32_t token;
    /**
     * The number that is added.
     */
    float bias;
} hr_token_bias;

/**
 * A sequence of at least one token, in the caller's memory.
 */
typedef struct hr_token_sequence {
    /**
     * The tokens.
     */
    const uint32_t *tokens;
    /**
     * Number of tokens.
     */
    size_t count;
    /**
     * For sequence_bias: added to the logit of the last token where the tokens before it have just
     * been generated.
     */
    float bias;
} hr_token_sequence;

/**
 * The options of a sampler. Initialise them with hr_sampler_options_init(), which turns every
 * strategy off; then change members.
 *
 * The steps of the chain run one after another, and the probabilities in the comments below are
 * those that the earlier steps have left. hr_sampler_new() checks the ranges. Pointers are needed
 * only until it returns.
 */
typedef struct hr_sampler_options {
    /**
     * Set by hr_sampler_options_init().
     */
    size_t struct_size;
    /**
     * Seed of the random numbers. Default 0.
     */
    uint64_t seed;
    /**
     * Index of the completion, if a request has several: each draws its own numbers. Default 0.
     */
    uint32_t completion;
    /**
     * The way to draw a token. Default HR_SELECTION_INVERSE_CDF.
     */
    hr_selection selection;
    /**
     * Order of the steps. Default HR_CHAIN_ORDER_HF.
     */
    hr_chain_order order;
    /**
     * T of softmax(logits / T), at least 0. 0 takes the most probable token. Default 1.
     */
    float temperature;
    /**
     * For HR_CHAIN_ORDER_CUSTOM: names of steps, separated by commas, such as
     * "repetition-penalty,mask,temperature,top-k". Every step that is switched on must be among
     * them. Default empty.
     */
    struct hr_text custom_order;
    /**
     * Keep the k most probable tokens; 0 is off (default).
     */
    size_t top_k;
    /**
     * The treatment of ties by top-k. Default HR_TOP_K_TIES_LOWEST_ID.
     */
    hr_top_k_ties top_k_ties;
    /**
     * Keep the most probable tokens whose mass reaches p, in [0, 1]; 1 is off (default).
     */
    float top_p;
    /**
     * Keep p >= min_p * largest p, in [0, 1]; 0 is off (default).
     */
    float min_p;
    /**
     * Mass of the locally typical tokens, in [0, 1]; 1 is off (default).
     */
    float typical_p;
    /**
     * Tail-free z, in [0, 1]; 1 is off (default).
     */
    float tfs_z;
    /**
     * The place at which tail-free sampling cuts. Default HR_TAIL_FREE_END_AFTER.
     */
    hr_tail_free_end tfs_end;
    /**
     * Epsilon cut-off, in [0, 1); 0 is off (default).
     */
    float epsilon_cutoff;
    /**
     * Eta cut-off, in [0, 1); 0 is off (default).
     */
    float eta_cutoff;
    /**
     * Keep p >= top_a * (largest p) squared, in [0, 1]; 0 is off (default).
     */
    float top_a;
    /**
     * Keep logits >= the largest - n standard deviations; 0 is off (default).
     */
    float top_n_sigma;
    /**
     * Keep tokens while their cumulative entropy is at most h of the whole, in (0, 1]; 0 is off
     * (default).
     */
    float top_h;
    /**
     * The form of p-less, a truncation whose threshold follows from the distribution. Default
     * HR_P_LESS_OFF.
     */
    hr_p_less p_less;
    /**
     * XTC: the probability that all top choices except the least probable one are dropped, in [0,
     * 1]; 0 is off (default).
     */
    float xtc_probability;
    /**
     * XTC: the least probability of a top choice, in [0, 1]; above 0.5 the step never acts.
     * Default 0.1.
     */
    float xtc_threshold;
    /**
     * Quadratic smoothing of the logits, at least 0; 0 is off (default).
     */
    float smoothing_factor;
    /**
     * Curve of the smoothing; 1 is the plain quadratic (default).
     */
    float smoothing_curve;
    /**
     * The rule by which the temperature changes. Default HR_DYNAMIC_TEMPERATURE_OFF.
     */
    hr_dynamic_temperature dynamic_temperature;
    /**
     * For HR_DYNAMIC_TEMPERATURE_RANGE: the temperature at entropy 0. Default 0.
     */
    float dynamic_temperature_low;
    /**
     * For HR_DYNAMIC_TEMPERATURE_RANGE: the temperature at the largest entropy. Default 1.
     */
    float dynamic_temperature_high;
    /**
     * For HR_DYNAMIC_TEMPERATURE_RANGE: the exponent. Default 1.
     */
    float dynamic_temperature_exponent;
    /**
     * For HR_DYNAMIC_TEMPERATURE_POSITION: expected length of the output in tokens; 0 leaves the
     * temperature. Default 0.
     */
    size_t dynamic_temperature_total;
    /**
     * Version of Mirostat. Excludes adaptive-p. Default HR_MIROSTAT_OFF.
     */
    hr_mirostat mirostat;
    /**
     * Mirostat: the surprise to keep to, in bits, above 0. Default 5.
     */
    float mirostat_tau;
    /**
     * Mirostat: the rate of learning, at least 0. Default 0.1.
     */
    float mirostat_eta;
    /**
     * Adaptive-p: the probability that chosen tokens should have on average, in [0, 1]; negative
     * is off (default -1).
     */
    float adaptive_p_target;
    /**
     * Adaptive-p: decay of the moving average, in [0, 0.99]. Default 0.9.
     */
    float adaptive_p_decay;
    /**
     * Divides positive and multiplies negative logits of seen tokens, above 0; 1 is off (default).
     */
    float repetition_penalty;
    /**
     * Number of the last tokens, of prompt and output, that the repetition penalty looks at; 0 is
     * all (default).
     */
    size_t repetition_window;
    /**
     * Subtracted from a logit for each time the token is in the output, in [-2, 2]; 0 is off
     * (default).
     */
    float frequency_penalty;
    /**
     * Subtracted from the logit of every token in the output, in [-2, 2]; 0 is off (default).
     */
    float presence_penalty;
    /**
     * DRY: the multiplier, at least 0; 0 is off (default).
     */
    float dry_multiplier;
    /**
     * DRY: the base, at least 1. Default 1.75.
     */
    float dry_base;
    /**
     * DRY: length up to which repetitions are not penalised. Default 2.
     */
    size_t dry_allowed_length;
    /**
     * DRY: number of the last tokens that are searched; 0 is all (default).
     */
    size_t dry_window;
    /**
     * DRY: tokens that end every repetition. Default none.
     */
    const uint32_t *dry_breakers;
    /**
     * Number of entries in dry_breakers.
     */
    size_t dry_breaker_count;
    /**
     * Added to the logits of single tokens. Default none.
     */
    const struct hr_token_bias *logit_bias;
    /**
     * Number of entries in logit_bias.
     */
    size_t logit_bias_count;
    /**
     * Biases on sequences. Default none.
     */
    const struct hr_token_sequence *sequence_bias;
    /**
     * Number of entries in sequence_bias.
     */
    size_t sequence_bias_count;
    /**
     * Sequences that may not be completed; their bias is not used. Default none.
     */
    const struct hr_token_sequence *bad_words;
    /**
     * Number of entries in bad_words.
     */
    size_t bad_word_count;
    /**
     * The only tokens that may be drawn; if empty, the default, all may.
     */
    const uint32_t *allowed_tokens;
    /**
     * Number of entries in allowed_tokens.
     */
    size_t allowed_token_count;
    /**
     * Tokens that may not be drawn. Default none.
     */
    const uint32_t *suppressed_tokens;
    /**
     * Number of entries in suppressed_tokens.
     */
    size_t suppressed_token_count;
    /**
     * Tokens that may not be drawn first. Default none.
     */
    const uint32_t *begin_suppressed_tokens;
    /**
     * Number of entries in begin_suppressed_tokens.
     */
    size_t begin_suppressed_token_count;
    /**
     * Tokens that end the output, with hr_generate() besides the vocabulary's. Default none.
     */
    const uint32_t *end_tokens;
    /**
     * Number of entries in end_tokens.
     */
    size_t end_token_count;
    /**
     * No sequence of this many tokens may occur twice in prompt and output; 0 is off (default).
     */
    size_t no_repeat_ngram;
    /**
     * Raises the logit l of each end token by abs(l) * (factor^(position - start) - 1); above 0; 0
     * is off (default).
     */
    float exponential_decay_factor;
    /**
     * The first token of the output; HR_NO_TOKEN leaves it free (default).
     */
    uint32_t forced_first;
    /**
     * The token at position max_tokens - 1, if the mask allows it there; HR_NO_TOKEN leaves it
     * free (default).
     */
    uint32_t forced_last;
    /**
     * The source of a watermark's green list. Default HR_WATERMARK_OFF.
     */
    hr_watermark watermark;
    /**
     * Position from which the exponential decay acts. Default 0.
     */
    size_t exponential_decay_start;
    /**
     * No end token before this many tokens, unless the mask leaves nothing else. Default 0.
     */
    size_t min_tokens;
    /**
     * Length of the output in tokens, for forced_last; 0 is unknown (default).
     */
    size_t max_tokens;
    /**
     * Watermark: share of the vocabulary on the green list, in (0, 1). Default 0.25.
     */
    float watermark_ratio;
    /**
     * Watermark: added to green logits, above 0. Default 2.
     */
    float watermark_bias;
    /**
     * Watermark: the secret key. Default 15485863.
     */
    uint64_t watermark_key;
    /**
     * Watermark: tokens that HR_WATERMARK_SELF_HASH looks at, at least 1. Default 4.
     */
    size_t watermark_context_width;
} hr_sampler_options;

/**
 * One of the most probable tokens.
 */
typedef struct hr_token_logprob {
    /**
     * The token.
     */
    uint32_t token;
    /**
     * The natural logarithm of its probability.
     */
    float logprob;
} hr_token_logprob;

#if defined(HR_HAS_TORCH)
/**
 * The options for loading a model. Initialise them with hr_model_options_init().
 */
typedef struct hr_model_options {
    /**
     * Set by hr_model_options_init().
     */
    size_t struct_size;
    /**
     * Device: "cpu", "cuda", "cuda:N" or "auto". Empty, the default, is "cpu".
     */
    struct hr_text device;
    /**
     * Number format: "f32", "bf16" or "f16". Empty, the default, is "f32".
     */
    struct hr_text dtype;
    /**
     * Number of threads that compute, for the whole process; 0, the default, leaves it to
     * libtorch.
     */
    size_t threads;
    /**
     * Largest number of tokens of prompt and output together; 0, the default, is the model's own
     * limit.
     */
    size_t context_length;
} hr_model_options;
#endif

#if defined(HR_HAS_TORCH)
/**
 * Receives text while it is generated: UTF-8, not NUL-terminated, valid during the call. Returns 0
 * to continue and any other value to end the generation. Of several outputs, only the first one's
 * text is given. It is called after a forward pass that made new text certain; not while the
 * prompt is read, and under HR_STRATEGY_BEST_OF and HR_STRATEGY_BEAM only at the end. The member
 * interrupt ends a generation at any time. Called on the thread that called hr_generate(). Must
 * not unwind (no C++ exception, no longjmp).
 */
typedef int32_t (*hr_on_text)(void *user_data, const char *text, size_t len);
#endif

#if defined(HR_HAS_TORCH)
/**
 * The options of hr_generate(). Initialise them with hr_generation_options_init(). Pointers must
 * be valid during the call only.
 */
typedef struct hr_generation_options {
    /**
     * Set by hr_generation_options_init().
     */
    size_t struct_size;
    /**
     * Largest number of tokens of an output. Default 512. If the sampler's options have a
     * max_tokens too, the smaller one holds.
     */
    size_t max_tokens;
    /**
     * The constraint of the output, over the model's vocabulary (see hr_model_vocab()); NULL, the
     * default, for none.
     */
    const struct hr_constraint *constraint;
    /**
     * The options of the sampler; NULL, the default, draws from softmax(logits) with seed 0.
     */
    const struct hr_sampler_options *sampler;
    /**
     * Texts that end the output at their first occurrence.
     */
    const struct hr_text *stop;
    /**
     * Number of stop texts. Default 0.
     */
    size_t stop_count;
    /**
     * The system message of the model's chat template; empty, the default, for the template's own.
     */
    struct hr_text system;
    /**
     * 0, the default, puts the prompt into the model's chat template as a message of the user; 1
     * continues it as it is.
     */
    size_t raw_prompt;
    /**
     * A callback that receives text as it is generated; NULL, the default, for none.
     */
    hr_on_text on_text;
    /**
     * The first argument of on_text. The library does not read it.
     */
    void *user_data;
    /**
     * Number of outputs for the prompt, which is read once. Default 1.
     */
    size_t completions;
    /**
     * 0, the default, appends forced tokens without the model; 1 draws them like all others.
     */
    size_t sample_forced;
    /**
     * 0, the default, completes a constrained output within max_tokens: if the model does not, an
     * end that the model has not chosen is written (see hr_generation_budget_ending()). 1 cuts the
     * output at max_tokens.
     */
    size_t cut_at_limit;
    /**
     * 1 lets the output spell the end of the prompt with other tokens (token healing), for prompts
     * that end within a word. Default 0.
     */
    size_t healing;
    /**
     * The strategy that finds outputs. Default HR_STRATEGY_SAMPLE.
     */
    hr_strategy strategy;
    /**
     * The rule that ends beam search. Default HR_EARLY_STOPPING_HEURISTIC.
     */
    hr_early_stopping early_stopping;
    /**
     * Number of outputs, beams or tokens from which the strategy chooses. Default 4.
     */
    size_t width;
    /**
     * For beam search: the exponent in an output's score, log-probability / length^length_penalty.
     * Default 1.
     */
    double length_penalty;
    /**
     * For beam search: number of groups that choose one after another; divides width. Default 1.
     */
    size_t beam_groups;
    /**
     * For beam search: reduction of a token's score for each time that an earlier group has chosen
     * it. Default 0.
     */
    double diversity_penalty;
    /**
     * For contrastive search: weight of a token's similarity to the tokens before it, from 0 to 1.
     * Default 0.6.
     */
    double contrastive_penalty;
    /**
     * The source of guesses; for HR_STRATEGY_SAMPLE and HR_STRATEGY_BEST_OF. Default
     * HR_DRAFTER_NONE.
     */
    hr_drafter drafter;
    /**
     * The token that a draft model guesses. Default HR_DRAFT_CHOICE_LIKELIEST.
     */
    hr_draft_choice draft_choice;
    /**
     * Largest number of tokens to guess, for a tree in all its branches. Default 5.
     */
    size_t draft_tokens;
    /**
     * For HR_DRAFTER_NGRAM: largest number of the latest tokens to look for. Default 3.
     */
    size_t draft_ngram;
    /**
     * For HR_DRAFTER_MODEL: the draft model.
     */
    const struct hr_model *draft_model;
    /**
     * For HR_DRAFTER_SKIP_LAYERS: numbers of layers, from 0.
     */
    const size_t *draft_skipped_layers;
    /**
     * Number of skipped layers. Default 0.
     */
    size_t draft_skipped_count;
    /**
     * For HR_DRAFTER_HEADS: the draft heads.
     */
    const struct hr_draft_heads *draft_heads;
    /**
     * A value above 0 accepts every guess x whose probability p(x) is above the smaller of
     * accept_epsilon and accept_delta times exp(-H(p)), where H is the entropy. This is lossy:
     * outputs lean towards the guesses. Usual: 0.09. Default 0: outputs keep their distribution.
     */
    double accept_epsilon;
    /**
     * The factor in the rule of accept_epsilon. Usual: 0.3. Default 0.
     */
    double accept_delta;
    /**
     * Scale of classifier-free guidance: increases the effect of the prompt over that of
     * negative_prompt. Default 1: none.
     */
    double guidance;
    /**
     * The prompt whose likely tokens guidance makes less likely; empty, the default, for the
     * prompt's last token alone.
     */
    struct hr_text negative_prompt;
    /**
     * Contrastive decoding: a weaker model over the same tokens. Tokens that it finds less likely
     * than the model does are favoured. NULL, the default, for none.
     */
    const struct hr_model *amateur;
    /**
     * DoLa: numbers of layers, from 0. Tokens that these layers find less likely than the last
     * layer does are favoured.
     */
    const size_t *dola_layers;
    /**
     * Number of these layers. Default 0: no DoLa.
     */
    size_t dola_count;
    /**
     * A conversation in JSON, in place of the prompt, which must then be empty: an array of
     * messages such as {"role": "user", "content": "Hi"}, or an object with messages and tools. An
     * assistant's message at its end is continued. Empty, the default, for none.
     */
    struct hr_text messages;
    /**
     * Further variables of the chat template, as a JSON object such as
     * {"enable_thinking": false}. Empty, the default, for none.
     */
    struct hr_text template_variables;
    /**
     * A time limit and a flag, looked at after each forward pass of the model. They end the
     * generation as on_text does: its outputs so far are the result, and they finish by
     * HR_FINISH_REASON_CANCELLED. NULL, the default, for none.
     */
    const struct hr_interrupt *interrupt;
    /**
     * Largest number of tokens of prompt and output together; 0, the default, for none but the
     * model's context. A prompt of as many tokens or more is an error.
     */
    size_t max_length;
    /**
     * Smallest number of tokens of prompt and output together. Default 0.
     */
    size_t min_length;
} hr_generation_options;
#endif

#if defined(HR_HAS_TORCH)
/**
 * Statistics of a generation. Times are in seconds. Initialise it with hr_generation_stats_init().
 */
typedef struct hr_generation_stats {
    /**
     * Set by hr_generation_stats_init().
     */
    size_t struct_size;
    /**
     * Tokens of the prompt, as the model read it.
     */
    size_t prompt_tokens;
    /**
     * Tokens of all outputs.
     */
    size_t completion_tokens;
    /**
     * Tokens of the outputs that the constraint forced, without sampling. Those of the budget are
     * not among them.
     */
    size_t forced_tokens;
    /**
     * Tokens that a drafter guessed.
     */
    size_t drafted_tokens;
    /**
     * Guesses that were accepted.
     */
    size_t confirmed_tokens;
    /**
     * Forward passes of a draft model.
     */
    size_t draft_passes;
    /**
     * Forward passes of the model, including the one over the prompt.
     */
    size_t forward_passes;
    /**
     * Time of the forward pass over the prompt.
     */
    double prefill;
    /**
     * Time of all other forward passes.
     */
    double forward;
    /**
     * Time of computing masks.
     */
    double mask;
    /**
     * Time of drawing tokens.
     */
    double sample;
    /**
     * Time of guessing tokens.
     */
    double draft;
    /**
     * Time of the whole call.
     */
    double total;
    /**
     * Tokens of the outputs that the budget has written: see hr_generation_budget_ending().
     */
    size_t budget_tokens;
} hr_generation_stats;
#endif

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The library's version, such as "1.2.3": NUL-terminated, alive for ever.
 */
HR_API const char *hr_version(void);

/**
 * The library's number of the ABI. A program should refuse to run if it differs from
 * HR_ABI_VERSION.
 */
HR_API uint32_t hr_abi_version(void);

/**
 * True if the library was built with a feature: "torch" (language models) or "tokenizers". name is
 * NUL-terminated; false for NULL and for unknown names.
 */
HR_API bool hr_has_feature(const char *name);

/**
 * Makes an error, for code that wraps the library and reports its own failures as errors too.
 * status is an hr_status; HR_OK, and numbers that this version does not know, become
 * HR_ERROR_INTERNAL. Bytes of the message that are not UTF-8, and NUL, become the replacement
 * character. Returns NULL if message is NULL and message_len is not 0.
 */
HR_API struct hr_error *hr_error_new(uint32_t status, const char *message, size_t message_len);

/**
 * The status that the failing call returned; HR_OK for NULL.
 */
HR_NODISCARD HR_API hr_status hr_error_kind(const struct hr_error *error);

/**
 * The fault, its place, and a remedy: one or more lines of UTF-8 text, NUL-terminated.
 *
 * The text lives as long as the error. Empty for NULL.
 */
HR_API const char *hr_error_message(const struct hr_error *error);

/**
 * The place of the fault in the text that was given. Returns false, and changes nothing, if it is
 * not known.
 *
 * line and column count from 1, columns in characters; both become 0 if only the pointer is known.
 * pointer becomes a JSON pointer (NUL-terminated, alive as long as the error) into a JSON text, or
 * NULL. Any of the three may be NULL.
 */
HR_API
bool hr_error_location(const struct hr_error *error,
                       size_t *line,
                       size_t *column,
                       const char **pointer);

/**
 * Frees an error. NULL is allowed.
 */
HR_API void hr_error_free(struct hr_error *error);

/**
 * Reads the vocabulary of a Hugging Face tokenizer.json (byte-level BPE, BPE with byte fallback,
 * Unigram, WordPiece).
 *
 * The end-of-sequence tokens are those with well-known names; see hr_vocab_with_eos().
 */
HR_NODISCARD HR_API
hr_status hr_vocab_from_tokenizer_json(const char *json,
                                       size_t json_len,
                                       struct hr_vocab **out,
                                       struct hr_error **error);

/**
 * Reads a tokenizer file of any of these kinds, recognised by its content: a Hugging Face
 * tokenizer.json, a tekken.json of Mistral's models, a SentencePiece model, a GGUF model.
 *
 * The end-of-sequence tokens are those that the file names and those with well-known names; see
 * hr_vocab_with_eos().
 */
HR_NODISCARD HR_API
hr_status hr_vocab_from_tokenizer_file(const uint8_t *file,
                                       size_t file_len,
                                       struct hr_vocab **out,
                                       struct hr_error **error);

/**
 * Reads a tiktoken rank file (each line holds a base64 token and its rank). The file does not name
 * the special tokens, so they are given.
 */
HR_NODISCARD HR_API
hr_status hr_vocab_from_tiktoken(const uint8_t *ranks,
                                 size_t ranks_len,
                                 const struct hr_special_token *special,
                                 size_t special_count,
                                 struct hr_vocab **out,
                                 struct hr_error **error);

/**
 * Reads the vocabulary inside a GGUF file that is in memory (mapped, for example). Only its
 * beginning is read, and none of it is needed afterwards.
 */
HR_NODISCARD HR_API
hr_status hr_vocab_from_gguf(const uint8_t *gguf,
                             size_t gguf_len,
                             struct hr_vocab **out,
                             struct hr_error **error);

/**
 * Reads the vocabulary inside a GGUF file. Only the beginning of the file, up to the vocabulary's
 * end, is read.
 */
HR_NODISCARD HR_API
hr_status hr_vocab_from_gguf_file(const char *path,
                                  size_t path_len,
                                  struct hr_vocab **out,
                                  struct hr_error **error);

/**
 * Makes a vocabulary from the bytes of its tokens: token i has the bytes tokens[i]. A token
 * without bytes stands for no text.
 *
 * special names the tokens that text never matches. eos lists the ids that end a sequence, which
 * are special too. model_size is the number of logits that the model gives; 0 stands for count. If
 * it is more, the ids from count on are padding, which is never allowed. If it is less, the tokens
 * from model_size on are dropped; they must be special, and none of them may be in eos.
 */
HR_NODISCARD HR_API
hr_status hr_vocab_from_tokens(const struct hr_bytes *tokens,
                               size_t count,
                               const struct hr_special_token *special,
                               size_t special_count,
                               const uint32_t *eos,
                               size_t eos_count,
                               size_t model_size,
                               struct hr_vocab **out,
                               struct hr_error **error);

/**
 * Makes a vocabulary with the same tokens, in which the tokens eos end a sequence in place of the
 * earlier ones.
 */
HR_NODISCARD HR_API
hr_status hr_vocab_with_eos(const struct hr_vocab *vocab,
                            const uint32_t *eos,
                            size_t eos_count,
                            struct hr_vocab **out,
                            struct hr_error **error);

/**
 * Makes a vocabulary with the same tokens, whose end-of-sequence tokens are those that a model's
 * generation_config.json, config.json or tokenizer_config.json names.
 */
HR_NODISCARD HR_API
hr_status hr_vocab_with_eos_from_config(const struct hr_vocab *vocab,
                                        const char *json,
                                        size_t json_len,
                                        struct hr_vocab **out,
                                        struct hr_error **error);

/**
 * Makes a vocabulary with the same tokens, for a model that gives model_size logits. If the
 * model's output is padded, model_size is more than the number of the tokenizer's tokens. The
 * padding is never allowed.
 */
HR_NODISCARD HR_API
hr_status hr_vocab_with_model_size(const struct hr_vocab *vocab,
                                   size_t model_size,
                                   struct hr_vocab **out,
                                   struct hr_error **error);

/**
 * Number of token ids, the padding of the model's output included: the length of a row of logits.
 * 0 for NULL.
 */
HR_API size_t hr_vocab_size(const struct hr_vocab *vocab);

/**
 * Number of 32-bit words in a mask: the size divided by 32, rounded up. 0 for NULL.
 */
HR_API size_t hr_vocab_mask_words(const struct hr_vocab *vocab);

/**
 * Number of tokens that the tokenizer itself has; ids from here to the size are padding. 0 for
 * NULL.
 */
HR_API size_t hr_vocab_token_count(const struct hr_vocab *vocab);

/**
 * The bytes of a token, not NUL-terminated; len becomes their number. They live as long as this
 * handle or any other to the same vocabulary.
 *
 * NULL, with len 0, for tokens without text: special ones, padding, ids that do not exist. For
 * these, len may be NULL too.
 */
HR_API const uint8_t *hr_vocab_token_bytes(const struct hr_vocab *vocab, uint32_t token, size_t *len);

/**
 * True if a token is special, so that text never matches it. False for NULL and for ids that do
 * not exist.
 */
HR_API bool hr_vocab_is_special(const struct hr_vocab *vocab, uint32_t token);

/**
 * The id of a special token, by name; HR_NO_TOKEN if there is none, or for NULL.
 */
HR_API uint32_t hr_vocab_special_token(const struct hr_vocab *vocab, const char *name, size_t name_len);

/**
 * The name of a special token, not NUL-terminated; len becomes its length. It lives as long as
 * this handle or any other to the same vocabulary. NULL, with len 0, if the token has no name.
 */
HR_API const char *hr_vocab_token_name(const struct hr_vocab *vocab, uint32_t token, size_t *len);

/**
 * The ids that end a sequence, in ascending order; count becomes their number. They live as long
 * as this handle or any other to the same vocabulary. NULL, with count 0, if there are none.
 */
HR_API const uint32_t *hr_vocab_eos(const struct hr_vocab *vocab, size_t *count);

/**
 * The bytes of tokens, one after another. Special tokens, padding and ids that do not exist add
 * none.
 *
 * Writes as many bytes as fit into the buffer and sets len to the number of all; a buffer of
 * capacity 0 may be NULL.
 */
HR_NODISCARD HR_API
hr_status hr_vocab_decode(const struct hr_vocab *vocab,
                          const uint32_t *ids,
                          size_t count,
                          uint8_t *buffer,
                          size_t capacity,
                          size_t *len,
                          struct hr_error **error);

/**
 * Spells text with tokens, by the longest match. The result is a valid spelling, but not always
 * the tokenizer's.
 *
 * Writes as many ids as fit into the buffer and sets count to the number of all; a buffer of
 * capacity 0 may be NULL.
 */
HR_NODISCARD HR_API
hr_status hr_vocab_spell(const struct hr_vocab *vocab,
                         const uint8_t *text,
                         size_t text_len,
                         uint32_t *buffer,
                         size_t capacity,
                         size_t *count,
                         struct hr_error **error);

/**
 * A second handle to the same vocabulary. It copies nothing; NULL for NULL.
 */
HR_API struct hr_vocab *hr_vocab_clone(const struct hr_vocab *vocab);

/**
 * Frees a vocabulary. NULL is allowed.
 */
HR_API void hr_vocab_free(struct hr_vocab *vocab);

/**
 * Makes a detokenizer for a new output. The output's text ends at the first of the count texts of
 * stop that occurs in it, or at an end token of the vocabulary. Empty texts are ignored.
 *
 * Text is held back while it may still belong to a stop text that has begun, or to a character
 * whose bytes are not all there. A stop text is found even if it begins or ends within a token.
 * The first stop text to be complete ends the text. If several are complete at the same byte, the
 * longest counts. The stop text is no part of the text. Bytes that are not UTF-8 become U+FFFD.
 */
HR_NODISCARD HR_API
hr_status hr_detokenizer_new(const struct hr_vocab *vocab,
                             const struct hr_text *stop,
                             size_t count,
                             struct hr_detokenizer **out,
                             struct hr_error **error);

/**
 * Reads tokens up to the end of the text. Special tokens, and ids that do not exist, have no text.
 *
 * read, which may be NULL, becomes the number of tokens that were read, the one that ended the
 * text among them. released, which may be NULL, becomes the text that can now be shown. It is not
 * NUL-terminated, and lives until the next call that changes this object. ended becomes true if
 * the text has ended; later calls read nothing.
 */
HR_NODISCARD HR_API
hr_status hr_detokenizer_push(struct hr_detokenizer *detokenizer,
                              const uint32_t *tokens,
                              size_t count,
                              size_t *read,
                              struct hr_text *released,
                              bool *ended,
                              struct hr_error **error);

/**
 * Ends the text, because no token will follow. released, which may be NULL, becomes what was held
 * back, as for hr_detokenizer_push().
 */
HR_NODISCARD HR_API
hr_status hr_detokenizer_finish(struct hr_detokenizer *detokenizer,
                                struct hr_text *released,
                                struct hr_error **error);

/**
 * All text that was released so far: UTF-8, not NUL-terminated, alive until the next call that
 * changes this object. Empty for NULL.
 */
HR_API struct hr_text hr_detokenizer_text(const struct hr_detokenizer *detokenizer);

/**
 * The stop text that ended the text. Returns false, and changes nothing, if none did, and for
 * NULL. It lives as long as this object.
 */
HR_API bool hr_detokenizer_stop_text(const struct hr_detokenizer *detokenizer, struct hr_text *stop);

/**
 * The end token that ended the text; HR_NO_TOKEN if none did, and for NULL.
 */
HR_API uint32_t hr_detokenizer_end_token(const struct hr_detokenizer *detokenizer);

/**
 * A second detokenizer with the same text. The two then read independently.
 */
HR_NODISCARD HR_API
hr_status hr_detokenizer_clone(const struct hr_detokenizer *detokenizer,
                               struct hr_detokenizer **out,
                               struct hr_error **error);

/**
 * Frees a detokenizer. NULL is allowed.
 */
HR_API void hr_detokenizer_free(struct hr_detokenizer *detokenizer);

#if defined(HR_HAS_TOKENIZERS)
/**
 * Reads a Hugging Face tokenizer.json.
 */
HR_NODISCARD HR_API
hr_status hr_tokenizer_from_json(const char *json,
                                 size_t json_len,
                                 struct hr_tokenizer **out,
                                 struct hr_error **error);
#endif

#if defined(HR_HAS_TOKENIZERS)
/**
 * The tokens of a text; special tokens are recognised by their names, and none are added. As many
 * as fit are written to buffer (NULL with capacity 0 to ask), and len becomes the number of all.
 */
HR_NODISCARD HR_API
hr_status hr_tokenizer_encode(const struct hr_tokenizer *tokenizer,
                              const char *text,
                              size_t text_len,
                              uint32_t *buffer,
                              size_t capacity,
                              size_t *len,
                              struct hr_error **error);
#endif

#if defined(HR_HAS_TOKENIZERS)
/**
 * Frees a tokenizer. NULL is allowed.
 */
HR_API void hr_tokenizer_free(struct hr_tokenizer *tokenizer);
#endif

/**
 * Makes a flag, which is not set.
 */
HR_API struct hr_cancel_flag *hr_cancel_flag_new(void);

/**
 * Sets a flag. It takes no lock and no memory, so a signal handler may call it. NULL is ignored.
 */
HR_API void hr_cancel_flag_set(const struct hr_cancel_flag *flag);

/**
 * Clears a flag. It takes no lock and no memory, as hr_cancel_flag_set(). NULL is ignored.
 */
HR_API void hr_cancel_flag_clear(const struct hr_cancel_flag *flag);

/**
 * True if a flag is set. False for NULL.
 */
HR_API bool hr_cancel_flag_is_set(const struct hr_cancel_flag *flag);

/**
 * A second handle to the same flag; NULL for NULL.
 */
HR_API struct hr_cancel_flag *hr_cancel_flag_clone(const struct hr_cancel_flag *flag);

/**
 * Frees a flag. NULL is allowed.
 */
HR_API void hr_cancel_flag_free(struct hr_cancel_flag *flag);

/**
 * Writes the defaults into a struct of struct_size bytes; NULL is ignored. hr_interrupt_init()
 * passes the size that the struct has in this header.
 */
HR_API void hr_interrupt_init_sized(struct hr_interrupt *interrupt, size_t struct_size);

/**
 * Initialises the struct: sets struct_size, and every other member to its default. NULL is
 * ignored.
 */
static inline void hr_interrupt_init(struct hr_interrupt *place) {
    hr_interrupt_init_sized(place, sizeof(struct hr_interrupt));
}

/**
 * Compiles a regular expression: the whole output must match it, from its beginning to its end.
 * interrupt may be NULL. hr_error_location() gives the place of an error.
 */
HR_NODISCARD HR_API
hr_status hr_grammar_from_regex(const char *pattern,
                                size_t pattern_len,
                                hr_regex_dialect dialect,
                                const struct hr_interrupt *interrupt,
                                struct hr_grammar **out,
                                struct hr_error **error);

/**
 * Compiles a grammar written as rules: the whole output must follow it. interrupt may be NULL.
 * hr_error_location() gives the place of an error.
 */
HR_NODISCARD HR_API
hr_status hr_grammar_from_rules(const char *rules,
                                size_t rules_len,
                                hr_grammar_notation notation,
                                const struct hr_interrupt *interrupt,
                                struct hr_grammar **out,
                                struct hr_error **error);

/**
 * Compiles a grammar in Lark's notation: the whole output must follow it. Outputs start from the
 * rule named by start, or from the rule called start if that is empty. Imports are read from
 * modules; Lark's module common is always known. interrupt may be NULL. hr_grammar_warning() tells
 * the parts of its schemas (%json) that have no effect.
 */
HR_NODISCARD HR_API
hr_status hr_grammar_from_lark(const char *rules,
                               size_t rules_len,
                               struct hr_text start,
                               const struct hr_lark_module *modules,
                               size_t module_count,
                               const struct hr_interrupt *interrupt,
                               struct hr_grammar **out,
                               struct hr_error **error);

/**
 * Compiles a structural tag, given as JSON: free text with schemas, grammars and patterns between
 * markers. docs/tools.md describes the formats. interrupt may be NULL. hr_grammar_warning() tells
 * the parts of its schemas that have no effect.
 */
HR_NODISCARD HR_API
hr_status hr_grammar_from_structural_tag(const char *tag,
                                         size_t tag_len,
                                         const struct hr_interrupt *interrupt,
                                         struct hr_grammar **out,
                                         struct hr_error **error);

/**
 * The grammar of exactly the given texts, of which there may be tens of thousands. interrupt may
 * be NULL.
 */
HR_NODISCARD HR_API
hr_status hr_grammar_from_choices(const struct hr_text *choices,
                                  size_t count,
                                  const struct hr_interrupt *interrupt,
                                  struct hr_grammar **out,
                                  struct hr_error **error);

/**
 * Number of warnings about the JSON Schemas from which the grammar was made, also those of tools,
 * in structural tags and in Lark grammars: keywords without effect, or with another effect than
 * they seem to have. 0 for other grammars, and for NULL.
 */
HR_API size_t hr_grammar_warning_count(const struct hr_grammar *grammar);

/**
 * The warning index, counted from 0. Returns false, and changes nothing, if there is none.
 *
 * message becomes the whole warning, pointer the JSON pointer to the place in the text, and
 * keyword the keyword there. Any of the three may be NULL. The texts are not NUL-terminated, and
 * live as long as this handle or any other to the same grammar.
 */
HR_API
bool hr_grammar_warning(const struct hr_grammar *grammar,
                        size_t index,
                        struct hr_text *message,
                        struct hr_text *pointer,
                        struct hr_text *keyword);

/**
 * A second handle to the same grammar. It copies nothing; NULL for NULL.
 */
HR_API struct hr_grammar *hr_grammar_clone(const struct hr_grammar *grammar);

/**
 * Frees a grammar. NULL is allowed.
 */
HR_API void hr_grammar_free(struct hr_grammar *grammar);

/**
 * Writes the defaults into a struct of struct_size bytes; NULL is ignored.
 * hr_schema_options_init() passes the size that the struct has in this header.
 */
HR_API void hr_schema_options_init_sized(struct hr_schema_options *options, size_t struct_size);

/**
 * Initialises the struct: sets struct_size, and every other member to its default. NULL is
 * ignored.
 */
static inline void hr_schema_options_init(struct hr_schema_options *place) {
    hr_schema_options_init_sized(place, sizeof(struct hr_schema_options));
}

/**
 * Compiles a JSON Schema: the output is a JSON text that satisfies it. options may be NULL for the
 * defaults. interrupt may be NULL.
 *
 * The draft is the one that "$schema" names; without "$schema" it is the one of the options.
 * Errors name the keyword and have a location: line and column for text that is not JSON, a JSON
 * pointer for everything else. hr_grammar_warning() gives the parts of the schema that have no
 * effect.
 */
HR_NODISCARD HR_API
hr_status hr_grammar_from_json_schema(const char *schema,
                                      size_t schema_len,
                                      const struct hr_schema_options *options,
                                      const struct hr_interrupt *interrupt,
                                      struct hr_grammar **out,
                                      struct hr_error **error);

/**
 * Writes the defaults into a struct of struct_size bytes; NULL is ignored. hr_tool_options_init()
 * passes the size that the struct has in this header.
 */
HR_API void hr_tool_options_init_sized(struct hr_tool_options *options, size_t struct_size);

/**
 * Initialises the struct: sets struct_size, and every other member to its default. NULL is
 * ignored.
 */
static inline void hr_tool_options_init(struct hr_tool_options *place) {
    hr_tool_options_init_sized(place, sizeof(struct hr_tool_options));
}

/**
 * The grammar of replies that call tools. tools is a list in JSON, as chat APIs take it. format is
 * the name of a format of calls, such as "hermes", or such a format in JSON; docs/tools.md lists
 * the formats. options may be NULL for the defaults, interrupt may be NULL. hr_grammar_warning()
 * tells the parts of the tools' schemas that have no effect.
 */
HR_NODISCARD HR_API
hr_status hr_grammar_from_tools(const char *tools,
                                size_t tools_len,
                                struct hr_text format,
                                const struct hr_tool_options *options,
                                const struct hr_interrupt *interrupt,
                                struct hr_grammar **out,
                                struct hr_error **error);

/**
 * Finds the format in which a model writes calls. The model's chat template renders an answer with
 * calls, and the format is the one that renders the same text. name becomes the format's name; it
 * is not NUL-terminated and lives as long as the program. Of several templates of a model, the one
 * named tool_use counts if there is one.
 *
 * Fails with HR_ERROR_GRAMMAR if the text is not a chat template, or if no format renders the same
 * text, and with HR_ERROR_INVALID_ARGUMENT in a library that was built without the feature
 * "decode".
 */
HR_NODISCARD HR_API
hr_status hr_preset_detect(const char *chat_template,
                           size_t chat_template_len,
                           struct hr_text *name,
                           struct hr_error **error);

/**
 * Writes zeros into a struct of struct_size bytes; NULL is ignored. hr_constraint_stats_init()
 * passes the size that the struct has in this header.
 */
HR_API void hr_constraint_stats_init_sized(struct hr_constraint_stats *stats, size_t struct_size);

/**
 * Initialises the struct: sets struct_size, and every other member to its default. NULL is
 * ignored.
 */
static inline void hr_constraint_stats_init(struct hr_constraint_stats *place) {
    hr_constraint_stats_init_sized(place, sizeof(struct hr_constraint_stats));
}

/**
 * Writes the defaults into a struct of struct_size bytes; NULL is ignored. hr_limits_init() passes
 * the size that the struct has in this header.
 */
HR_API void hr_limits_init_sized(struct hr_limits *limits, size_t struct_size);

/**
 * Initialises the struct: sets struct_size, and every other member to its default. NULL is
 * ignored.
 */
static inline void hr_limits_init(struct hr_limits *place) {
    hr_limits_init_sized(place, sizeof(struct hr_limits));
}

/**
 * Ties a grammar to a vocabulary. limits may be NULL for the defaults. interrupt may be NULL; it
 * ends this call only, not those of matchers of the constraint.
 *
 * The output ends with the vocabulary's end-of-sequence tokens. For other end tokens, such as the
 * stop tokens of one request, give a vocabulary made by hr_vocab_with_eos(): it shares the tokens
 * and costs little.
 *
 * Fails if the vocabulary cannot spell any output of the grammar, or lacks a special token that
 * the grammar names.
 */
HR_NODISCARD HR_API
hr_status hr_constraint_new(const struct hr_grammar *grammar,
                            const struct hr_vocab *vocab,
                            const struct hr_limits *limits,
                            const struct hr_interrupt *interrupt,
                            struct hr_constraint **out,
                            struct hr_error **error);

/**
 * Writes the statistics of a constraint into a struct that hr_constraint_stats_init() initialised.
 */
HR_NODISCARD HR_API
hr_status hr_constraint_get_stats(const struct hr_constraint *constraint,
                                  struct hr_constraint_stats *stats,
                                  struct hr_error **error);

/**
 * A handle to the constraint's vocabulary, to be freed by the caller; NULL for NULL.
 */
HR_API struct hr_vocab *hr_constraint_vocab(const struct hr_constraint *constraint);

/**
 * A second handle to the same constraint. It copies nothing; NULL for NULL.
 */
HR_API struct hr_constraint *hr_constraint_clone(const struct hr_constraint *constraint);

/**
 * Frees a constraint. NULL is allowed.
 */
HR_API void hr_constraint_free(struct hr_constraint *constraint);

/**
 * Makes an empty cache. It keeps at most max_constraints constraints, whose states and masks
 * together take at most max_bytes bytes. SIZE_MAX stands for no bound.
 *
 * Constraints grow while they are used, up to the graph_bytes of their hr_limits each. The bounds
 * are enforced whenever a constraint is added. The constraint whose last use is longest ago is
 * dropped first. Handles to it, and its matchers, stay valid.
 */
HR_API struct hr_cache *hr_cache_new(size_t max_constraints, size_t max_bytes);

/**
 * A handle to the constraint of a key, to be freed by the caller. If the cache does not have it,
 * make is called with user_data to make it. If other threads ask for the same key meanwhile, they
 * wait.
 *
 * The key is any bytes. It must contain everything that the constraint depends on: the text of the
 * grammar, its notation and options, and the end tokens where requests differ in them. If make
 * fails, nothing is kept, this call fails with the status and the error of make, and a thread that
 * waited calls its own make. interrupt may be NULL; it bounds the wait and the calls of this
 * library in make.
 */
HR_NODISCARD HR_API
hr_status hr_cache_get(const struct hr_cache *cache,
                       struct hr_bytes key,
                       hr_make_constraint make,
                       void *user_data,
                       const struct hr_interrupt *interrupt,
                       struct hr_constraint **out,
                       struct hr_error **error);

/**
 * Drops all constraints. Handles to them, and their matchers, stay valid. NULL is ignored.
 */
HR_API void hr_cache_clear(const struct hr_cache *cache);

/**
 * Writes zeros into a struct of struct_size bytes; NULL is ignored. hr_cache_stats_init() passes
 * the size that the struct has in this header.
 */
HR_API void hr_cache_stats_init_sized(struct hr_cache_stats *stats, size_t struct_size);

/**
 * Initialises the struct: sets struct_size, and every other member to its default. NULL is
 * ignored.
 */
static inline void hr_cache_stats_init(struct hr_cache_stats *place) {
    hr_cache_stats_init_sized(place, sizeof(struct hr_cache_stats));
}

/**
 * Writes the statistics of a cache into a struct that hr_cache_stats_init() initialised.
 */
HR_NODISCARD HR_API
hr_status hr_cache_get_stats(const struct hr_cache *cache,
                             struct hr_cache_stats *stats,
                             struct hr_error **error);

/**
 * Frees a cache. NULL is allowed.
 */
HR_API void hr_cache_free(struct hr_cache *cache);

/**
 * Makes a matcher at the beginning of an output. Cheap.
 */
HR_NODISCARD HR_API
hr_status hr_matcher_new(const struct hr_constraint *constraint,
                         struct hr_matcher **out,
                         struct hr_error **error);

/**
 * A handle to the matcher's vocabulary, to be freed by the caller; NULL for NULL.
 */
HR_API struct hr_vocab *hr_matcher_vocab(const struct hr_matcher *matcher);

/**
 * Sets the conditions under which later calls on a matcher end early; NULL for none. They also
 * hold for matchers that are cloned from it later, but for no other matchers of its constraint.
 *
 * A call that ends early fails with HR_ERROR_LIMIT or HR_ERROR_CANCELLED. It has changed nothing
 * and may be repeated. While the flag is set, all calls fail, except that masks which are
 * remembered already are still given. The struct and the flag may be freed at once: the matcher
 * keeps the flag's state.
 */
HR_NODISCARD HR_API
hr_status hr_matcher_set_interrupt(struct hr_matcher *matcher,
                                   const struct hr_interrupt *interrupt,
                                   struct hr_error **error);

/**
 * Writes the mask of the tokens that are allowed next: bit i % 32 of word i / 32 is 1 if token i
 * is allowed. The tokens that end a sequence are among them if the output so far is complete.
 *
 * words must be hr_vocab_mask_words() of the vocabulary. Bits past the vocabulary's end are 0.
 */
HR_NODISCARD HR_API
hr_status hr_matcher_fill_mask(struct hr_matcher *matcher,
                               uint32_t *mask,
                               size_t words,
                               struct hr_error **error);

/**
 * The ids of the tokens that are allowed next, in ascending order. This is the mask of
 * hr_matcher_fill_mask() as a list, for positions with few allowed tokens.
 *
 * Writes as many ids as fit into the buffer and sets count to the number of all; a buffer of
 * capacity 0 may be NULL.
 */
HR_NODISCARD HR_API
hr_status hr_matcher_allowed_tokens(struct hr_matcher *matcher,
                                    uint32_t *buffer,
                                    size_t capacity,
                                    size_t *count,
                                    struct hr_error **error);

/**
 * Fills the masks of many matchers, each as hr_matcher_fill_mask() does. They may be of different
 * constraints. No matcher may occur twice.
 *
 * The mask of matchers[i] begins at masks + rows[i] * words. rows may be NULL, which stands for 0,
 * 1, 2 and so on; it may not hold a number twice. Other rows are unchanged. words must be
 * hr_vocab_mask_words() of the vocabulary, and the vocabularies of all matchers equally large. At
 * most threads threads compute the masks, without influence on the result; 0 and 1 start none.
 *
 * If single matchers fail, because of a limit for example, the masks of all others are still
 * written. The call then returns the status of the first that failed, and error receives its
 * error. row_errors may be NULL; otherwise it has count places, and the place i receives the error
 * of matchers[i], which the caller frees, or NULL. Impossible arguments leave row_errors
 * unchanged.
 */
HR_NODISCARD HR_API
hr_status hr_matchers_fill_masks(struct hr_matcher *const *matchers,
                                 size_t count,
                                 const size_t *rows,
                                 uint32_t *masks,
                                 size_t words,
                                 size_t threads,
                                 struct hr_error **row_errors,
                                 struct hr_error **error);

/**
 * Fills the mask after every node of a tree of guessed tokens, for speculative decoding. The
 * matcher does not move.
 *
 * Node i is tokens[i] after node parents[i], which must be lower than i, or after the matcher's
 * position if parents[i] is -1. The row at masks + i * stride receives the tokens allowed after
 * the path to node i. It has words words, which must be hr_vocab_mask_words() of the vocabulary.
 * hr_matcher_fill_mask() gives the tokens allowed before all nodes.
 *
 * allowed[i] becomes true if all tokens on the path to node i are allowed; if not, the row is all
 * zeros. allowed may be NULL.
 */
HR_NODISCARD HR_API
hr_status hr_matcher_mask_draft_tree(struct hr_matcher *matcher,
                                     const uint32_t *tokens,
                                     const int32_t *parents,
                                     size_t count,
                                     uint32_t *masks,
                                     size_t words,
                                     size_t stride,
                                     bool *allowed,
                                     struct hr_error **error);

/**
 * Sets allowed to true if a token is allowed next. For a single token this is cheaper than a mask.
 */
HR_NODISCARD HR_API
hr_status hr_matcher_allows(struct hr_matcher *matcher,
                            uint32_t token,
                            bool *allowed,
                            struct hr_error **error);

/**
 * Moves by one token. accepted becomes false, and nothing changes, if the token is not allowed.
 */
HR_NODISCARD HR_API
hr_status hr_matcher_advance(struct hr_matcher *matcher,
                             uint32_t token,
                             bool *accepted,
                             struct hr_error **error);

/**
 * Moves by several tokens, one step for each, up to the first that is not allowed. accepted
 * becomes the number of steps. A call that fails has moved by none.
 */
HR_NODISCARD HR_API
hr_status hr_matcher_advance_all(struct hr_matcher *matcher,
                                 const uint32_t *tokens,
                                 size_t count,
                                 size_t *accepted,
                                 struct hr_error **error);

/**
 * Moves by bytes, however tokens would spell them; they count as one step. accepted becomes false,
 * and nothing changes, if they are not allowed.
 */
HR_NODISCARD HR_API
hr_status hr_matcher_advance_bytes(struct hr_matcher *matcher,
                                   const uint8_t *bytes,
                                   size_t len,
                                   bool *accepted,
                                   struct hr_error **error);

/**
 * Moves by a text in which special tokens stand by their names, as decoders write them. accepted
 * becomes false, and nothing changes, if the text is not allowed. Each token counts as a step, and
 * so do the bytes between two tokens.
 *
 * A special token's name in the text may mean the token or the plain bytes, so both readings are
 * tried. If both are allowed, a reading after which the output is complete is preferred. Among the
 * rest, one that reads the token is preferred.
 */
HR_NODISCARD HR_API
hr_status hr_matcher_advance_text(struct hr_matcher *matcher,
                                  const uint8_t *text,
                                  size_t len,
                                  bool *accepted,
                                  struct hr_error **error);

/**
 * Counts the tokens that are allowed one after the other, up to the first that is not. The matcher
 * does not move.
 */
HR_NODISCARD HR_API
hr_status hr_matcher_validate(struct hr_matcher *matcher,
                              const uint32_t *tokens,
                              size_t count,
                              size_t *accepted,
                              struct hr_error **error);

/**
 * Undoes the last steps. Fails, and undoes none, if there are fewer.
 */
HR_NODISCARD HR_API hr_status hr_matcher_rollback(struct hr_matcher *matcher, size_t steps, struct hr_error **error);

/**
 * Returns to the beginning of the output.
 */
HR_NODISCARD HR_API hr_status hr_matcher_reset(struct hr_matcher *matcher, struct hr_error **error);

/**
 * True if the output so far is complete; tokens may still follow it. False for NULL.
 */
HR_API bool hr_matcher_is_accepting(const struct hr_matcher *matcher);

/**
 * True if a token that ends the sequence was read; from then on only such tokens are allowed.
 * False for NULL.
 */
HR_API bool hr_matcher_is_stopped(const struct hr_matcher *matcher);

/**
 * Number of steps read so far. 0 for NULL.
 */
HR_API size_t hr_matcher_output_len(const struct hr_matcher *matcher);

/**
 * A number for the state of a matcher. Matchers of one constraint with equal numbers have equal
 * masks, now and after the same further tokens. Matchers with different numbers may have equal
 * masks too. 0 for NULL.
 *
 * The upper 32 bits count how often the constraint has dropped its states because they exceeded
 * graph_bytes of hr_limits. A number never stands for two different states, so a cache may use it
 * as a key.
 */
HR_API uint64_t hr_matcher_state_id(const struct hr_matcher *matcher);

/**
 * Tokens that complete the output with a text that is as short as possible, or a few bytes longer
 * if its parts depend on each other; no tokens if the output is complete. Each is allowed after
 * the ones before it. found becomes false if a bounded search finds no such sequence. The matcher
 * does not move.
 *
 * Writes as many ids as fit into the buffer and sets count to the number of all; a buffer of
 * capacity 0 may be NULL.
 */
HR_NODISCARD HR_API
hr_status hr_matcher_completion(struct hr_matcher *matcher,
                                uint32_t *buffer,
                                size_t capacity,
                                size_t *count,
                                bool *found,
                                struct hr_error **error);

/**
 * The bytes that must come next, up to the first choice. The matcher does not move.
 *
 * Writes as many bytes as fit into the buffer and sets len to the number of all; a buffer of
 * capacity 0 may be NULL.
 */
HR_NODISCARD HR_API
hr_status hr_matcher_forced_bytes(struct hr_matcher *matcher,
                                  uint8_t *buffer,
                                  size_t capacity,
                                  size_t *len,
                                  struct hr_error **error);

/**
 * Tokens that spell the forced bytes, each the longest that fits. The last is left out if a longer
 * token could begin with it. Each is allowed after the ones before it, so they may be read without
 * asking a model. The matcher does not move.
 *
 * Writes as many ids as fit into the buffer and sets count to the number of all; a buffer of
 * capacity 0 may be NULL.
 */
HR_NODISCARD HR_API
hr_status hr_matcher_forced_tokens(struct hr_matcher *matcher,
                                   uint32_t *buffer,
                                   size_t capacity,
                                   size_t *count,
                                   struct hr_error **error);

/**
 * A second matcher at the same position, with the same history. The two then move
 * independently.
 */
HR_NODISCARD HR_API
hr_status hr_matcher_clone(const struct hr_matcher *matcher,
                           struct hr_matcher **out,
                           struct hr_error **error);

/**
 * Frees a matcher. NULL is allowed.
 */
HR_API void hr_matcher_free(struct hr_matcher *matcher);

/**
 * Makes a reader at the beginning of an output. docs/tools.md says how a structural tag gives
 * parts of an output their roles; under other constraints all of it is text.
 */
HR_NODISCARD HR_API
hr_status hr_events_new(const struct hr_constraint *constraint,
                        struct hr_events **out,
                        struct hr_error **error);

/**
 * Reads tokens, one step for each, up to the first that is not allowed. accepted becomes the
 * number of steps. A token that ends the sequence finishes the output, as hr_events_finish() does.
 * A call that fails has read the tokens before the one that failed.
 */
HR_NODISCARD HR_API
hr_status hr_events_advance(struct hr_events *events,
                            const uint32_t *tokens,
                            size_t count,
                            size_t *accepted,
                            struct hr_error **error);

/**
 * Reads bytes, as one step. accepted becomes false, and nothing changes, if they are not allowed.
 */
HR_NODISCARD HR_API
hr_status hr_events_advance_bytes(struct hr_events *events,
                                  const uint8_t *bytes,
                                  size_t len,
                                  bool *accepted,
                                  struct hr_error **error);

/**
 * Reads a text in which special tokens stand by their names, as hr_matcher_advance_text() does.
 * accepted becomes false, and nothing changes, if the text is not allowed.
 */
HR_NODISCARD HR_API
hr_status hr_events_advance_text(struct hr_events *events,
                                 const uint8_t *text,
                                 size_t len,
                                 bool *accepted,
                                 struct hr_error **error);

/**
 * Ends the output, as one step: bytes that were waiting because they may be the beginning of a
 * marker become events. An output that is not complete may be ended, too.
 */
HR_NODISCARD HR_API hr_status hr_events_finish(struct hr_events *events, struct hr_error **error);

/**
 * Undoes the last steps. The caller forgets their events; the reader then holds no events. Fails,
 * and undoes none, if there are fewer steps.
 */
HR_NODISCARD HR_API hr_status hr_events_rollback(struct hr_events *events, size_t steps, struct hr_error **error);

/**
 * Number of events that the last function call which changed the reader has made. 0 for NULL.
 */
HR_API size_t hr_events_count(const struct hr_events *events);

/**
 * The event with this index, counted from 0, among those that the last function call made. Returns
 * false, and changes nothing, if there is none.
 *
 * kind becomes its kind. call becomes the number of the tool call to which it belongs, counted
 * from 0, and 0 for an event that belongs to none. The comments of hr_event_kind say what text and
 * id become; in all other cases they are empty. Any of the four may be NULL. The texts are not
 * NUL-terminated, and live until the reader changes.
 */
HR_API
bool hr_events_get(const struct hr_events *events,
                   size_t index,
                   hr_event_kind *kind,
                   size_t *call,
                   struct hr_text *text,
                   struct hr_text *id);

/**
 * A second reader at the same position, with the same events.
 */
HR_NODISCARD HR_API
hr_status hr_events_clone(const struct hr_events *events,
                          struct hr_events **out,
                          struct hr_error **error);

/**
 * Frees a reader. NULL is allowed.
 */
HR_API void hr_events_free(struct hr_events *events);

/**
 * Computes all states of a constraint, with equal ones merged. interrupt may be NULL.
 *
 * Fails with HR_ERROR_LIMIT if there are more than max_states before they are merged. A recursive
 * grammar, for example, has infinitely many states. The time is proportional to the number of
 * states times the number of allowed tokens.
 */
HR_NODISCARD HR_API
hr_status hr_token_fsm_new(const struct hr_constraint *constraint,
                           size_t max_states,
                           const struct hr_interrupt *interrupt,
                           struct hr_token_fsm **out,
                           struct hr_error **error);

/**
 * Reads the bytes that hr_token_fsm_to_bytes() wrote. Any other bytes, such as damaged ones, are
 * refused.
 */
HR_NODISCARD HR_API
hr_status hr_token_fsm_from_bytes(const uint8_t *bytes,
                                  size_t len,
                                  struct hr_token_fsm **out,
                                  struct hr_error **error);

/**
 * The machine as bytes. They are the same on every computer, and later versions of the library can
 * read them.
 *
 * Writes as many bytes as fit into the buffer and sets len to the number of all; a buffer of
 * capacity 0 may be NULL.
 */
HR_NODISCARD HR_API
hr_status hr_token_fsm_to_bytes(const struct hr_token_fsm *fsm,
                                uint8_t *buffer,
                                size_t capacity,
                                size_t *len,
                                struct hr_error **error);

/**
 * Number of states. 0 for NULL.
 */
HR_API size_t hr_token_fsm_state_count(const struct hr_token_fsm *fsm);

/**
 * Number of classes of tokens. 0 for NULL.
 */
HR_API size_t hr_token_fsm_class_count(const struct hr_token_fsm *fsm);

/**
 * The class of each token; count becomes the number of tokens, the padding of the model's output
 * included. Lives as long as the machine. NULL, with count 0, for NULL.
 */
HR_API const uint32_t *hr_token_fsm_token_classes(const struct hr_token_fsm *fsm, size_t *count);

/**
 * The target of each class from each state: element state * classes + class, or UINT32_MAX if the
 * class is not allowed.
 *
 * Writes as many elements as fit into the buffer and sets count to the number of all; a buffer of
 * capacity 0 may be NULL.
 */
HR_NODISCARD HR_API
hr_status hr_token_fsm_table(const struct hr_token_fsm *fsm,
                             uint32_t *buffer,
                             size_t capacity,
                             size_t *count,
                             struct hr_error **error);

/**
 * True if a token is allowed in a state; next then becomes the state after it. False if there is
 * no such state or token, and for NULL.
 */
HR_API bool hr_token_fsm_next(const struct hr_token_fsm *fsm, uint32_t state, uint32_t token, uint32_t *next);

/**
 * Writes the tokens that a state allows, as hr_matcher_fill_mask() does.
 */
HR_NODISCARD HR_API
hr_status hr_token_fsm_fill_mask(const struct hr_token_fsm *fsm,
                                 uint32_t state,
                                 uint32_t *mask,
                                 size_t words,
                                 struct hr_error **error);

/**
 * True if an output may end in a state. False if there is no such state, and for NULL.
 */
HR_API bool hr_token_fsm_is_accepting(const struct hr_token_fsm *fsm, uint32_t state);

/**
 * True if a state follows a token that ends the sequence. False if there is no such state, and for
 * NULL.
 */
HR_API bool hr_token_fsm_is_stopped(const struct hr_token_fsm *fsm, uint32_t state);

/**
 * Frees a state machine. NULL is allowed.
 */
HR_API void hr_token_fsm_free(struct hr_token_fsm *fsm);

/**
 * Forbids tokens in rows of 32-bit logits: every logit whose bit in the mask is 0 becomes
 * -infinity. Other logits are unchanged.
 *
 * Row r begins at logits + r * row_stride and has columns logits. Its mask begins at masks + r *
 * mask_stride and has mask_words words (token i is bit i % 32 of word i / 32). Strides count
 * elements. mask_stride 0 gives all rows the same mask. Tokens beyond the mask's end are
 * forbidden, as the padding of a model's output must be. Words beyond the row's end are ignored.
 *
 * Several threads may work on different rows at once.
 */
HR_NODISCARD HR_API
hr_status hr_mask_logits_f32(float *logits,
                             size_t rows,
                             size_t columns,
                             size_t row_stride,
                             const uint32_t *masks,
                             size_t mask_words,
                             size_t mask_stride,
                             struct hr_error **error);

/**
 * As hr_mask_logits_f32(), for IEEE 754 half precision given by its bits.
 */
HR_NODISCARD HR_API
hr_status hr_mask_logits_f16(uint16_t *logits,
                             size_t rows,
                             size_t columns,
                             size_t row_stride,
                             const uint32_t *masks,
                             size_t mask_words,
                             size_t mask_stride,
                             struct hr_error **error);

/**
 * As hr_mask_logits_f32(), for bfloat16 given by its bits.
 */
HR_NODISCARD HR_API
hr_status hr_mask_logits_bf16(uint16_t *logits,
                              size_t rows,
                              size_t columns,
                              size_t row_stride,
                              const uint32_t *masks,
                              size_t mask_words,
                              size_t mask_stride,
                              struct hr_error **error);

/**
 * Writes the defaults into a struct of struct_size bytes; NULL is ignored.
 * hr_sampler_options_init() passes the size that the struct has in this header.
 */
HR_API void hr_sampler_options_init_sized(struct hr_sampler_options *options, size_t struct_size);

/**
 * Initialises the struct: sets struct_size, and every other member to its default. NULL is
 * ignored.
 */
static inline void hr_sampler_options_init(struct hr_sampler_options *place) {
    hr_sampler_options_init_sized(place, sizeof(struct hr_sampler_options));
}

/**
 * Makes a sampler. options may be NULL for the defaults: draw from softmax(logits), seed 0. The
 * options are not needed afterwards.
 */
HR_NODISCARD HR_API
hr_status hr_sampler_new(const struct hr_sampler_options *options,
                         struct hr_sampler **out,
                         struct hr_error **error);

/**
 * Starts again with a prompt, whose tokens count for repetition penalties, DRY, n-grams and
 * sequences.
 */
HR_NODISCARD HR_API
hr_status hr_sampler_set_prompt(struct hr_sampler *sampler,
                                const uint32_t *tokens,
                                size_t count,
                                struct hr_error **error);

/**
 * Draws the token of the sampler's current position from a row of 32-bit logits, under a mask.
 *
 * The mask may be NULL with mask_words 0: all tokens are then allowed. Token i is bit i % 32 of
 * word i / 32. Tokens beyond the mask's end are forbidden, and forbidden logits are not read.
 * logprob, which may be NULL, becomes the natural logarithm of the probability with which the
 * token was drawn. The row and the sampler's position do not change: see hr_sampler_accept().
 *
 * Fails if no token is left to draw, or if a logit that is read is NaN or +infinity.
 */
HR_NODISCARD HR_API
hr_status hr_sampler_sample_f32(struct hr_sampler *sampler,
                                const float *logits,
                                size_t count,
                                const uint32_t *mask,
                                size_t mask_words,
                                uint32_t *token,
                                float *logprob,
                                struct hr_error **error);

/**
 * As hr_sampler_sample_f32(), for IEEE 754 half precision given by its bits.
 */
HR_NODISCARD HR_API
hr_status hr_sampler_sample_f16(struct hr_sampler *sampler,
                                const uint16_t *logits,
                                size_t count,
                                const uint32_t *mask,
                                size_t mask_words,
                                uint32_t *token,
                                float *logprob,
                                struct hr_error **error);

/**
 * As hr_sampler_sample_f32(), for bfloat16 given by its bits.
 */
HR_NODISCARD HR_API
hr_status hr_sampler_sample_bf16(struct hr_sampler *sampler,
                                 const uint16_t *logits,
                                 size_t count,
                                 const uint32_t *mask,
                                 size_t mask_words,
                                 uint32_t *token,
                                 float *logprob,
                                 struct hr_error **error);

/**
 * The natural logarithm of a token's probability in softmax of the row, as the model gave it: no
 * mask, penalty or temperature. APIs report it with each token.
 *
 * The top_count most probable tokens are written to top, the most probable first, ties by the
 * lowest id; top may be NULL if top_count is 0. written, which may be NULL, becomes their number:
 * it is less than top_count if the row is shorter. logprob may be NULL, too.
 */
HR_NODISCARD HR_API
hr_status hr_logprobs_f32(const float *logits,
                          size_t count,
                          uint32_t token,
                          float *logprob,
                          struct hr_token_logprob *top,
                          size_t top_count,
                          size_t *written,
                          struct hr_error **error);

/**
 * As hr_logprobs_f32(), for IEEE 754 half precision given by its bits.
 */
HR_NODISCARD HR_API
hr_status hr_logprobs_f16(const uint16_t *logits,
                          size_t count,
                          uint32_t token,
                          float *logprob,
                          struct hr_token_logprob *top,
                          size_t top_count,
                          size_t *written,
                          struct hr_error **error);

/**
 * As hr_logprobs_f32(), for bfloat16 given by its bits.
 */
HR_NODISCARD HR_API
hr_status hr_logprobs_bf16(const uint16_t *logits,
                           size_t count,
                           uint32_t token,
                           float *logprob,
                           struct hr_token_logprob *top,
                           size_t top_count,
                           size_t *written,
                           struct hr_error **error);

/**
 * Replaces a row of logits by the result of the chain: the natural logarithm of each token's
 * probability, and -infinity for tokens that cannot be drawn. It is meant for callers who draw by
 * themselves. The mask is as for hr_sampler_sample_f32().
 */
HR_NODISCARD HR_API
hr_status hr_sampler_apply_f32(struct hr_sampler *sampler,
                               float *logits,
                               size_t count,
                               const uint32_t *mask,
                               size_t mask_words,
                               struct hr_error **error);

/**
 * As hr_sampler_apply_f32(), for IEEE 754 half precision given by its bits. Results are rounded to
 * the nearest.
 */
HR_NODISCARD HR_API
hr_status hr_sampler_apply_f16(struct hr_sampler *sampler,
                               uint16_t *logits,
                               size_t count,
                               const uint32_t *mask,
                               size_t mask_words,
                               struct hr_error **error);

/**
 * As hr_sampler_apply_f32(), for bfloat16 given by its bits. Results are rounded to the nearest.
 */
HR_NODISCARD HR_API
hr_status hr_sampler_apply_bf16(struct hr_sampler *sampler,
                                uint16_t *logits,
                                size_t count,
                                const uint32_t *mask,
                                size_t mask_words,
                                struct hr_error **error);

/**
 * Moves to the next position: token is the output's next token, whether it was drawn here or not.
 */
HR_NODISCARD HR_API hr_status hr_sampler_accept(struct hr_sampler *sampler, uint32_t token, struct hr_error **error);

/**
 * Removes the last accepted tokens. Fails, and removes none, if there are fewer.
 */
HR_NODISCARD HR_API hr_status hr_sampler_rollback(struct hr_sampler *sampler, size_t tokens, struct hr_error **error);

/**
 * Starts again with the same parameters, seed and prompt.
 */
HR_NODISCARD HR_API hr_status hr_sampler_reset(struct hr_sampler *sampler, struct hr_error **error);

/**
 * Number of tokens accepted since the prompt. 0 for NULL.
 */
HR_API size_t hr_sampler_position(const struct hr_sampler *sampler);

/**
 * A second sampler with the same parameters and history. The two then change independently.
 */
HR_NODISCARD HR_API
hr_status hr_sampler_clone(const struct hr_sampler *sampler,
                           struct hr_sampler **out,
                           struct hr_error **error);

/**
 * Frees a sampler. NULL is allowed.
 */
HR_API void hr_sampler_free(struct hr_sampler *sampler);

/**
 * Draws a token for each of many samplers from its row of 32-bit logits, as
 * hr_sampler_sample_f32() does. No sampler may occur twice.
 *
 * The row of samplers[i] begins at logits + i * row_stride and has columns logits. Its mask begins
 * at masks + i * mask_stride and has mask_words words; mask_stride 0 gives all rows the same mask,
 * and NULL with mask_words 0 allows all tokens. Strides count elements. At most threads threads
 * draw, without influence on the result; 0 and 1 start none.
 *
 * tokens[i] becomes the token of samplers[i], and logprobs[i] the natural logarithm of the
 * probability with which it was drawn; logprobs may be NULL.
 *
 * If single rows fail, because of a NaN for example, all others are still drawn. A row that failed
 * has the token HR_NO_TOKEN. The call then returns the status of the first that failed, and error
 * receives its error. row_errors may be NULL; otherwise it has count places, and the place i
 * receives the error of row i, which the caller frees, or NULL. Impossible arguments leave all
 * results unchanged.
 */
HR_NODISCARD HR_API
hr_status hr_samplers_sample_f32(struct hr_sampler *const *samplers,
                                 size_t count,
                                 const float *logits,
                                 size_t columns,
                                 size_t row_stride,
                                 const uint32_t *masks,
                                 size_t mask_words,
                                 size_t mask_stride,
                                 size_t threads,
                                 uint32_t *tokens,
                                 float *logprobs,
                                 struct hr_error **row_errors,
                                 struct hr_error **error);

/**
 * As hr_samplers_sample_f32(), for IEEE 754 half precision given by its bits.
 */
HR_NODISCARD HR_API
hr_status hr_samplers_sample_f16(struct hr_sampler *const *samplers,
                                 size_t count,
                                 const uint16_t *logits,
                                 size_t columns,
                                 size_t row_stride,
                                 const uint32_t *masks,
                                 size_t mask_words,
                                 size_t mask_stride,
                                 size_t threads,
                                 uint32_t *tokens,
                                 float *logprobs,
                                 struct hr_error **row_errors,
                                 struct hr_error **error);

/**
 * As hr_samplers_sample_f32(), for bfloat16 given by its bits.
 */
HR_NODISCARD HR_API
hr_status hr_samplers_sample_bf16(struct hr_sampler *const *samplers,
                                  size_t count,
                                  const uint16_t *logits,
                                  size_t columns,
                                  size_t row_stride,
                                  const uint32_t *masks,
                                  size_t mask_words,
                                  size_t mask_stride,
                                  size_t threads,
                                  uint32_t *tokens,
                                  float *logprobs,
                                  struct hr_error **row_errors,
                                  struct hr_error **error);

/**
 * Reads sampling parameters as an API spells them: a JSON object, such as
 * {"temperature": 0.2, "stop": ["END"], "max_completion_tokens": 64} for OpenAI's.
 *
 * Members of the API that do not concern sampling are passed over. An error has a JSON pointer as
 * its location. It reports a member that the API does not have, a value of the wrong type or out
 * of range, or two members that contradict each other.
 */
HR_NODISCARD HR_API
hr_status hr_parameters_from_json(hr_parameter_api api,
                                  const char *json,
                                  size_t json_len,
                                  struct hr_parameters **out,
                                  struct hr_error **error);

/**
 * Writes the parameters into a struct that hr_sampler_options_init() initialised, whatever it
 * holds. ListsForC in it point into the parameters. The caller may change members before using it.
 */
HR_NODISCARD HR_API
hr_status hr_parameters_get_sampler_options(const struct hr_parameters *parameters,
                                            struct hr_sampler_options *options,
                                            struct hr_error **error);

/**
 * True if the parameters set a seed. If they do not, the caller may choose one. False for NULL.
 */
HR_API bool hr_parameters_has_seed(const struct hr_parameters *parameters);

/**
 * Number of outputs that the parameters ask for. 0 for NULL.
 */
HR_API size_t hr_parameters_completions(const struct hr_parameters *parameters);

/**
 * True if the parameters limit the tokens of prompt and output together, as max_length and
 * min_length of Hugging Face do. min and max, which may be NULL, then become these numbers; 0
 * stands for no limit. hr_parameters_get_generation_options() writes them into members of the same
 * names. For a sampler, subtract the prompt's tokens to get min_tokens and max_tokens of
 * hr_sampler_options.
 */
HR_API bool hr_parameters_lengths(const struct hr_parameters *parameters, size_t *min, size_t *max);

/**
 * True if the parameters ask for log-probabilities; count, which may be NULL, then becomes the
 * number of the most probable tokens to report with each token.
 */
HR_API bool hr_parameters_logprobs(const struct hr_parameters *parameters, size_t *count);

/**
 * Number of texts in a list. 0 for NULL, and for a list that does not exist.
 */
HR_API size_t hr_parameters_text_count(const struct hr_parameters *parameters, hr_parameter_texts which);

/**
 * The text index of a list, counted from 0. Returns false, and changes nothing, if there is none.
 * The text is not NUL-terminated, and lives as long as the parameters.
 */
HR_API
bool hr_parameters_text(const struct hr_parameters *parameters,
                        hr_parameter_texts which,
                        size_t index,
                        struct hr_text *text);

/**
 * The JSON text of OpenAI's response_format, from which hr_grammar_from_structural_tag() makes a
 * grammar. Returns false, and changes nothing, if there is none. The text is not NUL-terminated,
 * and lives as long as the parameters.
 */
HR_API bool hr_parameters_response_format(const struct hr_parameters *parameters, struct hr_text *json);

/**
 * Frees parameters. NULL is allowed.
 */
HR_API void hr_parameters_free(struct hr_parameters *parameters);

#if defined(HR_HAS_TORCH)
/**
 * Writes the defaults into a struct of struct_size bytes; NULL is ignored. hr_model_options_init()
 * passes the size that the struct has in this header.
 */
HR_API void hr_model_options_init_sized(struct hr_model_options *options, size_t struct_size);

/**
 * Initialises the struct: sets struct_size, and every other member to its default. NULL is
 * ignored.
 */
static inline void hr_model_options_init(struct hr_model_options *place) {
    hr_model_options_init_sized(place, sizeof(struct hr_model_options));
}
#endif

#if defined(HR_HAS_TORCH)
/**
 * Loads a model: a GGUF file, or a Hugging Face folder with config.json, tokenizer.json and
 * safetensors weights. options may be NULL for the defaults. The file stays mapped while the model
 * lives.
 */
HR_NODISCARD HR_API
hr_status hr_model_load(const char *path,
                        size_t path_len,
                        const struct hr_model_options *options,
                        struct hr_model **out,
                        struct hr_error **error);
#endif

#if defined(HR_HAS_TORCH)
/**
 * The model's vocabulary, as an object of its own: free it with hr_vocab_free().
 */
HR_NODISCARD HR_API hr_status hr_model_vocab(const struct hr_model *model, struct hr_vocab **out, struct hr_error **error);
#endif

#if defined(HR_HAS_TORCH)
/**
 * The tokens of a text, by the model's own tokenizer; special tokens are recognised by their
 * names. As many as fit are written to buffer (NULL with capacity 0 to ask), and len becomes the
 * number of all.
 */
HR_NODISCARD HR_API
hr_status hr_model_encode(const struct hr_model *model,
                          const char *text,
                          size_t text_len,
                          uint32_t *buffer,
                          size_t capacity,
                          size_t *len,
                          struct hr_error **error);
#endif

#if defined(HR_HAS_TORCH)
/**
 * Loads draft heads for a model: a safetensors file as the authors' training code writes it.
 */
HR_NODISCARD HR_API
hr_status hr_draft_heads_load(const struct hr_model *model,
                              const char *path,
                              size_t path_len,
                              struct hr_draft_heads **out,
                              struct hr_error **error);
#endif

#if defined(HR_HAS_TORCH)
/**
 * Frees a model. NULL is allowed.
 */
HR_API void hr_model_free(struct hr_model *model);
#endif

#if defined(HR_HAS_TORCH)
/**
 * Frees draft heads. NULL is allowed.
 */
HR_API void hr_draft_heads_free(struct hr_draft_heads *heads);
#endif

#if defined(HR_HAS_TORCH)
/**
 * Writes the defaults into a struct of struct_size bytes; NULL is ignored.
 * hr_generation_options_init() passes the size that the struct has in this header.
 */
HR_API void hr_generation_options_init_sized(struct hr_generation_options *options, size_t struct_size);

/**
 * Initialises the struct: sets struct_size, and every other member to its default. NULL is
 * ignored.
 */
static inline void hr_generation_options_init(struct hr_generation_options *place) {
    hr_generation_options_init_sized(place, sizeof(struct hr_generation_options));
}
#endif

#if defined(HR_HAS_TORCH)
/**
 * Writes parameters into a struct that hr_generation_options_init() initialised. The members
 * sampler, stop, stop_count, completions, max_length and min_length are written always, max_tokens
 * if the parameters limit an output's length, and the members of beam search if they ask for that.
 * Other members are unchanged. Pointers in the struct lead into the parameters.
 *
 * Three things are not written: log-probabilities, which a generation does not report; the texts
 * of bad_words, which hr_parameters_text() gives; and the response_format, which
 * hr_parameters_response_format() gives.
 */
HR_NODISCARD HR_API
hr_status hr_parameters_get_generation_options(const struct hr_parameters *parameters,
                                               struct hr_generation_options *options,
                                               struct hr_error **error);
#endif

#if defined(HR_HAS_TORCH)
/**
 * Writes zeros into a struct of struct_size bytes; NULL is ignored. hr_generation_stats_init()
 * passes the size that the struct has in this header.
 */
HR_API void hr_generation_stats_init_sized(struct hr_generation_stats *stats, size_t struct_size);

/**
 * Initialises the struct: sets struct_size, and every other member to its default. NULL is
 * ignored.
 */
static inline void hr_generation_stats_init(struct hr_generation_stats *place) {
    hr_generation_stats_init_sized(place, sizeof(struct hr_generation_stats));
}
#endif

#if defined(HR_HAS_TORCH)
/**
 * Lets the model continue a prompt. options may be NULL for the defaults. Blocks until the output
 * is complete.
 *
 * A generation that the callback or the interrupt of the options ends is a result
 * (HR_FINISH_REASON_CANCELLED), not an error. So is one in which an output fails after the model
 * has chosen a token (HR_FINISH_REASON_FAILED): the other outputs, and its text up to there, are
 * in the result.
 */
HR_NODISCARD HR_API
hr_status hr_generate(const struct hr_model *model,
                      const char *prompt,
                      size_t prompt_len,
                      const struct hr_generation_options *options,
                      struct hr_generation **out,
                      struct hr_error **error);
#endif

#if defined(HR_HAS_TORCH)
/**
 * Number of outputs: as many as requested, or fewer if a search found fewer. 0 for NULL.
 */
HR_API size_t hr_generation_count(const struct hr_generation *generation);
#endif

#if defined(HR_HAS_TORCH)
/**
 * The text of the output index, from 0: UTF-8, len bytes, not NUL-terminated. It lives as long as
 * the generation. NULL if there is no such output.
 */
HR_API const char *hr_generation_text(const struct hr_generation *generation, size_t index, size_t *len);
#endif

#if defined(HR_HAS_TORCH)
/**
 * The tokens of the output index. As many as fit are written to buffer (NULL with capacity 0 to
 * ask), and len becomes the number of all.
 */
HR_NODISCARD HR_API
hr_status hr_generation_tokens(const struct hr_generation *generation,
                               size_t index,
                               uint32_t *buffer,
                               size_t capacity,
                               size_t *len,
                               struct hr_error **error);
#endif

#if defined(HR_HAS_TORCH)
/**
 * The reason why the output index ended; HR_FINISH_REASON_OTHER if there is no such output.
 */
HR_API hr_finish_reason hr_generation_finish_reason(const struct hr_generation *generation, size_t index);
#endif

#if defined(HR_HAS_TORCH)
/**
 * The error that ended the output index, for HR_FINISH_REASON_FAILED. Returns the error's status,
 * and writes the error itself to error, which may be NULL. Returns HR_OK, and writes no error, if
 * the output did not fail or does not exist.
 */
HR_NODISCARD HR_API
hr_status hr_generation_error(const struct hr_generation *generation,
                              size_t index,
                              struct hr_error **error);
#endif

#if defined(HR_HAS_TORCH)
/**
 * True if the constraint's language contains the text of the output index. False if it was cut,
 * and if there is no constraint or no such output.
 */
HR_API bool hr_generation_is_complete(const struct hr_generation *generation, size_t index);
#endif

#if defined(HR_HAS_TORCH)
/**
 * The end of the output index, if it was written without the model to complete the output within
 * max_tokens. It is valid under the constraint, but its content has no meaning. first_token
 * becomes the position of its first token, tokens the number of its tokens, and first_byte its
 * offset in the text of hr_generation_text(); each may be NULL. Returns false, and writes nothing,
 * if the model wrote the whole output.
 */
HR_API
bool hr_generation_budget_ending(const struct hr_generation *generation,
                                 size_t index,
                                 size_t *first_token,
                                 size_t *tokens,
                                 size_t *first_byte);
#endif

#if defined(HR_HAS_TORCH)
/**
 * The score that the strategy gave the output index: for beam search the log-probability /
 * length^length_penalty, for best-of the mean log-probability. Returns false, and leaves score
 * unchanged, if there is no such output or the strategy gives no scores.
 */
HR_API bool hr_generation_score(const struct hr_generation *generation, size_t index, double *score);
#endif

#if defined(HR_HAS_TORCH)
/**
 * Writes the statistics of the generation.
 */
HR_NODISCARD HR_API
hr_status hr_generation_get_stats(const struct hr_generation *generation,
                                  struct hr_generation_stats *stats,
                                  struct hr_error **error);
#endif

#if defined(HR_HAS_TORCH)
/**
 * Frees a generation. NULL is allowed.
 */
HR_API void hr_generation_free(struct hr_generation *generation);
#endif

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* HEDGEROW_H */
