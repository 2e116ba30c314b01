/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <assert.h>
#include <string.h>

static const struct {
    const char *slug;
    enum err_kind kind;
    const char *sentence;
} rows[ERR_COUNT] = {[OK] = {"ok", ERR_KIND_NONE, "success"},
#define X(symbol, slug, kind, sentence) [ERR_##symbol] = {slug, ERR_KIND_##kind, sentence},
                     ERR_TABLE(X)
#undef X
};

const char *err_slug(enum err err)
{
    assert((unsigned)err < ERR_COUNT);
    return rows[err].slug;
}

const char *err_sentence(enum err err)
{
    assert((unsigned)err < ERR_COUNT);
    return rows[err].sentence;
}

enum err_kind err_kind(enum err err)
{
    assert((unsigned)err < ERR_COUNT);
    return rows[err].kind;
}

enum err err_from_slug(const char *slug)
{
    for (int i = 0; i < ERR_COUNT; i++) {
        if (strcmp(rows[i].slug, slug) == 0)
            return (enum err)i;
    }
    return ERR_INTERNAL;
}
