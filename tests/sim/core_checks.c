/* SPDX-License-Identifier: Apache-2.0 */
/* The invariants of the core (V numbers: the design's raft page, section 8), held over all nodes
 * after every command. What was ever committed, elected or voted is kept here, restarts included. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "core_model.h"

struct committed {
    raft_term term;      /* of the entry */
    raft_term seen_term; /* lowest term a node had that knew it committed */
    uint64_t chain;
};

struct leader_mark { /* V3 */
    raft_term term;
    raft_index last;
    uint64_t chain;
};

struct checker {
    struct map *leaders;         /* term -> id */
    struct map *votes;           /* term * 16 + voter -> candidate */
    struct committed *committed; /* [index]; term 0: unknown, below a base */
    raft_index committed_last, capacity;
    uint64_t *applied; /* [index] chain; 0: unknown */
    raft_index applied_last, applied_capacity;
    struct leader_mark marks[MODEL_NODES_MAX + 1];
    raft_term told_term[MODEL_NODES_MAX + 1];
};

struct checker *checker_new(void)
{
    struct checker *ret = alloc_zero(sizeof(*ret));
    ret->leaders = map_new();
    ret->votes = map_new();
    return ret;
}

void checker_free(struct checker *checker)
{
    map_free(checker->leaders, NULL);
    map_free(checker->votes, NULL);
    free(checker->committed);
    free(checker->applied);
    free(checker);
}

raft_index checker_committed(const struct checker *checker)
{
    return checker->applied_last;
}

static enum step fail_once(struct model *model, const char *format, uint64_t a, uint64_t b,
                           uint64_t c)
{
    if (model->error[0] == '\0')
        model_fail(model, format, (unsigned long long)a, (unsigned long long)b,
                   (unsigned long long)c);
    return STEP_FAILED;
}

static uint64_t log_chain(struct model_log *log, raft_index index)
{
    if (index == log->base.index)
        return log->base_chain;
    const struct model_entry *entry = model_log_at(log, index);
    return entry == NULL ? 0 : entry->chain;
}

/* ---- events told as they happen ------------------------------------------------------------- */
static void note_vote(struct model *model, node_id voter, raft_term term, node_id candidate)
{
    struct checker *c = model->checker;
    void *before = map_find_u64(c->votes, term * 16 + voter);
    if (before != NULL && (uintptr_t)before != candidate)
        fail_once(model, "V2: node %llu votes for %llu in term %llu, and voted for another before",
                  voter, candidate, term);
    if (before == NULL)
        map_put_u64(c->votes, term * 16 + voter, (void *)(uintptr_t)candidate);
}

/* V9: nothing leaves before what it promises is durable. */
void checker_on_send(struct model *model, struct model_node *node, const struct raft_packet *packet)
{
    bool asked = packet->kind == RAFT_PREVOTE ||
                 (packet->kind == RAFT_PREVOTE_REPLY && !(packet->flags & RAFT_REFUSED));
    bool refused = packet->flags & RAFT_REFUSED;
    if (packet->wait_seq > node->durable_seq)
        fail_once(model, "V9: packet of node %llu left with ticket %llu, durable is %llu", node->id,
                  packet->wait_seq, node->durable_seq);
    if (!asked && packet->term > node->durable.term)
        fail_once(model, "V9: node %llu sent term %llu, durable is %llu", node->id, packet->term,
                  node->durable.term);
    if (!asked && packet->term > model->checker->told_term[node->id])
        model->checker->told_term[node->id] = packet->term;
    if (packet->kind == RAFT_VOTE) {
        note_vote(model, node->id, packet->term, node->id);
        if (node->durable.vote != node->id || node->durable.term != packet->term)
            fail_once(model, "V9: node %llu asks for votes in term %llu undurably (%llu)", node->id,
                      packet->term, node->durable.term);
    }
    if (packet->kind == RAFT_VOTE_REPLY && !refused) {
        note_vote(model, node->id, packet->term, packet->to);
        if (node->durable.vote != packet->to || node->durable.term != packet->term)
            fail_once(model, "V9: node %llu granted a vote of term %llu undurably (%llu)", node->id,
                      packet->term, node->durable.term);
    }
    if (packet->kind == RAFT_APPEND_REPLY && !refused && packet->pos.index != 0) {
        raft_index last = model_log_last(&node->durable.log);
        if (packet->pos.index > last && packet->pos.index > node->durable.log.base.index)
            fail_once(model, "V9: node %llu acks %llu, durable is only %llu", node->id,
                      packet->pos.index, last);
    }
}

