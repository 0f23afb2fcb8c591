"""What reading promises for any body: it never raises, tells what it can, and keeps quiet about content."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.providers.readers import open_reader, read_usage, reading_of
from ai_cost_calc.providers.readers._registry import VENDORS, vendor_named
from tests.providers.readers.bodies import (
    CHAT_COUNTS,
    CHAT_USAGE,
    SSE,
    chat,
    chat_stream,
    counts,
    fed,
    json_lines,
    message,
    message_stream,
    pieces,
    response,
    sse,
    wrapped,
)

APIS = sorted((name, api) for name in VENDORS if (vendor := vendor_named(name)) for api in vendor.flavours)
GOOD = [
    json.dumps(chat()).encode(),
    json.dumps(response(output=[{"type": "web_search_call", "status": "completed"}])).encode(),
    json.dumps(message()).encode(),
    json.dumps({"usageMetadata": {"promptTokenCount": 3, "promptTokensDetails": [{"modality": "TEXT"}]}}).encode(),
    json.dumps({"usage": {"inputTokens": 3}, "trace": {"promptRouter": {}}}).encode(),
    json.dumps({"meta": {"billed_units": {"input_tokens": 3}}}).encode(),
    json_lines({"custom_id": "1", "response": {"body": chat()}}, {"custom_id": "2", "result": {"message": message()}}),
    sse(*chat_stream()),
    sse(*message_stream(), named=True),
    b"".join(map(wrapped, message_stream())),
]
known = st.sampled_from([{"provider": provider, "api": api} for provider, api in APIS] + [{}])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)


def sound(reading: Reading) -> bool:
    """Whether a reading could be kept: a reading, with counts that could be true."""
    whole = all(0 <= count <= 2**56 and math.isfinite(count) for count in counts(reading).values())
    return type(reading) is Reading and whole and all(map(sound, reading.also))


@settings(deadline=None)
@given(body=st.sampled_from(GOOD), known=known, seed=st.integers(), cuts=st.lists(st.integers(0, 5000), max_size=4))
def test_damaged_bodies_never_raise_and_read_the_same_in_pieces(
    body: bytes, known: dict[str, Any], seed: int, cuts: list[int]
) -> None:
    """Bytes flipped, lost, repeated and cut off, read as any vendor's API."""
    damaged = _damaged(body, random.Random(seed))
    whole = read_usage(damaged, **known)
    assert sound(whole)
    assert fed(pieces(damaged, cuts), **known) == whole


def _damaged(body: bytes, rng: random.Random) -> bytes:
    raw = bytearray(body)
    for _ in range(rng.randint(1, 6)):
        at, other = rng.randrange(len(raw) + 1), rng.randrange(len(raw) + 1)
        change = rng.randrange(4)
        if change == 0:
            raw[at : at + 1] = rng.randbytes(1)
        elif change == 1:
            del raw[at : at + rng.randint(1, 40)]
        elif change == 2:
            raw[at:at] = raw[other : other + rng.randint(1, 80)]
        else:
            del raw[max(at, 1) :]
    return bytes(raw)


@settings(deadline=None)
@given(body=st.sampled_from([body for body in GOOD if body.startswith(b"{")]), known=known, data=st.data())
def test_wrongly_typed_bodies_never_raise(body: bytes, known: dict[str, Any], data: st.DataObject) -> None:
    """Any value anywhere, whole or parsed; and what is not touched is still read."""
    document = json.loads(body.splitlines()[0])
    changed = _changed(document, data)
    assert sound(read_usage(changed, **known))
    assert sound(read_usage(json.dumps(changed), **known))
    assert sound(reading_of(changed, **known))


def _changed(value: Any, data: st.DataObject) -> Any:
    if isinstance(value, dict) and value:
        name = data.draw(st.sampled_from(sorted(value)))
        return value | {name: _changed(value[name], data) if data.draw(st.booleans()) else data.draw(values)}
    return data.draw(values)


@settings(deadline=None)
@given(body=st.binary(max_size=200) | st.text(max_size=200), known=known)
def test_noise_never_raises(body: bytes | str, known: dict[str, Any]) -> None:
    """Bytes and text of no kind at all."""
    assert sound(read_usage(body, **known))
    assert sound(reading_of(body, **known))


@pytest.mark.parametrize(("provider", "api"), APIS)
def test_every_api_bears_an_empty_and_an_alien_document(provider: str, api: str) -> None:
    """Whatever an API is sent instead of its own shape, there is a reading, and no usage out of nothing."""
    for body in (b"{}", b"[]", b"null", b"[{}]", b'{"usage": null}', b'{"a": [1, {"b": 2}]}', b"data: {}\n\n"):
        reading = read_usage(body, provider=provider, api=api)
        assert sound(reading)
        assert not counts(reading)


