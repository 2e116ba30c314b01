# SPDX-License-Identifier: Apache-2.0
"""A node comes back with an old copy of its folder, or with none at all under its old id: the others
notice, it does not vote or serve what it forgot, and with its real folder it is welcome again. (An
old or empty folder that meets others which restarted meanwhile is the next test.)"""
import http.client
import os
import shutil
import time

from lib.context import expect

ID = "9"
TITLE = "data folder rolled back or wiped, same node"
CI_SECONDS = 0
SECONDS = 20


def stays_out(cluster, node, client, seconds, text):
    """It may end, or run without ever being ready; the others go on without it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and node.is_running():
        try:
            expect(node.get("/readyz")[0] != 200, f"{text}: is ready")
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.2)
    words = node.log_text(starts=1) + "".join(other.log_text() for other in cluster.others(node))
    expect(any(word in words for word in ("rolled back", "copied", "new data folder",
                                            "shorter", "behind", "promise")),
           f"{text}: no log says what is wrong")
    expect(client.append(cluster.node(1), (2, "others"))["status"] == 201,
           f"{text}: the others do not take sends")
    for slot in range(cluster.slot_count):
        state = cluster.slot(node, slot) if node.is_running() else None
        expect(not state or state["leader"] != node.id, f"{text}: it leads slot {slot}")


def run(context):
    cluster = context.cluster(3).start()
    client, third = context.client(cluster), cluster.node(3)
    load = context.load(cluster, {"W1": 2, "W2": 3}, rate=200)
    time.sleep(2)
    third.stop()
    old, real = third.data_dir + "-old", third.data_dir + "-real"
    shutil.copytree(third.data_dir, old)
    for _ in range(2):  # two starts: the copy's counter will be behind what the others saw
        third.start().wait_ready()
        time.sleep(1)
        third.kill()
    os.rename(third.data_dir, real)
    load.nodes = cluster.nodes[:2]

    shutil.copytree(old, third.data_dir)
    third.start()
    stays_out(cluster, third, client, context.seconds / 3, "rolled back")
    third.kill()

    shutil.rmtree(third.data_dir)
    third.start()
    stays_out(cluster, third, client, context.seconds / 3, "wiped")
    third.kill()
    shutil.rmtree(third.data_dir)
    os.rename(real, third.data_dir)
    begun = time.monotonic()
    third.start().wait_ready(30)
    context.note(f"with its real folder ready after {time.monotonic() - begun:.1f} s")
    context.finish(cluster)
