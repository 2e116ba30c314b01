/* SPDX-License-Identifier: Apache-2.0 */
/* edit-rows: changes single rows in the data folder of a node that does not run, for tests that plant
 * damage. Never installed: what it does is what a bug or a rotten disk would do.
 *
 *   edit-rows DIR payload SLOT messages TYPE CHANNEL SEQ              one byte of the payload is another one
 *   edit-rows DIR rot     SLOT FAMILY TYPE CHANNEL NUMBER             one bit of the value; its CRC is not renewed
 *   edit-rows DIR remove  SLOT FAMILY TYPE CHANNEL NUMBER             the row is gone (messages, deleted)
 *   edit-rows DIR copy    SLOT FAMILY TYPE CHANNEL NUMBER TO_CHANNEL TO_NUMBER   once more, under another key
 *   edit-rows DIR lose    SLOT messages TYPE CHANNEL SEQ              the row is gone, and the digest says so
 *   edit-rows DIR swap    SLOT deleted TYPE CHANNEL START CHANNEL SEQ   instead of START, SEQ was deleted: a set
 *                                                                     of the same shape, and the digest says so
 *
 * FAMILY: messages, channels, deleted, delete_log, dedup. NUMBER: seq, 0, start, log index, generation; "-"
 * takes the first row of the channel. What payload and copy write has a good CRC, so that only a digest
 * made anew from the rows can find it. Digest, totals and applied index stay as they are, but for lose and
 * swap: those are what a replica would hold that once applied another command than the others. Exits with 0 when
 * the row was written with sync, with 1 and a sentence when nothing was changed. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/raw.h"

struct edit {
    struct store *store;
    struct store_batch *batch;
    enum store_family family;
    uint32_t slot;
    struct channel channel;
    bool any_number;
    uint64_t number;
    struct buf key, value, extra; /* of the row that was found */
    struct store_row row;         /* its slices point into them */
    const char *to_channel;       /* copy */
    uint64_t to_number;
};

static enum store_family family_of(const char *name)
{
    static const char *const names[STORE_FAMILIES] = {
        [STORE_MESSAGES] = "messages", [STORE_CHANNELS] = "channels",
        [STORE_DELETED] = "deleted",   [STORE_DELETE_LOG] = "delete_log",
        [STORE_DEDUP] = "dedup",
    };
    for (int i = 0; i < STORE_FAMILIES; i++) {
        if (names[i] != NULL && strcmp(names[i], name) == 0) {
            return (enum store_family)i;
        }
    }
    return STORE_FAMILIES;
}

/* Whose folder it is says the folder itself. */
static enum err open_store(const char *dir, struct store **ret, struct why *why)
{
    struct store_options options;
    store_options_init(&options);
    options.dir = dir;
    options.read_only = true;
    enum err err = store_open(&options, ret, why);
    if (err != OK) {
        return err;
    }
    struct store_identity identity = *store_identity(*ret);
    store_close(*ret);
    options.read_only = false;
    options.cluster_id = identity.cluster_id;
    options.node_id = identity.node_id;
    options.slot_count = identity.slot_count;
    return store_open(&options, ret, why);
}

static bool is_meant(const struct edit *edit, const struct store_row *row)
{
    return row->channel.type == edit->channel.type &&
           bytes_is_equal(row->channel.id, edit->channel.id) &&
           (edit->any_number || edit->family == STORE_CHANNELS || row->number == edit->number);
}

static enum err find_row(struct edit *edit, struct why *why)
{
    struct store_raw_range range = {.family = edit->family, .slot = edit->slot};
    struct store_raw *raw = store_raw_open(edit->store, NULL, &range);
    enum err found = ERR_NOT_FOUND;
    while (found == ERR_NOT_FOUND && store_raw_next(raw)) {
        buf_clear(&edit->key);
        buf_clear(&edit->value);
        buf_append_bytes(&edit->key, store_raw_key(raw));
        buf_append_bytes(&edit->value, store_raw_value(raw));
        enum err err = store_row_decode(edit->family, buf_bytes(&edit->key),
                                        buf_bytes(&edit->value), &edit->extra, &edit->row);
        found = err != OK ? err : is_meant(edit, &edit->row) ? OK : ERR_NOT_FOUND;
    }
    enum err err = store_raw_done(raw);
    err = err == OK ? found : err;
    return err == OK ? OK : why_set(why, err, "no such row can be read: %s", err_sentence(err));
}

