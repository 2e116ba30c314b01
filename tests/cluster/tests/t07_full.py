# SPDX-License-Identifier: Apache-2.0
"""A full disk: appends are refused with 507, reads and deletes go on; it ends by itself when there is
room again. Without a single free byte the ballast is freed: deletes go on in its room, after a start
too, and it is made again. A write that meets such a disk may stop the node, never its word."""
import json
import os
import time

from lib import faults
from lib.context import expect, wait_until

ID = "34"
TITLE = "disk full and freed, one node"
CI_SECONDS = 0
SECONDS = 60
MIB = 1 << 20
STORAGE = {"memtable_bytes": "4MiB", "soft_free_bytes": "24MiB", "hard_free_bytes": "8MiB",
           "ballast_bytes": "24MiB"}


def alarms_of(node):
    status, _, body = node.get("/v1/alarms")
    expect(status == 200, f"alarms give {status}")
    return json.loads(body)["alarms"]


def below_the_soft_mark(context, cluster, client, node, disk, channels):
    disk.fill(16 * MIB)
    spent = wait_until(lambda: client.append(node, (2, "full"))["status"] == 507, 10,
                       "507 on a disk below its soft mark")
    before = client.read(node, (2, channels[0][1]), limit=20)
    expect(before["status"] == 200, f"reads give {before['status']} on a full disk")
    gone = client.delete(node, channels[0], {"keep": 1}, "while full")
    expect(gone["status"] == 200, f"deletes give {gone['status']} {gone['code']} on a full disk")
    time.sleep(min(5, context.seconds / 4))
    disk.empty()
    wait_until(lambda: client.append(node, (2, "full"))["status"] == 201, 15,
               "sends after room was made")
    context.note(f"507 after {spent:.1f} s")


def without_a_byte(context, client, node, disk, channels):
    """Under load: a write within the second before the ballast is freed stops the node; the start that
    follows frees it."""
    ballast = os.path.join(node.data_dir, "ballast")
    expect(os.path.getsize(ballast) == 24 * MIB, "a ballast of 24 MiB")
    disk.fill(0)
    wait_until(lambda: not os.path.exists(ballast) or not node.is_running(), 10,
               "the ballast is freed, or a write failed")
    time.sleep(min(5, context.seconds / 4))
    if not node.is_running():
        expect(node.wait_end(5) > 0, f"ended by a signal: {node.process.returncode}")
        context.note("stopped at the last byte")
        node.start().wait_ready()
        expect(not os.path.exists(ballast), "a start without room frees the ballast")
    wait_until(lambda: client.append(node, (2, "full"))["status"] == 507, 10, "507 without a byte")
    gone = client.delete(node, channels[1], {"keep": 1}, "without a byte")
    expect(gone["status"] == 200, f"deletes give {gone['status']} {gone['code']} without a byte")
    alarms = alarms_of(node)
    expect(any(a["kind"] == "nospace" and "ballast" in a["detail"] for a in alarms), f"alarms: {alarms}")


def comes_back(client, node, disk):
    disk.empty()
    wait_until(lambda: client.append(node, (2, "full"))["status"] == 201, 15,
               "sends after the disk was full to the last byte")
    ballast = os.path.join(node.data_dir, "ballast")
    wait_until(lambda: os.path.exists(ballast) and os.path.getsize(ballast) == 24 * MIB, 10,
               "the ballast is made again")
    expect(alarms_of(node) == [], "the alarm ends by itself")


def starts_on_a_full_disk(client, node, disk, channels):
    node.stop()
    disk.fill(0)
    node.start().wait_ready()
    expect("the ballast was freed" in node.log_text(), "the start says that it freed the ballast")
    gone = client.delete(node, channels[2], {"keep": 1}, "started without a byte")
    expect(gone["status"] == 200, f"deletes give {gone['status']} {gone['code']} after a full start")
    comes_back(client, node, disk)


def run(context):
    cluster, node = context.single(settings={"storage": STORAGE})
    disk = faults.SmallDisk(context, node.data_dir, 120)
    node.start().wait_ready()
    client = context.client(cluster)
    load = context.load(cluster, {"W1": 2, "W2": 3}, rate=200)
    time.sleep(1)
    channels = load.shared.channels
    below_the_soft_mark(context, cluster, client, node, disk, channels)
    without_a_byte(context, client, node, disk, channels)
    comes_back(client, node, disk)
    starts_on_a_full_disk(client, node, disk, channels)
    context.finish(cluster)
