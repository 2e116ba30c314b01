# SPDX-License-Identifier: Apache-2.0
"""Bits flip inside the streams between nodes, and strangers talk to the peer port: damaged frames are
dropped with their link and counted, and nothing wrong is ever applied."""
import os
import socket
import time

from lib.context import expect, wait_until

ID = "39"
TITLE = "flipped bits in peer streams, garbage on the peer port"
CI_SECONDS = 0
SECONDS = 90


def garbage(cluster):
    return sum(cluster.metric(node, "peer_garbage_total") for node in cluster.nodes)


def talk_garbage(context, cluster):
    """Strangers on every peer port: noise, a huge length, half a frame, silence."""
    held = []
    for node in cluster.nodes:
        port = int(node.settings["cluster"]["listen"].split(":")[1])
        for data in (os.urandom(4096), b"LETH\x01\x03\x00\x00\xff\xff\xff\xff" + bytes(64),
                     b"GET / HTTP/1.1\r\n\r\n", b"LETH\x01", b""):
            stranger = socket.create_connection(("127.0.0.1", port), timeout=2)
            stranger.sendall(data)
            held.append(stranger)
    context.undo.append(lambda: [stranger.close() for stranger in held])


def run(context):
    cluster = context.cluster(3, proxied=True).start()
    client = context.client(cluster)
    context.load(cluster, {"W1": 2, "W2": 3}, rate=250)
    time.sleep(1)
    before = garbage(cluster)
    talk_garbage(context, cluster)
    end = time.monotonic() + context.seconds
    links = list(cluster.proxy.ports)
    while time.monotonic() < end:
        for link in context.random.sample(links, 3):
            cluster.proxy.fault(*link, flip=context.random.choice([3000, 20000, 100000]))
        time.sleep(2)
        cluster.proxy.heal()
        time.sleep(0.5)
    dropped = garbage(cluster) - before
    expect(dropped > 0, "no link was ever dropped for damage")
    for node in cluster.nodes:
        wait_until(lambda n=node: client.append(n, (2, "after"))["status"] == 201, 15,
                   f"node {node.id} takes sends after healing")
    context.note(f"{dropped:.0f} links dropped for damage")
    context.finish(cluster)
