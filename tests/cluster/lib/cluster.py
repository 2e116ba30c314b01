# SPDX-License-Identifier: Apache-2.0
"""Several nodes that make one cluster from a static list of members."""
import http.client
import json
import os
import time
from urllib.parse import urlencode

from .daemon import Failure, Node, free_port
from .proxy import Proxy


class Cluster:
    """count nodes below directory; with proxied, each directed link goes through the fault proxy."""

    def __init__(self, directory, count=3, slot_count=4, proxied=False, settings=None,
                 cluster_id="test"):
        self.slot_count = slot_count
        self.proxy = None
        peer_ports = {i: free_port() for i in range(1, count + 1)}
        if proxied:
            self.proxy = Proxy({(a, b): peer_ports[b] for a in peer_ports for b in peer_ports
                                if a != b})
        self.nodes = []
        for i in peer_ports:
            members = [f"{j}@127.0.0.1:{self.proxy.ports[i, j] if proxied and j != i else port}"
                       for j, port in peer_ports.items()]
            own = {"cluster": {"id": cluster_id, "slot_count": slot_count}}
            if count > 1:
                own["cluster"].update(listen=f"127.0.0.1:{peer_ports[i]}", members=members)
            for section, values in (settings or {}).items():
                own.setdefault(section, {}).update(values)
            self.nodes.append(Node(os.path.join(directory, f"node{i}"), i, own))

    def node(self, node_id):
        return self.nodes[node_id - 1]

    def others(self, node):
        return [other for other in self.nodes if other is not node]

    def start(self, nodes=None, timeout=25):
        """Starts all (or those given), and waits until each serves."""
        nodes = nodes or self.nodes
        for node in nodes:
            node.start()
        for node in nodes:
            node.wait_ready(timeout)
        return self

    def close(self):
        """Ends everything at once: no questions, no answers."""
        for node in self.nodes:
            try:
                node.kill()
            except Failure:
                pass
        if self.proxy is not None:
            self.proxy.close()

    # ---- looking at it ---------------------------------------------------------------------------
    def slot(self, node, slot, local=True):
        """GET /v1/slots/{n}[/local] of a node, or None when it does not answer."""
        try:
            status, _, body = node.get(f"/v1/slots/{slot}" + ("/local" if local else ""), timeout=3)
        except (OSError, http.client.HTTPException):
            return None
        return json.loads(body) if status == 200 else None

    def leader(self, slot, timeout=15, among=None):
        """The node that says of itself that it leads, with the highest term."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            best = None
            for node in among or self.nodes:
                state = self.slot(node, slot) if node.is_running() and not node.is_paused else None
                if state and state["leader"] == node.id and (not best or state["term"] > best[0]):
                    best = (state["term"], node)
            if best:
                return best[1]
            time.sleep(0.1)
        raise Failure(f"slot {slot} has no leader after {timeout} s")

    def settle(self, timeout=60):
        """All nodes normal, with equal digests at equal applied indexes, in all slots."""
        end = time.monotonic() + timeout
        wrong = "nothing was looked at"
        while time.monotonic() < end:
            wrong = self.unsettled()
            if wrong is None:
                return self
            time.sleep(0.15)
        raise Failure(f"the cluster has not settled after {timeout} s: {wrong}")

    def unsettled(self):
        for slot in range(self.slot_count):
            states = {node.id: self.slot(node, slot) for node in self.nodes}
            for node_id, state in states.items():
                if state is None:
                    return f"node {node_id} does not tell slot {slot}"
                if state["replica_state"] != "normal":
                    return f"slot {slot} of node {node_id} is {state['replica_state']}"
            indexes = {i: state["applied_index"] for i, state in states.items()}
            if len(set(indexes.values())) > 1:
                return f"slot {slot}: applied indexes {indexes}"
            digests = {i: state["digest"] for i, state in states.items()}
            if len(set(digests.values())) > 1:
                return f"slot {slot}: digests {digests} at applied indexes {indexes}"
            if len({state["leader"] for state in states.values()} | {0}) != 2:
                return f"slot {slot}: leaders {({i: s['leader'] for i, s in states.items()})}"
        return None

    def deletes(self, node):
        """All records of the delete log, of all slots, as GET /v1/deletes tells them."""
        records, cursor = [], None
        while True:
            query = {"limit": 1000, **({"cursor": cursor} if cursor else {})}
            status, _, body = node.get("/v1/deletes?" + urlencode(query), timeout=20)
            if status != 200:
                raise Failure(f"GET /v1/deletes gives {status}: {body[:300]}")
            page = json.loads(body)
            records += page["deletes"]
            cursor = page.get("next_cursor")
            if not page["more"]:
                return records

    def order(self, path, body, wanted=(200, 202), timeout=20, among=None):
        """An operator's call, at one node after the other until one carries it out."""
        end, reply = time.monotonic() + timeout, "no node answers"
        while time.monotonic() < end:
            for node in among or self.nodes:
                if not node.is_running() or node.is_paused:
                    continue
                try:
                    status, _, data = node.get(path, timeout=10, method="POST",
                                               body=json.dumps(body),
                                               headers={"Content-Type": "application/json"})
                except (OSError, http.client.HTTPException) as problem:
                    reply = repr(problem)
                    continue
                reply = f"{status} {data[:300]}"
                if status in wanted:
                    return json.loads(data)
            time.sleep(0.2)
        raise Failure(f"POST {path} gives {reply}")

    def metric(self, node, name):
        """Sum of all series of this name (without prefix) at a node's /metrics."""
        _, _, body = node.get("/metrics")
        values = [float(line.rsplit(" ", 1)[1]) for line in body.decode().splitlines()
                  if line.split("{")[0].split(" ")[0] == "lethe_" + name]
        if not values:
            raise Failure(f"node {node.id} has no metric lethe_{name}")
        return sum(values)
