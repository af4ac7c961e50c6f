/*
 * Samplers, one and many at once, and the text of an output. Part of the program of test_api.c.
 */
#include "check.h"

#include <math.h>

void test_samplers(void);
void test_sampler_batches(void);
void test_detokenizers(void);
void test_tokenizers(void);

void test_samplers(void) {
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
    OK(hr_sampler_apply_f16(sampler, f16, 2, NULL, 0, &error));
    CHECK(f16[0] == 0xbd41 && f16[1] == 0xb503); /* -1.3135 and -0.3132 */
    OK(hr_sampler_apply_bf16(sampler, bf16, 2, &mask, 1, &error));
    CHECK(bf16[0] == 0 && bf16[1] == 0xff80); /* 0 and -infinity */

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
    FAILS(hr_sampler_apply_f16(NULL, f16, 2, NULL, 0, &error), HR_ERROR_INVALID_ARGUMENT, "sampler is NULL");
    FAILS(hr_sampler_apply_bf16(NULL, bf16, 2, NULL, 0, &error), HR_ERROR_INVALID_ARGUMENT, "sampler is NULL");
    FAILS(hr_sampler_accept(NULL, 1, &error), HR_ERROR_INVALID_ARGUMENT, "sampler is NULL");
    FAILS(hr_sampler_rollback(NULL, 0, &error), HR_ERROR_INVALID_ARGUMENT, "sampler is NULL");
    FAILS(hr_sampler_reset(NULL, &error), HR_ERROR_INVALID_ARGUMENT, "sampler is NULL");
    CHECK(none == NULL && hr_sampler_position(NULL) == 0);
    hr_sampler_options_init(NULL);
    hr_sampler_free(NULL);
}

void test_sampler_batches(void) {
    hr_error *error = NULL, *row_errors[2] = {NULL, NULL};
    hr_sampler *samplers[2] = {NULL, NULL}, *twice[2];
    hr_sampler_options options;
    /* Two rows of two logits in a tensor with three columns. */
    float logits[6] = {1.0f, 2.0f, 99.0f, 4.0f, 3.0f, 99.0f}, logprobs[2] = {9, 9};
    const uint16_t f16[4] = {0x3c00, 0x4000, 0x4000, 0x3c00}, bf16[4] = {0x3f80, 0x4000, 0x4000, 0x3f80};
    const uint32_t masks[2] = {1, 2}, nothing = 0;
    uint32_t tokens[2] = {77, 77};

    hr_sampler_options_init(&options);
    options.temperature = 0;
    OK(hr_sampler_new(&options, &samplers[0], &error));
    OK(hr_sampler_new(&options, &samplers[1], &error));
    OK(hr_samplers_sample_f32(samplers, 2, logits, 2, 3, NULL, 0, 0, 2, tokens, logprobs, row_errors, &error));
    CHECK(tokens[0] == 1 && tokens[1] == 0 && logprobs[0] == 0 && logprobs[1] == 0);
    CHECK(row_errors[0] == NULL && row_errors[1] == NULL);
    OK(hr_samplers_sample_f32(samplers, 2, logits, 2, 3, masks, 1, 1, 0, tokens, NULL, NULL, &error));
    CHECK(tokens[0] == 0 && tokens[1] == 1);
    OK(hr_samplers_sample_f32(samplers, 2, logits, 2, 3, masks, 1, 0, 1, tokens, NULL, NULL, &error));
    CHECK(tokens[0] == 0 && tokens[1] == 0);
    OK(hr_samplers_sample_f16(samplers, 2, f16, 2, 2, NULL, 0, 0, 1, tokens, NULL, NULL, &error));
    CHECK(tokens[0] == 1 && tokens[1] == 0);
    OK(hr_samplers_sample_bf16(samplers, 2, bf16, 2, 2, masks, 1, 1, 1, tokens, NULL, NULL, &error));
    CHECK(tokens[0] == 0 && tokens[1] == 1);
    OK(hr_samplers_sample_f32(NULL, 0, NULL, 0, 0, NULL, 0, 0, 1, NULL, NULL, NULL, &error));

    /* A row that fails stops no other. */
    logits[0] = (float)NAN;
    FAILS(hr_samplers_sample_f32(samplers, 2, logits, 2, 3, NULL, 0, 0, 1, tokens, logprobs, row_errors, &error),
          HR_ERROR_SAMPLING, "NaN");
    CHECK(tokens[0] == HR_NO_TOKEN && tokens[1] == 0 && row_errors[1] == NULL);
    CHECK(hr_error_kind(row_errors[0]) == HR_ERROR_SAMPLING);
    hr_error_free(row_errors[0]);
    FAILS(hr_samplers_sample_f32(samplers, 2, logits, 2, 3, &nothing, 1, 0, 1, tokens, NULL, NULL, &error), HR_ERROR_SAMPLING,
          "no token");

    /* Impossible arguments change nothing. */
    tokens[0] = 77;
    twice[0] = twice[1] = samplers[0];
    FAILS(hr_samplers_sample_f32(twice, 2, logits, 2, 3, NULL, 0, 0, 1, tokens, NULL, NULL, &error), HR_ERROR_INVALID_ARGUMENT,
          "same object twice");
    twice[1] = NULL;
    FAILS(hr_samplers_sample_f32(twice, 2, logits, 2, 3, NULL, 0, 0, 1, tokens, NULL, NULL, &error), HR_ERROR_INVALID_ARGUMENT,
          "a member of samplers is NULL");
    FAILS(hr_samplers_sample_f32(NULL, 2, logits, 2, 3, NULL, 0, 0, 1, tokens, NULL, NULL, &error), HR_ERROR_INVALID_ARGUMENT,
          "samplers is NULL");
    FAILS(hr_samplers_sample_f16(samplers, 2, NULL, 2, 3, NULL, 0, 0, 1, tokens, NULL, NULL, &error), HR_ERROR_INVALID_ARGUMENT,
          "logits is NULL");
    FAILS(hr_samplers_sample_bf16(samplers, 2, bf16, 2, 2, NULL, 1, 0, 1, tokens, NULL, NULL, &error),
          HR_ERROR_INVALID_ARGUMENT, "masks is NULL");
    FAILS(hr_samplers_sample_f32(samplers, 2, logits, 2, SIZE_MAX, NULL, 0, 0, 1, tokens, NULL, NULL, &error),
          HR_ERROR_INVALID_ARGUMENT, "overflow");
    FAILS(hr_samplers_sample_f32(samplers, 2, logits, 2, 3, NULL, 0, 0, 1, NULL, NULL, NULL, &error), HR_ERROR_INVALID_ARGUMENT,
          "tokens is NULL");
    CHECK(tokens[0] == 77);
    hr_sampler_free(samplers[0]);
    hr_sampler_free(samplers[1]);
}

