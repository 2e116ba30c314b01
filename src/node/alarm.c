/* SPDX-License-Identifier: Apache-2.0 */
/* What this node wants somebody to look at, one alarm a kind.
 *
 * nospace and slow_disk tell of a condition: they end with it. diverged and corrupt tell of something
 * that happened: they stay, over restarts too, until an operator disarms them, so that a node that
 * mended itself, or was started again, does not hide that its disk or memory once failed it.
 *
 * Kept as text: "lethe-alarms 1", then a line an alarm: kind, since, last, count, detail. It is
 * written by the disk thread once a second when something changed, and at once by a node that fails. */
#include <stdarg.h>

#include "node/parts.h"

static const struct {
    const char *slug;
    bool is_kept;
} kinds[NODE_ALARM_KINDS] = {
#define X(symbol, slug, is_kept) {slug, is_kept},
    NODE_ALARM_TABLE(X)
#undef X
};

#define ALARM_HEAD "lethe-alarms 1\n"

const char *node_alarm_slug(enum node_alarm_kind kind)
{
    assert(kind < NODE_ALARM_KINDS);
    return kinds[kind].slug;
}

void alarm_init(struct node *node)
{
    mutex_init(&node->alarms.lock);
    for (int kind = 0; kind < NODE_ALARM_KINDS; kind++) {
        node->alarms.list[kind].kind = (uint8_t)kind;
    }
}

void alarm_done(struct node *node)
{
    mutex_done(&node->alarms.lock);
}

/* A detail is one line of printable text, whatever it was made of. */
static void set_detail(struct node_alarm *alarm, const char *format, va_list args)
{
    int len = vsnprintf(alarm->detail, sizeof(alarm->detail), format, args);
    assert(len >= 0);
    for (char *at = alarm->detail; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            *at = ' ';
        }
    }
}

void alarm_raise(struct node *node, enum node_alarm_kind kind, const char *format, ...)
{
    uint64_t now_ms = node->world.wall_ms(node->world.arg);
    struct node_alarm *alarm = &node->alarms.list[kind];
    va_list args;
    va_start(args, format);
    mutex_lock(&node->alarms.lock);
    if (alarm->count == 0) {
        alarm->since_ms = now_ms;
    }
    alarm->count++;
    alarm->last_ms = now_ms;
    alarm->active = true;
    set_detail(alarm, format, args);
    node->alarms.has_changed |= kinds[kind].is_kept;
    mutex_unlock(&node->alarms.lock);
    va_end(args);
}

static void alarm_clear(struct node_alarm *alarm)
{
    *alarm = (struct node_alarm){.kind = alarm->kind};
}

void alarm_end(struct node *node, enum node_alarm_kind kind)
{
    assert(!kinds[kind].is_kept);
    mutex_lock(&node->alarms.lock);
    alarm_clear(&node->alarms.list[kind]);
    mutex_unlock(&node->alarms.lock);
}

/* Slots whose replicas differ now, as this node knows. */
static void find_diverged(struct node *node, struct node_alarm *alarm)
{
    mutex_lock(&node->view_lock);
    for (uint32_t i = 0; i < node->groups_count; i++) {
        if (atomic_load(&node->groups[i].is_diverged) || node->views[i].undecided) {
            if (alarm->slots_count < NODE_ALARM_SLOTS_MAX) {
                alarm->slots[alarm->slots_count] = i;
                alarm->slots_count++;
            }
            alarm->active = true;
        }
    }
    mutex_unlock(&node->view_lock);
}

uint32_t node_get_alarms(struct node *node, struct node_alarm ret[NODE_ALARM_KINDS])
{
    uint32_t count = 0;
    for (int kind = 0; kind < NODE_ALARM_KINDS; kind++) {
        mutex_lock(&node->alarms.lock);
        struct node_alarm alarm = node->alarms.list[kind];
        mutex_unlock(&node->alarms.lock);
        if (alarm.count == 0) {
            continue;
        }
        if (kinds[kind].is_kept) {
            alarm.active = false; /* what happened is over, unless it is seen to be there */
        }
        if (kind == NODE_ALARM_DIVERGED) {
            find_diverged(node, &alarm);
        }
        ret[count] = alarm;
        count++;
    }
    return count;
}

