"""Responses made in the background: usage comes later, on whichever request finds them done. Recorded once per id.

Source: OpenAI's guide "Background mode": `create(background=True)` answers at once with status `queued` and no usage;
`retrieve` and `cancel` carry the usage once the response is over, each time they are called.
"""

from __future__ import annotations

import os
import re
from typing import Final, TypeVar

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.ports.providers import Meter, RunningCall

T = TypeVar("T")

MOST: Final = 10_000
"""How many unfinished responses are remembered; the oldest is let go, and its hold released."""
_BACKGROUND: Final = re.compile(rb'"background"\s*:\s*true')
_OVERLAP: Final = 32


class Jobs:
    """The calls whose answers are still being made, and the answers recorded already, by response id."""

    def __init__(self) -> None:
        self._running: dict[str, RunningCall] = {}
        self._recorded: dict[str, None] = {}
        self._behind: dict[str, str] = {}
        os.register_at_fork(after_in_child=self._running.clear)  # the parent will record them

    def keep(self, response_id: str, running: RunningCall) -> None:
        """Leave a call open until its answer is done."""
        self._running[response_id] = running
        if len(self._running) > MOST and (oldest := next(iter(self._running), None)):
            self._running.pop(oldest).end()

    def waiting(self, response_id: str) -> RunningCall | None:
        """The call that waits for this answer."""
        return self._running.get(response_id)

    def finish(self, response_id: str, recorded_as: str | None = None) -> RunningCall | None:
        """The call that waited for this answer, if this process made it.

        Args:
            response_id: what it waited under.
            recorded_as: what the answer is recorded as, where that is another name.
        """
        _remember(self._recorded, recorded_as or response_id, None)
        return self._running.pop(response_id, None)

    def give_up(self, response_id: str) -> None:
        """Nothing more is to come for this answer: end the call that waits for it, if there is one."""
        if (running := self._running.pop(response_id, None)) is not None:
            running.end()

    def look(self, prefix: str, *, over: bool = False) -> None:
        """Keep the calls alive whose answers' ids begin like this; or end them, where nothing more is to come."""
        for response_id in [each for each in self._running.copy() if each.startswith(prefix)]:
            if over:
                self.give_up(response_id)
            elif (running := self.waiting(response_id)) is not None:
                running.beat()

    def leads(self, file_id: str, response_id: str) -> None:
        """This file holds the answer."""
        _remember(self._behind, file_id, response_id)

    def behind(self, file_id: str) -> str:
        """Whose answer this file holds, as far as is known here; else the file's own name."""
        return self._behind.get(file_id, file_id)

    def recorded(self, response_id: str) -> bool:
        """Whether this answer was recorded here before."""
        return response_id in self._recorded


def _remember(names: dict[str, T], name: str, value: T) -> None:
    names[name] = value
    if len(names) > MOST and (oldest := next(iter(names), None)):
        names.pop(oldest, None)


JOBS: Final = Jobs()
"""Those of this process, whichever client made them."""


class Job:
    """A running call whose answer is made in the background; it ends with the request that finds the answer done."""

    __slots__ = ("_jobs", "_response_id", "_running")

    def __init__(self, running: RunningCall, jobs: Jobs) -> None:
        self._running = running
        self._jobs = jobs
        self._response_id: str | None = None

    def read(self, reading: Reading, /, *, token: str | None = None) -> None:
        """Take in usage, or remember which response will have it."""
        if reading.usage is None:
            self._response_id = reading.response_id
        else:
            self._response_id = None
            self._jobs.finish(reading.response_id or "")
            self._running.read(reading, token=token or token_of(reading))

    def end(self, *, error: BaseException | None = None, aborted: bool = False) -> None:
        """The request has ended; the call has only if nothing more is to come."""
        if self._response_id is None:
            self._running.end(error=error, aborted=aborted)
        else:
            self._jobs.keep(self._response_id, self._running)

    def beat(self) -> None:
        """Still running."""
        self._running.beat()


class Poll:
    """A request for a response made earlier: free itself, it may find the usage of a background response."""

    __slots__ = ("_jobs", "_meter", "_tail", "background")

    def __init__(self, meter: Meter, jobs: Jobs) -> None:
        self._meter = meter
        self._jobs = jobs
        self._tail = b""
        self.background = False

    def watch(self, chunk: bytes) -> None:
        """Look for what says that the response was made in the background; others were recorded when they were made."""
        if not self.background:
            self.background = _BACKGROUND.search(self._tail + chunk) is not None
            self._tail = chunk[-_OVERLAP:]

    def read(self, reading: Reading, /, *, token: str | None = None) -> None:  # noqa: ARG002 - as `RunningCall` has it
        """Record usage once: for the call that made the response, or here, if another process made it."""
        response_id = reading.response_id
        if response_id is None or self._jobs.recorded(response_id):
            return
        if reading.usage is None:
            if (running := self._jobs.waiting(response_id)) is not None:
                running.beat()
            return
        if self.background or self._jobs.waiting(response_id) is not None:
            self.settle(reading, response_id, response_id)

    def settle(self, reading: Reading, waited_as: str, recorded_as: str) -> None:
        """Record usage that was found: for the call that waits for it, or on its own."""
        token = f"{reading.provider}:{recorded_as}"
        if (running := self._jobs.finish(waited_as, recorded_as)) is not None:
            running.read(reading, token=token)
            running.end()
        else:
            self._meter.record(reading, token=token)

    def end(self, *, error: BaseException | None = None, aborted: bool = False) -> None:
        """Nothing was reserved for this request."""

    def beat(self) -> None:
        """Nothing is held."""


def polls(method: str, path: bytes) -> bool:
    """Whether a request looks for a response made earlier, or gives it up."""
    if method.lower() != ("post" if path.endswith(b"/cancel") else "get"):
        return False
    return path.removesuffix(b"/cancel").rpartition(b"/")[0].endswith(b"responses")


def token_of(reading: Reading) -> str:
    """What makes this answer one record, whichever processes read it."""
    return f"{reading.provider}:{reading.response_id}"
