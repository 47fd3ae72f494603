/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From a mapped file to its id. A file that was never seen gets the next id here, and is announced
 * through the ring exactly once; user space learns of files in no other way. When user space has
 * removed a file from the table, its next sample announces it again, with another id.
 *
 * How the answer can be wrong: a file system may reuse an inode number; the generation tells the
 * two files apart where the file system keeps one (ext4, xfs, btrfs, tmpfs do). A file that was
 * written to in place is another one: its time of change is part of the key.
 */
#pragma once

#include "env.h"
#include "vma.h"

/* last_used is only written when it is older than this: the table is read-mostly. */
#define FILES_USED_GRAIN_NS 1000000000ULL

/* For whom a file is looked up: goes into the announcement. */
struct files_client {
	u64 time;
	u64 start_boottime;
	u32 tgid;
	u32 reserved;
};

/* When the content was changed last, ns. */
ENV_INLINE int files_changed(struct inode *inode, u64 *ret)
{
	struct timespec64 time = {};
	s64 seconds = 0;
	u32 ns = 0;
	int err;

	if (env_has(struct inode, i_mtime_sec)) {
		err = env_get(&seconds, inode, i_mtime_sec) || env_get(&ns, inode, i_mtime_nsec);
		*ret = seconds * 1000000000ULL + ns;
		return err;
	}
	if (env_has(struct inode___private_mtime, __i_mtime))
		err = env_get(&time, (struct inode___private_mtime *)inode, __i_mtime);
	else
		err = env_get(&time, (struct inode___public_mtime *)inode, i_mtime);
	*ret = time.tv_sec * 1000000000ULL + time.tv_nsec;
	return err;
}

ENV_INLINE int files_key(struct file *file, struct abi_file_key *ret)
{
	struct super_block *sb = NULL;
	struct inode *inode = NULL;
	unsigned long number = 0;
	u32 device = 0, generation = 0;
	u64 changed = 0;

	if (env_get(&inode, file, f_inode) || env_get(&number, inode, i_ino) ||
	    env_get(&generation, inode, i_generation) || env_get(&sb, inode, i_sb) ||
	    env_get(&device, sb, s_dev) || files_changed(inode, &changed))
		return -EFAULT;
	ret->inode = number;
	ret->device = device;
	ret->generation = generation;
	ret->changed = changed;
	return 0;
}

/* Best effort: the name is for messages. Fills all of it. */
ENV_INLINE void files_name(struct file *file, char *name)
{
	struct dentry *dentry = NULL;
	const unsigned char *text = NULL;
	int err;

	__builtin_memset(name, 0, ABI_FILE_NAME_LEN);
	if (env_has(struct file, f_path))
		err = env_get(&dentry, file, f_path.dentry);
	else
		err = env_get(&dentry, (struct file___writable_path *)file, __f_path.dentry);
	if (err || env_get(&text, dentry, d_name.name))
		return;
	env_read_name(name, ABI_FILE_NAME_LEN, text);
}

ENV_INLINE void files_announce(struct abi_file_announcement *a, const struct abi_file_key *key,
			       u32 id, const struct vma *vma, const struct files_client *client)
{
	a->record.type = ABI_RECORD_FILE;
	a->record.size = sizeof(*a);
	a->record.time = client->time;
	a->key = *key;
	a->start_boottime = client->start_boottime;
	a->vm_start = vma->start;
	a->vm_end = vma->end;
	a->offset = vma->offset;
	a->tgid = client->tgid;
	a->file_id = id;
	files_name(vma->file, a->name);
	env_file_submit(a);
	env_count(ABI_COUNTER_files_announced, 1);
}

/*
 * Gives a new file an id. The room for the announcement comes first: a file must not be in the
 * table without user space having been told.
 */
ENV_INLINE u32 files_add(const struct abi_file_key *key, const struct vma *vma,
			 const struct files_client *client)
{
	struct abi_file_announcement *a = env_file_reserve();
	struct abi_file file = {}, *other;
	long err;

	if (!a) {
		env_count(ABI_COUNTER_files_announce_lost, 1);
		return ABI_FILE_ID_NONE;
	}
	file.file_id = env_file_next_id();
	file.last_used = client->time;
	err = file.file_id > ABI_FRAME_FILE_MASK ? -E2BIG : env_file_insert(key, &file);
	if (!err) {
		files_announce(a, key, file.file_id, vma, client);
		return file.file_id;
	}
	env_file_discard(a);
	if (err == -EEXIST) { /* another CPU was faster */
		other = env_file_find(key);
		if (other)
			return other->file_id;
	}
	env_count(err == -E2BIG ? ABI_COUNTER_files_full : ABI_COUNTER_files_busy, 1);
	return ABI_FILE_ID_NONE;
}

/* The id of the file that @vma maps, or ABI_FILE_ID_NONE. */
ENV_INLINE u32 files_id(const struct vma *vma, const struct files_client *client)
{
	struct abi_file_key key = {};
	struct abi_file *file;

	if (files_key(vma->file, &key))
		return ABI_FILE_ID_NONE;
	file = env_file_find(&key);
	if (!file)
		return files_add(&key, vma, client);
	if (client->time - file->last_used > FILES_USED_GRAIN_NS)
		file->last_used = client->time;
	return file->file_id;
}