/* V13: with an install open nothing is acknowledged, asked or led. */
void checker_on_packet(struct model *model, struct model_node *node,
                       const struct raft_packet *packet)
{
    if (node->written.marker.kind == RAFT_INSTALL_NONE)
        return;
    bool acks = packet->kind == RAFT_APPEND_REPLY && !(packet->flags & RAFT_REFUSED);
    if (acks || packet->kind == RAFT_VOTE || packet->kind == RAFT_PREVOTE ||
        packet->kind == RAFT_APPEND)
        fail_once(model, "V13: node %llu sends packet kind %llu at term %llu with an install open",
                  node->id, packet->kind, packet->term);
}

static void grow(void **array, raft_index *capacity, raft_index index, size_t size)
{
    if (index < *capacity)
        return;
    raft_index more = index + 256;
    char *bigger = alloc_resize(*array, more, size);
    memset(bigger + *capacity * size, 0, (more - *capacity) * size);
    *array = bigger;
    *capacity = more;
}

/* V6: one command per index, for ever. */
void checker_on_apply(struct model *model, struct model_node *node, raft_index index,
                      const struct model_entry *entry)
{
    struct checker *c = model->checker;
    grow((void **)&c->applied, &c->applied_capacity, index, sizeof(*c->applied));
    if (c->applied[index] != 0 && c->applied[index] != entry->chain)
        fail_once(model, "V6: node %llu applies another entry at %llu (term %llu)", node->id, index,
                  entry->term);
    c->applied[index] = entry->chain;
    if (index > c->applied_last)
        c->applied_last = index;
    if (node->written.state.applied + 1 != index)
        fail_once(model, "V8: node %llu applies %llu after %llu", node->id, index,
                  node->written.state.applied);
    if (index > model_log_last(&node->durable.log))
        fail_once(model, "V8: node %llu applies %llu, durable is %llu", node->id, index,
                  model_log_last(&node->durable.log));
}

void checker_on_install(struct model *model, struct model_node *node)
{
    struct checker *c = model->checker;
    raft_index at = node->written.state.applied;
    if (at <= c->applied_last && at < c->applied_capacity && c->applied[at] != 0 &&
        c->applied[at] != node->written.state.hash)
        fail_once(model, "V14: node %llu installed a state at %llu that is not that index's (%llu)",
                  node->id, at, 0);
}

/* ---- what is looked at after each command ------------------------------------------------------ */
static enum step check_leader(struct model *model, struct model_node *node,
                              const struct raft_status *status)
{
    struct checker *c = model->checker;
    struct leader_mark *mark = &c->marks[node->id];
    if (status->role != RAFT_LEADER) {
        mark->term = 0;
        return STEP_OK;
    }
    void *other = map_find_u64(c->leaders, status->term);
    if (other != NULL && (uintptr_t)other != node->id)
        return fail_once(model, "V1: nodes %llu and %llu lead in term %llu", node->id,
                         (uintptr_t)other, status->term);
    map_put_u64(c->leaders, status->term, (void *)(uintptr_t)node->id);
    raft_index last = model_log_last(&node->written.log);
    if (mark->term == status->term && mark->last >= node->written.log.base.index &&
        (last < mark->last || log_chain(&node->written.log, mark->last) != mark->chain))
        return fail_once(model, "V3: leader %llu changed its log at %llu in term %llu", node->id,
                         mark->last, status->term);
    *mark = (struct leader_mark){status->term, last, log_chain(&node->written.log, last)};
    /* V5: all that was committed before is in its log. */
    for (raft_index i = c->committed_last; i > 0 && i > node->written.log.base.index; i--) {
        if (c->committed[i].term == 0 || c->committed[i].seen_term > status->term)
            continue;
        if (log_chain(&node->written.log, i) != c->committed[i].chain)
            return fail_once(model, "V5: leader %llu of term %llu lacks committed entry %llu",
                             node->id, status->term, i);
        break;
    }
    return STEP_OK;
}

