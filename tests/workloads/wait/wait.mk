# SPDX-License-Identifier: Apache-2.0
# Programs that wait, and measure their own waits. Each language only where its compiler is there;
# the tests say so if it is not.
WAIT          := tests/workloads/wait
WAIT_PROGRAMS := $(addprefix $(WORKLOADS)/wait-,sources locks syncs lives classes)
WAIT_PROGRAMS += $(if $(shell command -v musl-gcc 2>/dev/null),$(addprefix $(WORKLOADS)/wait-,locks-musl syncs-musl))
WAIT_PROGRAMS += $(if $(RUSTC),$(WORKLOADS)/wait-rust)
WAIT_PROGRAMS += $(if $(shell command -v go 2>/dev/null),$(WORKLOADS)/wait-go)
WAIT_PROGRAMS += $(if $(shell command -v javac 2>/dev/null),$(WORKLOADS)/wait-java/Monitor.class)

workloads: $(WAIT_PROGRAMS)

$(WAIT_PROGRAMS): tests/workloads/burn.h $(WAIT)/wait.h $(WAIT)/wait.mk | $(WORKLOADS)

$(WORKLOADS)/wait-%: $(WAIT)/%.c
	gcc $(WL_CFLAGS) -fPIE -pie $(WL_LINK) -o $@ $(filter %.c,$^) -lpthread
$(WORKLOADS)/wait-%-musl: $(WAIT)/%.c
	musl-gcc $(WL_CFLAGS) -static $(WL_LINK) -o $@ $(filter %.c,$^)
$(WORKLOADS)/wait-classes: $(WAIT)/classes.cpp
	g++ $(filter-out -std=%,$(WL_CFLAGS)) -std=gnu++17 -fPIE -pie $(WL_LINK) -o $@ $< -lpthread
$(WORKLOADS)/wait-rust: $(WAIT)/mutex.rs
	$(RUSTC) $(RUST_FLAGS) -o $@ $<
$(WORKLOADS)/wait-go: $(WAIT)/contend.go
	GOCACHE=$(abspath $(BUILD))/go-cache GO111MODULE=off GOFLAGS= go build -o $@ $<
$(WORKLOADS)/wait-java/Monitor.class: $(WAIT)/Monitor.java
	javac -d $(@D) $<

$(WORKLOADS)/wait-locks $(WORKLOADS)/wait-locks-musl: $(WAIT)/charges.c $(WAIT)/charges.h
