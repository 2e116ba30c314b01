# SPDX-License-Identifier: Apache-2.0
"""A node's disk is new, under the old id: the others refuse it with advice, also when they were
restarted meanwhile, and the advice works: one request replaces it by a new node."""
import shutil
import time

from lib.context import expect, wait_until
from lib.members import add, ask, is_ready, make_joiner, wait_done

ID = "replace"
TITLE = "a wiped node is refused with advice, and replaced"
CI_SECONDS = 6
SECONDS = 20


def run(context):
    cluster = context.cluster(3).start()
    load = context.load(cluster, {"W1": 2, "W2": 3}, rate=150)
    time.sleep(context.seconds / 3)
    wait_until(lambda: ask(cluster.node(1), "GET", "/v1/admin/placement")[1]["revision"] > 0, 20,
               "who belongs to the cluster is written down")
    third = cluster.node(3)
    third.kill()
    load.nodes = cluster.nodes[:2]
    shutil.rmtree(third.data_dir)
    for other in cluster.nodes[:2]:  # what they saw themselves is not all they know
        other.stop()
        other.start().wait_ready(30)
    third.start()
    wait_until(lambda: "new data folder" in third.log_text(1), 30, "the wiped node is refused")
    time.sleep(context.seconds / 3)
    expect(not is_ready(third), "the wiped node is ready")
    expect("replace" in third.log_text(1), "its log has no advice")
    refused = ask(cluster.node(1), "GET", "/v1/nodes/3")[1].get("refused", "")
    expect("replace" in refused, f"/v1/nodes/3 does not say why: '{refused}'")
    joiner = make_joiner(context, cluster, 4)
    cluster.nodes.remove(third)
    add(context, cluster, joiner, replaces=3)
    spent = wait_done(cluster.nodes)
    context.note(f"replaced in {spent:.1f} s")
    third.kill()
    load.nodes = list(cluster.nodes)
    time.sleep(1)
    context.finish(cluster)
