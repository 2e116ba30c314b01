/* SPDX-License-Identifier: Apache-2.0 */
#include "fakeworld.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/list.h"
#include "msg/msg.h"
#include "sys/log.h"
#include "wire/call.h"
#include "wire/packet.h"

enum { SETTLE_ROUNDS_MAX = 20000, STEP_MS = 10, ELECT_MS = 20000 };

struct parcel {
    struct list link;
    struct buf frame; /* a whole frame */
    node_id from;
};

struct seat {
    struct fakeworld *world;
    node_id id;
    struct memdisk *disk; /* owned */
    struct store *store;
    struct msg *msg;
    struct node *node;         /* NULL: down */
    struct node_disk_job *job; /* with the disk */
    struct node_background_job *background[NODE_BACKGROUND_LANES];
    bool is_background_held;
    int64_t wall_shift_ms;
    bool is_held, is_woken, is_moved;
    uint64_t met_boot[FAKEWORLD_NODES_MAX + 1]; /* the start of a peer that it was told of */
    const char *said_cluster;                   /* NULL: the world's */
    uint64_t probe_number;                      /* 0: it asks nobody */
    node_id probed;
    uint32_t feature_level; /* of its build; 0: as in the options */
    enum err fatal;
    uint64_t ballast_bytes;
    struct buf alarms; /* what the node had kept; outlives it */
    struct list inbox; /* struct parcel */
};

struct fakeworld {
    struct fakeworld_options options;
    struct node_member members[FAKEWORLD_NODES_MAX];
    struct seat seats[FAKEWORLD_NODES_MAX + 1]; /* by id */
    bool is_cut[FAKEWORLD_NODES_MAX + 1][FAKEWORLD_NODES_MAX + 1];
    bool (*drop)(const struct raft_packet *packet, void *arg);
    void *drop_arg;
    bool (*drop_frame)(node_id from, node_id to, uint8_t kind, struct bytes body, void *arg);
    void *drop_frame_arg;
    uint64_t now_us;
    struct rng rng;
};

/* ---- the world as a node sees it ---------------------------------------------------------------- */

static uint64_t fake_mono_us(void *arg)
{
    struct seat *seat = arg;
    return seat->world->now_us;
}

static uint64_t fake_wall_ms(void *arg)
{
    struct seat *seat = arg;
    return 1700000000000ull + seat->world->now_us / 1000 + (uint64_t)seat->wall_shift_ms;
}

static uint64_t fake_random_u64(void *arg)
{
    struct seat *seat = arg;
    return rng_next(&seat->world->rng);
}

static void fake_wake(void *arg)
{
    struct seat *seat = arg;
    seat->is_woken = true;
}

static void fake_disk_submit(void *arg, struct node_disk_job *job)
{
    struct seat *seat = arg;
    assert(seat->job == NULL);
    seat->job = job;
}

static void fake_background_submit(void *arg, struct node_background_job *job)
{
    struct seat *seat = arg;
    struct node_background_job **at = &seat->background[node_background_lane(job)];
    assert(*at == NULL);
    *at = job;
}

/* What a handshake finds out, at each step: neither side talks to whom it does not admit. */
static bool fake_greet(struct seat *seat, struct seat *target)
{
    if (!seat->world->options.greets) {
        return true;
    }
    struct why why = {0};
    uint64_t own = store_identity(seat->store)->incarnation;
    uint64_t other = store_identity(target->store)->incarnation;
    enum err err = node_admits(target->node, seat->id, own, node_feature_level(seat->node), &why);
    if (err != OK) {
        node_peer_refused(seat->node, target->id, true, err, why.text);
        return false;
    }
    return node_admits(seat->node, target->id, other, node_feature_level(target->node), NULL) == OK;
}

static struct seat *fake_way(struct seat *seat, node_id to)
{
    assert(to >= 1 && to <= seat->world->options.nodes);
    struct seat *target = &seat->world->seats[to];
    bool is_there = !seat->world->is_cut[seat->id][to] && target->node != NULL;
    return is_there && fake_greet(seat, target) ? target : NULL;
}

