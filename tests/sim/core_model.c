/* SPDX-License-Identifier: Apache-2.0 */
/* The model around the core: it is the driver of raft.md section 5 in its plainest form, one
 * group, one step at a time. Writes form a FIFO; persisting a ticket makes everything before it
 * durable, as in one write-ahead log. Packets are deep copies, so that a late delivery shows what
 * was true when they left. */
#include "core_model.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "core_disk.h"

static const char *const kind_names[RAFT_PACKET_KINDS] = {
    [RAFT_PREVOTE] = "PREVOTE",
    [RAFT_PREVOTE_REPLY] = "PREVOTE_REPLY",
    [RAFT_VOTE] = "VOTE",
    [RAFT_VOTE_REPLY] = "VOTE_REPLY",
    [RAFT_APPEND] = "APPEND",
    [RAFT_APPEND_REPLY] = "APPEND_REPLY",
    [RAFT_HEARTBEAT] = "HEARTBEAT",
    [RAFT_HEARTBEAT_REPLY] = "HEARTBEAT_REPLY",
    [RAFT_INSTALL] = "INSTALL",
    [RAFT_INSTALL_REPLY] = "INSTALL_REPLY",
    [RAFT_TAKE_OVER] = "TAKE_OVER",
    [RAFT_READ] = "READ",
    [RAFT_READ_REPLY] = "READ_REPLY",
};

const char *packet_kind_name(int kind)
{
    return kind > 0 && kind < RAFT_PACKET_KINDS ? kind_names[kind] : "?";
}

int packet_kind_of(const char *name)
{
    for (int kind = 1; kind < RAFT_PACKET_KINDS; kind++) {
        if (strcmp(kind_names[kind], name) == 0)
            return kind;
    }
    return -1;
}

enum step model_fail(struct model *model, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(model->error, sizeof(model->error), format, args);
    va_end(args);
    return STEP_FAILED;
}

void model_note(struct model *model, const char *format, ...)
{
    if (model->transcript == NULL)
        return;
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    buf_append_string(model->transcript, line);
    buf_put_u8(model->transcript, '\n');
}

/* ---- packets ---------------------------------------------------------------------------------- */
static void packet_done(struct raft_packet *packet)
{
    struct raft_entry *entries = (struct raft_entry *)packet->entries;
    for (uint32_t i = 0; i < packet->entries_count && entries != NULL; i++) {
        blob_unref(entries[i].payload);
        free((void *)entries[i].config);
    }
    free(entries);
    packet->entries = NULL;
    packet->entries_count = 0;
}

static struct raft_packet packet_copy(const struct raft_packet *from)
{
    struct raft_packet ret = *from;
    if (from->entries == NULL || from->entries_count == 0) {
        ret.entries = NULL;
        ret.entries_count = 0;
        return ret;
    }
    struct raft_entry *entries = alloc_array(from->entries_count, sizeof(*entries));
    for (uint32_t i = 0; i < from->entries_count; i++) {
        entries[i] = from->entries[i];
        if (entries[i].payload != NULL)
            blob_ref(entries[i].payload);
        if (entries[i].config != NULL)
            entries[i].config = alloc_copy(entries[i].config, sizeof(struct raft_config));
    }
    ret.entries = entries;
    return ret;
}

struct model_packet *model_packet_copy(const struct model_packet *item)
{
    struct model_packet *ret = alloc_zero(sizeof(*ret));
    ret->packet = packet_copy(&item->packet);
    return ret;
}

static void send_now(struct model *model, struct model_node *node, struct raft_packet *packet)
{
    checker_on_send(model, node, packet);
    model_note(model, "  %llu->%llu %s term=%llu pos=%llu:%llu n=%u commit=%llu%s%s",
               (unsigned long long)packet->from, (unsigned long long)packet->to,
               packet_kind_name(packet->kind), (unsigned long long)packet->term,
               (unsigned long long)packet->pos.index, (unsigned long long)packet->pos.term,
               packet->entries_count, (unsigned long long)packet->commit,
               packet->flags & RAFT_REFUSED ? " refused" : "",
               packet->flags & RAFT_TRANSFER ? " transfer" : "");
    bool known = packet->to <= MODEL_NODES_MAX && model->nodes[packet->to].exists;
    if (!known || model->cut[node->id][packet->to]) {
        packet_done(packet);
        return;
    }
    struct model_packet *item = alloc_zero(sizeof(*item));
    item->packet = *packet;
    struct model_packet **end = &model->links[node->id][packet->to];
    while (*end != NULL)
        end = &(*end)->next;
    *end = item;
}

