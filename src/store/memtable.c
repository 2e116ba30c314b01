/* SPDX-License-Identifier: Apache-2.0 */
#include "store/memtable.h"

#include "base/alloc.h"
#include "base/check.h"

void memtable_init(struct memtable *table, uint64_t seed)
{
    *table = (struct memtable){.height = 1, .rng = rng_of(seed)};
}

static void free_versions(struct version *version)
{
    while (version != NULL) {
        struct version *older = version->older;
        free(version);
        version = older;
    }
}

void memtable_done(struct memtable *table)
{
    struct memtable_node *node = table->head[0];
    while (node != NULL) {
        struct memtable_node *next = node->next[0];
        free_versions(node->newest);
        free(node);
        node = next;
    }
    memtable_init(table, 0);
}

/* Finds the first node at or after key. links (may be NULL) becomes, for each level, the link that
 * points at or past it; *ret_before the last node before it. */
static struct memtable_node *descend(const struct memtable *table, struct bytes key,
                                     struct memtable_node ***links,
                                     struct memtable_node **ret_before)
{
    struct memtable_node *before = NULL, *next = NULL;
    for (uint32_t level = table->height; level-- > 0;) {
        for (;;) {
            next = before == NULL ? table->head[level] : before->next[level];
            if (next == NULL || bytes_compare(memtable_key(next), key) >= 0)
                break;
            before = next;
        }
        if (links != NULL)
            links[level] = before == NULL ? (struct memtable_node **)&table->head[level]
                                          : &before->next[level];
    }
    *ret_before = before;
    return next;
}

struct memtable_node *memtable_find(const struct memtable *table, struct bytes key)
{
    struct memtable_node *before;
    return descend(table, key, NULL, &before);
}

struct memtable_node *memtable_find_before(const struct memtable *table, struct bytes key)
{
    struct memtable_node *before;
    struct memtable_node *node = descend(table, key, NULL, &before);
    return node != NULL && bytes_is_equal(memtable_key(node), key) ? node : before;
}

const struct version *memtable_visible(const struct memtable_node *node, uint64_t seq)
{
    const struct version *version = node->newest;
    while (version != NULL && version->seq > seq)
        version = version->older;
    return version == NULL || version->is_delete ? NULL : version;
}

static struct memtable_node *node_new(struct memtable *table, struct bytes key)
{
    uint32_t height = 1;
    uint64_t bits = rng_next(&table->rng);
    for (; height < MEMTABLE_HEIGHT_MAX && (bits & 3) == 0; bits >>= 2)
        height++;
    size_t links_size = height * sizeof(struct memtable_node *);
    struct memtable_node *node = alloc(sizeof(*node) + links_size + key.len);
    node->newest = NULL;
    node->height = height;
    node->key = (uint8_t *)node + sizeof(*node) + links_size;
    node->key_len = (uint32_t)key.len;
    if (key.len > 0)
        memcpy(node->key, key.data, key.len);
    return node;
}

static struct memtable_node *insert(struct memtable *table, struct bytes key)
{
    struct memtable_node **links[MEMTABLE_HEIGHT_MAX], *before;
    struct memtable_node *next = descend(table, key, links, &before);
    if (next != NULL && bytes_is_equal(memtable_key(next), key))
        return next;
    struct memtable_node *node = node_new(table, key);
    for (; table->height < node->height; table->height++)
        links[table->height] = &table->head[table->height];
    for (uint32_t level = 0; level < node->height; level++) {
        node->next[level] = *links[level];
        *links[level] = node;
    }
    node->previous = before;
    if (next != NULL)
        next->previous = node;
    else
        table->last = node;
    table->nodes++;
    table->bytes += key.len;
    return node;
}

struct memtable_node *memtable_put(struct memtable *table, struct bytes key, uint64_t seq,
                                   struct bytes value, bool is_delete)
{
    struct memtable_node *node = insert(table, key);
    assert(node->newest == NULL || node->newest->seq < seq);
    struct version *version = alloc(sizeof(*version) + value.len);
    version->older = node->newest;
    version->seq = seq;
    version->len = (uint32_t)value.len;
    version->is_delete = is_delete;
    if (value.len > 0)
        memcpy(version->data, value.data, value.len);
    node->newest = version;
    table->bytes += value.len;
    return node;
}

static void remove_node(struct memtable *table, struct memtable_node *node)
{
    struct memtable_node **links[MEMTABLE_HEIGHT_MAX], *before;
    struct memtable_node *found = descend(table, memtable_key(node), links, &before);
    assert(found == node);
    for (uint32_t level = 0; level < node->height; level++)
        *links[level] = node->next[level];
    if (node->next[0] != NULL)
        node->next[0]->previous = before;
    else
        table->last = before;
    table->nodes--;
    table->bytes -= node->key_len;
    free_versions(node->newest);
    free(node);
}

void memtable_undo(struct memtable *table, struct memtable_node *node)
{
    struct version *version = node->newest;
    node->newest = version->older;
    table->bytes -= version->len;
    free(version);
    if (node->newest == NULL)
        remove_node(table, node);
}

void memtable_prune(struct memtable *table, struct memtable_node *node, uint64_t seq)
{
    struct version *kept = node->newest;
    while (kept != NULL && kept->seq > seq)
        kept = kept->older;
    if (kept == NULL)
        return;
    for (struct version *version = kept->older; version != NULL; version = version->older)
        table->bytes -= version->len;
    free_versions(kept->older);
    kept->older = NULL;
    if (kept == node->newest && kept->is_delete)
        remove_node(table, node);
}
