"""Promises 5, 7, 8 and 9 at the public surface; the others have files of their own."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ai_cost_calc import Budget, BudgetExceeded
from ai_cost_calc.core.event import Record
from ai_cost_calc.ledgers.memory import MemoryLedger
from ai_cost_calc.testing import ProviderSimulator
from tests.client.bodies import chat_completion, ten_cents
from tests.conftest import MakeCalc

openai = pytest.importorskip("openai", reason="the openai SDK is absent")

MESSAGES = [{"role": "user", "content": "Tell me a story about a lighthouse."}]


def test_promise_5_money_is_exact_for_every_token_class(make_calc: MakeCalc) -> None:
    """Cached tokens of gpt-4o at their own rate, rounded once, to the nano-dollar.

    1,000 input tokens of which 900 are cached, and 7 output tokens: 100 x $2.50 + 900 x $1.25 + 7 x $10 a million.
    """
    calc = make_calc()
    body = chat_completion(1_000, 7)
    body["usage"]["prompt_tokens_details"] = {"cached_tokens": 900}
    calc.record(body)
    assert calc.report().total.cost == Decimal("0.001445")


def _asked(client: Any, provider: ProviderSimulator) -> list[object]:
    """What one gets from a client: an answer, a stream, a refused request, a broken stream."""
    seen: list[object] = []
    create = client.chat.completions.create
    answer = create(model="gpt-4o", messages=MESSAGES)
    seen += [type(answer), answer.model_dump(exclude={"id", "created"})]
    chunks = list(create(model="gpt-4o", messages=MESSAGES, stream=True))
    seen += [[type(chunk), [choice.model_dump() for choice in chunk.choices]] for chunk in chunks]
    provider.next(status=400)
    try:
        create(model="gpt-4o", messages=MESSAGES)
    except openai.OpenAIError as error:
        seen += [type(error), str(error)]
    provider.next(break_after=3)
    try:
        seen += [chunk.choices[0].delta.content for chunk in create(model="gpt-4o", messages=MESSAGES, stream=True)]
    except Exception as error:  # noqa: BLE001 - whatever the bare client raises
        seen += [type(error), str(error)]
    return seen


def test_promise_7_the_callers_call_is_theirs(make_calc: MakeCalc) -> None:
    """Results, types, exceptions and the order of a stream are what they would be without us."""
    calc = make_calc(budgets=[Budget("100.00", per="day")])
    seen = []
    for wrapped in (False, True):
        with ProviderSimulator(seed=5) as provider:
            client = openai.OpenAI(base_url=provider.openai_base_url, api_key="k", max_retries=0)
            if wrapped:
                calc.wrap(client)
            seen.append(_asked(client, provider))
            client.close()
    assert seen[0] == seen[1]
    assert len(seen[0]) > 10


def test_promise_8_the_call_path_never_waits_for_a_ledger(make_calc: MakeCalc, tmp_path: Path) -> None:
    """With a ledger that does not answer, calls are made, budgets hold, and nothing has been delivered."""
    let_go = threading.Event()

    class Hung(MemoryLedger):
        def append(self, records: Sequence[Record], /) -> int:
            let_go.wait(60)
            return super().append(records)

    calc = make_calc(Hung(), data_dir=str(tmp_path), flush_interval=0.01, budgets=[Budget("1.00", per="day")])
    for _ in range(10):
        with calc.guard(estimate="0.10") as guarded:
            guarded.record(ten_cents())
    with pytest.raises(BudgetExceeded), calc.guard(estimate="0.10"):
        pytest.fail("the block must not run")
    assert calc.stats().delivered == 0
    let_go.set()
    assert calc.flush(30) == 0
    assert calc.stats().delivered == 10


def test_promise_9_organizations_never_see_change_or_block_each_other(make_calc: MakeCalc) -> None:
    """Two organizations on one ledger have books, budgets and idempotency keys of their own."""
    ours, theirs = make_calc(organization="ours"), make_calc(organization="theirs")
    ours.budgets.set(Budget(0, per="day", customer_id="acme", id="shut"))
    for calc in (ours, theirs):
        calc.add_usage(model="openai/gpt-4o", input_tokens=1_000, output_tokens=0)
        calc.track(customer_id="acme", unique_request_token="order-1", revenue_amount_in_cents=5)
    assert [row.calls for row in (ours.report().total, theirs.report().total)] == [1, 1]
    assert theirs.budgets.list() == []
    with theirs.guard(customer_id="acme"):
        pass
    with pytest.raises(BudgetExceeded), ours.guard(customer_id="acme"):
        pytest.fail("the block must not run")
    assert not theirs.budgets.remove("shut")
    theirs.budgets.refresh()
    ours.budgets.refresh()
    assert [budget.name for budget in ours.budgets.list()] == ["shut"]
