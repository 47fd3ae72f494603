/* SPDX-License-Identifier: Apache-2.0 */
/* A sample as user space sees it: one observation whose process and files are known. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "profile/wait.h"

#define SAMPLE_MAX_FRAMES (ABI_MAX_KERNEL_FRAMES + ABI_MAX_USER_FRAMES)

struct executable;
struct process;

enum frame_kind {
	FRAME_FILE,    /* address = offset in executable's file */
	FRAME_ADDRESS, /* address = virtual address in the process, in code that no file backs */
	FRAME_KERNEL,  /* address = kernel address */
};

/* Addresses point into the executing instruction: return addresses are already one less. */
struct frame {
	uint64_t address;
	struct executable *executable; /* borrowed; FRAME_FILE only */
	uint8_t kind;		       /* enum frame_kind */
	bool guessed;		       /* found by frame pointer in code without unwinding rules */
};

struct sample {
	uint8_t kind;	  /* enum abi_sample_kind */
	uint8_t user_end; /* enum abi_stack_end */
	bool folded;	  /* many samples of processes of this name, whose stacks were given up */
	uint32_t tid;
	uint64_t time;
	int64_t value;		 /* ns */
	int64_t count;		 /* cpu: events; block and mutex: in 1/ABI_COUNT_ONE */
	struct wait wait;	 /* kinds block and mutex; else zero */
	uint64_t since;		 /* of a wait: when it began, monotonic ns; else 0 */
	struct process *process; /* borrowed */
	size_t n_frames;
	const struct frame *frames; /* leaf first, kernel frames before user frames */
	size_t n_waker_frames;	    /* block: who ended the wait; 0 = not known */
	const struct frame *waker_frames;
	struct process *waker; /* borrowed; NULL = not known */
};
