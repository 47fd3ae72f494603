/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libgcc's call frame information does not say of the way into a landing pad.
 *
 * The functions that throw (_Unwind_RaiseException, _Unwind_Resume, ...) end with
 * uw_install_context() of libgcc's unwind.inc. From the call in it on, which writes over the
 * function's own return address and saved registers with those of the function it is going to,
 * until the stack pointer is set, the function's caller by its description is neither the old one
 * nor the new one. But where the new one's stack is stands in the frame, since it is passed to the
 * debugger's hook: the first thing loaded after that call.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "unwind_abi.h"

/* The most bytes of code that need to be looked at; it is less than 200 in GCC 11 and 12. */
#define LANDING_MAX_CODE 512

struct landing {
	size_t call;  /* where in the code @target begins to hold */
	size_t store; /* and where @pad does */
	/*
	 * The caller is the function with the landing pad: at first at the call that threw, then,
	 * its return address written over, at the landing pad.
	 */
	struct unwind_rule target, pad;
};

/* Whether a row of this rule is the first behind such code, where RSP is about to be set. */
bool landing_ends(const struct unwind_rule *rule);

/*
 * Looks at the @size bytes of code before such a row, @rule being that of the row before it. False
 * if it is not as described above.
 */
bool landing_find(const uint8_t *code, size_t size, const struct unwind_rule *rule,
		  struct landing *ret);
