/* SPDX-License-Identifier: Apache-2.0 */
/* node ...: growing, shrinking, replacing. A change is first planned by the server and shown, then
 * asked about, then ordered; it is done when the placement says that every slot is settled. */
#include "client/url.h"
#include "ctl/jobs.h"
#include "ctl/show.h"
#include "sys/clock.h"

#include <stdio.h>

enum { POLL_MS = 500, SHOWN_MOVES = 12, ADDRESS_MAX_BYTES = 255 };

/* One order: where it goes, what it says, and what people should know of it. */
struct order {
    enum client_method method;
    struct buf path, body; /* body: without the closing brace; none with DELETE */
    const char *harm, *question;
};

static int parse_node(const char *text, uint64_t *ret_id)
{
    if (!client_flag_number(text, ret_id) || *ret_id == 0 || *ret_id > 65535)
        return ctl_fail(CTL_USAGE, "node '%s' is not a node's number, 1 to 65535", text);
    return CTL_OK;
}

/* "4@host:11110": the id and where it listens for its peers. */
static int parse_member(const char *text, uint64_t *ret_id, const char **ret_address)
{
    char id[8];
    size_t len = strcspn(text, "@");
    const char *address = text + len + (text[len] == '@');
    const char *port = strrchr(address, ':');
    uint64_t number = 0;
    bool is_good = text[len] == '@' && len > 0 && len < sizeof(id) && port != NULL &&
                   port > address && strlen(address) <= ADDRESS_MAX_BYTES &&
                   client_flag_number(port + 1, &number) && number > 0 && number < 65536;
    if (!is_good)
        return ctl_fail(CTL_USAGE,
                        "'%s' is not ID@HOST:PORT, as in 4@host4:11110: the port is the "
                        "one for peers",
                        text);
    memcpy(id, text, len);
    id[len] = '\0';
    *ret_address = address;
    return parse_node(id, ret_id);
}

/* ---- the placement ------------------------------------------------------------------------------- */

static void add_moves(const struct client_json *moves, struct buf *out)
{
    static const char *const heads[] = {">SLOT", "FROM NODES", "TO NODES"};
    size_t count = client_json_count(moves);
    if (count == 0)
        return;
    struct client_table *table = client_table_new(heads, ARRAY_LEN(heads));
    for (size_t i = 0; i < count && i < SHOWN_MOVES; i++) {
        const struct client_json *move = client_json_item(moves, i);
        ctl_add_u64(table, move, "slot");
        ctl_add_value(table, client_json_find(move, "from"));
        ctl_add_value(table, client_json_find(move, "to"));
    }
    client_table_print(table, out);
    client_table_free(table);
    if (count > SHOWN_MOVES)
        buf_printf(out, "and %zu more: -o json has all\n", count - SHOWN_MOVES);
}

static void print_placement(const struct client_json *root, struct buf *out)
{
    static const char *const heads[] = {">NODE", "STATE", "ZONE", ">SLOTS BEFORE", ">AFTER"};
    const struct client_json *nodes = client_json_find(root, "nodes");
    const struct client_json *slots = client_json_find(root, "slots");
    struct client_table *table = client_table_new(heads, ARRAY_LEN(heads));
    for (size_t i = 0; i < client_json_count(nodes); i++) {
        const struct client_json *node = client_json_item(nodes, i);
        ctl_add_u64(table, node, "id");
        ctl_add_text(table, node, "state");
        ctl_add_text(table, node, "zone");
        ctl_add_u64(table, node, "slots_before");
        ctl_add_u64(table, node, "slots_after");
    }
    client_table_print(table, out);
    client_table_free(table);
    if (client_json_count(client_json_find(root, "moves")) > 0)
        buf_printf(out, "%zu slots to move; ", client_json_count(client_json_find(root, "moves")));
    buf_printf(out, "%llu of %llu slots are where they shall be\n",
               (unsigned long long)client_json_u64(slots, "settled", 0),
               (unsigned long long)client_json_u64(slots, "total", 0));
    add_moves(client_json_find(root, "moves"), out);
}

