/* SPDX-License-Identifier: Apache-2.0 */
/* `profd replay`: a capture in, a profile out, without root and without a kernel to ask. */
#pragma once

#include "base/error.h"

/* @output "-" is stdout. Returns an enum exit_code; what went wrong is in @e. */
int replay_command(const char *capture, const char *output, struct error *e);
