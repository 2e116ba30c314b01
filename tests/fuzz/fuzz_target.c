/* SPDX-License-Identifier: Apache-2.0 */
/* Request targets: the path with its segments, the query with its parameters. What is accepted must
 * survive being written again with every byte escaped; numbers must be within their bounds. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "http/query.h"
#include "http/path.h"

#define NAMES "limit from_seq cursor level reverse wait_ms key"

static void demand(bool holds)
{
    if (!holds)
        abort();
}

static void put_escaped(struct buf *buf, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        buf_printf(buf, "%%%02x", text.data[i]);
}

static void probe_values(const struct query *query)
{
    struct why why = {.err = OK};
    uint64_t number = 77;
    bool flag = true;
    struct bytes text = BYTES_NONE;
    if (query_number(query, "limit", 5, 1000, &number, &why) == OK)
        demand(number == 77 || query_has(query, "limit"));
    else
        demand(number == 77 && why.err == ERR_BAD_PARAMETER);
    demand(number == 77 || (number >= 5 && number <= 1000));
    if (query_bool(query, "reverse", &flag, &why) != OK)
        demand(flag && why.err == ERR_BAD_PARAMETER);
    if (query_text(query, "key", 40, &text, &why) == OK)
        demand(text.len <= 40 && !utf8_has_control(text));
}

static void probe_query(struct bytes text, struct arena *arena)
{
    struct query query, again;
    struct why why = {.err = OK};
    struct buf escaped = BUF_INIT;
    enum err err = query_parse(text, NAMES, arena, &query, &why);
    demand(err == OK || (err == ERR_BAD_PARAMETER && why.err == err));
    if (err != OK)
        return;
    demand(query.count <= HTTP_MAX_PARAMETERS);
    for (uint32_t i = 0; i < query.count; i++) {
        buf_append_bytes(&escaped, bytes_of_string(i > 0 ? "&" : ""));
        put_escaped(&escaped, query.items[i].name);
        buf_put_u8(&escaped, '=');
        put_escaped(&escaped, query.items[i].value);
    }
    demand(query_parse(buf_bytes(&escaped), NAMES, arena, &again, NULL) == OK);
    demand(again.count == query.count);
    for (uint32_t i = 0; i < query.count; i++)
        demand(bytes_is_equal(query.items[i].name, again.items[i].name) &&
               bytes_is_equal(query.items[i].value, again.items[i].value));
    probe_values(&query);
    buf_done(&escaped);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct path path, again;
    struct why why = {.err = OK};
    struct buf escaped = BUF_INIT;
    arena_init(&arena);
    enum err err = path_parse(path_origin_form(bytes_of(data, size)), &arena, &path, &why);
    demand(err == OK || ((err == ERR_BAD_REQUEST || err == ERR_NO_ROUTE) && why.err == err));
    if (err == OK) {
        demand(path.count <= HTTP_MAX_SEGMENTS);
        for (uint32_t i = 0; i < path.count; i++) {
            buf_put_u8(&escaped, '/');
            put_escaped(&escaped, path.segments[i]);
        }
        if (path.count > 0) {
            demand(path_parse(buf_bytes(&escaped), &arena, &again, NULL) == OK);
            demand(again.count == path.count);
            for (uint32_t i = 0; i < path.count; i++)
                demand(bytes_is_equal(path.segments[i], again.segments[i]));
        }
        probe_query(path.query, &arena);
    }
    probe_query(bytes_of(data, size), &arena);
    buf_done(&escaped);
    arena_done(&arena);
    return 0;
}
