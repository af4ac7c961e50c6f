/* Language models through the C interface: errors of every kind, a cancelled generation,
   conversations, an end that the budget writes, and borrowed results. */
#include "check.h"

static int32_t stop_at_once(void *user_data, const char *text, size_t len) {
    int *calls = user_data;
    (void)text;
    (void)len;
    *calls += 1;
    return 1;
}

static void loading(const char *path) {
    hr_model *model = NULL;
    hr_error *error = NULL;
    hr_model_options options;
    FAILS(hr_model_load("nowhere.gguf", 12, NULL, &model, &error), HR_ERROR_IO, "nowhere.gguf");
    FAILS(hr_model_load(NULL, 3, NULL, &model, &error), HR_ERROR_INVALID_ARGUMENT, "path is NULL");
    FAILS(hr_model_load(path, strlen(path), NULL, NULL, &error), HR_ERROR_INVALID_ARGUMENT, "out is NULL");
    hr_model_options_init(&options);
    options.device.data = "abacus";
    options.device.len = 6;
    FAILS(hr_model_load(path, strlen(path), &options, &model, &error), HR_ERROR_INVALID_ARGUMENT, "abacus");
    hr_model_options_init(&options);
    options.dtype.data = "f7";
    options.dtype.len = 2;
    FAILS(hr_model_load(path, strlen(path), &options, &model, &error), HR_ERROR_INVALID_ARGUMENT, "f7");
    CHECK(model == NULL);
    hr_model_free(NULL);
    hr_generation_free(NULL);
}

/* Three beams, of which the two best are returned, best first. */
static void beams(const hr_model *model) {
    hr_generation *generation = NULL;
    hr_error *error = NULL;
    hr_generation_options options;
    double first = 0;
    double second = 0;
    uint32_t token = 0;
    size_t len = 0;
    hr_generation_options_init(&options);
    options.max_tokens = 6;
    options.strategy = HR_STRATEGY_BEAM;
    options.width = 3;
    options.completions = 2;
    CHECK(hr_generate(model, "Name a city.", 12, &options, &generation, NULL) == HR_OK);
    CHECK(hr_generation_count(generation) == 2);
    CHECK(hr_generation_score(generation, 0, &first) && hr_generation_score(generation, 1, &second));
    CHECK(first >= second && first < 0);
    CHECK(!hr_generation_score(generation, 2, &first) && hr_generation_text(generation, 2, &len) == NULL);
    FAILS(hr_generation_tokens(generation, 2, &token, 1, &len, &error), HR_ERROR_INVALID_ARGUMENT, "index is 2");
    hr_generation_free(generation);
    generation = NULL;

    options.beam_groups = 2;
    FAILS(hr_generate(model, "x", 1, &options, &generation, &error), HR_ERROR_INVALID_ARGUMENT, "does not divide");
    options.strategy = 9;
    FAILS(hr_generate(model, "x", 1, &options, &generation, &error), HR_ERROR_INVALID_ARGUMENT, "strategy is 9");
    hr_generation_options_init(&options);
    options.guidance = 2;
    options.amateur = model;
    FAILS(hr_generate(model, "x", 1, &options, &generation, &error), HR_ERROR_INVALID_ARGUMENT, "do not go together");
    hr_generation_options_init(&options);
    options.guidance = 2;
    options.healing = 1;
    FAILS(hr_generate(model, "x", 1, &options, &generation, &error), HR_ERROR_INVALID_ARGUMENT, "healing");
    CHECK(generation == NULL);
}

