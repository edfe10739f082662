# GNU make 3.81 or newer (macOS has that one). `make` alone lists what there is.
.DEFAULT_GOAL := help
.PHONY: help start test test-long coverage bench scale check check-code check-workflows build build-ApiFunction invoke \
	openapi traceability schema migrate check-database migration validate deploy lock clean clean-data FORCE

# The Python that .venv is made from: the first of these that runs, is 3.11 or newer and can make an environment.
# 3.13 is what Lambda runs. `make PYTHON=python3.12 ...` chooses, and makes .venv anew if it is of another one.
# .python-version has pyenv offer 3.13 alone, and nothing where it has none, so its versions are tried by path too.
PYTHONS = $(if $(PYTHON),"$(PYTHON)") $(foreach python,$(if $(PYTHON),$(COMMAND),$(BEST_FIRST)), \
	$(python) $(python:python%="$(or $(PYENV_ROOT),$(HOME)/.pyenv)"/versions/%*/bin/python))
COMMAND = $(if $(word 2,$(PYTHON)),,$(filter python%,$(PYTHON)))
BEST_FIRST = .venv/bin/python python3.13 python3.14 python3.12 python3.11 python3 /usr/bin/python3
USABLE = import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

# Runs a module with the first of them that is usable, for what may have to run before there is a .venv.
WITH_ANY_PYTHON = for python in $(PYTHONS); do \
		if "$$python" -c '$(USABLE)' >/dev/null 2>&1; then exec "$$python" -m $(1); fi; \
	done; \
	echo "$(if $(PYTHON),$(UNUSABLE) )Python 3.11 or newer with its venv module is needed (Debian, Ubuntu: apt install" \
		'python3 python3-venv; macOS: brew install python@3.13), or PYTHON=/path/to/one' >&2; exit 1
UNUSABLE = PYTHON=$(PYTHON) $$("$(PYTHON)" -c '$(VERSION)' 2>/dev/null || echo 'does not run').
VERSION = import sys; print("is " + sys.version.split()[0])

# A prerequisite of .venv: a Python is asked for, or the one that .venv is made from has gone, so look again.
LOOK_AGAIN := $(if $(PYTHON),FORCE,$(shell .venv/bin/python -Ic 'import pip' 2>/dev/null || echo FORCE))

# Without the PYTHON… variables of the person's shell. It ends with make, however that ends.
PYTEST = MAKE_PID=$$PPID exec .venv/bin/python -E -m pytest

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

start: .venv/installed-for-start ## serve the API on http://127.0.0.1:8000 (PORT=8001 for another), with a PostgreSQL of its own
	@MAKE_PID=$$PPID exec .venv/bin/python -m dev.start

test: .venv/installed ## run the tests on a PostgreSQL of their own (ARGS="-k refresh -x" for pytest)
	@$(PYTEST) $(ARGS)

coverage: .venv/installed ## run the tests, and fail when they run less than 97 % of backend/ (ARGS as for test)
	@$(PYTEST) --cov $(ARGS)

check: check-code check-workflows ## check style, types, which part imports which, and the workflows

check-code: .venv/installed
	@.venv/bin/ruff check backend benchmarks dev tests
	@.venv/bin/ruff format --check backend benchmarks dev tests
	@.venv/bin/mypy backend benchmarks dev tests
	@.venv/bin/lint-imports --no-cache

