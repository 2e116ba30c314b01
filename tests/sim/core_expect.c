/* SPDX-License-Identifier: Apache-2.0 */
#include "core_expect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LLU(x) ((unsigned long long)(x))

static const char *const role_names[] = {"follower", "pre-candidate", "candidate", "leader"};
static const char *const progress_names[] = {"probe", "replicate", "delta", "full"};

static enum step expect_role(struct model *model, struct model_node *node,
                             const struct words *words, const struct raft_status *status)
{
    const char *want = words->word[3];
    if (strcmp(role_names[status->role], want) != 0)
        return model_fail(model, "node %llu is %s, not %s", LLU(node->id), role_names[status->role],
                          want);
    uint64_t term = words_number(words, "term", status->term);
    if (status->term != term)
        return model_fail(model, "node %llu has term %llu, not %llu", LLU(node->id),
                          LLU(status->term), LLU(term));
    uint64_t leader = words_number(words, "leader", status->leader);
    if (status->leader != leader)
        return model_fail(model, "node %llu follows %llu, not %llu", LLU(node->id),
                          LLU(status->leader), LLU(leader));
    return STEP_OK;
}

/* Words like 11-13:2 or 14:3; with `only` nothing may lie behind the last. */
static enum step expect_log(struct model *model, struct model_node *node, const struct words *words)
{
    raft_index end = 0;
    for (int i = 3; i < words->words_count; i++) {
        char *at;
        if (strcmp(words->word[i], "only") == 0)
            continue;
        raft_index from = strtoull(words->word[i], &at, 10), to = from;
        if (*at == '-')
            to = strtoull(at + 1, &at, 10);
        if (*at != ':')
            return STEP_UNKNOWN;
        raft_term term = strtoull(at + 1, NULL, 10);
        for (raft_index index = from; index <= to; index++) {
            raft_term has = model_log_term(&node->written.log, index);
            if (has != term)
                return model_fail(model, "log of node %llu has term %llu at %llu, not %llu",
                                  LLU(node->id), LLU(has), LLU(index), LLU(term));
        }
        end = to;
    }
    if (strcmp(words->word[words->words_count - 1], "only") == 0 &&
        model_log_last(&node->written.log) != end)
        return model_fail(model, "log of node %llu ends at %llu, not %llu", LLU(node->id),
                          LLU(model_log_last(&node->written.log)), LLU(end));
    return STEP_OK;
}

static enum step expect_number(struct model *model, struct model_node *node, const char *what,
                               uint64_t has, const struct words *words)
{
    uint64_t want;
    if (words->words_count < 4 || !number_parse(words->word[3], &want))
        return STEP_UNKNOWN;
    if (has != want)
        return model_fail(model, "%s of node %llu is %llu, not %llu", what, LLU(node->id), LLU(has),
                          LLU(want));
    return STEP_OK;
}

static enum step expect_ids(struct model *model, const struct words *words, const char *key,
                            const node_id *has, uint8_t count)
{
    const char *text = words_option(words, key);
    uint64_t want[RAFT_MEMBERS_MAX];
    size_t want_count;
    if (text == NULL)
        return STEP_OK;
    if (strcmp(text, "none") == 0)
        text = "";
    if (!ids_parse(text, want, RAFT_MEMBERS_MAX, &want_count))
        return STEP_UNKNOWN;
    if (want_count != count || memcmp(want, has, count * sizeof(*has)) != 0)
        return model_fail(model, "%s are not %s but %u others", key, text, count);
    return STEP_OK;
}

static enum step expect_config(struct model *model, const struct words *words,
                               const struct raft_config *config)
{
    enum step steps[] = {
        expect_ids(model, words, "voters", config->voters, config->voters_count),
        expect_ids(model, words, "old", config->voters_old, config->voters_old_count),
        expect_ids(model, words, "learners", config->learners, config->learners_count)};
    for (size_t i = 0; i < 3; i++) {
        if (steps[i] != STEP_OK)
            return steps[i];
    }
    return STEP_OK;
}

