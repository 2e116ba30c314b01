# SPDX-License-Identifier: Apache-2.0
"""A leader is stopped for longer than an election takes, the others go on, it wakes up with requests
waiting in its sockets: none of its linearizable reads may be from before."""
import threading
import time

from lib.context import expect, wait_until

ID = "pause"
TITLE = "leader paused 5 s, then asked: no stale read"
CI_SECONDS = 14
SECONDS = 90
CHANNEL = (2, "pause")
READERS = 6


def one_round(context, cluster, clients, number):
    slot = clients[0].append(cluster.node(1), CHANNEL)["slot"]
    leader = cluster.leader(slot)
    other = context.random.choice(cluster.others(leader))
    for client in clients:
        client.read(leader, CHANNEL)  # a connection that is open when it sleeps
    leader.pause()
    paused = time.monotonic()
    writer = clients[-1]
    wait_until(lambda: writer.append(other, CHANNEL)["status"] == 201, 15,
               "the others take sends while the leader sleeps")
    failover = time.monotonic() - paused
    gone = writer.delete(other, CHANNEL, {"through_seq": 1 + number}, f"pause/{number}")
    expect(gone["status"] == 200, f"the others do not delete: {gone['status']} {gone['code']}")
    time.sleep(max(0.0, 5 - (time.monotonic() - paused)))
    readers = [threading.Thread(target=client.read, args=(leader, CHANNEL))
               for client in clients[:-1]]
    for reader in readers:
        reader.start()
    time.sleep(0.2)
    leader.resume()
    for reader in readers:
        reader.join(20)
    for client in clients[:-1]:
        client.read(leader, CHANNEL)
    return failover


def run(context):
    cluster = context.cluster(3).start()
    clients = [context.client(cluster, f"reader{i}") for i in range(READERS + 1)]
    context.load(cluster, {"W1": 2, "W2": 3}, rate=200)
    end, number, slowest = time.monotonic() + context.seconds, 0, 0.0
    while number < 2 or time.monotonic() < end:
        slowest = max(slowest, one_round(context, cluster, clients, number))
        number += 1
    context.note(f"{number} pauses, sends again after {slowest:.1f} s at most")
    context.finish(cluster)