static int show_placement(struct ctl *ctl, const struct client_json *root)
{
    if (ctl->is_json)
        return ctl_write_json(root);
    struct buf out = BUF_INIT;
    print_placement(root, &out);
    int code = ctl_write(buf_bytes(&out));
    buf_done(&out);
    return code;
}

int ctl_run_node_placement(struct ctl *ctl)
{
    struct client_json *root = NULL;
    int code = ctl_get(ctl, "/v1/admin/placement", &root);
    if (code == CTL_OK)
        code = show_placement(ctl, root);
    client_json_free(root);
    return code;
}

/* Until every slot is settled: what was ordered is done. */
static int follow_placement(struct ctl *ctl, struct client_json **ret_root)
{
    struct ctl_line line;
    uint64_t until_ms = clock_mono_ms() + ctl->flags.wait_ms;
    int code = CTL_OK;
    ctl_line_start(&line, ctl->flags.is_quiet);
    for (;;) {
        client_json_free(*ret_root);
        *ret_root = NULL;
        code = ctl_get(ctl, "/v1/admin/placement", ret_root);
        if (code != CTL_OK || client_json_bool(*ret_root, "done", false))
            break;
        const struct client_json *slots = client_json_find(*ret_root, "slots");
        uint64_t total = client_json_u64(slots, "total", 0);
        uint64_t settled = client_json_u64(slots, "settled", 0);
        struct buf text = BUF_INIT;
        char state[24];
        snprintf(state, sizeof(state), "%llu", (unsigned long long)settled);
        buf_printf(&text, "moving: %llu of %llu slots settled ", (unsigned long long)settled,
                   (unsigned long long)total);
        if (line.is_terminal && total > 0)
            ctl_print_bar((double)settled / (double)total, &text);
        ctl_line_set(&line, state, buf_string(&text));
        buf_done(&text);
        if (ctl->flags.has_wait && clock_mono_ms() + POLL_MS > until_ms) {
            code = CTL_NOT_YET;
            break;
        }
        ctl_sleep_ms(POLL_MS);
    }
    ctl_line_end(&line);
    if (code == CTL_NOT_YET)
        ctl_fail(code, "the slots are still moving; look again: lethectl node placement");
    return code;
}

/* ---- orders -------------------------------------------------------------------------------------- */

/* ret_job: "/v1/jobs/members-12" when the server says so; emptied before. */
static int send_order(struct ctl *ctl, struct order *order, bool is_dry_run, struct buf *ret_job,
                      struct client_json **ret_root)
{
    struct buf path = BUF_INIT, body = BUF_INIT;
    struct client_reply reply;
    buf_clear(ret_job);
    bool has_body = order->method != CLIENT_DELETE;
    client_reply_init(&reply);
    buf_append_bytes(&path, buf_bytes(&order->path));
    buf_append_bytes(&body, buf_bytes(&order->body));
    if (has_body)
        buf_printf(&body, "%s\"dry_run\":%s}", order->body.len > 1 ? "," : "",
                   is_dry_run ? "true" : "false");
    else if (is_dry_run)
        client_url_append_query(&path, "dry_run", "true");
    int code = ctl_send(ctl, order->method, buf_string(&path), has_body ? buf_string(&body) : NULL,
                        &reply, ret_root);
    if (strncmp(reply.location, "/v1/jobs/", 9) == 0)
        buf_append_string(ret_job, reply.location);
    client_reply_done(&reply);
    buf_done(&path);
    buf_done(&body);
    return code;
}

/* By its job, which says how long it may take; of a server that names none, by the placement. */
static int follow_order(struct ctl *ctl, struct buf *job_path, struct client_json **ret_root)
{
    if (job_path->len == 0)
        return follow_placement(ctl, ret_root);
    struct client_json *job = NULL;
    uint64_t deadline_ms = ctl->flags.has_wait ? clock_mono_ms() + ctl->flags.wait_ms : 0;
    int code = ctl_job_follow(ctl, buf_string(job_path), deadline_ms, &job);
    client_json_free(job);
    if (code != CTL_OK)
        return code;
    client_json_free(*ret_root);
    *ret_root = NULL;
    return ctl_get(ctl, "/v1/admin/placement", ret_root);
}