/* held 1 kind=VOTE n=2: packets that wait for a ticket. */
static enum step expect_held(struct model *model, struct model_node *node,
                             const struct words *words)
{
    const char *name = words_option(words, "kind");
    int kind = name == NULL ? -1 : packet_kind_of(name);
    uint64_t has = 0, want = words_number(words, "n", 1);
    for (struct model_held *held = node->held; held != NULL; held = held->next)
        has += kind < 0 || held->packet.kind == kind;
    if (has != want)
        return model_fail(model, "node %llu holds %llu packets back, not %llu", LLU(node->id),
                          LLU(has), LLU(want));
    return STEP_OK;
}

/* writes N 1: what waits for the disk, unsynced applies included. */
static enum step expect_writes(struct model *model, struct model_node *node,
                               const struct words *words)
{
    uint64_t has = 0;
    for (struct model_write *write = node->writes; write != NULL; write = write->next)
        has++;
    return expect_number(model, node, "writes", has, words);
}

/* sent 1->2 kind=APPEND n=2: packets on the wire; n=0: none. */
static enum step expect_sent(struct model *model, const struct words *words)
{
    node_id from, to;
    const char *name = words_option(words, "kind");
    int kind = name == NULL ? -1 : packet_kind_of(name);
    uint64_t has = 0, want = words_number(words, "n", 1);
    if (words->words_count < 3 || !link_parse(words->word[2], &from, &to) || from == 0 ||
        from > MODEL_NODES_MAX || to > MODEL_NODES_MAX)
        return STEP_UNKNOWN;
    for (node_id peer = 1; peer <= MODEL_NODES_MAX; peer++) {
        for (struct model_packet *p = model->links[from][peer]; p != NULL; p = p->next)
            has += (to == 0 || peer == to) && (kind < 0 || p->packet.kind == kind);
    }
    if (has != want)
        return model_fail(model, "%llu packets on %s, not %llu", LLU(has), words->word[2],
                          LLU(want));
    return STEP_OK;
}

/* progress 1->3 replicate match=14 next=17 inflight=2 */
static enum step expect_progress(struct model *model, const struct words *words)
{
    node_id from, to;
    if (words->words_count < 4 || !link_parse(words->word[2], &from, &to) || from == 0 ||
        from > MODEL_NODES_MAX || !model->nodes[from].up)
        return STEP_UNKNOWN;
    struct raft_status status;
    raft_status(model->nodes[from].raft, &status);
    for (uint32_t i = 0; i < status.peers_count; i++) {
        const struct raft_progress_status *p = &status.peers[i];
        if (p->peer != to)
            continue;
        if (strcmp(progress_names[p->state], words->word[3]) != 0)
            return model_fail(model, "progress of %llu is %s, not %s", LLU(to),
                              progress_names[p->state], words->word[3]);
        if (words_number(words, "match", p->match) != p->match ||
            words_number(words, "next", p->next) != p->next ||
            words_number(words, "inflight", p->inflight_packets) != p->inflight_packets)
            return model_fail(model, "progress of %llu: match=%llu next=%llu inflight=%u", LLU(to),
                              LLU(p->match), LLU(p->next), p->inflight_packets);
        return STEP_OK;
    }
    if (strcmp(words->word[3], "none") == 0)
        return STEP_OK;
    return model_fail(model, "node %llu keeps no progress of %llu", LLU(from), LLU(to));
}

/* reads N 9@14: tag 9 was answered with index 14; 9@refused; 9@open */
static enum step expect_reads(struct model *model, struct model_node *node,
                              const struct words *words)
{
    for (int i = 3; i < words->words_count; i++) {
        char *at;
        uint64_t tag = strtoull(words->word[i], &at, 10);
        const struct model_read *read = NULL;
        for (int j = 0; j < node->reads_count; j++) {
            if (node->reads[j].tag == tag)
                read = &node->reads[j];
        }
        if (*at != '@' || read == NULL)
            return STEP_UNKNOWN;
        const char *want = at + 1;
        char has[32];
        if (read->open)
            snprintf(has, sizeof(has), "open");
        else if (!read->served || read->err != OK)
            snprintf(has, sizeof(has), "refused");
        else
            snprintf(has, sizeof(has), "%llu", LLU(read->index));
        if (strcmp(has, want) != 0)
            return model_fail(model, "read %llu on node %llu: %s, not %s", LLU(tag), LLU(node->id),
                              has, want);
    }
    return STEP_OK;
}

