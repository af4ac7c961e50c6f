/*
 * Checks and objects that the tests of the C interface share. A check that does not hold ends the
 * program. The functions are inline, because each test uses a part of them.
 */
#ifndef HEDGEROW_TESTS_CHECK_H
#define HEDGEROW_TESTS_CHECK_H

#include <hedgerow.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                              \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                                  \
        }                                                                             \
    } while (0)

/* Checks that a call succeeds and that `error`, which must be NULL before, is still NULL. */
#define OK(call) expect_ok((call), &error, #call, __FILE__, __LINE__)

/* Checks that a call fails with a status and a message that holds a text. */
#define FAILS(call, status, text) expect_failure((call), &error, status, text, __FILE__, __LINE__)

/* The error is passed by its address, because arguments are evaluated in any order. */
static inline void expect_ok(hr_status status, hr_error *const *error, const char *call, const char *file, int line) {
    if (status != HR_OK || *error != NULL) {
        fprintf(stderr, "%s:%d: %s\n  %s\n", file, line, call, hr_error_message(*error));
        exit(1);
    }
}

static inline void expect_failure(hr_status status, hr_error **error, hr_status expected, const char *text, const char *file,
                                  int line) {
    if (status != expected || hr_error_kind(*error) != status || strstr(hr_error_message(*error), text) == NULL) {
        fprintf(stderr, "%s:%d: status %u (expected %u), \"%s\" (expected \"...%s...\")\n", file, line, (unsigned)status,
                (unsigned)expected, hr_error_message(*error), text);
        exit(1);
    }
    hr_error_free(*error);
    *error = NULL;
}

static inline hr_text text_of(const char *text) {
    hr_text view;
    view.data = text;
    view.len = strlen(text);
    return view;
}

enum { A, B, AB, QUOTE, OPEN, CLOSE, COLON, ONE, END, TOKENS, SIZE = 40 };

/* Nine tokens, then padding up to 40. */
static inline hr_vocab *make_vocab(void) {
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

static inline hr_matcher *make_matcher(const hr_vocab *vocab, const char *pattern) {
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

#endif
