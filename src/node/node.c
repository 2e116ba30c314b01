/* SPDX-License-Identifier: Apache-2.0 */
/* The node: made, turned, stopped. A turn is short and in a fixed order (raft.md section 5): what
 * came from outside first, time last, so that after a pause a follower hears its leader before it
 * campaigns; then updates, packets, one batch for the disk. */
#include "node/parts.h"
#include "wire/command.h"
#include "wire/frame.h"
#include "wire/limits.h"

void *node_grow(void *array, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity) {
        return array;
    }
    *capacity = *capacity == 0 ? 8 : *capacity * 2;
    return alloc_resize(array, *capacity, size);
}

/* ---- a node that failed says nothing more, wherever in a turn it noticed ----------------------------- */

static bool mute_send(void *arg, node_id to, enum node_lane lane, const struct raft_packet *packet)
{
    (void)arg, (void)to, (void)lane, (void)packet;
    return false;
}

static bool mute_request(void *arg, node_id to, const struct call_request *request)
{
    (void)arg, (void)to, (void)request;
    return false;
}

static bool mute_response(void *arg, node_id to, const struct call_response *response)
{
    (void)arg, (void)to, (void)response;
    return false;
}

static bool mute_frame(void *arg, node_id to, uint8_t kind, struct bytes body)
{
    (void)arg, (void)to, (void)kind, (void)body;
    return false;
}

static void node_mute(struct node_world *world)
{
#ifdef LETHE_MUTANT_fail_goes_on
    return;
#endif
    world->send = mute_send;
    world->send_request = world->send_request == NULL ? NULL : mute_request;
    world->send_response = world->send_response == NULL ? NULL : mute_response;
    world->send_frame = world->send_frame == NULL ? NULL : mute_frame;
}

void node_fail(struct node *node, enum err err, const char *text)
{
    if (!node->is_failed) {
        node->is_failed = true;
        node_mute(&node->world);
        if (err == ERR_CORRUPT) {
            alarm_raise(node, NODE_ALARM_CORRUPT, "%s", text);
            alarm_save(node);
        }
        node->world.fatal(node->world.arg, err, text);
    }
}

#ifndef LETHE_FEATURE_LEVEL /* a build for tests of upgrades */
#define LETHE_FEATURE_LEVEL NODE_FEATURE_LEVEL
#endif

void node_options_init(struct node_options *options)
{
    *options = (struct node_options){
        .slot_count = 64,
        .dedup_window_ms = 24 * 3600000ull,
        .log_keep_applied = 100000,
        .log_keep_hours = 48,
        .log_min_keep = 10000,
        .log_max_bytes = 64ull << 20,
        .tick_ms = 100,
        .submit_max_commands = 1024,
        .submit_max_bytes = 64ull << 20,
        .disk_soft_free_bytes = 1ull << 30,
        .disk_hard_free_bytes = 64ull << 20,
        .replica_lag_threshold = 1000,
        .delete_log_retention_ms = 30 * 24 * 3600000ull,
        .delete_log_max_records = 1000000,
        .catchup_bytes_per_s = 32ull << 20,
        .balance = true,
        .check_bytes_per_s = 8ull << 20,
        .check_interval_ms = 24 * 3600000ull,
        .replica_count = RAFT_MEMBERS_MAX,
        .leave_delay_ms = 10000,
        .feature_level = LETHE_FEATURE_LEVEL,
        .backup_keep = 7,
        .backup_expire_ms = 30 * 24 * 3600000ull,
    };
}

/* ---- made and freed ------------------------------------------------------------------------------- */

static void node_init_members(struct node *node, const struct node_options *options)
{
    node->members = alloc_array(options->members_count + 1, sizeof(struct node_member));
    node->options.members = node->members;
    for (uint32_t i = 0; i < options->members_count; i++) {
        node->members[i] = options->members[i];
    }
    node->is_unlisted = options->members_count == 0;
    if (node->is_unlisted) { /* a cluster of one need not name itself */
        node->members[0].id = options->id;
        (void)snprintf(node->members[0].address, NODE_ADDRESS_MAX_BYTES, "%s", options->listen);
        (void)snprintf(node->members[0].http_address, NODE_ADDRESS_MAX_BYTES, "%s",
                       options->http_address);
        node->options.members_count = 1;
    }
}

