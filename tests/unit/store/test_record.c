/* SPDX-License-Identifier: Apache-2.0 */
/* Layouts and encodings: the format byte by byte, order of keys, and what damage does. */
#include <stdio.h>

#include "base/rng.h"
#include "fixture.h"
#include "store/internal.h"

static void assert_key(const struct store_key *key, struct bytes expected)
{
    assert_bytes(key_bytes(key), expected);
}

START_TEST(keys_are_as_documented)
{
    struct store_key key;
    struct channel channel = channel_of(2, "ab");
    key_page(&key, 258);
    assert_key(&key, TEXT("\x01\x01\x02"));
    key_slot_value(&key, 258, 3);
    assert_key(&key, TEXT("\x02\x01\x02\x03"));
    key_config(&key, 258, 7);
    assert_key(&key, TEXT("\x03\x01\x02\0\0\0\0\0\0\0\x07"));
    key_hard_state(&key, 258);
    assert_key(&key, TEXT("\x01\x02\x01"));
    key_entry(&key, 258, 0x0102030405060708);
    assert_key(&key, TEXT("\x01\x02\x02\x01\x02\x03\x04\x05\x06\x07\x08"));
    key_channel(&key, 258, channel);
    assert_key(&key, TEXT("\x01\x02\x02"
                          "ab\0"));
    key_channel_seq(&key, 258, channel, 9);
    assert_key(&key, TEXT("\x01\x02\x02"
                          "ab\0\0\0\0\0\0\0\0\x09"));
    key_delete_record(&key, 258, 9);
    assert_key(&key, TEXT("\x01\x02\x01\0\0\0\0\0\0\0\x09"));
    key_delete_index(&key, 258, channel, 9);
    assert_key(&key, TEXT("\x01\x02\x02\x02"
                          "ab\0\0\0\0\0\0\0\0\x09"));
    key_dedup(&key, 258, 9, channel, TEXT("u"), TEXT("no"));
    assert_key(&key, TEXT("\x01\x02\0\0\0\0\0\0\0\x09\x02"
                          "ab\0\0\x01uno"));
    key_identity(&key);
    assert_key(&key, TEXT("identity"));
    key_boot(&key);
    assert_key(&key, TEXT("boot"));
    key_peer(&key, 258);
    assert_key(&key, TEXT("peer\x01\x02"));
}
END_TEST

START_TEST(keys_sort_as_what_they_name)
{
    /* Ascending; ids that begin others, high bytes, and numbers over a byte's border. */
    const char *ids[] = {"a", "a!", "aa", "ab", "b", "\xc3\xa9"};
    const uint64_t seqs[] = {0, 1, 255, 256, ((uint64_t)1 << 40), UINT64_MAX};
    struct store_key before = {0}, key;
    for (uint32_t slot = 0; slot < 4096; slot += 1365)
        for (int type = 0; type < 256; type += 51)
            for (size_t id = 0; id < ARRAY_LEN(ids); id++)
                for (size_t seq = 0; seq < ARRAY_LEN(seqs); seq++) {
                    key_channel_seq(&key, slot, channel_of((uint8_t)type, ids[id]), seqs[seq]);
                    ck_assert_int_lt(bytes_compare(key_bytes(&before), key_bytes(&key)), 0);
                    before = key;
                }
    key = (struct store_key){3, {1, 2, 0xff}};
    key_end_of_prefix(&key);
    assert_key(&key, TEXT("\x01\x03"));
}
END_TEST

