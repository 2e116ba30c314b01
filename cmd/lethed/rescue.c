/* SPDX-License-Identifier: Apache-2.0 */
/* lethed restore, lethed recover: the command lines of src/rescue, and who confirms.
 *
 *   lethed restore --from BACKUP --data-dir NEW --node-id 1 --cluster-id lethe-2 --journal deletes.ndjson
 *   lethed recover --survey DIR...
 *   lethed recover --commit --lost 2,3 --data-dir DIR --into NEW
 *
 * A recovery loses what only the lost nodes knew. So somebody types the cluster's id, or says
 * --yes-i-know with a --reason, which the report keeps. */
#include "lethed.h"
#include "rescue/rescue.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/random.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { JOURNALS_MAX = 1024 };

struct asked {
    const char *dirs[RESCUE_SOURCES_MAX];
    uint32_t dirs_count;
    const char *journals[JOURNALS_MAX];
    uint32_t journals_count;
    const char *into, *cluster_id, *address, *http_address, *reason;
    node_id lost[RESCUE_NODES_MAX];
    uint32_t lost_count;
    uint64_t node_id, seq_margin;
    bool accept_resurrection, has_survey, has_commit, is_json, is_sure;
};

/* ---- the command line ---------------------------------------------------------------------------------- */

#define RESTORE_USAGE                                                                              \
    "usage: lethed restore --from BACKUP [--from BACKUP ...] --data-dir NEW --node-id N\n"         \
    "                      --cluster-id ID [--journal FILE ...] [--accept-resurrection]\n"         \
    "                      [--seq-margin N] [--address HOST:PORT] [--http-address HOST:PORT]\n"    \
    "\n"                                                                                           \
    "Makes the data folder of a new cluster of one node out of backups, each of another node of\n" \
    "one cluster. The journal is what 'GET /v1/deletes?marks=1' gave as application/x-ndjson\n"    \
    "(scripts/ops/journal). --address is where other nodes will reach this one.\n"
#define RECOVER_USAGE                                                                              \
    "usage: lethed recover --survey [--json] DIR...\n"                                             \
    "       lethed recover --commit --lost N[,N ...] --data-dir DIR [--data-dir DIR ...]\n"        \
    "                      --into NEW [--node-id N] [--journal FILE ...]\n"                        \
    "                      [--accept-resurrection] [--seq-margin N] [--address HOST:PORT]\n"       \
    "                      [--http-address HOST:PORT] [--yes-i-know --reason TEXT]\n"              \
    "\n"                                                                                           \
    "After the loss of a majority: shows what the survivors know, and makes the data folder of\n"  \
    "a new cluster of one node out of them. What only the lost nodes knew is gone for ever.\n"

static bool read_u64(const char *text, uint64_t *ret)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    *ret = value;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
}

static bool add(const char **list, uint32_t *count, uint32_t max, const char *value)
{
    if (*count == max)
        return false;
    list[(*count)++] = value;
    return true;
}

/* "2,3" */
static bool read_lost(const char *text, struct asked *asked)
{
    for (const char *at = text; *at != '\0';) {
        char word[24] = "";
        uint64_t id = 0;
        size_t len = strcspn(at, ",");
        if (len == 0 || len >= sizeof(word) || asked->lost_count == RESCUE_NODES_MAX)
            return false;
        memcpy(word, at, len);
        if (!read_u64(word, &id) || id == 0 || id > UINT16_MAX)
            return false;
        asked->lost[asked->lost_count++] = (node_id)id;
        at += len + (at[len] == ',' ? 1 : 0);
    }
    return asked->lost_count > 0;
}

static bool read_flag(const char *word, struct asked *asked)
{
    static const struct {
        const char *name;
        size_t at;
    } flags[] = {{"--accept-resurrection", offsetof(struct asked, accept_resurrection)},
                 {"--survey", offsetof(struct asked, has_survey)},
                 {"--commit", offsetof(struct asked, has_commit)},
                 {"--json", offsetof(struct asked, is_json)},
                 {"--yes-i-know", offsetof(struct asked, is_sure)}};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (strcmp(word, flags[i].name) == 0) {
            *(bool *)((char *)asked + flags[i].at) = true;
            return true;
        }
    }
    return false;
}

