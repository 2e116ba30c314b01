#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lethectl against three real nodes that scripts/cluster.sh starts: ctl.py [word ...] runs the tests
whose name has one of the words.

LETHED and LETHECTL say which programs (build/bin). One line a test, then `N passed, N failed`."""
import csv
import io
import json
import os
import subprocess
import sys
import tarfile

from run import NODES, ROOT, Cluster, Failed, check, free_run, run_tests, wait_until

LETHECTL = os.environ.get("LETHECTL", os.path.join(ROOT, "build", "bin", "lethectl"))


def ctl(cluster, *words, seconds=60, nodes=None, **more):
    """(exit code, standard output, standard error)"""
    servers = ",".join(cluster.server(n) for n in nodes) if nodes else cluster.servers()
    environment = dict(os.environ, LETHE_SERVER=servers, XDG_CONFIG_HOME=cluster.dir)
    environment.pop("LETHE_TOKEN", None)
    done = subprocess.run([LETHECTL, *words], env=environment, timeout=seconds, text=True,
                          capture_output=True, check=False, stdin=subprocess.DEVNULL, **more)
    return done.returncode, done.stdout, done.stderr


def good(cluster, *words, **more):
    code, out, err = ctl(cluster, *words, **more)
    check(code == 0, f"{' '.join(words)}: {code} {out} {err}")
    return out


def test_replicas(cluster):
    """each of 64 slots has a leader and two followers, and they become level"""
    def level():
        replicas = json.loads(good(cluster, "replicas", "-o", "json"))["replicas"]
        check(len(replicas) == 192, f"{len(replicas)} replicas")
        check(sum(r["role"] == "leader" for r in replicas) == 64, "leaders")
        return good(cluster, "replicas", "--lagging") == "none of 192 replicas lags\n"

    wait_until("all level", 20, level)
    # From one node alone: the others are found by the addresses they are known by.
    out = good(cluster, "replicas", "--slot", "7", nodes=[2])
    check(len(out.splitlines()) == 4, out)
    code, _, err = ctl(cluster, "replicas", "--slot", "64")
    check(code == 1 and "there is no slot 64" in err, f"{code} {err}")


def test_deletes(cluster):
    for number in range(30):
        good(cluster, "send", f"2/ctl-{number % 3}", f"text {number}")
    for start in range(1, 9):
        good(cluster, "delete", "2/ctl-0", str(start), "--yes", "--operator", "alice",
             "--reason", 'a "quoted", reason')
    good(cluster, "delete", "2/ctl-1", "1-4", "--yes", "--operator", "bob")
    listed = json.loads(good(cluster, "deletes", "-o", "json"))
    check(len(listed["deletes"]) == 9 and not listed["more"], str(listed))
    lines = good(cluster, "deletes", "--operator", "alice", "-o", "ndjson").splitlines()
    check([json.loads(line)["start_seq"] for line in lines] == list(range(1, 9)), str(lines))
    table = list(csv.DictReader(io.StringIO(good(cluster, "deletes", "2/ctl-0", "-o", "csv"))))
    check(len(table) == 8 and table[0]["reason"] == 'a "quoted", reason', str(table))
    one = listed["deletes"][0]["delete_id"]
    out = good(cluster, "deletes", one, "--wait=20s")
    check("applied everywhere" in out and out.count("applied  ") == 3, out)
    audit = [json.loads(line) for line in good(cluster, "audit", "-o", "ndjson").splitlines()]
    times = [record["deleted_at"] for record in audit]
    check(times == sorted(times) and audit[-1]["operator"] == "bob", str(audit))
    check(good(cluster, "audit", "--operator", "nobody", "-o", "ndjson") == "", "filter")


def test_log(cluster):
    slot = json.loads(good(cluster, "deletes", "2/ctl-1", "-o", "json"))["deletes"][0]["slot"]
    code, _, err = ctl(cluster, "log", "compact", "--slot", str(slot))
    check(code == 6 and "--yes" in err, f"{code} {err}")
    items = json.loads(good(cluster, "log", "compact", "--slot", str(slot), "--yes", "-o",
                            "json"))["items"]
    check(len(items) == 3 and all(i["first_index_after"] > 1 for i in items), str(items))
    out = good(cluster, "log", "collect", "--slot", str(slot))
    check(str(slot) in out, out)
    code, _, err = ctl(cluster, "log", "compact", "--slot", "99", "--yes")
    check(code == 1 and "404" in err, f"{code} {err}")


def test_full_sync(cluster):
    leader = cluster.call(1, "GET", "/v1/slots/3")[1]["leader"]
    follower = leader % 3 + 1
    good(cluster, "full-sync", "3", str(follower), "--yes")

    def level():
        rows = json.loads(good(cluster, "replicas", "--slot", "3", "-o", "json"))["replicas"]
        return all(r["state"] == "replicate" and r["lag"] == 0 for r in rows) and len(rows) == 3

    wait_until("level after the full copy", 20, level)


def test_check(cluster):
    """all replicas are equal; the job is seen from every node"""
    out = good(cluster, "check")
    check("64 slots: 64 equal on all replicas, 0 diverged, 0 unchecked" in out, out)
    job = good(cluster, "check", "--slot", "3", "--no-wait", nodes=[2]).strip()
    for node in (1, 2, 3):
        out = good(cluster, "job", "wait", job, nodes=[node])
        check(job in out and "done" in out, out)
    jobs = json.loads(good(cluster, "job", "ls", "-o", "json", nodes=[3]))["jobs"]
    check(job in [one["id"] for one in jobs], str(jobs))
    code, _, err = ctl(cluster, "job", "show", "1-2-3")
    check(code == 1 and "404" in err, f"{code} {err}")


def test_jobs_of_other_nodes(cluster):
    """any node begins them at the node that is named, and shows them"""
    def job_at(node, job):
        return json.loads(good(cluster, "job", "show", job, "-o", "json", nodes=[node]))

    job = good(cluster, "store", "compact", "dedup", "--node", "3", "--no-wait", nodes=[1]).strip()
    check(job.startswith("3-"), job)
    wait_until("the compaction at node 3", 30, lambda: job_at(2, job)["state"] == "done")
    shown = job_at(2, job)
    check((shown["node"], [item["family"] for item in shown["items"]]) == (3, ["dedup"]), str(shown))
    out = good(cluster, "backup", "create", "from-afar", "--node", "2", nodes=[1])
    check("from-afar" in out, out)
    code, _, err = ctl(cluster, "store", "compact", "--node", "9", nodes=[1])
    check(code == 1 and "no node 9" in err, f"{code} {err}")


def test_leader(cluster):
    for node in (1, 2, 3):
        out = good(cluster, "leader", "transfer", "5", "--to", str(node))
        check(out == f"slot 5: node {node} leads\n", out)


def test_status(cluster):
    good(cluster, "health", "--exit-when-healthy", "--timeout", "30s")
    out = good(cluster, "status", nodes=[3])
    for line in ("all well", "nodes     3: 3 ready", "slots     64: 64 led, 0 degraded",
                 "replicas  192: "):
        check(line in out, out)
    shown = json.loads(good(cluster, "status", "-o", "json"))
    check(shown["well"] and [n["id"] for n in shown["nodes"]] == [1, 2, 3], str(shown))
    out = good(cluster, "status", "--watch=200ms", "--count", "2")
    check(out.count("cluster   try") == 2 and "\x1b" not in out, out)
    out = good(cluster, "top", "300ms")
    check(len(out.splitlines()) == 4 and "DISK FREE" in out, out)
    nodes = json.loads(good(cluster, "top", "300ms", "-o", "json"))["nodes"]
    check([n["node"] for n in nodes] == [1, 2, 3], str(nodes))


def asked_by(cluster, process):
    """The nodes to whose HTTP ports the process has a connection."""
    folder = f"/proc/{process.pid}/fd"
    mine = {os.readlink(os.path.join(folder, name)) for name in os.listdir(folder)}
    with open("/proc/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    ports = {int(row[2].split(":")[1], 16) for row in rows
             if row[3] == "01" and f"socket:[{row[9]}]" in mine}
    return [node for node in (1, 2, 3) if int(cluster.server(node).split(":")[1]) in ports]


def test_tail(cluster):
    """follows what comes, each message once and in order, and deletes, through the death of the node
    whose stream it reads"""
    environment = dict(os.environ, LETHE_SERVER=cluster.servers(), XDG_CONFIG_HOME=cluster.dir)
    path = os.path.join(cluster.dir, "tail.out")
    good(cluster, "send", "2/tail", "0")
    with open(path, "w", encoding="utf-8") as file:
        process = subprocess.Popen([LETHECTL, "tail", "2/tail", "-f", "-o", "json"],
                                   env=environment, stdout=file, stdin=subprocess.DEVNULL)

    def seen():
        with open(path, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file.read().splitlines()]
        return [line["payload"] for line in lines if "payload" in line]

    def deleted():
        with open(path, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file.read().splitlines()]
        return [[line["start_seq"], line["end_seq"]] for line in lines if "start_seq" in line]

    asked = []
    try:
        wait_until("the first", 10, lambda: seen() == ["0"])
        for number in range(1, 6):
            good(cluster, "send", "2/tail", str(number))
        wait_until("five more", 10, lambda: len(seen()) == 6)
        asked = asked_by(cluster, process)
        check(len(asked) == 1, f"it reads from {asked}")
        others = [node for node in (1, 2, 3) if node != asked[0]]
        cluster.sh("kill", str(asked[0]))
        for number in range(6, 11):
            wait_until("a send with a node down", 20, lambda n=number: ctl(
                cluster, "send", "2/tail", str(n), "--client-msg-no", f"t{n}")[0] == 0)
        wait_until("the rest", 20, lambda: len(seen()) == 11)
        check(seen() == [str(n) for n in range(11)], str(seen()))
        good(cluster, "delete", "2/tail", "3-4", "--yes", "--reason", "while one is down")
        wait_until("the delete", 20, lambda: deleted() == [[3, 4]])
        wait_until("another node is read", 5, lambda: asked_by(cluster, process)[0] in others)
        code, out, err = ctl(cluster, "status", nodes=[others[0]])
        check(code == 1 and "NOT WELL" in out and f"node {asked[0]}: no answer" in out, f"{code} {out} {err}")
        code, _, err = ctl(cluster, "health", "--exit-when-healthy", "--timeout", "1s")
        check(code == 7 and "not healthy in time" in err, f"{code} {err}")
    finally:
        process.terminate()
        process.wait()
    for node in asked:
        cluster.sh("start", str(node))
    good(cluster, "health", "--exit-when-healthy", "--timeout", "30s")


def test_leader_balance(cluster):
    for slot in range(12):
        good(cluster, "leader", "transfer", str(slot), "--to", "1")
    plan = json.loads(good(cluster, "leader", "balance", "--dry-run", "-o", "json"))
    check(plan["dry_run"], str(plan))
    wait_until("even", 30, lambda: ctl(cluster, "leader", "balance")[0] == 0 and cluster.is_even())


def test_bundle(cluster):
    """every node's answers are in it, and they are JSON still"""
    path = os.path.join(cluster.dir, "bundle.tar")
    out = good(cluster, "debug", "bundle", "--file", path, "--log",
               os.path.join(cluster.dir, "1.log"))
    check(out == path + "\n" and os.stat(path).st_mode & 0o777 == 0o600, out)
    with tarfile.open(path) as archive:
        names = [name.split("/", 1)[1] for name in archive.getnames()]
        files = {name: archive.extractfile(full).read()
                 for name, full in zip(names, archive.getnames())}
    for node in (1, 2, 3):
        config = json.loads(files[f"node-{node}/config.json"])["values"]
        check({"key": "node.id", "value": str(node)}.items() <= config[0].items(), str(config[0]))
        check(len(json.loads(files[f"node-{node}/slots.json"])["slots"]) == 64, "slots")
        check(b"raft_log_count" in files[f"node-{node}/metrics.txt"], "metrics")
    check(b"all well" in files["status.txt"] and "logs/1-1.log" in files, str(names))