/* Drafts copied from the text so far save passes and change no token. */
static void drafts(const hr_model *model) {
    const char *prompt = "one two three one two three one two three one two";
    hr_generation *generation = NULL;
    hr_error *error = NULL;
    hr_draft_heads *heads = NULL;
    hr_generation_options options;
    hr_sampler_options sampler;
    hr_generation_stats stats;
    uint32_t plain[16];
    uint32_t guessed[16];
    size_t len = 0;
    size_t passes = 0;
    size_t layer = 5;
    hr_generation_stats_init(&stats);
    hr_sampler_options_init(&sampler);
    sampler.temperature = 0;
    hr_generation_options_init(&options);
    options.max_tokens = 16;
    options.raw_prompt = 1;
    options.sampler = &sampler;
    CHECK(hr_generate(model, prompt, strlen(prompt), &options, &generation, NULL) == HR_OK);
    CHECK(hr_generation_tokens(generation, 0, plain, 16, &len, NULL) == HR_OK && len == 16);
    CHECK(hr_generation_get_stats(generation, &stats, NULL) == HR_OK);
    CHECK(stats.drafted_tokens == 0);
    passes = stats.forward_passes;
    hr_generation_free(generation);

    options.drafter = HR_DRAFTER_NGRAM;
    CHECK(hr_generate(model, prompt, strlen(prompt), &options, &generation, NULL) == HR_OK);
    CHECK(hr_generation_tokens(generation, 0, guessed, 16, &len, NULL) == HR_OK && len == 16);
    CHECK(memcmp(plain, guessed, sizeof plain) == 0);
    CHECK(hr_generation_get_stats(generation, &stats, NULL) == HR_OK);
    CHECK(stats.confirmed_tokens > 4 && stats.forward_passes + stats.confirmed_tokens >= passes);
    CHECK(stats.forward_passes < passes && stats.draft_passes == 0);
    hr_generation_free(generation);
    generation = NULL;

    options.drafter = HR_DRAFTER_SKIP_LAYERS;
    options.draft_skipped_layers = &layer;
    options.draft_skipped_count = 1;
    options.draft_tokens = 2;
    options.max_tokens = 4;
    CHECK(hr_generate(model, prompt, strlen(prompt), &options, &generation, NULL) == HR_OK);
    CHECK(hr_generation_tokens(generation, 0, guessed, 16, &len, NULL) == HR_OK && len == 4);
    CHECK(memcmp(plain, guessed, 4 * sizeof *plain) == 0);
    CHECK(hr_generation_get_stats(generation, &stats, NULL) == HR_OK && stats.draft_passes > 0);
    hr_generation_free(generation);
    generation = NULL;

    options.drafter = HR_DRAFTER_MODEL;
    FAILS(hr_generate(model, "x", 1, &options, &generation, &error), HR_ERROR_INVALID_ARGUMENT, "draft_model is NULL");
    options.drafter = HR_DRAFTER_HEADS;
    FAILS(hr_generate(model, "x", 1, &options, &generation, &error), HR_ERROR_INVALID_ARGUMENT, "draft_heads is NULL");
    FAILS(hr_draft_heads_load(model, "nowhere", 7, &heads, &error), HR_ERROR_IO, "nowhere");
    CHECK(generation == NULL && heads == NULL);
    hr_draft_heads_free(NULL);
}

static void set(hr_text *text, const char *value) {
    text->data = value;
    text->len = strlen(value);
}

/* The greedy output of at most 12 tokens, as a string that the caller frees, and its statistics. */
static char *greedy(const hr_model *model, const char *prompt, hr_generation_options *options,
                    hr_generation_stats *stats) {
    hr_generation *generation = NULL;
    hr_sampler_options sampler;
    const char *text = NULL;
    char *copy = NULL;
    size_t len = 0;
    hr_sampler_options_init(&sampler);
    sampler.temperature = 0;
    options->sampler = &sampler;
    options->max_tokens = 12;
    CHECK(hr_generate(model, prompt, strlen(prompt), options, &generation, NULL) == HR_OK);
    text = hr_generation_text(generation, 0, &len);
    copy = malloc(len + 1);
    CHECK(text != NULL && copy != NULL);
    memcpy(copy, text, len);
    copy[len] = 0;
    hr_generation_stats_init(stats);
    CHECK(hr_generation_get_stats(generation, stats, NULL) == HR_OK);
    hr_generation_free(generation);
    return copy;
}

/* Messages in JSON are the prompt; an assistant's message at their end is continued; variables
 * reach the template. */
