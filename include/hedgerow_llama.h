/*
 * hedgerow in llama.cpp: a llama_sampler that keeps the output inside a grammar. Header-only C99
 * and C++11, compiled with the llama.h of the program's own llama.cpp.
 *
 *     hr_vocab *vocab = NULL;
 *     hr_llama_vocab(llama_model_get_vocab(model), &vocab, &error);
 *     ...                                  a constraint and a matcher, as in hedgerow.h
 *     struct llama_sampler *ours = hr_llama_sampler(matcher, NULL, &error);
 *     llama_sampler_chain_add(chain, ours);
 *     llama_sampler_chain_add(chain, llama_sampler_init_temp(0.8f));
 *     llama_sampler_chain_add(chain, llama_sampler_init_dist(seed));
 *     for (;;) {
 *         llama_token token = llama_sampler_sample(chain, context, -1);
 *         error = hr_llama_take_error(ours);
 *         if (error != NULL || llama_vocab_is_eog(vocab, token)) break;
 *         ...
 *     }
 *
 * examples/llama.c is the whole program.
 *
 * Rules for programs:
 * - Every token of the output is accepted once, and no token of the prompt. llama_sampler_sample()
 *   accepts the token that it returns. Samplers that need the prompt, such as penalties, must see
 *   it before this sampler is added to their chain.
 * - Samplers that remove candidates, such as top-k, belong behind this one. Before it they may
 *   remove every candidate that is allowed.
 * - A token that ends the output is allowed when the output is complete. hr_llama_vocab() takes all
 *   tokens for which llama_vocab_is_eog() is true.
 * - The sampler works on the CPU. In a chain that is attached to a context (llama_set_sampler()),
 *   it and the samplers behind it run there, as llama.cpp arranges it.
 *
 * Errors: a sampler has no way to return one. After a failure it allows only tokens that end the
 * output, so a loop stops, and the program asks hr_llama_take_error(). There are four failures: a
 * token that is not allowed was accepted, no candidate was left, a limit or an interrupt was
 * reached, and memory ran out.
 */
#ifndef HEDGEROW_LLAMA_H
#define HEDGEROW_LLAMA_H

#include <hedgerow.h>
#include <llama.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Names with "detail" are for this header alone. */

typedef struct hr_llama_detail {
    /* Whether there is a constraint. Its matcher is NULL only in a copy that could not be made. */
    bool constrained;
    hr_matcher *matcher;
    /* Draws the token, as the last sampler of a chain. NULL leaves that to others. */
    hr_sampler *sampler;
    hr_vocab *vocab;
    /* The matcher's steps when it was given, to which a reset returns. */
    size_t start;
    /* The tokens allowed in a state of the matcher. */
    uint32_t *mask;
    size_t words;
    uint64_t mask_state;
    bool has_mask;
    /* The candidates as a row of logits, for the sampler. */
    float *row;
    uint32_t *present;
    size_t row_size;
    /* The first failure since the last reset. */
    hr_error *error;
} hr_llama_detail;

static inline hr_error *hr_llama_detail_error(hr_status status, const char *message) {
    return hr_error_new(status, message, strlen(message));
}

static inline hr_error *hr_llama_detail_no_memory(void) {
    return hr_llama_detail_error(HR_ERROR_LIMIT, "memory ran out");
}

/* Remembers the first failure, and takes over the error object. */
static inline void hr_llama_detail_fail(hr_llama_detail *state, hr_error *error) {
    if (state->error == NULL) {
        state->error = error;
    } else {
        hr_error_free(error);
    }
}

static inline void hr_llama_detail_free_state(hr_llama_detail *state) {
    if (state == NULL) {
        return;
    }
    hr_matcher_free(state->matcher);
    hr_sampler_free(state->sampler);
    hr_vocab_free(state->vocab);
    free(state->mask);
    free(state->row);
    free(state->present);
    hr_error_free(state->error);
    free(state);
}

/* The state of a new sampler. What could not be copied is missing, and is the state's error. NULL
 * if there is no memory for the state itself. */
static inline hr_llama_detail *hr_llama_detail_new_state(const hr_matcher *matcher, const hr_sampler *sampler) {
    hr_llama_detail *state = (hr_llama_detail *)calloc(1, sizeof *state);
    hr_error *error = NULL;
    if (state == NULL) {
        return NULL;
    }
    state->constrained = matcher != NULL;
    if (matcher != NULL) {
        state->vocab = hr_matcher_vocab(matcher);
        state->start = hr_matcher_output_len(matcher);
        state->words = hr_vocab_mask_words(state->vocab);
        state->mask = (uint32_t *)calloc(state->words > 0 ? state->words : 1, sizeof *state->mask);
        if (state->mask == NULL) {
            hr_llama_detail_fail(state, hr_llama_detail_no_memory());
        } else if (hr_matcher_clone(matcher, &state->matcher, &error) != HR_OK) {
            hr_llama_detail_fail(state, error);
        }
    }
    error = NULL;
    if (sampler != NULL && hr_sampler_clone(sampler, &state->sampler, &error) != HR_OK) {
        hr_llama_detail_fail(state, error);
    }
    return state;
}

