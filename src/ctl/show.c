/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/show.h"

#include "sys/clock.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { REDRAW_MS = 100, LINE_MS = 5000, BAR_WIDTH = 30 };

int ctl_write_table_take(struct client_table *table)
{
    struct buf out = BUF_INIT;
    client_table_print(table, &out);
    int code = ctl_write(buf_bytes(&out));
    buf_done(&out);
    client_table_free(table);
    return code;
}

void ctl_add_number(struct client_table *table, uint64_t value)
{
    char text[CLIENT_COUNT_SIZE];
    client_table_addf(table, "%s", client_count_text(value, text));
}

void ctl_add_u64(struct client_table *table, const struct client_json *node, const char *key)
{
    if (client_json_is_number(client_json_find(node, key)))
        ctl_add_number(table, client_json_u64(node, key, 0));
    else
        client_table_addf(table, "-");
}

void ctl_add_text(struct client_table *table, const struct client_json *node, const char *key)
{
    const char *text = client_json_text(node, key, "-");
    client_table_addf(table, "%s", text[0] != '\0' ? text : "-");
}

int ctl_write_list(const struct client_json *list, const struct ctl_column *columns, size_t count)
{
    enum { COLUMNS_MAX = 16 };
    const char *heads[COLUMNS_MAX];
    assert(count <= COLUMNS_MAX);
    for (size_t i = 0; i < count; i++)
        heads[i] = columns[i].head;
    struct client_table *table = client_table_new(heads, count);
    for (size_t row = 0; row < client_json_count(list); row++) {
        const struct client_json *item = client_json_item(list, row);
        for (size_t i = 0; i < count; i++) {
            if (columns[i].head[0] == '>')
                ctl_add_u64(table, item, columns[i].key);
            else
                ctl_add_value(table, client_json_find(item, columns[i].key));
        }
    }
    return ctl_write_table_take(table);
}

void ctl_print_value(const struct client_json *value, struct buf *out)
{
    size_t start = out->len, count = client_json_count(value);
    if (client_json_is_text(value))
        buf_append_bytes(out, client_json_text_of(value));
    for (size_t i = 0; i < count; i++) {
        buf_append_string(out, i > 0 ? ", " : "");
        ctl_print_value(client_json_item(value, i), out);
    }
    bool is_other = client_json_is_number(value) || client_json_is_map(value);
    if (is_other)
        client_json_print(value, false, out);
    if (out->len == start)
        buf_append_string(out, "-");
}

void ctl_add_value(struct client_table *table, const struct client_json *value)
{
    struct buf text = BUF_INIT;
    ctl_print_value(value, &text);
    client_table_add(table, buf_bytes(&text));
    buf_done(&text);
}

void ctl_print_time(uint64_t wall_ms, struct buf *out)
{
    char text[CLOCK_TEXT_SIZE] = "-";
    if (wall_ms != 0)
        clock_format(wall_ms, text);
    buf_append_string(out, text);
}

void ctl_print_duration(uint64_t ms, struct buf *out)
{
    unsigned long long s = ms / 1000;
    if (ms < 1000)
        buf_printf(out, "%llu ms", (unsigned long long)ms);
    else if (s < 60)
        buf_printf(out, "%llu s", s);
    else if (s < 3600)
        buf_printf(out, "%llu m %llu s", s / 60, s % 60);
    else
        buf_printf(out, "%llu h %llu m", s / 3600, s / 60 % 60);
}

int ctl_confirm(struct ctl *ctl, const char *harm, const char *question)
{
    char line[64];
    if (ctl->flags.is_yes)
        return CTL_OK;
    fprintf(stderr, "%s\n", harm);
    if (isatty(STDIN_FILENO) != 1)
        return ctl_fail(CTL_NOT_CONFIRMED, "standard input is no terminal: say --yes to go on");
    fprintf(stderr, "%s [y/N] ", question);
    fflush(stderr);
    if (fgets(line, sizeof(line), stdin) == NULL || !ctl_is_yes(line))
        return ctl_fail(CTL_NOT_CONFIRMED, "nothing was done");
    return CTL_OK;
}

void ctl_line_start(struct ctl_line *line, bool is_quiet)
{
    *line = (struct ctl_line){.is_terminal = isatty(STDERR_FILENO) == 1, .is_quiet = is_quiet};
}

void ctl_line_set(struct ctl_line *line, const char *state, const char *text)
{
    uint64_t now = clock_mono_ms(), every = line->is_terminal ? REDRAW_MS : LINE_MS;
    bool is_new = !line->is_drawn || strncmp(line->state, state, sizeof(line->state) - 1) != 0;
    if (line->is_quiet || (!is_new && now - line->drawn_ms < every))
        return;
    fprintf(stderr, line->is_terminal ? "\r\033[K%s" : "%s\n", text);
    fflush(stderr);
    line->drawn_ms = now;
    line->is_drawn = true;
    snprintf(line->state, sizeof(line->state), "%s", state);
}

void ctl_line_end(struct ctl_line *line)
{
    if (line->is_drawn && line->is_terminal)
        fputc('\n', stderr);
}

void ctl_print_bar(double progress, struct buf *out)
{
    double part = progress < 0 ? 0 : progress > 1 ? 1 : progress;
    buf_append_string(out, "[");
    for (int i = 0; i < BAR_WIDTH; i++)
        buf_append_string(out, i < (int)(part * BAR_WIDTH) ? "#" : ".");
    buf_printf(out, "] %d %%", (int)(part * 100));
}

void ctl_sleep_ms(uint64_t ms)
{
    struct timespec rest = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR)
        continue;
}
