# SPDX-License-Identifier: Apache-2.0
# How the tests are built and run. Every test program speaks TAP; tests/run adds them up.

UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
HOST_TESTS := $(patsubst tests/host/%.c,$(BUILD)/tests/host/%,$(wildcard tests/host/test_*.c))
# Code that several unit tests share.
UNIT_SUPPORT := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c)))

.PHONY: units
units: $(UNIT_TESTS) $(HOST_TESTS)

$(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(UNIT_SUPPORT) $(BUILD)/libdaemon.a $(BUILD)/libprofctl.a $(BUILD)/libprofd.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

# BPF sources compiled for the host: the test file includes them.
$(BUILD)/tests/host/%: tests/host/%.c $(wildcard tests/host/*.h bpf/*.h bpf/*.c)
	@mkdir -p $(@D)
	$(CC) $(ALL_CPPFLAGS) -Itests/host $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< -lcmocka

-include $(wildcard $(BUILD)/obj/tests/unit/*.d)

include tests/workloads/workloads.mk
