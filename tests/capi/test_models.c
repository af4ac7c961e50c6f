/* Language models through the C interface: every way to get it wrong, a cancelled generation, and borrowed results. */
#include <hedgerow.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

/* The call failed with this status, and its message has this in it. The error comes by its place, since arguments are evaluated in
   any order. */
static void failed(hr_status status, hr_status expected, hr_error **error, const char *part) {
    CHECK(status == expected);
    CHECK(*error != NULL);
    if (strstr(hr_error_message(*error), part) == NULL) {
        fprintf(stderr, "message: %s\n", hr_error_message(*error));
        CHECK(0);
    }
    hr_error_free(*error);
    *error = NULL;
}

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
    failed(hr_model_load("nowhere.gguf", 12, NULL, &model, &error), HR_ERROR_IO, &error, "nowhere.gguf");
    error = NULL;
    failed(hr_model_load(NULL, 3, NULL, &model, &error), HR_ERROR_INVALID_ARGUMENT, &error, "path is NULL");
    error = NULL;
    failed(hr_model_load(path, strlen(path), NULL, NULL, &error), HR_ERROR_INVALID_ARGUMENT, &error, "out is NULL");
    error = NULL;
    hr_model_options_init(&options);
    options.device.data = "abacus";
    options.device.len = 6;
    failed(hr_model_load(path, strlen(path), &options, &model, &error), HR_ERROR_INVALID_ARGUMENT, &error, "abacus");
    error = NULL;
    hr_model_options_init(&options);
    options.dtype.data = "f7";
    options.dtype.len = 2;
    failed(hr_model_load(path, strlen(path), &options, &model, &error), HR_ERROR_INVALID_ARGUMENT, &error, "f7");
    CHECK(model == NULL);
    hr_model_free(NULL);
    hr_generation_free(NULL);
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
    failed(hr_model_encode(model, "\xff", 1, tokens, 64, &len, &error), HR_ERROR_INVALID_ARGUMENT, &error, "UTF-8");
    error = NULL;

    hr_generation_options_init(&options);
    options.raw_prompt = 7;
    failed(hr_generate(model, "x", 1, &options, &generation, &error), HR_ERROR_INVALID_ARGUMENT, &error, "raw_prompt is 7");
    error = NULL;
    hr_generation_options_init(&options);
    options.struct_size = 3;
    failed(hr_generate(model, "x", 1, &options, &generation, &error), HR_ERROR_INVALID_ARGUMENT, &error, "struct_size");
    error = NULL;
    failed(hr_generate(NULL, "x", 1, NULL, &generation, &error), HR_ERROR_INVALID_ARGUMENT, &error, "model is NULL");
    CHECK(generation == NULL);

    hr_generation_options_init(&options);
    options.max_tokens = 40;
    options.on_text = stop_at_once;
    options.user_data = &calls;
    CHECK(hr_generate(model, "Tell a story.", 13, &options, &generation, NULL) == HR_OK);
    CHECK(calls == 1);
    CHECK(hr_generation_finish_reason(generation) == HR_FINISH_CANCELLED);
    hr_generation_free(generation);

    /* The generation does not need the model any more. */
    hr_generation_options_init(&options);
    options.max_tokens = 4;
    CHECK(hr_generate(model, "Tell a story.", 13, &options, &generation, NULL) == HR_OK);
    hr_model_free(model);
    CHECK(hr_generation_finish_reason(generation) == HR_FINISH_LENGTH);
    CHECK(hr_generation_tokens(generation, tokens, 64, &len, NULL) == HR_OK && len == 4);
    CHECK(hr_generation_text(generation, &len) != NULL && len > 0);
    CHECK(hr_generation_get_stats(generation, &stats, NULL) == HR_OK);
    CHECK(stats.completion_tokens == 4 && stats.forward_passes >= 4 && stats.total > 0);
    hr_generation_free(generation);
    CHECK(hr_generation_text(NULL, &len) == NULL);
    CHECK(hr_generation_finish_reason(NULL) == HR_FINISH_OTHER);
    printf("models behave\n");
    return 0;
}