static void conversations(const hr_model *model) {
    const char *question = "What is the capital of France?";
    hr_generation *generation = NULL;
    hr_error *error = NULL;
    hr_generation_options options;
    hr_generation_stats alone;
    hr_generation_stats stats;
    char *expected = NULL;
    char *text = NULL;
    hr_generation_options_init(&options);
    expected = greedy(model, question, &options, &alone);
    CHECK(strcmp(expected, "The capital of France is Paris.") == 0);

    hr_generation_options_init(&options);
    set(&options.messages, "[{\"role\": \"user\", \"content\": \"What is the capital of France?\"}]");
    text = greedy(model, "", &options, &stats);
    CHECK(strcmp(text, expected) == 0 && stats.prompt_tokens == alone.prompt_tokens);
    free(text);

    hr_generation_options_init(&options);
    set(&options.messages, "{\"messages\": [{\"role\": \"user\", \"content\": \"What is the capital of France?\"},"
                           "{\"role\": \"assistant\", \"content\": \"The capital of France is\"}]}");
    text = greedy(model, "", &options, &stats);
    CHECK(strcmp(text, " Paris.") == 0 && stats.prompt_tokens > alone.prompt_tokens);
    free(text);
    free(expected);

    hr_generation_options_init(&options);
    set(&options.template_variables, "{\"unknown\": [1]}");
    text = greedy(model, question, &options, &stats);
    CHECK(stats.prompt_tokens == alone.prompt_tokens);
    free(text);
    set(&options.template_variables, "{\"add_generation_prompt\": false}");
    CHECK(hr_generate(model, "x", 1, &options, &generation, &error) != HR_OK);
    CHECK(strstr(hr_error_message(error), "add_generation_prompt") != NULL);
    hr_error_free(error);
    error = NULL;

    set(&options.template_variables, "[1]");
    FAILS(hr_generate(model, "x", 1, &options, &generation, &error), HR_ERROR_INVALID_ARGUMENT, "not a JSON object");
    set(&options.template_variables, "{");
    FAILS(hr_generate(model, "x", 1, &options, &generation, &error), HR_ERROR_INVALID_ARGUMENT, "template_variables is not JSON");
    hr_generation_options_init(&options);
    set(&options.messages, "[]");
    FAILS(hr_generate(model, "x", 1, &options, &generation, &error), HR_ERROR_INVALID_ARGUMENT, "does not go with a prompt");
    FAILS(hr_generate(model, "", 0, &options, &generation, &error), HR_ERROR_INVALID_ARGUMENT, "no messages");
    set(&options.messages, "{\"messages\": [], \"temperature\": 1}");
    FAILS(hr_generate(model, "", 0, &options, &generation, &error), HR_ERROR_INVALID_ARGUMENT, "`temperature`");
    CHECK(generation == NULL);
}

/* The constraint of a schema over the vocabulary of a model. */
static hr_constraint *constraint_of(const hr_model *model, const char *schema) {
    hr_vocab *vocab = NULL;
    hr_grammar *grammar = NULL;
    hr_constraint *constraint = NULL;
    CHECK(hr_model_vocab(model, &vocab, NULL) == HR_OK);
    CHECK(hr_grammar_from_json_schema(schema, strlen(schema), NULL, NULL, &grammar, NULL) == HR_OK);
    CHECK(hr_constraint_new(grammar, vocab, NULL, NULL, &constraint, NULL) == HR_OK);
    hr_grammar_free(grammar);
    hr_vocab_free(vocab);
    return constraint;
}

/* An output that reaches its limit is completed without the model, which is told, or cut. */
static void budget(const hr_model *model) {
    const char *schema = "{\"type\": \"object\", \"properties\": {\"story\": {\"type\": \"string\"}, \"n\": "
                         "{\"type\": \"integer\"}}, \"required\": [\"story\", \"n\"], \"additionalProperties\": false}";
    hr_constraint *constraint = constraint_of(model, schema);
    hr_generation *generation = NULL;
    hr_error *error = NULL;
    hr_generation_options options;
    hr_sampler_options sampler;
    uint32_t tokens[24];
    const char *text = NULL;
    size_t len = 0;
    size_t first_token = 99;
    size_t written = 99;
    size_t first_byte = 99;
    hr_sampler_options_init(&sampler);
    sampler.temperature = 0;
    hr_generation_options_init(&options);
    options.sampler = &sampler;
    options.constraint = constraint;
    options.max_tokens = 24;
    CHECK(hr_generate(model, "Tell a long story.", 18, &options, &generation, NULL) == HR_OK);
    CHECK(hr_generation_finish_reason(generation, 0) == HR_FINISH_REASON_LENGTH);
    CHECK(hr_generation_is_complete(generation, 0));
    CHECK(hr_generation_budget_ending(generation, 0, &first_token, &written, &first_byte));
    CHECK(hr_generation_tokens(generation, 0, tokens, 24, &len, NULL) == HR_OK);
    CHECK(written > 0 && first_token + written == len);
    text = hr_generation_text(generation, 0, &len);
    CHECK(text != NULL && first_byte > 0 && first_byte < len && text[len - 1] == '}');
    CHECK(hr_generation_budget_ending(generation, 0, NULL, NULL, NULL));
    CHECK(!hr_generation_budget_ending(generation, 1, &first_token, NULL, NULL));
    hr_generation_free(generation);

    options.cut_at_limit = 1;
    CHECK(hr_generate(model, "Tell a long story.", 18, &options, &generation, NULL) == HR_OK);
    CHECK(hr_generation_finish_reason(generation, 0) == HR_FINISH_REASON_LENGTH);
    CHECK(!hr_generation_is_complete(generation, 0));
    first_token = 99;
    CHECK(!hr_generation_budget_ending(generation, 0, &first_token, &written, &first_byte) && first_token == 99);
    hr_generation_free(generation);
    generation = NULL;

    /* Not even the shortest output fits. */
    options.cut_at_limit = 0;
    options.max_tokens = 3;
    CHECK(hr_generate(model, "x", 1, &options, &generation, &error) != HR_OK && generation == NULL);
    CHECK(strstr(hr_error_message(error), "tokens") != NULL);
    hr_error_free(error);
    hr_constraint_free(constraint);
}

