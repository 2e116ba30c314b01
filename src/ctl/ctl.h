/* SPDX-License-Identifier: Apache-2.0 */
/* lethectl: one command a run, over HTTP alone. Knows the routes of api.md sections 2 to 4 and how
 * to show what they answer. Thread: main; import brings threads of its own. */
#ifndef CTL_CTL_H
#define CTL_CTL_H

/* help.c has these as a table for people. */
enum ctl_exit {
    CTL_OK = 0,
    CTL_REFUSED = 1,       /* a server answered, and said no */
    CTL_USAGE = 2,         /* the command line is wrong; nothing was sent */
    CTL_UNREACHABLE = 3,   /* no server could be reached: certainly not applied */
    CTL_UNKNOWN = 4,       /* a write may or may not have happened */
    CTL_LOCAL = 5,         /* a file or stream here failed */
    CTL_NOT_CONFIRMED = 6, /* the question was answered with no; nothing was sent */
    CTL_NOT_YET = 7,       /* what was waited for did not come in time */
    CTL_UNPROVEN = 8       /* a check could not look at everything */
};

/* Runs the command line and returns the process's exit code. */
int ctl_main(int argc, char **argv);

#endif
