# SPDX-License-Identifier: Apache-2.0
"""A leader proposes a delete and is cut off: its client hears 504 or 503, the others go on, and after
healing the delete is there as a whole everywhere, or nowhere."""
import threading
import time

from lib.context import expect, wait_until

ID = "14"
TITLE = "leader proposes a delete and is cut off, then heals"
CI_SECONDS = 15
SECONDS = 60
CHANNEL = (2, "cut-off")


def one_round(context, cluster, client, number):
    others_client = context.client(cluster, f"majority{number}")
    slot = client.append(cluster.node(1), CHANNEL)["slot"]
    leader = cluster.leader(slot)
    rest = cluster.others(leader)
    last = client.read(leader, CHANNEL)["last_seq"]
    replies = []

    def propose():
        """One delete after the other, so that the cut meets one of them under way."""
        while not replies or (replies[-1]["status"] == 200 and len(replies) < 2000):
            at = len(replies)
            replies.append(client.delete(leader, CHANNEL, {"seqs": [1 + at % last, last]},
                                         f"cut/{number}/{at}"))
    worker = threading.Thread(target=propose)
    worker.start()
    time.sleep(context.random.uniform(0.05, 0.3))
    cluster.proxy.split([leader.id], [n.id for n in rest])
    spent = wait_until(lambda: others_client.append(rest[0], CHANNEL)["status"] == 201, 15,
                       "the majority takes sends")
    time.sleep(context.random.uniform(0, 2))
    worker.join(20)
    expect(not worker.is_alive(), "the cut-off leader does not answer within its own deadline")
    expect(replies[-1]["status"] in (503, 504), f"the cut-off leader answered {replies[-1]}")
    stale = client.read(leader, CHANNEL, consistency="linearizable")
    expect(stale["status"] == 503, f"a linearizable read without quorum gives {stale['status']}")
    local = client.read(leader, CHANNEL, consistency="local")
    expect(local["status"] == 200, f"a local read without quorum gives {local['status']}")
    late = client.append(leader, CHANNEL)
    expect(late["status"] in (503, 504), f"a send without quorum gives {late['status']}")
    cluster.proxy.heal()
    wait_until(lambda: client.append(leader, CHANNEL)["status"] == 201, 15, "the healed node sends")
    others_client.close()
    return spent, replies[-1]["status"]


def run(context):
    cluster = context.cluster(3, proxied=True).start()
    client = context.client(cluster)
    for _ in range(10):
        client.batch(cluster.node(1), CHANNEL, 10, False)
    context.load(cluster, {"W1": 1, "W2": 4}, rate=200)
    end, number, statuses, slowest = time.monotonic() + context.seconds, 0, [], 0
    while number == 0 or time.monotonic() < end:
        spent, status = one_round(context, cluster, client, number)
        statuses.append(status)
        slowest, number = max(slowest, spent), number + 1
    context.note(f"{number} cuts, the leader said {sorted(set(statuses))}, majority back after "
                 f"{slowest:.1f} s at most")
    context.finish(cluster)
