/* SPDX-License-Identifier: Apache-2.0 */
/* Backups while all goes on. One thing at a time, in a background lane of its own: a copy is made
 * (store/backup.h), then read as a restore would read it: each slot's digest is summed up anew from
 * its rows and held against the one that was kept from entry to entry. Only then it counts as good.
 * A copy that was not read in full (cancelled, stopped) stays, and says that it was not verified.
 *
 * A backup holds bytes that are deleted later. So it expires, and what was interrupted or removed is
 * swept away. */
#include "node/parts.h"
#include "store/backup.h"

enum backup_work { WORK_MAKE, WORK_VERIFY, WORK_SWEEP };

struct backups {
    char *dir; /* owned; NULL: this node has no files */
    struct mutex lock;
    char busy[NODE_BACKUP_ID_BYTES];               /* under lock: made or read just now */
    char wanted[WORK_SWEEP][NODE_BACKUP_ID_BYTES]; /* under lock: of the open job, by work */
    atomic_bool is_wanted;                         /* a job waits */
    atomic_bool must_end;
    atomic_bool has_removed; /* one lost its name: its bytes are to go */

    bool is_flying; /* loop */
    uint64_t sweep_due_ms;

    /* While is_flying the fields of this block are the background's. */
    struct node_background_job job;
    uint8_t work; /* enum backup_work */
    char id[NODE_BACKUP_ID_BYTES], job_id[NODE_JOB_ID_BYTES];
    uint64_t began_us;
    enum err err;
    struct why why;
};

static const enum node_job_kind kinds[WORK_SWEEP] = {NODE_JOB_BACKUP, NODE_JOB_VERIFY};

struct backups *backups_new(const struct node_options *options)
{
    struct backups *backups = alloc_zero(sizeof(*backups));
    mutex_init(&backups->lock);
    if (options->backup_dir != NULL && options->backup_dir[0] != '\0') {
        backups->dir = alloc_string(options->backup_dir);
    } else if (options->data_dir != NULL) {
        struct buf path = BUF_INIT;
        buf_printf(&path, "%s/backups", options->data_dir);
        backups->dir = alloc_string(buf_string(&path));
        buf_done(&path);
    }
    return backups;
}

void backups_free(struct backups *backups)
{
    if (backups == NULL) {
        return;
    }
    mutex_done(&backups->lock);
    free(backups->dir);
    free(backups);
}

static uint64_t wall_ms(const struct node *node)
{
    return node->world.wall_ms(node->world.arg);
}

static void set_busy(struct backups *backups, const char *id)
{
    mutex_lock(&backups->lock);
    (void)snprintf(backups->busy, sizeof(backups->busy), "%s", id);
    mutex_unlock(&backups->lock);
}

/* ---- verification: background ------------------------------------------------------------------- */

struct reading {
    struct node *node;
    struct backup_manifest *manifest;
    uint64_t bytes, slot_bytes;
    bool is_given_up;
};

static bool is_given_up(const struct node *node)
{
    const struct backups *backups = node->backups;
    return atomic_load(&backups->must_end) || jobs_is_cancelled(node->job_table, backups->job_id);
}

/* The place to wait: it reads no faster than a check does. */
static bool pace(uint64_t bytes, void *arg)
{
    struct reading *reading = arg;
    struct node *node = reading->node;
    reading->bytes += bytes - reading->slot_bytes;
    reading->slot_bytes = bytes;
    uint64_t rate = TUNED(node, check_bytes_per_s);
    while (!is_given_up(node) && rate != 0 && node->world.pause_us != NULL) {
        uint64_t due_us = node->backups->began_us + reading->bytes * 1000000 / rate;
        uint64_t now_us = node_now_us(node);
        if (now_us >= due_us) {
            break;
        }
        uint64_t left_us = due_us - now_us;
        node->world.pause_us(node->world.arg,
                             left_us < NODE_CHECK_PAUSE_US ? left_us : NODE_CHECK_PAUSE_US);
    }
    reading->is_given_up = is_given_up(node);
    return !reading->is_given_up;
}

static bool applied_is_equal(const struct row_applied *a, const struct row_applied *b)
{
    return a->index == b->index && a->term == b->term && hash128_is_equal(a->digest, b->digest);
}