static void node_init(struct node *node, const struct node_options *options,
                      const struct node_world *world)
{
    node->options = *options;
    node->world = *world;
    list_init(&node->dirty);
    list_init(&node->touched);
    list_init(&node->undurable);
    list_init(&node->asking);
    list_init(&node->untold);
    list_init(&node->forwarded);
    list_init(&node->admins);
    for (unsigned i = 0; i < NODE_BACKGROUND_LANES; i++) {
        list_init(&node->background[i]);
    }
    list_init(&node->sendings);
    node->forwarded_by_id = map_new();
    node->retention = retention_new(node);
    heap_init(&node->deadlines);
    arena_init(&node->turn);
    mutex_init(&node->view_lock);
    tune_init(node);
    alarm_init(node);
    mutex_init(&node->listener_lock);
    node_init_members(node, options);
    node->groups_count = options->slot_count;
    node->groups = alloc_array(options->slot_count, sizeof(struct group));
    node->views = alloc_array(options->slot_count, sizeof(struct node_slot));
    node->views_ms = alloc_array(options->slot_count, sizeof(uint64_t));
    for (slot_id i = 0; i < node->groups_count; i++) {
        group_init(&node->groups[i], node, i);
        node->views[i].slot = i;
    }
    node->submit = queue_new(&(struct queue_options){.max_items = NODE_QUEUE_MAX_CALLS,
                                                     .max_bytes = options->submit_max_bytes,
                                                     .on_wake = world->wake,
                                                     .arg = world->arg});
    admit_init(node);
    node->now_ms = node->ticked_ms = node->second_ms = node->synced_ms = node_now_us(node) / 1000;
}

static enum err node_check_members(const struct node_options *options, struct why *why)
{
    if (options->members_count > NODE_MEMBERS_MAX) {
        return why_set(why, ERR_BAD_CONFIG, "%u members are more than %d", options->members_count,
                       NODE_MEMBERS_MAX);
    }
    bool has_self = options->members_count == 0;
    for (uint32_t i = 0; i < options->members_count; i++) {
        node_id id = options->members[i].id;
        has_self |= id == options->id;
        if (id == 0 || id > WIRE_NODE_ID_MAX) {
            return why_set(why, ERR_BAD_CONFIG, "member %" PRIu64 " is not within 1 and %d", id,
                           WIRE_NODE_ID_MAX);
        }
        for (uint32_t k = 0; k < i; k++) {
            if (options->members[k].id == id) {
                return why_set(why, ERR_BAD_CONFIG, "member %" PRIu64 " is there twice", id);
            }
        }
    }
    return has_self ? OK
                    : why_set(why, ERR_BAD_CONFIG, "node %" PRIu64 " is not among the members",
                              options->id);
}

static enum err node_check_options(const struct node_options *options, struct why *why)
{
    if (options->slot_count == 0 || options->slot_count > 4096) {
        return why_set(why, ERR_BAD_CONFIG, "%u slots are not within 1 and 4096",
                       options->slot_count);
    }
    if (options->tick_ms == 0 || options->submit_max_commands == 0 ||
        options->submit_max_bytes == 0) {
        return why_set(why, ERR_BAD_CONFIG, "the tick and the bounds of the queue must not be 0");
    }
    if (options->replica_count == 0 || options->replica_count > RAFT_MEMBERS_MAX) {
        return why_set(why, ERR_BAD_CONFIG, "%u replicas of a slot are not within 1 and %d",
                       options->replica_count, RAFT_MEMBERS_MAX);
    }
    return node_check_members(options, why);
}

enum err node_new(const struct node_options *options, const struct node_world *world,
                  struct store *store, struct msg *msg, const struct node_boot *boot,
                  struct node **ret_node, struct why *why)
{
    enum err err = node_check_options(options, why);
    if (err != OK) {
        return err;
    }
    struct node *node = alloc_zero(sizeof(*node));
    node->store = store;
    node->msg = msg;
    node->job_table = jobs_new(options->id, store_identity(store)->boot);
    node->backups = backups_new(options);
    node->manual_ticks = boot->manual_ticks;
    node->boot = *boot;
    node->boot.suspect_log = false; /* of the log as it was found; what is found later is another */
    if (boot->limits != NULL) {
        node->limits = *boot->limits;
        node->boot.limits = &node->limits;
    }
    /* A response to a call of an earlier process of this node may still come: no number is used
     * again. */
    node->forward_id = store_identity(store)->boot << 32;
    node_init(node, options, world);
    disk_job_init(&node->jobs[0], node);
    disk_job_init(&node->jobs[1], node);
    node->filling = &node->jobs[0];
    node->space.has_ballast = boot->has_ballast;
    node->space.is_owed = boot->owes_ballast;
    node->care_due = true; /* learn the disk's room at once */
    err = table_boot(node, why);
    if (err == OK) {
        err = boot_groups(node, boot, why);
    }
    if (err != OK) {
        node_free(node);
        return err;
    }
    table_booted(node);
    node->booted_ms = node->now_ms;
    found_boot(node);
    stats_publish(node);
    *ret_node = node;
    return OK;
}

