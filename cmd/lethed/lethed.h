/* SPDX-License-Identifier: Apache-2.0 */
/* The exit codes of lethed, and its subcommands. */
#ifndef CMD_LETHED_LETHED_H
#define CMD_LETHED_LETHED_H

enum lethed_exit {
    LETHED_OK = 0,
    LETHED_CANNOT_START = 1, /* or, in a subcommand, could not do it */
    LETHED_BAD_CONFIG = 2,   /* file, environment or flags are wrong; nothing was touched */
    LETHED_FATAL = 70        /* a failed write or damaged data: look at the log first */
};

/* lethed dump: prints a stopped store as JSON lines. */
int lethed_dump(int argc, char **argv);
/* lethed token: makes a token and its line for auth.tokens_file. */
int lethed_token(int argc, char **argv);

/* lethed restore: the data folder of a new cluster, out of backups. */
int lethed_restore(int argc, char **argv);
/* lethed recover: likewise, out of what survived the loss of a majority. */
int lethed_recover(int argc, char **argv);

#endif
