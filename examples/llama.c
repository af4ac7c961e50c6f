/*
 * Writes JSON that satisfies a schema, with llama.cpp and a model as GGUF.
 *
 *     cc -O2 llama.c $(pkg-config --cflags --libs hedgerow) -lllama -lggml -lm
 *     ./a.out MODEL SCHEMA PROMPT [GRAMMAR]
 *
 * GRAMMAR is a file in llama.cpp's notation for the same outputs. With it, the program also
 * compares speeds: of hedgerow's sampler, of no grammar at all, and of llama.cpp's own grammar.
 */
#include <hedgerow_llama.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_TOKENS = 256, CONTEXT = 1024, ROUNDS = 15 };

static void fail(const char *message) {
    fprintf(stderr, "error: %s\n", message);
    exit(1);
}

/* Ends the program with the error's text, if there is one. */
static void check(hr_error *error) {
    if (error != NULL) {
        fail(hr_error_message(error));
    }
}

static char *read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    long size;
    char *text;
    if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0) {
        fail("a file cannot be read");
        return NULL;
    }
    rewind(file);
    text = calloc((size_t)size + 1, 1);
    if (text == NULL || fread(text, 1, (size_t)size, file) != (size_t)size) {
        fail("a file cannot be read");
    }
    fclose(file);
    return text;
}

/* The messages of llama.cpp, but for errors, are left out. */
static void log_errors(enum ggml_log_level level, const char *text, void *user_data) {
    (void)user_data;
    if (level == GGML_LOG_LEVEL_ERROR) {
        fputs(text, stderr);
    }
}

/* The tokens of a user's message in the model's chat template. */
static int32_t tokenize(const struct llama_model *model, const char *message, llama_token *tokens) {
    struct llama_chat_message chat = {"user", message};
    char text[4096];
    int32_t len = llama_chat_apply_template(llama_model_chat_template(model, NULL), &chat, 1, true, text, sizeof text);
    int32_t count = -1;
    if (len > 0 && len <= (int32_t)sizeof text) {
        count = llama_tokenize(llama_model_get_vocab(model), text, len, tokens, CONTEXT - MAX_TOKENS, true, true);
    }
    if (count <= 0) {
        fail("the prompt is too long, or llama.cpp does not know the model's chat template");
    }
    return count;
}

/* A chain that lets `first`, which may be NULL, restrict the candidates, and takes the most
 * probable. */
static struct llama_sampler *chain_of(struct llama_sampler *first) {
    struct llama_sampler *chain = llama_sampler_chain_init(llama_sampler_chain_default_params());
    if (first != NULL) {
        llama_sampler_chain_add(chain, first);
    }
    llama_sampler_chain_add(chain, llama_sampler_init_greedy());
    return chain;
}

/* Generates tokens until one ends the output, or `limit` of them if `to_limit` is set. Returns
 * their number, and the processor's time for them, which other programs do not disturb. The model
 * runs on one thread. */
static int generate(struct llama_context *context, struct llama_sampler *chain, llama_token *prompt, int32_t prompt_len,
                    int limit, bool to_limit, llama_token *output, double *seconds) {
    const struct llama_vocab *vocab = llama_model_get_vocab(llama_get_model(context));
    int count = 0;
    clock_t start;
    llama_memory_clear(llama_get_memory(context), true);
    llama_sampler_reset(chain);
    if (llama_decode(context, llama_batch_get_one(prompt, prompt_len)) != 0) {
        fail("the prompt cannot be evaluated");
    }
    llama_synchronize(context);
    start = clock();
    while (count < limit) {
        llama_token token = llama_sampler_sample(chain, context, -1);
        if (llama_vocab_is_eog(vocab, token) && !to_limit) {
            break;
        }
        output[count++] = token;
        if (llama_decode(context, llama_batch_get_one(&token, 1)) != 0) {
            fail("a token cannot be evaluated");
        }
    }
    *seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    return count;
}