void node_free(struct node *node)
{
    if (node == NULL) {
        return;
    }
    assert(node->flying == NULL);
    node_end_calls(node);
    background_forget(node);
    sender_forget(node);
    compaction_free(node);
    checks_free(node);
    backups_free(node->backups);
    jobs_free(node->job_table);
    for (uint32_t i = 0; i < node->groups_count; i++) {
        group_done(&node->groups[i]);
    }
    disk_job_done(&node->jobs[0]);
    disk_job_done(&node->jobs[1]);
    queue_free(node->submit);
    queue_batch_done(&node->submitted);
    heap_done(&node->deadlines);
    map_free(node->forwarded_by_id, NULL);
    retention_free(node->retention);
    arena_done(&node->turn);
    mutex_done(&node->listener_lock);
    mutex_done(&node->view_lock);
    tune_done(node);
    alarm_done(node);
    free(node->groups);
    free(node->views);
    free(node->views_ms);
    free(node->members);
    tell_done(node);
    table_done(node);
    free(node);
}

/* ---- calls ------------------------------------------------------------------------------------------ */

static enum err call_refuse(struct node_call *call, enum err err, const char *text, struct why *why)
{
    blob_unref(call->command);
    call->command = NULL;
    return why_set(why, err, "%s", text == NULL ? err_sentence(err) : text);
}

/* Why a node that is disowned serves nothing. Thread: any */
static enum err disowned_err(const struct node *node)
{
    return atomic_load(&node->is_outdated) ? ERR_OLD_FOLDER : ERR_NEW_FOLDER;
}

/* What can be refused without asking the loop. Takes the command on failure. */
static enum err call_check(struct node *node, struct node_call *call, struct why *why)
{
    if (call->slot >= node->groups_count || call->kind >= NODE_CALL_KINDS ||
        (call->kind == NODE_CALL_COMMAND || call->kind == NODE_CALL_MEMBER ||
         call->kind == NODE_CALL_TELL || call->kind == NODE_CALL_JOB) != (call->command != NULL)) {
        return call_refuse(call, ERR_BAD_PARAMETER, NULL, why);
    }
    if (atomic_load_explicit(&node->draining, memory_order_relaxed)) {
        return call_refuse(call, ERR_DRAINING, NULL, why);
    }
    if (atomic_load_explicit(&node->is_removed, memory_order_relaxed)) {
        return call_refuse(call, ERR_REMOVED, NULL, why);
    }
    if (atomic_load_explicit(&node->is_disowned, memory_order_relaxed)) {
        return call_refuse(call, disowned_err(node), NULL, why);
    }
    return OK;
}

enum err node_call_start(struct node *node, struct node_call *call, struct why *why)
{
    enum err err = call_check(node, call, why);
    if (err != OK) {
        return err;
    }
    if (!admit_call(node, call)) {
        STAT_ADD(node, proposals_refused_total, 1);
        return call_refuse(call, ERR_QUEUE_FULL, "too many writes are under way at this node", why);
    }
    call->started_us = node_now_us(node);
    size_t bytes = sizeof(*call) + (call->command == NULL ? 0 : call->command->len);
    err = queue_push(node->submit, call, bytes);
    if (err != OK) {
        admit_let_go(node, call);
        STAT_ADD(node, proposals_refused_total, call->kind == NODE_CALL_COMMAND);
        return call_refuse(call, err == ERR_CLOSED ? ERR_DRAINING : err, NULL, why);
    }
    return OK;
}

bool node_refuses_command(struct node *node)
{
    bool is_full = admit_is_full(node);
    STAT_ADD(node, proposals_refused_total, is_full);
    return is_full;
}

