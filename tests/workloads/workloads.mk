# SPDX-License-Identifier: Apache-2.0
# Programs whose profiles are known beforehand. Flags are pinned: the caller's CFLAGS have no say,
# because the tests compare what is sampled with what is written here.

WORKLOADS := $(BUILD)/workloads
WL_FRAMES := -fno-omit-frame-pointer
ifneq ($(filter x86_64 i%86,$(shell uname -m)),)
WL_FRAMES += -mno-omit-leaf-frame-pointer
endif
WL_CFLAGS := -O1 -g0 -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror $(WL_FRAMES) \
	-fno-optimize-sibling-calls -fcf-protection=none -Itests/workloads
WL_LINK   := -Wl,--build-id=sha1

WL_PLAIN    := shares spin work faults brief launcher
# It has its machine code in it.
WL_PLAIN    += $(if $(filter x86_64,$(shell uname -m)),jitted)
WL_PROGRAMS := $(addprefix $(WORKLOADS)/,$(WL_PLAIN) chain-pie chain-fixed chain-static \
	chain-static-pie chain-stripped decoy uselib shapes)
# Only where there is a Rust compiler; the test of it says so if there is none.
RUSTC       := $(shell command -v rustc 2>/dev/null)
WL_PROGRAMS += $(if $(RUSTC),$(WORKLOADS)/numbers $(WORKLOADS)/numbers-v0)
# The same for D and OCaml.
GDC         := $(shell command -v gdc 2>/dev/null)
OCAMLOPT    := $(shell command -v ocamlopt 2>/dev/null)
WL_PROGRAMS += $(if $(GDC),$(WORKLOADS)/shapes-d) $(if $(OCAMLOPT),$(WORKLOADS)/forest)
# The same for Go; HOME is where it keeps what it has built.
GO          := $(shell command -v go 2>/dev/null)
WL_GO       := gopher gopher-stripped gopher-pie
WL_PROGRAMS += $(if $(GO),$(addprefix $(WORKLOADS)/,$(WL_GO)))

.PHONY: workloads
workloads: $(WL_PROGRAMS)

$(WL_PROGRAMS): tests/workloads/burn.h tests/workloads/workloads.mk | $(WORKLOADS)
$(WORKLOADS):
	@mkdir -p $@

$(addprefix $(WORKLOADS)/,$(WL_PLAIN)): $(WORKLOADS)/%: tests/workloads/%.c
	gcc $(WL_CFLAGS) -fPIE -pie $(WL_LINK) -o $@ $< -lpthread

$(WORKLOADS)/chain-pie: tests/workloads/chain.c
	gcc $(WL_CFLAGS) -fPIE -pie $(WL_LINK) -o $@ $<
$(WORKLOADS)/chain-fixed: tests/workloads/chain.c
	gcc $(WL_CFLAGS) -fno-pie -no-pie $(WL_LINK) -o $@ $<
$(WORKLOADS)/chain-static: tests/workloads/chain.c
	gcc $(WL_CFLAGS) -fno-pie -static $(WL_LINK) -o $@ $<
$(WORKLOADS)/chain-static-pie: tests/workloads/chain.c
	gcc $(WL_CFLAGS) -fPIE -static-pie $(WL_LINK) -o $@ $<
# Without .symtab, its symbols in a file of their own that .gnu_debuglink names; a build id of its
# own, or it would be the same executable as chain-pie.
$(WORKLOADS)/chain-stripped: tests/workloads/chain.c
	gcc $(WL_CFLAGS) -fPIE -pie -Wl,--build-id=0x5072006664007374726970706564000000000001 -o $@.full $<
	objcopy --only-keep-debug $@.full $@.debug
	objcopy --strip-all --add-gnu-debuglink=$@.debug $@.full $@
	rm -f $@.full
# The same program with other names: what a wrong path must not be named by.
$(WORKLOADS)/decoy: tests/workloads/chain.c
	gcc $(WL_CFLAGS) -Dchain_leaf=decoy_leaf -Dchain_middle=decoy_middle \
		-Dchain_outer=decoy_outer -fPIE -pie $(WL_LINK) -o $@ $<

$(WORKLOADS)/libburn.so: tests/workloads/library.c tests/workloads/library.h tests/workloads/burn.h | $(WORKLOADS)
	gcc $(WL_CFLAGS) -fPIC -shared $(WL_LINK) -Wl,-soname,libburn.so -o $@ $<
$(WORKLOADS)/uselib: tests/workloads/uselib.c $(WORKLOADS)/libburn.so
	gcc $(WL_CFLAGS) -fPIE -pie $(WL_LINK) -o $@ $< -L$(WORKLOADS) -lburn -Wl,-rpath,'$$ORIGIN'
$(WORKLOADS)/shapes: tests/workloads/shapes.cpp
	g++ $(filter-out -std=%,$(WL_CFLAGS)) -std=gnu++17 -fPIE -pie $(WL_LINK) -o $@ $<

RUST_FLAGS := -C opt-level=1 -C force-frame-pointers=yes -C codegen-units=1
$(WORKLOADS)/numbers: tests/workloads/numbers.rs
	$(RUSTC) $(RUST_FLAGS) -o $@ $<
$(WORKLOADS)/numbers-v0: tests/workloads/numbers.rs
	$(RUSTC) $(RUST_FLAGS) -C symbol-mangling-version=v0 -o $@ $<

$(WORKLOADS)/shapes-d: tests/workloads/shapes.d
	$(GDC) -O1 -g -o $@ $<
# It writes what it makes on the way beside the source.
$(WORKLOADS)/forest: tests/workloads/forest.ml
	@mkdir -p $@.d && cp $< $@.d/
	cd $@.d && $(OCAMLOPT) -g -o ../forest unix.cmxa forest.ml

GO_BUILD = env GO111MODULE=off GOFLAGS= GOCACHE=$(abspath $(WORKLOADS))/go-cache $(GO) build
$(WORKLOADS)/gopher: tests/workloads/gopher.go
	$(GO_BUILD) -o $@ $<
$(WORKLOADS)/gopher-stripped: tests/workloads/gopher.go
	$(GO_BUILD) -ldflags "-s -w" -o $@ $<
$(WORKLOADS)/gopher-pie: tests/workloads/gopher.go
	$(GO_BUILD) -buildmode=pie -ldflags "-s -w" -o $@ $<
