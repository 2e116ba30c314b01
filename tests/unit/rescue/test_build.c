/* SPDX-License-Identifier: Apache-2.0 */
/* A new data folder out of old ones: what it holds, whose it is, and what never comes back. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "old.h"
#include "store/backup.h"
#include "sys/file.h"
#include "wire/config.h"
#include "wire/members.h"

/* "a" and "b" live in different slots. */
#define A "a"
static const char *name_b(void)
{
    static char name[16];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "b%d", i);
        if (old_slot(name) != old_slot(A))
            return name;
    }
    abort();
}

struct case_of {
    char *base; /* owned */
    char dirs[3][600];
    char into[600], journal[600];
    struct old old;
    struct buf lines;
    bool accept, has_journal;
    const char *address;
    uint32_t sources;
    struct rescue_report report;
    struct why why;
};

static void case_init(struct case_of *c)
{
    *c = (struct case_of){
        .base = unit_temp_dir(), .lines = BUF_INIT, .has_journal = true, .address = ""};
    snprintf(c->into, sizeof(c->into), "%s/new", c->base);
    snprintf(c->journal, sizeof(c->journal), "%s/journal", c->base);
    for (int i = 0; i < 3; i++)
        snprintf(c->dirs[i], sizeof(c->dirs[i]), "%s/%d", c->base, i + 1);
    old_open(&c->old, c->base, 1);
    c->sources = 1;
}

static void case_done(struct case_of *c)
{
    rescue_report_done(&c->report);
    buf_done(&c->lines);
    free(c->base);
}

static enum err build_as(struct case_of *c, const char *cluster_id)
{
    const char *dirs[] = {c->dirs[0], c->dirs[1], c->dirs[2]};
    const char *journals[] = {c->journal};
    struct rescue_source *sources = NULL;
    struct rescue_options options = {.data_dir = c->into,
                                     .cluster_id = cluster_id,
                                     .node_id = 7,
                                     .address = c->address,
                                     .http_address = "",
                                     .journals = journals,
                                     .journals_count = c->has_journal ? 1 : 0,
                                     .needs_journal = true,
                                     .accept_resurrection = c->accept,
                                     .seq_margin = 1000,
                                     .now_ms = 99000,
                                     .incarnation = 555,
                                     .cause = "restore",
                                     .reason = ""};
    if (c->has_journal && c->lines.len > 0)
        write_file(c->journal, &c->lines);
    ck_assert_ok(rescue_open(dirs, c->sources, &sources, why));
    options.sources = sources;
    options.sources_count = c->sources;
    rescue_report_done(&c->report);
    c->why = (struct why){0};
    enum err err = rescue_build(&options, &c->report, &c->why);
    rescue_close(sources, c->sources);
    return err;
}

static enum err build(struct case_of *c)
{
    return build_as(c, "new");
}

static void assert_built(struct case_of *c)
{
    enum err err = build(c);
    ck_assert_msg(err == OK, "%s: %s", err_slug(err), c->why.text);
}

/* Both slots are complete up to here. */
static void mark_all(struct case_of *c, uint64_t through)
{
    for (uint32_t i = 0; i < OLD_SLOTS; i++)
        line_mark(&c->lines, i, 0, through);
}

/* ---- what it holds ---------------------------------------------------------------------------------- */

