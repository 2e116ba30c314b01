# SPDX-License-Identifier: Apache-2.0
"""Driver W8: replicas move under whatever else goes on. A thread drains one node after the other and
gives it its share back, so that every slot's replicas wander; a drained node's slots are installed on
others, and later anew on the node itself."""
import http.client
import random
import threading

from .members import ask, placement


class Moves(threading.Thread):
    """Started at once; stop() leaves no node drained. Needs more nodes than replicas of a slot."""

    def __init__(self, cluster, seed, among=None):
        super().__init__(name="moves", daemon=True)
        self.cluster, self.random = cluster, random.Random(f"moves/{seed}")
        self.among = list(among or cluster.nodes)
        self.stopping = threading.Event()
        self.drained, self.moved, self.problem = None, 0, None
        self.start()

    def run(self):
        try:
            while not self.stopping.is_set():
                node = self.random.choice(self.among)
                if self.order(node.id, "drain"):
                    self.drained = node.id
                    self.wait_moved(12)
                    self.moved += 1
                    self.undrain()
                    self.wait_moved(12)
                self.stopping.wait(0.2)
        except Exception as problem:  # pylint: disable=broad-except
            self.problem = problem

    def order(self, node_id, verb):
        """True: it is so. An order that is refused (another change runs, too few are up) is no fault."""
        for node in self.random.sample(self.cluster.nodes, len(self.cluster.nodes)):
            if not node.is_running() or node.is_paused:
                continue
            try:
                status, document = ask(node, "POST", f"/v1/admin/nodes/{node_id}:{verb}", {})
            except (OSError, http.client.HTTPException, ValueError):
                continue
            if status not in (202, 409, 503, 504):
                raise RuntimeError(f"{verb} of node {node_id} gives {status} {document}")
            if status == 202 or "draining" in document.get("detail", ""):
                return True
        return False

    def undrain(self):
        while self.drained is not None:
            if self.order(self.drained, "undrain"):
                self.drained = None
            else:
                self.stopping.wait(0.3)

    def wait_moved(self, seconds):
        """Until the replicas are where they should be, or it takes too long, or it is over."""
        for _ in range(int(seconds / 0.3)):
            documents = [placement(node) for node in self.cluster.nodes
                         if node.is_running() and not node.is_paused]
            if any(document and document["done"] for document in documents) or self.stopping.wait(0.3):
                return

    def stop(self):
        """Ends it, with everybody's share given back; how many nodes were drained."""
        self.stopping.set()
        self.join(60)
        if self.problem is not None:
            raise self.problem
        self.undrain()
        return self.moved
