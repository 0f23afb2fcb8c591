"""The real Google SDK against the simulator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

if TYPE_CHECKING:
    from ai_cost_calc.testing import ProviderSimulator

genai = pytest.importorskip("google.genai", reason="Google's SDK is not installed")

from google.genai import errors, types  # noqa: E402 - once it is known to be there
from google.oauth2.credentials import Credentials  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

MODEL = "gemini-2.5-flash"
RULES = "Be brief and kind. " * 400


class Invoice(BaseModel):
    """What structured output is asked for."""

    number: str
    lines: list[int]


@pytest.fixture
async def client(simulator: ProviderSimulator) -> AsyncIterator[Any]:
    """Open a client of the Gemini API."""
    opened = genai.Client(api_key="any", http_options={"base_url": simulator.google_base_url})
    yield opened
    opened.close()
    await opened.aio.aclose()


def test_contents_answer_with_usage(client: Any) -> None:
    """A thinking model says what it thought beside what it answered, and names itself."""
    answer = client.models.generate_content(model=MODEL, contents="Say hello to the team in Oslo.")
    usage = answer.usage_metadata
    assert answer.model_version == MODEL
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    assert usage.prompt_token_count > 0
    assert usage.thoughts_token_count > 0
    assert usage.total_token_count == (
        usage.prompt_token_count + usage.candidates_token_count + usage.thoughts_token_count
    )


async def test_streams_run_up_to_the_whole(client: Any, simulator: ProviderSimulator) -> None:
    """The counts of chunks grow; the last ones are those of the plain answer."""
    asked: Any = {"model": MODEL, "contents": "Tell me a long story."}
    plain = client.models.generate_content(**asked)
    chunks = [chunk async for chunk in await client.aio.models.generate_content_stream(**asked)]
    assert "".join(chunk.text for chunk in chunks) == plain.text
    said = [chunk.usage_metadata.candidates_token_count for chunk in chunks]
    assert said == sorted(said)
    assert chunks[-1].usage_metadata == plain.usage_metadata
    assert [request.stream for request in simulator.requests] == [False, True]
    assert {request.model for request in simulator.requests} == {MODEL}


def test_limits_cut_the_answer(client: Any) -> None:
    """An answer ends at the limit asked for, thoughts included, and says so."""
    config = types.GenerateContentConfig(max_output_tokens=10, thinking_config=types.ThinkingConfig(thinking_budget=0))
    answer = client.models.generate_content(model=MODEL, contents="Tell me a long story.", config=config)
    assert answer.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS
    assert answer.usage_metadata.candidates_token_count == 10
    assert answer.usage_metadata.thoughts_token_count is None


def test_a_long_prefix_is_cached(client: Any) -> None:
    """Asked again, a long prompt is read from the cache, whose tokens are part of the prompt's."""
    first, second = (
        client.models.generate_content(model=MODEL, contents=[RULES, "Hello."]).usage_metadata for _ in range(2)
    )
    assert first.cached_content_token_count is None
    assert 0 < second.cached_content_token_count < second.prompt_token_count == first.prompt_token_count


def test_structured_output_parses(client: Any) -> None:
    """A schema is answered with a value that fits it."""
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Invoice)
    answer = client.models.generate_content(model=MODEL, contents="An invoice, please.", config=config)
    assert isinstance(answer.parsed, Invoice)


def test_counting_and_embedding(client: Any) -> None:
    """Tokens can be counted, as a call counts them; each content gets a vector of its own."""
    asked: Any = {"model": MODEL, "contents": "Hello, Oslo!"}
    usage = client.models.generate_content(**asked).usage_metadata
    assert client.models.count_tokens(**asked).total_tokens == usage.prompt_token_count
    found = client.models.embed_content(model="gemini-embedding-001", contents=["one", "two", "one"])
    first, second, third = (embedding.values for embedding in found.embeddings)
    assert first == third != second
    assert sum(value**2 for value in first) == pytest.approx(1)


@pytest.mark.parametrize(("status", "name"), [(429, "RESOURCE_EXHAUSTED"), (503, "UNAVAILABLE"), (404, "NOT_FOUND")])
def test_errors_are_googles(client: Any, simulator: ProviderSimulator, status: int, name: str) -> None:
    """Errors carry Google's names, which its SDK shows."""
    simulator.next(status=status)
    with pytest.raises(errors.APIError) as caught:
        client.models.generate_content(model=MODEL, contents="Hello.")
    assert (caught.value.code, caught.value.status) == (status, name)


def test_vertex_is_answered_too(simulator: ProviderSimulator) -> None:
    """A client of Vertex AI finds the same models under its project's path."""
    credentials = Credentials(token="any")  # type: ignore[no-untyped-call]
    client = genai.Client(
        vertexai=True, project="p", location="europe-west4", credentials=credentials,
        http_options={"base_url": simulator.google_base_url},
    )  # fmt: skip
    assert client.models.generate_content(model=MODEL, contents="Hello.").model_version == MODEL
    client.close()


def test_unknown_verbs_are_not_found(client: Any) -> None:
    """What the simulator does not answer is an error in Google's words."""
    with pytest.raises(errors.ClientError) as caught:
        client.batches.create(model=MODEL, src=[types.InlinedRequest(contents="Hello.")])
    assert caught.value.status == "NOT_FOUND"
