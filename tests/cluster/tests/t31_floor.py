# SPDX-License-Identifier: Apache-2.0
"""Lethe's first case with the delete log collected too: node 3 missed deletes that no record tells of
any more. Only a whole copy that replaces what it has can bring it back; whatever it keeps of its own
rows is a deleted message that comes back."""
from lib.behind import SNAP, Behind
from lib.context import expect

ID = "3"
TITLE = "delete while a node is down, delete log collected: full install, replaces"
CI_SECONDS = 8
SECONDS = 40


def run(context):
    cluster = context.cluster(3, settings={"cluster": SNAP}).start()
    behind = Behind(context, cluster).fill()
    rounds, slowest = 0, 0.0
    while rounds < max(1, context.seconds // 10):
        behind.leave().miss(full=True)
        behind.third.start().wait_ready(40)
        slowest = max(slowest, behind.wait_whole())
        modes = behind.modes()
        expect("full" in modes and "delta" not in modes, f"it came back by {modes}, not in full")
        made = cluster.metric(behind.third, "replica_full_sync_total")
        expect(made == len(modes), f"{len(modes)} full copies, the metric says {made:.0f}")
        rounds += 1
    context.note(f"{rounds} rounds, whole again after {slowest:.1f} s at most, by {modes}")
    context.finish(cluster)
