# SPDX-License-Identifier: Apache-2.0
"""A leader's disk hangs: it hands its leaderships over, and the others go on without it."""
import time

from lib import faults
from lib.context import expect, wait_until

ID = "stall"
TITLE = "three nodes, a leader's disk hangs: the others take over"
CI_SECONDS = 0
SECONDS = 30
CHANNEL = (2, "stall")


def run(context):
    cluster = context.cluster(3).start()
    client = context.client(cluster)
    load = context.load(cluster, {"W1": 2, "W2": 3}, rate=150)
    end, rounds, slowest = time.monotonic() + context.seconds, 0, 0.0
    while rounds == 0 or time.monotonic() < end:
        slot = client.append(cluster.node(1), CHANNEL)["slot"]
        leader = cluster.leader(slot)
        others = cluster.others(leader)
        load.nodes = others
        strace = faults.Strace(leader, "fdatasync,fsync:delay_enter=8000000")
        context.undo.append(strace.close)
        slowest = max(slowest, wait_until(
            lambda n=others[0]: client.append(n, CHANNEL)["status"] == 201, 15,
            "sends while the old leader's disk hangs"))
        expect(cluster.leader(slot, among=others) is not leader, "no hand-over")
        time.sleep(2)
        strace.close()
        load.nodes = cluster.nodes
        wait_until(lambda n=leader: n.get("/readyz")[0] == 200, 30, "the slow node is ready again")
        rounds += 1
    context.note(f"{rounds} stalls, sends again after {slowest:.1f} s at most")
    context.finish(cluster)