/* Whether a token ends the output. */
static inline bool hr_llama_detail_is_end(const hr_llama_detail *state, llama_token token) {
    size_t count = 0, i;
    const uint32_t *ends = hr_vocab_eos(state->vocab, &count);
    for (i = 0; i < count; i++) {
        if (ends[i] == (uint32_t)token) {
            return true;
        }
    }
    return false;
}

/* Computes the mask of the matcher's position, unless it is there. False after a failure. */
static inline bool hr_llama_detail_update_mask(hr_llama_detail *state) {
    hr_error *error = NULL;
    uint64_t now = hr_matcher_state_id(state->matcher);
    if (state->error != NULL) {
        return false;
    }
    if (state->has_mask && state->mask_state == now) {
        return true;
    }
    state->has_mask = false;
    if (hr_matcher_fill_mask(state->matcher, state->mask, state->words, &error) != HR_OK) {
        hr_llama_detail_fail(state, error);
        return false;
    }
    state->has_mask = true;
    /* Computing the mask may have renumbered the states. */
    state->mask_state = hr_matcher_state_id(state->matcher);
    return true;
}

static inline bool hr_llama_detail_in_mask(const uint32_t *mask, size_t words, llama_token token) {
    size_t id = (size_t)(uint32_t)token;
    return id / 32 < words && (mask[id / 32] >> (id % 32) & 1u) != 0;
}

/* Forbids a candidate. An array with such a candidate is no longer sorted. */
static inline void hr_llama_detail_forbid(llama_token_data_array *candidates, size_t index) {
    candidates->data[index].logit = -INFINITY;
    candidates->sorted = false;
}

/* Forbids the candidates that may not come. */
static inline void hr_llama_detail_restrict(hr_llama_detail *state, llama_token_data_array *candidates) {
    size_t i;
    if (candidates->size <= 4) {
        /* A test of single candidates, as llama.cpp's own programs do: no mask is needed. */
        for (i = 0; i < candidates->size && state->error == NULL; i++) {
            hr_error *error = NULL;
            uint32_t id = (uint32_t)candidates->data[i].id;
            bool allowed = false;
            if (id < hr_vocab_size(state->vocab) && hr_matcher_allows(state->matcher, id, &allowed, &error) != HR_OK) {
                hr_llama_detail_fail(state, error);
            } else if (!allowed) {
                hr_llama_detail_forbid(candidates, i);
            }
        }
    } else if (hr_llama_detail_update_mask(state)) {
        for (i = 0; i < candidates->size; i++) {
            if (!hr_llama_detail_in_mask(state->mask, state->words, candidates->data[i].id)) {
                hr_llama_detail_forbid(candidates, i);
            }
        }
    }
    for (i = 0; i < candidates->size && state->error != NULL; i++) {
        if (!hr_llama_detail_is_end(state, candidates->data[i].id)) {
            hr_llama_detail_forbid(candidates, i);
        }
    }
}

/* Makes room for a row of logits. False if there is no memory. */
static inline bool hr_llama_detail_reserve_row(hr_llama_detail *state, size_t size) {
    float *row;
    uint32_t *present;
    if (size <= state->row_size) {
        return true;
    }
    row = (float *)realloc(state->row, size * sizeof *row);
    if (row == NULL) {
        return false;
    }
    state->row = row;
    present = (uint32_t *)realloc(state->present, (size + 31) / 32 * sizeof *present);
    if (present == NULL) {
        return false;
    }
    state->present = present;
    state->row_size = size;
    return true;
}

/* Writes the candidates that may come into the row, and marks them. Returns their number. */
static inline size_t hr_llama_detail_fill_row(hr_llama_detail *state, const llama_token_data_array *candidates, size_t words) {
    size_t i, allowed = 0;
    memset(state->present, 0, words * sizeof *state->present);
    for (i = 0; i < candidates->size; i++) {
        uint32_t id = (uint32_t)candidates->data[i].id;
        if (state->constrained && !hr_llama_detail_in_mask(state->mask, state->words, candidates->data[i].id)) {
            continue;
        }
        if (candidates->data[i].id < 0 || candidates->data[i].logit == -INFINITY) {
            continue;
        }
        state->row[id] = candidates->data[i].logit;
        state->present[id / 32] |= UINT32_C(1) << (id % 32);
        allowed++;
    }
    return allowed;
}

