/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/options.h"

#include "client/client.h"
#include "client/url.h"

#include <stdlib.h>

static const char *const workload_names[BENCH_WORKLOADS] = {"single", "batch", "ndjson", "raw",
                                                            "page",   "point", "delete", "mixed"};

/* Targets of the flags that need more than to be stored. */
struct raw_flags {
    struct client_list targets;
    const char *encoding, *mix;
    bool is_help, is_version;
    bool has_preload;
};

/* clang-format off */
#define ROW(name_, letter_, kind_, target_, value_, help_, ...)                                    \
    {.name = (name_), .letter = (letter_), .kind = CLIENT_FLAG_##kind_, .target = (target_),       \
     .value = (value_), .help = (help_), __VA_ARGS__}
#define ROWS(options, raw) {                                                                       \
    ROW("target", 't', LIST, &(raw)->targets, "HOST:PORT,...", "servers, also https://; clients are spread over them (LETHE_SERVER)", .min = 0), \
    ROW("clients", 'c', NUMBER, &(options)->clients, "N", "connections, each with one request at a time (64)", .min = 1, .max = 10000), \
    ROW("threads", 0, NUMBER, &(options)->threads, "N", "event loops (1)", .min = 1, .max = 64),   \
    ROW("duration", 'd', TIME, &(options)->duration_ms, "TIME", "how long (10s)", .min = 0),       \
    ROW("count", 'n', NUMBER, &(options)->count, "N", "so many requests instead", .min = 1),       \
    ROW("warmup", 0, TIME, &(options)->warmup_ms, "TIME", "not counted, before it (0s)", .min = 0), \
    ROW("rate", 'r', NUMBER, &(options)->rate, "N", "requests a second, on a fixed schedule; latency counts from the time planned", .min = 1, .max = 10000000), \
    ROW("patience", 0, TIME, &(options)->patience_ms, "TIME", "of --rate: a request without a free connection for so long is counted as never sent (0s: always sent)", .min = 0), \
    ROW("impatient", 0, SWITCH, &(options)->is_impatient, NULL, "come back 50 ms after a refusal, whatever Retry-After says", .min = 0), \
    ROW("channels", 0, NUMBER, &(options)->channels, "N", "channels written and read (64)", .min = 1, .max = 10000000), \
    ROW("skew", 0, REAL, &(options)->skew, "S", "Zipf exponent of their popularity (0: all alike)", .min = 0), \
    ROW("channel-type", 0, NUMBER, &(options)->channel_type, "N", "(2)", .min = 0, .max = 255),    \
    ROW("prefix", 0, TEXT, &(options)->prefix, "TEXT", "of channel ids (made from the run's id)", .min = 0), \
    ROW("size", 's', NUMBER, &(options)->size, "BYTES", "of a payload (128)", .min = 32, .max = 1048576), \
    ROW("encoding", 0, TEXT, &(raw)->encoding, "utf8|base64", "of payloads in JSON (utf8)", .min = 0), \
    ROW("batch", 'b', NUMBER, &(options)->batch, "N", "messages in a request of batch, ndjson (100)", .min = 1, .max = 1024), \
    ROW("limit", 0, NUMBER, &(options)->page_limit, "N", "messages of a page (100)", .min = 1, .max = 10000), \
    ROW("delete-size", 0, NUMBER, &(options)->delete_size, "N", "messages of a delete (10000; mixed: up to 100)", .min = 1), \
    ROW("preload", 0, NUMBER, &(options)->preload, "N", "messages stored in each channel before page, point, delete, mixed", .min = 0, .max = 0, .is_given = &(raw)->has_preload), \
    ROW("mix", 0, TEXT, &(raw)->mix, "append=70,page=18,point=10,delete=2", "parts of mixed, in percent", .min = 0), \
    ROW("consistency", 0, TEXT, &(options)->consistency, "C", "of reads: linearizable, leader, local", .min = 0), \
    ROW("numbers", 0, SWITCH, &(options)->has_numbers, NULL, "give client_msg_no, and send again what has an unknown outcome", .min = 0), \
    ROW("timeout", 0, TIME, &(options)->timeout_ms, "TIME", "of one request (15s)", .min = 0),     \
    ROW("token", 0, TEXT, &(options)->token, "T", "who you are (LETHE_TOKEN)", .min = 0),          \
    ROW("cacert", 0, TEXT, &(options)->ca_file, "FILE", "PEM: who may vouch for https targets (LETHE_CACERT, else the system's)", .min = 0), \
    ROW("insecure", 0, SWITCH, &(options)->is_insecure, NULL, "believe any https target", .min = 0), \
    ROW("journal", 'j', TEXT, &(options)->journal, "FILE", "writes what was acknowledged; `verify` reads it", .min = 0), \
    ROW("verify", 0, SWITCH, &(options)->is_verify, NULL, "read everything back afterwards", .min = 0), \
    ROW("verify-local", 0, SWITCH, &(options)->is_verify_local, NULL, "and from each target's own state, too", .min = 0), \
    ROW("json", 0, SWITCH, &(options)->is_json, NULL, "figures as one JSON object", .min = 0),     \
    ROW("quiet", 'q', SWITCH, &(options)->is_quiet, NULL, "no progress lines", .min = 0),          \
    ROW("help", 'h', SWITCH, &(raw)->is_help, NULL, "this text", .min = 0),                        \
    ROW("version", 0, SWITCH, &(raw)->is_version, NULL, "print the version", .min = 0),            \
}
/* clang-format on */

