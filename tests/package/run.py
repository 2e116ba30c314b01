#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Debian package for real, in a container that systemd runs as its first process: installed with its
dependencies, started, killed, reloaded, stopped, upgraded to a later version, removed, installed again,
purged; and the unit's sandbox as the kernel shows it.

  run.py [--base NAME] [--project NAME]

BUILD (build) has both packages in its folder deb (make deb-next). The image with systemd is made on BASE
(lethe-base:bookworm) by apt, once. Without an engine that can run systemd it says `SKIP package: why` and
counts one skipped, or one failed with LETHE_NO_SKIP=1. One line a test, then `N passed, N failed`."""
import argparse
import base64
import json
import os
import re
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
# pylint: disable=wrong-import-position
from containers import (ROOT, Failed, Skip, check, docker, need_engine, run, run_main,  # noqa: E402
                        wait_until)

BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
SYSTEMD_IMAGE = "lethe-systemd:bookworm"
# Pages and docs are unpacked there, as on a real machine.
SYSTEMD_DOCKERFILE = """FROM {base}
RUN rm -f /etc/dpkg/dpkg.cfg.d/lethe-base && apt-get -q update && DEBIAN_FRONTEND=noninteractive \
    apt-get -q -y install --no-install-recommends systemd systemd-sysv dbus && rm -rf /var/lib/apt/lists/*
STOPSIGNAL SIGRTMIN+3
CMD ["/lib/systemd/systemd"]
"""
# What systemd needs of the kernel to give services their namespaces and filters.
RIGHTS = ["--cap-add", "SYS_ADMIN", "--cap-add", "SYS_PTRACE", "--security-opt", "seccomp=unconfined",
          "--security-opt", "apparmor=unconfined",
          "--cgroupns=host", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw", "--tmpfs", "/run", "--tmpfs", "/run/lock"]
EXPOSURE_MAX = 1.5
STOP_MAX_S = 10


def payload_of(message):
    """A message's text, in whichever form it is shown."""
    text = message["payload"]
    return base64.b64decode(text).decode() if message["payload_encoding"] == "base64" else text


def find_package(version):
    found = [name for name in os.listdir(os.path.join(BUILD, "deb"))
             if re.fullmatch(rf"lethe_{re.escape(version)}_[a-z0-9]+\.deb", name)]
    if len(found) != 1:
        raise Failed(f"{len(found)} packages of version {version} in {BUILD}/deb: run make deb-next first")
    return found[0]


class Machine:
    """A container with systemd, and the two packages in its folder /packages."""

    def __init__(self, options):
        self.name, self.base = options.project, options.base
        with open(os.path.join(ROOT, "VERSION"), encoding="utf-8") as file:
            self.version = file.read().strip()
        self.next_version = f"{self.version}+next"
        self.packages = {v: find_package(v) for v in (self.version, self.next_version)}
        self.count, self.sent = 0, []  # what was sent, what of it was not deleted

    def start(self):
        docker("run", "-d", "--name", self.name, "--hostname", "lethe-package", *RIGHTS, "-v",
               f"{BUILD}/deb:/packages:ro", SYSTEMD_IMAGE)

        def is_up():
            state = self.sh("systemctl is-system-running", may_fail=True)
            return state in ("running", "degraded")

        wait_until("systemd runs as the first process", 30, is_up)

    def down(self):
        docker("rm", "-f", self.name, may_fail=True)

    def logs(self):
        return self.sh("journalctl --no-pager -n 40 -u lethed 2>&1; systemctl status --no-pager lethed 2>&1",
                       may_fail=True)

    def sh(self, script, seconds=60, may_fail=False):
        return docker("exec", self.name, "sh", "-c", script, seconds=seconds, may_fail=may_fail)

    def install(self, version):
        return self.sh("export DEBIAN_FRONTEND=noninteractive; apt-get -q update >/dev/null; apt-get -q -y "
                       f"install --no-install-recommends /packages/{self.packages[version]} 2>&1", 300)

    def show(self, name):
        return self.sh(f"systemctl show -p {name} --value lethed")

    def pid(self):
        pid = self.show("MainPID")
        check(pid != "0", "lethed does not run")
        return pid

    def send(self):
        self.count += 1
        text = f"message {self.count}"
        self.sh(f"lethectl send 2/room '{text}'")
        self.sent.append(text)

    def check_messages(self):
        reply = json.loads(self.sh("lethectl get 2/room -o json --limit 1000"))
        found = [payload_of(m) for m in reply["messages"]]
        check(found == self.sent, f"acknowledged and not deleted: {self.sent}, found {found}")

    def owner(self, path):
        return self.sh(f"stat -c '%U:%G:%a' {path}")


# ---- the tests, each on what the ones before it left ---------------------------------------------

def works_without_systemd(one):
    """a container without systemd: install, run by hand as its user, purge"""
    text = docker("run", "--rm", "-v", f"{BUILD}/deb:/packages:ro", one.base, "sh", "-ec", f"""
        export DEBIAN_FRONTEND=noninteractive
        apt-get -q update >/dev/null
        apt-get -q -y install --no-install-recommends /packages/{one.packages[one.version]} >/dev/null 2>&1
        lethed --version; lethectl --version; lethe-bench --version
        lethed --config /etc/lethe/lethe.yaml --check-config
        su -s /bin/sh -c 'exec lethed --config /etc/lethe/lethe.yaml' lethe 2>/tmp/log &
        tries=0
        until lethectl health --timeout 1s 2>/dev/null; do
            tries=$((tries + 1)); [ $tries -lt 50 ] || {{ cat /tmp/log; exit 1; }}; sleep 0.2
        done
        lethectl send 2/room hello
        kill $(pidof lethed)
        wait
        dpkg --purge lethe
        [ ! -e /etc/lethe ] && [ -d /var/lib/lethe/db ] && [ ! -e /usr/bin/lethed ] && echo purged
        """, seconds=300)
    for line in (f"lethed {one.version}", "the configuration is right", "seq 1,",
                 "/var/lib/lethe is not empty and stays", "purged"):
        check(line in text, f"no '{line}' in: {text}")


def installs(one):
    """apt installs it with its libraries; user, folder and configuration are there; nothing is started"""
    one.start()
    text = one.install(one.version)
    check("systemctl enable --now lethed" in text, f"no word of what comes next: {text}")
    check(one.sh("dpkg-query -W -f '${db:Status-Status} ${Version}' lethe") == f"installed {one.version}",
          "dpkg does not have it")
    check(one.sh("systemctl is-enabled lethed", may_fail=True) == "disabled", "it was enabled unasked")
    check(one.show("ActiveState") == "inactive", "it was started unasked")
    check(one.owner("/var/lib/lethe") == "lethe:lethe:750", f"data folder: {one.owner('/var/lib/lethe')}")
    check(one.sh("getent passwd lethe").endswith(":/var/lib/lethe:/usr/sbin/nologin"), "the user is another")
    check("/etc/lethe/lethe.yaml" in one.sh("dpkg-query -W -f '${Conffiles}' lethe"), "no conffile")
    check(one.sh("dpkg --verify lethe") == "", one.sh("dpkg --verify lethe"))  # every file, by its sum
    check(one.sh("ldd /usr/bin/lethed /usr/bin/lethectl /usr/bin/lethe-bench | grep 'not found'",
                 may_fail=True) == "", "a library is missing")


def unit_is_sound(one):
    """systemd-analyze verify has nothing to say of the unit; its exposure is low"""
    text = one.sh("systemd-analyze verify --man=no /lib/systemd/system/lethed.service 2>&1")
    check("lethed" not in text, text)
    text = one.sh("systemd-analyze security --no-pager lethed | tail -n 1")
    exposure = float(re.search(r"lethed\.service: ([0-9.]+)", text)[1])
    check(exposure <= EXPOSURE_MAX, text)
    return f"exposure {exposure}"


def starts_when_it_serves(one):
    """enable --now returns when it serves: the very next call is answered"""
    one.sh("systemctl enable --now lethed && lethectl health --timeout 1s")
    check(one.show("Type") == "notify" and one.show("SubState") == "running", one.show("SubState"))
    for _ in range(5):
        one.send()
    one.check_messages()
    one.sh("lethectl delete --yes 2/room 2-3")
    one.sent[1:3] = []
    one.check_messages()


def sandbox_is_in_force(one):
    """not root, no capability, system calls filtered, files outside its folder read-only, no core"""
    status = one.sh(f"cat /proc/{one.pid()}/status")
    for name, wanted in (("CapEff", "0000000000000000"), ("CapBnd", "0000000000000000"), ("NoNewPrivs", "1"),
                         ("Seccomp", "2")):
        check(re.search(rf"^{name}:\s+{wanted}$", status, re.M), f"{name} is not {wanted}: {status}")
    check(not re.search(r"^Uid:\s+0\b", status, re.M), "it runs as root")
    mounts = [line.split() for line in one.sh(f"cat /proc/{one.pid()}/mountinfo").splitlines()]
    options = {line[4]: line[5].split(",") for line in mounts}
    check("ro" in options["/"] and "rw" in options["/var/lib/lethe"], f"mounts: {options}")
    check("ro" in options.get("/home", ["ro"]), f"/home: {options.get('/home')}")
    limits = one.sh(f"cat /proc/{one.pid()}/limits")
    check(re.search(r"^Max core file size\s+0\s+0\s", limits, re.M), limits)
    # Where the engine has fewer to give, the manager cannot give more.
    most = re.search(r"^Max open files\s+\S+\s+(\S+)", one.sh("cat /proc/1/limits"), re.M)[1]
    wanted = min(65536, int(most)) if most != "unlimited" else 65536
    check(re.search(rf"^Max open files\s+{wanted}\s", limits, re.M), limits)


def is_started_again(one):
    """kill -9: systemd starts it again by itself, with all that was acknowledged"""
    before = one.pid()
    one.send()
    one.sh(f"kill -9 {before}")
    began = time.monotonic()

    def is_back():
        check(one.show("MainPID") not in (before, "0"), "not started again")
        check(one.show("SubState") == "running", one.show("SubState"))
        return True

    wait_until("it is started again", 15, is_back)
    spent = time.monotonic() - began
    check(one.show("NRestarts") == "1", f"{one.show('NRestarts')} restarts")
    one.check_messages()
    return f"serves after {spent:.1f} s"


def reloads(one):
    """systemctl reload: the same process has read its configuration again"""
    before = one.pid()
    one.sh("sed -i 's/^  level: .*/  level: debug/' /etc/lethe/lethe.yaml && systemctl reload lethed")
    wait_until("the configuration was read again", 5, lambda: "configuration read again" in one.sh(
        "journalctl --no-pager -u lethed"))
    check(one.pid() == before and one.show("ActiveState") == "active", "it is another process")


