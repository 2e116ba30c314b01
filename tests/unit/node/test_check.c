/* SPDX-License-Identifier: Apache-2.0 */
/* Checks by command: rows that rotted under a digest that is still right, found, named, healed; who
 * cannot answer is unchecked; jobs. */
#include <stdio.h>
#include <string.h>

#include "helpers.h"
#include "node/jobs.h"
#include "wire/frame.h"

Suite *suite_check(void);

static struct fakeworld *three(uint64_t seed, uint64_t interval_ms, node_id *ret_leader)
{
    struct fakeworld_options options;
    fakeworld_options_init(&options, 3, seed);
    options.node.check_interval_ms = interval_ms;
    struct fakeworld *world = fakeworld_new(&options);
    for (node_id id = 1; id <= 3; id++) {
        test_start(world, id);
    }
    *ret_leader = fakeworld_elect(world, 0);
    ck_assert_uint_ne(*ret_leader, 0);
    for (int i = 0; i < 30; i++) {
        (void)test_send(world, *ret_leader, "a payload that is worth a row");
    }
    fakeworld_run(world, 2000);
    return world;
}

/* A row is gone, and the digest beside it does not know. */
static void rot(struct fakeworld *world, node_id id)
{
    struct store_options options;
    store_options_init(&options);
    options.memdisk = fakeworld_disk(world, id);
    options.cluster_id = "fakeworld";
    options.node_id = id;
    options.slot_count = 1;
    struct store *store;
    struct why why = {0};
    enum err err = store_open(&options, &store, &why);
    ck_assert_msg(err == OK, "%s", why.text);
    struct store_batch *batch = store_batch_new(store);
    store_remove_messages(batch, 0, test_channel("c"), 5, 5);
    ck_assert_int_eq(store_write(store, batch, true, NULL), OK);
    store_batch_free(batch);
    store_close(store);
}

static void rot_while_down(struct fakeworld *world, node_id id)
{
    fakeworld_crash(world, id, MEMDISK_KEEP_ALL);
    rot(world, id);
    test_start(world, id);
    ck_assert_uint_ne(fakeworld_elect(world, 0), 0);
    fakeworld_run(world, 4000);
}

static struct node_slot view_of(struct fakeworld *world, node_id id)
{
    struct node_slot view;
    ck_assert(node_get_slot(fakeworld_node(world, id), 0, &view));
    return view;
}

static void start_check(struct fakeworld *world, node_id id, char *ret_job)
{
    struct why why = {0};
    enum err err = node_start_check(fakeworld_node(world, id), -1, ret_job, &why);
    ck_assert_msg(err == OK, "%s", why.text);
}

/* A copy of the job; its items live in arena. */
static struct node_job job_of(struct fakeworld *world, node_id id, const char *name,
                              struct arena *arena)
{
    struct node_job job;
    struct why why = {0};
    enum err err =
        node_get_job(fakeworld_node(world, id), bytes_of_string(name), arena, &job, &why);
    ck_assert_msg(err == OK, "%s", why.text);
    return job;
}

/* What the check at node id says, of the slot (node 0) or a member; its job is done by then. */
static const struct node_job_item *item_of(const struct node_job *job, node_id node)
{
    for (uint32_t i = 0; i < job->items_count; i++) {
        if (job->items[i].node == node) {
            return &job->items[i];
        }
    }
    ck_abort_msg("no item of node %d", (int)node);
    return NULL;
}

#define ck_result(job, member, wanted)                                                             \
    ck_assert_msg(strcmp(item_of(job, member)->result, wanted) == 0, "node %d is %s (%s), not %s", \
                  (int)(member), item_of(job, member)->result, item_of(job, member)->reason,       \
                  wanted)

static struct node_job check(struct fakeworld *world, node_id id, uint64_t ms, struct arena *arena)
{
    char name[NODE_JOB_ID_BYTES];
    start_check(world, id, name);
    fakeworld_run(world, ms);
    struct node_job job = job_of(world, id, name, arena);
    ck_assert_msg(job.state == NODE_JOB_DONE, "%s at %u", node_job_state_slug(job.state),
                  job.progress);
    ck_assert_uint_eq(job.progress, NODE_JOB_PROGRESS_MAX);
    ck_assert_uint_ge(job.ended_ms, job.started_ms);
    return job;
}

