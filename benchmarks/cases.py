"""What both sides of a comparison run, and how they are told to; standard library only.

A worker reads one JSON command a line on stdin, `{"case": …, "count": …}`, and answers with one JSON line of seconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

THREADS = 8
TASKS = 100
PACE_SECONDS = 0.001

Call = Callable[[], object]


def sequence(call: Call, count: int) -> list[float]:
    """One after the other: seconds that the processor spent on one call, over all of them.

    Processor time of the calling thread, because a machine is rarely ours alone: waiting for it would count otherwise,
    more for whoever runs longer.
    """
    start = time.thread_time()
    for _ in range(count):
        call()
    return [(time.thread_time() - start) / count]


def tasks(acall: Callable[[], Awaitable[object]], count: int) -> list[float]:
    """A hundred tasks at once, so many times: seconds of the processor for one call, in whichever thread, each time."""

    async def all_at_once() -> float:
        start = time.process_time()
        await asyncio.gather(*(acall() for _ in range(TASKS)))
        return (time.process_time() - start) / TASKS

    return [asyncio.run(all_at_once()) for _ in range(max(count // TASKS, 1))]


def threads(call: Call, count: int) -> list[float]:
    """Eight threads that each make so many calls, a millisecond apart: seconds of every call."""
    taken: list[float] = []

    def paced() -> None:
        for _ in range(count):
            time.sleep(PACE_SECONDS)
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)

    running = [threading.Thread(target=paced) for _ in range(THREADS)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return taken


def serve(
    call: Call,
    acall: Callable[[], Awaitable[object]],
    before: Call = lambda: None,
    once: Mapping[str, Callable[[], float]] = MappingProxyType({}),
) -> None:
    """Answer commands until stdin ends.

    Args:
        call: what is timed, `acall` where it is awaited.
        before: runs ahead of each command, outside of what is timed.
        once: further cases, each of which gives its one figure by itself.
    """
    for line in sys.stdin:
        command = json.loads(line)
        before()
        case, count = command["case"], command["count"]
        if case in once:
            taken = [once[case]()]
        elif case == "tasks":
            taken = tasks(acall, count)
        else:
            taken = {"sequence": sequence, "threads": threads}[case](call, count)
        sys.stdout.write(json.dumps(taken) + "\n")
        sys.stdout.flush()
