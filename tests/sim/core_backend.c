/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the scenario language on the core model (on=core), but `expect`, which is in
 * core_expect.c. Each command says STEP_NOTHING when it had nothing to do. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "core_expect.h"
#include "core_model.h"

static struct model_node *node_at(struct model *model, const struct words *words, int place)
{
    if (place >= words->words_count)
        return NULL;
    uint64_t id;
    if (!number_parse(words->word[place], &id) || id == 0 || id > MODEL_NODES_MAX ||
        !model->nodes[id].exists)
        return NULL;
    return &model->nodes[id];
}

#define NODE(name)                                                                                 \
    struct model_node *name = node_at(model, words, 1);                                            \
    if (name == NULL)                                                                              \
        return STEP_UNKNOWN;

#define LIVE(name)                                                                                 \
    NODE(name)                                                                                     \
    if (!name->up || name->paused)                                                                 \
        return STEP_NOTHING;

static enum step did(bool something)
{
    return something ? STEP_OK : STEP_NOTHING;
}

static unsigned count_at(const struct words *words, int place, unsigned otherwise)
{
    uint64_t n;
    if (place < words->words_count && number_parse(words->word[place], &n))
        return (unsigned)n;
    return (unsigned)words_number(words, "n", otherwise);
}

static void after(struct model *model, struct model_node *node)
{
    raft_check(node->raft);
    if (!node->manual)
        model_take(model, node);
}

/* ---- before the first event ------------------------------------------------------------------ */
/* option append_bytes=1k inflight_packets=3: as on the `cluster` line; later ones count from the next
 * start of each node on. */
static enum step do_option(struct model *model, const struct words *words)
{
    if (words->options_count == 0)
        return STEP_UNKNOWN;
    model_options(model, words);
    return STEP_OK;
}

/* ---- time and roles ------------------------------------------------------------------------- */
static enum step do_tick(struct model *model, const struct words *words)
{
    if (words->words_count < 2)
        return STEP_UNKNOWN;
    unsigned n = count_at(words, 2, 1);
    if (strcmp(words->word[1], "all") != 0) {
        LIVE(node)
        model_tick(model, node, n);
        return STEP_OK;
    }
    for (unsigned i = 0; i < n; i++) {
        for (node_id id = 1; id <= MODEL_NODES_MAX; id++) {
            if (model->nodes[id].exists)
                model_tick(model, &model->nodes[id], 1);
        }
    }
    return STEP_OK;
}

static enum step do_skew(struct model *model, const struct words *words)
{
    NODE(node)
    if (words->words_count < 3)
        return STEP_UNKNOWN;
    node->skew_percent = (unsigned)(atof(words->word[2]) * 100.0);
    return STEP_OK;
}

/* timeout N 15: the running election timeout and all later ones; 0: drawn again. */
static enum step do_timeout(struct model *model, const struct words *words)
{
    LIVE(node)
    uint64_t ticks;
    if (words->words_count < 3 || !number_parse(words->word[2], &ticks))
        return STEP_UNKNOWN;
    node->pinned_timeout = (uint32_t)ticks;
    raft_pin_timeout(node->raft, node->pinned_timeout);
    return STEP_OK;
}

static void all_but(struct model *model, bool in[MODEL_NODES_MAX + 1])
{
    for (node_id id = 0; id <= MODEL_NODES_MAX; id++)
        in[id] = model->nodes[id].exists;
}

static enum step do_settle(struct model *model, const struct words *words)
{
    bool in[MODEL_NODES_MAX + 1] = {false};
    all_but(model, in);
    if (words->words_count > 1) {
        uint64_t ids[MODEL_NODES_MAX];
        size_t count;
        if (!ids_parse(words->word[1], ids, MODEL_NODES_MAX, &count))
            return STEP_UNKNOWN;
        memset(in, 0, sizeof(in));
        for (size_t i = 0; i < count; i++)
            in[ids[i]] = true;
    }
    return model_settle(model, in, (unsigned)words_number(words, "max", 200)) ? STEP_OK
                                                                              : STEP_FAILED;
}

static enum step do_campaign(struct model *model, const struct words *words)
{
    LIVE(node)
    raft_campaign(node->raft);
    after(model, node);
    return STEP_OK;
}

