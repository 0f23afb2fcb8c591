"""What a response says of how it was served reaches its cost by itself: in records, prices, reports and stats."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from openai import AzureOpenAI

from ai_cost_calc import AiCostCalc, Budget, BudgetExceeded, ConfigError, Usage, read_usage
from ai_cost_calc.core.event import UsageEvent
from ai_cost_calc.ledgers import open_ledger
from ai_cost_calc.ports.ledgers import SpendQuery
from ai_cost_calc.testing import ProviderSimulator
from tests.client.bodies import chat_completion
from tests.conftest import MakeCalc

AT = 1_795_435_200.0
"""23 November 2026, 12:00 UTC."""


def chat(model: str = "gpt-5-2025-08-07", **more: Any) -> dict[str, Any]:
    """A chat completion of 1,000 tokens in and 100 out."""
    return chat_completion(1_000, 100, model) | more


def message(**usage: Any) -> dict[str, Any]:
    """A message of Claude Opus 5, 1,000 tokens in and 100 out: $0.0075 at 5 and 25 a million."""
    return {
        "id": f"msg_{len(usage)}{sorted(usage)}", "type": "message", "role": "assistant", "model": "claude-opus-5",
        "content": [], "usage": {"input_tokens": 1_000, "output_tokens": 100, **usage},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "how", "dollars"),
    [
        (chat(service_tier="flex"), {"provider": "openai"}, "0.001125"),  # GPT-5 at 1.25 and 10, halved
        (chat(service_tier="priority"), {"provider": "openai"}, "0.0045"),
        (chat(service_tier="priority"), {"provider": "azure"}, "0.0045"),
        (chat(service_tier="default"), {"provider": "openai"}, "0.00225"),
        (chat("gpt-5.4"), {"url": "https://eu.api.openai.com/v1/chat/completions"}, "0.0044"),
        (chat("pixtral-large-latest"), {"url": "https://api.eu.mistral.ai/v1/chat/completions"}, "0.00286"),
        (chat("llama-3.3-70b-versatile", service_tier="flex"), {"provider": "groq"}, "0.000669"),
        (message(inference_geo="us"), {}, "0.00825"),
        (message(speed="fast"), {}, "0.015"),
        (message(service_tier="batch"), {}, "0.00375"),
        (message(server_tool_use={"web_search_requests": 2}), {}, "0.0275"),
        (
            message(cache_creation_input_tokens=400, cache_creation={"ephemeral_1h_input_tokens": 400}),
            {},
            "0.0115",  # and 400 written for an hour at 10
        ),
        (
            chat("sonar", usage={"prompt_tokens": 1_000, "completion_tokens": 100, "search_context_size": "medium"}),
            {"provider": "perplexity"},
            "0.0091",  # 1 and 1 a million, and $8 for a thousand requests
        ),
    ],
)
def test_what_the_response_says_is_what_it_costs(
    calc: AiCostCalc, body: dict[str, Any], how: dict[str, str], dollars: str
) -> None:
    """Tier, batch, speed, region, geography, search size and cache lifetime need no word of the user."""
    cost = calc.price(read_usage(body, **how), at=AT)  # type: ignore[arg-type]
    assert (cost.total, cost.unpriced) == (Decimal(dollars), ())


def kept(calc: AiCostCalc, ledger_url: str) -> list[UsageEvent]:
    """What the ledger keeps."""
    assert calc.flush() == 0
    ledger = open_ledger(ledger_url)
    try:
        return ledger.events(SpendQuery())
    finally:
        ledger.close()


def test_what_has_no_known_price_is_told_everywhere(make_calc: MakeCalc, ledger_url: str) -> None:
    """A call on OpenAI's scale tier counts at standard rates, and record, report and stats say that it is not sure."""
    calc = make_calc(clock=lambda: AT)
    calc.record(chat(service_tier="scale"), provider="openai")
    (event,) = kept(calc, ledger_url)
    assert (event.cost_nanos, event.unpriced) == (2_250_000, ("service_tier:scale",))
    assert calc.report().total.unpriced_calls == 1
    assert calc.stats().unpriced == {"openai/gpt-5-2025-08-07": 1}


OPENROUTER = {"prompt_tokens": 1_000, "completion_tokens": 100, "cost": 0.005}


