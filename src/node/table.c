/* SPDX-License-Identifier: Apache-2.0 */
/* The table of the cluster's nodes as this node knows it: from its options at first, then from slot
 * 0's state, or from what slot 0's leader told; the newest wins and is kept beside slot 0 too, so that
 * a node without a replica of it starts with what it knew. What follows from it: who the links go to,
 * this node's part in each slot, and whether it is removed. */
#include "node/parts.h"
#include "wire/command.h"

enum { SETTLED_LAG_MAX = 64 }; /* entries */

/* ---- read and kept -------------------------------------------------------------------------------- */

/* The value of slot 0 under key. *ret is untouched when there is none. */
static enum err table_load(struct node *node, enum store_slot_key key, struct members *ret,
                           struct why *why)
{
    struct store_value value;
    store_value_init(&value);
    struct bytes bytes;
    enum err err = store_get_slot_value(node->store, NULL, 0, key, &value, &bytes);
    if (err == ERR_NOT_FOUND || (err == OK && bytes.len == 0)) {
        store_value_done(&value);
        return OK;
    }
    struct members table = {0};
    if (err == OK) {
        struct reader reader = reader_of(bytes);
        uint64_t revision = reader_le64(&reader);
        err = members_decode(reader_bytes(&reader, reader_left(&reader)), &table, why);
        table.revision = revision;
    } else {
        (void)why_set(why, err, "cannot read it: %s", err_sentence(err));
    }
    if (err == OK) {
        members_done(ret);
        *ret = table;
    } else {
        why_wrap(why, "the table of the cluster's nodes");
    }
    store_value_done(&value);
    return err;
}

static void table_keep(struct node *node)
{
    struct buf buf = BUF_INIT;
    buf_put_le64(&buf, node->membership.table.revision);
    members_encode(&buf, &node->membership.table);
    store_put_slot_value(disk_batch(node), 0, STORE_SLOT_KNOWN_MEMBERS, buf_bytes(&buf));
    disk_want_sync(node);
    buf_done(&buf);
}

static void copy_text(char *to, size_t size, const char *from)
{
    (void)snprintf(to, size, "%s", from);
}

/* Before there is any: the nodes of the options, which found the cluster together. One that joins
 * knows whom to connect to, and nothing of who holds what. */
void table_of_options(const struct node *node, struct members *ret)
{
    const struct node_options *options = &node->options;
    *ret = (struct members){.replica_count = (uint8_t)options->replica_count};
    for (uint32_t i = 0; i < options->members_count; i++) {
        const struct node_member *member = &node->members[i];
        struct members_row *row = members_insert(ret, member->id);
        row->state = MEMBERS_ACTIVE;
        copy_text(row->address, sizeof(row->address), member->address);
        copy_text(row->http_address, sizeof(row->http_address), member->http_address);
        if (member->id == options->id) {
            copy_text(row->zone, sizeof(row->zone), options->zone);
            copy_text(row->http_address, sizeof(row->http_address), options->http_address);
        }
    }
    if (!options->join) {
        (void)place_plan(ret, options->slot_count);
    }
}

const char *node_address_of(const struct node *node, const struct members_row *row)
{
#ifndef LETHE_MUTANT_table_address
    for (uint32_t i = 0; i < node->options.members_count; i++) {
        if (node->members[i].id == row->id) {
            return node->members[i].address;
        }
    }
#endif
    return row->address;
}

/* ---- what follows from it ---------------------------------------------------------------------------- */

