"""Reads usage from the bytes of one response as they pass by, and keeps nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers.readers._flavour import Flavour, Source, usd
from ai_cost_calc.providers.readers._registry import Route, flavour_of
from ai_cost_calc.providers.readers._shapes import Shape, Top, shape_of, top_of, unbilled
from ai_cost_calc.providers.readers._streams import (
    Document,
    EventStream,
    Framer,
    JsonLines,
    framer_for,
    without_padding,
)
from ai_cost_calc.providers.readers._wire import parsed

Body = bytes | str | Mapping[str, Any]

ERROR: Final = 400
"""The first HTTP status that says nothing was delivered, so nothing is billed."""

LITELLM_COST: Final = "x-litellm-response-cost"
"""Response header in which a LiteLLM proxy states the cost in US dollars (docs.litellm.ai, "Spend tracking")."""

BEDROCK_COUNT: Final = "x-amzn-bedrock-input-token-count"
"""Response header that only Bedrock's InvokeModel sends; for some models it is all there is."""


class UsageReader:
    """What one response says about its usage. Never raises on what a provider sends.

    Attributes:
        output_bytes: UTF-8 bytes of answer text seen so far, counted and not kept: text, thinking and tool arguments
            in a stream's events. Zero for responses that do not stream.
    """

    __slots__ = (
        "_body",
        "_dropped",
        "_ended",
        "_framer",
        "_kept",
        "_start",
        "_status",
        "_type",
        "_unsettled",
        "_whole",
        "output_bytes",
    )

    def __init__(self, route: Route, source: Source, content_type: str | None = None, status: int = 200) -> None:
        self._body = Known(route, source)
        self._type = (content_type or "").lower()
        self._status = status
        self._start = b""
        self._framer: Framer | None = None
        self._kept: Any = None
        self._ended = False
        self._whole = False
        self._unsettled = route.vendor is None and route.flavour is None
        self._dropped: set[str] = set()
        self.output_bytes = 0

    def feed(self, chunk: bytes) -> None:
        """Take in the next bytes of the body, content-decoded, split anywhere."""
        if self._framer is None:
            chunk = self._opened(chunk, final=False)
        if self._framer is not None and chunk:
            for payload in self._framer.feed(chunk):
                self.message(payload)

    def _opened(self, chunk: bytes, *, final: bool) -> bytes:
        """Choose the framer once enough of the body is known; return what it is to be fed."""
        start = without_padding(self._start + chunk)
        flavour = self._body.flavour
        lines = flavour is not None and flavour.lines
        self._framer = framer_for(start, self._type, lines=lines, final=final)
        self._start = start if self._framer is None else b""
        return start

    def message(self, payload: Body) -> None:
        """Take in one whole event: a WebSocket message, or an event that an SDK has parsed."""
        if payload == b"[DONE]":
            self._ended = True
            return
        try:
            flavour = self._body.flavour
            if flavour is None or (self._unsettled and _has_usage(payload)):
                flavour = self._recognise(payload)
            if flavour is not None:
                self._take(flavour, payload)
        except Exception:  # noqa: BLE001 - an event that cannot be read says nothing; the others still do
            return

    def _recognise(self, payload: Body) -> Flavour | None:
        """Look at the first event, and at the first with usage, which may tell more."""
        framed = isinstance(self._framer, EventStream)
        self._unsettled = self._unsettled and not framed and not _has_usage(payload)
        before, found = self._body.flavour, self._body.recognise(payload, framed=framed)
        if found is not before:
            self._kept = None  # what another flavour kept, this one cannot read
        return found

    def _take(self, flavour: Flavour, payload: Body) -> None:
        wire, dropped = parsed(flavour.event or flavour.wire, payload)
        if dropped:
            self._dropped.update(dropped)
        self.output_bytes += flavour.text(wire)
        self._ended = flavour.ends(wire) or self._ended
        self._kept = flavour.fold(self._kept, wire)

    @property
    def finished(self) -> bool:
        """Whether the body itself said that it is over (`[DONE]`, `message_stop`, …); always False for documents."""
        return self._ended

    def close(self, *, ended: bool = True) -> Reading:
        """The body is over; say what it used.

        Args:
            ended: False when the connection broke or the caller left. Whether the counts of a stream are final is read
                from the body itself: providers mark the end, and a proxy may end a broken stream politely.
        """
        if self._status >= ERROR:
            return self._body.source.reading(None)
        self._whole = ended
        if self._framer is None:
            rest = self._opened(b"", final=True)
            if not rest and self._kept is None and ended:
                return self._body.source.reading(None)
            self.feed(rest)
        rest_of_body = self._framer.close() if self._framer is not None else []
        if isinstance(self._framer, Document):
            return self._document(rest_of_body[0]) if rest_of_body else self._body.nothing()
        for payload in rest_of_body:
            self.message(payload)
        return self._total()

    def _total(self) -> Reading:
        flavour, source = self._body.flavour, self._body.source
        if self._kept is None or flavour is None:
            return self._body.nothing()
        try:
            reading = told(flavour.read(self._kept, source), self._kept)
        except Exception as exc:  # noqa: BLE001 - what a provider sent must not fail the caller's call
            return replace(self._body.nothing(), anomaly=f"the response could not be read: {type(exc).__name__}")
        ended = self._ended or (self._whole and flavour.lines)
        return finished(reading, source, self._dropped, complete=ended and reading.usage is not None)

    def _document(self, raw: bytes) -> Reading:
        if raw.startswith(b"["):
            return self._array(raw)
        reading = self._body.read(raw)
        if reading.usage is None and not reading.complete and b"\n" in raw.strip():
            return self._lines(raw, reading)
        return reading

    def _array(self, raw: bytes) -> Reading:
        """Google streams a JSON array where the caller did not ask for server-sent events."""
        try:
            events = msgspec.json.decode(raw, type=list[msgspec.Raw])
        except Exception:  # noqa: BLE001 - not JSON after all, or cut off
            return self._body.nothing()
        for event in events:
            self.message(bytes(event))
        return self._total()

    def _lines(self, raw: bytes, reading: Reading) -> Reading:
        """JSON lines under a content type that does not say so."""
        lines = JsonLines()
        for payload in (*lines.feed(raw), *lines.close()):
            self.message(payload)
        by_line = self._total()
        return reading if by_line.usage is None else by_line