static enum step expect_flag(struct model *model, struct model_node *node,
                             const struct words *words, const struct raft_status *status)
{
    const char *want = words->word[3];
    const char *kinds[] = {"none", "delta", "full"};
    const char *has = status->installing ? kinds[status->install.kind] : "none";
    if (strcmp(words->word[1], "amnesia") == 0)
        has = status->amnesia ? "yes" : "no";
    if (strcmp(words->word[1], "read-ready") == 0)
        has = status->read_ready ? "yes" : "no";
    if (strcmp(words->word[1], "transferring") == 0)
        has = status->transferring ? "yes" : "no";
    if (strcmp(has, want) != 0)
        return model_fail(model, "%s of node %llu is %s, not %s", words->word[1], LLU(node->id),
                          has, want);
    return STEP_OK;
}

/* refused N busy: what the last propose, read, transfer or config gave ("ok": it was taken). */
static enum step expect_refused(struct model *model, struct model_node *node,
                                const struct words *words)
{
    if (strcmp(err_slug(node->last_error), words->word[3]) != 0)
        return model_fail(model, "node %llu answered %s, not %s", LLU(node->id),
                          err_slug(node->last_error), words->word[3]);
    return STEP_OK;
}

static enum step expect_state_equal(struct model *model, const struct words *words)
{
    uint64_t ids[MODEL_NODES_MAX];
    size_t count;
    if (words->words_count < 3 || !ids_parse(words->word[2], ids, MODEL_NODES_MAX, &count))
        return STEP_UNKNOWN;
    for (size_t i = 1; i < count; i++) {
        const struct model_state *a = &model->nodes[ids[0]].written.state;
        const struct model_state *b = &model->nodes[ids[i]].written.state;
        if (a->applied != b->applied || a->hash != b->hash)
            return model_fail(model, "states of %llu and %llu differ (applied %llu and %llu)",
                              LLU(ids[0]), LLU(ids[i]), LLU(a->applied), LLU(b->applied));
    }
    return STEP_OK;
}

static enum step expect_of_node(struct model *model, struct model_node *node,
                                const struct words *words)
{
    const char *what = words->word[1];
    if (strcmp(what, "log") == 0)
        return expect_log(model, node, words);
    if (strcmp(what, "base") == 0)
        return expect_number(model, node, what, node->written.log.base.index, words);
    if (strcmp(what, "held") == 0)
        return expect_held(model, node, words);
    if (strcmp(what, "writes") == 0)
        return expect_writes(model, node, words);
    if (strcmp(what, "durable") == 0)
        return expect_number(model, node, what, model_log_last(&node->durable.log), words);
    if (strcmp(what, "reads") == 0)
        return expect_reads(model, node, words);
    if (strcmp(what, "refused") == 0)
        return expect_refused(model, node, words);
    if (!node->up)
        return model_fail(model, "node %llu is down", LLU(node->id));
    struct raft_status status;
    raft_status(node->raft, &status);
    if (strcmp(what, "config") == 0)
        return expect_config(model, words, &status.config);
    if (words->words_count < 4)
        return STEP_UNKNOWN;
    if (strcmp(what, "role") == 0)
        return expect_role(model, node, words, &status);
    if (strcmp(what, "commit") == 0)
        return expect_number(model, node, what, status.commit, words);
    if (strcmp(what, "applied") == 0)
        return expect_number(model, node, what, node->written.state.applied, words);
    if (strcmp(what, "verified") == 0)
        return expect_number(model, node, what, status.verified, words);
    if (strcmp(what, "term") == 0)
        return expect_number(model, node, what, status.term, words);
    if (strcmp(what, "vote") == 0)
        return expect_number(model, node, what, status.vote, words);
    if (strcmp(what, "installing") == 0 || strcmp(what, "amnesia") == 0 ||
        strcmp(what, "read-ready") == 0 || strcmp(what, "transferring") == 0)
        return expect_flag(model, node, words, &status);
    return STEP_UNKNOWN;
}

