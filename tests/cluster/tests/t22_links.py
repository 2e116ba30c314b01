# SPDX-License-Identifier: Apache-2.0
"""Bad links in turn: clogged, slow, half-open, losing pieces. Queues stay bounded, somebody serves,
and all is mended when the links are."""
import time

from lib.context import expect, wait_until

ID = "38"
TITLE = "links clogged, slow, lossy, half-open"
CI_SECONDS = 0
SECONDS = 120
RULES = [{"clog": True}, {"half": True}, {"deaf": True}, {"delay": 0.4}, {"delay": 2.0},
         {"drop": 0.02}, {"drop": 0.3}, {"refuse": True}]
MEMORY_MAX_KIB = 400 * 1024


def resident_kib(node):
    with open(f"/proc/{node.process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def run(context):
    cluster = context.cluster(3, proxied=True).start()
    client = context.client(cluster)
    context.load(cluster, {"W1": 3, "W2": 3}, rate=250)
    end, turns, links = time.monotonic() + context.seconds, 0, list(cluster.proxy.ports)
    while time.monotonic() < end:
        rules = RULES[turns % len(RULES)]
        for link in context.random.sample(links, context.random.choice([1, 1, 2, 3])):
            cluster.proxy.fault(*link, **rules)
        time.sleep(context.random.uniform(2, 6))
        for node in cluster.nodes:
            expect(node.get("/livez")[0] == 200, f"node {node.id} does not turn under {rules}")
            expect(resident_kib(node) < MEMORY_MAX_KIB, f"node {node.id} takes "
                   f"{resident_kib(node)} KiB under {rules}")
        cluster.proxy.heal()
        for node in cluster.nodes:
            wait_until(lambda n=node: client.append(n, (2, "links"))["status"] == 201, 20,
                       f"node {node.id} takes sends after {rules}")
        turns += 1
    context.note(f"{turns} faults, at most {max(map(resident_kib, cluster.nodes)) // 1024} MiB")
    context.finish(cluster)
