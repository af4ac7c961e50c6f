// Keeps a model's output inside a JSON Schema. There is no model here: the logits are made up. What is real is the loop around
// them: fill a mask, apply it, sample, advance; try something on a fork; take a step back.
//
//     c++ -std=c++17 mask_logits.cpp $(pkg-config --cflags --libs hedgerow)
//     ./a.out data/tiny.tokenizer.json data/recipe.schema.json
//
// mask_logits.rs and mask_logits.c tell the same story and print the same text.
#include <hedgerow.hpp>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

std::string read_file(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        throw std::runtime_error("cannot open " + path);
    }
    return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

// What a model would give: numbers that depend on the position and the token.
void make_up_logits(std::vector<float> &logits, std::size_t position) {
    for (std::size_t i = 0; i < logits.size(); i++) {
        logits[i] = static_cast<float>((i * 7919 + position * 104729) % 1000) / 100.0f;
    }
}

void run(const std::string &tokenizer, const std::string &schema) {
    // A vocabulary and a grammar make a constraint.
    const auto vocabulary = hedgerow::Vocabulary::from_tokenizer_json(read_file(tokenizer));
    auto schema_options = hedgerow::default_schema_options();
    schema_options.whitespace = HR_WHITESPACE_COMPACT;
    const auto grammar = hedgerow::Grammar::from_json_schema(read_file(schema), schema_options);
    const hedgerow::Constraint constraint(grammar, vocabulary);

    hedgerow::Matcher matcher(constraint);
    auto sampler_options = hedgerow::default_sampler_options();
    sampler_options.temperature = 0.8f;
    sampler_options.top_k = 5;
    sampler_options.seed = 7;
    hedgerow::Sampler sampler(sampler_options);

    std::vector<float> logits(vocabulary.size());
    std::vector<std::uint32_t> mask(vocabulary.mask_words());
    std::vector<std::uint32_t> tokens;
    std::size_t forced_in_all = 0;

    while (!matcher.is_stopped() && tokens.size() < 900) {
        // Where there is only one way on, no model needs to be asked.
        const auto forced = matcher.forced_tokens();
        for (const auto token : forced) {
            matcher.advance(token);
            sampler.accept(token);
            tokens.push_back(token);
        }
        forced_in_all += forced.size();
        if (!forced.empty()) {
            continue;
        }

        make_up_logits(logits, tokens.size());
        matcher.fill_mask(mask);
        const auto token = sampler.sample(logits, mask).token;

        // On a fork, anything may be tried.
        auto fork = matcher.fork();
        if (!fork.advance(token)) {
            throw std::logic_error("the mask allowed a token that the matcher does not");
        }

        // And a step can be taken back.
        matcher.advance(token);
        matcher.rollback(1);
        matcher.advance(token);
        sampler.accept(token);
        tokens.push_back(token);
    }

    std::cout << vocabulary.decode(tokens) << "\n"
              << tokens.size() << " tokens, " << forced_in_all << " of them forced\n";
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 3) {
        std::cerr << "usage: " << argv[0] << " TOKENIZER_JSON SCHEMA\n";
        return 2;
    }
    try {
        run(argv[1], argv[2]);
    } catch (const std::exception &error) {
        std::cerr << "error: " << error.what() << "\n";
        return 1;
    }
    return 0;
}
