/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"

static enum err err_of(int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    case ENOSPC:
    case EDQUOT:
        return ERR_DISK_FULL;
    case EIO:
        return ERR_DISK_FAILED;
    default:
        return ERR_IO;
    }
}

/* "cannot open 'x': permission denied"; number is an errno. */
static enum err fail(struct why *why, int number, const char *doing, const char *path)
{
    return why_set(why, err_of(number), "cannot %s '%s': %s", doing, path, strerror(number));
}

enum err file_open(const char *path, int flags, mode_t mode, int *ret_fd, struct why *why)
{
    int fd;
    do
        fd = open(path, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return fail(why, errno, "open", path);
    *ret_fd = fd;
    return OK;
}

/* Reads on until the end into buf, which may gain one byte more than max_bytes: then the file is
 * too large. Not by the size of the file: that of what lies under /proc is 0. */
static enum err read_to_end(int fd, const char *path, size_t max_bytes, struct buf *buf,
                            struct why *why)
{
    size_t total = 0;
    for (;;) {
        size_t part = max_bytes - total < 65536 ? max_bytes - total + 1 : 65536;
        buf_reserve(buf, part);
        ssize_t got = read(fd, buf->data + buf->len, part);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail(why, errno, "read", path);
        if (got == 0)
            return OK;
        buf->len += (size_t)got;
        total += (size_t)got;
        if (total > max_bytes)
            return why_set(why, ERR_TOO_LARGE, "'%s' is larger than %zu bytes", path, max_bytes);
    }
}

enum err file_read(const char *path, size_t max_bytes, struct buf *buf, struct why *why)
{
    int fd;
    enum err err = file_open(path, O_RDONLY, 0, &fd, why);
    if (err != OK)
        return err;
    size_t before = buf->len;
    err = read_to_end(fd, path, max_bytes, buf, why);
    if (err != OK)
        buf->len = before;
    close(fd);
    return err;
}

/* Writes all; 0 or an errno. */
static int write_all(int fd, struct bytes bytes, uint64_t offset)
{
    while (bytes.len > 0) {
        ssize_t put = pwrite(fd, bytes.data, bytes.len, (off_t)offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put < 0 ? errno : EIO;
        bytes = bytes_of(bytes.data + put, bytes.len - (size_t)put);
        offset += (uint64_t)put;
    }
    return 0;
}

/* The folder that path lies in, on the heap. */
static char *parent_of(const char *path)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    while (len > 0 && path[len - 1] != '/')
        len--;
    while (len > 1 && path[len - 1] == '/')
        len--;
    return len == 0 ? alloc_string(".") : alloc_string_len(path, len);
}

static enum err sync_parent(const char *path, struct why *why)
{
    char *parent = parent_of(path);
    enum err err = file_sync_dir(parent, why);
    free(parent);
    return err;
}

/* Makes the file with these bytes, on the disk, or leaves none. */
static enum err write_new(const char *path, struct bytes bytes, mode_t mode, struct why *why)
{
    int fd;
    enum err err = file_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode, &fd, why);
    if (err != OK)
        return err;
    int number = write_all(fd, bytes, 0);
    if (number != 0)
        err = fail(why, number, "write", path);
    else
        err = file_sync_data(fd, why);
    if (close(fd) != 0 && err == OK)
        err = fail(why, errno, "close", path);
    if (err != OK)
        unlink(path);
    return err;
}

enum err file_write_atomic(const char *path, struct bytes bytes, mode_t mode, struct why *why)
{
    char temporary[PATH_MAX];
    int len = snprintf(temporary, sizeof(temporary), "%s.tmp", path);
    if (len < 0 || (size_t)len >= sizeof(temporary))
        return fail(why, ENAMETOOLONG, "write", path);
    enum err err = write_new(temporary, bytes, mode, why);
    if (err != OK)
        return err;
    err = file_rename(temporary, path, why);
    if (err != OK) {
        unlink(temporary);
        return err;
    }
    return sync_parent(path, why);
}

