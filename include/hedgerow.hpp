// hedgerow for C++17: objects that free themselves, exceptions instead of status codes.
// Header-only, over hedgerow.h.
//
// Each class owns one handle of the C interface and can be moved; the immutable ones (Vocabulary,
// Grammar, Constraint) can be copied, which copies nothing but the handle. Matcher and Sampler are
// copied by fork(). get() gives the handle for calls of the C interface. What threads may do is
// what the comments of the C types say.
#ifndef HEDGEROW_HPP
#define HEDGEROW_HPP

#include "hedgerow.h"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hedgerow {

// A failed call. what() is the message.
class Error : public std::runtime_error {
public:
    // Takes over the error object, which may be NULL.
    Error(hr_status status, hr_error *error) : std::runtime_error(hr_error_message(error)), status_(status) {
        const char *pointer = nullptr;
        if (hr_error_location(error, &line_, &column_, &pointer) && pointer != nullptr) {
            pointer_ = pointer;
        }
        hr_error_free(error);
    }

    hr_status status() const noexcept { return status_; }

    // Line and column in the text that was given, from 1; 0 if not known.
    std::size_t line() const noexcept { return line_; }
    std::size_t column() const noexcept { return column_; }

    // JSON pointer into the JSON text that was given, if known.
    const std::optional<std::string> &pointer() const noexcept { return pointer_; }

private:
    hr_status status_;
    std::size_t line_ = 0;
    std::size_t column_ = 0;
    std::optional<std::string> pointer_;
};

namespace detail {

// Calls a function of the C interface with a place for an error, and throws if it fails.
template <typename Function, typename... Arguments> void call(Function function, Arguments... arguments) {
    hr_error *error = nullptr;
    const hr_status status = function(arguments..., &error);
    if (status != HR_OK) {
        throw Error(status, error);
    }
}

// The object that a function of the C interface makes. Its place is the last parameter before that
// of the error.
template <typename Object, typename Function, typename... Arguments>
Object *made(Function function, Arguments... arguments) {
    Object *object = nullptr;
    call(function, arguments..., &object);
    return object;
}

// Asks for a length, then for that many elements. `fill` is given buffer, capacity and a place for
// the length.
template <typename Container, typename Fill> Container collect(Fill fill) {
    std::size_t length = 0;
    fill(nullptr, std::size_t{0}, &length);
    Container elements(length, typename Container::value_type{});
    if (length > 0) {
        fill(elements.data(), elements.size(), &length);
    }
    return elements;
}

template <typename Handle, void (*Free)(Handle *)> struct Deleter {
    void operator()(Handle *handle) const noexcept { Free(handle); }
};

template <typename Handle, void (*Free)(Handle *)> using Owned = std::unique_ptr<Handle, Deleter<Handle, Free>>;

// A handle that is copied by counting.
template <typename Handle, Handle *(*Clone)(const Handle *), void (*Free)(Handle *)> class Shared {
public:
    explicit Shared(Handle *handle) noexcept : handle_(handle) {}
    Shared(const Shared &other) : handle_(Clone(other.get())) {}
    Shared(Shared &&) noexcept = default;
    Shared &operator=(const Shared &other) {
        handle_.reset(Clone(other.get()));
        return *this;
    }
    Shared &operator=(Shared &&) noexcept = default;
    ~Shared() = default;

    Handle *get() const noexcept { return handle_.get(); }

private:
    Owned<Handle, Free> handle_;
};

inline hr_text text(std::string_view view) noexcept { return hr_text{view.data(), view.size()}; }

inline std::vector<hr_text> texts(const std::vector<std::string> &strings) {
    std::vector<hr_text> views;
    views.reserve(strings.size());
    for (const auto &string : strings) {
        views.push_back(text(string));
    }
    return views;
}

inline std::string copy(hr_text view) { return std::string(std::string_view(view.data, view.len)); }

// The handles of a batch's objects.
template <typename Handle, typename Object> std::vector<Handle *> handles(const std::vector<Object *> &objects) {
    std::vector<Handle *> all;
    all.reserve(objects.size());
    for (Object *object : objects) {
        all.push_back(object == nullptr ? nullptr : object->get());
    }
    return all;
}

inline const std::uint8_t *bytes(std::string_view view) noexcept {
    return reinterpret_cast<const std::uint8_t *>(view.data());
}

} // namespace detail

inline std::string_view version() noexcept { return hr_version(); }

// True if the library that was loaded has the ABI of this header. A program should refuse to run if
// not.
inline bool abi_matches() noexcept { return hr_abi_version() == HR_ABI_VERSION; }

inline hr_tool_options default_tool_options() noexcept {
    hr_tool_options options;
    hr_tool_options_init(&options);
    return options;
}

inline hr_schema_options default_schema_options() noexcept {
    hr_schema_options options;
    hr_schema_options_init(&options);
    return options;
}

inline hr_sampler_options default_sampler_options() noexcept {
    hr_sampler_options options;
    hr_sampler_options_init(&options);
    return options;
}

// Never ends a call.
inline hr_interrupt default_interrupt() noexcept {
    hr_interrupt interrupt;
    hr_interrupt_init(&interrupt);
    return interrupt;
}

inline hr_limits default_limits() noexcept {
    hr_limits limits;
    hr_limits_init(&limits);
    return limits;
}

// The tokens of a model.
class Vocabulary {
public:
    // Names and ids of special tokens.
    using Special = std::vector<std::pair<std::string, std::uint32_t>>;

    static Vocabulary from_tokenizer_json(std::string_view json) {
        return Vocabulary(detail::made<hr_vocab>(hr_vocab_from_tokenizer_json, json.data(), json.size()));
    }