static void table_peers(struct node *node)
{
    const struct members *table = &node->membership.table;
    struct peer *peers = alloc_array(NODE_MEMBERS_MAX, sizeof(*peers));
    uint32_t count = 0;
    for (uint32_t i = 0; i < table->rows_count && count < NODE_MEMBERS_MAX; i++) {
        const struct members_row *row = &table->rows[i];
        if (!members_is_live(row)) {
            continue;
        }
        const struct peer *old = node_find_peer(node, row->id);
        struct peer *peer = &peers[count++];
        if (old != NULL) {
            *peer = *old;
        }
        peer->member.id = row->id;
        copy_text(peer->member.address, NODE_ADDRESS_MAX_BYTES, node_address_of(node, row));
        if (row->http_address[0] != 0) {
            copy_text(peer->member.http_address, NODE_ADDRESS_MAX_BYTES, row->http_address);
        }
        copy_text(peer->zone, sizeof(peer->zone), row->zone);
        peer->state = row->state;
        peer->learner = row->learner;
        peer->is_untold = true;
        peer->slots = 0;
        for (uint32_t k = 0; k < table->places_count; k++) {
            peer->slots += (row->learner && row->state == MEMBERS_ACTIVE) ||
                           members_has(&table->places[k], row->id);
        }
    }
    mutex_lock(&node->view_lock);
    memcpy(node->peers, peers, count * sizeof(*peers));
    node->peers_count = count;
    node->revision_shown = table->revision;
    node->level_shown = table->feature_level;
    mutex_unlock(&node->view_lock);
    free(peers);
}

static void table_links(struct node *node)
{
    if (node->world.set_members == NULL) {
        return;
    }
    const struct members *table = &node->membership.table;
    node->world.set_members(node->world.arg, table);
}

struct members_place table_place(const struct node *node, slot_id slot)
{
    const struct members *table = &node->membership.table;
    return slot < table->places_count ? table->places[slot] : (struct members_place){0};
}

uint8_t table_standbys(const struct node *node, node_id *ids)
{
    const struct members *table = &node->membership.table;
    uint8_t count = 0;
    for (uint32_t i = 0; i < table->rows_count && count < RAFT_MEMBERS_MAX; i++) {
        const struct members_row *row = &table->rows[i];
        if (row->learner && row->state == MEMBERS_ACTIVE) {
            ids[count++] = row->id;
        }
    }
    return count;
}

static bool has_id(const node_id *ids, uint8_t count, node_id id)
{
    for (uint8_t i = 0; i < count; i++) {
        if (ids[i] == id) {
            return true;
        }
    }
    return false;
}

void table_place_group(struct group *group)
{
    struct node *node = group->node;
    struct raft_status status;
    raft_status(group->raft, &status);
    const struct raft_config *config = &status.config;
    node_id self = node->options.id;
    bool is_member = has_id(config->voters, config->voters_count, self) ||
                     has_id(config->voters_old, config->voters_old_count, self) ||
                     has_id(config->learners, config->learners_count, self);
    struct members_place place = table_place(node, group->slot);
    const struct members_row *row = members_find(&node->membership.table, self);
    bool is_standby = row != NULL && row->learner && row->state == MEMBERS_ACTIVE;
    bool is_wanted = members_has(&place, self) || is_standby;
    /* A replica that was taken out may never hear of it: the table says so. */
    bool holds = is_member && group->left < LEFT_GOING &&
                 (is_wanted || node->membership.table.revision == 0);
    if (holds != atomic_load(&group->holds)) {
        atomic_store(&group->holds, holds);
        group_touch(group);
    }
    if (!holds && group->role != RAFT_LEADER) {
        read_leave(group);
    }
}

node_id table_route(const struct group *group)
{
    const struct node *node = group->node;
    bool holds = atomic_load(&group->holds);
    if (holds) {
        return group->leader == node->options.id ? 0 : group->leader;
    }
    node_id told = node->membership.leaders[group->slot];
    if (told != 0 && told != node->options.id && node_peer_is_up(node, told)) {
        return told;
    }
    /* It votes there still: it has just handed over, and hears the new leader before anybody tells. */
    if (group->leader != 0 && group->leader != node->options.id &&
        node_peer_is_up(node, group->leader)) {
        return group->leader;
    }
    struct members_place place = table_place(node, group->slot);
    for (uint8_t i = 0; i < place.count; i++) {
        if (place.ids[i] != node->options.id && node_peer_is_up(node, place.ids[i])) {
            return place.ids[i];
        }
    }
    return group->leader == node->options.id ? 0 : group->leader;
}

