/*
 * Every function of hedgerow.h: its results, and its errors for NULL, garbage and impossible
 * arguments. The program is compiled as C99, C11 and C17, and run plainly, under valgrind and with
 * sanitizers. Matchers and masks are in
 * test_matchers.c, samplers and texts in test_samplers.c, parameters in test_parameters.c.
 */
#include "check.h"

unsigned abi_seen_by_second_unit(void);
void test_matchers(void);
void test_draft_trees_and_batches(void);
void test_token_fsms(void);
void test_masks(void);
void test_samplers(void);
void test_sampler_batches(void);
void test_detokenizers(void);
void test_tokenizers(void);
void test_parameters(void);

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

/* Checks that an error has this place in a text, and frees it. */
static void expect_place(hr_error **error, size_t line, size_t column) {
    size_t its_line = 0, its_column = 0;
    const char *pointer = NULL;
    CHECK(hr_error_location(*error, &its_line, &its_column, &pointer));
    CHECK(its_line == line && its_column == column && pointer == NULL);
    hr_error_free(*error);
    *error = NULL;
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
    expect_place(&error, 2, 7);

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
    expect_place(&error, 2, 2);

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
    const char *const typo_in_rule = "start: %json {\"items\": {\"typ\": 1}}";
    const char *const typo_in_tag = "{\"format\": {\"json_schema\": {\"typ\": 1}}}";
    const char *const typo_in_tool = "[{\"name\": \"f\", \"parameters\": {\"properties\": {\"a\": {\"typ\": 1}}}}]";
    hr_text choices[2], message, pointer, keyword;
    hr_document document;
    struct {
        hr_schema_options known;
        uint64_t unknown;
    } newer;

    choices[0] = text_of("yes");
    choices[1] = text_of("no");
    OK(hr_grammar_from_choices(choices, 2, NULL, &grammar, &error));
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
    OK(hr_grammar_from_structural_tag(typo_in_tag, strlen(typo_in_tag), NULL, &grammar, &error));
    CHECK(hr_grammar_warning_count(grammar) == 1);
    CHECK(hr_grammar_warning(grammar, 0, NULL, &pointer, NULL) && pointer.len == 19 && memcmp(pointer.data, "/format/json_schema", 19) == 0);
    hr_grammar_free(grammar);
    OK(hr_grammar_from_lark(typo_in_rule, strlen(typo_in_rule), text_of(""), NULL, 0, NULL, &grammar, &error));
    CHECK(hr_grammar_warning_count(grammar) == 1);
    CHECK(hr_grammar_warning(grammar, 0, NULL, &pointer, NULL) && pointer.len == 6 && memcmp(pointer.data, "/items", 6) == 0);
    hr_grammar_free(grammar);
    OK(hr_grammar_from_rules(typo_in_rule, strlen(typo_in_rule), HR_GRAMMAR_NOTATION_LARK, NULL, &grammar, &error));
    CHECK(hr_grammar_warning_count(grammar) == 1);
    hr_grammar_free(grammar);
    OK(hr_grammar_from_tools(typo_in_tool, strlen(typo_in_tool), text_of("hermes"), NULL, NULL, &grammar, &error));
    CHECK(hr_grammar_warning_count(grammar) == 1);
    CHECK(hr_grammar_warning(grammar, 0, NULL, &pointer, NULL) && pointer.len == 26 && memcmp(pointer.data, "/0/parameters/properties/a", 26) == 0);
    hr_grammar_free(grammar);

    FAILS(hr_grammar_from_choices(NULL, 0, NULL, &none, &error), HR_ERROR_GRAMMAR, "empty");
    choices[1].data = NULL;
    FAILS(hr_grammar_from_choices(choices, 2, NULL, &none, &error), HR_ERROR_INVALID_ARGUMENT, "a choice is NULL");
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
    /* The text of each step is an event of its own. */
    CHECK(steps == 2 && hr_events_count(events) == 3);
    for (size_t i = 0; i < 2; i++) {
        CHECK(hr_events_get(events, i, &kind, &call, &text, &id));
        CHECK(kind == HR_EVENT_KIND_TEXT && call == 0 && text.len == 1 && text.data[0] == 'a' && id.len == 0);
    }
    CHECK(hr_events_get(events, 2, &kind, NULL, &text, NULL));
    CHECK(kind == HR_EVENT_KIND_CALL_BEGIN && text.len == 1 && text.data[0] == 'f');
    CHECK(!hr_events_get(events, 3, &kind, NULL, NULL, NULL) && kind == HR_EVENT_KIND_CALL_BEGIN);
    OK(hr_events_advance_bytes(events, (const uint8_t *)"a", 1, &yes, &error));
    CHECK(!yes && hr_events_count(events) == 0);
    OK(hr_events_clone(events, &copy, &error));
    OK(hr_events_advance_bytes(copy, (const uint8_t *)"1b", 2, &yes, &error));
    CHECK(yes && hr_events_count(copy) == 2 && hr_events_get(copy, 1, &kind, &call, NULL, NULL));
    CHECK(kind == HR_EVENT_KIND_CALL_END && call == 0);
    OK(hr_events_rollback(copy, 1, &error));
    OK(hr_events_advance_text(copy, (const uint8_t *)"1b<end>", 7, &yes, &error));
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
    const hr_text choice = text_of("ab");
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
    FAILS(hr_grammar_from_choices(&choice, 1, &interrupt, &grammar, &error), HR_ERROR_CANCELLED, "cancelled");
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

/* Makes a constraint of a pattern, and counts its calls. */
struct recipe {
    const hr_vocab *vocab;
    const char *pattern;
    int calls;
};

static uint32_t make_constraint(void *user_data, hr_constraint **out, hr_error **error) {
    struct recipe *recipe = (struct recipe *)user_data;
    hr_grammar *grammar = NULL;
    uint32_t status;
    recipe->calls++;
    status = hr_grammar_from_regex(recipe->pattern, strlen(recipe->pattern), HR_REGEX_DIALECT_ECMA262, NULL, &grammar, error);
    if (status == HR_OK) {
        status = hr_constraint_new(grammar, recipe->vocab, NULL, NULL, out, error);
    }
    hr_grammar_free(grammar);
    return status;
}

/* Fails without an error, or succeeds without a constraint. */
static uint32_t make_nothing(void *user_data, hr_constraint **out, hr_error **error) {
    (void)out, (void)error;
    return *(uint32_t *)user_data;
}

static hr_bytes key_of(const char *text) {
    hr_bytes key;
    key.data = (const uint8_t *)text;
    key.len = strlen(text);
    return key;
}

static void test_caches(void) {
    struct recipe recipe = {NULL, "a{1,3}", 0};
    hr_error *error = NULL;
    hr_vocab *vocab = make_vocab();
    hr_cache *cache = hr_cache_new(2, SIZE_MAX);
    hr_constraint *constraint = NULL, *same = NULL;
    hr_cancel_flag *flag = hr_cancel_flag_new();
    hr_cache_stats stats;
    hr_interrupt interrupt;
    hr_bytes nowhere = {NULL, 3};
    uint32_t status = HR_ERROR_IO;

    recipe.vocab = vocab;
    hr_interrupt_init(&interrupt);
    interrupt.cancel = flag;
    hr_cache_stats_init(&stats);
    OK(hr_cache_get(cache, key_of("a"), make_constraint, &recipe, NULL, &constraint, &error));
    OK(hr_cache_get(cache, key_of("a"), make_nothing, &status, &interrupt, &same, &error));
    hr_constraint_free(same);
    OK(hr_cache_get_stats(cache, &stats, &error));
    CHECK(stats.hits == 1 && stats.misses == 1 && stats.constraints == 1 && stats.bytes > 0 && recipe.calls == 1);

    /* Failures: those of the function, with its own errors, and those of arguments. */
    recipe.pattern = "[";
    same = NULL;
    FAILS(hr_cache_get(cache, key_of("b"), make_constraint, &recipe, NULL, &same, &error), HR_ERROR_GRAMMAR, "[");
    FAILS(hr_cache_get(cache, key_of("b"), make_nothing, &status, NULL, &same, &error), HR_ERROR_IO, "make failed");
    status = HR_OK;
    FAILS(hr_cache_get(cache, key_of("b"), make_nothing, &status, NULL, &same, &error), HR_ERROR_INVALID_ARGUMENT,
          "gave no constraint");
    status = 77;
    FAILS(hr_cache_get(cache, key_of("b"), make_nothing, &status, NULL, &same, &error), HR_ERROR_INTERNAL, "make failed");
    FAILS(hr_cache_get(cache, key_of("b"), NULL, NULL, NULL, &same, &error), HR_ERROR_INVALID_ARGUMENT, "make is NULL");
    FAILS(hr_cache_get(cache, nowhere, make_constraint, &recipe, NULL, &same, &error), HR_ERROR_INVALID_ARGUMENT,
          "key is NULL");
    FAILS(hr_cache_get(NULL, key_of("a"), make_constraint, &recipe, NULL, &same, &error), HR_ERROR_INVALID_ARGUMENT,
          "cache is NULL");
    FAILS(hr_cache_get_stats(NULL, &stats, &error), HR_ERROR_INVALID_ARGUMENT, "cache is NULL");
    /* The interrupt of the call is that of the calls which the function makes. */
    hr_cancel_flag_set(flag);
    FAILS(hr_cache_get(cache, key_of("b"), make_constraint, &recipe, &interrupt, &same, &error), HR_ERROR_CANCELLED,
          "cancelled");
    CHECK(same == NULL && recipe.calls == 2);

    /* The key is any bytes, and may be empty. The one that was used longest ago goes first. */
    recipe.pattern = "b";
    OK(hr_cache_get(cache, key_of(""), make_constraint, &recipe, NULL, &same, &error));
    hr_constraint_free(same);
    OK(hr_cache_get(cache, key_of("\xff"), make_constraint, &recipe, NULL, &same, &error));
    hr_constraint_free(same);
    OK(hr_cache_get_stats(cache, &stats, &error));
    CHECK(stats.constraints == 2 && recipe.calls == 4);
    recipe.pattern = "a";
    OK(hr_cache_get(cache, key_of("a"), make_constraint, &recipe, NULL, &same, &error));
    CHECK(recipe.calls == 5);
    hr_constraint_free(same);
    hr_cache_clear(cache);
    OK(hr_cache_get_stats(cache, &stats, &error));
    CHECK(stats.constraints == 0 && stats.bytes == 0);

    /* A constraint outlives its cache. */
    hr_cache_free(cache);
    CHECK((same = hr_constraint_clone(constraint)) != NULL);
    hr_constraint_free(same);
    hr_constraint_free(constraint);
    hr_cancel_flag_free(flag);
    hr_vocab_free(vocab);
    hr_cache_clear(NULL);
    hr_cache_free(NULL);
    hr_cache_stats_init(NULL);
}

int main(void) {
    test_versions();
    test_errors();
    test_vocab();
    test_grammars();
    test_constraints();
    test_caches();
    test_events();
    test_cancel_flags();
    test_matchers();
    test_draft_trees_and_batches();
    test_token_fsms();
    test_masks();
    test_samplers();
    test_sampler_batches();
    test_detokenizers();
    test_tokenizers();
    test_parameters();
    printf("every check of the C interface passed\n");
    return 0;
}