    // Any kind of tokenizer file: see hr_vocab_from_tokenizer_file().
    static Vocabulary from_tokenizer_file(std::string_view bytes) {
        return Vocabulary(detail::made<hr_vocab>(hr_vocab_from_tokenizer_file, detail::bytes(bytes), bytes.size()));
    }

    static Vocabulary from_gguf(std::string_view bytes) {
        return Vocabulary(detail::made<hr_vocab>(hr_vocab_from_gguf, detail::bytes(bytes), bytes.size()));
    }

    static Vocabulary from_gguf_file(std::string_view path) {
        return Vocabulary(detail::made<hr_vocab>(hr_vocab_from_gguf_file, path.data(), path.size()));
    }

    static Vocabulary from_tiktoken(std::string_view ranks, const Special &special) {
        const auto names = special_tokens(special);
        return Vocabulary(detail::made<hr_vocab>(hr_vocab_from_tiktoken, detail::bytes(ranks), ranks.size(),
                                                 names.data(), names.size()));
    }

    // Token i stands for tokens[i]; model_size is the number of logits where that is more, else 0.
    static Vocabulary from_tokens(const std::vector<std::string> &tokens, const Special &special = {},
                                  const std::vector<std::uint32_t> &eos = {}, std::size_t model_size = 0) {
        std::vector<hr_bytes> views;
        views.reserve(tokens.size());
        for (const auto &token : tokens) {
            views.push_back(hr_bytes{detail::bytes(token), token.size()});
        }
        const auto names = special_tokens(special);
        return Vocabulary(detail::made<hr_vocab>(hr_vocab_from_tokens, views.data(), views.size(), names.data(),
                                                 names.size(), eos.data(), eos.size(), model_size));
    }

    // Takes over a handle.
    explicit Vocabulary(hr_vocab *vocab) noexcept : handle_(vocab) {}

    Vocabulary with_eos(const std::vector<std::uint32_t> &eos) const {
        return Vocabulary(detail::made<hr_vocab>(hr_vocab_with_eos, get(), eos.data(), eos.size()));
    }

    Vocabulary with_eos_from_config(std::string_view json) const {
        return Vocabulary(detail::made<hr_vocab>(hr_vocab_with_eos_from_config, get(), json.data(), json.size()));
    }

    Vocabulary with_model_size(std::size_t size) const {
        return Vocabulary(detail::made<hr_vocab>(hr_vocab_with_model_size, get(), size));
    }

    std::size_t size() const noexcept { return hr_vocab_size(get()); }
    std::size_t mask_words() const noexcept { return hr_vocab_mask_words(get()); }
    std::size_t token_count() const noexcept { return hr_vocab_token_count(get()); }
    bool is_special(std::uint32_t token) const noexcept { return hr_vocab_is_special(get(), token); }

    // The bytes a token stands for. The view lives as long as any copy of the vocabulary.
    std::string_view token_bytes(std::uint32_t token) const noexcept {
        std::size_t len = 0;
        const auto *data = hr_vocab_token_bytes(get(), token, &len);
        return data == nullptr ? std::string_view() : std::string_view(reinterpret_cast<const char *>(data), len);
    }

    // The name of a special token, empty if it has none. The view lives as long as any copy of the
    // vocabulary.
    std::string_view token_name(std::uint32_t token) const noexcept {
        std::size_t len = 0;
        const char *name = hr_vocab_token_name(get(), token, &len);
        return name == nullptr ? std::string_view() : std::string_view(name, len);
    }

    std::optional<std::uint32_t> special_token(std::string_view name) const noexcept {
        const std::uint32_t token = hr_vocab_special_token(get(), name.data(), name.size());
        return token == HR_NO_TOKEN ? std::nullopt : std::optional<std::uint32_t>(token);
    }

    std::vector<std::uint32_t> eos() const {
        std::size_t count = 0;
        const std::uint32_t *ids = hr_vocab_eos(get(), &count);
        return ids == nullptr ? std::vector<std::uint32_t>() : std::vector<std::uint32_t>(ids, ids + count);
    }

    std::string decode(const std::vector<std::uint32_t> &tokens) const {
        return detail::collect<std::string>([&](char *buffer, std::size_t capacity, std::size_t *len) {
            detail::call(hr_vocab_decode, get(), tokens.data(), tokens.size(),
                         reinterpret_cast<std::uint8_t *>(buffer), capacity, len);
        });
    }

    // Tokens that spell a text, the longest that fits first.
    std::vector<std::uint32_t> spell(std::string_view text) const {
        return detail::collect<std::vector<std::uint32_t>>(
            [&](std::uint32_t *buffer, std::size_t capacity, std::size_t *count) {
                detail::call(hr_vocab_spell, get(), detail::bytes(text), text.size(), buffer, capacity, count);
            });
    }

    const hr_vocab *get() const noexcept { return handle_.get(); }

private:
    static std::vector<hr_special_token> special_tokens(const Special &special) {
        std::vector<hr_special_token> names;
        names.reserve(special.size());
        for (const auto &[name, id] : special) {
            names.push_back(hr_special_token{detail::text(name), id});
        }
        return names;
    }

    detail::Shared<hr_vocab, hr_vocab_clone, hr_vocab_free> handle_;
};

// What an output may look like.
class Grammar {
public:
    static Grammar from_json_schema(std::string_view schema,
                                    const hr_schema_options &options = default_schema_options(),
                                    const hr_interrupt &interrupt = default_interrupt()) {
        return Grammar(detail::made<hr_grammar>(hr_grammar_from_json_schema, schema.data(), schema.size(), &options,
                                                &interrupt));
    }

