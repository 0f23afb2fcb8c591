"""One call whose SDK parses the answer by itself, from its begin to its end: events of botocore, messages of gRPC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.ports.providers import Meter, RunningCall
from ai_cost_calc.providers import _dropped
from ai_cost_calc.providers._request import Request, Sending, estimated
from ai_cost_calc.providers._tap import Reader, Tap, billed, quietly, unknown

T = TypeVar("T")


class Around:
    """A reader with something around it that only this SDK knows (`_tap.Reader`). Subclasses say what."""

    __slots__ = ("reader",)

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    @property
    def output_bytes(self) -> int:
        """UTF-8 bytes of answer text seen so far."""
        return self.reader.output_bytes

    @property
    def finished(self) -> bool:
        """Whether the answer said that it is over."""
        return self.reader.finished

    def feed(self, chunk: bytes) -> None:
        """Take in bytes."""
        self.reader.feed(chunk)

    def message(self, payload: Any) -> None:
        """Take in an event that the SDK has parsed."""
        self.reader.message(payload)

    def close(self, *, ended: bool = True) -> Reading:
        """Say what they came to."""
        return self.reader.close(ended=ended)


class MessageCall:
    """A call that waits for its answer, which comes whole, comes as a stream, or does not come.

    Args:
        then: called once, when it does not wait any more.

    Attributes:
        keepsake: a reference that must live for as long as the call waits.
    """

    __slots__ = ("_running", "_then", "_waiting", "keepsake", "meter", "sending")

    def __init__(
        self, meter: Meter, running: RunningCall, sending: Sending, then: Callable[[], None] = lambda: None
    ) -> None:
        self.meter = meter
        self.sending = sending
        self._running = running
        self._then = then
        self._waiting = [True]
        self.keepsake: object = None

    def answered(self, read: Callable[[], Reading]) -> None:
        """The answer is here, whole."""
        if not self._arrived():
            return
        reading = quietly(self.meter, "tap", read) or unknown(self.sending)
        self._read(billed(estimated(reading, self.sending, 0), self.sending))
        self._end(None)

    def opened(self, reader: Reader, attach: Callable[[Tap], T], content_type: str = "") -> T | None:
        """The answer comes bit by bit.

        Args:
            attach: makes a tap see it; what it returns is returned, `None` where it failed.
        """
        if not self._arrived():
            return None
        request = self.sending.request
        quietly(self.meter, "request", lambda: request.input_bytes)  # the body is let go of, its size is known
        tap = Tap(self, reader, content_type)
        _dropped.follow((tap,))
        try:
            return attach(tap)
        except Exception as fault:  # noqa: BLE001 - any fault of ours must leave the user's call alone
            self.meter.fault("tap", fault)
            tap.finish(ended=False)
            return None

    def failed(self, error: BaseException | None) -> None:
        """There is no answer: nothing is billed."""
        if self._arrived():
            self._end(error)

    def _arrived(self) -> bool:
        """Whether this is what the call waited for; it waits no more."""
        try:
            self._waiting.pop()
        except IndexError:
            return False
        self.keepsake = None
        _dropped.let_go(self)
        quietly(self.meter, "end", self._then)
        return True

    # What a tap tells (`_tap.Caller`).

    def see(self, _: bytes) -> None:
        """An answer is still coming."""
        self._running.beat()

    def over(self, _: Tap, reading: Reading | None, error: BaseException | None, *, ended: bool) -> None:
        """The answer has been read, or left."""
        self._read(reading)
        self._end(error, aborted=not ended and error is None)

    def _read(self, reading: Reading | None) -> None:
        if reading is not None:
            quietly(self.meter, "read", self._running.read, reading)

    def _end(self, error: BaseException | None, *, aborted: bool = False) -> None:
        request = self.sending.request
        if isinstance(request, Request):
            request.input.let_go()
        try:
            self._running.end(error=error, aborted=aborted)
        except Exception as fault:  # noqa: BLE001 - any fault of ours must leave the user's call alone
            self.meter.fault("end", fault)

    # Where nobody waits for the answer any more (`_dropped.Ending`).

    def finish(self, *, ended: bool, error: BaseException | None = None) -> None:
        """Whoever waited has been interrupted."""
        if self._waiting:
            _dropped.conclude(self, ended=ended, error=error)

    def conclude(self, *, ended: bool, error: BaseException | None) -> None:  # noqa: ARG002 - it never ended
        """Give back what was held."""
        if self._arrived():
            self._end(error, aborted=True)

    def forget(self) -> None:
        """Never end: this process is a copy of the one whose call it is."""
        self._waiting.clear()
