/*
 * Tests of hedgerow_llama.h with llama.cpp's own library, its samplers, and a real vocabulary. The
 * argument is a model's GGUF file, of which only the vocabulary is loaded.
 *
 * Compiled as C99 and as C++11.
 */
#include <hedgerow_llama.h>

#include "check.h"

static const struct llama_vocab *their_vocab;
static hr_vocab *vocab;
static size_t size;

/* Fails the test if a call failed. */
static void ok(hr_status status, hr_error *error) {
    if (status != HR_OK) {
        fprintf(stderr, "%s\n", hr_error_message(error));
    }
    CHECK(status == HR_OK);
}

/* A matcher of a pattern, after some text. */
static hr_matcher *matcher_of(const char *pattern, const char *text) {
    hr_grammar *grammar = NULL;
    hr_constraint *constraint = NULL;
    hr_matcher *matcher = NULL;
    hr_error *error = NULL;
    bool accepted = false;
    ok(hr_grammar_from_regex(pattern, strlen(pattern), HR_REGEX_DIALECT_ECMA262, NULL, &grammar, &error), error);
    ok(hr_constraint_new(grammar, vocab, NULL, NULL, &constraint, &error), error);
    ok(hr_matcher_new(constraint, &matcher, &error), error);
    if (text[0] != '\0') {
        ok(hr_matcher_advance_bytes(matcher, (const uint8_t *)text, strlen(text), &accepted, &error), error);
        CHECK(accepted);
    }
    hr_grammar_free(grammar);
    hr_constraint_free(constraint);
    return matcher;
}

static struct llama_sampler *sampler_of(const hr_matcher *matcher, const hr_sampler *sampler) {
    hr_error *error = NULL;
    struct llama_sampler *made = hr_llama_sampler(matcher, sampler, &error);
    ok(made == NULL ? HR_ERROR_INTERNAL : HR_OK, error);
    return made;
}

/* The one token that spells a text. */
static llama_token token_of(const char *text) {
    llama_token token = -1;
    CHECK(llama_tokenize(their_vocab, text, (int32_t)strlen(text), &token, 1, false, false) == 1);
    return token;
}

static bool allows(hr_matcher *matcher, llama_token token) {
    bool allowed = false;
    hr_error *error = NULL;
    ok(hr_matcher_allows(matcher, (uint32_t)token, &allowed, &error), error);
    return allowed;
}

/* Candidates, in an order and of a number that a test chooses. */
static llama_token_data *candidates;
static llama_token_data_array array;

/* All tokens. Logits differ, and have no order. */
static void all_candidates(void) {
    size_t i;
    for (i = 0; i < size; i++) {
        candidates[i].id = (llama_token)i;
        candidates[i].logit = (float)(i * 7919 % size) / (float)size;
        candidates[i].p = 0.0f;
    }
    array.data = candidates;
    array.size = size;
    array.selected = -1;
    array.sorted = false;
}

static void reverse_candidates(void) {
    size_t i;
    for (i = 0; i < array.size / 2; i++) {
        llama_token_data other = array.data[i];
        array.data[i] = array.data[array.size - 1 - i];
        array.data[array.size - 1 - i] = other;
    }
}

/* The k most probable, in llama.cpp's order. */
static void cut_candidates(int32_t k) {
    struct llama_sampler *top = llama_sampler_init_top_k(k);
    llama_sampler_apply(top, &array);
    CHECK(array.size == (size_t)k && array.sorted);
    llama_sampler_free(top);
}

static void expect_error(struct llama_sampler *sampler, hr_status kind, const char *message) {
    hr_error *error = hr_llama_take_error(sampler);
    CHECK(error != NULL);
    if (hr_error_kind(error) != kind || strstr(hr_error_message(error), message) == NULL) {
        fprintf(stderr, "%s\n", hr_error_message(error));
        CHECK(false);
    }
    hr_error_free(error);
    CHECK(hr_llama_take_error(sampler) == NULL);
}

