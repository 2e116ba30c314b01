/* SPDX-License-Identifier: Apache-2.0 */
/* deletes: the delete log, page by page, and where one delete stands on each replica.
 * audit: the same log by time, newest last, for "who deleted what". */
#include "base/alloc.h"
#include "client/url.h"
#include "ctl/show.h"
#include "sys/clock.h"

#include <stdio.h>

enum { PAGE_MAX = 1000, SHOWN_DEFAULT = 100, WAIT_STEP_MS = 9000 };

/* ---- paging ------------------------------------------------------------------------------------ */

struct pages {
    struct ctl *ctl;
    const char *base; /* the path without a query */
    uint64_t limit;
    /* Sees each record of the pages, in order. */
    void (*on_record)(struct pages *pages, const struct client_json *record);
    int (*on_page)(struct pages *pages); /* behind each page; may be NULL */
    uint64_t count;
    bool more;
    char floor[24]; /* of one slot; "null" */
    struct client_table *table;
    struct buf out;
    struct audit *audit;
};

static void add_filters(const struct ctl_flags *flags, struct buf *path)
{
    if (flags->has_slot)
        client_url_append_query_u64(path, "slot", flags->slot);
    if (flags->has_since_index)
        client_url_append_query_u64(path, "since_index", flags->since_index);
    if (flags->operator_name != NULL)
        client_url_append_query(path, "operator", flags->operator_name);
    if (flags->reason != NULL)
        client_url_append_query(path, "reason", flags->reason);
    if (flags->since != NULL)
        client_url_append_query(path, "since", flags->since);
    if (flags->until != NULL)
        client_url_append_query(path, "until", flags->until);
}

/* One page; *cursor says where the next one begins, empty at the end. */
static int take_page(struct pages *pages, struct buf *cursor)
{
    struct client_json *root = NULL;
    struct buf path = BUF_INIT;
    uint64_t left = pages->limit - pages->count;
    buf_append_string(&path, pages->base);
    add_filters(&pages->ctl->flags, &path);
    client_url_append_query_u64(&path, "limit", left < PAGE_MAX ? left : PAGE_MAX);
    if (cursor->len > 0)
        client_url_append_query(&path, "cursor", buf_string(cursor));
    int code = ctl_get(pages->ctl, buf_string(&path), &root);
    buf_done(&path);
    if (code != CTL_OK)
        return code;
    const struct client_json *deletes = client_json_find(root, "deletes");
    for (size_t i = 0; i < client_json_count(deletes) && pages->count < pages->limit; i++) {
        pages->on_record(pages, client_json_item(deletes, i));
        pages->count++;
    }
    const char *next = client_json_text(root, "next_cursor", "");
    pages->more = client_json_bool(root, "more", false) && next[0] != '\0';
    if (client_json_is_number(client_json_find(root, "floor")))
        snprintf(pages->floor, sizeof(pages->floor), "%llu",
                 (unsigned long long)client_json_u64(root, "floor", 0));
    buf_clear(cursor);
    buf_append_string(cursor, next);
    client_json_free(root);
    return pages->on_page != NULL ? pages->on_page(pages) : CTL_OK;
}

static int take_all(struct pages *pages)
{
    struct buf cursor = BUF_INIT;
    int code = CTL_OK;
    pages->more = true;
    while (code == CTL_OK && pages->more && pages->count < pages->limit)
        code = take_page(pages, &cursor);
    buf_done(&cursor);
    return code;
}

/* ---- one record in every form ------------------------------------------------------------------- */

static void print_ranges(const struct client_json *record, struct buf *out)
{
    const struct client_json *ranges = client_json_find(record, "ranges");
    for (size_t i = 0; i < client_json_count(ranges); i++) {
        const struct client_json *range = client_json_item(ranges, i);
        buf_printf(out, "%s%llu-%llu", i > 0 ? " " : "",
                   (unsigned long long)client_json_u64_of(client_json_item(range, 0), 0),
                   (unsigned long long)client_json_u64_of(client_json_item(range, 1), 0));
    }
}

/* A text of CSV: always quoted; one that a spreadsheet would run as a formula gets a quote ahead. */
static void print_csv_text(const char *text, struct buf *out)
{
    buf_append_string(out, strchr("=+-@\t\r", text[0]) != NULL && text[0] != '\0' ? "\"'" : "\"");
    for (; *text != '\0'; text++) {
        if (*text == '"')
            buf_put_u8(out, '"');
        buf_put_u8(out, (uint8_t)*text);
    }
    buf_append_string(out, "\"");
}

