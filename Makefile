# SPDX-License-Identifier: Apache-2.0
# profd: `make help` lists the targets.

BUILD   ?= build
PREFIX  ?= /usr
CC      ?= gcc
CLANG   ?= clang
BPFTOOL ?= $(or $(shell command -v bpftool 2>/dev/null),/usr/sbin/bpftool)
WERROR  ?= $(if $(CI),1)
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1)

# V=1 shows the commands, otherwise a word and a file.
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$@')

include packaging/dependencies.mk

PKGS := libbpf libelf zlib libprotobuf-c libsystemd libmicrohttpd libcurl libcap libseccomp liblzma libzstd libdw

WARNINGS := -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes \
            -Wold-style-definition -Wformat=2 -Wvla -Wundef -Wwrite-strings $(if $(WERROR),-Werror)
CFLAGS   ?= -O2 -g
# SANITIZE=address,undefined builds everything with these sanitizers (give it a BUILD of its own).
SANITIZE ?=
SANFLAGS := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)
ALL_CPPFLAGS = -D_GNU_SOURCE -DPROFD_VERSION='"$(VERSION)"' -Iuserspace -Ibpf -I$(BUILD)/gen \
               $(shell pkg-config --cflags $(PKGS)) $(CPPFLAGS)
ALL_CFLAGS   = -std=gnu11 $(CFLAGS) $(WARNINGS) -fstack-protector-strong -fPIE $(SANFLAGS)
ALL_LDFLAGS  = -pie -Wl,-z,relro,-z,now $(SANFLAGS) $(LDFLAGS)
LDLIBS       = $(shell pkg-config --libs $(PKGS)) -liberty

BPF_ARCH   := $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')
BPF_CFLAGS := -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_$(BPF_ARCH) -Wall -Wextra \
              -Wno-unused-parameter $(if $(WERROR),-Werror) -Ibpf -I/usr/include/$(shell uname -m)-linux-gnu

LIB_SRCS     := $(filter-out userspace/profctl/%,$(wildcard userspace/*.c userspace/*/*.c))
PROFCTL_SRCS := $(wildcard userspace/profctl/*.c)
DAEMON_SRCS  := $(wildcard daemon/*.c)
BPF_SRCS     := $(wildcard bpf/*.bpf.c)

LIB_OBJS     := $(LIB_SRCS:%.c=$(BUILD)/obj/%.o) $(BUILD)/obj/proto/profile.pb-c.o
PROFCTL_OBJS := $(PROFCTL_SRCS:%.c=$(BUILD)/obj/%.o)
DAEMON_OBJS  := $(DAEMON_SRCS:%.c=$(BUILD)/obj/%.o)
BPF_OBJS     := $(BPF_SRCS:bpf/%.c=$(BUILD)/bpf/%.o)
GENERATED    := $(BUILD)/gen/profile.pb-c.h $(BUILD)/gen/profd.skel.h
.SECONDARY: $(GENERATED)

.PHONY: all
all: $(BUILD)/profd $(BUILD)/profctl ## Build profd and profctl (no root needed)

$(BUILD)/profd: $(DAEMON_OBJS) $(BUILD)/libprofd.a
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/profctl: $(PROFCTL_OBJS) $(BUILD)/libprofd.a
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/libprofd.a: $(LIB_OBJS)
	@rm -f $@
	$(call say,AR)
	$(Q)$(AR) rcs $@ $^

# What the daemon is made of but its main(), for its unit tests.
$(BUILD)/libdaemon.a: $(filter-out %/main.o,$(DAEMON_OBJS))
	@rm -f $@
	$(call say,AR)
	$(Q)$(AR) rcs $@ $^

# The same of profctl.
$(BUILD)/libprofctl.a: $(filter-out %/main.o,$(PROFCTL_OBJS))
	@rm -f $@
	$(call say,AR)
	$(Q)$(AR) rcs $@ $^

$(BUILD)/obj/%.o: %.c Makefile | $(GENERATED)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# What says the version is compiled again when it has changed.
VERSION_OBJS := $(patsubst %.c,$(BUILD)/obj/%.o,$(shell grep -l PROFD_VERSION daemon/*.c userspace/*/*.c))
$(VERSION_OBJS): $(BUILD)/gen/version
$(BUILD)/gen/version: FORCE
	@mkdir -p $(@D)
	@echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' > $@