enum err node_disarm(struct node *node, enum node_alarm_kind kind, struct why *why)
{
    struct node_alarm all[NODE_ALARM_KINDS];
    uint32_t count = node_get_alarms(node, all);
    const struct node_alarm *found = NULL;
    for (uint32_t i = 0; i < count; i++) {
        if (all[i].kind == kind) {
            found = &all[i];
        }
    }
    if (found == NULL) {
        return why_set(why, ERR_NOT_FOUND, "the alarm '%s' is not armed", kinds[kind].slug);
    }
    if (found->active) {
        return why_set(why, ERR_CONFLICT, "the reason for the alarm '%s' is still there: %s",
                       kinds[kind].slug, found->detail);
    }
    mutex_lock(&node->alarms.lock);
    alarm_clear(&node->alarms.list[kind]);
    node->alarms.has_changed = true;
    mutex_unlock(&node->alarms.lock);
    log_info("node", "an alarm was disarmed", "alarm=%s", kinds[kind].slug);
    return OK;
}

/* ---- over restarts -------------------------------------------------------------------------------- */

void alarm_save(struct node *node)
{
    if (node->world.save_alarms == NULL) {
        return;
    }
    struct buf text = BUF_INIT;
    mutex_lock(&node->alarms.lock);
    bool has_changed = node->alarms.has_changed;
    node->alarms.has_changed = false;
    buf_append_string(&text, ALARM_HEAD);
    for (int kind = 0; kind < NODE_ALARM_KINDS; kind++) {
        const struct node_alarm *alarm = &node->alarms.list[kind];
        if (kinds[kind].is_kept && alarm->count > 0) {
            buf_printf(&text, "%s %" PRIu64 " %" PRIu64 " %" PRIu64 " %s\n", kinds[kind].slug,
                       alarm->since_ms, alarm->last_ms, alarm->count, alarm->detail);
        }
    }
    mutex_unlock(&node->alarms.lock);
    struct why why = {0};
    if (has_changed && node->world.save_alarms(node->world.arg, buf_bytes(&text), &why) != OK) {
        log_warn("node", "alarms could not be written down: they end with this process",
                 "detail=%s", LOG_QUOTED(why.text));
    }
    buf_done(&text);
}

/* One line of the text; false: it makes no sense. */
static bool recall_line(struct node *node, const char *line)
{
    char slug[32];
    unsigned long long since_ms, last_ms, count;
    int used = 0;
    if (sscanf(line, "%31s %llu %llu %llu %n", slug, &since_ms, &last_ms, &count, &used) != 4 ||
        used == 0 || count == 0) {
        return false;
    }
    for (int kind = 0; kind < NODE_ALARM_KINDS; kind++) {
        struct node_alarm *alarm = &node->alarms.list[kind];
        if (strcmp(kinds[kind].slug, slug) == 0 && kinds[kind].is_kept) {
            alarm->since_ms = since_ms;
            alarm->last_ms = last_ms;
            alarm->count = count;
            (void)snprintf(alarm->detail, sizeof(alarm->detail), "%s", line + used);
            return true;
        }
    }
    return false;
}

enum err node_recall_alarms(struct node *node, struct bytes text, struct why *why)
{
    char line[NODE_ALARM_DETAIL_BYTES + 128];
    size_t head = strlen(ALARM_HEAD);
    if (text.len < head || memcmp(text.data, ALARM_HEAD, head) != 0) {
        return why_set(why, ERR_BAD_FORMAT, "the kept alarms do not begin with their format");
    }
    for (size_t at = head; at < text.len;) {
        const uint8_t *end = memchr(text.data + at, '\n', text.len - at);
        size_t len = end == NULL ? text.len - at : (size_t)(end - (text.data + at));
        if (len >= sizeof(line)) {
            return why_set(why, ERR_BAD_FORMAT, "a kept alarm has %zu bytes", len);
        }
        memcpy(line, text.data + at, len);
        line[len] = '\0';
        if (!recall_line(node, line)) {
            return why_set(why, ERR_BAD_FORMAT, "a kept alarm makes no sense: '%.60s'", line);
        }
        at += len + 1;
    }
    return OK;
}
