/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the BPF walk of the VMA tree work on this kernel? It is run over this process's own memory
 * and compared with /proc/self/maps.
 */
#pragma once

#include "base/error.h"

/*
 * @program is the descriptor of selftest_vma. 0; -EUCLEAN and words if an answer was wrong; or
 * -errno if it could not be tested.
 */
int selftest_vma_walk(int program, struct error *e);
