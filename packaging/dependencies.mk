# SPDX-License-Identifier: Apache-2.0
# Debian packages: what a build needs, and what the tests need beyond that.
BUILD_PACKAGES := gcc libc6-dev make git pkg-config clang bpftool libbpf-dev libelf-dev libdw-dev zlib1g-dev \
	libprotobuf-c-dev protobuf-c-compiler libsystemd-dev libmicrohttpd-dev libcurl4-openssl-dev \
	libiberty-dev liblzma-dev libzstd-dev libcap-dev libseccomp-dev uthash-dev
TEST_PACKAGES := libcmocka-dev binutils golang-go protobuf-compiler curl python3 g++ rustc nodejs \
	libclang-rt-14-dev lld clang-format clang-tidy cppcheck procps iproute2 util-linux musl-tools gdb libc6-dbg openssl \
	elfutils llvm dwz gfortran gnat gdc ocaml-nox
BENCH_PACKAGES := linux-perf python3 libbpf-tools
