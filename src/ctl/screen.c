/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/screen.h"

#include "ctl/show.h"
#include "sys/clock.h"

#include <unistd.h>

#define CLEAR "\033[H\033[2J\033[3J"

int ctl_screen_words(struct ctl *ctl)
{
    if (ctl->words_count == 0)
        return CTL_OK;
    if (!client_flag_time_ms(ctl->words[0], &ctl->flags.watch_ms) || ctl->flags.watch_ms < 100 ||
        ctl->flags.watch_ms > 24 * 3600 * 1000)
        return ctl_fail(CTL_USAGE, "'%s' is not a time between two pictures, like 5 or 500ms",
                        ctl->words[0]);
    ctl->flags.has_watch = true;
    return CTL_OK;
}

int ctl_screen_run(struct ctl *ctl, ctl_screen_draw *draw, void *arg)
{
    bool is_terminal = isatty(STDOUT_FILENO) == 1 && !ctl->is_json;
    uint64_t left = ctl->flags.has_count ? ctl->flags.count : ctl->flags.has_watch ? UINT64_MAX : 1;
    int code = CTL_OK;
    for (bool is_first = true; left > 0; is_first = false) {
        uint64_t begun_ms = clock_mono_ms();
        struct buf out = BUF_INIT;
        if (is_terminal && ctl->flags.has_watch)
            buf_append_string(&out, CLEAR);
        else if (!is_first && !ctl->is_json)
            buf_append_string(&out, "\n");
        code = draw(ctl, arg, &out);
        int written = ctl_write(buf_bytes(&out));
        buf_done(&out);
        if (written != CTL_OK)
            return written;
        left--;
        uint64_t took_ms = clock_mono_ms() - begun_ms;
        if (left > 0 && took_ms < ctl->flags.watch_ms)
            ctl_sleep_ms(ctl->flags.watch_ms - took_ms);
    }
    return code;
}
