# SPDX-License-Identifier: Apache-2.0
"""Three nodes with TLS and tokens everywhere: all works as without, who deleted is known on every
node, a node with a foreign certificate stays outside, and certificates change without a restart."""
import json
import os
import shutil
import signal
import ssl
import subprocess
import time

from lib.context import expect, wait_until
from lib.daemon import LETHED, Node, free_port

ID = "access"
TITLE = "three nodes with mutual TLS, HTTPS and tokens"
CI_SECONDS = 4
SECONDS = 20
JSON = {"Content-Type": "application/json"}


def make_certs(directory, *words):
    subprocess.run(["scripts/make-certs", directory, *words], check=True, capture_output=True)


def use_certs(node, directory):
    """Has a node use its files of this folder, for peers and for clients."""
    own = {"certificate": os.path.join(directory, f"node-{node.id}.crt"),
           "key": os.path.join(directory, f"node-{node.id}.key")}
    node.settings["http"]["tls"] = dict(own)
    node.settings["cluster"]["tls"] = dict(own, authority=os.path.join(directory, "ca.crt"))
    node.write_config()


def secure(cluster, certs):
    tokens = os.path.join(certs, "tokens")
    make_token = [LETHED, "token", "--file", tokens, "--name"]
    token = subprocess.run([*make_token, "gdpr", "--roles", "read,write,delete,admin,metrics"],
                           check=True, capture_output=True, text=True).stdout.strip()
    for node in cluster.nodes:
        node.trust = ssl.create_default_context(cafile=os.path.join(certs, "ca.crt"))
        node.token = token
        node.settings["auth"] = {"tokens_file": tokens}
        use_certs(node, certs)


def ask(node, method, path, body, wanted):
    """Again for as long as the answer is that it was certainly not applied."""
    end = time.monotonic() + 15
    while True:
        status, _, data = node.get(path, method=method, body=json.dumps(body) if body else None,
                                   headers=JSON if body else {}, timeout=10)
        if status != 503 or time.monotonic() > end:
            break
        time.sleep(0.2)
    expect(status == wanted, f"{method} {path} at node {node.id}: {status} {data[:300]}")
    return json.loads(data)


def check_stranger(context, cluster, victim):
    """A process that says it is a member, with another authority's certificate."""
    foreign = os.path.join(context.directory, "foreign")
    make_certs(foreign, "test", str(victim.id))
    stranger = Node(os.path.join(context.directory, "stranger"), victim.id,
                    {"cluster": dict(victim.settings["cluster"],
                                     listen=f"127.0.0.1:{free_port()}")})
    use_certs(stranger, foreign)
    stranger.settings["http"].pop("tls")
    stranger.write_config()
    before = {n.id: cluster.metric(n, "peer_certificate_refused_total")
              for n in cluster.others(victim)}
    stranger.start()
    try:
        wait_until(lambda: all(cluster.metric(n, "peer_certificate_refused_total") > before[n.id]
                               for n in cluster.others(victim)), 15, "the stranger is refused")
        expect("does not prove itself" in cluster.others(victim)[0].log_text(), "no word in the log")
    finally:
        stranger.kill()


def check_new_certs(cluster, certs):
    """The authority changes on all nodes; links that are made after it are made under the new one."""
    def expiry(node):
        return cluster.metric(node, "certificate_expiry_timestamp_seconds")  # of both uses

    before = {node.id: expiry(node) for node in cluster.nodes}
    for name in ("ca.crt", "ca.key"):
        os.unlink(os.path.join(certs, name))
    make_certs(certs, "test", "1", "2", "3")  # files of the same names
    subprocess.run(["scripts/make-certs", "--days", "30", certs, "test", "1", "2", "3"], check=True,
                   capture_output=True)
    for node in cluster.nodes:
        node.trust = ssl.create_default_context(cafile=os.path.join(certs, "ca.crt"))
        node.process.send_signal(signal.SIGHUP)

    def is_new(node):
        try:
            return expiry(node) < before[node.id]
        except ssl.SSLError:
            return False  # it still shows the one before
    wait_until(lambda: all(is_new(node) for node in cluster.nodes), 10, "new certificates")


def run(context):
    cluster = context.cluster(3)
    certs = os.path.join(context.directory, "certs")
    make_certs(certs, "test", "1", "2", "3")
    secure(cluster, certs)
    cluster.start().settle()
    first, second, third = cluster.nodes
    path = "/v1/channels/2/secret/messages"
    for i in range(20):
        ask(cluster.nodes[i % 3], "POST", path, {"payload": "aGk="}, 201)
    third.kill()
    for i in range(20):
        ask(cluster.nodes[i % 2], "POST", path, {"payload": "aGk="}, 201)
    ask(second, "POST", "/v1/channels/2/secret/deletes",
        {"start_seq": 5, "end_seq": 30, "operator": "somebody else"}, 200)
    check_stranger(context, cluster, third)
    third.start().wait_ready()
    cluster.settle()
    for node in cluster.nodes:  # through whichever node it came, and wherever it was forwarded to
        records = ask(node, "GET", "/v1/channels/2/secret/deletes?consistency=local", None, 200)
        expect([r["operator"] for r in records["deletes"]] == ["gdpr"], f"{records}")
        token, node.token = node.token, None
        expect(node.get(path)[0] == 401, "a page without a token")
        node.token = token
    check_new_certs(cluster, certs)
    third.kill()
    third.start().wait_ready()
    cluster.settle()
    for i in range(10):
        ask(cluster.nodes[i % 3], "POST", path, {"payload": "aGk="}, 201)
    end = time.monotonic() + context.seconds
    while time.monotonic() < end:
        ask(first, "POST", path, {"payload": "aGk="}, 201)
    cluster.settle()
    shutil.rmtree(certs)
