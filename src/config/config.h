/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration of lethed: a table of options (config/options.h), filled from defaults, a YAML
 * file, the environment and flags, each winning over the one before it.
 *
 *   file   --config FILE or LETHE_CONFIG; keys as printed by --print-config; unknown ones are errors
 *   env    LETHE_ and the key in capitals, dots as underscores: LETHE_HTTP_LISTEN. With _FILE behind
 *          it, the value is read from that file. LETHE_CLUSTER_NODE_ID is node.id, too
 *   flags  --http-listen X, --http-listen=X, --set http.listen=X; --data-dir is --node-data-dir
 *
 * Knows nothing of what an option does, but for checks that need several of them. Only cmd/lethed
 * sees this; rooms take plain structs of options. Thread: main. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/why.h"
#include "config/options.h"

struct config_list {
    char **items; /* owned */
    size_t count;
};

#define CONFIG_TYPE_TEXT char *
#define CONFIG_TYPE_CHOICE char *
#define CONFIG_TYPE_NUMBER uint64_t
#define CONFIG_TYPE_SIZE uint64_t
#define CONFIG_TYPE_TIME uint64_t
#define CONFIG_TYPE_BOOL bool
#define CONFIG_TYPE_LIST struct config_list

enum config_option {
#define X(field, key, type, default_, min, max, unit, reload, help) CONFIG_OPTION_##field,
    CONFIG_TABLE(X)
#undef X
        CONFIG_OPTIONS_COUNT
};

enum config_source { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_ENV, CONFIG_FLAG };

/* One of cluster.members. */
struct config_member {
    uint64_t id;
    char *address; /* owned; host:port */
};

struct config {
#define X(field, key, type, default_, min, max, unit, reload, help) CONFIG_TYPE_##type field;
    CONFIG_TABLE(X)
#undef X
    enum config_source sources[CONFIG_OPTIONS_COUNT];
    struct config_member *members; /* owned; cluster.members taken apart; sorted by id */
    size_t members_count;
    struct config_list warnings; /* what was odd but no error: one sentence each */
    char *file;                  /* owned; path of the file that was read, or NULL */
};

/* What the command line asks for. */
enum config_action {
    CONFIG_RUN,
    CONFIG_CHECK,     /* --check-config: say that it is fine */
    CONFIG_PRINT,     /* --print-config */
    CONFIG_ANNOTATED, /* --print-config --annotated */
    CONFIG_HELP,
    CONFIG_VERSION
};

/* Fills ret_config from everything and checks it; the caller ends it with config_done, which it is
 * also fit for after a failure. argv[0] is not looked at; environment ends with NULL.
 * With CONFIG_HELP and CONFIG_VERSION nothing but defaults was read.
 * Errors: ERR_BAD_CONFIG  why names the place (file:line:column, variable or flag), the option and
 *                         the limit
 *         ERR_NOT_FOUND, ERR_IO, ERR_TOO_LARGE  the file cannot be read */
MUST_USE enum err config_load(int argc, char *const *argv, char *const *environment,
                              struct config *ret_config, enum config_action *ret_action,
                              struct why *why);
void config_done(struct config *config);

/* The effective values as a YAML file, each with where it came from. */
void config_print(const struct config *config, struct buf *out);
/* The defaults as a YAML file that explains every option: conf/lethe.yaml. */
void config_print_annotated(struct buf *out);
/* --help: every flag and its meaning. */
void config_print_help(struct buf *out);

/* For /v1/admin/config: the option's key, its value as in the file, and the source's name. */
const char *config_key(enum config_option option);
void config_value_text(const struct config *config, enum config_option option, struct buf *out);
const char *config_source_name(enum config_source source);
/* Options that differ between two loads, and whether SIGHUP may take this one over. */
bool config_is_equal(const struct config *a, const struct config *b, enum config_option option);
bool config_is_reloadable(enum config_option option);

/* Exchanges the values and sources of all options that SIGHUP may take over; done twice, nothing has
 * changed. Both configurations were loaded. */
void config_exchange_reloadable(struct config *a, struct config *b);

/* host and port of "host:port" or "[v6]:port". True when the host is this machine alone. */
MUST_USE enum err config_split_address(const char *address, char *ret_host, size_t host_size,
                                       uint16_t *ret_port, struct why *why);
bool config_is_loopback(const char *address);

#endif
