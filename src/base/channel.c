/* SPDX-License-Identifier: Apache-2.0 */
#include "base/channel.h"

#include "base/crc.h"
#include "base/utf8.h"

uint32_t channel_slot(struct channel channel, uint32_t slot_count)
{
    assert(slot_count > 0 && slot_count <= SLOTS_MAX);
    return crc32_ieee(channel.id) % slot_count;
}

enum err channel_check(struct channel channel, struct why *why)
{
    if (channel.id.len == 0)
        return why_set(why, ERR_BAD_CHANNEL, "'channel_id' is empty");
    if (channel.id.len > CHANNEL_ID_MAX_BYTES)
        return why_set(why, ERR_BAD_CHANNEL, "'channel_id' of %zu bytes is longer than %d",
                       channel.id.len, CHANNEL_ID_MAX_BYTES);
    if (!utf8_is_valid(channel.id))
        return why_set(why, ERR_BAD_CHANNEL, "'channel_id' is not valid UTF-8");
    if (utf8_has_control(channel.id))
        return why_set(why, ERR_BAD_CHANNEL, "'channel_id' has a control character");
    return OK;
}
