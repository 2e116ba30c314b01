/* SPDX-License-Identifier: Apache-2.0 */
/* lethed dump: what a stopped store holds, as JSON lines, without changing a byte of it.
 *
 *   {"identity":{...}}                      whose it is
 *   {"row":"message"|"channel"|"deleted"|"delete"|"dedup", "slot":n, ...}   with --rows
 *   {"slot":n,"applied_index":..,"digest":"..","recomputed":"..","fits":true,...}   each slot in use
 *   {"slots":n,"fits":true}                 the end, so that a cut output shows
 *
 * Two replicas at equal applied indexes give equal rows and digests: tests compare these lines.
 * Ends with 1 when a stored digest is not the one recomputed from the rows. */
#include "base/hash.h"
#include "lethed.h"
#include "msg/msg.h"
#include "store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct dump {
    struct store *store; /* owned */
    struct msg *msg;     /* owned */
    struct buf line;
    uint64_t slots_used;
    bool has_misfit;
};

/* ---- writing ----------------------------------------------------------------------------------- */

static enum err write_line(struct dump *dump, struct why *why)
{
    buf_append_string(&dump->line, "\n");
    bool is_written = fwrite(dump->line.data, 1, dump->line.len, stdout) == dump->line.len;
    buf_clear(&dump->line);
    return is_written ? OK : why_set(why, ERR_IO, "cannot write to standard output");
}

/* Bytes as a JSON string: text as it is, everything that is not plain ASCII as \u00XX of its bytes,
 * so that any payload can be compared. */
static void put_bytes(struct buf *line, const char *key, struct bytes bytes)
{
    buf_printf(line, ",\"%s\":\"", key);
    for (size_t i = 0; i < bytes.len; i++) {
        uint8_t c = bytes.data[i];
        if (c < 0x20 || c > 0x7e || c == '"' || c == '\\')
            buf_printf(line, "\\u%04x", c);
        else
            buf_put_u8(line, c);
    }
    buf_append_string(line, "\"");
}

static void put_u64(struct buf *line, const char *key, uint64_t value)
{
    buf_printf(line, ",\"%s\":%" PRIu64, key, value);
}

static void put_hash(struct buf *line, const char *key, struct hash128 hash)
{
    char text[HASH128_HEX_SIZE];
    hash128_hex(hash, text);
    buf_printf(line, ",\"%s\":\"%s\"", key, text);
}

static void put_totals(struct buf *line, const char *bytes_key, const char *digest_key,
                       const struct totals *totals)
{
    put_u64(line, bytes_key, totals->bytes);
    put_hash(line, digest_key, totals->digest);
}

static void begin_row(struct buf *line, const char *kind, uint32_t slot)
{
    buf_printf(line, "{\"row\":\"%s\",\"slot\":%u", kind, slot);
}

static void put_channel(struct buf *line, struct channel channel)
{
    put_u64(line, "channel_type", channel.type);
    put_bytes(line, "channel_id", channel.id);
}

/* ---- rows: one function a kind, each walks a slot ----------------------------------------------- */

static enum err dump_messages(struct dump *dump, uint32_t slot, struct why *why)
{
    struct store_iter *iter = store_iter_slot_messages(dump->store, NULL, slot);
    struct buf *line = &dump->line;
    enum err err = OK;
    while (err == OK && store_iter_next(iter)) {
        const struct row_message *row = store_iter_message(iter);
        begin_row(line, "message", slot);
        put_channel(line, store_iter_channel(iter));
        put_u64(line, "seq", store_iter_seq(iter));
        buf_printf(line, ",\"message_id\":\"%" PRIu64 "\"", row->message_id);
        put_u64(line, "timestamp", row->timestamp_ms);
        put_bytes(line, "from_uid", row->from_uid);
        put_bytes(line, "client_msg_no", row->client_msg_no);
        put_u64(line, "encoding", row->payload_encoding);
        put_bytes(line, "payload", row->payload);
        put_bytes(line, "topic", row->topic);
        buf_printf(line, ",\"header\":[%u,%u,%u]", row->header[0], row->header[1], row->header[2]);
        put_u64(line, "setting", row->setting);
        put_u64(line, "expire", row->expire_s);
        put_bytes(line, "salt", bytes_of(row->salt, sizeof(row->salt)));
        put_totals(line, "total_bytes", "total_digest", &row->totals);
        buf_append_string(line, "}");
        err = write_line(dump, why);
    }
    enum err done = store_iter_done(iter);
    return err != OK ? err : done;
}

