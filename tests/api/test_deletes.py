# SPDX-License-Identifier: Apache-2.0
"""All forms of delete, what they answer, and what they leave."""
import time

from lib import Client, check, digests, equal, path_of, seqs


def filled(client, name, count=20):
    channel = (2, name)
    client.fill(channel, count)
    return channel, path_of(channel)


def test_range(daemon):
    client = Client(daemon)
    channel, path = filled(client, "delete-range")
    answer = client.delete(f"{path}/messages?start_seq=5&end_seq=9&reason=why&operator=me",
                           expect=200).json
    equal({k: answer[k] for k in ("start_seq", "end_seq", "deleted_count", "already_deleted",
                                  "first_seq", "last_seq", "ranges", "dry_run")},
          {"start_seq": 5, "end_seq": 9, "deleted_count": 5, "already_deleted": 0, "first_seq": 1,
           "last_seq": 20, "ranges": [[5, 9]], "dry_run": False})
    equal(answer["delete_id"], f"{answer['slot']}-{answer['log_index']}")
    equal(answer["replicas"], {"applied": [1], "pending": []})
    # Again, and overlapping: harmless.
    again = client.delete(f"{path}/messages?start_seq=5&end_seq=9", expect=200).json
    equal((again["deleted_count"], again["already_deleted"]), (0, 5))
    wider = client.delete(f"{path}/messages?start_seq=4&end_seq=12", expect=200).json
    equal((wider["deleted_count"], wider["already_deleted"]), (4, 5))
    equal(seqs(client.page(channel)), [1, 2, 3] + list(range(13, 21)))


def test_forms(daemon):
    client = Client(daemon)
    for form, left in [({"start_seq": 1, "end_seq": 3}, range(4, 21)),
                       ({"ranges": [[1, 2], [19, 20]]}, range(3, 19)),
                       ({"ranges": [[5, 6], [1, 2], [2, 5]]}, range(7, 21)),
                       ({"seqs": [7, 9, 7]}, [n for n in range(1, 21) if n not in (7, 9)]),
                       ({"through_seq": 18}, [19, 20]), ({"keep": 2}, [19, 20]), ({"keep": 0}, []),
                       ({"before": "9999-01-01T00:00:00Z"}, []),
                       ({"before": int(time.time() * 1000) + 100000}, [])]:
        channel, path = filled(client, f"delete-form-{form}")
        answer = client.post(f"{path}/deletes", form, expect=200).json
        equal(seqs(client.page(channel)), list(left), form)
        equal(answer["deleted_count"], 20 - len(left), form)
        equal(answer["last_seq"], 20, form)
        equal(client.send(channel)["message_seq"], 21, form)
    channel, path = filled(client, "delete-form-ranges")
    answer = client.post(f"{path}/deletes", {"ranges": [[9, 9], [3, 4]]}, expect=200).json
    equal((answer["start_seq"], answer["end_seq"], answer["ranges"]), (3, 9, [[3, 4], [9, 9]]))


def test_nothing_to_delete(daemon):
    client = Client(daemon)
    channel, path = filled(client, "delete-nothing")
    before = digests(daemon)
    for form in [{"keep": 20}, {"keep": 100}, {"before": "2020-01-01T00:00:00Z"},
                 {"through_seq": 5, "dry_run": True}]:
        answer = client.post(f"{path}/deletes", form, expect=200).json
        equal((answer["delete_id"], answer["log_index"]), (None, None), form)
        equal(answer["deleted_count"], 5 if "dry_run" in form else 0, form)
    empty = client.post("/v1/channels/2/delete-empty/deletes", {"start_seq": 1, "end_seq": 5,
                                                                 "clamp": True}, expect=200).json
    equal((empty["delete_id"], empty["deleted_count"]), (None, 0))
    empty = client.delete("/v1/channels/2/delete-empty", expect=200).json
    equal((empty["delete_id"], empty["deleted_count"]), (None, 0))
    equal(digests(daemon), before, "state")
    equal(len(client.page(channel)["messages"]), 20)


