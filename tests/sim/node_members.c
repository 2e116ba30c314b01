/* SPDX-License-Identifier: Apache-2.0 */
/* The cluster's nodes change (members=1, joiners=): handshakes as src/net makes them, nodes that
 * lost their disks, and what is asked of the table and of the slots' configurations. */
#include <stdio.h>
#include <string.h>

#include "node_clients.h"
#include "node_expect.h"
#include "node_world.h"

enum { APART_US = 10000000 };

/* ---- handshakes ------------------------------------------------------------------------------------- */
/* As a link does it: what was met under that id, then the table. */
struct greeting {
    node_id id;
    uint64_t incarnation, boot, start;
};

static struct greeting greeting_of(const struct seat *seat)
{
    return (struct greeting){seat->id, seat->incarnation, seat->disk_boot, seat->start};
}

static enum err admit(const struct seat *seat, struct greeting peer, struct why *why)
{
    node_id id = peer.id;
    if (seat->known[id] != 0 && seat->known[id] != peer.incarnation)
        return why_set(why, ERR_NEW_FOLDER, "another data folder than it was met with");
    if (peer.boot < seat->known_boots[id])
        return why_set(why, ERR_OLD_FOLDER, "its data folder was rolled back");
    if (peer.boot == seat->known_boots[id] && peer.start != seat->known_starts[id])
        return why_set(why, ERR_OLD_FOLDER, "its data folder was copied");
    return node_admits(seat->node, id, peer.incarnation, NODE_FEATURE_LEVEL, why);
}

bool seat_may_send(struct seat *seat, struct seat *to)
{
    struct why why = {0};
    return to->node == NULL || admit(seat, greeting_of(to), &why) == OK;
}

bool seat_lets_in(struct seat *seat, const struct parcel *parcel)
{
    struct seat *from = &seat->world->seats[parcel->from];
    struct why why = {0};
    struct greeting greeting = {parcel->from, parcel->incarnation, parcel->boot, parcel->start};
    enum err err = admit(seat, greeting, &why);
    if (err != OK && seat_is_live(from) && from->incarnation == parcel->incarnation &&
        from->start == parcel->start) /* who sent it hears the answer */
        node_peer_refused(from->node, seat->id, true, err, why.text);
    return err == OK;
}

static bool is_near(const struct seat *seat, const struct seat *other)
{
    const struct world *world = seat->world;
    struct why why = {0};
    return other != seat && seat_is_live(other) && !world->is_cut[seat->id][other->id] &&
           !world->is_cut[other->id][seat->id] && admit(seat, greeting_of(other), &why) == OK &&
           admit(other, greeting_of(seat), &why) == OK;
}

/* A handshake that the other refuses; it says why. */
static void hear_refusal(struct seat *seat, const struct seat *other)
{
    const struct world *world = seat->world;
    struct why why = {0};
    if (other == seat || !seat_is_live(other) || world->is_cut[seat->id][other->id] ||
        world->is_cut[other->id][seat->id] || seat->refused_boots[other->id] == other->boots)
        return;
    enum err err = admit(other, greeting_of(seat), &why);
    if (err != OK) {
        seat->refused_boots[other->id] = other->boots;
        node_peer_refused(seat->node, other->id, true, err, why.text);
    }
}

void seat_meet(struct seat *seat)
{
    struct world *world = seat->world;
    for (node_id id = 1; id <= world->nodes; id++) {
        const struct seat *other = &world->seats[id];
        if (!is_near(seat, other)) {
            seat->met_boots[id] = 0; /* the link breaks */
            hear_refusal(seat, other);
            continue;
        }
        if (seat->met_boots[id] == other->boots)
            continue;
        seat->met_boots[id] = other->boots;
        seat->refused_boots[id] = 0;
        seat->known[id] = other->incarnation;
        seat->known_boots[id] = other->disk_boot;
        seat->known_starts[id] = other->start;
        node_peer_up(seat->node, id,
                     &(struct node_peer_hello){.http_address = "",
                                               .version = "simulated",
                                               .zone = "",
                                               .incarnation = other->incarnation,
                                               .feature_level = NODE_FEATURE_LEVEL});
    }
}

uint64_t seat_heard_ms(void *arg, node_id peer)
{
    struct seat *seat = arg;
    const struct seat *other = &seat->world->seats[peer];
    bool is_met = seat->met_boots[peer] == other->boots;
    return is_met && is_near(seat, other) ? seat_now_ms(seat) : 0;
}

bool seat_has_met(void *arg, node_id peer)
{
    const struct seat *seat = arg;
    return seat->known[peer] != 0;
}

