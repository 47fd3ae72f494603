/* SPDX-License-Identifier: Apache-2.0 */
/* Private to stream*.c: whether a record of the ring says what can be. Captures are from strangers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "abi.h"

/* @record has @size bytes, as it says itself, and at least those of its header. */
bool stream_record_is_valid(const struct abi_record *record, size_t size);
/* Where the slice of a sample is, whose counts of frames are valid and which has one. */
const struct abi_slice *stream_slice_of(const struct abi_sample *sample);
