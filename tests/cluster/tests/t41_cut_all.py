# SPDX-License-Identifier: Apache-2.0
"""The power of all nodes is cut in the same moment. Only what was synced is left anywhere, and that is
everything that was acknowledged."""
import time

from lib import faults
from lib.context import expect
from .t40_cut_one import SETTINGS

ID = "24"
TITLE = "power cut of all nodes within 50 ms"
CI_SECONDS = 0
SECONDS = 60
AT_MOST_S = 0.05


def run(context):
    cluster = context.cluster(3, settings=SETTINGS)
    disks = {n.id: faults.PowerDisk(context, n.data_dir) for n in cluster.nodes}
    cluster.start()
    context.load(cluster, {"W1": 4, "W2": 2, "W6": 1}, rate=300)
    end, rounds, slowest = time.monotonic() + context.seconds, 0, 0.0
    while rounds < 2 or time.monotonic() < end:
        time.sleep(context.random.uniform(0.5, 2.5))
        slowest = max(slowest, faults.power_cut(cluster.nodes, disks))
        try:
            cluster.start(timeout=40)
        except Exception:
            for node in cluster.nodes:
                expect(node.is_running(), f"node {node.id} refused to start\n{node.log_tail(12)}")
            raise
        rounds += 1
    context.note(f"{rounds} times, all within {slowest * 1000:.0f} ms" +
                 (" (more than wanted: a slow machine)" if slowest > AT_MOST_S else ""))
    context.finish(cluster)