static bool is_text(hr_text text, const char *expected) {
    return text.len == strlen(expected) && (text.len == 0 || memcmp(text.data, expected, text.len) == 0);
}

void test_detokenizers(void) {
    hr_error *error = NULL;
    hr_vocab *vocab = make_vocab();
    hr_detokenizer *text = NULL, *fork = NULL, *none = NULL;
    const uint32_t tokens[4] = {A, AB, CLOSE, ONE}, ending[3] = {ONE, END, A};
    hr_text stops[2], released = {NULL, 0}, stop = {NULL, 0};
    size_t read = 9;
    bool ended = true;

    stops[0] = text_of("b}");
    stops[1] = text_of("");
    OK(hr_detokenizer_new(vocab, stops, 2, &text, &error));
    OK(hr_detokenizer_push(text, tokens, 2, &read, &released, &ended, &error));
    /* The b may begin the stop text. */
    CHECK(read == 2 && !ended && is_text(released, "aa") && !hr_detokenizer_stop_text(text, &stop));
    OK(hr_detokenizer_clone(text, &fork, &error));
    OK(hr_detokenizer_push(text, tokens + 2, 2, &read, &released, &ended, &error));
    CHECK(read == 1 && ended && is_text(released, "") && is_text(hr_detokenizer_text(text), "aa"));
    CHECK(hr_detokenizer_stop_text(text, &stop) && is_text(stop, "b}") && hr_detokenizer_end_token(text) == HR_NO_TOKEN);
    OK(hr_detokenizer_push(text, tokens, 2, &read, NULL, &ended, &error));
    CHECK(read == 0 && ended);
    /* The copy continues in another way. */
    OK(hr_detokenizer_push(fork, ending, 3, &read, &released, &ended, &error));
    CHECK(read == 2 && ended && is_text(released, "b1") && hr_detokenizer_end_token(fork) == END);
    hr_detokenizer_free(text);
    hr_detokenizer_free(fork);

    OK(hr_detokenizer_new(vocab, stops, 1, &text, &error));
    /* A vocabulary may be freed before its detokenizer. */
    hr_vocab_free(vocab);
    OK(hr_detokenizer_push(text, tokens + 1, 1, NULL, &released, &ended, &error));
    CHECK(!ended && is_text(released, "a"));
    OK(hr_detokenizer_finish(text, &released, &error));
    CHECK(is_text(released, "b") && is_text(hr_detokenizer_text(text), "ab"));
    OK(hr_detokenizer_finish(text, NULL, &error));
    OK(hr_detokenizer_push(text, tokens, 1, &read, &released, &ended, &error));
    CHECK(read == 0 && ended && is_text(released, "") && hr_detokenizer_end_token(text) == HR_NO_TOKEN);

    FAILS(hr_detokenizer_new(NULL, NULL, 0, &none, &error), HR_ERROR_INVALID_ARGUMENT, "vocab is NULL");
    vocab = make_vocab();
    FAILS(hr_detokenizer_new(vocab, NULL, 1, &none, &error), HR_ERROR_INVALID_ARGUMENT, "stop is NULL");
    stops[0].data = NULL;
    FAILS(hr_detokenizer_new(vocab, stops, 1, &none, &error), HR_ERROR_INVALID_ARGUMENT, "a stop text is NULL");
    FAILS(hr_detokenizer_push(text, NULL, 1, NULL, NULL, &ended, &error), HR_ERROR_INVALID_ARGUMENT, "tokens is NULL");
    FAILS(hr_detokenizer_push(text, tokens, 1, NULL, NULL, NULL, &error), HR_ERROR_INVALID_ARGUMENT, "ended is NULL");
    FAILS(hr_detokenizer_push(NULL, tokens, 1, NULL, NULL, &ended, &error), HR_ERROR_INVALID_ARGUMENT, "detokenizer is NULL");
    FAILS(hr_detokenizer_finish(NULL, NULL, &error), HR_ERROR_INVALID_ARGUMENT, "detokenizer is NULL");
    FAILS(hr_detokenizer_clone(NULL, &none, &error), HR_ERROR_INVALID_ARGUMENT, "detokenizer is NULL");
    CHECK(none == NULL && hr_detokenizer_text(NULL).len == 0 && !hr_detokenizer_stop_text(NULL, &stop));
    CHECK(hr_detokenizer_end_token(NULL) == HR_NO_TOKEN);
    hr_detokenizer_free(text);
    hr_detokenizer_free(NULL);
    hr_vocab_free(vocab);
}

