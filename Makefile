# Set-up is part of each target: on a fresh machine `make demo` or `make test` is all there is to do.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check bench build format clean

demo: .venv/installed
	$(BIN)/python -m examples.demo

# With COVERAGE=1, slower, they also tell the share of each file's lines that they ran.
test: .venv/installed-dev
	$(BIN)/python -m pytest -n auto --dist worksteal \
		$(if $(COVERAGE),--cov --cov-report=term:skip-covered)

check: .venv/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/installed-dev
	$(BIN)/python -m benchmarks.run all

# After a change of a compiled file; otherwise the old one goes on being used.
build: .venv/installed-dev
	$(BIN)/python setup.py -q build_ext --inplace

format: .venv/installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf build demo-data .venv *.egg-info
	find . -name '*.so' -not -path './.venv/*' -delete

.venv/bin/python:
	$(PYTHON) -m venv .venv

# The answer path is compiled here if a C compiler is found; all works without.
.venv/installed: .venv/bin/python pyproject.toml setup.py
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

.venv/installed-dev: .venv/bin/python pyproject.toml setup.py
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@ .venv/installed
