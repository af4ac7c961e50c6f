/*
 * Every function of hedgerow.h: its results, and its errors for NULL, garbage and impossible
 * arguments. The program is compiled as C99, C11 and C17, and run plainly, under valgrind and with
 * sanitizers.
 */
#include <hedgerow.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

unsigned abi_seen_by_second_unit(void);
void test_parameters(void);

static int failures = 0;

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: false: %s\n", __FILE__, __LINE__, #condition); \
            failures++;                                                             \
        }                                                                           \
    } while (0)

/* Checks that a call succeeds and that `error`, which must be NULL before, is still NULL. */
#define OK(call) expect_ok((call), &error, #call, __LINE__)

/* Checks that a call fails with a status and a message that holds a text. */
#define FAILS(call, status, text)                            \
    do {                                                      \
        expect_failure((call), &error, status, text, __LINE__); \
        hr_error_free(error);                                 \
        error = NULL;                                         \
    } while (0)

/* The error is passed by its address, because arguments are evaluated in any order. */
static void expect_ok(hr_status status, hr_error *const *error, const char *call, int line) {
    if (status != HR_OK || *error != NULL) {
        fprintf(stderr, "%s:%d: %s\n  %s\n", __FILE__, line, call, hr_error_message(*error));
        exit(1);
    }
}

static void expect_failure(hr_status status, hr_error *const *error, hr_status expected, const char *text, int line) {
    if (status != expected || hr_error_kind(*error) != status || strstr(hr_error_message(*error), text) == NULL) {
        fprintf(stderr, "%s:%d: status %u (expected %u), \"%s\" (expected \"...%s...\")\n", __FILE__, line, (unsigned)status,
                (unsigned)expected, hr_error_message(*error), text);
        failures++;
    }
}

static hr_text text_of(const char *text) {
    hr_text view;
    view.data = text;
    view.len = strlen(text);
    return view;
}

enum { A, B, AB, QUOTE, OPEN, CLOSE, COLON, ONE, END, TOKENS, SIZE = 40 };

/* Nine tokens, then padding up to 40. */
static hr_vocab *make_vocab(void) {
    static const char *const spellings[TOKENS] = {"a", "b", "ab", "\"", "{", "}", ":", "1", ""};
    hr_error *error = NULL;
    hr_vocab *vocab = NULL;
    hr_bytes tokens[TOKENS];
    hr_special_token special;
    const uint32_t eos = END;
    int i;
    for (i = 0; i < TOKENS; i++) {
        tokens[i].data = (const uint8_t *)spellings[i];
        tokens[i].len = strlen(spellings[i]);
    }
    special.name = text_of("<end>");
    special.id = END;
    OK(hr_vocab_from_tokens(tokens, TOKENS, &special, 1, &eos, 1, SIZE, &vocab, &error));
    return vocab;
}

static hr_matcher *make_matcher(const hr_vocab *vocab, const char *pattern) {
    hr_error *error = NULL;
    hr_grammar *grammar = NULL;
    hr_constraint *constraint = NULL;
    hr_matcher *matcher = NULL;
    OK(hr_grammar_from_regex(pattern, strlen(pattern), HR_REGEX_DIALECT_ECMA262, NULL, &grammar, &error));
    OK(hr_constraint_new(grammar, vocab, NULL, NULL, &constraint, &error));
    OK(hr_matcher_new(constraint, &matcher, &error));
    /* A constraint and its grammar may be freed before their matcher. */
    hr_constraint_free(constraint);
    hr_grammar_free(grammar);
    return matcher;
}

static void test_versions(void) {
    char composed[64];
    snprintf(composed, sizeof composed, "%u.%u.%u", (unsigned)HR_VERSION_MAJOR, (unsigned)HR_VERSION_MINOR,
             (unsigned)HR_VERSION_PATCH);
    CHECK(strcmp(hr_version(), composed) == 0);
    CHECK(hr_abi_version() == HR_ABI_VERSION);
    CHECK(abi_seen_by_second_unit() == HR_ABI_VERSION);
    CHECK(!hr_has_feature("no such feature"));
    CHECK(!hr_has_feature(NULL));
#ifdef HR_HAS_TORCH
    CHECK(hr_has_feature("torch"));
#endif
}

static void test_errors(void) {
    static const char *const schema = "{\"properties\": {\"a/b\": {\"type\": 5}}}";
    hr_error *error = NULL;
    hr_grammar *grammar = NULL;
    size_t line = 7, column = 7;
    const char *pointer = "untouched";

    /* NULL is no error and has an empty message. */
    CHECK(hr_error_kind(NULL) == HR_OK);
    CHECK(strcmp(hr_error_message(NULL), "") == 0);
    CHECK(!hr_error_location(NULL, &line, &column, &pointer));
    CHECK(line == 7 && column == 7 && strcmp(pointer, "untouched") == 0);
    hr_error_free(NULL);

    /* A caller that passes NULL for the error still gets the status. */
    CHECK(hr_grammar_from_json_schema("{", 1, NULL, NULL, &grammar, NULL) == HR_ERROR_GRAMMAR);

    /* The error of a text that is no JSON has a line and a column. */
    CHECK(hr_grammar_from_json_schema("{\n  \"type\" 1}", 13, NULL, NULL, &grammar, &error) == HR_ERROR_GRAMMAR);
    CHECK(hr_error_location(error, &line, &column, &pointer));
    CHECK(line == 2 && column > 1 && pointer == NULL);
    CHECK(hr_error_location(error, NULL, NULL, NULL));
    hr_error_free(error);
    error = NULL;

    /* The error of a grammar has a line and a column, too. */
    CHECK(hr_grammar_from_rules("root ::= (\n  \"a\" x )", 20, HR_GRAMMAR_NOTATION_GBNF, NULL, &grammar, &error) == HR_ERROR_GRAMMAR);
    CHECK(hr_error_location(error, &line, &column, &pointer));
    CHECK(line == 2 && column == 7 && pointer == NULL);
    hr_error_free(error);
    error = NULL;

    /* The error of a keyword with a wrong value has a JSON pointer. */
    CHECK(hr_grammar_from_json_schema(schema, strlen(schema), NULL, NULL, &grammar, &error) == HR_ERROR_GRAMMAR);
    CHECK(hr_error_location(error, &line, &column, &pointer));
    CHECK(line == 0 && column == 0);
    CHECK(pointer != NULL && strncmp(pointer, "/properties/a~1b", 16) == 0);
    CHECK(strstr(hr_error_message(error), "type") != NULL);
    hr_error_free(error);
    error = NULL;

    /* And a pattern, in characters. */
    CHECK(hr_grammar_from_regex("a\n\xc3\xa9(", 5, HR_REGEX_DIALECT_ECMA262, NULL, &grammar, &error) == HR_ERROR_GRAMMAR);
    CHECK(hr_error_location(error, &line, &column, &pointer));
    CHECK(line == 2 && column == 2 && pointer == NULL);
    hr_error_free(error);
    error = NULL;

    /* Messages name C's options. */
    CHECK(hr_grammar_from_json_schema("{\"$ref\": \"x:y\"}", 15, NULL, NULL, &grammar, &error) == HR_ERROR_GRAMMAR);
    CHECK(strstr(hr_error_message(error), "`documents` of hr_schema_options") != NULL);
    hr_error_free(error);
    error = NULL;

    /* Arguments have no location. */
    CHECK(hr_grammar_from_regex(NULL, 3, HR_REGEX_DIALECT_RUST, NULL, &grammar, &error) == HR_ERROR_INVALID_ARGUMENT);
    CHECK(!hr_error_location(error, &line, &column, &pointer));
    hr_error_free(error);
    CHECK(grammar == NULL);
}

