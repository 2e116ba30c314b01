/* SPDX-License-Identifier: Apache-2.0 */
/* One slot's check: do all replicas hold the same rows, read back from where they are stored?
 *
 * The leader proposes a CHECK command and asks every member for what it finds at that index. Each
 * replica takes a snapshot when it has applied the command and nothing behind it, so all speak of one
 * state. The rows of the snapshot are read in the background, at a bounded rate, without the cache,
 * and summed up anew; a replica whose sum is not the one that it kept from entry to entry knows by
 * itself that it is not sound.
 *
 * What a majority of all members holds is right, if one of them at least holds it soundly: one whose rows
 * are damaged still says what sum it had kept. The others are told so: they
 * are quarantined, and the leader orders a full install for each (digest.c). Who could not answer is
 * unchecked, with the reason, and makes no check pass. */
#include "node/parts.h"
#include "wire/command.h"

static struct replica_check *check_of(struct group *group)
{
    if (group->check == NULL) {
        group->check = alloc_zero(sizeof(*group->check));
        group->check->group = group;
        list_init(&group->check->calls);
    }
    return group->check;
}

static void drop_snapshot(struct replica_check *check)
{
    store_snapshot_free(check->group->node->store, check->snapshot);
    check->snapshot = NULL;
}

/* ---- this replica's part: the background --------------------------------------------------------- */

/* The place to wait: bytes were read since the beginning. */
static bool pace(uint64_t bytes, void *arg)
{
    struct replica_check *check = arg;
    struct node *node = check->group->node;
    STAT_ADD(node, check_bytes_total, bytes - check->counted_bytes);
    check->counted_bytes = bytes;
    uint64_t rate = TUNED(node, check_bytes_per_s);
    while (!atomic_load(&check->must_end) && rate != 0 && node->world.pause_us != NULL) {
        uint64_t due_us = check->began_us + bytes * 1000000 / rate;
        uint64_t now_us = node_now_us(node);
        if (now_us >= due_us) {
            break;
        }
        uint64_t left_us = due_us - now_us;
        node->world.pause_us(node->world.arg,
                             left_us < NODE_CHECK_PAUSE_US ? left_us : NODE_CHECK_PAUSE_US);
    }
    return !atomic_load(&check->must_end);
}

static void check_run(struct node_background_job *job)
{
    struct replica_check *check = CONTAINER_OF(job, struct replica_check, job);
    struct node *node = check->group->node;
    check->began_us = node_now_us(node);
    check->counted_bytes = 0;
    if (node->uncached_us == 0 ||
        check->began_us - node->uncached_us >= NODE_CHECK_UNCACHED_MS * 1000ull) {
        node->uncached_us = check->began_us;
        store_forget_cached(node->store);
    }
    check->err = msg_recompute_paced(node->msg, check->group->slot, check->snapshot, pace, check,
                                     &check->found, &check->why);
}

static void check_abandoned(struct node_background_job *job)
{
    struct replica_check *check = CONTAINER_OF(job, struct replica_check, job);
    check->is_running = false;
}

/* ---- this replica's part: the loop ---------------------------------------------------------------- */

static void answer(struct node *node, struct node_call *call, raft_index index,
                   enum node_checked checked, struct hash128 digest, const char *reason)
{
    call->admin = alloc_zero(sizeof(*call->admin));
    call->admin->items_count = 1;
    struct node_admin_item *item = &call->admin->items[0];
    *item = (struct node_admin_item){
        .node = node->options.id, .applied = index, .checked = (uint8_t)checked, .digest = digest};
    size_t len = strnlen(reason, sizeof(item->skipped_reason) - 1);
    memcpy(item->skipped_reason, reason, len);
    waiter_finish(node, call, OK, NULL);
}

static void answer_unchecked(struct node *node, struct node_call *call, const char *reason)
{
    answer(node, call, 0, NODE_UNCHECKED, (struct hash128){0}, reason);
}