static struct parcel *fake_post(struct seat *from, struct seat *target)
{
    struct parcel *parcel = alloc_zero(sizeof(*parcel));
    parcel->from = from->id;
    list_append(&target->inbox, &parcel->link);
    return parcel;
}

static bool fake_send(void *arg, node_id to, enum node_lane lane, const struct raft_packet *packet)
{
    (void)lane;
    struct seat *seat = arg;
    struct fakeworld *world = seat->world;
    assert(to >= 1 && to <= world->options.nodes && packet->from == seat->id);
    struct seat *target = fake_way(seat, to);
    if (target == NULL || (world->drop != NULL && world->drop(packet, world->drop_arg))) {
        return true; /* lost on the way: the sender does not notice */
    }
    struct parcel *parcel = fake_post(seat, target);
    struct packet_out out;
    packet_out_begin(&out, &parcel->frame, FRAME_PACKETS);
    bool did_fit = packet_out_add(&out, packet);
    assert(did_fit);
    packet_out_end(&out);
    return true;
}

static bool fake_send_request(void *arg, node_id to, const struct call_request *request)
{
    struct seat *target = fake_way(arg, to);
    if (target != NULL) {
        call_encode_request(&fake_post(arg, target)->frame, request);
    }
    return true;
}

static bool fake_send_response(void *arg, node_id to, const struct call_response *response)
{
    struct seat *target = fake_way(arg, to);
    if (target != NULL) {
        call_encode_response(&fake_post(arg, target)->frame, response);
    }
    return true;
}

static bool fake_send_frame(void *arg, node_id to, uint8_t kind, struct bytes body)
{
    struct seat *seat = arg;
    struct fakeworld *world = seat->world;
    struct seat *target = fake_way(seat, to);
    if (target != NULL && (world->drop_frame == NULL ||
                           !world->drop_frame(seat->id, to, kind, body, world->drop_frame_arg))) {
        frame_encode(&fake_post(seat, target)->frame, kind, body);
    }
    return true;
}

static uint64_t fake_heard_ms(void *arg, node_id peer)
{
    struct seat *seat = arg;
    struct seat *other = &seat->world->seats[peer];
    bool is_there = seat->world->options.greets && peer <= seat->world->options.nodes &&
                    other->node != NULL && !seat->world->is_cut[seat->id][peer] &&
                    !seat->world->is_cut[peer][seat->id] && fake_greet(seat, other) &&
                    fake_greet(other, seat);
    if (!is_there) {
        return 0;
    }
    if (seat->met_boot[peer] != store_identity(other->store)->boot) {
        seat->met_boot[peer] = store_identity(other->store)->boot;
        node_peer_up(
            seat->node, peer,
            &(struct node_peer_hello){.http_address = "",
                                      .version = LETHE_VERSION,
                                      .zone = "",
                                      .incarnation = store_identity(other->store)->incarnation,
                                      .feature_level = node_feature_level(other->node)});
    }
    return seat->world->now_us / 1000;
}

static bool fake_probe(void *arg, uint64_t number, const char *address, node_id to,
                       uint64_t timeout_ms)
{
    struct seat *seat = arg;
    unsigned id = 0;
    (void)to, (void)timeout_ms;
    assert(seat->probe_number == 0);
    seat->probed = sscanf(address, "host%u:", &id) == 1 ? id : 0;
    seat->probe_number = seat->world->options.probes ? number : 0;
    return seat->world->options.probes;
}

/* False: nobody is asked. */
static bool seat_answer_probe(struct seat *seat)
{
    struct fakeworld *world = seat->world;
    if (seat->probe_number == 0) {
        return false;
    }
    struct seat *other = seat->probed == 0 || seat->probed > world->options.nodes
                             ? NULL
                             : &world->seats[seat->probed];
    struct node_found found = {.cluster_id = "", .text = "Connection refused"};
    if (other != NULL && other->node != NULL) {
        found = (struct node_found){.is_answered = true,
                                    .is_blank = node_is_blank(other->node),
                                    .speaks = true,
                                    .node = other->id,
                                    .feature_level = node_feature_level(other->node),
                                    .slot_count = world->options.node.slot_count,
                                    .cluster_id = other->said_cluster != NULL ? other->said_cluster
                                                                              : "fakeworld",
                                    .text = ""};
    }
    uint64_t number = seat->probe_number;
    seat->probe_number = 0;
    node_found(seat->node, number, &found);
    return true;
}

