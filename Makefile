# The front door. `make help` says what there is.
BUILD := build
BOARD ?= generic
SECONDS_EACH ?= 60
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
CMAKE := cmake -G Ninja -S . -DFG_BOARD=$(BOARD) -DCMAKE_INSTALL_PREFIX=$(PREFIX)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

deps: ## install the Debian packages that are missing
	@cmake/deps

$(BUILD)/build.ninja:
	@command -v cmake ninja >/dev/null || { echo "cmake or ninja is missing: make deps" >&2; exit 1; }
	@$(CMAKE) -B $(BUILD) --log-level=NOTICE

all: $(BUILD)/build.ninja ## build/fieldgate
	@cmake --build $(BUILD) -j $(JOBS) --target fieldgate

demo: deps ## a gateway, a broker and devices on this machine
	@$(MAKE) --no-print-directory all
	@tests/demo/run

demo-cluster: deps ## three gateways into a cluster of three nats-servers that lose a node, then all
	@$(MAKE) --no-print-directory all
	@tests/demo/cluster

test: deps ## everything that is quick enough to run before each push
	@tests/run

proof: deps ## power cuts, damage, kills and faults in full figures (PROOF_SCALE=100, SEED=1)
	@tests/proof/run

sim: deps ## the whole gateway in a simulated world (SEEDS=1000 from 1 on, or SEED=n alone)
	@SEED="$(SEED)" SEEDS="$(SEEDS)" tests/sim/run

fuzz: deps ## libFuzzer on every target (SECONDS_EACH=60, RUNS=, TOTAL=1000000000 before a release)
	@SECONDS_EACH="$(SECONDS_EACH)" RUNS="$(RUNS)" TOTAL="$(TOTAL)" tests/fuzz/run

coverage: deps ## lines of what reads foreign bytes that tests reach (LEAST=90 percent)
	@tests/coverage/run

bench: deps ## the measurements beside peers, plots and all, half an hour (QUICK=1: three minutes)
	@cmake/deps bench
	@tests/bench/run $(if $(QUICK),--quick)

counts: deps ## instructions, allocations, system calls a record costs (KEEP=1: writes them down)
	@cmake/deps counts
	@tests/bench/run counts $(if $(KEEP),--keep)

console-test: deps ## the console's page in headless Chromium (SHOTS=FOLDER keeps pictures)
	@cmake/deps build libraries test browser
	@$(MAKE) --no-print-directory all
	@tests/console/run $(BUILD)/fieldgate

lint: ## the source tree's own rules
	@tests/lint/run

format: ## lay the C files out as the lint wants them
	@tests/lint/run --fix

menuconfig: $(BUILD)/build.ninja ## choose what is built in
	@KCONFIG_CONFIG=$(BUILD)/.config srctree=. /usr/bin/python3 -m menuconfig Kconfig

defconfig: ## begin again with board/BOARD/defconfig (BOARD=minimal)
	@mkdir -p $(BUILD)
	@/usr/bin/python3 cmake/kconfig.py --fresh --dotconfig $(BUILD)/.config \
		--defconfig board/$(BOARD)/defconfig
	@$(CMAKE) -B $(BUILD) --log-level=NOTICE

install: ## the program, its modules and manual pages, stripped (DESTDIR, PREFIX)
	@$(CMAKE) -B $(BUILD) --log-level=NOTICE
	@$(MAKE) --no-print-directory all
	@DESTDIR="$(DESTDIR)" cmake --install $(BUILD) --strip
	@board/pages "$(DESTDIR)$(PREFIX)/share" $(BUILD)/fieldgate

size: ## bytes of the program and its modules by Kconfig symbol (JSON=1)
	@$(MAKE) --no-print-directory all >&2
	@cmake/size $(if $(JSON),--json) $(BUILD)

cross: ## for another processor, into build/cross/ (BOARD=rpi, or ARCH=arm64; SUITE=bookworm|trixie)
	@cmake/deps build cross
	@ARCH="$(ARCH)" SUITE="$(SUITE)" JOBS="$(JOBS)" board/cross $(BOARD)

cross-test: ## the unit tests under qemu-user (ARCH=arm64|armhf, SUITE=bookworm|trixie)
	@cmake/deps build cross
	@SUITE="$(SUITE)" JOBS="$(JOBS)" board/cross-test $(if $(ARCH),$(ARCH),arm64 armhf)

deb: ## Debian packages, into build/deb/ (SUITE=bookworm|trixie, ARCH="amd64 arm64 armhf")
	@cmake/deps build cross deb
	@SUITE="$(SUITE)" JOBS="$(JOBS)" board/deb/build $(ARCH)

deb-test: ## packages for both suites installed, started, upgraded, purged; the steps of docs/install.md
	@cmake/deps build cross deb
	@JOBS="$(JOBS)" tests/deb/run $(SUITE)

image: ## for BOARD=qemu-virt-arm64 into build/image/: a small one in memory, or KIND=product (VERSION=)
	@cmake/deps build cross image
	@VERSION="$(VERSION)" KEYRING="$(KEYRING)" JOBS="$(JOBS)" board/image/$(if \
		$(filter product,$(KIND)),product/build,ram) $(BOARD)

bundle: ## a signed update from the product image that was built (BOARD=, CERT=, KEY=)
	@CERT="$(CERT)" KEY="$(KEY)" board/image/product/bundle $(BOARD)

image-test: deps ## boots images in virtual machines, and pulls the plug (KIND=product: updates too; BOARD=)
	@cmake/deps build cross image
	@$(MAKE) --no-print-directory all
	@KIND="$(KIND)" tests/image/run $(if $(filter-out generic,$(BOARD)),$(BOARD))

clean: ## remove build/
	@rm -rf $(BUILD)

.PHONY: help deps all demo demo-cluster test proof sim fuzz coverage bench counts console-test lint format \
	menuconfig defconfig install size \
	cross cross-test deb deb-test image bundle image-test clean
