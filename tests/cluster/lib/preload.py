# SPDX-License-Identifier: Apache-2.0
"""What stands before a daemon's libraries (tests/tools/preload.c): fails its n-th call of a kind, moves its wall
clock, at once and while it runs."""
import mmap
import os
import struct

from .daemon import BUILD, Skip

LIBRARY = os.path.join(BUILD, "tools", "preload.so")
KINDS = ("open", "allocation", "thread")
SIZE = 8 + len(KINDS) * 24


class Preload:
    """Of one node; wrapper is what Node.start wants."""

    def __init__(self, node):
        if not os.access(LIBRARY, os.R_OK):
            raise Skip(f"no {LIBRARY}: make cluster-tools")
        path = os.path.join(node.directory, "preload")
        with open(path, "wb") as file:
            file.truncate(SIZE)
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), SIZE)
        self.wrapper = ("env", "LD_PRELOAD=" + os.path.abspath(LIBRARY), "PRELOAD_CONTROL=" + path)

    def put(self, at, value):
        self.memory[at:at + 8] = struct.pack("<q", value)

    def clock(self, seconds):
        """Moves the wall clock so far from the true one."""
        self.put(0, int(seconds * 1e9))

    def calls(self, kind):
        at = 8 + 24 * KINDS.index(kind)
        return struct.unpack("<q", self.memory[at:at + 8])[0]

    def forget(self):
        """Counts from 0, and nothing fails."""
        self.memory[8:SIZE] = bytes(SIZE - 8)

    def fail(self, kind, number, count=1):
        """The number-th call from the last forget(), and so many in a row, fail."""
        at = 8 + 24 * KINDS.index(kind)
        self.put(at + 16, count)
        self.put(at + 8, number)
