/* SPDX-License-Identifier: Apache-2.0 */
/* The job of a compaction: one column family after the other, in a background lane of its own, since
 * one may take minutes. RocksDB compacts by itself all the time; this is for an operator who wants the
 * bytes of deleted messages gone now, or the space that they take. */
#include "node/parts.h"

struct compaction {
    char id[NODE_JOB_ID_BYTES];
    struct node_background_job job;
    int first, at, end; /* enum store_family */
    bool is_busy;
    /* While is_busy these are the background's. */
    struct store_compacted found;
    enum err err;
    struct why why;
};

static uint64_t wall_ms(const struct node *node)
{
    return node->world.wall_ms(node->world.arg);
}

static struct compaction *compaction_of(struct node_background_job *job)
{
    return CONTAINER_OF(job, struct compaction, job);
}

static void family_run(struct node_background_job *job)
{
    struct compaction *compaction = compaction_of(job);
    compaction->err = store_compact(job->node->store, (enum store_family)compaction->at,
                                    &compaction->found, &compaction->why);
}

static void end(struct node *node, enum node_job_state state, const char *text)
{
    struct compaction *compaction = node->compaction;
    jobs_end(node->job_table, compaction->id, state, text, wall_ms(node));
    log_info("node", "a compaction has ended", "job=%s families=%d state=%s", compaction->id,
             compaction->at - compaction->first, node_job_state_slug(state));
    free(compaction);
    node->compaction = NULL;
    atomic_store(&node->compaction_wanted, true); /* one may have come meanwhile */
}

static void next_family(struct node *node)
{
    struct compaction *compaction = node->compaction;
    if (jobs_is_cancelled(node->job_table, compaction->id)) {
        end(node, NODE_JOB_CANCELLED, NULL);
    } else if (compaction->at == compaction->end) {
        end(node, NODE_JOB_DONE, NULL);
    } else {
        compaction->is_busy = true;
        background_submit(node, &compaction->job);
    }
}

static void family_done(struct node_background_job *job)
{
    struct compaction *compaction = compaction_of(job);
    struct node *node = job->node;
    compaction->is_busy = false;
    if (compaction->err != OK) {
        end(node, NODE_JOB_FAILED, compaction->why.text);
        return;
    }
    if (compaction->found.is_cut_short) {
        end(node, NODE_JOB_FAILED, "the node stops");
        return;
    }
    struct node_job_item item = {.result = "ok",
                                 .family = store_family_name((enum store_family)compaction->at),
                                 .before_bytes = compaction->found.before_bytes,
                                 .after_bytes = compaction->found.after_bytes};
    jobs_add_item(node->job_table, compaction->id, &item);
    compaction->at++;
    jobs_report(node->job_table, compaction->id, (uint64_t)(compaction->at - compaction->first));
    next_family(node);
}

static void family_forget(struct node_background_job *job)
{
    compaction_of(job)->is_busy = false;
}

void compaction_turn(struct node *node)
{
    char id[NODE_JOB_ID_BYTES];
    int64_t slot;
    if (node->compaction != NULL || !atomic_exchange(&node->compaction_wanted, false) ||
        !jobs_begin(node->job_table, NODE_JOB_COMPACTION, wall_ms(node), id, &slot)) {
        return;
    }
    int family = atomic_load(&node->compaction_family);
    struct compaction *compaction = node->compaction = alloc_zero(sizeof(*compaction));
    memcpy(compaction->id, id, sizeof(compaction->id));
    bool is_all = family == STORE_FAMILIES;
    compaction->first = compaction->at = is_all ? 0 : family;
    compaction->end = is_all ? STORE_FAMILIES : family + 1;
    compaction->job = (struct node_background_job){.lane = NODE_BACKGROUND_COMPACTION,
                                                   .run = family_run,
                                                   .done = family_done,
                                                   .forget = family_forget};
    log_info("node", "a compaction begins", "job=%s family=%s", id,
             is_all ? "all" : store_family_name((enum store_family)family));
    next_family(node);
}

void compaction_free(struct node *node)
{
    assert(node->compaction == NULL || !node->compaction->is_busy);
    free(node->compaction);
    node->compaction = NULL;
}

/* ---- node.h: any thread ------------------------------------------------------------------------------- */

static enum err find_family(const char *name, int *ret, struct why *why)
{
    struct buf names = BUF_INIT;
    *ret = name == NULL ? STORE_FAMILIES : -1;
    for (int i = 0; i < STORE_FAMILIES; i++) {
        const char *known = store_family_name((enum store_family)i);
        buf_printf(&names, "%s%s", i > 0 ? ", " : "", known);
        if (name != NULL && strcmp(known, name) == 0) {
            *ret = i;
        }
    }
    enum err err = OK;
    if (*ret < 0) {
        err = why_set(why, ERR_BAD_PARAMETER, "there is no family '%.40s': %s", name,
                      buf_string(&names));
    }
    buf_done(&names);
    return err;
}

enum err node_start_compaction(struct node *node, const char *family, char *ret_id, struct why *why)
{
    int number;
    enum err err = find_family(family, &number, why);
    if (err != OK) {
        return err;
    }
    if (atomic_load_explicit(&node->draining, memory_order_relaxed)) {
        return why_set(why, ERR_DRAINING, "%s", err_sentence(ERR_DRAINING));
    }
    err = jobs_add(node->job_table, NODE_JOB_COMPACTION, -1,
                   number == STORE_FAMILIES ? STORE_FAMILIES : 1, wall_ms(node), ret_id, why);
    if (err == OK) { /* the only one that is open */
        atomic_store(&node->compaction_family, number);
        atomic_store(&node->compaction_wanted, true);
        node->world.wake(node->world.arg);
    }
    return err;
}