/* Fills an APPEND's range from the log as it is now; false: its entries are gone, drop it. */
static bool fill(struct model_node *node, struct raft_packet *packet)
{
    struct model_log *log = &node->written.log;
    if (packet->kind != RAFT_APPEND || packet->first > packet->last || packet->first == 0)
        return true;
    if (packet->pos.index + 1 != packet->first ||
        model_log_term(log, packet->pos.index) != packet->pos.term ||
        packet->first <= log->base.index)
        return false;
    struct raft_entry *entries = alloc_array(MODEL_PACKET_ENTRIES_MAX, sizeof(*entries));
    uint32_t count = 0, bytes = 0;
    for (raft_index at = packet->first; at <= packet->last; at++) {
        const struct model_entry *entry = model_log_at(log, at);
        if (entry == NULL || count == MODEL_PACKET_ENTRIES_MAX)
            break;
        if (count > 0 && bytes + entry->size_bytes > packet->bytes_max)
            break;
        entries[count] = (struct raft_entry){.pos = {entry->term, at},
                                             .kind = entry->kind,
                                             .size_bytes = entry->size_bytes,
                                             .payload = entry->payload};
        if (entry->payload != NULL)
            blob_ref(entry->payload);
        if (entry->kind == RAFT_ENTRY_CONFIG)
            entries[count].config = alloc_copy(&entry->config, sizeof(entry->config));
        bytes += entry->size_bytes;
        count++;
    }
    packet->entries = entries;
    packet->entries_count = count;
    raft_filled(node->raft, packet->to, count == 0 ? packet->first - 1 : packet->first + count - 1,
                count, bytes);
    return true;
}

static bool is_cold(const struct model_node *node, const struct raft_packet *packet)
{
    return node->cold && packet->kind == RAFT_APPEND && packet->first != 0 &&
           packet->first <= packet->last && packet->first <= node->written.state.applied;
}

static void send_or_hold(struct model *model, struct model_node *node,
                         const struct raft_packet *from_core)
{
    struct raft_packet packet = packet_copy(from_core);
    if (is_cold(node, &packet)) {
        struct model_held **end = &node->to_fill, *held = alloc_zero(sizeof(*held));
        held->packet = packet;
        while (*end != NULL)
            end = &(*end)->next;
        *end = held;
        return;
    }
    if (!fill(node, &packet)) {
        packet_done(&packet);
        return;
    }
    if (packet.wait_seq <= node->durable_seq) {
        send_now(model, node, &packet);
        return;
    }
    struct model_held *held = alloc_zero(sizeof(*held));
    held->packet = packet;
    *node->held_end = held;
    node->held_end = &held->next;
}

/* A range that waited: its packet leaves if the leader that cut it still leads, and its entries
 * are still there. */
static bool fill_one(struct model *model, struct model_node *node, struct model_held **at)
{
    struct model_held *held = *at;
    struct raft_packet packet = held->packet;
    *at = held->next;
    free(held);
    bool leads = raft_role(node->raft) == RAFT_LEADER;
    if (!leads || packet.term != raft_current_term(node->raft) || !fill(node, &packet)) {
        model_note(model, "%llu drops a range for %llu", (unsigned long long)node->id,
                   (unsigned long long)packet.to);
        packet_done(&packet);
        return false;
    }
    send_now(model, node, &packet);
    return true;
}

static void release_held(struct model *model, struct model_node *node)
{
    struct model_held **at = &node->held;
    while (*at != NULL) {
        struct model_held *held = *at;
        if (held->packet.wait_seq > node->durable_seq) {
            at = &held->next;
            continue;
        }
        *at = held->next;
        if (held->packet.term < raft_current_term(node->raft))
            packet_done(&held->packet);
        else
            send_now(model, node, &held->packet);
        free(held);
    }
    node->held_end = at;
}

/* ---- updates ---------------------------------------------------------------------------------- */
static void push_write(struct model_node *node, struct model_write *write)
{
    disk_apply_write(&node->written, write);
    *node->writes_end = write;
    node->writes_end = &write->next;
}

static void free_write(struct model_write *write)
{
    for (uint32_t i = 0; i < write->entries_count && write->entries != NULL; i++)
        disk_entry_drop(&write->entries[i]);
    free(write->entries);
    free(write);
}

