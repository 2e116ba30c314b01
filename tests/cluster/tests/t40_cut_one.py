# SPDX-License-Identifier: Apache-2.0
"""The power of one node is cut under load, again and again. What it had synced is there when it is
back; if anything that it promised were not, it would have to say so and stay out."""
import time

from lib import faults
from lib.context import expect

ID = "23"
TITLE = "power cut of one node"
CI_SECONDS = 0
SECONDS = 60
SETTINGS = {"storage": {"memtable_bytes": "4MiB", "soft_free_bytes": "1MiB"}}


def start_again(node, text):
    """It serves, or it refuses and says why: then the test ends, as no such loss is expected."""
    node.start()
    try:
        node.wait_ready(30)
    except Exception as problem:
        expect(node.is_running(), f"{text}: refused to start: {problem}\n{node.log_tail(12)}")
        raise


def run(context):
    cluster = context.cluster(3, settings=SETTINGS)
    disks = {n.id: faults.PowerDisk(context, n.data_dir) for n in cluster.nodes}
    cluster.start()
    context.load(cluster, {"W1": 2, "W2": 3, "W6": 1}, rate=250)
    end, rounds = time.monotonic() + context.seconds, 0
    while rounds < 2 or time.monotonic() < end:
        time.sleep(context.random.uniform(0.5, 2.5))
        node = context.random.choice(cluster.nodes)
        faults.power_cut([node], disks)
        time.sleep(context.random.uniform(0, 1.5))
        start_again(node, f"round {rounds}")
        rounds += 1
    context.note(f"{rounds} power cuts")
    context.finish(cluster)
