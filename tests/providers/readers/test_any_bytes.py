"""Readers bear anything, as any vendor's API: they never raise, read the same in any pieces, and keep flat memory."""

from __future__ import annotations

import base64
import gc
import json
import tracemalloc
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers.readers import open_reader, read_usage, reading_of
from ai_cost_calc.providers.readers._flavour import LONGEST_NAME, Flavour
from ai_cost_calc.providers.readers._registry import vendor_named
from tests.providers.readers.bodies import (
    CHAT_COUNTS,
    EVENT_STREAM,
    MESSAGE_COUNTS,
    SSE,
    chat,
    chat_stream,
    chunk,
    counts,
    fed,
    frame,
    message_stream,
    pieces,
    sse,
    wrapped,
)
from tests.providers.readers.hostile import WRONG, body, damaged, document, written
from tests.providers.readers.test_read_usage import APIS, sound
from tests.providers.readers.test_recorded import EXCHANGES

TYPES: Final = (None, None, SSE, "application/json", "application/x-ndjson", "application/vnd.amazon.eventstream")
SEEDS: Final = 6
MIB: Final = 2**20


def flavour_of(provider: str, api: str) -> Flavour:
    """How an API of a vendor is read."""
    vendor = vendor_named(provider)
    assert vendor is not None
    return vendor.flavours[api]


def check(raw: bytes, known: dict[str, Any], rng: Random) -> None:
    """There is a sound reading, the same however the bytes are cut, and one where they break off."""
    whole = read_usage(raw, **known)
    assert sound(whole)
    cuts = [rng.randrange(len(raw) + 1) for _ in range(rng.randrange(8))]
    assert fed(pieces(raw, cuts), **known) == whole
    if len(raw) < 1_500:
        assert fed((raw[at : at + 1] for at in range(len(raw))), **known) == whole
    assert sound(fed(pieces(raw, cuts), ended=False, **known))
    named = {name: value for name, value in known.items() if name != "content_type"}
    assert sound(reading_of(raw, **named))
    reader = open_reader(**known)
    reader.message(raw)
    assert sound(reader.close())
    msgspec.json.encode(whole)  # what a reading says can be kept: no lone surrogates, no number out of range


@pytest.mark.parametrize(("provider", "api"), APIS)
def test_every_api_bears_bodies_that_are_nearly_its_own(provider: str, api: str) -> None:
    """Fields of the wrong type, odd JSON, broken framing and damage, in every API of every vendor."""
    flavour = flavour_of(provider, api)
    for seed in range(SEEDS):
        rng = Random(f"{provider} {api} {seed}")
        check(body(flavour, rng), {"provider": provider, "api": api, "content_type": rng.choice(TYPES)}, rng)
        parsed = document(flavour.wire, rng)
        if isinstance(parsed, dict):
            assert sound(read_usage(parsed, provider=provider, api=api))
            assert sound(reading_of(parsed, provider=provider, api=api))


@settings(deadline=None)
@given(pair=st.sampled_from(APIS), seed=st.integers(), told=st.booleans())
def test_bodies_of_any_api(pair: tuple[str, str], seed: int, told: bool) -> None:  # noqa: FBT001
    """The same for bodies that are new in every run, read as what they are or as what they look like."""
    rng = Random(seed)
    known = {"provider": pair[0], "api": pair[1]} if told else {}
    check(body(flavour_of(*pair), rng), known | {"content_type": rng.choice(TYPES)}, rng)


@pytest.mark.skipif(not EXCHANGES, reason="recorded provider responses are absent")
@settings(deadline=None)
@given(place=st.integers(min_value=0), seed=st.integers(), told=st.booleans())
def test_damaged_recordings(place: int, seed: int, told: bool) -> None:  # noqa: FBT001
    """What providers sent, damaged, as their API, as another or as nothing that is known."""
    rng = Random(seed)
    exchange = json.loads(EXCHANGES[place % len(EXCHANGES)].read_text())
    text = exchange["body"]
    raw = (base64.b64decode(text) if exchange["body_encoding"] == "base64" else text.encode())[:30_000]
    provider, api = (exchange["provider"], exchange["api"]) if told else rng.choice(APIS)
    known = {"provider": provider, "api": api, "content_type": exchange["content_type"] if told else rng.choice(TYPES)}
    check(damaged(raw, rng), known, rng)


def _nested(levels: int, kind: str) -> bytes:
    opening, closing = {"objects": (b'{"a":', b"}"), "arrays": (b"[", b"]"), "both": (b'[{"a":', b"}]")}[kind]
    return opening * levels + b"1" + closing * levels


@pytest.mark.parametrize("kind", ["objects", "arrays", "both"])
@pytest.mark.parametrize("api", sorted({api for _, api in APIS}))
def test_depth_in_every_field(api: str, kind: str) -> None:
    """Ten thousand levels, in the place of each field that is decoded, in bytes and parsed; the call goes on."""
    provider = next(name for name, other in APIS if other == api)
    flavour = flavour_of(provider, api)
    deep = _nested(10_000, kind)
    parsed: Any = 1
    for _ in range(10_000):
        parsed = {"a": parsed} if kind == "objects" else [parsed]
    for wire in {flavour.wire, flavour.event or flavour.wire}:
        for field in msgspec.structs.fields(wire):
            raw = b'{"%b": %b}' % (field.encode_name.encode(), deep)
            for framed in (raw, b"data: " + raw + b"\n\n"):
                assert sound(read_usage(framed, provider=provider, api=api))
            assert sound(read_usage({field.encode_name: parsed}, provider=provider, api=api))


