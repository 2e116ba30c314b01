/* SPDX-License-Identifier: Apache-2.0 */
/* What was found and what was made, for people and for scripts. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "rescue/rescue.h"

static void put_text(struct buf *out, const char *text)
{
    buf_put_u8(out, '"');
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == '"' || c == '\\')
            buf_printf(out, "\\u%04x", c);
        else
            buf_put_u8(out, c);
    }
    buf_put_u8(out, '"');
}

static void put_nodes(struct buf *out, const node_id *ids, uint32_t count, const char *between)
{
    for (uint32_t i = 0; i < count; i++)
        buf_printf(out, "%s%" PRIu64, i == 0 ? "" : between, (uint64_t)ids[i]);
}

/* ---- the survey ---------------------------------------------------------------------------------------- */

void rescue_print_survey(const struct rescue_source *sources, uint32_t count, struct buf *out)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct store_identity *of = &sources[i].identity;
        buf_printf(out, "node %" PRIu64 " of cluster '%s', %s '%s'\n", of->node_id, of->cluster_id,
                   sources[i].is_backup ? "backup" : "folder", sources[i].dir);
    }
    buf_printf(out, "%4s  %5s  %8s  %12s  %12s  %12s  %-32s  %-10s  %s\n", "SLOT", "NODE", "TERM",
               "LAST", "APPLIED", "LAST_DELETE", "DIGEST", "STATE", "MEMBERS");
    for (uint32_t slot = 0; slot < sources[0].identity.slot_count; slot++) {
        int best = rescue_best(sources, count, slot);
        for (uint32_t i = 0; i < count; i++) {
            const struct rescue_slot *at = &sources[i].slots[slot];
            char digest[HASH128_HEX_SIZE];
            hash128_hex(at->applied.digest, digest);
            buf_printf(out,
                       "%4u  %4" PRIu64 "%c  %8" PRIu64 "  %12" PRIu64 "  %12" PRIu64 "  %12" PRIu64
                       "  %s  %-10s  ",
                       slot, sources[i].identity.node_id, best == (int)i ? '*' : ' ', at->log_term,
                       at->log_index, at->applied.index, at->last_delete, digest, at->state);
            put_nodes(out, at->nodes, at->nodes_count, ",");
            buf_append_string(out, "\n");
        }
    }
    buf_append_string(out, "* knows most of the slot: a recovery would take it\n");
}

static void put_slot(struct buf *out, const struct rescue_slot *at, uint32_t slot)
{
    char digest[HASH128_HEX_SIZE];
    hash128_hex(at->applied.digest, digest);
    buf_printf(out,
               "{\"slot\":%u,\"state\":\"%s\",\"term\":%" PRIu64 ",\"last_index\":%" PRIu64
               ",\"hard_term\":%" PRIu64 ",\"applied_index\":%" PRIu64 ",\"applied_term\":%" PRIu64
               ",\"digest\":\"%s\",\"last_delete\":%" PRIu64 ",\"members\":[",
               slot, at->state, at->log_term, at->log_index, at->hard_term, at->applied.index,
               at->applied.term, digest, at->last_delete);
    put_nodes(out, at->nodes, at->nodes_count, ",");
    buf_append_string(out, "]}");
}

void rescue_print_survey_json(const struct rescue_source *sources, uint32_t count, struct buf *out)
{
    buf_append_string(out, "{\"sources\":[");
    for (uint32_t i = 0; i < count; i++) {
        const struct store_identity *of = &sources[i].identity;
        buf_printf(out, "%s{\"node\":%" PRIu64 ",\"dir\":", i == 0 ? "" : ",", of->node_id);
        put_text(out, sources[i].dir);
        buf_append_string(out, ",\"cluster_id\":");
        put_text(out, of->cluster_id);
        buf_printf(out,
                   ",\"incarnation\":\"%016" PRIx64 "\",\"backup\":%s,\"created_at\":%" PRIu64
                   ",\"members\":[",
                   of->incarnation, sources[i].is_backup ? "true" : "false", sources[i].created_ms);
        put_nodes(out, sources[i].members, sources[i].members_count, ",");
        buf_append_string(out, "],\"slots\":[");
        for (uint32_t slot = 0; slot < of->slot_count; slot++) {
            buf_append_string(out, slot == 0 ? "" : ",");
            put_slot(out, &sources[i].slots[slot], slot);
        }
        buf_append_string(out, "]}");
    }
    buf_append_string(out, "],\"best\":[");
    for (uint32_t slot = 0; slot < sources[0].identity.slot_count; slot++) {
        int best = rescue_best(sources, count, slot);
        buf_printf(out, "%s%" PRIu64, slot == 0 ? "" : ",",
                   best < 0 ? 0 : sources[best].identity.node_id);
    }
    buf_append_string(out, "]}\n");
}