const char *bench_workload_name(enum bench_workload workload)
{
    assert(workload < BENCH_WORKLOADS);
    return workload_names[workload];
}

bool bench_is_append(enum bench_workload workload)
{
    return workload == BENCH_SINGLE || workload == BENCH_BATCH || workload == BENCH_NDJSON ||
           workload == BENCH_RAW;
}

/* NULL when it is not set, or empty. */
static const char *variable_of(const char *name)
{
    const char *ret = getenv(name);
    return ret != NULL && ret[0] != '\0' ? ret : NULL;
}

static void set_defaults(struct bench_options *options)
{
    *options = (struct bench_options){.clients = 64,
                                      .threads = 1,
                                      .duration_ms = 10000,
                                      .channels = 64,
                                      .channel_type = 2,
                                      .size = 128,
                                      .batch = 100,
                                      .page_limit = 100,
                                      .timeout_ms = 15000,
                                      .mix = {70, 18, 10, 2},
                                      .token = variable_of("LETHE_TOKEN"),
                                      .ca_file = variable_of("LETHE_CACERT")};
}

static enum err add_targets(struct bench_options *options, struct raw_flags *raw, struct why *why)
{
    const char *variable = variable_of("LETHE_SERVER");
    enum err err = OK;
    if (raw->targets.count == 0)
        err = client_list_add(&raw->targets, variable != NULL ? variable : "127.0.0.1:5001", why);
    for (size_t i = 0; i < raw->targets.count && err == OK; i++) {
        struct client_server server;
        char text[CLIENT_URL_SERVER_MAX_BYTES];
        err = client_url_parse_server(raw->targets.items[i], &server, why);
        if (err == OK) {
            client_url_print_server(&server, text);
            err = client_list_add(&options->targets, text, why);
        }
    }
    client_list_done(&raw->targets);
    return err;
}

enum err bench_mix_parse(const char *text, struct bench_mix *ret_mix, struct why *why)
{
    struct client_list parts = {.count = 0};
    struct bench_mix mix = {0};
    enum err err = client_list_add(&parts, text, why);
    for (size_t i = 0; i < parts.count && err == OK; i++) {
        uint64_t percent = 0;
        char *value = strchr(parts.items[i], '=');
        if (value == NULL || !client_flag_number(value + 1, &percent) || percent > 100) {
            err = why_set(why, ERR_BAD_PARAMETER, "'%.40s' in --mix is not kind=percent",
                          parts.items[i]);
            break;
        }
        *value = '\0';
        uint32_t *part = strcmp(parts.items[i], "append") == 0   ? &mix.append
                         : strcmp(parts.items[i], "page") == 0   ? &mix.page
                         : strcmp(parts.items[i], "point") == 0  ? &mix.point
                         : strcmp(parts.items[i], "delete") == 0 ? &mix.delete
                                                                 : NULL;
        if (part == NULL)
            err = why_set(why, ERR_BAD_PARAMETER, "--mix has no part '%.40s'", parts.items[i]);
        else
            *part = (uint32_t)percent;
    }
    client_list_done(&parts);
    if (err == OK && mix.append + mix.page + mix.point + mix.delete != 100)
        err = why_set(why, ERR_BAD_PARAMETER, "the parts of --mix are %u %% in all, not 100",
                      mix.append + mix.page + mix.point + mix.delete);
    if (err == OK)
        *ret_mix = mix;
    return err;
}

static enum err set_workload(struct bench_options *options, const char *name, struct why *why)
{
    for (int i = 0; i < BENCH_WORKLOADS; i++) {
        if (strcmp(workload_names[i], name) == 0) {
            options->workload = (enum bench_workload)i;
            return OK;
        }
    }
    return why_set(why, ERR_BAD_PARAMETER, "there is no workload '%.40s'; try --help", name);
}

