# make dev   everything on this machine, with nothing set up
# make test  every test; needs Go, Node and PostgreSQL's binaries
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help dev test build web lint check-generated generate go-test web-test fuzz bench bench-peers bench-load explain

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

dev: build ## Build all and run it with sample data
	@./segue dev

build: web ## Build the segue binary with the pages in it
	go build -o segue .

# The pages are built once and again when their sources change. Without Node the
# server builds and runs; the pages then say how to build them.
WEB_SOURCES := $(shell find web -type f -not -path 'web/node_modules/*' -not -path 'web/dist/*' 2>/dev/null) schema.graphqls
web: internal/web/dist/.built ## Build the playground and the dashboard
internal/web/dist/.built: $(WEB_SOURCES)
	@if [ ! -f web/package.json ]; then exit 0; elif command -v npm >/dev/null; then \
	  cd web && npm ci --no-audit --no-fund --loglevel=error && npm run --silent build && touch ../internal/web/dist/.built; \
	else echo "npm is missing: the pages are left out"; fi

test: lint check-generated web go-test web-test ## Run every test
	@echo "all tests passed"

lint: ## go vet, staticcheck, formatting
	go vet ./...
	go tool -modfile=tools/go.mod staticcheck ./...
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run: gofmt -w"; exit 1; }

generate: ## Run the generators
	go generate ./...

check-generated: ## Fail when the generators would change a file
	@before=$$(git status --porcelain; git diff | sha256sum); go generate ./...; after=$$(git status --porcelain; git diff | sha256sum); \
	  test "$$before" = "$$after" || { echo "generated files are stale, run: make generate"; git --no-pager diff --stat; exit 1; }

go-test: ## Run the Go tests with the race detector
	go test -race -timeout 15m ./...

web-test: web ## Run the browser tests
	@if [ -f web/package.json ] && command -v npm >/dev/null; then cd web && npm test --silent; fi

fuzz: ## Fuzz the request path and the writer of responses for a minute each
	go test -run - -fuzz FuzzParse -fuzztime 1m ./internal/limits
	go test -run - -fuzz FuzzRequest -fuzztime 1m ./internal/gqlhttp
	go test -run - -fuzz FuzzMembers -fuzztime 1m ./internal/gqlhttp
	go test -run - -fuzz FuzzOperations -fuzztime 1m ./graph

bench: ## Go benchmarks with allocations
	go test -run - -bench . -benchmem ./graph ./internal/auth ./internal/limits

# The rig measures the peers and Segue side by side: ../shared/bench/README.md.
RIG ?= ../shared/bench
bench-peers: ## Compare with the peers (needs ../shared/bench; about 40 minutes)
	@test -d $(RIG) || { echo "$(RIG) is not there: nothing to compare with"; exit 1; }
	@rig=$$(mktemp -d) && cp -r $(RIG)/. $$rig && chmod -R u+w $$rig && \
	  sed "s|\"SEGUE\"|\"$$(realpath --relative-to=$$rig .)\"|" bench/peers.json > $$rig/segue.json && \
	  cd $$rig && CONFIG=segue.json ./run.sh && cat results/*/results.md && rm -rf $$rig

bench-load: ## Many keep-alive clients against a real gateway, and ten minutes of mixed load
	go run ./bench/load -clients 16,64,512 -duration 15s -mixed 10m

explain: ## Write docs/plans.md from the database at EXPLAIN_DATABASE_URL, which is not changed
	go test -count 1 -run TestExplain -v ./test/plans