static bool is_wanted(const struct replica_check *check)
{
    for (struct list *item = check->calls.next; item != &check->calls; item = item->next) {
        if (WAITER_OF(item)->through_index == check->index &&
            WAITER_OF(item)->keep == check->term) {
            return true;
        }
    }
    return false;
}

static void check_read(struct node_background_job *job);

/* Somebody asked for the index of the snapshot: its rows are read. */
static void check_begin(struct replica_check *check)
{
    if (check->is_running || check->snapshot == NULL || !is_wanted(check)) {
        return;
    }
    check->is_running = true;
    atomic_store(&check->must_end, false);
    check->job = (struct node_background_job){.lane = NODE_BACKGROUND_CHECK,
                                              .run = check_run,
                                              .done = check_read,
                                              .forget = check_abandoned};
    background_submit(check->group->node, &check->job);
}

/* What the rows said: text for whoever asked, NULL when they are sound. */
static const char *find_fault(const struct replica_check *check)
{
    if (check->err != OK) {
        return check->why.text;
    }
    if (!check->found.counts_fit) {
        return check->found.misfit;
    }
    return hash128_is_equal(check->found.stored, check->found.recomputed)
               ? NULL
               : "the rows do not add up to the digest";
}

static void check_read(struct node_background_job *job)
{
    struct replica_check *check = CONTAINER_OF(job, struct replica_check, job);
    struct group *group = check->group;
    struct node *node = group->node;
    check->is_running = false;
    drop_snapshot(check);
    const char *fault = find_fault(check);
    bool is_known = check->err == OK || check->err == ERR_CORRUPT;
    if (is_known) {
        check->told_index = check->index;
        check->is_sound = fault == NULL;
        check->digest = check->err == OK ? check->found.recomputed : (struct hash128){0};
    }
    if (is_known && fault != NULL) {
        alarm_raise(node, NODE_ALARM_CORRUPT, "slot %u: a check found rows that are not sound: %s",
                    group->slot, fault);
        log_error("node", "a check found rows that are not sound",
                  "slot=%u index=%" PRIu64 " detail=%s", group->slot, check->index,
                  LOG_QUOTED(fault));
    }
    struct list *item = check->calls.next;
    while (item != &check->calls) {
        struct node_call *call = WAITER_OF(item);
        item = item->next;
        if (call->through_index == check->index && is_known) {
            answer(node, call, check->index, fault == NULL ? NODE_CHECKED_OK : NODE_DIVERGED,
                   fault == NULL ? check->digest : check->found.stored, fault == NULL ? "" : fault);
        } else if (call->through_index == check->index) {
            answer_unchecked(node, call, err_slug(check->err));
        }
    }
}

void check_snapshot(struct group *group, raft_index index, raft_term term,
                    struct store_snapshot *snapshot)
{
    struct replica_check *check = check_of(group);
    if (check->is_running) {
        store_snapshot_free(group->node->store, snapshot); /* its asker is told "busy" */
        return;
    }
    drop_snapshot(check);
    check->snapshot = snapshot;
    check->index = index;
    check->term = term;
    check->since_ms = group->node->now_ms;
    check_begin(check);
}

/* Why this replica has no rows of its own to show; NULL: it has. */
static const char *find_hindrance(struct group *group)
{
    struct raft_status status;
    raft_status(group->raft, &status);
    if (group->receiving.is_open || atomic_load(&group->is_replacing) || status.installing) {
        return "installing";
    }
    return status.amnesia ? "amnesia" : NULL;
}

void check_here(struct group *group, struct node_call *call)
{
    struct node *node = group->node;
    struct replica_check *check = check_of(group);
    const char *hindrance = find_hindrance(group);
    if (hindrance != NULL) {
        answer_unchecked(node, call, hindrance);
        return;
    }
    if (atomic_load(&group->is_diverged)) {
        answer(node, call, 0, NODE_DIVERGED, (struct hash128){0}, "quarantined");
        return;
    }
    call->stage = WAITER_ADMIN;
    call->index = node->now_ms; /* since when it waits */
    list_append(&check->calls, &call->link);
    check_begin(check);
}