START_TEST(equal_replicas_are_ok)
{
    node_id leader;
    struct fakeworld *world = three(1, 0, &leader);
    struct arena arena;
    arena_init(&arena);
    for (node_id id = 1; id <= 3; id++) { /* any node takes it */
        struct node_job job = check(world, id, 500, &arena);
        ck_assert_uint_eq(job.items_count, 4);
        ck_assert_uint_eq(job.items[0].node, 0);
        for (node_id member = 0; member <= 3; member++) {
            ck_result(&job, member, "ok");
        }
    }
    struct node_metrics metrics;
    node_get_metrics(fakeworld_node(world, leader), &metrics);
    ck_assert_uint_eq(metrics.checks_ok_total, 3);
    ck_assert_uint_eq(metrics.checks_diverged_total + metrics.checks_unchecked_total, 0);
    arena_done(&arena);
    fakeworld_free(world);
}
END_TEST

/* The digest kept from entry to entry is right, the rows are not: only a check sees that. */
START_TEST(rotten_rows_are_named_and_healed)
{
    node_id leader;
    struct fakeworld *world = three(2, 0, &leader);
    node_id bad = leader % 3 + 1;
    struct arena arena;
    arena_init(&arena);
    rot_while_down(world, bad);
    ck_assert(!view_of(world, bad).diverged);
    struct node_job job = check(world, 6 - leader - bad, 8000, &arena);
    ck_result(&job, 0, "diverged");
    ck_result(&job, bad, "diverged");
    ck_assert_uint_gt(strlen(item_of(&job, bad)->reason), 0);
    ck_result(&job, leader, "ok");
    ck_result(&job, 6 - leader - bad, "ok");
    ck_assert_uint_eq(test_count(world, bad), 30);
    ck_assert(!view_of(world, bad).diverged);
    ck_assert(!view_of(world, bad).quarantined);
    job = check(world, bad, 500, &arena);
    ck_result(&job, 0, "ok");
    arena_done(&arena);
    struct node_alarm alarm;
    ck_assert(test_alarm(world, bad, NODE_ALARM_CORRUPT, &alarm));
    ck_assert_ptr_nonnull(strstr(alarm.detail, "slot 0: a check found rows that are not sound"));
    ck_assert(!test_alarm(world, leader, NODE_ALARM_CORRUPT, &alarm));
    fakeworld_free(world);
}
END_TEST

START_TEST(rotten_leader_hands_over)
{
    node_id leader;
    struct fakeworld *world = three(3, 0, &leader);
    struct arena arena;
    arena_init(&arena);
    fakeworld_crash(world, leader, MEMDISK_KEEP_ALL);
    rot(world, leader);
    test_start(world, leader);
    node_id now = fakeworld_elect(world, 0);
    fakeworld_run(world, 4000);
    struct fakecall call;
    if (now != leader) {
        ck_assert_int_eq(fakecall_start_transfer(world, now, &call, 0, leader, 5000), OK);
        test_wait(world, &call, 3000);
        ck_assert_int_eq(call.call.err, OK);
        fakecall_done(&call);
        fakeworld_run(world, 1000);
    }
    ck_assert_uint_eq(fakeworld_leader(world, 0), leader);
    struct node_job job = check(world, leader, 12000, &arena);
    ck_result(&job, 0, "diverged");
    ck_result(&job, leader, "diverged");
    ck_assert_uint_ne(fakeworld_leader(world, 0), leader);
    ck_assert_uint_ne(fakeworld_leader(world, 0), 0);
    ck_assert_uint_eq(test_count(world, leader), 30);
    ck_assert(!view_of(world, leader).quarantined);
    job = check(world, leader, 500, &arena);
    ck_result(&job, 0, "ok");
    arena_done(&arena);
    fakeworld_free(world);
}
END_TEST

