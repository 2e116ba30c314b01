# SPDX-License-Identifier: Apache-2.0
"""Pages, cursors, consistency."""
import time

from lib import Client, check, equal, path_of, seqs

CHANNEL = (2, "read")
PATH = path_of(CHANNEL) + "/messages"


def test_windows(daemon):
    client = Client(daemon)
    client.fill(CHANNEL, 120)
    for query, wanted in [("", range(71, 121)), ("limit=3", [118, 119, 120]),
                          ("from_seq=5&limit=3", [5, 6, 7]), ("after_seq=5&limit=2", [6, 7]),
                          ("after_seq=0&limit=2", [1, 2]),
                          ("from_seq=10&to_seq=12", [10, 11, 12]),
                          ("after_seq=10&before_seq=13", [11, 12]),
                          ("after_seq=10&before_seq=11", []), ("before_seq=1", []),
                          ("to_seq=2", [1, 2]), ("from_seq=119", [119, 120]),
                          ("from_seq=500", []), ("order=desc&limit=2", [120, 119]),
                          ("order=desc&before_seq=10&limit=2", [9, 8]),
                          ("from_seq=3&to_seq=5&order=desc", [5, 4, 3]),
                          ("seqs=3,7,9", [3, 7, 9]), ("seqs=3,500", [3]),
                          ("limit=10000&from_seq=1", range(1, 121))]:
        page = client.page(CHANNEL, query)
        equal(seqs(page), list(wanted), query)
        equal((page["first_seq"], page["last_seq"], page["deleted"]), (1, 120, []), query)
    equal(client.page(CHANNEL, "from_seq=7&limit=1")["messages"][0]["payload"], "7")


def test_cursor(daemon):
    client = Client(daemon)
    for order, wanted in [("asc", list(range(10, 101))), ("desc", list(range(100, 9, -1)))]:
        got, pages = [], 0
        page = client.page(CHANNEL, f"from_seq=10&to_seq=100&order={order}&limit=7")
        while True:
            got += seqs(page)
            pages += 1
            equal(page["more"], page["next_cursor"] is not None)
            if not page["more"]:
                break
            page = client.page(CHANNEL, f"limit=7&cursor={page['next_cursor']}")
        equal((got, pages), (wanted, 13), order)
    cursor = client.page(CHANNEL, "from_seq=1&limit=1")["next_cursor"]
    check(cursor.startswith("A"))
    # Bound to its channel, and not to be mixed with a window.
    client.get(f"/v1/channels/3/read/messages?cursor={cursor}", expect=400)
    client.get(f"{PATH}?cursor={cursor}&from_seq=1", expect=400)
    client.get(f"{PATH}?cursor={cursor[:-2]}AA", expect=400)
    client.get(f"{PATH}?cursor=", expect=400)


def test_cursor_from_the_newest(daemon):
    """Without an anchor the pages go back in time, each in ascending order."""
    client, channel = Client(daemon), (2, "newest")
    client.fill(channel, 45)
    client.delete(f"{path_of(channel)}/messages?start_seq=20&end_seq=29", expect=200)
    page, got = client.page(channel, "limit=10"), []
    while True:
        equal(seqs(page), sorted(seqs(page)))
        got.append(seqs(page))
        if not page["more"]:
            break
        client.send(channel)  # what comes meanwhile does not move the pages
        page = client.page(channel, f"limit=10&cursor={page['next_cursor']}")
    equal(got, [list(range(36, 46)), list(range(16, 20)) + list(range(30, 36)),
                list(range(6, 16)), list(range(1, 6))])


def test_holes(daemon):
    client, channel = Client(daemon), (2, "holes")
    client.fill(channel, 30)
    for start, end in [(5, 9), (20, 20), (1, 2)]:
        client.delete(f"{path_of(channel)}/messages?start_seq={start}&end_seq={end}", expect=200)
    page = client.page(channel, "from_seq=1")
    equal(seqs(page), [n for n in range(1, 31) if not (n <= 2 or 5 <= n <= 9 or n == 20)])
    equal(page["deleted"], [{"start_seq": 1, "end_seq": 2}, {"start_seq": 5, "end_seq": 9},
                            {"start_seq": 20, "end_seq": 20}])
    equal((page["first_seq"], page["last_seq"]), (3, 30))
    # Cut to the window that the page covers.
    equal(client.page(channel, "from_seq=7&to_seq=10")["deleted"], [{"start_seq": 7, "end_seq": 9}])
    reply = client.get(f"{path_of(channel)}/messages?from_seq=1",
                       {"Accept": "application/x-ndjson"}, expect=200)
    equal(reply.headers["lethe-deleted"], "1-2,5-9,20-20")
    equal(len(reply.lines), 22)