static void vocabularies_are_equal(const char *path) {
    hr_vocab *read = NULL;
    hr_error *error = NULL;
    size_t i, count = 0, same = 0, j;
    const uint32_t *ends;
    ok(hr_vocab_from_gguf_file(path, strlen(path), &read, &error), error);
    CHECK(hr_vocab_size(read) == size);
    for (i = 0; i < size; i++) {
        size_t len = 0, other = 0;
        const uint8_t *ours = hr_vocab_token_bytes(read, (uint32_t)i, &len);
        const uint8_t *theirs = hr_vocab_token_bytes(vocab, (uint32_t)i, &other);
        CHECK(len == other && (len == 0 || memcmp(ours, theirs, len) == 0));
        CHECK(hr_vocab_is_special(read, (uint32_t)i) == hr_vocab_is_special(vocab, (uint32_t)i));
    }
    ends = hr_vocab_eos(vocab, &count);
    for (i = 0, j = 0; i < size; i++) {
        bool is_end = j < count && ends[j] == i;
        CHECK(is_end == llama_vocab_is_eog(their_vocab, (llama_token)i));
        j += is_end;
        same += is_end;
    }
    CHECK(same == count && count > 0);
    CHECK(hr_llama_vocab(NULL, &read, &error) == HR_ERROR_INVALID_ARGUMENT);
    hr_error_free(error);
    hr_vocab_free(read);
}

/* Whatever the order and number of the candidates, those that the matcher allows keep their logits,
 * and no others. */
static void candidates_are_restricted(void) {
    const char *const places[] = {"", "{\"", "{\"a", "{\"ab\": 1", "{\"ab\": 12}"};
    size_t place, form, i;
    for (place = 0; place < sizeof places / sizeof places[0]; place++) {
        hr_matcher *matcher = matcher_of("\\{\"[a-z]{1,5}\": [0-9]{1,3}\\}", places[place]);
        struct llama_sampler *sampler = sampler_of(matcher, NULL);
        for (form = 0; form < 5; form++) {
            size_t allowed = 0;
            bool was_sorted;
            all_candidates();
            if (form == 1) {
                reverse_candidates();
            } else if (form == 2) {
                cut_candidates((int32_t)size);
            } else if (form == 3) {
                cut_candidates(40);
            } else if (form == 4) {
                cut_candidates(1);
                array.sorted = false;
            }
            was_sorted = array.sorted;
            llama_sampler_apply(sampler, &array);
            for (i = 0; i < array.size; i++) {
                bool expected = allows(matcher, array.data[i].id);
                CHECK((array.data[i].logit != -INFINITY) == expected);
                allowed += expected;
            }
            CHECK(array.sorted == (was_sorted && allowed == array.size));
            CHECK(array.selected == -1);
            for (i = 0; i < array.size; i++) {
                if (llama_vocab_is_eog(their_vocab, array.data[i].id)) {
                    CHECK((array.data[i].logit != -INFINITY) == (place == 4));
                }
            }
        }
        CHECK(hr_llama_take_error(sampler) == NULL);
        llama_sampler_free(sampler);
        hr_matcher_free(matcher);
    }
}

/* Ids that the vocabulary does not have are forbidden. */
static void impossible_candidates_are_forbidden(void) {
    hr_matcher *matcher = matcher_of("[^]*", "");
    struct llama_sampler *sampler = sampler_of(matcher, NULL);
    llama_token_data odd[6];
    const llama_token ids[] = {-1, (llama_token)size, 1000000000, INT32_MAX, INT32_MIN, token_of("a")};
    size_t i, count;
    for (count = 6; count > 0; count -= 3) {
        llama_token_data_array given;
        for (i = 0; i < 6; i++) {
            odd[i].id = ids[6 - count + (i % count)];
            odd[i].logit = 1.0f;
            odd[i].p = 0.0f;
        }
        given.data = odd;
        given.size = count;
        given.selected = -1;
        given.sorted = false;
        llama_sampler_apply(sampler, &given);
        for (i = 0; i < count; i++) {
            CHECK((odd[i].logit == 1.0f) == (odd[i].id == token_of("a")));
        }
    }
    array.size = 0;
    llama_sampler_apply(sampler, &array);
    llama_sampler_free(sampler);
    hr_matcher_free(matcher);
}

