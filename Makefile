# Everything runs in this clone: a virtual environment in .venv, npm packages in node_modules.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
CORES ?= cores
UPDATE ?=
DEVICE := $(addprefix edge_functions/dlr_inference/requirements,.txt -dlr.txt -onnxruntime.txt)
DEBIAN_PACKAGES ?= $(shell grep -v '^\#' tests/debian-packages.txt)
AS_ROOT := $(if $(filter 0,$(shell id -u)),,sudo) env DEBIAN_FRONTEND=noninteractive
LOCK := pip-compile --quiet --strip-extras --no-header --no-annotate --allow-unsafe \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links

export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Commands and tests start hundreds of Pythons: each of them would compile all modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run onnx cloud test lint types templates collection unit device-tests arm bench soak screenshots synth setup lock clean debian-packages

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: setup ## Deploy to a local cloud and run the cores (ARGS="--greengrass-version 1 --keep")
	@mli run $(ARGS)

onnx: build/detector.onnx ## Write a trained model to try docs/guide.md with: build/detector.onnx

build/detector.onnx: | setup
	@mli demo detector $@

cloud: setup ## Start a local cloud and leave it up, for docs/guide.md
	@mli cloud $(ARGS)

test: lint ## Run the checks of CI, except device-tests, arm and screenshots
	@$(MAKE) --no-print-directory --jobs=3 types templates unit

lint: setup ## Check style, and that what runs on devices is Python 3.8
	ruff check .
	ruff format --check .
	vermin --quiet --no-tips --target=3.8- --violations edge_functions

types: setup ## Check types
	mypy

templates: setup ## Check the templates of all cores (CORES=cores/Demo.json UPDATE=1)
	@mli templates $(CORES) $(if $(UPDATE),--update)

collection: setup # finds tests that cannot be imported, and writes bytecode once, not in each process
	@mkdir -p build
	@pytest --ignore=tests/arm --collect-only -qq > build/collection || { cat build/collection; exit 1; }

unit: setup $(if $(ARGS),,collection) ## Run the tests (ARGS="-m 'not slow'"; markers: slow, e2e, streams, browser; one process: -n 0)
	pytest --ignore=tests/arm --numprocesses=5 --dist=loadfile --no-loadscope-reorder --durations=20 $(ARGS)

device-tests: ## Run the tests of the device's code on Python 3.8 (DEVICE_PYTHON=… ARGS="-k geometry")
	@.ci/device-tests $(ARGS)

arm: setup ## Run the device's code as 64-bit ARM, emulated (Debian on x86-64; ARGS="-k stages")
	@pytest tests/arm -rs $(ARGS)

bench: setup ## Measure beside the bare engines and others (ARGS="--quick", "compare BEFORE AFTER")
	@python -m bench $(ARGS)

soak: setup ## Run the component with fault after fault (ARGS="--minutes 20")
	@python -m tests.soak $(ARGS)

screenshots: setup ## Run the demo and take the pictures in docs/images (needs Chromium)
	@python -m tests.mli.view.screenshots

synth: setup ## Synthesise the app (ARGS="-c coreName=… -c certificateId=… -c modelS3Uri=…")
	npx cdk synth $(ARGS)

setup: $(VENV)/.installed node_modules/.installed

$(VENV)/.installed: requirements-dev.txt
	@echo "Setting up Python packages in $(VENV): 295 MB to download …"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; say make PYTHON=…")'
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@python -m pip install --quiet $$(grep '^pip==' $<) # newer ones take half the time for the list
	@python .ci/install-packages $< --no-compile # Python does that at an import, for what is used
	@python -c "import app" # now, because several processes would do it at once
	@touch $@

node_modules/.installed: package-lock.json
	@echo "Setting up the CDK CLI in node_modules …"
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@

debian-packages: ## Install what tests of streams need on Debian and Ubuntu (as root or by sudo)
	$(AS_ROOT) apt-get -o Acquire::http::Timeout=20 update
	$(AS_ROOT) apt-get install --yes --no-install-recommends $(DEBIAN_PACKAGES)

lock: setup ## Pin what pyproject.toml names: requirements.txt, -operate.txt and -dev.txt
	$(LOCK) --extra dev --output-file requirements-dev.txt pyproject.toml $(DEVICE)
	sed -i '/^mli-greengrass/d;/^onnxruntime==/d' requirements-dev.txt
	grep '^onnxruntime' $(lastword $(DEVICE)) >> requirements-dev.txt # a version for each Python
	$(LOCK) --constraint requirements-dev.txt --output-file requirements.txt pyproject.toml
	$(LOCK) --constraint requirements-dev.txt --extra operate \
		--output-file requirements-operate.txt pyproject.toml
	for list in requirements.txt requirements-operate.txt requirements-dev.txt; do \
		echo '--editable .' >> $$list; \
	done

clean: ## Remove everything that was made in this clone, except keys and set-up archives
	rm -rf $(VENV) node_modules build cdk.out .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@for kept in certs fleet greengrass-setup*.zip; do \
		test ! -e "$$kept" || echo "Not removed, because it holds private keys: $$kept"; \
	done
