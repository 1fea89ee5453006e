# What a person types. Set-up comes first and by itself; it takes under a second when all is there.
# The first Python that is new enough and can make virtual environments (a name on PATH may be a shim of nothing).
PYTHON ?= $(or $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(shell \
  $(name) -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name)))),python3)
SANDBOX := .venv/bin/python -m sandbox
ANSIBLE := .venv/bin/ansible-playbook
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/.tools/bin:$(PATH)

.PHONY: help setup site benchmark teardown sandbox sandbox-env sandbox-down test lint docs sanity unit newest integration molecule awx chaos bench

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

setup: ## everything this checkout needs, from package registries
	@$(PYTHON) -m sandbox.setup

site: sandbox ## from an empty project to a verified service
	$(ANSIBLE) site.yml $(ARGS)

benchmark: sandbox ## load, result files, report
	$(ANSIBLE) benchmark.yml $(ARGS)

teardown: sandbox ## back to an empty project, and prove it
	$(ANSIBLE) teardown.yml $(ARGS)

sandbox: setup ## start the sandbox and wait until it is ready
	@$(SANDBOX) up

sandbox-env: ## export lines for `eval`
	@$(SANDBOX) env

sandbox-down: ## stop the sandbox and everything it started
	@test ! -x .venv/bin/python || $(SANDBOX) down

test: lint docs sanity unit newest chaos integration molecule ## all of it

lint: setup ## style, types, documentation, changelog
	ruff check .
	ruff format --check .
	mypy
	yamllint --strict .
	ansible-lint --offline
	python -m tests.gates.docs check

docs: setup ## pages of modules, roles and guides, in .cache/docs/html
	python -m tests.gates.docs build

sanity: setup ## ansible-test sanity
	python -m tests.gates.ansible_test sanity

newest: setup ## unit tests by ansible-test, and modules, with the newest ansible-core and Python
	python -m tests.gates.newest

unit: setup ## pure functions: seconds
	python -m pytest tests/unit -q

# Each file brings its own sandbox, so files run beside each other; most of their time is waiting.
integration: setup ## modules, sandbox and playbooks, as people run them
	python -m pytest tests/sandbox tests/integration -q -n 3 --dist loadfile $(addprefix --ignore=,$(AWX))

# Every job template as AWX makes and runs it: many minutes, so not part of `make test` yet.
AWX := tests/integration/awx/test_controller.py tests/integration/awx/test_jobs.py
awx: setup ## the playbook awx against a recorder, and its templates' playbooks as AWX runs them
	python -m pytest $(AWX) -q -o timeout=3000

# The other scenarios (llm_d, benchmark, teardown) live through what tests/integration does, too: `molecule test --all`.
molecule: setup ## the whole life cycle by molecule, and parts of it
	molecule test --scenario-name default --scenario-name network --scenario-name node_pools

SEEDS ?= 50
SEED_START ?= 1
chaos: setup ## up, kill -9, again, drift, teardown under faults: SEEDS=n SEED_START=k
	@python -m tests.chaos --seeds $(SEEDS) --seed-start $(SEED_START) $(ARGS)

bench: setup ## how fast it is: docs/performance.md
	@python -m tests.benchmarks --write $(ARGS)
