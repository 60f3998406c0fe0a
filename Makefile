# make demo   everything set up, a message answered before your eyes, the service running
# make install the program, in .venv/bin
# make test   style, types, import directions, and all tests, with real servers
# make guide  the screenshots of docs/guide.*.md, from the real panel
# make bench  speed against Dovecot with Pigeonhole, in the same run; then the panel and the API
# make bench-growth  the cost of a message, from a thousand to ten million responders
# make soak   half of what it can take, for 20 minutes: does anything grow?

PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
# Two at a time: most tests wait for servers. A file stays together, with its servers.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help install demo test lint bench bench-growth soak guide migrations lock packages clean

help:
	@sed -n 's/^# make /make /p' Makefile

install: $(VENV)/run

demo: $(VENV)/run
	$(BIN)/repondeur demo

test: packages lint
	$(PYTEST)

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: packages $(VENV)/dev
	$(BIN)/python -m bench
	$(BIN)/python -m bench web
	$(BIN)/python -m bench web --engine postgresql

bench-growth: packages $(VENV)/dev
	$(BIN)/python -m bench growth

soak: packages $(VENV)/dev
	$(BIN)/python -m bench soak --minutes 20

# Chromium writes dates as its own language does, which it takes from the environment.
guide: $(VENV)/dev
	@tools/packages chromium-l10n
	$(BIN)/python -m tests.browser.guide

# The servers that tests and benchmarks start, from Debian.
packages:
	@tools/packages

migrations: $(VENV)/dev
	DJANGO_SETTINGS_MODULE=tests.django_settings $(BIN)/python -m django makemigrations store

lock: $(VENV)/uv
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate \
		--no-header --no-emit-index-url pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate \
		--no-header --no-emit-index-url --group dev -c requirements.lock pyproject.toml \
		-o requirements-dev.lock

# What the service needs to run.
$(VENV)/run: $(VENV)/uv requirements.lock pyproject.toml
	$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps -e .
	@touch $@

# The same, and what tests need.
$(VENV)/dev: $(VENV)/run requirements-dev.lock
	$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements-dev.lock
	@touch $@

# uv itself, by pip, in the environment of the project.
$(VENV)/uv:
	@tools/python $(VENV) $(PYTHON)
	@touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