void test_tokenizers(void) {
#ifdef HR_HAS_TOKENIZERS
    static const char json[] = "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2},"
                               " \"merges\": [[\"a\", \"b\"]]}, \"added_tokens\": [{\"id\": 3, \"content\": \"<end>\","
                               " \"special\": true, \"single_word\": false, \"lstrip\": false, \"rstrip\": false,"
                               " \"normalized\": false}]}";
    hr_error *error = NULL;
    hr_tokenizer *tokenizer = NULL, *none = NULL;
    uint32_t tokens[4] = {9, 9, 9, 9};
    size_t count = 0;

    CHECK(hr_has_feature("tokenizers"));
    OK(hr_tokenizer_from_json(json, sizeof json - 1, &tokenizer, &error));
    OK(hr_tokenizer_encode(tokenizer, "aab<end>", 8, tokens, 4, &count, &error));
    CHECK(count == 3 && tokens[0] == 0 && tokens[1] == 2 && tokens[2] == 3 && tokens[3] == 9);
    OK(hr_tokenizer_encode(tokenizer, "ab", 2, NULL, 0, &count, &error));
    CHECK(count == 1);
    FAILS(hr_tokenizer_encode(tokenizer, "\xff", 1, tokens, 4, &count, &error), HR_ERROR_INVALID_ARGUMENT, "UTF-8");
    FAILS(hr_tokenizer_encode(NULL, "a", 1, tokens, 4, &count, &error), HR_ERROR_INVALID_ARGUMENT, "tokenizer is NULL");
    FAILS(hr_tokenizer_from_json("{}", 2, &none, &error), HR_ERROR_VOCABULARY, "");
    FAILS(hr_tokenizer_from_json(NULL, 2, &none, &error), HR_ERROR_INVALID_ARGUMENT, "json is NULL");
    CHECK(none == NULL);
    hr_tokenizer_free(tokenizer);
    hr_tokenizer_free(NULL);
#endif
}
