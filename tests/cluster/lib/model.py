# SPDX-License-Identifier: Apache-2.0
"""What a channel must look like, replayed command by command: the model that replies are held to.

Deliberately naive: a dict of messages and a sorted list of deleted intervals. It knows nothing of
rows, totals or files, so it cannot share a mistake with the store.
"""
import bisect
import itertools
from collections import namedtuple

# One message: who sent it under which number, and where its entry stands in the log.
Message = namedtuple("Message", "seq index position sender number")
# One logged delete. `name` is its reason: every attempt of a driver has one of its own.
Delete = namedtuple("Delete", "index ranges name")


class Ranges:
    """A set of whole numbers as sorted intervals [start, end] that neither touch nor overlap."""

    def __init__(self, pairs=()):
        self.starts, self.ends = [], []
        for start, end in pairs:
            self.add(start, end)

    def add(self, start, end):
        first = bisect.bisect_left(self.ends, start - 1)
        last = bisect.bisect_right(self.starts, end + 1)
        if first < last:
            start = min(start, self.starts[first])
            end = max(end, self.ends[last - 1])
        self.starts[first:last] = [start]
        self.ends[first:last] = [end]

    def __contains__(self, number):
        at = bisect.bisect_left(self.ends, number)
        return at < len(self.starts) and self.starts[at] <= number

    def within(self, start, end):
        """The intervals inside [start, end], cut at its edges."""
        found = []
        at = bisect.bisect_left(self.ends, start)
        while at < len(self.starts) and self.starts[at] <= end:
            found.append([max(self.starts[at], start), min(self.ends[at], end)])
            at += 1
        return found

    def count(self, start, end):
        return sum(b - a + 1 for a, b in self.within(start, end))

    def pairs(self):
        return [[a, b] for a, b in zip(self.starts, self.ends)]


class Channel:
    """The state of one channel after all commands up to `index`."""

    def __init__(self):
        self.index = 0
        self.last_seq = 0
        self.messages = {}  # seq -> Message, deleted ones too
        self.deleted = Ranges()

    def append(self, message):
        """Returns what is wrong with it, or None."""
        self.index = message.index
        wrong = None
        if message.seq in self.messages:
            wrong = f"seq {message.seq} is used by {self.messages[message.seq]} and {message}"
        elif message.seq != self.last_seq + 1:
            wrong = f"{message} comes after last_seq {self.last_seq}"
        self.last_seq = max(self.last_seq, message.seq)
        self.messages[message.seq] = message
        return wrong

    def delete(self, delete):
        """Returns (newly deleted, deleted before, what is wrong or None)."""
        self.index = delete.index
        fresh = before = 0
        wrong = None
        for start, end in delete.ranges:
            if end > self.last_seq:
                wrong = f"{delete} goes beyond last_seq {self.last_seq}"
            known = self.deleted.count(start, end)
            before += known
            fresh += end - start + 1 - known
        for start, end in delete.ranges:
            self.deleted.add(start, end)
        return fresh, before, wrong

    def is_visible(self, seq):
        return 1 <= seq <= self.last_seq and seq not in self.deleted

    def first_seq(self):
        """The lowest visible seq, 0 when there is none."""
        first = 1
        if self.deleted.starts and self.deleted.starts[0] == 1:
            first = self.deleted.ends[0] + 1
        return first if first <= self.last_seq else 0

    def visible(self, start, end, descending=False):
        """Seqs in [start, end] that are not deleted."""
        start, end = max(start, 1), min(end, self.last_seq)
        pieces, at = [], start
        for a, b in self.deleted.within(start, end):
            pieces.append(range(at, a))
            at = b + 1
        pieces.append(range(at, end + 1))
        if descending:
            pieces = [reversed(piece) for piece in reversed(pieces)]
        return itertools.chain.from_iterable(pieces)

    def page(self, from_seq, to_seq, limit, descending):
        """What a read must show: (seqs in page order, deleted intervals, more)."""
        low = max(from_seq or 1, 1)
        high = min(to_seq or self.last_seq, self.last_seq)
        if low > high:
            return [], [], False
        seqs = list(itertools.islice(self.visible(low, high, descending), limit + 1))
        shown, rest = seqs[:limit], seqs[limit:]
        if rest:  # the page covers everything up to the next visible message
            if descending:
                low = rest[0] + 1
            else:
                high = rest[0] - 1
        return shown, self.deleted.within(low, high), bool(rest)


def replay(channel, event):
    """Applies one Message or Delete; what is wrong with it, or None."""
    if isinstance(event, Message):
        return channel.append(event)
    return channel.delete(event)[2]


def order(event):
    """The key that sorts events as the log has them."""
    return (event.index, event.position if isinstance(event, Message) else -1)