def test_clamp(daemon):
    client = Client(daemon)
    channel, path = filled(client, "delete-clamp", 10)
    for form in [{"start_seq": 5, "end_seq": 11}, {"through_seq": 11}, {"ranges": [[1, 2], [9, 12]]},
                 {"seqs": [3, 11]}]:
        answer = client.post(f"{path}/deletes", form, expect=422).json
        equal((answer["code"]), "end_beyond_last", form)
        check(answer["last_seq"] > 0 and f"above the last seq, {answer['last_seq']}" in answer["detail"],
              f"{form}: {answer}")
        client.post(f"{path}/deletes?dry_run=1", {**form, "clamp": True}, expect=200)
    client.delete(f"{path}/messages?start_seq=9&end_seq=11", expect=422)
    client.post("/v1/channels/2/delete-empty/deletes", {"start_seq": 1, "end_seq": 1}, expect=422)
    equal(len(client.page(channel)["messages"]), 10)
    answer = client.delete(f"{path}/messages?start_seq=9&end_seq=99&clamp=1", expect=200).json
    equal((answer["start_seq"], answer["end_seq"], answer["deleted_count"]), (9, 10, 2))


def test_dry_run_says_the_same(daemon):
    client = Client(daemon)
    channel, path = filled(client, "delete-dry")
    client.delete(f"{path}/messages?start_seq=3&end_seq=4", expect=200)
    form = {"ranges": [[1, 5], [8, 9]]}
    dry = client.post(f"{path}/deletes", {**form, "dry_run": True}, expect=200).json
    equal(len(client.page(channel)["messages"]), 18)
    wet = client.post(f"{path}/deletes", form, expect=200).json
    for name in ("start_seq", "end_seq", "ranges", "deleted_count", "already_deleted", "last_seq"):
        equal(dry[name], wet[name], name)


def test_whole_channel(daemon):
    client = Client(daemon)
    channel, path = filled(client, "delete-channel")
    answer = client.delete(path, expect=200).json
    equal((answer["deleted_count"], answer["first_seq"], answer["last_seq"]), (20, 0, 20))
    state = client.get(path, expect=200).json
    equal((state["message_count"], state["deleted_count"], state["last_seq"], state["first_seq"]),
          (0, 20, 20, 0))
    equal(client.send(channel)["message_seq"], 21)


def test_limits(daemon):
    client = Client(daemon)
    channel, path = filled(client, "delete-limits", 1000)
    many = [[n, n] for n in range(1, 515, 2)]
    client.post(f"{path}/deletes", {"ranges": many[:257]}, expect=413)
    client.post(f"{path}/deletes", {"seqs": [1] * 10001}, expect=413)
    equal(len(client.page(channel, "limit=1000&from_seq=1")["messages"]), 1000)
    equal(client.post(f"{path}/deletes", {"ranges": many[:256]}, expect=200).json["deleted_count"], 256)
    odd = list(range(601, 1000, 2))
    equal(client.post(f"{path}/deletes", {"seqs": odd}, expect=200).json["deleted_count"], 200)


def test_status(daemon):
    client = Client(daemon)
    _, path = filled(client, "delete-status")
    answer = client.delete(f"{path}/messages?start_seq=1&end_seq=2", expect=200).json
    # Applied means for good: it may take until the next synced write, or a second.
    status = client.get(f"/v1/deletes/{answer['delete_id']}", expect=200).json
    check(status["replicas"][0]["state"] in ("applied", "pending"), status)
    for query in ["?wait=applied", "?wait=applied&timeout=10s", ""]:
        status = client.get(f"/v1/deletes/{answer['delete_id']}{query}", expect=200).json
        equal(status["replicas"], [{"node": 1, "state": "applied", "blocked_by": []}])
        equal((status["applied_everywhere"], status["purged_everywhere"]), (True, False))
        equal(status["ranges"], [[1, 2]])
    client.get(f"/v1/deletes/{answer['delete_id']}?wait=purged", expect=501)
    client.get(f"/v1/deletes/{answer['delete_id']}?wait=never", expect=400)
    client.get(f"/v1/deletes/{answer['delete_id']}?timeout=1s", expect=400)
    client.get(f"/v1/deletes/{answer['slot']}-999999", expect=404)
    client.get("/v1/deletes/99-1", expect=404)
    for bad in ["x", "1", "1-", "-1", "1-x", "1-2-3", "01-1"]:
        client.get(f"/v1/deletes/{bad}", expect=400)


