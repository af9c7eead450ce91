# Set-up is part of each target: on a fresh machine `make demo` or `make test` is all there is to do.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check bench build dist deb format clean

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

# A source distribution, and a wheel of it, compiled where it can be.
dist: .venv/installed-dev
	rm -rf build/dist
	$(BIN)/python -m build --outdir build/dist

# A Debian package for the python3 of this machine: docs/decisions/0020-a-debian-package-that-brings-its-own.md.
DEB := build/deb/csid
deb:
	rm -rf build/deb
	mkdir -p $(DEB)
	git ls-files -z | xargs -0 cp --parents -t $(DEB)
	cp -r gateway/packaging/debian $(DEB)/debian
	sed -n 's/^version = "\(.*\)"/csid (\1) unstable; urgency=medium\n\n  * CHANGELOG.md\n/p' pyproject.toml >$(DEB)/debian/changelog
	echo " -- csid <csid@localhost>  $$(git log -1 --format=%cD)" >>$(DEB)/debian/changelog
	cd $(DEB) && dpkg-buildpackage --build=binary --no-sign

format: .venv/installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf build demo-data .venv .venv-servers *.egg-info
	find . -name '*.so' -not -path './.venv/*' -delete

.venv/bin/python:
	@echo '.venv is made, once; nothing outside this folder is changed 首次运行，准备环境 ...'
	@if $(PYTHON) -m pip --python $(PYTHON) --version >/dev/null 2>&1; \
	then $(PYTHON) -m venv --without-pip .venv; else $(PYTHON) -m venv .venv; fi

# A pip that is here already saves the seconds it takes to put one into each environment.
PIP := pip() { if [ -e $(BIN)/pip ]; then $(BIN)/python -m pip "$$@"; \
	else $(PYTHON) -m pip --python $(BIN)/python "$$@"; fi; }; \
	pip install --quiet --disable-pip-version-check

# What runs and no more: nothing is compiled, neither C nor, before it is used, Python.
.venv/installed: .venv/bin/python pyproject.toml setup.py
	@export CSID_PURE=1; $(PIP) --no-compile -e .
	@touch $@

# The answer path is compiled here if a C compiler is found; all works without.
.venv/installed-dev: .venv/bin/python pyproject.toml setup.py
	@$(PIP) -e '.[dev]'
	touch $@ .venv/installed