/* A disk that lost its log counts for what it had acked until the leader was told. */
static bool held_once(struct model_node *node, const struct raft_status *status, raft_index index,
                      uint64_t chain)
{
    for (uint32_t i = 0; i < status->peers_count; i++) {
        if (status->peers[i].peer == node->id && status->peers[i].amnesia)
            return false;
    }
    return node->lost.base.index >= index || log_chain(&node->lost, index) == chain;
}

static bool holds(struct model *model, const struct raft_status *status, node_id id,
                  raft_index index, uint64_t chain)
{
    struct model_node *node = &model->nodes[id];
    if (!node->exists)
        return false;
    if (node->lost.items != NULL && held_once(node, status, index, chain))
        return true;
    if (node->wiped)
        return false;
    if (node->durable.log.base.index >= index)
        return true;
    return log_chain(&node->durable.log, index) == chain;
}

static bool quorum_holds(struct model *model, const struct raft_status *status, const node_id *ids,
                         uint8_t count, raft_index index, uint64_t chain)
{
    unsigned held = 0;
    for (uint8_t i = 0; i < count; i++)
        held += holds(model, status, ids[i], index, chain);
    return count == 0 || held > count / 2u;
}

/* V7: what a node calls committed is in the durable logs of a quorum. Only the highest new index
 * is looked at: a log that holds it holds what is below. */
static enum step check_commit(struct model *model, struct model_node *node,
                              const struct raft_status *status)
{
    struct checker *c = model->checker;
    raft_index commit = status->commit;
    if (commit < node->seen_commit)
        return fail_once(model, "V8: commit of node %llu fell from %llu to %llu", node->id,
                         node->seen_commit, commit);
    node->seen_commit = commit;
    raft_index known = model_log_last(&node->written.log);
    if (commit > known)
        return fail_once(model, "V8: node %llu has commit %llu beyond its log %llu", node->id,
                         commit, known);
    for (raft_index i = commit; i > node->written.log.base.index; i--) {
        struct model_entry *entry = model_log_at(&node->written.log, i);
        grow((void **)&c->committed, &c->capacity, i, sizeof(*c->committed));
        if (c->committed[i].term != 0) {
            if (c->committed[i].chain != entry->chain)
                return fail_once(model,
                                 "V6: node %llu calls another entry committed at %llu (%llu)",
                                 node->id, i, entry->term);
            if (status->term < c->committed[i].seen_term)
                c->committed[i].seen_term = status->term;
            break;
        }
        c->committed[i] = (struct committed){entry->term, status->term, entry->chain};
        const struct raft_config *config = &status->config;
        if (i == commit &&
            (!quorum_holds(model, status, config->voters, config->voters_count, i, entry->chain) ||
             !quorum_holds(model, status, config->voters_old, config->voters_old_count, i,
                           entry->chain)))
            return fail_once(model,
                             "V7: node %llu calls %llu committed without a durable quorum "
                             "(term %llu)",
                             node->id, i, status->term);
        if (i > c->committed_last)
            c->committed_last = i;
    }
    return STEP_OK;
}

void checker_on_commit(struct model *model, struct model_node *node)
{
    struct raft_status status;
    raft_status(node->raft, &status);
    (void)check_commit(model, node, &status); /* the text of a failure stays until the next check */
}

static enum step check_bounds(struct model *model, struct model_node *node,
                              const struct raft_status *status)
{
    struct checker *c = model->checker;
    if (status->term < node->seen_term && node->seen_term <= c->told_term[node->id] &&
        !status->amnesia)
        return fail_once(model, "V10: term of node %llu fell from %llu to %llu", node->id,
                         node->seen_term, status->term);
    node->seen_term = status->term;
    if (status->term < c->told_term[node->id] && !status->amnesia)
        return fail_once(model, "V10: node %llu told others of term %llu, and is at %llu", node->id,
                         c->told_term[node->id], status->term);
    if (status->applied < node->seen_applied)
        return fail_once(model, "V8: applied of node %llu fell from %llu to %llu", node->id,
                         node->seen_applied, status->applied);
    node->seen_applied = status->applied;
    if (node->durable.vote != 0)
        note_vote(model, node->id, node->durable.term, node->durable.vote);
    if ((status->installing || status->amnesia) && status->role != RAFT_FOLLOWER)
        return fail_once(model, "V13: node %llu has role %llu while unfit", node->id, status->role,
                         0);
    for (uint32_t i = 0; i < status->peers_count; i++) {
        const struct raft_progress_status *p = &status->peers[i];
        if (p->inflight_packets > model->options.inflight_max_packets)
            return fail_once(model, "V16: node %llu has %llu packets in flight to %llu", node->id,
                             p->inflight_packets, p->peer);
        if (p->next <= p->match)
            return fail_once(model, "V16: next %llu of peer %llu is not above match %llu", p->next,
                             p->peer, p->match);
    }
    return STEP_OK;
}

