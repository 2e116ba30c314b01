/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's world: RocksDB, a loop thread, a disk thread, callers on threads of their own. */
#include <errno.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "helpers.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/thread.h"

Suite *suite_real(void);

enum { THREADS = 4, CALLS = 250 };

struct caller {
    struct thread thread;
    struct node *node;
    int number;
    struct mutex lock;
    struct cond done;
    bool is_done; /* under lock */
    uint32_t answered;
};

static void on_done(struct node_call *call, void *arg)
{
    (void)call;
    struct caller *caller = arg;
    mutex_lock(&caller->lock);
    caller->is_done = true;
    cond_signal(&caller->done);
    mutex_unlock(&caller->lock);
}

/* Starts call and waits for its answer. */
static enum err call_sync(struct caller *caller, struct node_call *call)
{
    call->deadline_ms = clock_mono_ms() + 10000;
    call->on_done = on_done;
    call->arg = caller;
    caller->is_done = false;
    enum err err = node_call_start(caller->node, call, NULL);
    if (err != OK) {
        return err;
    }
    mutex_lock(&caller->lock);
    while (!caller->is_done) {
        cond_wait(&caller->done, &caller->lock);
    }
    mutex_unlock(&caller->lock);
    return call->err;
}

static void caller_init(struct caller *caller, struct node *node, int number)
{
    *caller = (struct caller){.node = node, .number = number};
    mutex_init(&caller->lock);
    cond_init(&caller->done);
}

static void caller_done(struct caller *caller)
{
    mutex_done(&caller->lock);
    cond_done(&caller->done);
}

/* Channel names of the callers are theirs alone, so that each knows what must be there. */
static uint32_t caller_slot(const struct caller *caller, char name[16])
{
    (void)snprintf(name, 16, "real-%d", caller->number);
    return channel_slot(test_channel(name), node_slot_count(caller->node));
}

static void caller_run(void *arg)
{
    struct caller *caller = arg;
    char name[16];
    uint32_t slot = caller_slot(caller, name);
    for (int i = 0; i < CALLS; i++) {
        struct node_call call = {
            .kind = NODE_CALL_COMMAND, .slot = slot, .command = test_append(name, "payload", NULL)};
        if (call_sync(caller, &call) == OK) {
            caller->answered++;
        }
        msg_result_free(call.result);
        if (i % 10 == 0) {
            struct node_call read = {.kind = NODE_CALL_READ, .slot = slot};
            enum err err = call_sync(caller, &read);
            assert(err == OK);
            struct node_slot view;
            struct node_metrics metrics;
            bool has = node_get_slot(caller->node, slot, &view);
            assert(has);
            node_get_metrics(caller->node, &metrics);
        }
    }
}

static void nap(unsigned ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000l};
    (void)nanosleep(&time, NULL);
}

static struct node *start_with(const struct node_options *options)
{
    struct node *node = NULL;
    struct why why = {0};
    enum err err = node_start(options, &node, &why);
    ck_assert_msg(err == OK, "%s: %s", err_slug(err), why.text);
    return node;
}

static void wait_serving(struct node *node)
{
    for (int i = 0; i < 1500; i++) {
        struct node_cluster cluster;
        node_get_cluster(node, &cluster);
        if (cluster.serving) {
            return;
        }
        nap(10);
    }
    ck_abort_msg("it does not serve");
}

static struct node_options options_of(const char *dir)
{
    struct node_options options;
    node_options_init(&options);
    options.id = 1;
    options.data_dir = dir;
    options.cluster_id = "unit";
    options.slot_count = 16;
    options.disk_soft_free_bytes = options.disk_hard_free_bytes = 0;
    return options;
}

static struct node *start(const char *dir)
{
    struct node_options options = options_of(dir);
    struct node *node = start_with(&options);
    wait_serving(node);
    return node;
}