static void note_update(struct model *model, struct model_node *node, const struct raft_update *u)
{
    static const char *const roles[] = {"follower", "pre-candidate", "candidate", "leader"};
    model_note(model,
               "%llu update seq=%llu term=%llu vote=%llu commit=%llu role=%s leader=%llu"
               " truncate=%llu entries=%u apply=%llu-%llu",
               (unsigned long long)node->id, (unsigned long long)u->seq,
               (unsigned long long)u->term, (unsigned long long)u->vote,
               (unsigned long long)u->commit, roles[u->role], (unsigned long long)u->leader,
               (unsigned long long)u->truncate_from, u->entries_count,
               (unsigned long long)u->apply_from, (unsigned long long)u->apply_to);
}

static void write_update(struct model_node *node, const struct raft_update *update)
{
    struct model_write *write = alloc_zero(sizeof(*write));
    write->seq = update->seq;
    write->hard_state = true;
    write->term = update->term;
    write->vote = update->vote;
    write->commit = update->commit;
    write->truncate_from = update->truncate_from;
    write->entries_count = update->entries_count;
    write->entries = alloc_array(update->entries_count, sizeof(*write->entries));
    for (uint32_t i = 0; i < update->entries_count; i++) {
        const struct raft_entry *from = &update->entries[i];
        write->entries[i] = (struct model_entry){.term = from->pos.term,
                                                 .kind = from->kind,
                                                 .size_bytes = from->size_bytes,
                                                 .payload = from->payload};
        if (from->payload != NULL)
            blob_ref(from->payload);
        if (from->config != NULL)
            write->entries[i].config = *from->config;
    }
    if (update->flags & RAFT_UPDATE_INSTALL_IN) {
        write->set_marker = true;
        write->install = update->install_in;
    }
    if (update->flags & RAFT_UPDATE_INSTALLED) {
        write->installed = true;
        write->install = node->receiving;
        write->has_state = true;
        write->state = node->written.state;
        node->receiving.kind = RAFT_INSTALL_NONE;
    }
    push_write(node, write);
}

static void answer_reads(struct model_node *node, const struct raft_update *update)
{
    for (uint32_t i = 0; i < update->reads_count; i++) {
        for (int j = 0; j < node->reads_count; j++) {
            struct model_read *read = &node->reads[j];
            if (read->open && read->tag == update->reads[i].tag) {
                read->open = false;
                read->served = true;
                read->index = update->reads[i].index;
                read->err = update->reads[i].err;
                break;
            }
        }
    }
}

/* Sessions that the core ended (the receiver acked, or the term is over) are closed. */
static void close_ended(struct model_node *node)
{
    struct raft_status status;
    bool any = false;
    for (node_id peer = 1; peer <= MODEL_NODES_MAX; peer++)
        any |= node->sending[peer].open;
    if (!any)
        return;
    raft_status(node->raft, &status);
    for (node_id peer = 1; peer <= MODEL_NODES_MAX; peer++) {
        uint64_t session = 0;
        for (uint32_t i = 0; i < status.peers_count; i++)
            session = status.peers[i].peer == peer ? status.peers[i].install_session : session;
        if (session != node->sending[peer].install.session)
            node->sending[peer].open = false;
    }
}

static bool is_delta(const struct model_node *node, const struct raft_need *need)
{
    return node->floor <= need->applied && need->applied <= node->written.state.applied &&
           !need->ordered;
}

/* A peer below the log gets what it lacks, or all, of the applied state. */
static void offer_installs(struct model *model, struct model_node *node,
                           const struct raft_update *update)
{
    if (update->installs_count > 0)
        close_ended(node);
    for (uint32_t i = 0; i < update->installs_count; i++) {
        node_id peer = update->installs[i].peer;
        struct model_install *sending = &node->sending[peer];
        if (sending->open || node->written.state.applied == 0)
            continue;
        raft_index at = node->written.state.applied;
        struct raft_config_at config = disk_config_at(&node->written, at);
        sending->open = true;
        sending->idle_ticks = 0;
        sending->state = node->written.state;
        sending->chain = disk_chain_at(&node->written.log, at);
        sending->install = (struct raft_install){
            .session = (node->boot << 32) | ++model->payloads,
            .kind = is_delta(node, &update->installs[i]) ? RAFT_DELTA : RAFT_FULL,
            .base = update->installs[i].applied,
            .target = {model_log_term(&node->written.log, at), at},
            .config_pos = config.pos,
            .config = config.config};
        raft_install_offer(node->raft, peer, &sending->install);
    }
}