START_TEST(state_comes_back_under_another_identity)
{
    struct case_of c;
    case_init(&c);
    for (int i = 0; i < 5; i++)
        old_append(&c.old, A, "x", true);
    old_delete(&c.old, A, 2, 3, true);
    old_append(&c.old, name_b(), "y", true);
    old_close(&c.old);
    mark_all(&c, 20);
    assert_built(&c);
    ck_assert_str_eq(seqs_in(c.into, A), "1,4,5/1005");
    ck_assert_str_eq(seqs_in(c.into, name_b()), "1/1001");
    struct store_options options;
    struct store *store = NULL;
    store_options_init(&options);
    options.dir = c.into;
    options.cluster_id = "old";
    options.node_id = 1;
    options.slot_count = OLD_SLOTS;
    ck_assert_int_eq(store_open(&options, &store, NULL), ERR_WRONG_IDENTITY);
    options.cluster_id = "new";
    options.node_id = 7;
    ck_assert_ok(store_open(&options, &store, why)); /* its promises fit too */
    ck_assert_uint_eq(store_identity(store)->incarnation, 555);
    for (uint32_t slot = 0; slot < OLD_SLOTS; slot++) {
        uint64_t base, term, last;
        struct row_applied applied;
        struct row_hard_state hard;
        ck_assert_ok(store_log_bounds(store, slot, &base, &term, &last));
        ck_assert_ok(store_get_applied(store, NULL, slot, &applied));
        ck_assert_ok(store_get_hard_state(store, slot, &hard));
        ck_assert_uint_gt(base, 20 + RESCUE_BASE_GAP);
        ck_assert_uint_eq(last, base);
        ck_assert_uint_eq(applied.index, base);
        ck_assert_uint_eq(term, 4); /* one above any that was known */
        ck_assert_uint_eq(hard.term, 4);
        ck_assert_uint_eq(c.report.slots[slot].base_index, base);
        struct store_iter *iter = store_iter_configs(store, slot);
        ck_assert(store_iter_next(iter));
        struct raft_config config;
        ck_assert_ok(wire_config_decode(store_iter_config(iter, &term), &config, why));
        ck_assert_uint_eq(config.voters_count, 1);
        ck_assert_uint_eq(config.voters[0], 7);
        ck_assert(!store_iter_next(iter));
        ck_assert_ok(store_iter_done(iter));
    }
    store_close(store);
    case_done(&c);
}
END_TEST

START_TEST(seqs_that_were_given_out_do_not_return)
{
    struct case_of c;
    case_init(&c);
    old_append(&c.old, A, "x", true);
    old_close(&c.old);
    /* The journal saw seqs that the source has not, and a channel of its own. */
    line_delete(&c.lines, A, 40, 0, 30, 40, 5000);
    line_delete(&c.lines, "only-there", 41, old_slot("only-there") == old_slot(A) ? 40 : 0, 1, 9,
                5000);
    mark_all(&c, 50);
    for (uint32_t i = 0; i < OLD_SLOTS; i++)
        line_mark(&c.lines, i, 41, 60);
    enum err err = build(&c);
    ck_assert_msg(err == OK, "%s", c.why.text);
    ck_assert_str_eq(seqs_in(c.into, A), "1/1040");
    ck_assert_str_eq(seqs_in(c.into, "only-there"), "/1009");
    struct store_options options;
    struct store *store = NULL;
    store_options_init(&options);
    options.dir = c.into;
    options.read_only = true;
    ck_assert_ok(store_open(&options, &store, why));
    struct store_iter *iter =
        store_iter_delete_log(store, NULL, old_slot(A), NULL, RESCUE_BASE_GAP, UINT64_MAX);
    uint32_t records = 0;
    while (store_iter_next(iter)) {
        struct bytes reason = store_iter_delete_record(iter)->reason;
        ck_assert(reason.len > 8 && memcmp(reason.data, "restore:", 8) == 0);
        records++;
    }
    ck_assert_ok(store_iter_done(iter));
    ck_assert_uint_ge(records, 2);
    store_close(store);
    case_done(&c);
}
END_TEST

/* ---- deletes ------------------------------------------------------------------------------------------ */

START_TEST(journal_is_replayed_before_the_first_read)
{
    struct case_of c;
    case_init(&c);
    for (int i = 0; i < 5; i++)
        old_append(&c.old, A, "x", true);
    old_delete(&c.old, A, 1, 1, true);
    old_close(&c.old);
    line_delete(&c.lines, A, 6, 0, 1, 1, 1060); /* it has that one */
    line_delete(&c.lines, A, 9, 6, 2, 3, 5000);
    line_delete(&c.lines, A, 12, 9, 5, 8, 6000);
    line_mark(&c.lines, old_slot(A), 12, 30);
    line_mark(&c.lines, 1 - old_slot(A), 0, 30);
    assert_built(&c);
    ck_assert_str_eq(seqs_in(c.into, A), "4/1008");
    ck_assert_uint_eq(c.report.deletes, 2);
    ck_assert_uint_eq(c.report.unknown_max, 0);
    case_done(&c);
}
END_TEST

