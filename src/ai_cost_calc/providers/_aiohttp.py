"""Sessions of aiohttp: everything passes `_request(method, url, …)`, which `request`, `post` and the others await.

Read in aiohttp 3.14 (`client.py`, `client_reqrep.py`, `streams.py`). Its middlewares are public, but those of a request
replace those of its session; `_request` has been the one way since the first release. What is read of an answer, by
`read`, `text`, `json` or from `content`, passes the reader that takes the place of `response.content`.
"""

from __future__ import annotations

import zlib
from asyncio import IncompleteReadError
from collections.abc import Awaitable, Callable, Mapping
from functools import cache, wraps
from typing import Any, Final, TypeVar
from weakref import ref

from aiohttp import FormData, StreamReader, compression_utils

from ai_cost_calc.providers._call import TappedCall, abegin
from ai_cost_calc.providers._http_client import Wrapping
from ai_cost_calc.providers._http_request import Body, body_of_bytes, form_value, unseen_body
from ai_cost_calc.providers._request import Sending
from ai_cost_calc.providers._tap import Tap, quietly
from ai_cost_calc.providers._wraps import stand_in

T = TypeVar("T")

_GZIP: Final = b"\x1f\x8b"
_DEFLATE: Final = 8
"""What the first byte of zlib's header says of the method (RFC 1950)."""
_DECOMPRESSORS: Final = {"br": "BrotliDecompressor", "zstd": "ZSTDDecompressor"}
"""In `aiohttp.compression_utils`; each needs a package that may be absent."""


class _Quiet:
    """Goes before the session's class: aiohttp warns of subclasses, which it discourages for their authors' sake.

    It has no `__slots__`, so that its objects are laid out as a session's are.
    """

    def __init_subclass__(cls) -> None:
        pass


def guarded_class(wrapping: Wrapping) -> type[Any]:
    """A class that stands in for a session's own, with calls guarded."""
    base: Any = wrapping.base
    return stand_in(wrapping, {"_request": _requests(wrapping, base._request)}, _Quiet)  # noqa: SLF001 - see above