/* An error ends the output in which it occurs, with the text so far. Lengths and options that do
 * not go together are refused. */
static void failures(const hr_model *model) {
    hr_constraint *constraint = constraint_of(model, "{\"enum\": [\"Yes!Yes!\"]}");
    hr_generation *generation = NULL;
    hr_error *error = NULL;
    hr_generation_options options;
    hr_sampler_options sampler;
    uint32_t allowed[8];
    const char *text = NULL;
    size_t len = 0;
    hr_sampler_options_init(&sampler);
    hr_generation_options_init(&options);
    options.sampler = &sampler;
    options.constraint = constraint;
    /* Without its last token no output is left. */
    CHECK(hr_model_encode(model, "\"Yes!Yes!\"", 10, allowed, 8, &len, NULL) == HR_OK && len > 2 && len <= 8);
    sampler.allowed_tokens = allowed;
    sampler.allowed_token_count = 1;
    FAILS(hr_generate(model, "x", 1, &options, &generation, &error), HR_ERROR_SAMPLING, "bans leave no output");
    /* That no token may come twice is not foreseen. */
    sampler.allowed_token_count = len;
    sampler.no_repeat_ngram = 1;
    CHECK(hr_generate(model, "x", 1, &options, &generation, NULL) == HR_OK);
    CHECK(hr_generation_finish_reason(generation, 0) == HR_FINISH_REASON_FAILED);
    CHECK(!hr_generation_is_complete(generation, 0));
    text = hr_generation_text(generation, 0, &len);
    CHECK(text != NULL && len > 0 && len < 10 && memcmp(text, "\"Yes!Yes!\"", len) == 0);
    FAILS(hr_generation_error(generation, 0, &error), HR_ERROR_SAMPLING, "no token can be drawn");
    CHECK(hr_generation_error(generation, 0, NULL) == HR_ERROR_SAMPLING);
    CHECK(hr_generation_error(generation, 1, &error) == HR_OK && error == NULL);
    hr_generation_free(generation);
    generation = NULL;
    hr_constraint_free(constraint);

    hr_generation_options_init(&options);
    options.max_tokens = 30;
    options.max_length = 5;
    options.raw_prompt = 1;
    CHECK(hr_generate(model, "Tell a", 6, &options, &generation, NULL) == HR_OK);
    CHECK(hr_generation_tokens(generation, 0, NULL, 0, &len, NULL) == HR_OK && len == 3);
    CHECK(hr_generation_error(generation, 0, &error) == HR_OK && error == NULL);
    hr_generation_free(generation);
    generation = NULL;
    options.max_length = 1;
    FAILS(hr_generate(model, "Tell a", 6, &options, &generation, &error), HR_ERROR_LIMIT, "max_length is 1 tokens");
    options.max_length = 0;
    set(&options.system, "Be brief.");
    FAILS(hr_generate(model, "x", 1, &options, &generation, &error), HR_ERROR_INVALID_ARGUMENT, "no effect on a raw_prompt");
    hr_generation_options_init(&options);
    options.healing = 1;
    FAILS(hr_generate(model, "x", 1, &options, &generation, &error), HR_ERROR_INVALID_ARGUMENT, "healing has no effect");
    hr_generation_options_init(&options);
    set(&options.negative_prompt, "y");
    FAILS(hr_generate(model, "x", 1, &options, &generation, &error), HR_ERROR_INVALID_ARGUMENT, "without guidance");
    options.guidance = 0.0 / 0.0;
    FAILS(hr_generate(model, "x", 1, &options, &generation, &error), HR_ERROR_INVALID_ARGUMENT, "guidance is NaN");
    CHECK(generation == NULL);
}

