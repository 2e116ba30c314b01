/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the scenario language on whole nodes (on=node); `expect` and `converge` are in
 * node_expect.c, clients in node_clients.c. Nothing moves unless a command moves it. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "node_clients.h"
#include "node_expect.h"
#include "node_world.h"
#include "store/memory.h"

enum { SETTLE_ROUNDS = 2000, STALL_MAX_MS = 100000 };

#define SEAT(name)                                                                                 \
    struct seat *name = seat_at(world, words, 1);                                                  \
    if (name == NULL)                                                                              \
        return STEP_UNKNOWN;

#define LIVE(name)                                                                                 \
    SEAT(name)                                                                                     \
    if (!seat_is_live(name))                                                                       \
        return STEP_NOTHING;

static struct seat *seat_at(struct world *world, const struct words *words, int place)
{
    uint64_t id;
    if (place >= words->words_count || !number_parse(words->word[place], &id))
        return NULL;
    return world_seat(world, id);
}

static enum step did(bool something)
{
    return something ? STEP_OK : STEP_NOTHING;
}

static unsigned count_at(const struct words *words, int place, unsigned otherwise)
{
    uint64_t n;
    if (place < words->words_count && number_parse(words->word[place], &n))
        return (unsigned)n;
    return (unsigned)words_number(words, "n", otherwise);
}

static bool slot_at(struct world *world, const struct words *words, int place, slot_id *ret)
{
    uint64_t slot = words_number(words, "slot", 0);
    if (place < words->words_count && !number_parse(words->word[place], &slot))
        return false;
    *ret = (slot_id)slot;
    return slot < world->slots;
}

/* ---- time ---------------------------------------------------------------------------------------- */
/* tick N|all [n]: that many ticks pass; nothing is delivered, no disk works. */
static enum step do_tick(struct world *world, const struct words *words)
{
    if (words->words_count < 2)
        return STEP_UNKNOWN;
    struct seat *only = NULL;
    if (strcmp(words->word[1], "all") != 0) {
        LIVE(seat)
        only = seat;
    }
    for (unsigned i = count_at(words, 2, 1); i > 0; i--) {
        if (only == NULL)
            world_advance(world, world->options.tick_ms * 1000);
        else
            only->mono_us += world->options.tick_ms * 1000;
        for (node_id id = 1; id <= world->nodes; id++) {
            struct seat *seat = &world->seats[id];
            if (seat_is_live(seat) && (only == NULL || only == seat))
                seat_turn(seat);
        }
    }
    return STEP_OK;
}

/* run MS [loss=%] [dup=%] [reorder=%] [delay=ms]: time passes, everything works. */
static enum step do_run(struct world *world, const struct words *words)
{
    uint64_t ms;
    if (words->words_count < 2 || !number_parse(words->word[1], &ms))
        return STEP_UNKNOWN;
    world->weather =
        (struct weather){.loss_percent = (unsigned)words_number(words, "loss", 0),
                         .dup_percent = (unsigned)words_number(words, "dup", 0),
                         .reorder_percent = (unsigned)words_number(words, "reorder", 0),
                         .delay_ms = (unsigned)words_number(words, "delay", 0)};
    bool ends = world_run(world, ms);
    world->weather = (struct weather){0};
    if (!ends)
        world_fail(world, "I39: an endless exchange of packets");
    return STEP_OK;
}

static enum step do_skew(struct world *world, const struct words *words)
{
    SEAT(seat)
    if (words->words_count < 3)
        return STEP_UNKNOWN;
    seat->rate_percent = (unsigned)(atof(words->word[2]) * 100.0);
    return seat->rate_percent == 0 ? STEP_UNKNOWN : STEP_OK;
}

/* wall N +ms|-ms: its wall clock jumps. */
static enum step do_wall(struct world *world, const struct words *words)
{
    SEAT(seat)
    if (words->words_count < 3)
        return STEP_UNKNOWN;
    seat->wall_shift_ms += strtoll(words->word[2], NULL, 10);
    return STEP_OK;
}

