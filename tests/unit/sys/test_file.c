/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "sys/file.h"

/* Path of `name` in a fresh folder that all calls of one test share. */
static char *dir;
static const char *in_dir(const char *name)
{
    static char paths[8][512];
    static unsigned next;
    if (dir == NULL)
        dir = unit_temp_dir();
    char *ret = paths[next++ % 8];
    snprintf(ret, sizeof(paths[0]), "%s/%s", dir, name);
    return ret;
}

static void done(void)
{
    free(dir);
    dir = NULL;
}

static void write_text(const char *path, const char *text)
{
    ck_assert_int_eq(file_write_atomic(path, bytes_of_string(text), 0600, NULL), OK);
}

static void check_text(const char *path, const char *text)
{
    struct buf buf = BUF_INIT;
    ck_assert_int_eq(file_read(path, 1 << 20, &buf, NULL), OK);
    ck_assert_str_eq(buf_string(&buf), text);
    buf_done(&buf);
}

START_TEST(reads_what_was_written)
{
    struct rng rng = rng_of(2);
    const size_t sizes[] = {0, 1, 65535, 65536, 65537, 300000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        uint8_t *data = alloc(sizes[i]);
        for (size_t j = 0; j < sizes[i]; j++)
            data[j] = (uint8_t)rng_next(&rng);
        const char *path = in_dir("data");
        ck_assert_int_eq(file_write_atomic(path, bytes_of(data, sizes[i]), 0640, NULL), OK);
        uint64_t size = 0;
        ck_assert_int_eq(file_size(path, &size, NULL), OK);
        ck_assert_uint_eq(size, sizes[i]);
        struct buf buf = BUF_INIT;
        buf_append_string(&buf, "before");
        ck_assert_int_eq(file_read(path, sizes[i], &buf, NULL), OK);
        ck_assert_uint_eq(buf.len, sizes[i] + 6);
        ck_assert(bytes_is_equal(bytes_of(buf.data + 6, sizes[i]), bytes_of(data, sizes[i])));
        if (sizes[i] > 0) {
            struct why why;
            ck_assert_int_eq(file_read(path, sizes[i] - 1, &buf, &why), ERR_TOO_LARGE);
            ck_assert_uint_eq(buf.len, sizes[i] + 6); /* as it was */
            ck_assert_ptr_nonnull(strstr(why.text, "larger than"));
        }
        buf_done(&buf);
        free(data);
    }
    ck_assert(!file_is_there(in_dir("data.tmp")));
    done();
}
END_TEST

START_TEST(faults_have_codes_and_words)
{
    struct why why = {OK, ""};
    struct buf buf = BUF_INIT;
    uint64_t size = 77;
    struct file_names names = {NULL, 99};
    ck_assert_int_eq(file_read(in_dir("none"), 10, &buf, &why), ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(why.text, "cannot open '"));
    ck_assert_ptr_nonnull(strstr(why.text, "No such file"));
    ck_assert_int_eq(file_size(in_dir("none"), &size, &why), ERR_NOT_FOUND);
    ck_assert_uint_eq(size, 77);
    ck_assert_int_eq(file_list(in_dir("none"), &names, &why), ERR_NOT_FOUND);
    ck_assert_uint_eq(names.count, 99);
    ck_assert_int_eq(file_read(dir, 10, &buf, &why), ERR_IO); /* a folder */
    ck_assert_int_eq(file_write_atomic(in_dir("none/x"), BYTES_NONE, 0600, &why), ERR_NOT_FOUND);
    ck_assert_int_eq(file_sync_dir(in_dir("none"), &why), ERR_NOT_FOUND);
    ck_assert_int_eq(file_rename(in_dir("none"), in_dir("x"), &why), ERR_NOT_FOUND);
    char *longest = alloc_zero(5001);
    memset(longest, 'a', 5000);
    ck_assert_int_eq(file_write_atomic(longest, BYTES_NONE, 0600, &why), ERR_IO);
    free(longest);
    buf_done(&buf);
    done();
}
END_TEST