@pytest.mark.parametrize(
    "body",
    [
        b'{"usage": ' + b'{"a": ' * 100_000 + b"1" + b"}" * 100_001,
        b"[" * 1_000_000,
        b'{"choices": ' + b"[" * 100_000,
        b'{"usage": {"prompt_tokens": ' + b"9" * 100_000 + b"}}",
        b"data: " * 100_000,
        b"\n" * 100_000,
        b"\x00" * 100_000,
        b'{"usage": {' + b",".join(b'"k%d": 1' % i for i in range(50_000)) + b"}}",
    ],
    ids=["deep", "arrays", "deep content", "digits", "events", "newlines", "zeros", "keys"],
)
def test_hostile_bodies_are_borne(body: bytes) -> None:
    """Depth, length and numbers beyond reason end in a reading without usage."""
    for known in ({}, {"provider": "openai", "api": "chat"}, {"provider": "aws", "api": "invoke", "content_type": SSE}):
        reading = read_usage(body, **known)  # type: ignore[arg-type]
        assert sound(reading)
        assert not counts(reading)


def test_a_megabyte_of_embeddings_is_passed_over() -> None:
    """Numbers that are not counts are never built."""
    vectors = [
        {"object": "embedding", "index": i, "embedding": [0.0123456789 * j for j in range(1536)]} for i in range(40)
    ]
    body = json.dumps({"object": "list", "data": vectors, "usage": {"prompt_tokens": 8, "total_tokens": 8}})
    assert len(body) > 2**19
    assert counts(read_usage(body, provider="openai", api="embeddings")) == {"input_tokens": 8}


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 529])
def test_an_error_is_not_billed(status: int) -> None:
    """Whatever an error's body holds, nothing was delivered."""
    for body in (chat(), json.dumps(chat()), sse(*chat_stream())):
        reading = read_usage(body, provider="openai", api="chat", status=status, model="gpt-5")
        assert reading == Reading(provider="openai", model="gpt-5")
    assert fed([sse(*chat_stream())], provider="openai", api="chat", status=status).usage is None


@pytest.mark.parametrize(
    ("body", "complete"),
    [
        ({"error": {"message": "The server is overloaded", "type": "server_error"}}, True),
        ({"type": "error", "error": {"type": "overloaded_error"}}, True),
        ({"object": "response", "status": "queued", "usage": None}, True),
        ({"object": "chat.completion", "choices": [], "error": None}, False),
        ({"id": "x"}, False),
    ],
)
def test_no_usage_is_either_nothing_billed_or_not_known(body: dict[str, Any], complete: bool) -> None:  # noqa: FBT001
    """Errors and work under way bill nothing; an answer without usage bills something unknown."""
    reading = read_usage(json.dumps(body), provider="openai", api="chat")
    assert (reading.usage, reading.complete) == (None, complete)


def test_a_count_that_is_none_is_left_out_and_told() -> None:
    """Text that is a number is one; what is not is named without its value, and the rest is kept."""
    usage = {"prompt_tokens": "19", "completion_tokens": "secret", "total_tokens": -3, "prompt_tokens_details": [7]}
    reading = read_usage(chat(usage), provider="openai", api="chat")
    assert counts(reading) == {"input_tokens": 19}
    assert reading.anomaly == "not a count: usage.completion_tokens, usage.prompt_tokens_details, usage.total_tokens"