static int by_size(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Prints the tokens a second of three chains: the median of several outputs, for which they take
 * turns. */
static void compare(struct llama_context *context, struct llama_sampler *ours, struct llama_sampler *grammar,
                    llama_token *prompt, int32_t prompt_len, int count) {
    const char *const names[] = {"hedgerow", "no grammar", "llama.cpp's grammar"};
    struct llama_sampler *chains[3];
    double rates[3][ROUNDS];
    llama_token output[MAX_TOKENS];
    int round, which;
    chains[0] = ours;
    chains[1] = chain_of(NULL);
    chains[2] = chain_of(grammar);
    for (round = 0; round < ROUNDS; round++) {
        for (which = 0; which < 3; which++) {
            double seconds = 0;
            int made = generate(context, chains[which], prompt, prompt_len, count, which == 1, output, &seconds);
            rates[which][round] = made / seconds;
        }
    }
    for (which = 0; which < 3; which++) {
        qsort(rates[which], ROUNDS, sizeof rates[which][0], by_size);
    }
    for (which = 0; which < 3; which++) {
        fprintf(stderr, "%-20s %7.1f tokens/s (%.3f of no grammar)\n", names[which], rates[which][ROUNDS / 2],
                rates[which][ROUNDS / 2] / rates[1][ROUNDS / 2]);
    }
    llama_sampler_free(chains[1]);
    llama_sampler_free(chains[2]);
}

int main(int argc, char **argv) {
    struct llama_model_params model_params = llama_model_default_params();
    struct llama_context_params context_params = llama_context_default_params();
    struct llama_model *model;
    struct llama_context *context;
    struct llama_sampler *ours, *chain;
    hr_vocab *vocab = NULL;
    hr_grammar *grammar = NULL;
    hr_constraint *constraint = NULL;
    hr_matcher *matcher = NULL;
    hr_error *error = NULL;
    char *schema;
    llama_token prompt[CONTEXT], output[MAX_TOKENS];
    int32_t prompt_len;
    double seconds = 0;
    int count, i;

    if (argc != 4 && argc != 5) {
        fprintf(stderr, "usage: %s MODEL SCHEMA PROMPT [GRAMMAR]\n", argv[0]);
        return 2;
    }
    llama_log_set(log_errors, NULL);
    ggml_backend_load_all(); /* where llama.cpp was built with backends as files of their own */
    llama_backend_init();
    model = llama_model_load_from_file(argv[1], model_params);
    context_params.n_ctx = CONTEXT;
    context_params.n_threads = context_params.n_threads_batch = 1;
    context = model == NULL ? NULL : llama_init_from_model(model, context_params);
    if (context == NULL) {
        fail("the model cannot be loaded");
    }
    prompt_len = tokenize(model, argv[3], prompt);

    /* The constraint is made once for all outputs; a matcher is one output's position in it. */
    schema = read_file(argv[2]);
    if (hr_llama_vocab(llama_model_get_vocab(model), &vocab, &error) != HR_OK
        || hr_grammar_from_json_schema(schema, strlen(schema), NULL, NULL, &grammar, &error) != HR_OK
        || hr_constraint_new(grammar, vocab, NULL, NULL, &constraint, &error) != HR_OK
        || hr_matcher_new(constraint, &matcher, &error) != HR_OK) {
        check(error);
    }
    ours = hr_llama_sampler(matcher, NULL, &error);
    check(error);
    chain = chain_of(ours);

    count = generate(context, chain, prompt, prompt_len, MAX_TOKENS, false, output, &seconds);
    check(hr_llama_take_error(ours));
    for (i = 0; i < count; i++) {
        size_t len = 0;
        const uint8_t *bytes = hr_vocab_token_bytes(vocab, (uint32_t)output[i], &len);
        fwrite(bytes, 1, len, stdout);
    }
    printf("\n");
    if (!hr_matcher_is_stopped(hr_llama_matcher(ours))) {
        fail("the output was cut");
    }
    fprintf(stderr, "%d tokens, %.1f tokens/s\n", count, count / seconds);

    if (argc == 5) {
        char *rules = read_file(argv[4]);
        struct llama_sampler *theirs = llama_sampler_init_grammar(llama_model_get_vocab(model), rules, "root");
        if (theirs == NULL) {
            fail("llama.cpp cannot read the grammar");
        }
        compare(context, chain, theirs, prompt, prompt_len, count);
        check(hr_llama_take_error(ours));
        free(rules);
    }

    free(schema);
    llama_sampler_free(chain); /* and ours, which is part of it */
    hr_matcher_free(matcher);
    hr_constraint_free(constraint);
    hr_grammar_free(grammar);
    hr_vocab_free(vocab);
    llama_free(context);
    llama_model_free(model);
    llama_backend_free();
    return 0;
}
