# make test is everything, as continuous integration runs it; make fast is the
# loop while writing. Both need Go; make test also Node, npm and, to install a
# browser where there is none, Debian's package manager.

GO     ?= go
BIN    := $(CURDIR)/bin
CHECKS := ./.ci/imports ./.ci/tidy
SEEDS  ?= 5000
VET_OS := linux darwin freebsd netbsd openbsd

.PHONY: test fast deps tools check fmt vet staticcheck vuln imports tidy unit sim fuzz build clean

test: deps check unit sim fuzz
	@echo "make test: all of it passed"

# fast leaves out what takes minutes: the race detector, fuzzing, browsers.
fast: fmt imports tidy
	$(GO) vet ./...
	$(GO) test -short ./poller/... ./server/... $(CHECKS)

build:
	$(GO) build -trimpath -o $(BIN)/roost ./cmd/roost

# deps installs what the tests need; it does nothing when all is there.
deps:
	@.ci/setup

check: fmt imports tidy vet staticcheck vuln

fmt:
	@unformatted=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	if [ -n "$$unformatted" ]; then echo "gofmt would change:"; echo "$$unformatted"; exit 1; fi

imports:
	$(GO) run ./.ci/imports

tidy:
	$(GO) run ./.ci/tidy

vet:
	@for os in $(VET_OS); do \
		echo "GOOS=$$os $(GO) vet ./..."; GOOS=$$os CGO_ENABLED=0 $(GO) vet ./... $(CHECKS) || exit 1; \
	done
	GOOS=windows CGO_ENABLED=0 $(GO) build ./poller/... ./server/... ./cmd/roost

# The tools are pinned in a module of their own, so that none of what they
# need enters roost's go.mod.
tools: $(BIN)/staticcheck

$(BIN)/staticcheck: .ci/tools/go.mod
	cd .ci/tools && GOBIN=$(BIN) $(GO) install tool
	@touch $@

staticcheck: tools
	$(BIN)/staticcheck ./... $(CHECKS)

vuln: tools
	@.ci/vuln

# unit is every test of every package under the race detector: conformance and
# the real clients of cmd/roost too, which must not be skipped here.
unit:
	ROOST_REQUIRE_CLIENTS=1 $(GO) test -race -timeout 15m ./... $(CHECKS)

# sim replays schedules of the engine on a simulated kernel, more of them than
# unit did and without the race detector. ROOST_SIM_SEED=n replays one.
sim:
	ROOST_SIM_SEEDS=$(SEEDS) $(GO) test -count=1 -run '^TestSim' ./server/...

# fuzz runs each target for a moment, on top of its seeds that unit ran.
fuzz:
	.ci/fuzz 3

clean:
	rm -rf $(BIN)
