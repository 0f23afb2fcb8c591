"""The first responses of a process, read by many threads at once, and in forked children meanwhile."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

import pytest

PROGRAM: Final = """
import os, sys, threading
from ai_cost_calc import read_usage

sys.setswitchinterval(1e-6)  # threads take turns as often as they can
BODIES = {
    "chat": b'{"choices": [], "usage": {"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 1}}}',
    "responses": b'{"usage": {"input_tokens": 3, "input_tokens_details": {"cached_tokens": 1}}, "output": []}',
    "messages": b'{"usage": {"input_tokens": 3, "server_tool_use": {"web_search_requests": 0}}}',
}

def read():
    return [read_usage(body, api=api).usage.input_tokens for api, body in BODIES.items()]

def read_with_the_others():
    start.wait()
    seen.append(read())

seen, start = [], threading.Barrier(13)
threads = [threading.Thread(target=read_with_the_others) for _ in range(12)]
for thread in threads:
    thread.start()
start.wait()
children = []
for _ in range(int(sys.argv[1])):
    children.append(os.fork())
    if not children[-1]:
        os._exit(0 if read() == [3, 3, 3] else 1)
for thread in threads:
    thread.join()
assert seen == [[3, 3, 3]] * 12, seen
assert all(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0 for child in children)
"""
RUNS: Final = 8
"""Without the lock around msgspec's first look at a type, more than half of all runs crash."""
QUIETLY: Final = ("-W", "ignore::DeprecationWarning")
"""Python 3.12 warns of forks beside threads, which is what this is about."""


@pytest.mark.parametrize("children", [0, 3], ids=["threads", "threads and forks"])
def test_first_reads_may_come_all_at_once(children: int) -> None:
    """Whoever reads first, and whenever the process forks: every thread and every child reads what is there."""
    for _ in range(RUNS):
        done = subprocess.run(
            [sys.executable, *QUIETLY, "-X", "faulthandler", "-c", PROGRAM, str(children)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
