/* SPDX-License-Identifier: Apache-2.0 */
/* lethed token: makes a token, and the line that 'auth.tokens_file' has for it.
 *
 *   lethed token --name backoffice --roles read,delete@2/room- --file /etc/lethe/tokens
 *
 * With --file the line is added to the file, and the token alone is printed; without it the line
 * comes on standard output and the token on standard error. The token is shown this once. With
 * --stdin it is read from there: one that was made elsewhere. */
#include "http/tokens.h"
#include "lethed.h"
#include "sys/file.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define USAGE                                                                                      \
    "usage: lethed token --name NAME --roles ROLE[@TYPE/PREFIX],... [--file FILE] [--stdin]\n"

struct asked {
    const char *name, *roles, *file;
    bool from_stdin;
};

/* "--name x" and "--name=x"; false: not this flag. */
static bool take_flag(int argc, char **argv, int *at, const char *flag, const char **ret_value)
{
    size_t len = strlen(flag);
    if (strncmp(argv[*at], flag, len) == 0 && argv[*at][len] == '=') {
        *ret_value = argv[*at] + len + 1;
        return true;
    }
    if (strcmp(argv[*at], flag) != 0 || *at + 1 >= argc)
        return false;
    *ret_value = argv[++*at];
    return true;
}

static bool parse(int argc, char **argv, struct asked *asked)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--stdin") == 0) {
            asked->from_stdin = true;
        } else if (!take_flag(argc, argv, &i, "--name", &asked->name) &&
                   !take_flag(argc, argv, &i, "--roles", &asked->roles) &&
                   !take_flag(argc, argv, &i, "--file", &asked->file)) {
            fprintf(stderr, "lethed token: '%s' is not understood\n", argv[i]);
            return false;
        }
    }
    return asked->name != NULL && asked->roles != NULL;
}

static enum err read_token(char *ret_token, size_t size, struct why *why)
{
    size_t len = fread(ret_token, 1, size - 1, stdin);
    if (ferror(stdin))
        return why_set(why, ERR_IO, "standard input cannot be read");
    while (len > 0 && (ret_token[len - 1] == '\n' || ret_token[len - 1] == '\r'))
        len--;
    ret_token[len] = '\0';
    return OK;
}

/* The old file with one more line, checked as a whole before anything changes. */
static enum err add_line(const char *path, struct bytes line, struct why *why)
{
    struct buf text = BUF_INIT;
    struct tokens *tokens = NULL;
    enum err err = file_is_there(path) ? file_read(path, TOKENS_FILE_MAX_BYTES, &text, why) : OK;
    if (err == OK && text.len > 0 && text.data[text.len - 1] != '\n')
        buf_append_string(&text, "\n");
    buf_append(&text, line.data, line.len);
    if (err == OK)
        err = tokens_parse(path, buf_bytes(&text), &tokens, why);
    struct stat before;
    mode_t mode = stat(path, &before) == 0 ? before.st_mode & 0777 : 0644;
    if (err == OK)
        err = file_write_atomic(path, buf_bytes(&text), mode, why);
    tokens_free(tokens);
    buf_done(&text);
    return err;
}

int lethed_token(int argc, char **argv)
{
    struct asked asked = {0};
    struct buf line = BUF_INIT;
    struct why why = {0};
    char token[TOKEN_MAX_BYTES + 2] = "";
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return printf(USAGE) > 0 ? LETHED_OK : LETHED_CANNOT_START;
    if (!parse(argc, argv, &asked)) {
        fputs(USAGE, stderr);
        return LETHED_BAD_CONFIG;
    }
    enum err err = OK;
    if (asked.from_stdin) {
        err = read_token(token, sizeof(token), &why);
        if (err == OK)
            err = token_make_line(asked.name, asked.roles, bytes_of_string(token), &line, &why);
    } else {
        err = token_make(asked.name, asked.roles, token, &line, &why);
    }
    if (err == OK && asked.file != NULL)
        err = add_line(asked.file, buf_bytes(&line), &why);
    if (err == OK && asked.file == NULL && fwrite(line.data, 1, line.len, stdout) != line.len)
        err = why_set(&why, ERR_IO, "cannot write to standard output");
    if (err != OK)
        fprintf(stderr, "lethed token: %s\n", why.text);
    else if (!asked.from_stdin)
        fprintf(asked.file != NULL ? stdout : stderr, "%s\n", token);
    if (err == OK && fflush(stdout) != 0)
        err = ERR_IO;
    buf_done(&line);
    return err == OK                         ? LETHED_OK
           : err_kind(err) == ERR_KIND_INPUT ? LETHED_BAD_CONFIG
                                             : LETHED_CANNOT_START;
}
