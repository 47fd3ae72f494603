/* SPDX-License-Identifier: Apache-2.0 */
/* What tests need that load BPF programs. */
#pragma once

#include <stdbool.h>

/* Whether this process may, and the kernel has what it takes; else says why not. */
bool may_load_bpf(void);
