/* SPDX-License-Identifier: Apache-2.0 */
/* What tests need that load BPF programs. */
#pragma once

/* Skips the test, and says why, if this process may not or the kernel has not what it takes. */
void needs_bpf(void);
