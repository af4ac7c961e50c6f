// Lets a real model fill in a JSON Schema, and prints the text as it is generated.
//
//     c++ -std=c++17 generate.cpp $(pkg-config --cflags --libs hedgerow)
//     ./a.out MODEL SCHEMA PROMPT
//
// Needs a library with language models: make install CAPI_FEATURES=torch.
// generate.rs and generate.c do the same and print the same text.
#include <hedgerow.hpp>

#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

std::string read_file(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        throw std::runtime_error("cannot open " + path);
    }
    return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

void run(const std::string &path, const std::string &schema, const std::string &prompt) {
    const hedgerow::Model model(path);
    const auto grammar = hedgerow::Grammar::from_json_schema(read_file(schema));
    const hedgerow::Constraint constraint(grammar, model.vocabulary());

    auto sampler = hedgerow::default_sampler_options();
    sampler.temperature = 0.0f;
    const auto generated = model.generate(prompt, constraint, 512, sampler, [](std::string_view text) {
        std::cout << text << std::flush;
        return true;
    });
    std::cout << '\n';
    std::cerr << generated.stats.completion_tokens << " tokens, " << generated.stats.forced_tokens
              << " of them forced, in " << generated.stats.forward_passes << " forward passes\n";
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 4) {
        std::cerr << "usage: generate MODEL SCHEMA PROMPT\n";
        return 2;
    }
    try {
        run(argv[1], argv[2], argv[3]);
    } catch (const std::exception &error) {
        std::cerr << "error: " << error.what() << '\n';
        return 1;
    }
    return 0;
}