static void test_vocab(void) {
    hr_error *error = NULL;
    hr_vocab *vocab = make_vocab(), *other = NULL, *none = NULL;
    size_t len = 0, count = 0;
    uint32_t ids[8] = {A, AB, END, B};
    uint8_t buffer[8] = "xxxxxxx";
    hr_bytes bytes[2];
    const uint32_t *eos;
    const char *name;

    CHECK(hr_vocab_size(vocab) == SIZE && hr_vocab_token_count(vocab) == TOKENS && hr_vocab_mask_words(vocab) == 2);
    CHECK(memcmp(hr_vocab_token_bytes(vocab, AB, &len), "ab", 2) == 0 && len == 2);
    CHECK(hr_vocab_token_bytes(vocab, END, &len) == NULL && len == 0);
    CHECK(hr_vocab_token_bytes(vocab, SIZE - 1, NULL) == NULL);
    CHECK(hr_vocab_token_bytes(vocab, UINT32_MAX, &len) == NULL);
    CHECK(hr_vocab_is_special(vocab, END) && !hr_vocab_is_special(vocab, A) && !hr_vocab_is_special(vocab, 1000));
    CHECK(hr_vocab_special_token(vocab, "<end>", 5) == END);
    CHECK(hr_vocab_special_token(vocab, "<end", 4) == HR_NO_TOKEN);
    CHECK(hr_vocab_special_token(vocab, NULL, 4) == HR_NO_TOKEN);
    CHECK(hr_vocab_special_token(vocab, "\xff", 1) == HR_NO_TOKEN);
    name = hr_vocab_token_name(vocab, END, &len);
    CHECK(name != NULL && len == 5 && memcmp(name, "<end>", 5) == 0);
    CHECK(hr_vocab_token_name(vocab, A, &len) == NULL && len == 0);
    eos = hr_vocab_eos(vocab, &count);
    CHECK(eos != NULL && count == 1 && eos[0] == END);

    OK(hr_vocab_decode(vocab, ids, 4, buffer, sizeof buffer, &len, &error));
    CHECK(len == 4 && memcmp(buffer, "aabbxxx", 7) == 0);
    OK(hr_vocab_decode(vocab, ids, 4, buffer, 1, &len, &error));
    CHECK(len == 4);
    OK(hr_vocab_decode(vocab, NULL, 0, NULL, 0, &len, &error));
    CHECK(len == 0);
    FAILS(hr_vocab_decode(vocab, ids, 4, NULL, 1, &len, &error), HR_ERROR_INVALID_ARGUMENT, "buffer is NULL");
    FAILS(hr_vocab_decode(vocab, ids, 4, buffer, 8, NULL, &error), HR_ERROR_INVALID_ARGUMENT, "length is NULL");
    OK(hr_vocab_spell(vocab, (const uint8_t *)"abba", 4, ids, 8, &count, &error));
    CHECK(count == 3 && ids[0] == AB && ids[1] == B && ids[2] == A);
    FAILS(hr_vocab_spell(vocab, (const uint8_t *)"abc", 3, ids, 8, &count, &error), HR_ERROR_VOCABULARY, "byte 2");
    CHECK(count == 3);

    OK(hr_vocab_with_model_size(vocab, 64, &other, &error));
    CHECK(hr_vocab_size(other) == 64);
    hr_vocab_free(other);
    ids[0] = A;
    OK(hr_vocab_with_eos(vocab, ids, 1, &other, &error));
    CHECK(hr_vocab_is_special(other, A));
    hr_vocab_free(other);
    OK(hr_vocab_with_eos_from_config(vocab, "{\"eos_token_id\": 8}", 19, &other, &error));
    hr_vocab_free(other);
    FAILS(hr_vocab_with_eos_from_config(vocab, "{}", 2, &none, &error), HR_ERROR_VOCABULARY, "eos_token");
    FAILS(hr_vocab_with_model_size(vocab, 2, &none, &error), HR_ERROR_VOCABULARY, "2 logits");
    FAILS(hr_vocab_with_model_size(vocab, SIZE_MAX, &none, &error), HR_ERROR_VOCABULARY, "at most");
    ids[0] = 1000;
    FAILS(hr_vocab_with_eos(vocab, ids, 1, &none, &error), HR_ERROR_VOCABULARY, "1000");
    FAILS(hr_vocab_with_eos(NULL, ids, 1, &none, &error), HR_ERROR_INVALID_ARGUMENT, "vocab is NULL");

    FAILS(hr_vocab_from_tokenizer_json("{}", 2, &none, &error), HR_ERROR_VOCABULARY, "tokenizer.json");
    FAILS(hr_vocab_from_tokenizer_json(NULL, 2, &none, &error), HR_ERROR_INVALID_ARGUMENT, "json is NULL");
    FAILS(hr_vocab_from_tokenizer_json("{}", 2, NULL, &error), HR_ERROR_INVALID_ARGUMENT, "out is NULL");
    FAILS(hr_vocab_from_tokenizer_file((const uint8_t *)"no", 2, &none, &error), HR_ERROR_VOCABULARY, "SentencePiece");
    OK(hr_vocab_from_tokenizer_file((const uint8_t *)"\x0a\x05\x0a\x03" "\xe2\x96\x81", 7, &other, &error));
    CHECK(memcmp(hr_vocab_token_bytes(other, 0, &len), " ", 1) == 0 && len == 1);
    hr_vocab_free(other);
    FAILS(hr_vocab_from_gguf((const uint8_t *)"no", 2, &none, &error), HR_ERROR_VOCABULARY, "GGUF");
    FAILS(hr_vocab_from_gguf_file("/no/such/file", 13, &none, &error), HR_ERROR_IO, "/no/such/file");
    FAILS(hr_vocab_from_gguf_file("\xff", 1, &none, &error), HR_ERROR_INVALID_ARGUMENT, "UTF-8");
    FAILS(hr_vocab_from_tiktoken((const uint8_t *)"?? 0", 4, NULL, 0, &none, &error), HR_ERROR_VOCABULARY, "line 1");
    OK(hr_vocab_from_tiktoken((const uint8_t *)"YQ== 0\n", 7, NULL, 0, &other, &error));
    CHECK(memcmp(hr_vocab_token_bytes(other, 0, &len), "a", 1) == 0 && len == 1);
    hr_vocab_free(other);
    FAILS(hr_vocab_from_tokens(NULL, 3, NULL, 0, NULL, 0, 0, &none, &error), HR_ERROR_INVALID_ARGUMENT, "tokens is NULL");
    bytes[0].data = bytes[1].data = (const uint8_t *)"a";
    bytes[0].len = bytes[1].len = 1;
    ids[0] = 1;
    FAILS(hr_vocab_from_tokens(bytes, 2, NULL, 0, ids, 1, 1, &none, &error), HR_ERROR_VOCABULARY, "end-of-sequence token has id 1");
    FAILS(hr_vocab_from_tokens(bytes, 2, NULL, 0, NULL, 0, SIZE_MAX, &none, &error), HR_ERROR_VOCABULARY, "at most");
    FAILS(hr_vocab_from_tokens(bytes, 2, NULL, 0, ids, 1, 1u << 23, &none, &error), HR_ERROR_VOCABULARY, "at most");
    ids[0] = UINT32_MAX;
    OK(hr_vocab_decode(vocab, ids, 1, NULL, 0, &len, &error));
    CHECK(len == 0);
    CHECK(none == NULL);

    other = hr_vocab_clone(vocab);
    hr_vocab_free(vocab);
    CHECK(hr_vocab_size(other) == SIZE);
    hr_vocab_free(other);

    /* NULL is an empty vocabulary. */
    CHECK(hr_vocab_size(NULL) == 0 && hr_vocab_token_count(NULL) == 0 && hr_vocab_mask_words(NULL) == 0);
    CHECK(hr_vocab_token_bytes(NULL, 0, &len) == NULL && hr_vocab_token_name(NULL, 0, &len) == NULL);
    CHECK(hr_vocab_eos(NULL, &count) == NULL && count == 0);
    CHECK(hr_vocab_special_token(NULL, "a", 1) == HR_NO_TOKEN && !hr_vocab_is_special(NULL, 0));
    CHECK(hr_vocab_clone(NULL) == NULL);
    hr_vocab_free(NULL);
}