def test_a_stated_cost_wins_and_ours_stays_beside_it(make_calc: MakeCalc, ledger_url: str) -> None:
    """OpenRouter states half a cent twice where our figure is $0.0035: the report has theirs, stats the difference."""
    calc = make_calc(clock=lambda: AT)
    for _ in range(2):
        calc.record(chat("openai/gpt-4o", usage=OPENROUTER), provider="openrouter")
    assert [(event.cost_nanos, event.computed_nanos) for event in kept(calc, ledger_url)] == [
        (5_000_000, 3_500_000)
    ] * 2
    assert calc.report().total.cost == Decimal("0.01")
    assert calc.stats().stated == {"openrouter": Decimal("0.003")}
    assert calc.stats().unpriced == {}
    cost = calc.price(read_usage(chat("openai/gpt-4o", usage=OPENROUTER), provider="openrouter"), at=AT)
    assert cost.difference == Decimal("0.0015")


def test_a_stated_cost_includes_what_was_billed_on_top(make_calc: MakeCalc, ledger_url: str) -> None:
    """LiteLLM states what the whole response cost, Google's search included: nothing is added to it."""
    body = {
        "modelVersion": "gemini-2.5-flash",
        "candidates": [{"groundingMetadata": {"webSearchQueries": ["a"]}}],
        "usageMetadata": {"promptTokenCount": 1_000, "candidatesTokenCount": 100, "totalTokenCount": 1_100},
    }
    headers = {"x-litellm-response-cost": "0.0356"}
    reading = read_usage(body, provider="google", api="generate_content", headers=headers)
    calc = make_calc(clock=lambda: AT)
    cost = calc.price(reading, at=AT)
    assert (cost.total, cost.computed_nanos) == (Decimal("0.0356"), 35_550_000)  # 550 for tokens, 35,000 for a search
    assert cost.difference == Decimal("0.00005")
    calc.record(reading)
    events = kept(calc, ledger_url)
    assert sum(event.cost_nanos or 0 for event in events) == 35_600_000
    assert sum(event.computed_nanos or 0 for event in events) == 35_550_000


def test_without_a_figure_of_our_own_there_is_no_difference(calc: AiCostCalc) -> None:
    """A model that only the provider knows the price of costs what the provider says."""
    cost = calc.price(read_usage(chat("nobody/knows", usage=OPENROUTER), provider="openrouter"), at=AT)
    assert (cost.total, cost.computed_nanos, cost.difference, cost.reason) == (Decimal("0.005"), None, None, None)


@pytest.fixture
def mapped(make_calc: MakeCalc) -> AiCostCalc:
    """A client that knows what one deployment stands for."""
    return make_calc(model_map={"my-deployment": "openai/gpt-4o"}, budgets=[Budget("100", per="day", model="gpt-4o")])


def test_a_deployment_is_priced_as_its_model(mapped: AiCostCalc) -> None:
    """Azure's name for a model is ours to map: prices, estimates and budgets of the model hold for it."""
    usage = Usage(input_tokens=1_000, output_tokens=100)
    assert mapped.price(usage, provider="azure", model="my-deployment", at=AT).total == Decimal("0.0035")
    assert mapped.price(usage, model="azure/my-deployment", at=AT).total == Decimal("0.0035")
    assert mapped.estimate("my-deployment", input_tokens=1_000, max_output_tokens=100).strict == Decimal("0.0035")
    mapped.record(chat("my-deployment"), provider="azure")
    (status,) = mapped.budgets.status()
    assert status.spent == Decimal("0.0035")
    assert mapped.report("model").rows[0].model == "gpt-4o"


def test_a_deployment_of_a_wrapped_client(make_calc: MakeCalc, simulator: ProviderSimulator) -> None:
    """A budget on the model holds for calls of the real Azure client by the deployment's name, before they are made."""
    calc = make_calc(
        model_map={"my-deployment": "openai/gpt-4o"},
        budgets=[Budget("0.001", per="day", model="gpt-4o", estimate="strict")],
    )
    client = calc.wrap(
        AzureOpenAI(azure_endpoint=simulator.azure_endpoint, api_key="k", api_version="2026-01-01", max_retries=0)
    )
    with pytest.raises(BudgetExceeded):
        client.chat.completions.create(
            model="my-deployment", max_tokens=1_000, messages=[{"role": "user", "content": "hi"}]
        )
    client.chat.completions.create(model="my-deployment", max_tokens=5, messages=[{"role": "user", "content": "hi"}])
    client.close()
    total = calc.report().total
    assert (total.calls, total.unpriced_calls) == (1, 0)
    assert len(simulator.requests) == 1


@pytest.mark.parametrize("wrong", ["my-deployment", ["a"], {"a": 1}, {1: "openai/gpt-4o"}, {"a": None}])
def test_a_map_that_cannot_be_read_is_refused(make_calc: MakeCalc, wrong: object) -> None:
    """A wrong setting is told when the client is made, not when a bill is wrong."""
    with pytest.raises(ConfigError, match="model_map must say"):
        make_calc(model_map=wrong)