/* A snapshot that nobody asked for goes; who asked for an index that does not come is told. */
void check_tick(struct group *group)
{
    struct replica_check *check = group->check;
    if (check == NULL) {
        return;
    }
    struct node *node = group->node;
    if (check->is_running && !is_wanted(check)) {
        atomic_store(&check->must_end, true);
    }
    if (!check->is_running && check->snapshot != NULL &&
        node->now_ms - check->since_ms > NODE_CHECK_WAIT_MS) {
        drop_snapshot(check);
    }
    struct list *item = check->calls.next;
    while (item != &check->calls) {
        struct node_call *call = WAITER_OF(item);
        item = item->next;
        bool is_at_work = check->snapshot != NULL && call->through_index == check->index;
        const char *hindrance = is_at_work ? NULL : find_hindrance(group);
        if (hindrance != NULL) {
            answer_unchecked(node, call, hindrance);
        } else if (!is_at_work && group->applied >= call->through_index) {
            answer_unchecked(node, call, check->is_running ? "busy" : "restarted");
        } else if (!is_at_work && node->now_ms - call->index > NODE_CHECK_WAIT_MS) {
            answer_unchecked(node, call, "behind");
        }
    }
}

void check_forget(struct group *group)
{
    if (group->check != NULL) {
        group->check->told_index = 0;
    }
}

bool check_disagrees(const struct group *group, raft_index index, struct hash128 digest)
{
    const struct replica_check *check = group->check;
    return check != NULL && check->told_index != 0 && check->told_index == index &&
           (!check->is_sound || !hash128_is_equal(check->digest, digest));
}

void check_end_all(struct node *node)
{
    for (uint32_t i = 0; i < node->groups_count; i++) {
        struct replica_check *check = node->groups[i].check;
        if (check != NULL) {
            atomic_store(&check->must_end, true);
            waiter_end_list(node, &check->calls);
        }
    }
    struct list *item = node->forwarded.next;
    while (item != &node->forwarded) {
        struct node_call *call = WAITER_OF(item);
        if (call->kind == NODE_CALL_CHECK) {
            waiter_finish(node, call, ERR_DRAINING, NULL);
            item = node->forwarded.next; /* its end may have ended others */
        } else {
            item = item->next;
        }
    }
}

void check_done(struct group *group)
{
    if (group->check != NULL) {
        assert(!group->check->is_running);
        drop_snapshot(group->check);
        free(group->check);
        group->check = NULL;
    }
}

/* ---- the leader's part ---------------------------------------------------------------------------- */

/* The digest that more than half of all members had kept, and that the rows of one of them, read back, still
 * add up to. */
static bool find_right(const struct node_admin *admin, struct hash128 *ret)
{
    for (uint32_t i = 0; i < admin->items_count; i++) {
        uint32_t holders = 0;
        for (uint32_t k = 0; k < admin->items_count; k++) {
            holders += admin->items[k].checked != NODE_UNCHECKED &&
                       hash128_is_equal(admin->items[k].digest, admin->items[i].digest);
        }
        if (admin->items[i].checked == NODE_CHECKED_OK && holders * 2 > admin->items_count) {
            *ret = admin->items[i].digest;
            return true;
        }
    }
    return false;
}

static bool has_one(const struct node_admin *admin, enum node_checked checked)
{
    for (uint32_t i = 0; i < admin->items_count; i++) {
        if (admin->items[i].checked == checked) {
            return true;
        }
    }
    return false;
}

static bool is_split(const struct node_admin *admin)
{
    const struct node_admin_item *first = NULL;
    for (uint32_t i = 0; i < admin->items_count; i++) {
        const struct node_admin_item *item = &admin->items[i];
        if (item->checked != NODE_CHECKED_OK) {
            continue;
        }
        if (first != NULL && !hash128_is_equal(first->digest, item->digest)) {
            return true;
        }
        first = item;
    }
    return false;
}

