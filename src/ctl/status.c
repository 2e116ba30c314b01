/* SPDX-License-Identifier: Apache-2.0 */
/* status: the whole cluster on one screen, once or again and again. */
#include "base/alloc.h"
#include "ctl/screen.h"
#include "ctl/show.h"
#include "ctl/survey.h"
#include "sys/clock.h"

#include <stdio.h>

enum { BEHIND_ROWS = 10 };

/* What is counted over all replicas. */
struct totals {
    struct ctl_replica *behind; /* owned; those that are not level, the worst first */
    size_t replicas, level, behind_count, leaderless, unseen;
    uint64_t max_lag, max_lag_slot, max_lag_node;
};

struct picture {
    struct ctl *ctl;
    struct ctl_survey *survey;         /* owned */
    struct client_json *alarms, *jobs; /* owned; NULL: not known */
    int alarms_status, jobs_status;
    struct totals totals;
    size_t ready, armed;
    uint64_t led, degraded;
    bool is_well;
};

static void on_replica(const struct ctl_replica *replica, void *arg)
{
    struct totals *totals = arg;
    totals->replicas++;
    totals->leaderless += strcmp(replica->state, "leaderless") == 0;
    totals->unseen += strcmp(replica->state, "unseen") == 0;
    if (replica->lag > totals->max_lag) {
        totals->max_lag = replica->lag;
        totals->max_lag_slot = replica->slot;
        totals->max_lag_node = replica->node;
    }
    if (ctl_replica_is_level(replica, 0)) {
        totals->level++;
        return;
    }
    totals->behind = alloc_resize(totals->behind, totals->behind_count + 1, sizeof(*replica));
    totals->behind[totals->behind_count++] = *replica;
}

static int compare_behind(const void *a, const void *b)
{
    const struct ctl_replica *one = a, *two = b;
    bool one_moves = one->transfer_total > 0, two_moves = two->transfer_total > 0;
    if (one_moves != two_moves)
        return one_moves ? -1 : 1;
    return one->lag > two->lag ? -1 : one->lag < two->lag;
}

static void judge(struct picture *picture)
{
    const struct ctl_survey *survey = picture->survey;
    const struct client_json *slots = client_json_find(survey->cluster, "slots");
    picture->led = client_json_u64(slots, "with_leader", 0);
    picture->degraded = client_json_u64(slots, "degraded", 0);
    for (size_t i = 0; i < survey->nodes_count; i++)
        picture->ready += survey->nodes[i].is_ready;
    picture->armed = client_json_count(picture->alarms);
    picture->is_well = picture->ready == survey->nodes_count &&
                       picture->led == survey->slots_total && picture->degraded == 0 &&
                       picture->armed == 0;
}

static int picture_take(struct ctl *ctl, struct picture *picture)
{
    *picture = (struct picture){.ctl = ctl};
    int code = ctl_survey_take(ctl, &picture->survey);
    if (code != CTL_OK)
        return code;
    ctl_survey_each(picture->survey, on_replica, &picture->totals);
    if (picture->totals.behind_count > 0)
        qsort(picture->totals.behind, picture->totals.behind_count, sizeof(*picture->totals.behind),
              compare_behind);
    picture->alarms_status =
        ctl_survey_collect(picture->survey, "/v1/alarms", "alarms", &picture->alarms);
    picture->jobs_status = ctl_survey_collect(picture->survey, "/v1/jobs", "jobs", &picture->jobs);
    judge(picture);
    return CTL_OK;
}

static void picture_done(struct picture *picture)
{
    ctl_survey_free(picture->survey);
    client_json_free(picture->alarms);
    client_json_free(picture->jobs);
    free(picture->totals.behind);
}

/* ---- for people --------------------------------------------------------------------------------- */

static void print_sums(const struct ctl_survey *survey, struct buf *out)
{
    uint64_t entries = 0, bytes = 0, deletes = 0, channels = 0;
    char text[4][CLIENT_COUNT_SIZE];
    for (uint64_t i = 0; i < survey->slots_total; i++) {
        entries += client_json_u64(survey->slots[i], "log_count", 0);
        bytes += client_json_u64(survey->slots[i], "log_bytes", 0);
        deletes += client_json_u64(survey->slots[i], "delete_log_count", 0);
        channels += client_json_u64(survey->slots[i], "channels", 0);
    }
    buf_printf(out, "logs      %s entries in %s; %s delete records; %s channels\n",
               client_count_text(entries, text[0]), client_size_text(bytes, text[1]),
               client_count_text(deletes, text[2]), client_count_text(channels, text[3]));
}