enum err node_submit(struct node *node, struct node_call *call, struct why *why)
{
    ASSERT_THREAD(&node->loop);
    enum err err = call_check(node, call, why);
    if (err != OK) {
        return err;
    }
    call->is_admitted = false;
    call->started_us = node_now_us(node);
    route_call(node, call);
    return OK;
}

static void node_take_calls(struct node *node)
{
    if (!queue_pop_all(node->submit, &node->submitted)) {
        return;
    }
    for (size_t i = 0; i < node->submitted.count; i++) {
        route_call(node, node->submitted.items[i]);
    }
}

/* ---- packets ------------------------------------------------------------------------------------------ */

struct peer *node_find_peer(const struct node *node, node_id id)
{
    for (uint32_t i = 0; i < node->peers_count; i++) {
        if (node->peers[i].member.id == id) {
            return (struct peer *)&node->peers[i];
        }
    }
    return NULL;
}

bool node_peer_is_up(const struct node *node, node_id id)
{
    const struct peer *peer = node_find_peer(node, id);
    return id == node->options.id || (peer != NULL && !peer->lost && peer->contact_ms != 0 &&
                                      node->now_ms - peer->contact_ms < NODE_PEER_SILENT_MS);
}

static void node_contact(struct node *node, node_id id, bool is_lost)
{
    struct peer *peer = node_find_peer(node, id);
    if (peer == NULL || (!is_lost && !peer->lost && peer->contact_ms == node->now_ms)) {
        return;
    }
    mutex_lock(&node->view_lock);
    peer->lost = is_lost;
    if (is_lost) {
        peer->up_ms = 0;
    } else {
        if (peer->up_ms == 0 || node->now_ms - peer->contact_ms >= NODE_PEER_SILENT_MS) {
            peer->up_ms = node->now_ms;
        }
        peer->contact_ms = node->now_ms;
    }
    mutex_unlock(&node->view_lock);
}

void node_receive(struct node *node, const struct raft_packet *packet)
{
    ASSERT_THREAD(&node->loop);
    if (packet->slot >= node->groups_count || node->is_failed) {
        return;
    }
    STAT_ADD(node, packets_received_total, 1);
    node_contact(node, packet->from, false);
    if (!table_hears(node, packet->from)) {
        return;
    }
    struct group *group = &node->groups[packet->slot];
    if (leave_is_deaf(group) || found_refuses(node, packet)) {
        return; /* as if it were lost */
    }
    struct raft_packet cut;
    const struct raft_packet *taken = space_admit(group, packet, &cut);
    if (taken == NULL) {
        return;
    }
    for (uint32_t i = 0; i < taken->entries_count; i++) {
        if (taken->entries[i].payload != NULL) {
            group_limbo(group, taken->entries[i].payload);
        }
    }
    /* IGNORED and the like: a late or foreign packet, which Raft expects. */
    (void)raft_receive(group->raft, taken);
    if (!raft_has_update(group->raft)) {
        group_limbo_clear(group);
    }
    group_dirty(group);
    group_touch(group);
}

static enum err frame_install(struct node *node, node_id from, struct bytes body, struct why *why)
{
    struct chunk chunk;
    enum err err = chunk_decode(body, &chunk, why);
    if (err == ERR_CORRUPT) { /* the link is fine: it is asked for again */
        STAT_ADD(node, refused_chunks_total, 1);
        return OK;
    }
    if (err != OK) {
        return err;
    }
    if (chunk.slot >= node->groups_count) {
        return why_set(why, ERR_BAD_FORMAT, "slot %u is not known here", chunk.slot);
    }
    if (chunk.kind == CHUNK_FETCH) {
        sender_fetch(node, from, &chunk);
    } else {
        receiver_chunk(node, from, &chunk, body);
    }
    return OK;
}

enum err node_receive_frame(struct node *node, node_id from, uint8_t kind, struct bytes body,
                            struct why *why)
{
    ASSERT_THREAD(&node->loop);
    if (node->is_failed) {
        return OK;
    }
    node->now_ms = node_now_us(node) / 1000;
    if (kind == FRAME_INSTALL) {
        return frame_install(node, from, body, why);
    }
    const struct wire_digest *digests;
    uint32_t count;
    enum err err = kind == FRAME_DIGESTS
                       ? digest_decode(body, &node->turn, &digests, &count, why)
                       : why_set(why, ERR_BAD_FORMAT, "a frame of kind %u is not for a node", kind);
    if (err == OK) {
        digest_receive(node, from, digests, count);
    }
    return err;
}

