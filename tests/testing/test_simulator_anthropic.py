"""The real Anthropic SDK against the simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest
from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anthropic import Anthropic
    from anthropic.types import MessageParam, TextBlockParam, Usage

    from ai_cost_calc.testing import ProviderSimulator

anthropic = pytest.importorskip("anthropic", reason="the anthropic SDK is not installed")

MODEL = "claude-haiku-4-5"
HELLO: list[MessageParam] = [{"role": "user", "content": "Say hello to the team in Oslo."}]
RULES = "Be brief and kind. " * 400


class Invoice(BaseModel):
    """What structured output is asked for."""

    number: str
    lines: list[int]


@pytest.fixture
def client(simulator: ProviderSimulator) -> Iterator[Anthropic]:
    """Open a client without retries."""
    with anthropic.Anthropic(base_url=simulator.anthropic_base_url, api_key="any", max_retries=0) as opened:
        yield opened


def cached(text: str, ttl: Literal["5m", "1h"] = "5m") -> TextBlockParam:
    """Return a block of the system prompt that ends in a cache breakpoint."""
    return {"type": "text", "text": text, "cache_control": {"type": "ephemeral", "ttl": ttl}}


def input_of(usage: Usage) -> tuple[int, int, int]:
    """Return what was read, written and neither."""
    return usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0, usage.input_tokens


def test_messages_answer_with_a_snapshot(client: Anthropic) -> None:
    """An alias is answered by its snapshot, with usage and a request id."""
    message = client.messages.create(model=MODEL, max_tokens=4_000, messages=HELLO)
    assert message.model == "claude-haiku-4-5-20251001"
    assert message.stop_reason == "end_turn"
    assert message.content[0].type == "text"
    assert message.usage.input_tokens > 0
    assert 20 <= message.usage.output_tokens <= 800
    assert message.usage.service_tier == "standard"
    assert message._request_id


def test_output_stays_below_its_limit(client: Anthropic) -> None:
    """An answer that the limit cuts says so."""
    message = client.messages.create(model=MODEL, max_tokens=5, messages=HELLO)
    assert (message.usage.output_tokens, message.stop_reason) == (5, "max_tokens")


def test_stream_counts_input_first_and_output_last(client: Anthropic) -> None:
    """The first event has the input and one token of output, the last but one has both in full."""
    whole = client.messages.create(model=MODEL, max_tokens=4_000, messages=HELLO)
    events = list(client.messages.create(model=MODEL, max_tokens=4_000, messages=HELLO, stream=True))
    assert events[0].type == "message_start"
    assert events[0].message.usage.input_tokens == whole.usage.input_tokens
    assert events[0].message.usage.output_tokens == 1
    assert events[-2].type == "message_delta"
    assert events[-2].usage.output_tokens == whole.usage.output_tokens
    assert events[-2].usage.input_tokens == whole.usage.input_tokens
    assert events[-1].type == "message_stop"


def test_stream_helper_rebuilds_the_message(client: Anthropic) -> None:
    """What the helper puts together is what a plain call returns."""
    whole = client.messages.create(model=MODEL, max_tokens=4_000, messages=HELLO)
    with client.messages.stream(model=MODEL, max_tokens=4_000, messages=HELLO) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert final.usage == whole.usage
    assert whole.content[0].type == "text"
    assert text == whole.content[0].text


def test_thinking_is_shown_and_counted(client: Anthropic) -> None:
    """Thinking is a block of its own and a part of the output, streamed or not."""
    whole = client.messages.create(
        model=MODEL, max_tokens=4_000, messages=HELLO, thinking={"type": "enabled", "budget_tokens": 2_000}
    )
    assert [block.type for block in whole.content] == ["thinking", "text"]
    assert whole.usage.output_tokens_details is not None
    assert 0 < whole.usage.output_tokens_details.thinking_tokens < whole.usage.output_tokens
    with client.messages.stream(
        model=MODEL, max_tokens=4_000, messages=HELLO, thinking={"type": "enabled", "budget_tokens": 2_000}
    ) as stream:
        assert stream.get_final_message().usage == whole.usage


def test_what_sets_the_price_is_reported(client: Anthropic) -> None:
    """Where and how fast a request was served comes back in its usage."""
    asked = {"speed": "fast", "inference_geo": "us"}
    usage = client.messages.create(model=MODEL, max_tokens=9, messages=HELLO, extra_body=asked).usage
    assert (usage.speed, usage.inference_geo, usage.service_tier) == ("fast", "us", "standard")


def test_parse_gets_what_its_schema_asks_for(client: Anthropic) -> None:
    """Structured output parses into the caller's model."""
    parsed = client.messages.parse(model=MODEL, max_tokens=4_000, messages=HELLO, output_format=Invoice)
    assert isinstance(parsed.parsed_output, Invoice)