static bool drop_installs(node_id from, node_id to, uint8_t kind, struct bytes body, void *arg)
{
    (void)from, (void)to, (void)body;
    return kind == FRAME_INSTALL && *(bool *)arg;
}

/* The leader that found it is gone before it could heal it: the next one learns of it. */
START_TEST(a_new_leader_heals_what_the_old_one_found)
{
    node_id leader;
    struct fakeworld *world = three(4, 0, &leader);
    node_id bad = leader % 3 + 1;
    struct arena arena;
    arena_init(&arena);
    rot_while_down(world, bad);
    leader = fakeworld_leader(world, 0);
    ck_assert_uint_ne(leader, bad);
    bool drops = true;
    fakeworld_on_frame(world, drop_installs, &drops);
    struct node_job job = check(world, leader, 2000, &arena);
    ck_result(&job, bad, "diverged");
    ck_assert(view_of(world, bad).quarantined);
    fakeworld_crash(world, leader, MEMDISK_KEEP_ALL);
    drops = false;
    fakeworld_run(world, 5000);
    test_start(world, leader);
    fakeworld_run(world, 15000);
    ck_assert(!view_of(world, bad).quarantined);
    ck_assert_uint_eq(test_count(world, bad), 30);
    arena_done(&arena);
    fakeworld_free(world);
}
END_TEST

static bool drop_all(node_id from, node_id to, uint8_t kind, struct bytes body, void *arg)
{
    (void)from, (void)to, (void)body, (void)kind;
    return *(bool *)arg;
}

/* What was found is not forgotten: after a restart nothing is served, though nobody says so again. */
START_TEST(quarantine_survives_a_restart)
{
    node_id leader;
    struct fakeworld *world = three(11, 0, &leader);
    node_id bad = leader % 3 + 1;
    struct arena arena;
    arena_init(&arena);
    rot_while_down(world, bad);
    bool drops = true;
    fakeworld_on_frame(world, drop_installs, &drops);
    struct node_job job = check(world, fakeworld_leader(world, 0), 2000, &arena);
    ck_result(&job, bad, "diverged");
    ck_assert(view_of(world, bad).quarantined);
    fakeworld_crash(world, bad, 0);
    fakeworld_on_frame(world, drop_all, &drops);
    test_start(world, bad);
    struct fakecall call;
    for (int i = 0; i < 2; i++) { /* at once, and while it follows the leader */
        ck_assert(view_of(world, bad).quarantined);
        ck_assert(view_of(world, bad).diverged);
        ck_assert_int_eq(fakecall_read(world, bad, &call, 0, NODE_LOCAL, 0, 500), OK);
        ck_assert(fakeworld_settle(world));
        ck_assert_int_eq(call.call.err, ERR_UNREADY);
        fakecall_done(&call);
        fakeworld_run(world, 3000);
    }
    ck_assert_uint_ne(fakeworld_leader(world, 0), bad);
    drops = false;
    fakeworld_run(world, 15000);
    ck_assert(!view_of(world, bad).quarantined);
    ck_assert_uint_eq(test_count(world, bad), 30);
    fakeworld_crash(world, bad, MEMDISK_KEEP_ALL); /* and it is over for good */
    test_start(world, bad);
    ck_assert(!view_of(world, bad).quarantined);
    fakeworld_run(world, 3000);
    ck_assert_uint_eq(test_count(world, bad), 30);
    arena_done(&arena);
    fakeworld_free(world);
}
END_TEST

START_TEST(down_is_unchecked)
{
    node_id leader;
    struct fakeworld *world = three(5, 0, &leader);
    node_id away = leader % 3 + 1;
    struct arena arena;
    arena_init(&arena);
    fakeworld_crash(world, away, MEMDISK_KEEP_ALL);
    fakeworld_run(world, 3000);
    struct node_job job = check(world, leader, 3000, &arena);
    ck_result(&job, 0, "unchecked");
    ck_result(&job, away, "unchecked");
    ck_assert_str_eq(item_of(&job, away)->reason, "node_down");
    ck_result(&job, leader, "ok");
    struct node_metrics metrics;
    node_get_metrics(fakeworld_node(world, leader), &metrics);
    ck_assert_uint_eq(metrics.checks_unchecked_total, 1);
    ck_assert_uint_eq(metrics.checks_ok_total, 0);
    arena_done(&arena);
    fakeworld_free(world);
}
END_TEST

