/* SPDX-License-Identifier: Apache-2.0 */
/* A run: seed -> cluster line, commands until the drawn count, `converge`. On a failure the text so
 * far is a scenario. It is replayed (if the replay does not fail the run is not deterministic,
 * itself a bug), then shrunk: blocks of lines, then single lines, are left out while the same
 * invariant still breaks. */
#include "simulate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/alloc.h"
#include "base/check.h"
#include "scenario.h"

enum { SHRINK_SECONDS = 60 };

void choose(struct rng *rng, struct buf *line, void *state, const struct choice *choices,
            size_t count)
{
    unsigned all = 0;
    for (size_t i = 0; i < count; i++)
        all += choices[i].weight;
    uint64_t at = rng_below(rng, all);
    for (size_t i = 0; i < count; i++) {
        if (at < choices[i].weight) {
            choices[i].draw(rng, line, state);
            return;
        }
        at -= choices[i].weight;
    }
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Puts more options at the end of the cluster line that begins there; none of them is drawn. */
static void put_more(struct buf *text, size_t line, const char *more)
{
    const uint8_t *end = memchr(text->data + line, '\n', text->len - line);
    if (more[0] == '\0' || end == NULL)
        return;
    struct buf rest = BUF_INIT;
    size_t at = (size_t)(end - text->data);
    buf_append(&rest, text->data + at, text->len - at);
    text->len = at;
    buf_printf(text, " %s", more);
    buf_append_bytes(text, buf_bytes(&rest));
    buf_done(&rest);
}

/* Draws the whole scenario of a seed: what is drawn never depends on what happens. */
static void draw(const struct generator *generator, uint64_t seed, const char *more,
                 struct buf *text)
{
    struct rng rng = rng_of(seed * 0x9e3779b97f4a7c15ull + 1);
    void *state = alloc_zero(generator->state_bytes);
    buf_printf(text, "# %s, seed %llu\nlenient\n", generator->name, (unsigned long long)seed);
    size_t line = text->len;
    generator->cluster(&rng, text, state);
    put_more(text, line, more);
    unsigned steps = (unsigned)rng_between(&rng, generator->steps_min, generator->steps_max);
    for (unsigned i = 0; i < steps; i++)
        generator->command(&rng, text, state, i);
    buf_printf(text, "converge within=%u\n", generator->converge_ticks);
    free(state);
}

/* Text without the lines [from, from + count); the first three always stay. */
static void without(const char *text, unsigned from, unsigned count, struct buf *ret)
{
    unsigned number = 0;
    buf_clear(ret);
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        len += text[len] == '\n';
        if (number < from || number >= from + count)
            buf_append(ret, text, len);
        text += len;
        number++;
    }
}

static unsigned lines_of(const char *text)
{
    unsigned ret = 0;
    for (; *text != '\0'; text++)
        ret += *text == '\n';
    return ret;
}

static bool still_fails(const char *text, const char *invariant)
{
    struct scenario_result result;
    scenario_run("shrink", text, &result);
    bool ret = !result.ok && strcmp(result.invariant, invariant) == 0;
    scenario_result_done(&result);
    return ret;
}

static void shrink(struct buf *text, const char *invariant)
{
    double until = now_s() + SHRINK_SECONDS;
    struct buf smaller = BUF_INIT;
    for (unsigned block = lines_of(buf_string(text)) / 2; block > 0; block /= 2) {
        for (unsigned at = 3; at + 1 < lines_of(buf_string(text)) && now_s() < until;) {
            without(buf_string(text), at, block, &smaller);
            if (still_fails(buf_string(&smaller), invariant)) {
                buf_clear(text);
                buf_append_bytes(text, buf_bytes(&smaller));
            } else {
                at += block;
            }
        }
    }
    buf_done(&smaller);
}

/* Keeps only the text up to the line that failed. */
static void cut_after(struct buf *text, unsigned line)
{
    size_t at = 0;
    for (unsigned number = 0; at < text->len && number < line; at++)
        number += text->data[at] == '\n';
    text->len = at;
}

