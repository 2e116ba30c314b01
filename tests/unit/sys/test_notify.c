/* SPDX-License-Identifier: Apache-2.0 */
/* What the service manager hears, on both kinds of address, and what is said when nobody can. */
#include "suites.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sys/notify.h"

/* Listens as a manager does, and names the address in NOTIFY_SOCKET. */
static int listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(name);
    memcpy(address.sun_path, name, len);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_ge(fd, 0);
    size_t size = offsetof(struct sockaddr_un, sun_path) + len + (name[0] == '@' ? 0 : 1);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, (socklen_t)size), 0);
    ck_assert_int_eq(setenv("NOTIFY_SOCKET", name, 1), 0);
    return fd;
}

static void check_heard(int fd, const char *wanted)
{
    char heard[128] = "";
    ssize_t got = recv(fd, heard, sizeof(heard) - 1, 0);
    ck_assert_int_eq(got, (ssize_t)strlen(wanted));
    ck_assert_str_eq(heard, wanted);
}

START_TEST(a_path_hears_it)
{
    char *folder = unit_temp_dir();
    char name[100];
    int len = snprintf(name, sizeof(name), "%s/socket", folder);
    ck_assert_int_lt(len, (int)sizeof(name));
    int fd = listen_at(name);
    ck_assert_int_eq(notify_send(NOTIFY_READY "\nSTATUS=serving", NULL), OK);
    check_heard(fd, "READY=1\nSTATUS=serving");
    ck_assert_int_eq(notify_send(NOTIFY_STOPPING, NULL), OK);
    check_heard(fd, "STOPPING=1");
    close(fd);
    free(folder);
}
END_TEST

START_TEST(an_abstract_name_hears_it)
{
    char name[64];
    snprintf(name, sizeof(name), "@lethe-notify-%d", (int)getpid());
    int fd = listen_at(name);
    ck_assert_int_eq(notify_send(NOTIFY_RELOADING, NULL), OK);
    check_heard(fd, "RELOADING=1");
    close(fd);
}
END_TEST

START_TEST(without_a_manager_nothing_happens)
{
    unsetenv("NOTIFY_SOCKET");
    ck_assert_int_eq(notify_send(NOTIFY_READY, NULL), OK);
    setenv("NOTIFY_SOCKET", "", 1);
    ck_assert_int_eq(notify_send(NOTIFY_READY, NULL), OK);
}
END_TEST

START_TEST(a_wrong_address_is_told)
{
    char too_long[200];
    memset(too_long, 'x', sizeof(too_long));
    too_long[0] = '/';
    too_long[sizeof(too_long) - 1] = '\0';
    const char *const names[] = {"relative", "/", "@", "vsock:2:1", too_long};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct why why = {0};
        setenv("NOTIFY_SOCKET", names[i], 1);
        ck_assert_int_eq(notify_send(NOTIFY_READY, &why), ERR_IO);
        ck_assert_ptr_nonnull(strstr(why.text, "neither a path nor @name"));
    }
    struct why why = {0};
    setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
    ck_assert_int_eq(notify_send(NOTIFY_READY, &why), ERR_IO);
    ck_assert_ptr_nonnull(strstr(why.text, "'/nowhere/at/all'"));
}
END_TEST

/* A manager that does not read must not hold up the node: its socket fills, and the call returns. */
START_TEST(a_deaf_manager_does_not_block)
{
    char name[64];
    snprintf(name, sizeof(name), "@lethe-deaf-%d", (int)getpid());
    int fd = listen_at(name);
    enum err err = OK;
    for (int i = 0; i < 100000 && err == OK; i++)
        err = notify_send(NOTIFY_READY, NULL);
    ck_assert_int_eq(err, ERR_IO);
    close(fd);
}
END_TEST

Suite *suite_notify(void)
{
    return UNIT_SUITE("notify", 30, a_path_hears_it, an_abstract_name_hears_it,
                      without_a_manager_nothing_happens, a_wrong_address_is_told,
                      a_deaf_manager_does_not_block);
}