/* As long as no level was ever written down: the lowest that was heard of. */
static uint32_t level_in_force(const struct node *node)
{
    uint32_t level = node->membership.table.feature_level;
    if (level != 0) {
        return level;
    }
    level = node->options.feature_level;
    for (uint32_t i = 0; i < node->peers_count; i++) {
        const struct peer *peer = &node->peers[i];
        if (peer->member.id != node->options.id && peer->feature_level < level) {
            level = peer->feature_level;
        }
    }
    return level;
}

enum err table_may_propose(const struct node *node, uint8_t command, struct why *why)
{
    uint32_t needed = command_feature_level((enum command_kind)command);
#ifdef LETHE_MUTANT_propose_unknown
    return OK;
#endif
    if (needed <= 1 || needed <= level_in_force(node)) {
        return OK; /* every build there ever was knows level 1 */
    }
    return why_set(
        why, ERR_CONFLICT,
        "this needs feature level %u, and the cluster uses level %u: upgrade every node, "
        "then finalize the upgrade",
        needed, level_in_force(node));
}

bool table_may_lead(const struct node *node, node_id id)
{
    const struct members_row *row = members_find(&node->membership.table, id);
    return row == NULL || (row->state == MEMBERS_ACTIVE && !row->learner);
}

/* Who is being added as a learner has what there was when that was looked at. Later it may be away. */
static bool is_brought_up(const struct node *node, const struct raft_status *status)
{
    const struct members_order *order = &node->membership.table.order;
    const struct members_row *row = members_find(&node->membership.table, order->node);
    if (order->state != MEMBERS_ORDER_RUNNING || order->what != NODE_MEMBER_ADD || row == NULL ||
        !row->learner) {
        return true;
    }
    for (uint32_t i = 0; i < status->peers_count; i++) {
        const struct raft_progress_status *peer = &status->peers[i];
        if (peer->peer == row->id) {
            return peer->active && peer->state == RAFT_REPLICATE &&
                   peer->match + SETTLED_LAG_MAX >= status->last.index &&
                   peer->applied + SETTLED_LAG_MAX >= status->commit;
        }
    }
    return false;
}

bool table_is_settled(const struct group *group)
{
    const struct node *node = group->node;
    struct raft_status status;
    raft_status(group->raft, &status);
    const struct raft_config *config = &status.config;
    struct members_place place = table_place(node, group->slot);
    node_id standbys[RAFT_MEMBERS_MAX];
    uint8_t count = table_standbys(node, standbys);
    return !status.config_pending && config->voters_old_count == 0 &&
           is_brought_up(node, &status) && config->voters_count == place.count &&
           memcmp(config->voters, place.ids, place.count * sizeof(node_id)) == 0 &&
           config->learners_count == count &&
           memcmp(config->learners, standbys, count * sizeof(node_id)) == 0;
}

void table_fence(struct node *node, const char *text)
{
    if (node->membership.is_removed) {
        return;
    }
    node->membership.is_removed = true;
    atomic_store(&node->is_removed, true);
    log_error("node", "this node was removed from the cluster: it serves nothing any more",
              "detail=%s", LOG_QUOTED(text));
    /* So that it knows at once after a restart, when nobody can be asked. */
    store_put_slot_value(disk_batch(node), 0, STORE_SLOT_TOMBSTONE, bytes_of_string("removed"));
    disk_want_sync(node);
}

/* A founder whose disk is empty would found the cluster once more with others of its kind. Whoever
 * still knows the cluster says so; then this node takes no part, until that one lets it in. */
void table_disown(struct node *node, struct peer *peer, bool is_disowned)
{
    struct membership *membership = &node->membership;
#ifdef LETHE_MUTANT_disowned_founds
    return;
#endif
    if (peer->disowns == is_disowned || (is_disowned && membership->table.revision > 0)) {
        return;
    }
    peer->disowns = is_disowned;
    bool is_any = false;
    for (uint32_t i = 0; i < node->peers_count; i++) {
        is_any |= node->peers[i].disowns;
    }
    if (is_any && !membership->is_disowned) {
        log_error("node",
                  "the cluster knows this node with another data folder: it takes no part; start a "
                  "new node with an id that was never used and let it replace this one",
                  "peer=%u", (unsigned)peer->member.id);
    }
    membership->is_disowned = is_any || membership->is_outdated;
    atomic_store(&node->is_disowned, membership->is_disowned);
}

