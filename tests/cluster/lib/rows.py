# SPDX-License-Identifier: Apache-2.0
"""Rows of a stopped node's folder, changed as a bug or a rotten disk would change them."""
import os
import subprocess

from .daemon import BUILD, Failure, Skip
from .history import slot_of

EDIT_ROWS = os.environ.get("EDIT_ROWS", os.path.join(BUILD, "tools", "edit-rows"))


def edit(node, slot_count, what, family, channel, number, copy_to=None):
    """what: payload, rot, remove, copy (tests/tools/edit_rows.c); copy_to: (channel, number). The slot is
    that of channel, also for a copy."""
    if not os.access(EDIT_ROWS, os.X_OK):
        raise Skip(f"no {EDIT_ROWS}: make cluster-tools")
    words = [EDIT_ROWS, node.data_dir, what, slot_of(channel[1], slot_count), family, channel[0],
             channel[1], number]
    if copy_to is not None:
        words += [copy_to[0][1], copy_to[1]]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60,
                          check=False)
    if done.returncode != 0:
        raise Failure(f"edit-rows {what} {family} {channel} {number}: {done.stderr.strip()}")


def channel_of(slot, slot_count, tag, channel_type=2):
    """The first channel with such a name in a slot."""
    number = 0
    while slot_of(f"{tag}-{number}", slot_count) != slot:
        number += 1
    return (channel_type, f"{tag}-{number}")