START_TEST(values_are_as_documented)
{
    struct buf value = BUF_INIT;
    struct bytes key = TEXT("k");
    record_hard_state_encode(&value, key, &(struct row_hard_state){300, 2, 1});
    assert_bytes(bytes_of(value.data, value.len - 4), TEXT("\x01\xac\x02\x02\x01"));
    struct row_entry entry = {5, 300, 9, TEXT("xy")};
    record_entry_encode(&value, key, &entry);
    assert_bytes(bytes_of(value.data, value.len - 4), TEXT("\x01\xac\x02\x09xy"));
    record_config_encode(&value, key, 1, TEXT("cfg"));
    assert_bytes(bytes_of(value.data, value.len - 4), TEXT("\x01\x01"
                                                           "cfg"));
    struct row_message message = {.message_id = message_id_of(258, 1, 3),
                                  .timestamp_ms = 2,
                                  .from_uid = TEXT("u"),
                                  .payload = TEXT("pp"),
                                  .payload_encoding = PAYLOAD_UTF8,
                                  .setting = 7,
                                  .salt = "0123456789abcde",
                                  .totals = {5, {6, 7}}};
    record_message_encode(&value, TEXT("\x01\x02"), 258, &message);
    assert_bytes(bytes_of(value.data, value.len - 4),
                 TEXT("\x01\x19\x83\x10\x02"
                      "0123456789abcde\0"
                      "\x05\x06\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0"
                      "\x01u\0\0\0\x07\0pp"));
    struct row_peer peer = {.incarnation = 2, .boot = 300, .nonce = "0123456789abcde"};
    record_peer_encode(&value, TEXT("peer\0\x03"), &peer);
    assert_bytes(bytes_of(value.data, value.len - 4), TEXT("\x01\x02\0\0\0\0\0\0\0\xac\x02"
                                                           "0123456789abcde\0"));
    /* The checksum: CRC32C over the family's number, the key and all before it. */
    record_number_encode(&value, TEXT("boot"), 1);
    assert_bytes(buf_bytes(&value), TEXT("\x01\x01\x8d\x74\xf9\x10"));
    buf_done(&value);
}
END_TEST

/* Every row, damaged in every bit, then under another key, then in another family. */
static void assert_no_damage_passes(struct buf *value, struct bytes key, enum store_family family)
{
    struct reader reader;
    assert_ok(record_open(family, key, buf_bytes(value), &reader));
    for (size_t bit = 0; bit < value->len * 8; bit++) {
        value->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_err(record_open(family, key, buf_bytes(value), &reader), ERR_CORRUPT);
        value->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t len = 0; len < value->len; len++)
        assert_err(record_open(family, key, bytes_of(value->data, len), &reader), ERR_CORRUPT);
    assert_err(record_open(family, TEXT("another"), buf_bytes(value), &reader), ERR_CORRUPT);
    assert_err(record_open(family == 0 ? 1 : 0, key, buf_bytes(value), &reader), ERR_CORRUPT);
}

START_TEST(no_damage_passes)
{
    struct buf value = BUF_INIT;
    struct store_key key;
    char text[64];
    struct row_message message = message_of(5, text);
    key_channel_seq(&key, 3, channel_of(2, "c"), 5);
    record_message_encode(&value, key_bytes(&key), 3, &message);
    assert_no_damage_passes(&value, key_bytes(&key), STORE_MESSAGES);
    struct row_deleted deleted = deleted_of(1, 9);
    record_deleted_encode(&value, key_bytes(&key), &deleted);
    assert_no_damage_passes(&value, key_bytes(&key), STORE_DELETED);
    struct row_applied page[PAGE_SLOTS] = {{1, 2, {3, 4}}};
    record_page_encode(&value, key_bytes(&key), page);
    assert_no_damage_passes(&value, key_bytes(&key), STORE_SLOTS);
    struct row_peer peer = {.incarnation = 2, .boot = 300, .nonce = "0123456789abcde"};
    record_peer_encode(&value, key_bytes(&key), &peer);
    assert_no_damage_passes(&value, key_bytes(&key), STORE_DEFAULT);
    buf_done(&value);
}
END_TEST

START_TEST(unknown_version_is_told_from_damage)
{
    struct buf value = BUF_INIT;
    struct reader reader;
    buf_put_u8(&value, RECORD_VERSION + 1);
    buf_append_string(&value, "new things");
    record_seal(&value, STORE_RAFT, TEXT("k"));
    assert_err(record_open(STORE_RAFT, TEXT("k"), buf_bytes(&value), &reader), ERR_WRONG_FORMAT);
    buf_done(&value);
}
END_TEST

static void seal_numbers(struct buf *value, enum store_family family, struct bytes key,
                         struct bytes before, uint64_t number, struct bytes behind)
{
    buf_clear(value);
    buf_append_bytes(value, before);
    buf_put_varint(value, number);
    buf_append_bytes(value, behind);
    record_seal(value, family, key);
}