static enum step do_elect(struct model *model, const struct words *words)
{
    LIVE(node)
    bool in[MODEL_NODES_MAX + 1];
    all_but(model, in);
    raft_campaign(node->raft);
    after(model, node);
    if (!model_settle(model, in, 200))
        return STEP_FAILED;
    if (node->up && raft_role(node->raft) == RAFT_LEADER)
        return STEP_OK;
    return model_fail(model, "node %llu does not lead after its campaign",
                      (unsigned long long)node->id);
}

static enum step do_forget_leader(struct model *model, const struct words *words)
{
    LIVE(node)
    raft_forget_leader(node->raft);
    after(model, node);
    return STEP_OK;
}

static enum step note_error(struct model_node *node, enum err err)
{
    node->last_error = err;
    if (err != OK)
        node->busy++;
    return STEP_OK;
}

static enum step do_transfer(struct model *model, const struct words *words)
{
    LIVE(node)
    note_error(node, raft_transfer(node->raft, words_number(words, "to", 0)));
    after(model, node);
    return STEP_OK;
}

static bool in_list(const node_id *ids, uint8_t count, node_id id)
{
    for (uint8_t i = 0; i < count; i++) {
        if (ids[i] == id)
            return true;
    }
    return false;
}

static void list_remove_id(node_id *ids, uint8_t *count, node_id id)
{
    uint8_t kept = 0;
    for (uint8_t i = 0; i < *count; i++) {
        if (ids[i] != id)
            ids[kept++] = ids[i];
    }
    for (uint8_t i = kept; i < *count; i++)
        ids[i] = 0;
    *count = kept;
}

static void list_insert_id(node_id *ids, uint8_t *count, node_id id)
{
    if (in_list(ids, *count, id) || *count == RAFT_MEMBERS_MAX)
        return;
    uint8_t at = *count;
    while (at > 0 && ids[at - 1] > id) {
        ids[at] = ids[at - 1];
        at--;
    }
    ids[at] = id;
    (*count)++;
}

/* +voter=4 makes a learner or stranger a voter, -voter=1 takes it out, +learner=5, -learner=5;
 * +learner of a voter demotes it. */
static enum step do_config(struct model *model, const struct words *words)
{
    LIVE(node)
    struct raft_status status;
    raft_status(node->raft, &status);
    struct raft_config target = status.config;
    memset(target.voters_old, 0, sizeof(target.voters_old));
    target.voters_old_count = 0;
    for (int i = 0; i < words->options_count; i++) {
        uint64_t id;
        if (!number_parse(words->value[i], &id))
            return STEP_UNKNOWN;
        const char *key = words->key[i];
        if (strcmp(key, "+voter") == 0 || strcmp(key, "+learner") == 0 ||
            strcmp(key, "-voter") == 0 || strcmp(key, "-learner") == 0) {
            list_remove_id(target.voters, &target.voters_count, id);
            list_remove_id(target.learners, &target.learners_count, id);
        } else {
            return STEP_UNKNOWN;
        }
        if (strcmp(key, "+voter") == 0)
            list_insert_id(target.voters, &target.voters_count, id);
        if (strcmp(key, "+learner") == 0)
            list_insert_id(target.learners, &target.learners_count, id);
    }
    note_error(node, raft_change_config(node->raft, &target));
    after(model, node);
    return STEP_OK;
}

static enum step do_may_lead(struct model *model, const struct words *words)
{
    LIVE(node)
    raft_may_lead(node->raft, words_number(words, "yes", 1) != 0, 1000);
    after(model, node);
    return STEP_OK;
}

static enum step do_quarantine(struct model *model, const struct words *words)
{
    LIVE(node)
    raft_quarantine(node->raft, words_number(words, "yes", 1) != 0);
    after(model, node);
    return STEP_OK;
}

static enum step do_unreachable(struct model *model, const struct words *words)
{
    LIVE(node)
    raft_unreachable(node->raft, words_number(words, "peer", 0));
    after(model, node);
    return STEP_OK;
}

static enum step do_order_install(struct model *model, const struct words *words)
{
    LIVE(node)
    note_error(node, raft_order_install(node->raft, words_number(words, "peer", 0)));
    after(model, node);
    return STEP_OK;
}

