/* SPDX-License-Identifier: Apache-2.0 */
/* A file is a block of 512 bytes that says what it is, then its bytes, filled up to whole blocks; two
 * empty blocks are the end. Numbers are octal text; the sum counts the head with blanks in its place. */
#include "ctl/tar.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

enum { BLOCK = 512 };

struct head {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100];
    char magic[6], version[2], user[32], group[32], dev_major[8], dev_minor[8], prefix[155];
    char filler[12];
};
static_assert(sizeof(struct head) == BLOCK, "a head is one block");

static void pad(struct buf *archive)
{
    static const uint8_t zeros[BLOCK];
    size_t rest = archive->len % BLOCK;
    if (rest > 0)
        buf_append(archive, zeros, BLOCK - rest);
}

void ctl_tar_add(struct buf *archive, const char *name, struct bytes content, uint64_t time_s)
{
    struct head head;
    unsigned sum = 0;
    assert(strlen(name) <= CTL_TAR_NAME_MAX_BYTES && archive->len % BLOCK == 0);
    memset(&head, 0, sizeof(head));
    memcpy(head.name, name, strlen(name));
    snprintf(head.mode, sizeof(head.mode), "%07o", 0600u);
    snprintf(head.uid, sizeof(head.uid), "%07o", 0u);
    snprintf(head.gid, sizeof(head.gid), "%07o", 0u);
    snprintf(head.size, sizeof(head.size), "%011llo", (unsigned long long)content.len);
    snprintf(head.mtime, sizeof(head.mtime), "%011llo", (unsigned long long)time_s);
    head.type = '0';
    memcpy(head.magic, "ustar", 6);
    memcpy(head.version, "00", 2);
    memset(head.sum, ' ', sizeof(head.sum));
    for (size_t i = 0; i < sizeof(head); i++)
        sum += ((const uint8_t *)&head)[i];
    snprintf(head.sum, sizeof(head.sum), "%06o", sum);
    head.sum[7] = ' ';
    buf_append(archive, &head, sizeof(head));
    buf_append_bytes(archive, content);
    pad(archive);
}

void ctl_tar_end(struct buf *archive)
{
    static const uint8_t zeros[2 * BLOCK];
    buf_append(archive, zeros, sizeof(zeros));
}
