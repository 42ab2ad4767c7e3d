# make dev   everything on this machine, with nothing set up
# make test  every test; needs Go, Node and PostgreSQL's binaries
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help dev test build web lint check-generated generate go-test web-test fuzz bench bench-peers docs

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