/* What the tombstone says in the folder of an old copy; any other text: it was removed. */
#define TOMBSTONE_OUTDATED "outdated"

static void table_stand_aside(struct node *node, const char *text)
{
    node->membership.is_outdated = node->membership.is_disowned = true;
    atomic_store(&node->is_outdated, true);
    atomic_store(&node->is_disowned, true);
    log_error(
        "node",
        "this data folder is an old copy of what it was: the node takes no part; put the newest "
        "one back, or start a new node with an id that was never used and let it replace this one",
        "detail=%s", LOG_QUOTED(text));
}

void table_outdate(struct node *node, const char *text)
{
#ifdef LETHE_MUTANT_outdated_forgets
    return;
#endif
    if (node->membership.is_outdated || node->membership.is_removed) {
        return;
    }
    table_stand_aside(node, text);
    store_put_slot_value(disk_batch(node), 0, STORE_SLOT_TOMBSTONE,
                         bytes_of_string(TOMBSTONE_OUTDATED));
    disk_want_sync(node);
}

static void table_follow(struct node *node)
{
    const struct members_row *self = members_find(&node->membership.table, node->options.id);
    table_peers(node);
    table_links(node);
    for (uint32_t i = 0; i < node->groups_count; i++) {
        table_place_group(&node->groups[i]);
        group_touch(&node->groups[i]);
    }
    if (self != NULL && self->state == MEMBERS_REMOVED) {
        table_fence(node, "the table of the cluster's nodes says so");
    }
    node->view_due = true;
}

/* The cluster may use commands that this build does not know: it would stop at the first one. */
static enum err table_check_level(const struct node *node, const struct members *table,
                                  struct why *why)
{
    uint32_t own = node->options.feature_level;
    return table->feature_level <= own
               ? OK
               : why_set(
                     why, ERR_WRONG_FORMAT,
                     "the cluster uses feature level %u since its upgrade was finalized, and this "
                     "build knows level %u: start a newer one",
                     table->feature_level, own);
}

void table_adopt_take(struct node *node, struct members *table)
{
    struct why why = {0};
    if (table->revision <= node->membership.table.revision) {
        members_done(table);
        return;
    }
    if (table_check_level(node, table, &why) != OK) {
        members_done(table);
        node_fail(node, ERR_WRONG_FORMAT, why.text);
        return;
    }
    members_done(&node->membership.table);
    node->membership.table = *table;
    *table = (struct members){0};
    log_info("node", "the table of the cluster's nodes changed", "revision=%" PRIu64,
             node->membership.table.revision);
    table_keep(node);
    table_follow(node);
}

void table_look(struct node *node)
{
    struct membership *membership = &node->membership;
    const struct group *group = &node->groups[0];
    if (membership->has_looked && membership->looked_at == group->applied) {
        return;
    }
    membership->has_looked = true;
    membership->looked_at = group->applied;
    if (atomic_load(&group->is_replacing)) { /* its rows are no state yet */
        membership->has_looked = false;
        return;
    }
    struct members table = {0};
    struct why why = {0};
    enum err err = table_load(node, STORE_SLOT_MEMBERS, &table, &why);
    if (err != OK) {
        node_fail(node, err, why.text);
        return;
    }
    table_adopt_take(node, &table);
}