/* A flag or a time limit ends outputs that on_text does not see. What was made is the result. */
static void interrupts(const hr_model *model) {
    const hr_strategy strategies[] = {HR_STRATEGY_SAMPLE, HR_STRATEGY_BEST_OF, HR_STRATEGY_BEAM};
    hr_cancel_flag *flag = hr_cancel_flag_new();
    hr_generation *generation = NULL;
    hr_generation_options options;
    hr_interrupt interrupt;
    uint32_t token = 0;
    size_t at = 0;
    size_t len = 0;
    hr_interrupt_init(&interrupt);
    interrupt.cancel = flag;
    hr_generation_options_init(&options);
    options.interrupt = &interrupt;
    options.completions = 2;
    options.max_tokens = 3;
    CHECK(hr_generate(model, "Tell a story.", 13, &options, &generation, NULL) == HR_OK);
    CHECK(hr_generation_finish_reason(generation, 1) != HR_FINISH_REASON_CANCELLED);
    hr_generation_free(generation);
    options.max_tokens = 400;
    for (at = 0; at < sizeof strategies / sizeof *strategies; ++at) {
        options.strategy = strategies[at];
        hr_cancel_flag_set(flag);
        CHECK(hr_generate(model, "Tell a story.", 13, &options, &generation, NULL) == HR_OK);
        CHECK(hr_generation_count(generation) >= 1);
        CHECK(hr_generation_finish_reason(generation, 0) == HR_FINISH_REASON_CANCELLED);
        CHECK(hr_generation_tokens(generation, 0, &token, 1, &len, NULL) == HR_OK && len <= 1);
        hr_generation_free(generation);
        hr_cancel_flag_clear(flag);
        interrupt.timeout_ms = 1;
        CHECK(hr_generate(model, "Tell a story.", 13, &options, &generation, NULL) == HR_OK);
        CHECK(hr_generation_finish_reason(generation, 0) == HR_FINISH_REASON_CANCELLED);
        hr_generation_free(generation);
        interrupt.timeout_ms = 0;
    }
    hr_cancel_flag_free(flag);
}

int main(int argc, char **argv) {
    hr_model *model = NULL;
    hr_generation *generation = NULL;
    hr_error *error = NULL;
    hr_generation_options options;
    hr_generation_stats stats;
    uint32_t tokens[64];
    size_t len = 0;
    int calls = 0;

    CHECK(argc == 2);
    CHECK(hr_has_feature("torch"));
    loading(argv[1]);
    CHECK(hr_model_load(argv[1], strlen(argv[1]), NULL, &model, NULL) == HR_OK);
    CHECK(hr_model_encode(model, "hello", 5, tokens, 64, &len, NULL) == HR_OK && len >= 1);
    FAILS(hr_model_encode(model, "\xff", 1, tokens, 64, &len, &error), HR_ERROR_INVALID_ARGUMENT, "UTF-8");

    hr_generation_options_init(&options);
    options.raw_prompt = 7;
    FAILS(hr_generate(model, "x", 1, &options, &generation, &error), HR_ERROR_INVALID_ARGUMENT, "raw_prompt is 7");
    hr_generation_options_init(&options);
    options.struct_size = 3;
    FAILS(hr_generate(model, "x", 1, &options, &generation, &error), HR_ERROR_INVALID_ARGUMENT, "struct_size");
    FAILS(hr_generate(NULL, "x", 1, NULL, &generation, &error), HR_ERROR_INVALID_ARGUMENT, "model is NULL");
    CHECK(generation == NULL);

    hr_generation_options_init(&options);
    options.max_tokens = 40;
    options.on_text = stop_at_once;
    options.user_data = &calls;
    CHECK(hr_generate(model, "Tell a story.", 13, &options, &generation, NULL) == HR_OK);
    CHECK(calls == 1);
    CHECK(hr_generation_finish_reason(generation, 0) == HR_FINISH_REASON_CANCELLED);
    hr_generation_free(generation);

    beams(model);
    drafts(model);
    conversations(model);
    budget(model);
    failures(model);
    interrupts(model);

    /* A generation may be used after its model is freed. */
    hr_generation_options_init(&options);
    options.max_tokens = 4;
    CHECK(hr_generate(model, "Tell a story.", 13, &options, &generation, NULL) == HR_OK);
    hr_model_free(model);
    CHECK(hr_generation_finish_reason(generation, 0) == HR_FINISH_REASON_LENGTH);
    CHECK(hr_generation_tokens(generation, 0, tokens, 64, &len, NULL) == HR_OK && len == 4);
    CHECK(hr_generation_text(generation, 0, &len) != NULL && len > 0);
    hr_generation_stats_init(&stats);
    CHECK(hr_generation_get_stats(generation, &stats, NULL) == HR_OK);
    CHECK(stats.completion_tokens == 4 && stats.forward_passes >= 4 && stats.total > 0);
    hr_generation_free(generation);
    CHECK(hr_generation_text(NULL, 0, &len) == NULL);
    CHECK(hr_generation_finish_reason(NULL, 0) == HR_FINISH_REASON_OTHER);
    printf("models behave\n");
    return 0;
}
