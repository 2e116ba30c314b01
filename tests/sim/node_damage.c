/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to disks while nobody looks: bits of one row flip, a row vanishes, an old copy of the
 * disk comes back. One good copy of what is committed stays: one node at a time is damaged, and no
 * other has forgotten anything then. A damaged node may say so, or stop; it may never show a wrong row
 * (I14), and a check that reads all rows finds it (I31). */
#include <string.h>

#include "base/alloc.h"
#include "node/node.h"
#include "node_expect.h"
#include "node_world.h"
#include "store/memory.h"

/* A row as damage left it. */
struct damage {
    enum store_family family;
    struct buf key, value; /* owned */
    uint64_t bit;
};

/* What was put aside of a disk, and whom its node had met by then. */
struct disk_copy {
    struct memdisk *disk; /* owned */
    uint64_t known[WORLD_NODES_MAX + 1], known_boots[WORLD_NODES_MAX + 1],
        known_starts[WORLD_NODES_MAX + 1];
    uint64_t boots; /* of the disk's node when it was copied */
};

static bool family_of_name(const char *name, enum store_family *ret)
{
    for (int i = 0; i < STORE_FAMILIES; i++) {
        *ret = (enum store_family)i;
        if (strcmp(engine_family_names[i], name) == 0)
            return true;
    }
    return false;
}

/* ---- flips ------------------------------------------------------------------------------------------ */
void seat_free_damage(struct seat *seat)
{
    if (seat->damage != NULL) {
        buf_done(&seat->damage->key);
        buf_done(&seat->damage->value);
    }
    free(seat->damage);
    seat->damage = NULL;
}

/* Of the rows that can be read the n-th, counted around; NULL: there is none. */
static struct memtable_node *row_of(const struct memdisk *disk, enum store_family family,
                                    uint64_t n)
{
    uint64_t count = memdisk_rows((struct memdisk *)disk, family);
    if (count == 0)
        return NULL;
    n %= count;
    struct memtable_node *node = disk->tables[family].head[0];
    for (; node != NULL; node = node->next[0]) {
        if (memtable_visible(node, disk->seq) != NULL && n-- == 0)
            return node;
    }
    return NULL;
}