static void take_one(struct model *model, struct model_node *node)
{
    struct raft_update update;
    raft_take_update(node->raft, &update);
    note_update(model, node, &update);
    if (update.flags & RAFT_UPDATE_ROLE && update.role == RAFT_CANDIDATE)
        node->elections++, model->elections++;
    if (update.seq != 0)
        write_update(node, &update);
    if (update.role == RAFT_LEADER && update.commit > node->seen_commit)
        checker_on_commit(model, node);
    if (update.flags & RAFT_UPDATE_INSTALL_IN) {
        node->receiving = update.install_in;
        node->receiving_from = update.leader;
    }
    for (uint32_t i = 0; i < update.packets_count; i++) {
        if (!(update.flags & RAFT_UPDATE_INSTALL_IN))
            checker_on_packet(model, node, &update.packets[i]);
        send_or_hold(model, node, &update.packets[i]);
    }
    if (update.apply_from <= update.apply_to && update.apply_to != 0) {
        if (node->apply_from == 0)
            node->apply_from = update.apply_from;
        assert(node->apply_to == 0 || update.apply_from == node->apply_to + 1);
        node->apply_to = update.apply_to;
    }
    answer_reads(node, &update);
    offer_installs(model, node, &update);
}

void model_take(struct model *model, struct model_node *node)
{
    for (int i = 0; i < 1000 && node->up && raft_has_update(node->raft); i++) {
        take_one(model, node);
        raft_check(node->raft);
    }
}

static void after_event(struct model *model, struct model_node *node)
{
    raft_check(node->raft);
    if (!node->manual)
        model_take(model, node);
}

/* ---- events ----------------------------------------------------------------------------------- */
static void promise(struct model_disk *disk)
{
    disk->promised_term = disk->term;
    disk->promised_vote = disk->vote;
    raft_index last = model_log_last(&disk->log);
    disk->promised_last = (struct raft_pos){model_log_term(&disk->log, last), last};
}

bool model_persist(struct model *model, struct model_node *node, unsigned tickets)
{
    bool any = false;
    if (!node->up || node->paused || node->stalled)
        return false;
    while (tickets > 0 && node->writes != NULL) {
        struct model_write *ticket = node->writes;
        while (ticket != NULL && ticket->seq == 0)
            ticket = ticket->next;
        if (ticket == NULL)
            break;
        uint64_t seq = ticket->seq;
        for (;;) {
            struct model_write *write = node->writes;
            node->writes = write->next;
            if (node->writes == NULL)
                node->writes_end = &node->writes;
            disk_apply_write(&node->durable, write);
            bool was_ticket = write->seq == seq;
            free_write(write);
            if (was_ticket)
                break;
        }
        promise(&node->durable);
        node->durable_seq = seq;
        node->durable_applied = node->durable.state.applied;
        model_note(model, "%llu persisted %llu", (unsigned long long)node->id,
                   (unsigned long long)seq);
        raft_persisted(node->raft, seq);
        if (node->durable.state.applied > 0)
            raft_applied(node->raft, node->durable.state.applied, true);
        release_held(model, node);
        after_event(model, node);
        tickets--;
        any = true;
    }
    return any;
}

bool model_apply(struct model *model, struct model_node *node, unsigned entries)
{
    bool any = false;
    while (node->up && !node->paused && entries > 0 && node->apply_from != 0 &&
           node->apply_from <= node->apply_to) {
        raft_index index = node->apply_from;
        struct model_entry *entry = model_log_at(&node->written.log, index);
        assert(entry != NULL);
        checker_on_apply(model, node, index, entry);
        struct model_write *write = alloc_zero(sizeof(*write));
        write->has_state = true;
        write->state = (struct model_state){index, entry->term, entry->chain};
        push_write(node, write);
        node->apply_from++;
        if (node->apply_from > node->apply_to)
            node->apply_from = node->apply_to = 0;
        model_note(model, "%llu applied %llu", (unsigned long long)node->id,
                   (unsigned long long)index);
        raft_applied(node->raft, index, false);
        after_event(model, node);
        entries--;
        any = true;
    }
    return any;
}

static void free_packet(struct model_packet *item)
{
    packet_done(&item->packet);
    free(item);
}