/* Well sealed, and still no row of ours: what does not fit is never cut to fit. */
START_TEST(numbers_that_do_not_fit_are_damage)
{
    struct buf value = BUF_INIT, ranges = BUF_INIT;
    struct store_key key;
    struct row_message message = {.message_id = message_id_of(3, 1, 0), .expire_s = 1}, got;
    struct row_dedup dedup = {.position = 1}, found;
    struct row_delete_record record;
    uint8_t head[64];
    key_channel_seq(&key, 3, channel_of(2, "c"), 5);
    struct bytes k = key_bytes(&key);

    record_message_encode(&value, k, 3, &message); /* without payload: expire_s stands last */
    struct bytes before = {head, value.len - RECORD_CRC_BYTES - 1};
    memcpy(head, value.data, before.len);
    seal_numbers(&value, STORE_MESSAGES, k, before, UINT32_MAX, BYTES_NONE);
    assert_ok(record_message_decode(k, buf_bytes(&value), &got));
    ck_assert_uint_eq(got.expire_s, UINT32_MAX);
    seal_numbers(&value, STORE_MESSAGES, k, before, (uint64_t)UINT32_MAX + 1, BYTES_NONE);
    assert_err(record_message_decode(k, buf_bytes(&value), &got), ERR_CORRUPT);

    record_dedup_encode(&value, k, &dedup); /* version, three zeros, the position, a hash */
    seal_numbers(&value, STORE_DEDUP, k, TEXT("\x01\0\0\0"), UINT32_MAX, TEXT("0123456789abcdef"));
    assert_ok(record_dedup_decode(k, buf_bytes(&value), &found));
    seal_numbers(&value, STORE_DEDUP, k, TEXT("\x01\0\0\0"), (uint64_t)UINT32_MAX + 2,
                 TEXT("0123456789abcdef"));
    assert_err(record_dedup_decode(k, buf_bytes(&value), &found), ERR_CORRUPT);

    key_delete_record(&key, 3, 5);
    k = key_bytes(&key);
    struct bytes fields = TEXT("\x01\0\x02\x01"
                               "c\0\0\0\0\0\x01\x05");
    seal_numbers(&value, STORE_DELETE_LOG, k, fields, UINT64_MAX - 5, BYTES_NONE);
    assert_ok(record_delete_record_decode(k, buf_bytes(&value), &ranges, &record));
    ck_assert(record.ranges[0].start == 5 && record.ranges[0].end == UINT64_MAX);
    seal_numbers(&value, STORE_DELETE_LOG, k, fields, UINT64_MAX - 4, BYTES_NONE);
    assert_err(record_delete_record_decode(k, buf_bytes(&value), &ranges, &record), ERR_CORRUPT);
    buf_done(&value);
    buf_done(&ranges);
}
END_TEST

/* Well sealed, but the fields do not fit: cut or filled with anything. No decoder may read past
 * the end (the sanitizers look) or take what is not whole. */
START_TEST(sealed_nonsense_is_no_row)
{
    struct rng rng = rng_of(1);
    struct buf value = BUF_INIT, ranges = BUF_INIT;
    struct store_key key, record_key, entry_key;
    key_channel_seq(&key, 3, channel_of(2, "c"), 5);
    key_delete_record(&record_key, 3, 5);
    key_entry(&entry_key, 3, 5);
    uint32_t refused = 0;
    for (int i = 0; i < 20000; i++) {
        const enum store_family families[] = {STORE_MESSAGES,   STORE_CHANNELS, STORE_DELETED,
                                              STORE_DELETE_LOG, STORE_DEDUP,    STORE_RAFT,
                                              STORE_SLOTS,      STORE_DEFAULT};
        enum store_family family = families[i % 8];
        struct bytes k = key_bytes(family == STORE_DELETE_LOG ? &record_key
                                   : family == STORE_RAFT     ? &entry_key
                                                              : &key);
        buf_clear(&value);
        buf_put_u8(&value, RECORD_VERSION);
        for (uint64_t len = rng_below(&rng, 80); len > 0; len--)
            buf_put_u8(&value, (uint8_t)(rng_below(&rng, 3) == 0 ? rng_next(&rng) : 1));
        record_seal(&value, family, k);
        union {
            struct row_message message;
            struct row_channel channel;
            struct row_deleted deleted;
            struct row_delete_record record;
            struct row_dedup dedup;
            struct row_entry entry;
            struct row_applied page[PAGE_SLOTS];
            struct store_identity identity;
            struct row_peer peer;
        } row;
        struct bytes v = buf_bytes(&value);
        enum err errs[] = {record_message_decode(k, v, &row.message),
                           record_channel_decode(k, v, &row.channel),
                           record_deleted_decode(k, v, &row.deleted),
                           record_delete_record_decode(k, v, &ranges, &row.record),
                           record_dedup_decode(k, v, &row.dedup),
                           record_entry_decode(k, v, &row.entry),
                           record_page_decode(k, v, row.page),
                           record_identity_decode(k, v, &row.identity),
                           record_peer_decode(k, v, &row.peer)};
        for (int j = 0; j < 9; j++) {
            ck_assert(errs[j] == OK || errs[j] == ERR_CORRUPT || errs[j] == ERR_WRONG_FORMAT);
            refused += errs[j] == ERR_CORRUPT;
        }
    }
    ck_assert_uint_gt(refused, 20000);
    buf_done(&value);
    buf_done(&ranges);
}
END_TEST

