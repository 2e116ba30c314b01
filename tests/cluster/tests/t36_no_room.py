# SPDX-License-Identifier: Apache-2.0
"""A node that catches up runs out of disk, and then gets a transfer so slow that it seems to stand. It
never says that it is done before it is: it waits, or stops and starts again, and is whole when there is
room."""
import time

from lib import faults
from lib.behind import SNAP, Behind
from lib.context import expect, wait_until

ID = "8"
TITLE = "receiver out of disk in a transfer, then room again"
CI_SECONDS = 0
SECONDS = 60
MIB = 1 << 20
SETTINGS = {"cluster": dict(SNAP, catchup_bytes_per_second="500KiB"),
            "storage": {"memtable_bytes": "4MiB", "soft_free_bytes": "1MiB"}}


def one_round(context, cluster, behind, disk):
    """How often the node ended while there was no room."""
    third = behind.third
    behind.leave().miss(full=True)
    leave = context.random.choice([0, 200 << 10, 700 << 10])
    third.start()
    wait_until(lambda: behind.offered() or not third.is_running(), 30, "a transfer is offered")
    disk.fill(leave)
    stops, was_whole = 0, False
    end = time.monotonic() + 12
    while time.monotonic() < end and not was_whole:
        if not third.is_running():
            expect(third.process.returncode in (70, 71, 1), f"node 3 ended with "
                   f"{third.process.returncode}\n{third.log_tail(15)}")
            stops += 1
            third.start()
            time.sleep(1)
        was_whole = third.is_running() and behind.look()
        time.sleep(0.2)
    disk.empty()
    if not third.is_running():
        stops += 1
        third.start()
    try:
        behind.wait_whole(60)
    except Exception:  # pylint: disable=broad-except
        expect(not third.is_running(), f"node 3 runs and is not whole\n{third.log_tail(15)}")
        stops += 1
        third.start()  # it had met the full disk and ended after there was room again
        behind.wait_whole(60)
    return stops


def run(context):
    cluster = context.cluster(3, slot_count=2, settings=SETTINGS)
    disk = faults.SmallDisk(context, cluster.node(3).data_dir, 64)
    cluster.start()
    behind = Behind(context, cluster).fill()
    end, stops = time.monotonic() + context.seconds, []
    while not stops or time.monotonic() < end:
        stops.append(one_round(context, cluster, behind, disk))
    context.note(f"{len(stops)} transfers met a full disk, node 3 stopped {sum(stops)} times")
    context.finish(cluster)