static void set_verdict(struct node_admin_item *item, enum node_checked checked, const char *reason)
{
    item->checked = (uint8_t)checked;
    (void)snprintf(item->skipped_reason, sizeof(item->skipped_reason), "%s", reason);
}

/* Each member's verdict, from what all of them hold. True: ret is the right state. */
static bool compare(struct node_admin *admin, struct hash128 *ret)
{
#ifdef LETHE_MUTANT_no_compare
    for (uint32_t i = 0; i < admin->items_count; i++) {
        if (admin->items[i].checked == NODE_DIVERGED) {
            set_verdict(&admin->items[i], NODE_CHECKED_OK, "");
        }
    }
    (void)is_split;
    return find_right(admin, ret);
#endif
    bool is_decided = find_right(admin, ret);
    bool was_split = is_split(admin);
    for (uint32_t i = 0; i < admin->items_count; i++) {
        struct node_admin_item *item = &admin->items[i];
        if (item->checked != NODE_CHECKED_OK) {
            continue;
        }
        if (is_decided && !hash128_is_equal(item->digest, *ret)) {
            set_verdict(item, NODE_DIVERGED, "digest differs from a majority's");
        } else if (!is_decided) {
            set_verdict(item, was_split ? NODE_DIVERGED : NODE_UNCHECKED, "no_majority");
        }
    }
#ifdef LETHE_MUTANT_unreachable_ok
    for (uint32_t i = 0; i < admin->items_count; i++) {
        if (admin->items[i].checked == NODE_UNCHECKED) {
            set_verdict(&admin->items[i], NODE_CHECKED_OK, "");
        }
    }
#endif
    return is_decided;
}

/* All members have answered, or could not. */
static void judge(struct group *group, struct node_call *call, struct node_admin *admin)
{
    struct node *node = group->node;
    struct hash128 right = {0};
    bool is_decided = compare(admin, &right);
    bool has_diverged = has_one(admin, NODE_DIVERGED);
    bool has_unchecked = has_one(admin, NODE_UNCHECKED);
    call->admin = admin;
    if (has_diverged && is_decided && group->role != RAFT_LEADER) {
        waiter_finish(node, call, ERR_NO_LEADER, "the leader changed while the slot was checked");
        return; /* who leads now finds them, and acts */
    }
    STAT_ADD(node, checks_diverged_total, has_diverged);
    STAT_ADD(node, checks_unchecked_total, !has_diverged && has_unchecked);
    STAT_ADD(node, checks_ok_total, !has_diverged && !has_unchecked);
    for (uint32_t i = 0; i < admin->items_count && is_decided; i++) {
        if (admin->items[i].checked == NODE_DIVERGED) {
            digest_condemn_by_check(group, admin->items[i].node, call->through_index, right);
        }
    }
    waiter_finish(node, call, OK, NULL);
}

void check_order(struct group *group, struct node_call *call)
{
    struct node *node = group->node;
    if (call->only_here) {
        check_here(group, call);
        return;
    }
    if (admin_pass_on(group, call)) {
        return;
    }
    struct command command = {.kind = COMMAND_CHECK, .check = {.id = ++node->checks_ordered}};
    struct blob *blob = command_encode(&command);
    route_stamp(group, blob);
    struct raft_entry entry = {.kind = RAFT_ENTRY_DATA, .size_bytes = blob->len, .payload = blob};
    struct raft_pos pos;
    enum err err = raft_propose(group->raft, &entry, 1, &pos);
    if (err == OK) {
        group_limbo(group, blob);
        group_dirty(group);
    }
    blob_unref(blob);
    if (err != OK) {
        waiter_finish(node, call, err, NULL);
        return;
    }
    call->through_index = pos.index;
    call->keep = pos.term;
    admin_fan(group, call, judge);
}