static enum err dump_channels(struct dump *dump, uint32_t slot, struct why *why)
{
    const struct channel first = {0, BYTES_NONE};
    struct store_iter *iter = store_iter_channels(dump->store, NULL, slot, -1, BYTES_NONE, first);
    struct buf *line = &dump->line;
    enum err err = OK;
    while (err == OK && store_iter_next(iter)) {
        const struct row_channel *row = store_iter_channel_row(iter);
        begin_row(line, "channel", slot);
        put_channel(line, store_iter_channel(iter));
        put_u64(line, "log_index", row->log_index);
        put_u64(line, "created", row->created_ms);
        put_u64(line, "last_seq", row->last_seq);
        put_u64(line, "last_timestamp", row->last_timestamp_ms);
        put_totals(line, "total_bytes", "total_digest", &row->totals_at_last);
        put_u64(line, "deleted_count", row->deleted_count);
        put_u64(line, "deleted_bytes", row->deleted_bytes);
        put_u64(line, "delete_version", row->delete_version);
        put_bytes(line, "retention", row->retention);
        buf_append_string(line, "}");
        err = write_line(dump, why);
    }
    enum err done = store_iter_done(iter);
    return err != OK ? err : done;
}

static enum err dump_deleted(struct dump *dump, uint32_t slot, struct why *why)
{
    struct store_iter *iter = store_iter_slot_deleted(dump->store, NULL, slot);
    struct buf *line = &dump->line;
    enum err err = OK;
    while (err == OK && store_iter_next(iter)) {
        const struct row_deleted *row = store_iter_deleted_row(iter);
        begin_row(line, "deleted", slot);
        put_channel(line, store_iter_channel(iter));
        put_u64(line, "start", row->start);
        put_u64(line, "end", row->end);
        put_totals(line, "bytes_before", "digest_before", &row->before_start);
        put_totals(line, "bytes_at_end", "digest_at_end", &row->at_end);
        buf_append_string(line, "}");
        err = write_line(dump, why);
    }
    enum err done = store_iter_done(iter);
    return err != OK ? err : done;
}

static enum err dump_delete_log(struct dump *dump, uint32_t slot, struct why *why)
{
    struct store_iter *iter = store_iter_delete_log(dump->store, NULL, slot, NULL, 0, UINT64_MAX);
    struct buf *line = &dump->line;
    enum err err = OK;
    while (err == OK && store_iter_next(iter)) {
        const struct row_delete_record *row = store_iter_delete_record(iter);
        begin_row(line, "delete", slot);
        put_channel(line, row->channel);
        put_u64(line, "log_index", row->log_index);
        put_u64(line, "deleted_at", row->deleted_at_ms);
        buf_append_string(line, ",\"ranges\":[");
        for (uint32_t i = 0; i < row->ranges_count; i++)
            buf_printf(line, "%s[%" PRIu64 ",%" PRIu64 "]", i > 0 ? "," : "", row->ranges[i].start,
                       row->ranges[i].end);
        buf_append_string(line, "]");
        put_u64(line, "deleted_count", row->deleted_count);
        put_u64(line, "already_deleted", row->already_deleted);
        put_bytes(line, "operator", row->operator_name);
        put_bytes(line, "reason", row->reason);
        put_bytes(line, "request_id", row->request_id);
        buf_append_string(line, "}");
        err = write_line(dump, why);
    }
    enum err done = store_iter_done(iter);
    return err != OK ? err : done;
}

static enum err dump_dedup(struct dump *dump, uint32_t slot, struct why *why)
{
    struct store_iter *iter = store_iter_dedup(dump->store, NULL, slot);
    struct buf *line = &dump->line;
    enum err err = OK;
    while (err == OK && store_iter_next(iter)) {
        uint64_t generation = 0;
        struct bytes from_uid = BYTES_NONE, client_msg_no = BYTES_NONE;
        const struct row_dedup *row =
            store_iter_dedup_row(iter, &generation, &from_uid, &client_msg_no);
        begin_row(line, "dedup", slot);
        put_channel(line, store_iter_channel(iter));
        put_u64(line, "generation", generation);
        put_bytes(line, "from_uid", from_uid);
        put_bytes(line, "client_msg_no", client_msg_no);
        put_u64(line, "seq", row->seq);
        put_u64(line, "log_index", row->log_index);
        put_u64(line, "position", row->position);
        put_u64(line, "timestamp", row->timestamp_ms);
        put_hash(line, "request", row->request);
        buf_append_string(line, "}");
        err = write_line(dump, why);
    }
    enum err done = store_iter_done(iter);
    return err != OK ? err : done;
}

static enum err dump_rows(struct dump *dump, uint32_t slot, struct why *why)
{
    static enum err (*const kinds[])(struct dump *, uint32_t, struct why *) = {
        dump_channels, dump_messages, dump_deleted, dump_delete_log, dump_dedup};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        enum err err = kinds[i](dump, slot, why);
        if (err != OK)
            return why_set(why, err, "the rows of slot %u cannot be read: %s", slot,
                           err_sentence(err));
    }
    return OK;
}

/* ---- slots ------------------------------------------------------------------------------------- */

