/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/stream_check.h"

#include <string.h>

#include "collect/stream.h"

const struct abi_slice *stream_slice_of(const struct abi_sample *sample)
{
	return (const struct abi_slice *)(sample->frames + sample->kernel_frames +
					  sample->user_frames);
}

/* The size that the record of a sample must have; SIZE_MAX if it has not even room for its parts.
 */
static size_t sample_size(const struct abi_sample *sample, size_t size)
{
	size_t frames = (size_t)sample->kernel_frames + sample->user_frames;
	size_t n = sizeof(*sample) + frames * sizeof(sample->frames[0]);

	if (sample->record.type != ABI_RECORD_SLICE)
		return n;
	n += sizeof(struct abi_slice);
	return n > size ? SIZE_MAX : n + stream_slice_of(sample)->size;
}

/* What a sample says of a wait; one of kind cpu says nothing. */
static bool wait_is_valid(const struct abi_sample *sample)
{
	return sample->kind == ABI_KIND_CPU ||
	       (sample->wait.since <= sample->record.time && sample->wait.system_call >= -1);
}

/* @record is of @size bytes, at least as many as the struct has. */
static bool sample_is_valid(const struct abi_sample *sample, size_t size)
{
	return sample->kernel_frames <= ABI_MAX_KERNEL_FRAMES &&
	       sample->user_frames <= ABI_MAX_USER_FRAMES && size == sample_size(sample, size) &&
	       sample->kind >= ABI_KIND_CPU && sample->kind <= ABI_KIND_WAKER &&
	       wait_is_valid(sample) && sample->user_end < ABI_STACK_ENDS_COUNT &&
	       sample->value >= 0 && sample->count <= INT64_MAX &&
	       memchr(sample->comm, '\0', sizeof(sample->comm)) != NULL;
}

static bool file_is_valid(const struct abi_file_announcement *file)
{
	return file->file_id != ABI_FILE_ID_NONE && file->file_id <= ABI_FRAME_FILE_MASK &&
	       file->vm_start < file->vm_end &&
	       memchr(file->name, '\0', sizeof(file->name)) != NULL;
}

bool stream_record_is_valid(const struct abi_record *record, size_t size)
{
	switch (record->type) {
	case ABI_RECORD_SAMPLE:
	case ABI_RECORD_SLICE:
		return size >= sizeof(struct abi_sample) &&
		       sample_is_valid((const struct abi_sample *)record, size);
	case ABI_RECORD_FILE:
		return size == sizeof(struct abi_file_announcement) &&
		       file_is_valid((const struct abi_file_announcement *)record);
	default:
		return false;
	}
}

const struct abi_sample *stream_check_sample(const void *record, size_t size,
					     const struct abi_slice **ret_slice)
{
	const struct abi_sample *sample = record;

	if (size < sizeof(*sample) || sample->record.size != size ||
	    sample->record.type == ABI_RECORD_FILE || !stream_record_is_valid(record, size))
		return NULL;
	*ret_slice = sample->record.type == ABI_RECORD_SLICE ? stream_slice_of(sample) : NULL;
	return sample;
}