START_TEST(a_failed_replacement_leaves_the_old)
{
    write_text(in_dir("config"), "old");
    /* A folder in the place of the temporary file cannot be opened for writing. */
    ck_assert_int_eq(mkdir(in_dir("config.tmp"), 0700), 0);
    ck_assert_int_ne(file_write_atomic(in_dir("config"), bytes_of_string("new"), 0600, NULL), OK);
    check_text(in_dir("config"), "old");
    ck_assert_int_eq(rmdir(in_dir("config.tmp")), 0);
    write_text(in_dir("config"), "new");
    check_text(in_dir("config"), "new");
    /* A device that is always full: the write fails, and says why. */
    if (access("/dev/full", W_OK) == 0) {
        int fd;
        struct why why;
        ck_assert_int_eq(file_open("/dev/full", O_WRONLY, 0, &fd, NULL), OK);
        ck_assert_int_eq(file_pwrite(fd, bytes_of_string("x"), 0, &why), ERR_DISK_FAILED);
        ck_assert_ptr_nonnull(strstr(why.text, "No space left"));
        close(fd);
    }
    done();
}
END_TEST

START_TEST(mode_is_kept)
{
    struct stat status;
    umask(0);
    ck_assert_int_eq(file_write_atomic(in_dir("secret"), BYTES_NONE, 0600, NULL), OK);
    ck_assert_int_eq(stat(in_dir("secret"), &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0600);
    done();
}
END_TEST

START_TEST(folders_are_made_listed_and_removed)
{
    ck_assert_int_eq(file_make_dirs(in_dir("a/b//c/"), 0700, NULL), OK);
    ck_assert_int_eq(file_make_dirs(in_dir("a/b/c"), 0700, NULL), OK);
    ck_assert_int_eq(file_make_dirs("/", 0700, NULL), OK);
    ck_assert_int_eq(file_make_dirs(".", 0700, NULL), OK);
    write_text(in_dir("a/zeta"), "z");
    write_text(in_dir("a/alpha"), "a");
    write_text(in_dir("a/b/c/deep"), "d");
    write_text(in_dir("kept"), "kept");
    ck_assert_int_eq(file_make_dirs(in_dir("kept"), 0700, NULL), ERR_IO); /* it is a file */
    ck_assert_int_ne(file_make_dirs(in_dir("kept/x"), 0700, NULL), OK);
    ck_assert_int_eq(symlink("../kept", in_dir("a/link")), 0);
    ck_assert_int_eq(symlink("..", in_dir("a/up")), 0);
    ck_assert_int_eq(symlink("nowhere", in_dir("a/dangling")), 0);
    ck_assert(file_is_there(in_dir("a/dangling")));
    struct file_names names;
    ck_assert_int_eq(file_list(in_dir("a"), &names, NULL), OK);
    const char *const expected[] = {"alpha", "b", "dangling", "link", "up", "zeta"};
    ck_assert_uint_eq(names.count, ARRAY_LEN(expected));
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        ck_assert_str_eq(names.items[i], expected[i]);
    file_names_done(&names);
    ck_assert_int_eq(file_remove_tree(in_dir("a"), NULL), OK);
    ck_assert(!file_is_there(in_dir("a")));
    check_text(in_dir("kept"), "kept"); /* links were not followed */
    ck_assert_int_eq(file_remove_tree(in_dir("a"), NULL), OK);
    ck_assert_int_eq(file_remove_tree(in_dir("kept"), NULL), OK);
    ck_assert(!file_is_there(in_dir("kept")));
    ck_assert_int_eq(file_list(dir, &names, NULL), OK);
    ck_assert_uint_eq(names.count, 0);
    file_names_done(&names);
    done();
}
END_TEST

START_TEST(reads_and_writes_at_offsets)
{
    int fd;
    ck_assert_int_eq(file_open(in_dir("f"), O_RDWR | O_CREAT, 0600, &fd, NULL), OK);
    ck_assert_int_eq(file_pwrite(fd, bytes_of_string("world"), 6, NULL), OK);
    ck_assert_int_eq(file_pwrite(fd, bytes_of_string("hello "), 0, NULL), OK);
    ck_assert_int_eq(file_pwrite(fd, BYTES_NONE, 999, NULL), OK);
    ck_assert_int_eq(file_sync_data(fd, NULL), OK);
    ck_assert_int_eq(file_sync_dir(dir, NULL), OK);
    char text[32] = "";
    size_t len = 0;
    ck_assert_int_eq(file_pread(fd, text, 11, 0, &len, NULL), OK);
    ck_assert_uint_eq(len, 11);
    ck_assert_str_eq(text, "hello world");
    ck_assert_int_eq(file_pread(fd, text, sizeof(text), 9, &len, NULL), OK);
    ck_assert_uint_eq(len, 2); /* the file ends */
    ck_assert_int_eq(file_pread(fd, text, sizeof(text), 900, &len, NULL), OK);
    ck_assert_uint_eq(len, 0);
    close(fd);
    struct why why;
    len = 5;
    ck_assert_int_eq(file_pread(fd, text, 1, 0, &len, &why), ERR_IO);
    ck_assert_uint_eq(len, 5);
    ck_assert_int_eq(file_pwrite(fd, bytes_of_string("x"), 0, &why), ERR_DISK_FAILED);
    ck_assert_int_eq(file_sync_data(fd, &why), ERR_DISK_FAILED);
    done();
}
END_TEST

START_TEST(space_is_known_and_reserved)
{
    struct file_disk disk = {0, 0};
    struct stat status;
    ck_assert_int_eq(file_reserve(in_dir("ballast"), 1 << 20, NULL), OK);
    ck_assert_int_eq(stat(in_dir("ballast"), &status), 0);
    ck_assert_int_eq(status.st_size, 1 << 20);
    ck_assert_int_ge(status.st_blocks * 512, 1 << 20); /* not a hole */
    ck_assert_int_eq(file_disk_of(dir, &disk, NULL), OK);
    ck_assert_uint_gt(disk.total_bytes, 0);
    ck_assert_uint_le(disk.free_bytes, disk.total_bytes);
    struct why why;
    ck_assert_int_ne(file_reserve(in_dir("huge"), (uint64_t)1 << 62, &why), OK);
    ck_assert(!file_is_there(in_dir("huge")));
    ck_assert_int_eq(file_disk_of(in_dir("none"), &disk, NULL), ERR_NOT_FOUND);
    done();
}
END_TEST

START_TEST(one_holds_the_lock)
{
    struct file_lock lock = {-1}, second = {-1};
    struct why why = {OK, ""};
    char expected[64];
    ck_assert_int_eq(file_lock_take(in_dir("LOCK"), &lock, &why), OK);
    ck_assert_int_eq(file_lock_take(in_dir("LOCK"), &second, &why), ERR_LOCKED);
    snprintf(expected, sizeof(expected), "is locked by process %ld", (long)getpid());
    ck_assert_ptr_nonnull(strstr(why.text, expected));
    ck_assert_int_eq(second.fd, -1);
    /* Another process is refused too, and reading the file there does not lose the lock. */
    pid_t child = fork();
    if (child == 0)
        _exit(file_lock_take(in_dir("LOCK"), &second, NULL) == ERR_LOCKED ? 0 : 1);
    int status = -1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(file_lock_take(in_dir("LOCK"), &second, NULL), ERR_LOCKED);
    file_lock_release(&lock);
    file_lock_release(&lock);
    ck_assert_int_eq(file_lock_take(in_dir("LOCK"), &second, NULL), OK);
    file_lock_release(&second);
    ck_assert_int_eq(file_lock_take(in_dir("none/LOCK"), &lock, NULL), ERR_NOT_FOUND);
    done();
}
END_TEST

Suite *suite_file(void)
{
    return UNIT_SUITE("file", 60, reads_what_was_written, faults_have_codes_and_words,
                      a_failed_replacement_leaves_the_old, mode_is_kept,
                      folders_are_made_listed_and_removed, reads_and_writes_at_offsets,
                      space_is_known_and_reserved, one_holds_the_lock);
}