def test_bench(cluster):
    out = good(cluster, "bench", "single", "--count", "20", "--clients", "2", "--json", "--quiet")
    check(json.loads(out), out)
    code, _, err = ctl(cluster, "bench", "--nothing")
    check(code == 2 and err, f"{code} {err}")


def test_node_refusals(cluster):
    """what the cluster refuses changes nothing; a version without membership says so"""
    for words in (("add", "1@127.0.0.1:1"), ("remove", "9"), ("replace", "9", "4@127.0.0.1:1")):
        code, out, err = ctl(cluster, "node", *words, "--yes", "--no-wait")
        check(code == 1 and any(status in err for status in ("404", "409", "422", "501")),
              f"{words}: {code} {out} {err}")
    check(len(json.loads(good(cluster, "node", "list", "-o", "json"))["nodes"]) == 3, "nodes")


def test_node_order(cluster):
    """an order about nodes is one job, although every node tells it"""
    def taken(*words):  # what is written down by itself just then passes in a moment
        code, out, err = ctl(cluster, *words)
        check(code == 0 or "try again in a moment" in err, f"{' '.join(words)}: {code} {out} {err}")
        return code == 0

    for words in (("node", "drain", "3", "--yes"), ("node", "undrain", "3", "--yes")):
        wait_until(f"{' '.join(words)} is taken", 10, lambda words=words: taken(*words))
    ids = [one["id"] for one in json.loads(good(cluster, "job", "ls", "-o", "json"))["jobs"]]
    check(len(ids) == len(set(ids)) and any(one.startswith("members-") for one in ids), str(ids))