def wrong_configuration_is_told(one):
    """with a wrong configuration it ends once, with the reason in the journal, and is not tried again"""
    one.sh("systemctl stop lethed; cp /etc/lethe/lethe.yaml /var/tmp/ && echo 'no_such_key: 1' >>/etc/lethe/lethe.yaml")
    one.sh("systemctl start lethed", may_fail=True)
    time.sleep(4)  # longer than RestartSec
    check(one.show("ActiveState") == "failed" and one.show("ExecMainStatus") == "2",
          f"{one.show('ActiveState')} {one.show('ExecMainStatus')}")
    check(one.show("NRestarts") == "0", f"tried again {one.show('NRestarts')} times")
    check("no_such_key" in one.sh("journalctl --no-pager -n 5 -u lethed"), "the journal has no reason")
    one.sh("cp /var/tmp/lethe.yaml /etc/lethe/lethe.yaml && systemctl start lethed")
    one.check_messages()


def stops_in_time(one):
    """systemctl stop ends it in good order within 10 s, under load; it is not started again"""
    one.sh("lethe-bench single -c 8 -r 300 -d 60s -q >/tmp/bench 2>&1 & sleep 2; pidof lethe-bench")
    began = time.monotonic()
    one.sh("systemctl stop lethed")
    spent = time.monotonic() - began
    check(spent < STOP_MAX_S, f"{spent:.1f} s")
    check((one.show("Result"), one.show("ExecMainStatus"), one.show("ActiveState")) == ("success", "0", "inactive"),
          one.show("Result"))
    one.sh("kill $(pidof lethe-bench)")
    time.sleep(3)
    check(one.show("ActiveState") == "inactive", "it was started again")
    one.sh("systemctl start lethed")
    one.check_messages()
    return f"{spent:.1f} s"


