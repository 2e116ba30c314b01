/* SPDX-License-Identifier: Apache-2.0 */
#include "probe.h"

#include "unit_server.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct serving {
    struct probe *probe;
    const char *address; /* host:port */
};

static void append(char *to, size_t size, const char *text)
{
    size_t len = strlen(to);
    snprintf(to + len, size - len, "%s", text);
}

/* body with the server's address where it says %URL%. */
static void expand(const char *body, const char *address, char *to, size_t size)
{
    const char *mark = strstr(body, "%URL%");
    snprintf(to, size, "%.*s%s%s", mark != NULL ? (int)(mark - body) : (int)strlen(body), body,
             mark != NULL ? address : "", mark != NULL ? mark + 5 : "");
}

static struct probe_row *find_row(struct probe *probe, const char *request)
{
    for (size_t i = 0; i < sizeof(probe->rows) / sizeof(probe->rows[0]); i++) {
        struct probe_row *row = &probe->rows[i];
        if (row->request == NULL)
            break;
        if (row->times >= 0 && strncmp(request, row->request, strlen(row->request)) == 0)
            return row;
    }
    return NULL;
}

static const char *answer(const char *request, void *arg)
{
    static const struct probe_row none = {.body = "{\"code\":\"not_supported\",\"title\":\"no\"}",
                                          .status = 501};
    struct serving *serving = arg;
    struct probe *probe = serving->probe;
    char body[12000];
    append(probe->requests, sizeof(probe->requests), request);
    append(probe->requests, sizeof(probe->requests), "\n");
    struct probe_row *row = find_row(probe, request);
    const struct probe_row *found = row != NULL ? row : &none;
    if (row != NULL && row->times > 0 && --row->times == 0)
        row->times = -1;
    if (found->body == NULL)
        return NULL;
    expand(found->body, serving->address, body, sizeof(body));
    snprintf(probe->text, sizeof(probe->text),
             "HTTP/1.1 %d X\r\n%sContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
             found->status != 0 ? found->status : 200, found->headers != NULL ? found->headers : "",
             strlen(body), body);
    return probe->text;
}

static int open_temp(char *dir, const char *name)
{
    char path[600];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static void take(int fd, char *to, size_t size)
{
    ssize_t len = pread(fd, to, size - 1, 0);
    ck_assert_int_ge(len, 0);
    to[len] = '\0';
    close(fd);
}

int probe_run(struct probe *probe, const char *const *words)
{
    struct serving serving = {.probe = probe};
    struct unit_server *server = unit_server_start(answer, &serving);
    char *argv[24] = {(char *)"lethectl"};
    int argc = 1, null = open("/dev/null", O_RDWR);
    char *dir = unit_temp_dir();
    int out = open_temp(dir, "out"), err = open_temp(dir, "err");
    serving.address = unit_server_url(server) + strlen("http://");
    for (; words[argc - 1] != NULL; argc++)
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    dup2(null, STDIN_FILENO);
    fflush(stdout);
    fflush(stderr);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    setenv("LETHE_SERVER", unit_server_url(server), 1);
    setenv("XDG_CONFIG_HOME", dir, 0);
    int code = ctl_main(argc, argv);
    fflush(stdout);
    fflush(stderr);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    take(out, probe->out, sizeof(probe->out));
    take(err, probe->err, sizeof(probe->err));
    close(null);
    unit_server_stop(server);
    free(dir);
    return code;
}

bool probe_sent(const struct probe *probe, const char *text)
{
    return strstr(probe->requests, text) != NULL;
}

bool probe_said(const struct probe *probe, const char *text)
{
    return strstr(probe->out, text) != NULL;
}

bool probe_told(const struct probe *probe, const char *text)
{
    return strstr(probe->err, text) != NULL;
}
