/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the room: the table of commands, what they are handed, and what they share. */
#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H

#include "base/buf.h"
#include "base/channel.h"
#include "client/client.h"
#include "client/context.h"
#include "client/flags.h"
#include "client/json.h"
#include "ctl/ctl.h"

enum { CTL_WORDS_MAX = 8 };

/* All flags of all commands; each command names those it takes. */
struct ctl_flags {
    struct client_list servers;
    const char *token, *output;
    struct client_trust trust;
    const char *context;
    uint64_t timeout_ms;
    bool is_help, is_quiet, is_yes, is_dry_run, is_all, is_raw, is_wide, is_clamped, is_ready;
    bool is_lagging, is_no_wait, is_forced, is_learner;
    uint64_t limit, from_seq, to_seq, after_seq, before_seq, through_seq, keep, slot, type, to,
        node;
    uint64_t expected_last_seq, connections, batch, since_index, through_index;
    uint64_t min_lag, wait_ms, watch_ms, count;
    bool has_from_seq, has_to_seq, has_after_seq, has_before_seq, has_through_seq, has_keep;
    bool has_slot, has_type, has_to, has_node, has_expected_last_seq, has_since_index, has_limit;
    bool has_through_index, has_wait, has_watch, has_count, is_following, is_waiting_for_health;
    const char *prefix, *order, *consistency, *from_uid, *client_msg_no, *encoding;
    const char *reason, *operator_name, *before, *seqs, *channel, *file, *number_name;
    const char *since, *until, *zone;
    struct client_list logs;
};

struct ctl {
    struct ctl_flags flags;
    struct client_context context;
    struct client *client; /* owned */
    const char *words[CTL_WORDS_MAX];
    size_t words_count;
    char **args; /* borrowed from main; all words of a command that passes them on */
    int args_count;
    bool is_json, is_ndjson, is_csv; /* -o */
};

enum {
    CTL_HAS_LINES = 1,       /* takes -o ndjson and csv */
    CTL_NEEDS_NO_SERVER = 2, /* runs without servers and token */
    CTL_PASSES_WORDS = 4,    /* its words are another program's: no flag of them is ours */
};

struct ctl_command {
    const char *name;      /* one word or two */
    const char *arguments; /* as the usage line shows them */
    size_t words_min, words_max;
    const char *flags; /* names, each with a blank before and behind */
    const char *help;
    int (*run)(struct ctl *ctl);
    unsigned traits; /* CTL_HAS_LINES, CTL_NEEDS_NO_SERVER ... */
};

extern const struct ctl_command ctl_commands[];
extern const size_t ctl_commands_count;
/* By the first word or two of these; NULL: none. *ret_taken: how many of them are its name. */
const struct ctl_command *ctl_find_command(int count, char *const *words, int *ret_taken);

int ctl_run_status(struct ctl *ctl);
int ctl_run_top(struct ctl *ctl);
int ctl_run_tail(struct ctl *ctl);
int ctl_run_node_add(struct ctl *ctl);
int ctl_run_node_replace(struct ctl *ctl);
int ctl_run_node_promote(struct ctl *ctl);
int ctl_run_node_drain(struct ctl *ctl);
int ctl_run_node_undrain(struct ctl *ctl);
int ctl_run_node_remove(struct ctl *ctl);
int ctl_run_node_placement(struct ctl *ctl);
int ctl_run_upgrade_finalize(struct ctl *ctl);
int ctl_run_leader_balance(struct ctl *ctl);
int ctl_run_backup_create(struct ctl *ctl);
int ctl_run_backup_ls(struct ctl *ctl);
int ctl_run_backup_verify(struct ctl *ctl);
int ctl_run_alarm_ls(struct ctl *ctl);
int ctl_run_alarm_disarm(struct ctl *ctl);
int ctl_run_debug_bundle(struct ctl *ctl);
int ctl_run_bench(struct ctl *ctl);
int ctl_run_completion(struct ctl *ctl);
int ctl_run_context_ls(struct ctl *ctl);
int ctl_run_context_use(struct ctl *ctl);
int ctl_run_context_set(struct ctl *ctl);
int ctl_run_context_rm(struct ctl *ctl);
int ctl_run_health(struct ctl *ctl);
int ctl_run_nodes(struct ctl *ctl);
int ctl_run_slots(struct ctl *ctl);
int ctl_run_leader_transfer(struct ctl *ctl);
int ctl_run_audit(struct ctl *ctl);
int ctl_run_send(struct ctl *ctl);
int ctl_run_ls(struct ctl *ctl);
int ctl_run_get(struct ctl *ctl);
int ctl_run_delete(struct ctl *ctl);
int ctl_run_deletes(struct ctl *ctl);
int ctl_run_import(struct ctl *ctl);
int ctl_run_export(struct ctl *ctl);
int ctl_run_replicas(struct ctl *ctl);
int ctl_run_check(struct ctl *ctl);
int ctl_run_store_compact(struct ctl *ctl);
int ctl_run_log_compact(struct ctl *ctl);
int ctl_run_log_collect(struct ctl *ctl);
int ctl_run_full_sync(struct ctl *ctl);

/* ---- what commands share: call.c ------------------------------------------------------------- */

/* "lethectl: ..." on stderr; returns code, so that a function can end with it. */
int ctl_fail(int code, const char *format, ...) PRINTF_LIKE(2, 3);
/* Sends; a reply below 300 is CTL_OK, everything else is told on stderr. */
int ctl_call(struct ctl *ctl, const struct client_request *request, struct client_reply *reply);
/* The exit code that an error of client_call means, and the one of a reply's status. */
int ctl_code_of_error(enum err err);
int ctl_code_of_status(int status);
/* What a problem+json body says: "422 end_beyond_last: the range ends ..." */
void ctl_print_problem(int status, struct bytes body, struct buf *out);
/* GET path as JSON; the caller frees *ret_node. */
int ctl_get(struct ctl *ctl, const char *path, struct client_json **ret_node);
/* The same where a failure is part of the picture and not told: the status, 0 without an answer;
 * *ret_node is set with 200 only. */
int ctl_ask(struct ctl *ctl, const char *path, struct client_json **ret_node);
/* A write with a JSON body (NULL: none) and a JSON answer; never sent twice. The caller frees
 * *ret_node, which stays as it was when the answer has no body. */
int ctl_send(struct ctl *ctl, enum client_method method, const char *path, const char *body,
             struct client_reply *reply, struct client_json **ret_node);
/* Writes to stdout; CTL_LOCAL when that fails. */
int ctl_write(struct bytes bytes);
int ctl_write_json(const struct client_json *node);

/* ---- what the command line holds: parse.c ------------------------------------------------------ */

struct ctl_channel {
    uint8_t type;
    const char *id; /* borrowed from the text */
};
/* "2/room-1": the type, a slash, the id with whatever it has in it. */
MUST_USE enum err ctl_parse_channel(const char *text, struct ctl_channel *ret_channel,
                                    struct why *why);
/* "7" or "100-200", both ends included. */
MUST_USE enum err ctl_parse_range(const char *text, uint64_t *ret_start, uint64_t *ret_end,
                                  struct why *why);
/* "/v1/channels/2/room%2F1" and suffix. */
void ctl_channel_path(const struct ctl_channel *channel, const char *suffix, struct buf *path);
/* True for y, yes, Y ...; everything else is no. */
bool ctl_is_yes(const char *line);

#endif
