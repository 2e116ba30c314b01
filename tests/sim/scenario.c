/* SPDX-License-Identifier: Apache-2.0 */
#include "scenario.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "language.h"

enum { CONVERGE_TICKS = 600, LAST_EVENTS = 50 };

/* A program links the back ends that it wants: sim-core has no whole nodes, sim-node no bare core. */
#pragma weak backend_core
#pragma weak backend_node
static const struct backend *const backends[] = {&backend_core, &backend_node};

/* An assert of the core is a finding like any other: it ends the scenario, not the program.
 * The core is single-threaded and holds nothing outside its structs, so that leaving it is safe;
 * what it had allocated is given up. */
static sigjmp_buf on_abort;
static volatile sig_atomic_t abort_is_caught;

static void caught_abort(int signal)
{
    if (abort_is_caught)
        siglongjmp(on_abort, signal);
}

static void fail(struct scenario_result *ret, unsigned line, const char *text, const char *error)
{
    ret->ok = false;
    ret->line = line;
    snprintf(ret->text, sizeof(ret->text), "%s", text);
    snprintf(ret->error, sizeof(ret->error), "%s", error);
    if ((error[0] == 'V' || error[0] == 'I') && error[1] >= '0' && error[1] <= '9')
        snprintf(ret->invariant, sizeof(ret->invariant), "%.*s", (int)strcspn(error, ":"), error);
    else
        snprintf(ret->invariant, sizeof(ret->invariant), "expect");
}

static const struct backend *backend_of(const struct words *words)
{
    const char *on = words_option(words, "on");
    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
        if (backends[i] != NULL && strcmp(backends[i]->name, on == NULL ? "core" : on) == 0)
            return backends[i];
    }
    return NULL;
}

struct run {
    const struct backend *backend;
    void *self;
    bool lenient, converged;
};

/* False: the scenario ends here, *ret says why. */
static bool run_line(struct run *run, unsigned number, const char *line, struct words *words,
                     struct scenario_result *ret)
{
    const char *verb = words->word[0];
    if (strcmp(verb, "lenient") == 0) {
        run->lenient = true;
        return true;
    }
    if (strcmp(verb, "cluster") == 0) {
        run->backend = run->self == NULL ? backend_of(words) : NULL;
        if (run->backend == NULL) {
            fail(ret, number, line, "unknown back end, or a second cluster");
            return false;
        }
        run->self = run->backend->make(words, &ret->transcript);
        return true;
    }
    if (run->self == NULL) {
        fail(ret, number, line, "the first command must be `cluster`");
        return false;
    }
    enum step step;
    if (strcmp(verb, "converge") == 0) {
        run->converged = true;
        step = run->backend->converge(run->self, words_number(words, "within", CONVERGE_TICKS));
    } else {
        buf_append_string(&ret->transcript, "> ");
        buf_append_string(&ret->transcript, line);
        buf_put_u8(&ret->transcript, '\n');
        step = run->backend->command(run->self, words);
    }
    if (step == STEP_OK || (step == STEP_NOTHING && run->lenient))
        return true;
    if (step == STEP_NOTHING)
        fail(ret, number, line, "the command had nothing to do");
    else if (step == STEP_UNKNOWN)
        fail(ret, number, line, "unknown word or argument");
    else
        fail(ret, number, line, run->backend->error(run->self));
    return false;
}

static bool run_lines(struct run *run, const char *text, struct scenario_result *ret,
                      volatile unsigned *number)
{
    char line[1024];
    struct words words;
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        snprintf(line, sizeof(line), "%.*s", (int)len, text);
        text += text[len] == '\n' ? len + 1 : len;
        (*number)++;
        if (words_parse(&words, line) && !run_line(run, *number, line, &words, ret))
            return false;
    }
    if (run->self != NULL && !run->converged) {
        words_parse(&words, "converge");
        return run_line(run, *number, "(converge at the end)", &words, ret);
    }
    return true;
}

void scenario_run(const char *name, const char *text, struct scenario_result *ret)
{
    struct run *run = calloc(1, sizeof(*run));
    volatile unsigned number = 0;
    memset(ret, 0, sizeof(*ret));
    ret->ok = true;
    snprintf(ret->name, sizeof(ret->name), "%s", name);
    struct sigaction action = {.sa_handler = caught_abort, .sa_flags = SA_NODEFER}, before;
    sigaction(SIGABRT, &action, &before);
    if (sigsetjmp(on_abort, 1) == 0) {
        abort_is_caught = 1;
        run_lines(run, text, ret, &number);
        abort_is_caught = 0;
        if (run->self != NULL)
            run->backend->free(run->self);
    } else {
        abort_is_caught = 0;
        fail(ret, number, "", "assert: see stderr");
        snprintf(ret->invariant, sizeof(ret->invariant), "assert");
    }
    sigaction(SIGABRT, &before, NULL);
    free(run);
}

void scenario_report(const struct scenario_result *result, FILE *out)
{
    const uint8_t *data = result->transcript.data;
    size_t at = result->transcript.len;
    for (int events = 0; at > 0; at--) {
        if (data[at - 1] == '\n' && ++events > LAST_EVENTS)
            break;
    }
    fwrite(data + at, 1, result->transcript.len - at, out);
    fprintf(out, "%s:%u: %s\n    %s\n", result->name, result->line, result->error, result->text);
}

void scenario_result_done(struct scenario_result *result)
{
    buf_done(&result->transcript);
}