static enum err dump_slot(struct dump *dump, uint32_t slot, bool with_rows, struct why *why)
{
    struct msg_slot_state state;
    struct msg_check check;
    uint64_t base_index = 0, base_term = 0, last_index = 0;
    enum err err = msg_get_slot_state(dump->msg, slot, &state, why);
    if (err == OK)
        err = store_log_bounds(dump->store, slot, &base_index, &base_term, &last_index);
    if (err != OK || (state.applied_index == 0 && last_index == 0))
        return err;
    if (with_rows)
        err = dump_rows(dump, slot, why);
    if (err == OK)
        err = msg_recompute(dump->msg, slot, &check, why);
    if (err != OK)
        return err;
    bool fits = hash128_is_equal(check.stored, check.recomputed) && check.counts_fit;
    dump->slots_used++;
    dump->has_misfit = dump->has_misfit || !fits;
    struct buf *line = &dump->line;
    buf_printf(line, "{\"slot\":%u", slot);
    put_u64(line, "applied_index", check.applied_index);
    put_u64(line, "applied_term", state.applied_term);
    put_hash(line, "digest", check.stored);
    put_hash(line, "recomputed", check.recomputed);
    buf_printf(line, ",\"fits\":%s", fits ? "true" : "false");
    put_u64(line, "messages", check.messages);
    put_u64(line, "channels", check.channels);
    put_u64(line, "intervals", check.intervals);
    put_u64(line, "delete_records", check.delete_records);
    put_u64(line, "dedup_rows", check.dedup_rows);
    put_u64(line, "floor", state.floor);
    put_u64(line, "log_base", base_index);
    put_u64(line, "log_last", last_index);
    buf_append_string(line, "}");
    return write_line(dump, why);
}

static enum err dump_identity(struct dump *dump, struct why *why)
{
    const struct store_identity *identity = store_identity(dump->store);
    struct buf *line = &dump->line;
    buf_printf(line, "{\"identity\":{\"format\":%u", identity->format);
    put_bytes(line, "cluster_id", bytes_of_string(identity->cluster_id));
    put_u64(line, "node_id", identity->node_id);
    buf_printf(line, ",\"incarnation\":\"%016" PRIx64 "\"", identity->incarnation);
    put_u64(line, "boot", identity->boot);
    put_u64(line, "slot_count", identity->slot_count);
    buf_append_string(line, "}}");
    return write_line(dump, why);
}

static enum err dump_all(struct dump *dump, const char *dir, bool with_rows, struct why *why)
{
    struct store_options options;
    store_options_init(&options);
    options.dir = dir;
    options.read_only = true;
    options.cluster_id = NULL; /* whoever it is */
    options.node_id = 0;
    options.slot_count = 0;
    enum err err = store_open(&options, &dump->store, why);
    if (err != OK)
        return err;
    uint32_t slot_count = store_identity(dump->store)->slot_count;
    const struct msg_options msg_options = {.store = dump->store, .slot_count = slot_count};
    dump->msg = msg_new(&msg_options);
    err = dump_identity(dump, why);
    for (uint32_t slot = 0; slot < slot_count && err == OK; slot++)
        err = dump_slot(dump, slot, with_rows, why);
    if (err != OK)
        return err;
    buf_printf(&dump->line, "{\"slots\":%" PRIu64 ",\"fits\":%s}", dump->slots_used,
               dump->has_misfit ? "false" : "true");
    return write_line(dump, why);
}

#define USAGE "usage: lethed dump --data-dir DIR [--rows]\n"

static int usage(const char *word)
{
    if (word != NULL)
        fprintf(stderr, "lethed dump: '%s' is not understood\n", word);
    fputs(USAGE, stderr);
    return LETHED_BAD_CONFIG;
}

int lethed_dump(int argc, char **argv)
{
    const char *dir = NULL;
    bool with_rows = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--rows") == 0)
            with_rows = true;
        else if (strncmp(argv[i], "--data-dir=", 11) == 0)
            dir = argv[i] + 11;
        else if (strcmp(argv[i], "--data-dir") == 0 && i + 1 < argc)
            dir = argv[++i];
        else if (strcmp(argv[i], "--help") == 0)
            return printf(USAGE) > 0 ? LETHED_OK : LETHED_CANNOT_START;
        else
            return usage(argv[i]);
    }
    if (dir == NULL)
        return usage(NULL);
    struct dump dump = {.line = BUF_INIT};
    struct why why = {0};
    enum err err = dump_all(&dump, dir, with_rows, &why);
    if (err == OK && fflush(stdout) != 0)
        err = why_set(&why, ERR_IO, "cannot write to standard output");
    if (err != OK)
        fprintf(stderr, "lethed dump: %s\n", why.text[0] != '\0' ? why.text : err_sentence(err));
    msg_free(dump.msg);
    store_close(dump.store);
    buf_done(&dump.line);
    return err == OK && !dump.has_misfit ? LETHED_OK : LETHED_CANNOT_START;
}
