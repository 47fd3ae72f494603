# SPDX-License-Identifier: Apache-2.0
# BPF programs that only tests load: linked with the product's maps and unwinder.

$(BUILD)/tests/bpf/%.bpf.o: tests/bpf/%.bpf.c $(wildcard bpf/*.h) Makefile
	@mkdir -p $(@D)
	$(call say,BPF)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c -o $@ $<

# What a bench attaches without profd.
$(BUILD)/tests/bench/%.bpf.o: tests/bench/%.bpf.c Makefile
	@mkdir -p $(@D)
	$(call say,BPF)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c -o $@ $<

# core.bpf.o comes first, as it must (see there).
$(BUILD)/tests/bpf/%.o: $(BUILD)/bpf/core.bpf.o $(BUILD)/tests/bpf/%.bpf.o
	$(call say,BPF)
	$(Q)$(BPFTOOL) gen object $@ $^

$(BUILD)/gen/%_test.skel.h: $(BUILD)/tests/bpf/%.o
	@mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_test > $@.tmp
	$(Q)mv $@.tmp $@

$(BUILD)/obj/tests/unit/test_bpf_unwind.o: $(BUILD)/gen/switched_test.skel.h

.SECONDARY: $(BUILD)/tests/bpf/switched.o $(BUILD)/tests/bpf/switched.bpf.o
