# SPDX-License-Identifier: Apache-2.0
"""Clients that are slow or lie, hundreds of them on every node, beside a load that behaves: heads and
bodies a byte at a time, answers that nobody reads, lengths that are not true, connections that say
nothing. Each is ended by a deadline that no trickle puts off, the nodes' memory and descriptors stay
bounded and fall back, and the load is served all the time."""
import random
import socket
import threading
import time

from lib.context import expect, wait_until
from lib.watch import look_at

ID = "slow-clients"
TITLE = "slow and lying clients beside a load: ended by deadlines, memory bounded"
CI_SECONDS = 0
SECONDS = 60
EACH = 40          # connections of each kind to each node
GONE_S = 45        # by then every one of them must have been ended by the node
MEMORY_MOST = 160 << 20
BULK = (2, "bulk")


def slow_head(step):
    return b"GET /v1/channels/2/bulk/messages HTTP/1.1\r\nHost: x\r\nX-Slow: "[step:step + 1] or b"a"


def slow_body(step):
    if step == 0:
        return (b"POST /v1/channels/2/slow/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json"
                b"\r\nContent-Length: 900000\r\n\r\n{\"payload\":\"")
    return b"a"


def short_body(step):
    """Says 1,000 bytes, gives 20, and nothing more."""
    if step == 0:
        return (b"POST /v1/channels/2/slow/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json"
                b"\r\nContent-Length: 1000\r\n\r\n{\"payload\":\"aGVsbG8=")
    return b""


def endless_head(_step):
    return b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"a" * 60000 + b"\r\n"


def two_lengths(step):
    return b"" if step else (b"POST /v1/channels/2/slow/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                             b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")


def silent(_step):
    return b""


def never_reads(step):
    """Asks for the largest page again and again, and takes no byte of the answers."""
    return b"GET /v1/channels/2/bulk/messages?limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n" if step < 20 else b""


KINDS = [slow_head, slow_body, short_body, endless_head, two_lengths, silent, never_reads]


class Crowd(threading.Thread):
    """EACH connections of every kind to one node; gone: when the last of a kind was ended."""

    def __init__(self, node, seed):
        super().__init__(daemon=True)
        self.node, self.random = node, random.Random(f"{seed}/{node.id}")
        self.open, self.refused, self.gone, self.wrong = [], 0, {}, []
        self.begun = time.monotonic()

    def connect(self, kind):
        try:
            sock = socket.create_connection(("127.0.0.1", self.node.port), timeout=5)
        except OSError:
            self.refused += 1
            return
        if kind is never_reads:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        self.open.append([kind, sock, 0])

    def is_ended(self, kind, sock, step):
        """Sends what comes next; True once the node has ended the connection."""
        try:
            if kind is not never_reads and sock.recv(65536) == b"":
                return True
        except BlockingIOError:
            pass
        except OSError:
            return True
        try:
            data = kind(step)
            if data:
                sock.send(data)
        except BlockingIOError:
            pass
        except OSError:
            return True
        return False

    def run(self):
        for kind in KINDS:
            for _ in range(EACH):
                self.connect(kind)
        while self.has_open() and time.monotonic() - self.begun < GONE_S + 10:
            still = []
            for kind, sock, step in self.open:
                if self.is_ended(kind, sock, step):
                    sock.close()
                    self.gone[kind.__name__] = time.monotonic() - self.begun
                else:
                    still.append([kind, sock, step + 1])
            self.open = still
            time.sleep(0.25)
        self.wrong = sorted({kind.__name__ for kind, _, _ in self.open if kind is not never_reads})

    def has_open(self):
        """Who reads nothing does not see the end either: the node's descriptors show it."""
        return any(kind is not never_reads for kind, _, _ in self.open)

    def close(self):
        for _, sock, _ in self.open:
            sock.close()


def fill(client, cluster):
    for i in range(30):
        sent = client.batch(cluster.nodes[i % 3], BULK, 100, True)
        expect(sent["status"] in (200, 201), f"a batch gives {sent['status']}")


def load_figures(records):
    done = [r["end"] - r["start"] for r in records if r["status"] in (200, 201)]
    bad = sum(r["status"] not in (200, 201, 412, 422) for r in records)
    return sorted(done)[int(len(done) * .99)] * 1000, sorted(done)[len(done) // 2] * 1000, bad


def run(context):
    cluster = context.cluster(3).start()
    client = context.client(cluster)
    fill(client, cluster)
    load = context.load(cluster, {"W1": 3, "W2": 2}, rate=120)
    time.sleep(max(4.0, context.seconds / 6))
    before = {node.id: look_at(node) for node in cluster.nodes}
    quiet = load_figures(list(context.history.records))
    begun, most = len(context.history.records), {node.id: {} for node in cluster.nodes}
    crowds = [Crowd(node, context.seed) for node in cluster.nodes]
    for crowd in crowds:
        crowd.start()
    while any(crowd.is_alive() for crowd in crowds):
        for node in cluster.nodes:
            for figure, value in look_at(node).items():
                most[node.id][figure] = max(value, most[node.id].get(figure, 0))
        time.sleep(0.2)
    crowded = load_figures(context.history.records[begun:])
    load.stop()
    slowest = {}
    for crowd in crowds:
        expect(not crowd.wrong, f"node {crowd.node.id} still holds {crowd.wrong} after {GONE_S} s")
        for kind, seconds in crowd.gone.items():
            slowest[kind] = max(seconds, slowest.get(kind, 0))
    for node in cluster.nodes:
        grown = most[node.id]["memory"] - before[node.id]["memory"]
        expect(grown < MEMORY_MOST, f"node {node.id} grew by {grown >> 20} MiB")
        wait_until(lambda n=node: look_at(n)["descriptors"] < before[n.id]["descriptors"] + EACH // 2,
                   GONE_S, f"node {node.id} has its descriptors back")
    for crowd in crowds:
        crowd.close()
    share = crowded[2] / max(1, len(context.history.records) - begun)
    expect(share < 0.02, f"{crowded[2]} calls of the load were not served")
    grown = max(most[n.id]["memory"] - before[n.id]["memory"] for n in cluster.nodes) >> 20
    ends = ", ".join(f"{kind} {seconds:.0f} s" for kind, seconds in sorted(slowest.items()))
    context.note(f"{len(KINDS) * EACH * 3} bad connections, ended within {ends}; memory at most +{grown} "
                 f"MiB, calls p50 {quiet[1]:.1f} -> {crowded[1]:.1f} ms, p99 {quiet[0]:.0f} -> "
                 f"{crowded[0]:.0f} ms")
    context.finish(cluster)