    static Grammar from_regex(std::string_view pattern, hr_regex_dialect dialect = HR_REGEX_DIALECT_ECMA262,
                              const hr_interrupt &interrupt = default_interrupt()) {
        return Grammar(detail::made<hr_grammar>(hr_grammar_from_regex, pattern.data(), pattern.size(), dialect,
                                                &interrupt));
    }

    static Grammar from_rules(std::string_view rules, hr_grammar_notation notation = HR_GRAMMAR_NOTATION_GBNF,
                              const hr_interrupt &interrupt = default_interrupt()) {
        return Grammar(detail::made<hr_grammar>(hr_grammar_from_rules, rules.data(), rules.size(), notation,
                                                &interrupt));
    }

    // In Lark's notation; modules are pairs of names and texts that it imports from.
    static Grammar from_lark(std::string_view rules, std::string_view start = "start",
                             const std::vector<std::pair<std::string, std::string>> &modules = {},
                             const hr_interrupt &interrupt = default_interrupt()) {
        std::vector<hr_lark_module> given;
        given.reserve(modules.size());
        for (const auto &module : modules) {
            given.push_back({detail::text(module.first), detail::text(module.second)});
        }
        return Grammar(detail::made<hr_grammar>(hr_grammar_from_lark, rules.data(), rules.size(), detail::text(start),
                                                given.data(), given.size(), &interrupt));
    }

    /// The replies that call tools, a list in JSON. format is the name of a format of calls, or one
    /// in JSON.
    static Grammar from_tools(std::string_view tools, std::string_view format,
                              const hr_tool_options &options = default_tool_options(),
                              const hr_interrupt &interrupt = default_interrupt()) {
        return Grammar(detail::made<hr_grammar>(hr_grammar_from_tools, tools.data(), tools.size(), detail::text(format),
                                                &options, &interrupt));
    }

    static Grammar from_structural_tag(std::string_view tag, const hr_interrupt &interrupt = default_interrupt()) {
        return Grammar(detail::made<hr_grammar>(hr_grammar_from_structural_tag, tag.data(), tag.size(), &interrupt));
    }

    static Grammar from_choices(const std::vector<std::string> &choices,
                                const hr_interrupt &interrupt = default_interrupt()) {
        const auto texts = detail::texts(choices);
        return Grammar(detail::made<hr_grammar>(hr_grammar_from_choices, texts.data(), texts.size(), &interrupt));
    }

    // Warnings about the JSON Schema: keywords without effect, or with another effect than they
    // seem to have.
    std::vector<std::string> warnings() const {
        std::vector<std::string> warnings(hr_grammar_warning_count(get()));
        for (std::size_t i = 0; i < warnings.size(); ++i) {
            hr_text message{nullptr, 0};
            hr_grammar_warning(get(), i, &message, nullptr, nullptr);
            warnings[i].assign(message.data, message.len);
        }
        return warnings;
    }

    // Takes over a handle.
    explicit Grammar(hr_grammar *grammar) noexcept : handle_(grammar) {}

    const hr_grammar *get() const noexcept { return handle_.get(); }

private:
    detail::Shared<hr_grammar, hr_grammar_clone, hr_grammar_free> handle_;
};

// Ends the call, or the calls of the matcher, whose hr_interrupt names it (interrupt.cancel =
// flag.get()): while it is set, they throw HR_ERROR_CANCELLED. Copies are the same flag; any number
// of threads may use it at once.
class CancelFlag {
public:
    CancelFlag() : handle_(hr_cancel_flag_new()) {}

    // Takes over a handle.
    explicit CancelFlag(hr_cancel_flag *flag) noexcept : handle_(flag) {}

    void set() const noexcept { hr_cancel_flag_set(get()); }
    void clear() const noexcept { hr_cancel_flag_clear(get()); }
    bool is_set() const noexcept { return hr_cancel_flag_is_set(get()); }

    const hr_cancel_flag *get() const noexcept { return handle_.get(); }

private:
    detail::Shared<hr_cancel_flag, hr_cancel_flag_clone, hr_cancel_flag_free> handle_;
};

// A grammar tied to a vocabulary.
class Constraint {
public:
    Constraint(const Grammar &grammar, const Vocabulary &vocabulary, const hr_limits &limits = default_limits(),
               const hr_interrupt &interrupt = default_interrupt())
        : handle_(make(grammar, vocabulary, limits, interrupt)) {}

    // Takes over a handle.
    explicit Constraint(hr_constraint *constraint) noexcept : handle_(constraint) {}

    Vocabulary vocabulary() const { return Vocabulary(hr_constraint_vocab(get())); }

    // Statistics, for tuning.
    hr_constraint_stats stats() const {
        hr_constraint_stats stats;
        hr_constraint_stats_init(&stats);
        detail::call(hr_constraint_get_stats, get(), &stats);
        return stats;
    }

    const hr_constraint *get() const noexcept { return handle_.get(); }

private:
    static hr_constraint *make(const Grammar &grammar, const Vocabulary &vocabulary, const hr_limits &limits,
                               const hr_interrupt &interrupt) {
        return detail::made<hr_constraint>(hr_constraint_new, grammar.get(), vocabulary.get(), &limits, &interrupt);
    }

    detail::Shared<hr_constraint, hr_constraint_clone, hr_constraint_free> handle_;
};

// Constraints that are kept by the texts that they were made from, for all threads.
class Cache {
public:
    // At most so many constraints, and so many bytes of their states and masks together.
    explicit Cache(std::size_t max_constraints, std::size_t max_bytes = SIZE_MAX)
        : handle_(hr_cache_new(max_constraints, max_bytes)) {}

