# SPDX-License-Identifier: Apache-2.0
"""One lethed process: its folder, its configuration, its life, its log."""
import ctypes
import http.client
import os
import random
import signal
import socket
import subprocess
import threading
import time

BUILD = os.environ.get("BUILD", "build")
LETHED = os.environ.get("LETHED", os.path.join(BUILD, "bin", "lethed"))
NEXT = os.environ.get("LETHED_NEXT", os.path.join(BUILD, "next", "bin", "lethed"))
FAILPOINTS = os.environ.get("LETHED_FAILPOINTS", os.path.join(BUILD + "-failpoints", "bin", "lethed"))
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)
used_ports = {}  # port -> the socket that claims it


class Failure(Exception):
    """A test found something wrong."""


class Skip(Exception):
    """A test cannot run here, and says why."""


def free_port():
    """A port nobody listens on, below those that the kernel gives to outgoing connections, so that
    a node finds it free again when it comes back."""
    for _ in range(1000):
        port = random.randint(18000, 32000)
        if port in used_ports:
            continue
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:  # other runs on this machine leave it alone as long as this one lives
            claim.bind(f"\0lethe-test-port-{port}")
        except OSError:
            claim.close()
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                claim.close()
                continue
        used_ports[port] = claim
        return port
    raise Failure("no free port between 18000 and 32000")


def failpoints():
    """{name: whether it can fail} of the build with failpoints; a Skip where there is none."""
    if not os.access(FAILPOINTS, os.X_OK):
        raise Skip(f"no {FAILPOINTS}: make failpoints")
    done = subprocess.run([FAILPOINTS], env=dict(os.environ, LETHE_FAIL="list"), check=True,
                          capture_output=True, text=True, timeout=20)
    return {line.split()[0]: line.endswith(" error") for line in done.stdout.splitlines()}


def die_with_parent():
    """The node ends when the test does, however it does."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def yaml_lines(settings, indent=0):
    """A nested dict as YAML: numbers and words as they are, texts quoted."""
    lines = []
    for key, value in settings.items():
        pad = "  " * indent + key + ":"
        if isinstance(value, dict):
            lines += [pad] + yaml_lines(value, indent + 1)
        elif isinstance(value, list):
            lines.append(pad + " [" + ", ".join(f'"{item}"' for item in value) + "]")
        elif isinstance(value, int):
            lines.append(f"{pad} {value}")
        else:
            lines.append(f'{pad} "{value}"')
    return lines


class Node:
    def __init__(self, directory, node_id=1, settings=None):
        self.id = node_id
        self.directory = directory
        self.data_dir = os.path.join(directory, "data")
        self.log_path = os.path.join(directory, "log")
        self.config_path = os.path.join(directory, "lethe.yaml")
        self.port = free_port()
        self.process = None
        self.boot = 0  # starts by this harness: tells the lives of a node apart in the history
        self.is_paused = False
        self.trust = None  # an ssl.SSLContext: it is asked by https
        self.token = None
        self.program = LETHED  # another build of the same daemon, from its next start on
        os.makedirs(directory, exist_ok=True)
        self.settings = {"node": {"id": node_id, "data_dir": self.data_dir},
                         "http": {"listen": f"127.0.0.1:{self.port}", "request_timeout": "5s"},
                         "storage": {"soft_free_bytes": "1MiB", "ballast_bytes": "4MiB"}}
        for section, values in (settings or {}).items():
            self.settings.setdefault(section, {}).update(values)
        self.write_config()

    def write_config(self):
        with open(self.config_path, "w", encoding="utf-8") as file:
            file.write("\n".join(yaml_lines(self.settings)) + "\n")

    def start(self, wrapper=(), extra=(), fail=None):
        """Starts the process; wait_ready says when it serves. Only the main thread may: the kernel
        ends a child with the thread that made it. fail: an order to a failpoint, as in
        src/sys/failpoint.h; then it is the build that has them."""
        assert threading.current_thread() is threading.main_thread()
        assert not self.is_running()
        self.boot += 1
        self.is_paused = False
        program, environment = self.program, None
        if fail is not None:
            failpoints()
            program, environment = FAILPOINTS, dict(os.environ, LETHE_FAIL=fail)
        with open(self.log_path, "a", encoding="utf-8") as log:
            log.write(f"---- start {self.boot} of node {self.id}\n")
            log.flush()
            self.process = subprocess.Popen(
                [*wrapper, program, "--config", self.config_path, *extra],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
                preexec_fn=die_with_parent)
        return self

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def wait_ready(self, timeout=20, path="/readyz"):
        """Waits until it serves; a process that ends instead is a failure."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if not self.is_running():
                raise Failure(f"node {self.id} ended with {self.process.returncode} while starting")
            try:
                if self.get(path, timeout=2)[0] == 200:
                    return self
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.03)
        raise Failure(f"node {self.id} is not ready after {timeout} s")

    def get(self, path, timeout=5, method="GET", body=None, headers=None):
        """One request on a connection of its own: (status, headers, body)."""
        if self.trust is not None:
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout,
                                                     context=self.trust)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        headers = dict(headers or {})
        if self.token is not None:
            headers.setdefault("Authorization", "Bearer " + self.token)
        try:
            connection.request(method, path, body=body, headers=headers)
            reply = connection.getresponse()
            return reply.status, reply.headers, reply.read()
        finally:
            connection.close()

    def kill(self):
        """kill -9, and waits for the end."""
        if self.is_running():
            self.process.send_signal(signal.SIGKILL)
        return self.wait_end(10)

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def stop(self, timeout=12):
        """SIGTERM, as a supervisor stops it; its exit code, which must come within timeout."""
        if self.is_running():
            if self.is_paused:
                self.resume()
            self.terminate()
        return self.wait_end(timeout)

    def wait_end(self, timeout):
        if self.process is None:
            return None
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failure(f"node {self.id} has not ended after {timeout} s") from None

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        self.is_paused = True

    def resume(self):
        self.process.send_signal(signal.SIGCONT)
        self.is_paused = False

    def log_text(self, starts=None):
        """What it wrote, all of it or since its last so many starts."""
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            text = file.read()
        if starts is None:
            return text
        return "---- start".join(text.split("---- start")[-starts:])

    def failed_at(self):
        """The failpoint that its last start ran into, or None."""
        for line in self.log_text(starts=1).splitlines():
            if line.startswith("failpoint name="):
                return line.split("name=")[1].split()[0]
        return None

    def log_tail(self, lines=25):
        return "\n".join(self.log_text().splitlines()[-lines:])
