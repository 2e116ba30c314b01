/* SPDX-License-Identifier: Apache-2.0 */
/* The scenario language: one command a line, words apart by blanks, "quoted words", key=value
 * options, `#` comments. A back end carries the commands out; the runner and the simulator share
 * both, so that a simulated run is a scenario by construction. */
#ifndef SIM_LANGUAGE_H
#define SIM_LANGUAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { WORDS_MAX = 48 };

struct words {
    char text[1024];
    const char *word[WORDS_MAX];                   /* plain words, in order; word[0] is the verb */
    const char *key[WORDS_MAX], *value[WORDS_MAX]; /* key=value, and +key=value, -key=value */
    int words_count, options_count;
};

/* False when the line is empty or a comment. Aborts the run (exit 2) on a malformed line. */
bool words_parse(struct words *words, const char *line);
const char *words_option(const struct words *words, const char *key); /* NULL: not there */
uint64_t words_number(const struct words *words, const char *key, uint64_t otherwise);
/* A number with an optional k or m behind it. */
bool number_parse(const char *text, uint64_t *ret);
/* "1,2,3" into ids; false when malformed. */
bool ids_parse(const char *text, uint64_t *ret_ids, size_t max, size_t *ret_count);
/* "1->2", "*->2", "1->*": 0 stands for any. */
bool link_parse(const char *text, uint64_t *ret_from, uint64_t *ret_to);

enum step {
    STEP_OK,
    STEP_NOTHING, /* the command had nothing to do: an error but under `lenient` */
    STEP_UNKNOWN, /* no such verb, or malformed arguments */
    STEP_FAILED   /* an expectation or an invariant does not hold: see error */
};

/* What a back end gives the runner. */
struct backend {
    const char *name; /* core, node */
    void *(*make)(const struct words *cluster, struct buf *transcript);
    void (*free)(void *self);
    /* Carries one command out and checks every invariant after it. */
    enum step (*command)(void *self, const struct words *words);
    const char *(*error)(void *self); /* text of the last STEP_FAILED or STEP_UNKNOWN */
    /* Heals everything and demands that all nodes become equal within so many ticks. */
    enum step (*converge)(void *self, uint64_t within_ticks);
};

extern const struct backend backend_core, backend_node;

#endif
