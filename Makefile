# Strongroom: `make demo` shows it working, `make test` proves it. `make help` lists the rest.

SWIFT   ?= swift
JOBS    ?= $(shell nproc)
PREFIX  ?= /usr
DESTDIR ?=
BIN     := .build/release
# Seconds for each fuzz target in `make test`.
FUZZ_SECONDS ?= 45

PACKAGES := gcc libc6-dev libssl-dev liblmdb-dev pkg-config openssl curl python3 python3-pytest strace lmdb-utils \
            softhsm2

.PHONY: help deps build demo test test-swift test-end-to-end test-crash test-fuzz bench bench-rotation bench-audit \
        lint format install clean

help:
	@echo "make demo      a vault in a temporary directory: cards become tokens and come back"
	@echo "make test      every test (about half an hour on two cores)"
	@echo "make build     .build/release/strongroomd and .build/release/strongroom"
	@echo "make bench     short benchmarks, results in bench/results"
	@echo "make bench-rotation  rotations of the keys under load, results there too"
	@echo "make bench-audit  what the audit log costs for each token"
	@echo "make lint      swift format, strict"
	@echo "make install   programs, units, documents below DESTDIR/PREFIX"

# Installs what is missing from Debian; does nothing where all is there.
deps:
	@missing=""; for package in $(PACKAGES); do \
	  dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q "ok installed" || missing="$$missing $$package"; done; \
	if [ -n "$$missing" ]; then echo "installing:$$missing"; \
	  if [ "$$(id -u)" = 0 ]; then run=""; else run="sudo"; fi; \
	  $$run apt-get update -qq && $$run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; fi
	@command -v $(SWIFT) >/dev/null || { echo "Swift 6.3 is needed: https://www.swift.org/install/linux"; exit 69; }

build: deps
	$(SWIFT) build -c release -j $(JOBS) --product strongroomd
	$(SWIFT) build -c release -j $(JOBS) --product strongroom

demo: build
	bench/demo/run $(BIN)

test: lint build test-swift test-fuzz test-crash test-end-to-end

test-swift: deps
	$(SWIFT) build --build-tests -j $(JOBS)
	$(SWIFT) test --skip-build --no-parallel

test-fuzz: deps
	Tests/Fuzz/run $(FUZZ_SECONDS)

test-crash: build
	/usr/bin/python3 -m pytest -q Tests/Crash

test-end-to-end: build
	/usr/bin/python3 -m pytest -q Tests/EndToEnd

bench: build
	bench/run

bench-rotation: build
	bench/run rotation

bench-audit: deps
	bench/run audit

lint:
	$(SWIFT) format lint --strict --parallel --recursive Package.swift Sources Tests bench/Package.swift bench/Sources bench/Layers

format:
	$(SWIFT) format --in-place --parallel --recursive Package.swift Sources Tests bench/Package.swift bench/Sources bench/Layers

install: build
	install -D -m 0755 $(BIN)/strongroomd $(DESTDIR)$(PREFIX)/sbin/strongroomd
	install -D -m 0755 $(BIN)/strongroom $(DESTDIR)$(PREFIX)/bin/strongroom
	install -D -m 0644 systemd/strongroomd.service $(DESTDIR)/lib/systemd/system/strongroomd.service
	install -D -m 0644 systemd/strongroom.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/strongroom.conf
	install -D -m 0644 systemd/strongroom.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/strongroom.conf
	install -D -m 0644 docs/strongroom.yaml $(DESTDIR)$(PREFIX)/share/doc/strongroom/strongroom.yaml
	install -d $(DESTDIR)$(PREFIX)/share/man/man8 $(DESTDIR)$(PREFIX)/share/man/man5 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 0644 docs/man/*.8 $(DESTDIR)$(PREFIX)/share/man/man8/
	install -m 0644 docs/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 0644 docs/man/*.5 $(DESTDIR)$(PREFIX)/share/man/man5/
	for shell in bash zsh fish; do \
	  install -d $(DESTDIR)$(PREFIX)/share/strongroom/completions; \
	  $(BIN)/strongroom --generate-completion-script $$shell > $(DESTDIR)$(PREFIX)/share/strongroom/completions/strongroom.$$shell; done

clean:
	rm -rf .build bench/.build
