/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "store/internal.h"

void fixture_prepare(struct fixture *f, int engine)
{
    *f = (struct fixture){0};
    store_options_init(&f->options);
    f->options.create = true;
    f->options.cluster_id = "test";
    f->options.node_id = 7;
    f->options.slot_count = 64;
    f->options.new_incarnation = 0x1122334455667788;
    if (engine == ON_MEMORY) {
        f->disk = f->options.memdisk = memdisk_new();
    } else {
        f->dir = unit_temp_dir();
        f->options.dir = f->dir;
    }
}

void fixture_open(struct fixture *f, int engine)
{
    fixture_prepare(f, engine);
    assert_ok(fixture_try(f));
}

enum err fixture_try(struct fixture *f)
{
    f->why.text[0] = 0;
    enum err err = store_open(&f->options, &f->store, &f->why);
    if (err == OK)
        f->batch = store_batch_new(f->store);
    return err;
}

void fixture_close(struct fixture *f)
{
    store_batch_free(f->batch);
    store_close(f->store);
    f->batch = NULL;
    f->store = NULL;
}

void fixture_reopen(struct fixture *f)
{
    fixture_close(f);
    enum err err = fixture_try(f);
    ck_assert_msg(err == OK, "%s: %s", err_slug(err), f->why.text);
}

void fixture_done(struct fixture *f)
{
    fixture_close(f);
    memdisk_free(f->disk);
    free(f->dir);
}

void fixture_write(struct fixture *f, bool sync)
{
    assert_ok(store_write(f->store, f->batch, sync, &f->why));
}

void fixture_put_raw(struct fixture *f, enum store_family family, struct bytes key,
                     struct bytes value)
{
    struct engine *engine = f->store->engine;
    struct engine_batch *batch = engine->ops->batch_new(engine);
    engine->ops->batch_put(engine, batch, family, key, value);
    assert_ok(engine->ops->write(engine, batch, true, NULL));
    engine->ops->batch_free(batch);
}

Suite *fixture_suite(const char *name, const TTest *const tests[], size_t count)
{
    Suite *ret = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, 120);
    for (size_t i = 0; i < count; i++)
        tcase_add_loop_test(tcase, tests[i], 0, ENGINES);
    suite_add_tcase(ret, tcase);
    return ret;
}

struct row_message message_of(uint64_t seq, char text[64])
{
    int len = snprintf(text, 64, "payload %llu", (unsigned long long)seq);
    struct row_message row = {
        .message_id = message_id_of(3, 1000 + seq, (uint32_t)(seq % 5)),
        .timestamp_ms = 1760000000000 + seq,
        .from_uid = TEXT("u1"),
        .payload = bytes_of(text, (size_t)len),
        .payload_encoding = PAYLOAD_UTF8,
        .totals = {seq * 10, {seq, seq * 3}},
    };
    memset(row.salt, (int)(seq & 0xff), sizeof(row.salt));
    return row;
}

void put_messages(struct fixture *f, uint32_t slot, struct channel channel, uint64_t from,
                  uint64_t to)
{
    for (uint64_t seq = from; seq <= to; seq++) {
        char text[64];
        struct row_message row = message_of(seq, text);
        store_put_message(f->batch, slot, channel, seq, &row);
    }
    fixture_write(f, false);
}

struct row_deleted deleted_of(uint64_t start, uint64_t end)
{
    return (struct row_deleted){start, end, {start, {start, 1}}, {end, {end, 2}}};
}

struct row_entry entry_of(uint64_t index, uint64_t term, const char *text)
{
    return (struct row_entry){index, term, 1, bytes_of_string(text)};
}

const char *seqs_of(struct store_iter *iter)
{
    static char text[4096];
    size_t len = 0;
    text[0] = 0;
    while (store_iter_next(iter))
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%llu", len > 0 ? "," : "",
                                (unsigned long long)store_iter_seq(iter));
    enum err err = store_iter_done(iter);
    if (err != OK)
        snprintf(text + len, sizeof(text) - len, " %s", err_slug(err));
    return text;
}

#ifdef __SANITIZE_THREAD__
/* RocksDB is not built with the sanitizer: it sees the library's memory and not its atomics, and
 * takes what they order for races. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "called_from_lib:librocksdb.so\nrace:librocksdb.so\n";
}
#endif
