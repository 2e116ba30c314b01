# SPDX-License-Identifier: Apache-2.0
"""The power of a node is cut while it is in the middle of something: about to write a memtable out,
between two chunks of an install, before or after its last batch, in a compaction of the log, between a
synced batch and the promise that says so. It recovers, or it says that it lost what it promised."""
import time

from lib import faults
from lib.behind import SNAP, Behind
from lib.context import expect, wait_until

ID = "26"
TITLE = "power cut inside flush, compaction, promise, install"
CI_SECONDS = 0
SECONDS = 200
SETTINGS = {"cluster": SNAP, "storage": {"memtable_bytes": "4MiB", "soft_free_bytes": "1MiB"}}
INSTALL = ["receiver.marked", "receiver.wrote", "install.last", "install.written",
           "install.synced", "receiver.durable"]
ALWAYS = ["store.flush", "compact.begin", "compact.synced", "promise.page", "promise.begin",
          "promise.written", "promise.synced", "write.begin", "write.synced", "apply.flush",
          "apply.written", "store.boot", "store.booted"]


def cut_at(context, cluster, behind, disks, name):
    """Whether the place was reached."""
    third = behind.third
    is_install = name in INSTALL
    behind.leave()
    if is_install:
        behind.miss(full=context.random.random() < 0.5)
    nth = 1 if is_install or name.startswith("store") else context.random.randint(1, 60)
    third.start(fail=f"{name}:sleep=20000:{nth}")
    load = context.load(cluster, {"W1": 2, "W2": 3}, rate=150)

    def there():
        if name.startswith("compact"):
            cluster.order("/v1/admin/compact-log", {}, among=behind.staying)
        return third.failed_at() == name or not third.is_running()
    end = time.monotonic() + 10
    while not there() and time.monotonic() < end:
        time.sleep(0.1)
    was_reached = third.failed_at() == name
    faults.power_cut([third], disks)
    load.stop()
    context.loads.remove(load)
    third.start()
    wait_until(lambda: behind.look() or not third.is_running(), 60, f"{name}: whole again")
    expect(third.is_running(), f"{name}: it does not start\n{third.log_tail(12)}")
    return was_reached


def run(context):
    cluster = context.cluster(3, settings=SETTINGS)
    disks = {3: faults.PowerDisk(context, cluster.node(3).data_dir)}
    cluster.start()
    behind = Behind(context, cluster).fill()
    names = ALWAYS + INSTALL
    context.random.shuffle(names)
    end, reached, missed = time.monotonic() + context.seconds, [], []
    for name in names:
        (reached if cut_at(context, cluster, behind, disks, name) else missed).append(name)
        if time.monotonic() > end:
            break
    expect(reached, f"no place was reached of {missed}")
    context.note(f"power cut at {len(reached)} places" + (f", never at {missed}" if missed else ""))
    context.finish(cluster)