static void test_grammars(void) {
    hr_error *error = NULL;
    hr_grammar *grammar = NULL, *second, *none = NULL;
    hr_schema_options options;
    const char *const typo = "{\"items\": {\"typ\": 1}, \"typ\": 1}";
    hr_text choices[2], message, pointer, keyword;
    hr_document document;
    struct {
        hr_schema_options known;
        uint64_t unknown;
    } newer;

    choices[0] = text_of("yes");
    choices[1] = text_of("no");
    OK(hr_grammar_from_choices(choices, 2, &grammar, &error));
    second = hr_grammar_clone(grammar);
    CHECK(second != NULL);
    hr_grammar_free(grammar);
    hr_grammar_free(second);
    OK(hr_grammar_from_regex("[ab]+", 5, HR_REGEX_DIALECT_RUST, NULL, &grammar, &error));
    hr_grammar_free(grammar);
    OK(hr_grammar_from_rules("root ::= [ab]+", 14, HR_GRAMMAR_NOTATION_GBNF, NULL, &grammar, &error));
    hr_grammar_free(grammar);
    OK(hr_grammar_from_structural_tag("{\"format\": {\"type\": \"any_text\"}}", 32, NULL, &grammar, &error));
    hr_grammar_free(grammar);
    hr_schema_options_init(&options);
    CHECK(options.struct_size == sizeof options);
    document.uri = text_of("https://example.com/number");
    document.text = text_of("{\"type\": \"number\"}");
    options.documents = &document;
    options.document_count = 1;
    OK(hr_grammar_from_json_schema("{\"$ref\": \"https://example.com/number\"}", 38, &options, NULL, &grammar, &error));
    hr_grammar_free(grammar);

    /* What a schema's author may have got wrong. */
    OK(hr_grammar_from_json_schema(typo, strlen(typo), NULL, NULL, &grammar, &error));
    CHECK(hr_grammar_warning_count(grammar) == 2);
    CHECK(hr_grammar_warning(grammar, 0, &message, &pointer, &keyword));
    CHECK(message.len > 12 && pointer.len == 0);
    CHECK(keyword.len == 3 && memcmp(keyword.data, "typ", 3) == 0);
    CHECK(hr_grammar_warning(grammar, 1, NULL, &pointer, NULL) && pointer.len == 6 && memcmp(pointer.data, "/items", 6) == 0);
    keyword.len = 7;
    CHECK(!hr_grammar_warning(grammar, 2, NULL, NULL, &keyword) && keyword.len == 7);
    CHECK(!hr_grammar_warning(NULL, 0, NULL, NULL, NULL) && hr_grammar_warning_count(NULL) == 0);
    second = hr_grammar_clone(grammar);
    hr_grammar_free(grammar);
    CHECK(hr_grammar_warning_count(second) == 2);
    hr_grammar_free(second);

    FAILS(hr_grammar_from_choices(NULL, 0, &none, &error), HR_ERROR_GRAMMAR, "empty");
    choices[1].data = NULL;
    FAILS(hr_grammar_from_choices(choices, 2, &none, &error), HR_ERROR_INVALID_ARGUMENT, "a choice is NULL");
    FAILS(hr_grammar_from_regex("(", 1, HR_REGEX_DIALECT_ECMA262, NULL, &none, &error), HR_ERROR_GRAMMAR, "(");
    FAILS(hr_grammar_from_regex("a", 1, (hr_regex_dialect)77, NULL, &none, &error), HR_ERROR_INVALID_ARGUMENT, "dialect is 77");
    FAILS(hr_grammar_from_regex("a\xff", 2, HR_REGEX_DIALECT_ECMA262, NULL, &none, &error), HR_ERROR_INVALID_ARGUMENT, "byte 1");
    FAILS(hr_grammar_from_regex("a", 1, HR_REGEX_DIALECT_ECMA262, NULL, NULL, &error), HR_ERROR_INVALID_ARGUMENT, "out is NULL");
    FAILS(hr_grammar_from_rules("root ::= x", 10, HR_GRAMMAR_NOTATION_GBNF, NULL, &none, &error), HR_ERROR_GRAMMAR, "`x` is not defined");
    FAILS(hr_grammar_from_rules("root ::= \"a\"{9999999999}", 24, HR_GRAMMAR_NOTATION_GBNF, NULL, &none, &error), HR_ERROR_LIMIT, "larger than");
    FAILS(hr_grammar_from_rules("start: X", 8, HR_GRAMMAR_NOTATION_LARK, NULL, &none, &error), HR_ERROR_GRAMMAR, "lark: rule `X`");
    FAILS(hr_grammar_from_rules("a = 'x'", 7, HR_GRAMMAR_NOTATION_EBNF, NULL, &none, &error), HR_ERROR_GRAMMAR, "expected `;`");
    FAILS(hr_grammar_from_rules("", 0, (hr_grammar_notation)77, NULL, &none, &error), HR_ERROR_INVALID_ARGUMENT, "notation is 77");
    FAILS(hr_grammar_from_rules(NULL, 3, HR_GRAMMAR_NOTATION_GBNF, NULL, &none, &error), HR_ERROR_INVALID_ARGUMENT, "rules is NULL");
    FAILS(hr_grammar_from_structural_tag("{}", 2, NULL, &none, &error), HR_ERROR_GRAMMAR, "`format` is missing");
    FAILS(hr_grammar_from_json_schema("false", 5, NULL, NULL, &none, &error), HR_ERROR_GRAMMAR, "no JSON value");
    FAILS(hr_grammar_from_json_schema("", 0, NULL, NULL, &none, &error), HR_ERROR_GRAMMAR, "JSON");
    hr_schema_options_init(&options);
    options.key_order = (hr_key_order)9;
    FAILS(hr_grammar_from_json_schema("true", 4, &options, NULL, &none, &error), HR_ERROR_INVALID_ARGUMENT, "key_order is 9");

    /* A program compiled against an older header knows fewer options; what lies behind them is
     * neither written nor read. */
    memset(&options, 0x5a, sizeof options);
    hr_schema_options_init_sized(&options, offsetof(hr_schema_options, indent));
    CHECK(options.struct_size == offsetof(hr_schema_options, indent) && options.indent == 0x5a5a5a5a);
    OK(hr_grammar_from_json_schema("true", 4, &options, NULL, &grammar, &error));
    hr_grammar_free(grammar);
    hr_schema_options_init(&options);
    options.strictness = (hr_strictness)9;
    options.struct_size = offsetof(hr_schema_options, indent);
    OK(hr_grammar_from_json_schema("true", 4, &options, NULL, &grammar, &error));
    hr_grammar_free(grammar);

    /* One compiled against a newer header may know more, if it does not use it. */
    memset(&newer, 0x5a, sizeof newer);
    hr_schema_options_init_sized(&newer.known, sizeof newer);
    CHECK(newer.known.struct_size == sizeof newer && newer.unknown == 0);
    OK(hr_grammar_from_json_schema("true", 4, &newer.known, NULL, &grammar, &error));
    hr_grammar_free(grammar);
    newer.unknown = 1;
    FAILS(hr_grammar_from_json_schema("true", 4, &newer.known, NULL, &none, &error), HR_ERROR_INVALID_ARGUMENT, "does not know");

    /* Options that were never initialised are an error. */
    options.struct_size = 0;
    FAILS(hr_grammar_from_json_schema("true", 4, &options, NULL, &none, &error), HR_ERROR_INVALID_ARGUMENT, "_init");
    memset(&options, 0xa5, sizeof options);
    FAILS(hr_grammar_from_json_schema("true", 4, &options, NULL, &none, &error), HR_ERROR_INVALID_ARGUMENT, "struct_size");
    CHECK(none == NULL);

    hr_schema_options_init(NULL);
    CHECK(hr_grammar_clone(NULL) == NULL);
    hr_grammar_free(NULL);
}

