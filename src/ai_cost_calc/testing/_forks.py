"""Forked children for tests."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Final

RAISED: Final = 99


def forked(work: Callable[[], int]) -> int:
    """Fork a child that ends with what `work` returns, or with 99 when it raises; return the child's process id."""
    with warnings.catch_warnings():
        # Python 3.12 warns of forks beside threads, which are what such tests are about.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child:
        return child
    code = RAISED
    try:
        code = work()
    finally:
        os._exit(code)


def exit_code(child: int) -> int:
    """Wait for a child to end."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
