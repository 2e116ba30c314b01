# SPDX-License-Identifier: Apache-2.0
"""Several nodes that make one cluster from a static list of members."""
import copy
import http.client
import json
import os
import time
from urllib.parse import urlencode

from .daemon import Failure, Node, free_port
from .proxy import Proxy

ABSENT = ("none", "leaving", "left")  # replica_state of a node that holds no replica


class Cluster:
    """count nodes below directory; with proxied, each directed link goes through the fault proxy, also
    those of spares, the ids of nodes that may join: from all others to one of these it is one link, 0."""

    def __init__(self, directory, count=3, slot_count=4, proxied=False, settings=None,
                 cluster_id="test", spares=()):
        self.slot_count = slot_count
        self.replica_count = ((settings or {}).get("cluster") or {}).get("replica_count", 3)
        self.proxy = None
        peer_ports = {i: free_port() for i in range(1, count + 1)}
        self.founder_ports = dict(peer_ports)
        self.spare_ports = {i: free_port() for i in spares}
        if proxied:
            links = {(a, b): peer_ports[b] for a in (*peer_ports, *spares) for b in peer_ports if a != b}
            links.update({(0, b): port for b, port in self.spare_ports.items()})
            self.proxy = Proxy(links)
        self.settings = {"cluster": {"id": cluster_id, "slot_count": slot_count}}
        for section, values in (settings or {}).items():
            self.settings.setdefault(section, {}).update(values)
        self.nodes = []
        for i in peer_ports:
            members = [f"{j}@127.0.0.1:{self.proxy.ports[i, j] if proxied and j != i else port}"
                       for j, port in peer_ports.items()]
            own = copy.deepcopy(self.settings)
            if count > 1:
                own["cluster"] = {"listen": f"127.0.0.1:{peer_ports[i]}", "members": members,
                                  **own["cluster"]}
            self.nodes.append(Node(os.path.join(directory, f"node{i}"), i, own))

    def node(self, node_id):
        return self.nodes[node_id - 1]

    def others(self, node):
        return [other for other in self.nodes if other is not node]

    def cut_off(self, node, **rules):
        """All links of one node, both ways."""
        for a, b in self.proxy.ports:
            if node.id in (a, b):
                self.proxy.fault(a, b, **(rules or {"cut": True}))

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
        """Every slot is held by as many nodes as it should be, all of them normal, with equal digests
        at equal applied indexes."""
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
            wrong = self.unsettled_slot(slot, {node_id: state for node_id, state in states.items()
                                               if state["replica_state"] not in ABSENT})
            if wrong:
                return wrong
        return None

    def unsettled_slot(self, slot, states):
        """states: of the nodes that hold it."""
        if len(states) != min(self.replica_count, len(self.nodes)):
            return f"slot {slot} is held by {sorted(states)}"
        for node_id, state in states.items():
            if state["replica_state"] != "normal":
                return f"slot {slot} of node {node_id} is {state['replica_state']}"
        for field in ("applied_index", "digest"):
            values = {i: state[field] for i, state in states.items()}
            if len(set(values.values())) > 1:
                return f"slot {slot}: {field} {values}"
        if len({state["leader"] for state in states.values()} | {0}) != 2:
            return f"slot {slot}: leaders {({i: s['leader'] for i, s in states.items()})}"
        return None

    def holders(self, slot):
        """The nodes that hold a replica of it, as each says itself."""
        states = {node: self.slot(node, slot) for node in self.nodes}
        return [node for node, state in states.items()
                if state and state["replica_state"] not in ABSENT]

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
