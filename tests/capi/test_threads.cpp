// One constraint with many threads. Each runs its own matcher and must see the masks that a single
// thread sees.
#include <hedgerow.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace {

using Masks = std::vector<std::vector<std::uint32_t>>;

// The masks before each token of one output, and after the last.
Masks walk(const hedgerow::Constraint &constraint, const hedgerow::Vocabulary &vocabulary, const std::string &output) {
    Masks masks;
    hedgerow::Matcher matcher(constraint);
    for (const auto token : vocabulary.spell(output)) {
        masks.emplace_back(vocabulary.mask_words());
        matcher.fill_mask(masks.back());
        if (!matcher.advance(token)) {
            std::fprintf(stderr, "%s was refused\n", output.c_str());
            std::exit(1);
        }
    }
    masks.emplace_back(vocabulary.mask_words());
    matcher.fill_mask(masks.back());
    return masks;
}

// True if work that would take minutes ends when another thread sets the flag.
template <typename Work> bool is_cancelled(const hedgerow::CancelFlag &flag, Work work) {
    hr_status status = HR_OK;
    flag.clear();
    std::thread worker([&] {
        try {
            work();
        } catch (const hedgerow::Error &error) {
            status = error.status();
        }
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    flag.set();
    worker.join();
    return status == HR_ERROR_CANCELLED;
}

} // namespace

std::string_view version_seen_by_second_unit();

int main() {
    if (version_seen_by_second_unit() != hedgerow::version()) {
        return 1;
    }
    std::vector<std::string> tokens;
    for (int byte = 0; byte < 256; byte++) {
        tokens.emplace_back(1, static_cast<char>(byte));
    }
    for (const char *text : {"{\"", "\":", "ab", "true", "null", "[[", "]]", ", ", "</s>"}) {
        tokens.emplace_back(text);
    }
    const auto end = static_cast<std::uint32_t>(tokens.size() - 1);
    const auto vocabulary = hedgerow::Vocabulary::from_tokens(tokens, {{"</s>", end}}, {end});
    const std::vector<std::string> outputs = {
        R"({"ab": [[true, null], [1.5e3]]})",
        R"([[], {}, "ab\u0041", -0.1])",
        R"({"a": {"b": {"c": "ab"}}})",
        "true",
    };

    const auto grammar = hedgerow::Grammar::from_json_schema("true");
    std::vector<Masks> expected;
    for (const auto &output : outputs) {
        expected.push_back(walk(hedgerow::Constraint(grammar, vocabulary), vocabulary, output));
    }
    const hedgerow::Constraint shared(grammar, vocabulary);
    std::vector<std::thread> threads;
    std::vector<int> wrong(8, 0);
    for (std::size_t t = 0; t < wrong.size(); t++) {
        threads.emplace_back([&, t] {
            for (std::size_t round = 0; round < 20; round++) {
                const auto i = (t + round) % outputs.size();
                wrong[t] += walk(shared, vocabulary, outputs[i]) != expected[i];
            }
        });
    }
    for (auto &thread : threads) {
        thread.join();
    }
    {
        hedgerow::Matcher matcher(shared);
        std::vector<std::uint32_t> masks;
        const auto text = vocabulary.spell("[[");
        const auto allowed = matcher.mask_draft_tree({text[0], text[0], '}'}, {-1, 0, 1}, masks, vocabulary.mask_words());
        hedgerow::Matcher other(shared);
        std::vector<std::uint32_t> mask(vocabulary.mask_words());
        other.advance(text[0]);
        other.fill_mask(mask);
        const bool equal = std::equal(mask.begin(), mask.end(), masks.begin());
        const auto before = matcher.state_id();
        if (allowed != std::vector<bool>{true, true, false} || !equal || before == other.state_id() ||
            !other.completion() || hedgerow::Matcher(shared).state_id() != before) {
            std::fprintf(stderr, "a draft tree went wrong\n");
            return 1;
        }
    }
    {
        // In a text, the name of a special token stands for the token.
        auto named = tokens;
        named.emplace_back();
        const auto call = static_cast<std::uint32_t>(named.size() - 1);
        const auto special = hedgerow::Vocabulary::from_tokens(named, {{"</s>", end}, {"<|call|>", call}}, {end});
        const auto tag = hedgerow::Grammar::from_structural_tag(
            R"({"format": {"begin": "<|call|>", "end": "!", "content": {"type": "any_text", "role": "reasoning"}}})");
        const hedgerow::Constraint constraint(tag, special);
        hedgerow::Matcher matcher(constraint);
        hedgerow::Events events(constraint);
        const bool is_plain = matcher.advance_bytes("<|call|>Hm.!") || events.advance_bytes("<|call|>Hm.!");
        const bool is_read = matcher.advance_text("<|call|>Hm.!") && events.advance_text("<|call|>Hm.!");
        std::string reasoning;
        for (const auto &event : events.last()) {
            reasoning += event.kind == HR_EVENT_KIND_REASONING ? event.text : "";
        }
        if (is_plain || !is_read || !matcher.is_accepting() || matcher.output_len() != 2 || reasoning != "Hm.") {
            std::fprintf(stderr, "a text with a special token went wrong: %s\n", reasoning.c_str());
            return 1;
        }
    }
    {
        // The wrappers around calls that take many rows, and around statistics.
        const auto words = vocabulary.mask_words();
        hedgerow::Matcher first(shared), second(shared);
        const auto opening = vocabulary.spell("[[");
        if (second.advance_all({opening[0], 'x', '}'}) != 1 || second.allowed_tokens().empty()) {
            std::fprintf(stderr, "several tokens went wrong\n");
            return 1;
        }
        std::vector<std::uint32_t> masks(2 * words), mask(words);
        hedgerow::fill_masks({&first, &second}, masks.data(), words, 2);
        second.fill_mask(mask);
        std::vector<float> logits(2 * vocabulary.size(), 1.0f), row(vocabulary.size(), 1.0f);
        hedgerow::mask_logits(logits.data(), 2, vocabulary.size(), masks.data(), words);
        hedgerow::mask_logits(row, mask);
        std::vector<std::uint16_t> halves(vocabulary.size(), 0x3c00);
        halves['['] = 0x4000;
        hedgerow::Sampler sampler;
        const auto logprob = sampler.sample_f16(halves.data(), halves.size(), mask.data(), words).logprob;
        halves.assign(halves.size(), 0xff80);
        halves['['] = 0x3f80;
        const auto only = sampler.sample_bf16(halves.data(), halves.size(), mask.data(), words);
        if (!std::equal(mask.begin(), mask.end(), masks.begin() + static_cast<std::ptrdiff_t>(words)) ||
            !std::equal(row.begin(), row.end(), logits.begin() + static_cast<std::ptrdiff_t>(vocabulary.size())) ||
            !(logprob < 0) || only.token != '[' || shared.stats().states == 0 || !hedgerow::abi_matches() ||
            hedgerow::Grammar::from_json_schema(R"({"typ": 1})").warnings().size() != 1) {
            std::fprintf(stderr, "a wrapper went wrong\n");
            return 1;
        }
        // Rows in another order, a batch of samplers, log-probabilities.
        std::vector<std::uint32_t> turned(2 * words);
        hedgerow::fill_masks({&second, &first}, {1, 0}, turned.data(), words);
        hedgerow::Sampler other;
        const auto drawn = hedgerow::sample_batch({&sampler, &other}, logits.data(), vocabulary.size(), masks.data(), words, 2);
        const auto again = sampler.sample(logits.data(), vocabulary.size(), masks.data(), words);
        const auto probable = hedgerow::logprobs({0.0f, 1.0f, 0.5f}, 0, 2);
        bool refused = false;
        try {
            hedgerow::fill_masks({&first, &second}, {0}, turned.data(), words);
        } catch (const std::invalid_argument &) {
            refused = true;
        }
        if (turned != masks || drawn.size() != 2 || drawn[0].token != again.token || !refused || probable.top.size() != 2 ||
            probable.top[0].token != 1 || !(probable.logprob < probable.top[1].logprob)) {
            std::fprintf(stderr, "a batch went wrong\n");
            return 1;
        }
        std::vector<std::uint16_t> half{0x3c00, 0xfc00}, brain{0x3f80, 0xff80};
        sampler.apply_f16(half.data(), half.size());
        sampler.apply_bf16(brain.data(), brain.size());
        hedgerow::Detokenizer text(vocabulary, {"]]"});
        auto fork = text.fork();
        std::string shown;
        for (const std::uint32_t token : {'a', ']', ']', 'a'}) {
            shown += text.push(token);
        }
        auto rest = fork.push(']');
        rest += fork.finish();
        if (half != std::vector<std::uint16_t>{0, 0xfc00} || brain != std::vector<std::uint16_t>{0, 0xff80} || shown != "a" ||
            !text.ended() || text.stop_text() != "]]" || text.end_token() || rest != "]" || fork.text() != "]" ||
            !fork.ended() || fork.stop_text()) {
            std::fprintf(stderr, "a text went wrong\n");
            return 1;
        }
    }
    {
        // A cache that threads share makes each constraint once. Exceptions pass through it.
        const hedgerow::Cache cache(9);
        std::atomic<int> made{0};
        std::vector<std::thread> askers;
        for (int t = 0; t < 8; t++) {
            askers.emplace_back([&] {
                const auto constraint = cache.get("true", [&] {
                    made++;
                    return hedgerow::Constraint(grammar, vocabulary);
                });
                made += walk(constraint, vocabulary, outputs[0]) != expected[0];
            });
        }
        for (auto &asker : askers) {
            asker.join();
        }
        int thrown = 0;
        try {
            cache.get("x", []() -> hedgerow::Constraint { throw 7; });
        } catch (const int number) {
            thrown = number;
        }
        cache.clear();
        if (made != 1 || thrown != 7 || cache.stats().hits != 7 || cache.stats().constraints != 0) {
            std::fprintf(stderr, "a cache went wrong\n");
            return 1;
        }
    }
    {
        const auto machine = hedgerow::TokenFsm(hedgerow::Constraint(hedgerow::Grammar::from_rules("root ::= \"ab\" | \"null\""), vocabulary), 99);
        const auto same = hedgerow::TokenFsm::from_bytes(machine.to_bytes());
        std::vector<std::uint32_t> mask(vocabulary.mask_words());
        same.fill_mask(0, mask);
        const auto state = same.next(0, 'a');
        const auto table = same.table();
        if (table.size() != same.state_count() * same.class_count() || table[same.token_classes()['a']] != state) {
            std::fprintf(stderr, "the table of a state machine went wrong\n");
            return 1;
        }
        if (same.state_count() != machine.state_count() || same.next(0, 'b') || !state || !same.next(*state, 'b') ||
            (mask['n' / 32] >> ('n' % 32) & 1) == 0 || same.is_accepting(*state) || same.is_stopped(*state)) {
            std::fprintf(stderr, "a state machine went wrong\n");
            return 1;
        }
    }
    {
        // Every opening bracket leads to another state, and the tokens have very many of them.
        const std::string many(2000000, '(');
        const auto nested = hedgerow::Grammar::from_rules(
            "root ::= \"x\" item* \".\"\nitem ::= \"a\" | \"(\" item* \")\" | \"[\" item* \"]\" | \"{\" item* \"}\"");
        for (const std::string unit : {"(", "[", "{", "([", "[{", "{(", "([{", "a("}) {
            std::string token;
            while (token.size() < 60000) token += unit;
            tokens.push_back(token);
        }
        const auto hostile = hedgerow::Vocabulary::from_tokens(tokens);
        const hedgerow::CancelFlag flag;
        auto limits = hedgerow::default_limits();
        limits.graph_bytes = limits.nodes = SIZE_MAX;
        auto interrupt = hedgerow::default_interrupt();
        interrupt.cancel = flag.get();
        const hedgerow::Constraint constraint(nested, hostile, limits, interrupt);
        hedgerow::Matcher matcher(constraint);
        matcher.set_interrupt(interrupt);
        matcher.advance('x');
        std::vector<std::uint32_t> mask(hostile.mask_words());
        if (!is_cancelled(flag, [&] { matcher.fill_mask(mask); }) || !is_cancelled(flag, [&] { matcher.advance_bytes(many); }) ||
            !is_cancelled(flag, [&] { hedgerow::TokenFsm(constraint, SIZE_MAX, interrupt); }) || matcher.output_len() != 1) {
            std::fprintf(stderr, "a call was not cancelled\n");
            return 1;
        }
        // The cancelled calls have not changed the matcher.
        flag.clear();
        if (!matcher.advance('a') || !matcher.advance('.') || !matcher.is_accepting()) {
            std::fprintf(stderr, "a cancelled call changed the matcher\n");
            return 1;
        }
    }
    for (const int count : wrong) {
        if (count > 0) {
            std::fprintf(stderr, "a thread saw other masks\n");
            return 1;
        }
    }

    // The parameters of another API.
    const hedgerow::Parameters parameters(
        HR_PARAMETER_API_OPEN_AI,
        R"({"model": "m", "temperature": 0, "n": 2, "stop": "END", "logprobs": true, "response_format": {"type": "json_object"}})");
    hedgerow::Sampler greedy(parameters.sampler_options());
    if (greedy.sample({0.5f, 2.0f, 1.0f}).token != 1 || parameters.completions() != 2 || parameters.has_seed()
        || parameters.texts(HR_PARAMETER_TEXTS_STOP) != std::vector<std::string>{"END"} || parameters.logprobs() != 0
        || parameters.response_format() != R"({"type":"json_object"})") {
        std::fprintf(stderr, "parameters say something else\n");
        return 1;
    }

    // Errors are exceptions with a location.
    try {
        hedgerow::Grammar::from_json_schema(R"({"items": {"minLength": "x"}})");
        return 1;
    } catch (const hedgerow::Error &error) {
        if (error.status() != HR_ERROR_GRAMMAR || !error.pointer() || error.line() != 0) {
            std::fprintf(stderr, "the error says too little: %s\n", error.what());
            return 1;
        }
    }
    std::printf("threads agree\n");
    return 0;
}
