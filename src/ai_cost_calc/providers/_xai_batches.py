"""xAI's batches: each request in one is a call of its own, from when it is added until its result is listed.

Source: docs.x.ai, "Batch API"; xai-sdk 1.21, `sync/batch.py` and `proto/`. A request may have a name
(`batch_request_id`), under which its result is found; xAI names those that have none, so that their results, like those
of a file, are recorded for whoever lists them.
"""

from __future__ import annotations

from itertools import count
from typing import Any, Final

from msgspec.structs import replace

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers._grpc import Asking
from ai_cost_calc.providers._jobs import JOBS
from ai_cost_calc.providers._request import Input, Request, Sending
from ai_cost_calc.providers._xai_request import CHAT, IMAGE, VIDEO, chat_sending, media_sending, reading_of

ASKED: Final = {
    "completion_request": CHAT,
    "image_request": IMAGE,
    "video_request": VIDEO,
    "video_extension_request": VIDEO,
}
"""What a batch may be asked for."""
RESULTS: Final = {"completion_response": CHAT, "image_response": IMAGE, "video_response": VIDEO}
"""What that may be answered with, and how it is read."""
_UNNAMED: Final = "#"
_next: Final = count().__next__


def parts_of_batch(request: Any) -> list[Sending]:
    """What each request that is added is to the meter."""
    return [_part(each) for each in request.batch_requests]


def _part(request: Any) -> Sending:
    for name, api in ASKED.items():
        if request.HasField(name):
            asked = getattr(request, name)
            return chat_sending(asked, batch=True) if api == CHAT else media_sending(asked, api, batch=True)
    return _of_unknown(Input({}))


def parts_of_file(request: Any) -> list[Sending]:
    """A batch whose requests are in a file, which nobody can look at, is taken for one call."""
    return [_of_unknown(Input({}, [request.input_file_id]))] if request.input_file_id else []


def _of_unknown(given: Input) -> Sending:
    return Sending(Request(provider="x-ai", api="batches", input=given, batch=True), None, b"")


class FromFile:
    """Waits for the name of a batch that is made from a file."""

    def __init__(self, asking: Asking) -> None:
        self._running = asking.running

    def answered(self, response: Any) -> None:
        """Leave its call open."""
        _keep(response.batch_id, ["" for _ in self._running], self._running)

    def failed(self, error: BaseException) -> None:
        """It was not made."""
        _end(self._running, error)


class Added:
    """Waits until requests have been added; their calls go on until their results are found."""

    def __init__(self, asking: Asking) -> None:
        self._batch = asking.request.batch_id
        self._names = [each.batch_request_id for each in asking.request.batch_requests]
        self._running = asking.running

    def answered(self, response: Any) -> None:  # noqa: ARG002 - it says nothing
        """Leave the calls open."""
        _keep(self._batch, self._names, self._running)

    def failed(self, error: BaseException) -> None:
        """None was added."""
        _end(self._running, error)


def _keep(batch: str, names: list[str], calls: list[Any]) -> None:
    for name, running in zip(names, calls, strict=True):
        if running is not None:
            JOBS.keep(_job(batch, name or f"{_UNNAMED}{_next()}"), running)


def _end(calls: list[Any], error: BaseException) -> None:
    for running in calls:
        if running is not None:
            running.end(error=error)


class LookedAt:
    """Waits for how a batch stands."""

    def __init__(self, asking: Asking) -> None:
        self._batch = asking.request.batch_id

    def answered(self, response: Any) -> None:
        """Give back what nothing more is to come for; keep the rest alive."""
        state = response.state
        prefix = _job(self._batch, "")
        if state.num_requests and not state.num_pending:
            JOBS.look(f"{prefix}{_UNNAMED}" if state.num_success else prefix, over=True)
        JOBS.look(prefix)

    def failed(self, error: BaseException) -> None:
        """It may be asked for again."""


class Results:
    """Waits for answers that a batch made; each is recorded once, however often the batch is looked at."""

    def __init__(self, asking: Asking) -> None:
        self._meter = asking.meter
        self._batch = asking.request.batch_id

    def answered(self, response: Any) -> None:
        """Record what is new, for whom it was asked; give back what failed."""
        for result in response.results:
            job = _job(self._batch, result.batch_request_id)
            answer = _answer(result.response)
            if answer is None:
                JOBS.give_up(job)
            elif (running := JOBS.finish(job)) is not None:
                running.read(answer, token=job)
                running.end()
            else:
                self._meter.record(answer, token=job)
        JOBS.look(_job(self._batch, ""))

    def failed(self, error: BaseException) -> None:
        """They may be asked for again."""


def _answer(response: Any) -> Reading | None:
    for name, api in RESULTS.items():
        if response.HasField(name):
            return replace(reading_of(api, getattr(response, name)), service_tier="batch")
    return None


def _job(batch: str, name: str) -> str:
    return f"x-ai:{batch}/{name}"
