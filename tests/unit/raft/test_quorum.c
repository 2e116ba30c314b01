/* SPDX-License-Identifier: Apache-2.0 */
/* Majorities of one set and of two: known cases as tables, then random ones against a count that
 * knows no trick. */
#include "base/rng.h"
#include "raft/quorum.h"
#include "suites.h"

enum { IDS = 8 };

struct known {
    uint64_t index[IDS]; /* by voter id; 0: nothing known */
    int ballot[IDS];
};

static uint64_t index_of(const void *arg, node_id voter)
{
    return ((const struct known *)arg)->index[voter];
}

static int ballot_of(const void *arg, node_id voter)
{
    return ((const struct known *)arg)->ballot[voter];
}

/* Voters are 1..n; acked[i] is what voter i + 1 has. */
static const struct {
    uint8_t count;
    uint64_t acked[7], commit;
} commits[] = {
    {0, {0}, UINT64_MAX},
    {1, {0}, 0},
    {1, {12}, 12},
    {2, {0, 0}, 0},
    {2, {12, 0}, 0},
    {2, {12, 5}, 5},
    {2, {12, 12}, 12},
    {3, {0, 0, 0}, 0},
    {3, {12, 0, 0}, 0},
    {3, {12, 5, 0}, 5},
    {3, {12, 5, 6}, 6},
    {3, {12, 12, 5}, 12},
    {3, {100, 101, 103}, 101},
    {3, {101, 100, 103}, 101},
    {3, {101, 101, 101}, 101},
    {4, {100, 101, 0, 0}, 0},
    {4, {100, 101, 102, 0}, 100},
    {4, {100, 101, 102, 103}, 101},
    {5, {100, 101, 0, 0, 0}, 0},
    {5, {101, 104, 103, 103, 0}, 103},
    {5, {101, 102, 103, 103, 0}, 102},
    {6, {1, 2, 3, 4, 5, 6}, 3},
    {7, {101, 103, 103, 104, 0, 0, 0}, 101},
    {7, {1, 2, 3, 4, 5, 6, 7}, 4},
    {7, {9, 9, 9, 9, 1, 1, 1}, 9},
};

START_TEST(majority_commit)
{
    node_id voters[7] = {1, 2, 3, 4, 5, 6, 7};
    for (size_t i = 0; i < sizeof(commits) / sizeof(commits[0]); i++) {
        struct known known = {{0}, {0}};
        for (int j = 0; j < 7; j++)
            known.index[j + 1] = commits[i].acked[j];
        ck_assert_uint_eq(quorum_majority_index(voters, commits[i].count, index_of, &known),
                          commits[i].commit);
    }
}
END_TEST

static const struct {
    const char *ballots; /* y, n, _ */
    enum quorum_vote vote;
} votes[] = {
    {"", QUORUM_WON},         {"_", QUORUM_PENDING},       {"n", QUORUM_LOST},
    {"y", QUORUM_WON},        {"__", QUORUM_PENDING},      {"n_", QUORUM_LOST},
    {"y_", QUORUM_PENDING},   {"ny", QUORUM_LOST},         {"yy", QUORUM_WON},
    {"nn", QUORUM_LOST},      {"___", QUORUM_PENDING},     {"n__", QUORUM_PENDING},
    {"y__", QUORUM_PENDING},  {"nn_", QUORUM_LOST},        {"yn_", QUORUM_PENDING},
    {"yy_", QUORUM_WON},      {"yyn", QUORUM_WON},         {"ynn", QUORUM_LOST},
    {"yyyy", QUORUM_WON},     {"yynn", QUORUM_LOST},       {"yyn_", QUORUM_PENDING},
    {"yyyn", QUORUM_WON},     {"yynny", QUORUM_WON},       {"yynn_", QUORUM_PENDING},
    {"nnnyy", QUORUM_LOST},   {"yyy____", QUORUM_PENDING}, {"yyyy___", QUORUM_WON},
    {"nnnn___", QUORUM_LOST}, {"yyynnn_", QUORUM_PENDING}, {"yyynnnn", QUORUM_LOST},
};

START_TEST(majority_vote)
{
    node_id voters[7] = {1, 2, 3, 4, 5, 6, 7};
    for (size_t i = 0; i < sizeof(votes) / sizeof(votes[0]); i++) {
        struct known known = {{0}, {0}};
        uint8_t count = 0;
        for (const char *at = votes[i].ballots; *at != '\0'; at++, count++)
            known.ballot[count + 1] = *at == 'y' ? 1 : *at == 'n' ? -1 : 0;
        ck_assert_int_eq(quorum_majority_vote(voters, count, ballot_of, &known), votes[i].vote);
    }
}
END_TEST

static struct raft_config joint_of(const char *now, const char *old)
{
    struct raft_config ret = {.voters_count = 0};
    for (; *now != '\0'; now++)
        ret.voters[ret.voters_count++] = (node_id)(*now - '0');
    for (; *old != '\0'; old++)
        ret.voters_old[ret.voters_old_count++] = (node_id)(*old - '0');
    return ret;
}

static const struct {
    const char *now, *old;
    uint64_t acked[7], commit;
} joint_commits[] = {
    {"123", "", {100, 101, 99}, 100},
    {"1", "2", {5, 0}, 0},
    {"1", "2", {5, 9}, 5},
    {"1", "12", {9, 4}, 4},
    {"12", "1", {9, 4}, 4},
    {"12", "34", {50, 45, 100, 101}, 45},
    {"12", "34", {0, 0, 100, 101}, 0},
    {"123", "123", {50, 45, 40}, 45},
    {"123", "456", {1, 2, 3, 9, 9, 9}, 2},
    {"123", "345", {0, 0, 9, 9, 9}, 0},
    {"1234", "34567", {5, 6, 9, 9, 8, 8, 1}, 6},
    {"123", "234", {9, 8, 8, 1}, 8},
    {"1234567", "1", {2, 9, 9, 9, 9, 9, 9}, 2},
};