void node_peer_down(struct node *node, node_id id, bool is_gone)
{
    ASSERT_THREAD(&node->loop);
    node_contact(node, id, true);
    forward_lost(node, id);
    sender_lost(node, id);
    for (uint32_t i = 0; i < node->groups_count; i++) {
        struct group *group = &node->groups[i];
        raft_unreachable(group->raft, id);
        if (is_gone && group->leader == id) {
            raft_forget_leader(group->raft);
        }
        group_dirty(group);
        group_touch(group);
    }
}

void node_peer_up(struct node *node, node_id id, const struct node_peer_hello *hello)
{
    ASSERT_THREAD(&node->loop);
    struct peer *peer = node_find_peer(node, id);
    if (peer == NULL) {
        return;
    }
    node_contact(node, id, false);
    mutex_lock(&node->view_lock);
    if (hello->http_address[0] != 0) {
        (void)snprintf(peer->member.http_address, NODE_ADDRESS_MAX_BYTES, "%s",
                       hello->http_address);
    }
    peer->incarnation = hello->incarnation;
    peer->feature_level = hello->feature_level;
    (void)snprintf(peer->version, sizeof(peer->version), "%s", hello->version);
    (void)snprintf(peer->said_zone, sizeof(peer->said_zone), "%s", hello->zone);
    peer->refusal[0] = 0;
    mutex_unlock(&node->view_lock);
    peer->is_untold = true;
    found_met(node, peer);
    table_disown(node, peer, false);
}

void node_peer_refused(struct node *node, node_id id, bool is_its_word, enum err err,
                       const char *text)
{
    ASSERT_THREAD(&node->loop);
    struct peer *peer = node_find_peer(node, id);
    if (peer == NULL) {
        return;
    }
    mutex_lock(&node->view_lock);
    (void)snprintf(peer->refusal, sizeof(peer->refusal), "%s", text);
    mutex_unlock(&node->view_lock);
    if (is_its_word && err == ERR_REMOVED) {
        table_fence(node, text);
    } else if (is_its_word && err == ERR_NEW_FOLDER) {
        table_disown(node, peer, true);
    } else if (is_its_word && err == ERR_OLD_FOLDER) {
        table_outdate(node, text);
    }
}

/* ---- turns --------------------------------------------------------------------------------------------- */

void node_tick(struct node *node, unsigned n)
{
    ASSERT_THREAD(&node->loop);
    if (node->membership.is_removed || node->membership.is_disowned) {
        return; /* it takes part in nothing */
    }
    for (uint32_t i = 0; i < node->groups_count; i++) {
        if (leave_is_mute(&node->groups[i])) {
            continue;
        }
        raft_tick(node->groups[i].raft, n);
        group_dirty(&node->groups[i]);
    }
}

/* What is applied and not durable for a second gets a sync of its own (R12, R13): the hard states
 * of those groups, whose commit index is worth writing anyway. */
static void node_lazy_sync(struct node *node)
{
    if (list_is_empty(&node->undurable) || node->now_ms - node->synced_ms < NODE_LAZY_SYNC_MS) {
        return;
    }
    struct group *group = CONTAINER_OF(list_first(&node->undurable), struct group, undurable);
    store_put_hard_state(disk_batch(node), group->slot,
                         &(struct row_hard_state){group->term, group->vote, group->commit});
    disk_want_sync(node);
}

/* Nodes that share no slot exchange no packets: the links themselves hear of them. */
static void node_listen(struct node *node)
{
    for (uint32_t i = 0; i < node->peers_count && node->world.heard_ms != NULL; i++) {
        struct peer *peer = &node->peers[i];
        uint64_t heard_ms = node->world.heard_ms(node->world.arg, peer->member.id);
        if (!peer->lost && heard_ms > peer->contact_ms && heard_ms <= node->now_ms) {
            mutex_lock(&node->view_lock);
            peer->contact_ms = heard_ms;
            mutex_unlock(&node->view_lock);
        }
    }
}

static void node_second(struct node *node)
{
    node->second_ms = node->now_ms;
    node_listen(node);
    node->care_due = true;
    node_lazy_sync(node);
    compact_run(node);
    damage_second(node);
    digest_run(node);
    checks_second(node);
    retention_run(node);
    backups_second(node);
    balance_run(node);
    change_run(node);
    move_run(node);
    tell_run(node);
    leave_run(node);
}