check-workflows: .venv/installed
	@$(IS_VALID) --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(IS_VALID) --builtin-schema custom.github-workflows-require-timeout .github/workflows/*.yml
	@$(IS_VALID) --builtin-schema vendor.dependabot .github/dependabot.yml
	@$(IS_VALID) --schemafile dev/pre-commit.schema.json .pre-commit-config.yaml
	@.venv/bin/zizmor -qq --offline --strict-collection --collect=all .github .pre-commit-config.yaml
IS_VALID = .venv/bin/check-jsonschema --quiet

openapi: .venv/installed ## write openapi.json, the contract that a test compares with what is served
	@.venv/bin/python -m dev.openapi

traceability: .venv/installed ## write docs/traceability.md, the tests of every line of the specification
	@.venv/bin/python -m tests.support.traceability

schema: .venv/installed ## write tests/migrations/schema.sql, the schema that a test compares with the migrations'
	@.venv/bin/python -m tests.migrations.schema

test-long: .venv/installed ## run the tests that take minutes
	@$(PYTEST) -m long $(ARGS)

bench: .venv/installed ## measure what is promised, against the plain way, into docs/benchmarks.md (about five minutes)
	@.venv/bin/python -m benchmarks

scale: .venv/installed ## measure with ten million tasks what gives way first, into docs/scaling.md (about five minutes, 10 GB of disk)
	@.venv/bin/python -m benchmarks.scale

build: ## make what Lambda runs in .aws-sam/build/ApiFunction (ARCH=arm64 for the other processor; needs Python 3.13)
	@$(call WITH_PYTHON_313,--arch $(or $(ARCH),x86_64))

build-ApiFunction: # what `sam build` calls, with the folder to fill in ARTIFACTS_DIR
	@$(call WITH_PYTHON_313,--arch $(or $(ARCH),x86_64) --into "$(ARTIFACTS_DIR)")

WITH_PYTHON_313 = for python in $(PYTHONS); do \
		if "$$python" -c '$(IS_313)' >/dev/null 2>&1; then exec "$$python" -m dev.bundle $(1); fi; \
	done; \
	echo 'Bundle: Python 3.13 with pip is needed, because Lambda reads no other bytecode; make build' \
		'PYTHON=/path/to/python3.13 names one' >&2; exit 1
IS_313 = import sys, pip; sys.exit(sys.version_info[:2] != (3, 13))

invoke: .venv/installed ## handle one event as Lambda would, without Docker: make invoke EVENT=events/list-tasks.json
	@.venv/bin/python -m dev.local_lambda.invoke $(EVENT)

migrate: .venv/installed-for-start ## bring the database of DATABASE_URL (or of `make start`) up to date, as its owner
	@.venv/bin/python -m dev.migrate

check-database: .venv/installed-for-start ## say what is wrong with that database, its roles and rights; changes nothing
	@.venv/bin/python -m dev.migrate --check

# Only `make` itself is asked: in the environment, $(NAME) is the machine's name under WSL.
migration: .venv/installed ## write a migration for what the models have become: make migration NAME=add_note
	@.venv/bin/python -m dev.new_migration $(if $(filter command,$(origin NAME)),"$$NAME") $(if $(EMPTY),--empty)

validate: .venv-sam/installed .venv-checkov/installed ## check template.yaml with SAM, and all rules of cfn-lint and checkov
	@SAM_CLI_TELEMETRY=0 .venv-sam/bin/sam validate
	@.venv-sam/bin/cfn-lint
	@.venv-checkov/bin/checkov --config-file .checkov.yaml --framework cloudformation --file template.yaml
	@.venv-checkov/bin/checkov --config-file .checkov.yaml --framework github_actions --directory .github

# A pipeline, which cannot answer, says CONFIRMED=yes when the change has been agreed to.
deploy: .venv/installed .venv-sam/installed ## deploy to AWS, ENV=prod to production: see docs/deploying.md
	@.venv/bin/python -m dev.deploy $(ENV) $(if $(filter yes,$(CONFIRMED)),--confirmed)

lock: ## choose the newest packages that requirements.in and requirements/*.in allow, and write the .txt (needs uv)
	uv pip compile $(LOCK) requirements.in --output-file requirements.txt
	uv pip compile $(LOCK) requirements/start.in --output-file requirements/start.txt
	uv pip compile $(LOCK) requirements/dev.in --output-file requirements/dev.txt
	uv pip compile $(LOCK) requirements/optional.in --output-file requirements/optional.txt
	uv pip compile $(LOCK) requirements/bundle.in --output-file requirements/bundle.txt
	uv pip compile $(LOCK) requirements/sam.in --output-file requirements/sam.txt
	uv pip compile $(LOCK) requirements/checkov.in --output-file requirements/checkov.txt
LOCK = --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock (uv pip compile --universal --python-version 3.11)"

clean: ## remove .venv and caches; the data of `make start` stay
	rm -rf .venv .venv-sam .venv-checkov .aws-sam tests/*/node_modules
	rm -rf .coverage* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

clean-data: ## remove the database and the secrets of `make start`
	@$(call WITH_ANY_PYTHON,dev.clean_data)

# What `make start` needs, and all packages.
.venv/installed-for-start: requirements.txt requirements/start.txt $(LOOK_AGAIN)
	@$(call WITH_ANY_PYTHON,dev.install start)

.venv/installed: requirements.txt requirements/start.txt requirements/dev.txt requirements/optional.txt $(LOOK_AGAIN)
	@$(call WITH_ANY_PYTHON,dev.install)

# The SAM CLI and checkov pin packages that contradict ours, so each lives in an environment of its own.
.venv-sam/installed .venv-checkov/installed: .venv-%/installed: requirements/%.txt | .venv/installed
	@echo 'Installing $* into .venv-$* (once, about a minute)'
	@[ ! -L .venv-$* ] || rm .venv-$* # --clear would empty the folder that the link leads to
	@.venv/bin/python -m venv --clear .venv-$*
	@.venv-$*/bin/python -m pip install -qq --disable-pip-version-check --require-hashes --no-deps \
		--requirement requirements/$*.txt
	@touch $@
