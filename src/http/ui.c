/* SPDX-License-Identifier: Apache-2.0 */
/* The status page: files of src/http/ui that the build puts into the program. They ask the same
 * routes as everybody else; nothing they need comes from elsewhere, and the browser is told so. */
#include "base/hash.h"
#include "http/handlers.h"
#include "http/reply.h"
#include "ui_files.h" /* made from src/http/ui */

static const struct ui_file {
    const char *name;
    struct bytes content;
    enum media media;
} files[] = {
    {"", {ui_index_html, sizeof(ui_index_html)}, MEDIA_HTML},
    {"app.css", {ui_app_css, sizeof(ui_app_css)}, MEDIA_CSS},
    {"app.js", {ui_app_js, sizeof(ui_app_js)}, MEDIA_SCRIPT},
    {"icon.svg", {ui_icon_svg, sizeof(ui_icon_svg)}, MEDIA_SVG},
};

static const char content_policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static void send_file(struct request *req, const struct ui_file *file)
{
    snprintf(req->etag, sizeof(req->etag), "\"%016llx\"",
             (unsigned long long)hash64_of(file->content, 0));
    reply_header(req, "Content-Security-Policy", content_policy);
    reply_header(req, "X-Content-Type-Options", "nosniff");
    reply_header(req, "Referrer-Policy", "no-referrer");
    reply_header(req, "Cache-Control", "no-cache");
    if (reply_is_unchanged(req))
        return;
    buf_append(&req->out, file->content.data, file->content.len);
    reply_send(req, 200, file->media);
}

void ui_run(struct request *req)
{
    send_file(req, &files[0]);
}

void ui_file_run(struct request *req)
{
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        if (bytes_is_equal(req->name, bytes_of_string(files[i].name))) {
            send_file(req, &files[i]);
            return;
        }
    }
    struct why why;
    why_set(&why, ERR_NOT_FOUND, "the status page has no file of this name: it begins at /ui/");
    reply_problem(req, ERR_NOT_FOUND, &why);
}
