/* SPDX-License-Identifier: Apache-2.0 */
/* The loss of a majority: what the survivors know, who must be named, when nothing is lost. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "old.h"
#include "sys/file.h"

struct group {
    char *base; /* owned */
    char dirs[3][600];
    struct rescue_source *sources; /* owned */
    uint32_t count;
};

/* Node n has n entries, and all are applied but its last one. */
static void group_open(struct group *g, uint32_t count)
{
    *g = (struct group){.base = unit_temp_dir(), .count = count};
    const char *dirs[3];
    for (uint32_t i = 0; i < count; i++) {
        struct old old;
        snprintf(g->dirs[i], sizeof(g->dirs[i]), "%s/%u", g->base, i + 1);
        dirs[i] = g->dirs[i];
        old_open(&old, g->base, i + 1);
        for (uint32_t n = 0; n <= i; n++)
            old_append(&old, "a", "x", n < i);
        old_close(&old);
    }
    ck_assert_ok(rescue_open(dirs, count, &g->sources, why));
}

static void group_done(struct group *g)
{
    rescue_close(g->sources, g->count);
    free(g->base);
}

START_TEST(survey_tells_who_knows_most)
{
    struct group g;
    struct buf out = BUF_INIT;
    group_open(&g, 3);
    uint32_t slot = old_slot("a");
    ck_assert_int_eq(rescue_best(g.sources, 3, slot), 2);
    ck_assert_int_eq(rescue_best(g.sources, 2, slot), 1);
    ck_assert_uint_eq(g.sources[2].slots[slot].log_index, 3);
    ck_assert_uint_eq(g.sources[2].slots[slot].applied.index, 2);
    ck_assert_uint_eq(g.sources[2].slots[slot].log_term, 3);
    ck_assert_str_eq(g.sources[2].slots[slot].state, "ok");
    ck_assert_str_eq(g.sources[2].slots[1 - slot].state, "empty");
    ck_assert_int_eq(rescue_best(g.sources, 3, 1 - slot), -1);
    rescue_print_survey(g.sources, 3, &out);
    ck_assert_ptr_nonnull(strstr(buf_string(&out), "node 3 of cluster 'old'"));
    ck_assert_ptr_nonnull(strstr(buf_string(&out), "3*"));
    buf_clear(&out);
    rescue_print_survey_json(g.sources, 3, &out);
    char part[200];
    snprintf(part, sizeof(part),
             "{\"slot\":%u,\"state\":\"ok\",\"term\":3,\"last_index\":3,\"hard_term\":3,"
             "\"applied_index\":2,",
             slot);
    ck_assert_ptr_nonnull(strstr(buf_string(&out), part));
    ck_assert_ptr_nonnull(
        strstr(buf_string(&out), slot == 0 ? "\"best\":[3,0]" : "\"best\":[0,3]"));
    buf_done(&out);
    group_done(&g);
}
END_TEST

static void assert_lost(struct group *g, const char *names, enum err expected, const char *word)
{
    node_id lost[4];
    uint32_t count = 0;
    struct why why = {0};
    for (; *names != '\0'; names++)
        lost[count++] = (node_id)(*names - '0');
    enum err err = rescue_check_lost(g->sources, g->count, lost, count, &why);
    ck_assert_msg(err == expected, "%s: %s", err_slug(err), why.text);
    ck_assert_msg(strstr(why.text, word) != NULL, "'%s' is not in: %s", word, why.text);
}

START_TEST(all_lost_nodes_are_named)
{
    struct group g;
    group_open(&g, 1); /* of three members */
    assert_lost(&g, "2", ERR_BAD_PARAMETER, "node 3 is a member");
    assert_lost(&g, "23", OK, "");
    assert_lost(&g, "234", ERR_BAD_PARAMETER, "node 4");
    assert_lost(&g, "123", ERR_BAD_PARAMETER, "node 1");
    group_done(&g);
    group_open(&g, 2); /* two of three are a majority */
    assert_lost(&g, "3", ERR_CONFLICT, "start them");
    group_done(&g);
}
END_TEST

START_TEST(sources_fit_together)
{
    char *base = unit_temp_dir(), path[600], other[600];
    struct old old;
    struct rescue_source *sources = NULL;
    snprintf(path, sizeof(path), "%s/1", base);
    snprintf(other, sizeof(other), "%s/nothing", base);
    old_open(&old, base, 1);
    old_close(&old);
    const char *same[] = {path, path}, *absent[] = {path, other};
    ck_assert_int_eq(rescue_open(same, 2, &sources, NULL), ERR_BAD_PARAMETER);
    ck_assert_int_eq(rescue_open(absent, 2, &sources, NULL), ERR_NOT_FOUND);
    ck_assert_int_eq(rescue_open(absent, 0, &sources, NULL), ERR_BAD_PARAMETER);
    free(base);
}
END_TEST

/* Node 1 was removed while it was down: what it holds is older than what was deleted since, however long
 * its log is. Only node 2 knows. */
START_TEST(a_removed_node_is_no_source)
{
    struct group g = {.base = unit_temp_dir(), .count = 2};
    struct old old;
    const char *dirs[] = {g.dirs[0], g.dirs[1]};
    for (uint32_t i = 0; i < 2; i++) {
        snprintf(g.dirs[i], sizeof(g.dirs[i]), "%s/%u", g.base, i + 1);
        old_open(&old, g.base, i + 1);
        for (uint32_t n = 0; n < 3 - i; n++)
            old_append(&old, "a", "x", true);
        if (i == 1)
            old_table_without(&old, 1);
        old_close(&old);
    }
    ck_assert_ok(rescue_open(dirs, 2, &g.sources, why));
    uint32_t slot = old_slot("a");
    ck_assert(g.sources[0].is_removed);
    ck_assert(!g.sources[1].is_removed);
    ck_assert_str_eq(g.sources[0].slots[slot].state, "removed");
    ck_assert_int_eq(rescue_best(g.sources, 2, slot), 1);
    assert_lost(&g, "3", ERR_BAD_PARAMETER, "node 1 was removed from the cluster");
    group_done(&g);
}
END_TEST

START_TEST(each_recovery_has_an_id_of_its_own)
{
    char id[65], long_id[65];
    ck_assert_int_eq(rescue_next_cluster_id("chat", id, NULL), OK);
    ck_assert_str_eq(id, "chat+r1");
    ck_assert_int_eq(rescue_next_cluster_id("chat+r1", id, NULL), OK);
    ck_assert_str_eq(id, "chat+r2");
    ck_assert_int_eq(rescue_next_cluster_id("a+rb+r9", id, NULL), OK);
    ck_assert_str_eq(id, "a+rb+r10");
    ck_assert_int_eq(rescue_next_cluster_id("a+r", id, NULL), OK);
    ck_assert_str_eq(id, "a+r+r1");
    memset(long_id, 'x', 64);
    long_id[64] = '\0';
    ck_assert_int_eq(rescue_next_cluster_id(long_id, id, NULL), ERR_BAD_PARAMETER);
}
END_TEST

Suite *suite_lost(void)
{
    return UNIT_SUITE("lost", 30, survey_tells_who_knows_most, all_lost_nodes_are_named,
                      sources_fit_together, a_removed_node_is_no_source,
                      each_recovery_has_an_id_of_its_own);
}
