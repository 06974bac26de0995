# gmn-fx: everything runs from a virtual environment that these recipes make themselves.
#
#   make demo    a verified parameter graph (graph.pt) and its picture (graph.svg) of an example
#   make test    the whole test suite
#   make test-browser  the explorer in a real browser (headless Chromium)
#   make lint    ruff and mypy
#   make fuzz    extract random networks and ask the oracle about each
#   make sweep   extract and verify hundreds of models of public libraries; writes docs/sweep.md
#   make gallery the pictures of docs/gallery.md
#   make bench   the benchmarks, written to benchmarks/RESULTS.md
#   make clean   remove what the recipes made, except the environment
#
# Variables: PYTHON (3.11 or later), VENV, EXAMPLE, PIP_FLAGS, SWEEP_FLAGS, FUZZ_FLAGS. On Linux, where the default torch wheel
# brings CUDA, a small CPU-only environment is
#   make demo PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu"

SHELL     := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

VENV      ?= .venv
EXAMPLE   ?= examples/mlp.py
PIP_FLAGS ?=
PYTEST_FLAGS ?= -n logical
SWEEP_FLAGS ?=
FUZZ_FLAGS ?=
PYTHON    ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
                 "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
                     && { echo $$p; break; }; done)
BIN       := $(VENV)/bin
PIP       := $(BIN)/python -m pip --disable-pip-version-check install $(PIP_FLAGS)
STAMPS    := $(VENV)/.stamps
SPEC      := pyproject.toml constraints.txt

.PHONY: demo test test-browser lint sweep fuzz gallery bench clean help
help:
	@sed -n '2,16s/^# \{0,1\}//p' Makefile

$(STAMPS)/venv:
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or later on PATH; give one: make PYTHON=/path/to/python3" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	mkdir -p $(STAMPS) && touch $@

$(STAMPS)/core: $(STAMPS)/venv $(SPEC)
	$(PIP) -c constraints.txt -e '.[render]'
	touch $@

# torchvision and timm without their dependencies: neither may replace torch, and both need only
# what the test extra already brings (see tests/zoo for the two operator schemas that torchvision
# misses beside a CPU torch).
$(STAMPS)/test: $(STAMPS)/core
	$(PIP) -c constraints.txt -e '.[render,test]'
	$(PIP) -c constraints.txt --no-deps torchvision timm
	touch $@

# The libraries of the sweep, without their dependencies for the same reason; what they really import
# is listed beside them.
SWEEP_LIBRARIES := diffusers segmentation_models_pytorch monai vit_pytorch open_clip_torch ftfy wcwidth \
    x_transformers einops einx frozendict loguru torch-einops-utils mlp-mixer-pytorch egnn-pytorch \
    mambapy nflows normflows neuraloperator tensorly tensorly-torch opt_einsum scipy \
    denoising-diffusion-pytorch ema-pytorch accelerate
$(STAMPS)/sweep: $(STAMPS)/test
	$(PIP) -c constraints.txt --no-deps $(SWEEP_LIBRARIES)
	touch $@

$(STAMPS)/dev: $(STAMPS)/core
	$(PIP) -c constraints.txt -e '.[render,dev]'
	touch $@

demo: $(STAMPS)/core
	$(BIN)/gmn-extract $(EXAMPLE) --out graph.pt --svg graph.svg --verify
	$(BIN)/gmn-info graph.pt

test: $(STAMPS)/test
	$(BIN)/python -m pytest --hypothesis-profile=gate $(PYTEST_FLAGS)

# A browser of the machine's, or the one that playwright downloads.
BROWSER := $(or $(GMN_FX_CHROMIUM),$(firstword $(foreach b,chromium chromium-browser google-chrome,$(shell command -v $(b)))))
$(STAMPS)/browser: $(STAMPS)/test
	$(PIP) -c constraints.txt -e '.[render,test,browser]'
	$(if $(BROWSER),,$(BIN)/python -m playwright install chromium)
	touch $@

test-browser: $(STAMPS)/browser
	$(BIN)/python -m pytest -m browser tests/browser

lint: $(STAMPS)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

sweep: $(STAMPS)/sweep
	$(BIN)/python -m tools.sweep $(SWEEP_FLAGS)

fuzz: $(STAMPS)/test
	$(BIN)/python -m tools.fuzz $(FUZZ_FLAGS)

gallery: $(STAMPS)/test
	$(BIN)/python -m tools.gallery

bench: $(STAMPS)/test
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf graph.pt graph.svg build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
