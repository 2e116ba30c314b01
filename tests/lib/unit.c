/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEMP_DIRS_MAX = 256 };
static char *temp_dirs[TEMP_DIRS_MAX];
static size_t temp_dirs_count;
static pid_t temp_dirs_owner;

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
    (void)stat;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void remove_temp_dirs(void)
{
    if (temp_dirs_owner != getpid())
        return;
    for (size_t i = 0; i < temp_dirs_count; i++) {
        nftw(temp_dirs[i], remove_one, 16, FTW_DEPTH | FTW_PHYS);
        free(temp_dirs[i]);
    }
    temp_dirs_count = 0;
}

char *unit_temp_dir(void)
{
    const char *root = getenv("TMPDIR");
    char path[512];
    snprintf(path, sizeof(path), "%s/lethe-unit-XXXXXX", root != NULL ? root : "/tmp");
    if (mkdtemp(path) == NULL || temp_dirs_count == TEMP_DIRS_MAX) {
        perror("unit_temp_dir");
        abort();
    }
    /* A forked test removes its own folders when it exits, the parent the others. */
    if (temp_dirs_owner != getpid()) {
        temp_dirs_owner = getpid();
        temp_dirs_count = 0;
        atexit(remove_temp_dirs);
    }
    temp_dirs[temp_dirs_count++] = strdup(path);
    return strdup(path);
}

Suite *unit_suite_with(const char *name, double timeout_s, void (*before)(void),
                       const TTest *const tests[], size_t count)
{
    Suite *ret = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, timeout_s);
    if (before != NULL)
        tcase_add_checked_fixture(tcase, before, NULL);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(ret, tcase);
    return ret;
}

Suite *unit_suite_of(const char *name, double timeout_s, const TTest *const tests[], size_t count)
{
    return unit_suite_with(name, timeout_s, NULL, tests, count);
}

int unit_run(unit_suite *const suites[], size_t count)
{
    const char *only = getenv("T");
    SRunner *runner = srunner_create(NULL);
    for (size_t i = 0; i < count; i++)
        srunner_add_suite(runner, suites[i]());
    const char *slash = only != NULL ? strchr(only, '/') : NULL;
    srunner_run(runner, slash != NULL ? slash + 1 : NULL, NULL, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
