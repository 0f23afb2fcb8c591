"""What the call path writes: this process's own journal."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ai_cost_calc.delivery.locks import sync, try_lock
from ai_cost_calc.delivery.segment import Segment, TornWrite, create, is_free, journals, write_whole
from ai_cost_calc.forks import ForkLock

NOT_OPEN: Final = -1


class Journal:
    """The journal files of one process: the one that is written, those left by rotation, those adopted from the dead.

    `append` is one `write` and takes no lock, which works because the number of its descriptor never changes once it is
    known: rotating and closing put another open file behind the same number (`dup2`). A thread that is just about to
    write then writes to the new file or fails; it can never hit a file of somebody else that got the number.

    Args:
        folder: shared by all processes that may deliver each other's records; on a local disk.
        clock: unix seconds.
        synced: wait for the disk on every append.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float], synced: bool = False) -> None:
        self.folder = folder
        self.synced = synced
        self._clock = clock
        self._closed = False
        self._late: Path | None = None
        self._forget_everything()

    def _forget_everything(self) -> None:
        self.lock = ForkLock()
        """Held while descriptors are opened and closed, so that a child knows all it inherits."""
        self._fd = NOT_OPEN
        self._finalizer: weakref.finalize[[int], Journal] | None = None
        self.live: Segment | None = None
        self.rotated: list[Segment] = []
        self.adopted: list[Segment] = []
        self.late_lines = 0
        self.fragments: set[bytes] = set()

    def append(self, line: bytes) -> None:
        """Write one line: all that the call path does.

        Raises:
            TornWrite: a part of it was written.
            OSError: it was not written; `EBADF` means that no file is open.
        """
        written = os.write(self._fd, line)
        if written != len(line):
            self.fragments.add(line[:written])
            raise TornWrite(line[:written])

    def append_synced(self, line: bytes) -> None:
        """`append`, and wait for the disk. The lock keeps a rotation from coming between the two."""
        with self.lock:
            self.append(line)
            sync(self._fd)

    def append_late(self, line: bytes) -> None:
        """Write one line to a file that nobody owns: delivered by whoever starts next.

        Raises:
            OSError: it was not written.
        """
        with self.lock:
            fd = self._reopened_late()
            try:
                write_whole(fd, line)
                if self.synced:
                    sync(fd)
            finally:
                os.close(fd)
            self.late_lines += 1

    def _reopened_late(self) -> int:
        if self._late is not None and (fd := _opened_again(self._late)) is not None:
            return fd
        self._late, fd = create(self.folder, self._clock())
        return fd

    def append_first(self, line: bytes) -> bool:
        """Write one line where `append` found no file: begin one, unless closed for good, which gives False.

        Raises:
            OSError: no file can be made, or the line was not written.
        """
        with self.lock:
            self._disown_foreign()
            if self._closed:
                return False
            if self.live is None:
                self._begin()
            self.append(line)
            if self.synced:
                sync(self._fd)
            return True

    def rotate(self) -> None:
        """Begin a new file; the old one can be deleted when it is delivered.

        Raises:
            OSError: no file can be made; the old one goes on.
        """
        with self.lock:
            if self.live is not None:
                old = self.live
                self._begin()
                self.rotated.append(old)

    def _begin(self) -> None:
        path, fd = create(self.folder, self._clock())
        try:
            segment = Segment.open(path)
            self._put_behind_number(fd)
        except BaseException:
            path.unlink()
            os.close(fd)
            raise
        if self.synced:
            _sync_folder(self.folder)
        self.live = segment

    def _put_behind_number(self, fd: int) -> None:
        if self._fd == NOT_OPEN:
            self._fd = fd
            self._finalizer = weakref.finalize(self, os.close, fd)
            self._finalizer.atexit = False
        else:
            os.dup2(fd, self._fd, inheritable=False)
            os.close(fd)

    def stop(self) -> None:
        """Write no more: from here on `append` fails with `EBADF`, and the file's lock is free for its reader."""
        with self.lock:
            self._closed = True
            if self.live is not None:
                nowhere = os.open(os.devnull, os.O_RDONLY)
                self._put_behind_number(nowhere)
                self.rotated.append(self.live)
                self.live = None

    def disown_foreign(self) -> None:
        """Let go of a descriptor that the application closed, as daemons do: another file may have its number now."""
        with self.lock:
            self._disown_foreign()

    def _disown_foreign(self) -> None:
        if self.live is None or self.live.holds(self._fd):
            return
        self._fd = NOT_OPEN
        if self._finalizer is not None:
            self._finalizer.detach()
        self.rotated.append(self.live)
        self.live = None

    def orphans(self) -> list[Path]:
        """Journals in the folder whose owners seem to be gone, oldest first."""
        found = journals(self.folder)
        mine = {segment.path for segment in self.segments()}  # only now: one of ours may just have been made
        return [path for path in found if path not in mine and is_free(path)]

    def adopt(self, path: Path) -> Segment | None:
        """Take over this journal; `None` when somebody else was quicker.

        Raises:
            OSError: it cannot be opened.
        """
        with self.lock:
            segment = Segment.open_locked(path)
            if segment is not None:
                self.adopted.append(segment)
            return segment

    def own(self) -> list[Segment]:
        """The files of this process, oldest first."""
        with self.lock:
            return [*self.rotated, *([self.live] if self.live else [])]

    def segments(self) -> list[Segment]:
        """All files at hand."""
        return [*self.own(), *self.adopted]

    def knows_fragment(self, found: bytes) -> bool:
        """Whether this is the part of a line that the disk had room for; the whole record went to memory then."""
        known = found in self.fragments
        self.fragments.discard(found)
        return known

    def forget(self, segment: Segment) -> None:
        """A rotated or adopted file is done with."""
        with self.lock:
            for kept in (self.rotated, self.adopted):
                if segment in kept:
                    kept.remove(segment)
            segment.close()

    def release(self) -> None:
        """Close what is left undelivered, so that the next start can adopt it."""
        for segment in self.segments():
            with self.lock:
                segment.close()

    def waiting(self) -> int:
        """How many lines of this process wait for delivery."""
        return self.late_lines + sum(segment.waiting() for segment in self.own())

    def waiting_adopted(self) -> int:
        """How many lines of adopted files wait for delivery."""
        return sum(segment.waiting() for segment in tuple(self.adopted))

    def after_fork_in_child(self) -> None:
        """Close the parent's files without touching its locks, and start anew."""
        for segment in (*self.rotated, *self.adopted, *([self.live] if self.live else [])):
            segment.abandon()
        if self._finalizer is not None and self._finalizer.detach():
            os.close(self._fd)
        self._late = None
        self._forget_everything()


def _opened_again(path: Path) -> int | None:
    """A descriptor that appends to and locks this file, or `None` when somebody has taken it over."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_APPEND)
    except FileNotFoundError:
        return None
    if try_lock(fd) and os.fstat(fd).st_nlink:
        return fd
    os.close(fd)
    return None


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        sync(fd)
    finally:
        os.close(fd)
