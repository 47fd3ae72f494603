/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The walk of the VMA tree over trees built here: right ones, and damaged ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "address_space.h"

#define MAX_VMAS 1500
#define BASE	 0x400000ULL

static struct mm_struct *mm;
static struct vm_area_struct *vmas[MAX_VMAS];
static size_t n_vmas;
static u64 root;

/* @n mappings of one to five pages; every third touches the one before. */
static void make_space(size_t n)
{
	u64 addr = BASE;
	size_t i;

	world_reset();
	mm = NEW(struct mm_struct);
	for (i = 0; i < n; i++) {
		addr += i % 3 ? PAGE * (1 + i % 7) : 0;
		vmas[i] = new_vma(mm, addr, addr + PAGE * (1 + i % 5), VMA_VM_EXEC, NULL, i * PAGE);
		addr = vmas[i]->vm_end;
	}
	n_vmas = n;
	root = build_tree(vmas, n);
}

static int teardown(void **state)
{
	(void)state;
	world_reset();
	return 0;
}

static int walk(u64 addr, struct vma *ret)
{
	u64 node[VMA_NODE_WORDS];

	return vma_walk(node, (u64)(uintptr_t)mm, root, addr, ret);
}

static void expect(u64 addr, const struct vm_area_struct *vma)
{
	struct vma found = { 0 };

	assert_int_equal(walk(addr, &found), 0);
	assert_int_equal(found.start, vma->vm_start);
	assert_int_equal(found.end, vma->vm_end);
	assert_int_equal(found.offset, vma->vm_pgoff * PAGE);
	assert_int_equal(found.flags, vma->vm_flags);
}

static void expect_all(void)
{
	struct vma found;
	u64 end = 0;
	size_t i;

	for (i = 0; i < n_vmas; i++) {
		if (vmas[i]->vm_start > end)
			assert_int_equal(walk(vmas[i]->vm_start - 1, &found), -ENOENT);
		expect(vmas[i]->vm_start, vmas[i]);
		expect(vmas[i]->vm_end - 1, vmas[i]);
		end = vmas[i]->vm_end;
	}
	assert_int_equal(walk(end, &found), -ENOENT);
	assert_int_equal(walk(0, &found), -ENOENT);
	assert_int_equal(walk(~0ULL, &found), -ENOENT);
}

static void finds_every_mapping(void **state)
{
	static const size_t sizes[] = { 1, 2, 7, 8, 9, 15, 16, 100, 500, MAX_VMAS };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		make_space(sizes[i]);
		expect_all();
	}
}

static void root_can_be_the_only_entry(void **state)
{
	struct vma found;

	(void)state;
	make_space(1);
	root = (u64)(uintptr_t)vmas[0];
	expect(BASE, vmas[0]);
	root = 0;
	assert_int_equal(walk(BASE, &found), -ENOENT);
}

static void refuses_a_mapping_of_another_process(void **state)
{
	struct vma found;

	(void)state;
	make_space(20);
	vmas[3]->vm_mm = NULL;
	assert_int_equal(walk(vmas[3]->vm_start, &found), -EFAULT);
	expect(vmas[4]->vm_start, vmas[4]);
}

static void refuses_a_mapping_elsewhere(void **state)
{
	u64 addr;
	struct vma found;

	(void)state;
	make_space(20);
	addr = vmas[3]->vm_start;
	vmas[3]->vm_start += PAGE;
	vmas[3]->vm_end += PAGE;
	assert_int_equal(walk(addr, &found), -EFAULT);
}

static void ends_on_a_tree_that_is_a_circle(void **state)
{
	struct maple_arange_64 *node;
	struct vma found;
	size_t i;

	(void)state;
	make_space(20);
	node = world_alloc(256, 256);
	for (i = 0; i < 10; i++)
		node->slot[i] = (void *)(uintptr_t)node_entry(node, maple_arange_64);
	root = node_entry(node, maple_arange_64) | 2;
	root &= ~4ULL;
	assert_int_equal(walk(BASE, &found), -EFAULT);
	assert_int_equal(world.reads, VMA_MAX_LEVELS);
}

/* Whatever is in the nodes: an answer is right, or it is none. */
static void damaged_nodes_give_no_wrong_answer(void **state)
{
	u64 seed = 12345, hits = 0, refused = 0;
	int round;

	(void)state;
	for (round = 0; round < 3000; round++) {
		size_t region, i;
		u64 *words;
		struct vma found;

		if (round % 100 == 0)
			make_space(200);
		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		region = (seed >> 33) % world.n_regions;
		words = (u64 *)world.regions[region].start;
		i = (seed >> 20) % (world.regions[region].size / sizeof(u64));
		words[i] ^= 1ULL << (seed >> 58);
		for (i = 0; i < n_vmas; i += 13) {
			u64 addr = BASE + ((seed >> 7) + i * PAGE) % (PAGE * 1200);

			if (walk(addr, &found)) {
				refused++;
				continue;
			}
			assert_true(addr >= found.start && addr < found.end);
			hits++;
		}
	}
	assert_true(hits > 1000 && refused > 1000);
}

static void every_read_can_fail(void **state)
{
	struct vma found;
	u64 reads, n;

	(void)state;
	make_space(300);
	expect(vmas[150]->vm_start, vmas[150]);
	reads = world.reads;
	assert_true(reads >= 8); /* two levels or more, six fields */
	for (n = 1; n <= reads; n++) {
		world.reads = 0;
		world.fail_at = n;
		assert_int_equal(walk(vmas[150]->vm_start, &found), -EFAULT);
		assert_int_equal(world.reads, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(finds_every_mapping, teardown),
		cmocka_unit_test_teardown(root_can_be_the_only_entry, teardown),
		cmocka_unit_test_teardown(refuses_a_mapping_of_another_process, teardown),
		cmocka_unit_test_teardown(refuses_a_mapping_elsewhere, teardown),
		cmocka_unit_test_teardown(ends_on_a_tree_that_is_a_circle, teardown),
		cmocka_unit_test_teardown(damaged_nodes_give_no_wrong_answer, teardown),
		cmocka_unit_test_teardown(every_read_can_fail, teardown),
	};

	return cmocka_run_group_tests_name("vma", tests, NULL, NULL);
}
