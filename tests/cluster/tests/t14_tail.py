# SPDX-License-Identifier: Apache-2.0
"""The tail of a channel is deleted, all nodes restart, somebody appends: no seq is used again."""
import time

from lib.context import expect, wait_until

ID = "16"
TITLE = "tail deleted, all restart, append: last_seq never falls"
CI_SECONDS = 0
SECONDS = 60


def one_round(context, cluster, client):
    expected = {}
    for channel in [(2, f"tail-{i}") for i in range(4)]:
        for _ in range(context.random.randint(1, 4)):
            last = client.append(context.random.choice(cluster.nodes), channel)["seqs"][0]
        form = context.random.choice([{"start_seq": last, "end_seq": last}, {"keep": 0}, {},
                                      {"through_seq": last}])
        gone = client.delete(context.random.choice(cluster.nodes), channel, form,
                             f"tail/{channel[1]}/{last}")
        expect(gone["status"] == 200 and gone["last_seq"] == last, f"the delete gives {gone}")
        expected[channel] = last + 1
    for node in cluster.nodes:
        node.kill() if context.random.random() < 0.5 else node.terminate()
    for node in cluster.nodes:
        node.wait_end(12)
    cluster.start()
    for channel, seq in expected.items():
        replies = []

        def sent():
            replies.append(client.append(context.random.choice(cluster.nodes), channel))
            return replies[-1]["status"] == 201
        wait_until(sent, 15, "sends after all restarted")
        lost = [r for r in replies if r["status"] not in (201, 503)]
        expect(lost or replies[-1]["seqs"] == [seq],
               f"{channel} goes on with {replies[-1]['seqs']}, not {seq}")


def run(context):
    cluster = context.cluster(3).start()
    client = context.client(cluster)
    end, rounds = time.monotonic() + context.seconds, 0
    while rounds < 2 or time.monotonic() < end:
        context.load(cluster, {"W1": 2, "W2": 1}, rate=200)
        time.sleep(0.5)
        one_round(context, cluster, client)
        context.loads.pop().stop()
        rounds += 1
    context.note(f"{rounds} restarts of all")
    context.finish(cluster)
