/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the room: cells of tables, questions, lines that are redrawn. Thread: main. */
#ifndef CTL_SHOW_H
#define CTL_SHOW_H

#include "client/table.h"
#include "ctl/command.h"

/* Prints the table to stdout and frees it. */
int ctl_write_table_take(struct client_table *table);
/* A member as a cell, "-" when it is absent. */
void ctl_add_u64(struct client_table *table, const struct client_json *node, const char *key);
void ctl_add_text(struct client_table *table, const struct client_json *node, const char *key);
void ctl_add_number(struct client_table *table, uint64_t value);
/* A column of a list: its head, ">" in front for what stands at the right; the member that it shows. */
struct ctl_column {
    const char *head, *key;
};
/* A row for each object of the list: numbers with their thousands apart, texts, "-" for nothing. The
 * columns that ids stand in are left as they are: those whose heads have no ">". Returns as ctl_write. */
int ctl_write_list(const struct client_json *list, const struct ctl_column *columns, size_t count);
/* Any value: texts and numbers as they are, a list with commas, "-" for nothing. */
void ctl_add_value(struct client_table *table, const struct client_json *value);
void ctl_print_value(const struct client_json *value, struct buf *out);
void ctl_print_time(uint64_t wall_ms, struct buf *out); /* "-" for 0 */
void ctl_print_duration(uint64_t ms, struct buf *out);  /* "350 ms", "12 s", "3 m 20 s" */

/* What a person sees of a message's payload, on one line: messages.c */
void ctl_print_payload(const struct client_json *message, bool is_wide, struct buf *out);

/* What `status` shows: status.c */
int ctl_status_text(struct ctl *ctl, struct buf *out);

/* Asks on the terminal unless --yes. CTL_OK to go on, else CTL_NOT_CONFIRMED. harm: a sentence. */
int ctl_confirm(struct ctl *ctl, const char *harm, const char *question);

/* One line on stderr that shows how something goes: redrawn on a terminal; elsewhere printed when
 * its state changes and every few seconds. Nothing with --quiet. */
struct ctl_line {
    bool is_terminal, is_quiet, is_drawn;
    uint64_t drawn_ms;
    char state[48];
};
void ctl_line_start(struct ctl_line *line, bool is_quiet);
void ctl_line_set(struct ctl_line *line, const char *state, const char *text);
void ctl_line_end(struct ctl_line *line);
/* "[######........] 45 %" */
void ctl_print_bar(double progress, struct buf *out);
void ctl_sleep_ms(uint64_t ms);

#endif