static void fake_flush(void *arg)
{
    (void)arg;
}

static void fake_fatal(void *arg, enum err err, const char *text)
{
    struct seat *seat = arg;
    seat->fatal = err;
    log_error("node", "cannot go on", "node=%u detail=%s", (unsigned)seat->id, LOG_QUOTED(text));
}

static enum err fake_save_alarms(void *arg, struct bytes text, struct why *why)
{
    struct seat *seat = arg;
    (void)why;
    buf_clear(&seat->alarms);
    buf_append(&seat->alarms, text.data, text.len);
    return OK;
}

static enum err fake_set_ballast(void *arg, uint64_t bytes, struct why *why)
{
    struct seat *seat = arg;
    uint64_t free_bytes = memdisk_free_bytes(seat->disk) + seat->ballast_bytes;
    if (bytes > free_bytes) {
        return why_set(why, ERR_DISK_FULL, "no room");
    }
    memdisk_set_free(seat->disk, free_bytes - bytes);
    seat->ballast_bytes = bytes;
    return OK;
}

static const struct node_world fake_world = {
    .mono_us = fake_mono_us,
    .wall_ms = fake_wall_ms,
    .random_u64 = fake_random_u64,
    .wake = fake_wake,
    .disk_submit = fake_disk_submit,
    .background_submit = fake_background_submit,
    .send = fake_send,
    .send_request = fake_send_request,
    .send_response = fake_send_response,
    .send_frame = fake_send_frame,
    .flush = fake_flush,
    .save_alarms = fake_save_alarms,
    .heard_ms = fake_heard_ms,
    .probe = fake_probe,
    .set_ballast = fake_set_ballast,
    .fatal = fake_fatal,
};

/* ---- made and freed -------------------------------------------------------------------------------- */

void fakeworld_options_init(struct fakeworld_options *options, uint32_t nodes, uint64_t seed)
{
    *options = (struct fakeworld_options){.nodes = nodes, .seed = seed};
    node_options_init(&options->node);
    options->node.slot_count = 1;
}

struct fakeworld *fakeworld_new(const struct fakeworld_options *options)
{
    assert(options->nodes >= 1 && options->nodes <= FAKEWORLD_NODES_MAX);
    struct fakeworld *world = alloc_zero(sizeof(*world));
    world->options = *options;
    world->rng = rng_of(options->seed);
    world->now_us = 1000000;
    for (uint32_t i = 0; i < options->nodes; i++) {
        world->members[i].id = i + 1;
        struct seat *seat = &world->seats[i + 1];
        seat->world = world;
        seat->id = i + 1;
        seat->disk = memdisk_new();
        list_init(&seat->inbox);
    }
    world->options.node.members = world->members;
    world->options.node.members_count = options->founders != 0 ? options->founders : options->nodes;
    return world;
}

void fakeworld_free(struct fakeworld *world)
{
    if (world == NULL) {
        return;
    }
    for (node_id id = 1; id <= world->options.nodes; id++) {
        fakeworld_crash(world, id, MEMDISK_KEEP_ALL);
        memdisk_free(world->seats[id].disk);
        buf_done(&world->seats[id].alarms);
    }
    free(world);
}

static struct seat *seat_of(struct fakeworld *world, node_id id)
{
    assert(id >= 1 && id <= world->options.nodes);
    return &world->seats[id];
}

