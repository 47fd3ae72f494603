# SPDX-License-Identifier: Apache-2.0
# How the tests are built and run. Every test program speaks TAP; tests/run adds them up.
#
#   build/        gcc, as it is installed: what the end-to-end tests run
#   build/asan/   gcc with AddressSanitizer and UBSan: what the unit tests run
#   build/clang/  the same with clang, which warns and sanitizes otherwise; and the fuzz targets

UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
HOST_TESTS := $(patsubst tests/host/%.c,$(BUILD)/tests/host/%,$(wildcard tests/host/test_*.c))
FUZZERS    := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
E2E_TESTS  := $(wildcard tests/e2e/test_*.py)
# Those that compare exactly with what programs measured of themselves run alone.
E2E_EXACT := $(patsubst %,tests/e2e/test_%.py,wait_sampling mutex block shares wait_languages accuracy)
# Of the others, the longest first; all of them wait more than they work.
E2E_LONG  := $(patsubst %,tests/e2e/test_%.py,http languages unwind_chains kinds files names)
# Code that several unit tests share.
UNIT_SUPPORT := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c)))

ASAN  = BUILD=$(BUILD)/asan SANITIZE=address,undefined
# clang tells that it sanitizes by __has_feature() only; the sources ask as gcc answers.
# One library for both, so that it is compiled once: the fuzz targets want its branches counted.
CLANG_ASAN = BUILD=$(BUILD)/clang CC=clang SANITIZE=fuzzer-no-link,address,undefined CPPFLAGS=-D__SANITIZE_ADDRESS__
FUZZ_SECONDS ?= 10
JOBS ?= $(shell nproc)
# As the sanitizers end a program: with a stack, and with a status that no test takes for its own.
SANITIZER_OPTIONS = ASAN_OPTIONS=abort_on_error=1:detect_leaks=1:strict_string_checks=1 \
	UBSAN_OPTIONS=print_stacktrace=1