static void only_ends_remain(struct llama_sampler *sampler) {
    size_t i;
    all_candidates();
    llama_sampler_apply(sampler, &array);
    for (i = 0; i < array.size; i++) {
        CHECK((array.data[i].logit != -INFINITY) == llama_vocab_is_eog(their_vocab, array.data[i].id));
    }
}

static void refused_tokens_end_the_output(void) {
    hr_matcher *matcher = matcher_of("abc|xyz", "");
    struct llama_sampler *sampler = sampler_of(matcher, NULL);
    struct llama_sampler *copy;
    llama_sampler_accept(sampler, token_of("a"));
    llama_sampler_accept(sampler, token_of("z"));
    llama_sampler_accept(sampler, token_of("b"));
    only_ends_remain(sampler);
    copy = llama_sampler_clone(sampler);
    expect_error(sampler, HR_ERROR_INVALID_ARGUMENT, "does not allow it as token 2 of the output");
    /* It stands behind the "a". */
    CHECK(hr_matcher_output_len(hr_llama_matcher(sampler)) == 1);
    llama_sampler_accept(sampler, token_of("b"));
    CHECK(hr_llama_take_error(sampler) == NULL);
    only_ends_remain(copy);
    llama_sampler_reset(copy);
    CHECK(hr_llama_take_error(copy) == NULL);
    CHECK(allows(hr_llama_matcher(copy), token_of("x")));
    llama_sampler_free(copy);
    llama_sampler_free(sampler);
    hr_matcher_free(matcher);
}

static void ends_are_accepted_at_the_end(void) {
    hr_matcher *matcher = matcher_of("yes", "yes");
    struct llama_sampler *sampler = sampler_of(matcher, NULL);
    only_ends_remain(sampler);
    llama_sampler_accept(sampler, llama_vocab_eos(their_vocab));
    CHECK(hr_matcher_is_stopped(hr_llama_matcher(sampler)));
    only_ends_remain(sampler);
    CHECK(hr_llama_take_error(sampler) == NULL);
    llama_sampler_free(sampler);
    hr_matcher_free(matcher);
}

static void copies_are_independent(void) {
    hr_matcher *matcher = matcher_of("a(bc|xyz)", "a");
    struct llama_sampler *chain = llama_sampler_chain_init(llama_sampler_chain_default_params());
    struct llama_sampler *copy, *one, *two;
    llama_sampler_chain_add(chain, sampler_of(matcher, NULL));
    llama_sampler_chain_add(chain, llama_sampler_init_greedy());
    one = llama_sampler_chain_get(chain, 0);
    llama_sampler_accept(chain, token_of("b"));
    copy = llama_sampler_clone(chain);
    two = llama_sampler_chain_get(copy, 0);
    llama_sampler_accept(copy, token_of("c"));
    CHECK(hr_matcher_is_accepting(hr_llama_matcher(two)));
    CHECK(!hr_matcher_is_accepting(hr_llama_matcher(one)));
    llama_sampler_reset(chain);
    /* The place where the matcher was given, not the beginning. */
    CHECK(allows(hr_llama_matcher(one), token_of("x")));
    CHECK(!allows(hr_llama_matcher(one), token_of("a")));
    llama_sampler_copy(copy, chain);
    CHECK(hr_matcher_is_accepting(hr_llama_matcher(llama_sampler_chain_get(chain, 0))));
    llama_sampler_reset(chain);
    CHECK(allows(hr_llama_matcher(llama_sampler_chain_get(chain, 0)), token_of("x")));
    CHECK(hr_matcher_is_accepting(hr_llama_matcher(two)));
    llama_sampler_free(chain);
    llama_sampler_free(copy);
    /* The caller's own matcher did not move. */
    CHECK(allows(matcher, token_of("b")));
    hr_matcher_free(matcher);
}

