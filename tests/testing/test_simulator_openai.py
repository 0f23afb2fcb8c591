"""The real OpenAI SDK against the simulator."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel

from ai_cost_calc.testing import ProviderSimulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openai import AzureOpenAI, OpenAI
    from openai.types.chat import ChatCompletionMessageParam

openai = pytest.importorskip("openai", reason="the openai SDK is not installed")

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello to the team in Oslo."}]
LONG: list[ChatCompletionMessageParam] = [{"role": "system", "content": "Be brief. " * 1_000}, *HELLO]


class Invoice(BaseModel):
    """What structured output is asked for."""

    number: str
    lines: list[int]


@pytest.fixture
def client(simulator: ProviderSimulator) -> Iterator[OpenAI]:
    """Open a client without retries."""
    with openai.OpenAI(base_url=simulator.openai_base_url, api_key="any", max_retries=0) as opened:
        yield opened


@pytest.fixture
def azure(simulator: ProviderSimulator) -> Iterator[AzureOpenAI]:
    """Open a client of an Azure resource."""
    with openai.AzureOpenAI(
        azure_endpoint=simulator.azure_endpoint, api_version="2025-04-01-preview", api_key="any", max_retries=0
    ) as opened:
        yield opened


def test_chat_answers_with_a_snapshot(client: OpenAI) -> None:
    """An alias is answered by its snapshot, and totals are sums of their parts."""
    answer = client.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert answer.model == "gpt-4o-2024-08-06"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer._request_id
    assert client.chat.completions.create(model="house-model", messages=HELLO).model == "house-model"


def test_equal_requests_have_equal_usage(client: OpenAI) -> None:
    """Usage follows from the request, streamed or not, and so does its text."""
    whole = client.chat.completions.create(model="gpt-4o", messages=HELLO)
    chunks = list(
        client.chat.completions.create(
            model="gpt-4o", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[-1].usage == whole.usage
    assert chunks[-1].choices == []
    assert all(chunk.usage is None for chunk in chunks[:-1])
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1])
    assert text == whole.choices[0].message.content


def test_streams_carry_usage_only_when_asked(client: OpenAI) -> None:
    """Without `include_usage` no chunk has usage, and every chunk has a choice."""
    chunks = list(client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_output_stays_below_its_limit(client: OpenAI, limit: str) -> None:
    """An answer that the limit cuts says so."""
    answer = client.chat.completions.create(model="gpt-4o", messages=HELLO, extra_body={limit: 5})
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 5
    assert answer.choices[0].finish_reason == "length"


def test_reasoning_models_reason(client: OpenAI) -> None:
    """Reasoning counts inside the output, unless it is turned off."""
    usage = client.chat.completions.create(model="gpt-5-mini", messages=HELLO).usage
    assert usage is not None
    assert usage.completion_tokens_details is not None
    thought = usage.completion_tokens_details.reasoning_tokens
    assert thought is not None
    assert 0 < thought < usage.completion_tokens
    quiet = client.chat.completions.create(model="gpt-5-mini", messages=HELLO, reasoning_effort="minimal").usage
    assert quiet is not None
    assert quiet.completion_tokens == usage.completion_tokens - thought


def test_a_repeated_long_prefix_is_cached(client: OpenAI) -> None:
    """The second sight of a prompt reads it from the cache, in blocks of 128 tokens; a short one never."""

    def cached(messages: list[ChatCompletionMessageParam]) -> tuple[int, int]:
        usage = client.chat.completions.create(model="gpt-4o", messages=messages).usage
        assert usage is not None
        assert usage.prompt_tokens_details is not None
        return usage.prompt_tokens_details.cached_tokens or 0, usage.prompt_tokens

    assert cached(LONG)[0] == 0
    read, total = cached([*LONG, {"role": "user", "content": "And again."}])
    assert read % 128 == 0
    assert 1_024 <= read <= total
    assert [cached(HELLO)[0] for _ in range(2)] == [0, 0]


def test_several_choices_share_one_prompt(client: OpenAI) -> None:
    """Every choice is billed, the prompt once; streams send the choices one after another."""
    one = client.chat.completions.create(model="gpt-4o", messages=HELLO).usage
    three = client.chat.completions.create(model="gpt-4o", messages=HELLO, n=3)
    assert one is not None
    assert three.usage is not None
    assert len(three.choices) == 3
    assert three.usage.completion_tokens == 3 * one.completion_tokens
    assert three.usage.prompt_tokens == one.prompt_tokens
    chunks = client.chat.completions.create(model="gpt-4o", messages=HELLO, n=3, stream=True)
    assert {chunk.choices[0].index for chunk in chunks} == {0, 1, 2}


@pytest.mark.parametrize(("asked", "served"), [("auto", "default"), ("flex", "flex"), ("priority", "priority")])
def test_service_tier_is_the_one_that_served(client: OpenAI, asked: str, served: str) -> None:
    """The tier comes back as the provider reports it."""
    body = {"service_tier": asked}
    assert client.chat.completions.create(model="gpt-5", messages=HELLO, extra_body=body).service_tier == served
    assert client.responses.create(model="gpt-5", input="Hello", extra_body=body).service_tier == served


def test_chat_parse_gets_what_its_schema_asks_for(client: OpenAI) -> None:
    """Structured output parses into the caller's model, whole and through the stream helper."""
    parsed = client.chat.completions.parse(model="gpt-4o", messages=HELLO, response_format=Invoice)
    assert isinstance(parsed.choices[0].message.parsed, Invoice)
    with client.chat.completions.stream(model="gpt-4o", messages=HELLO, response_format=Invoice) as stream:
        stream.until_done()
        assert stream.get_final_completion().choices[0].message.parsed == parsed.choices[0].message.parsed


