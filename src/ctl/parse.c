/* SPDX-License-Identifier: Apache-2.0 */
#include "client/url.h"
#include "ctl/command.h"

enum err ctl_parse_channel(const char *text, struct ctl_channel *ret_channel, struct why *why)
{
    uint32_t type = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9' && type <= 255; at++)
        type = type * 10 + (uint32_t)(*at - '0');
    if (at == text || *at != '/')
        return why_set(why, ERR_BAD_CHANNEL, "'%.80s' is not TYPE/ID, as in 2/room-1", text);
    if (type > 255)
        return why_set(why, ERR_BAD_CHANNEL, "the type of '%.80s' is larger than 255", text);
    const struct channel channel = {(uint8_t)type, bytes_of_string(at + 1)};
    enum err err = channel_check(channel, why);
    if (err == OK)
        *ret_channel = (struct ctl_channel){(uint8_t)type, at + 1};
    return err;
}

enum err ctl_parse_range(const char *text, uint64_t *ret_start, uint64_t *ret_end, struct why *why)
{
    char first[24];
    size_t len = strcspn(text, "-");
    uint64_t start = 0, end = 0;
    bool is_good = len < sizeof(first);
    if (is_good) {
        memcpy(first, text, len);
        first[len] = '\0';
        is_good = client_flag_number(first, &start);
    }
    if (is_good && text[len] == '-')
        is_good = client_flag_number(text + len + 1, &end);
    else
        end = start;
    if (!is_good)
        return why_set(why, ERR_BAD_RANGE, "'%.60s' is not a seq or a range, as in 7 or 100-200",
                       text);
    if (start == 0 || start > end)
        return why_set(why, ERR_BAD_RANGE, "'%.60s' must run upwards from at least 1", text);
    *ret_start = start;
    *ret_end = end;
    return OK;
}

void ctl_channel_path(const struct ctl_channel *channel, const char *suffix, struct buf *path)
{
    buf_printf(path, "/v1/channels/%u/", channel->type);
    client_url_append_encoded(path, bytes_of_string(channel->id));
    buf_append_string(path, suffix);
}

bool ctl_is_yes(const char *line)
{
    static const char *const words[] = {"y", "yes"};
    size_t start = strspn(line, " \t");
    size_t len = strcspn(line + start, " \t\r\n");
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strlen(words[i]) == len && strncasecmp(line + start, words[i], len) == 0)
            return true;
    }
    return false;
}