static uint32_t count_of(struct node *node, const char *name)
{
    struct arena arena;
    arena_init(&arena);
    struct msg_page page;
    struct msg_page_query query = {.channel = test_channel(name), .limit = 10000};
    ck_assert_int_eq(node_get_page(node, &query, &arena, &page, NULL), OK);
    uint32_t count = page.messages_count;
    arena_done(&arena);
    return count;
}

START_TEST(four_threads_and_restart)
{
    char *dir = unit_temp_dir();
    struct node *node = start(dir);
    struct caller callers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        caller_init(&callers[i], node, i);
        ck_assert_int_eq(thread_start(&callers[i].thread, "caller", caller_run, &callers[i]), OK);
    }
    for (int i = 0; i < THREADS; i++) {
        thread_join(&callers[i].thread);
        ck_assert_uint_eq(callers[i].answered, CALLS);
    }
    struct node_metrics metrics;
    node_get_metrics(node, &metrics);
    ck_assert_uint_eq(metrics.appended_messages_total, THREADS * CALLS);
    ck_assert_uint_ge(metrics.commit.count, THREADS * CALLS);
    node_stop(node, 5000);

    node = start(dir);
    for (int i = 0; i < THREADS; i++) {
        char name[16];
        (void)caller_slot(&(struct caller){.node = node, .number = i}, name);
        ck_assert_uint_eq(count_of(node, name), CALLS);
    }
    node_stop(node, 5000);
    for (int i = 0; i < THREADS; i++) {
        caller_done(&callers[i]);
    }
    free(dir);
}
END_TEST

static void flood_run(void *arg)
{
    struct caller *caller = arg;
    char name[16];
    uint32_t slot = caller_slot(caller, name);
    for (;;) {
        struct node_call call = {
            .kind = NODE_CALL_COMMAND, .slot = slot, .command = test_append(name, "x", NULL)};
        enum err err = call_sync(caller, &call);
        msg_result_free(call.result);
        if (err == ERR_DRAINING) {
            return;
        }
        assert(err == OK || err == ERR_OUTCOME_UNKNOWN);
        caller->answered += err == OK;
    }
}

/* The callers' threads end before the node is freed: a node outlives those who call it. */
START_TEST(drains_under_load)
{
    char *dir = unit_temp_dir();
    struct node *node = start(dir);
    struct caller callers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        caller_init(&callers[i], node, i);
        ck_assert_int_eq(thread_start(&callers[i].thread, "flood", flood_run, &callers[i]), OK);
    }
    nap(200);
    node_drain(node);
    uint32_t answered = 0;
    for (int i = 0; i < THREADS; i++) {
        thread_join(&callers[i].thread);
        answered += callers[i].answered;
        caller_done(&callers[i]);
    }
    ck_assert_uint_gt(answered, 0);
    node_stop(node, 5000);
    free(dir);
}
END_TEST

/* Three daemons' worth of nodes in one process, over loopback. */
struct trio {
    struct node_member members[3];
    char *dirs[3];
    struct node *nodes[3];
    bool has_short_log;
};

static void trio_start(struct trio *trio, int i)
{
    struct node_options options = options_of(trio->dirs[i]);
    options.id = (node_id)i + 1;
    if (trio->has_short_log) {
        options.log_keep_applied = options.log_min_keep = 8;
        options.log_keep_hours = 0;
        options.catchup_chunk_rows = 5;
    }
    options.members = trio->members;
    options.members_count = 3;
    (void)snprintf(options.listen, sizeof(options.listen), "%s", trio->members[i].address);
    (void)snprintf(options.http_address, sizeof(options.http_address), "127.0.0.1:%d", 1000 + i);
    trio->nodes[i] = start_with(&options);
}

static bool is_port_free(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    bool is_free = bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
    (void)close(fd);
    return is_free;
}

/* Below the ports that the kernel gives; runs side by side begin at different places. */
static int next_free_port(int port)
{
    for (int tries = 0; tries < 1000; tries++) {
        if (is_port_free(++port)) {
            return port;
        }
    }
    ck_abort_msg("no port is free after %d", port);
}

