#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The image and the three nodes of conf/compose, for real: built, started in any order, killed, cut off
from the others, restarted; after each, every node's own view and digests must be those of the others.

  run.py [--remove-image] [--base NAME] [--project NAME]

BASE (lethe-base:bookworm) is made by scripts/base-image when it is missing. Without a Docker engine,
compose (COMPOSE names another) or base image it says `SKIP docker: why` and counts one skipped, or one failed with LETHE_NO_SKIP=1.
Whatever it starts it takes down again, also when something failed. One line a test, then
`N passed, N failed[, N skipped]`. Tests build on each other: after a failure the rest is not tried.
"""
import argparse
import base64
import http.client
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
# pylint: disable=wrong-import-position
from containers import (ROOT, Failed, Skip, check, docker, need_engine, run, run_main,  # noqa: E402
                        wait_until)

COMPOSE_FILE = os.path.join(ROOT, "conf", "compose", "docker-compose.yaml")
NODES = (1, 2, 3)
SLOTS = 64
IMAGE_MAX_BYTES = 200 * 1000 * 1000
# Prometheus where no registry is: Debian's, at the places that the usual image has.
PROMETHEUS_IMAGE = "lethe-prometheus:bookworm"
PROMETHEUS_DOCKERFILE = """FROM {base}
RUN apt-get -q update && DEBIAN_FRONTEND=noninteractive \\
    apt-get -q -y install --no-install-recommends prometheus && install -d -o nobody /prometheus
USER nobody
ENTRYPOINT ["prometheus"]
"""
CHANNELS = [f"room/{n}" for n in range(12)]


def payload_of(message):
    """A message's text, in whichever form it is shown."""
    text = message["payload"]
    return base64.b64decode(text).decode() if message["payload_encoding"] == "base64" else text


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def find_compose():
    """The words that compose starts with: COMPOSE, version 2 as part of docker, or the older program."""
    named = [os.environ["COMPOSE"].split()] if os.environ.get("COMPOSE") else []
    for words in named or (["docker", "compose"], ["docker-compose"]):
        if shutil.which(words[0]) and run(words + ["version"], 30, may_fail=True)[0] == 0:
            return words
    raise Skip(f"no {' '.join(named[0])}" if named else "no docker-compose, nor docker with compose")