    // The constraint of a key, which has all that it depends on. `make` is called if it is not
    // there, and returns a Constraint. An exception that it throws comes out here.
    template <typename Make>
    Constraint get(std::string_view key, Make make, const hr_interrupt &interrupt = default_interrupt()) const {
        Maker<Make> maker{make, nullptr};
        try {
            return Constraint(detail::made<hr_constraint>(hr_cache_get, get(),
                                                          hr_bytes{detail::bytes(key), key.size()}, Maker<Make>::call,
                                                          static_cast<void *>(&maker), &interrupt));
        } catch (...) {
            if (maker.thrown) {
                std::rethrow_exception(maker.thrown);
            }
            throw;
        }
    }

    void clear() const noexcept { hr_cache_clear(get()); }

    // Statistics, for tuning.
    hr_cache_stats stats() const {
        hr_cache_stats stats;
        hr_cache_stats_init(&stats);
        detail::call(hr_cache_get_stats, get(), &stats);
        return stats;
    }

    const hr_cache *get() const noexcept { return handle_.get(); }

private:
    template <typename Make> struct Maker {
        Make &make;
        std::exception_ptr thrown;

        static std::uint32_t call(void *user_data, hr_constraint **out, hr_error **) {
            auto *maker = static_cast<Maker *>(user_data);
            try {
                *out = hr_constraint_clone(Constraint(maker->make()).get());
                return HR_OK;
            } catch (...) {
                maker->thrown = std::current_exception();
                return HR_ERROR_INTERNAL;
            }
        }
    };

    detail::Owned<hr_cache, hr_cache_free> handle_;
};

// One sequence's position in a constraint.
class Matcher {
public:
    explicit Matcher(const Constraint &constraint) {
        handle_.reset(detail::made<hr_matcher>(hr_matcher_new, constraint.get()));
    }

    // Takes over a handle.
    explicit Matcher(hr_matcher *matcher) noexcept : handle_(matcher) {}

    // A second matcher at the same position.
    Matcher fork() const {
        return Matcher(detail::made<hr_matcher>(hr_matcher_clone, static_cast<const hr_matcher *>(handle_.get())));
    }

    // When calls end early, from now on and in forks; the default never.
    void set_interrupt(const hr_interrupt &interrupt = default_interrupt()) {
        detail::call(hr_matcher_set_interrupt, get(), &interrupt);
    }

    // The mask has mask_words() words of its vocabulary.
    void fill_mask(std::uint32_t *mask, std::size_t words) { detail::call(hr_matcher_fill_mask, get(), mask, words); }
    void fill_mask(std::vector<std::uint32_t> &mask) { fill_mask(mask.data(), mask.size()); }

    bool allows(std::uint32_t token) {
        bool allowed = false;
        detail::call(hr_matcher_allows, get(), token, &allowed);
        return allowed;
    }

    // False, and nothing has changed, if the token is not allowed.
    bool advance(std::uint32_t token) {
        bool accepted = false;
        detail::call(hr_matcher_advance, get(), token, &accepted);
        return accepted;
    }

    // The number of tokens read, up to the first that is not allowed.
    std::size_t advance_all(const std::vector<std::uint32_t> &tokens) {
        std::size_t accepted = 0;
        detail::call(hr_matcher_advance_all, get(), tokens.data(), tokens.size(), &accepted);
        return accepted;
    }

    // The mask as a list of ids.
    std::vector<std::uint32_t> allowed_tokens() {
        return detail::collect<std::vector<std::uint32_t>>(
            [&](std::uint32_t *buffer, std::size_t capacity, std::size_t *count) {
                detail::call(hr_matcher_allowed_tokens, get(), buffer, capacity, count);
            });
    }

    bool advance_bytes(std::string_view bytes) {
        bool accepted = false;
        detail::call(hr_matcher_advance_bytes, get(), detail::bytes(bytes), bytes.size(), &accepted);
        return accepted;
    }

    // Reads a text in which special tokens stand by their names.
    bool advance_text(std::string_view text) {
        bool accepted = false;
        detail::call(hr_matcher_advance_text, get(), detail::bytes(text), text.size(), &accepted);
        return accepted;
    }

    // How many of the tokens could be read from here.
    std::size_t validate(const std::vector<std::uint32_t> &tokens) {
        std::size_t accepted = 0;
        detail::call(hr_matcher_validate, get(), tokens.data(), tokens.size(), &accepted);
        return accepted;
    }

    void rollback(std::size_t steps) { detail::call(hr_matcher_rollback, get(), steps); }
    void reset() { detail::call(hr_matcher_reset, get()); }

    bool is_accepting() const noexcept { return hr_matcher_is_accepting(handle_.get()); }
    bool is_stopped() const noexcept { return hr_matcher_is_stopped(handle_.get()); }
    std::size_t output_len() const noexcept { return hr_matcher_output_len(handle_.get()); }

    std::string forced_bytes() {
        return detail::collect<std::string>([&](char *buffer, std::size_t capacity, std::size_t *len) {
            detail::call(hr_matcher_forced_bytes, get(), reinterpret_cast<std::uint8_t *>(buffer), capacity, len);
        });
    }

    std::vector<std::uint32_t> forced_tokens() {
        return detail::collect<std::vector<std::uint32_t>>(
            [&](std::uint32_t *buffer, std::size_t capacity, std::size_t *count) {
                detail::call(hr_matcher_forced_tokens, get(), buffer, capacity, count);
            });
    }

    // Equal for matchers of one constraint with equal futures; see hr_matcher_state_id().
    std::uint64_t state_id() const noexcept { return hr_matcher_state_id(handle_.get()); }