void model_drop_link(struct model *model, node_id from, node_id to)
{
    struct model_packet *item = model->links[from][to];
    model->links[from][to] = NULL;
    while (item != NULL) {
        struct model_packet *next = item->next;
        free_packet(item);
        item = next;
    }
}

/* Takes the first packet of a kind (-1: any) that is not held off the link. */
static struct model_packet *pick(struct model *model, node_id from, node_id to, int kind)
{
    for (struct model_packet **at = &model->links[from][to]; *at != NULL; at = &(*at)->next) {
        struct model_packet *item = *at;
        if (!item->held && (kind < 0 || item->packet.kind == kind)) {
            *at = item->next;
            return item;
        }
    }
    return NULL;
}

bool model_deliver(struct model *model, node_id from, node_id to, int kind, unsigned n)
{
    bool any = false;
    struct model_node *node = &model->nodes[to];
    while (n-- > 0) {
        if (node->paused)
            return any;
        struct model_packet *item = pick(model, from, to, kind);
        if (item == NULL)
            return any;
        any = true;
        if (node->up) {
            model_note(model, "%llu<-%llu %s term=%llu", (unsigned long long)to,
                       (unsigned long long)from, packet_kind_name(item->packet.kind),
                       (unsigned long long)item->packet.term);
            (void)raft_receive(node->raft, &item->packet); /* IGNORED is an answer like any other */
            /* Entries may be referred to until the update that lists them was taken. */
            after_event(model, node);
            if (node->manual)
                model_take(model, node);
        }
        free_packet(item);
    }
    return any;
}

bool model_stream(struct model *model, node_id from, node_id to, bool ok)
{
    struct model_node *sender = &model->nodes[from], *receiver = &model->nodes[to];
    struct model_install *sending = &sender->sending[to];
    if (!sending->open || !sender->up)
        return false;
    if (!ok) {
        sending->open = false;
        raft_install_failed(sender->raft, to, sending->install.session);
        after_event(model, sender);
        return true;
    }
    if (!receiver->up || receiver->paused || receiver->receiving.kind == RAFT_INSTALL_NONE ||
        receiver->receiving.session != sending->install.session)
        return false;
    /* The marker must be durable before the first change (R14a). */
    if (receiver->durable.marker.session != sending->install.session)
        return false;
    receiver->written.state = sending->state;
    receiver->apply_from = receiver->apply_to = 0;
    checker_on_install(model, receiver);
    model_note(model, "%llu installed %llu from %llu", (unsigned long long)to,
               (unsigned long long)sending->install.target.index, (unsigned long long)from);
    raft_install_received(receiver->raft, sending->install.session, true);
    sending->idle_ticks = 0; /* open until its ack is heard, or the idle limit */
    after_event(model, receiver);
    return true;
}

bool model_fill(struct model *model, struct model_node *node, node_id to, unsigned n)
{
    bool any = false;
    struct model_held **at = &node->to_fill;
    while (node->up && !node->paused && n > 0 && *at != NULL) {
        if (to != 0 && (*at)->packet.to != to) {
            at = &(*at)->next;
            continue;
        }
        fill_one(model, node, at);
        after_event(model, node);
        at = &node->to_fill; /* the event may have queued more */
        any = true;
        n--;
    }
    return any;
}

static void clear_node(struct model_node *node)
{
    while (node->to_fill != NULL) {
        struct model_held *next = node->to_fill->next;
        free(node->to_fill);
        node->to_fill = next;
    }
    while (node->writes != NULL) {
        struct model_write *next = node->writes->next;
        free_write(node->writes);
        node->writes = next;
    }
    node->writes_end = &node->writes;
    while (node->held != NULL) {
        struct model_held *next = node->held->next;
        packet_done(&node->held->packet);
        free(node->held);
        node->held = next;
    }
    node->held_end = &node->held;
    node->apply_from = node->apply_to = 0;
    node->receiving.kind = RAFT_INSTALL_NONE;
    memset(node->sending, 0, sizeof(node->sending));
    for (int i = 0; i < node->reads_count; i++)
        node->reads[i].open = false;
}

void model_crash(struct model *model, struct model_node *node, unsigned keep_tickets, bool keep_all)
{
    assert(node->up);
    bool lost = false;
    while (node->writes != NULL) {
        struct model_write *write = node->writes;
        node->writes = write->next;
        if (!lost && (keep_all || keep_tickets > 0)) {
            disk_apply_write(&node->durable, write);
            if (write->seq != 0 && keep_tickets > 0)
                keep_tickets--;
        } else {
            lost = true;
        }
        free_write(write);
    }
    node->writes_end = &node->writes;
    model_note(model, "%llu crashed", (unsigned long long)node->id);
    clear_node(node);
    raft_free(node->raft);
    node->raft = NULL;
    node->up = false;
    node->paused = node->stalled = false;
    disk_copy(&node->written, &node->durable);
}