static enum step do_settle(struct world *world, const struct words *words)
{
    bool in[WORLD_NODES_MAX + 1];
    memset(in, words->words_count < 2, sizeof(in));
    if (words->words_count > 1) {
        uint64_t ids[WORLD_NODES_MAX];
        size_t count;
        if (!ids_parse(words->word[1], ids, WORLD_NODES_MAX, &count))
            return STEP_UNKNOWN;
        for (size_t i = 0; i < count; i++) {
            if (world_seat(world, ids[i]) == NULL)
                return STEP_UNKNOWN;
            in[ids[i]] = true;
        }
    }
    if (!world_settle(world, in, SETTLE_ROUNDS))
        world_fail(world, "I39: an endless exchange of packets");
    return STEP_OK;
}

/* ---- roles ------------------------------------------------------------------------------------------ */
static enum step do_campaign(struct world *world, const struct words *words)
{
    slot_id slot;
    LIVE(seat)
    if (!slot_at(world, words, 2, &slot))
        return STEP_UNKNOWN;
    raft_campaign(node_group_raft(seat->node, slot));
    node_group_touch(seat->node, slot);
    seat_turn(seat);
    return STEP_OK;
}

static enum step do_elect(struct world *world, const struct words *words)
{
    slot_id slot;
    bool in[WORLD_NODES_MAX + 1];
    memset(in, true, sizeof(in));
    LIVE(seat)
    if (!slot_at(world, words, 2, &slot))
        return STEP_UNKNOWN;
    for (slot_id s = 0; s < world->slots; s++) { /* of all slots, unless one is named */
        if (words->words_count > 2 && s != slot)
            continue;
        raft_campaign(node_group_raft(seat->node, s));
        node_group_touch(seat->node, s);
        seat_turn(seat);
        if (!world_settle(world, in, SETTLE_ROUNDS))
            world_fail(world, "I39: an endless exchange of packets");
        if (world_leader(world, s) != seat->id)
            world_fail(world, "node %llu does not lead slot %u after its campaign", LLU(seat->id),
                       s);
    }
    return STEP_OK;
}

static enum step do_transfer(struct world *world, const struct words *words)
{
    LIVE(seat)
    enum step step = clients_transfer(world->clients, seat, words);
    if (step == STEP_OK)
        seat_turn(seat);
    return step;
}

/* drain N: it hands its leaderships over and refuses calls, as before a stop. */
static enum step do_drain(struct world *world, const struct words *words)
{
    LIVE(seat)
    node_drain(seat->node);
    seat->is_drained = true;
    seat_turn(seat);
    return STEP_OK;
}

/* ---- clients ------------------------------------------------------------------------------------------ */
#define CLIENT_VERB(name, function)                                                                \
    static enum step name(struct world *world, const struct words *words)                          \
    {                                                                                              \
        LIVE(seat)                                                                                 \
        enum step step = function(world->clients, seat, words);                                    \
        if (step == STEP_OK)                                                                       \
            seat_turn(seat);                                                                       \
        return step;                                                                               \
    }
CLIENT_VERB(do_send, clients_send)
CLIENT_VERB(do_retry, clients_retry)
CLIENT_VERB(do_delete, clients_delete)
CLIENT_VERB(do_retain, clients_retain)
CLIENT_VERB(do_read, clients_read)

/* ---- network -------------------------------------------------------------------------------------------- */
enum link_verb { LINK_DELIVER, LINK_DROP, LINK_DUP, LINK_HOLD, LINK_RELEASE, LINK_REORDER };

/* One parcel of a link; true when the verb had something to do with it. */
static bool parcel_do(struct world *world, struct parcel *parcel, enum link_verb verb)
{
    struct list *queue = &world->links[parcel->from][parcel->to];
    uint32_t *count = &world->link_counts[parcel->from][parcel->to];
    bool is_call = parcel_is_call(parcel);
    switch (verb) {
    case LINK_DROP:
        list_remove(&parcel->link);
        parcel_free(parcel);
        (*count)--;
        return true;
    case LINK_DUP:
        if (is_call || *count >= WORLD_LINK_MAX)
            return false;
        (*count)++;
        list_append(queue, &parcel_copy(parcel)->link);
        return true;
    case LINK_REORDER:
        if (is_call || queue->previous == &parcel->link)
            return false;
        list_remove(&parcel->link);
        list_append(queue, &parcel->link);
        return true;
    case LINK_HOLD:
    case LINK_RELEASE:
        if (parcel->is_held == (verb == LINK_HOLD))
            return false;
        parcel->is_held = verb == LINK_HOLD;
        return true;
    case LINK_DELIVER:
        break;
    }
    return false;
}