static void flip(struct version *version, uint64_t bit)
{
    version->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

/* The flip is undone, unless the row was written again since: a disk that was read wrongly is
 * replaced. Rows that were found bad may be gone by then. */
void seat_mend(struct seat *seat)
{
    const struct damage *damage = seat->damage;
    if (damage != NULL) {
        struct bytes key = buf_bytes(&damage->key);
        struct memtable_node *node = memtable_find(&seat->disk->tables[damage->family], key);
        struct version *version =
            node != NULL && bytes_is_equal(memtable_key(node), key) ? node->newest : NULL;
        if (version != NULL && !version->is_delete &&
            bytes_is_equal(bytes_of(version->data, version->len), buf_bytes(&damage->value)))
            flip(version, damage->bit);
    }
    seat_free_damage(seat);
    seat->is_damaged = false;
}

bool seat_is_damaged_in_slot(const struct seat *seat)
{
    return seat->damage != NULL && seat->damage->family > STORE_RAFT;
}

/* All others hold what they ever held. */
static bool others_are_sound(struct world *world, node_id id)
{
    for (node_id other = 1; other <= world->nodes; other++) {
        const struct seat *seat = &world->seats[other];
        if (other == id)
            continue;
        if (seat->is_damaged || world_has_lost_disk(world, other))
            return false;
        for (slot_id slot = 0; slot < world->slots; slot++) {
            if (seat->slots[slot].amnesia || seat->slots[slot].installing)
                return false;
        }
    }
    return true;
}

static bool may_damage(struct world *world, const struct seat *seat)
{
    if (!world->has_catchup)
        return false; /* a suspect log is mended by an install alone */
    /* A node that forgot its votes is as good as lost until then: none too many of a slot that shrinks. */
    if (world->has_members &&
        (!world_may_lose_disk(world, seat->id) || world_was_just_changed(world)))
        return false;
    return seat->node == NULL && !world->is_on_rocks && seat->disk->has_database &&
           !seat->is_damaged && world->nodes > 2 && others_are_sound(world, seat->id);
}

/* damage N messages|raft|.. row=K bit=B [force=1]: of N, which is down. force=1: also the only good copy. */
enum step world_damage(struct world *world, const struct words *words)
{
    uint64_t id;
    enum store_family family;
    if (words->words_count < 3 || !number_parse(words->word[1], &id) ||
        world_seat(world, id) == NULL || !family_of_name(words->word[2], &family))
        return STEP_UNKNOWN;
    struct seat *seat = world_seat(world, id);
    bool is_forced = words_number(words, "force", 0) != 0 && seat->node == NULL &&
                     !world->is_on_rocks && seat->disk->has_database && !seat->is_damaged;
    if (!is_forced && !may_damage(world, seat))
        return STEP_NOTHING;
    struct memtable_node *node = row_of(seat->disk, family, words_number(words, "row", 0));
    if (node == NULL || node->newest->len == 0)
        return STEP_NOTHING;
    struct damage *damage = alloc_zero(sizeof(*damage));
    damage->family = family;
    damage->bit = words_number(words, "bit", 0) % (node->newest->len * 8ull);
    flip(node->newest, damage->bit);
    buf_append_bytes(&damage->key, memtable_key(node));
    buf_append(&damage->value, node->newest->data, node->newest->len);
    seat->damage = damage;
    seat->is_damaged = seat->was_damaged = true;
    if (family == STORE_RAFT)
        world->wiped_us = world->now_us;
    return STEP_OK;
}

/* lose-row N c SEQ: the row of a message is gone from N, which is down, and no checksum tells. Until it is
 * found N may show a hole as damage, and the end of a channel not at all: for scenarios, never drawn. */
enum step world_lose_row(struct world *world, const struct words *words)
{
    uint64_t id, seq;
    if (words->words_count < 4 || !number_parse(words->word[1], &id) ||
        world_seat(world, id) == NULL || !number_parse(words->word[3], &seq))
        return STEP_UNKNOWN;
    struct seat *seat = world_seat(world, id);
    if (!may_damage(world, seat) || seat_open_store(seat, true, NULL) != OK)
        return STEP_NOTHING;
    struct channel channel = {2, bytes_of_string(words->word[2])};
    slot_id slot = channel_slot(channel, world->slots);
    struct store_batch *batch = store_batch_new(seat->store);
    store_remove_messages(batch, slot, channel, seq, seq);
    enum err err = store_write(seat->store, batch, true, NULL);
    store_batch_free(batch);
    store_close(seat->store);
    seat->store = NULL;
    seat->is_damaged = seat->was_damaged = true;
    return err == OK ? STEP_OK : STEP_NOTHING;
}

/* check N: an operator has N check all slots. */
enum step world_check(struct world *world, const struct words *words)
{
    uint64_t id;
    char job[NODE_JOB_ID_BYTES];
    struct why why = {0};
    if (words->words_count < 2 || !number_parse(words->word[1], &id) ||
        world_seat(world, id) == NULL)
        return STEP_UNKNOWN;
    struct seat *seat = world_seat(world, id);
    if (!seat_is_live(seat) || !world->has_catchup) /* it is read beside the loop */
        return STEP_NOTHING;
    enum err err = node_start_check(seat->node, -1, job, &why);
    if (err != OK)
        world_note(world, "node %llu does not check: %s", LLU(id), why.text);
    seat_turn(seat);
    return STEP_OK;
}

/* I32: who was never damaged is never found to be. */
void check_unharmed(struct world *world)
{
    for (node_id id = 1; id <= world->nodes; id++) {
        struct seat *seat = &world->seats[id];
        struct node_slot view;
        for (slot_id slot = 0; seat_is_live(seat) && slot < world->slots; slot++) {
            if (!seat->was_damaged && node_get_slot(seat->node, slot, &view) && view.diverged)
                world_fail(world, "I32: node %llu is said to differ in slot %u", LLU(id), slot);
        }
    }
}

/* ---- old copies --------------------------------------------------------------------------------------- */
void seat_free_copy(struct seat *seat)
{
    if (seat->copy != NULL)
        memdisk_free(seat->copy->disk);
    free(seat->copy);
    seat->copy = NULL;
}

/* keep-disk N: a copy of N's folder is put aside, in place of an earlier one. */
enum step world_keep_disk(struct world *world, const struct words *words)
{
    uint64_t id;
    if (words->words_count < 2 || !number_parse(words->word[1], &id) ||
        world_seat(world, id) == NULL)
        return STEP_UNKNOWN;
    struct seat *seat = world_seat(world, id);
    if (world->is_on_rocks || !seat->disk->has_database || seat->is_damaged || seat->fatal != OK)
        return STEP_NOTHING;
    seat_free_copy(seat);
    seat->copy = alloc_zero(sizeof(*seat->copy));
    seat->copy->disk = memdisk_clone(seat->disk);
    seat->copy->boots = seat->boots;
    memcpy(seat->copy->known, seat->known, sizeof(seat->known));
    memcpy(seat->copy->known_boots, seat->known_boots, sizeof(seat->known_boots));
    memcpy(seat->copy->known_starts, seat->known_starts, sizeof(seat->known_starts));
    return STEP_OK;
}

/* Everybody met its last start, and that was after the copy: each of them will know. */
static bool all_would_know(struct world *world, const struct seat *seat)
{
    for (node_id other = 1; other <= world->nodes; other++) {
        const struct seat *peer = &world->seats[other];
        if (other != seat->id && peer->boots > 0 &&
            (peer->known[seat->id] != seat->incarnation ||
             peer->known_boots[seat->id] != seat->disk_boot))
            return false;
    }
    return seat->copy->boots < seat->boots;
}

static void put_back(struct seat *seat)
{
    memdisk_free(seat->disk);
    seat->disk = seat->copy->disk;
    seat->copy->disk = NULL;
    memcpy(seat->known, seat->copy->known, sizeof(seat->known));
    memcpy(seat->known_boots, seat->copy->known_boots, sizeof(seat->known_boots));
    memcpy(seat->known_starts, seat->copy->known_starts, sizeof(seat->known_starts));
    seat_free_copy(seat);
}

/* roll-back N [force=1]: N, which is down, gets the copy in place of its disk. Its peers must refuse
 * it for ever: it is as lost as if it were empty. force=1: whoever would know. */
enum step world_roll_back(struct world *world, const struct words *words)
{
    uint64_t id;
    if (words->words_count < 2 || !number_parse(words->word[1], &id) ||
        world_seat(world, id) == NULL || !world->has_members)
        return STEP_UNKNOWN;
    struct seat *seat = world_seat(world, id);
    if (seat->node != NULL || seat->copy == NULL || seat->is_damaged ||
        !all_would_know(world, seat) ||
        (words_number(words, "force", 0) == 0 &&
         (!world_may_lose_disk(world, id) || world_was_just_changed(world))))
        return STEP_NOTHING;
    world->wiped_us = world->now_us;
    put_back(seat);
    memset(seat->slots, 0, sizeof(seat->slots));
    seat->is_rolled_back = true;
    for (node_id to = 1; to <= world->nodes; to++)
        world_drop_link(world, id, to);
    return STEP_OK;
}
