# The Python package: its wheel, and its tests in an environment of their own under .deps/.

PYTHON_VENV := .deps/python-venv
PYTHON_STAMP := $(PYTHON_VENV)/.requirements
PYTHON_BIN := $(PYTHON_VENV)/bin
# An environment with torch, transformers, vLLM and SGLang for the CPU: about 3 GB.
ENGINES_VENV := .deps/python-torch

.PHONY: python python-test python-engines structural-tags

$(PYTHON_STAMP): bindings/python/tests/requirements.txt
	test -x $(PYTHON_BIN)/python || $(PYTHON) -m venv $(PYTHON_VENV)
	$(PYTHON_BIN)/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

python: $(PYTHON_STAMP) ## build the Python wheel into target/wheels
	$(PYTHON_BIN)/maturin build --release --manifest-path bindings/python/Cargo.toml --out target/wheels

python-test: $(PYTHON_STAMP) ## build and test the Python package, and check its stubs
	. $(PYTHON_BIN)/activate && maturin develop --quiet --skip-install --manifest-path bindings/python/Cargo.toml
	cd bindings/python && PYTHONPATH=python $(abspath $(PYTHON_BIN))/python -m pytest -q -rs tests
	cd bindings/python && $(abspath $(PYTHON_BIN))/ruff format --check . && $(abspath $(PYTHON_BIN))/ruff check .
	cd bindings/python && MYPYPATH=python $(abspath $(PYTHON_BIN))/mypy --strict -p hedgerow
	cd bindings/python && MYPYPATH=python PYTHONPATH=python $(abspath $(PYTHON_BIN))/stubtest --mypy-config-file pyproject.toml hedgerow._core

python-engines: $(PYTHON_STAMP) ## test the Python package with torch, transformers, vLLM and SGLang (3 GB)
	. $(PYTHON_BIN)/activate && maturin develop --quiet --skip-install --manifest-path bindings/python/Cargo.toml
	$(PYTHON) bindings/python/tests/torch_cpu.py $(ENGINES_VENV) engines
	cd bindings/python && PYTHONPATH=python $(abspath $(ENGINES_VENV))/bin/python -m pytest -q -rs tests/test_arrays.py \
		tests/test_hf.py tests/test_vllm.py tests/test_sglang.py tests/test_llama_cpp.py tests/test_compat.py \
		tests/test_masks.py tests/test_docs.py

structural-tags: ## record what XGrammar reads of random structural tags (needs make python-engines)
	$(ENGINES_VENV)/bin/python tests/structural_tags/record.py --formats 500 > tests/structural_tags/xgrammar.jsonl
