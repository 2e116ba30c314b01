/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "sys/clock.h"

/* The beginning of a small file of /proc; its length, 0 when it cannot be read. */
static size_t read_text(const char *path, char *ret_text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t len = read(fd, ret_text, size - 1);
    close(fd);
    ret_text[len > 0 ? len : 0] = '\0';
    return len > 0 ? (size_t)len : 0;
}

static void read_memory(struct process_figures *ret)
{
    char text[128];
    char *at = text;
    long page_bytes = sysconf(_SC_PAGESIZE);
    if (read_text("/proc/self/statm", text, sizeof(text)) == 0 || page_bytes <= 0)
        return;
    ret->virtual_bytes = strtoull(at, &at, 10) * (uint64_t)page_bytes;
    ret->resident_bytes = strtoull(at, &at, 10) * (uint64_t)page_bytes;
}

/* Fields 20 and 22 of /proc/self/stat, counted behind the name, which may hold anything. */
static void read_stat(struct process_figures *ret)
{
    char text[1024];
    long ticks_per_s = sysconf(_SC_CLK_TCK);
    if (read_text("/proc/self/stat", text, sizeof(text)) == 0 || ticks_per_s <= 0)
        return;
    char *at = strrchr(text, ')');
    if (at == NULL)
        return;
    at += 1;
    uint64_t start_ticks = 0;
    for (int field = 3; field <= 22 && *at == ' '; field++) {
        at++;
        if (field == 20)
            ret->threads = strtoull(at, NULL, 10);
        else if (field == 22)
            start_ticks = strtoull(at, NULL, 10);
        at += strcspn(at, " ");
    }
    struct timespec since_boot;
    if (start_ticks == 0 || clock_gettime(CLOCK_BOOTTIME, &since_boot) != 0)
        return;
    /* Told once, so that it does not move by what rounding makes of it. */
    static atomic_uint_fast64_t told_ms;
    uint64_t boot_ms = (uint64_t)since_boot.tv_sec * 1000 + (uint64_t)since_boot.tv_nsec / 1000000;
    uint64_t start_ms = start_ticks * 1000 / (uint64_t)ticks_per_s;
    uint64_t found_ms = clock_wall_ms() - (boot_ms > start_ms ? boot_ms - start_ms : 0);
    uint_fast64_t none = 0;
    if (atomic_compare_exchange_strong(&told_ms, &none, found_ms))
        ret->started_ms = found_ms;
    else
        ret->started_ms = none;
}

static void read_fds(struct process_figures *ret)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        ret->max_fds = limit.rlim_cur;
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return;
    uint64_t count = 0;
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        count += entry->d_name[0] != '.';
    closedir(dir);
    ret->open_fds = count > 0 ? count - 1 : 0; /* the one it was read through */
}

void process_get_figures(struct process_figures *ret)
{
    struct rusage usage;
    *ret = (struct process_figures){0};
    read_memory(ret);
    read_stat(ret);
    read_fds(ret);
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        ret->cpu_us = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
                      (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}
