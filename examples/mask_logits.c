/*
 * Keeps a model's output inside a JSON Schema. The logits are made up, since there is no model
 * here, but the loop around them is real: fill a mask, apply it, sample, advance, try a token on a
 * fork, roll back a step.
 *
 *     cc mask_logits.c $(pkg-config --cflags --libs hedgerow)
 *     ./a.out data/tiny.tokenizer.json data/recipe.schema.json
 *
 * mask_logits.rs, mask_logits.cpp and mask_logits.py do the same and print the same text.
 *
 * llama.c does it in llama.cpp, where a grammar is a sampler of a chain.
 */
#include <hedgerow.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ends the program with the error's text if a call failed. The caller passes the address of the
 * error, because the arguments of a call are evaluated in any order. */
static void check(hr_status status, hr_error **error) {
    const char *pointer = NULL;
    if (status == HR_OK) {
        return;
    }
    fprintf(stderr, "error: %s\n", hr_error_message(*error));
    if (hr_error_location(*error, NULL, NULL, &pointer) && pointer != NULL) {
        fprintf(stderr, "  at %s\n", pointer);
    }
    hr_error_free(*error);
    exit(1);
}

static void *allocate(size_t size) {
    void *memory = malloc(size > 0 ? size : 1);
    if (memory == NULL) {
        fprintf(stderr, "error: out of memory\n");
        exit(1);
    }
    return memory;
}

static char *read_file(const char *path, size_t *len) {
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t capacity = 0;
    *len = 0;
    if (file == NULL) {
        fprintf(stderr, "error: cannot open %s\n", path);
        exit(1);
    }
    do {
        char *longer = allocate(capacity += 65536);
        if (*len > 0) {
            memcpy(longer, text, *len);
        }
        free(text);
        text = longer;
        *len += fread(text + *len, 1, capacity - *len, file);
    } while (*len == capacity);
    fclose(file);
    return text;
}

/* Fills in the logits of a model: numbers that depend on the position and the token. */
static void make_up_logits(float *logits, size_t count, size_t position) {
    size_t i;
    for (i = 0; i < count; i++) {
        logits[i] = (float)((i * 7919 + position * 104729) % 1000) / 100.0f;
    }
}

int main(int argc, char **argv) {
    hr_error *error = NULL;
    hr_vocab *vocab = NULL;
    hr_grammar *grammar = NULL;
    hr_constraint *constraint = NULL;
    hr_matcher *matcher = NULL;
    hr_sampler *sampler = NULL;
    hr_schema_options schema_options;
    hr_sampler_options sampler_options;
    size_t json_len, schema_len, size, words, count, len, position = 0, forced_in_all = 0;
    char *json, *schema;
    float *logits;
    uint32_t *mask, *tokens;
    uint8_t *text;

    if (argc != 3) {
        fprintf(stderr, "usage: %s TOKENIZER_JSON SCHEMA\n", argv[0]);
        return 2;
    }

    /* A vocabulary and a grammar make a constraint, which keeps the parts of them that it needs. */
    json = read_file(argv[1], &json_len);
    schema = read_file(argv[2], &schema_len);
    check(hr_vocab_from_tokenizer_json(json, json_len, &vocab, &error), &error);
    hr_schema_options_init(&schema_options);
    schema_options.whitespace = HR_WHITESPACE_COMPACT;
    check(hr_grammar_from_json_schema(schema, schema_len, &schema_options, NULL, &grammar, &error), &error);
    check(hr_constraint_new(grammar, vocab, NULL, NULL, &constraint, &error), &error);
    hr_grammar_free(grammar);
    free(json);
    free(schema);

    check(hr_matcher_new(constraint, &matcher, &error), &error);
    hr_constraint_free(constraint);
    hr_sampler_options_init(&sampler_options);
    sampler_options.temperature = 0.8f;
    sampler_options.top_k = 5;
    sampler_options.seed = 7;
    check(hr_sampler_new(&sampler_options, &sampler, &error), &error);

    size = hr_vocab_size(vocab);
    words = hr_vocab_mask_words(vocab);
    logits = allocate(size * sizeof *logits);
    mask = allocate(words * sizeof *mask);
    tokens = allocate(1000 * sizeof *tokens);

    while (!hr_matcher_is_stopped(matcher) && position < 900) {
        bool accepted = false;
        uint32_t token;

        /* If only one continuation is possible, the model need not be asked. */
        check(hr_matcher_forced_tokens(matcher, tokens + position, 1000 - position, &count, &error), &error);
        if (count > 0) {
            size_t i;
            for (i = 0; i < count; i++) {
                check(hr_matcher_advance(matcher, tokens[position], &accepted, &error), &error);
                check(hr_sampler_accept(sampler, tokens[position], &error), &error);
                position++;
            }
            forced_in_all += count;
            continue;
        }

        /* The mask is applied to the logits, as another library's sampler needs it. hr_sampler also
         * takes the mask itself, which is faster. */
        make_up_logits(logits, size, position);
        check(hr_matcher_fill_mask(matcher, mask, words, &error), &error);
        check(hr_mask_logits_f32(logits, 1, size, size, mask, words, words, &error), &error);
        check(hr_sampler_sample_f32(sampler, logits, size, NULL, 0, &token, NULL, &error), &error);

        /* A fork can be advanced without changing the matcher. */
        {
            hr_matcher *fork = NULL;
            check(hr_matcher_clone(matcher, &fork, &error), &error);
            check(hr_matcher_advance(fork, token, &accepted, &error), &error);
            hr_matcher_free(fork);
            if (!accepted) {
                fprintf(stderr, "error: the mask allowed token %u, but the matcher does not\n", (unsigned)token);
                return 1;
            }
        }

        /* A step can be rolled back. */
        check(hr_matcher_advance(matcher, token, &accepted, &error), &error);
        check(hr_matcher_rollback(matcher, 1, &error), &error);
        check(hr_matcher_advance(matcher, token, &accepted, &error), &error);
        check(hr_sampler_accept(sampler, token, &error), &error);
        tokens[position++] = token;
    }

    /* The first call gives the length, the second the text. */
    check(hr_vocab_decode(vocab, tokens, position, NULL, 0, &len, &error), &error);
    text = allocate(len);
    check(hr_vocab_decode(vocab, tokens, position, text, len, &len, &error), &error);
    printf("%.*s\n", (int)len, (const char *)text);
    printf("%u tokens, %u of them forced\n", (unsigned)position, (unsigned)forced_in_all);

    free(text);
    free(tokens);
    free(mask);
    free(logits);
    hr_sampler_free(sampler);
    hr_matcher_free(matcher);
    hr_vocab_free(vocab);
    return 0;
}