static const struct members *newest_table(struct world *world)
{
    const struct members *ret = NULL;
    for (node_id id = 1; id <= world->nodes; id++) {
        const struct seat *seat = &world->seats[id];
        const struct members *table = seat->node == NULL ? NULL : node_members(seat->node);
        if (table != NULL && (ret == NULL || table->revision > ret->revision) &&
            (table->revision > 0 || id <= world->founders))
            ret = table;
    }
    return ret;
}

static uint32_t list_of_members(struct world *world, node_id self,
                                struct node_member members[WORLD_NODES_MAX])
{
    const struct members *table = newest_table(world);
    uint32_t ret = 0;
    for (node_id id = 1; id <= world->nodes; id++) {
        const struct members_row *row = table == NULL ? NULL : members_find(table, id);
        bool is_listed = table == NULL || table->revision == 0
                             ? id <= world->founders
                             : row != NULL && members_is_live(row);
        if (id != self && is_listed)
            members[ret++] = world->members[id - 1];
    }
    return ret;
}

/* Who joins knows the members of the day it is started, as its operator wrote them down, and founds nothing. */
void seat_options(struct seat *seat, struct node_options *options,
                  struct node_member members[WORLD_NODES_MAX])
{
    struct world *world = seat->world;
    seat->incarnation = store_identity(seat->store)->incarnation;
    seat->disk_boot = store_identity(seat->store)->boot;
    seat->start = ++world->starts;
    seat->boots++;
    memset(seat->met_boots, 0, sizeof(seat->met_boots));
    memset(seat->refused_boots, 0, sizeof(seat->refused_boots));
    memcpy(members, world->members, WORLD_NODES_MAX * sizeof(*members));
    if (seat->id > world->founders) {
        uint32_t count = list_of_members(world, seat->id, members);
        members[count] = world->members[seat->id - 1];
        options->members_count = count + 1;
        options->join = true;
    }
    options->members = members;
    snprintf(options->listen, sizeof(options->listen), "node%llu:1", LLU(seat->id));
}

/* ---- what the newest table says --------------------------------------------------------------------- */
bool world_has_lost_disk(struct world *world, node_id id)
{
    const struct members *table = newest_table(world);
    const struct members_row *row = table == NULL ? NULL : members_find(table, id);
    uint64_t now = world->seats[id].incarnation;
    bool ret = row != NULL && row->incarnation != 0 && row->incarnation != now;
    ret |= row != NULL && world->seats[id].is_rolled_back;
    for (node_id at = 1; at <= world->nodes && now != 0; at++)
        ret |= world->seats[at].known[id] != 0 && world->seats[at].known[id] != now;
    return ret;
}

bool world_is_member(struct world *world, node_id id)
{
    if (!world->has_members)
        return true;
    const struct members *table = newest_table(world);
    const struct members_row *row = table == NULL ? NULL : members_find(table, id);
    return row != NULL && members_is_live(row) && !world_has_lost_disk(world, id);
}

static bool has_id(const node_id *ids, uint8_t count, node_id id)
{
    for (uint8_t i = 0; i < count; i++) {
        if (ids[i] == id)
            return true;
    }
    return false;
}

bool world_is_in_slot(const struct raft_config *config, node_id id)
{
    return has_id(config->voters, config->voters_count, id) ||
           has_id(config->voters_old, config->voters_old_count, id) ||
           has_id(config->learners, config->learners_count, id);
}

bool world_is_settled(struct world *world, slot_id slot, const struct raft_status *leader)
{
    const struct members *table = world->has_members ? newest_table(world) : NULL;
    if (table == NULL || table->revision == 0 || slot >= table->places_count)
        return true;
    for (uint32_t i = 0; i < table->rows_count; i++) {
        if (members_is_live(&table->rows[i]) && world_has_lost_disk(world, table->rows[i].id))
            return true;
    }
    for (uint32_t i = 0; i < table->rows_count; i++) {
        if (table->rows[i].state == MEMBERS_LEAVING)
            return false;
    }
    const struct members_place *place = &table->places[slot];
    const struct raft_config *config = &leader->config;
    return !leader->config_pending && config->voters_old_count == 0 &&
           config->voters_count == place->count &&
           memcmp(config->voters, place->ids, place->count * sizeof(place->ids[0])) == 0;
}

/* Who was given a list of members of whom none is left hears of no table: its operator writes a new list first. */
static bool knows_nobody_left(struct world *world, node_id id)
{
    const struct seat *seat = &world->seats[id];
    const struct members *own = seat->node == NULL ? NULL : node_members(seat->node);
    const struct members *table = newest_table(world);
    if (own == NULL || own->revision > 0 || table == NULL || table->revision == 0)
        return false;
    for (uint32_t i = 0; i < own->rows_count; i++) {
        const struct members_row *row = members_find(table, own->rows[i].id);
        if (own->rows[i].id != id && row != NULL && members_is_live(row))
            return false;
    }
    return true;
}

