"""Every billed call of Groq's, Together's and Fireworks' SDKs is guarded and read once; what is free is let through."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Final

import pytest

from ai_cost_calc.errors import BudgetExceeded
from ai_cost_calc.providers import provider_for
from ai_cost_calc.testing import ProviderSimulator
from tests.providers.readers.bodies import MESSAGE_COUNTS, message
from tests.providers.seams.recording import RecordingMeter, budget_exceeded
from tests.providers.seams.test_sdk_conformance import opening

TALK: Final = ("talk.mp3", b"ID3")
TOKENS: Final = {"prompt_tokens": 12, "total_tokens": 12}
COMPLETION: Final = {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}
VERBOSE: Final = {"task": "transcribe", "language": "english", "duration": 3.5, "text": "Hello.", "segments": []}

Call = tuple[Callable[[Any], Any], str, Any, dict[str, Any] | None]


def _embeddings() -> Call:
    body = {"object": "list", "model": "m", "data": [], "usage": TOKENS}
    return lambda c: c.embeddings.create(model="m", input="Hello."), "embeddings", body, {"input_tokens": 12}


def _completions() -> Call:
    text = {"index": 0, "text": "Hi.", "finish_reason": "stop", "logprobs": None}
    body = {"id": "1", "object": "text_completion", "created": 1, "model": "m", "choices": [text], "usage": COMPLETION}
    counts = {"input_tokens": 12.0, "output_tokens": 5.0}
    return lambda c: c.completions.create(model="m", prompt="Hello."), "completions", body, counts


def _speech(**more: Any) -> Call:
    return lambda c: c.audio.speech.create(model="m", input="Hello.", voice="v", **more), "speech", b"ID3\x04", None


def _heard(kind: str, *, seconds: float) -> Call:
    def ask(client: Any) -> Any:
        return getattr(client.audio, kind).create(model="whisper-large-v3", file=TALK, response_format="verbose_json")

    return ask, kind, VERBOSE, {"audio_seconds": seconds}


CALLS: Final[dict[str, Call]] = {
    "groq.Groq embeddings": _embeddings(),
    "groq.Groq transcriptions": _heard("transcriptions", seconds=10),  # the least that Groq bills
    "groq.Groq translations": _heard("translations", seconds=10),
    "groq.Groq speech": _speech(),
    "together.Together completions": _completions(),
    "together.Together embeddings": _embeddings(),
    "together.Together images": (
        lambda c: c.images.generate(model="black-forest-labs/FLUX.1-schnell", prompt="A fjord."),
        "images",
        {"id": "1", "model": "black-forest-labs/FLUX.1-schnell", "object": "list",
         "data": [{"index": 0, "type": "url", "url": "https://x"}]},
        {"images": 1},
    ),
    "together.Together rerank": (
        lambda c: c.rerank.create(model="m", query="tide", documents=["a", "b"]),
        "rerank",
        {"object": "rerank", "id": "1", "model": "m", "results": [], "usage": {**COMPLETION, "completion_tokens": 0}},
        {"input_tokens": 12},
    ),
    "together.Together transcriptions": _heard("transcriptions", seconds=3.5),
    "together.Together translations": _heard("translations", seconds=3.5),
    "together.Together speech": _speech(),
    "fireworks.Fireworks completions": _completions(),
    "fireworks.Fireworks messages": (
        lambda c: c.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "Hi."}]),
        "messages",
        message(),
        {**MESSAGE_COUNTS},
    ),
}  # fmt: skip
FREE: Final[dict[str, Callable[[Any], Any]]] = {
    "groq.Groq models": lambda c: c.models.list(),
    "groq.Groq files": lambda c: c.files.list(),
    "together.Together batches": lambda c: c.batches.list(),
    "together.Together files": lambda c: c.files.list(),
    "fireworks.Fireworks models": lambda c: c.models.list(account_id="a"),
}


@pytest.fixture
def open_sdk(simulator: ProviderSimulator, meter: RecordingMeter) -> Iterator[Callable[[str], Any]]:
    """Open a wrapped client by its module and name."""
    with ExitStack() as opened:

        def open_client(name: str) -> Any:
            module, kind = name.split(maxsplit=1)[0].split(".")
            pytest.importorskip(module)
            client = opened.enter_context(opening(module, kind)(simulator.url))
            provider_for(client).wrap(client, meter)
            return client

        yield open_client


@pytest.mark.parametrize("name", CALLS)
def test_a_billed_call_is_read_once(
    name: str, open_sdk: Callable[[str], Any], meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Whichever API, one call under its name, with the usage that is reported; none reported is unknown, not free."""
    ask, api, body, counts = CALLS[name]
    client = open_sdk(name)
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    simulator.replay(body=raw, content_type="audio/mpeg" if isinstance(body, bytes) else "application/json")
    ask(client)
    assert (meter.call.request.provider, meter.call.request.api) == (name.partition(".")[0], api)
    reading = meter.call.reading
    if counts is None:
        assert (reading.usage, reading.complete) == (None, False)
    else:
        assert meter.call.usage.counts() == counts
    assert reading.model is not None
    assert meter.call.ended


@pytest.mark.parametrize("name", CALLS)
def test_a_billed_call_can_be_refused(
    name: str, open_sdk: Callable[[str], Any], meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Each of them is stopped by a budget before anything is sent."""
    client = open_sdk(name)
    meter.refusal = budget_exceeded()
    with pytest.raises(BudgetExceeded):
        CALLS[name][0](client)
    assert simulator.requests == []


@pytest.mark.parametrize("name", FREE)
def test_what_is_free_is_let_through(
    name: str, open_sdk: Callable[[str], Any], meter: RecordingMeter, simulator: ProviderSimulator
) -> None:
    """Looking around costs nothing and is never refused."""
    client = open_sdk(name)
    meter.refusal = budget_exceeded()
    simulator.replay(body=b"[]" if "batches" in name else b'{"data": [], "object": "list"}')
    FREE[name](client)
    assert meter.calls == []