static void interrupted_calls_can_be_repeated(void) {
    hr_matcher *matcher = matcher_of("[a-z]{5}", "a");
    struct llama_sampler *sampler = sampler_of(matcher, NULL);
    hr_cancel_flag *flag = hr_cancel_flag_new();
    hr_interrupt interrupt;
    hr_error *error = NULL;
    size_t i;
    hr_interrupt_init(&interrupt);
    interrupt.cancel = flag;
    ok(hr_matcher_set_interrupt(hr_llama_matcher(sampler), &interrupt, &error), error);
    hr_cancel_flag_set(flag);
    only_ends_remain(sampler);
    expect_error(sampler, HR_ERROR_CANCELLED, "");
    hr_cancel_flag_clear(flag);
    all_candidates();
    llama_sampler_apply(sampler, &array);
    for (i = 0; i < array.size; i++) {
        CHECK((array.data[i].logit != -INFINITY) == allows(matcher, array.data[i].id));
    }
    CHECK(hr_llama_take_error(sampler) == NULL);
    hr_cancel_flag_free(flag);
    llama_sampler_free(sampler);
    hr_matcher_free(matcher);
}

/* A sampler at the end of a chain draws the token that it draws from the row itself. */
static void the_last_sampler_draws(void) {
    hr_sampler_options options;
    hr_sampler *sampler = NULL;
    hr_matcher *matcher = matcher_of("[a-z]{30}", "");
    hr_error *error = NULL;
    struct llama_sampler *last, *copy;
    float *row = (float *)malloc(size * sizeof *row);
    uint32_t *mask = (uint32_t *)malloc(hr_vocab_mask_words(vocab) * sizeof *mask);
    int step;
    size_t i;
    hr_sampler_options_init(&options);
    options.seed = 11;
    options.temperature = 2.0f;
    options.frequency_penalty = 0.5f;
    ok(hr_sampler_new(&options, &sampler, &error), error);
    last = sampler_of(matcher, sampler);
    for (step = 0; step < 12; step++) {
        uint32_t token = 0;
        float logprob = 0.0f;
        bool accepted = false;
        all_candidates();
        for (i = 0; i < size; i++) {
            row[i] = array.data[i].logit;
        }
        if (step % 3 == 1) {
            reverse_candidates();
        } else if (step % 3 == 2) {
            cut_candidates((int32_t)size);
        }
        llama_sampler_apply(last, &array);
        ok(hr_matcher_fill_mask(matcher, mask, hr_vocab_mask_words(vocab), &error), error);
        ok(hr_sampler_sample_f32(sampler, row, size, mask, hr_vocab_mask_words(vocab), &token, &logprob, &error), error);
        CHECK(array.selected >= 0 && (size_t)array.selected < array.size);
        CHECK(array.data[array.selected].id == (llama_token)token);
        CHECK(fabsf(array.data[array.selected].p - expf(logprob)) < 1e-6f);
        llama_sampler_accept(last, (llama_token)token);
        ok(hr_sampler_accept(sampler, token, &error), error);
        ok(hr_matcher_advance(matcher, token, &accepted, &error), error);
        CHECK(accepted);
        if (step == 5) {
            copy = llama_sampler_clone(last);
            llama_sampler_free(last);
            last = copy;
        }
    }
    CHECK(hr_sampler_position(hr_llama_drawing_sampler(last)) == 12);
    llama_sampler_reset(last);
    CHECK(hr_sampler_position(hr_llama_drawing_sampler(last)) == 0);
    CHECK(hr_matcher_output_len(hr_llama_matcher(last)) == 0);
    llama_sampler_free(last);

    /* If none of the candidates can come, the output ends, and the program can learn why. */
    hr_matcher_free(matcher);
    matcher = matcher_of("[0-9]", "");
    last = sampler_of(matcher, sampler);
    all_candidates();
    for (i = 0; i < size; i++) {
        array.data[i].logit = array.data[i].id == token_of("abc") || array.data[i].id == token_of("x") ? 9.0f : 0.0f;
    }
    cut_candidates(2);
    llama_sampler_apply(last, &array);
    CHECK(array.selected == 0 && llama_vocab_is_eog(their_vocab, array.data[0].id));
    expect_error(last, HR_ERROR_SAMPLING, "none of the 2 candidates can come here");
    array.size = 0;
    llama_sampler_apply(last, &array);
    CHECK(array.selected == -1);
    expect_error(last, HR_ERROR_SAMPLING, "no candidate");
    llama_sampler_free(last);

    /* Without a constraint, all tokens can come. */
    last = sampler_of(NULL, sampler);
    CHECK(hr_llama_matcher(last) == NULL);
    all_candidates();
    cut_candidates(1);
    llama_sampler_apply(last, &array);
    CHECK(array.selected == 0 && array.data[0].p == 1.0f);
    array.data[0].logit = NAN;
    llama_sampler_apply(last, &array);
    CHECK(array.selected == 0);
    expect_error(last, HR_ERROR_SAMPLING, "");
    llama_sampler_free(last);
    hr_sampler_free(sampler);
    hr_matcher_free(matcher);
    free(row);
    free(mask);
}