static int preview(struct ctl *ctl, struct order *order)
{
    struct client_json *plan = NULL;
    struct buf job = BUF_INIT;
    int code = send_order(ctl, order, true, &job, &plan);
    buf_done(&job);
    if (code == CTL_OK && ctl->flags.is_dry_run) {
        code = show_placement(ctl, plan);
    } else if (code == CTL_OK) {
        struct buf text = BUF_INIT;
        print_placement(plan, &text);
        fputs(buf_string(&text), stderr);
        buf_done(&text);
        code = ctl_confirm(ctl, order->harm, order->question);
    }
    client_json_free(plan);
    return code;
}

/* Plans, asks, orders and follows; ends the order. */
static int run_order(struct ctl *ctl, struct order *order)
{
    struct client_json *root = NULL;
    struct buf job = BUF_INIT;
    int code = CTL_OK;
    if (ctl->flags.is_dry_run || !ctl->flags.is_yes)
        code = preview(ctl, order);
    if (code == CTL_OK && !ctl->flags.is_dry_run) {
        code = send_order(ctl, order, false, &job, &root);
        if (code == CTL_OK && !ctl->flags.is_no_wait)
            code = follow_order(ctl, &job, &root);
        if (code == CTL_OK && root != NULL)
            code = show_placement(ctl, root);
    }
    client_json_free(root);
    buf_done(&job);
    buf_done(&order->path);
    buf_done(&order->body);
    return code;
}

static void append_text(struct buf *body, const char *key, const char *value)
{
    if (value == NULL)
        return;
    buf_printf(body, ",\"%s\":", key);
    client_json_print_text(bytes_of_string(value), body);
}

static int add_node(struct ctl *ctl, uint64_t replaces, const char *member)
{
    uint64_t id = 0;
    const char *address = NULL;
    int code = parse_member(member, &id, &address);
    if (code != CTL_OK)
        return code;
    if (id == replaces)
        return ctl_fail(CTL_USAGE,
                        "node %llu cannot replace itself: a number is never used again; "
                        "take the next free one",
                        (unsigned long long)id);
    struct order order = {
        .method = CLIENT_POST,
        .path = BUF_INIT,
        .body = BUF_INIT,
        .harm = replaces != 0
                    ? "The old node leaves for ever: its number and its data can never come back."
                    : "The new node takes its share of the slots; they are copied to it.",
        .question = replaces != 0 ? "Replace it?" : "Add it?"};
    buf_append_string(&order.path, "/v1/admin/nodes");
    buf_printf(&order.body, "{\"id\":%llu", (unsigned long long)id);
    append_text(&order.body, "address", address);
    append_text(&order.body, "zone", ctl->flags.zone);
    if (replaces != 0)
        buf_printf(&order.body, ",\"replaces\":%llu", (unsigned long long)replaces);
    if (ctl->flags.is_learner)
        buf_append_string(&order.body, ",\"learner\":true");
    return run_order(ctl, &order);
}

int ctl_run_node_add(struct ctl *ctl)
{
    return add_node(ctl, 0, ctl->words[0]);
}

int ctl_run_node_replace(struct ctl *ctl)
{
    uint64_t old = 0;
    int code = parse_node(ctl->words[0], &old);
    return code == CTL_OK ? add_node(ctl, old, ctl->words[1]) : code;
}

static int change_node(struct ctl *ctl, const char *verb, const char *harm, const char *question)
{
    uint64_t id = 0;
    int code = parse_node(ctl->words[0], &id);
    if (code != CTL_OK)
        return code;
    struct order order = {.method = verb != NULL ? CLIENT_POST : CLIENT_DELETE,
                          .path = BUF_INIT,
                          .body = BUF_INIT,
                          .harm = harm,
                          .question = question};
    buf_printf(&order.path, "/v1/admin/nodes/%llu%s%s", (unsigned long long)id,
               verb != NULL ? ":" : "", verb != NULL ? verb : "");
    buf_append_string(&order.body, "{");
    return run_order(ctl, &order);
}

int ctl_run_node_drain(struct ctl *ctl)
{
    return change_node(ctl, "drain",
                       "The node leads nothing then, and what others can hold moves "
                       "away from it.",
                       "Drain it?");
}

