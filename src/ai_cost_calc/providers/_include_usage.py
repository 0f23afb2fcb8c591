"""OpenAI's completion streams report usage only when asked. We ask, and keep from the caller what he did not ask for.

Source: OpenAI's API reference, "Create chat completion", `stream_options.include_usage`: one more chunk before `[DONE]`
with empty `choices`, and `"usage": null` on every other chunk. Recorded streams of OpenAI without it have neither.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import copy
from typing import Any, Final

import msgspec

UNASKED: Final = frozenset({"deepseek", "fireworks", "groq", "mistral", "openrouter", "together"})
"""Providers whose streams report usage anyway, on a chunk that the caller gets too: nothing to ask, nothing to hide.

Fireworks: docs.fireworks.ai, "OpenAI compatibility", "Token usage for streaming responses"; its SDK has no
`stream_options` (fireworks-ai 1.2.30).
"""
REFUSALS: Final = frozenset({400, 422})

_END: Final = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_ENDS: Final = (b"\n\n", b"\r\n\r\n", b"\r\r")
_LONGEST_END: Final = 4
_DATA: Final = re.compile(rb"^data:(.*?)\r?$", re.MULTILINE)
_NO_CHOICES: Final = re.compile(rb'"choices"\s*:\s*\[\s*\]')
_NO_USAGE: Final = re.compile(rb',\s*"usage"\s*:\s*null|"usage"\s*:\s*null\s*,')


def asks(body: Mapping[str, Any]) -> bool:
    """Whether the caller asked for usage himself, and so expects to see it."""
    said = body.get("stream_options")
    return isinstance(said, Mapping) and said.get("include_usage") is True


def asking(options: Any, body: Mapping[str, Any]) -> Any:
    """The same request, asking for usage; the caller's objects stay as they are.

    Returns:
        Another options object, or `None` where a request cannot be changed (the caller encoded it himself).
    """
    field = "extra_json" if "stream_options" in (options.extra_json or ()) else "json_data"
    sent = getattr(options, field)
    said = body.get("stream_options")
    if not isinstance(sent, Mapping) or not (said is None or isinstance(said, Mapping)):
        return None
    changed = copy(options)
    setattr(changed, field, {**sent, "stream_options": {**(said or {}), "include_usage": True}})
    return changed


def refuses(error: BaseException) -> bool:
    """Whether a host says that it does not know `stream_options` (older Azure API versions, some gateways)."""
    return getattr(error, "status_code", None) in REFUSALS and "stream_options" in str(error)


class UsageFilter:
    """Takes out of a stream what came only because we asked: the chunk with usage, and empty usage on other chunks.

    Works on whole events: what is not yet one is held until it is. Everything else passes byte for byte.
    """

    __slots__ = ("_held", "_tail")

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._tail = b""

    def feed(self, chunk: bytes) -> bytes:
        """Take in bytes; return those that the caller may have now."""
        if not self._held and chunk.endswith(_ENDS):
            return _without_usage(chunk)
        looked_at = self._tail + chunk  # what is held ends nowhere, except where this chunk goes on with its last bytes
        end = max(looked_at.rfind(mark) + len(mark) if mark in looked_at else 0 for mark in _ENDS)
        self._held.append(chunk)
        if not end:
            self._tail = looked_at[-_LONGEST_END + 1 :]
            return b""
        data, rest = b"".join(self._held), looked_at[end:]
        self._held, self._tail = [rest] if rest else [], rest[-_LONGEST_END + 1 :]
        return _without_usage(data[: len(data) - len(rest)])

    def close(self) -> bytes:
        """What was held, once no more comes."""
        rest, self._held, self._tail = b"".join(self._held), [], b""
        return _without_usage(rest)


def _without_usage(events: bytes) -> bytes:
    if b'"usage"' not in events:
        return events
    starts = [0, *(found.end() for found in _END.finditer(events))]
    pieces = (events[start:end] for start, end in zip(starts, [*starts[1:], len(events)], strict=True))
    return b"".join(_as_unasked(piece) for piece in pieces)


def _as_unasked(event: bytes) -> bytes:
    if b'"usage"' not in event:
        return event
    if _NO_CHOICES.search(event) and _is_usage_chunk(event):
        return b""
    return _NO_USAGE.sub(b"", event, count=1)


def _is_usage_chunk(event: bytes) -> bool:
    try:
        chunk = msgspec.json.decode(b"\n".join(_DATA.findall(event)))
    except msgspec.DecodeError:
        return False
    return isinstance(chunk, dict) and chunk.get("choices") == [] and isinstance(chunk.get("usage"), dict)
