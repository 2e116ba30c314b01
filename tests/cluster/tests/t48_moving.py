# SPDX-License-Identifier: Apache-2.0
"""What was deleted stays deleted while replicas move: the cases of a node that was away (its log kept, its
log gone, the delete log gone too; members added and removed meanwhile), leaders with deletes of the same shape, and late chunks, each with
four nodes whose replicas wander (driver W8) while deletes are made, while the node is away, and while
it comes back. Slots of the node that is away are given to others, and given back to it later."""
import time

from lib.behind import SNAP, Behind
from lib.context import expect, wait_until
from lib.members import insist, make_joiner, wait_done
from lib.moves import Moves
from . import t32_same_shape, t35_late_chunks

ID = "W8"
TITLE = "cases 1, 2, 3, 4 and 7 with replicas moving under them"
CI_SECONDS = 0
SECONDS = 120
AWAY_S, BACK_S = 3, 5


def made(context, slot_count=4, settings=None, spares=()):
    return context.cluster(4, slot_count=slot_count, proxied=True, spares=spares,
                           settings={"cluster": settings or SNAP}).start()


def judge(context, cluster):
    context.finish(cluster)
    context.history.records.clear()  # of a cluster that is judged
    context.collected.clear()
    context.loads.clear()


def is_asked(node):
    try:
        return node.get("/livez")[0] == 200
    except OSError:
        return False


def one_return(context, cluster, behind, logs):
    """Node 3 is away over deletes and moves, the logs go, it returns into more moves."""
    behind.leave()
    load = context.load(cluster, {"W2": 2}, rate=60, nodes=behind.staying)
    moves = Moves(cluster, f"{context.seed}/{logs}/away")
    behind.miss_deletes()
    time.sleep(AWAY_S)
    moved = moves.stop()
    load.stop()
    context.loads.remove(load)
    if logs != "kept":
        behind.forget(logs == "delete log gone")
    behind.third.start()
    wait_until(lambda: is_asked(behind.third), 20, "node 3 listens")
    moves = Moves(cluster, f"{context.seed}/{logs}/back")
    end = time.monotonic() + BACK_S
    while time.monotonic() < end:
        behind.look()
        time.sleep(0.1)
    moved += moves.stop()
    return moved, behind.wait_whole(90)


def returns(context):
    cluster = made(context)
    behind, rounds, end = Behind(context, cluster).fill(), 0, time.monotonic() + context.seconds / 3
    moved, slowest = 0, 0.0
    while rounds < 3 or time.monotonic() < end:
        logs = ("kept", "log gone", "delete log gone")[rounds % 3]
        one_moved, spent = one_return(context, cluster, behind, logs)
        moved, slowest, rounds = moved + one_moved, max(slowest, spent), rounds + 1
    expect(moved > 0, "nothing was moved")
    context.note(f"{rounds} returns, {moved} nodes drained meanwhile, whole again {slowest:.1f} s after the "
                 f"last move at most")
    judge(context, cluster)


def other_members(context):
    """While node 3 is away over deletes whose logs go, a node is added and another one removed: it comes
    back to a cluster of others."""
    cluster = made(context, spares=(5, 6))
    behind, slowest, leaver = Behind(context, cluster).fill(), 0.0, cluster.node(4)
    for number, full in ((5, False), (6, True)):
        behind.leave()
        joiner = make_joiner(context, cluster, number)
        joiner.start()
        insist(context, cluster, "POST", "/v1/admin/nodes",
               {"id": number, "address": joiner.peer_address})
        cluster.nodes.append(joiner)
        behind.miss_deletes()
        wait_done(behind.staying, 90)
        insist(context, cluster, "DELETE", f"/v1/admin/nodes/{leaver.id}")
        cluster.nodes.remove(leaver)
        behind.staying = cluster.others(behind.third)
        behind.forget(full)
        behind.third.start()
        wait_until(lambda: is_asked(behind.third), 20, "node 3 listens")
        slowest = max(slowest, behind.wait_whole(90))
        wait_done(cluster.nodes, 90)
        leaver.kill()
        leaver = joiner
    context.note(f"two nodes added, two removed while node 3 was away, whole after {slowest:.1f} s at most")
    judge(context, cluster)


def same_shapes(context):
    cluster = made(context, 2)
    clients = context.client(cluster), context.client(cluster, "impatient", timeout=1.5)
    channels = [(2, f"shape-{i}") for i in range(4)]
    moved, slowest = 0, 0.0
    for number in range(t32_same_shape.ROUNDS):
        moves = Moves(cluster, f"{context.seed}/{number}")
        _, spent = t32_same_shape.one_change(context, cluster, clients, channels, number, moves)
        moved, slowest = moved + moves.moved, max(slowest, spent)
    context.note(f"{t32_same_shape.ROUNDS} leader changes, {moved} nodes drained, equal again after "
                 f"{slowest:.1f} s at most")
    judge(context, cluster)


def late_chunks(context):
    cluster = made(context, 2, t35_late_chunks.SLOW)
    behind = Behind(context, cluster).fill()
    refused = [t35_late_chunks.one_round(context, cluster, behind, full, moving=True)
               for full in (True, True)]
    expect(sum(refused) > 0, "no late chunk came")
    context.note(f"late frames refused {refused}")
    judge(context, cluster)


def run(context):
    returns(context)
    other_members(context)
    same_shapes(context)
    late_chunks(context)