@pytest.mark.parametrize("value", WRONG, ids=lambda value: repr(value)[:20])
def test_one_wrong_value_costs_nothing_but_itself(value: Any) -> None:
    """Whatever stands in the place of one name or count, the others are read."""
    for where in ("model", "id", "service_tier", "created", "choices"):
        reading = read_usage(written(chat(**{where: value}), Random(4)), provider="openai", api="chat")
        assert counts(reading) == CHAT_COUNTS
        msgspec.json.encode(reading)
    usage = {"prompt_tokens": 7, "completion_tokens": value}
    for given_ in (chat(usage), json.dumps(chat(usage)), json.dumps(chat(usage), ensure_ascii=False)):
        reading = read_usage(given_, provider="openai", api="chat")
        assert counts(reading)["input_tokens"] == 7


def test_names_are_fit_to_be_kept() -> None:
    """A name with half a character is kept without it, and a name that is a book is not kept whole."""
    reading = read_usage(chat(model="gpt-\ud800", id="x" * 5_000_000), provider="openai", api="chat")
    assert reading.model == "gpt-?"
    assert reading.response_id == "x" * LONGEST_NAME


def test_a_name_twice_means_the_last() -> None:
    """As every JSON parser in use takes it."""
    body = b'{"usage": {"prompt_tokens": 1}, "usage": {"prompt_tokens": 2, "prompt_tokens": 3}, "model": "a"}'
    assert counts(read_usage(body, provider="openai", api="chat")) == {"input_tokens": 3}


def _peak(chunks: Iterable[bytes], **known: Any) -> tuple[int, Reading]:
    """The most memory that reading took above what was there, and the reading."""
    reader = open_reader(**known)
    gc.collect()
    tracemalloc.start()
    try:
        for piece in chunks:
            reader.feed(piece)
        reading = reader.close()
        return tracemalloc.get_traced_memory()[1], reading
    finally:
        tracemalloc.stop()


def _long_stream(size: int, event: bytes, *ends: bytes) -> Iterator[bytes]:
    for _ in range(size // len(event)):
        yield event
    yield from ends


def test_two_thousand_chunks_keep_flat_memory() -> None:
    """A long answer is passed over, event by event."""
    event = sse(chunk("Some words of an answer. " * 8))
    peak, reading = _peak((event for _ in range(2_000)), provider="openai", api="chat", content_type=SSE)
    assert reading.usage is None
    assert peak < MIB // 4


@pytest.mark.parametrize(
    ("event", "ends", "known", "expected", "content_type"),
    [
        (sse(chunk("x" * 65_000)), [sse(*chat_stream())], {"provider": "openai", "api": "chat"}, CHAT_COUNTS, SSE),
        (
            wrapped({"type": "content_block_delta", "delta": {"text": "x" * 65_000}}),
            [b"".join(map(wrapped, message_stream()))],
            {"provider": "aws", "api": "invoke"},
            MESSAGE_COUNTS,
            EVENT_STREAM,
        ),
        (frame({"p": "x" * 65_000}), [], {"provider": "aws", "api": "converse"}, {}, EVENT_STREAM),
        (b"\xff\xfb\x90" + b"x" * 65_000, [], {"provider": "openai", "api": "speech"}, {}, "audio/mpeg"),
        (b": " + b"k" * 65_000 + b"\n", [sse(*chat_stream())], {"provider": "openai", "api": "chat"}, CHAT_COUNTS, SSE),
    ],
    ids=["events", "wrapped frames", "frames", "audio", "comments"],
)
def test_sixty_four_megabytes_keep_flat_memory(
    event: bytes, ends: list[bytes], known: dict[str, Any], expected: dict[str, int], content_type: str
) -> None:
    """The largest streams cost no more memory than their largest event, a few times over."""
    peak, reading = _peak(_long_stream(64 * MIB, event, *ends), **known, content_type=content_type)
    assert counts(reading) == expected
    assert peak < MIB


def test_an_event_without_an_end_is_let_go() -> None:
    """Data that never stops is not gathered for ever, and what comes after it is read."""
    line = b"data: " + b"x" * (MIB - 7) + b"\n"
    reader = open_reader(provider="openai", api="chat", content_type=SSE)
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(70):
            reader.feed(line)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2 * MIB
    reader.feed(b"\n\n" + sse(*chat_stream()))
    assert counts(reader.close()) == CHAT_COUNTS


@pytest.mark.parametrize("body", [[], [object()], ["\ud800"], [{1, 2}], [[[[]]]], [float("nan")]])
def test_any_list_is_read(body: list[Any]) -> None:
    """A list is a parsed stream of Gemini's; any other says nothing."""
    assert read_usage(body).usage is None
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    assert read_usage(nested).usage is None
