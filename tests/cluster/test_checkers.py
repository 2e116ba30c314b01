#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The checkers' own test: a sound history passes, and each history that breaks one rule is refused
for that rule. Without it a checker that finds nothing would look like a cluster that does no wrong."""
import copy
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import checkers, dump, model, tail  # noqa: E402  pylint: disable=wrong-import-position
from lib.proxy import Pipe  # noqa: E402  pylint: disable=wrong-import-position

SLOT = 1
ROOM = (2, "room")


class World:
    """A little cluster in this process: makes records and dumps as real nodes would."""

    def __init__(self, nodes=(1, 2, 3)):
        self.nodes, self.records, self.state = nodes, [], model.Channel()
        self.index, self.clock, self.dedup, self.log = 1, 0.0, [], []
        self.senders = {}

    def record(self, op, args, status, **fields):
        self.clock += 1.0
        record = {"op": op, "client": "c", "node": 1, "boot": 1, "channel": list(ROOM),
                  "slot": SLOT, "args": args, "start": self.clock, "end": self.clock + 0.5,
                  "status": status, "code": None, "id": len(self.records), **fields}
        self.records.append(record)
        return record

    def append(self, number, status=201, applied=True, answered=True):
        fields = {}
        if applied:
            self.index += 1
            seq = self.state.last_seq + 1
            event = model.Message(seq, self.index, 0, "u", number)
            self.state.append(event)
            self.log.append(event)
            self.dedup.append({"row": "dedup", "slot": SLOT, "channel_type": 2,
                               "channel_id": "room", "from_uid": "u", "client_msg_no": number,
                               "seq": seq, "log_index": self.index, "position": 0})
            if answered:
                fields = {"log_index": self.index, "seqs": [seq], "results": [self.result(event)]}
        return self.record("append", {"items": [["u", number]], "expected": None}, status, **fields)

    def retry(self, number, deleted):
        event = next(e for e in self.log if getattr(e, "number", None) == number)
        result = dict(self.result(event), status=200, duplicate=True, deleted=deleted)
        return self.record("append", {"items": [["u", number]], "expected": None}, 200,
                           log_index=event.index, seqs=[event.seq], results=[result])

    @staticmethod
    def result(event):
        return {"status": 201, "code": None, "seq": event.seq, "log_index": event.index,
                "message_id": str(checkers.message_id(SLOT, event)), "duplicate": False,
                "deleted": False}

    def delete(self, reason, ranges, status=200, applied=True, answered=True):
        fields = {}
        if applied:
            self.index += 1
            event = model.Delete(self.index, tuple(ranges), reason)
            fresh, before, _ = self.state.delete(event)
            self.log.append(event)
            self.dedup.append({"row": "delete", "slot": SLOT, "channel_type": 2,
                               "channel_id": "room", "log_index": self.index, "reason": reason,
                               "ranges": [list(r) for r in ranges], "deleted_count": fresh,
                               "already_deleted": before})
            if answered:
                fields = {"log_index": self.index, "delete_id": f"{SLOT}-{self.index}",
                          "ranges": [list(r) for r in ranges], "deleted_count": fresh,
                          "already_deleted": before, "first_seq": self.state.first_seq(),
                          "last_seq": self.state.last_seq}
        return self.record("delete", {"form": {}, "reason": reason, "dry_run": False}, status,
                           **fields)

    def read(self, consistency="linearizable", min_index=None, limit=100, descending=False):
        seqs, deleted, more = self.state.page(1, None, limit, descending)
        args = {"from_seq": 1, "to_seq": None, "limit": limit, "descending": descending,
                "consistency": consistency, "min_index": min_index}
        return self.record("read", args, 200, applied_index=self.index, served_by=1, more=more,
                           first_seq=self.state.first_seq(), last_seq=self.state.last_seq,
                           deleted=deleted,
                           messages=[[s, "u", self.state.messages[s].number, True] for s in seqs])

    def dumps(self):
        made = []
        for node in self.nodes:
            rows = {"dedup": [], "delete": [], "message": [], "deleted": [], "channel": []}
            for row in self.dedup:
                rows[row["row"]].append(dict(row))
            base = {"slot": SLOT, "channel_type": 2, "channel_id": "room"}
            for seq in self.state.visible(1, self.state.last_seq):
                event = self.state.messages[seq]
                rows["message"].append(dict(base, row="message", seq=seq, from_uid="u",
                                            client_msg_no=event.number,
                                            message_id=str(checkers.message_id(SLOT, event))))
            for start, end in self.state.deleted.pairs():
                rows["deleted"].append(dict(base, row="deleted", start=start, end=end))
            rows["channel"].append(dict(base, row="channel", last_seq=self.state.last_seq))
            summary = {"slot": SLOT, "applied_index": self.index, "digest": "ab",
                       "recomputed": "ab", "fits": True, "messages": len(rows["message"])}
            made.append(dump.Dump(node, {SLOT: summary}, {SLOT: rows}))
        return made


def story():
    """Ten messages, two deletes, retries, a lost reply, reads of every kind."""
    world = World()
    for i in range(1, 9):
        world.append(f"n{i}")
    world.read()
    world.delete("d1", [(2, 3)])
    world.read()
    world.append("n9", status=504, answered=False)
    world.append("never", status=503, applied=False)
    world.delete("d2", [(5, 6), (8, 8)])
    world.read(descending=True, limit=3)
    world.delete("d3", [(1, 1)], status=504, answered=False)
    world.read("local", min_index=world.index)
    world.retry("n2", True)
    world.retry("n9", False)
    world.append("n10")
    world.read()
    return world


def rules(world, dumps=None):
    return {finding.rule for finding in checkers.check(world.records, dumps or world.dumps())}


class Checkers(unittest.TestCase):
    def refuse(self, rule, world, dumps=None):
        found = checkers.check(world.records, dumps or world.dumps())
        self.assertIn(rule, {f.rule for f in found}, [str(f) for f in found])

    def find(self, world, op, number=0):
        return [r for r in world.records if r["op"] == op][number]

    def test_sound_history_passes(self):
        world = story()
        self.assertEqual([], [str(f) for f in checkers.check(world.records, world.dumps())])

    def test_c1_deleted_message_shows_again(self):
        world = story()
        self.find(world, "read", 1)["messages"].insert(1, [2, "u", "n2", True])
        self.refuse("C1", world)

    def test_c1_deleted_row_stays_on_one_node(self):
        world = story()
        dumps = world.dumps()
        event = world.state.messages[2]
        dumps[2].of(SLOT, "message").append(dict(
            dumps[2].of(SLOT, "message")[0], seq=2, client_msg_no="n2",
            message_id=str(checkers.message_id(SLOT, event))))
        self.refuse("C1", world, dumps)

    def test_c1_retry_hides_that_it_was_deleted(self):
        world = story()
        next(r for r in world.records if r["status"] == 200 and r["op"] == "append")[
            "results"][0]["deleted"] = False
        self.refuse("C1", world)

    def test_c2_message_missing_without_delete(self):
        world = story()
        del self.find(world, "read", 0)["messages"][4]
        self.refuse("C2", world)

    def test_c2_row_missing_on_one_node(self):
        world = story()
        dumps = world.dumps()
        del dumps[1].of(SLOT, "message")[0]
        self.refuse("C2", world, dumps)

    def test_c2_hole_is_silent(self):
        world = story()
        self.find(world, "read", 1)["deleted"] = []
        self.refuse("C2", world)

    def test_c2_more_is_wrong(self):
        world = story()
        self.find(world, "read", 2)["more"] = not self.find(world, "read", 2)["more"]
        self.refuse("C2", world)

    def test_c2_delete_counts_wrong(self):
        world = story()
        dumps = world.dumps()
        for held in dumps:
            held.of(SLOT, "delete")[0]["deleted_count"] = 5
        self.refuse("C2", world, dumps)

    def test_c3_half_a_delete(self):
        world = story()
        page = self.find(world, "read", 1)
        page["messages"].insert(1, [3, "u", "n3", True])
        page["deleted"] = [[2, 2]]
        self.refuse("C3", world)

    def test_c4_delete_applied_twice(self):
        world = story()
        world.delete("d3", [(1, 1)], status=504, answered=False)
        world.records.pop()
        self.refuse("C4", world)

    def test_c4_delete_unseen_again(self):
        world = story()
        late = copy.deepcopy(self.find(world, "read", 0))
        late.update(start=world.clock + 2, end=world.clock + 3, id=len(world.records))
        world.records.append(late)
        self.refuse("C4", world)

    def test_c5_seq_used_twice(self):
        world = story()
        dumps = world.dumps()
        for held in dumps:
            held.of(SLOT, "dedup")[4]["seq"] = 4
        self.refuse("C5", world, dumps)

    def test_c5_seq_given_to_two(self):
        world = story()
        record = self.find(world, "append", 3)
        record["seqs"] = [3]
        record["results"][0]["seq"] = 3
        self.refuse("C5", world)

    def test_c5_last_seq_falls(self):
        world = story()
        world.delete("tail", [(world.state.last_seq, world.state.last_seq)])
        dumps = world.dumps()
        dumps[0].of(SLOT, "channel")[0]["last_seq"] -= 1
        self.refuse("C5", world, dumps)

    def test_c5_payload_of_another(self):
        world = story()
        self.find(world, "read", 0)["messages"][0][3] = False
        self.refuse("C5", world)

    def test_c5_content_of_another(self):
        world = story()
        self.find(world, "read", 0)["messages"][0][2] = "n2"
        self.refuse("C5", world)

    def test_c6_acknowledged_send_is_lost(self):
        world = story()
        dumps = world.dumps()
        for held in dumps:
            held.rows[SLOT]["dedup"] = [r for r in held.of(SLOT, "dedup") if r["seq"] != 10]
            held.rows[SLOT]["message"] = [r for r in held.of(SLOT, "message") if r["seq"] != 10]
        self.refuse("C6", world, dumps)

    def test_c6_acknowledged_delete_is_lost(self):
        world = story()
        dumps = world.dumps()
        for held in dumps:
            del held.of(SLOT, "delete")[1]
        self.refuse("C6", world, dumps)

    def test_c6_wrong_index(self):
        world = story()
        self.find(world, "append", 2)["results"][0]["log_index"] += 40
        self.refuse("C6", world)

    def test_c6_delete_result_wrong(self):
        world = story()
        self.find(world, "delete", 0)["deleted_count"] = 7
        self.refuse("C6", world)

    def test_c7_refused_send_was_applied(self):
        world = story()
        world.append("n11", status=503, answered=False)
        self.refuse("C7", world)

    def test_c7_refused_delete_was_applied(self):
        world = story()
        world.delete("d9", [(4, 4)], status=503, answered=False)
        self.refuse("C7", world)

    def test_c7_never_sent(self):
        world = story()
        world.append("ghost")
        world.records.pop()
        self.refuse("C7", world)

    def test_c7_dry_run_deleted(self):
        world = story()
        world.delete("dry", [(4, 4)])["args"]["dry_run"] = True
        self.refuse("C7", world)

    def test_c8_stale_linearizable_read(self):
        world = story()
        world.append("n12")
        stale = copy.deepcopy(self.find(world, "read", 4))
        stale.update(start=world.clock + 2, end=world.clock + 3, id=len(world.records))
        world.records.append(stale)
        self.refuse("C8", world)

    def test_c8_min_index_ignored(self):
        world = story()
        self.find(world, "read", 3)["args"]["min_index"] = 10000
        self.refuse("C8", world)

    def test_c8_local_goes_back_in_one_life(self):
        world = story()
        before = copy.deepcopy(self.find(world, "read", 0))
        after = self.find(world, "read", 3)
        before["args"]["consistency"] = "local"
        before.update(start=after["end"] + 0.1, end=after["end"] + 0.2, id=len(world.records))
        world.records.append(before)
        self.refuse("C8", world)

    def test_c8_write_goes_back(self):
        world = story()
        record = self.find(world, "append", 0)
        record.update(start=world.clock + 2, end=world.clock + 3)
        self.refuse("C8", world)

    def test_c9_number_stored_twice(self):
        world = story()
        world.append("n4")
        self.refuse("C9", world)

    def test_c9_two_first_stores(self):
        world = story()
        next(r for r in world.records if r["status"] == 200 and r["op"] == "append")[
            "results"][0]["duplicate"] = False
        self.refuse("C9", world)

    def test_digest_not_recomputed(self):
        world = story()
        dumps = world.dumps()
        dumps[1].slots[SLOT]["recomputed"] = "cd"
        self.refuse("D", world, dumps)

    def test_digests_differ(self):
        world = story()
        dumps = world.dumps()
        dumps[1].slots[SLOT].update(digest="cd", recomputed="cd")
        self.refuse("D", world, dumps)

    def test_rows_differ(self):
        world = story()
        dumps = world.dumps()
        dumps[1].of(SLOT, "message")[0]["payload"] = "other"
        self.refuse("D", world, dumps)

    def test_node_behind_is_held_to_its_index(self):
        world = story()
        behind = world.dumps()[:1]
        world.append("n13")
        dumps = world.dumps()[1:] + behind
        self.assertEqual(set(), rules(world, dumps))
        del behind[0].of(SLOT, "message")[1]
        self.refuse("C2", world, dumps)

    def test_status_that_no_route_gives(self):
        world = story()
        self.find(world, "append", 0)["status"] = 500
        self.refuse("X", world)

    def test_reply_without_a_field(self):
        world = story()
        self.find(world, "append", 0)["bad_reply"] = "KeyError 'log_index'"
        self.refuse("X", world)


class Tails(unittest.TestCase):
    """What a reader of a tail saw, against the log: messages 1-4, delete of 2-3, message 5, delete of 5."""
    LOG = [model.Message(1, 2, 0, "u", "n1"), model.Message(2, 3, 0, "u", "n2"),
           model.Message(3, 4, 0, "u", "n3"), model.Message(4, 5, 0, "u", "n4"),
           model.Delete(6, ((2, 3),), "d1"), model.Message(5, 7, 0, "u", "n5"),
           model.Delete(8, ((5, 5),), "d2")]

    class Reader:
        def __init__(self, events):
            self.events = events

    @staticmethod
    def message(seq, number=None, is_sound=True):
        return ("message", [seq, "u", number or f"n{seq}", is_sound])

    @staticmethod
    def delete(index, *ranges):
        return ("delete", {"delete_id": f"1-{index}" if index else None, "ranges": list(map(list, ranges))})

    def story(self):
        return [self.message(1), self.message(2), self.message(3), self.message(4),
                self.delete(6, (2, 3)), self.message(5), self.delete(8, (5, 5))]

    def faults(self, events):
        return tail.judge(self.Reader(events), self.LOG)

    def test_sound(self):
        self.assertEqual([], self.faults(self.story()))
        late = [self.message(1), self.delete(None, (2, 3)), self.message(4), self.delete(8, (5, 5))]
        self.assertEqual([], self.faults(late))

    def test_each_fault_is_found(self):
        story = self.story()
        for name, events in {
                "lost": story[:3] + story[4:], "twice": story[:4] + story[3:], "damaged": [
                    self.message(1, is_sound=False)] + story[1:],
                "another's": [self.message(1, "n9")] + story[1:], "swapped": story[1::-1] + story[2:],
                "delete lost": story[:4] + story[5:], "delete twice": story[:5] + story[4:],
                "delete too early": story[:3] + [story[4], story[3]] + story[5:],
                "delete too large": story[:4] + [self.delete(6, (2, 4))] + story[5:],
                "delete of nobody": story + [self.delete(9, (1, 1))],
                "message of nobody": story + [self.message(6)],
                "back again": story + [self.message(5)]}.items():
            self.assertTrue(self.faults(events), name)


class Ranges(unittest.TestCase):
    def test_against_sets(self):
        import random  # pylint: disable=import-outside-toplevel
        for seed in range(200):
            dice, ranges, plain = random.Random(seed), model.Ranges(), set()
            for _ in range(30):
                start = dice.randint(1, 60)
                end = start + dice.randint(0, 12)
                self.assertEqual(len(plain & set(range(start, end + 1))), ranges.count(start, end))
                ranges.add(start, end)
                plain |= set(range(start, end + 1))
                self.assertEqual(plain, {n for n in range(80) if n in ranges})
                for (_, a), (b, _) in zip(ranges.pairs(), ranges.pairs()[1:]):
                    self.assertGreater(b, a + 1)


class Proxies(unittest.TestCase):
    class Link:
        def __init__(self, **rules):
            self.rules, self.count = rules, 0

    def pieces(self, is_forward, **rules):
        pipe = Pipe(self.Link(**rules), None, None, is_forward)
        for at in range(0, 1000, 100):
            pipe.take(bytes(100), at)
        return b"".join(data for _, data in pipe.queue)

    def test_rules(self):
        self.assertEqual(bytes(1000), self.pieces(True))
        self.assertEqual(b"", self.pieces(True, cut=True))
        self.assertEqual(b"", self.pieces(False, half=True))
        self.assertEqual(bytes(1000), self.pieces(True, half=True))
        self.assertEqual(b"", self.pieces(True, deaf=True))
        self.assertEqual(4, sum(map(bool, self.pieces(True, flip=250))))
        self.assertEqual(bytes(1000), self.pieces(False, flip=250))
        self.assertEqual(b"", self.pieces(True, drop=1.1))


if __name__ == "__main__":
    outcome = unittest.main(exit=False, verbosity=0).result
    failed = len(outcome.failures) + len(outcome.errors)
    print(f"{outcome.testsRun - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
