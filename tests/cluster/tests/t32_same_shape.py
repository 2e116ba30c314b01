# SPDX-License-Identifier: Apache-2.0
"""Three leader changes, and each old leader has a delete that never counted. The new one makes another
of the same shape: same first seq, same last, same number, other seqs. The log between is compacted.
Who compares shapes takes the old leader for equal; its state must become the new leader's. At the end a
node holds what it would hold had it once carried out another delete of the same shape: that is found
by the digests alone, and healed."""
import time

from lib import rows
from lib.behind import SNAP
from lib.context import expect, wait_until
from lib.history import slot_of

ID = "4"
TITLE = "three leader changes, deletes of the same shape and other content"
CI_SECONDS = 12
SECONDS = 60
ROUNDS = 3


def shapes(last, number):
    """(of the old leader, of the new one): nested, adjacent, tail, all but some."""
    first = last - 40
    return [({"seqs": [first, first + 5, first + 9]}, {"seqs": [first, first + 7, first + 9]}),
            ({"ranges": [[first, first + 4], [first + 6, first + 9]]},
             {"ranges": [[first, first + 5], [first + 7, first + 9]]}),
            ({"seqs": [last - 4, last - 3, last]}, {"seqs": [last - 4, last - 1, last]}),
            ({"ranges": [[first, last - 21], [last - 19, last]]},
             {"ranges": [[first, last - 12], [last - 10, last]]})][number % 4]


def one_change(context, cluster, clients, channels, number, moves=None):
    """moves: replicas that move meanwhile, stopped before all must be equal."""
    client, impatient = clients
    slot = slot_of(channels[0][1], cluster.slot_count)
    old = cluster.leader(slot)
    lasts = {c: client.batch(old, c, 60, True)["seqs"][-1] for c in channels}
    others = cluster.others(old)
    cluster.proxy.split([old.id], [n.id for n in others])
    for i, channel in enumerate(channels):
        unheard = impatient.delete(old, channel, shapes(lasts[channel], number + i)[0],
                                   f"shape/{number}/{channel[1]}/old")
        expect(unheard["status"] in (None, 503, 504), f"a leader alone says {unheard['status']}")
    for i, channel in enumerate(channels):
        form = shapes(lasts[channel], number + i)[1]
        replies = []

        def done():
            replies.append(client.delete(others[0], channel, form,
                                         f"shape/{number}/{channel[1]}/new/{len(replies)}"))
            return replies[-1]["status"] == 200
        wait_until(done, 20, f"the others delete in {channel}")
    for _ in range(60):
        client.append(others[1], channels[0])
    cluster.order("/v1/admin/compact-log", {}, among=others)
    time.sleep(1.2)
    cluster.order("/v1/admin/compact-log", {}, among=others)
    expect(cluster.leader(slot, among=others) is not old, "no leader change")
    cluster.proxy.heal()
    if moves is not None:
        moves.stop()
    spent = wait_until(lambda: cluster.unsettled() is None, 40, "all are equal again")
    return old, spent


def other_set(cluster, client):
    """Of node 3: deleted are seqs of which the first, the last and the number are right. How long it took."""
    channel, third = (2, "shape-set"), cluster.node(3)
    first = client.batch(cluster.nodes[0], channel, 60, True)["seqs"][20]
    gone = client.delete(cluster.nodes[0], channel, {"seqs": [first, first + 5, first + 9]}, "shape/set")
    expect(gone["status"] == 200, f"a delete gives {gone}")
    cluster.settle()
    third.stop()
    rows.edit(third, cluster.slot_count, "swap", "deleted", channel, first + 5, (channel, first + 7))
    begun = time.monotonic()
    third.start().wait_ready()
    wait_until(lambda: cluster.metric(third, "replica_full_sync_total") > 0, 30,
               "a set of deletes of the same shape is found")
    # What a slot's view says may be a turn old: it serves again when it has taken the copy.
    wait_until(lambda: third.get("/v1/channels/2/shape-set/messages?consistency=local")[0] == 200, 30,
               "it serves again")
    cluster.settle()
    return time.monotonic() - begun


def run(context):
    cluster = context.cluster(3, slot_count=2, proxied=True, settings={"cluster": SNAP}).start()
    clients = context.client(cluster), context.client(cluster, "impatient", timeout=1.5)
    channels = [(2, f"shape-{i}") for i in range(4)]
    slowest, olds = 0.0, []
    for number in range(ROUNDS):
        load = context.load(cluster, {"W2": 2}, rate=60)
        time.sleep(0.5)
        load.stop()
        context.loads.remove(load)
        old, spent = one_change(context, cluster, clients, channels, number)
        olds.append(old.id)
        slowest = max(slowest, spent)
    context.note(f"old leaders {olds}, equal again after {slowest:.1f} s at most; another set of the same shape "
                 f"found and healed within {other_set(cluster, clients[0]):.1f} s")
    context.finish(cluster)