bool model_persist_fail(struct model *model, struct model_node *node, bool keep)
{
    bool any = false;
    for (struct model_write *write = node->writes; write != NULL; write = write->next)
        any |= write->seq != 0;
    if (!node->up || node->paused || !any)
        return false;
    model_note(model, "%llu: a write failed", (unsigned long long)node->id);
    model_crash(model, node, keep ? 1 : 0, false);
    return true;
}

static void boot_raft(struct model *model, struct model_node *node)
{
    struct model_disk *disk = &node->durable;
    struct raft_options options = model->options;
    options.self = node->id;
    options.boot = ++node->boot;
    options.seed =
        hash64_of(bytes_of(&options.boot, sizeof(options.boot)), model->seed * 31 + node->id);
    size_t count = disk->log.count;
    struct raft_trail_run *trail = alloc_array(count + 1, sizeof(*trail));
    struct raft_config_at *configs = alloc_array(count + 1, sizeof(*configs));
    uint32_t *sizes = alloc_array(count + 1, sizeof(*sizes));
    uint32_t runs = 0, configs_count = 1, sizes_count = 0;
    configs[0] = disk->base_config;
    raft_term term = 0;
    for (size_t i = 0; i < count; i++) {
        raft_index index = disk->log.base.index + 1 + i;
        const struct model_entry *entry = &disk->log.items[i];
        if (entry->term != term)
            trail[runs++] = (struct raft_trail_run){entry->term, index};
        term = entry->term;
        if (entry->kind == RAFT_ENTRY_CONFIG)
            configs[configs_count++] = (struct raft_config_at){{entry->term, index}, entry->config};
        if (index > disk->state.applied)
            sizes[sizes_count++] = entry->size_bytes;
    }
    struct raft_boot boot = {.term = disk->term,
                             .vote = disk->vote,
                             .commit = disk->commit,
                             .base = disk->log.base,
                             .last = model_log_last(&disk->log),
                             .trail = trail,
                             .trail_count = runs,
                             .sizes = sizes,
                             .applied = disk->state.applied,
                             .configs = configs,
                             .configs_count = configs_count,
                             .install = disk->marker,
                             .promised_term = disk->promised_term,
                             .promised_vote = disk->promised_vote,
                             .promised_last = disk->promised_last};
    node->raft = raft_new(&options, &boot);
    if (node->pinned_timeout != 0)
        raft_pin_timeout(node->raft, node->pinned_timeout);
    free(trail);
    free(configs);
    free(sizes);
}

void model_restart(struct model *model, struct model_node *node)
{
    assert(!node->up);
    node->up = true;
    node->durable_seq = 0;
    node->seen_commit = node->seen_applied = 0;
    node->durable_applied = node->durable.state.applied;
    boot_raft(model, node);
    model_note(model, "%llu restarted", (unsigned long long)node->id);
    after_event(model, node);
}

/* A transfer that nothing is heard of ends, as the driver's idle limit does. */
static void tick_installs(struct model *model, struct model_node *node)
{
    close_ended(node);
    for (node_id to = 1; to <= MODEL_NODES_MAX && node->up; to++) {
        struct model_install *sending = &node->sending[to];
        if (sending->open && ++sending->idle_ticks > MODEL_INSTALL_IDLE_TICKS)
            model_stream(model, node->id, to, false);
    }
}

void model_tick(struct model *model, struct model_node *node, unsigned ticks)
{
    for (unsigned i = 0; i < ticks && node->up && !node->paused; i++) {
        node->skew_rest += node->skew_percent;
        while (node->skew_rest >= 100) {
            node->skew_rest -= 100;
            raft_tell_commit(node->raft);
            raft_tick(node->raft, 1);
            after_event(model, node);
            tick_installs(model, node);
        }
    }
}