/* It hears of the check, and does not come to apply the command. */
START_TEST(behind_is_unchecked)
{
    node_id leader;
    struct fakeworld *world = three(6, 0, &leader);
    node_id slow = leader % 3 + 1;
    struct arena arena;
    arena_init(&arena);
    fakeworld_hold_disk(world, slow, true);
    struct node_job job = check(world, leader, 15000, &arena);
    ck_result(&job, slow, "unchecked");
    ck_assert_str_eq(item_of(&job, slow)->reason, "behind");
    ck_result(&job, 0, "unchecked");
    fakeworld_hold_disk(world, slow, false);
    fakeworld_run(world, 15000);
    job = check(world, leader, 3000, &arena);
    ck_result(&job, 0, "ok");
    arena_done(&arena);
    fakeworld_free(world);
}
END_TEST

/* The slot's leader goes while its members read: another one does it again. */
START_TEST(leader_lost_in_the_middle)
{
    node_id leader;
    struct fakeworld *world = three(7, 0, &leader);
    node_id asked = leader % 3 + 1;
    struct arena arena;
    arena_init(&arena);
    char name[NODE_JOB_ID_BYTES];
    fakeworld_hold_background(world, asked, true);
    start_check(world, asked, name);
    fakeworld_run(world, 300);
    fakeworld_crash(world, leader, MEMDISK_KEEP_ALL);
    fakeworld_tell_gone(world, leader);
    fakeworld_run(world, 200);
    fakeworld_hold_background(world, asked, false);
    fakeworld_run(world, 3000);
    test_start(world, leader);
    fakeworld_run(world, 12000);
    struct node_job job = job_of(world, asked, name, &arena);
    ck_assert_int_eq(job.state, NODE_JOB_DONE);
    ck_assert_str_ne(item_of(&job, 0)->result, "diverged");
    ck_result(&job, asked, "ok");
    arena_done(&arena);
    fakeworld_free(world);
}
END_TEST

START_TEST(one_at_a_time_and_cancelled)
{
    node_id leader;
    struct fakeworld *world = three(8, 0, &leader);
    struct node *node = fakeworld_node(world, leader);
    struct arena arena;
    arena_init(&arena);
    char name[NODE_JOB_ID_BYTES], other[NODE_JOB_ID_BYTES];
    struct why why = {0};
    fakeworld_hold_background(world, leader, true);
    start_check(world, leader, name);
    fakeworld_run(world, 200);
    struct node_job job = job_of(world, leader, name, &arena);
    ck_assert_int_eq(job.state, NODE_JOB_RUNNING);
    ck_assert_uint_eq(job.progress, 0);
    ck_assert_int_eq(node_start_check(node, -1, other, &why), ERR_CONFLICT);
    ck_assert(strstr(why.text, name) != NULL);
    ck_assert_int_eq(node_start_check(node, 1, other, &why), ERR_NOT_FOUND);
    ck_assert_int_eq(node_cancel_job(node, bytes_of_string(name), &why), OK);
    ck_assert_int_eq(node_cancel_job(node, bytes_of_string(name), &why), ERR_CONFLICT);
    ck_assert_int_eq(node_cancel_job(node, bytes_of_string("9-1-1"), &why), ERR_NOT_FOUND);
    ck_assert(strstr(why.text, "node 9") != NULL);
    start_check(world, leader, other); /* it waits for what the first one has begun */
    fakeworld_hold_background(world, leader, false);
    fakeworld_run(world, 3000);
    job = job_of(world, leader, name, &arena);
    ck_assert_int_eq(job.state, NODE_JOB_CANCELLED);
    ck_assert_uint_eq(job.items_count, 0);
    job = job_of(world, leader, other, &arena);
    ck_assert_int_eq(job.state, NODE_JOB_DONE);
    ck_result(&job, 0, "ok");
    struct node_job *list;
    ck_assert_uint_eq(node_list_jobs(node, &arena, &list), 2);
    ck_assert_str_eq(list[0].id, other);
    arena_done(&arena);
    fakeworld_free(world);
}
END_TEST

