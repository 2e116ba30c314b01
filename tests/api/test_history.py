# SPDX-License-Identifier: Apache-2.0
"""Readers that stay: long polls, tails, exports."""
import threading
import time

import lib
from lib import Client, check, equal, path_of, seqs


def later(seconds, action):
    """Runs action after a while, beside the test."""
    timer = threading.Timer(seconds, action)
    timer.start()
    return timer


# ---- long poll -------------------------------------------------------------------------------------
def test_wait_ends_with_a_message(daemon):
    client, channel = Client(daemon), (4, "poll")
    client.fill(channel, 3)
    timer = later(0.4, lambda: Client(daemon).send(channel))
    started = time.monotonic()
    page = client.page(channel, "after_seq=3&wait=20s")
    took = time.monotonic() - started
    timer.join()
    equal(seqs(page), [4])
    check(0.3 < took < 5, took)
    equal(page["read"]["consistency"], "linearizable")
    # What is there already is given at once.
    started = time.monotonic()
    equal(seqs(client.page(channel, "after_seq=1&wait=20s&limit=2")), [2, 3])
    check(time.monotonic() - started < 5)


def test_wait_ends_with_its_time(daemon):
    client, channel = Client(daemon), (4, "nothing comes")
    client.fill(channel, 1)
    started = time.monotonic()
    page = client.page(channel, "after_seq=1&wait=700ms&consistency=local")
    took = time.monotonic() - started
    equal((seqs(page), page["more"]), ([], False))
    check(0.6 < took < 5, took)
    # An unknown channel, and one whose end is far below, wait likewise.
    for target in ["nobody", "nothing%20comes"]:
        started = time.monotonic()
        page = client.get(f"/v1/channels/4/{target}/messages?after_seq=9&wait=300ms", expect=200).json
        equal(page["messages"], [])
        check(time.monotonic() - started > 0.25)
    # Nothing new, with the tag of the page before.
    tag = client.get(path_of(channel) + "/messages?after_seq=1").headers["etag"]
    client.get(path_of(channel) + "/messages?after_seq=1&wait=300ms", {"If-None-Match": tag}, expect=304)


def test_wait_is_not_woken_by_others(daemon):
    """Other channels of the same slot, a delete of what is older."""
    client, channel = Client(daemon), (4, "quiet")
    client.fill(channel, 5)
    slot = client.get(path_of(channel), expect=200).json["slot"]
    other = next(name for name in (f"busy-{n}" for n in range(10000))
                 if client.get(path_of((4, name)), expect=200).json["slot"] == slot)

    def others():
        mine = Client(daemon)
        for _ in range(20):
            mine.send((4, other))
        mine.delete(f"{path_of(channel)}/messages?start_seq=1&end_seq=2", expect=200)
    timer = later(0.1, others)
    started = time.monotonic()
    page = client.page(channel, "after_seq=5&wait=1s")
    timer.join()
    equal(seqs(page), [])
    check(time.monotonic() - started > 0.9)


def test_wait_sees_what_was_deleted_at_once(daemon):
    """A message that is deleted before the reader looks is a hole that it is told of."""
    client, channel = Client(daemon), (4, "gone")

    def send_and_delete():
        mine = Client(daemon)
        mine.fill(channel, 3)
        mine.delete(f"{path_of(channel)}/messages?start_seq=1&end_seq=3", expect=200)
    send_and_delete()
    page = client.page(channel, "after_seq=0&wait=20s")
    equal((seqs(page), page["deleted"]), ([], [{"start_seq": 1, "end_seq": 3}]))


def test_wait_is_checked(daemon):
    client, path = Client(daemon), path_of((4, "x")) + "/messages"
    for query in ["wait=25s", "after_seq=1&wait=", "after_seq=1&wait=soon", "after_seq=1&wait=61s",
                  "after_seq=1&wait=-1s", "from_seq=1&wait=1s", "after_seq=1&to_seq=3&wait=1s",
                  "after_seq=1&before_seq=3&wait=1s", "after_seq=1&since=-1h&wait=1s",
                  "after_seq=1&order=desc&wait=1s", "seqs=1&wait=1s", "cursor=AQ&wait=1s"]:
        client.get(f"{path}?{query}", expect=400)


def test_wait_is_bounded_and_ends_on_a_stop(_daemon):
    """As many readers as half of the connections; a stop answers all of them at once."""
    daemon = lib.Daemon("--http-max-connections", "20")
    answers, path = [], path_of((4, "stop")) + "/messages?after_seq=0&wait=60s"

    def read():
        answers.append(Client(daemon).get(path).status)
    threads = [threading.Thread(target=read) for _ in range(10)]
    try:
        for thread in threads:
            thread.start()
        client, end, refused = Client(daemon), time.monotonic() + 10, None
        while time.monotonic() < end and refused is None:
            time.sleep(0.1)
            reply = client.get(path.replace("60s", "50ms"))
            refused = reply if reply.status == 503 else None
        check(refused is not None, "the eleventh reader was taken")
        equal(refused.json["code"], "busy")
        check(int(refused.headers["retry-after"]) >= 1)
        client.send((5, "others go on"))
        started = time.monotonic()
    finally:
        code, log = daemon.stop()
    for thread in threads:
        thread.join(10)
    equal(code, 0, log)
    check(time.monotonic() - started < 10, "the stop took long")
    equal(answers, [503] * 10)