/* ---- clients --------------------------------------------------------------------------------- */
static enum step do_propose(struct model *model, const struct words *words)
{
    LIVE(node)
    const char *text = words->words_count > 2 ? words->word[2] : "x";
    uint64_t count = words_number(words, "count", 1);
    size_t size = (size_t)words_number(words, "size", strlen(text));
    for (uint64_t i = 0; i < count; i++) {
        struct buf buf = BUF_INIT;
        buf_printf(&buf, "%s/%llu", text, (unsigned long long)++model->payloads);
        struct raft_entry entry = {.kind = RAFT_ENTRY_DATA,
                                   .size_bytes = (uint32_t)size,
                                   .payload = blob_copy(buf_bytes(&buf))};
        buf_done(&buf);
        struct raft_pos first;
        note_error(node, raft_propose(node->raft, &entry, 1, &first));
        raft_check(node->raft);
        model_take(model, node); /* the payload is borrowed until then */
        blob_unref(entry.payload);
    }
    return STEP_OK;
}

static enum step do_read(struct model *model, const struct words *words)
{
    LIVE(node)
    if (node->reads_count == MODEL_READS_MAX) {
        memmove(node->reads, node->reads + MODEL_READS_MAX / 2, sizeof(node->reads) / 2);
        node->reads_count = MODEL_READS_MAX / 2;
    }
    struct model_read *read = &node->reads[node->reads_count++];
    *read = (struct model_read){.tag = words_number(words, "tag", 1),
                                .floor = checker_committed(model->checker),
                                .open = true};
    enum err err = raft_read(node->raft, read->tag);
    if (err != OK)
        *read = (struct model_read){.tag = read->tag, .served = true, .err = err};
    note_error(node, err);
    after(model, node);
    return STEP_OK;
}

/* ---- output, network -------------------------------------------------------------------------- */
static enum step do_take(struct model *model, const struct words *words)
{
    LIVE(node)
    if (!raft_has_update(node->raft))
        return STEP_NOTHING;
    model_take(model, node);
    return STEP_OK;
}

static enum step do_manual(struct model *model, const struct words *words)
{
    NODE(node)
    node->manual = words_number(words, "on", 1) != 0;
    return STEP_OK;
}

static enum step do_persist(struct model *model, const struct words *words)
{
    LIVE(node)
    return did(model_persist(model, node, count_at(words, 2, 1000)));
}

/* persist-fail N [keep=1]: keep: the write that failed is on disk after all. */
static enum step do_persist_fail(struct model *model, const struct words *words)
{
    LIVE(node)
    return did(model_persist_fail(model, node, words_number(words, "keep", 0) != 0));
}

/* cold N [on=0]: ranges that are applied already wait for `fill N [peer=3] [n=1]`, or `settle`. */
static enum step do_cold(struct model *model, const struct words *words)
{
    NODE(node)
    node->cold = words_number(words, "on", 1) != 0;
    return STEP_OK;
}

static enum step do_fill(struct model *model, const struct words *words)
{
    LIVE(node)
    return did(model_fill(model, node, words_number(words, "peer", 0),
                          (unsigned)words_number(words, "n", 1000)));
}

static enum step do_apply(struct model *model, const struct words *words)
{
    LIVE(node)
    return did(model_apply(model, node, count_at(words, 2, 1000)));
}

static enum step do_stall(struct model *model, const struct words *words)
{
    NODE(node)
    node->stalled = strcmp(words->word[0], "stall") == 0;
    return STEP_OK;
}

enum link_verb { LINK_DELIVER, LINK_DROP, LINK_DUP, LINK_HOLD, LINK_RELEASE, LINK_REORDER };

static bool link_do(struct model *model, node_id from, node_id to, int kind, unsigned n,
                    enum link_verb verb)
{
    bool any = false;
    if (verb == LINK_DELIVER)
        return model_deliver(model, from, to, kind, n);
    struct model_packet **at = &model->links[from][to];
    for (; *at != NULL && n > 0;) {
        struct model_packet *item = *at;
        bool is_kind = kind < 0 || item->packet.kind == kind;
        if (!is_kind || (item->held && verb != LINK_RELEASE && verb != LINK_DROP)) {
            at = &item->next;
            continue;
        }
        any = true;
        n--;
        if (verb == LINK_DROP) {
            *at = item->next;
            item->next = NULL;
            struct model_packet *rest = model->links[from][to];
            model->links[from][to] = item;
            model_drop_link(model, from, to);
            model->links[from][to] = rest == item ? *at : rest;
            at = &model->links[from][to];
            continue;
        }
        if (verb == LINK_HOLD || verb == LINK_RELEASE)
            item->held = verb == LINK_HOLD;
        at = &item->next;
    }
    return any;
}

