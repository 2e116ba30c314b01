/* SPDX-License-Identifier: Apache-2.0 */
/* What /metrics tells of slots and replicas. Of a slot's log each node tells its own; of replicas the
 * leader tells, so that over all nodes each one is counted once. */
#include "http/http.h"
#include "http/limits.h"
#include "http/metrics.h"
#include "sys/clock.h"

#define SLOT(field) offsetof(struct node_slot, field)

static const struct metrics_figure slot_figures[] = {
    {"raft_log_count", "gauge", "Entries in the slot's log.", SLOT(log_count)},
    {"raft_log_size_bytes", "gauge", "Bytes of the slot's log.", SLOT(log_bytes)},
    {"raft_log_first_index", "gauge", "First index in the slot's log.", SLOT(first_index)},
    {"raft_log_last_index", "gauge", "Last index in the slot's log.", SLOT(last_index)},
    {"raft_log_applied_index", "gauge", "Index applied by this node.", SLOT(applied_index)},
    {"message_delete_records_count", "gauge", "Records in the slot's delete log.",
     SLOT(delete_log_count)},
    {"delete_log_floor", "gauge", "Highest index whose delete record may be gone.",
     SLOT(delete_log_floor)},
};

/* Of the delete log as one replica of slots led here has it. */
struct pending {
    node_id node;
    uint64_t count, oldest_ms; /* oldest: when it was deleted; 0: none */
};

struct sums {
    uint64_t led, without_leader, at_risk, installing, amnesia, quarantined, diverged, undecided,
        leaving;
    uint64_t lagging, channels;
    uint64_t states[NODE_DOWN + 1], checked[NODE_DIVERGED + 1];
    struct pending pending[NODE_MEMBERS_MAX];
    uint32_t pending_count;
    uint64_t deletes_left; /* that this scrape may still count */
};

static const char *const state_names[] = {[NODE_PROBE] = "probe",
                                          [NODE_REPLICATE] = "replicate",
                                          [NODE_DELTA] = "delta",
                                          [NODE_FULL] = "full",
                                          [NODE_DOWN] = "down"};
static const char *const checked_names[] = {
    [NODE_UNCHECKED] = "unchecked", [NODE_CHECKED_OK] = "ok", [NODE_DIVERGED] = "diverged"};

static struct pending *pending_of(struct sums *sums, node_id node)
{
    for (uint32_t i = 0; i < sums->pending_count; i++) {
        if (sums->pending[i].node == node)
            return &sums->pending[i];
    }
    if (sums->pending_count == NODE_MEMBERS_MAX)
        return NULL;
    struct pending *pending = &sums->pending[sums->pending_count++];
    *pending = (struct pending){.node = node};
    return pending;
}

/* Deletes that a replica lacks. The store is asked only where it can have answer. */
static void add_pending(struct node *node, const struct node_slot *slot,
                        const struct node_replica *replica, struct sums *sums)
{
    struct pending *pending = pending_of(sums, replica->node);
    if (pending == NULL || slot->delete_log_count == 0 ||
        replica->applied_index >= slot->applied_index || sums->deletes_left == 0)
        return;
    uint64_t count = 0, oldest_ms = 0;
    if (node_count_deletes(node, slot->slot, replica->applied_index, sums->deletes_left, &count,
                           &oldest_ms, NULL) != OK)
        return; /* a figure less; what reads the rows for a reason reports the damage */
    sums->deletes_left -= count;
    pending->count += count;
    if (count > 0 && (pending->oldest_ms == 0 || oldest_ms < pending->oldest_ms))
        pending->oldest_ms = oldest_ms;
}

static void add_led(struct request *req, const struct node_slot *slot, struct sums *sums)
{
    struct node *node = http_node(req->http);
    uint32_t voters = 0, alive = 0;
    sums->led++;
    sums->undecided += slot->undecided;
    sums->channels += slot->channels;
    for (uint32_t i = 0; i < slot->replicas_count; i++) {
        const struct node_replica *replica = &slot->replicas[i];
        voters += !replica->learner;
        alive += !replica->learner && replica->state != NODE_DOWN;
        if (replica->node == node_self(node))
            continue;
        sums->states[replica->state]++;
        sums->checked[replica->checked]++;
        sums->lagging += replica->lag > HTTP_TUNED(req->http, replica_lag_threshold);
        add_pending(node, slot, replica, sums);
    }
    /* One more down would end it. A cluster that cannot lose any member is always there. */
    sums->at_risk += voters > 2 && alive <= voters / 2 + 1 && alive < voters;
}

static void add_slot(struct request *req, const struct node_slot *slot, struct sums *sums)
{
    sums->without_leader += slot->leader == 0;
    sums->installing += slot->installing;
    sums->leaving += slot->leaving;
    sums->amnesia += slot->amnesia;
    sums->quarantined += slot->quarantined;
    sums->diverged += slot->diverged;
    if (slot->leader == node_self(http_node(req->http)))
        add_led(req, slot, sums);
}

static void write_gauge(struct buf *out, const char *prefix, const char *name, const char *help,
                        uint64_t value)
{
    metrics_head(out, prefix, name, "gauge", help);
    metrics_value(out, prefix, name, value);
}

static void write_replicas(struct buf *out, const char *prefix, const struct sums *sums)
{
    metrics_head(out, prefix, "replicas", "gauge",
                 "Other replicas of slots led here, by how they are brought up to date.");
    for (size_t i = 0; i < ARRAY_LEN(state_names); i++)
        buf_printf(out, "%sreplicas{state=\"%s\"} %llu\n", prefix, state_names[i],
                   (unsigned long long)sums->states[i]);
    metrics_head(out, prefix, "replicas_compared", "gauge",
                 "Other replicas of slots led here, by what comparing digests said last.");
    for (size_t i = 0; i < ARRAY_LEN(checked_names); i++)
        buf_printf(out, "%sreplicas_compared{result=\"%s\"} %llu\n", prefix, checked_names[i],
                   (unsigned long long)sums->checked[i]);
    write_gauge(out, prefix, "replica_lag_count",
                "Replicas of slots led here that lag by more than the threshold.", sums->lagging);
}

