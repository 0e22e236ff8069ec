# Two commands do everything: `make run` and `make test`. The others are their steps.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.PHONY: run stop reset build test unit integration packages test-packages bench clean format-check

BUILD_FLAGS := -c release --static-swift-stdlib -Xlinker -s
PODINIT := Sources/CPodInit/podinit.bin
PODINIT_SOURCES := $(wildcard Sources/PodInit/*.c Sources/PodInit/*.h)

# A one-node cluster on the embedded store, with a demo served through a virtual IP. Needs root.
run: build
	@demo/run

# Stops the daemon; pods keep running.
stop:
	@demo/stop

# Removes everything that `make run` left: pods, links, mounts, cgroups, rules, files.
reset:
	@demo/reset

packages:
	@tools/install-packages

test-packages:
	@tools/install-packages tests

$(PODINIT): $(PODINIT_SOURCES)
	@echo "building podinit"
	@musl-gcc -static -Os -std=c11 -Wall -Wextra -Werror -s -o $@ $(wildcard Sources/PodInit/*.c)

# The release binary: .build/release/swiftlet
build: packages $(PODINIT)
	@echo "building swiftlet (the first time takes some minutes)"
	@swift build $(BUILD_FLAGS) --product swiftlet

# Everything: unit tests, then integration/ as root. The last line reads `N passed, N failed, N skipped`.
test: test-packages build
	@tools/run-tests

unit: test-packages $(PODINIT)
	@tools/run-tests unit

integration: test-packages build
	@tools/run-tests integration

bench: build
	@benchmarks/run

format-check:
	@swift format lint --recursive --parallel Sources Tests

clean:
	rm -rf .build $(PODINIT)