bool file_is_there(const char *path)
{
    struct stat stat;
    return lstat(path, &stat) == 0;
}

enum err file_size(const char *path, uint64_t *ret_bytes, struct why *why)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return fail(why, errno, "look at", path);
    *ret_bytes = (uint64_t)status.st_size;
    return OK;
}

enum err file_make_dirs(const char *path, mode_t mode, struct why *why)
{
    struct stat status;
    if (stat(path, &status) == 0)
        return S_ISDIR(status.st_mode) ? OK : fail(why, EEXIST, "make the folder", path);
    if (errno != ENOENT)
        return fail(why, errno, "make the folder", path);
    char *parent = parent_of(path);
    enum err err = OK;
    if (strcmp(parent, path) != 0)
        err = file_make_dirs(parent, mode, why);
    /* Another process may have made it in between, which is as good. */
    if (err == OK && mkdir(path, mode) != 0 && errno != EEXIST)
        err = fail(why, errno, "make the folder", path);
    if (err == OK)
        err = file_sync_dir(parent, why);
    free(parent);
    return err;
}

enum err file_sync_dir(const char *path, struct why *why)
{
    int fd;
    enum err err = file_open(path, O_RDONLY | O_DIRECTORY, 0, &fd, why);
    if (err != OK)
        return err;
    if (fsync(fd) != 0)
        err = why_set(why, ERR_DISK_FAILED, "cannot sync '%s': %s", path, strerror(errno));
    close(fd);
    return err;
}

enum err file_rename(const char *from, const char *to, struct why *why)
{
    return rename(from, to) == 0 ? OK : fail(why, errno, "rename to", to);
}

static enum err remove_inside(int fd, const char *path, struct why *why);

/* Removes the entry `name` of the folder folder_fd; path is for the words only. */
static enum err remove_entry(int folder_fd, const char *name, const char *path, struct why *why)
{
    if (unlinkat(folder_fd, name, 0) == 0 || errno == ENOENT)
        return OK;
    /* Linux says EISDIR for a folder, POSIX EPERM. */
    if (errno != EISDIR && errno != EPERM)
        return fail(why, errno, "remove", path);
    int fd = openat(folder_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return fail(why, errno, "remove", path);
    enum err err = remove_inside(fd, path, why);
    if (err == OK && unlinkat(folder_fd, name, AT_REMOVEDIR) != 0)
        err = fail(why, errno, "remove", path);
    return err;
}

/* Empties the folder fd, which is closed in any case. */
static enum err remove_inside(int fd, const char *path, struct why *why)
{
    DIR *folder = fdopendir(fd);
    if (folder == NULL) {
        int number = errno;
        close(fd);
        return fail(why, number, "list", path);
    }
    enum err err = OK;
    while (err == OK) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL) {
            if (errno != 0)
                err = fail(why, errno, "list", path);
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        struct buf inner = BUF_INIT;
        buf_printf(&inner, "%s/%s", path, entry->d_name);
        err = remove_entry(dirfd(folder), entry->d_name, buf_string(&inner), why);
        buf_done(&inner);
    }
    closedir(folder);
    return err;
}

enum err file_remove_tree(const char *path, struct why *why)
{
    return remove_entry(AT_FDCWD, path, path, why);
}