static void write_pending(struct request *req, const char *prefix, struct sums *sums)
{
    struct buf *out = &req->out;
    struct node_cluster *cluster = arena_alloc(&req->arena, sizeof(*cluster));
    node_get_cluster(http_node(req->http), cluster);
    for (uint32_t i = 0; i < cluster->peers_count; i++)
        (void)pending_of(sums, cluster->peers[i].id); /* there from the start, at 0 */
    uint64_t now_ms = clock_wall_ms();
    metrics_head(out, prefix, "peer_up", "gauge", "1 when this node heard of that member lately.");
    for (uint32_t i = 0; i < cluster->peers_count; i++)
        buf_printf(out, "%speer_up{peer=\"%llu\"} %d\n", prefix,
                   (unsigned long long)cluster->peers[i].id,
                   cluster->peers[i].up || cluster->peers[i].self);
    metrics_head(
        out, prefix, "deletes_pending", "gauge",
        "Deletes of slots led here that a replica has not durably applied (10000 at most).");
    for (uint32_t i = 0; i < sums->pending_count; i++)
        buf_printf(out, "%sdeletes_pending{replica=\"%llu\"} %llu\n", prefix,
                   (unsigned long long)sums->pending[i].node,
                   (unsigned long long)sums->pending[i].count);
    metrics_head(out, prefix, "deletes_pending_oldest_seconds", "gauge",
                 "Age of the oldest delete that a replica has not durably applied; 0: none.");
    for (uint32_t i = 0; i < sums->pending_count; i++) {
        uint64_t from_ms = sums->pending[i].oldest_ms;
        uint64_t age_ms = from_ms == 0 || from_ms > now_ms ? 0 : now_ms - from_ms;
        buf_printf(out, "%sdeletes_pending_oldest_seconds{replica=\"%llu\"} %llu.%03llu\n", prefix,
                   (unsigned long long)sums->pending[i].node, (unsigned long long)(age_ms / 1000),
                   (unsigned long long)(age_ms % 1000));
    }
}

static void write_sums(struct buf *out, const char *prefix, const struct sums *sums, uint32_t slots)
{
    write_gauge(out, prefix, "slots", "Slots of the cluster.", slots);
    write_gauge(out, prefix, "slots_led", "Slots that this node leads.", sums->led);
    write_gauge(out, prefix, "slots_without_leader", "Slots of which this node knows no leader.",
                sums->without_leader);
    write_gauge(out, prefix, "slots_at_risk",
                "Slots led here that would stop with one more voter down.", sums->at_risk);
    write_gauge(out, prefix, "slots_installing", "Slots whose state this node is being sent.",
                sums->installing);
    write_gauge(out, prefix, "slots_leaving",
                "Slots that went elsewhere and whose replica here is still to be removed.",
                sums->leaving);
    write_gauge(out, prefix, "slots_amnesia",
                "Slots in which this node may not vote: its log is shorter than promised.",
                sums->amnesia);
    write_gauge(out, prefix, "slots_quarantined",
                "Slots that this node does not serve: its state is a minority's.",
                sums->quarantined);
    write_gauge(out, prefix, "slots_diverged",
                "Slots of which this node's state was found to be a minority's.", sums->diverged);
    write_gauge(out, prefix, "slots_undecided",
                "Slots led here whose replicas differ, none with a majority: appends are refused.",
                sums->undecided);
    write_gauge(out, prefix, "channels", "Channels of the slots led here.", sums->channels);
}

void metrics_write_slots(struct request *req, const char *prefix)
{
    struct node *node = http_node(req->http);
    struct buf *out = &req->out;
    uint32_t slots = node_slot_count(node);
    struct node_slot *all = arena_alloc(&req->arena, slots * sizeof(*all));
    struct sums *sums = arena_zero(&req->arena, sizeof(*sums));
    sums->deletes_left = HTTP_SCRAPE_MAX_DELETES;
    for (uint32_t i = 0; i < slots; i++) {
        memset(&all[i], 0, sizeof(all[i]));
        all[i].slot = i;
        if (!node_get_slot(node, i, &all[i]))
            all[i].replicas_count = 0;
        add_slot(req, &all[i], sums);
    }
    for (size_t f = 0; f < ARRAY_LEN(slot_figures); f++) {
        const struct metrics_figure *figure = &slot_figures[f];
        metrics_head(out, prefix, figure->name, figure->type, figure->help);
        for (uint32_t i = 0; i < slots; i++)
            buf_printf(out, "%s%s{slot=\"%u\"} %llu\n", prefix, figure->name, i,
                       (unsigned long long)metrics_field(&all[i], figure->offset));
    }
    metrics_head(out, prefix, "replica_lag_entries", "gauge",
                 "Entries that a replica of a slot led here lacks (last index minus match index).");
    for (uint32_t i = 0; i < slots; i++) {
        for (uint32_t j = 0; all[i].leader == node_self(node) && j < all[i].replicas_count; j++) {
            const struct node_replica *replica = &all[i].replicas[j];
            if (replica->node != node_self(node))
                buf_printf(out, "%sreplica_lag_entries{slot=\"%u\",replica=\"%llu\"} %llu\n",
                           prefix, i, (unsigned long long)replica->node,
                           (unsigned long long)replica->lag);
        }
    }
    write_sums(out, prefix, sums, slots);
    write_replicas(out, prefix, sums);
    write_pending(req, prefix, sums);
}
