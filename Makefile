# Every target here is what CI and the documentation call; the work is in scripts/.
SHELL := /bin/bash

CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/turnpike/target
export CARGO_TARGET_DIR

# Always the whole workspace and always the dev profile: another selection of crates or another
# profile may switch other features on, and compile the dependencies a second time.
CARGO_BUILD = cargo build --workspace --locked

DEMO_ARGS ?=
SEED ?= 1
CYCLES ?= 100
ROW ?=
BENCH ?= run
SECONDS ?= 60
CASES ?= 10000

.DEFAULT_GOAL := help
.PHONY: help build demo test check bench gates faults soak oracle fuzz fmt fmt-check clippy deny kafka kafka-stop

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

build: ## the binary, as demo and test use it
	scripts/build-deps
	$(CARGO_BUILD)

demo: build ## two months of a simulated provider, from events to pages (DEMO_ARGS=--no-serve for scripts)
	"$(CARGO_TARGET_DIR)/debug/turnpike" demo $(DEMO_ARGS)

test: ## all tests, against a real Apache Kafka that is started and stopped here
	scripts/test

check: fmt-check clippy test deny ## everything to run before a commit is pushed

bench: ## speed, with the peers' side (BENCH=rating: bench/rating; bench/README.md lists them)
	bench/$(BENCH)

gates: ## outside validators over what turnpike writes (gates/README.md)
	gates/run

faults: ## every row of the fault matrix, and a table of what became of each (ROW=f15: one of them)
	scripts/faults $(ROW)

soak: ## kill -9 in a loop (SEED=n CYCLES=n), then the oracle: lost, doubled, mispriced events
	TURNPIKE_SOAK_SEED=$(SEED) TURNPIKE_SOAK_CYCLES=$(CYCLES) scripts/test faults::kill_cycles --nocapture

oracle: ## CASES random tariffs and usages, rated here and by an independent program (tests/oracle/README.md)
	TURNPIKE_ORACLE_SEED=$(SEED) TURNPIKE_ORACLE_CASES=$(CASES) cargo test --workspace --locked --test it -- exact:: --nocapture

fuzz: ## damaged input for the decoder and every adapter, SECONDS for each (fuzz/README.md)
	FUZZ_SECONDS=$(SECONDS) FUZZ_SEED=$(SEED) cargo test --workspace --locked --test it -- fuzz:: --nocapture

fmt: ## format all Rust files
	cargo fmt --all

fmt-check:
	cargo fmt --all --check

clippy: ## lints over all targets, a warning is an error
	scripts/clippy

deny: ## licences, sources and advisories of the dependencies, where cargo-deny is installed
	@if cargo deny --version >/dev/null 2>&1; then cargo deny --locked check; \
	else echo "deny: skipped, cargo-deny is not installed (cargo install cargo-deny)"; fi

kafka: ## start Kafka for work by hand; prints its settings (make -s kafka); make kafka-stop ends it
	@scripts/kafka start

kafka-stop:
	@scripts/kafka stop
