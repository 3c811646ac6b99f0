# `make help` lists what can be asked for. Everything installed or made lies in .venv/, node_modules/ and var/.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FRONTEND := webapp/frontend
BUILD := webapp/static/build
N ?= 200
.DEFAULT_GOAL := help

.PHONY: help
help: ## list every target
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- stamps: each is made once and again when what it was made from has changed -----------------
$(VENV)/.installed: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

$(FRONTEND)/node_modules/.installed: $(FRONTEND)/package.json $(FRONTEND)/package-lock.json $(FRONTEND)/.npmrc
	cd $(FRONTEND) && npm ci --loglevel=error
	@touch $@

$(BUILD)/manifest.json: $(FRONTEND)/node_modules/.installed $(FRONTEND)/build.js $(wildcard $(FRONTEND)/src/*)
	cd $(FRONTEND) && node build.js
	@touch $@

.PHONY: install
install: $(VENV)/.installed $(BUILD)/manifest.json ## install pinned packages and build the browser bundle

.PHONY: run
run: install ## serve the platform with its demo organisation at http://127.0.0.1:8000
	@exec $(BIN)/bizday run

.PHONY: setup
setup: install ## once: what tests need besides (Chromium, CJK font, PostgreSQL; installed by apt as root)
	@sh .ci/setup

.PHONY: test
test: install setup ## set everything up and run every test (TESTS=… for some)
	$(BIN)/python -m webapp.extract --compile
	$(BIN)/python -m pytest $(TESTS)

.PHONY: lint
lint: install ## ruff, the rules of the house, and our own lint over processes/
	$(BIN)/ruff check engine webapp tests benchmarks processes
	$(BIN)/python -m pytest tests/webapp/test_house.py
	$(BIN)/python -m webapp.cli lint processes/*

$(VENV)/.peers: $(VENV)/.installed benchmarks/peers.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r benchmarks/peers.txt
	@touch $@

.PHONY: bench
bench: install $(VENV)/.peers ## measure, beside the peers, and write var/bench.json
	@mkdir -p var
	$(BIN)/python -m benchmarks --out var/bench.json

.PHONY: fuzz
fuzz: install ## N=… random models and moves against the engine's promises
	FUZZ=$(N) $(BIN)/python -m pytest tests -m fuzz

.PHONY: translations
translations: install ## extract sentences, merge them into the catalogues, compile
	$(BIN)/python -m webapp.extract

.PHONY: screenshots
screenshots: install ## make the README's two pictures
	$(BIN)/python -m tests.browser.screenshots

.PHONY: bundle
bundle: $(BUILD)/manifest.json ## build the browser bundle

.PHONY: lock
lock: ## pin npm packages again after package.json changed
	cd $(FRONTEND) && npm run lock

.PHONY: clean
clean: ## remove what was installed and built; var/ stays
	rm -rf $(VENV) $(FRONTEND)/node_modules $(BUILD) .pytest_cache .ruff_cache