static bool link_do(struct world *world, node_id from, node_id to, int kind, unsigned n,
                    enum link_verb verb)
{
    struct list *queue = &world->links[from][to], *item = queue->next;
    uint32_t left = world->link_counts[from][to];
    bool any = false;
    while (left-- > 0 && n > 0) {
        struct parcel *parcel = CONTAINER_OF(item, struct parcel, link);
        item = item->next;
        if (kind >= 0 && parcel->kind != kind)
            continue;
        if (parcel_do(world, parcel, verb)) {
            any = true;
            n--;
        }
    }
    return any;
}

static enum step do_link(struct world *world, const struct words *words, enum link_verb verb)
{
    node_id from, to;
    int kind = -1;
    const char *name = words_option(words, "kind");
    if (words->words_count < 2 || !link_parse(words->word[1], &from, &to))
        return STEP_UNKNOWN;
    if (name != NULL && (kind = packet_kind_of_name(name)) < 0)
        return STEP_UNKNOWN;
    bool is_one = verb == LINK_DUP || verb == LINK_REORDER;
    unsigned n = (unsigned)words_number(words, "n", is_one ? 1 : WORLD_LINK_MAX);
    if (verb == LINK_DELIVER)
        return did(world_deliver(world, from, to, kind, n) > 0);
    bool any = false;
    for (node_id a = 1; a <= world->nodes; a++) {
        for (node_id b = 1; b <= world->nodes; b++) {
            if ((from == 0 || a == from) && (to == 0 || b == to))
                any |= link_do(world, a, b, kind, n, verb);
        }
    }
    return did(any);
}

#define LINK_VERB(name, verb)                                                                      \
    static enum step name(struct world *world, const struct words *words)                          \
    {                                                                                              \
        return do_link(world, words, verb);                                                        \
    }
LINK_VERB(do_deliver, LINK_DELIVER)
LINK_VERB(do_drop, LINK_DROP)
LINK_VERB(do_dup, LINK_DUP)
LINK_VERB(do_hold, LINK_HOLD)
LINK_VERB(do_release, LINK_RELEASE)
LINK_VERB(do_reorder, LINK_REORDER)

static void cut_one(struct world *world, node_id from, node_id to)
{
    world->is_cut[from][to] = true;
    world_drop_link(world, from, to);
}

/* cut 1|2,3: both ways between the sides; cut 1->2: one way. */
static enum step do_cut(struct world *world, const struct words *words)
{
    node_id from, to;
    if (words->words_count < 2)
        return STEP_UNKNOWN;
    if (strstr(words->word[1], "->") != NULL) {
        if (!link_parse(words->word[1], &from, &to))
            return STEP_UNKNOWN;
        for (node_id a = 1; a <= world->nodes; a++) {
            for (node_id b = 1; b <= world->nodes; b++) {
                if ((from == 0 || a == from) && (to == 0 || b == to))
                    cut_one(world, a, b);
            }
        }
        return STEP_OK;
    }
    char left[64];
    const char *bar = strchr(words->word[1], '|');
    if (bar == NULL || (size_t)(bar - words->word[1]) >= sizeof(left))
        return STEP_UNKNOWN;
    memcpy(left, words->word[1], (size_t)(bar - words->word[1]));
    left[bar - words->word[1]] = '\0';
    uint64_t a[WORLD_NODES_MAX], b[WORLD_NODES_MAX];
    size_t a_count, b_count;
    if (!ids_parse(left, a, WORLD_NODES_MAX, &a_count) ||
        !ids_parse(bar + 1, b, WORLD_NODES_MAX, &b_count))
        return STEP_UNKNOWN;
    for (size_t i = 0; i < a_count; i++) {
        for (size_t j = 0; j < b_count; j++) {
            if (world_seat(world, a[i]) == NULL || world_seat(world, b[j]) == NULL)
                return STEP_UNKNOWN;
            cut_one(world, a[i], b[j]);
            cut_one(world, b[j], a[i]);
        }
    }
    return STEP_OK;
}

