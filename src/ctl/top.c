/* SPDX-License-Identifier: Apache-2.0 */
/* top: what each node does right now, from two looks at its metrics. */
#include "base/alloc.h"
#include "ctl/screen.h"
#include "ctl/show.h"
#include "ctl/survey.h"
#include "sys/clock.h"

#include <stdio.h>
#include <unistd.h>

/* Names without the prefix, which a node may have another one of. A name that ends in {5xx} sums
 * only the samples with that code. */
enum figure {
    REQUESTS,
    FAULTS,
    APPENDED,
    READS,
    DELETED,
    RECEIVED,
    SENT,
    FSYNC_SUM,
    FSYNC_COUNT,
    COMMIT_SUM,
    COMMIT_COUNT,
    LAGGING,
    DISK_FREE,
    CONNECTIONS,
    FIGURES
};
static const char *const names[FIGURES] = {
    [REQUESTS] = "http_requests_total",      [FAULTS] = "http_requests_total{5xx}",
    [APPENDED] = "messages_appended_total",  [READS] = "reads_total",
    [DELETED] = "messages_deleted_total",    [RECEIVED] = "http_received_bytes_total",
    [SENT] = "http_sent_bytes_total",        [FSYNC_SUM] = "fsync_seconds_sum",
    [FSYNC_COUNT] = "fsync_seconds_count",   [COMMIT_SUM] = "commit_seconds_sum",
    [COMMIT_COUNT] = "commit_seconds_count", [LAGGING] = "replica_lag_count",
    [DISK_FREE] = "disk_free_bytes",         [CONNECTIONS] = "http_connections",
};

struct look {
    bool is_there;
    uint64_t at_ms;
    double figures[FIGURES];
};

struct top {
    struct look before[CTL_NODES_MAX], now[CTL_NODES_MAX];
};

/* Adds one line's value, "prefix_name{labels} value", to the figures that it belongs to. */
static void take_line(const char *line, size_t len, size_t prefix_len, struct look *look)
{
    size_t name_len = strcspn(line, "{ ");
    if (len == 0 || line[0] == '#' || name_len >= len || name_len <= prefix_len)
        return;
    size_t value_at = len;
    while (value_at > 0 && line[value_at - 1] != ' ')
        value_at--;
    double value = strtod(line + value_at, NULL);
    const char *name = line + prefix_len;
    size_t own_len = name_len - prefix_len;
    for (size_t i = 0; i < FIGURES; i++) {
        size_t wanted = strcspn(names[i], "{");
        if (wanted != own_len || memcmp(names[i], name, own_len) != 0)
            continue;
        bool is_5xx = names[i][wanted] == '{';
        const char *code = memmem(line, len, "code=\"5", 7);
        if (!is_5xx || code != NULL)
            look->figures[i] += value;
    }
}

/* Every node names its metrics as it likes: the prefix is what stands before a name we know. */
static size_t find_prefix(const char *text)
{
    static const char known[] = "http_connections_total";
    for (const char *at = text; (at = strstr(at, known)) != NULL; at++) {
        const char *start = at;
        while (start > text && start[-1] != '\n' && start[-1] != ' ')
            start--;
        if (start[0] != '#' && at[strlen(known)] == ' ')
            return (size_t)(at - start);
    }
    return 0;
}

static void take_metrics(const char *text, struct look *look)
{
    size_t prefix_len = find_prefix(text);
    memset(look->figures, 0, sizeof(look->figures));
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        take_line(text, len, prefix_len, look);
        text += len + (text[len] == '\n');
    }
    look->is_there = true;
    look->at_ms = clock_mono_ms();
}

static void take_look(struct ctl_survey *survey, struct look *looks)
{
    struct client_reply reply;
    client_reply_init(&reply);
    for (size_t i = 0; i < survey->nodes_count; i++) {
        struct why why = {0};
        looks[i].is_there = false;
        if (survey->nodes[i].has_server &&
            ctl_survey_get(survey, &survey->nodes[i], "/metrics", "text/plain", &reply, &why) ==
                CTL_OK &&
            reply.status == 200)
            take_metrics(buf_string(&reply.body), &looks[i]);
    }
    client_reply_done(&reply);
}

static double rate_of(const struct look *before, const struct look *now, enum figure figure)
{
    double seconds = (double)(now->at_ms - before->at_ms) / 1000;
    double grown = now->figures[figure] - before->figures[figure];
    return seconds > 0 && grown > 0 ? grown / seconds : 0; /* a restart begins at 0 again */
}

static double mean_ms(const struct look *before, const struct look *now, enum figure sum)
{
    double count = now->figures[sum + 1] - before->figures[sum + 1];
    double seconds = now->figures[sum] - before->figures[sum];
    return count > 0 && seconds > 0 ? seconds / count * 1000 : 0;
}

