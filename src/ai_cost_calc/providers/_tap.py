"""What sees the bytes of one response pass, and says once what they came to."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.ports.providers import Meter
from ai_cost_calc.providers import _dropped
from ai_cost_calc.providers._include_usage import UsageFilter
from ai_cost_calc.providers._request import Sending, estimated

T = TypeVar("T")

_ERROR: Final = re.compile(rb'"error"\s*:\s*[{"]')


def quietly(meter: Meter, where: str, do: Callable[..., T], *args: Any) -> T | None:
    """Do something of ours; a fault in it is counted and does not reach the user's call."""
    try:
        return do(*args)
    except Exception as error:  # noqa: BLE001 - any fault of ours must leave the user's call alone
        meter.fault(where, error)
        return None


class Reader(Protocol):
    """What a tap needs of a reader of usage."""

    @property
    def output_bytes(self) -> int:
        """UTF-8 bytes of answer text seen so far."""
        ...

    @property
    def finished(self) -> bool:
        """Whether the answer said that it is over."""
        ...

    def feed(self, chunk: bytes, /) -> None:
        """Take in bytes."""
        ...

    def message(self, payload: Any, /) -> None:
        """Take in an event that the SDK has parsed."""
        ...

    def close(self, *, ended: bool = True) -> Reading:
        """Say what they came to."""
        ...


class Caller(Protocol):
    """The call that a response belongs to."""

    meter: Meter
    sending: Sending

    def see(self, chunk: bytes, /) -> None:
        """An answer is still coming."""
        ...

    def over(self, tap: Tap, reading: Reading | None, error: BaseException | None, /, *, ended: bool) -> None:
        """A response has been read, or left."""
        ...


class Tap:
    """Sees the bytes of one response pass, and says once what they came to.

    Attributes:
        inside: whether the response is being read at this moment, so that a close comes from the reading itself.
        decoding: whether somebody reads it already; what else is read then, compressed or in vain, need not pass here.
        keepsake: a reference that must live as long as the tap has not finished.
    """

    __slots__ = (
        "_call", "_failed", "_filter", "_reader", "_streams", "_unfinished", "decoding", "inside", "keepsake",
    )  # fmt: skip

    def __init__(self, call: Caller, reader: Reader | None, content_type: str) -> None:
        self._call = call
        self._reader = reader
        self._streams = "event-stream" in content_type or "eventstream" in content_type  # the latter is Amazon's
        self._filter = UsageFilter() if call.sending.hides_usage and "json" not in content_type else None
        self._failed = False
        self._unfinished = [True]
        self.decoding = False
        self.inside = False
        self.keepsake: object = None

    def feed(self, chunk: bytes) -> bytes:
        """See bytes pass; return what the caller may have of them."""
        reader = self._reader
        if reader is not None:
            try:
                reader.feed(chunk)
                self._failed = self._failed or (not reader.output_bytes and says_error(chunk))
            except Exception as error:  # noqa: BLE001 - a fault of ours must not stop the bytes
                self._reader = None
                self._call.meter.fault("tap", error)
        quietly(self._call.meter, "beat", self._call.see, chunk)
        return chunk if self._filter is None else self._filter.feed(chunk)

    def message(self, payload: Any) -> None:
        """See an event pass that the SDK has parsed."""
        if self._reader is not None:
            try:
                self._reader.message(payload)
            except Exception as error:  # noqa: BLE001 - a fault of ours must not stop the events
                self._reader = None
                self._call.meter.fault("tap", error)
        quietly(self._call.meter, "beat", self._call.see, b"")

    @property
    def finished(self) -> bool:
        """Whether the answer said that it is over."""
        return self._reader is None or self._reader.finished

    def refused(self) -> None:
        """The provider sent an error; where it sent nothing else, there is nothing to pay."""
        self._failed = self._failed or (self._reader is not None and not self._reader.output_bytes)

    def feed_encoded(self, decode: Callable[[bytes], Any], raw: bytes) -> bytes:
        """See bytes pass that are still compressed; they reach the caller as they are."""
        plain = quietly(self._call.meter, "tap", decode, raw)
        for piece in (plain,) if isinstance(plain, bytes) else plain or ():
            self.feed(piece)
        return raw

    def take(self, body: bytes) -> None:
        """See a body that is in memory at once."""
        self.feed(body)
        self.finish(ended=True)

    def rest(self) -> bytes:
        """What was held back until the end of the stream."""
        return b"" if self._filter is None else self._filter.close()

    def finish(self, *, ended: bool, error: BaseException | None = None) -> None:
        """No more comes: read to its end, closed, failed or dropped. Only the first time counts."""
        try:
            self._unfinished.pop()
        except IndexError:
            return
        self.keepsake = None
        _dropped.conclude(self, ended=ended, error=error)

    def conclude(self, *, ended: bool, error: BaseException | None) -> None:
        """Say what it came to."""
        call = self._call
        ended = ended or self.finished
        reading = quietly(call.meter, "read", self._reading, ended)
        call.over(self, reading, error, ended=ended)

    def _reading(self, ended: bool) -> Reading | None:  # noqa: FBT001 - see `quietly`
        sending, reader = self._call.sending, self._reader
        reading = reader.close(ended=ended) if reader is not None else unknown(sending)
        said = reader.output_bytes if reader is not None else 0
        if reading.usage is None and self._failed and not said:
            return None
        return billed(estimated(reading, sending, said) if self._streams or not ended else reading, sending)

    def forget(self) -> None:
        """Never finish: this process is a copy of the one whose response it is."""
        self._unfinished.clear()


def says_error(body: bytes) -> bool:
    """Whether a successful response carries an error instead of an answer; in text, the quotes would be escaped."""
    return b'"error"' in body and _ERROR.search(body) is not None


def unknown(sending: Sending) -> Reading:
    """What is known of a response that could not be read: that there was one."""
    return Reading(provider=sending.request.provider, model=sending.request.model, complete=False)


def billed(reading: Reading, sending: Sending) -> Reading | None:
    """A reading, unless it says that there is nothing to pay: an error that came with a success's status."""
    nothing = reading.usage is None and reading.complete and not (sending.background or sending.polls)
    return None if nothing else reading