/* Draws a token among the candidates that may come. False after a failure. */
static inline bool hr_llama_detail_draw(hr_llama_detail *state, llama_token_data_array *candidates) {
    char message[200];
    hr_error *error = NULL;
    size_t size = 0, i;
    uint32_t token = 0;
    float logprob = 0.0f;
    if (state->error != NULL || (state->constrained && !hr_llama_detail_update_mask(state))) {
        return false;
    }
    for (i = 0; i < candidates->size; i++) {
        if (candidates->data[i].id >= 0 && (size_t)candidates->data[i].id >= size) {
            size = (size_t)candidates->data[i].id + 1;
        }
    }
    if (size == 0 || !hr_llama_detail_reserve_row(state, size)) {
        hr_llama_detail_fail(state, size == 0 ? hr_llama_detail_error(HR_ERROR_SAMPLING, "there is no candidate")
                                              : hr_llama_detail_no_memory());
        return false;
    }
    if (hr_llama_detail_fill_row(state, candidates, (size + 31) / 32) == 0) {
        snprintf(message, sizeof message,
                 "none of the %lu candidates can come here; samplers that remove candidates may have removed all that can",
                 (unsigned long)candidates->size);
        hr_llama_detail_fail(state, hr_llama_detail_error(HR_ERROR_SAMPLING, message));
        return false;
    }
    if (hr_sampler_sample_f32(state->sampler, state->row, size, state->present, (size + 31) / 32, &token, &logprob,
                              &error) != HR_OK) {
        hr_llama_detail_fail(state, error);
        return false;
    }
    /* Mostly candidate i is token i. */
    i = token < candidates->size && (uint32_t)candidates->data[token].id == token ? token : 0;
    while ((uint32_t)candidates->data[i].id != token) {
        i++;
    }
    candidates->selected = (int64_t)i;
    candidates->data[i].p = expf(logprob);
    return true;
}

/* Chooses a token that ends the output, after a failure: llama.cpp's loops need some choice. */
static inline void hr_llama_detail_choose_end(hr_llama_detail *state, llama_token_data_array *candidates) {
    size_t count = 0;
    const uint32_t *ends = hr_vocab_eos(state->vocab, &count);
    if (candidates->size == 0) {
        candidates->selected = -1;
        return;
    }
    if (count > 0) {
        candidates->data[0].id = (llama_token)ends[0];
        candidates->sorted = false;
    }
    candidates->data[0].p = 1.0f;
    candidates->selected = 0;
}

static inline const char *hr_llama_detail_name(const struct llama_sampler *sampler) {
    (void)sampler;
    return "hedgerow";
}

static inline void hr_llama_detail_apply(struct llama_sampler *sampler, llama_token_data_array *candidates) {
    hr_llama_detail *state = (hr_llama_detail *)sampler->ctx;
    if (state->sampler == NULL) {
        hr_llama_detail_restrict(state, candidates);
    } else if (!hr_llama_detail_draw(state, candidates)) {
        hr_llama_detail_choose_end(state, candidates);
    }
}

static inline void hr_llama_detail_accept(struct llama_sampler *sampler, llama_token token) {
    hr_llama_detail *state = (hr_llama_detail *)sampler->ctx;
    hr_error *error = NULL;
    bool accepted = true;
    if (state->error != NULL) {
        return;
    }
    if (state->constrained && hr_matcher_advance(state->matcher, (uint32_t)token, &accepted, &error) != HR_OK) {
        hr_llama_detail_fail(state, error);
    } else if (!accepted) {
        char message[200];
        snprintf(message, sizeof message,
                 "token %ld was accepted, but the constraint does not allow it as token %lu of the output", (long)token,
                 (unsigned long)(hr_matcher_output_len(state->matcher) + 1));
        hr_llama_detail_fail(state, hr_llama_detail_error(HR_ERROR_INVALID_ARGUMENT, message));
    } else if (state->sampler != NULL && hr_sampler_accept(state->sampler, (uint32_t)token, &error) != HR_OK) {
        hr_llama_detail_fail(state, error);
    }
}