    // Fills the mask behind every node of a tree of guesses, words words each, one after the other:
    // parents[i] is a lower node, or -1. Gives for each node whether the path to it may come.
    std::vector<bool> mask_draft_tree(const std::vector<std::uint32_t> &tokens, const std::vector<std::int32_t> &parents,
                                      std::vector<std::uint32_t> &masks, std::size_t words) {
        if (tokens.size() != parents.size()) {
            throw std::invalid_argument("a draft tree has as many parents as tokens");
        }
        masks.resize(tokens.size() * words);
        const std::unique_ptr<bool[]> allowed(new bool[tokens.size()]);
        detail::call(hr_matcher_mask_draft_tree, get(), tokens.data(), parents.data(), tokens.size(), masks.data(), words,
                     words, allowed.get());
        return std::vector<bool>(allowed.get(), allowed.get() + tokens.size());
    }

    // Tokens that complete the output, if a way is found.
    std::optional<std::vector<std::uint32_t>> completion() {
        bool found = false;
        auto tokens = detail::collect<std::vector<std::uint32_t>>(
            [&](std::uint32_t *buffer, std::size_t capacity, std::size_t *count) {
                detail::call(hr_matcher_completion, get(), buffer, capacity, count, &found);
            });
        return found ? std::optional(std::move(tokens)) : std::nullopt;
    }

    hr_matcher *get() noexcept { return handle_.get(); }

private:
    detail::Owned<hr_matcher, hr_matcher_free> handle_;
};

// Something that a part of an output says: text, reasoning, a call of a tool; see hr_event_kind for
// what the members are.
struct Event {
    hr_event_kind kind;
    std::size_t call;
    std::string text;
    std::string id;
};

// The events of one output, read beside a matcher.
class Events {
public:
    explicit Events(const Constraint &constraint) {
        handle_.reset(detail::made<hr_events>(hr_events_new, constraint.get()));
    }

    // Takes over a handle.
    explicit Events(hr_events *events) noexcept : handle_(events) {}

    // A second reader at the same position.
    Events fork() const {
        return Events(detail::made<hr_events>(hr_events_clone, static_cast<const hr_events *>(handle_.get())));
    }

    // The number of tokens read, up to the first that is not allowed; last() has their events.
    std::size_t advance(const std::vector<std::uint32_t> &tokens) {
        std::size_t accepted = 0;
        detail::call(hr_events_advance, get(), tokens.data(), tokens.size(), &accepted);
        return accepted;
    }

    bool advance_bytes(std::string_view bytes) {
        bool accepted = false;
        detail::call(hr_events_advance_bytes, get(), detail::bytes(bytes), bytes.size(), &accepted);
        return accepted;
    }

    // Reads a text in which special tokens stand by their names.
    bool advance_text(std::string_view text) {
        bool accepted = false;
        detail::call(hr_events_advance_text, get(), detail::bytes(text), text.size(), &accepted);
        return accepted;
    }

    void finish() { detail::call(hr_events_finish, get()); }
    void rollback(std::size_t steps) { detail::call(hr_events_rollback, get(), steps); }

    // The events of the last call.
    std::vector<Event> last() const {
        std::vector<Event> events;
        hr_event_kind kind{};
        std::size_t call = 0;
        hr_text text{nullptr, 0}, id{nullptr, 0};
        for (std::size_t i = 0; hr_events_get(handle_.get(), i, &kind, &call, &text, &id); ++i) {
            events.push_back(Event{kind, call, std::string(text.data, text.len), std::string(id.data, id.len)});
        }
        return events;
    }

    hr_events *get() noexcept { return handle_.get(); }

private:
    detail::Owned<hr_events, hr_events_free> handle_;
};

// Fills the mask of matchers[i] into row rows[i] of masks, words words each. Without rows it is row
// i. The first matcher that fails throws; the masks of all others are written even then.
inline void fill_masks(const std::vector<Matcher *> &matchers, const std::vector<std::size_t> &rows, std::uint32_t *masks,
                       std::size_t words, std::size_t threads = 1) {
    if (!rows.empty() && rows.size() != matchers.size()) {
        throw std::invalid_argument("fill_masks: the numbers of matchers and of rows differ");
    }
    const auto handles = detail::handles<hr_matcher>(matchers);
    hr_error **no_row_errors = nullptr;
    detail::call(hr_matchers_fill_masks, handles.data(), handles.size(), rows.empty() ? nullptr : rows.data(), masks,
                 words, threads, no_row_errors);
}
inline void fill_masks(const std::vector<Matcher *> &matchers, std::uint32_t *masks, std::size_t words,
                       std::size_t threads = 1) {
    fill_masks(matchers, {}, masks, words, threads);
}

// Forbids tokens in rows of logits, which lie one after another. The mask of row i begins at
// masks + i * mask_words.
inline void mask_logits(float *logits, std::size_t rows, std::size_t columns, const std::uint32_t *masks,
                        std::size_t mask_words) {
    detail::call(hr_mask_logits_f32, logits, rows, columns, columns, masks, mask_words, mask_words);
}
inline void mask_logits(std::vector<float> &logits, const std::vector<std::uint32_t> &mask) {
    mask_logits(logits.data(), 1, logits.size(), mask.data(), mask.size());
}

// All states of a constraint that has finitely many, with the tokens that each allows and where
// they lead. States are numbered from 0, the one before the first token. Cannot be copied; needs
// neither constraint nor vocabulary.
class TokenFsm {
public:
    // Throws if there are more than max_states.
    TokenFsm(const Constraint &constraint, std::size_t max_states,
             const hr_interrupt &interrupt = default_interrupt()) {
        handle_.reset(detail::made<hr_token_fsm>(hr_token_fsm_new, constraint.get(), max_states, &interrupt));
    }

    // Reads what to_bytes() gave.
    static TokenFsm from_bytes(std::string_view bytes) {
        return TokenFsm(detail::made<hr_token_fsm>(hr_token_fsm_from_bytes, detail::bytes(bytes), bytes.size()));
    }

