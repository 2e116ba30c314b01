# SPDX-License-Identifier: Apache-2.0
"""Limits of channels."""
import time

from lib import JSON, Client, equal, path_of, seqs, Failed


def until(action, wanted, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        got = action()
        if got == wanted:
            return
        time.sleep(0.2)
    raise Failed(f"after {seconds} s: {got!r}, wanted {wanted!r}")


def test_set_get_end(daemon):
    client, channel = Client(daemon), (6, "limits")
    path = path_of(channel) + "/retention"
    none = {"channel_type": 6, "channel_id": "limits", "max_age": None, "max_messages": None, "max_bytes": None}
    equal(client.get(path, expect=200).json, none)
    for body, age in [({"max_age": "30d", "max_messages": 100000, "max_bytes": 1073741824}, "30d"),
                      ({"max_age": "48h"}, "2d"), ({"max_age": "1500ms"}, "1500ms"), ({"max_age": "90"}, "90s"),
                      ({"max_messages": 5, "max_age": None, "more": 1}, None), ({"max_bytes": 2 ** 63 - 1}, None)]:
        wanted = {**none, **{k: v for k, v in body.items() if k in none}, "max_age": age}
        equal(client.ask("PUT", path, body, expect=200).json, wanted)
        equal(client.get(path, expect=200).json, wanted)
    for body in [{}, {"max_age": None}, {"max_age": 30}, {"max_age": "soon"}, {"max_age": "0s"}, {"max_age": "-1d"},
                 {"max_messages": 0}, {"max_messages": -1}, {"max_messages": "5"}, {"max_bytes": 1.5}, [], 7]:
        client.ask("PUT", path, body if isinstance(body, (dict, list)) else str(body), JSON, expect=400)
    equal(client.get(path, expect=200).json, wanted)
    equal(client.delete(path, expect=200).json, none)
    equal(client.get(path, expect=200).json, none)
    equal(client.delete(path, expect=200).json, none)
    client.post(path, {}, expect=405)


def test_it_is_carried_out(daemon):
    """As logged deletes, of the oldest, and of nothing else."""
    client = Client(daemon)
    by_count, by_bytes, free = (6, "count"), (6, "bytes"), (6, "free")
    for channel in (by_count, by_bytes, free):
        client.fill(channel, 30)
    client.ask("PUT", path_of(by_count) + "/retention", {"max_messages": 10}, expect=200)
    client.ask("PUT", path_of(by_bytes) + "/retention", {"max_bytes": 20}, expect=200)
    until(lambda: seqs(client.page(by_count)), list(range(21, 31)))
    until(lambda: seqs(client.page(by_bytes)), list(range(21, 31)))  # two digits each
    deletes = client.get(path_of(by_count) + "/deletes", expect=200).json["deletes"]
    equal([(d["operator"], d["reason"], d["start_seq"], d["end_seq"]) for d in deletes],
          [("retention", "max_messages", 1, 20)])
    equal(client.get(path_of(by_bytes) + "/deletes", expect=200).json["deletes"][0]["reason"], "max_bytes")
    equal(len(seqs(client.page(free))), 30)
    client.delete(path_of(by_count) + "/retention", expect=200)