def upgrades(one):
    """a later version: the node runs on until it is restarted; configuration and messages stay"""
    before = one.pid()
    text = one.install(one.next_version)
    check("restart one node at a time" in text, f"no word of the restart: {text}")
    check(one.pid() == before, "the upgrade restarted the node")
    one.send()
    check(one.sh("lethed --version") == f"lethed {one.next_version}", one.sh("lethed --version"))
    check("level: debug" in one.sh("cat /etc/lethe/lethe.yaml"), "the changed configuration is gone")
    one.sh("systemctl restart lethed")
    check(one.next_version in one.sh("journalctl --no-pager -u lethed | grep starting | tail -n 1"),
          "the later version does not run")
    check(one.sh("systemctl is-enabled lethed") == "enabled", "it is not enabled any more")
    one.send()
    one.check_messages()


def goes_back(one):
    """and the earlier version again, on the same data"""
    one.sh(f"DEBIAN_FRONTEND=noninteractive dpkg -i /packages/{one.packages[one.version]} && "
           "systemctl restart lethed")
    check(one.sh("lethed --version") == f"lethed {one.version}", one.sh("lethed --version"))
    one.check_messages()


def removes(one):
    """removing stops it; configuration and messages stay, and serve after it is installed again"""
    one.sh("DEBIAN_FRONTEND=noninteractive apt-get -q -y remove lethe", 120)
    check(one.sh("pidof lethed; ls /usr/bin/lethe* /lib/systemd/system/lethed.service 2>/dev/null",
                 may_fail=True) == "", "something is left")
    check(one.sh("systemctl is-active lethed", may_fail=True) == "inactive", "it runs on")
    one.sh("test -f /etc/lethe/lethe.yaml && test -d /var/lib/lethe/db")
    one.install(one.version)
    check(one.sh("systemctl is-enabled lethed", may_fail=True) == "disabled", "removing left it enabled")
    one.sh("systemctl start lethed")
    one.check_messages()