START_TEST(hashes_are_of_every_field)
{
    struct channel channel = channel_of(2, "c");
    char text[64];
    struct row_message row = message_of(5, text), other;
    struct hash128 hash = row_message_hash(3, channel, 5, &row);
    /* A constant of the format: replicas of other versions compare with it. */
    char hex[HASH128_HEX_SIZE];
    hash128_hex(hash, hex);
    ck_assert_str_eq(hex, "4c539a5a3c3b1fad3f6ca3df978a1e8a");
#define DIFFERS(change)                                                                            \
    do {                                                                                           \
        other = row;                                                                               \
        change;                                                                                    \
        ck_assert(!hash128_is_equal(hash, row_message_hash(3, channel, 5, &other)));               \
    } while (0)
    DIFFERS(other.message_id++);
    DIFFERS(other.timestamp_ms++);
    DIFFERS(other.from_uid = TEXT("u2"));
    DIFFERS(other.client_msg_no = other.from_uid; other.from_uid = BYTES_NONE);
    DIFFERS(other.payload.len--);
    DIFFERS(other.payload_encoding++);
    DIFFERS(other.header[0]++);
    DIFFERS(other.header[2]++);
    DIFFERS(other.setting++);
    DIFFERS(other.expire_s++);
    DIFFERS(other.topic = TEXT("t"));
    DIFFERS(other.salt[15]++);
#undef DIFFERS
    other = row;
    other.totals.bytes++; /* a total holds hashes: it is not hashed itself */
    ck_assert(hash128_is_equal(hash, row_message_hash(3, channel, 5, &other)));
    ck_assert(!hash128_is_equal(hash, row_message_hash(4, channel, 5, &row)));
    ck_assert(!hash128_is_equal(hash, row_message_hash(3, channel, 6, &row)));
    ck_assert(!hash128_is_equal(hash, row_message_hash(3, channel_of(3, "c"), 5, &row)));
    ck_assert(!hash128_is_equal(hash, row_message_hash(3, channel_of(2, "d"), 5, &row)));

    struct seq_range ranges[] = {{1, 2}, {5, 9}};
    struct row_delete_record record = {.log_index = 1, .channel = channel, .ranges = ranges};
    record.ranges_count = 2;
    hash = row_delete_record_hash(3, &record);
    ranges[1].end++;
    ck_assert(!hash128_is_equal(hash, row_delete_record_hash(3, &record)));
    ranges[1].end--;
    ck_assert(hash128_is_equal(hash, row_delete_record_hash(3, &record)));
    record.ranges_count = 1;
    ck_assert(!hash128_is_equal(hash, row_delete_record_hash(3, &record)));

    struct row_channel settings = {.log_index = 4};
    hash = row_channel_hash(3, channel, &settings);
    settings.retention = TEXT("r");
    ck_assert(!hash128_is_equal(hash, row_channel_hash(3, channel, &settings)));
    struct row_deleted deleted = deleted_of(4, 6);
    hash = row_deleted_hash(3, channel, &deleted);
    deleted.at_end.digest.high++;
    ck_assert(!hash128_is_equal(hash, row_deleted_hash(3, channel, &deleted)));
    struct row_dedup dedup = {.seq = 1};
    hash = row_dedup_hash(3, 1, channel, TEXT("a"), TEXT("bc"), &dedup);
    ck_assert(
        !hash128_is_equal(hash, row_dedup_hash(3, 1, channel, TEXT("ab"), TEXT("c"), &dedup)));
    ck_assert(
        !hash128_is_equal(hash, row_dedup_hash(3, 2, channel, TEXT("a"), TEXT("bc"), &dedup)));
}
END_TEST

