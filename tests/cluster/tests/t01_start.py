# SPDX-License-Identifier: Apache-2.0
"""A node starts, stops and starts again, and nobody else gets its folder."""
import os

from lib.context import expect
from lib.daemon import free_port

ID = "start"
TITLE = "start, stop, identity of the folder"
CI_SECONDS = SECONDS = 2


def refused(context, title, words, **settings):
    """A process with other settings on the same folder ends, with a sentence that has `words`."""
    node = context.extra_node(title.replace(" ", "-"), settings.pop("node_id", 1), settings)
    node.settings["node"]["data_dir"] = context.clusters[0].nodes[0].data_dir
    node.write_config()
    node.start()
    code = node.wait_end(10)
    text = node.log_text()
    expect(code not in (0, None) and code > 0, f"{title}: ended with {code}")
    expect(any(word in text for word in words),
           f"{title}: the log says none of {words}:\n{node.log_tail()}")


def run(context):
    cluster, node = context.single(slot_count=4, cluster_id="mine")
    client = context.client(cluster)
    channel = (2, "start")
    node.start().wait_ready()
    for _ in range(5):
        expect(client.append(node, channel)["status"] == 201, "a send fails")
    refused(context, "second process", ["another process", "in use", "locked"],
            cluster={"id": "mine", "slot_count": 4})
    expect(client.append(node, channel)["status"] == 201, "the first process was disturbed")
    expect(node.stop() == 0, "SIGTERM does not end with 0")

    refused(context, "other node", ["node"], node_id=2, cluster={"id": "mine", "slot_count": 4})
    refused(context, "other cluster", ["cluster"], cluster={"id": "other", "slot_count": 4})
    refused(context, "other slot count", ["slot"], cluster={"id": "mine", "slot_count": 8})

    node.start().wait_ready()
    expect(client.append(node, channel)["seqs"] == [7], "seqs do not go on after a restart")
    busy = context.extra_node("busy port", 1, {"cluster": {"slot_count": 4}})
    busy.settings["http"]["listen"] = f"127.0.0.1:{node.port}"
    busy.write_config()
    busy.start()
    expect(busy.wait_end(10) not in (0, None), "two nodes share a port")
    expect(str(node.port) in busy.log_text(), "the busy port is not named")
    expect(os.path.isdir(node.data_dir) and free_port() != node.port, "the folder is gone")
    context.finish(cluster, stop="term")
