# SPDX-License-Identifier: Apache-2.0
"""Reads of files that fail with EIO: an error is said and the node stops; never a short result."""
import time

from lib import faults
from lib.context import expect

ID = "33"
TITLE = "EIO on reads: an error and a stop, never a short page"
CI_SECONDS = 0
SECONDS = 40


def run(context):
    cluster, node = context.single(settings={"storage": {
        "memtable_bytes": "4MiB", "block_cache_bytes": "1MiB", "soft_free_bytes": "1MiB"}})
    node.start().wait_ready()
    client = context.client(cluster)
    for i in range(120):
        expect(client.batch(node, (2, f"eio-{i % 8}"), 200, True)["status"] in (200, 201),
               "a batch fails")
    end, stops, errors, rounds = time.monotonic() + context.seconds, 0, 0, 0
    codes, met = set(), 0
    while time.monotonic() < end:
        node.stop()  # what is in memory goes to files, and the cache is empty again
        node.start().wait_ready()
        strace = faults.Strace(node, f"pread64:error=EIO:when={context.random.randint(1, 6)}")
        context.undo.append(strace.close)
        for i in range(8):
            for start in (1, 1500, 2800):
                if node.is_running():
                    read = client.read(node, (2, f"eio-{i}"), start, None, 500, consistency="local",
                                       descending=context.random.random() < 0.5)
                    if read["status"] in (500, None):
                        errors += 1
                        codes.add(read["code"])
        rounds += 1
        injected = strace.injected()
        strace.close()
        met += injected > 0
        if "internal" in codes_of(context, node):
            expect(node.wait_end(10) == 70, "a node whose disk failed a read goes on")
        if not node.is_running():
            stops += 1
            expect(node.process.returncode == 70, f"ended with {node.process.returncode}")
            node.start().wait_ready()
    context.forgive_read_errors()
    expect(stops > 0, f"{met} rounds met EIO, and the node never stopped")
    context.note(f"{rounds} rounds, {met} met EIO, {errors} errors {sorted(map(str, codes))}, {stops} stops")
    context.finish(cluster)


def codes_of(context, node):
    """What reads of this life of the node were answered with."""
    return {r["code"] for r in context.history.records
            if r["op"] == "read" and r["boot"] == node.boot}
