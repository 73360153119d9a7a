# SPDX-License-Identifier: GPL-2.0
#
# The door to everything: each target is a command of the host-side program in tools/xtask.
#
# What variables there are, such as KERNEL= and V=1, is a table in README.md.

.DEFAULT_GOAL := help

help: ## show this list
	@sed -n 's/^\([a-z-]*\): *## */\1|/p' $(firstword $(MAKEFILE_LIST)) | \
		while IFS='|' read -r target text; do printf '  make %-14s %s\n' "$$target" "$$text"; done

run: ## build Linux with the overlay, boot it in QEMU and show the driver at work on a disk
run-net: ## boot it with two network cards and show what goes between them
test: ## run everything that must pass before a change lands
kunit: ## run the KUnit suites in user-mode Linux, the fastest loop
parity: ## compare the driver with the C one on every kind of disk
parity-net: ## compare the driver of network cards with the C one
uml: ## run both drivers on our own block device in user-mode Linux: zones, secure erase, odd limits, faults
hostile: ## try both drivers on devices that lie and write Documentation/rust/hostile.rst
fuzz: ## try the driver for FUZZ_SECONDS= on devices that misbehave at random, by SEED=
powercut: ## cut the power of a disk CUTS= times under a file system, by SEED=
mutants: ## break laws and duties on purpose, all or those that MUTANTS= names, and see who notices
provoke: ## break the law that MUTANTS= names on the debug kernel and show what its checkers say
check: ## check formatting, lints, style and documentation
soak: ## run the long versions of the tests: machines, devices that lie, power cuts, instructions, mutants
boots: ## boot each kernel many times and count the boots that were lost
insns: ## count the instructions per request of the C driver and of ours (fails above its limits)
insns-net: ## count the instructions per packet of both drivers of network cards (fails above C's)
trips: ## count interrupts, notifications, wake-ups and locks of the C driver and of ours
bench: ## compare speed and latency of the C driver and of ours, on a page (QUICK=1 for a few minutes)
bench-net: ## compare the speed of both drivers of network cards, on a page
shell: ## open a shell in the virtual machine; `reload virtio_blk_rs` there takes what `make ko` built
ko: ## build the modules again after an edit
kernel: ## build the kernel and all modules
compile-fail: ## check what the abstractions must refuse to compile
new-driver: ## write the beginning of a driver, outside of the tree: NAME=, KIND=plain|virtio|block|pci|net, DIR=
templates: ## try what new-driver writes, and the stages of the book
doc: ## make the documentation of the abstractions
book: ## make the book, from nothing to one's own driver, as HTML
check-book: ## run the commands of the book, of the chapters that CHAPTER= names or QUICK=1 ones, and compare
debug: ## boot a kernel, stop before it loads MODULE=, attach gdb
env: ## print shell variables for calling kbuild by hand: eval "$(make env)"
bindings: ## show what Rust sees of the C symbol that SYMBOL= names, or why it does not
map: ## write the page that says what is where: map.rst, beside the other documents
patches: ## make the overlay into patches that can be mailed; BUILD_EACH=1 builds steps of the series
rust-analyzer: ## make rust-project.json for editors
check-editor: ## ask the real rust-analyzer what an editor knows of our files (builds one if need be, 20 minutes)
setup: ## install what is missing, fetch the kernel source, apply the overlay
status: ## show versions, tree, overlay, kernels and accelerator
apply: ## apply the overlay to the kernel tree
unapply: ## restore the kernel tree to the byte
clean: ## remove what was built in the build directory
distclean: ## remove also the kernel source and its download

# Every target that says above what it does, but help.
TARGETS := $(shell sed -n '/^help:/d; s/^\([a-z-]*\): .*/\1/p' $(firstword $(MAKEFILE_LIST)))

.PHONY: help $(TARGETS)

$(TARGETS):
	@tools/bootstrap.sh $@
