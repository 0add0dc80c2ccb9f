# make test is everything, as continuous integration runs it; make fast is the
# loop while writing. Both need Go; make test also what .ci/setup looks for, and
# installs with Debian's package manager where it is missing.

GO     ?= go
BIN    := $(CURDIR)/bin
CHECKS := ./.ci/imports ./.ci/tidy ./.ci/sbom ./.ci/docs ./.ci/mutants
SEEDS  ?= 50000
FUZZTIME ?= 60
VET_OS := darwin freebsd
VET_BSD := netbsd openbsd

SYSTEM := ./poller ./server/internal/sys
PORTABLE := ./poller/... ./server/... ./cmd/roost ./bench/torture ./cmd/roost-torture

.PHONY: test fast deps tools check fmt vet staticcheck vuln imports tidy unit clients conformance sim fuzz bench-smoke build clean

test: deps check unit clients conformance sim fuzz bench-smoke
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
	@unformatted=$$(gofmt -l poller server bench cmd .ci) || exit 1; \
	if [ -n "$$unformatted" ]; then echo "gofmt would change:"; echo "$$unformatted"; exit 1; fi

imports:
	$(GO) run ./.ci/imports

tidy:
	$(GO) run ./.ci/tidy

# The benchmark drives its load with epoll and is for Linux; all else is vetted
# for macOS and FreeBSD, and must compile on a system that it does not know. Of NetBSD
# and OpenBSD only what asks their kernels differs. The peers are a module of their
# own, which ./... is not about.
vet:
	CGO_ENABLED=0 $(GO) vet ./... $(CHECKS)
	cd bench/peers && CGO_ENABLED=0 $(GO) vet ./...
	@for os in $(VET_OS); do \
		echo "GOOS=$$os $(GO) vet $(PORTABLE)"; GOOS=$$os CGO_ENABLED=0 $(GO) vet $(PORTABLE) || exit 1; \
	done
	@for os in $(VET_BSD); do \
		echo "GOOS=$$os $(GO) vet $(SYSTEM)"; GOOS=$$os CGO_ENABLED=0 $(GO) vet $(SYSTEM) || exit 1; \
	done
	GOOS=windows CGO_ENABLED=0 $(GO) build $(PORTABLE)

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

# What of package server is tested over TLS as well: all that needs no plaintext
# server of others, no look at single segments, and no loop that is held up.
OVER_TLS := Deflate(Echo|Fails|Broadcast|Takeover|Turns|Panic)|AcceptedAndClosed|HTTPOn|LimitHTTP|ServerCloseEnds|$\
	InlineRuns|Ping|Pong|KeepAlive|Idle|Limit|Turned|Tutorial|HandshakeSplit|HandshakeByte|Refusal|OnUpgrade|CloseBy|Reset|$\
	StreamEnds|WholeLife|DataBehind|CloseInside|Panic|Send|ManySenders|Prepared|CloseCodes|Shutdown(Finishes|During|And|Deadline)|$\
	CloseSlow|Drop|OnDrain|SmallOutbound|Stream|SlowStream|StalledStream|Timeout(Handshake|MessageStarts|Close|Stall)|Linger

# unit is every package under the race detector but those of the next two. The
# tests of all three build and start programs, which Go's cache of results does
# not see: they run although nothing has changed that it does.
unit:
	ROOST_TEST_TLS=1 $(GO) test -count=1 -timeout 5m -run '^Test($(OVER_TLS))' ./server
	$(GO) test -race -count=1 -timeout 10m $$($(GO) list ./... | grep -v -e /cmd/roost$$ -e /bench/torture$$) $(CHECKS)

# clients drives the built program with real clients, which must not be skipped here,
# nor may what of the machine's faults it is able to make. Six at once: those that are
# parallel are so because they wait, for deadlines or for another program.
clients:
	@echo "must not be skipped, because this machine is able to:" $$(.ci/abilities)
	ROOST_REQUIRE_CLIENTS=1 ROOST_REQUIRE_ABILITIES="$$(.ci/abilities)" $(GO) test -race -count=1 -parallel 6 -timeout 10m ./cmd/roost

# conformance is RFC 6455 against roost echo, and the Pusher Channels protocol against
# roost serve. Its deadlines are those of a server as it ships,
# so nothing here is slowed down by the race detector.
conformance:
	$(GO) test -count=1 -timeout 10m ./bench/torture

