# `make help` lists what there is. Every target sets up its own .venv from requirements-dev.lock.

# The first that runs and is new enough; there may be a command of the name that does not.
PYTHON ?= $(or $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null && echo $$python && break; \
	done),python3.11)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# More at once than there are cores: most tests wait for servers and programs.
PARALLEL := --numprocesses=4 --dist=worksteal

# Where `make install` puts things; DESTDIR before all of them, for packagers.
OPT ?= /opt/sei-poller
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
UNITDIR ?= $(SYSCONFDIR)/systemd/system

.PHONY: help install uninstall deb dist wheels demo boot-test test test-quick test-all campaigns check fix bench screenshot man lock sbom audit clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(READY): pyproject.toml requirements-dev.lock
	@$(PYTHON) -c "" 2>/dev/null || { echo "no $(PYTHON): make PYTHON=/path/to/python3.11 or newer"; exit 1; }
	@echo "setting up $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

install: ## the service: venv, units, example config, man page, completions; as root
	@PYTHON="$(PYTHON)" OPT="$(OPT)" PREFIX="$(PREFIX)" SYSCONFDIR="$(SYSCONFDIR)" \
		UNITDIR="$(UNITDIR)" DESTDIR="$(DESTDIR)" systemd/install

uninstall: ## take it back; the config, the secrets and the ledger stay
	@OPT="$(OPT)" PREFIX="$(PREFIX)" SYSCONFDIR="$(SYSCONFDIR)" UNITDIR="$(UNITDIR)" \
		DESTDIR="$(DESTDIR)" systemd/uninstall

deb: ## dist/jenkins-sei-poller_VERSION_ARCH.deb, for the Debian that it is made on
	@PYTHON=/usr/bin/python3 packaging/deb/build

dist: ## dist/: sdist and wheel, made with what requirements-build.lock has
	$(PYTHON) -m venv .build-venv
	.build-venv/bin/pip install --quiet --no-deps --require-hashes --requirement requirements-build.lock
	.build-venv/bin/hatchling build -d dist
	rm -rf .build-venv

wheels: dist ## dist/, and in dist/wheels all that the program needs: for a machine without network
	$(PYTHON) -m venv .build-venv
	.build-venv/bin/pip wheel --quiet --no-deps --use-pep517 --require-hashes --wheel-dir dist/wheels \
		--requirement requirements.lock
	rm -rf .build-venv

demo: $(READY) ## the whole story on a simulated Jenkins and SEI
	@$(BIN)/sei-poller demo

test: $(READY) ## all tests, of the long campaigns a small part
	$(BIN)/pytest $(PARALLEL)

test-quick: $(READY) ## the tests that start no program, in about a minute
	$(BIN)/pytest $(PARALLEL) $(addprefix tests/,core config jenkins ledger mapping)

test-all: test campaigns ## the same, then the long campaigns: kills, crashes, fuzz, Chromium

campaigns: $(READY)
	$(BIN)/pytest $(PARALLEL) -m campaign

boot-test: $(READY) ## the way from install to uninstall on a Debian with systemd; as root, some minutes
	$(BIN)/pytest -m boot tests/boot

check: $(READY) ## style, types, layers and sizes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m tools.sizes
	@command -v systemd-analyze >/dev/null && systemd/verify || echo "no systemd-analyze: units not verified"

fix: $(READY) ## format, and mend what ruff can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY) ## the table of figures, an hour of it; kept in bench/
	$(BIN)/python -m bench --out bench

screenshot: $(READY) ## the pictures of the status page in docs/, anew (needs chromium)
	$(BIN)/python -m tests.support.screenshot

man: $(READY) ## the man page anew, from the commands
	$(BIN)/python -m tools.manpage > man/sei-poller.1

LOCK := --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url \
	--no-emit-find-links --no-annotate --no-header

lock: ## exact versions anew, with hashes, from pyproject.toml: what is installed, and for developing
	$(PYTHON) -m venv .lock-venv
	.lock-venv/bin/pip install --quiet pip-tools
	.lock-venv/bin/pip-compile $(LOCK) --output-file requirements.lock pyproject.toml
	.lock-venv/bin/pip-compile $(LOCK) --only-build-deps --build-deps-for wheel \
		--output-file requirements-build.lock pyproject.toml
	.lock-venv/bin/pip-compile $(LOCK) --extra dev --constraint requirements.lock \
		--output-file requirements-dev.lock pyproject.toml
	rm -rf .lock-venv
	$(MAKE) sbom

sbom: ## sbom.cdx.json anew: what is installed, with licences, as CycloneDX
	$(PYTHON) -m venv .sbom-venv/installed
	.sbom-venv/installed/bin/pip install --quiet --require-hashes --requirement requirements.lock
	$(PYTHON) -m venv .sbom-venv/tool
	.sbom-venv/tool/bin/pip install --quiet cyclonedx-bom
	.sbom-venv/tool/bin/cyclonedx-py environment .sbom-venv/installed/bin/python \
		--pyproject pyproject.toml --output-reproducible --of JSON --output-file sbom.cdx.json
	rm -rf .sbom-venv

audit: ## known vulnerabilities of what is installed (asks PyPI), and bandit over our own code
	$(PYTHON) -m venv .audit-venv
	.audit-venv/bin/pip install --quiet pip-audit "bandit[toml]"
	.audit-venv/bin/bandit --quiet --configfile pyproject.toml --recursive poller
	.audit-venv/bin/pip-audit --require-hashes --disable-pip --requirement requirements.lock
	rm -rf .audit-venv

clean: ## take back all that the targets made
	rm -rf $(VENV) .venv-* .build-venv .lock-venv .sbom-venv .audit-venv .bench .demo dist \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
