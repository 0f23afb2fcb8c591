"""The lock that tells a living owner's journal from a dead one's."""

from __future__ import annotations

import os
import sys

SUPPORTED = sys.platform != "win32"
"""Windows has no lock that ends with its owner and allows renaming an open file; records stay in memory there."""

if SUPPORTED:
    import fcntl


def try_lock(fd: int) -> bool:
    """Take the lock of an open file unless somebody has it.

    It belongs to the open file, not to the process: it ends when the last descriptor of that opening is closed. For a
    killed process the kernel does that; a `write` that is still running keeps it until it returns.

    Raises:
        OSError: this filesystem knows no locks (some network ones do not).
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sync(fd: int) -> None:
    """Wait until the file's bytes are on the disk itself."""
    if hasattr(fcntl, "F_FULLFSYNC"):  # macOS: fsync alone stops at the drive's own cache
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fsync(fd)
