/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: the figures of the process are those of this process, and move when it does something. */
#include "suites.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/clock.h"
#include "sys/process.h"

START_TEST(figures_are_plausible)
{
    struct process_figures figures;
    process_get_figures(&figures);
    ck_assert_uint_ge(figures.resident_bytes, 256 * 1024);
    ck_assert_uint_ge(figures.virtual_bytes, figures.resident_bytes);
    ck_assert_uint_ge(figures.threads, 1);
    ck_assert_uint_ge(figures.open_fds, 1);
    ck_assert_uint_ge(figures.max_fds, figures.open_fds);
    uint64_t now_ms = clock_wall_ms();
    ck_assert_uint_le(figures.started_ms, now_ms + 1000);
    ck_assert_uint_ge(figures.started_ms + 24 * 3600 * 1000, now_ms);
    struct process_figures later;
    process_get_figures(&later);
    ck_assert_uint_eq(later.started_ms, figures.started_ms);
}
END_TEST

START_TEST(open_files_are_counted)
{
    struct process_figures before, after;
    process_get_figures(&before);
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    process_get_figures(&after);
    close(fd);
    ck_assert_uint_eq(after.open_fds, before.open_fds + 1);
}
END_TEST

START_TEST(work_and_memory_show)
{
    struct process_figures before, after;
    enum { BYTES = 32 * 1024 * 1024 };
    process_get_figures(&before);
    char *memory = malloc(BYTES);
    ck_assert_ptr_nonnull(memory);
    for (int round = 0; round < 4; round++)
        memset(memory, round + 1, BYTES);
    process_get_figures(&after);
    ck_assert_int_eq(memory[BYTES - 1], 4);
    free(memory);
    ck_assert_uint_ge(after.resident_bytes, before.resident_bytes + BYTES / 2);
    ck_assert_uint_gt(after.cpu_us, before.cpu_us);
}
END_TEST

Suite *suite_process(void)
{
    return UNIT_SUITE("process", 20, figures_are_plausible, open_files_are_counted,
                      work_and_memory_show);
}
