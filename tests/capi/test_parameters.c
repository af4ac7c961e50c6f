/*
 * The parameters of other APIs, log-probabilities, and errors that a caller makes. Part of the
 * program of test_api.c.
 */
#include "check.h"

#include <math.h>

void test_parameters(void);

static hr_parameters *read_parameters(hr_parameter_api api, const char *json) {
    hr_parameters *parameters = NULL;
    hr_error *error = NULL;
    if (hr_parameters_from_json(api, json, strlen(json), &parameters, &error) != HR_OK) {
        fprintf(stderr, "%s: %s\n", json, hr_error_message(error));
        exit(1);
    }
    return parameters;
}

/* Checks that a text is refused, and that the error's place is a JSON pointer. */
static void refused(hr_parameter_api api, const char *json, hr_status status, const char *place) {
    hr_parameters *parameters = NULL;
    hr_error *error = NULL;
    const char *pointer = NULL;
    CHECK(hr_parameters_from_json(api, json, strlen(json), &parameters, &error) == status);
    CHECK(parameters == NULL && error != NULL && hr_error_kind(error) == status);
    CHECK(hr_error_location(error, NULL, NULL, &pointer) == (place != NULL));
    CHECK(place == NULL || strcmp(pointer, place) == 0);
    hr_error_free(error);
}

static bool is_text(hr_text text, const char *expected) {
    return text.len == strlen(expected) && memcmp(text.data, expected, text.len) == 0;
}

static void test_openai(void) {
    hr_parameters *parameters =
        read_parameters(HR_PARAMETER_API_OPEN_AI,
                        "{\"model\": \"m\", \"temperature\": 0, \"n\": 2, \"stop\": [\"END\", \"x\"], \"max_tokens\": 9,"
                        " \"logit_bias\": {\"1\": 100}, \"logprobs\": true, \"top_logprobs\": 3, \"seed\": 5,"
                        " \"response_format\": {\"type\": \"json_object\"}}");
    hr_sampler_options options;
    hr_sampler *sampler = NULL;
    hr_grammar *grammar = NULL;
    hr_text text;
    const float logits[3] = {0.5f, 0.0f, 1.0f};
    uint32_t token = 0;
    size_t count = 0;
    hr_sampler_options_init(&options);
    CHECK(hr_parameters_get_sampler_options(parameters, &options, NULL) == HR_OK);
    CHECK(options.struct_size == sizeof options && options.seed == 5 && options.max_tokens == 9);
    CHECK(options.temperature == 0 && options.logit_bias_count == 1 && options.logit_bias[0].token == 1);
    CHECK(hr_sampler_new(&options, &sampler, NULL) == HR_OK);
    CHECK(hr_sampler_sample_f32(sampler, logits, 3, NULL, 0, &token, NULL, NULL) == HR_OK && token == 1);
    CHECK(hr_parameters_has_seed(parameters) && hr_parameters_completions(parameters) == 2);
    CHECK(hr_parameters_logprobs(parameters, &count) && count == 3 && hr_parameters_logprobs(parameters, NULL));
    CHECK(hr_parameters_text_count(parameters, HR_PARAMETER_TEXTS_STOP) == 2);
    CHECK(hr_parameters_text(parameters, HR_PARAMETER_TEXTS_STOP, 1, &text) && is_text(text, "x"));
    CHECK(!hr_parameters_text(parameters, HR_PARAMETER_TEXTS_STOP, 2, &text) && is_text(text, "x"));
    CHECK(hr_parameters_text(parameters, HR_PARAMETER_TEXTS_PASSED_OVER, 0, &text) && is_text(text, "model"));
    CHECK(hr_parameters_text_count(parameters, HR_PARAMETER_TEXTS_BAD_WORDS) == 0);
    CHECK(hr_parameters_text_count(parameters, HR_PARAMETER_TEXTS_UNUSED) == 0);
    CHECK(hr_parameters_text_count(parameters, (hr_parameter_texts)7) == 0);
    CHECK(hr_parameters_response_format(parameters, &text));
    CHECK(hr_grammar_from_structural_tag(text.data, text.len, NULL, &grammar, NULL) == HR_OK);
    hr_grammar_free(grammar);
    /* The sampler keeps what it needs. */
    hr_parameters_free(parameters);
    CHECK(hr_sampler_sample_f32(sampler, logits, 3, NULL, 0, &token, NULL, NULL) == HR_OK && token == 1);
    hr_sampler_free(sampler);
}

