/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the room: something shown once, or again and again until it is interrupted: redrawn
 * on a terminal, one picture behind the other elsewhere. Thread: main. */
#ifndef CTL_SCREEN_H
#define CTL_SCREEN_H

#include "ctl/command.h"

/* A picture into out; its code is the command's when it is the last one. */
typedef int ctl_screen_draw(struct ctl *ctl, void *arg, struct buf *out);

/* Takes the seconds that may stand as a word: "status --watch 5", "top 5". */
int ctl_screen_words(struct ctl *ctl);
/* Once without --watch, else every --watch, --count times when that is given. */
int ctl_screen_run(struct ctl *ctl, ctl_screen_draw *draw, void *arg);

#endif
