"""Bodies that no provider should send: what a flavour decodes, with anything in any place, in any framing, damaged."""

from __future__ import annotations

import binascii
import json
import struct
from collections.abc import Callable
from random import Random
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

import msgspec

from ai_cost_calc.providers.readers._flavour import Flavour

WORDS: Final = (
    "response", "response.done", "response.created", "response.completed", "response.output_text.delta", "message",
    "message_start", "message_delta", "message_stop", "content_block_delta", "text-generation", "message-end",
    "stream-end", "interaction.complete", "session.closed", "session.usage.updated", "web_search_call", "completed",
    "conversation.item.input_audio_transcription.completed", "transcript.text.done", "image_generation.completed",
    "speech.audio.done", "conversation.response.done", "conversation.response", "interaction.cancelled", "step.stop",
    "interaction.status_update", "response.input_tokens", "VIDEO", "MODALITY_UNSPECIFIED",
    "batch", "TEXT", "AUDIO", "DOCUMENT", "search", "compaction", "advisor_message", "fallback_message", "priority",
    "SERVICE_TIER_FLEX", "list", "chat.completion", "chat.completion.chunk", "gpt-5", "duration", "tokens", "5m", "1h",
)  # fmt: skip
"""What flavours look for in types, objects and states."""

WRONG: Final[tuple[Any, ...]] = (
    None, True, False, -1, 0, 0.5, -0.0, 1e308, 2**31, 2**53, 2**53 + 1, 2**63, 2**64, -(2**63), 10**40, 10**400, "",
    "7", "-7", "1e5", " 12 ", "NaN", "null", "\ud800", "\udfff\ud800", "\x00", "é" * 50, "x" * 5_000, [], [[]], [None],
    [{}], {}, {"": {}}, {"\ud800": 1}, [0] * 300, float("nan"), float("inf"), float("-inf"), 5e-324,
    [[[[[[[[]]]]]]]], {"a": {"b": [{"c": 1}]}}, [True, "x", 3, None, {"type": "text", "text": "hello"}],
)  # fmt: skip


def document(kind: Any, rng: Random, depth: int = 0) -> Any:
    """A value for a type that is decoded: mostly one that fits, sometimes one that does not."""
    if rng.random() < 0.12:
        return rng.choice(WRONG)
    plain, arguments = _plain(kind)
    if isinstance(plain, type) and issubclass(plain, msgspec.Struct):
        fields = [field for field in msgspec.structs.fields(plain) if depth < 6 and rng.random() < 0.75]
        return {field.encode_name: document(field.type, rng, depth + 1) for field in fields}
    if plain is list:
        return [document(arguments[0], rng, depth + 1) for _ in range(rng.randrange(4))]
    if plain is dict:
        return {rng.choice(WORDS): document(arguments[-1], rng, depth + 1) for _ in range(rng.randrange(3))}
    return _scalar(plain, rng)


def _scalar(plain: Any, rng: Random) -> Any:
    if plain is int:
        return rng.choice((0, 1, 7, rng.randrange(10**6), 2**53 - 1))
    if plain is float:
        return rng.choice((0.0, 0.25, rng.random() * 1e4, 1e15))
    if plain is str:
        return rng.choice(WORDS)
    return rng.choice((*WRONG, *WORDS))


def _plain(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """The one type beside `None` that this allows, and its arguments."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _plain(get_args(kind)[0])
    if origin in (Union, UnionType):
        return _plain(next(option for option in get_args(kind) if option is not type(None)))
    return origin or kind, get_args(kind)


def written(value: Any, rng: Random) -> bytes:
    """JSON as odd servers write it: escaped or not, with white space, a name twice, numbers that are none."""
    plain = rng.random() < 0.5
    space: Any = rng.choice((None, None, None, 1, "\t"))
    text = json.dumps(value, ensure_ascii=plain, indent=space if rng.random() < 0.3 else None)
    raw = text.encode("utf-8", "surrogatepass")
    if raw.startswith(b'{"') and rng.random() < 0.1:
        name = raw[1 : raw.index(b'"', 2) + 1]
        raw = b"{" + name + b": " + rng.choice((b"1", b"null", b'{"usage": {}}', b"[]")) + b"," + raw[1:]
    return raw


def frame(payload: bytes, rng: Random) -> bytes:
    """An AWS event stream frame, whose lengths and checksums may be wrong."""
    headers = b"\x0b:event-type\x07\x00\x05chunk"
    length = 16 + len(headers) + len(payload)
    if rng.random() < 0.1:
        length = rng.choice((0, 3, 12, length - 1, length + 1, 2**31, 2**32 - 1))
    prelude = struct.pack(">II", length, rng.choice((len(headers),) * 12 + (0, 7, 2**32 - 1)))
    checksum = binascii.crc32(prelude) ^ (rng.random() < 0.05)
    start = prelude + struct.pack(">I", checksum) + headers + payload
    return start + struct.pack(">I", binascii.crc32(start) if rng.random() < 0.9 else 0)


def body(flavour: Flavour, rng: Random) -> bytes:
    """A body of this flavour, in a framing that it has or has not, damaged or whole."""
    kinds = [flavour.wire] if flavour.event is None else [flavour.wire, flavour.event, flavour.event]
    payloads = [written(document(rng.choice(kinds), rng), rng) for _ in range(rng.choice((1, 1, 2, 5)))]
    raw = rng.choice(FRAMINGS)(payloads, rng)
    return damaged(raw, rng) if rng.random() < 0.3 else raw


def _events(payloads: list[bytes], rng: Random) -> bytes:
    ends = (b"\n", b"\r\n", b"\r")
    noise = (b"", b"", b": comment", b"event: x", b"id: 7", b"retry: no", b"data", b"\xef\xbb\xbf", b"\x00")
    lines = []
    for payload in payloads:
        lines += [rng.choice(noise), b"data:" + rng.choice((b" ", b"", b"  ")) + payload.replace(b"\n", b" "), b""]
    lines.append(rng.choice((b"data: [DONE]", b"", b"data: ")))
    return b"".join(line + rng.choice(ends) for line in lines)


FRAMINGS: Final[tuple[Callable[[list[bytes], Random], bytes], ...]] = (
    lambda payloads, _: payloads[0],
    lambda payloads, _: b" \n\xef\xbb\xbf" + payloads[0],
    _events,
    _events,
    lambda payloads, rng: b"".join(payload.replace(b"\n", b" ") + rng.choice((b"\n", b"\r\n")) for payload in payloads),
    lambda payloads, _: b"[" + b",".join(payloads) + b"]",
    lambda payloads, rng: b"".join(frame(payload, rng) for payload in payloads),
    lambda payloads, rng: b"".join(
        frame(json.dumps({"bytes": binascii.b2a_base64(payload).decode()}).encode(), rng) for payload in payloads
    ),
)


def damaged(raw: bytes, rng: Random) -> bytes:
    """Bytes flipped, lost, repeated, moved and cut off."""
    changed = bytearray(raw)
    for _ in range(rng.randint(1, 5)):
        at, other, size = rng.randrange(len(changed) + 1), rng.randrange(len(changed) + 1), rng.randint(1, 60)
        change = rng.randrange(5)
        if change == 0:
            changed[at : at + 1] = rng.randbytes(1)
        elif change == 1:
            del changed[at : at + size]
        elif change == 2:
            changed[at:at] = changed[other : other + size]
        elif change == 3:
            changed[at:at] = rng.choice((b"\r", b"\n", b"\r\n\r\n", b"\xef\xbb\xbf", b"data: ", b"\x00", b'"', b"{"))
        else:
            del changed[max(at, 1) :]
    return bytes(changed)