static void test_constraints(void) {
    hr_error *error = NULL;
    hr_vocab *vocab = make_vocab(), *same;
    hr_grammar *grammar = NULL;
    hr_constraint *constraint = NULL, *second, *none = NULL;
    hr_limits limits;
    hr_constraint_stats stats;

    OK(hr_grammar_from_regex("[ab]+", 5, HR_REGEX_DIALECT_ECMA262, NULL, &grammar, &error));
    hr_limits_init(&limits);
    CHECK(limits.struct_size == sizeof limits && limits.graph_bytes > 0);
    OK(hr_constraint_new(grammar, vocab, &limits, NULL, &constraint, &error));
    second = hr_constraint_clone(constraint);
    hr_constraint_free(constraint);
    same = hr_constraint_vocab(second);
    CHECK(hr_vocab_size(same) == SIZE);
    hr_vocab_free(same);
    hr_constraint_stats_init(&stats);
    OK(hr_constraint_get_stats(second, &stats, &error));
    CHECK(stats.struct_size == sizeof stats && stats.states > 0 && stats.bytes > 0 && stats.masks == 0 && stats.mask_hits == 0 && stats.rebuilds == 0);
    FAILS(hr_constraint_get_stats(NULL, &stats, &error), HR_ERROR_INVALID_ARGUMENT, "constraint is NULL");
    FAILS(hr_constraint_get_stats(second, NULL, &error), HR_ERROR_INVALID_ARGUMENT, "stats is NULL");
    stats.struct_size = offsetof(hr_constraint_stats, transitions);
    stats.states = stats.transitions = 7777;
    OK(hr_constraint_get_stats(second, &stats, &error));
    CHECK(stats.states != 7777 && stats.transitions == 7777);
    stats.struct_size = 1;
    FAILS(hr_constraint_get_stats(second, &stats, &error), HR_ERROR_INVALID_ARGUMENT, "stats: struct_size is 1");
    hr_constraint_free(second);

    FAILS(hr_constraint_new(NULL, vocab, NULL, NULL, &none, &error), HR_ERROR_INVALID_ARGUMENT, "grammar is NULL");
    FAILS(hr_constraint_new(grammar, NULL, NULL, NULL, &none, &error), HR_ERROR_INVALID_ARGUMENT, "vocab is NULL");
    FAILS(hr_constraint_new(grammar, vocab, NULL, NULL, NULL, &error), HR_ERROR_INVALID_ARGUMENT, "out is NULL");
    limits.struct_size = 3;
    FAILS(hr_constraint_new(grammar, vocab, &limits, NULL, &none, &error), HR_ERROR_INVALID_ARGUMENT, "struct_size is 3");
    hr_grammar_free(grammar);
    OK(hr_grammar_from_regex("z", 1, HR_REGEX_DIALECT_ECMA262, NULL, &grammar, &error));
    FAILS(hr_constraint_new(grammar, vocab, NULL, NULL, &none, &error), HR_ERROR_GRAMMAR, "cannot spell");
    CHECK(none == NULL);
    hr_grammar_free(grammar);
    hr_vocab_free(vocab);

    hr_limits_init(NULL);
    CHECK(hr_constraint_clone(NULL) == NULL && hr_constraint_vocab(NULL) == NULL);
    hr_constraint_free(NULL);
}

static void test_events(void) {
    static const char tag[] = "{\"format\": {\"type\": \"triggered_tags\", \"triggers\": [\"b\"], \"tags\": [{\"begin\": \"b\", "
                              "\"end\": \"b\", \"role\": \"call\", \"name\": \"f\", \"content\": {\"type\": \"regex\", \"pattern\": \"1\"}}]}}";
    hr_error *error = NULL;
    hr_vocab *vocab = make_vocab();
    hr_grammar *grammar = NULL;
    hr_constraint *constraint = NULL;
    hr_events *events = NULL, *copy = NULL;
    hr_event_kind kind = HR_EVENT_KIND_CONTENT;
    hr_text text = {NULL, 0}, id = {NULL, 0};
    size_t call = 9, steps = 9;
    const uint32_t tokens[2] = {A, AB};
    bool yes = false;

    OK(hr_grammar_from_structural_tag(tag, sizeof tag - 1, NULL, &grammar, &error));
    OK(hr_constraint_new(grammar, vocab, NULL, NULL, &constraint, &error));
    OK(hr_events_new(constraint, &events, &error));
    FAILS(hr_events_new(NULL, &copy, &error), HR_ERROR_INVALID_ARGUMENT, "constraint is NULL");
    OK(hr_events_advance(events, tokens, 2, &steps, &error));
    CHECK(steps == 2 && hr_events_count(events) == 2);
    CHECK(hr_events_get(events, 0, &kind, &call, &text, &id));
    CHECK(kind == HR_EVENT_KIND_TEXT && call == 0 && text.len == 2 && memcmp(text.data, "aa", 2) == 0 && id.len == 0);
    CHECK(hr_events_get(events, 1, &kind, NULL, &text, NULL));
    CHECK(kind == HR_EVENT_KIND_CALL_BEGIN && text.len == 1 && text.data[0] == 'f');
    CHECK(!hr_events_get(events, 2, &kind, NULL, NULL, NULL) && kind == HR_EVENT_KIND_CALL_BEGIN);
    OK(hr_events_advance_bytes(events, (const uint8_t *)"a", 1, &yes, &error));
    CHECK(!yes && hr_events_count(events) == 0);
    OK(hr_events_clone(events, &copy, &error));
    OK(hr_events_advance_bytes(copy, (const uint8_t *)"1b", 2, &yes, &error));
    CHECK(yes && hr_events_count(copy) == 2 && hr_events_get(copy, 1, &kind, &call, NULL, NULL));
    CHECK(kind == HR_EVENT_KIND_CALL_END && call == 0);
    OK(hr_events_finish(copy, &error));
    CHECK(hr_events_count(copy) == 0);
    OK(hr_events_rollback(events, 2, &error));
    FAILS(hr_events_rollback(events, 1, &error), HR_ERROR_INVALID_ARGUMENT, "");
    CHECK(hr_events_count(NULL) == 0 && !hr_events_get(NULL, 0, NULL, NULL, NULL, NULL));
    hr_events_free(copy);
    hr_events_free(events);
    hr_events_free(NULL);
    hr_constraint_free(constraint);
    hr_grammar_free(grammar);
    hr_vocab_free(vocab);
}