static bool read_value(const char *word, const char *value, bool is_restore, struct asked *asked)
{
    const char *from = is_restore ? "--from" : "--data-dir",
               *to = is_restore ? "--data-dir" : "--into";
    if (strcmp(word, from) == 0)
        return add(asked->dirs, &asked->dirs_count, RESCUE_SOURCES_MAX, value);
    if (strcmp(word, "--journal") == 0)
        return add(asked->journals, &asked->journals_count, JOURNALS_MAX, value);
    if (strcmp(word, "--node-id") == 0)
        return read_u64(value, &asked->node_id) && asked->node_id != 0;
    if (strcmp(word, "--seq-margin") == 0)
        return read_u64(value, &asked->seq_margin);
    if (strcmp(word, "--lost") == 0 && !is_restore)
        return read_lost(value, asked);
    const char **texts[] = {&asked->into, &asked->cluster_id, &asked->address, &asked->http_address,
                            &asked->reason};
    const char *names[] = {to, is_restore ? "--cluster-id" : "", "--address", "--http-address",
                           is_restore ? "" : "--reason"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(word, names[i]) == 0) {
            *texts[i] = value;
            return true;
        }
    }
    return false;
}

/* False: a word is not understood; it was named. */
static bool parse(int argc, char **argv, bool is_restore, struct asked *asked)
{
    *asked = (struct asked){
        .seq_margin = RESCUE_MARGIN, .address = "", .http_address = "", .reason = ""};
    for (int i = 1; i < argc; i++) {
        bool is_folder = !is_restore && argv[i][0] != '-';
        bool is_good =
            is_folder ? add(asked->dirs, &asked->dirs_count, RESCUE_SOURCES_MAX, argv[i])
                      : read_flag(argv[i], asked) ||
                            (i + 1 < argc && read_value(argv[i], argv[i + 1], is_restore, asked));
        if (!is_good) {
            fprintf(stderr, "lethed %s: '%s' is not understood\n", argv[0], argv[i]);
            return false;
        }
        i += is_folder || read_flag(argv[i], asked) ? 0 : 1;
    }
    return true;
}

/* ---- what is printed -------------------------------------------------------------------------------------- */

static int fail(const char *name, enum err err, const struct why *why)
{
    fprintf(stderr, "lethed %s: %s\n", name, why->text[0] != '\0' ? why->text : err_sentence(err));
    return err_kind(err) == ERR_KIND_INPUT ? LETHED_BAD_CONFIG : LETHED_CANNOT_START;
}

static int print(struct buf *out)
{
    bool is_written = fwrite(out->data, 1, out->len, stdout) == out->len && fflush(stdout) == 0;
    buf_done(out);
    return is_written ? LETHED_OK : LETHED_CANNOT_START;
}

static void tell(const struct rescue_options *options, const struct rescue_report *report,
                 const char *path)
{
    printf("made '%s': node %" PRIu64 " of the new cluster '%s'\n"
           "  %" PRIu64 " entries of logs applied, %" PRIu64 " deletes of the journal replayed\n"
           "  %" PRIu64 " channels: last seq raised, by %" PRIu64 " at least\n",
           options->data_dir, (uint64_t)options->node_id, options->cluster_id, report->entries,
           report->deletes, report->channels, options->seq_margin);
    if (report->unknown_max > 0)
        printf("  deletes are unknown, at least %" PRIu64 ": what they deleted can be read again\n",
               report->unknown_min);
    printf("  the report: %s\n"
           "start it with cluster.id '%s', node.id %" PRIu64 ", itself as the only member and %u "
           "slots; then add nodes with empty data folders\n",
           path, options->cluster_id, (uint64_t)options->node_id,
           options->sources[0].identity.slot_count);
}

static int build(const char *name, struct rescue_options *options)
{
    struct rescue_report report = {0};
    struct why why = {0};
    struct buf text = BUF_INIT, path = BUF_INIT;
    options->now_ms = clock_wall_ms();
    options->incarnation = random_u64();
    enum err err = rescue_build(options, &report, &why);
    if (err == OK) {
        buf_printf(&path, "%s/%s.json", options->data_dir, options->cause);
        rescue_print_report(options, &report, &text);
        err = file_write_atomic(buf_string(&path), buf_bytes(&text), 0600, &why);
    }
    if (err == OK)
        tell(options, &report, buf_string(&path));
    int code = err == OK ? LETHED_OK : fail(name, err, &why);
    rescue_report_done(&report);
    buf_done(&text);
    buf_done(&path);
    return code;
}