def test_raw_and_streaming_responses_work(client: OpenAI) -> None:
    """The SDK's raw variants see the same body."""
    raw = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=HELLO)
    assert raw.parse().usage is not None
    assert raw.headers["x-request-id"].startswith("req_")
    with client.chat.completions.with_streaming_response.create(model="gpt-4o", messages=HELLO) as streamed:
        assert b"prompt_tokens" in streamed.read()


def test_completions_answer_as_before_chat(client: OpenAI) -> None:
    """The older API answers whole and streamed, 16 tokens unless asked for more."""
    whole = client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Once")
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 16
    chunks = list(
        client.completions.create(
            model="gpt-3.5-turbo-instruct", prompt="Once", stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[-1].usage == whole.usage
    assert "".join(chunk.choices[0].text for chunk in chunks[:-1]) == whole.choices[0].text


def test_responses_answer_whole_and_streamed(client: OpenAI) -> None:
    """A streamed response ends in the response that a plain call gets."""
    whole = client.responses.create(model="gpt-5", input="Hello", instructions="Be kind.")
    assert whole.status == "completed"
    assert whole.usage is not None
    assert whole.usage.output_tokens_details.reasoning_tokens > 0
    assert [item.type for item in whole.output] == ["reasoning", "message"]
    events = list(client.responses.create(model="gpt-5", input="Hello", instructions="Be kind.", stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].type == "response.created"
    assert events[0].response.usage is None
    assert events[-1].type == "response.completed"
    assert events[-1].response.usage == whole.usage
    assert events[-1].response.output_text == whole.output_text


def test_responses_parse_and_stream_helper(client: OpenAI) -> None:
    """Structured output and the event helper accept every event."""
    parsed = client.responses.parse(model="gpt-4o", input="Hello", text_format=Invoice)
    assert isinstance(parsed.output_parsed, Invoice)
    with client.responses.stream(model="gpt-4o", input="Hello", text_format=Invoice) as stream:
        final = stream.get_final_response()
    assert final.output_parsed == parsed.output_parsed


def test_a_cut_response_is_incomplete(client: OpenAI) -> None:
    """A response that reaches its limit ends as incomplete, streamed too."""
    cut = client.responses.create(model="gpt-4o", input="Hello", max_output_tokens=16)
    assert cut.status == "incomplete"
    assert cut.incomplete_details is not None
    assert cut.incomplete_details.reason == "max_output_tokens"
    assert cut.usage is not None
    assert cut.usage.output_tokens == 16
    events = list(client.responses.create(model="gpt-4o", input="Hello", max_output_tokens=16, stream=True))
    assert events[-1].type == "response.incomplete"


def test_background_responses_are_fetched_later(client: OpenAI) -> None:
    """A background response has no usage until it is retrieved, and the same one every time after."""
    queued = client.responses.create(model="gpt-5", input="Hello", background=True)
    assert (queued.status, queued.usage, queued.output) == ("queued", None, [])
    done = client.responses.retrieve(queued.id)
    assert done.status == "completed"
    assert done.usage is not None
    assert client.responses.retrieve(queued.id).usage == done.usage
    assert client.responses.cancel(queued.id).status == "cancelled"
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve("resp_unknown")


def test_embeddings_are_unit_vectors(client: OpenAI) -> None:
    """Both encodings hold the same vector, equal for equal texts, of the length asked for."""
    packed = client.embeddings.create(model="text-embedding-3-small", input=["a", "b", "a"])
    plain = client.embeddings.create(model="text-embedding-3-small", input=["a"], encoding_format="float")
    vectors = [item.embedding for item in packed.data]
    assert vectors[0] == vectors[2] == pytest.approx(plain.data[0].embedding)
    assert vectors[0] != vectors[1]
    assert math.hypot(*vectors[0]) == pytest.approx(1, abs=1e-5)
    assert len(vectors[0]) == 1_536
    assert packed.usage.prompt_tokens == 3
    short = client.embeddings.create(model="text-embedding-3-large", input=[[1, 2], [3]], dimensions=8)
    assert [len(item.embedding) for item in short.data] == [8, 8]
    assert short.usage.total_tokens == 3
    assert len(client.embeddings.create(model="text-embedding-3-large", input=[1, 2]).data[0].embedding) == 3_072


def test_models_are_listed(client: OpenAI) -> None:
    """The list of models has OpenAI's and only those."""
    names = {model.id for model in client.models.list()}
    assert "gpt-4o" in names
    assert not any(name.startswith("claude") for name in names)


def test_azure_answers_with_the_model_behind_a_deployment(azure: AzureOpenAI, simulator: ProviderSimulator) -> None:
    """A deployment's answer names the real snapshot, and its request names the deployment."""
    answer = azure.chat.completions.create(model="prod-chat", messages=HELLO)
    assert answer.model == "gpt-4o-2024-08-06"
    assert answer.model_extra is not None
    assert answer.model_extra["prompt_filter_results"]
    assert simulator.requests[-1].model == "prod-chat"
    assert simulator.requests[-1].query == "api-version=2025-04-01-preview"
    assert azure.chat.completions.create(model="gpt-5-mini", messages=HELLO).model == "gpt-5-mini-2025-08-07"
    assert azure.embeddings.create(model="search", input="a").model == "text-embedding-3-small"


def test_azure_streams_begin_with_the_content_filter(azure: AzureOpenAI) -> None:
    """The first chunk has no choices, as Azure's has."""
    chunks = list(azure.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True))
    assert chunks[0].choices == []
    assert chunks[0].model_extra is not None
    assert "prompt_filter_results" in chunks[0].model_extra
    assert chunks[1].model == "gpt-4o-2024-08-06"


def test_azure_deployments_can_be_named() -> None:
    """What stands behind a deployment is the test's choice, on the older and the newer paths."""
    with (
        ProviderSimulator(deployments={"tier one": "gpt-4.1"}) as simulator,
        openai.AzureOpenAI(
            azure_endpoint=simulator.azure_endpoint, api_version="2025-04-01-preview", api_key="any"
        ) as old,
        openai.OpenAI(base_url=f"{simulator.azure_endpoint}/openai/v1", api_key="any") as new,
    ):
        assert old.chat.completions.create(model="tier one", messages=HELLO).model == "gpt-4.1-2025-04-14"
        assert old.responses.create(model="tier one", input="Hello").model == "gpt-4.1-2025-04-14"
        assert new.chat.completions.create(model="tier one", messages=HELLO).model == "gpt-4.1-2025-04-14"
        assert simulator.requests[0].model == "tier one"


def test_missing_fields_are_refused(client: OpenAI) -> None:
    """A request that the API would refuse is refused in the API's way."""
    with pytest.raises(openai.BadRequestError) as missing:
        client.post("/chat/completions", cast_to=object, body={"model": "gpt-4o"})
    assert missing.value.code == "missing_required_parameter"
    assert missing.value.param == "messages"
    with pytest.raises(openai.BadRequestError, match="model"):
        client.post("/responses", cast_to=object, body={"input": "Hello"})
    with pytest.raises(openai.BadRequestError, match="JSON body"):
        client.post("/responses", cast_to=object, content=b"{", options={"headers": {"content-type": "text/plain"}})
    with pytest.raises(openai.NotFoundError, match="Invalid URL"):
        client.get("/nothing/here", cast_to=object)


@pytest.mark.parametrize("messages", ["hello", [1], {"role": "user"}])
def test_odd_requests_do_not_break_the_server(client: OpenAI, messages: object) -> None:
    """Whatever is sent is answered."""
    client.post("/chat/completions", cast_to=object, body={"model": "gpt-4o", "messages": messages})
    with pytest.raises(openai.BadRequestError, match="could not be understood"):
        client.post("/chat/completions", cast_to=object, body={"model": "gpt-4o", "messages": messages, "n": "two"})