static void test_cancel_flags(void) {
    hr_error *error = NULL;
    hr_vocab *vocab = make_vocab();
    hr_grammar *grammar = NULL;
    hr_constraint *constraint = NULL;
    hr_matcher *matcher = NULL;
    hr_token_fsm *fsm = NULL;
    hr_cancel_flag *flag = hr_cancel_flag_new(), *same = hr_cancel_flag_clone(flag);
    hr_matcher *other = NULL;
    hr_interrupt interrupt;
    uint32_t mask[2] = {7, 7};
    bool yes = false;

    hr_interrupt_init(&interrupt);
    CHECK(interrupt.struct_size == sizeof interrupt && interrupt.timeout_ms == 0 && interrupt.cancel == NULL);
    interrupt.timeout_ms = 60000;
    interrupt.cancel = flag;
    CHECK(!hr_cancel_flag_is_set(flag));
    hr_cancel_flag_set(flag);
    CHECK(hr_cancel_flag_is_set(same));
    FAILS(hr_grammar_from_regex("[ab]{2}1", 8, HR_REGEX_DIALECT_ECMA262, &interrupt, &grammar, &error), HR_ERROR_CANCELLED, "cancelled");
    FAILS(hr_grammar_from_rules("root ::= [ab]+", 14, HR_GRAMMAR_NOTATION_GBNF, &interrupt, &grammar, &error), HR_ERROR_CANCELLED, "cancelled");
    FAILS(hr_grammar_from_json_schema("true", 4, NULL, &interrupt, &grammar, &error), HR_ERROR_CANCELLED, "cancelled");
    CHECK(grammar == NULL);
    OK(hr_grammar_from_regex("[ab]{2}1", 8, HR_REGEX_DIALECT_ECMA262, NULL, &grammar, &error));
    FAILS(hr_constraint_new(grammar, vocab, NULL, &interrupt, &constraint, &error), HR_ERROR_CANCELLED, "cancelled");
    CHECK(constraint == NULL);
    hr_cancel_flag_clear(same);
    CHECK(!hr_cancel_flag_is_set(flag));
    OK(hr_constraint_new(grammar, vocab, NULL, &interrupt, &constraint, &error));
    OK(hr_matcher_new(constraint, &matcher, &error));
    OK(hr_matcher_set_interrupt(matcher, &interrupt, &error));
    FAILS(hr_matcher_set_interrupt(NULL, &interrupt, &error), HR_ERROR_INVALID_ARGUMENT, "matcher is NULL");

    /* A known mask is given in spite of the flag, and a failed call changes nothing. */
    hr_cancel_flag_set(same);
    OK(hr_matcher_fill_mask(matcher, mask, 2, &error));
    CHECK(mask[0] == (1u << A | 1u << B | 1u << AB));
    FAILS(hr_matcher_advance(matcher, A, &yes, &error), HR_ERROR_CANCELLED, "cancelled");
    FAILS(hr_token_fsm_new(constraint, 9, &interrupt, &fsm, &error), HR_ERROR_CANCELLED, "cancelled");
    CHECK(!yes && hr_matcher_output_len(matcher) == 0 && fsm == NULL);
    hr_cancel_flag_free(flag);
    hr_cancel_flag_clear(same);
    OK(hr_matcher_advance(matcher, A, &yes, &error));
    CHECK(yes);
    hr_cancel_flag_set(same);
    mask[0] = 7;
    FAILS(hr_matcher_fill_mask(matcher, mask, 2, &error), HR_ERROR_CANCELLED, "cancelled");
    CHECK(mask[0] == 7);
    /* Other matchers of the constraint continue. A copy behaves like its original. */
    OK(hr_matcher_new(constraint, &other, &error));
    OK(hr_matcher_advance(other, A, &yes, &error));
    hr_matcher_free(other);
    OK(hr_matcher_clone(matcher, &other, &error));
    FAILS(hr_matcher_advance(other, A, &yes, &error), HR_ERROR_CANCELLED, "cancelled");
    OK(hr_matcher_set_interrupt(other, NULL, &error));
    OK(hr_matcher_advance(other, A, &yes, &error));
    hr_matcher_free(other);
    hr_cancel_flag_clear(same);
    OK(hr_matcher_fill_mask(matcher, mask, 2, &error));
    CHECK(mask[0] == (1u << A | 1u << B));
    interrupt.struct_size = 3;
    FAILS(hr_matcher_set_interrupt(matcher, &interrupt, &error), HR_ERROR_INVALID_ARGUMENT, "struct_size is 3");

    hr_cancel_flag_free(same);
    hr_matcher_free(matcher);
    hr_constraint_free(constraint);
    hr_grammar_free(grammar);
    hr_vocab_free(vocab);
    hr_cancel_flag_set(NULL);
    hr_cancel_flag_clear(NULL);
    CHECK(!hr_cancel_flag_is_set(NULL) && hr_cancel_flag_clone(NULL) == NULL);
    hr_cancel_flag_free(NULL);
    hr_interrupt_init(NULL);
}

static void test_matchers(void) {
    hr_error *error = NULL;
    hr_vocab *vocab = make_vocab();
    hr_matcher *matcher = make_matcher(vocab, "a[ab]1{3}"), *fork = NULL, *none = NULL;
    uint32_t mask[2] = {7, 7}, before[2], tokens[8] = {0};
    bool yes = false;
    size_t count = 0, len = 99;
    uint8_t bytes[8];

    OK(hr_matcher_fill_mask(matcher, mask, 2, &error));
    CHECK(mask[0] == (1u << A | 1u << AB) && mask[1] == 0);
    OK(hr_matcher_allows(matcher, AB, &yes, &error));
    CHECK(yes);
    OK(hr_matcher_allows(matcher, B, &yes, &error));
    CHECK(!yes);
    OK(hr_matcher_forced_bytes(matcher, bytes, sizeof bytes, &len, &error));
    CHECK(len == 1 && bytes[0] == 'a');
    OK(hr_matcher_forced_tokens(matcher, tokens, 8, &count, &error));
    CHECK(count == 0);

    /* A token that is not allowed is no error. It is answered with `false` and changes nothing. */
    OK(hr_matcher_advance(matcher, ONE, &yes, &error));
    CHECK(!yes && hr_matcher_output_len(matcher) == 0);
    OK(hr_matcher_advance(matcher, AB, &yes, &error));
    CHECK(yes && hr_matcher_output_len(matcher) == 1 && !hr_matcher_is_accepting(matcher));

    OK(hr_matcher_forced_bytes(matcher, NULL, 0, &len, &error));
    CHECK(len == 3);
    OK(hr_matcher_forced_tokens(matcher, tokens, 8, &count, &error));
    CHECK(count == 3 && tokens[0] == ONE && tokens[2] == ONE);
    tokens[3] = B;
    OK(hr_matcher_validate(matcher, tokens, 4, &count, &error));
    CHECK(count == 3 && hr_matcher_output_len(matcher) == 1);
    OK(hr_matcher_advance_all(matcher, tokens, 4, &count, &error));
    CHECK(count == 3 && hr_matcher_output_len(matcher) == 4 && hr_matcher_is_accepting(matcher));
    OK(hr_matcher_rollback(matcher, 3, &error));
    tokens[3] = SIZE;
    FAILS(hr_matcher_advance_all(matcher, tokens, 4, &count, &error), HR_ERROR_INVALID_ARGUMENT, "token 40");
    CHECK(count == 3 && hr_matcher_output_len(matcher) == 1);
    OK(hr_matcher_advance_all(matcher, NULL, 0, &count, &error));
    CHECK(count == 0);
    FAILS(hr_matcher_advance_all(matcher, tokens, 1, NULL, &error), HR_ERROR_INVALID_ARGUMENT, "accepted is NULL");
    OK(hr_matcher_allowed_tokens(matcher, &tokens[4], 2, &count, &error));
    CHECK(count == 1 && tokens[4] == ONE && tokens[5] == 0);
    OK(hr_matcher_allowed_tokens(matcher, NULL, 0, &count, &error));
    CHECK(count == 1);
    FAILS(hr_matcher_allowed_tokens(NULL, NULL, 0, &count, &error), HR_ERROR_INVALID_ARGUMENT, "matcher is NULL");
    OK(hr_matcher_validate(matcher, NULL, 0, &count, &error));
    CHECK(count == 0);

    OK(hr_matcher_clone(matcher, &fork, &error));
    OK(hr_matcher_advance_bytes(fork, (const uint8_t *)"111", 3, &yes, &error));
    CHECK(yes && hr_matcher_is_accepting(fork) && !hr_matcher_is_accepting(matcher));
    OK(hr_matcher_advance_bytes(fork, (const uint8_t *)"1", 1, &yes, &error));
    CHECK(!yes);
    OK(hr_matcher_fill_mask(fork, mask, 2, &error));
    CHECK(mask[0] == 1u << END && mask[1] == 0);
    OK(hr_matcher_advance(fork, END, &yes, &error));
    CHECK(yes && hr_matcher_is_stopped(fork));
    OK(hr_matcher_rollback(fork, 2, &error));
    CHECK(!hr_matcher_is_stopped(fork) && hr_matcher_output_len(fork) == 1);

    /* A fork at the same position has the same mask. */
    OK(hr_matcher_fill_mask(matcher, before, 2, &error));
    OK(hr_matcher_fill_mask(fork, mask, 2, &error));
    CHECK(memcmp(mask, before, sizeof mask) == 0);
    FAILS(hr_matcher_rollback(fork, 2, &error), HR_ERROR_INVALID_ARGUMENT, "roll back 2");
    CHECK(hr_matcher_output_len(fork) == 1);
    OK(hr_matcher_reset(fork, &error));
    CHECK(hr_matcher_output_len(fork) == 0);
    hr_matcher_free(fork);

    mask[0] = mask[1] = 7;
    FAILS(hr_matcher_fill_mask(matcher, mask, 1, &error), HR_ERROR_INVALID_ARGUMENT, "1 words");
    FAILS(hr_matcher_fill_mask(matcher, NULL, 2, &error), HR_ERROR_INVALID_ARGUMENT, "mask is NULL");
    FAILS(hr_matcher_fill_mask(matcher, (uint32_t *)(void *)((char *)mask + 1), 1, &error), HR_ERROR_INVALID_ARGUMENT,
          "aligned");
    CHECK(mask[0] == 7 && mask[1] == 7);
    FAILS(hr_matcher_allows(matcher, SIZE, &yes, &error), HR_ERROR_INVALID_ARGUMENT, "40");
    FAILS(hr_matcher_advance(matcher, UINT32_MAX, &yes, &error), HR_ERROR_INVALID_ARGUMENT, "not in the vocabulary");
    FAILS(hr_matcher_advance(matcher, A, NULL, &error), HR_ERROR_INVALID_ARGUMENT, "accepted is NULL");
    CHECK(hr_matcher_output_len(matcher) == 1);
    FAILS(hr_matcher_advance_bytes(matcher, NULL, 5, &yes, &error), HR_ERROR_INVALID_ARGUMENT, "bytes is NULL");
    FAILS(hr_matcher_validate(matcher, tokens, 2, NULL, &error), HR_ERROR_INVALID_ARGUMENT, "accepted is NULL");
    FAILS(hr_matcher_forced_bytes(matcher, NULL, 3, &len, &error), HR_ERROR_INVALID_ARGUMENT, "buffer is NULL");

    FAILS(hr_matcher_new(NULL, &none, &error), HR_ERROR_INVALID_ARGUMENT, "constraint is NULL");
    FAILS(hr_matcher_clone(NULL, &none, &error), HR_ERROR_INVALID_ARGUMENT, "matcher is NULL");
    FAILS(hr_matcher_clone(matcher, NULL, &error), HR_ERROR_INVALID_ARGUMENT, "out is NULL");
    CHECK(none == NULL);
    FAILS(hr_matcher_fill_mask(NULL, mask, 2, &error), HR_ERROR_INVALID_ARGUMENT, "matcher is NULL");
    FAILS(hr_matcher_allows(NULL, A, &yes, &error), HR_ERROR_INVALID_ARGUMENT, "matcher is NULL");
    FAILS(hr_matcher_advance(NULL, A, &yes, &error), HR_ERROR_INVALID_ARGUMENT, "matcher is NULL");
    FAILS(hr_matcher_advance_bytes(NULL, bytes, 1, &yes, &error), HR_ERROR_INVALID_ARGUMENT, "matcher is NULL");
    FAILS(hr_matcher_validate(NULL, tokens, 1, &count, &error), HR_ERROR_INVALID_ARGUMENT, "matcher is NULL");
    FAILS(hr_matcher_rollback(NULL, 0, &error), HR_ERROR_INVALID_ARGUMENT, "matcher is NULL");
    FAILS(hr_matcher_reset(NULL, &error), HR_ERROR_INVALID_ARGUMENT, "matcher is NULL");
    FAILS(hr_matcher_forced_bytes(NULL, bytes, 1, &len, &error), HR_ERROR_INVALID_ARGUMENT, "matcher is NULL");
    FAILS(hr_matcher_forced_tokens(NULL, tokens, 1, &count, &error), HR_ERROR_INVALID_ARGUMENT, "matcher is NULL");
    CHECK(!hr_matcher_is_accepting(NULL) && !hr_matcher_is_stopped(NULL) && hr_matcher_output_len(NULL) == 0);
    hr_matcher_free(NULL);

    hr_vocab_free(vocab);
    OK(hr_matcher_fill_mask(matcher, mask, 2, &error));
    hr_matcher_free(matcher);
}

