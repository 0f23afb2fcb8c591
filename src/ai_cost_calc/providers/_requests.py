"""Sessions of requests: everything passes `send(request, …)`, a public method (`sessions.py`, requests 2.34).

Its answers are tapped at `response.raw`, urllib3's response, which `content`, `iter_content` and `iter_lines` read from
as well as whoever reads `raw` itself. A response hook (documented API) finds it before its body is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache, wraps
from typing import Any, Final, Self
from weakref import ref

from urllib3.response import _get_decoder

from ai_cost_calc.providers._call import TappedCall, begin
from ai_cost_calc.providers._http import current
from ai_cost_calc.providers._http_client import Wrapping
from ai_cost_calc.providers._http_request import Body, body_of_bytes, unseen_body
from ai_cost_calc.providers._request import Sending
from ai_cost_calc.providers._tap import Tap, quietly
from ai_cost_calc.providers._wraps import copying, stand_in

_TAP: Final = "_ai_cost_calc_tap"
_DECODER: Final = "_ai_cost_calc_decoder"


def guarded_class(wrapping: Wrapping) -> type[Any]:
    """A class that stands in for a session's own, with calls guarded."""
    base: Any = wrapping.base
    return stand_in(wrapping, {"send": _sends(wrapping, base.send), **copying(base, wrapping.rewrapped)})