static enum step do_dup(struct model *model, node_id from, node_id to, int kind)
{
    for (struct model_packet *item = model->links[from][to]; item != NULL; item = item->next) {
        if (kind >= 0 && item->packet.kind != kind)
            continue;
        struct model_packet *copy = model_packet_copy(item);
        copy->next = item->next;
        item->next = copy;
        return STEP_OK;
    }
    return STEP_NOTHING;
}

/* The first packet of the kind goes to the end. */
static enum step do_reorder(struct model *model, node_id from, node_id to, int kind)
{
    struct model_packet **at = &model->links[from][to];
    while (*at != NULL && kind >= 0 && (*at)->packet.kind != kind)
        at = &(*at)->next;
    struct model_packet *item = *at;
    if (item == NULL || item->next == NULL)
        return STEP_NOTHING;
    *at = item->next;
    item->next = NULL;
    while (*at != NULL)
        at = &(*at)->next;
    *at = item;
    return STEP_OK;
}

static enum step do_link(struct model *model, const struct words *words, enum link_verb verb)
{
    node_id from, to;
    int kind = -1;
    const char *name = words_option(words, "kind");
    if (words->words_count < 2 || !link_parse(words->word[1], &from, &to))
        return STEP_UNKNOWN;
    if (name != NULL && (kind = packet_kind_of(name)) < 0)
        return STEP_UNKNOWN;
    unsigned n = (unsigned)words_number(words, "n", verb == LINK_DUP ? 1 : 1000);
    bool any = false;
    for (node_id a = 1; a <= MODEL_NODES_MAX; a++) {
        for (node_id b = 1; b <= MODEL_NODES_MAX; b++) {
            if ((from != 0 && a != from) || (to != 0 && b != to))
                continue;
            if (verb == LINK_DUP)
                any |= do_dup(model, a, b, kind) == STEP_OK;
            else if (verb == LINK_REORDER)
                any |= do_reorder(model, a, b, kind) == STEP_OK;
            else
                any |= link_do(model, a, b, kind, n, verb);
        }
    }
    return did(any);
}

static void cut_one(struct model *model, node_id from, node_id to)
{
    model->cut[from][to] = true;
    model_drop_link(model, from, to);
}

/* cut 1|2,3: both ways between the sides; cut 1->2: one way. */
static enum step do_cut(struct model *model, const struct words *words)
{
    node_id from, to;
    if (words->words_count < 2)
        return STEP_UNKNOWN;
    if (strstr(words->word[1], "->") != NULL) {
        if (!link_parse(words->word[1], &from, &to))
            return STEP_UNKNOWN;
        for (node_id a = 1; a <= MODEL_NODES_MAX; a++) {
            for (node_id b = 1; b <= MODEL_NODES_MAX; b++) {
                if ((from == 0 || a == from) && (to == 0 || b == to))
                    cut_one(model, a, b);
            }
        }
        return STEP_OK;
    }
    char left[64];
    const char *bar = strchr(words->word[1], '|');
    if (bar == NULL || (size_t)(bar - words->word[1]) >= sizeof(left))
        return STEP_UNKNOWN;
    memcpy(left, words->word[1], (size_t)(bar - words->word[1]));
    left[bar - words->word[1]] = '\0';
    uint64_t a[MODEL_NODES_MAX], b[MODEL_NODES_MAX];
    size_t a_count, b_count;
    if (!ids_parse(left, a, MODEL_NODES_MAX, &a_count) ||
        !ids_parse(bar + 1, b, MODEL_NODES_MAX, &b_count))
        return STEP_UNKNOWN;
    for (size_t i = 0; i < a_count; i++) {
        for (size_t j = 0; j < b_count; j++) {
            cut_one(model, a[i], b[j]);
            cut_one(model, b[j], a[i]);
        }
    }
    return STEP_OK;
}

/* ---- nodes, storage -------------------------------------------------------------------------- */
static enum step do_crash(struct model *model, const struct words *words)
{
    NODE(node)
    if (!node->up)
        return STEP_NOTHING;
    const char *lose = words_option(words, "lose");
    if (lose == NULL)
        lose = "unsynced";
    if (strcmp(lose, "none") == 0)
        model_crash(model, node, 0, true);
    else if (strcmp(lose, "unsynced") == 0)
        model_crash(model, node, 0, false);
    else if (strncmp(lose, "torn:", 5) == 0)
        model_crash(model, node, (unsigned)strtoul(lose + 5, NULL, 10), false);
    else
        return STEP_UNKNOWN;
    return STEP_OK;
}