static void put_row(struct edit *edit)
{
    if (edit->family == STORE_DELETE_LOG) { /* with its index by channel */
        edit->row.record.channel = edit->row.channel;
        edit->row.record.log_index = edit->row.number;
        store_put_delete_record(edit->batch, edit->slot, &edit->row.record);
        return;
    }
    struct buf key = BUF_INIT, value = BUF_INIT;
    store_row_encode(&edit->row, &key, &value);
    store_batch_put_raw(edit->batch, edit->family, buf_bytes(&key), buf_bytes(&value));
    buf_done(&key);
    buf_done(&value);
}

static enum err change_payload(struct edit *edit, struct why *why)
{
    struct row_message *message = &edit->row.message;
    if (edit->family != STORE_MESSAGES || message->payload.len == 0) {
        return why_set(why, ERR_BAD_PARAMETER, "only a message with a payload has one to change");
    }
    struct buf other = BUF_INIT;
    buf_append_bytes(&other, message->payload);
    other.data[other.len - 1] = other.data[other.len - 1] == '0' ? '1' : '0';
    message->payload = buf_bytes(&other);
    put_row(edit);
    buf_done(&other);
    return OK;
}

static enum err rot(struct edit *edit, struct why *why)
{
    (void)why;
    edit->value.data[edit->value.len / 2] ^= 0x10;
    store_batch_put_raw(edit->batch, edit->family, buf_bytes(&edit->key), buf_bytes(&edit->value));
    return OK;
}

static enum err remove_row(struct edit *edit, struct why *why)
{
    if (edit->family == STORE_MESSAGES) {
        store_remove_messages(edit->batch, edit->slot, edit->channel, edit->row.number,
                              edit->row.number);
    } else if (edit->family == STORE_DELETED) {
        store_remove_deleted(edit->batch, edit->slot, edit->channel, edit->row.deleted.start);
    } else {
        return why_set(why, ERR_BAD_PARAMETER, "rows of messages and deleted can be removed");
    }
    return OK;
}

static enum err copy_row(struct edit *edit, struct why *why)
{
    if (edit->to_channel == NULL) {
        return why_set(why, ERR_BAD_PARAMETER, "copy needs TO_CHANNEL and TO_NUMBER");
    }
    edit->row.channel.id = bytes_of_string(edit->to_channel);
    edit->row.number = edit->to_number;
    if (edit->family == STORE_DELETED) {
        uint64_t len = edit->row.deleted.end - edit->row.deleted.start;
        edit->row.deleted.start = edit->to_number;
        edit->row.deleted.end = edit->to_number + len;
    }
    put_row(edit);
    return OK;
}

/* The slot's digest as if apply had left `less` out and taken `more` in. */
static enum err move_digest(struct edit *edit, struct hash128 less, struct hash128 more,
                            struct why *why)
{
    struct row_applied applied;
    enum err err = store_get_applied(edit->store, NULL, edit->slot, &applied);
    if (err != OK) {
        return why_set(why, err, "cannot read the digest of slot %u", edit->slot);
    }
    applied.digest = hash128_add(hash128_sub(applied.digest, less), more);
    store_put_applied(edit->batch, edit->slot, &applied);
    return OK;
}

static enum err lose_message(struct edit *edit, struct why *why)
{
    if (edit->family != STORE_MESSAGES) {
        return why_set(why, ERR_BAD_PARAMETER, "only messages can be lost");
    }
    struct hash128 hash =
        row_message_hash(edit->slot, edit->channel, edit->row.number, &edit->row.message);
    store_remove_messages(edit->batch, edit->slot, edit->channel, edit->row.number,
                          edit->row.number);
    return move_digest(edit, hash, (struct hash128){0}, why);
}