static inline void hr_llama_detail_reset(struct llama_sampler *sampler) {
    hr_llama_detail *state = (hr_llama_detail *)sampler->ctx;
    hr_error *error = NULL;
    size_t steps = hr_matcher_output_len(state->matcher);
    hr_error_free(state->error);
    state->error = NULL;
    if (state->constrained
        && hr_matcher_rollback(state->matcher, steps > state->start ? steps - state->start : 0, &error) != HR_OK) {
        hr_llama_detail_fail(state, error);
    }
    error = NULL;
    if (state->sampler != NULL && hr_sampler_reset(state->sampler, &error) != HR_OK) {
        hr_llama_detail_fail(state, error);
    }
}

static inline void hr_llama_detail_free(struct llama_sampler *sampler) {
    hr_llama_detail_free_state((hr_llama_detail *)sampler->ctx);
}

static inline struct llama_sampler *hr_llama_detail_clone(const struct llama_sampler *sampler);

/* The members of the interface that later versions of llama.cpp add stay NULL. */
static inline struct llama_sampler_i *hr_llama_detail_interface(void) {
#ifdef __cplusplus
    static struct llama_sampler_i functions = [] {
        struct llama_sampler_i made = llama_sampler_i();
        made.name = hr_llama_detail_name;
        made.accept = hr_llama_detail_accept;
        made.apply = hr_llama_detail_apply;
        made.reset = hr_llama_detail_reset;
        made.clone = hr_llama_detail_clone;
        made.free = hr_llama_detail_free;
        return made;
    }();
#else
    static struct llama_sampler_i functions = {
        .name = hr_llama_detail_name,
        .accept = hr_llama_detail_accept,
        .apply = hr_llama_detail_apply,
        .reset = hr_llama_detail_reset,
        .clone = hr_llama_detail_clone,
        .free = hr_llama_detail_free,
    };
#endif
    return &functions;
}

static inline struct llama_sampler *hr_llama_detail_clone(const struct llama_sampler *sampler) {
    const hr_llama_detail *state = (const hr_llama_detail *)sampler->ctx;
    hr_llama_detail *copy = hr_llama_detail_new_state(state->matcher, state->sampler);
    if (copy == NULL) {
        return NULL;
    }
    if (state->constrained && !copy->constrained) {
        /* The original has no matcher to copy; neither can be used. */
        copy->constrained = true;
        copy->vocab = hr_vocab_clone(state->vocab);
    }
    copy->start = state->start;
    if (state->error != NULL) {
        hr_llama_detail_fail(copy, hr_llama_detail_error(hr_error_kind(state->error), hr_error_message(state->error)));
    }
    return llama_sampler_init(hr_llama_detail_interface(), copy);
}

/* The state of a sampler that this header made; NULL for others. */
static inline hr_llama_detail *hr_llama_detail_of(const struct llama_sampler *sampler) {
    if (sampler == NULL || sampler->iface == NULL || sampler->iface->name == NULL
        || strcmp(sampler->iface->name(sampler), "hedgerow") != 0) {
        return NULL;
    }
    return (hr_llama_detail *)sampler->ctx;
}

/*
 * Makes a llama_sampler, to be added to a chain or freed with llama_sampler_free().
 *
 * With sampler NULL it sets the logits of tokens that the matcher does not allow to -infinity, and
 * other samplers draw. With a sampler it is the last of its chain: it draws a token under the
 * matcher's mask, and writes that token's probability to its candidate. matcher may then be NULL,
 * for outputs without a constraint.
 *
 * Both are copied. The copy of the matcher begins where the matcher stands, so a program that
 * continues an output advances it over the tokens that are there. llama_sampler_reset() returns to
 * that place, and llama_sampler_clone() copies all. Returns NULL on failure.
 */
static inline struct llama_sampler *hr_llama_sampler(const hr_matcher *matcher, const hr_sampler *sampler,
                                                     hr_error **error) {
    hr_llama_detail *state = NULL;
    hr_error *failure = NULL;
    if (matcher == NULL && sampler == NULL) {
        failure = hr_llama_detail_error(HR_ERROR_INVALID_ARGUMENT, "matcher and sampler are both NULL");
    } else if ((state = hr_llama_detail_new_state(matcher, sampler)) == NULL) {
        failure = hr_llama_detail_no_memory();
    } else {
        failure = state->error;
        state->error = NULL;
    }
    if (failure == NULL) {
        return llama_sampler_init(hr_llama_detail_interface(), state);
    }
    hr_llama_detail_free_state(state);
    if (error != NULL) {
        *error = failure;
    } else {
        hr_error_free(failure);
    }
    return NULL;
}

/*
 * The first failure of a sampler that hr_llama_sampler() made, to be freed by the caller; NULL if
 * there is none, and for other samplers. The sampler then stands where it stood before the failure,
 * and goes on from there: after a time limit, for example, the same token can be sampled again.
 */