$(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(UNIT_SUPPORT) $(BUILD)/libdaemon.a $(BUILD)/libprofctl.a $(BUILD)/libprofd.a
	@mkdir -p $(@D)
	$(call say,TEST)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

# Programs that tests and benches ask about the library.
TOOLS := $(patsubst tests/tools/%.c,$(BUILD)/tests/tools/%,$(wildcard tests/tools/*.c))
$(BUILD)/tests/tools/%: $(BUILD)/obj/tests/tools/%.o $(BUILD)/libprofd.a
	@mkdir -p $(@D)
	$(call say,TOOL)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)

# BPF sources compiled for the host: the test file includes them.
$(BUILD)/tests/host/%: tests/host/%.c $(wildcard tests/host/*.h bpf/*.h bpf/*.c)
	@mkdir -p $(@D)
	$(call say,TEST)
	$(Q)$(CC) $(ALL_CPPFLAGS) -Itests/host $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< -lcmocka

$(BUILD)/tests/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/obj/tests/unit/scratch.o $(BUILD)/libdaemon.a $(BUILD)/libprofd.a
	@mkdir -p $(@D)
	$(call say,FUZZER)
	$(Q)clang $(ALL_CFLAGS) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)

-include $(wildcard $(BUILD)/obj/tests/*/*.d)

include tests/workloads/workloads.mk
include tests/workloads/wait/wait.mk
include tests/workloads/unwind/unwind.mk
include tests/bpf/bpf.mk

.PHONY: unit-programs fuzz-programs
unit-programs: $(UNIT_TESTS) $(HOST_TESTS)
fuzz-programs: $(FUZZERS)

.PHONY: test-packages
test-packages:
	@packaging/install-packages $(BUILD_PACKAGES) $(TEST_PACKAGES)

# Each is a make of its own, because each is a build of its own.
.PHONY: test-build
test-build:
	@$(MAKE) --no-print-directory -j$(JOBS) all workloads $(PLAIN_TESTS) $(TOOLS)
	@$(MAKE) --no-print-directory -j$(JOBS) $(ASAN) unit-programs
	@$(MAKE) --no-print-directory -j$(JOBS) $(CLANG_ASAN) unit-programs fuzz-programs

# What sanitizers would keep from working: the sandbox of the parser, single steps, BPF's own stacks.
PLAIN_TESTS := $(addprefix $(BUILD)/tests/unit/,test_worker test_worker_network test_symbol_job test_jit_file test_table_job test_unwind_singlestep test_collector test_collector_waits test_bpf_unwind)

# The groups of tests/run. A time limit is for what hangs: many times what it takes on a machine that
# does nothing else.
RUN_LINT  = --beside 1 --timeout 1200 --label "" tests/lint
RUN_UNITS = --jobs $(JOBS) --timeout 240 --label gcc $(UNIT_TESTS:$(BUILD)/%=$(BUILD)/asan/%) \
	$(HOST_TESTS:$(BUILD)/%=$(BUILD)/asan/%) --label clang \
	$(UNIT_TESTS:$(BUILD)/%=$(BUILD)/clang/%) $(HOST_TESTS:$(BUILD)/%=$(BUILD)/clang/%) \
	--label plain $(PLAIN_TESTS)
RUN_FUZZ  = --jobs $(JOBS) --timeout 600 --label "" tests/fuzz/run_fuzzers
RUN_E2E   = --timeout 600 --label "" --jobs 3 $(E2E_LONG) \
	$(filter-out $(E2E_LONG) $(E2E_EXACT),$(E2E_TESTS)) --jobs 1 $(E2E_EXACT)
TEST_ENVIRONMENT = $(SANITIZER_OPTIONS) BUILD=$(BUILD) FUZZ_SECONDS=$(FUZZ_SECONDS)
check lint: export LINT_CFLAGS = -std=gnu11 $(ALL_CPPFLAGS)

.PHONY: check
check: test-packages ## Install what is needed, build, and run every test (end-to-end tests as root)
	@$(MAKE) --no-print-directory test-build
	@$(TEST_ENVIRONMENT) tests/run $(RUN_LINT) $(RUN_UNITS) $(RUN_FUZZ) $(RUN_E2E)

.PHONY: units
units: ## Run the unit tests, under the sanitizers (no root)
	@$(MAKE) --no-print-directory -j$(JOBS) $(ASAN) unit-programs
	@$(TEST_ENVIRONMENT) tests/run --jobs $(JOBS) $(UNIT_TESTS:$(BUILD)/%=$(BUILD)/asan/%) \
		$(HOST_TESTS:$(BUILD)/%=$(BUILD)/asan/%)

.PHONY: lint
lint: $(GENERATED) ## Check formatting, licenses and the direction of includes; clang-tidy; cppcheck
	@$(TEST_ENVIRONMENT) tests/lint

.PHONY: fuzz
fuzz: ## Fuzz each parser for FUZZ_SECONDS (10)
	@$(MAKE) --no-print-directory -j$(JOBS) $(CLANG_ASAN) fuzz-programs
	@$(TEST_ENVIRONMENT) tests/run $(RUN_FUZZ)

.PHONY: e2e
e2e: ## Run the end-to-end tests (as root, with BPF)
	@$(MAKE) --no-print-directory -j$(JOBS) all workloads $(TOOLS)
	@$(TEST_ENVIRONMENT) tests/run $(RUN_E2E)

.PHONY: bench
bench: ## Measure what profd costs (as root)
	@packaging/install-packages $(BUILD_PACKAGES) $(BENCH_PACKAGES)
	@$(MAKE) --no-print-directory -j$(JOBS) all workloads $(TOOLS) $(BUILD)/tests/bench/floor.bpf.o
	@BUILD=$(BUILD) tests/bench/bench
	@BUILD=$(BUILD) tests/bench/unwind
	@BUILD=$(BUILD) tests/bench/waits
	@BUILD=$(BUILD) tests/bench/lines $(BUILD)/profd $(wildcard /usr/lib/*/libLLVM-*.so.1)