START_TEST(joint_commit)
{
    for (size_t i = 0; i < sizeof(joint_commits) / sizeof(joint_commits[0]); i++) {
        struct raft_config config = joint_of(joint_commits[i].now, joint_commits[i].old);
        struct known known = {{0}, {0}};
        for (int j = 0; j < 7; j++)
            known.index[j + 1] = joint_commits[i].acked[j];
        ck_assert_uint_eq(quorum_index(&config, index_of, &known), joint_commits[i].commit);
    }
}
END_TEST

static const struct {
    const char *now, *old, *ballots; /* by id from 1 */
    enum quorum_vote vote;
} joint_votes[] = {
    {"12", "34", "yyyy", QUORUM_WON},       {"12", "34", "yy__", QUORUM_PENDING},
    {"12", "34", "yyn_", QUORUM_LOST},      {"12", "34", "n_yy", QUORUM_LOST},
    {"123", "234", "yy__", QUORUM_PENDING}, {"123", "234", "yyy_", QUORUM_WON},
    {"123", "234", "nn__", QUORUM_LOST},    {"123", "234", "__nn", QUORUM_LOST},
    {"1", "2", "y_", QUORUM_PENDING},       {"1", "2", "yy", QUORUM_WON},
    {"1", "2", "yn", QUORUM_LOST},          {"123", "", "yyn", QUORUM_WON},
    {"123", "456", "yy_yy_", QUORUM_WON},   {"123", "456", "yy_ynn", QUORUM_LOST},
};

START_TEST(joint_vote)
{
    for (size_t i = 0; i < sizeof(joint_votes) / sizeof(joint_votes[0]); i++) {
        struct raft_config config = joint_of(joint_votes[i].now, joint_votes[i].old);
        struct known known = {{0}, {0}};
        int id = 1;
        for (const char *at = joint_votes[i].ballots; *at != '\0'; at++, id++)
            known.ballot[id] = *at == 'y' ? 1 : *at == 'n' ? -1 : 0;
        ck_assert_int_eq(quorum_vote(&config, ballot_of, &known), joint_votes[i].vote);
    }
    struct raft_config nobody = {.voters_count = 0};
    struct known known = {{0}, {0}};
    ck_assert_int_eq(quorum_vote(&nobody, ballot_of, &known), QUORUM_PENDING);
    ck_assert_uint_eq(quorum_index(&nobody, index_of, &known), 0);
}
END_TEST

/* ---- random cases against a naive count ------------------------------------------------------- */
static unsigned count_at(const node_id *ids, uint8_t count, const struct known *known, uint64_t at)
{
    unsigned ret = 0;
    for (uint8_t i = 0; i < count; i++)
        ret += known->index[ids[i]] >= at;
    return ret;
}

/* The highest index that more than half of each half has, tried one by one from above. */
static uint64_t naive_index(const struct raft_config *c, const struct known *known)
{
    for (uint64_t at = 20; at > 0; at--) {
        bool now = 2 * count_at(c->voters, c->voters_count, known, at) > c->voters_count;
        bool old =
            c->voters_old_count == 0 ||
            2 * count_at(c->voters_old, c->voters_old_count, known, at) > c->voters_old_count;
        if (now && old)
            return at;
    }
    return 0;
}

/* Won: whatever the silent ones say it stays won; lost: whatever they say it is not won. */
static bool can_win(const node_id *ids, uint8_t count, const struct known *known, int silent)
{
    unsigned yes = 0;
    for (uint8_t i = 0; i < count; i++)
        yes += (known->ballot[ids[i]] == 0 ? silent : known->ballot[ids[i]]) > 0;
    return count == 0 || 2 * yes > count;
}

static enum quorum_vote naive_vote(const struct raft_config *c, const struct known *known)
{
    bool sure = can_win(c->voters, c->voters_count, known, -1) &&
                can_win(c->voters_old, c->voters_old_count, known, -1);
    bool possible = can_win(c->voters, c->voters_count, known, 1) &&
                    can_win(c->voters_old, c->voters_old_count, known, 1);
    return sure ? QUORUM_WON : possible ? QUORUM_PENDING : QUORUM_LOST;
}

START_TEST(random_against_naive)
{
    struct rng rng = rng_of(20140801);
    for (int round = 0; round < 50000; round++) {
        struct raft_config config = {.voters_count = 0};
        struct known known = {{0}, {0}};
        bool joint = rng_below(&rng, 2);
        for (node_id id = 1; id <= 7; id++) {
            if (rng_below(&rng, 2))
                config.voters[config.voters_count++] = id;
            if (joint && rng_below(&rng, 2))
                config.voters_old[config.voters_old_count++] = id;
            known.index[id] = rng_below(&rng, 12);
            known.ballot[id] = (int)rng_below(&rng, 3) - 1;
        }
        if (config.voters_count == 0)
            config.voters[config.voters_count++] = 1;
        ck_assert_uint_eq(quorum_index(&config, index_of, &known), naive_index(&config, &known));
        ck_assert_int_eq(quorum_vote(&config, ballot_of, &known), naive_vote(&config, &known));
    }
}
END_TEST

Suite *suite_quorum(void)
{
    return UNIT_SUITE("quorum", 20, majority_commit, majority_vote, joint_commit, joint_vote,
                      random_against_naive);
}
