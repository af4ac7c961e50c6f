/*
 * Lets a real model fill in a JSON Schema, and prints the text as it is generated.
 *
 *     cc generate.c $(pkg-config --cflags --libs hedgerow) && ./a.out MODEL SCHEMA PROMPT
 *
 * Needs a library with language models: make install CAPI_FEATURES=torch.
 * generate.rs and generate.cpp do the same and print the same text.
 */
#include <hedgerow.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ends the program with the error's text if a call failed. The caller passes the address of the
 * error, because the arguments of a call are evaluated in any order. */
static void check(hr_status status, hr_error **error) {
    if (status != HR_OK) {
        fprintf(stderr, "error: %s\n", hr_error_message(*error));
        hr_error_free(*error);
        exit(1);
    }
}

static char *read_file(const char *path, size_t *len) {
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    long size;
    if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0) {
        fprintf(stderr, "error: cannot read %s\n", path);
        exit(1);
    }
    rewind(file);
    text = malloc((size_t)size + 1);
    if (text == NULL || fread(text, 1, (size_t)size, file) != (size_t)size) {
        fprintf(stderr, "error: cannot read %s\n", path);
        exit(1);
    }
    fclose(file);
    *len = (size_t)size;
    return text;
}

/* Called with every piece of text; a value other than 0 would end the generation. */
static int32_t print_text(void *user_data, const char *text, size_t len) {
    size_t *bytes = user_data;
    *bytes += len;
    fwrite(text, 1, len, stdout);
    fflush(stdout);
    return 0;
}

int main(int argc, char **argv) {
    hr_error *error = NULL;
    hr_model *model = NULL;
    hr_vocab *vocab = NULL;
    hr_grammar *grammar = NULL;
    hr_constraint *constraint = NULL;
    hr_generation *generation = NULL;
    hr_sampler_options sampler;
    hr_generation_options options;
    hr_generation_stats stats;
    size_t schema_len = 0;
    size_t streamed = 0;
    size_t text_len = 0;
    char *schema = NULL;

    if (argc != 4) {
        fprintf(stderr, "usage: generate MODEL SCHEMA PROMPT\n");
        return 2;
    }
    check(hr_model_load(argv[1], strlen(argv[1]), NULL, &model, &error), &error);
    check(hr_model_vocab(model, &vocab, &error), &error);
    schema = read_file(argv[2], &schema_len);
    check(hr_grammar_from_json_schema(schema, schema_len, NULL, NULL, &grammar, &error), &error);
    check(hr_constraint_new(grammar, vocab, NULL, NULL, &constraint, &error), &error);

    hr_sampler_options_init(&sampler);
    sampler.temperature = 0.0f;
    hr_generation_options_init(&options);
    options.constraint = constraint;
    options.sampler = &sampler;
    options.on_text = print_text;
    options.user_data = &streamed;
    check(hr_generate(model, argv[3], strlen(argv[3]), &options, &generation, &error), &error);
    printf("\n");

    hr_generation_text(generation, 0, &text_len);
    if (text_len != streamed) {
        fprintf(stderr, "error: %zu bytes were streamed of %zu\n", streamed, text_len);
        return 1;
    }
    hr_generation_stats_init(&stats);
    check(hr_generation_get_stats(generation, &stats, &error), &error);
    fprintf(stderr, "%zu tokens, %zu of them forced, in %zu forward passes\n", stats.completion_tokens,
            stats.forced_tokens, stats.forward_passes);

    free(schema);
    hr_generation_free(generation);
    hr_constraint_free(constraint);
    hr_grammar_free(grammar);
    hr_vocab_free(vocab);
    hr_model_free(model);
    return 0;
}
