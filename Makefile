# Each target makes .venv by itself; PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= python3
BIN := .venv/bin
# Most tests compile quickly (tests/conftest.py); those of the authors' numbers as users compile.
OPTIMISED := --xla_backend_optimization_level=3 --xla_llvm_disable_expensive_passes=false
NUMBERS := $(addprefix tests/,full_reference no_reference reduced_reference)
PYTEST = $(BIN)/python -m pytest -q -n 2 --dist worksteal

.PHONY: demo test lint bench accelerators clean

demo: .venv/demo.stamp
	$(BIN)/jiqa demo --output demo

test: .venv/test.stamp
	$(PYTEST) tests jiqa $(addprefix --ignore=,$(NUMBERS))
	XLA_FLAGS="$(OPTIMISED)" $(PYTEST) $(NUMBERS)

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/bench.stamp
	$(BIN)/python benchmarks/import_time.py
	$(BIN)/python benchmarks/handcrafted.py
	$(BIN)/python benchmarks/score_folder.py
	$(BIN)/python benchmarks/ssim.py

accelerators: .venv/test.stamp
	$(BIN)/python benchmarks/compile_accelerators.py

clean:
	rm -rf .venv .venv-* demo

.venv/demo.stamp: EXTRAS = image,report
.venv/test.stamp: EXTRAS = test
.venv/bench.stamp: EXTRAS = bench,image
.venv/%.stamp: pyproject.toml | .venv
	$(BIN)/python -m pip install --quiet --editable '.[$(EXTRAS)]'
	touch $@

.venv:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
