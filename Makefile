# Everything a newcomer needs is `make demo` and `make test`; both set themselves up from nothing. `make` explains.

VENV := .venv
CSMS := .venv-csms
BIN  := $(VENV)/bin
# --no-input: a question nobody sees would hang. Versions are free unless someone (.ci/run) brings constraints.
PIP  := $(BIN)/python -m pip --no-input --disable-pip-version-check -q
CONSTRAINTS ?=
CSMS_CONSTRAINTS ?=
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help setup demo test hil verify verify-kernel verify-link verify-hil lint lock clean
.DELETE_ON_ERROR:

help:
	@echo 'make demo    watch a simulated car charge through the real stack   (ARGS="--headless", ARGS="--fast", ARGS="--help")'
	@echo 'make test    lint, types, import contracts and all tests           (PYTEST="-k config" narrows the tests)'
	@echo 'make hil     the hardware-in-the-loop suite on every simulated bench'
	@echo 'make lint    the same without the tests'
	@echo 'make verify  the tests and all long proofs'
	@echo 'make verify-kernel  only those of the safety kernel: state space, mutants, timing, two interpreters (15 min)'
	@echo 'make verify-link    only those of the pilot link: faults, conformance, timing, mutants (10 min)'
	@echo 'make verify-hil     only those of the rigs: a hundred recordings replayed on two CPythons (5 min)'
	@echo 'make setup   only the set-up that the others do by themselves      (PYTHON=/path/to/python3.12 chooses one)'
	@echo 'make lock    write the versions of this environment to .ci/, which only .ci/run uses'
	@echo 'make clean   remove caches, built files and both environments'

# --- set-up. A stamp is written last, so an interrupted step is done again; what pip left half done is then overwritten.

AGAIN = $(shell [ -e $(@D)/.installing ] && echo --ignore-installed)

$(VENV)/.made:
	@tools/setup.sh $(VENV)
	@# Dependency groups need pip >= 25.1; Debian 12 brings 23.0. Interrupted here, setup.sh makes the environment anew.
	@touch $(@D)/.unfinished
	$(PIP) install --upgrade 'pip>=25.1' $(if $(CONSTRAINTS),-c $(CONSTRAINTS))
	@rm $(@D)/.unfinished
	@touch $@

$(VENV)/.demo: $(VENV)/.made pyproject.toml $(CONSTRAINTS)
	@touch $(@D)/.installing
	$(PIP) install $(AGAIN) -e '.[demo]' $(if $(CONSTRAINTS),-c $(CONSTRAINTS))
	@rm -f $(@D)/.installing
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	@touch $(@D)/.installing
	$(PIP) install $(AGAIN) --group dev $(if $(CONSTRAINTS),-c $(CONSTRAINTS))
	@rm -f $(@D)/.installing
	@touch $@

# The central system is AGPL: a program beside ours, in an environment of its own, never imported.
$(CSMS)/.made: $(VENV)/.made pyproject.toml $(CSMS_CONSTRAINTS)
	@tools/setup.sh $(CSMS) --without-pip
	@touch $(@D)/.installing
	$(PIP) --python $(CSMS)/bin/python install $(AGAIN) --group csms $(if $(CSMS_CONSTRAINTS),-c $(CSMS_CONSTRAINTS))
	@rm -f $(@D)/.installing
	@touch $@

setup: $(VENV)/.demo $(CSMS)/.made

# --- the two commands

demo: setup
	@$(BIN)/pilotwire demo $(ARGS)

test: lint setup
	@$(BIN)/python -m pytest -n auto --dist loadfile $(PYTEST)

# The same suite on each bench that this machine has; the reports and results lie in build/hil.
HIL_OUT := build/hil
hil: $(VENV)/.dev
	@mkdir -p $(HIL_OUT)
	@$(BIN)/python -m pytest hil_tests --rig=sim -q -n auto --junitxml $(HIL_OUT)/sim.xml $(PYTEST)
	@$(BIN)/python -m pytest hil_tests --rig=mcu -q -n auto --junitxml $(HIL_OUT)/mcu.xml $(PYTEST)
	@$(BIN)/python -m hil_tests.same $(HIL_OUT)/sim.xml $(HIL_OUT)/mcu.xml

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache

verify: test verify-kernel verify-link verify-hil

verify-kernel verify-link verify-hil: $(VENV)/.dev
	@$(BIN)/python tests/verify.py $(@:verify-%=%)

# --- house-keeping

lock: $(VENV)/.dev $(CSMS)/.made
	@.ci/lock $(BIN)/python $(CSMS)/bin/python

clean:
	rm -rf $(VENV) $(CSMS) build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