enum err file_pread(int fd, void *ret_data, size_t len, uint64_t offset, size_t *ret_len,
                    struct why *why)
{
    uint8_t *data = ret_data;
    size_t done = 0;
    while (done < len) {
        ssize_t got = pread(fd, data + done, len - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return why_set(why, err_of(errno), "cannot read at offset %llu: %s",
                           (unsigned long long)(offset + done), strerror(errno));
        if (got == 0)
            break;
        done += (size_t)got;
    }
    *ret_len = done;
    return OK;
}

enum err file_pwrite(int fd, struct bytes bytes, uint64_t offset, struct why *why)
{
    int number = write_all(fd, bytes, offset);
    if (number == 0)
        return OK;
    return why_set(why, ERR_DISK_FAILED, "cannot write %zu bytes at offset %llu: %s", bytes.len,
                   (unsigned long long)offset, strerror(number));
}

enum err file_sync_data(int fd, struct why *why)
{
    if (fdatasync(fd) == 0)
        return OK;
    return why_set(why, ERR_DISK_FAILED, "cannot sync to the disk: %s", strerror(errno));
}

enum err file_reserve(const char *path, uint64_t bytes, struct why *why)
{
    int fd;
    enum err err = file_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600, &fd, why);
    if (err != OK)
        return err;
    int number = bytes == 0 ? 0 : posix_fallocate(fd, 0, (off_t)bytes);
    if (number != 0)
        err = fail(why, number, "reserve space in", path);
    else
        err = file_sync_data(fd, why);
    close(fd);
    if (err == OK)
        return sync_parent(path, why);
    unlink(path);
    return err;
}

enum err file_disk_of(const char *path, struct file_disk *ret_disk, struct why *why)
{
    struct statvfs status;
    if (statvfs(path, &status) != 0)
        return fail(why, errno, "look at the disk of", path);
    ret_disk->total_bytes = (uint64_t)status.f_blocks * status.f_frsize;
    ret_disk->free_bytes = (uint64_t)status.f_bavail * status.f_frsize;
    return OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

enum err file_list(const char *path, struct file_names *ret_names, struct why *why)
{
    DIR *folder = opendir(path);
    if (folder == NULL)
        return fail(why, errno, "list", path);
    struct file_names names = {NULL, 0};
    size_t capacity = 0;
    enum err err = OK;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL) {
            if (errno != 0)
                err = fail(why, errno, "list", path);
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (names.count == capacity) {
            capacity = capacity == 0 ? 16 : capacity * 2;
            names.items = alloc_resize(names.items, capacity, sizeof(char *));
        }
        names.items[names.count++] = alloc_string(entry->d_name);
    }
    closedir(folder);
    if (err != OK) {
        file_names_done(&names);
        return err;
    }
    if (names.count > 1)
        qsort(names.items, names.count, sizeof(char *), compare_names);
    *ret_names = names;
    return OK;
}

void file_names_done(struct file_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
    *names = (struct file_names){NULL, 0};
}

/* Tells who holds the lock, as far as the file says it. */
static enum err fail_locked(int fd, const char *path, struct why *why)
{
    char holder[16] = {0};
    ssize_t len = pread(fd, holder, sizeof(holder) - 1, 0);
    holder[len < 0 ? 0 : strspn(holder, "0123456789")] = '\0';
    if (holder[0] == '\0')
        return why_set(why, ERR_LOCKED, "'%s' is locked by another process", path);
    return why_set(why, ERR_LOCKED, "'%s' is locked by process %s", path, holder);
}

enum err file_lock_take(const char *path, struct file_lock *ret_lock, struct why *why)
{
    int fd;
    enum err err = file_open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600, &fd, why);
    if (err != OK)
        return err;
    /* A lock of the open file, not of the process: closing another descriptor of the same file
     * does not lose it. */
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_SETLK, &whole) != 0) {
        bool is_held = errno == EAGAIN || errno == EACCES;
        err = is_held ? fail_locked(fd, path, why) : fail(why, errno, "lock", path);
        close(fd);
        return err;
    }
    char text[16];
    int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    int number = ftruncate(fd, 0) == 0 ? write_all(fd, bytes_of(text, (size_t)len), 0) : errno;
    if (number != 0) {
        err = fail(why, number, "write", path);
        close(fd);
        return err;
    }
    ret_lock->fd = fd;
    return OK;
}

void file_lock_release(struct file_lock *lock)
{
    if (lock->fd >= 0)
        close(lock->fd);
    lock->fd = -1;
}