.PHONY: FORCE

# Generated code is compiled without our warnings.
$(BUILD)/obj/proto/%.pb-c.o: $(BUILD)/gen/%.pb-c.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CPPFLAGS) -std=gnu11 $(CFLAGS) -w -fPIE $(SANFLAGS) -c -o $@ $<

$(BUILD)/gen/%.pb-c.c $(BUILD)/gen/%.pb-c.h: proto/%.proto
	@mkdir -p $(@D)
	$(call say,PROTOC)
	$(Q)protoc-c --c_out=$(BUILD)/gen --proto_path=proto $<

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h) Makefile
	@mkdir -p $(@D)
	$(call say,BPF)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c -o $@ $<

$(BUILD)/bpf/profd.o: $(BPF_OBJS)
	$(call say,BPFLINK)
	$(Q)$(BPFTOOL) gen object $@ $^

$(BUILD)/gen/profd.skel.h: $(BUILD)/bpf/profd.o
	@mkdir -p $(@D)
	$(call say,SKEL)
	$(Q)$(BPFTOOL) gen skeleton $< name profd_bpf > $@.tmp
	@mv $@.tmp $@

-include $(LIB_OBJS:.o=.d) $(PROFCTL_OBJS:.o=.d) $(DAEMON_OBJS:.o=.d)

include tests/tests.mk

.PHONY: deps
deps: ## Install what the build needs (apt, as root)
	@packaging/install-packages $(BUILD_PACKAGES)

.PHONY: run
run: deps ## Install what is needed, build, and start profd in the foreground (as root)
	@$(MAKE) --no-print-directory all
	@exec $(BUILD)/profd $(ARGS)

.PHONY: install
install: all ## Install into DESTDIR with PREFIX (/usr)
	install -D -m 755 $(BUILD)/profd $(DESTDIR)$(PREFIX)/bin/profd
	install -D -m 755 $(BUILD)/profctl $(DESTDIR)$(PREFIX)/bin/profctl
	install -d $(DESTDIR)/usr/lib/systemd/system $(DESTDIR)/etc/profd
	sed 's|@bindir@|$(PREFIX)/bin|g' systemd/profd.service > $(DESTDIR)/usr/lib/systemd/system/profd.service
	install -m 644 systemd/profd.socket $(DESTDIR)/usr/lib/systemd/system/profd.socket
	test -e $(DESTDIR)/etc/profd/profd.conf || install -m 644 systemd/profd.conf $(DESTDIR)/etc/profd/profd.conf
	for d in sysusers tmpfiles; do \
		test ! -e systemd/profd.$$d || install -D -m 644 systemd/profd.$$d $(DESTDIR)/usr/lib/$$d.d/profd.conf; \
	done
	for m in packaging/man/*.[158]; do \
		test ! -e $$m || install -D -m 644 $$m $(DESTDIR)$(PREFIX)/share/man/man$${m##*.}/$${m##*/}; \
	done
	install -D -m 644 packaging/completions/profctl.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/profctl
	install -D -m 644 packaging/completions/_profctl $(DESTDIR)$(PREFIX)/share/zsh/vendor-completions/_profctl
	install -D -m 644 packaging/completions/profctl.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/profctl.fish

.PHONY: uninstall
uninstall: ## Remove what install put there; profiles, caches and a changed configuration stay
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,profd profctl) \
		$(addprefix $(DESTDIR)/usr/lib/,systemd/system/profd.service systemd/system/profd.socket \
			sysusers.d/profd.conf tmpfiles.d/profd.conf) \
		$(foreach m,$(wildcard packaging/man/*.[158]),$(DESTDIR)$(PREFIX)/share/man/man$(subst .,,$(suffix $(m)))/$(notdir $(m))) \
		$(addprefix $(DESTDIR)$(PREFIX)/share/,bash-completion/completions/profctl \
			zsh/vendor-completions/_profctl fish/vendor_completions.d/profctl.fish)
	if cmp -s systemd/profd.conf $(DESTDIR)/etc/profd/profd.conf; then rm $(DESTDIR)/etc/profd/profd.conf; fi
	if test -d $(DESTDIR)/etc/profd; then rmdir --ignore-fail-on-non-empty $(DESTDIR)/etc/profd; fi

.PHONY: clean
clean: ## Remove what was built
	rm -rf $(BUILD)

.PHONY: help
help: ## This list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16