static enum step do_heal(struct world *world, const struct words *words)
{
    (void)words;
    memset(world->is_cut, 0, sizeof(world->is_cut));
    memset(world->is_clogged, 0, sizeof(world->is_clogged));
    return STEP_OK;
}

/* clog 1->2: the buffer of that link is full, and its sender knows. */
static enum step do_clog(struct world *world, const struct words *words)
{
    node_id from, to;
    if (words->words_count < 2 || !link_parse(words->word[1], &from, &to) || from == 0 || to == 0 ||
        from > world->nodes || to > world->nodes)
        return STEP_UNKNOWN;
    world->is_clogged[from][to] = strcmp(words->word[0], "clog") == 0;
    return STEP_OK;
}

/* link-down N peer=M [gone=1]: N notices that its link to M broke. */
static enum step do_link_down(struct world *world, const struct words *words)
{
    LIVE(seat)
    node_id peer = words_number(words, "peer", 0);
    if (world_seat(world, peer) == NULL || peer == seat->id)
        return STEP_UNKNOWN;
    node_peer_down(seat->node, peer, words_number(words, "gone", 0) != 0);
    seat->met_boots[peer] = 0; /* it is made again, and its handshake with it */
    seat_turn(seat);
    return STEP_OK;
}

/* ---- nodes ------------------------------------------------------------------------------------------------ */
/* crash N lose=none|unsynced|torn:K [job=1]: job=1 lets the disk do one more part of its job, of
 * which the node never hears. torn:K keeps the first K batches that were not synced. */
static enum step do_crash(struct world *world, const struct words *words)
{
    SEAT(seat)
    if (seat->node == NULL)
        return STEP_NOTHING;
    const char *lose = words_option(words, "lose");
    int64_t keep = 0;
    if (lose != NULL && strcmp(lose, "none") == 0)
        keep = MEMDISK_KEEP_ALL;
    else if (lose != NULL && strncmp(lose, "torn:", 5) == 0)
        keep = (int64_t)strtoul(lose + 5, NULL, 10);
    else if (lose != NULL && strcmp(lose, "unsynced") != 0)
        return STEP_UNKNOWN;
    if (words_number(words, "job", 0) != 0 && seat->fatal == OK)
        (void)seat_disk(seat, true);
    seat_crash(seat, keep);
    return STEP_OK;
}

static enum step do_restart(struct world *world, const struct words *words)
{
    SEAT(seat)
    if (seat->fatal != OK) /* its supervisor starts it again; the machine went on */
        seat_crash(seat, MEMDISK_KEEP_ALL);
    if (seat->node != NULL)
        return STEP_NOTHING;
    seat_start(seat);
    return STEP_OK;
}

static enum step do_pause(struct world *world, const struct words *words)
{
    SEAT(seat)
    seat->is_paused = strcmp(words->word[0], "pause") == 0 && seat->node != NULL;
    return STEP_OK;
}

/* ---- disks -------------------------------------------------------------------------------------------------- */
/* disk N [n]: its disk does n parts of its job. */
static enum step do_disk(struct world *world, const struct words *words)
{
    LIVE(seat)
    bool any = false;
    for (unsigned i = count_at(words, 2, 1000); i > 0 && seat_is_live(seat); i--) {
        if (!seat_disk(seat, false) && !seat_background(seat))
            break;
        any = true;
        if (seat->fatal == OK)
            seat_turn(seat);
    }
    return did(any);
}

static enum step do_stall(struct world *world, const struct words *words)
{
    SEAT(seat)
    seat->is_stalled = strcmp(words->word[0], "stall") == 0;
    return STEP_OK;
}

/* slow N MS: each part of a job takes that long. */
static enum step do_slow(struct world *world, const struct words *words)
{
    SEAT(seat)
    if (words->words_count < 3 || !number_parse(words->word[2], &seat->slow_ms))
        return STEP_UNKNOWN;
    return seat->slow_ms > STALL_MAX_MS ? STEP_UNKNOWN : STEP_OK;
}

/* fail-write|fail-sync N present|absent [n=1], fail-promise|fail-read N [n=1]: the n-th from now on
 * fails, and all after it until the node is started again. */