static bool config_is_equal(const struct raft_config *a, const struct raft_config *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

/* V11: the configuration in force is what the log says, and at most one is uncommitted. */
static enum step check_config(struct model *model, struct model_node *node,
                              const struct raft_status *status)
{
    struct model_log *log = &node->written.log;
    struct raft_config config = node->written.base_config.config;
    unsigned uncommitted = 0;
    for (size_t i = 0; i < log->count; i++) {
        if (log->items[i].kind != RAFT_ENTRY_CONFIG)
            continue;
        config = log->items[i].config;
        uncommitted += log->base.index + 1 + i > status->commit;
    }
    if (status->role == RAFT_LEADER && uncommitted > 1)
        return fail_once(model, "V11: leader %llu has %llu uncommitted configurations (term %llu)",
                         node->id, uncommitted, status->term);
    if (!raft_has_update(node->raft) && !config_is_equal(&config, &status->config))
        return fail_once(model,
                         "V11: configuration in force on node %llu is not its log's (%llu, "
                         "term %llu)",
                         node->id, status->config_pos.index, status->term);
    return STEP_OK;
}

/* V4: where two logs have one term at one index, they are equal up to there. */
static enum step check_matching(struct model *model, struct model_log *a, struct model_log *b,
                                node_id id_a, node_id id_b)
{
    raft_index last_a = model_log_last(a), last_b = model_log_last(b);
    raft_index low = a->base.index > b->base.index ? a->base.index : b->base.index;
    for (raft_index i = last_a < last_b ? last_a : last_b; i > low; i--) {
        if (model_log_term(a, i) != model_log_term(b, i))
            continue;
        if (log_chain(a, i) != log_chain(b, i))
            return fail_once(model, "V4: logs of %llu and %llu differ below %llu, same term there",
                             id_a, id_b, i);
        return STEP_OK;
    }
    return STEP_OK;
}

static enum step check_reads(struct model *model, struct model_node *node)
{
    for (int i = 0; i < node->reads_count; i++) {
        const struct model_read *read = &node->reads[i];
        if (read->served && read->err == OK && read->index < read->floor)
            return fail_once(model,
                             "V12: read on node %llu got index %llu, %llu was applied before "
                             "it began",
                             node->id, read->index, read->floor);
    }
    return STEP_OK;
}

static enum step check_node(struct model *model, struct model_node *node)
{
    struct raft_status status;
    raft_status(node->raft, &status);
    if (check_bounds(model, node, &status) != STEP_OK ||
        check_leader(model, node, &status) != STEP_OK ||
        check_commit(model, node, &status) != STEP_OK ||
        check_config(model, node, &status) != STEP_OK)
        return STEP_FAILED;
    return check_reads(model, node);
}

enum step checker_run(struct model *model)
{
    /* Leaders first: what they call committed is judged by their own configuration (V7). */
    for (node_id id = 1; id <= MODEL_NODES_MAX; id++) {
        struct model_node *node = &model->nodes[id];
        if (node->up && raft_role(node->raft) == RAFT_LEADER && check_node(model, node) != STEP_OK)
            return STEP_FAILED;
    }
    for (node_id a = 1; a <= MODEL_NODES_MAX; a++) {
        struct model_node *node = &model->nodes[a];
        if (!node->exists)
            continue;
        if (node->up && check_node(model, node) != STEP_OK)
            return STEP_FAILED;
        for (node_id b = a + 1; b <= MODEL_NODES_MAX; b++) {
            if (model->nodes[b].exists &&
                check_matching(model, &node->written.log, &model->nodes[b].written.log, a, b) !=
                    STEP_OK)
                return STEP_FAILED;
        }
    }
    return model->error[0] == '\0' ? STEP_OK : STEP_FAILED;
}
