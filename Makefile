# Two commands do everything on a machine that has Python 3.11 to 3.13 and make:
#   make run    one whole round of the flywheel, into ./lake
#   make test   every check
# Both build the environment in .venv first, once.

.DEFAULT_GOAL := help
.PHONY: help install run test test-browser test-sandbox vllm test-vllm lint format clean
SHELL := /bin/sh

BIN := .venv/bin
STAMP := .venv/.evolens-installed
UV_VERSION := 0.13.9

# The server's environment: cpu, or gpu where there are NVIDIA GPUs (make vllm VLLM=gpu).
VLLM ?= cpu
VLLM_STAMP := .venv-vllm/.evolens-$(VLLM)
VLLM_NEEDS := requirements/vllm-$(VLLM).txt requirements/vllm-$(VLLM)-constraints.txt $(wildcard requirements/vllm-$(VLLM)-overrides.txt)

# The first of these that is a Python we support.
PYTHON ?= $(shell for p in python3 python3.12 python3.11 python3.13 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo $$p && break; done)

# Nothing reports home: these hold for the installers and for every process started here.
export DO_NOT_TRACK := 1
export HF_HUB_DISABLE_TELEMETRY := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export VLLM_NO_USAGE_STATS := 1

help:
	@echo 'make run     one whole round of the flywheel, into ./lake'
	@echo 'make test    every check: tests, ruff, mypy, floors'
	@echo 'make vllm    the environment of the vLLM server, in .venv-vllm (VLLM=gpu for NVIDIA GPUs)'
	@echo 'make test-vllm  the checks that need that server'
	@echo 'make test-sandbox  the whole escape suite, as this user and, for root, as nobody; needs bubblewrap'
	@echo 'make test-browser  a person at the Prefect UI, played in a browser; needs chromium'
	@echo 'make lint    only ruff, mypy and the floors'
	@echo 'make format  rewrite the code in the house style'
	@echo 'make clean   remove the environment and the caches; never the lake'

install: $(STAMP)

# uv resolves: plain pip can pair torch with a torchvision that does not import (missing operator torchvision::nms).
$(STAMP): pyproject.toml requirements/core.txt requirements/dev.txt requirements/constraints.txt
	@test -n "$(PYTHON)" || { echo 'evolens needs Python 3.11, 3.12 or 3.13: none is on PATH (or say make PYTHON=/path/to/python)' >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { \
		rm -rf .venv; echo 'could not make .venv (on Debian and Ubuntu: apt install python3-venv)' >&2; exit 1; }
	@test -x $(BIN)/uv || { \
		{ $(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null; } && \
		$(BIN)/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION); }
	UV_HTTP_TIMEOUT=300 $(BIN)/uv pip install --compile-bytecode --python $(BIN)/python \
		-r requirements/core.txt -r requirements/dev.txt -c requirements/constraints.txt
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps -e .
	@$(BIN)/python -c 'import torchvision' || { echo 'torchvision does not import: remove .venv and try again' >&2; exit 1; }
	@touch $@

run: $(STAMP)
	$(BIN)/evolens run

test: $(STAMP)
	$(BIN)/python -m pytest

# A server, a browser, and small rounds that are started, looked at, scheduled and cancelled: some minutes.
test-browser: $(STAMP)
	$(BIN)/python -m pytest -m browser tests/browser

# make test runs the attacks that end at once; this runs them all, and shows that each works without the sandbox.
test-sandbox: $(STAMP)
	EVOLENS_SANDBOX=all $(BIN)/python -m pytest tests/sandbox

# vLLM has an environment of its own: its fastapi range excludes Prefect's. The core environment brings uv.
vllm: $(VLLM_STAMP)

$(VLLM_STAMP): $(VLLM_NEEDS) | $(STAMP)
	$(BIN)/uv venv -q --clear --python $(BIN)/python .venv-vllm
	UV_HTTP_TIMEOUT=300 $(BIN)/uv pip install --compile-bytecode --python .venv-vllm/bin/python -r requirements/vllm-$(VLLM).txt \
		-c requirements/vllm-$(VLLM)-constraints.txt $(addprefix --override ,$(filter %-overrides.txt,$(VLLM_NEEDS)))
	@touch $@

test-vllm: $(STAMP) $(VLLM_STAMP)
	$(BIN)/python -m pytest -m vllm tests/vllm

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .venv-vllm .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