static enum err seat_open(struct seat *seat, struct why *why)
{
    struct fakeworld *world = seat->world;
    struct store_options store;
    store_options_init(&store);
    store.memdisk = seat->disk;
    store.create = true;
    store.cluster_id = "fakeworld";
    store.node_id = seat->id;
    store.slot_count = world->options.node.slot_count;
    store.new_incarnation = rng_next(&world->rng);
    struct node_boot boot = {.has_ballast = seat->ballast_bytes != 0,
                             .limits = world->options.limits,
                             .manual_ticks = world->options.manual_ticks};
    enum err err = store_open(&store, &seat->store, why);
    if (err == ERR_LOG_TOO_SHORT && world->options.nodes > 1) {
        store.accept_short_log = true;
        boot.suspect_log = true;
        err = store_open(&store, &seat->store, why);
    }
    if (err != OK) {
        return err;
    }
    seat->msg =
        msg_new(&(struct msg_options){.store = seat->store, .slot_count = store.slot_count});
    struct node_options options = world->options.node;
    options.trusts_founders = !world->options.greets;
    options.id = seat->id;
    options.cluster_id = store.cluster_id;
    struct node_member members[FAKEWORLD_NODES_MAX];
    if (world->options.founders != 0 && seat->id > world->options.founders) {
        memcpy(members, world->members, sizeof(members));
        members[options.members_count++] = world->members[seat->id - 1];
        members[options.members_count - 1].id = seat->id;
        options.members = members;
        options.join = true;
    }
    memset(seat->met_boot, 0, sizeof(seat->met_boot));
    seat->probe_number = 0;
    if (seat->feature_level != 0) {
        options.feature_level = seat->feature_level;
    }
    struct node_world face = fake_world;
    face.arg = seat;
    err = node_new(&options, &face, seat->store, seat->msg, &boot, &seat->node, why);
    if (err == OK && seat->alarms.len > 0) {
        err = node_recall_alarms(seat->node, buf_bytes(&seat->alarms), why);
    }
    return err;
}

static void seat_close(struct seat *seat)
{
    node_free(seat->node);
    msg_free(seat->msg);
    store_close(seat->store);
    seat->node = NULL;
    seat->msg = NULL;
    seat->store = NULL;
    for (struct list *item = list_first(&seat->inbox); item != NULL;
         item = list_first(&seat->inbox)) {
        struct parcel *parcel = CONTAINER_OF(item, struct parcel, link);
        list_remove(item);
        buf_done(&parcel->frame);
        free(parcel);
    }
}

enum err fakeworld_start(struct fakeworld *world, node_id id, struct why *why)
{
    struct seat *seat = seat_of(world, id);
    assert(seat->node == NULL);
    seat->fatal = OK;
    enum err err = seat_open(seat, why);
    if (err != OK) {
        seat_close(seat);
    }
    return err;
}

void fakeworld_set_level(struct fakeworld *world, node_id id, uint32_t feature_level)
{
    seat_of(world, id)->feature_level = feature_level;
}

void fakeworld_set_cluster(struct fakeworld *world, node_id id, const char *cluster_id)
{
    seat_of(world, id)->said_cluster = cluster_id;
}

void fakeworld_wipe(struct fakeworld *world, node_id id)
{
    struct seat *seat = seat_of(world, id);
    assert(seat->node == NULL);
    memdisk_free(seat->disk);
    seat->disk = memdisk_new();
}

void fakeworld_crash(struct fakeworld *world, node_id id, int64_t keep)
{
    struct seat *seat = seat_of(world, id);
    if (seat->node == NULL) {
        return;
    }
    if (seat->job != NULL) { /* it dies with the process */
        node_disk_abandon(seat->node, seat->job);
        seat->job = NULL;
    }
    for (unsigned i = 0; i < NODE_BACKGROUND_LANES; i++) {
        if (seat->background[i] != NULL) {
            node_background_abandon(seat->node, seat->background[i]);
            seat->background[i] = NULL;
        }
    }
    seat_close(seat);
    memdisk_crash(seat->disk, keep);
}

static bool seat_is_drained(void *arg)
{
    const struct seat *seat = arg;
    return node_is_drained(seat->node);
}

