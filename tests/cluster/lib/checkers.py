# SPDX-License-Identifier: Apache-2.0
"""Holds a history against what the stopped nodes hold: rules C1 to C9 of the reliability design.

The *witness* of a channel is everything that was ever applied to it, in log order. It is read from
the dumps: a dedup record outlives its message and names its seq and log index, message rows name
theirs, and the delete log has every delete. Replaying it in the model gives the state at every
index; each reply is compared with the state at the index that the reply itself names, so checking
is linear in the length of the history.

  C1 no resurrection          C4 a delete that timed out applies at most once, and stays
  C2 no over-delete           C5 no seq twice
  C3 all of a delete or none  C6 every 2xx is in the witness, at its index, with its result
  C7 what was refused is not in the witness; a 504 at most once
  C8 real time (linearizable) and session (min_index) hold, local reads of a life never go back
  C9 one client_msg_no, one message
  D  replicas: rows equal the model at their index, digests equal the recomputed and each other's
  X  replies that no route may give

A run without a finding broke no rule that this can see; it proves no more.
"""
import itertools

from . import model
from .history import outcome

POSITION_BITS, INDEX_BITS = 11, 40
ALLOWED = {"append": {200, 201, 412, 503, 504, 507}, "delete": {200, 412, 422, 503, 504, 507},
           "read": {200, 503}}
FINDINGS_MAX = 200


class Finding:
    def __init__(self, rule, text):
        self.rule, self.text = rule, text

    def __str__(self):
        return f"{self.rule}: {self.text}"