static const char csv_head[] = "delete_id,channel_type,channel_id,ranges,deleted_count,deleted_at,"
                               "log_index,operator,reason\n";

static void print_csv(const struct client_json *record, struct buf *out)
{
    buf_printf(out, "%s,%llu,", client_json_text(record, "delete_id", ""),
               (unsigned long long)client_json_u64(record, "channel_type", 0));
    print_csv_text(client_json_text(record, "channel_id", ""), out);
    buf_append_string(out, ",");
    print_ranges(record, out);
    buf_printf(out, ",%llu,%llu,%llu,",
               (unsigned long long)client_json_u64(record, "deleted_count", 0),
               (unsigned long long)client_json_u64(record, "deleted_at", 0),
               (unsigned long long)client_json_u64(record, "log_index", 0));
    print_csv_text(client_json_text(record, "operator", ""), out);
    buf_append_string(out, ",");
    print_csv_text(client_json_text(record, "reason", ""), out);
    buf_append_string(out, "\n");
}

static void add_channel(struct client_table *table, const struct client_json *record)
{
    client_table_addf(table, "%llu/%s",
                      (unsigned long long)client_json_u64(record, "channel_type", 0),
                      client_json_text(record, "channel_id", "?"));
}

static void add_row(struct client_table *table, const struct client_json *record)
{
    char time[CLOCK_TEXT_SIZE];
    clock_format(client_json_u64(record, "deleted_at", 0), time);
    ctl_add_text(table, record, "delete_id");
    client_table_addf(table, "%s", time);
    add_channel(table, record);
    client_table_addf(table, "%llu", (unsigned long long)client_json_u64(record, "start_seq", 0));
    client_table_addf(table, "%llu", (unsigned long long)client_json_u64(record, "end_seq", 0));
    ctl_add_u64(table, record, "deleted_count");
    ctl_add_text(table, record, "operator");
    ctl_add_text(table, record, "reason");
}

static void on_record(struct pages *pages, const struct client_json *record)
{
    if (pages->ctl->is_csv) {
        print_csv(record, &pages->out);
    } else if (pages->ctl->is_ndjson || pages->ctl->is_json) {
        if (pages->ctl->is_json && pages->count > 0)
            buf_append_string(&pages->out, ",");
        client_json_print(record, false, &pages->out);
        buf_append_string(&pages->out, pages->ctl->is_ndjson ? "\n" : "");
    } else {
        add_row(pages->table, record);
    }
}

/* Lines are written page by page: the log may be long. */
static int flush_lines(struct pages *pages)
{
    int code = CTL_OK;
    if (pages->ctl->is_csv || pages->ctl->is_ndjson) {
        code = ctl_write(buf_bytes(&pages->out));
        buf_clear(&pages->out);
    }
    return code;
}

static int list_deletes(struct ctl *ctl, const char *base)
{
    static const char *const heads[] = {"DELETE", "TIME",     "CHANNEL",  ">FROM",
                                        ">TO",    ">DELETED", "OPERATOR", "REASON"};
    bool is_lines = ctl->is_csv || ctl->is_ndjson;
    struct pages pages = {.ctl = ctl,
                          .base = base,
                          .limit = ctl->flags.has_limit ? ctl->flags.limit
                                   : is_lines           ? UINT64_MAX
                                                        : SHOWN_DEFAULT,
                          .on_record = on_record,
                          .on_page = flush_lines,
                          .floor = "null",
                          .table = client_table_new(heads, ARRAY_LEN(heads)),
                          .out = BUF_INIT};
    if (ctl->is_csv)
        buf_append_string(&pages.out, csv_head);
    if (ctl->is_json)
        buf_append_string(&pages.out, "{\"deletes\":[");
    int code = take_all(&pages);
    if (code == CTL_OK && ctl->is_json) {
        buf_printf(&pages.out, "],\"floor\":%s,\"more\":%s}\n", pages.floor,
                   pages.more ? "true" : "false");
    } else if (code == CTL_OK && !is_lines) {
        client_table_print(pages.table, &pages.out);
        if (pages.more)
            buf_append_string(&pages.out, "there is more: raise --limit, or take -o ndjson\n");
    }
    if (code == CTL_OK)
        code = ctl_write(buf_bytes(&pages.out));
    client_table_free(pages.table);
    buf_done(&pages.out);
    return code;
}

/* ---- one delete --------------------------------------------------------------------------------- */

static size_t applied_count(const struct client_json *replicas)
{
    size_t count = 0;
    for (size_t i = 0; i < client_json_count(replicas); i++)
        count +=
            strcmp(client_json_text(client_json_item(replicas, i), "state", ""), "pending") != 0;
    return count;
}

