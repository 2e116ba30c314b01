/* SPDX-License-Identifier: Apache-2.0 */
/* Configurations as arithmetic: simple changes, joint ones, leaving, what is refused. */
#include <string.h>

#include "base/rng.h"
#include "raft/internal.h"
#include "suites.h"

/* "123 l45 o12 n3": voters, learners, old voters, learners to be. */
static struct raft_config config_of(const char *text)
{
    struct raft_config ret;
    memset(&ret, 0, sizeof(ret));
    char part = 'v';
    for (; *text != '\0'; text++) {
        if (*text == 'l' || *text == 'o' || *text == 'n') {
            part = *text;
        } else if (*text != ' ') {
            node_id id = (node_id)(*text - '0');
            if (part == 'v')
                ret.voters[ret.voters_count++] = id;
            else if (part == 'l')
                ret.learners[ret.learners_count++] = id;
            else if (part == 'o')
                ret.voters_old[ret.voters_old_count++] = id;
            else
                ret.learners_next[ret.learners_next_count++] = id;
        }
    }
    return ret;
}

static bool is_equal(const struct raft_config *a, const struct raft_config *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static const struct {
    const char *name, *from, *target, *entered, *left; /* left NULL: the change is simple */
} changes[] = {
    {"add one", "1", "12", "12", NULL},
    {"remove one", "123", "12", "12", NULL},
    {"add a learner", "1", "1 l2", "1 l2", NULL},
    {"promote", "1 l2", "12", "12", NULL},
    {"demote one", "123", "12 l3", "12 l3", NULL},
    {"many learners at once", "1", "1 l2345", "1 l2345", NULL},
    {"a learner goes", "12 l34", "12 l4", "12 l4", NULL},
    {"add two", "1", "123", "123 o1", "123"},
    {"replace one", "123", "124", "124 o123", "124"},
    {"replace all", "123", "456", "456 o123", "456"},
    {"demote two", "123", "1 l23", "1 o123 n23", "1 l23"},
    {"promote and demote", "12 l3", "13 l2", "13 o12 n2", "13 l2"},
    {"demote two, add a learner", "123", "1 l234", "1 l4 o123 n23", "1 l234"},
    {"one for another, learner stays", "12 l5", "13 l5", "13 l5 o12", "13 l5"},
    {"shrink to one", "12345", "3", "3 o12345", "3"},
};

START_TEST(enter_and_leave)
{
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct raft_config from = config_of(changes[i].from);
        struct raft_config target = config_of(changes[i].target);
        struct raft_config want = config_of(changes[i].entered), has;
        member_enter(&from, &target, &has);
        ck_assert_msg(is_equal(&has, &want), "%s: enters another", changes[i].name);
        ck_assert(member_is_valid(&has));
        ck_assert_int_eq(member_is_joint(&has), changes[i].left != NULL);
        if (changes[i].left == NULL)
            continue;
        want = config_of(changes[i].left);
        member_leave(&has, &has);
        ck_assert_msg(is_equal(&has, &want), "%s: leaves to another", changes[i].name);
        ck_assert(member_is_valid(&has));
    }
}
END_TEST

START_TEST(what_is_valid)
{
    const char *good[] = {"1", "1234567", "12 l34", "13 o12 n2", "1 l7 o23 n3", "123 o123"};
    const char *bad[] = {"",          "21",        "11",      "12 l2", "0",  "1 l32",
                         "13 l2 o12", "13 o12 n1", "1 o2 n3", "1 n2",  "l1", "1 l2345 o678 n678 "};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct raft_config config = config_of(good[i]);
        ck_assert_msg(member_is_valid(&config), "refused: %s", good[i]);
    }
    for (size_t i = 0; i + 1 < sizeof(bad) / sizeof(bad[0]); i++) {
        struct raft_config config = config_of(bad[i]);
        ck_assert_msg(!member_is_valid(&config), "taken: %s", bad[i]);
    }
    struct raft_config config = config_of("1 l2345 o678 n678");
    ck_assert_uint_le(config.learners_count + config.learners_next_count, RAFT_MEMBERS_MAX);
    ck_assert(member_is_valid(&config));
    config.voters_count = RAFT_MEMBERS_MAX + 1;
    ck_assert(!member_is_valid(&config));
}
END_TEST

START_TEST(who_is_who)
{
    struct raft_config config = config_of("13 l5 o12 n2");
    for (node_id id = 1; id <= 3; id++) {
        ck_assert(member_is_voter(&config, id));
        ck_assert(member_is_member(&config, id));
        ck_assert(!member_is_learner(&config, id));
    }
    ck_assert(member_is_learner(&config, 5) && member_is_member(&config, 5));
    ck_assert(!member_is_voter(&config, 5) && !member_is_member(&config, 4));
}
END_TEST

static struct raft_config random_target(struct rng *rng)
{
    struct raft_config ret;
    memset(&ret, 0, sizeof(ret));
    for (node_id id = 1; id <= RAFT_MEMBERS_MAX; id++) {
        uint64_t what = rng_below(rng, 3);
        if (what == 0)
            ret.voters[ret.voters_count++] = id;
        else if (what == 1)
            ret.learners[ret.learners_count++] = id;
    }
    if (ret.voters_count == 0) {
        memset(&ret, 0, sizeof(ret));
        ret.voters[ret.voters_count++] = 1;
    }
    return ret;
}

static void set_role_of(struct raft_config *config, node_id id, int role)
{
    struct raft_config next;
    memset(&next, 0, sizeof(next));
    for (node_id other = 1; other <= RAFT_MEMBERS_MAX; other++) {
        bool voter = other == id ? role == 2 : member_is_voter(config, other);
        bool learner = other == id ? role == 1 : member_is_learner(config, other);
        if (voter)
            next.voters[next.voters_count++] = other;
        else if (learner)
            next.learners[next.learners_count++] = other;
    }
    *config = next;
}

static int role_of(const struct raft_config *config, node_id id)
{
    return member_is_voter(config, id) ? 2 : member_is_learner(config, id) ? 1 : 0;
}

/* The way in small steps and the way through one joint configuration end in the same place. */
START_TEST(chains_of_simple_changes_equal_one_joint)
{
    struct rng rng = rng_of(4203);
    for (int round = 0; round < 1000; round++) {
        struct raft_config from = random_target(&rng), target = random_target(&rng);
        struct raft_config small = from, once;
        for (int pass = 0; pass < 2; pass++) { /* first those that become voters: never empty */
            for (node_id id = 1; id <= RAFT_MEMBERS_MAX; id++) {
                struct raft_config step = small;
                if (role_of(&small, id) == role_of(&target, id) ||
                    (pass == 0 && role_of(&target, id) != 2))
                    continue;
                set_role_of(&step, id, role_of(&target, id));
                member_enter(&small, &step, &small);
                ck_assert(!member_is_joint(&small));
                ck_assert(member_is_valid(&small));
            }
        }
        member_enter(&from, &target, &once);
        ck_assert(member_is_valid(&once));
        if (member_is_joint(&once))
            member_leave(&once, &once);
        ck_assert(is_equal(&small, &once));
        ck_assert(is_equal(&once, &target));
    }
}
END_TEST

Suite *suite_config(void)
{
    return UNIT_SUITE("config", 20, enter_and_leave, what_is_valid, who_is_who,
                      chains_of_simple_changes_equal_one_joint);
}