static void print_replicas(const struct totals *totals, struct buf *out)
{
    char lag[CLIENT_COUNT_SIZE];
    buf_printf(out, "replicas  %zu: %zu level", totals->replicas, totals->level);
    if (totals->unseen > 0)
        buf_printf(out, ", %zu slots whose leader did not answer", totals->unseen);
    if (totals->max_lag > 0)
        buf_printf(out, ", worst lag %s entries (slot %llu, node %llu)",
                   client_count_text(totals->max_lag, lag),
                   (unsigned long long)totals->max_lag_slot,
                   (unsigned long long)totals->max_lag_node);
    buf_append_string(out, "\n");
}

/* "none", "not known: 501", or one line each. */
static void print_list(const char *head, int status, const struct client_json *list,
                       const char *state, struct buf *out)
{
    bool is_first = true;
    buf_printf(out, "%-9s ", head);
    if (status != 200) {
        buf_printf(out, status == 501 ? "not in this version yet\n" : "not known: status %d\n",
                   status);
        return;
    }
    for (size_t i = 0; i < client_json_count(list); i++) {
        const struct client_json *item = client_json_item(list, i);
        if (state != NULL && strcmp(client_json_text(item, "state", ""), state) != 0)
            continue;
        buf_printf(out, "%s%s %s", is_first ? "" : "\n          ",
                   client_json_text(item, "kind", client_json_text(item, "name", "")),
                   client_json_text(item, "id", ""));
        if (client_json_find(item, "node") != NULL)
            buf_printf(out, ", node %llu",
                       (unsigned long long)client_json_u64(item, "node",
                                                           client_json_u64(item, "member", 0)));
        if (state != NULL)
            buf_printf(out, ", %d %%", (int)(client_json_real(item, "progress", 0) * 100));
        const char *detail = client_json_text(item, "detail", client_json_text(item, "reason", ""));
        buf_printf(out, "%s%s", detail[0] != '\0' ? ": " : "", detail);
        is_first = false;
    }
    buf_append_string(out, is_first ? "none\n" : "\n");
}

static void print_nodes(const struct picture *picture, struct buf *out)
{
    static const char *const heads[] = {">NODE", "READY",   "STATE", ">SLOTS",  ">LEADERS",
                                        ">LAG",  "VERSION", "HTTP",  ">CONTACT"};
    struct client_table *table = client_table_new(heads, ARRAY_LEN(heads));
    const struct ctl_survey *survey = picture->survey;
    for (size_t i = 0; i < survey->nodes_count; i++) {
        const struct ctl_node *node = &survey->nodes[i];
        struct buf contact = BUF_INIT;
        uint64_t lag = 0;
        for (size_t j = 0; j < picture->totals.behind_count; j++)
            lag += picture->totals.behind[j].node == node->id ? picture->totals.behind[j].lag : 0;
        ctl_print_duration(client_json_u64(node->info, "last_contact_ms", 0), &contact);
        ctl_add_number(table, node->id);
        client_table_addf(table, "%s", node->is_ready ? "yes" : "NO");
        ctl_add_text(table, node->info, "state");
        ctl_add_u64(table, node->info, "slots");
        ctl_add_u64(table, node->info, "leaders");
        ctl_add_number(table, lag);
        client_table_addf(table, "%s", node->version[0] != '\0' ? node->version : "-");
        ctl_add_text(table, node->info, "http_address");
        client_table_add(table, buf_bytes(&contact));
        buf_done(&contact);
    }
    client_table_print(table, out);
    client_table_free(table);
    for (size_t i = 0; i < survey->nodes_count; i++) {
        const struct ctl_node *node = &survey->nodes[i];
        if (!node->is_ready)
            buf_printf(out, "node %llu: %s\n", (unsigned long long)node->id, node->problem);
    }
}

static void print_behind(const struct picture *picture, struct buf *out)
{
    static const char *const heads[] = {">SLOT", ">NODE", "ROLE", "STATE", ">LAG", "TRANSFER"};
    const struct totals *totals = &picture->totals;
    size_t most = picture->ctl->flags.is_wide ? SIZE_MAX : BEHIND_ROWS;
    if (totals->behind_count == 0)
        return;
    struct client_table *table = client_table_new(heads, ARRAY_LEN(heads));
    for (size_t i = 0; i < totals->behind_count && i < most; i++) {
        const struct ctl_replica *replica = &totals->behind[i];
        struct buf transfer = BUF_INIT;
        ctl_print_transfer(replica, &transfer);
        ctl_add_number(table, replica->slot);
        ctl_add_number(table, replica->node);
        client_table_addf(table, "%s", replica->role);
        client_table_addf(table, "%s", replica->state);
        ctl_add_number(table, replica->lag);
        client_table_add(table, buf_bytes(&transfer));
        buf_done(&transfer);
    }
    buf_append_string(out, "\n");
    client_table_print(table, out);
    if (totals->behind_count > most)
        buf_printf(out, "and %zu more: lethectl replicas --lagging\n", totals->behind_count - most);
    client_table_free(table);
}

