/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions that locks are made of, from the one that a program calls inwards. Every wait for a
 * lock ends in the same few of them, so that a list of functions by flat time begins with them, and
 * who waits is further down: reports leave them out, and what is inside of them.
 */
#pragma once

/*
 * A regular expression for names without parameters, all of a name: as the field drop_frames of
 * profile.proto has it (RE2), and for regcomp() with REG_EXTENDED.
 *
 * No function is in it that calls back into the program (pthread_once(), Rust's Once), as what such
 * a callback waits for is not the lock. Frames of the kernel are not either: for a lock they are
 * inside of one of these; for all other waits they tell what was waited for. The frame of a stack
 * that is cut is: of a program that has no frame but these, all are shown.
 */
const char *lock_frames(void);