static void trio_init(struct trio *trio, int base, bool has_short_log)
{
    *trio = (struct trio){.has_short_log = has_short_log};
    int port = base + (int)getpid() % 4000 * 3 - 1;
    for (int i = 0; i < 3; i++) {
        trio->members[i].id = (node_id)i + 1;
        port = next_free_port(port);
        (void)snprintf(trio->members[i].address, NODE_ADDRESS_MAX_BYTES, "127.0.0.1:%d", port);
        trio->dirs[i] = unit_temp_dir();
    }
    for (int i = 0; i < 3; i++) {
        trio_start(trio, i);
    }
    for (int i = 0; i < 3; i++) {
        wait_serving(trio->nodes[i]);
    }
}

static void trio_done(struct trio *trio)
{
    for (int i = 0; i < 3; i++) {
        node_stop(trio->nodes[i], 5000);
        free(trio->dirs[i]);
    }
}

/* Appends through node i, again until it is certain; returns how often it was in doubt. */
static uint32_t trio_append(struct trio *trio, int i, int number)
{
    struct caller caller;
    caller_init(&caller, trio->nodes[i], number);
    char name[16], no[32];
    uint32_t slot = caller_slot(&caller, name), doubts = 0;
    static unsigned count;
    (void)snprintf(no, sizeof(no), "no-%u", count++);
    for (int attempt = 0; attempt < 200; attempt++) {
        struct node_call call = {
            .kind = NODE_CALL_COMMAND, .slot = slot, .command = test_append(name, "x", no)};
        enum err err = call_sync(&caller, &call);
        msg_result_free(call.result);
        if (err == OK) {
            caller_done(&caller);
            return doubts;
        }
        ck_assert_msg(err_kind(err) == ERR_KIND_REFUSED || err == ERR_OUTCOME_UNKNOWN, "%s",
                      err_slug(err));
        doubts += err == ERR_OUTCOME_UNKNOWN;
        nap(50);
    }
    ck_abort_msg("never answered");
    return doubts;
}

static void trio_expect(struct trio *trio, int number, uint32_t count)
{
    for (int i = 0; i < 3; i++) {
        struct caller caller;
        caller_init(&caller, trio->nodes[i], number);
        char name[16];
        struct node_call read = {.kind = NODE_CALL_READ, .slot = caller_slot(&caller, name)};
        enum err err = ERR_NO_LEADER;
        for (int attempt = 0; attempt < 200 && err != OK; attempt++) {
            read.err = OK;
            err = call_sync(&caller, &read);
            nap(err == OK ? 0 : 50);
        }
        ck_assert_msg(err == OK, "node %d: %s", i + 1, err_slug(err));
        ck_assert_uint_eq(count_of(trio->nodes[i], name), count);
        caller_done(&caller);
    }
}

START_TEST(three_over_loopback)
{
    struct trio trio;
    trio_init(&trio, 20000, false);
    for (int i = 0; i < 60; i++) { /* each node takes what it is given, leader or not */
        (void)trio_append(&trio, i % 3, 5);
    }
    trio_expect(&trio, 5, 60);
    struct node_cluster cluster;
    node_get_cluster(trio.nodes[0], &cluster);
    ck_assert_uint_eq(cluster.peers_count, 3);
    ck_assert_str_eq(cluster.peers[1].http_address, "127.0.0.1:1001");
    ck_assert(cluster.peers[1].up);
    struct node_metrics metrics;
    node_get_metrics(trio.nodes[0], &metrics);
    ck_assert_uint_gt(metrics.peer_bytes_sent_total, 0);
    ck_assert_uint_gt(metrics.peer_bytes_received_total, 0);

    /* One leaves in good order: the others go on. */
    node_stop(trio.nodes[1], 5000);
    for (int i = 0; i < 40; i++) {
        (void)trio_append(&trio, i % 2 * 2, 5);
    }
    trio_start(&trio, 1);
    trio_expect(&trio, 5, 100); /* it comes back and catches up */
    trio_done(&trio);
}
END_TEST

