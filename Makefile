# `make demo` and `make test` need only make and Python 3.10, 3.11 or 3.12.

VENV := .venv
BIN := $(VENV)/bin
# The interpreter: the first of these with a supported version, or `make PYTHON=/path/to/python demo`.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.10 python3; do \
	$$python -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' 2>/dev/null \
	&& echo $$python && break; done)
# Arguments of pytest for `make test`, such as PYTEST_ARGS="tests/search -x".
PYTEST_ARGS ?=

EXPERIMENTS := mnist_report/experiment iris_ensemble/experiment bls_over_grpc/experiment \
	image_pipeline/experiment offline_online/offline offline_online/online
# Arguments of `autotune experiment` for `make experiments`, such as ARGS=--quick.
ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo experiments test coverage faults fuzz soak lint format docs pictures venv docker lock clean python

help: ## shows this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|' 2>/dev/null \
	|| sed -n 's/^\([a-z]*\):.*## /  make \1: /p' $(MAKEFILE_LIST)

demo: $(BIN)/.installed ## tunes the bundled MNIST model on the embedded Triton, four minutes with the installation
	$(BIN)/autotune run --model-repository model_repository --model mnist --objective throughput --p99 5ms \
		--search-space search_spaces/onnxruntime_cpu.yaml --launch embedded --time-budget 3m --study demo --results results
	@echo
	@echo "Exported config:  results/demo/best/mnist/config.pbtxt"
	@echo "Every trial:      results/autotune.db   (look: $(BIN)/autotune studies show demo)"

experiments: $(BIN)/.installed ## runs the five reports of examples/, under 15 minutes
	for script in examples/*/build.py; do $(BIN)/python $$script || exit; done
	for name in $(EXPERIMENTS); do \
		$(BIN)/autotune experiment examples/$$name.yaml --launch embedded --results results $(ARGS) || exit; done

test: $(BIN)/.installed-dev ## runs all tests; skips Docker tests without an engine
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest $(or $(PYTEST_ARGS),-n 2 --dist loadgroup)

coverage: $(BIN)/.installed-dev ## branch coverage of autotune/ by make test, with the ten least covered modules
	rm -f .coverage .coverage.*
	status=0; OPENBLAS_NUM_THREADS=1 $(BIN)/coverage run -m pytest $(or $(PYTEST_ARGS),-n 2 --dist loadgroup) || status=$$?; \
	$(BIN)/coverage combine --quiet && $(BIN)/coverage json --quiet -o .coverage.json && \
	$(BIN)/python .ci/least_covered .coverage.json $(if $(PYTEST_ARGS),0,90) && exit $$status

faults: $(BIN)/.installed-dev ## kills 100 runs in every phase, embedded and in containers; nothing may be lost, repeated or left
	PYTHONPATH=tests/fakes $(BIN)/python -m kill_campaign --kills 100

fuzz: $(BIN)/.installed-dev ## tries 200,000 random inputs on everything that is read from outside; more with atheris (10 minutes)
	FUZZ_EXAMPLES=200000 $(BIN)/python -m pytest -q tests/fuzz
	PYTHONPATH=tests/fakes $(BIN)/python -m coverage_guided --runs 100000

soak: $(BIN)/.installed-dev ## 300 trials with servers that are killed; prints what grows in the tuner (one hour)
	PYTHONPATH=tests/fakes $(BIN)/python -m soak --trials 300

lint: $(BIN)/.installed-dev ## checks style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(BIN)/.installed-dev ## formats and fixes with ruff
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(BIN)/.installed-dev ## builds the documentation into site/; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

pictures: $(BIN)/.installed-dev ## makes the tutorial's pictures again, with a run of some minutes
	$(BIN)/python docs/pictures/make.py

venv: $(BIN)/.installed-dev ## creates .venv with the development tools

docker: ## builds the images for --launch docker and the compose file
	docker/build

lock: ## updates constraints.txt (needs python3.10, python3.11 and python3.12)
	.ci/lock python3.10 python3.11 python3.12

clean: ## removes the virtual environment and caches; results/ stays
	rm -rf $(VENV) build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamp files: pip runs only if the pins or the dependencies change.
$(BIN)/.installed: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(BIN)/.installed-dev: $(BIN)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "make: no Python 3.10, 3.11 or 3.12 found: install one" \
		"(Debian, Ubuntu: apt install python3 python3-venv) or say make PYTHON=/path/to/python" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(PYTHON) -m pip --version >/dev/null 2>&1 || { \
		echo "make: $(PYTHON) cannot make virtual environments: apt install python3-venv" >&2; exit 2; }
	@echo "Creating $(VENV) with $$($(PYTHON) --version) and installing: a minute or two, once."
	@# A system Python without ensurepip installs pip with its own pip.
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then $(PYTHON) -m venv $(VENV); \
	else $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; fi

python: # prints the chosen interpreter, for scripts
	@echo $(PYTHON)