static void print_picture(const struct picture *picture, struct buf *out)
{
    const struct ctl_survey *survey = picture->survey;
    char time[CLOCK_TEXT_SIZE];
    clock_format(clock_wall_ms(), time);
    buf_printf(out, "cluster   %s, version %s, %s: %s\n",
               client_json_text(survey->cluster, "cluster_id", "-"),
               client_json_text(survey->cluster, "version", "-"), time,
               picture->is_well ? "all well" : "NOT WELL");
    buf_printf(out, "nodes     %zu: %zu ready\n", survey->nodes_count, picture->ready);
    buf_printf(out, "slots     %llu: %llu led, %llu degraded\n",
               (unsigned long long)survey->slots_total, (unsigned long long)picture->led,
               (unsigned long long)picture->degraded);
    print_replicas(&picture->totals, out);
    print_sums(survey, out);
    print_list("alarms", picture->alarms_status, picture->alarms, NULL, out);
    print_list("jobs", picture->jobs_status, picture->jobs, "running", out);
    buf_append_string(out, "\n");
    print_nodes(picture, out);
    print_behind(picture, out);
}

/* ---- for scripts -------------------------------------------------------------------------------- */

static void print_json_nodes(const struct picture *picture, struct buf *out)
{
    const struct ctl_survey *survey = picture->survey;
    for (size_t i = 0; i < survey->nodes_count; i++) {
        const struct ctl_node *node = &survey->nodes[i];
        buf_printf(out, "%s{\"id\":%llu,\"ready\":%s,\"problem\":", i > 0 ? "," : "",
                   (unsigned long long)node->id, node->is_ready ? "true" : "false");
        client_json_print_text(bytes_of_string(node->problem), out);
        buf_append_string(out, ",\"known_as\":");
        client_json_print(node->info, false, out);
        buf_append_string(out, "}");
    }
}

static void print_or_null(const struct client_json *node, struct buf *out)
{
    if (node != NULL)
        client_json_print(node, false, out);
    else
        buf_append_string(out, "null");
}

static void print_json(const struct picture *picture, struct buf *out)
{
    const struct totals *totals = &picture->totals;
    buf_printf(out, "{\"well\":%s,\"cluster_id\":", picture->is_well ? "true" : "false");
    client_json_print_text(
        bytes_of_string(client_json_text(picture->survey->cluster, "cluster_id", "")), out);
    buf_printf(out, ",\"slots\":{\"total\":%llu,\"with_leader\":%llu,\"degraded\":%llu}",
               (unsigned long long)picture->survey->slots_total, (unsigned long long)picture->led,
               (unsigned long long)picture->degraded);
    buf_printf(out, ",\"replicas\":{\"total\":%zu,\"level\":%zu,\"max_lag\":%llu},\"nodes\":[",
               totals->replicas, totals->level, (unsigned long long)totals->max_lag);
    print_json_nodes(picture, out);
    buf_append_string(out, "],\"behind\":[");
    for (size_t i = 0; i < totals->behind_count; i++) {
        buf_append_string(out, i > 0 ? "," : "");
        ctl_print_replica_json(&totals->behind[i], out);
    }
    buf_append_string(out, "],\"alarms\":");
    print_or_null(picture->alarms, out);
    buf_append_string(out, ",\"jobs\":");
    print_or_null(picture->jobs, out);
    buf_append_string(out, "}\n");
}

static int draw(struct ctl *ctl, void *arg, struct buf *out)
{
    struct picture picture;
    (void)arg;
    int code = picture_take(ctl, &picture);
    if (code == CTL_OK && ctl->is_json)
        print_json(&picture, out);
    else if (code == CTL_OK)
        print_picture(&picture, out);
    if (code == CTL_OK && !picture.is_well)
        code = CTL_REFUSED;
    picture_done(&picture);
    return code;
}

int ctl_status_text(struct ctl *ctl, struct buf *out)
{
    struct picture picture;
    int code = picture_take(ctl, &picture);
    if (code == CTL_OK)
        print_picture(&picture, out);
    picture_done(&picture);
    return code;
}

int ctl_run_status(struct ctl *ctl)
{
    int code = ctl_screen_words(ctl);
    return code == CTL_OK ? ctl_screen_run(ctl, draw, NULL) : code;
}