static void test_other_apis(void) {
    hr_parameters *parameters = read_parameters(HR_PARAMETER_API_ANTHROPIC, "{\"max_tokens\": 7, \"stop_sequences\": [\"#\"]}");
    hr_sampler_options options;
    hr_text text;
    size_t least = 1, most = 1;
    CHECK(hr_parameters_text(parameters, HR_PARAMETER_TEXTS_STOP, 0, &text) && is_text(text, "#"));
    CHECK(!hr_parameters_has_seed(parameters) && !hr_parameters_logprobs(parameters, NULL));
    CHECK(!hr_parameters_response_format(parameters, &text) && is_text(text, "#"));
    hr_parameters_free(parameters);
    parameters = read_parameters(HR_PARAMETER_API_HUGGING_FACE,
                                 "{\"do_sample\": true, \"top_k\": 5, \"bad_words_ids\": [[1, 2], [3]], \"eos_token_id\": 4}");
    hr_sampler_options_init(&options);
    CHECK(hr_parameters_get_sampler_options(parameters, &options, NULL) == HR_OK);
    CHECK(options.top_k == 5 && options.bad_word_count == 2 && options.bad_words[0].count == 2);
    CHECK(options.bad_words[1].tokens[0] == 3 && options.end_token_count == 1 && options.end_tokens[0] == 4);
    CHECK(!hr_parameters_lengths(parameters, NULL, NULL));
    /* A struct of an older header. */
    options.struct_size = offsetof(hr_sampler_options, top_k);
    options.top_k = 1;
    CHECK(hr_parameters_get_sampler_options(parameters, &options, NULL) == HR_OK && options.top_k == 1);
    hr_parameters_free(parameters);
    parameters = read_parameters(HR_PARAMETER_API_HUGGING_FACE, "{\"do_sample\": false, \"top_p\": 0.5}");
    CHECK(hr_parameters_text(parameters, HR_PARAMETER_TEXTS_UNUSED, 0, &text) && is_text(text, "top_p"));
    hr_parameters_free(parameters);
    parameters = read_parameters(HR_PARAMETER_API_HUGGING_FACE, "{\"max_length\": 20}");
    CHECK(hr_parameters_lengths(parameters, &least, &most) && least == 0 && most == 20);
    CHECK(hr_parameters_lengths(parameters, NULL, NULL));
    hr_parameters_free(parameters);
    parameters = read_parameters(HR_PARAMETER_API_VLLM, "{\"bad_words\": [\"no\"], \"min_p\": 0.25}");
    CHECK(hr_parameters_text(parameters, HR_PARAMETER_TEXTS_BAD_WORDS, 0, &text) && is_text(text, "no"));
    hr_parameters_free(parameters);
}

static void test_faults(void) {
    hr_parameters *parameters = NULL;
    hr_sampler_options options;
    hr_text text;
    refused(HR_PARAMETER_API_OPEN_AI, "{\"top_q\": 1}", HR_ERROR_SAMPLING, "/top_q");
    refused(HR_PARAMETER_API_OPEN_AI, "{\"temperature\": 9}", HR_ERROR_SAMPLING, "/temperature");
    refused(HR_PARAMETER_API_OPEN_AI, "[]", HR_ERROR_SAMPLING, NULL);
    refused(HR_PARAMETER_API_OPEN_AI, "{", HR_ERROR_SAMPLING, NULL);
    refused(HR_PARAMETER_API_OPEN_AI, "\xff", HR_ERROR_INVALID_ARGUMENT, NULL);
    refused((hr_parameter_api)4, "{}", HR_ERROR_INVALID_ARGUMENT, NULL);
    CHECK(hr_parameters_from_json(HR_PARAMETER_API_VLLM, NULL, 2, &parameters, NULL) == HR_ERROR_INVALID_ARGUMENT);
    CHECK(hr_parameters_from_json(HR_PARAMETER_API_VLLM, "{}", 2, NULL, NULL) == HR_ERROR_INVALID_ARGUMENT);
    hr_sampler_options_init(&options);
    CHECK(hr_parameters_get_sampler_options(NULL, &options, NULL) == HR_ERROR_INVALID_ARGUMENT);
    parameters = read_parameters(HR_PARAMETER_API_VLLM, "{}");
    CHECK(hr_parameters_get_sampler_options(parameters, NULL, NULL) == HR_ERROR_INVALID_ARGUMENT);
    options.struct_size = 3;
    CHECK(hr_parameters_get_sampler_options(parameters, &options, NULL) == HR_ERROR_INVALID_ARGUMENT);
    hr_parameters_free(parameters);
    hr_parameters_free(NULL);
    CHECK(!hr_parameters_has_seed(NULL) && hr_parameters_completions(NULL) == 0 && !hr_parameters_logprobs(NULL, NULL));
    CHECK(!hr_parameters_lengths(NULL, NULL, NULL));
    CHECK(hr_parameters_text_count(NULL, HR_PARAMETER_TEXTS_STOP) == 0);
    CHECK(!hr_parameters_text(NULL, HR_PARAMETER_TEXTS_STOP, 0, &text) && !hr_parameters_response_format(NULL, &text));
}