class Set:
    """The compose set under a project name of its own, and what is asked of its nodes."""

    def __init__(self, options, compose):
        self.project, self.compose_words = options.project, compose
        self.image, self.base = f"lethe:{options.project}".replace("lethe:lethe-", "lethe:"), options.base
        self.ports = dict(zip(NODES, free_ports(len(NODES))))
        self.environment = dict(os.environ, LETHE_IMAGE=self.image, LETHE_BASE=self.base,
                                DOCKER_BUILDKIT="0", COMPOSE_DOCKER_CLI_BUILD="0")
        self.prometheus_port, self.grafana_port = free_ports(2)
        self.environment.update(PROMETHEUS_PORT=str(self.prometheus_port), GRAFANA_PORT=str(self.grafana_port))
        self.environment.setdefault("PROMETHEUS_IMAGE", PROMETHEUS_IMAGE)
        self.environment.update({f"LETHE_PORT{n}": str(port) for n, port in self.ports.items()})
        self.sent = {channel: [] for channel in CHANNELS}  # (seq, payload) as acknowledged
        self.deleted = {channel: set() for channel in CHANNELS}

    def compose(self, *words, seconds=120, may_fail=False):
        return run([*self.compose_words, "-f", COMPOSE_FILE, "-p", self.project, *words], seconds,
                   self.environment, may_fail)[1]

    def container(self, node):
        # By labels: of containers that have ended, version 2's own list says nothing.
        found = docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={self.project}",
                       "--filter", f"label=com.docker.compose.service=node{node}").split()
        check(len(found) == 1, f"node {node} has the containers {found}")
        return found[0]

    def inspect(self, node, form):
        return docker("inspect", "--format", form, self.container(node))

    def health(self, node):
        return self.inspect(node, "{{.State.Health.Status}}")

    def call(self, node, method, path, body=None, seconds=15):
        """(status, parsed JSON or text); a Failed when no whole answer came."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[node], timeout=seconds)
        headers = {"Accept": "application/json"}
        if body is not None:
            body, headers["Content-Type"] = json.dumps(body), "application/json"
        try:
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            text = reply.read().decode()
        except (OSError, http.client.HTTPException) as fault:
            raise Failed(f"node {node}: {method} {path}: {fault!r}") from fault
        finally:
            connection.close()
        return reply.status, json.loads(text) if "json" in reply.headers["Content-Type"] else text

    def is_ready(self, node):
        status, body = self.call(node, "GET", "/readyz", seconds=3)
        check(status == 200, f"node {node} is not ready: {body}")
        return True

    def wait_ready(self, nodes, seconds=60):
        for node in nodes:
            wait_until(f"node {node} is ready", seconds, self.is_ready, node)

    def path(self, channel, rest=""):
        return f"/v1/channels/2/{urllib.parse.quote(channel, safe='')}{rest}"

    def send(self, node, channel, number):
        """One message, again with the same client_msg_no while the answer is 503 or 504."""
        payload = f"{channel} {number} by way of {node}"
        body = {"payload": payload, "payload_encoding": "utf8", "from_uid": "tester",
                "client_msg_no": f"no-{number}"}

        def once():
            status, reply = self.call(node, "POST", self.path(channel, "/messages"), body)
            check(status in (200, 201), f"send through node {node}: {status} {reply}")
            return reply["message_seq"]

        seq = wait_until(f"a send through node {node}", 30, once)
        self.sent[channel].append((seq, payload))

    def send_round(self, nodes, start, count):
        for number in range(start, start + count):
            for channel in CHANNELS:
                self.send(nodes[number % len(nodes)], channel, number)

    def delete(self, node, channel, start, end):
        status, reply = self.call(node, "DELETE", self.path(
            channel, f"/messages?start_seq={start}&end_seq={end}&reason=test"))
        check(status == 200, f"delete through node {node}: {status} {reply}")
        self.deleted[channel].update(range(start, end + 1))

    def messages(self, node, channel, consistency):
        status, reply = self.call(
            node, "GET", self.path(channel, f"/messages?from_seq=1&limit=1000&"
                                            f"consistency={consistency}"))
        check(status == 200, f"{consistency} read at node {node}: {status} {reply}")
        check(reply["read"]["served_by"] == node or consistency == "leader",
              f"node {node} did not serve itself: {reply['read']}")
        return [(m["message_seq"], payload_of(m)) for m in reply["messages"]]

    def expected(self, channel):
        return sorted(m for m in self.sent[channel] if m[0] not in self.deleted[channel])

    def check_view(self, node, consistency):
        for channel in CHANNELS:
            found, wanted = self.messages(node, channel, consistency), self.expected(channel)
            check(found == wanted, f"node {node}, {consistency}, {channel}: {len(found)} messages, "
                                   f"{len(wanted)} acknowledged and not deleted; first difference: "
                                   f"{next((p for p in zip(found, wanted) if p[0] != p[1]), None)}")
        return True

    def digests(self, node):
        """applied index and digest of each slot in this node's own state"""
        found = []
        for slot in range(SLOTS):
            status, reply = self.call(node, "GET", f"/v1/slots/{slot}/local")
            check(status == 200, f"slot {slot} at node {node}: {status} {reply}")
            found.append((reply["applied_index"], reply["digest"]))
        return found

    def are_equal(self):
        views = {node: self.digests(node) for node in NODES}
        for slot in range(SLOTS):
            state = {node: views[node][slot] for node in NODES}
            check(len(set(state.values())) == 1, f"slot {slot} differs: {state}")
        return True

    def check_equal(self, seconds=45):
        """Every node's own view is what was acknowledged, and all digests are the same."""
        for node in NODES:
            wait_until(f"node {node}'s own view is whole", seconds, self.check_view, node, "local")
        wait_until("all slots are equal on all nodes", seconds, self.are_equal)

    def peers_network(self):
        names = docker("network", "ls", "--format", "{{.Name}}", "--filter",
                       f"label=com.docker.compose.project={self.project}").split()
        found = [name for name in names if name.endswith("peers")]
        check(len(found) == 1, f"which of {names} is the peers' network?")
        return found[0]

    def down(self):
        docker("rm", "-f", "-v", f"{self.project}-alone", may_fail=True)
        self.compose("--profile", "watch", "down", "--volumes", "--remove-orphans", "--timeout", "3", may_fail=True)

    def logs(self):
        return self.compose("logs", "--no-color", "--tail", "25", may_fail=True)


