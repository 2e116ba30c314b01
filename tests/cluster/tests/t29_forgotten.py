# SPDX-License-Identifier: Apache-2.0
"""A node comes back with an empty folder, or an old copy of its own, after the others restarted too.
What they knew of it must have outlived their restart: if it may vote now, an entry that it once
acknowledged can be lost. (Coming back as a new member is part of membership.)"""
import shutil
import time

from lib.context import wait_until
from .t24_rolled_back import stays_out

ID = "10"
TITLE = "folder wiped or rolled back while the others restarted: still refused"
CI_SECONDS = 0
SECONDS = 10


def restart_others(cluster):
    for other in cluster.nodes[:2]:
        other.stop()
        other.start()
    for other in cluster.nodes[:2]:
        other.wait_ready()


def run(context):
    cluster = context.cluster(3).start()
    client, third = context.client(cluster), cluster.node(3)
    load = context.load(cluster, {"W1": 2, "W2": 3}, rate=200)
    time.sleep(1)
    third.stop()
    old = third.data_dir + "-old"
    shutil.copytree(third.data_dir, old)
    for _ in range(2):
        third.start().wait_ready()
        time.sleep(1)
        third.kill()
    load.nodes = cluster.nodes[:2]
    restart_others(cluster)

    shutil.rmtree(third.data_dir)
    shutil.copytree(old, third.data_dir)
    third.start()
    stays_out(cluster, third, client, context.seconds / 2, "rolled back, the others restarted")
    third.kill()
    restart_others(cluster)

    shutil.rmtree(third.data_dir)
    third.start()
    stays_out(cluster, third, client, context.seconds / 2, "wiped, the others restarted")
    third.kill()
    wait_until(lambda: client.append(cluster.node(2), (2, "end"))["status"] == 201, 10,
               "the others still serve")