bool model_compact(struct model *model, struct model_node *node, raft_index to)
{
    if (node->up)
        close_ended(node);
    for (node_id peer = 1; peer <= MODEL_NODES_MAX; peer++) { /* an open install pins the log */
        const struct model_install *sending = &node->sending[peer];
        if (sending->open && to > sending->install.target.index)
            to = sending->install.target.index;
    }
    /* An open install owns the log's fate (R12, R14). */
    if (!node->up || node->written.marker.kind != RAFT_INSTALL_NONE || to > node->durable_applied ||
        to <= node->written.log.base.index)
        return false;
    struct model_write *write = alloc_zero(sizeof(*write));
    write->compact_to = (struct raft_pos){model_log_term(&node->written.log, to), to};
    push_write(node, write);
    model_note(model, "%llu compacted to %llu", (unsigned long long)node->id,
               (unsigned long long)to);
    raft_compacted(node->raft, to);
    after_event(model, node);
    return true;
}

/* One round over the nodes in order; true when something moved. */
static bool settle_round(struct model *model, const bool in[MODEL_NODES_MAX + 1])
{
    bool moved = false;
    for (node_id id = 1; id <= MODEL_NODES_MAX; id++) {
        struct model_node *node = &model->nodes[id];
        if (!in[id] || !node->exists || !node->up || node->paused)
            continue;
        moved |= raft_has_update(node->raft);
        model_take(model, node);
        for (node_id from = 1; from <= MODEL_NODES_MAX; from++) {
            if (in[from])
                moved |= model_deliver(model, from, id, -1, 1000);
        }
        moved |= model_persist(model, node, 1000);
        moved |= model_apply(model, node, 1000);
        moved |= model_fill(model, node, 0, 1000);
        for (node_id to = 1; to <= MODEL_NODES_MAX; to++) {
            if (in[to] && node->sending[to].open)
                moved |= model_stream(model, id, to, true);
        }
    }
    return moved;
}

bool model_settle(struct model *model, const bool in[MODEL_NODES_MAX + 1], unsigned max_rounds)
{
    for (unsigned i = 0; i < max_rounds; i++) {
        if (!settle_round(model, in))
            return true;
        if (checker_run(model) != STEP_OK)
            return false;
    }
    model_fail(model, "still moving after %u rounds: an endless exchange of packets", max_rounds);
    return false;
}

/* What was acked before it was lost may still count, as long as nobody can know of the loss. */
static void keep_lost(struct model_node *node)
{
    struct model_disk lost = {.log = node->lost};
    disk_copy(&lost, &node->durable);
    node->lost = lost.log;
}

void model_disk_forget(struct model_node *node, raft_index to)
{
    keep_lost(node);
    disk_log_truncate(&node->durable.log, to + 1);
    if (node->durable.state.applied > to)
        node->durable.state =
            (struct model_state){node->durable.log.base.index, node->durable.log.base.term,
                                 node->durable.log.base_chain};
    if (node->durable.commit > to)
        node->durable.commit = node->durable.state.applied;
    disk_copy(&node->written, &node->durable);
}

void model_wipe(struct model_node *node)
{
    assert(!node->up);
    keep_lost(node);
    disk_done(&node->durable);
    disk_done(&node->written);
    node->wiped = true;
}

/* A node whose disk lost something, and one that was installing when the only other copy was lost,
 * cannot lead any more. */
static bool half_is_lost(struct model *model, const node_id *ids, uint8_t count)
{
    unsigned sound = 0, installing = 0;
    for (uint8_t i = 0; i < count; i++) {
        struct model_node *node = &model->nodes[ids[i]];
        struct raft_status status = {0};
        if (!node->exists || !node->up)
            continue;
        raft_status(node->raft, &status);
        sound += !status.amnesia;
        installing += status.installing && !status.amnesia;
    }
    if (sound < count)
        sound -= installing;
    return count > 0 && sound <= count / 2u;
}

bool model_is_lost(struct model *model)
{
    bool alive = false;
    for (node_id id = 1; id <= MODEL_NODES_MAX; id++) {
        struct model_node *node = &model->nodes[id];
        struct raft_status status;
        if (!node->exists || !node->up)
            continue;
        alive = true;
        raft_status(node->raft, &status);
        if (half_is_lost(model, status.config.voters, status.config.voters_count) ||
            half_is_lost(model, status.config.voters_old, status.config.voters_old_count))
            return true;
    }
    return !alive;
}

