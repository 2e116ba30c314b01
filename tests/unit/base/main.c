/* SPDX-License-Identifier: Apache-2.0 */
#include "suites.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int dies(void (*act)(void))
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        int nowhere = open("/dev/null", O_WRONLY);
        dup2(nowhere, STDERR_FILENO);
        act();
        _exit(0);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

UNIT_MAIN(suite_alloc, suite_arena, suite_blob, suite_buf, suite_bytes, suite_channel, suite_crc,
          suite_err, suite_hash, suite_heap, suite_list, suite_map, suite_origin, suite_ranges,
          suite_rng, suite_utf8, suite_why)