def _sends(wrapping: Wrapping, original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def send(self: Any, request: Any, **kwargs: Any) -> Any:
        sending = quietly(wrapping.meter, "request", _sending, wrapping, request)
        running = None if sending is None else begin(wrapping.meter, sending)
        if sending is None or running is None:
            return original(self, request, **kwargs)
        with TappedCall(wrapping.meter, running, sending, Requests):
            quietly(wrapping.meter, "hook", request.register_hook, "response", _on_response)
            try:
                return original(self, request, **kwargs)
            finally:
                quietly(wrapping.meter, "hook", request.deregister_hook, "response", _on_response)

    return send


def _sending(wrapping: Wrapping, request: Any) -> Sending | None:
    return wrapping.sending(request.method or "", request.url or "", lambda: _body(request))


def _body(request: Any) -> Body:
    """What a request's body says; one that is made while it is sent, such as a file, is left alone."""
    content = request.body
    if isinstance(content, str):
        content = content.encode("utf-8", "surrogatepass")
    if content is None or isinstance(content, bytes):
        return body_of_bytes(content or b"", request.headers.get("Content-Type") or "")
    return unseen_body(request.headers.get("Content-Length"))


def _on_response(response: Any, *_: Any, **__: Any) -> None:
    """Tap a response that is billed. Two threads that send one request at once have two of these hooks on it."""
    call = current.get()
    if isinstance(call, TappedCall) and response.status_code // 100 == 2 and not call.answered:  # noqa: PLR2004
        quietly(call.meter, "tap", call.arrived, response)


class Requests:
    """Responses of requests (`_call.Library`)."""

    @staticmethod
    def path(response: Any) -> bytes:
        """The path of the URL that answered."""
        path: bytes = response.request.path_url.encode()
        return path

    @staticmethod
    def url(response: Any) -> str:
        """The URL that answered."""
        url: str = response.request.url
        return url

    @staticmethod
    def content(response: Any) -> bytes | None:
        """The body, where it has been read; `response.content` would read it."""
        content = response._content  # noqa: SLF001 - see above
        return content if isinstance(content, bytes) else None

    @staticmethod
    def is_closed(response: Any) -> bool:
        """Whether nothing more can be read."""
        consumed: bool = response._content_consumed  # noqa: SLF001 - nothing public tells
        return consumed

    @classmethod
    def put_on(cls, response: Any, tap: Tap) -> None:
        """Let the tap see what is read from this response from now on."""
        content = cls.content(response)
        if content is not None:
            tap.take(content)
        elif hasattr(response.raw, "read_chunked"):
            _put_on_raw(response.raw, tap)
        else:  # an adapter of the user's own, with a file instead of urllib3's response
            tap.finish(ended=False)


def _put_on_raw(raw: Any, tap: Tap) -> None:
    vars(raw)[_TAP] = tap
    base: Any = type(raw)
    raw.__class__ = _tapped(base)
    tap.keepsake = ref(raw, lambda _: tap.finish(ended=False))


@cache
def _tapped(base: Any) -> Any:
    """The class of urllib3's response while it is tapped: the same, but what is read from it is seen.

    `stream`, `data`, `readinto`, iteration and draining read through these three methods (`response.py`, urllib3 2.8).
    """

    class Tapped(base):  # type: ignore[misc]  # urllib3's class, known only now
        __slots__ = ()

        def read(self, amt: int | None = None, decode_content: Any = None, *args: Any, **kwargs: Any) -> Any:
            decodes = self.decode_content if decode_content is None else decode_content
            with _Reading(self) as reading:
                data = base.read(self, amt, decode_content, *args, **kwargs)
                reading.see(data, decodes=decodes)
                if amt is None or amt < 0 or (amt and not data):
                    reading.end()
            return data

        def read1(self, amt: int | None = None, decode_content: Any = None, *args: Any, **kwargs: Any) -> Any:
            decodes = self.decode_content if decode_content is None else decode_content
            with _Reading(self) as reading:
                data = base.read1(self, amt, decode_content, *args, **kwargs)
                reading.see(data, decodes=decodes)
                if amt != 0 and not data:
                    reading.end()
            return data

        def read_chunked(self, amt: int | None = None, decode_content: Any = None) -> Iterator[bytes]:
            with _Reading(self) as reading, closing(base.read_chunked(self, amt, decode_content)) as chunks:
                for data in chunks:
                    reading.see(data, decodes=decode_content)
                    yield data
                reading.end()

        def stream(self, amt: int | None = 2**16, decode_content: Any = None) -> Iterator[bytes]:
            with _Reading(self) as reading:
                yield from base.stream(self, amt, decode_content)
                if amt != 0:
                    reading.end()

        def close(self) -> None:
            whole = getattr(self, "length_remaining", None) == 0
            try:
                base.close(self)
            finally:
                _over(self, ended=whole)

    Tapped.__name__, Tapped.__qualname__, Tapped.__module__ = base.__name__, base.__qualname__, base.__module__
    return Tapped


class _Reading:
    """One reading from a tapped response: what it gave, and whether it failed."""

    __slots__ = ("_raw", "_tap")

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._tap: Tap | None = vars(raw).get(_TAP)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, Exception):
            _over(self._raw, ended=False, error=error)
        elif error is not None and self._raw.closed:  # leaving the chunks of a chunked answer closes it
            _over(self._raw, ended=False)

    def see(self, data: bytes | None, *, decodes: Any) -> None:
        """Bytes passed; compressed ones are decompressed here."""
        tap = self._tap
        if tap is None or not data:
            return
        encoding = self._raw.headers.get("content-encoding")
        if decodes or not encoding:
            tap.feed(data)
        else:
            tap.feed_encoded(self._decode(encoding), data)

    def end(self) -> None:
        """There is no more."""
        _over(self._raw, ended=True)

    def _decode(self, encoding: str) -> Callable[[bytes], bytes]:
        """A decoder of our own, kept beside the tap; the response's own is for whoever wants decoded bytes."""
        decoder = vars(self._raw).get(_DECODER)
        if decoder is None:
            decoder = vars(self._raw)[_DECODER] = _get_decoder(encoding)
        decompress: Callable[[bytes], bytes] = decoder.decompress
        return decompress


def _over(raw: Any, *, ended: bool, error: BaseException | None = None) -> None:
    tap = vars(raw).pop(_TAP, None)
    if tap is not None:
        vars(raw).pop(_DECODER, None)
        raw.__class__ = type(raw).__bases__[0]
        tap.finish(ended=ended, error=error)