static void node_time(struct node *node)
{
    uint64_t due = (node->now_ms - node->ticked_ms) / node->options.tick_ms;
    if (due > NODE_TICKS_MAX) {
        disk_overslept(node, (due - NODE_TICKS_MAX) * node->options.tick_ms);
        node->ticked_ms = node->now_ms;
        due = NODE_TICKS_MAX;
    } else {
        node->ticked_ms += due * node->options.tick_ms;
    }
    if (due == 0) {
        return;
    }
    if (!node->manual_ticks) {
        node_tick(node, (unsigned)due);
    }
    for (uint32_t i = 0; i < node->groups_count && node->leaderless_count > 0; i++) {
        leaderless_go_on(&node->groups[i]);
    }
    disk_watch(node);
    admit_tick(node);
    query_tick(node);
    sender_tick(node);
    receiver_tick(node);
    table_look(node);
    found_look(node);
    if (node->now_ms - node->second_ms >= NODE_SECOND_MS) {
        node_second(node);
    }
}

void node_turn(struct node *node)
{
    ASSERT_THREAD(&node->loop);
    uint64_t began_us = node_now_us(node);
    node->now_ms = began_us / 1000;
    if (node->is_failed) {
        return;
    }
#ifndef LETHE_MUTANT_read_error_goes_on
    if (atomic_load_explicit(&node->read_failed, memory_order_relaxed)) {
        node_fail(node, ERR_DISK_FAILED,
                  "a read for a client failed: the disk is not to be trusted");
        return;
    }
#endif
    if (atomic_load_explicit(&node->draining, memory_order_relaxed) && !node->was_drained) {
        node->was_drained = true;
        route_drain(node);
        check_end_all(node);
        backups_end(node);
    }
    tune_take(node);
    damage_look(node);
    node_take_calls(node);
    compaction_turn(node);
    checks_run(node);
    backups_run(node);
    read_ask(node);
    uint64_t ticked_ms = node->ticked_ms;
    node_time(node);
    if (node->is_failed) { /* a stuck disk: nobody is answered any more */
        return;
    }
    waiter_expire(node);
    sender_go_on(node);
    ready_tell(node);
    ready_run(node);
    if (node->is_failed) { /* nor is anything written for it */
        return;
    }
    if (node->ticked_ms != ticked_ms || node->view_due) {
        node->view_due = false;
        stats_publish(node);
    }
    disk_hand_over(node);
    node->world.flush(node->world.arg);
    applied_tell(node);
    arena_clear(&node->turn);
    stat_observe(&node->stats.loop_turn, node_now_us(node) - began_us);
}

uint64_t node_next_deadline_ms(const struct node *node)
{
    if (node->is_failed) {
        return UINT64_MAX;
    }
    if (!list_is_empty(&node->dirty) && !disk_is_full(node)) {
        return 0;
    }
    uint64_t next_ms = node->ticked_ms + node->options.tick_ms;
    uint64_t tell_ms = ready_tell_ms(node);
    next_ms = tell_ms < next_ms ? tell_ms : next_ms;
    const struct heap_node *soonest = heap_peek(&node->deadlines);
    return soonest != NULL && soonest->key < next_ms ? soonest->key : next_ms;
}

/* ---- stopping -------------------------------------------------------------------------------------------- */

void node_drain(struct node *node)
{
    atomic_store(&node->draining, true);
    store_stop_compacting(node->store);
    node->world.wake(node->world.arg);
}

bool node_is_drained(const struct node *node)
{
    if (node->is_failed) {
        return true;
    }
    if (!node->was_drained || node->open_calls != 0 || !list_is_empty(&node->dirty) ||
        !node_is_idle(node)) {
        return false;
    }
    for (uint32_t i = 0; i < node->groups_count; i++) {
        if (node->groups[i].role == RAFT_LEADER && !node->groups[i].is_alone) {
            struct raft_status status;
            raft_status(node->groups[i].raft, &status);
            if (status.transferring) {
                return false;
            }
        }
    }
    return true;
}