int ctl_run_node_undrain(struct ctl *ctl)
{
    return change_node(ctl, "undrain", "The node gets its share of the slots back.", "Undrain it?");
}

int ctl_run_node_promote(struct ctl *ctl)
{
    return change_node(ctl, "promote", "The learner gets its share of the slots and votes in them.",
                       "Promote it?");
}

int ctl_run_node_remove(struct ctl *ctl)
{
    return change_node(ctl, NULL,
                       "The node leaves for ever: its number and its data can never come "
                       "back.",
                       "Remove it?");
}

/* ---- upgrades --------------------------------------------------------------------------------------- */

static int finalize_upgrade(struct ctl *ctl, bool is_dry_run, uint64_t *ret_level)
{
    struct client_json *root = NULL;
    struct client_reply reply;
    client_reply_init(&reply);
    int code = ctl_send(ctl, CLIENT_POST, "/v1/admin/upgrade:finalize",
                        is_dry_run ? "{\"dry_run\":true}" : "{\"dry_run\":false}", &reply, &root);
    *ret_level = client_json_u64(root, "feature_level", 0);
    client_json_free(root);
    client_reply_done(&reply);
    return code;
}

int ctl_run_upgrade_finalize(struct ctl *ctl)
{
    uint64_t level = 0;
    struct buf out = BUF_INIT;
    int code = finalize_upgrade(ctl, true, &level);
    if (code == CTL_OK && !ctl->flags.is_dry_run) {
        code =
            ctl_confirm(ctl,
                        "The way back to the build before ends: a node that is started with it is "
                        "not let in any more.",
                        "Finalize the upgrade?");
        if (code == CTL_OK)
            code = finalize_upgrade(ctl, false, &level);
    }
    if (code == CTL_OK) {
        buf_printf(&out, "feature level %llu %s in force\n", (unsigned long long)level,
                   ctl->flags.is_dry_run ? "would be" : "is");
        code = ctl_write(buf_bytes(&out));
    }
    buf_done(&out);
    return code;
}

/* ---- leader balance ------------------------------------------------------------------------------- */

static int show_balance(struct ctl *ctl, const struct client_json *root)
{
    static const char *const heads[] = {">SLOT", ">FROM", ">TO", "HOW IT WENT"};
    const struct client_json *moves = client_json_find(root, "moves");
    bool is_plan = client_json_bool(root, "dry_run", false);
    size_t failed = 0;
    if (ctl->is_json)
        return ctl_write_json(root);
    struct client_table *table = client_table_new(heads, ARRAY_LEN(heads));
    for (size_t i = 0; i < client_json_count(moves); i++) {
        const struct client_json *move = client_json_item(moves, i);
        bool is_done = client_json_bool(move, "done", true);
        const char *why =
            client_json_text(move, "detail", client_json_text(move, "code", "failed"));
        failed += !is_done;
        ctl_add_u64(table, move, "slot");
        ctl_add_u64(table, move, "from");
        ctl_add_u64(table, move, "to");
        client_table_addf(table, "%s", is_plan ? "planned" : is_done ? "done" : why);
    }
    struct buf out = BUF_INIT;
    if (client_json_count(moves) > 0)
        client_table_print(table, &out);
    else
        buf_append_string(&out, "leaders are even: nothing to move\n");
    int code = ctl_write(buf_bytes(&out));
    client_table_free(table);
    buf_done(&out);
    return code == CTL_OK && failed > 0 ? ctl_fail(CTL_REFUSED, "%zu moves failed", failed) : code;
}

int ctl_run_leader_balance(struct ctl *ctl)
{
    struct client_json *root = NULL;
    struct client_reply reply;
    client_reply_init(&reply);
    int code = ctl_send(ctl, CLIENT_POST, "/v1/admin/leaders/balance",
                        ctl->flags.is_dry_run ? "{\"dry_run\":true}" : "{\"dry_run\":false}",
                        &reply, &root);
    if (code == CTL_OK)
        code = show_balance(ctl, root);
    client_json_free(root);
    client_reply_done(&reply);
    return code;
}
