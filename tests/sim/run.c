/* SPDX-License-Identifier: Apache-2.0 */
/* Runs scenario files: each twice, with equal transcripts, held against a golden file beside it
 * when there is one (x.txt -> x.golden; --rewrite makes it anew, from an empty one too).
 *
 *     scenario [--rewrite] [--show] [--mutant] file.txt...
 *
 * --mutant: a run in which some file fails is a success: the rule that was taken out was missed.
 * Prints a line for each failure with the last events, and "N passed, N failed" at the end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "language.h"
#include "scenario.h"

static bool read_text(const char *path, struct buf *ret)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    char chunk[4096];
    size_t n;
    while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
        buf_append(ret, chunk, n);
    fclose(file);
    return true;
}

static void golden_path(const char *path, char *ret, size_t size)
{
    size_t len = strlen(path);
    if (len > 4 && strcmp(path + len - 4, ".txt") == 0)
        len -= 4;
    snprintf(ret, size, "%.*s.golden", (int)len, path);
}

/* Where two texts differ first, as a line number. */
static unsigned first_difference(struct bytes a, struct bytes b)
{
    unsigned line = 1;
    for (size_t i = 0; i < a.len && i < b.len && a.data[i] == b.data[i]; i++)
        line += a.data[i] == '\n';
    return line;
}

static bool check_golden(const char *path, struct buf *transcript, bool rewrite)
{
    char name[512];
    golden_path(path, name, sizeof(name));
    struct buf golden = BUF_INIT;
    bool exists = read_text(name, &golden), ret = true;
    if (exists && rewrite) {
        FILE *file = fopen(name, "w");
        ret = file != NULL && fwrite(transcript->data, 1, transcript->len, file) == transcript->len;
        if (file != NULL)
            ret &= fclose(file) == 0;
    } else if (exists && !bytes_is_equal(buf_bytes(&golden), buf_bytes(transcript))) {
        fprintf(stderr, "%s: transcript differs from %s at line %u (--rewrite accepts it)\n", path,
                name, first_difference(buf_bytes(&golden), buf_bytes(transcript)));
        ret = false;
    }
    buf_done(&golden);
    return ret;
}

/* In a mutant's run transcripts do not count, so it runs once: that it does something else is no
 * finding yet. */
static bool run_file(const char *path, bool rewrite, bool show, bool mutant)
{
    struct buf text = BUF_INIT;
    if (!read_text(path, &text)) {
        perror(path);
        exit(2);
    }
    struct scenario_result first = {0}, second = {0};
    scenario_run(path, buf_string(&text), &first);
    bool ret = first.ok;
    if (!ret && !mutant)
        scenario_report(&first, stderr);
    if (show)
        fwrite(first.transcript.data, 1, first.transcript.len, stdout);
    if (ret && !mutant) {
        scenario_run(path, buf_string(&text), &second);
        if (!bytes_is_equal(buf_bytes(&first.transcript), buf_bytes(&second.transcript))) {
            fprintf(stderr, "%s: two runs differ at event %u: not deterministic\n", path,
                    first_difference(buf_bytes(&first.transcript), buf_bytes(&second.transcript)));
            ret = false;
        }
        ret &= check_golden(path, &first.transcript, rewrite);
    }
    scenario_result_done(&first);
    scenario_result_done(&second);
    buf_done(&text);
    return ret;
}

int main(int argc, char **argv)
{
    bool rewrite = false, show = false, mutant = false;
    unsigned passed = 0, failed = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--rewrite") == 0)
            rewrite = true;
        else if (strcmp(argv[i], "--show") == 0)
            show = true;
        else if (strcmp(argv[i], "--mutant") == 0)
            mutant = true;
        else if (run_file(argv[i], rewrite, show, mutant))
            passed++;
        else {
            failed++;
            if (mutant)
                printf("caught by %s\n", argv[i]);
        }
    }
    if (mutant)
        return failed > 0 ? 0 : 1;
    printf("%u passed, %u failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