static void keep_failure(const struct generator *generator, uint64_t seed, struct buf *text,
                         const struct scenario_result *result, const char *out)
{
    char path[512];
    scenario_report(result, stderr);
    if (result->line > 0)
        cut_after(text, result->line);
    if (!still_fails(buf_string(text), result->invariant))
        fprintf(stderr, "seed %llu: the replay does not fail with %s: not deterministic\n",
                (unsigned long long)seed, result->invariant);
    else
        shrink(text, result->invariant);
    if (mkdir(out, 0777) != 0 && errno != EEXIST)
        perror(out);
    snprintf(path, sizeof(path), "%s/%s-%s-%llu.txt", out, generator->name, result->invariant,
             (unsigned long long)seed);
    FILE *file = fopen(path, "w");
    if (file == NULL || fwrite(text->data, 1, text->len, file) != text->len)
        perror(path);
    if (file != NULL)
        fclose(file);
    fprintf(stderr, "seed %llu failed: %s; kept as %s (%u lines)\n", (unsigned long long)seed,
            result->error, path, lines_of(buf_string(text)));
}

/* out: where a failing seed is kept, shrunk; NULL: it is told only. */
static bool run_seed(const struct generator *generator, uint64_t seed, const char *more,
                     const char *out)
{
    struct buf text = BUF_INIT;
    struct scenario_result result;
    char name[64];
    snprintf(name, sizeof(name), "%s-%llu", generator->name, (unsigned long long)seed);
    draw(generator, seed, more, &text);
    scenario_run(name, buf_string(&text), &result);
    bool ret = result.ok;
    if (!ret && out != NULL)
        keep_failure(generator, seed, &text, &result, out);
    else if (!ret)
        fprintf(stderr, "seed %llu failed: %s\n", (unsigned long long)seed, result.error);
    scenario_result_done(&result);
    buf_done(&text);
    return ret;
}

struct wish {
    uint64_t seed, count;
    double seconds;
    const char *out, *more;
    unsigned failures; /* ends after so many */
    bool print;
};

/* False: not understood. */
static bool parse(int argc, char **argv, struct wish *ret)
{
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(word, "--print") == 0) {
            ret->print = true;
            continue;
        }
        if (strcmp(word, "--first") == 0) {
            ret->failures = 1;
            ret->out = NULL;
            continue;
        }
        i++;
        if (strcmp(word, "--seed") == 0)
            ret->seed = strtoull(value, NULL, 10);
        else if (strcmp(word, "--count") == 0)
            ret->count = strtoull(value, NULL, 10);
        else if (strcmp(word, "--seconds") == 0)
            ret->seconds = strtod(value, NULL);
        else if (strcmp(word, "--out") == 0)
            ret->out = value;
        else if (strcmp(word, "--cluster") == 0)
            ret->more = value;
        else
            return false;
    }
    return true;
}

static int run_seeds(const struct generator *generator, const struct wish *wish)
{
    uint64_t passed = 0, failed = 0;
    double started = now_s();
    printf("%s: seeds %llu to %llu\n", generator->name, (unsigned long long)wish->seed,
           (unsigned long long)(wish->seed + wish->count - 1));
    fflush(stdout);
    for (uint64_t i = 0;
         i < wish->count && failed < wish->failures && now_s() - started < wish->seconds; i++) {
        if (run_seed(generator, wish->seed + i, wish->more, wish->out))
            passed++;
        else
            failed++;
    }
    printf("%s: %.1f s, %.0f seeds/s\n", generator->name, now_s() - started,
           (double)(passed + failed) / (now_s() - started));
    printf("%llu passed, %llu failed\n", (unsigned long long)passed, (unsigned long long)failed);
    return failed == 0 ? 0 : 1;
}

int simulate_main(const struct generator *generator, int argc, char **argv)
{
    struct wish wish = {
        .seed = 1, .count = 100, .seconds = 1e9, .out = "found", .more = "", .failures = 5};
    if (!parse(argc, argv, &wish)) {
        fprintf(stderr,
                "usage: %s [--seed S] [--count N] [--seconds S] [--out DIR] [--first] "
                "[--cluster 'store=rocks'] [--print]\n",
                argv[0]);
        return 2;
    }
    if (!wish.print)
        return run_seeds(generator, &wish);
    struct buf text = BUF_INIT;
    draw(generator, wish.seed, wish.more, &text);
    fwrite(text.data, 1, text.len, stdout);
    buf_done(&text);
    return 0;
}