def purges(one):
    """purging takes the configuration, and the user with the last message; never the messages"""
    text = one.sh("DEBIAN_FRONTEND=noninteractive apt-get -q -y purge lethe 2>&1", 120)
    check("/var/lib/lethe is not empty and stays" in text, text)
    check(one.sh("ls -d /etc/lethe", may_fail=True).endswith("No such file or directory"), "/etc/lethe is left")
    check(one.owner("/var/lib/lethe/db").startswith("lethe:lethe:"), "its user is gone, its messages are not")
    one.install(one.version)
    one.sh("systemctl start lethed")
    one.check_messages()
    one.sh("systemctl stop lethed && find /var/lib/lethe -mindepth 1 -delete")
    one.sh("DEBIAN_FRONTEND=noninteractive apt-get -q -y purge lethe 2>&1", 120)
    check(one.sh("ls -d /var/lib/lethe", may_fail=True).endswith("No such file or directory"), "the folder is left")
    check(one.sh("getent passwd lethe", may_fail=True) == "", "the user is left")


TESTS = [works_without_systemd, installs, unit_is_sound, starts_when_it_serves, sandbox_is_in_force,
         is_started_again, reloads, wrong_configuration_is_told, stops_in_time, upgrades, goes_back, removes, purges]


def need_systemd(base):
    """The image with systemd, and a container of it that comes up; or a Skip."""
    if run(["docker", "image", "inspect", SYSTEMD_IMAGE], may_fail=True)[0] != 0:
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "Dockerfile"), "w", encoding="utf-8") as file:
                file.write(SYSTEMD_DOCKERFILE.format(base=base))
            run(["docker", "build", "-q", "-t", SYSTEMD_IMAGE, folder], 600,
                dict(os.environ, DOCKER_BUILDKIT="0"))
    code, text = run(["docker", "run", "--rm", *RIGHTS, SYSTEMD_IMAGE, "true"], may_fail=True)
    if code != 0:
        raise Skip(f"the engine gives no container the rights that systemd needs: {text[-200:]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", default=os.environ.get("BASE", "lethe-base:bookworm"))
    parser.add_argument("--project", default="lethe-package-test")
    options = parser.parse_args()

    def prepare():
        need_engine(options.base)
        need_systemd(options.base)
        return Machine(options)

    return run_main("package", options.project, prepare, TESTS, lambda one: None)


if __name__ == "__main__":
    sys.exit(main())