# ---- the tests, each on what the ones before it left ---------------------------------------------

def image_builds(one):
    """the image builds from a clean context, and is small"""
    version = open(os.path.join(ROOT, "VERSION"), encoding="utf-8").read().strip()
    before = docker("images", "-q", "--no-trunc", one.image)
    run(["docker", "build", "-q", "--force-rm", "--build-arg", f"BASE={one.base}", "--build-arg",
         f"VERSION={version}", "-t", one.image, ROOT], 900, one.environment)
    if before and before != docker("images", "-q", "--no-trunc", one.image):
        docker("rmi", before, may_fail=True)  # the last run's, nameless now
    size = int(docker("image", "inspect", "--format", "{{.Size}}", one.image))
    check(size < IMAGE_MAX_BYTES, f"the image has {size} bytes")
    return f"{size // 1000000} MB"


def image_is_sane(one):
    """not root, stopped by SIGTERM, a health check without a shell, no compiler, data owned by its user"""
    config = json.loads(docker("image", "inspect", "--format", "{{json .Config}}", one.image))
    check(config["User"].split(":")[0] not in ("", "0", "root"), f"user {config['User']}")
    check(config["StopSignal"] == "SIGTERM", f"stop signal {config['StopSignal']}")
    check(config["Healthcheck"]["Test"][0] == "CMD", f"health check {config['Healthcheck']}")
    check(config["Entrypoint"] == ["lethed"], f"entry point {config['Entrypoint']}")
    check(set(config["ExposedPorts"]) == {"5001/tcp", "11110/tcp"}, f"{config['ExposedPorts']}")
    for program in ("gcc", "make", "curl"):
        code = run(["docker", "run", "--rm", "--entrypoint", "which", one.image, program], 60,
                   may_fail=True)[0]
        check(code == 1, f"{program} is in the image")
    owner = docker("run", "--rm", "--entrypoint", "stat", one.image, "-c", "%u:%g:%a",
                   "/var/lib/lethe")
    check(owner == "10001:10001:750", f"the data folder is {owner}")


def refuses_to_be_open(one):
    """one container alone refuses to listen to everybody unless told so"""
    code, text = run(["docker", "run", "--rm", "-e", "LETHE_HTTP_LISTEN=0.0.0.0:5001", one.image],
                     60, may_fail=True)
    check(code != 0 and "allow_insecure" in text, f"ended with {code}: {text}")


def runs_read_only(one):
    """on a read-only root file system, without capabilities: healthy, serves, and has written nothing to it"""
    name = f"{one.project}-alone"
    docker("run", "-d", "--name", name, "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt",
           "no-new-privileges", one.image)
    wait_until("it is healthy", 90, lambda: docker(
        "inspect", "--format", "{{.State.Health.Status}}", name) == "healthy")
    check("seq 1," in docker("exec", name, "lethectl", "send", "2/room", "hello"), "it takes no message")
    changed = docker("diff", name)
    check(changed == "", f"it changed its root file system: {changed}")
    docker("stop", "-t", "20", name)
    code = docker("inspect", "--format", "{{.State.ExitCode}}", name)
    check(code == "0", f"it ended with {code}: {docker('logs', name)}")
    docker("rm", "-v", name)


def starts_in_any_order(one):
    """3, then 1, then 2: alive and healthy, and no cluster is founded before all three have met; then all serve"""
    one.compose("up", "-d", "--no-build", "node3")
    wait_until("node 3 is alive", 30, lambda: one.call(3, "GET", "/livez", seconds=3)[0] == 200)
    status, reply = one.call(3, "GET", "/readyz")
    check(status == 503, f"node 3 is ready without a majority: {status} {reply}")
    status, reply = one.call(3, "POST", one.path("room/0", "/messages"), {"payload": "aGk="})
    check(status == 503, f"node 3 took a message without a majority: {status} {reply}")
    wait_until("node 3 is healthy", 90, lambda: one.health(3) == "healthy")
    one.compose("up", "-d", "--no-build", "node1")
    wait_until("node 1 is alive", 30, lambda: one.call(1, "GET", "/livez", seconds=3)[0] == 200)
    time.sleep(5)
    for node in (3, 1):  # who has an empty folder may have lost one: two of three say nothing of the third
        status, reply = one.call(node, "GET", "/readyz")
        check(status == 503, f"node {node} serves before all founders have met: {status} {reply}")
    one.compose("up", "-d", "--no-build", "node2")
    one.wait_ready(NODES)