def test_erase_is_never_silent(daemon):
    client = Client(daemon)
    channel, path = filled(client, "delete-erase")
    client.delete(f"{path}/messages?start_seq=1&end_seq=2&erase=1", expect=501)
    client.post(f"{path}/deletes", {"through_seq": 2, "erase": True}, expect=501)
    client.delete(f"{path}?erase=true", expect=501)
    equal(len(client.page(channel)["messages"]), 20)


def test_if_match(daemon):
    client = Client(daemon)
    channel, path = filled(client, "delete-if-match")
    tag = client.get(path, expect=200).headers["etag"]
    client.send(channel)
    client.delete(path, {"If-Match": tag}, expect=412)
    client.post(f"{path}/deletes", {"keep": 1}, {"If-Match": tag}, expect=412)
    tag = client.get(path, expect=200).headers["etag"]
    client.post(f"{path}/deletes", {"keep": 1}, {"If-Match": tag}, expect=200)
    client.post(f"{path}/deletes", {"keep": 0}, {"If-Match": tag}, expect=412)
    equal(len(client.page(channel)["messages"]), 1)


def test_log(daemon):
    client = Client(daemon)
    channel, path = filled(client, "delete-log")
    ids = [client.post(f"{path}/deletes", {"seqs": [n, n + 2], "reason": f"r,\"{n}", "operator": "=me"},
                       expect=200).json["delete_id"] for n in (1, 5, 9)]
    log = client.get(f"{path}/deletes", expect=200).json
    equal([r["delete_id"] for r in log["deletes"]], ids)
    equal(log["deletes"][1]["ranges"], [[5, 5], [7, 7]])
    equal((log["deletes"][1]["operator"], log["deletes"][1]["reason"]), ("=me", 'r,"5'))
    equal((log["more"], log["floor"]), (False, 0))
    slot, index = ids[0].split("-")
    later = client.get(f"/v1/deletes?slot={slot}&since_index={index}&channel_type=2&"
                       f"channel_id=delete-log", expect=200).json
    equal([r["delete_id"] for r in later["deletes"]], ids[1:])
    page = client.get(f"{path}/deletes?limit=2", expect=200).json
    equal([r["delete_id"] for r in page["deletes"]], ids[:2])
    rest = client.get(f"{path}/deletes?limit=2&cursor={page['next_cursor']}", expect=200).json
    equal([r["delete_id"] for r in rest["deletes"]], ids[2:])
    client.get(f"/v1/deletes?cursor={page['next_cursor']}", expect=400)
    lines = client.get(f"{path}/deletes", {"Accept": "application/x-ndjson"}, expect=200).lines
    equal([r["delete_id"] for r in lines], ids)
    text = client.get(f"{path}/deletes", {"Accept": "text/csv"}, expect=200).body.decode()
    rows = text.split("\r\n")
    equal((len(rows), rows[0].split(",")[0]), (5, "delete_id"))
    check('"\'=me","r,""1"' in rows[1], rows[1])
    by_reason = client.get(f"{path}/deletes?reason=r,%221", expect=200).json
    equal([r["delete_id"] for r in by_reason["deletes"]], ids[:1])
    everywhere = client.get("/v1/deletes?limit=10000", expect=200).json
    check(set(ids) <= {r["delete_id"] for r in everywhere["deletes"]})
    equal(everywhere["floor"], None)
    for bad in ["since_index=1", "slot=64", "slot=x", "channel_type=1", "channel_id=x",
                f"slot={(int(slot) + 1) % 64}&channel_type=2&channel_id=delete-log", "limit=0"]:
        client.get(f"/v1/deletes?{bad}", expect=400)
    equal(len(client.page(channel)["messages"]), 14)