/* A stop in the middle of a check waits for nobody. */
START_TEST(a_stop_ends_it)
{
    node_id leader;
    struct fakeworld *world = three(9, 0, &leader);
    char name[NODE_JOB_ID_BYTES];
    fakeworld_hold_background(world, leader % 3 + 1, true);
    start_check(world, leader, name);
    fakeworld_run(world, 200);
    uint64_t began_ms = fakeworld_now_ms(world);
    fakeworld_stop(world, leader);
    ck_assert_uint_lt(fakeworld_now_ms(world) - began_ms, 3000);
    fakeworld_free(world);
}
END_TEST

START_TEST(checks_by_itself)
{
    node_id leader;
    struct fakeworld *world = three(10, 20000, &leader);
    struct arena arena;
    arena_init(&arena);
    fakeworld_run(world, 45000);
    struct node_job *list;
    uint32_t count = node_list_jobs(fakeworld_node(world, leader), &arena, &list);
    ck_assert_uint_eq(count, 2);
    struct node_job job = job_of(world, leader, list[0].id, &arena);
    ck_assert_int_eq(job.state, NODE_JOB_DONE);
    ck_result(&job, 0, "ok");
    node_id other = leader % 3 + 1; /* which leads nothing */
    count = node_list_jobs(fakeworld_node(world, other), &arena, &list);
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(list[0].items_count, 0);
    arena_done(&arena);
    fakeworld_free(world);
}
END_TEST

START_TEST(the_table_is_bounded)
{
    struct jobs *jobs = jobs_new(3, 5);
    char id[NODE_JOB_ID_BYTES], first[NODE_JOB_ID_BYTES];
    struct arena arena;
    struct node_job job;
    int64_t slot;
    arena_init(&arena);
    for (int i = 0; i < NODE_JOBS_MAX + 2; i++) {
        ck_assert_int_eq(jobs_add(jobs, NODE_JOB_CHECK, 4, 8, 1000, id, NULL), OK);
        if (i == 0) {
            memcpy(first, id, sizeof(first));
        }
        ck_assert(jobs_is_open(jobs, NODE_JOB_CHECK));
        ck_assert(jobs_begin(jobs, NODE_JOB_CHECK, 2000, id, &slot));
        ck_assert(!jobs_begin(jobs, NODE_JOB_CHECK, 2000, id, &slot));
        ck_assert_int_eq(slot, 4);
        jobs_report(jobs, id, 2);
        ck_assert(jobs_get(jobs, bytes_of_string(id), 3000, &arena, &job));
        ck_assert_uint_eq(job.progress, NODE_JOB_PROGRESS_MAX / 4);
        ck_assert_uint_eq(job.eta_ms, 3000);
        jobs_report(jobs, id, 9); /* more than there is: left out */
        jobs_end(jobs, id, NODE_JOB_FAILED, "for a reason", 4000);
        jobs_add_item(jobs, id, &(struct node_job_item){.result = "late"});
        ck_assert(jobs_get(jobs, bytes_of_string(id), 9000, &arena, &job));
        ck_assert_int_eq(job.state, NODE_JOB_FAILED);
        ck_assert_uint_eq(job.items_count, 0);
        ck_assert_uint_eq(job.progress, NODE_JOB_PROGRESS_MAX / 4);
        ck_assert_str_eq(job.text, "for a reason");
    }
    struct why why = {0};
    struct node_job *list;
    ck_assert_uint_eq(jobs_list(jobs, 9000, &arena, &list), NODE_JOBS_MAX);
    ck_assert(!jobs_get(jobs, bytes_of_string(first), 9000, &arena, &job));
    jobs_why_absent(jobs, bytes_of_string(first), &why);
    ck_assert(strstr(why.text, "3-5-3") != NULL);
    arena_done(&arena);
    jobs_free(jobs);
}
END_TEST

