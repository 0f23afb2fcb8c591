"""What a user of an editor meets: arguments that make no sense, and what objects say of themselves."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from ai_cost_calc import AiCostCalc, Budget, ConfigError, UnsupportedClient, Usage, read_usage
from tests.client.bodies import ten_cents
from tests.conftest import MakeCalc

USAGE = Usage(input_tokens=1)
WRONG: list[tuple[Callable[[Any], object], type[Exception], str]] = [
    (lambda calc: calc.price(5, model="gpt-5"), TypeError, "used must be a Usage, or what read_usage gave, not 5"),
    (lambda calc: calc.price(USAGE, model=5), TypeError, "model must be a string, not 5"),
    (lambda calc: calc.price(USAGE, provider=5), TypeError, "provider must be a string, not 5"),
    (lambda calc: calc.price(USAGE, model="gpt-5", at="today"), TypeError, "at must be a datetime or unix seconds"),
    (lambda calc: calc.price(USAGE, model="gpt-5", context="flex"), TypeError, "context must be a mapping such as"),
    (lambda calc: calc.estimate(5), TypeError, "model must be a string such as gpt-5-mini, not 5"),
    (lambda calc: calc.estimate("gpt-5", input_text=5), TypeError, "input_text must be a string, not 5"),
    (lambda calc: calc.estimate("gpt-5", max_output_tokens=-1), ValueError, "max_output_tokens must be a whole number"),
    (lambda calc: calc.attribute(tags="pro"), TypeError, "tags must be a mapping of names to values"),
    (lambda calc: calc.report(5), ConfigError, "grouped by a name such as 'customer', or by several, not by 5"),
    (lambda calc: calc.report([5]), ConfigError, "reports cannot be grouped by 5; choose among customer"),
    (lambda calc: calc.report("tag:"), ConfigError, "reports cannot be grouped by 'tag:'"),
    (lambda calc: calc.report(where=5), ConfigError, "where must say dimensions and their values"),
    (lambda calc: calc.report(where={"customer": 5}), ConfigError, "where must say dimensions and their values"),
    (lambda calc: calc.budgets.set(5), ConfigError, "budgets must be Budget objects, such as"),
    (lambda calc: calc.wrap(Budget), UnsupportedClient, "the class Budget, other than an object of it, cannot"),
    (lambda calc: calc.wrap(re), UnsupportedClient, "the module re cannot be wrapped"),
    (lambda calc: calc.wrap(USAGE), UnsupportedClient, "whole ones: not a part such as client.chat"),
    (lambda _: AiCostCalc("memory:", prices=5), ConfigError, "prices must be the path of a file, not 5"),  # type: ignore[arg-type]
    (lambda _: AiCostCalc("memory:", clock=5), ConfigError, "clock must be a function that returns unix seconds"),  # type: ignore[arg-type]
    (lambda _: read_usage(5), TypeError, "body must be JSON as bytes, text, a dict or a list, not int"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("use", "kind", "message"), WRONG, ids=[message[:40] for *_, message in WRONG])
def test_a_wrong_argument_is_named(
    make_calc: MakeCalc, use: Callable[[Any], object], kind: type[Exception], message: str
) -> None:
    """The error says which argument it is, what it was and what it can be."""
    with pytest.raises(kind, match=re.escape(message)):
        use(make_calc())


def test_cost_tells_what_a_model_is(make_calc: MakeCalc) -> None:
    """`cost` never raises: the same words go to `on_error`."""
    told: list[str] = []
    calc = make_calc(on_error=lambda error: told.append(str(error)))
    assert calc.cost(5, input_tokens=1, output_tokens=1) is None  # type: ignore[arg-type]
    assert "model must be a string such as openai/gpt-4o, not 5" in told[0]


def test_a_report_has_a_name_once(make_calc: MakeCalc) -> None:
    """A name that is given twice groups once."""
    calc = make_calc()
    calc.record(ten_cents())
    assert calc.report(["feature", "feature"]).by == ("feature",)


def test_what_is_public_says_what_it_is(make_calc: MakeCalc) -> None:
    """At a prompt or in a log, an object shows its figures and never where it lies in memory."""
    calc = make_calc(budgets=[Budget("5.00", per="day", id="all")])
    with calc.guard(customer_id="acme"):
        calc.record(ten_cents())
    cost = calc.price(Usage(input_tokens=1_000_000), model="gpt-5")
    unknown = calc.price(USAGE, model="no-such-model")
    shown = {
        repr(calc): "budgets=Budgets(['all'])",
        repr(calc.report("customer")): "Report(by=('customer',), rows=1, total=ReportRow({}, cost=0.1",
        repr(calc.report("customer")[0]): "'customer': 'acme'",
        repr(_unpriced_row(make_calc())): "cost=0, revenue=0, calls=1, unpriced_calls=1",
        repr(calc.guard(customer_id="acme")): "customer_id='acme'",
        repr(calc.attribute("acme", tags={"plan": "pro"})): "'plan': 'pro'",
        repr(cost): "Cost(total=Decimal('1.25'), provider='openai', model='gpt-5'",
        repr(unknown): "Cost(total=None, reason=",
        repr(calc.budgets.status()[0]): "scope='organization'",
        repr(calc.stats()): "Stats(delivered=1",
    }
    for text, part in shown.items():
        assert part in text
        assert " at 0x" not in text


def _unpriced_row(calc: AiCostCalc) -> object:
    calc.record({**ten_cents(), "model": "no-such-model"})
    return calc.report("model")[-1]


def test_a_list_is_a_body_too() -> None:
    """Gemini answers a stream that nobody asked server-sent events for with one JSON array."""
    part = {
        "candidates": [{"content": {"parts": [{"text": "hi"}], "role": "model"}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 7, "totalTokenCount": 12},
        "modelVersion": "gemini-2.5-flash",
    }
    reading = read_usage([part], provider="google")
    assert reading.usage == Usage(input_tokens=5, output_tokens=7)
    assert reading.model == "gemini-2.5-flash"