static struct rescue_options options_of(const struct asked *asked,
                                        const struct rescue_source *sources)
{
    return (struct rescue_options){.sources = sources,
                                   .sources_count = asked->dirs_count,
                                   .data_dir = asked->into,
                                   .cluster_id = asked->cluster_id,
                                   .node_id = (node_id)asked->node_id,
                                   .address = asked->address,
                                   .http_address = asked->http_address,
                                   .journals = asked->journals,
                                   .journals_count = asked->journals_count,
                                   .accept_resurrection = asked->accept_resurrection,
                                   .seq_margin = asked->seq_margin,
                                   .reason = asked->reason};
}

/* ---- restore ------------------------------------------------------------------------------------------------ */

int lethed_restore(int argc, char **argv)
{
    struct asked asked;
    struct rescue_source *sources = NULL;
    struct why why = {0};
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return printf(RESTORE_USAGE) > 0 ? LETHED_OK : LETHED_CANNOT_START;
    if (!parse(argc, argv, true, &asked) || asked.has_survey || asked.has_commit || asked.is_json ||
        asked.is_sure || asked.dirs_count == 0 || asked.into == NULL || asked.cluster_id == NULL ||
        asked.node_id == 0) {
        fputs(RESTORE_USAGE, stderr);
        return LETHED_BAD_CONFIG;
    }
    enum err err = rescue_open(asked.dirs, asked.dirs_count, &sources, &why);
    if (err != OK)
        return fail(argv[0], err, &why);
    struct rescue_options options = options_of(&asked, sources);
    options.cause = "restore";
    options.needs_journal = true;
    int code = build(argv[0], &options);
    rescue_close(sources, asked.dirs_count);
    return code;
}

/* ---- recover -------------------------------------------------------------------------------------------------- */

static int survey(const struct asked *asked, const struct rescue_source *sources)
{
    struct buf out = BUF_INIT;
    if (asked->is_json)
        rescue_print_survey_json(sources, asked->dirs_count, &out);
    else
        rescue_print_survey(sources, asked->dirs_count, &out);
    return print(&out);
}

/* Somebody reads what is about to be lost, and types the cluster's id. */
static bool is_confirmed(const struct asked *asked, const struct rescue_source *sources)
{
    const char *id = sources[0].identity.cluster_id;
    char line[128] = "";
    if (asked->is_sure)
        return true;
    if (isatty(STDIN_FILENO) == 0) {
        fputs("lethed recover: nobody can be asked here: say --yes-i-know and --reason\n", stderr);
        return false;
    }
    (void)survey(asked, sources);
    fprintf(stderr,
            "What only the lost nodes knew will be gone for ever, and they can never come back.\n"
            "Type the id of the cluster, '%s', to go on: ",
            id);
    if (fgets(line, sizeof(line), stdin) == NULL)
        return false;
    line[strcspn(line, "\n")] = '\0';
    if (strcmp(line, id) == 0)
        return true;
    fputs("lethed recover: that is not its id: nothing was done\n", stderr);
    return false;
}

static int commit(struct asked *asked, const struct rescue_source *sources)
{
    struct why why = {0};
    char cluster_id[65];
    enum err err =
        rescue_check_lost(sources, asked->dirs_count, asked->lost, asked->lost_count, &why);
    if (err == OK)
        err = rescue_next_cluster_id(sources[0].identity.cluster_id, cluster_id, &why);
    if (err != OK)
        return fail("recover", err, &why);
    if (!is_confirmed(asked, sources))
        return LETHED_CANNOT_START;
    asked->cluster_id = cluster_id;
    if (asked->node_id == 0)
        asked->node_id = sources[0].identity.node_id;
    struct rescue_options options = options_of(asked, sources);
    options.cause = "recovery";
    return build("recover", &options);
}

int lethed_recover(int argc, char **argv)
{
    struct asked asked;
    struct rescue_source *sources = NULL;
    struct why why = {0};
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return printf(RECOVER_USAGE) > 0 ? LETHED_OK : LETHED_CANNOT_START;
    if (!parse(argc, argv, false, &asked) || asked.has_survey == asked.has_commit ||
        asked.dirs_count == 0 ||
        (asked.has_commit && (asked.into == NULL || asked.lost_count == 0 || asked.is_json)) ||
        (asked.is_sure && asked.reason[0] == '\0')) {
        fputs(RECOVER_USAGE, stderr);
        return LETHED_BAD_CONFIG;
    }
    enum err err = rescue_open(asked.dirs, asked.dirs_count, &sources, &why);
    if (err != OK)
        return fail(argv[0], err, &why);
    int code = asked.has_survey ? survey(&asked, sources) : commit(&asked, sources);
    rescue_close(sources, asked.dirs_count);
    return code;
}