static enum step do_fail(struct world *world, const struct words *words)
{
    LIVE(seat)
    if (world->is_on_rocks)
        return STEP_NOTHING;
    uint64_t n = words_number(words, "n", 1);
    bool is_present = words->words_count > 2 && strcmp(words->word[2], "present") == 0;
    enum memdisk_outcome outcome = is_present ? MEMDISK_PRESENT : MEMDISK_ABSENT;
    if (strcmp(words->word[0], "fail-promise") == 0)
        memdisk_fail_promise(seat->disk, n);
    else if (strcmp(words->word[0], "fail-read") == 0)
        memdisk_fail_read(seat->disk, n);
    else if (strcmp(words->word[0], "fail-sync") == 0)
        memdisk_fail_sync(seat->disk, n, outcome);
    else
        memdisk_fail_write(seat->disk, n, outcome);
    return STEP_OK;
}

/* disk-space N free=BYTES: 1m is low, without a number there is room again. */
static enum step do_disk_space(struct world *world, const struct words *words)
{
    SEAT(seat)
    uint64_t all = (uint64_t)1 << 40;
    memdisk_set_space(seat->disk, words_number(words, "free", all), all);
    return STEP_OK;
}

/* forget-log N [slot] to=K: the end of the log is lost, the promise file is not. */
static enum step do_forget_log(struct world *world, const struct words *words)
{
    slot_id slot;
    SEAT(seat)
    if (!slot_at(world, words, 2, &slot))
        return STEP_UNKNOWN;
    if (seat->node != NULL || seat->is_damaged || (seat->dir == NULL && !seat->disk->has_database))
        return STEP_NOTHING;
    return did(seat_forget_log(seat, slot, words_number(words, "to", 0)));
}

/* ---- the table ---------------------------------------------------------------------------------------------- */
static const struct {
    const char *name;
    enum step (*function)(struct world *world, const struct words *words);
} verbs[] = {
    {"tick", do_tick},
    {"run", do_run},
    {"skew", do_skew},
    {"wall", do_wall},
    {"settle", do_settle},
    {"campaign", do_campaign},
    {"elect", do_elect},
    {"transfer", do_transfer},
    {"drain", do_drain},
    {"send", do_send},
    {"retry", do_retry},
    {"delete", do_delete},
    {"retain", do_retain},
    {"read", do_read},
    {"deliver", do_deliver},
    {"drop", do_drop},
    {"dup", do_dup},
    {"hold", do_hold},
    {"release", do_release},
    {"reorder", do_reorder},
    {"cut", do_cut},
    {"heal", do_heal},
    {"clog", do_clog},
    {"unclog", do_clog},
    {"link-down", do_link_down},
    {"crash", do_crash},
    {"restart", do_restart},
    {"pause", do_pause},
    {"resume", do_pause},
    {"disk", do_disk},
    {"stall", do_stall},
    {"unstall", do_stall},
    {"slow", do_slow},
    {"fail-write", do_fail},
    {"fail-sync", do_fail},
    {"fail-promise", do_fail},
    {"fail-read", do_fail},
    {"disk-space", do_disk_space},
    {"forget-log", do_forget_log},
    {"expect", world_expect},
    {"serve", world_serve},
    {"member", world_member},
    {"wipe", world_wipe},
    {"damage", world_damage},
    {"lose-row", world_lose_row},
    {"check", world_check},
    {"keep-disk", world_keep_disk},
    {"roll-back", world_roll_back},
};

static enum step node_command(void *self, const struct words *words)
{
    struct world *world = self;
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (strcmp(verbs[i].name, words->word[0]) != 0)
            continue;
        enum step step = verbs[i].function(world, words);
        if (world->error[0] == '\0')
            check_world(world);
        return world->error[0] != '\0' ? STEP_FAILED : step;
    }
    return STEP_UNKNOWN;
}

static void *node_make(const struct words *cluster, struct buf *transcript)
{
    return world_new(cluster, transcript);
}

static void node_unmake(void *self)
{
    world_free(self);
}

static const char *node_error(void *self)
{
    return ((struct world *)self)->error;
}

static enum step node_converge(void *self, uint64_t within)
{
    return world_converge(self, within);
}

const struct backend backend_node = {
    .name = "node",
    .make = node_make,
    .free = node_unmake,
    .command = node_command,
    .error = node_error,
    .converge = node_converge,
};
