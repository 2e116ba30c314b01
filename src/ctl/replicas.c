/* SPDX-License-Identifier: Apache-2.0 */
/* replicas: every replica of every slot, as the slots' leaders know them. */
#include "ctl/show.h"
#include "ctl/survey.h"

struct rows {
    const struct ctl_flags *flags;
    struct client_table *table;
    struct buf *json; /* NULL: a table */
    size_t count, total;
};

void ctl_print_replica_json(const struct ctl_replica *replica, struct buf *out)
{
    buf_printf(out,
               "{\"slot\":%llu,\"node\":%llu,\"role\":\"%s\",\"state\":\"%s\",\"match_index\":%llu,"
               "\"applied_index\":%llu,\"lag\":%llu,\"checked\":\"%s\"",
               (unsigned long long)replica->slot, (unsigned long long)replica->node, replica->role,
               replica->state, (unsigned long long)replica->match_index,
               (unsigned long long)replica->applied_index, (unsigned long long)replica->lag,
               replica->checked);
    if (replica->transfer_total > 0)
        buf_printf(out, ",\"transfer\":{\"bytes\":%llu,\"total_bytes\":%llu,\"eta_ms\":%llu}",
                   (unsigned long long)replica->transfer_bytes,
                   (unsigned long long)replica->transfer_total,
                   (unsigned long long)replica->eta_ms);
    buf_append_string(out, "}");
}

void ctl_print_transfer(const struct ctl_replica *replica, struct buf *out)
{
    if (replica->transfer_total == 0) {
        buf_append_string(out, "-");
        return;
    }
    char done[CLIENT_COUNT_SIZE], total[CLIENT_COUNT_SIZE];
    buf_printf(out, "%d %% of %s",
               (int)((double)replica->transfer_bytes * 100 / (double)replica->transfer_total),
               client_size_text(replica->transfer_total, total));
    buf_printf(out, " (%s)", client_size_text(replica->transfer_bytes, done));
    if (replica->eta_ms > 0) {
        buf_append_string(out, ", ");
        ctl_print_duration(replica->eta_ms, out);
        buf_append_string(out, " left");
    }
}

static void on_replica(const struct ctl_replica *replica, void *arg)
{
    struct rows *rows = arg;
    const struct ctl_flags *flags = rows->flags;
    bool is_level = ctl_replica_is_level(replica, flags->min_lag - 1);
    rows->total++;
    if ((flags->is_lagging && is_level) || (flags->has_slot && replica->slot != flags->slot))
        return;
    if (rows->json != NULL) {
        buf_append_string(rows->json, rows->count > 0 ? "," : "");
        ctl_print_replica_json(replica, rows->json);
    } else {
        struct buf transfer = BUF_INIT;
        ctl_add_number(rows->table, replica->slot);
        ctl_add_number(rows->table, replica->node);
        client_table_addf(rows->table, "%s", replica->role);
        client_table_addf(rows->table, "%s", replica->state);
        ctl_add_number(rows->table, replica->match_index);
        ctl_add_number(rows->table, replica->applied_index);
        ctl_add_number(rows->table, replica->lag);
        client_table_addf(rows->table, "%s", replica->checked);
        ctl_print_transfer(replica, &transfer);
        client_table_add(rows->table, buf_bytes(&transfer));
        buf_done(&transfer);
    }
    rows->count++;
}

static void tell_unreached(const struct ctl_survey *survey)
{
    for (size_t i = 0; i < survey->nodes_count; i++) {
        const struct ctl_node *node = &survey->nodes[i];
        if (node->slots == NULL)
            ctl_fail(CTL_OK, "node %llu did not say what it leads: %s",
                     (unsigned long long)node->id,
                     node->problem[0] != '\0' ? node->problem : "no answer");
    }
}

int ctl_run_replicas(struct ctl *ctl)
{
    static const char *const heads[] = {">SLOT",    ">NODE", "ROLE",    "STATE",   ">MATCH",
                                        ">APPLIED", ">LAG",  "CHECKED", "TRANSFER"};
    struct ctl_survey *survey = NULL;
    int code = ctl_survey_take(ctl, &survey);
    if (code != CTL_OK)
        return code;
    if (ctl->flags.has_slot && ctl->flags.slot >= survey->slots_total) {
        code =
            ctl_fail(CTL_REFUSED, "there is no slot %llu: the cluster has %llu, from 0 on",
                     (unsigned long long)ctl->flags.slot, (unsigned long long)survey->slots_total);
        ctl_survey_free(survey);
        return code;
    }
    struct buf json = BUF_INIT;
    struct rows rows = {.flags = &ctl->flags,
                        .table = client_table_new(heads, ARRAY_LEN(heads)),
                        .json = ctl->is_json ? &json : NULL};
    tell_unreached(survey);
    if (ctl->is_json)
        buf_append_string(&json, "{\"replicas\":[");
    ctl_survey_each(survey, on_replica, &rows);
    if (ctl->is_json) {
        buf_append_string(&json, "]}\n");
        code = ctl_write(buf_bytes(&json));
    } else if (rows.count == 0 && ctl->flags.is_lagging) {
        buf_printf(&json, "none of %zu replicas lags\n", rows.total);
        code = ctl_write(buf_bytes(&json));
    } else {
        client_table_print(rows.table, &json);
        code = ctl_write(buf_bytes(&json));
    }
    client_table_free(rows.table);
    buf_done(&json);
    ctl_survey_free(survey);
    return code;
}