    // Takes over a handle.
    explicit TokenFsm(hr_token_fsm *fsm) noexcept : handle_(fsm) {}

    std::string to_bytes() const {
        return detail::collect<std::string>([&](char *buffer, std::size_t capacity, std::size_t *len) {
            detail::call(hr_token_fsm_to_bytes, get(), reinterpret_cast<std::uint8_t *>(buffer), capacity, len);
        });
    }

    std::size_t state_count() const noexcept { return hr_token_fsm_state_count(get()); }
    std::size_t class_count() const noexcept { return hr_token_fsm_class_count(get()); }

    // The state behind a token, if it is allowed.
    std::optional<std::uint32_t> next(std::uint32_t state, std::uint32_t token) const noexcept {
        return hr_token_fsm_next(get(), state, token, &state) ? std::optional(state) : std::nullopt;
    }

    // The class of each token.
    std::vector<std::uint32_t> token_classes() const {
        std::size_t count = 0;
        const std::uint32_t *classes = hr_token_fsm_token_classes(get(), &count);
        return std::vector<std::uint32_t>(classes, classes + count);
    }

    // The state that each class leads to: element state * class_count() + class, or UINT32_MAX.
    std::vector<std::uint32_t> table() const {
        return detail::collect<std::vector<std::uint32_t>>(
            [&](std::uint32_t *buffer, std::size_t capacity, std::size_t *count) {
                detail::call(hr_token_fsm_table, get(), buffer, capacity, count);
            });
    }

    void fill_mask(std::uint32_t state, std::vector<std::uint32_t> &mask) const {
        detail::call(hr_token_fsm_fill_mask, get(), state, mask.data(), mask.size());
    }

    bool is_accepting(std::uint32_t state) const noexcept { return hr_token_fsm_is_accepting(get(), state); }
    bool is_stopped(std::uint32_t state) const noexcept { return hr_token_fsm_is_stopped(get(), state); }

    const hr_token_fsm *get() const noexcept { return handle_.get(); }

private:
    detail::Owned<hr_token_fsm, hr_token_fsm_free> handle_;
};

// The text of an output while it is written. Stop texts and end tokens end it; text that may still
// belong to a stop text, or to a character, is held back. Moves, and is copied by fork().
class Detokenizer {
public:
    explicit Detokenizer(const Vocabulary &vocabulary, const std::vector<std::string> &stop = {}) {
        const auto texts = detail::texts(stop);
        handle_.reset(detail::made<hr_detokenizer>(hr_detokenizer_new, vocabulary.get(), texts.data(), texts.size()));
    }

    // Takes over a handle.
    explicit Detokenizer(hr_detokenizer *detokenizer) noexcept : handle_(detokenizer) {}

    Detokenizer fork() const {
        const hr_detokenizer *original = handle_.get();
        Detokenizer copy(detail::made<hr_detokenizer>(hr_detokenizer_clone, original));
        copy.ended_ = ended_;
        return copy;
    }

    // Reads a token; the text that can now be shown. After the end it reads nothing.
    std::string push(std::uint32_t token) {
        hr_text released{nullptr, 0};
        std::size_t *uncounted = nullptr;
        const std::uint32_t *tokens = &token;
        detail::call(hr_detokenizer_push, handle_.get(), tokens, std::size_t{1}, uncounted, &released, &ended_);
        return detail::copy(released);
    }

    // Ends the text; what was held back.
    std::string finish() {
        hr_text released{nullptr, 0};
        detail::call(hr_detokenizer_finish, handle_.get(), &released);
        ended_ = true;
        return detail::copy(released);
    }

    bool ended() const noexcept { return ended_; }
    std::string text() const { return detail::copy(hr_detokenizer_text(handle_.get())); }

    // The stop text, or the end token, that ended the text.
    std::optional<std::string> stop_text() const {
        hr_text stop{nullptr, 0};
        return hr_detokenizer_stop_text(handle_.get(), &stop) ? std::optional(detail::copy(stop)) : std::nullopt;
    }
    std::optional<std::uint32_t> end_token() const noexcept {
        const std::uint32_t token = hr_detokenizer_end_token(handle_.get());
        return token == HR_NO_TOKEN ? std::nullopt : std::optional(token);
    }

    hr_detokenizer *get() noexcept { return handle_.get(); }

private:
    bool ended_ = false;
    detail::Owned<hr_detokenizer, hr_detokenizer_free> handle_;
};

#ifdef HR_HAS_TOKENIZERS

// A model's own tokenizer, from a tokenizer.json. Cannot be copied; threads may share it.
class Tokenizer {
public:
    explicit Tokenizer(std::string_view json) {
        handle_.reset(detail::made<hr_tokenizer>(hr_tokenizer_from_json, json.data(), json.size()));
    }

    std::vector<std::uint32_t> encode(std::string_view text) const {
        return detail::collect<std::vector<std::uint32_t>>(
            [&](std::uint32_t *buffer, std::size_t capacity, std::size_t *length) {
                detail::call(hr_tokenizer_encode, get(), text.data(), text.size(), buffer, capacity, length);
            });
    }

    const hr_tokenizer *get() const noexcept { return handle_.get(); }

private:
    detail::Owned<hr_tokenizer, hr_tokenizer_free> handle_;
};

#endif // HR_HAS_TOKENIZERS

// A drawn token and the natural logarithm of the probability it was drawn with.
struct Sampled {
    std::uint32_t token;
    float logprob;
};

// Draws tokens from rows of logits.
class Sampler {
public:
    explicit Sampler(const hr_sampler_options &options = default_sampler_options()) {
        handle_.reset(detail::made<hr_sampler>(hr_sampler_new, &options));
    }

    // Takes over a handle.
    explicit Sampler(hr_sampler *sampler) noexcept : handle_(sampler) {}