void node_end_calls(struct node *node)
{
    node->is_ending = true;
    queue_close(node->submit);
    node_take_calls(node);
    check_end_all(node);
    backups_end(node);
    for (uint32_t i = 0; i < node->groups_count; i++) {
        struct group *group = &node->groups[i];
        waiter_end_list(node, &group->commands);
        waiter_end_list(node, &group->reads_new);
        waiter_end_list(node, &group->reads_asked);
        waiter_end_list(node, &group->reads_waiting);
        waiter_end_list(node, &group->leaderless);
        waiter_end_list(node, &group->transfers);
        waiter_end_list(node, &group->compacts);
    }
    waiter_end_list(node, &node->forwarded);
    waiter_end_list(node, &node->admins);
}

/* ---- reads of the store: any thread ------------------------------------------------------------------------ */

/* Why this replica's rows are not shown; NULL: they may be. Thread: any */
static const char *unready_reason(const struct group *group)
{
#ifndef LETHE_MUTANT_stranger_serves
    if (!atomic_load(&group->holds) && !atomic_load(&group->leads)) {
        return READ_NO_REPLICA; /* no rows, or some that nobody brings up to date any more */
    }
#endif
    if (atomic_load(&group->is_replacing) || atomic_load(&group->is_unfit)) {
        return READ_UNREADY;
    }
    return NULL;
}

/* What was just read is shown only when this replica's rows were one state all the time. An install
 * says so before it changes the first row, so a look afterwards is enough. */
static enum err node_vouch(struct node *node, uint32_t slot, enum err err, struct why *why)
{
    if (err == ERR_DISK_FAILED) {
        atomic_store(&node->read_failed, true); /* the loop ends the node: node_turn */
    }
    if (err == ERR_CORRUPT) {
        damage_seen(node, slot);
    }
    if (slot >= node->groups_count || err == ERR_DISK_FAILED) {
        return err;
    }
    const struct group *group = &node->groups[slot];
    if (atomic_load(&node->is_removed)) {
        return why_set(why, ERR_REMOVED, "%s", err_sentence(ERR_REMOVED));
    }
    if (atomic_load(&node->is_disowned)) {
        enum err disowned = disowned_err(node);
        return why_set(why, disowned, "%s", err_sentence(disowned));
    }
#if defined(LETHE_MUTANT_serve_installing) || defined(LETHE_MUTANT_unready_serves)
    return err;
#endif
    const char *reason = unready_reason(group);
    return reason == NULL ? err : why_set(why, ERR_UNREADY, "%s", reason);
}

static uint32_t slot_of(const struct node *node, struct channel channel)
{
    return channel_slot(channel, node->groups_count);
}

enum err node_get_page(struct node *node, const struct msg_page_query *query, struct arena *arena,
                       struct msg_page *ret, struct why *why)
{
    enum err err = msg_get_page(node->msg, query, arena, ret, why);
    return node_vouch(node, slot_of(node, query->channel), err, why);
}

enum err node_get_message(struct node *node, struct channel channel, uint64_t seq,
                          struct arena *arena, struct msg_message *ret, uint64_t *ret_delete_index,
                          uint64_t *ret_applied_index, struct why *why)
{
    enum err err = msg_get_message(node->msg, channel, seq, arena, ret, ret_delete_index,
                                   ret_applied_index, why);
    return node_vouch(node, slot_of(node, channel), err, why);
}

enum err node_get_seqs(struct node *node, struct channel channel, const uint64_t *seqs,
                       uint32_t seqs_count, struct arena *arena, struct msg_page *ret,
                       struct why *why)
{
    enum err err = msg_get_seqs(node->msg, channel, seqs, seqs_count, arena, ret, why);
    return node_vouch(node, slot_of(node, channel), err, why);
}

enum err node_find_client_msg_no(struct node *node, struct channel channel,
                                 struct bytes client_msg_no, struct bytes from_uid,
                                 struct arena *arena, struct msg_page *ret, struct why *why)
{
    enum err err =
        msg_find_client_msg_no(node->msg, channel, client_msg_no, from_uid, arena, ret, why);
    return node_vouch(node, slot_of(node, channel), err, why);
}

enum err node_find_message_id(struct node *node, struct channel channel, uint64_t message_id,
                              struct arena *arena, struct msg_message *ret, struct why *why)
{
    enum err err = msg_find_message_id(node->msg, channel, message_id, arena, ret, why);
    return node_vouch(node, slot_of(node, channel), err, why);
}