/* All stop, one comes back with an empty folder under its id: those that were restarted too know
 * still who it was, and go on without it. */
START_TEST(empty_folder_is_refused_after_restart)
{
    struct trio trio;
    trio_init(&trio, 20200, false);
    (void)trio_append(&trio, 0, 5);
    for (int i = 0; i < 3; i++) {
        node_stop(trio.nodes[i], 5000);
    }
    ck_assert_int_eq(file_remove_tree(trio.dirs[2], NULL), OK);
    for (int i = 2; i >= 0; i--) { /* it is there first */
        trio_start(&trio, i);
    }
    wait_serving(trio.nodes[0]);
    wait_serving(trio.nodes[1]);
    (void)trio_append(&trio, 0, 5);
    for (int i = 0; i < 20; i++) {
        struct node_cluster cluster;
        node_get_cluster(trio.nodes[2], &cluster);
        ck_assert(!cluster.serving);
        nap(100);
    }
    trio_done(&trio);
}
END_TEST

static uint64_t trio_catchups(struct trio *trio, enum node_catchup_mode mode)
{
    uint64_t ret = 0;
    for (int i = 0; i < 3; i++) {
        struct node_metrics metrics;
        node_get_metrics(trio->nodes[i], &metrics);
        for (int reason = 0; reason < NODE_CATCHUP_REASONS; reason++) {
            ret += metrics.catchups[mode][reason];
        }
    }
    return ret;
}

static void trio_delete(struct trio *trio, int i, int number, uint64_t start, uint64_t end)
{
    struct caller caller;
    caller_init(&caller, trio->nodes[i], number);
    char name[16];
    uint32_t slot = caller_slot(&caller, name);
    enum err err = ERR_NO_LEADER;
    for (int attempt = 0; attempt < 200 && err != OK; attempt++) {
        struct node_call call = {
            .kind = NODE_CALL_COMMAND, .slot = slot, .command = test_delete(name, start, end)};
        err = call_sync(&caller, &call);
        msg_result_free(call.result);
        nap(err == OK ? 0 : 50);
    }
    ck_assert_int_eq(err, OK);
    caller_done(&caller);
}

/* Operators' calls go to every member, and to the leader, over real links. */
static struct node_admin *trio_order(struct trio *trio, int i, enum node_call_kind kind, int number,
                                     node_id to, bool force)
{
    struct caller caller;
    caller_init(&caller, trio->nodes[i], number);
    char name[16];
    struct node_call call = {
        .kind = kind, .slot = caller_slot(&caller, name), .to = to, .force_floor = force};
    enum err err = call_sync(&caller, &call);
    ck_assert_msg(err == OK || err == ERR_CONFLICT, "%s: %s", err_slug(err), call.why.text);
    caller_done(&caller);
    return call.admin;
}

static void trio_expect_equal(struct trio *trio, uint32_t slot)
{
    struct node_slot views[3];
    for (int attempt = 0; attempt < 200; attempt++) {
        bool is_equal = true;
        for (int i = 0; i < 3; i++) {
            ck_assert(node_get_slot(trio->nodes[i], slot, &views[i]));
            is_equal &= views[i].digest_index == views[0].digest_index && !views[i].installing &&
                        hash128_is_equal(views[i].digest, views[0].digest);
        }
        if (is_equal) {
            return;
        }
        nap(50);
    }
    ck_abort_msg("replicas are not equal");
}