void fakeworld_stop(struct fakeworld *world, node_id id)
{
    struct seat *seat = seat_of(world, id);
    node_drain(seat->node);
    (void)fakeworld_run_until(world, 5000, seat_is_drained, seat);
    fakeworld_crash(world, id, MEMDISK_KEEP_ALL);
}

struct node *fakeworld_node(struct fakeworld *world, node_id id)
{
    return seat_of(world, id)->node;
}

struct memdisk *fakeworld_disk(struct fakeworld *world, node_id id)
{
    return seat_of(world, id)->disk;
}

struct bytes fakeworld_alarms(struct fakeworld *world, node_id id)
{
    return buf_bytes(&seat_of(world, id)->alarms);
}

uint64_t fakeworld_ballast(struct fakeworld *world, node_id id)
{
    return seat_of(world, id)->ballast_bytes;
}

enum err fakeworld_fatal(struct fakeworld *world, node_id id)
{
    return seat_of(world, id)->fatal;
}

/* ---- time --------------------------------------------------------------------------------------------- */

uint64_t fakeworld_now_ms(const struct fakeworld *world)
{
    return world->now_us / 1000;
}

static void seat_deliver_frame(struct seat *seat, node_id from, const struct frame *frame)
{
    struct call_request request;
    struct call_response response;
    struct packet_in in;
    enum err err;
    if (frame->kind == FRAME_REQUEST) {
        err = call_decode_request(frame->body, &request, NULL);
        assert(err == OK);
        node_receive_request(seat->node, from, &request);
        return;
    }
    if (frame->kind == FRAME_RESPONSE) {
        err = call_decode_response(frame->body, &response, NULL);
        assert(err == OK);
        node_receive_response(seat->node, from, &response);
        return;
    }
    if (frame->kind == FRAME_INSTALL || frame->kind == FRAME_DIGESTS) {
        err = node_receive_frame(seat->node, from, frame->kind, frame->body, NULL);
        assert(err == OK);
        return;
    }
    err = packet_in_decode(frame->body, &in, NULL);
    assert(err == OK);
    for (uint32_t i = 0; i < in.packets_count; i++) {
        node_receive(seat->node, &in.packets[i]);
    }
    packet_in_done(&in);
}

static void seat_deliver(struct seat *seat, struct parcel *parcel)
{
    struct frame_reader reader;
    frame_reader_init(&reader);
    frame_reader_trust(&reader);
    frame_reader_feed(&reader, buf_bytes(&parcel->frame));
    struct frame frame;
    bool has = false;
    enum err err = frame_reader_next(&reader, &frame, &has, NULL);
    assert(err == OK);
    assert(has);
    seat_deliver_frame(seat, parcel->from, &frame);
    frame_reader_done(&reader);
    buf_done(&parcel->frame);
    free(parcel);
}

/* Does what there is to do at one node; true when there was something. */
static bool seat_move(struct seat *seat)
{
    bool did = seat->is_woken;
    seat->is_woken = false;
    if (seat->job != NULL && !seat->is_held) {
        did = true;
        (void)fakeworld_step_disk(seat->world, seat->id);
    }
    for (unsigned i = 0; i < NODE_BACKGROUND_LANES; i++) {
        struct node_background_job *job = seat->background[i];
        if (job != NULL && !seat->is_background_held) {
            did = true;
            seat->background[i] = NULL;
            node_background_run(job);
            node_background_done(seat->node, job);
        }
    }
    for (struct list *item = list_first(&seat->inbox); item != NULL;
         item = list_first(&seat->inbox)) {
        list_remove(item);
        seat_deliver(seat, CONTAINER_OF(item, struct parcel, link));
        did = true;
    }
    if (did || seat->is_moved || node_next_deadline_ms(seat->node) <= seat->world->now_us / 1000) {
        seat->is_moved = false;
        node_turn(seat->node);
        return true;
    }
    return false;
}