class Checker:
    def __init__(self, records, dumps, collected=()):
        self.records, self.dumps, self.collected = records, dumps, collected
        self.findings = []
        self.events = {}    # channel -> [Message | Delete] in log order
        self.messages = {}  # (channel, sender, number) -> [Message]
        self.deletes = {}   # reason -> [(channel, Delete, row)]
        self.slots = {}     # channel -> its slot, as the rows have it

    def found(self, rule, text):
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(Finding(rule, text))

    def run(self):
        self.build_witness()
        self.check_witness()
        self.check_dumps()
        self.check_acknowledged()
        self.check_refused()
        self.check_numbers()
        self.check_pages()
        self.check_real_time()
        self.check_unseen()
        return self.findings

    # ---- the witness -----------------------------------------------------------------------------
    def build_witness(self):
        seen = {}
        for dump in self.dumps:
            for slot, rows in dump.rows.items():
                for row in itertools.chain.from_iterable(rows.values()):
                    self.slots[channel_of(row)] = slot
                for row in rows.get("dedup", []):
                    self.add_message(seen, row, row["log_index"], row["position"])
                for row in rows.get("message", []):
                    message_id = int(row["message_id"])
                    index = (message_id >> POSITION_BITS) & ((1 << INDEX_BITS) - 1)
                    self.add_message(seen, row, index, message_id & ((1 << POSITION_BITS) - 1))
                for row in rows.get("delete", []):
                    self.add_delete(seen, row)
        for row in self.collected:
            self.slots.setdefault(channel_of(row), row["slot"])
            self.add_delete(seen, row)
        for events in self.events.values():
            events.sort(key=model.order)

    def add_delete(self, seen, row):
        event = model.Delete(row["log_index"], tuple(map(tuple, row["ranges"])), row["reason"])
        channel = channel_of(row)
        if (channel, event) not in seen:
            seen[channel, event] = True
            self.events.setdefault(channel, []).append(event)
            self.deletes.setdefault(event.name, []).append((channel, event, row))

    def add_message(self, seen, row, index, position):
        channel = channel_of(row)
        event = model.Message(row["seq"], index, position, row["from_uid"], row["client_msg_no"])
        if (channel, event) in seen:
            return
        seen[channel, event] = True
        self.events.setdefault(channel, []).append(event)
        key = (channel, event.sender, event.number)
        self.messages.setdefault(key, []).append(event)

    def check_witness(self):
        """The log itself: seqs go up by one, deletes stay within them and count rightly."""
        for channel, events in self.events.items():
            state, commands = model.Channel(), {}
            for event in events:
                if isinstance(event, model.Message):
                    wrong = state.append(event)
                else:
                    if event.index in commands:
                        self.found("C5", f"{channel}: two commands at index {event.index}")
                    commands[event.index] = event
                    row = next(r for c, e, r in self.deletes[event.name]
                               if e == event and c == channel)
                    fresh, before, wrong = state.delete(event)
                    if (fresh, before) != (row["deleted_count"], row["already_deleted"]):
                        self.found("C2", f"{channel}: {event} deleted {row['deleted_count']} and "
                                   f"{row['already_deleted']} before, the model {fresh} and {before}")
                if wrong:
                    self.found("C5", f"{channel}: {wrong}")
        for key, events in self.messages.items():
            if len(events) > 1 and key[2]:
                self.found("C9", f"{key} was stored {len(events)} times: {events}")

    # ---- replicas --------------------------------------------------------------------------------
    def check_dumps(self):
        digests = {}
        for dump in self.dumps:
            for slot, summary in dump.slots.items():
                where = f"node {dump.node} slot {slot} at {summary['applied_index']}"
                if summary["digest"] != summary["recomputed"] or not summary["fits"]:
                    self.found("D", f"{where}: digest {summary['digest']} is not the recomputed "
                               f"{summary['recomputed']}, or counts do not fit")
                key = (slot, summary["applied_index"])
                other = digests.setdefault(key, (dump, summary))
                if other[1]["digest"] != summary["digest"]:
                    self.found("D", f"{where}: digest {summary['digest']}, node {other[0].node} has "
                               f"{other[1]['digest']}")
                elif other[0] is not dump and other[0].rows.get(slot) != dump.rows.get(slot):
                    self.found("D", f"{where}: rows differ from those of node {other[0].node}")
                self.check_rows(dump, slot, summary["applied_index"], where)

    def check_rows(self, dump, slot, applied_index, where):
        """The rows are exactly the model's at the node's own applied index."""
        rows = {}
        for row in dump.of(slot, "message"):
            rows.setdefault(channel_of(row), {})[row["seq"]] = row
        heads = {channel_of(row): row for row in dump.of(slot, "channel")}
        holes = {}
        for row in dump.of(slot, "deleted"):
            holes.setdefault(channel_of(row), []).append([row["start"], row["end"]])
        for channel in (c for c, s in self.slots.items() if s == slot):
            state = self.state_at(channel, applied_index)
            if state.index == 0 and channel not in heads:
                continue  # it came later than this node got
            stored = rows.get(channel, {})
            visible = set(state.visible(1, state.last_seq))
            for seq in sorted(visible - set(stored))[:3]:
                self.found("C2", f"{where}: {channel} seq {seq} is gone and no delete covers it")
            for seq in sorted(set(stored) - visible)[:3]:
                self.found("C1", f"{where}: {channel} seq {seq} is stored although it was deleted")
            if sorted(holes.get(channel, [])) != state.deleted.pairs():
                self.found("D", f"{where}: {channel} deleted intervals {holes.get(channel, [])}, "
                           f"the model has {state.deleted.pairs()}")
            # The head row is written by deletes; behind it the last message row counts.
            last = max([heads[channel]["last_seq"] if channel in heads else 0, *stored])
            if last != state.last_seq:
                self.found("C5", f"{where}: {channel} last_seq is {last}, the model's "
                           f"{state.last_seq}")

    def state_at(self, channel, index):
        state = model.Channel()
        for event in self.events.get(channel, []):
            if event.index > index:
                break
            model.replay(state, event)
        return state

    # ---- writes ----------------------------------------------------------------------------------
    def check_acknowledged(self):
        """C6, and C5 between replies: what was answered with 2xx happened as it says."""
        seqs = {}
        for record in self.records:
            if record.get("bad_reply"):
                self.found("X", f"{name_of(record)}: reply lacks a field: {record['bad_reply']}")
                continue
            if record["status"] is not None and record["status"] not in ALLOWED[record["op"]]:
                self.found("X", f"{name_of(record)}: status {record['status']} {record['code']}")
            if outcome(record["status"], record["code"]) != "done":
                continue
            if record["op"] == "append":
                for item, result in zip(record["args"]["items"], record["results"]):
                    if outcome(result["status"]) == "done":
                        self.check_append(record, item, result, seqs)
            elif record["op"] == "delete" and not record["args"]["dry_run"]:
                self.check_delete(record)
        self.check_results()

    def check_append(self, record, item, result, seqs):
        channel = tuple(record["channel"])
        who = seqs.setdefault((channel, result["seq"]), item)
        if who != item:
            self.found("C5", f"{channel} seq {result['seq']} was given to {who} and to {item}")
        stored = self.messages.get((channel, *item), [])
        fits = [m for m in stored if m.seq == result["seq"] and
                (result["duplicate"] or m.index == result["log_index"]) and
                result["message_id"] == str(message_id(record["slot"], m))]
        if not fits:
            self.found("C6", f"{name_of(record)}: {item} was acknowledged as {result}, the witness "
                       f"has {stored or 'nothing'}")

    def check_delete(self, record):
        if record["delete_id"] is None:
            if record["deleted_count"] != 0:
                self.found("C6", f"{name_of(record)}: no delete_id, but deleted_count "
                           f"{record['deleted_count']}")
            return
        expected = f"{record['slot']}-{record['log_index']}"
        ranges = tuple(map(tuple, record["ranges"]))
        fits = [e for c, e, _ in self.deletes.get(record["args"]["reason"], [])
                if c == tuple(record["channel"]) and e.index == record["log_index"]
                and e.ranges == ranges]
        if not fits or record["delete_id"] != expected:
            self.found("C6", f"{name_of(record)}: delete {record['delete_id']} {ranges} was "
                       f"acknowledged, the witness has "
                       f"{self.deletes.get(record['args']['reason'], 'nothing')}")

    def check_results(self):
        """Counts and edges in a delete's reply are those of the state right after it."""
        replies = {}
        for record in self.records:
            if record["op"] == "delete" and record.get("delete_id") is not None:
                replies[tuple(record["channel"]), record["log_index"]] = record
        for channel, events in self.events.items():
            state = model.Channel()
            for event in events:
                if isinstance(event, model.Message):
                    state.append(event)
                    continue
                fresh, before, _ = state.delete(event)
                record = replies.get((channel, event.index))
                if record is None:
                    continue
                said = [record[f] for f in ("deleted_count", "already_deleted", "first_seq",
                                            "last_seq")]
                if said != [fresh, before, state.first_seq(), state.last_seq]:
                    self.found("C6", f"{name_of(record)}: says {said}, the model says "
                               f"{[fresh, before, state.first_seq(), state.last_seq]}")

    def check_refused(self):
        """C7, C4: refused attempts left nothing, unknown ones at most one trace."""
        numbers = {}  # (channel, sender, number) -> whether any attempt may have been applied
        for record in self.records:
            ended = outcome(record["status"], record["code"])
            channel = tuple(record["channel"])
            if record["op"] == "append":
                results = record.get("results") or []
                for at, item in enumerate(record["args"]["items"]):
                    fate = ended
                    if ended == "done" and at < len(results):
                        fate = outcome(results[at]["status"])
                    key = (channel, *item)
                    numbers[key] = numbers.get(key, False) or fate != "refused"
            elif record["op"] == "delete":
                traces = self.deletes.get(record["args"]["reason"], [])
                if traces and (ended == "refused" or record["args"]["dry_run"]):
                    self.found("C7", f"{name_of(record)}: {record['status']} {record['code']}, but "
                               f"the witness has {traces[0][1]}")
                if len(traces) > 1:
                    self.found("C4", f"{name_of(record)}: applied {len(traces)} times: "
                               f"{[trace[1] for trace in traces]}")
        for key, may_be in numbers.items():
            if not may_be and key in self.messages:
                self.found("C7", f"{key}: every attempt was refused, but the witness has "
                           f"{self.messages[key]}")
        for key, events in self.messages.items():
            if key not in numbers:
                self.found("C7", f"{events[0]} in {key[0]} was never sent")
        self.check_unknown_deletes()

    def check_unknown_deletes(self):
        sent = {r["args"]["reason"] for r in self.records if r["op"] == "delete"}
        for reason, traces in self.deletes.items():
            if reason not in sent:
                self.found("C7", f"{traces[0][1]} in {traces[0][0]} was never sent")

    def check_numbers(self):
        """C9 as clients see it: one number, one seq; one first store; `deleted` told rightly."""
        first = {}
        for record in self.records:
            for item, result in zip(record["args"].get("items", []), record.get("results") or []):
                if outcome(result["status"]) != "done":
                    continue
                key = (tuple(record["channel"]), *item)
                known = first.setdefault(key, {"seqs": set(), "stores": 0})
                known["seqs"].add((result["seq"], result["message_id"]))
                known["stores"] += not result["duplicate"]
                if len(known["seqs"]) > 1 or known["stores"] > 1:
                    self.found("C9", f"{name_of(record)}: {key} has {known}")
                if result["duplicate"]:
                    self.check_duplicate(record, key, result)

    def check_duplicate(self, record, key, result):
        covering = [event for event in self.events.get(key[0], [])
                    if isinstance(event, model.Delete)
                    and any(a <= result["seq"] <= b for a, b in event.ranges)]
        if result["deleted"] and not covering:
            self.found("C9", f"{name_of(record)}: says deleted, no delete covers {result['seq']}")
        acknowledged = self.acknowledged_deletes()
        before = [event for event in covering
                  if acknowledged.get((key[0], event.index), record["start"]) < record["start"]]
        if before and not result["deleted"]:
            self.found("C1", f"{name_of(record)}: retry of {key} does not say that it was deleted "
                       f"by {before[0]}")

    def acknowledged_deletes(self):
        """(channel, index) -> when its acknowledgement came."""
        if not hasattr(self, "acknowledged"):
            self.acknowledged = {(tuple(r["channel"]), r["log_index"]): r["end"]
                                 for r in self.records
                                 if r["op"] == "delete" and r.get("delete_id") is not None}
        return self.acknowledged

    # ---- reads -----------------------------------------------------------------------------------
    def check_pages(self):
        """C1, C2, C3: each page is exactly the model's at the index that the page names."""
        reads = {}
        for record in self.records:
            if record["op"] == "read" and "messages" in record:
                reads.setdefault(tuple(record["channel"]), []).append(record)
        for channel, records in reads.items():
            records.sort(key=lambda record: record["applied_index"])
            events = self.events.get(channel, [])
            state, at = model.Channel(), 0
            for record in records:
                while at < len(events) and events[at].index <= record["applied_index"]:
                    model.replay(state, events[at])
                    at += 1
                self.check_page(record, state, events)

    def check_page(self, record, state, events):
        args, where = record["args"], name_of(record)
        seqs, deleted, more = state.page(args["from_seq"], args["to_seq"], args["limit"],
                                         args["descending"])
        shown = [message[0] for message in record["messages"]]
        for seq, sender, number, is_whole in record["messages"]:
            known = state.messages.get(seq)
            if known is not None and (known.sender, known.number) != (sender, number):
                self.found("C5", f"{where}: seq {seq} is {number} of {sender}, not {known}")
            elif not is_whole:
                self.found("C5", f"{where}: the payload of seq {seq} is not that of {number}")
        if shown == seqs and record["deleted"] == deleted and record["more"] == more and \
                (record["first_seq"], record["last_seq"]) == (state.first_seq(), state.last_seq):
            return
        self.explain_page(record, state, events, set(shown), set(seqs))
        if set(shown) == set(seqs):
            self.found("C2", f"{where}: deleted {record['deleted']} more {record['more']} first "
                       f"{record['first_seq']} last {record['last_seq']} order {shown[:3]}, the "
                       f"model has {deleted} {more} {state.first_seq()} {state.last_seq} {seqs[:3]}")

    def explain_page(self, record, state, events, shown, expected):
        where = name_of(record)
        for seq in sorted(shown - expected)[:3]:
            if seq in state.deleted:
                self.found("C1", f"{where}: shows seq {seq}, deleted by then")
            elif seq > state.last_seq:
                self.found("C8", f"{where}: shows seq {seq}, which is not there yet")
            else:
                self.found("C2", f"{where}: seq {seq} shows beyond the page's limit or window")
        for seq in sorted(expected - shown)[:3]:
            self.found("C2", f"{where}: seq {seq} is missing, no delete by then covers it")
        edges = record["args"]["from_seq"], record["args"]["to_seq"] or record["last_seq"]
        if record["more"]:
            edges = (min(shown, default=1), max(shown, default=0))
        listed = model.Ranges(record["deleted"])
        for event in events:
            if isinstance(event, model.Delete):
                covered = [seq for start, end in event.ranges
                           for seq in range(max(start, edges[0]), min(end, edges[1]) + 1)]
                hidden = [seq for seq in covered if seq in listed or seq not in shown]
                if covered and 0 < len(hidden) < len(covered) and set(covered) & (shown ^ expected):
                    self.found("C3", f"{where}: shows {len(covered) - len(hidden)} of the "
                               f"{len(covered)} messages of {event}")
                    return

    # ---- time ------------------------------------------------------------------------------------
    def check_real_time(self):
        """C8: nothing that starts after a reply is from before what that reply showed."""
        by_slot, by_life = {}, {}
        for record in self.records:
            if outcome(record["status"], record["code"]) != "done" or "bad_reply" in record:
                continue
            by_slot.setdefault(record["slot"], []).append(record)
            if record["args"].get("consistency") == "local":
                life = (record["node"], record["boot"], record["slot"])
                by_life.setdefault(life, []).append(record)
        for records in by_slot.values():
            for record, floor in floors(records):
                self.check_floor(record, floor)
        for life, records in by_life.items():
            for record, floor in floors(records):
                if record["applied_index"] < floor:
                    self.found("C8", f"{name_of(record)}: local read at {record['applied_index']}, "
                               f"node, start, slot {life} had shown {floor} before")

    def check_floor(self, record, floor):
        if record["op"] == "read":
            args, index = record["args"], record["applied_index"]
            if args["consistency"] == "linearizable" and index < floor:
                self.found("C8", f"{name_of(record)}: linearizable at {index}, but {floor} was seen "
                           "before it started")
            if args["min_index"] and index < args["min_index"]:
                self.found("C8", f"{name_of(record)}: min_index {args['min_index']} got {index}")
            return
        for index in indexes_of(record):
            if index <= floor:
                self.found("C8", f"{name_of(record)}: got index {index}, but {floor} was seen "
                           "before it started")

    def check_unseen(self):
        """C4, C1 without any model: what a reply showed as deleted never shows again."""
        channels = {}
        for record in self.records:
            if record["op"] == "read" and "messages" in record:
                channels.setdefault(tuple(record["channel"]), []).append(record)
        for records in channels.values():
            gone = model.Ranges()
            moments = [(r["end"], 0, r) for r in records] + [(r["start"], 1, r) for r in records]
            for _, is_start, record in sorted(moments, key=lambda m: (m[0], m[1], m[2]["id"])):
                if not is_start:
                    for start, end in record["deleted"]:
                        gone.add(start, end)
                elif record["args"]["consistency"] == "linearizable":
                    again = [m[0] for m in record["messages"] if m[0] in gone]
                    if again:
                        self.found("C4", f"{name_of(record)}: seq {again[0]} shows again after a "
                                   "reply that had it deleted")