enum step core_expect(struct model *model, const struct words *words)
{
    if (words->words_count < 2)
        return STEP_UNKNOWN;
    const char *what = words->word[1];
    if (strcmp(what, "elections") == 0) {
        uint64_t max = words_number(words, "max", 0);
        if (model->elections > max)
            return model_fail(model, "%llu elections, at most %llu", LLU(model->elections),
                              LLU(max));
        return STEP_OK;
    }
    if (strcmp(what, "state-equal") == 0)
        return expect_state_equal(model, words);
    if (strcmp(what, "progress") == 0)
        return expect_progress(model, words);
    if (strcmp(what, "sent") == 0)
        return expect_sent(model, words);
    uint64_t id;
    if (words->words_count < 3 || !number_parse(words->word[2], &id) || id > MODEL_NODES_MAX ||
        !model->nodes[id].exists)
        return STEP_UNKNOWN;
    return expect_of_node(model, &model->nodes[id], words);
}

/* ---- convergence -------------------------------------------------------------------------------- */
static struct model_node *only_leader(struct model *model, struct raft_status *status)
{
    struct model_node *found = NULL;
    for (node_id id = 1; id <= MODEL_NODES_MAX; id++) {
        struct model_node *node = &model->nodes[id];
        if (!node->exists || !node->up || raft_role(node->raft) != RAFT_LEADER)
            continue;
        struct raft_status own;
        raft_status(node->raft, &own);
        if (found == NULL || own.term > status->term) {
            found = node;
            *status = own;
        }
    }
    return found;
}

static bool has_all(struct model *model, node_id id, const struct model_node *leader)
{
    struct model_node *node = &model->nodes[id];
    if (!node->exists || !node->up) /* a member that is not there, or not any more */
        return true;
    struct raft_status status;
    raft_status(node->raft, &status);
    raft_index last = model_log_last(&leader->written.log);
    return node->written.state.applied == last &&
           node->written.state.hash == leader->written.state.hash &&
           model_log_last(&node->durable.log) == last && !status.installing && !status.amnesia &&
           status.term == raft_current_term(leader->raft);
}

bool core_is_converged(struct model *model)
{
    struct raft_status status;
    struct model_node *leader = only_leader(model, &status);
    if (leader == NULL || status.config.voters_old_count > 0 || status.config_pending)
        return false;
    bool ret = true;
    for (uint8_t i = 0; i < status.config.voters_count; i++)
        ret &= has_all(model, status.config.voters[i], leader);
    for (uint8_t i = 0; i < status.config.learners_count; i++)
        ret &= has_all(model, status.config.learners[i], leader);
    for (uint32_t i = 0; i < status.peers_count; i++) {
        const struct model_node *peer = &model->nodes[status.peers[i].peer];
        ret &= status.peers[i].state == RAFT_REPLICATE || !peer->exists || !peer->up;
    }
    return ret;
}

enum step core_why_not_converged(struct model *model)
{
    struct raft_status status;
    char text[400];
    size_t len = 0;
    text[0] = '\0';
    for (node_id id = 1; id <= MODEL_NODES_MAX; id++) {
        struct model_node *node = &model->nodes[id];
        if (!node->exists || !node->up || len >= sizeof(text))
            continue;
        raft_status(node->raft, &status);
        len += (size_t)snprintf(
            text + len, sizeof(text) - len,
            " %llu: %s term=%llu last=%llu commit=%llu applied=%llu%s%s%s;", LLU(id),
            role_names[status.role], LLU(status.term), LLU(status.last.index), LLU(status.commit),
            LLU(status.applied), status.installing ? " installing" : "",
            status.amnesia ? " amnesia" : "", status.config.voters_old_count > 0 ? " joint" : "");
    }
    return model_fail(model, "V17: not converged:%s", text);
}