static int show_one_delete(const struct client_json *root)
{
    static const char *const heads[] = {">NODE", "STATE", "BLOCKED BY"};
    struct client_table *table = client_table_new(heads, ARRAY_LEN(heads));
    const struct client_json *replicas = client_json_find(root, "replicas");
    for (size_t i = 0; i < client_json_count(replicas); i++) {
        const struct client_json *replica = client_json_item(replicas, i);
        ctl_add_u64(table, replica, "node");
        ctl_add_text(table, replica, "state");
        ctl_add_value(table, client_json_find(replica, "blocked_by"));
    }
    struct buf out = BUF_INIT;
    bool is_applied = client_json_bool(root, "applied_everywhere", false);
    buf_printf(&out, "delete %s: applied %s\n", client_json_text(root, "delete_id", "?"),
               is_applied ? "everywhere" : "NOT everywhere yet");
    client_table_print(table, &out);
    int code = ctl_write(buf_bytes(&out));
    client_table_free(table);
    buf_done(&out);
    return code;
}

/* Asks for the delete's state; with a wait, again and again until it is applied everywhere. */
static int get_delete(struct ctl *ctl, struct client_json **ret_root)
{
    struct ctl_line line;
    uint64_t until_ms = clock_mono_ms() + ctl->flags.wait_ms;
    int code = CTL_OK;
    ctl_line_start(&line, ctl->flags.is_quiet || !ctl->flags.has_wait);
    for (bool is_last = !ctl->flags.has_wait;; is_last = clock_mono_ms() >= until_ms) {
        struct buf path = BUF_INIT;
        uint64_t now_ms = clock_mono_ms(), left_ms = until_ms > now_ms ? until_ms - now_ms : 0;
        bool is_waiting = ctl->flags.has_wait && !is_last && line.is_drawn;
        buf_append_string(&path, "/v1/deletes/");
        client_url_append_encoded(&path, bytes_of_string(ctl->words[0]));
        if (is_waiting)
            buf_printf(&path, "?wait=applied&timeout=%llums",
                       (unsigned long long)(left_ms < WAIT_STEP_MS ? left_ms + 1 : WAIT_STEP_MS));
        client_json_free(*ret_root);
        *ret_root = NULL;
        code = ctl_get(ctl, buf_string(&path), ret_root);
        buf_done(&path);
        if (code != CTL_OK || is_last || client_json_bool(*ret_root, "applied_everywhere", false))
            break;
        const struct client_json *replicas = client_json_find(*ret_root, "replicas");
        char text[120], state[24];
        snprintf(state, sizeof(state), "%zu", applied_count(replicas));
        snprintf(text, sizeof(text), "delete %.60s: applied on %s of %zu replicas", ctl->words[0],
                 state, client_json_count(replicas));
        ctl_line_set(&line, state, text);
        line.is_drawn = true; /* with --quiet too: the next request waits */
    }
    if (!line.is_quiet)
        ctl_line_end(&line);
    return code;
}

static int run_one(struct ctl *ctl)
{
    struct client_json *root = NULL;
    int code = get_delete(ctl, &root);
    if (code == CTL_OK)
        code = ctl->is_json || ctl->is_ndjson ? ctl_write_json(root) : show_one_delete(root);
    bool is_applied = client_json_bool(root, "applied_everywhere", false);
    client_json_free(root);
    return code == CTL_OK && ctl->flags.has_wait && !is_applied ? CTL_NOT_YET : code;
}

int ctl_run_deletes(struct ctl *ctl)
{
    struct buf path = BUF_INIT;
    struct why why = {0};
    bool is_one = ctl->words_count == 1 && strchr(ctl->words[0], '/') == NULL;
    if (is_one && ctl->is_csv)
        return ctl_fail(CTL_USAGE, "one delete has no -o csv");
    if (!is_one && ctl->flags.has_wait)
        return ctl_fail(CTL_USAGE, "--wait needs a DELETE_ID");
    if (is_one)
        return run_one(ctl);
    buf_append_string(&path, "/v1/deletes");
    if (ctl->words_count == 1) {
        struct ctl_channel channel;
        if (ctl_parse_channel(ctl->words[0], &channel, &why) != OK) {
            buf_done(&path);
            return ctl_fail(CTL_USAGE, "%s", why.text);
        }
        if (ctl->flags.has_slot) {
            buf_done(&path);
            return ctl_fail(CTL_USAGE, "a channel is in one slot: leave --slot away");
        }
        buf_clear(&path);
        ctl_channel_path(&channel, "/deletes", &path);
    }
    int code = list_deletes(ctl, buf_string(&path));
    buf_done(&path);
    return code;
}

