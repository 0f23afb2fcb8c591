"""Cutting bytes into JSON payloads as they arrive: server-sent events, JSON lines, AWS event streams, one document.

Each framer is fed chunks that may be split anywhere and hands out whole payloads; it keeps only what is not yet whole.
"""

from __future__ import annotations

import binascii
import re
from struct import unpack_from
from typing import Final, Protocol

import msgspec

LONGEST: Final = 64 * 2**20
"""A payload longer than this is let go: no provider sends one, and memory must not grow without bound."""

_BOM: Final = b"\xef\xbb\xbf"
_SSE_LINE: Final = re.compile(rb"(?:data|event|id|retry)?:|(?:data|event|id|retry)[\r\n]")
_PRELUDE: Final = 12
_WORD: Final = 7
"""Bytes that settle whether a text starts with a field of a server-sent event."""


class Framer(Protocol):
    """Cuts a body into payloads."""

    def feed(self, chunk: bytes, /) -> list[bytes]:
        """Take in a chunk; return the payloads that it completes."""
        ...

    def close(self) -> list[bytes]:
        """The body has ended; return what was left without its terminator."""
        ...


class Lines:
    """Splits at line ends of every kind, across chunks."""

    __slots__ = ("_rest", "_size", "_skip_newline")

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._size = 0
        self._skip_newline = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that this chunk completes, without their ends."""
        if self._skip_newline:
            chunk = chunk.removeprefix(b"\n")
            self._skip_newline = False
        lines = chunk.splitlines()
        if not lines:
            return lines
        # A carriage return may be half of a line end whose other half is yet to come.
        self._skip_newline = chunk.endswith(b"\r")
        rest = lines.pop() if not chunk.endswith((b"\n", b"\r")) else b""
        if lines and self._rest:
            lines[0] = b"".join((*self._rest, lines[0]))
            self._rest, self._size = [], 0
        if rest and self._size < LONGEST:
            self._rest.append(rest)
            self._size += len(rest)
        return lines

    def close(self) -> list[bytes]:
        """What was left without an end of line."""
        rest, self._rest = b"".join(self._rest), []
        return [rest] if rest else []


class ServerSentEvents:
    """The `data` of each event (WHATWG HTML, "Server-sent events"); comments, ids and names are passed over."""

    __slots__ = ("_data", "_lines", "_size")

    def __init__(self) -> None:
        self._lines = Lines()
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The payloads of the events that this chunk completes."""
        return self._events(self._lines.feed(chunk))

    def _events(self, lines: list[bytes]) -> list[bytes]:
        events, data = [], self._data
        for line in lines:
            if line.startswith(b"data:"):
                data.append(line[6:] if line.startswith(b"data: ") else line[5:])
                self._size += len(line)
                if self._size > LONGEST:
                    data.clear()
            elif not line:
                if data and self._size <= LONGEST:
                    events.append(data[0] if len(data) == 1 else b"\n".join(data))
                data.clear()
                self._size = 0
        return events

    def close(self) -> list[bytes]:
        """The last event, where the blank line after it never came."""
        return self._events([*self._lines.close(), b""])


class JsonLines:
    """One JSON document a line."""

    __slots__ = ("_lines",)

    def __init__(self) -> None:
        self._lines = Lines()

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that this chunk completes, blank ones left out."""
        return [line for line in self._lines.feed(chunk) if line.strip()]

    def close(self) -> list[bytes]:
        """The last line, where it has no end."""
        return [line for line in self._lines.close() if line.strip()]


class EventStream:
    """AWS event stream frames (Smithy, "Amazon Event Stream Specification"): lengths, headers, a payload, checksums.

    Bedrock wraps what models stream in `{"bytes": "<base64>"}`; the wrapping is taken off.
    """

    __slots__ = ("_buffer", "_lost")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._lost = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The payloads of the frames that this chunk completes."""
        if self._lost:
            return []
        self._buffer += chunk
        payloads, start = [], 0
        while len(self._buffer) - start >= _PRELUDE:
            length, headers = unpack_from(">II", self._buffer, start)
            if not _PRELUDE + 4 + headers <= length <= LONGEST:
                self._lost = True
                break
            if len(self._buffer) - start < length:
                break
            payloads.append(_unwrapped(bytes(self._buffer[start + _PRELUDE + headers : start + length - 4])))
            start += length
        del self._buffer[: len(self._buffer) if self._lost else start]
        return payloads

    def close(self) -> list[bytes]:
        """A frame that is not whole says nothing."""
        self._buffer.clear()
        return []


class _Wrapper(msgspec.Struct):
    inside: bytes | None = msgspec.field(default=None, name="bytes")


_WRAPPER: Final = msgspec.json.Decoder(_Wrapper)


def _unwrapped(payload: bytes) -> bytes:
    if b'"bytes"' not in payload:
        return payload
    try:
        return _WRAPPER.decode(payload).inside or payload
    except (msgspec.MsgspecError, RecursionError):
        return payload


class Document:
    """One JSON document: kept until it is whole."""

    __slots__ = ("_chunks", "_size")

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Keep it."""
        self._size += len(chunk)
        if self._size > LONGEST:
            self._chunks.clear()
        else:
            self._chunks.append(chunk)
        return []

    def close(self) -> list[bytes]:
        """The document, unless it was too long."""
        chunks, self._chunks = self._chunks, []
        return [chunks[0] if len(chunks) == 1 else b"".join(chunks)] if chunks else []


class Opaque:
    """Neither JSON nor a stream of it, such as audio: nothing is kept."""

    __slots__ = ()

    def feed(self, _: bytes) -> list[bytes]:
        """Let it pass."""
        return []

    def close(self) -> list[bytes]:
        """There is nothing."""
        return []


def without_padding(start: bytes) -> bytes:
    """A body without the white space that some servers send to keep a connection alive, nor a byte order mark."""
    return start.lstrip().removeprefix(_BOM).lstrip()


def holds_lines(content_type: str) -> bool:
    """Whether this content type, in lower case, says that each line is a document."""
    return any(kind in content_type for kind in _LINES)


def framer_for(start: bytes, content_type: str, *, lines: bool, final: bool) -> Framer | None:
    """The framer for a body that starts like this; `None` when more bytes are needed to tell.

    The bytes are believed before the content type: errors come as JSON under a stream's type, and the other way round.
    """
    text = without_padding(start)
    if text.startswith((b"{", b"[")):
        return JsonLines() if lines or holds_lines(content_type) else Document()
    if start.startswith(b"\0"):
        return _binary(start, final=final)
    if not final and len(text) < _WORD:
        return None
    return ServerSentEvents() if _SSE_LINE.match(text) or "event-stream" in content_type else Opaque()


_LINES: Final = ("ndjson", "jsonl", "json-lines", "stream+json")


def _binary(start: bytes, *, final: bool) -> Framer | None:
    if len(start) < _PRELUDE:
        return Opaque() if final else None
    (checksum,) = unpack_from(">I", start, 8)
    return EventStream() if binascii.crc32(start[:8]) == checksum else Opaque()
