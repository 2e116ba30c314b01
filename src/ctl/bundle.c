/* SPDX-License-Identifier: Apache-2.0 */
/* debug bundle: what somebody who helps needs to see, in one tar file, without secrets: every answer
 * of every node that says how it is, and the ends of the logs that are named. No message and no
 * delete is in it; names of channels may be in logs. */
#include "client/url.h"
#include "ctl/redact.h"
#include "ctl/show.h"
#include "ctl/survey.h"
#include "ctl/tar.h"
#include "sys/clock.h"
#include "sys/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { LOG_MAX_BYTES = 16 * 1024 * 1024, BUNDLE_MAX_BYTES = 512 * 1024 * 1024 };

struct bundle {
    struct ctl *ctl;
    struct buf archive;
    struct buf faults; /* what could not be had, a line each */
    char folder[48];
    uint64_t time_s;
    size_t files;
};

static const struct {
    const char *path, *name, *accept;
} asked[] = {
    {"/version", "version.json", "application/json"},
    {"/readyz?verbose=1", "readyz.txt", "text/plain"},
    {"/v1/cluster", "cluster.json", "application/json"},
    {"/v1/slots", "slots.json", "application/json"},
    {"/v1/admin/config", "config.json", "application/json"},
    {"/v1/admin/placement", "placement.json", "application/json"},
    {"/v1/jobs", "jobs.json", "application/json"},
    {"/v1/alarms", "alarms.json", "application/json"},
    {"/metrics", "metrics.txt", "text/plain"},
};

static void add_file(struct bundle *bundle, const char *name, struct bytes content)
{
    struct buf clean = BUF_INIT, path = BUF_INIT;
    ctl_redact(content, bundle->ctl->context.token, &clean);
    buf_printf(&path, "%s/%s", bundle->folder, name);
    if (bundle->archive.len + clean.len > BUNDLE_MAX_BYTES || path.len > CTL_TAR_NAME_MAX_BYTES) {
        buf_printf(&bundle->faults, "%s: too large, left out\n", name);
    } else {
        ctl_tar_add(&bundle->archive, buf_string(&path), buf_bytes(&clean), bundle->time_s);
        bundle->files++;
    }
    buf_done(&clean);
    buf_done(&path);
}

static void add_node(struct bundle *bundle, struct ctl_survey *survey, const struct ctl_node *node)
{
    struct client_reply reply;
    client_reply_init(&reply);
    if (!node->has_server)
        buf_printf(&bundle->faults, "node %llu: %s\n", (unsigned long long)node->id, node->problem);
    for (size_t i = 0; node->has_server && i < ARRAY_LEN(asked); i++) {
        char name[64];
        struct why why = {0};
        snprintf(name, sizeof(name), "node-%llu/%s", (unsigned long long)node->id, asked[i].name);
        if (ctl_survey_get(survey, node, asked[i].path, asked[i].accept, &reply, &why) != CTL_OK) {
            buf_printf(&bundle->faults, "%s: %s\n", name, why.text);
            continue;
        }
        if (reply.status != 200)
            buf_printf(&bundle->faults, "%s: status %d\n", name, reply.status);
        add_file(bundle, name, buf_bytes(&reply.body));
    }
    client_reply_done(&reply);
}

