# SPDX-License-Identifier: Apache-2.0
"""Lists of channels."""
from lib import Client, check, equal, path_of


def test_channels(daemon):
    client = Client(daemon)
    names = {f"list-{n:03}" for n in range(150)}
    items = [{"channel_type": 4, "channel_id": name, "payload": "aGk="} for name in names]
    client.post("/v1/messages:batch", {"messages": items}, expect=200)
    for limit in (1000, 150, 149, 7):
        got, query = [], f"prefix=list-&type=4&limit={limit}"
        page = client.get(f"/v1/channels?{query}", expect=200).json
        while True:
            check(len(page["channels"]) <= limit)
            got += [c["channel_id"] for c in page["channels"]]
            if not page["more"]:
                break
            page = client.get(f"/v1/channels?{query}&cursor={page['next_cursor']}", expect=200).json
        equal((len(got), set(got)), (150, names), limit)
    equal(client.get("/v1/channels?prefix=list-&type=5", expect=200).json["channels"], [])
    equal(len(client.get("/v1/channels?prefix=list-00&type=4", expect=200).json["channels"]), 10)
    lines = client.get("/v1/channels?prefix=list-&type=4&limit=1000",
                       {"Accept": "application/x-ndjson"}, expect=200).lines
    equal({c["channel_id"] for c in lines}, names)


def test_journal(daemon):
    """marks=1: each slot's deletes, and behind them how far they are complete, over pages too."""
    client, path = Client(daemon), "/v1/channels/3/journal"
    client.fill((3, "journal"), 30)
    for seq in range(1, 11):
        client.delete(f"{path}/messages?start_seq={seq}&end_seq={seq}&reason=journal", expect=200)
    ndjson = {"Accept": "application/x-ndjson"}
    whole = client.get("/v1/deletes?marks=1&limit=10000", ndjson, expect=200).lines
    marks = [line for line in whole if "through_index" in line]
    equal([line["slot"] for line in marks], list(range(64)))
    known = {}  # a chain: each line begins where what is known of its slot ends
    for line in whole:
        check(line["after_index"] <= known.get(line["slot"], 0), line)
        known[line["slot"]] = line.get("through_index", line.get("log_index"))
    pages, cursor = [], ""
    while cursor is not None:
        page = client.get("/v1/deletes?marks=1&limit=3" + cursor, ndjson, expect=200)
        pages += page.lines
        cursor = page.headers.get("lethe-next-cursor")
        cursor = cursor and "&cursor=" + cursor
    equal([line.get("delete_id") for line in pages], [line.get("delete_id") for line in whole])
    mine = client.get("/v1/channels/3/journal/deletes", expect=200).json["deletes"]
    equal([one["after_index"] for one in mine[1:]], [one["log_index"] for one in mine[:-1]])
    client.get("/v1/deletes?marks=1", expect=400)
    client.get("/v1/deletes?marks=maybe", ndjson, expect=400)
    for name in ("reason=x", "operator=x", "since=0", "channel_type=3&channel_id=journal"):
        client.get("/v1/deletes?marks=1&" + name, ndjson, expect=400)


TEXT = {"Accept": "text/plain"}


def rows_of(reply):
    """The rows of a table, by what stands under each name."""
    equal(reply.type, "text/plain")
    lines = reply.body.decode().splitlines()
    names = lines[0].split()
    starts = [lines[0].index(name) for name in names] + [None]
    return [{name: line[start:end].rstrip() for name, start, end in zip(names, starts, starts[1:])}
            for line in lines[1:]]


def test_table_of_channels(daemon):
    client = Client(daemon)
    for name in ["table-a", "table-ä ö", "table-" + "x" * 40]:
        client.send((4, name))
    wanted = client.get("/v1/channels?prefix=table-&type=4", expect=200).json["channels"]
    rows = rows_of(client.get("/v1/channels?prefix=table-&type=4", TEXT, expect=200))
    equal(rows, [{k: str(v) for k, v in channel.items()} for channel in wanted])
    chosen = client.get("/v1/channels?prefix=table-&type=4&columns=last_seq,channel_id", TEXT, expect=200)
    equal(rows_of(chosen), [{"last_seq": "1", "channel_id": c["channel_id"]} for c in wanted])
    got, query = [], "prefix=table-&type=4&limit=1"
    page = client.get(f"/v1/channels?{query}", TEXT, expect=200)
    while "lethe-next-cursor" in page.headers:
        got += rows_of(page)
        page = client.get(f"/v1/channels?{query}&cursor={page.headers['lethe-next-cursor']}", TEXT, expect=200)
    equal(got + rows_of(page), rows)
    equal(client.get("/v1/channels?prefix=table-none", TEXT, expect=200).body.count(b"\n"), 1)


def test_table_of_deletes(daemon):
    client, channel = Client(daemon), (4, "table-deletes")
    client.fill(channel, 20)
    for query in ["start_seq=1&end_seq=3&reason=by%20hand&operator=%C3%A4", "start_seq=2&end_seq=9"]:
        client.delete(f"{path_of(channel)}/messages?{query}", expect=200)
    for target in [f"{path_of(channel)}/deletes?", "/v1/deletes?channel_type=4&channel_id=table-deletes&"]:
        wanted = client.get(target, expect=200).json["deletes"]
        rows = rows_of(client.get(target, TEXT, expect=200))
        equal(len(rows), 2)
        for row, record in zip(rows, wanted):
            del record["ranges"]
            equal(row, {name: str(value) or "-" for name, value in record.items()})
        equal(rows_of(client.get(target + "columns=reason,delete_id", TEXT, expect=200)),
              [{"reason": r["reason"] or "-", "delete_id": r["delete_id"]} for r in wanted])
        page = client.get(target + "limit=1", TEXT, expect=200)
        equal(rows_of(page), rows[:1])
        rest = client.get(f"{target}cursor={page.headers['lethe-next-cursor']}", TEXT, expect=200)
        equal(rows_of(rest), rows[1:])


def test_by_slot(daemon):
    client = Client(daemon)
    slot = client.send((4, "by-slot"))["slot"]
    listed = client.get(f"/v1/channels?slot={slot}&limit=10000", expect=200).json["channels"]
    check("by-slot" in [c["channel_id"] for c in listed])
    equal({c["slot"] for c in listed}, {slot})


def test_channel_figures(daemon):
    client, channel = Client(daemon), (4, "figures")
    client.fill(channel, 10)
    client.delete(f"{path_of(channel)}/messages?start_seq=1&end_seq=3", expect=200)
    state = client.get(path_of(channel), expect=200).json
    equal({k: state[k] for k in ("first_seq", "last_seq", "message_count", "deleted_count",
                                 "delete_version", "leader", "bytes")},
          {"first_seq": 4, "last_seq": 10, "message_count": 7, "deleted_count": 3,
           "delete_version": 1, "leader": 1, "bytes": 8})
    check(state["last_timestamp"] > 1700000000000)


def test_bad_lists(daemon):
    client = Client(daemon)
    cursor = client.get("/v1/channels?limit=1", expect=200).json["next_cursor"]
    for query in ["limit=0", "limit=10001", "type=256", "type=x", "slot=64", "slot=-1", "nothing=1",
                  "limit=1&limit=2", "prefix=%ff", "cursor=AAAA", f"cursor={cursor}&type=4",
                  f"cursor={cursor}&prefix=x", "consistency=none"]:
        client.get(f"/v1/channels?{query}", expect=400)
