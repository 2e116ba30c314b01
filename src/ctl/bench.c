/* SPDX-License-Identifier: Apache-2.0 */
/* bench: lethe-bench in this process's place, against the servers that lethectl would use. */
#include "base/alloc.h"
#include "ctl/command.h"
#include "sys/file.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define PROGRAM "lethe-bench"

/* Beside this program when it is there, else wherever PATH finds it. */
static void find_program(char *ret_path, size_t size)
{
    ssize_t len = readlink("/proc/self/exe", ret_path, size - sizeof(PROGRAM) - 1);
    char *end = NULL;
    if (len > 0) {
        ret_path[len] = '\0';
        end = strrchr(ret_path, '/');
    }
    if (end != NULL) {
        memcpy(end + 1, PROGRAM, sizeof(PROGRAM));
        if (access(ret_path, X_OK) == 0)
            return;
    }
    snprintf(ret_path, size, "%s", PROGRAM);
}

/* By the environment, so that no command line shows a token, and so that --target still wins. */
static void hand_over(const struct client_context *context)
{
    struct buf servers = BUF_INIT;
    for (size_t i = 0; i < context->servers.count; i++)
        buf_printf(&servers, "%s%s", i > 0 ? "," : "", context->servers.items[i]);
    if (setenv("LETHE_SERVER", buf_string(&servers), 1) != 0 ||
        (context->token != NULL && setenv("LETHE_TOKEN", context->token, 1) != 0) ||
        (context->ca_file != NULL && setenv("LETHE_CACERT", context->ca_file, 1) != 0))
        abort(); /* out of memory */
    buf_done(&servers);
}

int ctl_run_bench(struct ctl *ctl)
{
    char path[4096];
    char **argv = alloc_zero(((size_t)ctl->args_count + 2) * sizeof(*argv));
    argv[0] = (char *)(uintptr_t)PROGRAM;
    for (int i = 0; i < ctl->args_count; i++)
        argv[i + 1] = ctl->args[i];
    find_program(path, sizeof(path));
    hand_over(&ctl->context);
    execvp(path, argv);
    int error = errno;
    free(argv);
    return ctl_fail(CTL_LOCAL, "cannot run %s: %s; it is looked for beside lethectl and in PATH",
                    path, strerror(error));
}
