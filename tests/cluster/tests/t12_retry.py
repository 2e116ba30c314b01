# SPDX-License-Identifier: Apache-2.0
"""A send whose reply got lost is retried after its message was deleted and the leader changed: it
gets its first seq and `deleted`, and nothing is made."""
import json
import socket
import time

from lib.client import channel_path
from lib.context import expect, wait_until
from lib import history as hist

ID = "13"
TITLE = "send retried after its deletion, under a new leader"
CI_SECONDS = 12
SECONDS = 60


def send_and_hang_up(client, node, channel, number):
    """The request is written, the reply is never read: recorded as lost."""
    body = json.dumps(client.item(number)).encode()
    record = {"op": "append", "client": client.name, "node": node.id, "boot": node.boot,
              "channel": list(channel), "slot": hist.slot_of(channel[1], client.slot_count),
              "args": {"items": [[client.name, number]], "expected": None}, "start": hist.now()}
    with socket.create_connection(("127.0.0.1", node.port), timeout=5) as raw:
        raw.sendall(f"POST {channel_path(channel)}/messages HTTP/1.1\r\nHost: x\r\n"
                    f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                    + body)
        time.sleep(0.05)
    record.update(end=hist.now(), status=None, code="lost")
    client.history.add(record)


def one_round(context, cluster, client, number):
    channel = (2, f"retry-{number}")
    node = context.random.choice(cluster.nodes)
    send_and_hang_up(client, node, channel, number)
    wait_until(lambda: client.read(node, channel)["last_seq"] == 1, 5, "the lost send is stored")
    gone = client.delete(node, channel, {"seqs": [1]}, "retry/" + number)
    expect(gone["status"] == 200, f"the delete gives {gone['status']} {gone['code']}")
    leader = cluster.leader(gone["slot"])
    leader.kill()
    other = context.random.choice(cluster.others(leader))
    replies = []

    def retried():
        replies.append(client.append(other, channel, number))
        return hist.outcome(replies[-1]["status"], replies[-1]["code"]) == "done"
    wait_until(retried, 15, "the retry is answered by a new leader")
    result = replies[-1]["results"][0]
    expect(replies[-1]["status"] == 200 and result["duplicate"] and result["deleted"] and
           result["seq"] == 1, f"the retry got {result}")
    leader.start().wait_ready()


def run(context):
    cluster = context.cluster(3).start()
    client = context.client(cluster)
    context.load(cluster, {"W6": 4}, rate=150, channels=4)
    end, rounds = time.monotonic() + context.seconds, 0
    while rounds < 2 or time.monotonic() < end:
        rounds += 1
        one_round(context, cluster, client, f"round{rounds}")
    context.note(f"{rounds} leaders killed")
    context.finish(cluster)