static void wrong_arguments_are_answered(void) {
    hr_error *error = NULL;
    struct llama_sampler *greedy = llama_sampler_init_greedy();
    CHECK(hr_llama_sampler(NULL, NULL, &error) == NULL);
    CHECK(hr_error_kind(error) == HR_ERROR_INVALID_ARGUMENT);
    hr_error_free(error);
    CHECK(hr_llama_sampler(NULL, NULL, NULL) == NULL);
    CHECK(hr_llama_matcher(greedy) == NULL && hr_llama_take_error(greedy) == NULL);
    CHECK(hr_llama_matcher(NULL) == NULL && hr_llama_take_error(NULL) == NULL);
    CHECK(hr_llama_drawing_sampler(greedy) == NULL);
    llama_sampler_free(greedy);
}

/* Messages of llama.cpp are not of interest. */
static void no_log(enum ggml_log_level level, const char *text, void *user_data) {
    (void)level;
    (void)text;
    (void)user_data;
}

int main(int argc, char **argv) {
    struct llama_model_params params = llama_model_default_params();
    struct llama_model *model;
    hr_error *error = NULL;
    CHECK(argc == 2);
    llama_log_set(no_log, NULL);
    params.vocab_only = true;
    model = llama_model_load_from_file(argv[1], params);
    CHECK(model != NULL);
    their_vocab = llama_model_get_vocab(model);
    ok(hr_llama_vocab(their_vocab, &vocab, &error), error);
    size = hr_vocab_size(vocab);
    CHECK(size == (size_t)llama_vocab_n_tokens(their_vocab));
    candidates = (llama_token_data *)malloc(size * sizeof *candidates);

    vocabularies_are_equal(argv[1]);
    candidates_are_restricted();
    impossible_candidates_are_forbidden();
    refused_tokens_end_the_output();
    ends_are_accepted_at_the_end();
    copies_are_independent();
    interrupted_calls_can_be_repeated();
    the_last_sampler_draws();
    wrong_arguments_are_answered();

    free(candidates);
    hr_vocab_free(vocab);
    llama_model_free(model);
    printf("hedgerow_llama.h is as it should be\n");
    return 0;
}
