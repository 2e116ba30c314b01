# SPDX-License-Identifier: Apache-2.0
"""One node is cut off while the two others go on; the power of one of these is cut; then it and the one
that was cut off are the majority. What was acknowledged meanwhile stands on one disk alone, that of the
node without power: it must have been synced there."""
import time

from lib import faults
from lib.context import expect, wait_until
from .t40_cut_one import SETTINGS

ID = "25"
TITLE = "one cut off, another's power cut: these two form a majority"
CI_SECONDS = 0
SECONDS = 90


def one_round(context, cluster, disks, client):
    alone, cut, gone = context.random.sample(cluster.nodes, 3)
    cluster.proxy.split([alone.id], [cut.id, gone.id])
    channel = (2, f"isolated-{gone.boot}-{cut.boot}")
    wait_until(lambda: client.append(gone, channel)["status"] == 201, 20, "two of three go on")
    load = context.load(cluster, {"W1": 3, "W2": 3}, rate=250, nodes=[cut, gone])
    time.sleep(context.random.uniform(1, 3))
    faults.power_cut([cut], disks)
    gone.kill()  # the last one that knows it all by heart
    load.stop()
    context.loads.remove(load)
    cluster.proxy.heal()
    cut.start()
    wait_until(lambda: client.append(cut, channel)["status"] == 201, 40,
               f"nodes {cut.id} and {alone.id} go on")
    for other in load.shared.channels:
        record = client.read(alone, other, 1, None, 1000)
        expect(record["status"] in (200, 503), f"reads give {record['status']}")
    time.sleep(context.random.uniform(0.5, 2))
    gone.start()
    cluster.settle()


def run(context):
    cluster = context.cluster(3, proxied=True, settings=SETTINGS)
    disks = {n.id: faults.PowerDisk(context, n.data_dir) for n in cluster.nodes}
    cluster.start()
    client = context.client(cluster)
    end, rounds = time.monotonic() + context.seconds, 0
    while rounds == 0 or time.monotonic() < end:
        one_round(context, cluster, disks, client)
        rounds += 1
    context.note(f"{rounds} majorities of a node that was cut off and one without power")
    context.finish(cluster)