static enum step do_restart(struct model *model, const struct words *words)
{
    NODE(node)
    if (node->up)
        return STEP_NOTHING;
    if (node->wiped) /* it cannot prove who it was (R20): its peers do not talk to it */
        return note_error(node, ERR_WRONG_IDENTITY);
    model_restart(model, node);
    return STEP_OK;
}

static enum step do_wipe(struct model *model, const struct words *words)
{
    NODE(node)
    if (node->up)
        return model_fail(model, "wipe: crash the node first");
    if (node->wiped)
        return STEP_NOTHING;
    model_wipe(node);
    return STEP_OK;
}

static enum step do_pause(struct model *model, const struct words *words)
{
    NODE(node)
    node->paused = strcmp(words->word[0], "pause") == 0;
    return STEP_OK;
}

static enum step do_compact(struct model *model, const struct words *words)
{
    LIVE(node)
    return did(model_compact(model, node, words_number(words, "to", node->durable_applied)));
}

/* floor N to=15: peers that applied that far get a delta, not all. */
static enum step do_floor(struct model *model, const struct words *words)
{
    NODE(node)
    node->floor = words_number(words, "to", UINT64_MAX);
    return STEP_OK;
}

static enum step do_stream(struct model *model, const struct words *words, bool ok)
{
    node_id from, to;
    if (words->words_count < 2 || !link_parse(words->word[1], &from, &to) || from == 0 || to == 0)
        return STEP_UNKNOWN;
    return did(model_stream(model, from, to, ok));
}

/* forget-log N to=12: the disk lost what came after, the promise file did not. */
static enum step do_forget_log(struct model *model, const struct words *words)
{
    NODE(node)
    if (node->up)
        return model_fail(model, "forget-log: crash the node first");
    if (node->wiped)
        return STEP_NOTHING;
    model_disk_forget(node, words_number(words, "to", 0));
    return STEP_OK;
}

/* ---- convergence ---------------------------------------------------------------------------- */
/* A node in amnesia waits until the index that it promised is there again: somebody must write. */
static void end_amnesia(struct model *model)
{
    struct model_node *leader = NULL;
    bool waits = false;
    for (node_id id = 1; id <= MODEL_NODES_MAX; id++) {
        struct model_node *node = &model->nodes[id];
        struct raft_status status;
        if (!node->up)
            continue;
        raft_status(node->raft, &status);
        waits |= status.amnesia;
        if (status.role == RAFT_LEADER)
            leader = node;
    }
    struct raft_pos first;
    for (int i = 0; i < 20 && waits && leader != NULL; i++) {
        struct raft_entry empty = {.kind = RAFT_ENTRY_EMPTY};
        (void)raft_propose(leader->raft, &empty, 1, &first); /* refused: it is handing over */
    }
    if (leader != NULL)
        after(model, leader);
}

/* All nodes but one (0: all) are well again. */
static void heal_all(struct model *model, node_id but)
{
    memset(model->cut, 0, sizeof(model->cut));
    for (node_id id = 1; id <= MODEL_NODES_MAX; id++) {
        struct model_node *node = &model->nodes[id];
        if (!node->exists || node->wiped || id == but)
            continue;
        node->paused = node->stalled = node->manual = node->cold = false;
        node->skew_percent = 100;
        for (node_id to = 1; to <= MODEL_NODES_MAX; to++) {
            for (struct model_packet *p = model->links[id][to]; p != NULL; p = p->next)
                p->held = false;
        }
        if (!node->up)
            model_restart(model, node);
        node->pinned_timeout = 0;
        raft_pin_timeout(node->raft, 0);
        raft_may_lead(node->raft, true, 1000);
    }
}

/* Lets time pass, and wants one leader whose log and state all live members have. */
static enum step converge(struct model *model, uint64_t within)
{
    bool in[MODEL_NODES_MAX + 1];
    all_but(model, in);
    for (uint64_t tick = 0; tick < within; tick++) {
        if (!model_settle(model, in, 500))
            return STEP_FAILED;
        if (core_is_converged(model))
            return STEP_OK;
        if (tick % 50 == 49)
            end_amnesia(model);
        for (node_id id = 1; id <= MODEL_NODES_MAX; id++) {
            if (model->nodes[id].exists)
                model_tick(model, &model->nodes[id], 1);
        }
        if (checker_run(model) != STEP_OK)
            return STEP_FAILED;
    }
    /* Without a quorum that remembers, to stand still is right. */
    return model_is_lost(model) ? STEP_OK : core_why_not_converged(model);
}