def test_numbers_that_no_ledger_can_hold_are_no_counts() -> None:
    """JSON and SQL end at 2**53 and 2**63; no call uses that many tokens."""
    reading = read_usage(chat({"prompt_tokens": 2**53 + 1, "completion_tokens": 5}), provider="openai", api="chat")
    assert counts(reading) == {"output_tokens": 5}
    assert reading.anomaly == "not a count: usage.prompt_tokens"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (chat(), (None, "gpt-4.1-2025-04-14")),
        (response(), (None, "gpt-4.1-2025-04-14")),
        (message(), (None, "claude-sonnet-4-5-20250929")),
        ({"object": "list", "data": [], "model": "e", "usage": {"prompt_tokens": 3, "total_tokens": 3}}, (None, "e")),
        ({"usageMetadata": {"promptTokenCount": 3}, "modelVersion": "g"}, ("google", "g")),
        ({"object": "interaction", "model": "g", "usage": {"total_input_tokens": 3}}, ("google", "g")),
        ({"predictions": [{"embeddings": {"statistics": {"token_count": 3}}}]}, ("google", None)),
        ({"output": {}, "stopReason": "end_turn", "usage": {"inputTokens": 3}}, ("aws", None)),
        ({"inputTextTokenCount": 3, "results": []}, ("aws", None)),
        ({"usage": {"billed_units": {"input_tokens": 3}}}, ("cohere", None)),
        ({"meta": {"billed_units": {"input_tokens": 3}}}, ("cohere", None)),
        ({"model": "l", "done": True, "prompt_eval_count": 3}, ("ollama", "l")),
        ({"usage_info": {"pages_processed": 3}, "model": "o"}, ("mistral", "o")),
        ({"choices": [], "model": "x", "usage": {"prompt_tokens": 3, "cost_in_usd_ticks": 1}}, ("x-ai", "x")),
        (
            {"choices": [], "model": "x", "usage": {"prompt_tokens": 3, "is_byok": False, "cost": 1}},
            ("openrouter", "x"),
        ),
        (
            {"choices": [], "model": "x", "usage": {"prompt_tokens": 3, "search_context_size": "low"}},
            ("perplexity", "x"),
        ),
        ({"choices": [], "model": "x", "usage": {"prompt_tokens": 3}, "x_groq": {"id": "r"}}, ("groq", "x")),
        ({"text": "hi", "usage": {"type": "duration", "seconds": 3}}, (None, None)),
        ({"usage": {"total_tokens": 3}, "model": "v"}, (None, "v")),
    ],
)
def test_a_body_alone_tells_its_api_and_often_its_provider(body: dict[str, Any], expected: tuple[Any, Any]) -> None:
    """Shapes that many copied name no provider; those that nobody did, do. Parsed or not, it is the same."""
    reading = read_usage(json.dumps(body))
    assert (reading.provider, reading.model) == expected
    assert counts(reading)
    assert read_usage(body) == reading


def test_a_stream_alone_tells_the_same() -> None:
    """The first event that can be recognised says how to read the rest, the first with usage who it is from."""
    for events, provider in ((chat_stream(), None), (message_stream(), None)):
        reading = read_usage(sse(*events))
        assert reading.usage is not None
        assert reading.provider == provider
    grok = [*chat_stream(None)[:-1], chat_stream()[-2] | {"usage": CHAT_USAGE | {"cost_in_usd_ticks": 5}}]  # type: ignore[operator]
    reading = read_usage(sse(*grok))
    assert (reading.provider, counts(reading)["output_tokens"]) == ("x-ai", 76)


def test_another_shape_than_the_url_promised_is_recognised() -> None:
    """Azure may answer the Responses path in the shape of chat completions."""
    url = "https://mine.services.ai.azure.com/openai/v1/responses"
    assert counts(read_usage(json.dumps(chat()), url=url)) == CHAT_COUNTS


def test_an_api_that_the_caller_names_is_taken_at_its_word() -> None:
    """A body without any of its counts is then not known; it is not read as something else, nor as nothing used."""
    for body in (chat(), {"object": "response", "usage": {}}):
        reading = read_usage(json.dumps(body), provider="azure", api="responses")
        assert (reading.usage, reading.complete) == (None, False)


def test_the_model_asked_for_stands_in_where_the_response_names_none() -> None:
    """First the response's, then the caller's, then the URL's."""
    url = "https://mine.openai.azure.com/openai/deployments/prod-4o/chat/completions"
    assert read_usage(chat(model=""), url=url).model == "prod-4o"
    assert read_usage(chat(model=None), url=url, model="gpt-4o").model == "gpt-4o"
    assert read_usage(chat(), url=url, model="gpt-4o").model == "gpt-4.1-2025-04-14"


def test_no_content_is_kept_or_told() -> None:
    """Neither the reading nor the reader holds a word of the prompt or the answer."""
    canary = "CANARY-7f3a"
    body = response(
        instructions=canary, output=[{"type": canary, "content": [{"text": canary}]}], usage={"input_tokens": canary}
    )
    assert canary not in repr(read_usage(json.dumps(body), provider="openai", api="responses"))
    assert canary not in repr(read_usage(f'{{"{canary}": "{canary}"', provider="openai", api="responses"))
    reader = open_reader(provider="openai", api="chat", content_type=SSE)
    reader.feed(sse(*(event if isinstance(event, str) else event | {"x": canary} for event in chat_stream())))
    event = {"choices": [{"delta": {"content": canary, "tool_calls": [{"function": {"arguments": canary}}]}}]}
    reader.feed(sse(event))
    assert reader.output_bytes >= 2 * len(canary)
    assert canary not in repr(reader._kept)
    assert canary not in repr(reader.close())


def test_zero_is_a_count() -> None:
    """A response that used nothing has usage; it is not unknown."""
    reading = read_usage(chat({"prompt_tokens": 0, "completion_tokens": 0}), provider="openai", api="chat")
    assert reading.usage == Usage()
    assert reading.complete
