"""What is kept of a console log: its head and its tail, in bounded memory. Pure."""

from __future__ import annotations

import zlib
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True)
class KeptLog:
    """What is kept of a log: ``packed`` is its compressed text, None where none is kept.

    ``size`` is all of it in bytes, clean; ``left_out`` as many as are not kept. ``read_error`` says
    why it, or the rest of it, could not be had.
    """

    packed: bytes | None = None
    size: int = 0
    left_out: int = 0
    read_error: str | None = None


def pack(text: bytes) -> bytes:
    """Compressed, as the ledger keeps it."""
    return zlib.compress(text)


def unpack(packed: bytes) -> bytes:
    """The text again."""
    return zlib.decompress(packed)


HEAD_SHARE = 4
"""A quarter is for the head: what failed stands at the end."""


class HeadAndTail:
    """Takes whole lines and keeps at most ``limit`` bytes of them, in as much memory."""

    def __init__(self, limit: int) -> None:
        self._head_limit = limit // HEAD_SHARE
        self._tail_limit = limit - self._head_limit
        self._head = bytearray()
        self._head_full = False
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._out_lines = 0
        self.size = 0
        self.left_out = 0

    def add(self, lines: bytes) -> None:
        """Add lines, each with its newline."""
        self.size += len(lines)
        if not self._head_full:
            lines = self._to_head(lines)
        if not lines:
            return
        self._tail.append(lines)
        self._tail_size += len(lines)
        while self._tail_size - len(self._tail[0]) >= self._tail_limit:
            self._drop(self._tail.popleft())

    def _to_head(self, lines: bytes) -> bytes:
        """What does not fit into the head any more."""
        room = self._head_limit - len(self._head)
        if len(lines) <= room:
            self._head += lines
            return b""
        end = lines.rfind(b"\n", 0, room) + 1
        self._head += lines[:end]
        self._head_full = True
        return lines[end:]

    def _drop(self, lines: bytes) -> None:
        self._tail_size -= len(lines)
        self.left_out += len(lines)
        self._out_lines += lines.count(b"\n")

    def text(self) -> bytes:
        """What is kept, with a line between head and tail that says how much is left out."""
        tail = b"".join(self._tail)
        surplus = len(tail) - self._tail_limit
        if surplus > 0:
            cut = tail.find(b"\n", surplus - 1) + 1
            dropped, tail = tail[:cut], tail[cut:]
            self._tail = deque([dropped, tail])
            self._drop(self._tail.popleft())
        if not self.left_out:
            return bytes(self._head) + tail
        return bytes(self._head) + omission_line(self._out_lines, self.left_out) + tail


def omission_line(lines: int, size: int) -> bytes:
    """The line that stands for what is left out."""
    return f"[... {lines:,} lines, {size:,} bytes left out here ...]\n".encode()