static void test_logprobs(void) {
    const float logits[4] = {0.0f, 1.0f, -1.0f, 1.0f};
    const uint16_t f16[2] = {0x3c00, 0x4000}; /* 1, 2 */
    const uint16_t bf16[2] = {0x4000, 0x3f80}; /* 2, 1 */
    hr_token_logprob top[6];
    hr_error *error = NULL;
    float logprob = 0.0f;
    float total = 0.0f;
    size_t written = 0, i;
    CHECK(hr_logprobs_f32(logits, 4, 2, &logprob, top, 6, &written, NULL) == HR_OK && written == 4);
    CHECK(top[0].token == 1 && top[1].token == 3 && top[2].token == 0 && top[3].token == 2);
    CHECK(top[3].logprob == logprob);
    for (i = 0; i < written; i++) {
        total += expf(top[i].logprob);
    }
    CHECK(fabsf(total - 1.0f) < 1e-6f);
    CHECK(hr_logprobs_f16(f16, 2, 1, &logprob, top, 1, &written, NULL) == HR_OK && written == 1 && top[0].token == 1);
    CHECK(fabsf(logprob + 0.313262f) < 1e-5f);
    CHECK(hr_logprobs_bf16(bf16, 2, 1, &logprob, NULL, 0, NULL, NULL) == HR_OK && fabsf(logprob + 1.313262f) < 1e-5f);
    CHECK(hr_logprobs_f32(logits, 4, 4, &logprob, NULL, 0, NULL, &error) == HR_ERROR_SAMPLING);
    hr_error_free(error);
    CHECK(hr_logprobs_f32(NULL, 4, 1, NULL, NULL, 0, NULL, NULL) == HR_ERROR_INVALID_ARGUMENT);
    CHECK(hr_logprobs_f32(logits, 4, 1, NULL, NULL, 2, NULL, NULL) == HR_ERROR_INVALID_ARGUMENT);
    CHECK(hr_logprobs_f16(f16, 0, 0, NULL, NULL, 0, NULL, NULL) == HR_ERROR_SAMPLING);
    CHECK(hr_logprobs_bf16(NULL, 1, 0, NULL, NULL, 0, NULL, NULL) == HR_ERROR_INVALID_ARGUMENT);
}

static void test_own_errors(void) {
    hr_error *error = hr_error_new(HR_ERROR_LIMIT, "too much\0!", 10);
    CHECK(hr_error_kind(error) == HR_ERROR_LIMIT && strcmp(hr_error_message(error), "too much\xef\xbf\xbd!") == 0);
    CHECK(!hr_error_location(error, NULL, NULL, NULL));
    hr_error_free(error);
    error = hr_error_new(HR_OK, "\xff", 1);
    CHECK(hr_error_kind(error) == HR_ERROR_INTERNAL && strcmp(hr_error_message(error), "\xef\xbf\xbd") == 0);
    hr_error_free(error);
    error = hr_error_new(1000, NULL, 0);
    CHECK(hr_error_kind(error) == HR_ERROR_INTERNAL && hr_error_message(error)[0] == '\0');
    hr_error_free(error);
    CHECK(hr_error_new(HR_ERROR_IO, NULL, 1) == NULL);
    CHECK(hr_matcher_vocab(NULL) == NULL);
}

void test_parameters(void) {
    test_openai();
    test_other_apis();
    test_faults();
    test_logprobs();
    test_own_errors();
}
