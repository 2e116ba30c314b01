# SPDX-License-Identifier: Apache-2.0
"""A leader is stopped in the middle of a transfer, another leader brings the node up, and later the
first one goes on where it was: with chunks and an end of a session that nobody has open any more. They
are refused; the node stays what the second leader made it.

And an end in its place, with the right session and target, counts only with the right digest: a node that
had lost a message before it fell behind is sent a delta, which cannot make it equal. It says so, and gets
all of it."""
import time

from lib import rows
from lib.behind import SNAP, Behind
from lib.context import expect, wait_until

ID = "6"
TITLE = "leader stopped in a transfer, sends the rest and the end later"
CI_SECONDS = 8
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


def end_without_digest(cluster, behind):
    """Node 3 once lost a message, its digest with it; then it misses what a delta brings."""
    third, channel = behind.third, behind.channels[1]
    behind.batch(channel, 10)
    cluster.settle()
    lost = behind.client.read(cluster.node(1), channel, 1, None, 1000)["messages"][-2][0]
    behind.leave()
    rows.edit(third, cluster.slot_count, "lose", "messages", channel, lost)
    behind.miss().third.start().wait_ready(40)
    behind.wait_whole()
    cluster.settle()
    expect("a catch-up ended with another state than its leader's" in third.log_text(starts=1),
           "a delta over a lost message was not tried, or was believed")
    expect("full" in behind.modes(), f"it came back by {behind.modes()}")


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
    end_without_digest(cluster, behind)
    context.note(f"{len(rounds)} leaders stopped {[r[0] for r in rounds]}, whole by another one after "
                 f"{max(r[1] for r in rounds):.1f} s at most, "
                 f"{sum(r[2] for r in rounds):.0f} late frames refused")
    context.finish(cluster)