# sim runs whole engines and whole servers on a simulated kernel, SEEDS of each,
# fewer of push servers, and with a yield between all steps of the engine. See
# docs/testing.md.
sim:
	GOGC=400 ROOST_SIM_SEEDS=$(SEEDS) $(GO) test -count=1 -timeout 60m -run '^TestSim(Engine|Server)$$' ./server/...
	GOGC=400 ROOST_SIM_SEEDS=3000 $(GO) test -count=1 -timeout 20m -run '^TestSimPush$$' ./server/push
	ROOST_SIM_SEEDS=3000 $(GO) test -count=1 -timeout 20m -run '^TestSimTLS$$' ./server/internal/engine
	ROOST_SIM_SEEDS=5000 $(GO) test -count=1 -timeout 20m -run '^TestSim(Woven|Exhausted)$$' ./server/internal/engine

# fuzz runs each target for FUZZTIME seconds, on top of its seeds that unit ran:
# four side by side, so that twenty targets take five to six minutes.
fuzz:
	.ci/fuzz $(FUZZTIME)

# bench-smoke runs every scenario for a moment at two peers: does the benchmark
# work and verify? How fast anything was, it does not ask.
bench-smoke:
	$(GO) run ./cmd/roost-bench smoke

clean:
	rm -rf $(BIN)

# docs writes the parts of the documentation that are made of the code.
.PHONY: docs sbom reproducible
docs:
	$(GO) run ./.ci/docs

# sbom lists every module that is in the program, as CycloneDX.
sbom: build
	$(GO) run ./.ci/sbom $(BIN)/roost >$(BIN)/roost.cdx.json
	@echo "sbom: $(BIN)/roost.cdx.json"

# reproducible builds the program twice, in two places, and compares the bytes.
reproducible:
	@.ci/reproducible

# ktls runs what needs a kernel with TLS, which many machines have not, under a
# user-mode Linux kernel that has, and those of package server's tests that can
# speak TLS over it, but one that counts on another kernel's speed.
# Continuous integration does, too. apt-get install user-mode-linux kmod. It takes two minutes.
.PHONY: ktls
ktls:
	@dir=$$(mktemp -d) && trap 'rm -rf $$dir' EXIT && \
	CGO_ENABLED=0 $(GO) test -c -o $$dir/ ./server/internal/ktls ./server && \
	export ROOST_REQUIRE_KTLS=1 && .ci/user-mode $$dir/ktls.test && \
	ROOST_TEST_KERNEL_TLS=1 .ci/user-mode $$dir/server.test -test.run '^Test(Kernel|$(OVER_TLS))' -test.skip TimeoutStall

# million holds a million idle connections in one process, where need be under a
# user-mode Linux kernel (docs/million.md); it takes a quarter of an hour to an hour.
.PHONY: million
million:
	CGO_ENABLED=0 $(GO) build -o $(BIN)/roost-bench ./cmd/roost-bench
	$(BIN)/roost-bench million

# soak serves a mixed crowd for FOR and fails when anything grows: docs/testing.md.
.PHONY: soak
FOR ?= 1h
soak:
	CGO_ENABLED=0 $(GO) build -o $(BIN)/roost-bench ./cmd/roost-bench
	$(BIN)/roost-bench soak --for $(FOR)

# mutants plants one bug after the other in a copy of the tree and wants each of
# them found by the test that is there for it: docs/testing.md.
.PHONY: mutants
mutants:
	$(GO) run ./.ci/mutants

# faults is the part of the tests of cmd/roost that has the machine itself at
# fault, with the waits for which make test has no time.
.PHONY: faults netem
faults: netem
	ROOST_FAULTS=1 ROOST_REQUIRE_ABILITIES="$$(.ci/abilities)" $(GO) test -count=1 -timeout 30m -v -run '^TestFault' ./cmd/roost

# netem runs what needs a bad network where there is one in any case: under a user-mode
# Linux kernel. Continuous integration does, too. apt-get install user-mode-linux kmod.
netem:
	@dir=$$(mktemp -d) && trap 'rm -rf $$dir' EXIT && \
	CGO_ENABLED=0 $(GO) build -o $$dir/roost ./cmd/roost && CGO_ENABLED=0 $(GO) test -c -o $$dir/faults.test ./cmd/roost && \
	ROOST_TEST_BINARY=$$dir/roost ROOST_REQUIRE_ABILITIES="network netem" .ci/user-mode $$dir/faults.test -test.v -test.run '^TestFaultPath'
