# Everything a newcomer, a developer and the CI run. `make` alone lists it.

export PYTHON PYTHON313 NODE

.DEFAULT_GOAL := help
# The targets build on one environment and share caches; each uses the cores by itself.
.NOTPARALLEL:
.PHONY: help setup check test demo mutants bench azure-package lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo 'PYTHON=/path/to/python3.12 chooses the interpreter; INSTALL=1 lets root install what is missing.'

setup: ## Make .venv with the pinned packages; does nothing when it is up to date
	@sh scripts/setup.sh

check: setup ## Format, lint, types, layers and the rules about the code: all problems in one run
	@sh scripts/check.sh

test: setup ## Everything that CI runs: check, then all tests; installs emulators (1.1 GB, 3 minutes)
	@sh scripts/test.sh

demo: setup ## Back up a real tree, copy it into an encrypted vault, restore and compare; 3 minutes
	@.venv/bin/python examples/demo.py $(ARGS)

mutants: setup ## Break every invariant once and see its test fail
	@.venv/bin/python -m tests.mutants $(ARGS)

bench: setup ## Measure against restic, rclone, s5cmd and tar | zstd | age, in folders and S3
	@.venv/bin/python -m benchmarks $(ARGS)

azure-package: setup ## Put the function app of the Azure appliance together: build/azure and a zip
	@.venv/bin/python -m infra.azure.package

lock: setup ## Write constraints.txt anew from the ranges in pyproject.toml
	@sh scripts/lock.sh

clean: ## Remove .venv and everything else that is made here
	rm -rf .venv .emulators build dist .demo .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -rf .import_linter_cache .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
