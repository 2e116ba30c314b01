/* SPDX-License-Identifier: Apache-2.0 */
/* The loss of a majority: who is lost, whether that is all, whether it is really needed. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rescue/rescue.h"

static bool is_source(const struct rescue_source *sources, uint32_t count, node_id id)
{
    for (uint32_t i = 0; i < count; i++) {
        if (sources[i].identity.node_id == id)
            return true;
    }
    return false;
}

static bool is_in(const node_id *ids, uint32_t count, node_id id)
{
    for (uint32_t i = 0; i < count; i++) {
        if (ids[i] == id)
            return true;
    }
    return false;
}

struct known {
    node_id ids[RESCUE_NODES_MAX * 2];
    uint32_t count;
};

static void know(struct known *known, const node_id *ids, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!is_in(known->ids, known->count, ids[i]) && known->count < RESCUE_NODES_MAX * 2)
            known->ids[known->count++] = ids[i];
    }
}

/* Of the newest membership that any source knows of the slot, do the sources have a majority? */
static bool has_quorum(const struct rescue_source *sources, uint32_t count, uint32_t number)
{
    const struct rescue_slot *newest = NULL;
    for (uint32_t i = 0; i < count; i++) {
        const struct rescue_slot *slot = &sources[i].slots[number];
        if (slot->voters_count > 0 &&
            (newest == NULL || slot->log_term > newest->log_term ||
             (slot->log_term == newest->log_term && slot->log_index > newest->log_index)))
            newest = slot;
    }
    if (newest == NULL)
        return false; /* none of them has a part in it */
    uint32_t there = 0;
    for (uint32_t i = 0; i < newest->nodes_count; i++)
        there += is_source(sources, count, newest->nodes[i]) ? 1 : 0;
    return there > newest->nodes_count / 2;
}

enum err rescue_check_lost(const struct rescue_source *sources, uint32_t count, const node_id *lost,
                           uint32_t lost_count, struct why *why)
{
    struct known known = {.count = 0};
    enum err err = rescue_refuse_removed(sources, count, why);
    if (err != OK)
        return err;
    for (uint32_t i = 0; i < count; i++) {
        if (sources[i].is_backup)
            return why_set(why, ERR_BAD_PARAMETER,
                           "'%s' is a backup, not the folder of a survivor: see lethed restore",
                           sources[i].dir);
        know(&known, sources[i].members, sources[i].members_count);
        for (uint32_t slot = 0; slot < sources[i].identity.slot_count; slot++)
            know(&known, sources[i].slots[slot].nodes, sources[i].slots[slot].nodes_count);
    }
    for (uint32_t i = 0; i < known.count; i++) {
        if (!is_source(sources, count, known.ids[i]) && !is_in(lost, lost_count, known.ids[i]))
            return why_set(why, ERR_BAD_PARAMETER,
                           "node %" PRIu64 " is a member, and is neither lost nor a survivor: name "
                           "its folder, or name it with --lost",
                           (uint64_t)known.ids[i]);
    }
    for (uint32_t i = 0; i < lost_count; i++) {
        if (is_source(sources, count, lost[i]))
            return why_set(why, ERR_BAD_PARAMETER,
                           "node %" PRIu64 " is said to be lost, and its "
                           "folder is given",
                           (uint64_t)lost[i]);
        if (!is_in(known.ids, known.count, lost[i]))
            return why_set(why, ERR_BAD_PARAMETER,
                           "node %" PRIu64 " is said to be lost, and no survivor knows it as a "
                           "member",
                           (uint64_t)lost[i]);
    }
    for (uint32_t slot = 0; slot < sources[0].identity.slot_count; slot++) {
        if (!has_quorum(sources, count, slot))
            return OK;
    }
    return why_set(why, ERR_CONFLICT,
                   "the survivors have a majority of every slot: start them, and remove the lost "
                   "nodes");
}

enum err rescue_next_cluster_id(const char *cluster_id, char ret[65], struct why *why)
{
    unsigned epoch = 0;
    const char *mark = strrchr(cluster_id, '+');
    size_t len = strlen(cluster_id);
    int used = 0;
    if (mark != NULL && sscanf(mark, "+r%u%n", &epoch, &used) == 1 && mark[used] == '\0')
        len = (size_t)(mark - cluster_id);
    else
        epoch = 0;
    int made = snprintf(ret, 65, "%.*s+r%u", (int)len, cluster_id, epoch + 1);
    return made < 65 ? OK
                     : why_set(why, ERR_BAD_PARAMETER,
                               "the cluster's id '%s' leaves no room for the number of a recovery: "
                               "use lethed restore with an id of your own",
                               cluster_id);
}
