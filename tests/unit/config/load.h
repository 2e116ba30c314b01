/* SPDX-License-Identifier: Apache-2.0 */
/* Loads a configuration from texts, as the daemon would from a file, variables and flags. */
#ifndef TESTS_UNIT_CONFIG_LOAD_H
#define TESTS_UNIT_CONFIG_LOAD_H

#include "config/config.h"
#include "sys/file.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

Suite *suite_config(void);
Suite *suite_rules(void);
Suite *suite_yaml(void);

struct load {
    struct config config;
    enum config_action action;
    struct why why;
    enum err err;
};

/* file NULL: none; flags and environment end with NULL, and may be NULL. */
static inline struct load load_with(const char *file, char *const *environment, char *const *flags)
{
    struct load ret = {0};
    char *argv[32] = {(char *)"lethed"};
    char *none[] = {NULL};
    char path[600] = "";
    int argc = 1;
    for (; flags != NULL && flags[argc - 1] != NULL; argc++)
        argv[argc] = flags[argc - 1];
    if (file != NULL) {
        char *dir = unit_temp_dir();
        snprintf(path, sizeof(path), "%s/lethe.yaml", dir);
        ck_assert_int_eq(file_write_atomic(path, bytes_of_string(file), 0600, NULL), OK);
        argv[argc++] = (char *)"--config";
        argv[argc++] = path;
        free(dir);
    }
    ret.err = config_load(argc, argv, environment != NULL ? environment : none, &ret.config,
                          &ret.action, &ret.why);
    return ret;
}

#define WORDS(...) ((char *[]){__VA_ARGS__, NULL})

/* The load failed, and its reason has this text in it. */
static inline void expect_refusal(struct load load, const char *text)
{
    ck_assert_int_eq(load.err, ERR_BAD_CONFIG);
    ck_assert_msg(strstr(load.why.text, text) != NULL, "'%s' lacks '%s'", load.why.text, text);
    config_done(&load.config);
}

#endif