START_TEST(returns_by_delta_and_full)
{
    struct trio trio;
    trio_init(&trio, 20100, true);
    struct caller caller;
    caller_init(&caller, trio.nodes[0], 5);
    char name[16];
    uint32_t slot = caller_slot(&caller, name);
    caller_done(&caller);
    for (int i = 0; i < 80; i++) {
        (void)trio_append(&trio, i % 3, 5);
    }
    node_stop(trio.nodes[1], 5000);
    trio_delete(&trio, 0, 5, 10, 60);
    for (int i = 0; i < 30; i++) {
        (void)trio_append(&trio, i % 2 * 2, 5);
    }
    struct node_admin *admin = trio_order(&trio, 0, NODE_CALL_COMPACT, 5, 0, false);
    ck_assert_uint_eq(admin->items_count, 3);
    free(admin);
    trio_start(&trio, 1);
    trio_expect(&trio, 5, 110 - 51);
    trio_expect_equal(&trio, slot);
    for (int attempt = 0; attempt < 100 && trio_catchups(&trio, NODE_BY_DELTA) == 0; attempt++) {
        nap(50);
    }
    ck_assert_uint_eq(trio_catchups(&trio, NODE_BY_DELTA), 1);
    ck_assert_uint_eq(trio_catchups(&trio, NODE_BY_FULL), 0);
    /* The same with the floor above it. */
    node_stop(trio.nodes[1], 5000);
    trio_delete(&trio, 0, 5, 61, 70);
    for (int i = 0; i < 30; i++) {
        (void)trio_append(&trio, i % 2 * 2, 5);
    }
    free(trio_order(&trio, 2, NODE_CALL_COLLECT, 5, 0, true));
    nap(11000); /* the log that was kept for the first one goes */
    free(trio_order(&trio, 0, NODE_CALL_COMPACT, 5, 0, false));
    trio_start(&trio, 1);
    trio_expect(&trio, 5, 140 - 61);
    trio_expect_equal(&trio, slot);
    for (int attempt = 0; attempt < 100 && trio_catchups(&trio, NODE_BY_FULL) == 0; attempt++) {
        nap(50);
    }
    ck_assert_uint_eq(trio_catchups(&trio, NODE_BY_FULL), 1);
    trio_done(&trio);
}
END_TEST

/* ---- backups ----------------------------------------------------------------------------------------- */

static void wait_job(struct node *node, const char *id, struct arena *arena, struct node_job *ret)
{
    struct why why = {0};
    for (int i = 0; i < 1500; i++) {
        arena_clear(arena);
        ck_assert_int_eq(node_get_job(node, bytes_of_string(id), arena, ret, &why), OK);
        if (ret->state != NODE_JOB_QUEUED && ret->state != NODE_JOB_RUNNING) {
            return;
        }
        nap(10);
    }
    ck_abort_msg("job %s does not end", id);
}

static void backup(struct node *node, const char *name, struct arena *arena, struct node_job *ret)
{
    char id[NODE_JOB_ID_BYTES];
    struct why why = {0};
    enum err err = node_start_backup(node, bytes_of_string(name), id, &why);
    ck_assert_msg(err == OK, "%s: %s", err_slug(err), why.text);
    wait_job(node, id, arena, ret);
}

static uint32_t list_backups(struct node *node, struct arena *arena, struct node_backup **ret)
{
    uint32_t count = 0, left_out = 0;
    struct why why = {0};
    ck_assert_int_eq(node_list_backups(node, arena, ret, &count, &left_out, &why), OK);
    return count;
}

