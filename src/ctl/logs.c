/* SPDX-License-Identifier: Apache-2.0 */
/* log compact, log collect, full-sync: what is thrown away, and what is sent whole, by order. */
#include "ctl/show.h"

#include <stdio.h>

/* What failed, on stderr, one line each; the exit code. */
static int tell_failed(const struct client_json *root)
{
    const struct client_json *failed = client_json_find(root, "failed");
    for (size_t i = 0; i < client_json_count(failed); i++) {
        struct buf text = BUF_INIT;
        ctl_print_value(client_json_item(failed, i), &text);
        ctl_fail(CTL_REFUSED, "failed: %s", buf_string(&text));
        buf_done(&text);
    }
    return client_json_count(failed) > 0 ? CTL_REFUSED : CTL_OK;
}

static int show_compacted(struct ctl *ctl, const struct client_json *root)
{
    static const char *const heads[] = {">SLOT", ">NODE",    ">FIRST BEFORE",
                                        ">NOW",  ">APPLIED", "WHY NOT MORE"};
    const struct client_json *items = client_json_find(root, "items");
    struct client_table *table = client_table_new(heads, ARRAY_LEN(heads));
    size_t idle = 0;
    bool is_wide = ctl->flags.is_wide || ctl->flags.has_slot;
    for (size_t i = 0; i < client_json_count(items); i++) {
        const struct client_json *item = client_json_item(items, i);
        if (!is_wide &&
            strcmp(client_json_text(item, "skipped_reason", ""), "nothing_to_do") == 0) {
            idle++;
            continue;
        }
        ctl_add_u64(table, item, "slot");
        ctl_add_u64(table, item, "node");
        ctl_add_u64(table, item, "first_index_before");
        ctl_add_u64(table, item, "first_index_after");
        ctl_add_u64(table, item, "applied_index");
        ctl_add_text(table, item, "skipped_reason");
    }
    struct buf out = BUF_INIT;
    if (idle < client_json_count(items))
        client_table_print(table, &out);
    if (idle > 0)
        buf_printf(&out, "%zu of %zu replicas had nothing to throw away\n", idle,
                   client_json_count(items));
    int code = ctl_write(buf_bytes(&out));
    client_table_free(table);
    buf_done(&out);
    return code;
}

/* Posts body and shows the answer as JSON or by `show`. */
static int post_and_show(struct ctl *ctl, const char *path, const char *body,
                         int (*show)(struct ctl *ctl, const struct client_json *root))
{
    struct client_json *root = NULL;
    struct client_reply reply;
    client_reply_init(&reply);
    int code = ctl_send(ctl, CLIENT_POST, path, body, &reply, &root);
    if (code == CTL_OK)
        code = ctl->is_json ? ctl_write_json(root) : show(ctl, root);
    if (code == CTL_OK)
        code = tell_failed(root);
    client_reply_done(&reply);
    client_json_free(root);
    return code;
}

/* --slot N or --all, one of them. */
static int check_scope(const struct ctl *ctl)
{
    if (ctl->flags.has_slot == ctl->flags.is_all)
        return ctl_fail(CTL_USAGE, "say which: --slot N, or --all");
    return CTL_OK;
}

int ctl_run_log_compact(struct ctl *ctl)
{
    const struct ctl_flags *flags = &ctl->flags;
    struct buf path = BUF_INIT, body = BUF_INIT;
    int code = check_scope(ctl);
    if (code == CTL_OK && flags->has_through_index && !flags->has_slot)
        code = ctl_fail(CTL_USAGE, "--through-index goes with --slot: an index means something in "
                                   "one slot only");
    if (code == CTL_OK)
        code = ctl_confirm(ctl,
                           "This throws Raft log entries away that the configured retention would "
                           "keep: a member that is down\nand needs them takes a delta or a full "
                           "copy when it comes back.",
                           "Compact now?");
    if (code == CTL_OK) {
        if (flags->has_slot)
            buf_printf(&path, "/v1/admin/slots/%llu/compact-log", (unsigned long long)flags->slot);
        else
            buf_append_string(&path, "/v1/admin/compact-log");
        buf_printf(&body, "{\"keep\":%llu", (unsigned long long)flags->keep);
        if (flags->has_through_index)
            buf_printf(&body, ",\"through_index\":%llu", (unsigned long long)flags->through_index);
        buf_append_string(&body, "}");
        code = post_and_show(ctl, buf_string(&path), buf_string(&body), show_compacted);
    }
    buf_done(&path);
    buf_done(&body);
    return code;
}