/* ---- audit --------------------------------------------------------------------------------------- */

struct audit_row {
    uint64_t at_ms;
    char *json; /* owned */
};

/* The newest records seen: the log comes slot by slot, not by time. */
struct audit {
    struct audit_row *rows; /* owned; room for twice as many as are kept */
    size_t count, kept;
    bool is_cut;
};

static int compare_rows(const void *a, const void *b)
{
    const struct audit_row *one = a, *two = b;
    return one->at_ms < two->at_ms   ? 1
           : one->at_ms > two->at_ms ? -1
                                     : strcmp(one->json, two->json);
}

static void keep_newest(struct audit *audit)
{
    qsort(audit->rows, audit->count, sizeof(*audit->rows), compare_rows);
    while (audit->count > audit->kept) {
        free(audit->rows[--audit->count].json);
        audit->is_cut = true;
    }
}

static void on_audit_record(struct pages *pages, const struct client_json *record)
{
    struct audit *audit = pages->audit;
    struct buf text = BUF_INIT;
    client_json_print(record, false, &text);
    audit->rows[audit->count++] = (struct audit_row){client_json_u64(record, "deleted_at", 0),
                                                     alloc_string(buf_string(&text))};
    buf_done(&text);
    if (audit->count == 2 * audit->kept)
        keep_newest(audit);
}

static void add_audit_row(struct client_table *table, const struct client_json *record)
{
    char time[CLOCK_TEXT_SIZE];
    struct buf ranges = BUF_INIT;
    clock_format(client_json_u64(record, "deleted_at", 0), time);
    print_ranges(record, &ranges);
    client_table_addf(table, "%s", time);
    ctl_add_text(table, record, "operator");
    add_channel(table, record);
    client_table_add(table, buf_bytes(&ranges));
    ctl_add_u64(table, record, "deleted_count");
    ctl_add_text(table, record, "reason");
    ctl_add_text(table, record, "delete_id");
    ctl_add_text(table, record, "request_id");
    buf_done(&ranges);
}

static int show_audit(struct ctl *ctl, struct audit *audit)
{
    static const char *const heads[] = {"TIME",     "OPERATOR", "CHANNEL", "SEQS",
                                        ">DELETED", "REASON",   "DELETE",  "REQUEST"};
    struct pages lines = {.ctl = ctl, .out = BUF_INIT, .table = NULL};
    struct client_table *table = client_table_new(heads, ARRAY_LEN(heads));
    buf_append_string(&lines.out, ctl->is_csv ? csv_head : ctl->is_json ? "{\"deletes\":[" : "");
    for (size_t i = audit->count; i-- > 0;) {
        struct client_json *record = NULL;
        if (client_json_read(bytes_of_string(audit->rows[i].json), &record, NULL) != OK)
            continue; /* cannot be: it was printed by us */
        if (ctl->is_json || ctl->is_ndjson || ctl->is_csv)
            on_record(&lines, record);
        else
            add_audit_row(table, record);
        lines.count++;
        client_json_free(record);
    }
    if (ctl->is_json)
        buf_printf(&lines.out, "],\"more\":%s}\n", audit->is_cut ? "true" : "false");
    else if (!ctl->is_ndjson && !ctl->is_csv)
        client_table_print(table, &lines.out);
    int code = ctl_write(buf_bytes(&lines.out));
    if (audit->is_cut)
        ctl_fail(CTL_OK, "older ones are left out: raise --limit (%zu)", audit->kept);
    client_table_free(table);
    buf_done(&lines.out);
    return code;
}

int ctl_run_audit(struct ctl *ctl)
{
    uint64_t kept = ctl->flags.has_limit ? ctl->flags.limit : SHOWN_DEFAULT;
    if (kept > 1000000)
        return ctl_fail(CTL_USAGE, "audit sorts by time and keeps at most 1000000: see deletes");
    struct audit audit = {.kept = (size_t)kept,
                          .rows = alloc_zero(2 * (size_t)kept * sizeof(struct audit_row))};
    struct pages pages = {.ctl = ctl,
                          .base = "/v1/deletes",
                          .limit = UINT64_MAX,
                          .on_record = on_audit_record,
                          .audit = &audit};
    int code = take_all(&pages);
    keep_newest(&audit);
    if (code == CTL_OK)
        code = show_audit(ctl, &audit);
    for (size_t i = 0; i < audit.count; i++)
        free(audit.rows[i].json);
    free(audit.rows);
    return code;
}
