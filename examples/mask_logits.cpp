// Keeps a model's output inside a JSON Schema. The logits are made up, since there is no model
// here, but the loop around them is real: fill a mask, apply it, sample, advance, try a token on a
// fork, roll back a step.
//
//     c++ -std=c++17 mask_logits.cpp $(pkg-config --cflags --libs hedgerow)
//     ./a.out data/tiny.tokenizer.json data/recipe.schema.json
//
// mask_logits.rs, mask_logits.c and mask_logits.py do the same and print the same text.
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

// Fills in the logits of a model: numbers that depend on the position and the token.
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
        // If only one continuation is possible, the model need not be asked.
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

        // A fork can be advanced without changing the matcher.
        auto fork = matcher.fork();
        if (!fork.advance(token)) {
            throw std::logic_error("the mask allowed a token that the matcher does not");
        }

        // A step can be rolled back.
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