def test_beta_messages_answer_alike(client: Anthropic) -> None:
    """The beta resource, which adds a query, is served too."""
    plain = client.messages.create(model=MODEL, max_tokens=4_000, messages=HELLO)
    beta = client.beta.messages.create(
        model=MODEL, max_tokens=4_000, messages=[{"role": "user", "content": "Say hello to the team in Oslo."}]
    )
    assert beta.usage.output_tokens == plain.usage.output_tokens


def test_a_marked_prefix_is_written_then_read(client: Anthropic) -> None:
    """The first sight of a prefix writes it to the cache, the second reads it, and no token is counted twice."""
    seen = [
        input_of(client.messages.create(model=MODEL, max_tokens=9, messages=HELLO, system=[cached(RULES)]).usage)
        for _ in range(2)
    ]
    (read, written, rest), again = seen
    assert read == 0
    assert written >= 1_024
    assert again == (written, 0, rest)


def test_a_longer_prefix_reads_the_old_part_and_writes_the_new(client: Anthropic) -> None:
    """With two breakpoints the known part is read, the new part written, each at its own lifetime."""
    first = client.messages.create(model=MODEL, max_tokens=9, messages=HELLO, system=[cached(RULES, "1h")]).usage
    both = client.messages.create(
        model=MODEL, max_tokens=9, messages=HELLO, system=[cached(RULES, "1h"), cached("More rules. " * 50)]
    ).usage
    assert first.cache_creation is not None
    assert first.cache_creation.ephemeral_1h_input_tokens == first.cache_creation_input_tokens
    assert both.cache_read_input_tokens == first.cache_creation_input_tokens
    assert both.cache_creation is not None
    assert both.cache_creation.ephemeral_1h_input_tokens == 0
    assert both.cache_creation.ephemeral_5m_input_tokens == both.cache_creation_input_tokens == 152


def test_a_conversation_reads_what_its_last_turn_wrote(client: Anthropic) -> None:
    """A breakpoint that moves on with the conversation finds the prefix that it left behind."""
    turns: list[MessageParam] = [
        {"role": "user", "content": [cached(RULES)]},
        {"role": "assistant", "content": "Understood."},
        {"role": "user", "content": [cached("And in French?")]},
    ]
    first = client.messages.create(model=MODEL, max_tokens=9, messages=turns[:1]).usage
    unmarked: MessageParam = {"role": "user", "content": [{"type": "text", "text": RULES}]}
    second = client.messages.create(model=MODEL, max_tokens=9, messages=[unmarked, *turns[1:]]).usage
    assert second.cache_read_input_tokens == first.cache_creation_input_tokens
    assert 0 < (second.cache_creation_input_tokens or 0) < 20
    assert second.input_tokens == 0


def test_a_short_prefix_is_not_cached(client: Anthropic) -> None:
    """Below the minimum a breakpoint is ignored."""
    for _ in range(2):
        usage = client.messages.create(model=MODEL, max_tokens=9, messages=HELLO, system=[cached("Be kind.")]).usage
        assert input_of(usage)[:2] == (0, 0)


def test_a_breakpoint_on_the_whole_request_caches_all_of_it(client: Anthropic) -> None:
    """`cache_control` beside the messages marks the last block."""
    for expected in (0, 1):
        usage = client.messages.create(
            model=MODEL, max_tokens=9, messages=HELLO, system=RULES, cache_control={"type": "ephemeral"}
        ).usage
        assert input_of(usage)[expected] == 0
        assert input_of(usage)[1 - expected] >= 1_024


def test_counting_tokens_agrees_with_the_call(client: Anthropic) -> None:
    """`count_tokens` says what a call's input will be."""
    counted = client.messages.count_tokens(model=MODEL, messages=HELLO, system=RULES).input_tokens
    assert counted == client.messages.create(model=MODEL, max_tokens=9, messages=HELLO, system=RULES).usage.input_tokens


def test_models_are_listed(client: Anthropic) -> None:
    """The list of models has Anthropic's and only those."""
    names = [model.id for model in client.models.list()]
    assert "claude-haiku-4-5-20251001" in names
    assert all(name.startswith("claude") for name in names)


def test_missing_fields_are_refused(client: Anthropic) -> None:
    """A request without a limit is refused in the API's way."""
    with pytest.raises(anthropic.BadRequestError, match="max_tokens: Field required"):
        client.post("/v1/messages", cast_to=object, body={"model": MODEL, "messages": HELLO})
