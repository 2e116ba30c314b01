/* SPDX-License-Identifier: Apache-2.0 */
/* A store on either kind of disk, for suites that run against both: a looped test opens
 * fixture_open(&f, _i). Shared rows and shorthands too. */
#ifndef TESTS_UNIT_STORE_FIXTURE_H
#define TESTS_UNIT_STORE_FIXTURE_H

#include "store/memdisk.h"
#include "store/store.h"
#include "suites.h"
#include "unit.h"

enum { ON_MEMORY, ON_ROCKS, ENGINES };

struct fixture {
    struct store_options options;
    struct memdisk *disk; /* owned; NULL on RocksDB */
    char *dir;            /* owned; NULL in memory */
    struct store *store;  /* NULL while closed */
    struct store_batch *batch;
    struct why why;
};

/* A disk or a folder and the options, nothing opened yet: RocksDB's threads do not outlive a fork, so
 * who forks opens nothing before. */
void fixture_prepare(struct fixture *f, int engine);
void fixture_open(struct fixture *f, int engine); /* a new store */
void fixture_done(struct fixture *f);
void fixture_close(struct fixture *f);   /* only the store */
enum err fixture_try(struct fixture *f); /* opens it again; the code */
void fixture_reopen(struct fixture *f);  /* closes and opens; must work */
void fixture_write(struct fixture *f, bool sync);
/* Puts raw bytes where a row lies, past all encoding. */
void fixture_put_raw(struct fixture *f, enum store_family family, struct bytes key,
                     struct bytes value);

/* A suite of tests run once for each engine. */
Suite *fixture_suite(const char *name, const TTest *const tests[], size_t count);
#define BOTH_SUITE(name, ...)                                                                      \
    fixture_suite(name, (const TTest *const[]){__VA_ARGS__},                                       \
                  sizeof((const TTest *const[]){__VA_ARGS__}) / sizeof(const TTest *))

#define assert_ok(call) ck_assert_str_eq(err_slug(call), "ok")
#define assert_err(call, error) ck_assert_str_eq(err_slug(call), err_slug(error))
#define assert_bytes(a, b) ck_assert(bytes_is_equal((a), (b)))
#define TEXT(literal) bytes_of((literal), sizeof(literal) - 1)

static inline struct channel channel_of(uint8_t type, const char *id)
{
    return (struct channel){type, bytes_of_string(id)};
}

/* A message whose fields follow from seq. */
struct row_message message_of(uint64_t seq, char text[64]);
void put_messages(struct fixture *f, uint32_t slot, struct channel channel, uint64_t from,
                  uint64_t to);
struct row_deleted deleted_of(uint64_t start, uint64_t end);
struct row_entry entry_of(uint64_t index, uint64_t term, const char *text);

/* Numbers an iterator shows, joined by commas, and its end: "1,2,3" or "1,2 corrupt". */
const char *seqs_of(struct store_iter *iter);

#endif
