"""What Google makes while nobody waits, interactions and batches: recorded once, by the name that it is found under.

Source: ai.google.dev/gemini-api/docs, "Interactions API" and "Batch API"; google-genai 3.6 (`batches.py`, `files.py`).
An interaction does not tell whether it was made in the background, so each is one record by its id. A batch tells all
that it used when it is over, or which file does; on Vertex AI its answers are in a bucket, and nothing tells.
"""

from __future__ import annotations

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.ports.providers import Meter, RunningCall
from ai_cost_calc.providers._jobs import JOBS, Job, Poll, token_of


class KeptJob(Job):
    """A call whose answer the provider keeps, so that it may be asked for again.

    Args:
        waits: whether it is made in the background, so that what its own response says is not yet all.
    """

    __slots__ = ("_waits",)

    def __init__(self, running: RunningCall, *, waits: bool) -> None:
        super().__init__(running, JOBS)
        self._waits = waits

    def read(self, reading: Reading, /, *, token: str | None = None) -> None:
        """Take in usage, or remember which response will have it."""
        if self._waits and (reading.usage is None or not reading.complete):
            self._response_id = reading.response_id
            return
        self._response_id = None
        if reading.response_id is not None:
            self._jobs.finish(reading.response_id)
            token = token or token_of(reading)
        self._running.read(reading, token=token)


class InteractionPoll(Poll):
    """A request that looks at an interaction, or gives it up."""

    __slots__ = ()

    def __init__(self, meter: Meter) -> None:
        super().__init__(meter, JOBS)
        self.background = True

    def read(self, reading: Reading, /, *, token: str | None = None) -> None:
        """Record usage once; what a stream said before it was left is not all."""
        if reading.usage is None or reading.complete:
            super().read(reading, token=token)


class BatchPoll(Poll):
    """A request that looks at a batch, or fetches a file, which may hold a batch's answers.

    Args:
        name: of the batch or file.
    """

    __slots__ = ("_name",)

    def __init__(self, meter: Meter, name: str) -> None:
        super().__init__(meter, JOBS)
        self._name = name

    def read(self, reading: Reading, /, *, token: str | None = None) -> None:  # noqa: ARG002 - as `RunningCall` has it
        """Record usage once, wherever it is found first."""
        under, began_as = reading.response_id, self._jobs.behind(self._name)
        if reading.usage is not None:
            if reading.complete:
                self._record(reading, began_as, under or self._name)
        elif under is None:
            if reading.complete and reading.service_tier == "batch":  # it failed, and used nothing
                self._jobs.give_up(self._name)
        elif not reading.complete:
            self._record(reading, under, under)
        else:
            if under != self._name:
                self._jobs.leads(under, self._name)
            if (running := self._jobs.waiting(self._name)) is not None:
                running.beat()

    def _record(self, reading: Reading, began_as: str, found_as: str) -> None:
        if self._jobs.recorded(found_as):
            self._jobs.give_up(began_as)
        else:
            self.settle(reading, began_as, found_as)
