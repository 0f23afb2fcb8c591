"""What Mistral's batches cost, in the books: at half the price, once, for whom they were made."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import pytest

from ai_cost_calc import Budget, BudgetExceeded
from ai_cost_calc.testing import ProviderSimulator
from tests.conftest import MakeCalc
from tests.providers.seams.mistral_jobs import IN_A_FILE, INLINE, JOB, LINES, OF_A_FILE, QUEUED, REQUESTS, job
from tests.providers.seams.test_http_sdks import mistral
from tests.providers.seams.waiting import forget

COST: Final = 2 * (30 * Decimal("0.15") + 7 * Decimal("0.6")) / 10**6 / 2
"""Two answers at half of what Mistral Small 4 costs, $0.15 and $0.60 per million tokens (mistral.ai/pricing)."""


@pytest.fixture(autouse=True)
def nothing_waits() -> Iterator[None]:
    """No test finds what another one left."""
    forget()
    yield
    forget()


def test_a_batch_is_its_makers_at_half_the_price(make_calc: MakeCalc, simulator: ProviderSimulator) -> None:
    """Made for a customer, found by whoever polls, in this process or another: the cost is on record once."""
    calc, another = make_calc(), make_calc()
    clients: list[Any] = [each_calc.wrap(mistral(simulator.url)) for each_calc in (calc, another)]
    first, second = clients
    simulator.replay(body=QUEUED)
    with calc.attribute(customer_id="acme"):
        first.batch.jobs.create(**OF_A_FILE)
    for client in (first, second, first):
        simulator.replay(body=IN_A_FILE)
        found = client.batch.jobs.get(job_id=JOB)
        simulator.replay(body=LINES, content_type="application/octet-stream")
        assert client.files.download(file_id=found.output_file).read() == LINES
        for each_calc in (calc, another):
            each_calc.flush(5)
        forget()
    (row,) = calc.report(by="customer").rows
    assert (row.customer, row.cost, row.calls) == ("acme", COST, 1)
    for client in clients:
        client.sdk_configuration.client.close()


def test_what_a_batch_holds_is_released(make_calc: MakeCalc, simulator: ProviderSimulator) -> None:
    """A budget holds what a batch may cost until it is over, and refuses the next one that would not fit."""
    calc = make_calc(budgets=[Budget("0.002", per="day", estimate="strict")])
    client: Any = calc.wrap(mistral(simulator.url))
    many = {**INLINE, "requests": [{"body": {**REQUESTS[0]["body"], "max_tokens": 1_000}}] * 2}
    simulator.replay(body=QUEUED)
    client.batch.jobs.create(**many)
    (status,) = calc.budgets.status()
    assert status.held > 0
    with pytest.raises(BudgetExceeded):
        client.batch.jobs.create(**many)
    assert len(simulator.requests) == 1
    simulator.replay(body=job("CANCELLED"))
    client.batch.jobs.cancel(job_id=JOB)
    (status,) = calc.budgets.status()
    assert status.held == status.spent == 0
    client.sdk_configuration.client.close()