    // A second sampler with the same history.
    Sampler fork() const {
        return Sampler(detail::made<hr_sampler>(hr_sampler_clone, static_cast<const hr_sampler *>(handle_.get())));
    }

    void set_prompt(const std::vector<std::uint32_t> &tokens) {
        detail::call(hr_sampler_set_prompt, get(), tokens.data(), tokens.size());
    }

    Sampled sample(const std::vector<float> &logits) { return sample(logits.data(), logits.size(), nullptr, 0); }
    Sampled sample(const std::vector<float> &logits, const std::vector<std::uint32_t> &mask) {
        return sample(logits.data(), logits.size(), mask.data(), mask.size());
    }
    Sampled sample(const float *logits, std::size_t count, const std::uint32_t *mask, std::size_t mask_words) {
        Sampled sampled{HR_NO_TOKEN, 0.0f};
        detail::call(hr_sampler_sample_f32, get(), logits, count, mask, mask_words, &sampled.token, &sampled.logprob);
        return sampled;
    }

    // As sample(), for half precision and bfloat16 given by their bits.
    Sampled sample_f16(const std::uint16_t *logits, std::size_t count, const std::uint32_t *mask = nullptr,
                       std::size_t mask_words = 0) {
        Sampled sampled{HR_NO_TOKEN, 0.0f};
        detail::call(hr_sampler_sample_f16, get(), logits, count, mask, mask_words, &sampled.token, &sampled.logprob);
        return sampled;
    }
    Sampled sample_bf16(const std::uint16_t *logits, std::size_t count, const std::uint32_t *mask = nullptr,
                        std::size_t mask_words = 0) {
        Sampled sampled{HR_NO_TOKEN, 0.0f};
        detail::call(hr_sampler_sample_bf16, get(), logits, count, mask, mask_words, &sampled.token, &sampled.logprob);
        return sampled;
    }

    // Replaces logits by the logarithms of the final probabilities.
    void apply(std::vector<float> &logits) {
        const std::uint32_t *no_mask = nullptr;
        detail::call(hr_sampler_apply_f32, get(), logits.data(), logits.size(), no_mask, std::size_t{0});
    }
    void apply(std::vector<float> &logits, const std::vector<std::uint32_t> &mask) {
        detail::call(hr_sampler_apply_f32, get(), logits.data(), logits.size(), mask.data(), mask.size());
    }

    // As apply(), for half precision and bfloat16 given by their bits.
    void apply_f16(std::uint16_t *logits, std::size_t count, const std::uint32_t *mask = nullptr, std::size_t mask_words = 0) {
        detail::call(hr_sampler_apply_f16, get(), logits, count, mask, mask_words);
    }
    void apply_bf16(std::uint16_t *logits, std::size_t count, const std::uint32_t *mask = nullptr, std::size_t mask_words = 0) {
        detail::call(hr_sampler_apply_bf16, get(), logits, count, mask, mask_words);
    }

    void accept(std::uint32_t token) { detail::call(hr_sampler_accept, get(), token); }
    void rollback(std::size_t tokens) { detail::call(hr_sampler_rollback, get(), tokens); }
    void reset() { detail::call(hr_sampler_reset, get()); }
    std::size_t position() const noexcept { return hr_sampler_position(handle_.get()); }

    hr_sampler *get() noexcept { return handle_.get(); }

private:
    detail::Owned<hr_sampler, hr_sampler_free> handle_;
};

// Draws a token for samplers[i] from row i of logits, columns each, under row i of masks. masks may
// be NULL with mask_words 0. The first row that fails throws.
inline std::vector<Sampled> sample_batch(const std::vector<Sampler *> &samplers, const float *logits, std::size_t columns,
                                         const std::uint32_t *masks = nullptr, std::size_t mask_words = 0,
                                         std::size_t threads = 1) {
    const auto handles = detail::handles<hr_sampler>(samplers);
    std::vector<std::uint32_t> tokens(handles.size());
    std::vector<float> logprobs(handles.size());
    hr_error **no_row_errors = nullptr;
    detail::call(hr_samplers_sample_f32, handles.data(), handles.size(), logits, columns, columns, masks, mask_words,
                 mask_words, threads, tokens.data(), logprobs.data(), no_row_errors);
    std::vector<Sampled> drawn;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        drawn.push_back(Sampled{tokens[i], logprobs[i]});
    }
    return drawn;
}

// The log-probability of a token as the model gave it, and the most probable tokens.
struct Logprobs {
    float logprob;
    std::vector<hr_token_logprob> top;
};

inline Logprobs logprobs(const std::vector<float> &logits, std::uint32_t token, std::size_t top = 0) {
    Logprobs found{0.0f, std::vector<hr_token_logprob>(top < logits.size() ? top : logits.size())};
    std::size_t written = 0;
    detail::call(hr_logprobs_f32, logits.data(), logits.size(), token, &found.logprob, found.top.data(), found.top.size(),
                 &written);
    found.top.resize(written);
    return found;
}

// Sampling parameters as another API spells them in JSON. Options that it gives point into it.
class Parameters {
    detail::Owned<hr_parameters, hr_parameters_free> handle_;

public:
    Parameters(hr_parameter_api api, std::string_view json) {
        handle_.reset(detail::made<hr_parameters>(hr_parameters_from_json, api, json.data(), json.size()));
    }
    // For a Sampler, after changes where wanted.
    hr_sampler_options sampler_options() const {
        hr_sampler_options options = default_sampler_options();
        detail::call(hr_parameters_get_sampler_options, get(), &options);
        return options;
    }
    bool has_seed() const noexcept { return hr_parameters_has_seed(get()); }
    std::size_t completions() const noexcept { return hr_parameters_completions(get()); }
    // The least and the greatest number of tokens of prompt and output together; 0 is no limit.
    std::pair<std::size_t, std::size_t> lengths() const noexcept {
        std::size_t least = 0, most = 0;
        hr_parameters_lengths(get(), &least, &most);
        return {least, most};
    }
    // The number of the most probable tokens to report beside each token, if any report was asked
    // for.
    std::optional<std::size_t> logprobs() const noexcept {
        std::size_t n = 0;
        return hr_parameters_logprobs(get(), &n) ? std::optional<std::size_t>(n) : std::nullopt;
    }