/* ---- the report ------------------------------------------------------------------------------------------- */

static void put_unknown(struct buf *out, uint64_t min, uint64_t max)
{
    buf_printf(out, ",\"unknown_deletes_min\":%" PRIu64 ",\"unknown_deletes_max\":", min);
    if (max == UINT64_MAX)
        buf_append_string(out, "null");
    else
        buf_printf(out, "%" PRIu64, max);
}

/* What the others knew of it: a higher index there is something that is not in the new folder. */
static void put_others(struct buf *out, const struct rescue_options *options, uint32_t slot)
{
    buf_append_string(out, ",\"sources\":[");
    for (uint32_t i = 0; i < options->sources_count; i++) {
        const struct rescue_slot *at = &options->sources[i].slots[slot];
        buf_printf(out,
                   "%s{\"node\":%" PRIu64 ",\"state\":\"%s\",\"term\":%" PRIu64
                   ",\"last_index\":%" PRIu64 ",\"applied_index\":%" PRIu64 "}",
                   i == 0 ? "" : ",", options->sources[i].identity.node_id, at->state, at->log_term,
                   at->log_index, at->applied.index);
    }
    buf_append_string(out, "]");
}

static void put_slot_report(struct buf *out, const struct rescue_options *options,
                            const struct rescue_slot_report *slot, uint32_t number)
{
    buf_printf(out, "{\"slot\":%u,\"from_node\":", number);
    if (slot->source < 0)
        buf_append_string(out, "null");
    else
        buf_printf(out, "%" PRIu64, options->sources[slot->source].identity.node_id);
    buf_printf(out,
               ",\"applied_index\":%" PRIu64 ",\"log_entries\":%" PRIu64
               ",\"deletes_replayed\":%" PRIu64 ",\"channels_raised\":%" PRIu64
               ",\"base_index\":%" PRIu64,
               slot->applied, slot->entries, slot->deletes, slot->channels, slot->base_index);
    put_unknown(out, slot->unknown_min, slot->unknown_max);
    put_others(out, options, number);
    buf_append_string(out, "}");
}

void rescue_print_report(const struct rescue_options *options, const struct rescue_report *report,
                         struct buf *out)
{
    buf_append_string(out, "{\"cause\":");
    put_text(out, options->cause);
    buf_append_string(out, ",\"reason\":");
    put_text(out, options->reason);
    buf_append_string(out, ",\"from_cluster_id\":");
    put_text(out, options->sources[0].identity.cluster_id);
    buf_append_string(out, ",\"cluster_id\":");
    put_text(out, options->cluster_id);
    buf_printf(out,
               ",\"node\":%" PRIu64 ",\"incarnation\":\"%016" PRIx64 "\",\"at\":%" PRIu64
               ",\"seq_margin\":%" PRIu64 ",\"log_entries\":%" PRIu64
               ",\"deletes_replayed\":%" PRIu64 ",\"channels_raised\":%" PRIu64
               ",\"journal_records\":%" PRIu64 ",\"journal_last_at\":%" PRIu64,
               (uint64_t)options->node_id, options->incarnation, options->now_ms,
               options->seq_margin, report->entries, report->deletes, report->channels,
               report->journal_records, report->journal_last_ms);
    put_unknown(out, report->unknown_min, report->unknown_max);
    buf_append_string(
        out, ",\"may_be_missing\":[\"writes that were acknowledged by nodes that are no source, "
             "behind each slot's last index here\",\"deletes behind the end of the journal\","
             "\"channels that were made since, if no journal names them: their seqs begin at 1 "
             "again\"],\"slots\":[");
    for (uint32_t i = 0; i < report->slots_count; i++) {
        buf_append_string(out, i == 0 ? "" : ",");
        put_slot_report(out, options, &report->slots[i], i);
    }
    buf_append_string(out, "]}\n");
}
