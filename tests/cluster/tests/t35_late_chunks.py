# SPDX-License-Identifier: Apache-2.0
"""What a sender says reaches the node a long time later: the link holds it. Meanwhile the session ended,
more was deleted, the delete log was collected, and another session began. The chunks of the first one
arrive then, in order and whole. They are refused, and nothing of them is written."""
import time

from lib.behind import BULK_CHANNELS, SNAP, Behind
from lib.context import expect, wait_until
from lib.moves import Moves
from .t34_late_end import is_up, sending

ID = "7"
TITLE = "link holds a transfer, deletes, collection, then the late chunks arrive"
CI_SECONDS = 0
SECONDS = 60
SLOW = dict(SNAP, catchup_bytes_per_second="300KiB")
HELD_SECONDS = 3.5  # below what makes a link count as lost


def cut_the_front(behind, slot):
    """Deletes at the front of the slot's keys: what is in the chunks behind it moves, so that no chunk of an
    older session is like the one of the same number in the next."""
    for number in range(BULK_CHANNELS):
        channel = (2, f"bulk-{number}")
        first = behind.client.read(behind.staying[0], channel, 1, None, 1)["first_seq"]
        if behind.slot_of(channel) == slot and first:
            behind.delete(channel, {"start_seq": first, "end_seq": first + 40 * (number + 1)})


def one_round(context, cluster, behind, full, moving=False):
    """moving: replicas of others move while the link holds what was sent."""
    behind.leave().miss(full)
    third, found = behind.third, []
    before = 0
    third.start()
    wait_until(lambda: is_up(third), 20, "it listens")

    def begun():
        found[:] = [sending(cluster, behind)]
        return found[0] is not None
    wait_until(begun, 30, "a transfer is under way", pause=0.02)
    slot, sender = found[0]
    other = next(n for n in cluster.holders(slot) if n not in (sender, third))
    cluster.proxy.fault(sender.id, third.id, delay=HELD_SECONDS)
    cut_the_front(behind, slot)
    load = context.load(cluster, {"W2": 2, "W7": 1}, rate=80, nodes=behind.staying)
    bystanders = [n for n in behind.staying if n not in (sender, other)]
    moves = Moves(cluster, context.seed, bystanders) if moving else None
    time.sleep(HELD_SECONDS / 2)  # some chunks are on their way
    if moves is not None:
        moves.stop()
    load.stop()
    context.loads.remove(load)
    before = cluster.metric(third, "refused_chunks_total")
    cluster.order(f"/v1/admin/slots/{slot}/transfer-leader", {"to": other.id}, among=behind.staying)
    context.collected += cluster.deletes(other)
    cluster.order("/v1/admin/delete-log/collect", {"force_floor": True}, among=[other])
    time.sleep(HELD_SECONDS)
    refused = cluster.metric(third, "refused_chunks_total") - before
    cluster.proxy.heal()
    behind.wait_whole(90)
    cluster.settle()
    expect("ended with another state" not in third.log_text(starts=1),
           "rows of one session got into another one: its end was unequal")
    return int(refused)


def run(context):
    cluster = context.cluster(3, slot_count=2, proxied=True, settings={"cluster": SLOW}).start()
    behind = Behind(context, cluster).fill()
    end, refused, named = time.monotonic() + context.seconds, [], False
    while not refused or time.monotonic() < end:
        refused.append(one_round(context, cluster, behind, True))
        named |= 'why="not of the session that was accepted"' in behind.third.log_text(starts=1)
    expect(behind.look(), "node 3 is not whole at the end")
    expect(sum(refused) > 0, "no late chunk came")
    expect(named, "what came late was not refused for its session")
    context.note(f"{len(refused)} transfers held for {HELD_SECONDS} s, frames refused {refused}")
    context.finish(cluster)
