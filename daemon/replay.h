/* SPDX-License-Identifier: Apache-2.0 */
/* `profd replay`: a capture in, a profile out, without root and without a kernel to ask. */
#pragma once

#include <stdint.h>

#include "base/error.h"

/* The enum abi_sample_kind of "cpu", "block" or "mutex"; 0 = it is none of these. */
uint8_t replay_kind(const char *type);
/*
 * @type: one of these. @output "-" is stdout. Returns an enum exit_code; what went wrong is in @e.
 */
int replay_command(const char *capture, const char *type, const char *output, struct error *e);
