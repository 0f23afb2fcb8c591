"""Batches: billed long after they were made, and told of in two places. Recorded once, from whichever is seen first.

Source: OpenAI's "Batch API": the finished batch has `usage`, and its output file has each answer's; Groq, Together and
many batches of Azure have the file only. Anthropic's "Batch processing": the results have each answer's usage.
Mistral's (mistralai 3.7, `jobs.py`, `models/batchjob.py`, `models/batchjobstatus.py`) has the answers themselves, in
`outputs`, if it is asked to or their requests stood in it, and else the file.

What makes a batch one record is the id of its output file, which both places know, or the batch's own where results
have none (Anthropic's are found under the batch).
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.ports.providers import Meter
from ai_cost_calc.providers._jobs import Job, Jobs, Poll

OVER: Final = frozenset({"cancelled", "completed", "expired", "failed", "success", "timeout_exceeded"})
"""States of a batch, in lower case, after which it uses no more (`finalizing` and `cancelling` come before)."""
LONGEST_STATE: Final = 64 * 2**20
"""A body longer than this does not tell the state of a batch; readers let go of it as well (`readers/_streams.py`)."""

_MADE: Final = re.compile(rb"(?:^|/)(?:batches|batch/jobs)$")
_PLACE: Final = re.compile(rb"(?:^|/)(?:batches|batch/jobs)/([^/]+)(/cancel|/results)?$")
_FILE: Final = re.compile(rb"(?:^|/)files/([^/]+)/content$")
_OTHER_FILES: Final = (b"containers/", b"vector_stores/")
"""Whose files are never the results of a batch."""


class Place(msgspec.Struct, frozen=True):
    """What a request about batches asks for.

    Attributes:
        name: the batch, or the file; `None` for a batch to be made.
        results: whether it asks for answers, rather than for how the batch stands.
    """

    name: str | None = None
    results: bool = False


class Answered(msgspec.Struct):
    """How many of a batch's requests were, in Anthropic's words."""

    succeeded: int | None = None


class BatchState(msgspec.Struct):
    """How a batch stands: OpenAI's words, Anthropic's and Mistral's.

    Attributes:
        output_file_id: where the answers are, once there are any.
        output_file: the same, in Mistral's words; it may have none although there are answers.
        succeeded_requests: Mistral's.
        processing_status: Anthropic's; its answers are found under the batch itself.
    """

    status: str | None = None
    output_file_id: str | None = None
    output_file: str | None = None
    succeeded_requests: int | None = None
    processing_status: str | None = None
    request_counts: Answered | None = None

    @property
    def results(self) -> str | None:
        """The file that has the answers, where it tells of one."""
        return self.output_file_id or self.output_file

    @property
    def over(self) -> bool:
        """Whether the usage that it reports is final."""
        return (self.status or "").lower() in OVER

    @property
    def in_vain(self) -> bool:
        """Whether it is over and nothing was answered."""
        if self.processing_status == "ended":
            return self.request_counts is not None and self.request_counts.succeeded == 0
        if self.succeeded_requests is not None:
            return self.over and self.succeeded_requests == 0
        return self.over and self.output_file_id is None


def place_of(method: str, path: bytes) -> Place | None:
    """What a request asks for, if it is about a batch; any file may turn out to be the results of one.

    Args:
        method: in any case.
        path: without slashes at its ends or a query.
    """
    method = method.lower()
    if method == "post" and _MADE.search(path) is not None:
        return Place()
    if (found := _PLACE.search(path)) is not None:
        way = found[2] or b""
        asked = method == ("post" if way == b"/cancel" else "get")
        return Place(found[1].decode(), way == b"/results") if asked else None
    if method == "get" and (found := _FILE.search(path)) is not None:
        return None if any(each in path for each in _OTHER_FILES) else Place(found[1].decode(), results=True)
    return None


class BatchJob(Job):
    """The call that made a batch. It stays open until the batch's usage is found."""

    __slots__ = ()

    def read(self, reading: Reading, /, *, token: str | None = None) -> None:  # noqa: ARG002 - as `RunningCall` has it
        """Remember which batch it is; what it has used so far, if anything, is not the end of it."""
        self._response_id = reading.response_id


class BatchPoll(Poll):
    """A request that looks at a batch or downloads a file: free itself, it may find what the batch used."""

    __slots__ = ("_place", "_state")

    def __init__(self, meter: Meter, jobs: Jobs, place: Place) -> None:
        super().__init__(meter, jobs)
        self._place = place
        self._state = bytearray()

    def watch(self, chunk: bytes) -> None:
        """Take in how the batch stands; what is longer than a state can be is let go."""
        if not self._place.results and len(self._state) < LONGEST_STATE:
            self._state += chunk

    def read(self, reading: Reading, /, *, token: str | None = None) -> None:  # noqa: ARG002 - as `RunningCall` has it
        """Record usage once: for the call that made the batch, or here, if another process made it."""
        name = self._place.name or ""
        if self._place.results:
            if reading.usage and reading.complete:
                self._record(reading, self._jobs.behind(name), name)
            return
        state = self._standing()
        if state.results is not None:
            self._jobs.leads(state.results, name)
        if state.over and _tells_all(reading):
            self._record(reading, name, state.results or name)
        elif state.in_vain:
            self._jobs.give_up(name)
        elif (running := self._jobs.waiting(name)) is not None:
            running.beat()

    def _standing(self) -> BatchState:
        state, self._state = self._state, bytearray()
        try:
            return msgspec.json.decode(state, type=BatchState)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return BatchState()

    def _record(self, reading: Reading, batch: str, results: str) -> None:
        if self._jobs.recorded(results) or self._jobs.recorded(batch):
            return self._jobs.give_up(batch)
        return self.settle(reading, batch, results)


def _tells_all(reading: Reading) -> bool:
    """Whether a batch that is over says what it used, or that nothing ever will."""
    if reading.usage:
        return reading.model is not None
    return not reading.complete and reading.response_id is not None
