# SPDX-License-Identifier: Apache-2.0
"""One node, killed with -9 at random moments under load: nothing acknowledged is lost, nothing
deleted comes back, and the digest is that of the rows. --rounds 50 is the project's own target."""
import time

from lib.context import expect
from lib.dump import dump

ID = "kill"
TITLE = "one node, kill -9 at random under load"
CI_SECONDS = 0
SECONDS = 90
SECONDS_A_ROUND = 2.0


def check_digests(node, round_number):
    """Of the killed store, before anybody opens it for writing."""
    held = dump(node)
    for slot, summary in held.slots.items():
        expect(summary["fits"] and summary["digest"] == summary["recomputed"],
               f"after kill {round_number} slot {slot} has digest {summary['digest']}, its rows "
               f"{summary['recomputed']}")


def run(context):
    cluster, node = context.single()
    node.start().wait_ready()
    context.load(cluster, {"W1": 3, "W2": 3}, rate=450)
    context.load(cluster, {"W6": 2, "W7": 1}, rate=100, channels=4)
    rounds = context.rounds or max(2, int(context.seconds / SECONDS_A_ROUND))
    slowest = 0.0
    for i in range(rounds):
        time.sleep(context.random.uniform(0.3, 2 * SECONDS_A_ROUND - 0.8))
        node.kill()
        check_digests(node, i + 1)
        begun = time.monotonic()
        node.start().wait_ready()
        slowest = max(slowest, time.monotonic() - begun)
    context.note(f"{rounds} kills, slowest start {slowest:.2f} s")
    context.finish(cluster)