/* The end of a log file, from a whole line on. */
static int add_log(struct bundle *bundle, size_t number, const char *path)
{
    int fd = -1;
    uint64_t size = 0;
    size_t len = 0;
    struct why why = {0};
    struct buf text = BUF_INIT;
    char name[96];
    enum err err = file_size(path, &size, &why);
    if (err == OK)
        err = file_open(path, O_RDONLY, 0, &fd, &why);
    uint64_t start = size > LOG_MAX_BYTES ? size - LOG_MAX_BYTES : 0;
    if (err == OK) {
        uint8_t *to = buf_extend(&text, (size_t)(size - start));
        err = file_pread(fd, to, (size_t)(size - start), start, &len, &why);
        text.len = len;
    }
    if (fd >= 0)
        close(fd);
    if (err == OK) {
        struct bytes all = buf_bytes(&text);
        const uint8_t *line = start > 0 && len > 0 ? memchr(all.data, '\n', all.len) : NULL;
        size_t cut = line != NULL ? (size_t)(line - all.data) + 1 : 0;
        const char *base = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
        snprintf(name, sizeof(name), "logs/%zu-%.32s", number, base);
        add_file(bundle, name, bytes_of(all.data + cut, all.len - cut));
    }
    buf_done(&text);
    return err == OK ? CTL_OK : ctl_fail(CTL_LOCAL, "log '%s': %s", path, why.text);
}

static void add_summary(struct bundle *bundle)
{
    struct buf text = BUF_INIT;
    if (ctl_status_text(bundle->ctl, &text) != CTL_UNREACHABLE)
        add_file(bundle, "status.txt", buf_bytes(&text));
    buf_clear(&text);
    buf_printf(&text, "lethectl %s\n", LETHE_VERSION);
    for (size_t i = 0; i < client_servers_count(bundle->ctl->client); i++)
        buf_printf(&text, "server %s\n", client_server(bundle->ctl->client, i));
    add_file(bundle, "lethectl.txt", buf_bytes(&text));
    if (bundle->faults.len > 0)
        add_file(bundle, "missing.txt", buf_bytes(&bundle->faults));
    buf_done(&text);
}

static int write_bundle(struct bundle *bundle, const char *path)
{
    struct why why = {0};
    ctl_tar_end(&bundle->archive);
    if (file_write_atomic(path, buf_bytes(&bundle->archive), 0600, &why) != OK)
        return ctl_fail(CTL_LOCAL, "%s", why.text);
    struct buf out = BUF_INIT;
    buf_printf(&out, "%s\n", path);
    if (!bundle->ctl->flags.is_quiet) {
        ctl_fail(CTL_OK,
                 "%zu files, %zu bytes; secrets are taken out, but look at it before you "
                 "send it",
                 bundle->files, bundle->archive.len);
        fputs(buf_string(&bundle->faults), stderr);
    }
    int code = ctl_write(buf_bytes(&out));
    buf_done(&out);
    return code;
}

int ctl_run_debug_bundle(struct ctl *ctl)
{
    struct bundle bundle = {.ctl = ctl, .archive = BUF_INIT, .faults = BUF_INIT};
    struct ctl_survey *survey = NULL;
    char time[CLOCK_TEXT_SIZE], name[80];
    uint64_t now_ms = clock_wall_ms();
    clock_format(now_ms, time);
    bundle.time_s = now_ms / 1000;
    snprintf(bundle.folder, sizeof(bundle.folder), "lethe-debug-%.4s%.2s%.2sT%.2s%.2s%.2sZ", time,
             time + 5, time + 8, time + 11, time + 14, time + 17);
    snprintf(name, sizeof(name), "%s.tar", bundle.folder);
    const char *path = ctl->flags.file != NULL ? ctl->flags.file : name;
    if (file_is_there(path) && !ctl->flags.is_yes)
        return ctl_fail(CTL_USAGE, "'%s' is there already: another --file, or --yes", path);
    int code = ctl_survey_take(ctl, &survey);
    for (size_t i = 0; code == CTL_OK && i < ctl->flags.logs.count; i++)
        code = add_log(&bundle, i + 1, ctl->flags.logs.items[i]);
    for (size_t i = 0; code == CTL_OK && i < survey->nodes_count; i++)
        add_node(&bundle, survey, &survey->nodes[i]);
    if (code == CTL_OK)
        add_summary(&bundle);
    if (code == CTL_OK)
        code = write_bundle(&bundle, path);
    ctl_survey_free(survey);
    buf_done(&bundle.archive);
    buf_done(&bundle.faults);
    return code;
}