class Known:
    """What is known of one body: where it came from, and its flavour once that is recognised."""

    __slots__ = ("flavour", "route", "source")

    def __init__(self, route: Route, source: Source) -> None:
        self.route = route
        self.source = source
        self.flavour = route.flavour

    def read(self, body: Body) -> Reading:
        """Read one JSON document: its bytes, its text, or what they were parsed to."""
        try:
            flavour = self.flavour or self.recognise(body)
            reading = self._as(flavour, body) if flavour is not None else self.source.reading(None)
            usage = reading.usage
            if (usage is not None and (usage.input_tokens or usage.output_tokens)) or (flavour and flavour.free):
                return reading
            return self._looked_at(body, flavour, reading)
        except ValueError:
            return self.nothing()
        except Exception as exc:  # noqa: BLE001 - whatever a provider sends, the caller's call must not fail for it
            return replace(self.nothing(), anomaly=f"the response could not be read: {type(exc).__name__}")

    def recognise(self, body: Body, *, framed: bool = False) -> Flavour | None:
        """Find the flavour by the look of a document or event; and the provider, where only one looks like that.

        Args:
            framed: it came in an AWS event stream, so whatever it looks like, Bedrock wraps it.
        """
        top = top_of(body)
        self.flavour = self._recognised(top, framed=framed) or self.flavour
        return self.flavour

    def _recognised(self, top: Top, *, framed: bool = False) -> Flavour | None:
        shape = shape_of(top)
        if (framed and (shape is None or shape.inventor != "aws")) or (
            shape is None and BEDROCK_COUNT in self.source.headers
        ):
            shape = Shape("aws", "invoke")
        if shape is None:
            return None
        if self.source.provider is None and shape.own:
            self.source = replace(self.source, provider=shape.inventor)
        return flavour_of(shape.inventor, shape.api, self.route.vendor)

    def _as(self, flavour: Flavour, body: Body) -> Reading:
        wire, dropped = parsed(flavour.wire, body)
        reading = flavour.read(wire, self.source)
        if reading.usage is not None and not reading.usage.input_tokens:
            reading = told(reading, wire)
        return finished(reading, self.source, set(dropped)) if dropped or self.source.headers else reading

    def _looked_at(self, body: Body, flavour: Flavour | None, reading: Reading) -> Reading:
        """No tokens where some were looked for: another shape than the URL promised, an error, or really none."""
        top = top_of(body)
        other = None if self.route.settled or reading.usage else self._recognised(top)
        if other is not None and other is not flavour:
            again = self._as(other, body)
            reading = again if again.usage else reading
        return reading if reading.usage is not None or unbilled(top) else replace(reading, complete=False)

    def nothing(self) -> Reading:
        """Nothing could be read, so what was used is not known."""
        return replace(self.source.reading(None), complete=False)


def _has_usage(payload: Body) -> bool:
    if isinstance(payload, (bytes, str)):
        text = payload if isinstance(payload, bytes) else payload.encode("utf-8", "replace")
        return b'"usage":{' in text or b'"usage": {' in text
    return payload.get("usage") is not None


def told(reading: Reading, wire: Any) -> Reading:
    """Take zeros back where the response has a `usage`, but none of the counts that this API documents."""
    if reading.usage is None or reading.usage:
        return reading
    usage = getattr(wire, "usage", None)
    if not isinstance(usage, msgspec.Struct) or any(value is not None for value in msgspec.structs.astuple(usage)):
        return reading
    return replace(reading, usage=None)


def finished(reading: Reading, source: Source, dropped: set[str], *, complete: bool = True) -> Reading:
    """Add what the headers say, and what could not be read of the counts."""
    changes: dict[str, Any] = {} if complete else {"complete": False}
    unread = sorted(name for name in dropped if "usage" in name.lower())
    if unread and reading.usage is not None:
        changes["anomaly"] = "; ".join([*filter(None, [reading.anomaly]), f"not a count: {', '.join(unread)}"])
    if LITELLM_COST in source.headers and reading.provider_cost_usd is None:
        changes["provider_cost_usd"] = usd(source.headers[LITELLM_COST]) or None  # an unknown price is zero there too
    return replace(reading, **changes) if changes else reading