/* ---- commands ------------------------------------------------------------------------------------------- */
/* member N add|remove|promote|drain|undrain id=4 [replaces=3] [learner=1] [zone=a] [as=]
 * member N plan | cancel: places slots anew; takes the order back that runs */
enum step world_member(struct world *world, const struct words *words)
{
    static const char *const names[] = {"add",    "promote", "drain", "undrain",
                                        "remove", "plan",    "cancel"};
    uint64_t at;
    if (words->words_count < 3 || !number_parse(words->word[1], &at) ||
        world_seat(world, at) == NULL || !world->has_members)
        return STEP_UNKNOWN;
    struct seat *seat = world_seat(world, at);
    if (!seat_is_live(seat))
        return STEP_NOTHING;
    struct node_member_change change = {.what = NODE_MEMBER_WHATS,
                                        .id = words_number(words, "id", 1),
                                        .replaces = words_number(words, "replaces", 0),
                                        .learner = words_number(words, "learner", 0) != 0};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(names[i], words->word[2]) == 0)
            change.what = (enum node_member_what)i;
    }
    if (change.what == NODE_MEMBER_WHATS || world_seat(world, change.id) == NULL)
        return STEP_UNKNOWN;
    /* That a disk is lost shows after a while: who shrinks a slot to two just then has two faults. */
    bool takes_away = change.what == NODE_MEMBER_REMOVE || change.what == NODE_MEMBER_CANCEL ||
                      change.replaces != 0;
    const struct members *table = newest_table(world);
    if (change.what == NODE_MEMBER_CANCEL && table != NULL)
        change.revision = table->order.revision;
    if (takes_away && world->wiped_us != 0 && world->now_us - world->wiped_us < APART_US)
        return STEP_NOTHING;
    if (change.what == NODE_MEMBER_ADD && knows_nobody_left(world, change.id))
        return STEP_NOTHING;
    world->changed_us = world->now_us;
    if (change.what == NODE_MEMBER_ADD)
        snprintf(change.address, sizeof(change.address), "node%llu:1", LLU(change.id));
    const char *zone = words_option(words, "zone");
    snprintf(change.zone, sizeof(change.zone), "%s", zone == NULL ? "" : zone);
    enum step step = clients_member(world->clients, seat, &change, words);
    seat_turn(seat);
    return step;
}

/* More than half of each slot's voters, old and new ones, keep their disks without it. */
bool world_may_lose_disk(struct world *world, node_id id)
{
    for (node_id other = 1; other <= world->nodes;
         other++) { /* who forgot is no good copy either */
        bool is_sound = !world->seats[other].is_damaged;
        for (slot_id slot = 0; slot < world->slots; slot++)
            is_sound &= !world->seats[other].slots[slot].amnesia;
        if (other != id && !is_sound)
            return false;
    }
    for (slot_id slot = 0; slot < world->slots; slot++) {
        struct raft_status status;
        node_id leader = world_leader(world, slot);
        if (leader == 0)
            return false;
        node_group_status(world->seats[leader].node, slot, &status);
        const struct raft_config *config = &status.config;
        uint32_t sound = 0, sound_old = 0;
        for (uint8_t i = 0; i < config->voters_count; i++)
            sound += config->voters[i] != id && !world_has_lost_disk(world, config->voters[i]);
        for (uint8_t i = 0; i < config->voters_old_count; i++)
            sound_old +=
                config->voters_old[i] != id && !world_has_lost_disk(world, config->voters_old[i]);
        const struct members *table = newest_table(world); /* what it shall become, too */
        const struct members_place *place =
            slot < table->places_count ? &table->places[slot] : NULL;
        uint32_t sound_next = 0;
        for (uint8_t i = 0; place != NULL && i < place->count; i++)
            sound_next += place->ids[i] != id && !world_has_lost_disk(world, place->ids[i]);
        if (place == NULL || sound_next <= place->count / 2u)
            return false;
        if (status.config_pending || sound <= config->voters_count / 2u ||
            (config->voters_old_count > 0 && sound_old <= config->voters_old_count / 2u))
            return false;
    }
    return true;
}

bool world_was_just_changed(const struct world *world)
{
    return world->changed_us != 0 && world->now_us - world->changed_us < APART_US;
}

