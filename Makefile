# The everyday commands. The build itself is CMake's: see CMakePresets.json.

FUZZ_SECONDS ?= 60
JOBS ?= $(shell nproc)

.PHONY: help setup build demo test bench evaluate evaluate-scaling evaluate-exits lint format clean fuzz

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' \
	    $(MAKEFILE_LIST)

setup: ## install what is missing: Debian packages, ONNX Runtime, test images
	@scripts/setup

build: ## build the release binary, build/convergo
	cmake --preset release
	cmake --build --preset release

demo: setup build ## from nothing to a running box
	scripts/demo

test: ## build preset dev and run all tests
	cmake --preset dev
	cmake --build --preset dev
	ctest --preset dev -j2 --output-on-failure

bench: build ## measure; writes out/bench.json
	scripts/bench

evaluate: build ## all policies on the example boxes; writes docs/evaluation.md
	scripts/evaluate

evaluate-scaling: build ## accuracy scaling; writes into docs/accuracy-scaling.md
	scripts/evaluate-scaling

evaluate-exits: build ## models with several exits; writes into docs/multi-exit.md
	scripts/evaluate-exits

lint: ## layout, static analysis, layers, purity
	scripts/lint

format: ## lay out all C files by .clang-format
	git ls-files -co --exclude-standard -- '*.c' '*.h' | xargs -r clang-format -i

clean: ## remove everything that was built
	rm -rf build

fuzz: ## run each fuzz target for FUZZ_SECONDS (default 60)
	FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz
