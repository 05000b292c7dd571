# The verbs of daily work. Each brings what it needs: nothing has to be installed first but make and Python 3.11.

PYTHON := .venv/bin/python
# With four workers two cores are idle for 1 % of the time, and 11,000 tests take 22 minutes
WORKERS ?= 4
# Whoever is idle takes from the end of the others: without it one worker has all end-to-end tests
PYTEST := $(PYTHON) -m pytest -n $(WORKERS) --dist worksteal
SECONDS ?= 60
DIST ?= dist

.DEFAULT_GOAL := help
.PHONY: help venv demo demo-down demo-cluster demo-cluster-down test test-fast test-e2e test-nightly test-deps fuzz lint types layers format docs site package onefile release picture lock hooks engine bench-switch bench-deploy bench-noop bench-setup bench-transfer bench-faults bench-operations bench-onboarding bench-cluster clean

help: ## List the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20

venv: ## Make .venv with FTL and the tools that test it (every target below does so by itself)
	@tools/bootstrap

demo: venv ## Start a throwaway server, deploy examples/shop, then a second version of it under load
	@$(PYTHON) -m tools.demo up

demo-down: venv ## Take away everything that `make demo` and `make demo-cluster` left
	@$(PYTHON) -m tools.demo down

demo-cluster: venv ## Start three throwaway servers, deploy examples/shop to them, kill one under load
	@$(PYTHON) -m tools.demo_cluster up

demo-cluster-down: venv ## Take away the servers of `make demo-cluster`
	@$(PYTHON) -m tools.demo_cluster down

test: venv ## Everything: lint, types, layering, dependencies, unit and end-to-end tests
	# One core types and fuzzes while the other waits for downloads of the engine's images
	$(MAKE) --jobs 3 engine types lint layers test-deps fuzz
	$(PYTEST) --durations=30

test-fast: venv ## The tests that need no engine: seconds
	$(PYTHON) -m pytest tests/unit

test-e2e: engine ## The tests against real engines and servers
	$(PYTEST) tests/e2e

test-nightly: engine ## The whole matrix of transfers (releases of Debian, engines, stores), and what takes too long by day
	FTL_TEST_SUITES=bookworm,trixie,sid $(PYTEST) -m "nightly or server" tests/e2e/transfer
	$(PYTEST) -m nightly tests --ignore tests/e2e/transfer

test-deps: venv ## Part of the unit tests with the lowest and the newest dependencies, and on the newest other Python
	$(PYTHON) -m tools.dependencies

fuzz: venv ## Fuzz everything that parses foreign bytes, for 60 s (SECONDS=3600 for a night)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-fuzz.txt
	$(PYTHON) -m tests.fuzz --seconds $(SECONDS)

lint: venv ## ruff: rules and format; first lines of docstrings; shell and Perl that run on servers
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	$(PYTHON) -m tools.prose
	find src/ftl tools -name '*.sh' -exec .venv/bin/shellcheck --shell=sh --severity=warning {} +
	for file in $$(find src/ftl tools -name '*.sh'); do sh -n "$$file" || exit; done
	for file in $$(find src/ftl -name '*.pl'); do perl -c "$$file" || exit; done

types: venv ## mypy, strict
	.venv/bin/mypy

layers: venv ## The one way in which packages import each other
	.venv/bin/lint-imports --no-logo

format: venv ## Put every file in its format
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

docs: venv ## Write the pages that are made from the program
	$(PYTHON) -m tools.reference

site: venv ## The documentation as static pages in build/site, with search (file:// is enough to read it)
	$(PYTHON) -m tools.site

package: venv ## The wheel and the source distribution, and recipes for Homebrew and Arch, in dist/
	$(PYTHON) -m tools.release.package $(DIST)

onefile: venv ## FTL as one file that needs no Python, for this system and processor, in dist/ (some minutes)
	$(PYTHON) -m tools.release.onefile $(DIST)

release: venv ## Everything of a release but the upload: commit, tag, packages, one-file, site (VERSION=1.2.3)
	@$(PYTHON) -m tools.release "$(VERSION)"

picture: demo ## Deploy once more on the demo's server, and draw the terminal as docs/deploy.svg
	$(PYTHON) -m tools.picture

lock: venv ## Write requirements-dev.txt anew from pyproject.toml
	.venv/bin/uv pip compile --quiet --universal --generate-hashes --custom-compile-command 'make lock' \
		--group dev pyproject.toml -o requirements-dev.txt
	.venv/bin/uv pip compile --quiet --universal --generate-hashes --custom-compile-command 'make lock' \
		--group fuzz -o requirements-fuzz.txt
	.venv/bin/uv pip compile --quiet --universal --generate-hashes --custom-compile-command 'make lock' \
		--group site -o requirements-site.txt
	.venv/bin/uv pip compile --quiet --universal --generate-hashes --custom-compile-command 'make lock' \
		--constraints requirements-dev.txt --all-extras --group release pyproject.toml -o requirements-release.txt

hooks: venv ## Run lint and types before every commit
	.venv/bin/pre-commit install

engine: venv
	command -v git >/dev/null || $(PYTHON) -m lab prepare
	$(PYTHON) -m lab engine up
	$(PYTHON) -m lab images

bench-switch: engine ## 20 deploys under load: what is lost (nothing)
	$(PYTHON) -m bench.switch

bench-deploy: engine ## What a deploy costs: round trips, seconds, memory
	$(PYTHON) -m bench.deploy

bench-noop: engine ## A deploy of 30 services of one build that changes nothing, against one of 1 (3 minutes)
	$(PYTHON) -m bench.noop

bench-transfer: engine ## Bringing images to a server, against what others do: bytes, seconds, memory (6 hours)
	$(PYTHON) -m bench.transfer

bench-setup: engine ## What setting a bare server up costs beyond its packages; a second run; doctor
	$(PYTHON) -m bench.setup

bench-faults: engine ## Kills, cuts, two at once, full disks, crashes and power cuts under load: what is lost (nothing) (3 hours)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-fuzz.txt
	$(PYTHON) -m bench.faults --worlds 3 --suite bookworm,trixie,sid --store overlay2,containerd,containerd

bench-operations: engine ## Rollback, restart, scale, logs, exec: what is lost (nothing), seconds, disk use (20 minutes)
	$(PYTHON) -m bench.operations

bench-onboarding: engine ## Apps made by their frameworks' generators: from ftl init to the first answer (needs Node, Go)
	$(PYTHON) -m bench.onboarding

bench-cluster: engine ## Three servers: what switches, losses and cuts cost; bytes and seconds against one (40 minutes)
	$(PYTHON) -m bench.cluster

clean: venv ## As demo-down, and also all servers of the lab, .venv and caches
	$(PYTHON) -m lab clean --images
	$(PYTHON) -m tools.demo down
	rm -rf .venv .lab .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist
