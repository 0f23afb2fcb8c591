"""What a wrapped client has recorded is not counted again when its response is recorded by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ai_cost_calc import AiCostCalc
from ai_cost_calc.testing import ProviderSimulator
from tests.conftest import MakeCalc

openai = pytest.importorskip("openai", reason="the openai SDK is absent")

EMBEDDED = {
    "object": "list",
    "model": "text-embedding-3-small",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
    "usage": {"prompt_tokens": 5, "total_tokens": 5},
}
PAINTED = {
    "created": 1,
    "data": [{"b64_json": "iVBORw0KGgo="}],
    "usage": {
        "input_tokens": 5, "output_tokens": 9, "total_tokens": 14,
        "input_tokens_details": {"text_tokens": 5, "image_tokens": 0},
    },
}  # fmt: skip
HEARD = {"text": "Hello", "usage": {"type": "tokens", "input_tokens": 5, "output_tokens": 2, "total_tokens": 7}}

CALLS: dict[str, tuple[dict[str, Any], Callable[[Any], Any]]] = {
    "embeddings": (EMBEDDED, lambda client: client.embeddings.create(model="text-embedding-3-small", input="Hello")),
    "images": (PAINTED, lambda client: client.images.generate(model="gpt-image-1", prompt="A fjord")),
    "transcriptions": (
        HEARD,
        lambda client: client.audio.transcriptions.create(model="gpt-4o-transcribe", file=("a.wav", b"RIFF")),
    ),
}


@pytest.fixture
def client(simulator: ProviderSimulator) -> Iterator[Any]:
    """A client of OpenAI that nobody has wrapped."""
    http = openai.DefaultHttpxClient(verify=False)
    with openai.OpenAI(base_url=simulator.openai_base_url, api_key="any", http_client=http) as made:
        yield made


def _calls(calc: AiCostCalc) -> int:
    return sum(row.calls for row in calc.report())


@pytest.mark.parametrize("name", CALLS)
def test_answers_without_an_id(name: str, make_calc: MakeCalc, simulator: ProviderSimulator, client: Any) -> None:
    """Such an answer is told by what it used, in the block of the call and in those around it, once for each call."""
    calc = make_calc()
    calc.wrap(client)
    body, ask = CALLS[name]
    for _ in range(2):
        simulator.replay(body=json.dumps(body).encode())
    with calc.guard(feature="outer") as outer:
        with calc.guard(feature="inner") as inner:
            response = ask(client)
            inner.record(response)
        outer.record(response)
        calc.record(ask(client))
    assert _calls(calc) == 2


def test_answers_of_another_client(make_calc: MakeCalc, simulator: ProviderSimulator, client: Any) -> None:
    """What a bare client was answered is recorded by hand, also beside a wrapped client that was answered the same."""
    calc = make_calc()
    body, ask = CALLS["embeddings"]
    for _ in range(3):
        simulator.replay(body=json.dumps(body).encode())
    bare = ask(client)
    more = ask(client)
    calc.wrap(client)
    with calc.guard() as block:
        block.record(ask(client))
        block.record(bare)
        block.record(more.model_copy(update={"usage": more.usage.model_copy(update={"prompt_tokens": 6})}))
    assert _calls(calc) == 3