/* What is wrong with a slot of the copy: text, or NULL. */
static const char *find_fault(struct reading *reading, struct store *copy, struct msg *msg,
                              uint32_t slot, struct msg_check *found, struct why *why)
{
    struct row_applied applied;
    const struct backup_slot *said = &reading->manifest->slots[slot];
    if (store_get_applied(copy, NULL, slot, &applied) != OK ||
        !applied_is_equal(&applied, &said->applied)) {
        return "it holds another state than the manifest says";
    }
    if (said->is_incomplete) {
        return NULL; /* nothing is claimed of it */
    }
    reading->slot_bytes = 0;
    if (msg_recompute_paced(msg, slot, NULL, pace, reading, found, why) != OK) {
        return why->text;
    }
    if (!hash128_is_equal(found->recomputed, said->applied.digest)) {
        return "its rows do not add up to the digest";
    }
    return found->counts_fit ? NULL : found->misfit;
}

static void report_slot(struct node *node, uint32_t slot, const char *result, const char *reason)
{
    struct node_job_item item = {.slot = slot, .result = result};
    (void)snprintf(item.reason, sizeof(item.reason), "%s", reason);
    jobs_add_item(node->job_table, node->backups->job_id, &item);
    jobs_report(node->job_table, node->backups->job_id, slot + 2);
}

static void note_damage(struct backup_manifest *manifest, uint32_t slot, const char *text)
{
    if (manifest->damage[0] == '\0') {
        (void)snprintf(manifest->damage, sizeof(manifest->damage), "slot %u: %.160s", slot, text);
    }
}

static void read_slots(struct reading *reading, struct store *copy)
{
    const struct msg_options options = {
        .store = copy, .slot_count = store_identity(copy)->slot_count, .cache_channels = 1};
    struct msg *msg = msg_new(&options);
    struct backup_manifest *manifest = reading->manifest;
    for (uint32_t i = 0; i < manifest->identity.slot_count && !reading->is_given_up; i++) {
        struct msg_check found = {0};
        struct why why = {0};
        const char *fault = find_fault(reading, copy, msg, i, &found, &why);
        reading->is_given_up |= is_given_up(reading->node);
        if (reading->is_given_up) {
            break;
        }
        if (fault != NULL) {
            report_slot(reading->node, i, "damaged", fault);
            note_damage(manifest, i, fault);
        } else if (manifest->slots[i].is_incomplete) {
            report_slot(reading->node, i, "incomplete",
                        "an install was under way, or the replica was quarantined");
            note_damage(manifest, i, "incomplete: an install was under way, or it was quarantined");
        } else {
            report_slot(reading->node, i, "ok", "");
        }
    }
    msg_free(msg);
}

/* Reads all of it and writes down what came of that. */
static enum err verify(struct node *node, struct backup_manifest *manifest, const char *path,
                       struct why *why)
{
    struct backups *backups = node->backups;
    struct reading reading = {.node = node, .manifest = manifest};
    struct store *copy = NULL;
    struct why own = {0};
    backups->began_us = node_now_us(node);
    manifest->damage[0] = '\0';
    enum err err = backup_open(path, &copy, &own);
    if (err == OK) {
        read_slots(&reading, copy);
    } else {
        (void)snprintf(manifest->damage, sizeof(manifest->damage), "it cannot be opened: %.160s",
                       own.text);
    }
    store_close(copy);
    if (reading.is_given_up) {
        return why_set(why, ERR_CONFLICT, "backup '%s' was not read to its end: verify it again",
                       manifest->id);
    }
    manifest->verified_ms = wall_ms(node);
    err = backup_write_manifest(backups->dir, manifest, why);
    if (err == OK && manifest->damage[0] != '\0') {
        err = why_set(why, ERR_CORRUPT, "backup '%s' is not good: %.120s", manifest->id,
                      manifest->damage);
    }
    return err;
}

static char *path_of(const struct backups *backups, const char *id)
{
    struct buf path = BUF_INIT;
    buf_printf(&path, "%s/%s", backups->dir, id);
    char *ret = alloc_string(buf_string(&path));
    buf_done(&path);
    return ret;
}

/* ---- what goes: background ------------------------------------------------------------------------ */

