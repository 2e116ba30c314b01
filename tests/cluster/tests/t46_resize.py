# SPDX-License-Identifier: Apache-2.0
"""Three nodes become five and three again under lethe-bench's load of single sends and deletes, with
nothing broken on the way. Every acknowledged message is there afterwards, in each node's own store as
well, and none that was deleted. What the change costs is printed: p99 while it runs against p99 before,
not asserted, as the machine may be a busy one. In the second half nodes are killed meanwhile."""
import time

from lib import checkers
from lib.bench import Bench
from lib.context import expect
from lib.members import add, make_joiner, remove, wait_done, wait_shares

ID = "resize"
TITLE = "3 -> 5 -> 3 nodes under lethe-bench, quiet and with kills: verified, p99 printed"
CI_SECONDS = 0
SECONDS = 60
SLOTS, RATE, FILL = 16, 200, 12
SETTINGS = {"cluster": {"raft_log_retention": {
    "keep_applied_logs": 50, "min_keep_logs": 50, "keep_hours": 0}}}


def fill(context, cluster):
    """Some MiB in each slot, so that a replica that moves is not made in a moment."""
    client = context.client(cluster, "fill")
    for number in range(4 * SLOTS):
        for i in range(FILL):
            sent = client.batch(cluster.nodes[i % 3], (2, f"fill-{number}"), 100, True)
            expect(sent["status"] in (200, 201), f"a batch gives {sent['status']} {sent['code']}")
    client.close()


def kill_one(context, nodes, leaver=None):
    """One of nodes, or the one that leaves just now, which need not serve again."""
    victim = context.random.choice(nodes + ([leaver] if leaver else []))
    victim.kill()
    time.sleep(context.random.uniform(0.2, 1.5))
    victim.start()
    if victim is not leaver:
        victim.wait_ready(40)


def measured(context, name, nodes, change, benches):
    """(p99 in ms, seconds) of a load that runs as long as change() does."""
    bench = Bench(context, name, nodes, RATE).begun()
    begun = time.monotonic()
    change()
    spent = time.monotonic() - begun
    result = bench.stop()
    expect(result["failed"] == 0, f"{name}: {result['failed']} requests failed: {bench.words()}")
    benches.append(bench)
    return bench.p99_ms(), spent


def one_life(context, kills):
    cluster = context.cluster(3, slot_count=SLOTS, settings=SETTINGS).start()
    fill(context, cluster)
    leavers = context.random.sample(range(5), 2)
    quiet_s, benches = max(6.0, context.seconds / 6), []
    joiners = [make_joiner(context, cluster, 4), make_joiner(context, cluster, 5)]

    def grow():
        for node in joiners:
            add(context, cluster, node)
            if kills:
                kill_one(context, cluster.nodes)
        wait_done(cluster.nodes, 180)

    def shrink():
        for node in [cluster.nodes[at] for at in leavers]:
            remove(cluster, node, next(n for n in cluster.nodes if n is not node))
            if kills:
                kill_one(context, cluster.nodes, node)
            wait_done(cluster.nodes, 180)
            node.stop()

    quiet, _ = measured(context, "quiet", cluster.nodes, lambda: time.sleep(quiet_s), benches)
    grown, grow_s = measured(context, "grow", list(cluster.nodes), grow, benches)
    wait_shares(cluster, 3)
    rested, _ = measured(context, "five", cluster.nodes, lambda: time.sleep(quiet_s), benches)
    staying = [n for at, n in enumerate(cluster.nodes) if at not in leavers]
    shrunk, shrink_s = measured(context, "shrink", staying, shrink, benches)
    wait_shares(cluster, 3)
    cluster.settle()
    found = [bench.verify(cluster.nodes) for bench in benches]
    context.note(f"{'with kills' if kills else 'undisturbed'}: 3 -> 5 in {grow_s:.1f} s, p99 {grown:.1f} "
                 f"against {quiet:.1f} ms ({grown / quiet:.2f}x); 5 -> 3 without "
                 f"{sorted(at + 1 for at in leavers)} in {shrink_s:.1f} s, p99 {shrunk:.1f} against "
                 f"{rested:.1f} ms ({shrunk / rested:.2f}x); verified "
                 f"{sum(f['acknowledged'] for f in found)} messages, "
                 f"{sum(f['deleted'] for f in found)} of them deleted, nothing wrong")
    context.refuse(checkers.check_replicas(context.stop_and_dump(cluster)))


def run(context):
    one_life(context, False)
    one_life(context, True)