/* A bad row under the reader's eyes, on both engines: told, by a get and by an iterator. */
START_TEST(damaged_row_is_told)
{
    struct fixture f;
    struct store_value value;
    struct row_message row;
    struct row_entry entry = entry_of(2, 1, "e"), got;
    struct store_key key;
    struct channel channel = channel_of(2, "c");
    uint64_t seq;
    fixture_open(&f, _i);
    store_value_init(&value);
    put_messages(&f, 1, channel, 1, 5);
    store_put_entry(f.batch, 1, &entry);
    fixture_write(&f, true);

    key_channel_seq(&key, 1, channel, 3);
    struct buf raw = BUF_INIT;
    char text[64];
    struct row_message sound = message_of(3, text);
    record_message_encode(&raw, key_bytes(&key), 1, &sound);
    raw.data[raw.len - 6] ^= 1; /* in the payload: no field's form shows it */
    fixture_put_raw(&f, STORE_MESSAGES, key_bytes(&key), buf_bytes(&raw));
    assert_err(store_get_message(f.store, NULL, 1, channel, 3, &value, &row), ERR_CORRUPT);
    assert_ok(store_get_message(f.store, NULL, 1, channel, 2, &value, &row));
    assert_err(store_find_message_before(f.store, NULL, 1, channel, 3, &value, &seq, &row),
               ERR_CORRUPT);
    ck_assert_str_eq(seqs_of(store_iter_messages(f.store, NULL, 1, channel, 0, 9, false)),
                     "1,2 corrupt");
    ck_assert_str_eq(seqs_of(store_iter_messages(f.store, NULL, 1, channel, 0, 9, true)),
                     "5,4 corrupt");

    /* A sound row in the wrong place. */
    raw.data[raw.len - 6] ^= 1;
    key_channel_seq(&key, 1, channel, 4);
    fixture_put_raw(&f, STORE_MESSAGES, key_bytes(&key), buf_bytes(&raw));
    assert_err(store_get_message(f.store, NULL, 1, channel, 4, &value, &row), ERR_CORRUPT);
    key_entry(&key, 1, 3);
    entry.index = 3;
    record_entry_encode(&raw, key_bytes(&key), &entry);
    key_entry(&key, 1, 2);
    fixture_put_raw(&f, STORE_RAFT, key_bytes(&key), buf_bytes(&raw));
    assert_err(store_get_entry(f.store, 1, 2, &value, &got), ERR_CORRUPT);
    ck_assert_str_eq(seqs_of(store_iter_entries(f.store, 1, 0, 9)), " corrupt");
    uint64_t base, base_term, last;
    assert_err(store_log_bounds(f.store, 1, &base, &base_term, &last), ERR_CORRUPT);
    buf_done(&raw);
    store_value_done(&value);
    fixture_done(&f);
}
END_TEST

/* An index of the delete log that leads nowhere is damage, not an absence. */
START_TEST(index_without_record_is_told)
{
    struct fixture f;
    struct store_key key;
    struct channel channel = channel_of(2, "c");
    const struct seq_range range = {1, 2};
    struct row_delete_record row = {
        .log_index = 5, .channel = channel, .ranges = &range, .ranges_count = 1};
    fixture_open(&f, _i);
    store_put_delete_record(f.batch, 1, &row);
    fixture_write(&f, true);
    struct engine *engine = f.store->engine;
    struct engine_batch *batch = engine->ops->batch_new(engine);
    key_delete_record(&key, 1, 5);
    engine->ops->batch_delete(engine, batch, STORE_DELETE_LOG, key_bytes(&key));
    assert_ok(engine->ops->write(engine, batch, true, NULL));
    engine->ops->batch_free(batch);
    ck_assert_str_eq(seqs_of(store_iter_delete_log(f.store, NULL, 1, &channel, 0, 9)), " corrupt");
    fixture_done(&f);
}
END_TEST

Suite *suite_record(void)
{
    Suite *suite = BOTH_SUITE("record", damaged_row_is_told, index_without_record_is_told);
    TCase *pure = tcase_create("record, pure");
    tcase_set_timeout(pure, 60);
    tcase_add_test(pure, keys_are_as_documented);
    tcase_add_test(pure, keys_sort_as_what_they_name);
    tcase_add_test(pure, values_are_as_documented);
    tcase_add_test(pure, no_damage_passes);
    tcase_add_test(pure, unknown_version_is_told_from_damage);
    tcase_add_test(pure, numbers_that_do_not_fit_are_damage);
    tcase_add_test(pure, sealed_nonsense_is_no_row);
    tcase_add_test(pure, hashes_are_of_every_field);
    suite_add_tcase(suite, pure);
    return suite;
}
