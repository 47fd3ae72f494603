/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An error that a person will read. Most functions return -errno and no words; those that know
 * more than their caller can (which sysctl, which capability, which line) fill one of these too.
 */
#pragma once

#define ERROR_TEXT_LEN 512

struct error {
	int number; /* errno, positive; 0 = no error */
	char text[ERROR_TEXT_LEN];
};

/*
 * Fills @e (which may be NULL) with one line that says what, where and what to do, without a
 * newline at its end. Returns -@number, so that it can be the operand of return.
 */
int error_set(struct error *e, int number, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