/* ---- compactions -------------------------------------------------------------------------------- */

/* One family after the other; a cancel is heeded between two; a job of one family has one item. */
START_TEST(compaction_goes_by_families)
{
    struct fakeworld *world = test_world(1, NULL);
    struct node *node = fakeworld_node(world, 1);
    char id[NODE_JOB_ID_BYTES], other[NODE_JOB_ID_BYTES];
    struct arena arena;
    struct why why;
    arena_init(&arena);
    ck_assert_int_eq(node_start_compaction(node, "nonsense", id, &why), ERR_BAD_PARAMETER);
    ck_assert_ptr_nonnull(strstr(why.text, "delete_log"));
    ck_assert_int_eq(node_start_compaction(node, NULL, id, &why), OK);
    ck_assert_int_eq(node_start_compaction(node, NULL, other, &why), ERR_CONFLICT);
    fakeworld_run(world, 100);
    struct node_job job = job_of(world, 1, id, &arena);
    ck_assert_int_eq(job.state, NODE_JOB_DONE);
    ck_assert_uint_eq(job.items_count, 8);
    ck_assert_str_eq(job.items[3].family, "messages");

    fakeworld_hold_background(world, 1, true);
    ck_assert_int_eq(node_start_compaction(node, NULL, id, &why), OK);
    fakeworld_run(world, 100);
    ck_assert_int_eq(job_of(world, 1, id, &arena).state, NODE_JOB_RUNNING);
    ck_assert_int_eq(node_cancel_job(node, bytes_of_string(id), &why), OK);
    fakeworld_hold_background(world, 1, false);
    fakeworld_run(world, 100);
    job = job_of(world, 1, id, &arena);
    ck_assert_int_eq(job.state, NODE_JOB_CANCELLED);
    ck_assert_uint_eq(job.items_count, 0);

    ck_assert_int_eq(node_start_compaction(node, "dedup", id, &why), OK);
    fakeworld_run(world, 100);
    job = job_of(world, 1, id, &arena);
    ck_assert_int_eq(job.state, NODE_JOB_DONE);
    ck_assert_uint_eq(job.items_count, 1);
    ck_assert_str_eq(job.items[0].family, "dedup");
    arena_done(&arena);
    fakeworld_free(world);
}
END_TEST

/* ---- jobs of other nodes ------------------------------------------------------------------------ */

static struct fakecall ask(struct fakeworld *world, node_id id, node_id to, enum node_job_ask what,
                           const char *text)
{
    struct fakecall call;
    ck_assert_int_eq(fakecall_job(world, id, &call, to, what, text, 3000), OK);
    test_wait(world, &call, 4000);
    return call;
}

static void expect_err(struct fakecall call, enum err err, const char *words)
{
    ck_assert_int_eq(call.call.err, err);
    ck_assert_msg(strstr(call.call.why.text, words) != NULL, "%s", call.call.why.text);
    ck_assert_ptr_null(call.call.answer);
    fakecall_done(&call);
}