static bool is_expired(const struct node *node, const struct backup_manifest *manifest)
{
    uint64_t now_ms = wall_ms(node), expire_ms = TUNED(node, backup_expire_ms);
    return expire_ms != 0 && manifest->created_ms != 0 && now_ms > manifest->created_ms &&
           now_ms - manifest->created_ms > expire_ms;
}

static bool is_good(const struct backup_manifest *manifest)
{
    return manifest->verified_ms != 0 && manifest->damage[0] == '\0';
}

static void remove_old(struct node *node, const struct backup_manifest *manifest, const char *cause)
{
    struct why why = {0};
    if (backup_remove(node->backups->dir, manifest->id, &why) == OK) {
        log_info("node", "an old backup is removed", "backup=%s cause=%s", manifest->id, cause);
    } else {
        log_warn("node", "an old backup cannot be removed", "backup=%s detail=%s", manifest->id,
                 LOG_QUOTED(why.text));
    }
}

/* Expired ones, and the oldest good ones beyond those that are kept. */
static enum err prune(struct node *node, struct why *why)
{
    struct backup_list list;
    enum err err = backup_list(node->backups->dir, &list, why);
    if (err != OK) {
        return err;
    }
    uint64_t good = 0, keep = TUNED(node, backup_keep);
    for (uint32_t i = 0; i < list.count; i++) {
        good += is_good(&list.items[i]) && !is_expired(node, &list.items[i]) ? 1 : 0;
    }
    for (uint32_t i = 0; i < list.count; i++) {
        if (is_expired(node, &list.items[i])) {
            remove_old(node, &list.items[i], "expired");
        } else if (keep != 0 && good > keep && is_good(&list.items[i])) {
            remove_old(node, &list.items[i], "more_than_kept");
            good--;
        }
    }
    backup_list_done(&list);
    return backup_sweep(node->backups->dir, why);
}

/* ---- the jobs: background -------------------------------------------------------------------------- */

static enum err make(struct node *node, struct why *why)
{
    struct backups *backups = node->backups;
    struct backup_manifest manifest = {0};
    enum err err =
        backup_make(node->store, backups->dir, backups->id, wall_ms(node), &manifest, why);
    if (err != OK) {
        struct why swept = {0};
        if (backup_sweep(backups->dir, &swept) != OK) {
            log_warn("node", "what is left of a backup cannot be removed", "detail=%s",
                     LOG_QUOTED(swept.text));
        }
        return err;
    }
    jobs_report(node->job_table, backups->job_id, 1);
    char *path = path_of(backups, backups->id);
    err = verify(node, &manifest, path, why);
    free(path);
    backup_manifest_done(&manifest);
    return err == OK ? prune(node, why) : err;
}

static enum err verify_again(struct node *node, struct why *why)
{
    struct backups *backups = node->backups;
    struct backup_manifest manifest = {0};
    char *path = path_of(backups, backups->id);
    enum err err = backup_read_manifest(path, &manifest, why);
    if (err == OK) {
        err = verify(node, &manifest, path, why);
    }
    backup_manifest_done(&manifest);
    free(path);
    return err;
}

static void work(struct node_background_job *job)
{
    struct node *node = job->node;
    struct backups *backups = node->backups;
    backups->why = (struct why){0};
    switch ((enum backup_work)backups->work) {
    case WORK_MAKE:
        backups->err = make(node, &backups->why);
        break;
    case WORK_VERIFY:
        backups->err = verify_again(node, &backups->why);
        break;
    case WORK_SWEEP:
        backups->err = prune(node, &backups->why);
        break;
    }
}

/* ---- the loop ---------------------------------------------------------------------------------------- */

static void worked(struct node_background_job *job)
{
    struct node *node = job->node;
    struct backups *backups = node->backups;
    backups->is_flying = false;
    set_busy(backups, "");
    if (backups->work == WORK_SWEEP && backups->err != OK) {
        log_warn("node", "cannot look for old backups", "detail=%s", LOG_QUOTED(backups->why.text));
    }
    if (backups->work == WORK_SWEEP) {
        return;
    }
    bool is_done = backups->err == OK;
    jobs_end(node->job_table, backups->job_id, is_done ? NODE_JOB_DONE : NODE_JOB_FAILED,
             is_done ? NULL : backups->why.text, wall_ms(node));
    if (is_done) {
        log_info("node", "a backup is good", "backup=%s job=%s", backups->id, backups->job_id);
    } else {
        log_warn("node", "a backup is not good", "backup=%s job=%s code=%s detail=%s", backups->id,
                 backups->job_id, err_slug(backups->err), LOG_QUOTED(backups->why.text));
    }
    atomic_store(&backups->is_wanted, true); /* another may have come meanwhile */
}