def test_one_message(daemon):
    client, channel = Client(daemon), (2, "one")
    client.fill(channel, 3)
    answer = client.delete(f"{path_of(channel)}/messages?start_seq=2&end_seq=2", expect=200).json
    client.get(f"{path_of(channel)}/messages/1", expect=200)
    gone = client.get(f"{path_of(channel)}/messages/2", expect=410).json
    equal((gone["code"], gone["delete_id"]), ("seq_deleted", answer["delete_id"]))
    equal(client.get(f"{path_of(channel)}/messages/4", expect=404).json["code"], "seq_not_found")
    client.get("/v1/channels/2/never-was/messages/1", expect=404)
    client.get(f"{path_of(channel)}/messages/0", expect=400)
    client.get(f"{path_of(channel)}/messages/9223372036854775808", expect=400)
    client.get(f"{path_of(channel)}/messages/9223372036854775807", expect=404)
    client.get(f"{path_of(channel)}/messages/abc", expect=400)


def test_unknown_channel_is_empty(daemon):
    client = Client(daemon)
    page = client.page((2, "nobody-was-here"))
    equal((page["messages"], page["first_seq"], page["last_seq"], page["more"]), ([], 0, 0, False))
    channel = client.get("/v1/channels/2/nobody-was-here", expect=200).json
    equal((channel["last_seq"], channel["message_count"]), (0, 0))


def test_consistency(daemon):
    client = Client(daemon)
    for word in ["linearizable", "leader", "local"]:
        read = client.page(CHANNEL, f"consistency={word}&limit=1")["read"]
        equal((read["consistency"], read["leader"], read["served_by"]), (word, 1, 1))
    client.page(CHANNEL, "consistency=local&max_staleness=60s&limit=1")
    sent = client.send(CHANNEL)
    page = client.page(CHANNEL, f"min_index={sent['log_index']}&consistency=local&limit=1")
    check(page["read"]["applied_index"] >= sent["log_index"])
    equal(seqs(page), [sent["message_seq"]])
    for query in ["consistency=strong", "consistency=", "max_staleness=2s",
                  "consistency=local&max_staleness=x", "min_index=-1", "min_index=x"]:
        client.get(f"{PATH}?{query}", expect=400)


def test_time_bounds(daemon):
    client, channel = Client(daemon), (2, "times")
    path = path_of(channel) + "/messages"
    first = client.send(channel)
    time.sleep(0.02)
    second = client.send(channel)
    check(second["timestamp"] > first["timestamp"])
    equal(seqs(client.page(channel, f"since={second['timestamp']}")), [2])
    equal(seqs(client.page(channel, "since=-1h")), [1, 2])
    equal(seqs(client.page(channel, "since=2020-01-01T00:00:00Z")), [1, 2])
    equal(seqs(client.page(channel, "since=2020-01-01T00:00:00%2B01:00&limit=1")), [1])
    equal(seqs(client.page(channel, "since=9999-01-01T00:00:00Z")), [])
    for bad in ["yesterday", "2020-13-01T00:00:00Z", "-1y", "", "1.5"]:
        client.get(f"{path}?since={bad}", expect=400)


def test_by_client_msg_no(daemon):
    client, channel = Client(daemon), (2, "by-number")
    client.send(channel, client_msg_no="n 1", from_uid="u")
    client.send(channel)
    equal(seqs(client.page(channel, "client_msg_no=n+1&from_uid=u")), [1])
    equal(seqs(client.page(channel, "client_msg_no=other&from_uid=u")), [])


def test_tags(daemon):
    client, channel = Client(daemon), (2, "tags")
    client.fill(channel, 3)
    for target in [f"{path_of(channel)}/messages", f"{path_of(channel)}/messages/1",
                   path_of(channel)]:
        tag = client.get(target, expect=200).headers["etag"]
        equal(client.get(target, {"If-None-Match": tag}, expect=304).body, b"")
        client.get(target, {"If-None-Match": '"other"'}, expect=200)
    tag = client.get(f"{path_of(channel)}/messages", expect=200).headers["etag"]
    client.delete(f"{path_of(channel)}/messages?start_seq=2&end_seq=2", expect=200)
    client.get(f"{path_of(channel)}/messages", {"If-None-Match": tag}, expect=200)


def test_page_ends_at_its_bytes(daemon):
    """A page of large messages ends early, has at least one, and says that there is more."""
    client, channel = Client(daemon), (2, "large")
    for _ in range(10):
        client.ask("POST", f"{path_of(channel)}/messages", b"x" * (1024 * 1024),
                   {"Content-Type": "text/plain"}, expect=201)
    page = client.page(channel, "from_seq=1")
    check(1 <= len(page["messages"]) < 10 and page["more"], len(page["messages"]))
    got = seqs(page)
    while page["more"]:
        page = client.page(channel, f"cursor={page['next_cursor']}")
        got += seqs(page)
    equal(got, list(range(1, 11)))