static void test_draft_trees_and_batches(void) {
    hr_error *error = NULL;
    hr_vocab *vocab = make_vocab();
    hr_matcher *matcher = make_matcher(vocab, "a[ab]1{3}"), *fork = NULL, *both[2];
    /* A tree of drafts: a with the children b and a, ab with the child 1, and END, which is
       forbidden. */
    const uint32_t tokens[6] = {A, B, A, AB, ONE, END};
    int32_t parents[6] = {-1, 0, 0, -1, 3, -1};
    const uint32_t expected[6] = {1u << A | 1u << B, 1u << ONE, 1u << ONE, 1u << ONE, 1u << ONE, 0};
    uint32_t masks[18], batch[4], single[4], way[8];
    size_t rows[2] = {3, 1};
    hr_error *row_errors[2] = {NULL, NULL};
    hr_cancel_flag *flag;
    hr_interrupt interrupt;
    bool allowed[6], found = false;
    size_t count = 0;
    uint64_t id;
    int i;

    for (i = 0; i < 18; i++) {
        masks[i] = 7;
    }
    OK(hr_matcher_mask_draft_tree(matcher, tokens, parents, 6, masks, 2, 3, allowed, &error));
    for (i = 0; i < 6; i++) {
        CHECK(masks[3 * i] == expected[i] && masks[3 * i + 1] == 0 && masks[3 * i + 2] == 7);
        CHECK(allowed[i] == (i != 5));
    }
    CHECK(hr_matcher_output_len(matcher) == 0);
    OK(hr_matcher_mask_draft_tree(matcher, tokens, parents, 1, masks, 2, 0, NULL, &error));
    OK(hr_matcher_mask_draft_tree(matcher, NULL, NULL, 0, NULL, 2, 2, NULL, &error));
    masks[0] = 7;
    FAILS(hr_matcher_mask_draft_tree(matcher, tokens, parents, 6, masks, 2, 1, NULL, &error), HR_ERROR_INVALID_ARGUMENT,
          "overlap");
    FAILS(hr_matcher_mask_draft_tree(matcher, tokens, parents, 6, masks, 1, 3, NULL, &error), HR_ERROR_INVALID_ARGUMENT,
          "words is 1");
    FAILS(hr_matcher_mask_draft_tree(matcher, tokens, parents, 3, masks, 2, SIZE_MAX, NULL, &error),
          HR_ERROR_INVALID_ARGUMENT, "overflow");
    parents[1] = 1;
    FAILS(hr_matcher_mask_draft_tree(matcher, tokens, parents, 6, masks, 2, 3, NULL, &error), HR_ERROR_INVALID_ARGUMENT,
          "node 1 of the draft tree has parent 1");
    parents[1] = -2;
    FAILS(hr_matcher_mask_draft_tree(matcher, tokens, parents, 6, masks, 2, 3, NULL, &error), HR_ERROR_INVALID_ARGUMENT,
          "parents holds -2");
    FAILS(hr_matcher_mask_draft_tree(NULL, tokens, parents, 1, masks, 2, 2, NULL, &error), HR_ERROR_INVALID_ARGUMENT,
          "matcher is NULL");
    FAILS(hr_matcher_mask_draft_tree(matcher, tokens, NULL, 1, masks, 2, 2, NULL, &error), HR_ERROR_INVALID_ARGUMENT,
          "parents is NULL");
    CHECK(masks[0] == 7);

    /* States with the same continuations have the same number. */
    id = hr_matcher_state_id(matcher);
    OK(hr_matcher_clone(matcher, &fork, &error));
    CHECK(hr_matcher_state_id(fork) == id);
    OK(hr_matcher_advance(fork, A, &found, &error));
    CHECK(hr_matcher_state_id(fork) != id);
    CHECK(hr_matcher_state_id(NULL) == 0);

    both[0] = matcher;
    both[1] = fork;
    OK(hr_matcher_fill_mask(matcher, single, 2, &error));
    OK(hr_matcher_fill_mask(fork, single + 2, 2, &error));
    for (i = 0; i < 4; i++) {
        batch[0] = batch[1] = batch[2] = batch[3] = 7;
        OK(hr_matchers_fill_masks(both, 2, NULL, batch, 2, (size_t)i, NULL, &error));
        CHECK(memcmp(batch, single, sizeof batch) == 0);
    }
    OK(hr_matchers_fill_masks(NULL, 0, NULL, NULL, 2, 1, NULL, &error));

    /* Rows in any order, with others between them left alone. */
    for (i = 0; i < 18; i++) {
        masks[i] = 7;
    }
    OK(hr_matchers_fill_masks(both, 2, rows, masks, 2, 2, row_errors, &error));
    CHECK(row_errors[0] == NULL && row_errors[1] == NULL);
    CHECK(memcmp(masks + 6, single, 8) == 0 && memcmp(masks + 2, single + 2, 8) == 0);
    CHECK(masks[0] == 7 && masks[1] == 7 && masks[4] == 7 && masks[5] == 7 && masks[8] == 7);

    /* One that fails does not keep the other from being filled. */
    flag = hr_cancel_flag_new();
    hr_interrupt_init(&interrupt);
    interrupt.cancel = flag;
    OK(hr_matcher_advance_bytes(fork, (const uint8_t *)"b11", 3, &found, &error));
    OK(hr_matcher_set_interrupt(fork, &interrupt, &error));
    hr_cancel_flag_set(flag);
    FAILS(hr_matchers_fill_masks(both, 2, NULL, batch, 2, 1, row_errors, &error), HR_ERROR_CANCELLED, "cancelled");
    CHECK(memcmp(batch, single, 8) == 0 && row_errors[0] == NULL && hr_error_kind(row_errors[1]) == HR_ERROR_CANCELLED);
    hr_error_free(row_errors[1]);
    OK(hr_matcher_set_interrupt(fork, NULL, &error));
    OK(hr_matcher_rollback(fork, 1, &error));
    hr_cancel_flag_free(flag);

    row_errors[0] = NULL;
    FAILS(hr_matchers_fill_masks(both, 2, NULL, batch, 1, 1, row_errors, &error), HR_ERROR_INVALID_ARGUMENT, "words is 1");
    FAILS(hr_matchers_fill_masks(both, 2, NULL, batch, SIZE_MAX, 1, row_errors, &error), HR_ERROR_INVALID_ARGUMENT, "overflow");
    CHECK(row_errors[0] == NULL);
    rows[0] = 1;
    FAILS(hr_matchers_fill_masks(both, 2, rows, batch, 2, 1, NULL, &error), HR_ERROR_INVALID_ARGUMENT, "same row twice");
    rows[0] = SIZE_MAX;
    FAILS(hr_matchers_fill_masks(both, 2, rows, batch, 2, 1, NULL, &error), HR_ERROR_INVALID_ARGUMENT, "overflow");
    both[1] = matcher;
    FAILS(hr_matchers_fill_masks(both, 2, NULL, batch, 2, 1, NULL, &error), HR_ERROR_INVALID_ARGUMENT, "twice");
    both[1] = NULL;
    FAILS(hr_matchers_fill_masks(both, 2, NULL, batch, 2, 1, NULL, &error), HR_ERROR_INVALID_ARGUMENT, "a member of matchers is NULL");

    OK(hr_matcher_completion(fork, way, 8, &count, &found, &error));
    CHECK(found && count == 4 && way[3] == ONE);
    OK(hr_matcher_completion(fork, NULL, 0, &count, &found, &error));
    CHECK(found && count == 4);
    FAILS(hr_matcher_completion(fork, way, 8, &count, NULL, &error), HR_ERROR_INVALID_ARGUMENT, "found is NULL");
    hr_matcher_free(fork);
    hr_matcher_free(matcher);
    hr_vocab_free(vocab);
}

