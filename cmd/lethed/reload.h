/* SPDX-License-Identifier: Apache-2.0 */
/* SIGHUP: the configuration is read again while the node runs. Thread: main. */
#ifndef CMD_LETHED_RELOAD_H
#define CMD_LETHED_RELOAD_H

#include "base/arena.h"
#include "config/config.h"
#include "http/http.h"
#include "node/node.h"

/* What GET /v1/admin/config tells: which values are in force, and what a restart would change. No
 * option holds a secret. */
struct shown {
    struct http_config_value values[CONFIG_OPTIONS_COUNT];
    struct arena texts;
};

struct running {
    int argc;
    char **argv;
    struct config *config; /* borrowed: the one in force */
    struct node *node;     /* borrowed */
    struct http *http;     /* borrowed */
    struct shown *shown;   /* owned */
};

/* What is in force; next: what is configured by now, NULL: the same. The caller owns it. */
struct shown *shown_new(const struct config *config, const struct config *next);
void shown_free(struct shown *shown);

/* Takes over what may change, names in the log what needs a restart. When anything is wrong, in the
 * configuration or in a file that it names, nothing changes, and the log says what it is. */
void reload(struct running *running);

#endif
