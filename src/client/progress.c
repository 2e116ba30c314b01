/* SPDX-License-Identifier: Apache-2.0 */
#include "client/progress.h"

#include "client/table.h"
#include "sys/clock.h"

#include <stdio.h>
#include <unistd.h>

enum { REDRAW_MS = 100, LINE_MS = 5000, BAR_WIDTH = 30 };

void client_progress_start(struct client_progress *progress, const char *label, const char *unit,
                           uint64_t total, bool is_quiet)
{
    uint64_t now = clock_mono_ms();
    *progress = (struct client_progress){.label = label,
                                         .unit = unit,
                                         .total = total,
                                         .started_ms = now,
                                         .drawn_ms = now,
                                         .is_quiet = is_quiet,
                                         .is_terminal = isatty(STDERR_FILENO) == 1};
}

void client_progress_print(const struct client_progress *progress, uint64_t done,
                           uint64_t elapsed_ms, unsigned width, struct buf *out)
{
    char count[CLIENT_COUNT_SIZE], rate_text[CLIENT_COUNT_SIZE];
    uint64_t total = progress->total;
    uint64_t shown = total != 0 && done > total ? total : done;
    buf_printf(out, "%s ", progress->label);
    if (width > 0 && total > 0) {
        unsigned full = (unsigned)((double)shown / (double)total * width);
        buf_append_string(out, "[");
        for (unsigned i = 0; i < width; i++)
            buf_append_string(out, i < full ? "#" : ".");
        buf_append_string(out, "] ");
    }
    if (total > 0)
        buf_printf(out, "%u%% ", (unsigned)((double)shown / (double)total * 100));
    uint64_t rate = elapsed_ms > 0 ? (uint64_t)((double)done * 1000 / (double)elapsed_ms) : 0;
    buf_printf(out, "%s %s, %s/s", client_count_text(done, count), progress->unit,
               client_count_text(rate, rate_text));
    if (total > shown && rate > 0)
        buf_printf(out, ", %llu s left", (unsigned long long)((total - shown) / rate + 1));
}

static void draw(struct client_progress *progress, uint64_t done)
{
    struct buf line = BUF_INIT;
    uint64_t now = clock_mono_ms();
    if (progress->is_terminal)
        buf_append_string(&line, "\r\033[K");
    client_progress_print(progress, done, now - progress->started_ms,
                          progress->is_terminal ? BAR_WIDTH : 0, &line);
    if (!progress->is_terminal)
        buf_append_string(&line, "\n");
    fwrite(line.data, 1, line.len, stderr);
    fflush(stderr);
    progress->drawn_ms = now;
    progress->is_drawn = true;
    buf_done(&line);
}

void client_progress_set(struct client_progress *progress, uint64_t done)
{
    uint64_t every = progress->is_terminal ? REDRAW_MS : LINE_MS;
    if (!progress->is_quiet && clock_mono_ms() - progress->drawn_ms >= every)
        draw(progress, done);
}

void client_progress_end(struct client_progress *progress, uint64_t done)
{
    if (progress->is_quiet)
        return;
    draw(progress, done);
    if (progress->is_terminal)
        fputc('\n', stderr);
}
