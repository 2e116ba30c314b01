# SPDX-License-Identifier: Apache-2.0
"""Lethe's first case with the delete log collected too: node 3 missed deletes that no record tells of
any more. Only a whole copy that replaces what it has can bring it back; whatever it keeps of its own
rows is a deleted message that comes back. Before it returns, rows that nobody else has are put into its
folder, in every family: afterwards its keys are the source's, nothing more and nothing less.

First, age alone collects nothing: with a retention of no days at all a record stays for as long as a member
lacks it, whoever is asked to collect says who that is, and the member comes back by a delta."""
import json

from lib import rows
from lib.behind import SNAP, Behind
from lib.context import expect
from lib.dump import dump

ID = "3"
TITLE = "delete while a node is down, delete log collected: full install, replaces"
CI_SECONDS = 8
SECONDS = 40


KINDS = ["message", "channel", "deleted", "delete", "dedup"]
FAMILIES = ["messages", "channels", "deleted", "delete_log", "dedup"]


def plant(context, behind):
    """A row more in each family, of a channel that no node has; the channel."""
    known = behind.channels[0]
    foreign = rows.channel_of(behind.slot_of(known), behind.cluster.slot_count, "foreign")
    for family in FAMILIES:
        number = 0 if family == "dedup" else 1
        rows.edit(behind.third, behind.cluster.slot_count, "copy", family, known, "-", (foreign, number))
    planted = has_foreign(dump(behind.third), foreign)
    expect(all(planted.get(kind) == 1 for kind in KINDS), f"planted were {planted}")
    return foreign


def has_foreign(dumped, foreign):
    """How many rows of that channel a dump has, by kind."""
    found = {}
    for kinds in dumped.rows.values():
        for kind in kinds:
            found[kind] = found.get(kind, 0) + sum(row["channel_id"] == foreign[1] for row in kinds[kind])
    return found


def expect_same_keys(cluster, third, foreign):
    """All nodes are stopped: row by row, what node 3 has is what another one has."""
    mine, theirs = dump(third), dump(cluster.others(third)[0])
    expect(not sum(has_foreign(mine, foreign).values()), f"{foreign} is there: {has_foreign(mine, foreign)}")
    for slot in range(cluster.slot_count):
        for kind in KINDS:
            left, right = ([json.dumps(row, sort_keys=True) for row in d.of(slot, kind)] for d in (mine, theirs))
            expect(left == right, f"slot {slot}: {kind} rows differ: {sorted(set(left) ^ set(right))[:3]}")


def by_age_alone(context, cluster, behind):
    """Node 3 is away, all records are old: none goes that it lacks."""
    behind.leave().miss()
    context.collected += cluster.deletes(behind.staying[0])
    reply = cluster.order("/v1/admin/delete-log/collect", {}, among=behind.staying)
    missed = {}
    for channel, (index, _) in behind.gone.items():
        slot = behind.slot_of(channel)
        missed[slot] = min(index, missed.get(slot, index))
    expect(not reply["failed"] and missed, f"the collection says {reply}, missed were {missed}")
    for item in reply["items"]:
        if item["slot"] in missed:
            expect(item["floor_after"] < missed[item["slot"]] and item["held_by"] == [3],
                   f"{item}, and node 3 lacks the record {missed[item['slot']]}")
    behind.third.start().wait_ready(40)
    behind.wait_whole()
    expect("full" not in behind.modes() and "delta" in behind.modes(), f"it came back by {behind.modes()}")


def run(context):
    cluster = context.cluster(3, settings={"cluster": SNAP, "delete_log": {"retention_days": 0}}).start()
    behind = Behind(context, cluster).fill()
    behind.delete(behind.channels[0], {"start_seq": 5, "end_seq": 7})
    behind.batch(behind.channels[0], 1)
    context.collected += cluster.deletes(cluster.nodes[0])
    cluster.settle()
    by_age_alone(context, cluster, behind)
    round_number, slowest, foreign = 0, 0.0, None
    while round_number < max(1, context.seconds // 10):
        seq = 10 + 2 * round_number  # a fence and a record that node 3 has, for plant
        behind.delete(behind.channels[0], {"seqs": [seq]})
        cluster.settle()
        behind.leave().miss(full=True)
        foreign = plant(context, behind)
        behind.third.start().wait_ready(40)
        slowest = max(slowest, behind.wait_whole())
        modes = behind.modes()
        expect("full" in modes and "delta" not in modes, f"it came back by {modes}, not in full")
        made = cluster.metric(behind.third, "replica_full_sync_total")
        expect(made == len(modes), f"{len(modes)} full copies, the metric says {made:.0f}")
        round_number += 1
    context.note(f"{round_number} rounds, whole again after {slowest:.1f} s at most, by {modes}")
    context.finish(cluster)
    expect_same_keys(cluster, behind.third, foreign)
