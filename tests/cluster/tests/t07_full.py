# SPDX-License-Identifier: Apache-2.0
"""A full disk: appends are refused with 507, reads and deletes go on; it ends by itself when there is
room again. A disk without a single free byte may stop the node, never its word."""
import time

from lib import faults
from lib.context import expect, wait_until

ID = "34"
TITLE = "disk full and freed, one node"
CI_SECONDS = 6
SECONDS = 60
MIB = 1 << 20


def run(context):
    cluster, node = context.single(settings={"storage": {"memtable_bytes": "4MiB",
                                                         "soft_free_bytes": "24MiB"}})
    disk = faults.SmallDisk(context, node.data_dir, 96)
    node.start().wait_ready()
    client, channel = context.client(cluster), (2, "full")
    load = context.load(cluster, {"W1": 2, "W2": 3}, rate=200)
    time.sleep(1)
    disk.fill(16 * MIB)
    spent = wait_until(lambda: client.append(node, channel)["status"] == 507, 10,
                       "507 on a disk below its soft mark")
    before = client.read(node, (2, load.shared.channels[0][1]), limit=20)
    expect(before["status"] == 200, f"reads give {before['status']} on a full disk")
    gone = client.delete(node, load.shared.channels[0], {"keep": 1}, "while full")
    expect(gone["status"] == 200, f"deletes give {gone['status']} {gone['code']} on a full disk")
    time.sleep(context.seconds / 4)
    disk.empty()
    wait_until(lambda: client.append(node, channel)["status"] == 201, 15,
               "sends after room was made")
    context.note(f"507 after {spent:.1f} s")

    disk.fill(0)
    end = time.monotonic() + context.seconds / 2
    while time.monotonic() < end and node.is_running():
        time.sleep(0.1)
    disk.empty()
    if node.is_running():
        wait_until(lambda: client.append(node, channel)["status"] == 201 or not node.is_running(),
                   15, "sends after the disk was full to the last byte")
    if not node.is_running():
        expect(node.wait_end(5) > 0, f"ended by a signal: {node.process.returncode}")
        context.note("stopped at the last byte, came back")
        node.start().wait_ready()
    context.finish(cluster)
