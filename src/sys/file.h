/* SPDX-License-Identifier: Apache-2.0 */
/* Files as the project needs them: read whole, replaced atomically, written in full, synced.
 * Knows no format. Every function may block on the disk. Thread: any.
 * Common errors: ERR_NOT_FOUND    no such file or folder
 *                ERR_DISK_FULL    no space left: what was asked for did not happen
 *                ERR_DISK_FAILED  the disk failed while writing or syncing: outcome unknown
 *                ERR_IO           anything else; why has the system's words */
#ifndef SYS_FILE_H
#define SYS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/why.h"

/* Appends the whole file to buf, which is untouched on failure.
 * Errors: ERR_TOO_LARGE  it has more than max_bytes. */
MUST_USE enum err file_read(const char *path, size_t max_bytes, struct buf *buf, struct why *why);
/* Replaces or makes the file so that after a power cut it is the old or the new one, whole:
 * writes `path.tmp`, syncs it, renames it, syncs the folder. On failure before the rename the old
 * file is as it was; ERR_DISK_FAILED says that one cannot know. One writer a path at a time. */
MUST_USE enum err file_write_atomic(const char *path, struct bytes bytes, mode_t mode,
                                    struct why *why);

bool file_is_there(const char *path); /* anything with this name, a dangling link too */
MUST_USE enum err file_size(const char *path, uint64_t *ret_bytes, struct why *why);
/* Makes the folder and those above it, all of them synced. Fine when it is there. */
MUST_USE enum err file_make_dirs(const char *path, mode_t mode, struct why *why);
/* What was made, renamed or removed in the folder survives a power cut after this. */
MUST_USE enum err file_sync_dir(const char *path, struct why *why);
MUST_USE enum err file_rename(const char *from, const char *to, struct why *why); /* no sync */
/* Removes a file, or a folder with all in it; never follows a symbolic link. Fine when absent. */
MUST_USE enum err file_remove_tree(const char *path, struct why *why);

/* Opens with these flags of open(2) (O_CLOEXEC is added). The caller closes *ret_fd. */
MUST_USE enum err file_open(const char *path, int flags, mode_t mode, int *ret_fd, struct why *why);
/* Reads until len bytes are there or the file ends; *ret_len says how many. ret_data is as good as
 * unset on failure. */
MUST_USE enum err file_pread(int fd, void *ret_data, size_t len, uint64_t offset, size_t *ret_len,
                             struct why *why);
/* Writes all of it, or ERR_DISK_FAILED: some of it may be written. */
MUST_USE enum err file_pwrite(int fd, struct bytes bytes, uint64_t offset, struct why *why);
/* ERR_DISK_FAILED, and never try again: the kernel forgets what it could not write. */
MUST_USE enum err file_sync_data(int fd, struct why *why);
/* Makes a file of this size whose blocks are really there, so that removing it frees them. */
MUST_USE enum err file_reserve(const char *path, uint64_t bytes, struct why *why);

struct file_disk {
    uint64_t total_bytes, free_bytes; /* free: for a process without privileges */
};
MUST_USE enum err file_disk_of(const char *path, struct file_disk *ret_disk, struct why *why);

struct file_names {
    char **items; /* owned, sorted by strcmp, without "." and ".." */
    size_t count;
};
MUST_USE enum err file_list(const char *path, struct file_names *ret_names, struct why *why);
void file_names_done(struct file_names *names);

/* One process at a time: a lock on a file that stays, with the holder's process id in it. */
struct file_lock {
    int fd; /* owned */
};
/* Errors: ERR_LOCKED  another process, or another lock of this one, holds it; does not wait. */
MUST_USE enum err file_lock_take(const char *path, struct file_lock *ret_lock, struct why *why);
void file_lock_release(struct file_lock *lock);

#endif