/* Begun, shown and cancelled at another node, whoever leads what; never passed on to a leader. */
START_TEST(any_node_answers_for_a_job)
{
    node_id leader = 0;
    struct fakeworld *world = test_world(3, &leader);
    node_id owner = leader % 3 + 1, other = owner % 3 + 1;
    struct arena arena;
    arena_init(&arena);
    fakeworld_hold_background(world, owner, true);
    struct fakecall call = ask(world, other, owner, NODE_JOB_ASK_COMPACT, "dedup");
    ck_assert_int_eq(call.call.err, OK);
    char id[NODE_JOB_ID_BYTES];
    (void)snprintf(id, sizeof(id), "%.*s", (int)call.call.answer->len,
                   (const char *)blob_bytes(call.call.answer).data);
    fakecall_done(&call);
    ck_assert_uint_eq(node_job_owner(bytes_of_string(id)), owner);

    struct node_job job, own;
    call = ask(world, other, owner, NODE_JOB_ASK_GET, id);
    ck_assert_int_eq(call.call.err, OK);
    ck_assert(node_job_answer_decode(blob_bytes(call.call.answer), &arena, &job));
    ck_assert_int_eq(job.state, NODE_JOB_RUNNING);
    fakecall_done(&call);
    expect_err(ask(world, other, owner, NODE_JOB_ASK_COMPACT, ""), ERR_CONFLICT, id);
    expect_err(ask(world, other, owner, NODE_JOB_ASK_COMPACT, "nonsense"), ERR_BAD_PARAMETER,
               "delete_log");
    fakeworld_hold_background(world, owner, false);
    fakeworld_run(world, 200);
    call = ask(world, other, owner, NODE_JOB_ASK_GET, id);
    ck_assert_int_eq(call.call.err, OK);
    own = job_of(world, owner, id, &arena);
    ck_assert(node_job_answer_decode(blob_bytes(call.call.answer), &arena, &job));
    ck_assert_str_eq(job.id, own.id);
    ck_assert_int_eq(job.state, NODE_JOB_DONE);
    ck_assert_int_eq(job.kind, NODE_JOB_COMPACTION);
    ck_assert_int_eq(job.slot, own.slot);
    ck_assert_uint_eq(job.created_ms, own.created_ms);
    ck_assert_uint_eq(job.ended_ms, own.ended_ms);
    ck_assert_uint_eq(job.progress, NODE_JOB_PROGRESS_MAX);
    ck_assert_uint_eq(job.items_count, 1);
    ck_assert_str_eq(job.items[0].family, "dedup");
    ck_assert_str_eq(job.items[0].result, "ok");
    /* Bytes that are cut anywhere are refused. */
    struct bytes answer = blob_bytes(call.call.answer);
    for (size_t len = 0; len < answer.len; len++) {
        ck_assert(!node_job_answer_decode(bytes_of(answer.data, len), &arena, &job));
    }
    fakecall_done(&call);
    expect_err(ask(world, other, owner, NODE_JOB_ASK_CANCEL, id), ERR_CONFLICT, "has ended");
    expect_err(ask(world, other, owner, NODE_JOB_ASK_GET, "1-1-99"), ERR_NOT_FOUND, "1-1-99");
    expect_err(ask(world, other, 9, NODE_JOB_ASK_GET, "9-1-1"), ERR_NOT_FOUND, "no node 9");
    fakeworld_crash(world, owner, MEMDISK_KEEP_ALL);
    fakeworld_tell_gone(world, owner);
    fakeworld_run(world, 3000);
    call = ask(world, other, owner, NODE_JOB_ASK_GET, id);
    ck_assert_int_ne(call.call.err, OK); /* by its deadline, or because there is no link */
    fakecall_done(&call);
    arena_done(&arena);
    fakeworld_free(world);
}
END_TEST

START_TEST(owners_of_jobs)
{
    static const struct {
        const char *id;
        node_id owner;
    } rows[] = {{"3-1-7", 3}, {"65535-1-1", 65535}, {"65536-1-1", 0}, {"", 0},        {"3", 0},
                {"-1-1", 0},  {"members-3", 0},     {"03x-1", 0},     {"9999999-", 0}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ck_assert_uint_eq(node_job_owner(bytes_of_string(rows[i].id)), rows[i].owner);
    }
}
END_TEST

Suite *suite_check(void)
{
    return UNIT_SUITE("check", 120, compaction_goes_by_families, any_node_answers_for_a_job,
                      owners_of_jobs, equal_replicas_are_ok, rotten_rows_are_named_and_healed,
                      rotten_leader_hands_over, a_new_leader_heals_what_the_old_one_found,
                      quarantine_survives_a_restart, down_is_unchecked, behind_is_unchecked,
                      leader_lost_in_the_middle, one_at_a_time_and_cancelled, a_stop_ends_it,
                      checks_by_itself, the_table_is_bounded);
}
