/* SPDX-License-Identifier: Apache-2.0 */
#include "http/crowd.h"

#include <netinet/in.h>
#include <string.h>

void crowd_init(struct crowd *crowd)
{
    mutex_init(&crowd->lock);
    crowd->counts = map_new();
}

void crowd_done(struct crowd *crowd)
{
    map_free(crowd->counts, NULL);
    mutex_done(&crowd->lock);
}

struct crowd_key crowd_key_of(const struct sockaddr *address)
{
    struct crowd_key ret = {{0}};
    if (address->sa_family == AF_INET) {
        ret.bytes[0] = 4;
        memcpy(ret.bytes + 1, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
    } else if (address->sa_family == AF_INET6) {
        const struct in6_addr *v6 =
            &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        bool is_mapped = IN6_IS_ADDR_V4MAPPED(v6);
        ret.bytes[0] = is_mapped ? 4 : 6;
        memcpy(ret.bytes + 1, v6->s6_addr + (is_mapped ? 12 : 0), is_mapped ? 4 : 8);
    }
    return ret;
}

bool crowd_enter(struct crowd *crowd, struct crowd_key key, uint32_t max)
{
    struct bytes bytes = bytes_of(key.bytes, sizeof(key.bytes));
    mutex_lock(&crowd->lock);
    uintptr_t count = (uintptr_t)map_find(crowd->counts, bytes);
    bool has_room = max == 0 || count < max;
    if (has_room)
        map_put(crowd->counts, bytes, (void *)(count + 1));
    mutex_unlock(&crowd->lock);
    return has_room;
}

void crowd_leave(struct crowd *crowd, struct crowd_key key)
{
    struct bytes bytes = bytes_of(key.bytes, sizeof(key.bytes));
    mutex_lock(&crowd->lock);
    uintptr_t count = (uintptr_t)map_find(crowd->counts, bytes);
    assert(count > 0);
    if (count == 1)
        map_remove(crowd->counts, bytes);
    else
        map_put(crowd->counts, bytes, (void *)(count - 1));
    mutex_unlock(&crowd->lock);
}