/* wipe N [force=1]: N, which is down, gets an empty disk; not one too many, unless forced. */
enum step world_wipe(struct world *world, const struct words *words)
{
    uint64_t id;
    if (words->words_count < 2 || !number_parse(words->word[1], &id) ||
        world_seat(world, id) == NULL || !world->has_members)
        return STEP_UNKNOWN;
    struct seat *seat = world_seat(world, id);
    const struct members *table = newest_table(world);
    if (seat->node != NULL || world->is_on_rocks || seat->boots == 0 || table == NULL ||
        table->revision == 0 ||
        (words_number(words, "force", 0) == 0 &&
         (!world_may_lose_disk(world, id) || world_was_just_changed(world))))
        return STEP_NOTHING;
    world->wiped_us = world->now_us;
    memdisk_free(seat->disk);
    seat->disk = memdisk_new();
    memset(seat->slots, 0, sizeof(seat->slots));
    memset(seat->known, 0, sizeof(seat->known));
    memset(seat->known_boots, 0, sizeof(seat->known_boots));
    seat_free_damage(seat);
    seat->is_damaged = seat->is_rolled_back = false;
    seat->incarnation = 1;                         /* none that was ever drawn, until it starts */
    for (node_id to = 1; to <= world->nodes; to++) /* it takes what it had sent with it */
        world_drop_link(world, id, to);
    return STEP_OK;
}

/* ---- expectations ------------------------------------------------------------------------------------------ */
static const char *state_name(const struct members *table, node_id id)
{
    static const char *const names[] = {"none", "active", "draining", "leaving", "removed"};
    const struct members_row *row = members_find(table, id);
    return row == NULL ? names[0] : row->learner ? "learner" : names[row->state];
}

static enum step expect_voters(struct world *world, const struct words *words)
{
    uint64_t slot, ids[WORLD_NODES_MAX];
    size_t count;
    if (words->words_count < 4 || !number_parse(words->word[2], &slot) || slot >= world->slots ||
        !ids_parse(words->word[3], ids, WORLD_NODES_MAX, &count))
        return STEP_UNKNOWN;
    node_id leader = world_leader(world, (slot_id)slot);
    if (leader == 0)
        return world_no(world, "nobody leads slot %llu", LLU(slot));
    struct raft_status status;
    node_group_status(world->seats[leader].node, (slot_id)slot, &status);
    bool fits = status.config.voters_count == count && status.config.voters_old_count == 0 &&
                status.config.learners_count == words_number(words, "learners", 0);
    for (size_t i = 0; fits && i < count; i++)
        fits = status.config.voters[i] == ids[i];
    return fits ? STEP_OK
                : world_no(world, "slot %llu has %u voters (first %llu), %u old, %u learners",
                           LLU(slot), status.config.voters_count, LLU(status.config.voters[0]),
                           status.config.voters_old_count, status.config.learners_count);
}

/* expect member N active|draining|leaving|removed|none|learner, expect voters SLOT 1,2,3
 * [learners=], expect holds N SLOT [no], expect left N SLOT [no], expect fenced N [no], expect settled */
enum step world_expect_member(struct world *world, const struct words *words, bool *ret_known)
{
    const char *what = words->word[1];
    uint64_t id = 0;
    const struct members *table = world->has_members ? newest_table(world) : NULL;
    *ret_known = true;
    if (table != NULL && strcmp(what, "voters") == 0)
        return expect_voters(world, words);
    if (table != NULL && strcmp(what, "settled") == 0) {
        for (slot_id slot = 0; slot < world->slots; slot++) {
            struct raft_status status;
            node_id leader = world_leader(world, slot);
            if (leader == 0)
                return world_no(world, "nobody leads slot %u", slot);
            node_group_status(world->seats[leader].node, slot, &status);
            if (!world_is_settled(world, slot, &status))
                return world_no(world, "slot %u is not as the table wants it", slot);
        }
        return STEP_OK;
    }
    bool has_id = words->words_count > 2 && number_parse(words->word[2], &id) &&
                  world_seat(world, id) != NULL;
    if (table != NULL && has_id && words->words_count > 3 && strcmp(what, "member") == 0) {
        const char *name = state_name(table, id);
        return strcmp(name, words->word[3]) == 0
                   ? STEP_OK
                   : world_no(world, "node %llu is %s", LLU(id), name);
    }
    const struct seat *seat = has_id ? world_seat(world, id) : NULL;
    if (seat != NULL && seat->node != NULL && strcmp(what, "fenced") == 0) {
        struct node_cluster cluster;
        node_get_cluster(seat->node, &cluster);
        bool want = words->words_count < 4 || strcmp(words->word[3], "no") != 0;
        return cluster.removed == want ? STEP_OK : world_no(world, "fenced is %d", cluster.removed);
    }
    uint64_t slot;
    bool is_left = strcmp(what, "left") == 0;
    if (seat != NULL && seat->node != NULL && words->words_count > 3 &&
        (is_left || strcmp(what, "holds") == 0) && number_parse(words->word[3], &slot) &&
        slot < world->slots) {
        struct node_slot view;
        bool want = words->words_count < 5 || strcmp(words->word[4], "no") != 0;
        bool is_there = node_get_slot(seat->node, (slot_id)slot, &view);
        return is_there && (is_left ? view.left : view.holds) == want
                   ? STEP_OK
                   : world_no(world, "holds is %d, left %d", view.holds, view.left);
    }
    *ret_known = false;
    return STEP_UNKNOWN;
}