static void test_token_fsms(void) {
    hr_error *error = NULL;
    hr_vocab *vocab = make_vocab();
    hr_grammar *grammar = NULL;
    hr_constraint *constraint = NULL;
    hr_token_fsm *fsm = NULL, *same = NULL, *none = NULL;
    uint32_t mask[2] = {7, 7}, state = 0, table[64];
    const uint32_t *classes;
    uint8_t bytes[1024];
    size_t len = 0, count = 0, classes_count;

    OK(hr_grammar_from_regex("^a(b|1)$", 8, HR_REGEX_DIALECT_ECMA262, NULL, &grammar, &error));
    OK(hr_constraint_new(grammar, vocab, NULL, NULL, &constraint, &error));
    FAILS(hr_token_fsm_new(constraint, 2, NULL, &none, &error), HR_ERROR_LIMIT, "more than 2 states");
    OK(hr_token_fsm_new(constraint, 100, NULL, &fsm, &error));
    hr_constraint_free(constraint);
    hr_grammar_free(grammar);
    hr_vocab_free(vocab);

    /* The four states: nothing read, a read, everything read, the end. */
    CHECK(hr_token_fsm_state_count(fsm) == 4);
    OK(hr_token_fsm_fill_mask(fsm, 0, mask, 2, &error));
    CHECK(mask[0] == (1u << A | 1u << AB) && mask[1] == 0);
    CHECK(hr_token_fsm_next(fsm, 0, A, &state) && !hr_token_fsm_is_accepting(fsm, state));
    CHECK(!hr_token_fsm_next(fsm, state, A, &state) && !hr_token_fsm_next(fsm, state, SIZE, NULL));
    CHECK(hr_token_fsm_next(fsm, state, ONE, &state) && hr_token_fsm_is_accepting(fsm, state));
    CHECK(hr_token_fsm_next(fsm, state, END, &state) && hr_token_fsm_is_stopped(fsm, state));
    CHECK(!hr_token_fsm_is_accepting(fsm, 4) && !hr_token_fsm_is_stopped(fsm, 4));

    /* The loop that a program on a device runs. */
    classes_count = hr_token_fsm_class_count(fsm);
    OK(hr_token_fsm_table(fsm, table, 64, &count, &error));
    classes = hr_token_fsm_token_classes(fsm, &len);
    CHECK(len == SIZE && count == 4 * classes_count);
    state = table[classes[A]];
    CHECK(table[state * classes_count + classes[A]] == UINT32_MAX);
    state = table[state * classes_count + classes[B]];
    CHECK(hr_token_fsm_is_accepting(fsm, state));
    CHECK(classes[QUOTE] == 0 && classes[SIZE - 1] == 0 && classes[B] == classes[ONE]);

    OK(hr_token_fsm_to_bytes(fsm, bytes, sizeof bytes, &len, &error));
    CHECK(len < sizeof bytes);
    OK(hr_token_fsm_from_bytes(bytes, len, &same, &error));
    CHECK(hr_token_fsm_state_count(same) == 4);
    FAILS(hr_token_fsm_from_bytes(bytes, len - 1, &none, &error), HR_ERROR_INVALID_ARGUMENT, "length");
    bytes[50]++;
    FAILS(hr_token_fsm_from_bytes(bytes, len, &none, &error), HR_ERROR_INVALID_ARGUMENT, "damaged");
    FAILS(hr_token_fsm_from_bytes(NULL, 0, &none, &error), HR_ERROR_INVALID_ARGUMENT, "too early");
    FAILS(hr_token_fsm_fill_mask(fsm, 9, mask, 2, &error), HR_ERROR_INVALID_ARGUMENT, "4 states");
    FAILS(hr_token_fsm_fill_mask(fsm, 0, mask, 1, &error), HR_ERROR_INVALID_ARGUMENT, "1 words");
    FAILS(hr_token_fsm_new(NULL, 9, NULL, &none, &error), HR_ERROR_INVALID_ARGUMENT, "constraint is NULL");
    FAILS(hr_token_fsm_to_bytes(NULL, NULL, 0, &len, &error), HR_ERROR_INVALID_ARGUMENT, "fsm is NULL");
    FAILS(hr_token_fsm_table(NULL, NULL, 0, &len, &error), HR_ERROR_INVALID_ARGUMENT, "fsm is NULL");
    CHECK(none == NULL && hr_token_fsm_state_count(NULL) == 0 && hr_token_fsm_class_count(NULL) == 0);
    CHECK(hr_token_fsm_token_classes(NULL, &len) == NULL && !hr_token_fsm_next(NULL, 0, 0, NULL));
    hr_token_fsm_free(same);
    hr_token_fsm_free(fsm);
    hr_token_fsm_free(NULL);
}