/* No majority had the entry that the source's log has at the journal's index. */
START_TEST(delete_of_another_leader_is_not_lost)
{
    struct case_of c;
    case_init(&c);
    for (int i = 0; i < 5; i++)
        old_append(&c.old, A, "x", true);
    old_append(&c.old, A, "never committed", false); /* index 6 */
    old_delete(&c.old, A, 5, 5, false);              /* 7: the same as the journal's */
    uint64_t time_ms = c.old.time_ms;
    old_close(&c.old);
    line_delete(&c.lines, A, 6, 0, 2, 3, 5000);
    line_delete(&c.lines, A, 7, 6, 5, 5, time_ms);
    line_mark(&c.lines, old_slot(A), 7, 30);
    line_mark(&c.lines, 1 - old_slot(A), 0, 30);
    assert_built(&c);
    ck_assert_str_eq(seqs_in(c.into, A), "1,4,6/1006");
    ck_assert_uint_eq(c.report.deletes, 1);
    ck_assert_uint_eq(c.report.entries, 2);
    case_done(&c);
}
END_TEST

static void fill_for_gaps(struct case_of *c)
{
    case_init(c);
    for (int i = 0; i < 5; i++)
        old_append(&c->old, A, "x", true);
    old_append(&c->old, name_b(), "y", true);
    old_close(&c->old);
}

static void assert_refused(struct case_of *c, const char *word)
{
    ck_assert_int_eq(build(c), ERR_CONFLICT);
    ck_assert_msg(strstr(c->why.text, word) != NULL, "'%s' is not in: %s", word, c->why.text);
    ck_assert(!file_is_there(c->into));
}

START_TEST(gaps_are_refused)
{
    struct case_of c;
    fill_for_gaps(&c);
    c.has_journal = false;
    assert_refused(&c, "no journal");
    c.has_journal = true;
    line_delete(&c.lines, A, 20, 12, 2, 3, 5000); /* one at 12 is missing */
    mark_all(&c, 30);
    c.lines.len = 0;
    line_delete(&c.lines, A, 20, 12, 2, 3, 5000);
    line_mark(&c.lines, old_slot(A), 20, 30);
    line_mark(&c.lines, 1 - old_slot(A), 0, 30);
    assert_refused(&c, "1 to 7 deletes are unknown");
    ck_assert_uint_eq(c.report.slots_with_gaps, 1);
    ck_assert_uint_eq(c.report.unknown_min, 1);
    ck_assert_uint_eq(c.report.unknown_max, 7); /* the source ends at 5 */
    /* A slot of which it says nothing. */
    line_mark(&c.lines, old_slot(A), 0, 30);
    assert_refused(&c, "in 1 slots");
    ck_assert_uint_eq(c.report.unknown_max, UINT64_MAX);
    /* It ends before the backup does. */
    mark_all(&c, 1);
    assert_refused(&c, "says nothing");
    c.accept = true;
    mark_all(&c, 1);
    assert_built(&c);
    ck_assert_uint_eq(c.report.unknown_max, UINT64_MAX);
    ck_assert_str_eq(seqs_in(c.into, A), "1,2,3,4,5/1005");
    case_done(&c);
}
END_TEST

/* ---- refusals ------------------------------------------------------------------------------------------- */

START_TEST(wrong_words_change_nothing)
{
    struct case_of c;
    fill_for_gaps(&c);
    mark_all(&c, 30);
    ck_assert_int_eq(build_as(&c, "old"), ERR_BAD_PARAMETER);
    ck_assert_int_eq(build_as(&c, ""), ERR_BAD_PARAMETER);
    char file[700];
    snprintf(file, sizeof(file), "%s/something", c.into);
    ck_assert_ok(file_make_dirs(c.into, 0700, why));
    assert_built(&c); /* empty is as good as absent */
    ck_assert_int_eq(build(&c), ERR_BAD_PARAMETER);
    ck_assert_ptr_nonnull(strstr(c.why.text, "not empty"));
    ck_assert_str_eq(seqs_in(c.into, A), "1,2,3,4,5/1005");
    case_done(&c);
}
END_TEST

START_TEST(damaged_journal_changes_nothing)
{
    struct case_of c;
    fill_for_gaps(&c);
    mark_all(&c, 30);
    buf_append_string(&c.lines, "{\"slot\":0}\n");
    ck_assert_int_eq(build(&c), ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(c.why.text, "line 3"));
    ck_assert(!file_is_there(c.into));
    case_done(&c);
}
END_TEST