START_TEST(backups_while_all_goes_on)
{
    char *dir = unit_temp_dir();
    struct node_options options = options_of(dir);
    options.backup_keep = 2;
    struct node *node = start_with(&options);
    wait_serving(node);
    struct caller callers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        caller_init(&callers[i], node, i);
        ck_assert_int_eq(thread_start(&callers[i].thread, "caller", caller_run, &callers[i]), OK);
    }
    struct arena arena;
    struct node_job job;
    struct node_backup *list;
    struct why why = {0};
    char id[NODE_JOB_ID_BYTES];
    arena_init(&arena);
    static const char *const names[] = {"first", "second", "third", "fourth"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        backup(node, names[i], &arena, &job);
        ck_assert_msg(job.state == NODE_JOB_DONE, "%s", job.text);
        ck_assert_str_eq(job.subject, names[i]);
        ck_assert_uint_eq(job.items_count, 16);
    }
    for (int i = 0; i < THREADS; i++) {
        thread_join(&callers[i].thread);
        ck_assert_uint_eq(callers[i].answered, CALLS);
        caller_done(&callers[i]);
    }
    ck_assert_uint_eq(list_backups(node, &arena, &list), 2);
    ck_assert_str_eq(list[0].id, "fourth");
    ck_assert_str_eq(list[1].id, "third");
    ck_assert_int_eq(list[0].state, NODE_BACKUP_VERIFIED);
    ck_assert_uint_eq(list[0].expires_ms, list[0].created_ms + options.backup_expire_ms);
    ck_assert_int_eq(node_start_backup(node, bytes_of_string("third"), id, &why), ERR_CONFLICT);
    ck_assert_int_eq(node_start_backup(node, bytes_of_string("../x"), id, &why), ERR_BAD_PARAMETER);
    ck_assert_int_eq(node_start_verify(node, bytes_of_string("../x"), id, &why), ERR_NOT_FOUND);
    ck_assert_int_eq(node_remove_backup(node, bytes_of_string("first"), &why), ERR_NOT_FOUND);
    ck_assert_int_eq(node_remove_backup(node, bytes_of_string("third"), &why), OK);
    ck_assert_uint_eq(list_backups(node, &arena, &list), 1);
    node_stop(node, 5000);
    /* Too old by now: the first look removes it. */
    options.backup_expire_ms = 1;
    node = start_with(&options);
    for (int i = 0; i < 1000 && list_backups(node, &arena, &list) > 0; i++) {
        nap(10);
    }
    ck_assert_uint_eq(list_backups(node, &arena, &list), 0);
    node_stop(node, 5000);
    arena_done(&arena);
    free(dir);
}
END_TEST

/* A small file system of its own, on which a start finds too little room: it says how much there is and
 * changes nothing; a ballast that is there is freed first, and then it starts. */
START_TEST(a_start_wants_room)
{
    char *dir = unit_temp_dir();
    char text[600];
    struct node_options options = options_of(dir);
    struct node *node = NULL;
    struct why why = {0};
    struct file_names names;
    if (mount("tmpfs", dir, "tmpfs", 0, "size=80m") != 0) {
        printf("SKIP a_start_wants_room: no file system can be mounted here: %s\n",
               strerror(errno));
        free(dir);
        return;
    }
    (void)snprintf(text, sizeof(text), "%s/filler", dir);
    ck_assert_int_eq(file_reserve(text, 77ull << 20, &why), OK);
    ck_assert_int_eq(node_start(&options, &node, &why), ERR_DISK_FULL);
    ck_assert_ptr_null(node);
    ck_assert_msg(strstr(why.text, "are less than the 4194304 that a start needs") != NULL, "%s",
                  why.text);
    ck_assert_int_eq(file_list(dir, &names, NULL), OK);
    ck_assert_uint_eq(names.count, 1); /* the filler alone */
    file_names_done(&names);

    ck_assert_int_eq(file_remove_tree(text, &why), OK);
    ck_assert_int_eq(file_reserve(text, 27ull << 20, &why), OK);
    (void)snprintf(text, sizeof(text), "%s/ballast", dir);
    ck_assert_int_eq(file_reserve(text, 50ull << 20, &why), OK);
    options.disk_ballast_bytes = 50ull << 20;
    ck_assert_msg(node_start(&options, &node, &why) == OK, "%s", why.text);
    uint64_t bytes = 0;
    ck_assert_int_eq(file_size(text, &bytes, NULL), ERR_NOT_FOUND);
    node_stop(node, 5000);
    ck_assert_int_eq(umount(dir), 0);
    free(dir);
}
END_TEST