static void test_masks(void) {
    hr_error *error = NULL;
    float logits[6] = {1, 2, 3, 4, 5, 6};
    uint16_t halves[3] = {0x3c00, 0x3c00, 0x3c00};
    uint32_t masks[2] = {5, 2};

    /* Two rows of two logits in a tensor with three columns. */
    OK(hr_mask_logits_f32(logits, 2, 2, 3, masks, 1, 1, &error));
    CHECK(logits[0] == 1 && isinf(logits[1]) && logits[1] < 0 && logits[2] == 3);
    CHECK(isinf(logits[3]) && logits[4] == 5 && logits[5] == 6);
    OK(hr_mask_logits_f16(halves, 1, 3, 3, masks, 1, 1, &error));
    CHECK(halves[0] == 0x3c00 && halves[1] == 0xfc00 && halves[2] == 0x3c00);
    OK(hr_mask_logits_bf16(halves, 1, 3, 3, masks + 1, 1, 1, &error));
    CHECK(halves[0] == 0xff80 && halves[1] == 0xfc00 && halves[2] == 0xff80);
    OK(hr_mask_logits_f32(NULL, 0, 0, 0, NULL, 0, 0, &error));
    FAILS(hr_mask_logits_f32(NULL, 1, 1, 1, masks, 1, 1, &error), HR_ERROR_INVALID_ARGUMENT, "logits is NULL");
    FAILS(hr_mask_logits_f32(logits, 1, 1, 1, NULL, 1, 1, &error), HR_ERROR_INVALID_ARGUMENT, "masks is NULL");
    FAILS(hr_mask_logits_f32(logits, 2, 3, 2, masks, 1, 1, &error), HR_ERROR_INVALID_ARGUMENT, "overlap");
    FAILS(hr_mask_logits_f16(halves, SIZE_MAX, 2, SIZE_MAX, masks, 1, 1, &error), HR_ERROR_INVALID_ARGUMENT, "overflow");
    FAILS(hr_mask_logits_bf16(halves, 1, SIZE_MAX, 0, masks, 1, 1, &error), HR_ERROR_INVALID_ARGUMENT, "memory");
}

static void test_samplers(void) {
    hr_error *error = NULL;
    hr_sampler *sampler = NULL, *fork = NULL, *none = NULL;
    hr_sampler_options options;
    float logits[4] = {1.0f, 3.0f, 2.5f, 0.0f}, logprob = 9.0f, sum = 0;
    uint16_t f16[2] = {0x3c00, 0x4000}, bf16[2] = {0x4000, 0x3f80};
    uint32_t token = 77, mask = 5, prompt[2] = {1, 2};
    size_t i;

    hr_sampler_options_init(&options);
    CHECK(options.struct_size == sizeof options);
    options.temperature = 0;
    options.repetition_penalty = 2;
    OK(hr_sampler_new(&options, &sampler, &error));
    OK(hr_sampler_sample_f32(sampler, logits, 4, NULL, 0, &token, &logprob, &error));
    CHECK(token == 1 && logprob <= 0);
    OK(hr_sampler_sample_f32(sampler, logits, 4, &mask, 1, &token, NULL, &error));
    CHECK(token == 2);
    OK(hr_sampler_accept(sampler, 1, &error));
    CHECK(hr_sampler_position(sampler) == 1);
    OK(hr_sampler_sample_f32(sampler, logits, 4, NULL, 0, &token, NULL, &error));
    CHECK(token == 2);
    OK(hr_sampler_clone(sampler, &fork, &error));
    OK(hr_sampler_rollback(fork, 1, &error));
    OK(hr_sampler_sample_f32(fork, logits, 4, NULL, 0, &token, NULL, &error));
    CHECK(token == 1);
    FAILS(hr_sampler_rollback(fork, 1, &error), HR_ERROR_SAMPLING, "roll back");
    OK(hr_sampler_set_prompt(fork, prompt, 2, &error));
    OK(hr_sampler_sample_f32(fork, logits, 4, NULL, 0, &token, NULL, &error));
    CHECK(token == 1 && hr_sampler_position(fork) == 0);
    OK(hr_sampler_reset(sampler, &error));
    CHECK(hr_sampler_position(sampler) == 0);
    OK(hr_sampler_sample_f16(sampler, f16, 2, NULL, 0, &token, NULL, &error));
    CHECK(token == 1);
    OK(hr_sampler_sample_bf16(sampler, bf16, 2, NULL, 0, &token, NULL, &error));
    CHECK(token == 0);
    hr_sampler_free(fork);
    hr_sampler_free(sampler);

    /* What the chain leaves is a distribution. */
    OK(hr_sampler_new(NULL, &sampler, &error));
    OK(hr_sampler_apply_f32(sampler, logits, 4, &mask, 1, &error));
    for (i = 0; i < 4; i++) {
        sum += expf(logits[i]);
    }
    CHECK(fabsf(sum - 1.0f) < 1e-5f && isinf(logits[1]) && isinf(logits[3]));

    /* A failing call does not write its results. */
    token = 77;
    mask = 0;
    FAILS(hr_sampler_sample_f32(sampler, logits, 4, &mask, 1, &token, NULL, &error), HR_ERROR_SAMPLING, "no token");
    FAILS(hr_sampler_sample_f32(sampler, logits, 0, NULL, 0, &token, NULL, &error), HR_ERROR_SAMPLING, "0 logits");
    FAILS(hr_sampler_sample_f32(sampler, NULL, 4, NULL, 0, &token, NULL, &error), HR_ERROR_INVALID_ARGUMENT,
          "logits is NULL");
    FAILS(hr_sampler_sample_f32(sampler, logits, 4, NULL, 1, &token, NULL, &error), HR_ERROR_INVALID_ARGUMENT,
          "mask is NULL");
    logits[2] = (float)NAN;
    FAILS(hr_sampler_sample_f32(sampler, logits, 4, NULL, 0, &token, NULL, &error), HR_ERROR_SAMPLING, "NaN");
    CHECK(token == 77);
    FAILS(hr_sampler_sample_f32(sampler, logits, 4, NULL, 0, NULL, NULL, &error), HR_ERROR_INVALID_ARGUMENT,
          "token is NULL");
    hr_sampler_free(sampler);

    hr_sampler_options_init(&options);
    options.top_p = 1.5f;
    FAILS(hr_sampler_new(&options, &none, &error), HR_ERROR_SAMPLING, "top_p");
    options.top_p = 1;
    options.mirostat = (hr_mirostat)5;
    FAILS(hr_sampler_new(&options, &none, &error), HR_ERROR_INVALID_ARGUMENT, "mirostat is 5");
    options.mirostat = HR_MIROSTAT_OFF;
    options.frequency_penalty = 9;
    options.struct_size = offsetof(hr_sampler_options, frequency_penalty);
    OK(hr_sampler_new(&options, &sampler, &error));
    hr_sampler_free(sampler);

    FAILS(hr_sampler_new(NULL, NULL, &error), HR_ERROR_INVALID_ARGUMENT, "out is NULL");
    FAILS(hr_sampler_clone(NULL, &none, &error), HR_ERROR_INVALID_ARGUMENT, "sampler is NULL");
    FAILS(hr_sampler_set_prompt(NULL, prompt, 2, &error), HR_ERROR_INVALID_ARGUMENT, "sampler is NULL");
    FAILS(hr_sampler_sample_f16(NULL, f16, 2, NULL, 0, &token, NULL, &error), HR_ERROR_INVALID_ARGUMENT, "sampler is NULL");
    FAILS(hr_sampler_sample_bf16(NULL, bf16, 2, NULL, 0, &token, NULL, &error), HR_ERROR_INVALID_ARGUMENT,
          "sampler is NULL");
    FAILS(hr_sampler_apply_f32(NULL, logits, 4, NULL, 0, &error), HR_ERROR_INVALID_ARGUMENT, "sampler is NULL");
    FAILS(hr_sampler_accept(NULL, 1, &error), HR_ERROR_INVALID_ARGUMENT, "sampler is NULL");
    FAILS(hr_sampler_rollback(NULL, 0, &error), HR_ERROR_INVALID_ARGUMENT, "sampler is NULL");
    FAILS(hr_sampler_reset(NULL, &error), HR_ERROR_INVALID_ARGUMENT, "sampler is NULL");
    CHECK(none == NULL && hr_sampler_position(NULL) == 0);
    hr_sampler_options_init(NULL);
    hr_sampler_free(NULL);
}

int main(void) {
    test_versions();
    test_errors();
    test_vocab();
    test_grammars();
    test_constraints();
    test_events();
    test_cancel_flags();
    test_matchers();
    test_draft_trees_and_batches();
    test_token_fsms();
    test_masks();
    test_samplers();
    test_parameters();
    if (failures > 0) {
        fprintf(stderr, "%d checks failed\n", failures);
        return 1;
    }
    printf("every check of the C interface passed\n");
    return 0;
}
