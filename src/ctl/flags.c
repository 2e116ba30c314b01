/* SPDX-License-Identifier: Apache-2.0 */
/* Every flag of every command, once: parsing, help, completions and the manual come from here. */
#include "ctl/flags.h"

enum { DAY_MS = 24 * 3600 * 1000 };

static const char common_flags[] =
    " server context token cacert insecure timeout output quiet help ";

/* clang-format off */
#define ADD(name_, letter_, kind_, target_, value_, help_)                                         \
    table->rows[table->count++] = (struct client_flag){.name = (name_), .letter = (letter_),       \
        .kind = CLIENT_FLAG_##kind_, .target = (target_), .value = (value_), .help = (help_)}
#define ADD_NUMBER(name_, letter_, target_, value_, help_, min_, max_, is_given_)                  \
    table->rows[table->count++] = (struct client_flag){.name = (name_), .letter = (letter_),       \
        .kind = CLIENT_FLAG_NUMBER, .target = (target_), .value = (value_), .help = (help_),       \
        .min = (min_), .max = (max_), .is_given = (is_given_)}
#define ADD_TIME(name_, kind_, target_, help_, min_, is_given_)                                    \
    table->rows[table->count++] = (struct client_flag){.name = (name_),                            \
        .kind = CLIENT_FLAG_##kind_, .target = (target_), .value = "TIME", .help = (help_),        \
        .min = (min_), .max = DAY_MS, .is_given = (is_given_)}
/* clang-format on */

static void add_common(struct ctl_flag_table *table, struct ctl_flags *flags)
{
    ADD("server", 's', LIST, &flags->servers, "HOST:PORT,...",
        "servers to try in turn (LETHE_SERVER, the context's, else 127.0.0.1:5001)");
    ADD("context", 0, TEXT, &flags->context, "NAME",
        "servers and token kept under this name (LETHE_CONTEXT, else the current one)");
    ADD("token", 0, TEXT, &flags->token, "T", "who you are (LETHE_TOKEN)");
    ADD("cacert", 0, TEXT, &flags->trust.ca_file, "FILE",
        "PEM: who may vouch for https servers (LETHE_CACERT, else the system's)");
    ADD("insecure", 0, SWITCH, &flags->trust.is_insecure, NULL, "believe any https server");
    ADD_TIME("timeout", TIME, &flags->timeout_ms, "of one request (30s)", 1, NULL);
    ADD("output", 'o', TEXT, &flags->output, "table|json",
        "how to show what came; deletes and audit also ndjson and csv");
    ADD("quiet", 'q', SWITCH, &flags->is_quiet, NULL, "no progress");
    ADD("help", 'h', SWITCH, &flags->is_help, NULL, "this text");
}

static void add_reading(struct ctl_flag_table *table, struct ctl_flags *flags)
{
    ADD_NUMBER("limit", 'n', &flags->limit, "N", "at most so many", 1, 1000000000,
               &flags->has_limit);
    ADD_NUMBER("from-seq", 0, &flags->from_seq, "SEQ", "from here, inclusive", 1, 0,
               &flags->has_from_seq);
    ADD_NUMBER("to-seq", 0, &flags->to_seq, "SEQ", "up to here, inclusive", 1, 0,
               &flags->has_to_seq);
    ADD_NUMBER("after-seq", 0, &flags->after_seq, "SEQ", "behind this one", 0, 0,
               &flags->has_after_seq);
    ADD_NUMBER("before-seq", 0, &flags->before_seq, "SEQ", "before this one", 1, 0,
               &flags->has_before_seq);
    ADD("order", 0, TEXT, &flags->order, "asc|desc", "which end first");
    ADD("consistency", 0, TEXT, &flags->consistency, "C",
        "linearizable (as if not given), leader or local");
    ADD("raw", 0, SWITCH, &flags->is_raw, NULL, "one message: its payload's bytes");
    ADD("wide", 0, SWITCH, &flags->is_wide, NULL, "do not cut payloads, do not leave rows out");
    ADD("prefix", 0, TEXT, &flags->prefix, "TEXT", "ids that begin with it");
    ADD_NUMBER("type", 0, &flags->type, "N", "channels of this type", 0, 255, &flags->has_type);
    ADD_NUMBER("slot", 0, &flags->slot, "N", "of this slot", 0, 4095, &flags->has_slot);
    ADD_NUMBER("node", 0, &flags->node, "N", "of this node, not of the one that answers", 1, 65535,
               &flags->has_node);
    ADD_NUMBER("since-index", 0, &flags->since_index, "N",
               "behind this log index; needs --slot or a channel", 0, 0, &flags->has_since_index);
    ADD("since", 0, TEXT, &flags->since, "TIME", "from then: RFC 3339, epoch ms or -1h");
    ADD("until", 0, TEXT, &flags->until, "TIME", "up to then: RFC 3339, epoch ms or -1h");
    ADD("all", 0, SWITCH, &flags->is_all, NULL,
        "delete: the whole channel; export: every channel; log: every slot");
    ADD("ready", 0, SWITCH, &flags->is_ready, NULL, "not only alive: leaders known, not stopping");
    ADD("file", 'f', TEXT, &flags->file, "FILE", "instead of standard output");
}

static void add_writing(struct ctl_flag_table *table, struct ctl_flags *flags)
{
    ADD("from-uid", 0, TEXT, &flags->from_uid, "UID", "the sender");
    ADD("client-msg-no", 0, TEXT, &flags->client_msg_no, "NO",
        "makes a retry safe: the same number is stored once");
    ADD_NUMBER("expected-last-seq", 0, &flags->expected_last_seq, "SEQ",
               "only if this is the channel's newest", 0, 0, &flags->has_expected_last_seq);
    ADD("encoding", 0, TEXT, &flags->encoding, "E",
        "of the payload given: utf8 (as if not given), json or base64");
    ADD_NUMBER("through", 0, &flags->through_seq, "SEQ", "everything up to SEQ", 1, 0,
               &flags->has_through_seq);
    ADD_NUMBER("keep", 0, &flags->keep, "N",
               "delete: all but the newest N; log compact: so many entries stay (0)", 0, 0,
               &flags->has_keep);
    ADD("before", 0, TEXT, &flags->before, "TIME", "everything older (RFC 3339)");
    ADD("seqs", 0, TEXT, &flags->seqs, "7,9,...", "just these");
    ADD("clamp", 0, SWITCH, &flags->is_clamped, NULL, "a range may end behind the newest message");
    ADD("reason", 0, TEXT, &flags->reason, "TEXT", "of the delete, as the delete log has it");
    ADD("operator", 0, TEXT, &flags->operator_name, "NAME",
        "of the delete, as the delete log has it");
    ADD("dry-run", 0, SWITCH, &flags->is_dry_run, NULL, "only show what would be done");
    ADD("yes", 'y', SWITCH, &flags->is_yes, NULL, "do not ask");
    ADD("channel", 0, TEXT, &flags->channel, "TYPE/ID", "where all of it goes");
    ADD_NUMBER("connections", 'c', &flags->connections, "N", "at once (4)", 1, 64, NULL);
    ADD_NUMBER("batch", 0, &flags->batch, "N", "messages in a request (500)", 1, 1024, NULL);
    ADD("number", 0, TEXT, &flags->number_name, "NAME",
        "client_msg_no NAME-LINE where there is none: can be run again");
    ADD_NUMBER("to", 0, &flags->to, "NODE", "the next leader", 1, 65535, &flags->has_to);
}

static void add_operating(struct ctl_flag_table *table, struct ctl_flags *flags)
{
    ADD("lagging", 0, SWITCH, &flags->is_lagging, NULL,
        "only those that do not replicate, or are --min-lag behind");
    ADD_NUMBER("min-lag", 0, &flags->min_lag, "N", "entries behind that count as lagging (1)", 1, 0,
               NULL);
    ADD_TIME("wait", MAY_TIME, &flags->wait_ms, "until it is done, at most so long (5m)", 1,
             &flags->has_wait);
    ADD_TIME("watch", MAY_TIME, &flags->watch_ms, "again and again, every so often (2s)", 100,
             &flags->has_watch);
    ADD_NUMBER("count", 0, &flags->count, "N", "so many times, then end", 1, 0, &flags->has_count);
    ADD("follow", 'f', SWITCH, &flags->is_following, NULL, "go on as new messages come");
    ADD("exit-when-healthy", 0, SWITCH, &flags->is_waiting_for_health, NULL,
        "wait until all is well, at most --timeout");
    ADD("zone", 0, TEXT, &flags->zone, "ZONE", "where the node stands");
    ADD("learner", 0, SWITCH, &flags->is_learner, NULL, "it takes copies, but does not vote yet");
    ADD("log", 0, LIST, &flags->logs, "FILE,...", "log files whose ends go into the bundle");
    ADD("no-wait", 0, SWITCH, &flags->is_no_wait, NULL, "start it, do not follow it");
    ADD_NUMBER("through-index", 0, &flags->through_index, "INDEX",
               "not beyond this log index; needs --slot", 1, 0, &flags->has_through_index);
    ADD("force-floor", 0, SWITCH, &flags->is_forced, NULL,
        "whatever the age and whoever is down: those then take a full copy");
}

void ctl_flags_fill(struct ctl_flag_table *table, struct ctl_flags *flags)
{
    memset(table, 0, sizeof(*table));
    add_common(table, flags);
    add_reading(table, flags);
    add_writing(table, flags);
    add_operating(table, flags);
    assert(table->count <= ARRAY_LEN(table->rows));
}

/* Is " name " one of the names in the text? */
static bool has_name(const char *names, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = names; (at = strstr(at, name)) != NULL; at++) {
        if (at > names && at[-1] == ' ' && at[len] == ' ')
            return true;
    }
    return false;
}

bool ctl_flag_is_common(const char *name, void *arg)
{
    (void)arg;
    return has_name(common_flags, name);
}

bool ctl_flag_is_own(const char *name, void *arg)
{
    const struct ctl_command *command = arg;
    return has_name(command->flags, name);
}

bool ctl_flag_is_taken(const char *name, void *arg)
{
    return ctl_flag_is_common(name, arg) || ctl_flag_is_own(name, arg);
}