/* What depends on the workload unless it was said. */
static void set_dependent(struct bench_options *options, const struct raw_flags *raw)
{
    bool is_delete = options->workload == BENCH_DELETE;
    if (options->delete_size == 0)
        options->delete_size = is_delete ? 10000 : 100;
    if (!raw->has_preload && !bench_is_append(options->workload))
        options->preload = is_delete ? 10 * options->delete_size : 1000;
    if (options->threads > options->clients)
        options->threads = options->clients;
}

static enum err check(const struct bench_options *options, const struct raw_flags *raw,
                      enum bench_command command, struct why *why)
{
    if (raw->encoding != NULL && strcmp(raw->encoding, "utf8") != 0 && !options->is_base64)
        return why_set(why, ERR_BAD_PARAMETER, "encoding '%.40s' is not utf8 or base64",
                       raw->encoding);
    if (command == BENCH_VERIFY && options->journal == NULL)
        return why_set(why, ERR_BAD_PARAMETER, "verify needs --journal FILE");
    if (options->prefix != NULL && (strpbrk(options->prefix, " \t\r\n\"\\") != NULL ||
                                    options->prefix[0] == '\0' || strlen(options->prefix) > 100))
        return why_set(why, ERR_BAD_PARAMETER,
                       "--prefix must have 1 to 100 bytes, no blanks and no quotes");
    if (options->patience_ms != 0 && options->rate == 0)
        return why_set(why, ERR_BAD_PARAMETER, "--patience goes with --rate");
    if (options->rate != 0 && options->count == 0 && options->duration_ms == 0)
        return why_set(why, ERR_BAD_PARAMETER, "--rate needs a --duration or a --count");
    if (options->token != NULL && !client_is_plain(options->token))
        return why_set(why, ERR_BAD_PARAMETER, "a token has printable letters and no blanks");
    if (options->workload == BENCH_RAW && options->size > 1048576)
        return why_set(why, ERR_BAD_PARAMETER, "--size is at most 1048576");
    return OK;
}

enum err bench_options_parse(struct bench_options *options, int argc, char *const *argv,
                             enum bench_command *ret_command, struct why *why)
{
    struct raw_flags raw = {.encoding = NULL};
    const char *words[1] = {NULL};
    size_t words_count = 0;
    set_defaults(options);
    const struct client_flag rows[] = ROWS(options, &raw);
    enum bench_command command = BENCH_RUN;
    enum err err = client_flags_parse(rows, ARRAY_LEN(rows), NULL, NULL, argc - 1, argv + 1, words,
                                      ARRAY_LEN(words), &words_count, why);
    if (err == OK && (raw.is_help || raw.is_version)) {
        command = raw.is_help ? BENCH_HELP : BENCH_VERSION;
    } else if (err == OK) {
        if (words_count == 0)
            err = why_set(why, ERR_BAD_PARAMETER, "say which workload; try --help");
        else if (strcmp(words[0], "verify") == 0)
            command = BENCH_VERIFY;
        else
            err = set_workload(options, words[0], why);
        options->is_base64 = raw.encoding != NULL && strcmp(raw.encoding, "base64") == 0;
        if (err == OK && raw.mix != NULL)
            err = bench_mix_parse(raw.mix, &options->mix, why);
        if (err == OK)
            err = check(options, &raw, command, why);
        if (err == OK)
            err = add_targets(options, &raw, why);
        set_dependent(options, &raw);
    }
    client_list_done(&raw.targets);
    *ret_command = command;
    return err;
}

void bench_options_done(struct bench_options *options)
{
    client_list_done(&options->targets);
}

void bench_options_help(struct buf *out)
{
    static struct bench_options options;
    static struct raw_flags raw;
    const struct client_flag rows[] = ROWS(&options, &raw);
    buf_append_string(out,
                      "usage: lethe-bench WORKLOAD [FLAG ...]\n"
                      "       lethe-bench verify --journal FILE [--target ...] [--verify-local]\n"
                      "\n"
                      "workloads:\n"
                      "  single   one JSON message a request\n"
                      "  batch    --batch messages of one channel a request, JSON\n"
                      "  ndjson   the same as NDJSON\n"
                      "  raw      one message a request, its payload is the body\n"
                      "  page     a page of --limit messages from a random place\n"
                      "  point    one message by its seq\n"
                      "  delete   --delete-size messages a delete, each range once\n"
                      "  mixed    all of them, by --mix\n"
                      "\n");
    client_flags_help(rows, ARRAY_LEN(rows), NULL, NULL, out);
    buf_append_string(out,
                      "\nexit codes: 0 fine, 1 requests failed or something is missing, 2 usage,\n"
                      "3 no target reached\n");
}