START_TEST(half_a_slot_is_no_source)
{
    struct case_of c;
    case_init(&c);
    old_append(&c.old, A, "x", true);
    struct store_batch *batch = store_batch_new(c.old.store);
    store_put_slot_value(batch, old_slot(A), STORE_SLOT_INSTALLING, bytes_of_string("under way"));
    ck_assert_ok(store_write(c.old.store, batch, true, why));
    store_batch_free(batch);
    old_close(&c.old);
    mark_all(&c, 30);
    ck_assert_int_eq(build(&c), ERR_UNREADY);
    ck_assert_ptr_nonnull(strstr(c.why.text, "name another"));
    /* Another has it whole. */
    old_open(&c.old, c.base, 2);
    old_append(&c.old, A, "x", true);
    old_append(&c.old, A, "x", true);
    old_close(&c.old);
    c.sources = 2;
    mark_all(&c, 30);
    assert_built(&c);
    ck_assert_str_eq(seqs_in(c.into, A), "1,2/1002");
    ck_assert_int_eq(c.report.slots[old_slot(A)].source, 1);
    case_done(&c);
}
END_TEST

START_TEST(table_names_the_new_node_alone)
{
    struct case_of c;
    case_init(&c);
    old_table(&c.old);
    old_append(&c.old, A, "x", true);
    old_close(&c.old);
    mark_all(&c, 30);
    ck_assert_int_eq(build(&c), ERR_BAD_PARAMETER);
    ck_assert_ptr_nonnull(strstr(c.why.text, "--address"));
    c.address = "new:7";
    assert_built(&c);
    struct store_options options;
    struct store *store = NULL;
    struct store_value value;
    struct bytes bytes;
    struct members table = {0};
    store_options_init(&options);
    options.dir = c.into;
    options.read_only = true;
    ck_assert_ok(store_open(&options, &store, why));
    store_value_init(&value);
    ck_assert_ok(store_get_slot_value(store, NULL, 0, STORE_SLOT_MEMBERS, &value, &bytes));
    ck_assert_ok(members_decode(bytes_of(bytes.data + 8, bytes.len - 8), &table, why));
    ck_assert_uint_eq(table.rows_count, 1);
    ck_assert_uint_eq(table.rows[0].id, 7);
    ck_assert_uint_eq(table.rows[0].incarnation, 555);
    ck_assert_str_eq(table.rows[0].address, "new:7");
    ck_assert_uint_eq(table.places_count, OLD_SLOTS);
    for (uint32_t i = 0; i < OLD_SLOTS; i++) {
        ck_assert_uint_eq(table.places[i].count, 1);
        ck_assert_uint_eq(table.places[i].ids[0], 7);
    }
    ck_assert_int_eq(store_get_slot_value(store, NULL, 0, STORE_SLOT_KNOWN_MEMBERS, &value, &bytes),
                     ERR_NOT_FOUND);
    members_done(&table);
    store_value_done(&value);
    store_close(store);
    (void)seqs_in(c.into, A); /* the digest has it too */
    case_done(&c);
}
END_TEST

/* From a backup as from a folder. */
START_TEST(backup_is_a_source)
{
    struct case_of c;
    char dir[700];
    case_init(&c);
    old_append(&c.old, A, "x", true);
    ck_assert_ok(msg_apply_flush(c.old.msg, why));
    struct backup_manifest manifest;
    snprintf(dir, sizeof(dir), "%s/backups", c.base);
    ck_assert_ok(backup_make(c.old.store, dir, "one", 500, &manifest, why));
    backup_manifest_done(&manifest);
    old_append(&c.old, A, "x", true);
    old_close(&c.old);
    snprintf(c.dirs[0], sizeof(c.dirs[0]), "%s/backups/one", c.base);
    mark_all(&c, 30);
    assert_built(&c);
    ck_assert_str_eq(seqs_in(c.into, A), "1/1001");
    case_done(&c);
}
END_TEST

Suite *suite_build(void)
{
    return UNIT_SUITE("build", 60, state_comes_back_under_another_identity,
                      seqs_that_were_given_out_do_not_return,
                      journal_is_replayed_before_the_first_read,
                      delete_of_another_leader_is_not_lost, gaps_are_refused,
                      wrong_words_change_nothing, damaged_journal_changes_nothing,
                      half_a_slot_is_no_source, table_names_the_new_node_alone, backup_is_a_source);
}
