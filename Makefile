# Each target sets up its own virtual environment; Python 3.11 and make are enough.
#   make test VENV=/path/to/venv     another place for the environment (it is created if missing)
#   make test PYTHON=python3.12      another interpreter to create it with
#   make test JOBS=8                 processes that tests run in (2)
#   make test ARGS="-m slow"         further arguments of pytest, the demo or the benchmarks
#   make bench ONLY=decode           one benchmark, by its file's name

VENV ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3)
ARGS ?=
ONLY ?=
QUICK ?=
JOBS ?= 2

BIN := $(VENV)/bin
STAMP := $(VENV)/.vidalign-installed

export PYTHONUNBUFFERED := 1

.DEFAULT_GOAL := help
.PHONY: help install demo demo-av test check bench unknown-benchmark clean

help:
	@echo "make install   virtual environment in $(VENV), with vidalign in it"
	@echo "make demo      teach, align with pairs and with chains, compare on the toy world; report in out/demo/ (QUICK=1: short form)"
	@echo "make demo-av   the same with sound: teach, align with rewards for what is seen and heard; report in out/demo-av/ (QUICK=1: short form)"
	@echo "make test      tests, offline, on the CPU"
	@echo "make check     ruff and mypy"
	@echo "make bench     the measurements behind the README's numbers (ONLY=decode: one of them)"
	@echo "make clean     remove what the other targets made"

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt pip setuptools
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt --no-build-isolation -e '.[dev]'
	touch $@

demo: $(STAMP)
	$(BIN)/python -m demo --out out/demo $(if $(QUICK),--quick) $(ARGS)

demo-av: $(STAMP)
	$(BIN)/python -m demo.av --out out/demo-av $(if $(QUICK),--quick) $(ARGS)

# A file's tests stay together in one process, for the models and videos that they share.
test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

check: $(STAMP)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

# Each is started whatever became of the one before; what failed is named at the end.
BENCHMARKS := $(filter-out _%,$(notdir $(basename $(wildcard benchmarks/*.py))))

bench: $(if $(filter-out $(BENCHMARKS),$(ONLY)),unknown-benchmark,$(STAMP))
	@failed=; for name in $(or $(ONLY),$(BENCHMARKS)); do \
		echo "== benchmarks/$$name.py"; $(BIN)/python benchmarks/$$name.py $(ARGS) || failed="$$failed $$name"; \
	done; if [ -n "$$failed" ]; then echo "failed:$$failed"; exit 1; fi

unknown-benchmark:
	@echo "no benchmark $(ONLY); there are: $(BENCHMARKS)"; exit 2

clean:
	rm -rf .venv build dist out/demo out/demo-av *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