/* The message TO_NUMBER takes the place of START, which takes its fence: totals of both are of the rows
 * around them, which is near enough, as the digests differ anyway. */
static enum err swap_deleted(struct edit *edit, struct why *why)
{
    struct row_deleted from = edit->row.deleted, to = from;
    struct store_value value;
    struct row_message message;
    store_value_init(&value);
    enum err err = ERR_BAD_PARAMETER;
    if (edit->family == STORE_DELETED && from.start == from.end && edit->to_number > 1) {
        err = store_get_message(edit->store, NULL, edit->slot, edit->channel, edit->to_number,
                                &value, &message);
    }
    if (err != OK) {
        store_value_done(&value);
        return why_set(why, err, "swap wants an interval of one seq and a message: %s",
                       err_sentence(err));
    }
    to.start = to.end = edit->to_number;
    to.at_end = message.totals;
    struct hash128 less =
        hash128_add(row_deleted_hash(edit->slot, edit->channel, &from),
                    row_message_hash(edit->slot, edit->channel, edit->to_number, &message));
    struct hash128 more =
        hash128_add(row_deleted_hash(edit->slot, edit->channel, &to),
                    row_message_hash(edit->slot, edit->channel, from.start, &message));
    store_remove_deleted(edit->batch, edit->slot, edit->channel, from.start);
    store_remove_messages(edit->batch, edit->slot, edit->channel, to.start, to.start);
    store_put_deleted(edit->batch, edit->slot, edit->channel, &to);
    store_put_message(edit->batch, edit->slot, edit->channel, from.start, &message);
    store_value_done(&value);
    return move_digest(edit, less, more, why);
}

static enum err run(struct edit *edit, const char *what, struct why *why)
{
    static const struct {
        const char *name;
        enum err (*edit)(struct edit *edit, struct why *why);
    } edits[] = {{"payload", change_payload}, {"rot", rot},           {"remove", remove_row},
                 {"copy", copy_row},          {"lose", lose_message}, {"swap", swap_deleted}};
    enum err err = find_row(edit, why);
    if (err != OK) {
        return err;
    }
    edit->batch = store_batch_new(edit->store);
    err = ERR_BAD_PARAMETER;
    size_t i = 0;
    while (i < sizeof(edits) / sizeof(edits[0]) && strcmp(edits[i].name, what) != 0) {
        i++;
    }
    if (i < sizeof(edits) / sizeof(edits[0])) {
        err = edits[i].edit(edit, why);
    } else {
        (void)why_set(why, err, "'%s' is no edit: payload, rot, remove, copy, lose, swap", what);
    }
    if (err == OK) {
        err = store_write(edit->store, edit->batch, true, why);
    }
    store_batch_free(edit->batch);
    return err;
}

int main(int argc, char **argv)
{
    if ((argc != 8 && argc != 10) || family_of(argv[4]) == STORE_FAMILIES) {
        fprintf(stderr,
                "usage: edit-rows DIR payload|rot|remove|copy|lose|swap SLOT FAMILY TYPE CHANNEL "
                "NUMBER|- [TO_CHANNEL TO_NUMBER]\n");
        return 1;
    }
    struct edit edit = {
        .family = family_of(argv[4]),
        .slot = (uint32_t)strtoul(argv[3], NULL, 10),
        .channel = {(uint8_t)strtoul(argv[5], NULL, 10), bytes_of_string(argv[6])},
        .any_number = strcmp(argv[7], "-") == 0,
        .number = strtoull(argv[7], NULL, 10),
        .to_channel = argc == 10 ? argv[8] : NULL,
        .to_number = argc == 10 ? strtoull(argv[9], NULL, 10) : 0,
    };
    struct why why = {0};
    enum err err = open_store(argv[1], &edit.store, &why);
    if (err == OK) {
        err = run(&edit, argv[2], &why);
        store_close(edit.store);
    }
    if (err != OK) {
        fprintf(stderr, "edit-rows: %s: %s\n", err_slug(err), why.text);
    }
    buf_done(&edit.key);
    buf_done(&edit.value);
    buf_done(&edit.extra);
    return err == OK ? 0 : 1;
}