static void forgotten(struct node_background_job *job)
{
    job->node->backups->is_flying = false;
}

static void submit(struct node *node, enum backup_work what)
{
    struct backups *backups = node->backups;
    backups->work = (uint8_t)what;
    backups->is_flying = true;
    backups->job = (struct node_background_job){
        .lane = NODE_BACKGROUND_BACKUP, .run = work, .done = worked, .forget = forgotten};
    background_submit(node, &backups->job);
}

void backups_run(struct node *node)
{
    struct backups *backups = node->backups;
    int64_t slot = -1;
    if (backups->is_flying || !atomic_exchange(&backups->is_wanted, false)) {
        return;
    }
    for (unsigned i = 0; i < WORK_SWEEP; i++) {
        if (!jobs_begin(node->job_table, kinds[i], wall_ms(node), backups->job_id, &slot)) {
            continue;
        }
        mutex_lock(&backups->lock);
        memcpy(backups->id, backups->wanted[i], sizeof(backups->id));
        memcpy(backups->busy, backups->id, sizeof(backups->busy));
        mutex_unlock(&backups->lock);
        jobs_set_subject(node->job_table, backups->job_id, backups->id);
        submit(node, (enum backup_work)i);
        return;
    }
}

void backups_second(struct node *node)
{
    struct backups *backups = node->backups;
    if (backups->dir == NULL || backups->is_flying || node->manual_ticks ||
        atomic_load(&backups->must_end)) {
        return;
    }
    if (!atomic_exchange(&backups->has_removed, false) && node->now_ms < backups->sweep_due_ms) {
        return;
    }
    backups->sweep_due_ms = node->now_ms + NODE_BACKUP_SWEEP_MS;
    submit(node, WORK_SWEEP);
}

void backups_end(struct node *node)
{
    atomic_store(&node->backups->must_end, true);
}

/* ---- node.h: any thread ------------------------------------------------------------------------------- */

static enum err check_has_files(const struct node *node, struct why *why)
{
    return node->backups->dir != NULL
               ? OK
               : why_set(why, ERR_NOT_SUPPORTED, "this node keeps no files: it has no backups");
}

static enum err start(struct node *node, enum backup_work what, const char *id, char *ret_job,
                      struct why *why)
{
    struct backups *backups = node->backups;
    if (atomic_load_explicit(&node->draining, memory_order_relaxed)) {
        return why_set(why, ERR_DRAINING, "%s", err_sentence(ERR_DRAINING));
    }
    mutex_lock(&backups->lock);
    enum err err = jobs_add(node->job_table, kinds[what], -1, node->groups_count + 1u,
                            wall_ms(node), ret_job, why);
    if (err == OK) {
        (void)snprintf(backups->wanted[what], NODE_BACKUP_ID_BYTES, "%s",
                       id[0] != '\0' ? id : ret_job);
    }
    mutex_unlock(&backups->lock);
    if (err == OK) {
        atomic_store(&backups->is_wanted, true);
        node->world.wake(node->world.arg);
    }
    return err;
}

static void copy_id(struct bytes id, char ret[NODE_BACKUP_ID_BYTES])
{
    assert(id.len < NODE_BACKUP_ID_BYTES);
    memcpy(ret, id.len == 0 ? (const uint8_t *)"" : id.data, id.len);
    ret[id.len] = '\0';
}

enum err node_start_backup(struct node *node, struct bytes name, char *ret_job, struct why *why)
{
    char id[NODE_BACKUP_ID_BYTES] = "";
    enum err err = check_has_files(node, why);
    if (err == OK && name.len > 0) {
        err = backup_check_id(name, why);
    }
    if (err != OK) {
        return err;
    }
    copy_id(name, id);
    if (id[0] != '\0' && backup_is_there(node->backups->dir, id)) {
        return why_set(why, ERR_CONFLICT, "there is a backup '%s' already: choose another name",
                       id);
    }
    if (atomic_load_explicit(&node->disk_low, memory_order_relaxed)) {
        return why_set(
            why, ERR_DISK_FULL,
            "the disk is nearly full, and a backup keeps files that would go: free some");
    }
    return start(node, WORK_MAKE, id, ret_job, why);
}