static void add_rate(struct client_table *table, double rate)
{
    client_table_addf(table, rate < 100 ? "%.1f" : "%.0f", rate);
}

static void add_size(struct client_table *table, double bytes)
{
    char text[CLIENT_COUNT_SIZE];
    client_table_addf(table, "%s", client_size_text((uint64_t)bytes, text));
}

static void add_node(struct client_table *table, const struct ctl_node *node,
                     const struct look *before, const struct look *now)
{
    static const enum figure rates[] = {REQUESTS, FAULTS, APPENDED, READS, DELETED};
    bool is_known = before->is_there && now->is_there;
    ctl_add_number(table, node->id);
    ctl_add_u64(table, node->info, "leaders");
    for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
        if (is_known)
            add_rate(table, rate_of(before, now, rates[i]));
        else
            client_table_addf(table, "-");
    }
    for (int i = 0; !is_known && i < 7; i++)
        client_table_addf(table, "-");
    if (!is_known)
        return;
    add_size(table, rate_of(before, now, RECEIVED));
    add_size(table, rate_of(before, now, SENT));
    client_table_addf(table, "%.2f", mean_ms(before, now, FSYNC_SUM));
    client_table_addf(table, "%.2f", mean_ms(before, now, COMMIT_SUM));
    client_table_addf(table, "%.0f", now->figures[LAGGING]);
    client_table_addf(table, "%.0f", now->figures[CONNECTIONS]);
    add_size(table, now->figures[DISK_FREE]);
}

static void print_json(const struct ctl_survey *survey, const struct top *top, struct buf *out)
{
    bool is_first = true;
    buf_append_string(out, "{\"nodes\":[");
    for (size_t i = 0; i < survey->nodes_count; i++) {
        const struct look *before = &top->before[i], *now = &top->now[i];
        if (!before->is_there || !now->is_there)
            continue;
        buf_printf(out,
                   "%s{\"node\":%llu,\"requests_per_s\":%.1f,\"faults_per_s\":%.1f,"
                   "\"appended_per_s\":%.1f,\"reads_per_s\":%.1f,\"deleted_per_s\":%.1f,"
                   "\"fsync_mean_ms\":%.3f,\"commit_mean_ms\":%.3f,\"lagging_replicas\":%.0f}",
                   is_first ? "" : ",", (unsigned long long)survey->nodes[i].id,
                   rate_of(before, now, REQUESTS), rate_of(before, now, FAULTS),
                   rate_of(before, now, APPENDED), rate_of(before, now, READS),
                   rate_of(before, now, DELETED), mean_ms(before, now, FSYNC_SUM),
                   mean_ms(before, now, COMMIT_SUM), now->figures[LAGGING]);
        is_first = false;
    }
    buf_append_string(out, "]}\n");
}

static int draw(struct ctl *ctl, void *arg, struct buf *out)
{
    static const char *const heads[] = {
        ">NODE", ">LEADS", ">REQ/S",    ">5XX/S",     ">SENDS/S", ">READS/S", ">DEL/S",
        ">IN/S", ">OUT/S", ">FSYNC MS", ">COMMIT MS", ">LAGGING", ">CONNS",   ">DISK FREE"};
    struct top *top = arg;
    struct ctl_survey *survey = NULL;
    int code = ctl_survey_take(ctl, &survey);
    if (code != CTL_OK)
        return code;
    take_look(survey, top->now);
    if (!top->before[0].is_there) { /* the first picture needs two looks, too */
        memcpy(top->before, top->now, sizeof(top->now));
        ctl_sleep_ms(ctl->flags.watch_ms);
        take_look(survey, top->now);
    }
    struct client_table *table = client_table_new(heads, ARRAY_LEN(heads));
    for (size_t i = 0; i < survey->nodes_count; i++)
        add_node(table, &survey->nodes[i], &top->before[i], &top->now[i]);
    if (ctl->is_json)
        print_json(survey, top, out);
    else
        client_table_print(table, out);
    client_table_free(table);
    memcpy(top->before, top->now, sizeof(top->now));
    ctl_survey_free(survey);
    return CTL_OK;
}

int ctl_run_top(struct ctl *ctl)
{
    struct top *top = alloc_zero(sizeof(*top));
    int code = ctl_screen_words(ctl);
    ctl->flags.has_watch = true;
    if (!ctl->flags.has_count && isatty(STDOUT_FILENO) != 1) {
        ctl->flags.has_count = true;
        ctl->flags.count = 1;
    }
    if (code == CTL_OK)
        code = ctl_screen_run(ctl, draw, top);
    free(top);
    return code;
}