/* survive without=2 [within=600]: node 2 goes down and stays down; the others, when they are a quorum
 * of every configuration in force, become well again and converge. */
static enum step do_survive(struct model *model, const struct words *words)
{
    uint64_t id = words_number(words, "without", 0);
    if (id == 0 || id > MODEL_NODES_MAX || !model->nodes[id].exists)
        return STEP_UNKNOWN;
    if (model->nodes[id].up)
        model_crash(model, &model->nodes[id], 0, false);
    heal_all(model, id);
    return model_is_lost(model) ? STEP_NOTHING
                                : converge(model, words_number(words, "within", 600));
}

/* ---- the table --------------------------------------------------------------------------------- */
typedef enum step verb_function(struct model *model, const struct words *words);

#define LINK_VERB(name, verb)                                                                      \
    static enum step name(struct model *model, const struct words *words)                          \
    {                                                                                              \
        return do_link(model, words, verb);                                                        \
    }
LINK_VERB(do_deliver, LINK_DELIVER)
LINK_VERB(do_drop, LINK_DROP)
LINK_VERB(do_dup_verb, LINK_DUP)
LINK_VERB(do_hold, LINK_HOLD)
LINK_VERB(do_release, LINK_RELEASE)
LINK_VERB(do_reorder_verb, LINK_REORDER)

static enum step do_stream_end(struct model *model, const struct words *words)
{
    return do_stream(model, words, true);
}

static enum step do_stream_fail(struct model *model, const struct words *words)
{
    return do_stream(model, words, false);
}

static enum step do_heal(struct model *model, const struct words *words)
{
    (void)words;
    memset(model->cut, 0, sizeof(model->cut));
    return STEP_OK;
}

static const struct {
    const char *name;
    verb_function *function;
} verbs[] = {
    {"option", do_option},
    {"tick", do_tick},
    {"timeout", do_timeout},
    {"skew", do_skew},
    {"settle", do_settle},
    {"campaign", do_campaign},
    {"elect", do_elect},
    {"forget-leader", do_forget_leader},
    {"transfer", do_transfer},
    {"config", do_config},
    {"may-lead", do_may_lead},
    {"quarantine", do_quarantine},
    {"unreachable", do_unreachable},
    {"full", do_order_install},
    {"propose", do_propose},
    {"read", do_read},
    {"take", do_take},
    {"manual", do_manual},
    {"persist", do_persist},
    {"persist-fail", do_persist_fail},
    {"cold", do_cold},
    {"fill", do_fill},
    {"apply", do_apply},
    {"stall", do_stall},
    {"unstall", do_stall},
    {"deliver", do_deliver},
    {"drop", do_drop},
    {"dup", do_dup_verb},
    {"hold", do_hold},
    {"release", do_release},
    {"reorder", do_reorder_verb},
    {"cut", do_cut},
    {"heal", do_heal},
    {"crash", do_crash},
    {"restart", do_restart},
    {"wipe", do_wipe},
    {"pause", do_pause},
    {"resume", do_pause},
    {"compact", do_compact},
    {"floor", do_floor},
    {"stream-end", do_stream_end},
    {"stream-fail", do_stream_fail},
    {"forget-log", do_forget_log},
    {"survive", do_survive},
    {"expect", core_expect},
};

static enum step core_command(void *self, const struct words *words)
{
    struct model *model = self;
    model->error[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (strcmp(verbs[i].name, words->word[0]) != 0)
            continue;
        model->begun |= verbs[i].function != do_option;
        enum step step = verbs[i].function(model, words);
        if (step == STEP_FAILED || step == STEP_UNKNOWN)
            return step;
        return checker_run(model) == STEP_OK ? step : STEP_FAILED;
    }
    return STEP_UNKNOWN;
}

static enum step core_converge(void *self, uint64_t within)
{
    struct model *model = self;
    model->error[0] = '\0';
    heal_all(model, 0);
    return converge(model, within);
}

static void *core_make(const struct words *cluster, struct buf *transcript)
{
    return model_new(cluster, transcript);
}

static void core_free(void *self)
{
    model_free(self);
}

static const char *core_error(void *self)
{
    return ((struct model *)self)->error;
}

const struct backend backend_core = {
    .name = "core",
    .make = core_make,
    .free = core_free,
    .command = core_command,
    .error = core_error,
    .converge = core_converge,
};