static int show_collected(struct ctl *ctl, const struct client_json *root)
{
    static const char *const heads[] = {">SLOT", ">FLOOR BEFORE", ">NOW", ">REMOVED", "HELD BY"};
    const struct client_json *items = client_json_find(root, "items");
    struct client_table *table = client_table_new(heads, ARRAY_LEN(heads));
    size_t idle = 0, held = 0;
    for (size_t i = 0; i < client_json_count(items); i++) {
        const struct client_json *item = client_json_item(items, i);
        const struct client_json *held_by = client_json_find(item, "held_by");
        bool is_idle =
            client_json_u64(item, "floor_before", 0) == client_json_u64(item, "floor_after", 0);
        held += client_json_count(held_by) > 0;
        if (is_idle && client_json_count(held_by) == 0 && !ctl->flags.is_wide &&
            !ctl->flags.has_slot) {
            idle++;
            continue;
        }
        ctl_add_u64(table, item, "slot");
        ctl_add_u64(table, item, "floor_before");
        ctl_add_u64(table, item, "floor_after");
        ctl_add_u64(table, item, "removed");
        ctl_add_value(table, held_by);
    }
    struct buf out = BUF_INIT;
    if (idle < client_json_count(items))
        client_table_print(table, &out);
    buf_printf(&out, "%zu slots: %zu stayed as they were, %zu held back by a node\n",
               client_json_count(items), idle, held);
    int code = ctl_write(buf_bytes(&out));
    client_table_free(table);
    buf_done(&out);
    return code;
}

int ctl_run_log_collect(struct ctl *ctl)
{
    const struct ctl_flags *flags = &ctl->flags;
    struct buf body = BUF_INIT;
    int code = check_scope(ctl);
    if (code == CTL_OK && flags->is_forced)
        code = ctl_confirm(ctl,
                           "This throws delete log entries away whatever their age and whoever is "
                           "down: members that miss some of\nthem take a full copy when they come "
                           "back.",
                           "Collect now?");
    if (code == CTL_OK) {
        buf_printf(&body, "{\"force_floor\":%s", flags->is_forced ? "true" : "false");
        if (flags->has_slot)
            buf_printf(&body, ",\"slot\":%llu", (unsigned long long)flags->slot);
        buf_append_string(&body, "}");
        code =
            post_and_show(ctl, "/v1/admin/delete-log/collect", buf_string(&body), show_collected);
    }
    buf_done(&body);
    return code;
}

static int show_ordered(struct ctl *ctl, const struct client_json *root)
{
    struct buf out = BUF_INIT;
    buf_printf(&out,
               "slot %llu: node %llu takes a full copy; watch it: lethectl replicas --slot "
               "%llu\n",
               (unsigned long long)client_json_u64(root, "slot", 0),
               (unsigned long long)client_json_u64(root, "node", 0),
               (unsigned long long)client_json_u64(root, "slot", 0));
    (void)ctl;
    int code = ctl_write(buf_bytes(&out));
    buf_done(&out);
    return code;
}

int ctl_run_full_sync(struct ctl *ctl)
{
    uint64_t slot = 0, node = 0;
    char path[80], body[40];
    if (!client_flag_number(ctl->words[0], &slot) || slot > 4095)
        return ctl_fail(CTL_USAGE, "slot '%s' is not a slot's number", ctl->words[0]);
    if (!client_flag_number(ctl->words[1], &node) || node == 0 || node > 65535)
        return ctl_fail(CTL_USAGE, "node '%s' is not a node's number", ctl->words[1]);
    int code = ctl_confirm(ctl,
                           "The node throws its replica of this slot away and takes the leader's, "
                           "whole. It serves no reads of the\nslot meanwhile.",
                           "Copy it?");
    if (code != CTL_OK)
        return code;
    snprintf(path, sizeof(path), "/v1/admin/slots/%llu/full-sync", (unsigned long long)slot);
    snprintf(body, sizeof(body), "{\"node\":%llu}", (unsigned long long)node);
    return post_and_show(ctl, path, body, show_ordered);
}
