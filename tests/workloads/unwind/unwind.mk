# SPDX-License-Identifier: Apache-2.0
# The programs of tests/workloads/unwind; programs.py knows how each is built.
.PHONY: unwind-workloads
unwind-workloads: | $(WORKLOADS)
	@tests/workloads/unwind/programs.py $(WORKLOADS)/unwind

workloads: unwind-workloads