static inline hr_error *hr_llama_take_error(struct llama_sampler *sampler) {
    hr_llama_detail *state = hr_llama_detail_of(sampler);
    hr_error *error = state == NULL ? NULL : state->error;
    if (state != NULL) {
        state->error = NULL;
    }
    return error;
}

/*
 * The matcher in a sampler that hr_llama_sampler() made; NULL if there is none, and for other
 * samplers. A program may ask it whether the output is complete, set an interrupt, advance it or
 * roll it back. It belongs to the sampler: it lives until the sampler is freed, or is overwritten
 * by llama_sampler_copy().
 */
static inline hr_matcher *hr_llama_matcher(const struct llama_sampler *sampler) {
    hr_llama_detail *state = hr_llama_detail_of(sampler);
    return state == NULL ? NULL : state->matcher;
}

/* As hr_llama_matcher(), for the sampler in it. */
static inline hr_sampler *hr_llama_drawing_sampler(const struct llama_sampler *sampler) {
    hr_llama_detail *state = hr_llama_detail_of(sampler);
    return state == NULL ? NULL : state->sampler;
}

/* The bytes of a token, appended to a buffer that grows. Returns their number; -1 if there is no
 * memory. */
static inline int32_t hr_llama_detail_append_piece(const struct llama_vocab *vocab, llama_token token, char **text,
                                                   size_t *len, size_t *capacity) {
    int32_t count;
    for (;;) {
        size_t room = *capacity - *len;
        char *longer;
        count = llama_token_to_piece(vocab, token, *text + *len, room < INT32_MAX ? (int32_t)room : INT32_MAX, 0, true);
        if (count >= 0) {
            *len += (size_t)count;
            return count;
        }
        longer = (char *)realloc(*text, *capacity * 2 + (size_t)-(int64_t)count);
        if (longer == NULL) {
            return -1;
        }
        *text = longer;
        *capacity = *capacity * 2 + (size_t)-(int64_t)count;
    }
}

/*
 * Makes a vocabulary of the tokens of a llama.cpp model. Control and unknown tokens are special,
 * with llama.cpp's names for them, and all others have the bytes that llama_token_to_piece() gives.
 * The tokens that end a sequence are those for which llama_vocab_is_eog() is true.
 *
 * hr_vocab_from_gguf_file() reads the same tokens without llama.cpp. It knows fewer tokens that end
 * a sequence.
 */
HR_NODISCARD
static inline hr_status hr_llama_vocab(const struct llama_vocab *vocab, hr_vocab **out, hr_error **error) {
    size_t count = vocab == NULL ? 0 : (size_t)llama_vocab_n_tokens(vocab);
    size_t capacity = 16 * count + 64, len = 0, special_count = 0, eos_count = 0, i;
    char *text = (char *)malloc(capacity);
    hr_bytes *tokens = (hr_bytes *)calloc(count + 1, sizeof *tokens);
    hr_special_token *special = (hr_special_token *)calloc(count + 1, sizeof *special);
    uint32_t *eos = (uint32_t *)calloc(count + 1, sizeof *eos);
    bool enough = text != NULL && tokens != NULL && special != NULL && eos != NULL;
    hr_status status = HR_ERROR_LIMIT;
    for (i = 0; i < count && enough; i++) {
        llama_token token = (llama_token)i;
        if (llama_vocab_is_eog(vocab, token)) {
            eos[eos_count++] = (uint32_t)i;
        }
        if ((llama_vocab_get_attr(vocab, token) & (LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN)) != 0) {
            special[special_count].name.data = llama_vocab_get_text(vocab, token);
            special[special_count].name.len = strlen(special[special_count].name.data);
            special[special_count++].id = (uint32_t)i;
        } else {
            int32_t bytes = hr_llama_detail_append_piece(vocab, token, &text, &len, &capacity);
            tokens[i].len = bytes < 0 ? 0 : (size_t)bytes;
            enough = bytes >= 0;
        }
    }
    if (enough) {
        /* The buffer has stopped moving, so the tokens can point into it. */
        for (i = 0, len = 0; i < count; i++) {
            tokens[i].data = (const uint8_t *)text + len;
            len += tokens[i].len;
        }
        status = hr_vocab_from_tokens(vocab == NULL ? NULL : tokens, vocab == NULL ? 1 : count, special, special_count, eos,
                                      eos_count, 0, out, error);
    } else if (error != NULL) {
        *error = hr_llama_detail_no_memory();
    }
    free(text);
    free(tokens);
    free(special);
    free(eos);
    return status;
}

#ifdef __cplusplus
}  // extern "C"
#endif

#endif /* HEDGEROW_LLAMA_H */
