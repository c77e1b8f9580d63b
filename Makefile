# `make` and `make test` do all the set-up that they need, once; both work offline afterwards.
PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
READY  := $(VENV)/.ready

.DEFAULT_GOAL := demo
.PHONY: help setup demo test test-long coverage lint figures claims bench peers lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

setup: $(READY) ## make .venv from requirements.lock

# In a shell of its own, so that a Python that is not there prints nothing of its own.
version = $(shell ($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])') 2>/dev/null)

$(READY): requirements.lock
	$(if $(filter 2.% 3.0 3.1 3.2 3.3 3.4 3.5 3.6 3.7 3.8 3.9 3.10 missing,$(or $(version),missing)),$(error gradnets \
	  needs Python 3.11 or later, but $(PYTHON) is $(or $(version),missing): try make PYTHON=python3.12))
	@$(PYTHON) -m venv $(VENV)
	@echo "installing the locked packages into $(VENV) (once)"
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

demo: $(READY) ## the sampled gradient of a net trained on built-in digits: table and figure (the default)
	@$(PY) grad_network.py

test: $(READY) ## the whole test suite
	@$(PY) -m pytest

test-long: $(READY) ## the suite with every fault and hostile input of tests/README.md
	@$(PY) -m pytest --long

coverage: $(READY) ## the lines that the suite does not run, without compiled kernels
	@$(PY) -m pytest --cov --cov-report=term-missing:skip-covered

lint: $(READY) ## style, mistakes, and the direction of imports
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/lint-imports --no-logo

figures: $(READY) ## redraw the gallery from real data (GRADNETS_DATA, or a download), 20 minutes
	@$(PY) figures/redraw.py

claims: $(READY) ## the ledger of all claims, from real data, 17 minutes; continues where it was interrupted
	@mkdir -p out
	@$(PY) claims.py --store out/claims.db --out figures

bench: $(READY) ## speed against the peers, as ratios; one thread
	@for subject in training networks tails sparse second_order hessians motifs large; do echo; $(PY) benchmarks/$$subject.py || exit 1; done

peers: $(READY) ## install the libraries that bench compares with (large: PyTorch)
	@$(PY) -m pip install --disable-pip-version-check --editable '.[bench]'

lock: ## pin the newest allowed versions again (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --generate-hashes --no-emit-index-url \
	  --python-version 3.11 --no-header -o requirements.lock --upgrade

clean: ## remove .venv and out
	rm -rf $(VENV) out