enum err table_boot(struct node *node, struct why *why)
{
    struct membership *membership = &node->membership;
    membership->leaders = alloc_array(node->groups_count, sizeof(node_id));
    membership->settled = alloc_array(node->groups_count, sizeof(uint64_t));
    struct members known = {0};
    table_of_options(node, &membership->table);
    enum err err = table_load(node, STORE_SLOT_KNOWN_MEMBERS, &known, why);
    if (err != OK) {
        return err;
    }
    struct members own = {0};
    err = table_load(node, STORE_SLOT_MEMBERS, &own, why);
    if (err != OK) {
        members_done(&known);
        return err;
    }
    struct members *newest = own.revision > known.revision ? &own : &known;
    if (newest->revision > 0) {
        members_done(&membership->table);
        membership->table = *newest;
        *newest = (struct members){0};
    }
    members_done(&own);
    members_done(&known);
    err = table_check_level(node, &membership->table, why);
    if (err != OK) {
        return err;
    }
    struct store_value value;
    store_value_init(&value);
    struct bytes tombstone;
    err = store_get_slot_value(node->store, NULL, 0, STORE_SLOT_TOMBSTONE, &value, &tombstone);
    if (err == OK && bytes_is_equal(tombstone, bytes_of_string(TOMBSTONE_OUTDATED))) {
        table_stand_aside(node, "as it was told before it was started");
    } else if (err == OK && tombstone.len > 0) {
        membership->is_removed = true;
        atomic_store(&node->is_removed, true);
        log_error("node", "this node was removed from the cluster: it serves nothing any more",
                  "detail=%s", "\"as it was told before it was started\"");
    }
    store_value_done(&value);
    return err == ERR_NOT_FOUND ? OK : err;
}

const struct members *node_members(const struct node *node)
{
    return &node->membership.table;
}

uint32_t node_feature_level(const struct node *node)
{
    return node->options.feature_level;
}

enum err node_admits(const struct node *node, node_id peer, uint64_t incarnation,
                     uint32_t feature_level, struct why *why)
{
#ifdef LETHE_MUTANT_any_incarnation
    return OK;
#endif
    const struct members_row *row = members_find(&node->membership.table, peer);
    if (row == NULL) {
        return why_set(why, ERR_WRONG_IDENTITY, "node %u is no member: add it first",
                       (unsigned)peer);
    }
    if (row->state == MEMBERS_REMOVED) {
        return why_set(
            why, ERR_REMOVED,
            "node %u was removed from the cluster and never comes back: start a new node "
            "with an id that was never used and an empty data folder, and add that",
            (unsigned)peer);
    }
    if (row->incarnation != 0 && row->incarnation != incarnation) {
        return why_set(why, ERR_NEW_FOLDER,
                       "node %u has another data folder than it was met with: replace it by a new "
                       "node under an id that was never used",
                       (unsigned)peer);
    }
#ifndef LETHE_MUTANT_old_build_let_in
    if (feature_level < node->membership.table.feature_level) {
        return why_set(
            why, ERR_WRONG_FORMAT,
            "node %u runs a build of feature level %u, and the cluster uses level %u since "
            "its upgrade was finalized: start it with a build of that level or a newer one",
            (unsigned)peer, feature_level, node->membership.table.feature_level);
    }
#endif
    return OK;
}

static bool votes_in_first(const struct node *node, node_id id)
{
    struct raft_status status;
    raft_status(node->groups[0].raft, &status);
    return has_id(status.config.voters, status.config.voters_count, id) ||
           has_id(status.config.voters_old, status.config.voters_old_count, id);
}

/* A node that joins is let in as soon as it is in the table, so that it learns the table from whomever
 * it meets. But until the table says which data folder is that node's, two nodes that lost sight of each
 * other could take two folders for it: so only slot 0's leader, which writes it down, hears what it
 * says in Raft. Founders that vote in slot 0 elect this leader. */
bool table_hears(const struct node *node, node_id peer)
{
    const struct membership *membership = &node->membership;
    if (membership->is_removed || membership->is_disowned) {
        return false;
    }
    const struct members_row *row = members_find(&membership->table, peer);
    return row == NULL || row->incarnation != 0 || membership->table.revision == 0 ||
           node->groups[0].role == RAFT_LEADER || votes_in_first(node, peer);
}

void table_booted(struct node *node)
{
    table_peers(node);
    for (uint32_t i = 0; i < node->groups_count; i++) {
        table_place_group(&node->groups[i]);
    }
}

void table_done(struct node *node)
{
    members_done(&node->membership.table);
    free(node->membership.leaders);
    free(node->membership.settled);
}