def _requests(wrapping: Wrapping, original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    async def request(self: Any, method: Any, url: Any, **kwargs: Any) -> Any:
        sending = quietly(wrapping.meter, "request", _sending, wrapping, self, method, url, kwargs)
        running = None if sending is None else await abegin(wrapping.meter, sending)
        if sending is None or running is None:
            return await original(self, method, url, **kwargs)
        told = kwargs.get("auto_decompress")
        library = Aiohttp if (self.auto_decompress if told is None else told) else Compressed
        with TappedCall(wrapping.meter, running, sending, library) as call:
            response = await original(self, method, url, **kwargs)
            if 200 <= response.status < 300:  # noqa: PLR2004 - success: what providers bill
                quietly(wrapping.meter, "tap", call.arrived, response)
            return response

    return request


def _sending(wrapping: Wrapping, session: Any, method: Any, url: Any, asked: Mapping[str, Any]) -> Sending | None:
    whole = session._build_url(url)  # noqa: SLF001 - joins the session's base URL, which nothing public tells
    return wrapping.sending(str(method).upper(), str(whole), lambda: _body(session, asked))


def _body(session: Any, asked: Mapping[str, Any]) -> Body:
    """What a request's body says; one that is made while it is sent is left alone."""
    data = asked.get("data")
    if isinstance(asked.get("json"), Mapping):
        return Body(asked["json"])
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogatepass")
    if isinstance(data, bytes | bytearray):
        headers = {**session.headers, **dict(asked.get("headers") or {})}
        names = (value for name, value in headers.items() if name.lower() == "content-type")
        return body_of_bytes(bytes(data), next(names, ""))
    if isinstance(data, FormData):
        return _form([(options["name"], value) for options, _, value in data._fields])
    if isinstance(data, Mapping):
        return _form(list(data.items()))
    size = getattr(data, "size", None)  # of aiohttp's own payloads
    return unseen_body(None if size is None else str(size))


def _form(parts: list[tuple[str, Any]]) -> Body:
    """Fields of a form; what is neither text nor a number is a file."""
    fields = {name: form_value(value) for name, value in parts if isinstance(value, str | int)}
    return Body(fields, sum(not isinstance(value, str | int) for _, value in parts))


class Aiohttp:
    """Responses of aiohttp (`_call.Library`)."""

    @staticmethod
    def path(response: Any) -> bytes:
        """The path of the URL that answered."""
        path: str = response.url.raw_path
        return path.encode()

    @staticmethod
    def url(response: Any) -> str:
        """The URL that answered."""
        return str(response.url)

    @staticmethod
    def content(response: Any) -> bytes | None:
        """The body, where it has been read."""
        body: bytes | None = response._body  # noqa: SLF001 - `read` would read it
        return body

    @staticmethod
    def is_closed(response: Any) -> bool:
        """Whether nothing more can be read; `closed` already says so of a body that has come but was not taken."""
        return response.content.exception() is not None

    @classmethod
    def put_on(cls, response: Any, tap: Tap) -> None:
        """Let the tap see what is read from this response from now on."""
        content = cls.content(response)
        if content is not None:
            tap.take(content)
        else:
            response.content = Watched(response.content, tap, cls.encoding(response))

    @staticmethod
    def encoding(_: Any) -> str:
        """How what is read of it is compressed: not at all."""
        return ""


class Compressed(Aiohttp):
    """Responses of aiohttp to whoever wants them as they come."""

    @staticmethod
    def encoding(response: Any) -> str:
        """How what is read of it is compressed."""
        encoding: str = response.headers.get("content-encoding", "")
        return encoding


def _decoder(encoding: str, start: bytes) -> Callable[[bytes], bytes] | None:
    """What decompresses an answer that its session leaves compressed; where no header said so, its start may."""
    if start.startswith(_GZIP):
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress
    if encoding == "deflate":  # some leave out the header that the standard asks for
        return zlib.decompressobj(zlib.MAX_WBITS if start[0] & 0xF == _DEFLATE else -zlib.MAX_WBITS).decompress
    kind = getattr(compression_utils, _DECOMPRESSORS.get(encoding, ""), None)
    if kind is None:
        return None
    made = cache(kind)
    return lambda raw: made().decompress_sync(raw)


class Watched(StreamReader):
    """Reads from a response's own reader, and lets a tap see what it reads. State is that of the other reader.

    Args:
        encoding: how its bytes are compressed, where whoever reads them gets them so.
    """

    __slots__ = ("__weakref__", "_decode", "_encoding", "_source", "_tap")

    def __init__(self, source: StreamReader, tap: Tap, encoding: str = "") -> None:
        self._source = source
        self._encoding = encoding
        self._tap: Tap | None = tap
        self._decode: Callable[[bytes], bytes] | None = None
        tap.keepsake = ref(self, lambda _: tap.finish(ended=False))

    def __getattr__(self, name: str) -> Any:
        """Give what is not set here: all that `StreamReader` keeps."""
        return getattr(self._source, name)

    async def read(self, n: int = -1) -> bytes:
        """See `StreamReader`; likewise below."""
        return await self._watch(self._source.read(n))

    async def readany(self) -> bytes:
        return await self._watch(self._source.readany())

    async def readexactly(self, n: int) -> bytes:
        return await self._watch(self._source.readexactly(n))

    async def readuntil(self, *args: Any, **kwargs: Any) -> bytes:
        return await self._watch(self._source.readuntil(*args, **kwargs))

    async def readchunk(self) -> tuple[bytes, bool]:
        return await self._watch(self._source.readchunk())

    def read_nowait(self, n: int = -1) -> bytes:
        data = self._source.read_nowait(n)
        self._see(data)
        return data

    def set_exception(self, *args: Any) -> None:
        """Learn that the response was closed or released, which is how both tell their readers."""
        whole = self._source.at_eof()
        self._source.set_exception(*args)
        self._over(ended=whole)

    def set_read_chunk_size(self, n: int) -> None:
        self._source.set_read_chunk_size(n)

    def on_eof(self, callback: Callable[[], None]) -> None:
        self._source.on_eof(callback)

    async def wait_eof(self) -> None:
        await self._source.wait_eof()

    def unread_data(self, data: bytes) -> None:
        self._source.unread_data(data)

    async def _watch(self, reading: Awaitable[T]) -> T:
        try:
            data = await reading
        except IncompleteReadError as error:
            self._see(error.partial)
            raise
        except Exception as error:
            if self._source.exception() is not None:
                self._over(ended=False, error=error)
            raise
        self._see(data[0] if isinstance(data, tuple) else data)
        return data

    def _see(self, data: Any) -> None:
        tap = self._tap
        if tap is None:
            return
        if data and self._decode is None and (self._encoding or data.startswith(_GZIP)):
            self._decode = _decoder(self._encoding, data)
        if self._decode is not None:
            tap.feed_encoded(self._decode, data)
        elif data:
            tap.feed(data)
        if self._source.at_eof():
            self._over(ended=True)

    def _over(self, *, ended: bool, error: BaseException | None = None) -> None:
        tap, self._tap = self._tap, None
        if tap is not None:
            tap.finish(ended=ended, error=error)