/* Threads that call, a backup that reads, and options that change under all of them. */
START_TEST(options_change_while_all_goes_on)
{
    char *dir = unit_temp_dir();
    struct node_options options = options_of(dir);
    struct node *node = start_with(&options);
    wait_serving(node);
    struct caller callers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        caller_init(&callers[i], node, i);
        ck_assert_int_eq(thread_start(&callers[i].thread, "caller", caller_run, &callers[i]), OK);
    }
    struct arena arena;
    struct node_job job;
    struct node_backup *list;
    struct why why = {0};
    arena_init(&arena);
    for (uint64_t i = 0; i < 4; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "b%d", (int)i);
        options.submit_max_commands = 1024 + i;
        options.submit_max_bytes = (64ull << 20) + i;
        options.replica_lag_threshold = 1000 + (uint32_t)i;
        options.disk_soft_free_bytes = options.disk_hard_free_bytes = i;
        options.check_bytes_per_s = i == 0 ? 0 : (i << 30);
        options.backup_keep = 5 - i;
        options.log_keep_applied = 100 * i;
        options.balance = i % 2 == 0;
        ck_assert_int_eq(node_tune(node, &options, &why), OK);
        backup(node, name, &arena, &job);
        ck_assert_msg(job.state == NODE_JOB_DONE, "%s", job.text);
    }
    for (int i = 0; i < THREADS; i++) {
        thread_join(&callers[i].thread);
        ck_assert_uint_eq(callers[i].answered, CALLS);
        caller_done(&callers[i]);
    }
    ck_assert_uint_eq(list_backups(node, &arena, &list), 2); /* backup_keep as it was set last */
    struct node_metrics metrics;
    node_get_metrics(node, &metrics);
    ck_assert_uint_eq(metrics.disk_soft_free_bytes, 3);
    node_stop(node, 5000);
    arena_done(&arena);
    free(dir);
}
END_TEST

/* One byte in the middle of each table file. */
static void damage(const char *dir, const char *id)
{
    char path[800];
    struct file_names names;
    (void)snprintf(path, sizeof(path), "%s/backups/%s/db", dir, id);
    ck_assert_int_eq(file_list(path, &names, NULL), OK);
    for (size_t i = 0; i < names.count; i++) {
        char file[1100];
        struct buf bytes = BUF_INIT;
        (void)snprintf(file, sizeof(file), "%s/%s", path, names.items[i]);
        if (strstr(names.items[i], ".sst") == NULL) {
            continue;
        }
        ck_assert_int_eq(file_read(file, 1 << 24, &bytes, NULL), OK);
        bytes.data[40] ^= 0x10;
        ck_assert_int_eq(file_write_atomic(file, buf_bytes(&bytes), 0600, NULL), OK);
        buf_done(&bytes);
    }
    file_names_done(&names);
}

START_TEST(damaged_backup_is_found)
{
    char *dir = unit_temp_dir();
    struct node *node = start(dir);
    struct caller caller;
    struct arena arena;
    struct node_job job;
    struct node_backup *list;
    struct why why = {0};
    char id[NODE_JOB_ID_BYTES];
    arena_init(&arena);
    caller_init(&caller, node, 1);
    caller_run(&caller);
    caller_done(&caller);
    backup(node, "one", &arena, &job);
    ck_assert_int_eq(job.state, NODE_JOB_DONE);
    damage(dir, "one");
    ck_assert_int_eq(node_start_verify(node, bytes_of_string("one"), id, &why), OK);
    wait_job(node, id, &arena, &job);
    ck_assert_int_eq(job.state, NODE_JOB_FAILED);
    ck_assert_ptr_nonnull(strstr(job.text, "'one' is not good"));
    ck_assert_uint_eq(list_backups(node, &arena, &list), 1);
    ck_assert_int_eq(list[0].state, NODE_BACKUP_DAMAGED);
    ck_assert_str_ne(list[0].detail, "");
    node_stop(node, 5000);
    arena_done(&arena);
    free(dir);
}
END_TEST

Suite *suite_real(void)
{
    return UNIT_SUITE("real", 120, four_threads_and_restart, drains_under_load, three_over_loopback,
                      empty_folder_is_refused_after_restart, returns_by_delta_and_full,
                      backups_while_all_goes_on, options_change_while_all_goes_on,
                      a_start_wants_room, damaged_backup_is_found);
}
