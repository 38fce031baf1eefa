# make demo: the whole system on a capture that it renders itself. make test: all tests but those of make test-console, which need a browser.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# npm trusts whom the system trusts, as pip and curl do.
export NODE_USE_SYSTEM_CA := 1

.PHONY: demo test test-console pictures chaos lint install console bench-reconstruction bench-pose bench-service

install: $(VENV)/.installed console

console: service/console/dist/index.html

# torch first and by exact version: a range would take the build with the largest accelerator libraries.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Snap6D needs Python 3.11 or newer; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

# The console's scripts, by the Node.js that came with the environment; what they import is locked in package-lock.json.
service/console/dist/index.html: $(shell find service/console/src -type f) service/console/package-lock.json | $(VENV)/.installed
	PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix service/console ci --no-audit --no-fund --loglevel=error
	PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix service/console run --silent build
	touch $@

demo: install
	$(BIN)/snap6d demo --out runs/demo

# Three at a time on two cores: many tests wait for servers. A thread that waits for another process's core does so asleep, or both would get slower.
test: install
	OMP_WAIT_POLICY=passive $(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

# The console in a real Chromium, up to an onboarding with the profile `preview`: a quarter of an hour. Pictures of every page are left in runs/console.
# ONLY: some of the tests by name; SNAP6D_CONSOLE_PROFILE=small: a whole path that takes a third of the time and is less exact.
test-console: install $(VENV)/.browser
	tests/console/need_chromium.sh
	OMP_WAIT_POLICY=passive $(BIN)/python -m pytest tests/console $(if $(ONLY),-k "$(ONLY)")

# The console as the README shows it, from the whole path.
pictures:
	$(MAKE) test-console ONLY=whole_path
	cp runs/console/console-*.jpg docs/

$(VENV)/.browser: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[browser]'
	touch $@

# The twelve promises, each tried for long; ONLY: some of them by number. SNAP6D_CHAOS counts what a hostile caller tries, SNAP6D_SOAK_S seconds.
chaos: install
	$(BIN)/python -m benchmarks.promises --out runs/bench $(if $(ONLY),--only $(ONLY))

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix service/console run --silent lint

# DATA: a folder of scanned objects (mesh.npz, texture.jpg each), measured besides the generated ones.
bench-reconstruction: install
	$(BIN)/python -m benchmarks.reconstruction --out runs/bench $(if $(DATA),--scans $(DATA))

# SCANS as DATA above; SCENE: a photographed tag-board scene; LMO: BOP's LM-O. Each is left out where it is not given.
bench-pose: install
	$(BIN)/python -m benchmarks.pose --out runs/bench $(if $(SCANS),--scans $(SCANS)) \
		--generated jug mug $(if $(SCANS),$(notdir $(wildcard $(SCANS)/*))) \
		$(if $(SCENE),--board $(SCENE) mustard cracker_box cube) $(if $(LMO),--lmo $(LMO))

# OBJECT: an onboarded object's folder; without it stand-ins answer.
bench-service: install
	$(BIN)/python -m benchmarks.service.estimates --out runs/bench $(if $(OBJECT),--object $(OBJECT))