bool fakeworld_settle(struct fakeworld *world)
{
    for (int round = 0; round < SETTLE_ROUNDS_MAX; round++) {
        bool did = false;
        for (node_id id = 1; id <= world->options.nodes; id++) {
            if (world->seats[id].node != NULL) {
                did |= seat_answer_probe(&world->seats[id]);
                did |= seat_move(&world->seats[id]);
            }
        }
        if (!did) {
            return true;
        }
    }
    return false;
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

bool fakeworld_run_until(struct fakeworld *world, uint64_t ms, bool (*done)(void *arg), void *arg)
{
    uint64_t end_us = world->now_us + ms * 1000;
    for (;;) {
        bool is_quiet = fakeworld_settle(world);
        assert(is_quiet);
        if (done(arg)) {
            return true;
        }
        if (world->now_us >= end_us) {
            return false;
        }
        world->now_us += STEP_MS * 1000;
    }
}

void fakeworld_run(struct fakeworld *world, uint64_t ms)
{
    (void)fakeworld_run_until(world, ms, never, NULL);
}

node_id fakeworld_leader(struct fakeworld *world, slot_id slot)
{
    uint32_t votes[FAKEWORLD_NODES_MAX + 1] = {0};
    node_id best = 0;
    for (node_id id = 1; id <= world->options.nodes; id++) {
        struct raft_status status;
        if (world->seats[id].node != NULL &&
            node_group_status(world->seats[id].node, slot, &status) && status.leader != 0) {
            votes[status.leader]++;
        }
    }
    for (node_id id = 1; id <= world->options.nodes; id++) {
        struct raft_status status;
        if (votes[id] > votes[best] && world->seats[id].node != NULL &&
            node_group_status(world->seats[id].node, slot, &status) && status.role == RAFT_LEADER) {
            best = id;
        }
    }
    return best;
}

struct elect {
    struct fakeworld *world;
    slot_id slot;
};

static bool has_leader(void *arg)
{
    const struct elect *elect = arg;
    return fakeworld_leader(elect->world, elect->slot) != 0;
}

node_id fakeworld_elect(struct fakeworld *world, slot_id slot)
{
    struct elect elect = {world, slot};
    (void)fakeworld_run_until(world, ELECT_MS, has_leader, &elect);
    return fakeworld_leader(world, slot);
}

/* ---- faults ---------------------------------------------------------------------------------------------- */

void fakeworld_cut(struct fakeworld *world, node_id from, node_id to, bool is_cut)
{
    for (node_id f = 1; f <= world->options.nodes; f++) {
        for (node_id t = 1; t <= world->options.nodes; t++) {
            if ((from == 0 || from == f) && (to == 0 || to == t)) {
                world->is_cut[f][t] = is_cut;
            }
        }
    }
}

void fakeworld_on_send(struct fakeworld *world,
                       bool (*drop)(const struct raft_packet *packet, void *arg), void *arg)
{
    world->drop = drop;
    world->drop_arg = arg;
}

void fakeworld_on_frame(struct fakeworld *world,
                        bool (*drop)(node_id from, node_id to, uint8_t kind, struct bytes body,
                                     void *arg),
                        void *arg)
{
    world->drop_frame = drop;
    world->drop_frame_arg = arg;
}

void fakeworld_hold_background(struct fakeworld *world, node_id id, bool is_held)
{
    seat_of(world, id)->is_background_held = is_held;
}

void fakeworld_hold_disk(struct fakeworld *world, node_id id, bool is_held)
{
    seat_of(world, id)->is_held = is_held;
}

void fakeworld_shift_wall(struct fakeworld *world, node_id id, int64_t ms)
{
    world->seats[id].wall_shift_ms += ms;
}

void fakeworld_tell_gone(struct fakeworld *world, node_id id)
{
    for (node_id other = 1; other <= world->options.nodes; other++) {
        struct seat *seat = &world->seats[other];
        if (other != id && seat->node != NULL) {
            node_peer_down(seat->node, id, true);
            seat->is_moved = true;
        }
    }
}

bool fakeworld_step_disk(struct fakeworld *world, node_id id)
{
    struct seat *seat = seat_of(world, id);
    struct node_disk_job *job = seat->job;
    if (job == NULL) {
        return false;
    }
    (void)node_disk_run(job);
    if (node_disk_done(seat->node, job)) {
        seat->job = NULL;
    }
    seat->is_moved = true;
    return true;
}

/* ---- calls ------------------------------------------------------------------------------------------------- */

static void on_done(struct node_call *call, void *arg)
{
    struct fakecall *fake = arg;
    assert(call == &fake->call && !fake->is_done);
    fake->is_done = true;
}

static enum err fakecall_start(struct fakeworld *world, node_id id, struct fakecall *call,
                               uint64_t timeout_ms)
{
    call->call.deadline_ms = fakeworld_now_ms(world) + timeout_ms;
    call->call.on_done = on_done;
    call->call.arg = call;
    return node_call_start(fakeworld_node(world, id), &call->call, NULL);
}

enum err fakecall_command(struct fakeworld *world, node_id id, struct fakecall *call, slot_id slot,
                          struct blob *command, uint64_t timeout_ms)
{
    *call =
        (struct fakecall){.call = {.kind = NODE_CALL_COMMAND, .slot = slot, .command = command}};
    return fakecall_start(world, id, call, timeout_ms);
}

enum err fakecall_read(struct fakeworld *world, node_id id, struct fakecall *call, slot_id slot,
                       enum node_consistency consistency, uint64_t min_index, uint64_t timeout_ms)
{
    *call = (struct fakecall){.call = {.kind = NODE_CALL_READ,
                                       .slot = slot,
                                       .consistency = consistency,
                                       .min_index = min_index}};
    return fakecall_start(world, id, call, timeout_ms);
}

enum err fakecall_query(struct fakeworld *world, node_id id, struct fakecall *call, slot_id slot,
                        enum node_consistency consistency, const struct msg_query *query,
                        uint64_t timeout_ms)
{
    *call = (struct fakecall){.call = {.kind = NODE_CALL_READ,
                                       .slot = slot,
                                       .consistency = consistency,
                                       .queries = query,
                                       .queries_count = 1}};
    return fakecall_start(world, id, call, timeout_ms);
}

enum err fakecall_start_transfer(struct fakeworld *world, node_id id, struct fakecall *call,
                                 slot_id slot, node_id to, uint64_t timeout_ms)
{
    *call = (struct fakecall){.call = {.kind = NODE_CALL_TRANSFER, .slot = slot, .to = to}};
    return fakecall_start(world, id, call, timeout_ms);
}

enum err fakecall_admin(struct fakeworld *world, node_id id, struct fakecall *call, slot_id slot,
                        enum node_call_kind kind, node_id to, bool force_floor, uint64_t timeout_ms)
{
    *call = (struct fakecall){
        .call = {.kind = kind, .slot = slot, .to = to, .force_floor = force_floor}};
    return fakecall_start(world, id, call, timeout_ms);
}

enum err fakecall_member(struct fakeworld *world, node_id id, struct fakecall *call,
                         const struct node_member_change *change, uint64_t timeout_ms)
{
    bool is_question = change->what == NODE_MEMBER_WHATS;
    *call = (struct fakecall){.call = {.kind = is_question ? NODE_CALL_PLACEMENT : NODE_CALL_MEMBER,
                                       .command = is_question ? NULL : node_member_encode(change)}};
    return fakecall_start(world, id, call, timeout_ms);
}

enum err fakecall_job(struct fakeworld *world, node_id id, struct fakecall *call, node_id to,
                      enum node_job_ask what, const char *text, uint64_t timeout_ms)
{
    *call =
        (struct fakecall){.call = {.kind = NODE_CALL_JOB,
                                   .to = to,
                                   .command = node_job_ask_encode(what, bytes_of_string(text))}};
    return fakecall_start(world, id, call, timeout_ms);
}

void fakecall_done(struct fakecall *call)
{
    assert(call->is_done);
    free(call->call.admin);
    blob_unref(call->call.answer);
    msg_result_free(call->call.result);
    *call = (struct fakecall){0};
}