def new_node(cluster, node):
    """(process, peer address) of a node with an empty folder that waits to be added"""
    port = free_run(2)
    first = int(cluster.environment["PEER_PORT"])
    members = [f"{n}@127.0.0.1:{first + n - 1}" for n in NODES] + [f"{node}@127.0.0.1:{port}"]
    name = cluster.call(1, "GET", "/v1/cluster")[1]["cluster_id"]
    with open(os.path.join(cluster.dir, f"new-{node}.log"), "wb") as log:
        process = subprocess.Popen(  # pylint: disable=consider-using-with
            [cluster.environment["LETHED"], "--node-id", str(node), "--cluster-join", "--cluster-id", name,
             "--data-dir", os.path.join(cluster.dir, f"new-{node}"),
             "--http-listen", f"127.0.0.1:{port + 1}", "--cluster-listen", f"127.0.0.1:{port}",
             "--cluster-members", ",".join(members)], stdout=log, stderr=log)
    return process, f"{node}@127.0.0.1:{port}"


def wait_listening(cluster, address):
    wait_until(f"{address} listens", 20, lambda: ctl(cluster, "node", "add", address, "--dry-run")[0] == 0)


def test_new_nodes(cluster):
    """a node joins, another one takes its place when it is lost, and leaves again"""
    def nodes():
        return [one["id"] for one in json.loads(good(cluster, "node", "ls", "-o", "json"))["nodes"]]

    def ordered(*words):
        good(cluster, "node", *words, "--yes", seconds=120)

    started = []
    try:
        started.append(new_node(cluster, 4))
        wait_listening(cluster, started[0][1])
        plan = good(cluster, "node", "add", started[0][1], "--dry-run")
        check("48 slots to move" in plan and nodes() == [1, 2, 3], plan)
        ordered("add", started[0][1])
        check(nodes() == [1, 2, 3, 4], str(nodes()))
        started[0][0].kill()
        started.append(new_node(cluster, 5))
        wait_listening(cluster, started[1][1])
        ordered("replace", "4", started[1][1])
        check(nodes() == [1, 2, 3, 5], str(nodes()))
        ordered("remove", "5")
        check(nodes() == [1, 2, 3], str(nodes()))
        out = good(cluster, "check")
        check("64 slots: 64 equal on all replicas, 0 diverged, 0 unchecked" in out, out)
        jobs = json.loads(good(cluster, "job", "ls", "-o", "json"))["jobs"]
        kinds = [one["kind"] for one in jobs if one["id"].startswith("members-")]
        check(kinds[:3] == ["remove_node", "replace_node", "add_node"], str(kinds))
    finally:
        for process, _ in started:
            process.kill()
            process.wait()


if __name__ == "__main__":
    sys.exit(run_tests(sys.argv[1:], {n: t for n, t in globals().items() if n.startswith("test_")}))