/* ---- start and end ------------------------------------------------------------------------------ */
static void parse_members(const struct words *words, const char *key, node_id *ids, uint8_t *count)
{
    const char *text = words_option(words, key);
    size_t n = 0;
    if (text != NULL && !ids_parse(text, ids, RAFT_MEMBERS_MAX, &n)) {
        fprintf(stderr, "scenario: '%s' is no list of node ids: %s\n", key, text);
        exit(2);
    }
    *count = (uint8_t)n;
}

static void make_node(struct model *model, node_id id)
{
    struct model_node *node = &model->nodes[id];
    node->id = id;
    node->exists = true;
    node->skew_percent = 100;
    node->floor = UINT64_MAX;
    node->writes_end = &node->writes;
    node->held_end = &node->held;
    node->durable.log.base = model->base;
    node->durable.term = model->base.term;
    node->durable.commit = model->base.index;
    node->durable.state = (struct model_state){model->base.index, model->base.term, 0};
    node->durable.base_config.config = model->initial;
    node->durable.base_config.pos = model->base;
    promise(&node->durable);
    disk_copy(&node->written, &node->durable);
    model_restart(model, node);
}

void model_options(struct model *model, const struct words *words)
{
    struct raft_options *o = &model->options;
    o->append_max_bytes = (uint32_t)words_number(words, "append_bytes", o->append_max_bytes);
    o->append_max_entries = (uint32_t)words_number(words, "append_entries", o->append_max_entries);
    if (o->append_max_entries > MODEL_PACKET_ENTRIES_MAX)
        o->append_max_entries = MODEL_PACKET_ENTRIES_MAX;
    o->inflight_max_packets =
        (uint32_t)words_number(words, "inflight_packets", o->inflight_max_packets);
    o->inflight_max_bytes = words_number(words, "inflight_bytes", o->inflight_max_bytes);
    o->uncommitted_max_bytes = words_number(words, "uncommitted_bytes", o->uncommitted_max_bytes);
    o->entry_max_bytes = (uint32_t)words_number(words, "entry_bytes", o->entry_max_bytes);
    o->apply_max_bytes = words_number(words, "apply_bytes", o->apply_max_bytes);
    o->unapplied_max_bytes = words_number(words, "unapplied_bytes", o->unapplied_max_bytes);
    o->unapplied_max_entries =
        (uint32_t)words_number(words, "unapplied_entries", o->unapplied_max_entries);
    o->lazy_commit = words_number(words, "lazy_commit", o->lazy_commit) != 0;
    for (node_id id = 1; id <= MODEL_NODES_MAX && !model->begun; id++) {
        struct model_node *node = &model->nodes[id];
        if (!node->exists)
            continue;
        raft_free(node->raft);
        node->boot--;
        boot_raft(model, node);
    }
}

struct model *model_new(const struct words *cluster, struct buf *transcript)
{
    struct model *model = alloc_zero(sizeof(*model));
    model->transcript = transcript;
    model->seed = words_number(cluster, "seed", 1);
    model->checker = checker_new();
    raft_options_init(&model->options, 0, 1, 1);
    model_options(model, cluster);
    parse_members(cluster, "voters", model->initial.voters, &model->initial.voters_count);
    parse_members(cluster, "learners", model->initial.learners, &model->initial.learners_count);
    const char *base = words_option(cluster, "base");
    if (base != NULL) {
        char *colon;
        model->base.index = strtoull(base, &colon, 10);
        model->base.term = *colon == ':' ? strtoull(colon + 1, NULL, 10) : 1;
    }
    for (uint8_t i = 0; i < model->initial.voters_count; i++)
        make_node(model, model->initial.voters[i]);
    for (uint8_t i = 0; i < model->initial.learners_count; i++)
        make_node(model, model->initial.learners[i]);
    node_id more[RAFT_MEMBERS_MAX];
    uint8_t more_count = 0;
    parse_members(cluster, "spare", more, &more_count); /* nodes outside the config */
    for (uint8_t i = 0; i < more_count; i++)
        make_node(model, more[i]);
    return model;
}

void model_free(struct model *model)
{
    for (node_id id = 1; id <= MODEL_NODES_MAX; id++) {
        struct model_node *node = &model->nodes[id];
        for (node_id to = 1; to <= MODEL_NODES_MAX; to++)
            model_drop_link(model, id, to);
        if (!node->exists)
            continue;
        clear_node(node);
        raft_free(node->raft);
        disk_done(&node->written);
        disk_done(&node->durable);
        disk_log_truncate(&node->lost, node->lost.base.index + 1);
        free(node->lost.items);
    }
    checker_free(model->checker);
    free(model);
}
