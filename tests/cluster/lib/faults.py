# SPDX-License-Identifier: Apache-2.0
"""Faults below a node: its files edited while it is stopped, its system calls failed by strace while
it runs, its folder on a small file system."""
import fcntl
import glob
import os
import shutil
import signal
import struct
import subprocess
import time

from .daemon import Failure, Skip


# ---- an editor of data folders -------------------------------------------------------------------
def files_of(data_dir, pattern="db/*.log"):
    """Matching files, oldest first: RocksDB numbers them upwards."""
    return sorted(glob.glob(os.path.join(data_dir, pattern)))


def cut(path, size):
    os.truncate(path, size)


def flip(path, at, bit=0):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ (1 << bit)]))


def content_bytes(path):
    """Where the content of a log ends: what follows are zeros."""
    with open(path, "rb") as file:
        return len(file.read().rstrip(b"\0"))


def put_back(copy, data_dir):
    """Makes the folder what it was when it was copied."""
    shutil.rmtree(data_dir, ignore_errors=True)
    shutil.copytree(copy, data_dir)


# ---- system calls --------------------------------------------------------------------------------
class Strace:
    """Attached to a running node: inject as strace's -e inject= has it."""

    def __init__(self, node, inject, only_path=None):
        if shutil.which("strace") is None:
            raise Skip("no strace")
        self.report = os.path.join(node.directory, "strace")
        if os.path.exists(self.report):
            os.unlink(self.report)
        paths = ["-P", only_path] if only_path else []
        self.process = subprocess.Popen(
            ["strace", "-f", "-qq", "-o", self.report, *paths, "-e", "trace=" + inject.split(":")[0],
             "-e", "inject=" + inject, "-p", str(node.process.pid)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.node = node
        self.wait_attached()

    def wait_attached(self):
        """All threads have a tracer, or strace says why not."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            if self.process.poll() is not None:
                if self.injected() > 0:
                    return  # so fast that the node has ended already
                raise Skip("strace cannot attach: " + self.process.stderr.read().strip()[:200])
            if all(self.has_tracer(task) for task in
                   glob.glob(f"/proc/{self.node.process.pid}/task/*/status")):
                return
            time.sleep(0.02)
        raise Failure("strace has not attached within 10 s")

    @staticmethod
    def has_tracer(path):
        try:
            with open(path, encoding="ascii", errors="replace") as file:
                return "TracerPid:\t0\n" not in file.read()
        except OSError:
            return True  # the thread has ended meanwhile

    def injected(self):
        """How many calls were failed or delayed so far."""
        if not os.path.exists(self.report):
            return 0
        with open(self.report, encoding="ascii", errors="replace") as file:
            return file.read().count("INJECTED")

    def close(self):
        """Detaches; the node goes on undisturbed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stderr.close()


# ---- a small file system -------------------------------------------------------------------------
class SmallDisk:
    """A tmpfs of a few MiB over a folder, and a balloon in it. Root only."""

    def __init__(self, context, directory, mebibytes):
        if os.geteuid() != 0:
            raise Skip("a tmpfs needs root")
        os.makedirs(directory, exist_ok=True)
        self.directory, self.balloon = directory, os.path.join(directory, "balloon")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "lethe-test",
                               directory], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Skip("no tmpfs: " + done.stderr.strip())
        context.undo.append(self.unmount)

    def free_bytes(self):
        state = os.statvfs(self.directory)
        return state.f_bavail * state.f_frsize

    def fill(self, leave_bytes):
        """Blows the balloon up until only so much is free."""
        with open(self.balloon, "ab") as file:
            while self.free_bytes() > leave_bytes:
                step = min(1 << 20, self.free_bytes() - leave_bytes)
                try:
                    file.write(bytes(step))
                    file.flush()
                except OSError:
                    break
        return self

    def empty(self):
        if os.path.exists(self.balloon):
            os.unlink(self.balloon)

    def unmount(self):
        subprocess.run(["umount", "-l", self.directory], check=False)


# ---- a disk whose power can be cut ---------------------------------------------------------------
EXT4_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
EXT4_GOING_FLAGS_NOLOGFLUSH = 2


class PowerDisk:
    """An ext4 file system in a file, over a folder. cut: from then on nothing reaches the file, not
    even the journal; what was written and not synced is gone, as after a power cut. Root only."""

    def __init__(self, context, directory, mebibytes=256):
        if os.geteuid() != 0:
            raise Skip("a loop mount needs root")
        for tool in ("mkfs.ext4", "mount"):
            if shutil.which(tool) is None:
                raise Skip(f"no {tool}")
        os.makedirs(directory, exist_ok=True)
        self.directory, self.image = directory, directory.rstrip("/") + ".img"
        with open(self.image, "wb") as file:
            file.truncate(mebibytes << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0",
                        self.image], check=True, capture_output=True)
        self.is_mounted = False
        self.mount()
        context.undo.append(self.close)

    def mount(self):
        done = subprocess.run(["mount", "-o", "loop", self.image, self.directory],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Skip("no loop mount: " + done.stderr.strip())
        self.is_mounted = True

    def cut(self):
        """The moment itself; the process on it lives on, and every call of its to the disk fails."""
        handle = os.open(self.directory, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, EXT4_IOC_SHUTDOWN, struct.pack("I", EXT4_GOING_FLAGS_NOLOGFLUSH))
        finally:
            os.close(handle)

    def power_on(self):
        """After the process has ended: mounted again, which replays the journal."""
        self.unmount()
        self.mount()

    def unmount(self):
        for _ in range(50):
            if subprocess.run(["umount", self.directory], capture_output=True,
                              check=False).returncode == 0:
                self.is_mounted = False
                return
            time.sleep(0.1)
        raise Failure(f"{self.directory} cannot be unmounted")

    def close(self):
        if self.is_mounted:
            subprocess.run(["umount", "-l", self.directory], check=False)


def power_cut(nodes, disks):
    """The power of these nodes goes in one moment: first all disks, then the processes."""
    begun = time.monotonic()
    for node in nodes:
        disks[node.id].cut()
    spent = time.monotonic() - begun
    for node in nodes:
        node.kill()
    for node in nodes:
        disks[node.id].power_on()
    return spent
