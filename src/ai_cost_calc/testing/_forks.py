"""Forked children for tests."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Final

RAISED: Final = 99
LONGEST_SECONDS: Final = 60
"""A child that runs longer than this hangs: it shows where, and ends."""


def forked(work: Callable[[], int]) -> int:
    """Fork a child that ends with what `work` returns, or with 99 when it raises; return the child's process id."""
    with warnings.catch_warnings():
        # Python 3.12 warns of forks beside threads, which are what such tests are about.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child:
        return child
    code = RAISED
    # The timer of `faulthandler` itself is a thread, which is not in the child.
    faulthandler.register(signal.SIGALRM, file=sys.__stderr__ or sys.stderr, chain=True)
    signal.alarm(LONGEST_SECONDS)
    try:
        code = work()
    finally:
        os._exit(code)


def exit_code(child: int) -> int:
    """Wait for a child to end."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
