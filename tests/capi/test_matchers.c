/*
 * Matchers, state machines over tokens, and masks. Part of the program of test_api.c.
 */
#include "check.h"

#include <math.h>

void test_matchers(void);
void test_draft_trees_and_batches(void);
void test_token_fsms(void);
void test_masks(void);

void test_matchers(void) {
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

    OK(hr_matcher_advance_text(fork, (const uint8_t *)"111<end>", 8, &yes, &error));
    CHECK(yes && hr_matcher_is_stopped(fork) && hr_matcher_output_len(fork) == 3);
    OK(hr_matcher_advance_text(fork, (const uint8_t *)"1", 1, &yes, &error));
    CHECK(!yes);
    FAILS(hr_matcher_advance_text(fork, NULL, 5, &yes, &error), HR_ERROR_INVALID_ARGUMENT, "text is NULL");
    OK(hr_matcher_rollback(fork, 2, &error));

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

void test_draft_trees_and_batches(void) {
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

void test_token_fsms(void) {
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

void test_masks(void) {
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