enum err node_get_channel(struct node *node, struct channel channel, struct arena *arena,
                          struct msg_channel *ret, struct why *why)
{
    enum err err = msg_get_channel(node->msg, channel, arena, ret, why);
    return node_vouch(node, slot_of(node, channel), err, why);
}

enum err node_list_channels(struct node *node, const struct msg_channels_query *query,
                            struct arena *arena, struct msg_channels *ret, struct why *why)
{
    enum err err = msg_list_channels(node->msg, query, arena, ret, why);
    return node_vouch(node, query->slot, err, why);
}

enum err node_list_deletes(struct node *node, const struct msg_deletes_query *query,
                           struct arena *arena, struct msg_deletes *ret, struct why *why)
{
    enum err err = msg_list_deletes(node->msg, query, arena, ret, why);
    return node_vouch(node, query->slot, err, why);
}

enum err node_get_delete(struct node *node, uint32_t slot, uint64_t log_index, struct arena *arena,
                         struct msg_delete_record *ret, struct why *why)
{
    enum err err = msg_get_delete(node->msg, slot, log_index, arena, ret, why);
    return node_vouch(node, slot, err, why);
}

enum err node_preview_delete(struct node *node, const struct msg_delete_request *request,
                             struct arena *arena, struct msg_delete_result *ret,
                             uint64_t *ret_applied_index, struct why *why)
{
    enum err err = msg_preview_delete(node->msg, request, arena, ret, ret_applied_index, why);
    return node_vouch(node, slot_of(node, request->channel), err, why);
}

static uint32_t query_slot(const struct node *node, const struct msg_query *query)
{
    switch ((enum msg_query_kind)query->kind) {
    case MSG_QUERY_PAGE:
        return slot_of(node, query->page.channel);
    case MSG_QUERY_CHANNELS:
        return query->channels.slot;
    case MSG_QUERY_DELETES:
        return query->deletes.slot;
    case MSG_QUERY_DELETE:
        return query->slot;
    case MSG_QUERY_PREVIEW:
        return slot_of(node, query->preview.channel);
    case MSG_QUERY_MESSAGE:
    case MSG_QUERY_SEQS:
    case MSG_QUERY_CLIENT_MSG_NO:
    case MSG_QUERY_MESSAGE_ID:
    case MSG_QUERY_CHANNEL:
    case MSG_QUERY_KINDS:
        break;
    }
    return slot_of(node, query->channel);
}

bool node_query_is_of_slot(const struct node *node, const struct msg_query *query, uint32_t slot)
{
    return slot < node->groups_count && query_slot(node, query) == slot;
}

enum err node_ask(struct node *node, const struct msg_query *query, struct arena *arena,
                  struct msg_answer *ret, struct why *why)
{
    enum err err = msg_ask(node->msg, query, arena, ret, why);
    struct why own = {.err = OK};
    enum err vouched = node_vouch(node, query_slot(node, query), err, &own);
    if (vouched != err) {
        *ret = (struct msg_answer){.err = vouched,
                                   .text = arena_copy(arena, bytes_of_string(own.text))};
        return why_set(why, vouched, "%s", own.text);
    }
    return ret->err;
}

/* ---- for tests and worlds ------------------------------------------------------------------------------------ */

bool node_group_status(const struct node *node, slot_id slot, struct raft_status *ret)
{
    if (slot >= node->groups_count) {
        return false;
    }
    raft_status(node->groups[slot].raft, ret);
    return true;
}

struct raft *node_group_raft(struct node *node, slot_id slot)
{
    return node_group(node, slot)->raft;
}

void node_group_touch(struct node *node, slot_id slot)
{
    group_dirty(node_group(node, slot));
    group_touch(node_group(node, slot));
}

struct store *node_store(struct node *node)
{
    return node->store;
}

struct msg *node_msg(struct node *node)
{
    return node->msg;
}

bool node_is_idle(const struct node *node)
{
    for (unsigned i = 0; i < NODE_BACKGROUND_LANES; i++) {
        if (node->background_flying[i] != NULL) {
            return false;
        }
    }
    return node->flying == NULL && !disk_is_due(node);
}

bool node_is_failed(const struct node *node)
{
    return node->is_failed;
}

void node_claim_loop(struct node *node)
{
    thread_claim(&node->loop);
}

void node_release_loop(struct node *node)
{
    thread_release(&node->loop);
}

void *node_world_arg(const struct node *node)
{
    return node->world.arg;
}