    std::vector<std::string> texts(hr_parameter_texts which) const {
        std::vector<std::string> all;
        hr_text text{};
        while (hr_parameters_text(get(), which, all.size(), &text)) all.emplace_back(text.data, text.len);
        return all;
    }

    // The JSON text of OpenAI's response_format, for Grammar::from_structural_tag(); empty if there
    // is none.
    std::string response_format() const {
        hr_text json{nullptr, 0};
        hr_parameters_response_format(get(), &json);
        return std::string(std::string_view(json.data, json.len));
    }
    const hr_parameters *get() const noexcept { return handle_.get(); }
};

#ifdef HR_HAS_TORCH

inline hr_model_options default_model_options() noexcept {
    hr_model_options options;
    hr_model_options_init(&options);
    return options;
}

inline hr_generation_options default_generation_options() noexcept {
    hr_generation_options options;
    hr_generation_options_init(&options);
    return options;
}

// What a model wrote, and why it ended. The figures are those of all outputs of the call.
struct Generated {
    std::string text;
    std::vector<std::uint32_t> tokens;
    hr_finish_reason finish;
    // The message of the error that ended it, for HR_FINISH_REASON_FAILED; empty otherwise.
    std::string error;
    // What the strategy found it to be worth, if it compares outputs.
    std::optional<double> score;
    hr_generation_stats stats;
};

// A language model with its vocabulary and tokenizer.
class Model {
public:
    // Receives text as it comes; returns false to end the generation.
    using OnText = std::function<bool(std::string_view)>;

    explicit Model(std::string_view path, const hr_model_options &options = default_model_options()) {
        handle_.reset(detail::made<hr_model>(hr_model_load, path.data(), path.size(), &options));
    }

    Vocabulary vocabulary() const {
        return Vocabulary(detail::made<hr_vocab>(hr_model_vocab, get()));
    }

    std::vector<std::uint32_t> encode(std::string_view text) const {
        return detail::collect<std::vector<std::uint32_t>>(
            [&](std::uint32_t *buffer, std::size_t capacity, std::size_t *length) {
                detail::call(hr_model_encode, get(), text.data(), text.size(), buffer, capacity, length);
            });
    }

    // Continues a prompt under a constraint. An exception thrown by on_text ends the generation and
    // comes out here.
    Generated generate(std::string_view prompt, const Constraint &constraint, std::size_t max_tokens = 512,
                       const hr_sampler_options &sampler = default_sampler_options(),
                       const OnText &on_text = nullptr) const {
        hr_generation_options options = default_generation_options();
        options.max_tokens = max_tokens;
        options.constraint = constraint.get();
        options.sampler = &sampler;
        return generate(prompt, options, on_text).at(0);
    }

    // Continues a prompt with any options; the callback among them is replaced by on_text. One
    // result for each output.
    std::vector<Generated> generate(std::string_view prompt, hr_generation_options options,
                                    const OnText &on_text = nullptr) const {
        Listener listener{on_text, nullptr};
        options.on_text = on_text ? Listener::call : nullptr;
        options.user_data = &listener;
        const hr_generation_options *given = &options;
        const detail::Owned<hr_generation, hr_generation_free> generation(
            detail::made<hr_generation>(hr_generate, get(), prompt.data(), prompt.size(), given));
        if (listener.thrown) {
            std::rethrow_exception(listener.thrown);
        }
        const hr_generation *result = generation.get();
        std::vector<Generated> outputs(hr_generation_count(result));
        for (std::size_t index = 0; index < outputs.size(); ++index) {
            Generated &output = outputs[index];
            std::size_t length = 0;
            const char *text = hr_generation_text(result, index, &length);
            output.text.assign(text, length);
            output.tokens = detail::collect<std::vector<std::uint32_t>>(
                [&](std::uint32_t *buffer, std::size_t capacity, std::size_t *count) {
                    detail::call(hr_generation_tokens, result, index, buffer, capacity, count);
                });
            output.finish = hr_generation_finish_reason(result, index);
            hr_error *error = nullptr;
            if (hr_generation_error(result, index, &error) != HR_OK) {
                const detail::Owned<hr_error, hr_error_free> owned(error);
                output.error = hr_error_message(owned.get());
            }
            double score = 0;
            if (hr_generation_score(result, index, &score)) {
                output.score = score;
            }
            hr_generation_stats_init(&output.stats);
            detail::call(hr_generation_get_stats, result, &output.stats);
        }
        return outputs;
    }

    const hr_model *get() const noexcept { return handle_.get(); }

private:
    // No exception may pass through C: it is kept here.
    struct Listener {
        const OnText &on_text;
        std::exception_ptr thrown;

        static std::int32_t call(void *user_data, const char *text, std::size_t length) {
            auto *listener = static_cast<Listener *>(user_data);
            try {
                return listener->on_text(std::string_view(text, length)) ? 0 : 1;
            } catch (...) {
                listener->thrown = std::current_exception();
                return 1;
            }
        }
    };

    detail::Owned<hr_model, hr_model_free> handle_;
};

#endif // HR_HAS_TORCH

} // namespace hedgerow

#endif // HEDGEROW_HPP
