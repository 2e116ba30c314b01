/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/bench.h"

#include "base/alloc.h"
#include "bench/load.h"
#include "bench/report.h"
#include "bench/tls.h"
#include "bench/verify.h"
#include "client/client.h"
#include "sys/random.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

static volatile int is_interrupted;

static void on_signal(int number)
{
    (void)number;
    is_interrupted = 1;
}

static int fail(int code, const char *format, ...)
{
    va_list args;
    fputs("lethe-bench: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return code;
}

static int write_out(struct buf *text)
{
    bool is_written = fwrite(text->data, 1, text->len, stdout) == text->len && fflush(stdout) == 0;
    buf_done(text);
    return is_written ? BENCH_OK : fail(BENCH_FAILED, "cannot write to standard output");
}

/* A local read may be of a member that has not applied the end of the preload yet. */
enum { PRELOAD_SETTLE_US = 500000 };

/* One run: the parts that live from preload to verification. */
struct bench {
    struct bench_options options;
    struct journal_head head;
    struct journal *journal;         /* owned; NULL: nothing is kept */
    atomic_uint_fast64_t *last_seqs; /* owned */
    uint64_t *next_numbers;          /* owned; one for each client */
    struct load_counts *counts;      /* owned */
    double seconds;
};

static enum err check_reachable(struct bench *bench, struct why *why)
{
    const struct client_options options = {
        .servers = (const char *const *)bench->options.targets.items,
        .servers_count = bench->options.targets.count,
        .timeout_ms = 5000,
        .token = bench->options.token,
        .ca_file = bench->options.ca_file,
        .is_insecure = bench->options.is_insecure,
    };
    const struct client_request request = {
        .method = CLIENT_GET, .path = "/livez", .accept = "text/plain", .may_repeat = true};
    struct client *client = client_new(&options);
    struct client_reply reply;
    client_reply_init(&reply);
    enum err err = client_call(client, &request, &reply, why);
    client_reply_done(&reply);
    client_free(client);
    return err;
}

static enum err prepare(struct bench *bench, struct why *why)
{
    const struct bench_options *options = &bench->options;
    struct journal_head *head = &bench->head;
    head->size = options->size;
    head->channels = options->channels;
    head->channel_type = options->channel_type;
    snprintf(head->run, sizeof(head->run), "r%08x", (unsigned)(random_u64() >> 32));
    if (options->prefix != NULL)
        snprintf(head->prefix, sizeof(head->prefix), "%s", options->prefix);
    else
        snprintf(head->prefix, sizeof(head->prefix), "bench-%s-", head->run);
    bench->last_seqs = alloc_array(options->channels, sizeof(*bench->last_seqs));
    bench->next_numbers = alloc_array(options->clients, sizeof(*bench->next_numbers));
    bench->counts = alloc_zero(sizeof(*bench->counts));
    if (options->journal == NULL && !options->is_verify && !options->is_verify_local)
        return OK;
    return journal_create(options->journal, head, &bench->journal, why);
}

static enum err run_part(struct bench *bench, bool is_preload, struct why *why)
{
    struct load load;
    enum err err = load_init(&load, &bench->options, &bench->head, bench->journal, bench->last_seqs,
                             is_preload, why);
    if (err == OK)
        err = load_run(&load, bench->next_numbers, &is_interrupted, bench->counts, &bench->seconds,
                       why);
    if (load.tls != NULL && tls_fault(load.tls)[0] != '\0')
        fprintf(stderr, "lethe-bench: %s\n", tls_fault(load.tls));
    uint64_t faults = bench->counts->refused + bench->counts->unknown + bench->counts->failed;
    if (err == OK && load.sample[0] != '\0')
        fprintf(stderr, "lethe-bench: the first bad answer: %s\n", load.sample);
    if (err == OK && is_preload && faults != 0)
        err = why_set(why, ERR_IO, "%llu requests of the preload were not answered as hoped",
                      (unsigned long long)faults);
    load_done(&load);
    return err;
}

static int verify_parts(const struct bench_options *options, const char *path,
                        struct journal *journal, struct buf *out, struct verify_result *ret_result)
{
    struct verify_result local;
    struct why why = {0};
    bool strict = journal != NULL;
    int code = BENCH_OK;
    if (journal != NULL && journal_close(journal, &why) != OK)
        return fail(BENCH_FAILED, "%s", why.text);
    if (verify_run(options, path, journal, strict, false, ret_result, &why) != OK)
        return fail(BENCH_FAILED, "verify: %s", why.text);
    report_verify("verified", ret_result, out);
    code = verify_faults(ret_result) != 0 ? BENCH_FAILED : BENCH_OK;
    if (!options->is_verify_local)
        return code;
    if (journal != NULL && journal_close(journal, &why) != OK)
        return fail(BENCH_FAILED, "%s", why.text);
    if (verify_run(options, path, journal, strict, true, &local, &why) != OK)
        return fail(BENCH_FAILED, "verify: %s", why.text);
    report_verify("verified on each target", &local, out);
    return verify_faults(&local) != 0 ? BENCH_FAILED : code;
}

static int run_load(struct bench *bench)
{
    const struct bench_options *options = &bench->options;
    struct why why = {0};
    struct buf out = BUF_INIT;
    struct verify_result verified = {0};
    bool has_verified = options->is_verify || options->is_verify_local;
    if (check_reachable(bench, &why) != OK)
        return fail(BENCH_UNREACHABLE, "%s", why.text);
    enum err err = prepare(bench, &why);
    if (err == OK && options->preload != 0 && !bench_is_append(options->workload)) {
        err = run_part(bench, true, &why);
        bool is_local = options->consistency != NULL && strcmp(options->consistency, "local") == 0;
        if (err == OK && is_local && !is_interrupted)
            usleep(PRELOAD_SETTLE_US);
    }
    if (err == OK && !is_interrupted)
        err = run_part(bench, false, &why);
    if (err != OK)
        return fail(BENCH_FAILED, "%s", why.text);
    report_run(options, bench->counts, bench->seconds, &out);
    int code = bench->counts->failed != 0 || bench->counts->requests == 0 ? BENCH_FAILED : BENCH_OK;
    if (has_verified) {
        int verified_code =
            verify_parts(options, options->journal, bench->journal, &out, &verified);
        code = verified_code != BENCH_OK ? verified_code : code;
    } else if (bench->journal != NULL && journal_close(bench->journal, &why) != OK) {
        code = fail(BENCH_FAILED, "%s", why.text);
    }
    if (options->is_json) {
        buf_clear(&out);
        report_run_json(options, bench->counts, bench->seconds, has_verified ? &verified : NULL,
                        &out);
    }
    int written = write_out(&out);
    return code != BENCH_OK ? code : written;
}

static int run_verify(const struct bench_options *options)
{
    struct buf out = BUF_INIT;
    struct verify_result result = {0};
    int code = verify_parts(options, options->journal, NULL, &out, &result);
    if (options->is_json) {
        buf_clear(&out);
        report_verify_json(&result, &out);
        buf_append_string(&out, "\n");
    }
    int written = write_out(&out);
    return code != BENCH_OK ? code : written;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int bench_main(int argc, char **argv)
{
    struct bench bench = {.journal = NULL};
    enum bench_command command = BENCH_HELP;
    struct buf text = BUF_INIT;
    struct why why = {0};
    int code = BENCH_OK;
    enum err err = bench_options_parse(&bench.options, argc, argv, &command, &why);
    if (err != OK) {
        code = fail(BENCH_USAGE, "%s", why.text);
    } else if (command == BENCH_HELP || command == BENCH_VERSION) {
        if (command == BENCH_HELP)
            bench_options_help(&text);
        else
            buf_printf(&text, "lethe-bench %s\n", LETHE_VERSION);
        code = write_out(&text);
    } else {
        catch_signals();
        code = command == BENCH_RUN ? run_load(&bench) : run_verify(&bench.options);
    }
    journal_free(bench.journal);
    free(bench.last_seqs);
    free(bench.next_numbers);
    free(bench.counts);
    bench_options_done(&bench.options);
    return code;
}