def all_become_healthy(one):
    """Docker's health check finds all three healthy, and only loopback ports are published"""
    for node in NODES:
        wait_until(f"node {node} is healthy", 90, lambda n=node: one.health(n) == "healthy")
        published = json.loads(one.inspect(node, "{{json .NetworkSettings.Ports}}"))
        check(not published.get("11110/tcp"), f"the peers' port is published: {published}")
        check({p["HostIp"] for p in published["5001/tcp"]} == {"127.0.0.1"}, f"{published}")


def any_node_answers(one):
    """sends through each node, linearizable reads at each node"""
    one.send_round(NODES, 0, 30)
    for node in NODES:
        one.check_view(node, "linearizable")
    one.check_equal()
    return f"{sum(len(s) for s in one.sent.values())} messages"


def deletes_reach_all(one):
    """range deletes through each node are gone from every node's own view"""
    for number, channel in enumerate(CHANNELS):
        start = 1 + number
        one.delete(NODES[number % 3], channel, start, start + 4)
    one.check_equal()
    status, reply = one.call(2, "GET", one.path(CHANNELS[0], "/messages/3"))
    check(status == 410, f"a deleted message reads as {status} {reply}")


def redirect_works(one):
    """?redirect=1 names an address that a client on this machine can reach"""
    seen = set()
    for channel in CHANNELS:
        connection = http.client.HTTPConnection("127.0.0.1", one.ports[1], timeout=10)
        connection.request("POST", one.path(channel, "/deletes?redirect=1"),
                           json.dumps({"start_seq": 1, "end_seq": 1, "dry_run": True}),
                           {"Content-Type": "application/json"})
        reply = connection.getresponse()
        reply.read()
        seen.add(reply.status)
        if reply.status == 307:
            port = urllib.parse.urlsplit(reply.headers["Location"]).port
            check(port in one.ports.values(), f"Location: {reply.headers['Location']}")
        connection.close()
    check(seen == {200, 307}, f"statuses {seen}")


def survives_a_kill(one):
    """docker kill: the others go on, it returns and has what it missed, deletes too"""
    docker("kill", one.container(2))
    one.send_round((1, 3), 30, 8)
    one.delete(3, CHANNELS[1], 20, 33)
    check(one.health(1) == "healthy" and one.inspect(2, "{{.State.Running}}") == "false",
          "node 1 is not healthy, or node 2 runs")
    docker("start", one.container(2))
    one.wait_ready(NODES)
    one.check_equal()


def comes_back_by_itself(one):
    """its process dies by kill -9: the restart policy brings the container back"""
    before = one.inspect(3, "{{.State.Pid}}")
    os.kill(int(before), signal.SIGKILL)
    one.send_round((1, 2), 38, 4)
    wait_until("node 3 runs again", 30,
               lambda: one.inspect(3, "{{.State.Pid}}") not in (before, "0"))
    one.wait_ready(NODES)
    one.check_equal()


def survives_a_partition(one):
    """disconnected from the peers: it refuses what it must and shows its own view; back, it is equal"""
    network, container = one.peers_network(), one.container(1)
    docker("network", "disconnect", network, container)
    one.send_round((2, 3), 42, 8)
    one.delete(2, CHANNELS[2], 30, 45)

    def cut_off():
        return one.call(1, "GET", "/readyz", seconds=3)[0] == 503

    wait_until("node 1 knows that it is alone", 30, cut_off)
    status, reply = one.call(1, "POST", one.path(CHANNELS[0], "/messages"), {"payload": "aGk="})
    check(status == 503, f"a minority took a message: {status} {reply}")
    status, reply = one.call(1, "GET", one.path(CHANNELS[2], "/messages"))
    check(status == 503, f"a minority read linearizably: {status} {reply}")
    stale = one.messages(1, CHANNELS[2], "local")
    check(len(stale) > 0 and stale != one.expected(CHANNELS[2]), "its own view is not the old one")
    check(one.health(1) == "healthy", "cut off is not sick: /livez has nothing to do with a majority")
    docker("network", "connect", "--alias", "peer1", network, container)
    one.wait_ready(NODES)
    one.check_equal()


