"""One journal file: how it is made, and how it is read, acknowledged and deleted."""

from __future__ import annotations

import os
import secrets
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from ai_cost_calc.delivery.locks import try_lock

SUFFIX: Final = ".journal"
HEADER: Final = b'{"delivered":%20d}\n'
"""The first line: how many bytes of the file need not be delivered again. Of fixed width, overwritten in place."""
HEADER_BYTES: Final = len(HEADER % 0)
CHUNK_BYTES: Final = 1 << 18


def create(folder: Path, now: float) -> tuple[Path, int]:
    """Make a journal file in `folder`.

    It gets its final name only once it is locked and has a header, so nobody takes it for a dead process's file.

    Returns:
        Its path, and a descriptor that appends and holds the lock.

    Raises:
        OSError: it cannot be made; nothing is left behind.
    """
    path = folder / f"{int(now * 1000):013d}-{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
    unnamed = path.with_suffix(".new")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
    try:
        try_lock(fd)
        write_whole(fd, HEADER % HEADER_BYTES)
        unnamed.rename(path)
    except BaseException:
        os.close(fd)
        unnamed.unlink(missing_ok=True)
        raise
    return path, fd


def write_whole(fd: int, line: bytes) -> None:
    """Append with one `write`.

    Raises:
        TornWrite: the disk had room for a part of it only.
        OSError: nothing was written.
    """
    written = os.write(fd, line)
    if written != len(line):
        raise TornWrite(line[:written])


def journals(folder: Path) -> list[Path]:
    """All journal files of a folder, oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def is_free(path: Path) -> bool:
    """Whether nobody owns this journal at this moment, and we may read it."""
    try:
        fd = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        return try_lock(fd)
    finally:
        os.close(fd)


def backlog(folder: Path) -> int:
    """How many records wait in a folder's journals, of living and dead processes.

    Raises:
        OSError: a journal cannot be read.
    """
    waiting = 0
    for path in journals(folder):
        with suppress(FileNotFoundError):
            segment = Segment.open(path)
            waiting += segment.waiting()
            segment.close()
    return waiting


class TornWrite(OSError):
    """Only the beginning of a line was written.

    Attributes:
        fragment: the bytes that now stand in the file.
    """

    def __init__(self, fragment: bytes) -> None:
        super().__init__(f"only {len(fragment)} bytes of a record were written; the disk is probably full")
        self.fragment = fragment


class Segment:
    """A journal file as its reader sees it. One thread delivers; any thread may ask what is waiting."""

    def __init__(self, path: Path, fd: int, delivered: int) -> None:
        self.path = path
        self._fd = fd
        self._delivered = delivered
        self._counted = delivered
        self._waiting = 0
        self._lock = threading.RLock()  # reentrant, as in the shipper

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a journal for reading, where its delivery ended last time.

        Raises:
            OSError: it is gone or cannot be opened.
        """
        fd = os.open(path, os.O_RDWR)
        try:
            return cls(path, fd, _delivered(os.pread(fd, HEADER_BYTES, 0)))
        except BaseException:
            os.close(fd)
            raise

    @classmethod
    def open_locked(cls, path: Path) -> Self | None:
        """Open a journal as its owner; `None` where it has one, or is gone.

        Raises:
            OSError: it cannot be opened.
        """
        try:
            segment = cls.open(path)
        except FileNotFoundError:
            return None
        if segment.lock() and not segment.deleted:
            return segment
        segment.close()
        return None

    def lock(self) -> bool:
        """Become the owner. False while a writer is left: a living process, or a `write` that is still running."""
        return try_lock(self._fd)

    @property
    def deleted(self) -> bool:
        """Whether somebody has deleted it: another process that adopted it, or a cleaning tool."""
        return os.fstat(self._fd).st_nlink == 0

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return os.fstat(self._fd).st_size

    def is_behind(self, end: int) -> bool:
        """Whether bytes before `end` wait for delivery."""
        return self._delivered < end

    def holds(self, fd: int) -> bool:
        """Whether this descriptor is open on this very file."""
        with suppress(OSError):
            return os.path.sameopenfile(fd, self._fd)
        return False

    def read(self) -> list[bytes]:
        """The next lines that wait, without their ends; none when nothing whole is left."""
        limit = CHUNK_BYTES
        chunk = os.pread(self._fd, limit, self._delivered)
        while b"\n" not in chunk and len(chunk) == limit:
            limit *= 2
            chunk = os.pread(self._fd, limit, self._delivered)
        return chunk.split(b"\n")[:-1]

    def tail(self) -> bytes:
        """What stands behind the last line end, once all lines are delivered."""
        return os.pread(self._fd, max(0, self.size - self._delivered), self._delivered)

    def acknowledge(self, lines: list[bytes]) -> None:
        """These lines, the next ones, need not be delivered again, not even by another process."""
        with self._lock:
            self._delivered += sum(map(len, lines)) + len(lines)
            if self._counted < self._delivered:
                self._counted, self._waiting = self._delivered, 0
            else:
                self._waiting -= len(lines)
            if self._delivered >= HEADER_BYTES:  # a damaged header may be shorter: what follows it must stay
                os.pwrite(self._fd, HEADER % self._delivered, 0)

    def waiting(self) -> int:
        """How many lines wait. Looks at what was written since the last time only."""
        with self._lock:
            while self._fd >= 0 and (chunk := os.pread(self._fd, CHUNK_BYTES, self._counted)):
                self._counted += len(chunk)
                self._waiting += chunk.count(b"\n")
            return self._waiting

    def delete(self) -> None:
        """Remove the file; all of it is delivered."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go of the file and its lock; `waiting` stays what it is now."""
        self.waiting()
        with self._lock:
            fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def abandon(self) -> None:
        """Close a forked child's copy; takes no lock, for the thread that held it may not exist here."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _delivered(header: bytes) -> int:
    """The offset in a header; 0 where it cannot be read, so that everything is delivered again."""
    digits = header[len(b'{"delivered":') : -len(b"}\n")].strip()
    return max(int(digits), HEADER_BYTES) if digits.isdigit() and len(header) == HEADER_BYTES else 0