static enum err find(struct node *node, struct bytes name, char ret[NODE_BACKUP_ID_BYTES],
                     struct why *why)
{
    enum err err = check_has_files(node, why);
    if (err != OK) {
        return err;
    }
    bool is_name = backup_check_id(name, NULL) == OK;
    if (is_name) {
        copy_id(name, ret);
    }
    if (!is_name || !backup_is_there(node->backups->dir, ret)) {
        return why_set(why, ERR_NOT_FOUND,
                       "node %" PRIu64 " has no backup '%.*s': each node lists its own",
                       (uint64_t)node->options.id, (int)(name.len < 64 ? name.len : 64),
                       name.len == 0 ? "" : (const char *)name.data);
    }
    return OK;
}

enum err node_start_verify(struct node *node, struct bytes id, char *ret_job, struct why *why)
{
    char name[NODE_BACKUP_ID_BYTES];
    enum err err = find(node, id, name, why);
    return err == OK ? start(node, WORK_VERIFY, name, ret_job, why) : err;
}

enum err node_remove_backup(struct node *node, struct bytes id, struct why *why)
{
    struct backups *backups = node->backups;
    char name[NODE_BACKUP_ID_BYTES];
    enum err err = find(node, id, name, why);
    if (err != OK) {
        return err;
    }
    mutex_lock(&backups->lock);
    if (strcmp(backups->busy, name) == 0) {
        err =
            why_set(why, ERR_CONFLICT, "a job is at work on backup '%s': cancel it, or wait", name);
    } else {
        err = backup_remove(backups->dir, name, why);
    }
    mutex_unlock(&backups->lock);
    if (err == OK) {
        atomic_store(&backups->has_removed, true);
        log_info("node", "a backup is removed", "backup=%s cause=asked_for", name);
    }
    return err;
}

static void show(const struct node *node, const struct backup_manifest *from, struct arena *arena,
                 struct node_backup *ret)
{
    uint64_t now_ms = wall_ms(node), expire_ms = TUNED(node, backup_expire_ms);
    *ret = (struct node_backup){
        .state = (uint8_t)(from->damage[0] != '\0'  ? NODE_BACKUP_DAMAGED
                           : from->verified_ms == 0 ? NODE_BACKUP_UNVERIFIED
                                                    : NODE_BACKUP_VERIFIED),
        .node = from->identity.node_id,
        .incarnation = from->identity.incarnation,
        .bytes = from->bytes,
        .created_ms = from->created_ms,
        .verified_ms = from->verified_ms,
        .age_ms =
            now_ms > from->created_ms && from->created_ms != 0 ? now_ms - from->created_ms : 0,
        .expires_ms = expire_ms != 0 && from->created_ms != 0 ? from->created_ms + expire_ms : 0};
    static_assert(sizeof(ret->id) == sizeof(from->id), "names of backups");
    memcpy(ret->id, from->id, sizeof(ret->id));
    memcpy(ret->cluster_id, from->identity.cluster_id, sizeof(ret->cluster_id));
    memcpy(ret->detail, from->damage, sizeof(ret->detail));
    char *path = path_of(node->backups, from->id);
    ret->path = arena_string(arena, bytes_of_string(path));
    free(path);
}

enum err node_list_backups(struct node *node, struct arena *arena, struct node_backup **ret,
                           uint32_t *ret_count, uint32_t *ret_left_out, struct why *why)
{
    struct backup_list list;
    enum err err = check_has_files(node, why);
    if (err == OK) {
        err = backup_list(node->backups->dir, &list, why);
    }
    if (err != OK) {
        return err;
    }
    struct node_backup *items = arena_alloc(arena, list.count * sizeof(*items) + 1);
    for (uint32_t i = 0; i < list.count; i++) {
        show(node, &list.items[i], arena, &items[list.count - 1 - i]);
    }
    *ret = items;
    *ret_count = list.count;
    *ret_left_out = list.left_out;
    backup_list_done(&list);
    return OK;
}