def restarts_as_a_whole(one):
    """compose stop ends each in good order within its time, start brings all data back"""
    started = time.monotonic()
    one.compose("stop")
    spent = time.monotonic() - started
    for node in NODES:
        code = one.inspect(node, "{{.State.ExitCode}}")
        check(code == "0", f"node {node} ended with {code}")
    check(spent < 20, f"stopping took {spent:.0f} s")
    one.compose("start")
    one.wait_ready(NODES)
    one.check_equal()
    one.send_round(NODES, 50, 2)
    one.check_equal()
    return f"stopped in {spent:.1f} s"


def survives_new_containers(one):
    """new containers on the old volumes: --force-recreate, as an upgrade does it, one by one"""
    for node in NODES:
        one.compose("up", "-d", "--no-build", "--no-deps", "--force-recreate", f"node{node}")
        one.wait_ready(NODES)
    one.check_equal()


def ask_prometheus(one, path):
    connection = http.client.HTTPConnection("127.0.0.1", one.prometheus_port, timeout=5)
    try:
        connection.request("GET", "/api/v1/" + path)
        return json.loads(connection.getresponse().read())["data"]
    except (OSError, http.client.HTTPException, ValueError, KeyError) as fault:
        raise Failed(f"Prometheus: {path}: {fault!r}") from fault
    finally:
        connection.close()


def ask_grafana(one, path):
    connection = http.client.HTTPConnection("127.0.0.1", one.grafana_port, timeout=5)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status == 200 and json.loads(reply.read())
    except (OSError, http.client.HTTPException, ValueError) as fault:
        raise Failed(f"Grafana: {path}: {fault!r}") from fault
    finally:
        connection.close()


def is_watched(one):
    """the profile `watch`: Prometheus finds three nodes and has the alerts; Grafana, where its image is here"""
    image = one.environment["PROMETHEUS_IMAGE"]
    if image == PROMETHEUS_IMAGE and not docker("images", "-q", image):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "Dockerfile"), "w", encoding="utf-8") as file:
                file.write(PROMETHEUS_DOCKERFILE.format(base=one.base))
            run(["docker", "build", "-q", "-t", image, folder], 600, one.environment)
    one.compose("--profile", "watch", "up", "-d", "--no-build", "prometheus")

    def all_up():
        found = ask_prometheus(one, "query?query=" + urllib.parse.quote('up{job="lethe"}==1'))["result"]
        check(len(found) == 3, f"up: {found}")
        return True

    wait_until("Prometheus has scraped three nodes", 60, all_up)
    leaders = ask_prometheus(one, "query?query=" + urllib.parse.quote("sum(lethe_slots_led)"))["result"]
    check(leaders and leaders[0]["value"][1] == str(SLOTS), f"slots that are led: {leaders}")
    rules = [rule["name"] for group in ask_prometheus(one, "rules")["groups"] for rule in group["rules"]]
    check("LetheNoLeader" in rules and "LetheQuorumAtRisk" in rules, f"rules: {rules}")
    note = f"{len(rules)} rules"
    grafana = one.environment.get("GRAFANA_IMAGE", "grafana/grafana:9.5.21")
    if not docker("images", "-q", grafana):
        return f"{note}; Grafana not tried: no image {grafana}"
    one.compose("--profile", "watch", "up", "-d", "--no-build", "grafana")
    wait_until("Grafana has the dashboard", 60, ask_grafana, one, "/api/dashboards/uid/lethe")
    return f"{note}; Grafana has the dashboard"


TESTS = [image_builds, image_is_sane, runs_read_only, refuses_to_be_open, starts_in_any_order, all_become_healthy,
         any_node_answers, deletes_reach_all, redirect_works, survives_a_kill, comes_back_by_itself,
         survives_a_partition, restarts_as_a_whole, survives_new_containers, is_watched]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", default=os.environ.get("BASE", "lethe-base:bookworm"))
    parser.add_argument("--project", default="lethe-docker-test")
    parser.add_argument("--remove-image", action="store_true",
                        help="as a rule it stays: its layers make the next run fast")
    options = parser.parse_args()

    def prepare():
        need_engine(options.base)
        return Set(options, find_compose())

    def after(one):
        if options.remove_image:
            docker("rmi", one.image, may_fail=True)

    return run_main("docker", options.project, prepare, TESTS, after)


if __name__ == "__main__":
    sys.exit(main())
