/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/clock.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static uint64_t read_ns(clockid_t id)
{
    struct timespec now;
    int failed = clock_gettime(id, &now);
    assert(failed == 0);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t clock_mono_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_mono_us(void)
{
    return clock_mono_ns() / 1000;
}

uint64_t clock_mono_ms(void)
{
    return clock_mono_ns() / 1000000;
}

uint64_t clock_wall_ms(void)
{
    return read_ns(CLOCK_REALTIME) / 1000000;
}

void clock_format(uint64_t wall_ms, char ret_text[CLOCK_TEXT_SIZE])
{
    /* The last millisecond of the year 9999: what is later has no RFC 3339 form. */
    const uint64_t last_ms = 253402300799999u;
    if (wall_ms > last_ms)
        wall_ms = last_ms;
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;
    const struct tm *done = gmtime_r(&seconds, &parts);
    assert(done != NULL);
    char text[CLOCK_TEXT_SIZE];
    size_t len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
    assert(len == 19);
    snprintf(text + len, sizeof(text) - len, ".%03uZ", (unsigned)(wall_ms % 1000));
    memcpy(ret_text, text, sizeof(text));
}