def channel_of(row):
    return (row["channel_type"], row["channel_id"])


def name_of(record):
    return f"call {record['id']} ({record['op']} {record['channel'][1]} at node {record['node']})"


def message_id(slot, message):
    return (slot << (POSITION_BITS + INDEX_BITS)) | (message.index << POSITION_BITS) | \
        message.position


def indexes_of(record):
    """Log indexes that this write itself made."""
    if record["op"] == "append":
        return [r["log_index"] for r in record["results"]
                if outcome(r["status"]) == "done" and not r["duplicate"]]
    return [record["log_index"]] if record.get("delete_id") is not None else []


def floors(records):
    """(record, highest index that replies before its start had shown), for all records."""
    moments = [(r["end"], 0, r) for r in records] + [(r["start"], 1, r) for r in records]
    floor, found = 0, []
    for _, is_start, record in sorted(moments, key=lambda m: (m[0], m[1], m[2]["id"])):
        if is_start:
            found.append((record, floor))
        else:
            known = indexes_of(record) if record["op"] != "read" else [record["applied_index"]]
            floor = max([floor, *known])
    return found


def check(records, dumps, collected=()):
    """All findings over a finished history and the dumps of all stopped nodes. collected: records
    that the delete log had once, as GET /v1/deletes tells them."""
    return Checker(records, dumps, collected).run()


def check_replicas(dumps):
    """Findings about the nodes' states alone, for a load that kept no history: each is what its own rows
    say was ever applied, with the right digest, and the same on all."""
    checker = Checker([], dumps)
    checker.build_witness()
    checker.check_witness()
    checker.check_dumps()
    return checker.findings


def witness(dumps):
    """channel -> all that was ever applied to it, in log order: model.Message and model.Delete."""
    checker = Checker([], dumps)
    checker.build_witness()
    return checker.events
