# SPDX-License-Identifier: Apache-2.0
"""A leader is stopped in the middle of a transfer, another leader brings the node up, and later the
first one goes on where it was: with chunks and an end of a session that nobody has open any more. They
are refused; the node stays what the second leader made it."""
import time

from lib.behind import SNAP, Behind
from lib.context import expect, wait_until

ID = "6"
TITLE = "leader stopped in a transfer, sends the rest and the end later"
CI_SECONDS = 0
SECONDS = 60
SLOW = dict(SNAP, catchup_bytes_per_second="300KiB")


def sending(cluster, behind):
    """(slot, its leader) of a transfer that has begun and has not ended."""
    for slot in range(cluster.slot_count):
        state = cluster.slot(behind.third, slot)
        if state and state["replica_state"] == "installing" and state["leader"] and \
                cluster.metric(behind.third, "catchup_received_bytes_total") > 0:
            return slot, cluster.node(state["leader"])
    return None


def one_round(context, cluster, behind, full):
    behind.leave().miss(full)
    third = behind.third
    third.start()
    wait_until(lambda: third.get("/livez")[0] == 200 if is_up(third) else False, 20, "it listens")
    found = []

    def begun():
        found[:] = [sending(cluster, behind)]
        return found[0] is not None
    wait_until(begun, 30, "a transfer is under way", pause=0.02)
    _, leader = found[0]
    leader.pause()
    other = next(n for n in cluster.nodes if n not in (leader, third))
    behind.staying = [other]
    begun_at = time.monotonic()
    behind.wait_whole(90)
    spent = time.monotonic() - begun_at
    leader.resume()
    time.sleep(2)
    expect(behind.look(), "node 3 is not whole any more after the first leader went on")
    behind.staying = cluster.others(third)
    cluster.settle()
    refused = cluster.metric(third, "refused_chunks_total")
    return leader.id, spent, refused


def is_up(node):
    try:
        return node.get("/livez")[0] == 200
    except OSError:
        return False


def run(context):
    cluster = context.cluster(3, slot_count=2, settings={"cluster": SLOW}).start()
    behind = Behind(context, cluster).fill()
    end, rounds = time.monotonic() + context.seconds, []
    while not rounds or time.monotonic() < end:
        rounds.append(one_round(context, cluster, behind, True))
    context.note(f"{len(rounds)} leaders stopped {[r[0] for r in rounds]}, whole by another one after "
                 f"{max(r[1] for r in rounds):.1f} s at most, "
                 f"{sum(r[2] for r in rounds):.0f} late frames refused")
    context.finish(cluster)
