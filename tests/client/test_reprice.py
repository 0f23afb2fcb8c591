"""`calc.reprice`: what had no price gets one, by adjustments that say what they change, once, whatever happens."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ai_cost_calc import AiCostCalc, Budget, BudgetExceeded, LedgerError, Reading, Usage
from ai_cost_calc.client import repricing
from ai_cost_calc.core.event import MICROS
from ai_cost_calc.ledgers.sqlite import SqliteLedger
from ai_cost_calc.ports.ledgers import SpendQuery
from ai_cost_calc.testing.records import make_event, total
from tests.conftest import MakeCalc

USAGE = Usage(input_tokens=10_000, output_tokens=1_000)
HOUSE = Reading(usage=USAGE, provider="house", model="llama-70b")
"""At 20 cents and $1 a million, $0.003."""
PRICES = """
[[prices]]
provider = "house"
model = "llama-70b"
rates = { input_tokens = "0.20", output_tokens = "1.00" }
"""


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    """A file that knows the house's model."""
    path = tmp_path / "prices.toml"
    path.write_text(PRICES)
    return path


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    """A ledger to look into."""
    opened = SqliteLedger(tmp_path / "spend.db")
    yield opened
    opened.close()


def record(calc: AiCostCalc, *readings: Reading) -> None:
    """Record calls, and wait until they are in the ledger."""
    for reading in readings:
        calc.record(reading)
    assert calc.flush() == 0


def test_what_had_no_price_gets_one(make_calc: MakeCalc, prices: Path, ledger: SqliteLedger) -> None:
    """The cost becomes known in every report, for the customer it was for; the record stays as it was."""
    before = make_calc()
    with before.attribute(customer_id="acme"):
        before.record(HOUSE)
    before.record(Reading(usage=USAGE, provider="nobody", model="what"))
    assert before.report().total.unpriced_calls == 2
    recorded = ledger.events(SpendQuery())
    after = make_calc(prices=prices)
    done = after.reprice(reason="the house has prices now")
    assert (done.looked_at, done.adjusted, done.newly_priced, done.still_unpriced) == (2, 1, 1, 1)
    assert (done.difference, done.dry_run) == (Decimal("0.003"), False)
    (model,) = done.models
    assert (model.provider, model.model, model.calls) == ("house", "llama-70b", 1)
    assert (model.before, model.after) == (Decimal(0), Decimal("0.003"))
    report = after.report("customer")
    assert {row.customer: (row.cost, row.unpriced_calls) for row in report} == {
        "acme": (Decimal("0.003"), 0),
        None: (0, 1),
    }
    assert ledger.events(SpendQuery()) == recorded


def test_the_trail_says_everything(make_calc: MakeCalc, prices: Path, ledger: SqliteLedger) -> None:
    """Which event, old and new cost, both price versions, when, why and by which run."""
    old = make_calc()
    old.record(HOUSE)
    old.flush()
    at = 1_800_000_000.0
    new = make_calc(prices=prices, clock=lambda: at)
    done = new.reprice(reason="contract of May")
    (event,), (kept,) = ledger.events(SpendQuery()), ledger.adjustments(SpendQuery())
    assert (kept.event_id, kept.run, kept.reason, kept.at) == (event.id, done.run, "contract of May", at * MICROS)
    assert (kept.old_nanos, kept.new_nanos) == (None, 3_000_000)
    assert (kept.old_price_version, kept.new_price_version) == (event.price_version, done.price_version)
    assert "+overlay-" in kept.new_price_version
    assert "+overlay-" not in kept.old_price_version
    assert done.run.startswith("reprice-20270115T080000Z-")


def test_running_it_again_changes_nothing(make_calc: MakeCalc, prices: Path, ledger: SqliteLedger) -> None:
    """The second run finds nothing to adjust, whether it looks at what was unpriced or at everything."""
    calc = make_calc()
    for _ in range(3):
        calc.record(HOUSE)
    calc.flush()
    priced = make_calc(prices=prices)
    assert priced.reprice().adjusted == 3
    for everything in (False, True):
        again = priced.reprice(everything=everything)
        assert (again.adjusted, again.difference) == (0, Decimal(0))
    assert len(ledger.adjustments(SpendQuery())) == 3


def test_a_dry_run_keeps_nothing(make_calc: MakeCalc, prices: Path, ledger: SqliteLedger) -> None:
    """It says what a run would come to."""
    record(make_calc(), HOUSE)
    calc = make_calc(prices=prices)
    done = calc.reprice(dry_run=True)
    assert (done.adjusted, done.difference, done.dry_run) == (1, Decimal("0.003"), True)
    assert ledger.adjustments(SpendQuery()) == []
    assert calc.report().total.unpriced_calls == 1


def test_each_call_is_priced_at_its_own_time_and_context(
    make_calc: MakeCalc, tmp_path: Path, ledger: SqliteLedger
) -> None:
    """The rate in force when the call was made, for the tier that it was served at."""
    (tmp_path / "prices.toml").write_text(
        PRICES + 'until = 2026-07-01\n[[prices]]\nprovider = "house"\nmodel = "llama-70b"\nfrom = 2026-07-01\n'
        'rates = { input_tokens = "0.40", output_tokens = "2.00" }\n[[prices]]\nprovider = "house"\n'
        'model = "llama-70b"\nwhen = { service_tier = "flex" }\nrates = { input_tokens = "0.10" }\n'
    )
    house: dict[str, Any] = {"provider": "house", "model": "llama-70b", "usage": USAGE, "cost": None}
    ledger.append([
        make_event(id="june", at="2026-06-30T23:59:59", **house),
        make_event(id="july", at="2026-07-01T00:00", **house),
        make_event(id="flex", at="2026-07-01T00:00", service_tier="flex", **house),
    ])  # fmt: skip
    make_calc(prices=tmp_path / "prices.toml").reprice()
    assert {one.event.id: one.cost_nanos for one in ledger.standings(SpendQuery())} == {
        "june": 3_000_000, "july": 6_000_000, "flex": 3_000_000
    }  # fmt: skip


def test_what_a_price_depends_on_is_remembered(make_calc: MakeCalc, prices: Path, ledger: SqliteLedger) -> None:
    """Perplexity's fee depends on how large a search was: other prices of another model do not make it go away."""
    search = Reading(usage=USAGE, provider="perplexity", model="sonar", context={"search": "high"})
    record(make_calc(), search)
    before = total(ledger).cost_nanos
    assert before == 11_000_000 + 12_000_000  # 11,000 tokens at $1 a million, and $12 for a thousand such requests
    done = make_calc(prices=prices).reprice(everything=True)
    assert (done.looked_at, done.adjusted) == (1, 0)
    assert total(ledger).cost_nanos == before


def test_a_batch_is_priced_as_its_requests(make_calc: MakeCalc, tmp_path: Path, ledger: SqliteLedger) -> None:
    """A sum of ten requests pays ten fees, and the tier that one of them reaches, not the one of their sum."""
    batch = Reading(usage=Usage(input_tokens=10_000), provider="house", model="llama-70b", calls=10)
    record(make_calc(), batch)
    tiered = '{ base = "1", tiers = [{ above = 1000, price = "9" }] }'
    rates = f'rates = {{ input_tokens = {tiered}, requests = "2" }}'
    (tmp_path / "prices.toml").write_text(f'[[prices]]\nprovider = "house"\nmodel = "llama-70b"\n{rates}\n')
    make_calc(prices=tmp_path / "prices.toml").reprice()
    assert total(ledger).cost_nanos == 10_000_000 + 20_000_000


def test_what_had_a_price_is_adjusted_only_when_asked(make_calc: MakeCalc, tmp_path: Path) -> None:
    """`everything` takes in calls that were priced, such as those before a contract was entered."""
    record(make_calc(), Reading(usage=USAGE, provider="openai", model="gpt-5"))
    (tmp_path / "prices.toml").write_text('[[discounts]]\nprovider = "openai"\npercent = 10')
    calc = make_calc(prices=tmp_path / "prices.toml")
    assert calc.report().total.cost == Decimal("0.0225")
    assert calc.reprice().looked_at == 0
    done = calc.reprice(everything=True)
    assert (done.adjusted, done.newly_priced, done.difference) == (1, 0, Decimal("-0.00225"))
    assert calc.report().total.cost == Decimal("0.02025")
    assert make_calc().reprice(everything=True).difference == Decimal("0.00225")


def test_only_what_is_asked_for(make_calc: MakeCalc, prices: Path, ledger: SqliteLedger) -> None:
    """A span and conditions limit a run as they limit a report."""
    house: dict[str, Any] = {"provider": "house", "model": "llama-70b", "usage": USAGE, "cost": None}
    ledger.append([
        make_event(id="a", at="2026-11-01T00:00", customer_id="acme", **house),
        make_event(id="b", at="2026-11-02T00:00", customer_id="acme", **house),
        make_event(id="c", at="2026-11-02T00:00", **house),
    ])  # fmt: skip
    calc = make_calc(prices=prices)
    calc.reprice(since="2026-11-02", where={"customer": "acme"})
    assert [one.event.id for one in ledger.standings(SpendQuery()) if one.priced] == ["b"]
    calc.reprice(until=datetime(2026, 11, 2, tzinfo=UTC))
    assert [one.event.id for one in ledger.standings(SpendQuery()) if one.priced] == ["a", "b"]


def test_a_cost_that_the_provider_stated_stays(make_calc: MakeCalc, prices: Path, ledger: SqliteLedger) -> None:
    """With or without a price of ours beside it."""
    calc = make_calc()
    calc.record(Reading(usage=USAGE, provider="openai", model="gpt-5", provider_cost_usd=Decimal("0.5")))
    calc.record(Reading(usage=USAGE, provider="house", model="llama-70b", provider_cost_usd=Decimal("0.25")))
    calc.flush()
    assert make_calc(prices=prices).reprice(everything=True).adjusted == 0
    assert total(ledger).cost_nanos == 750_000_000
    assert {event.price_version for event in ledger.events(SpendQuery())} == {
        calc.stats().price_version,
        "stated-by-provider",
    }


def test_known_cost_never_becomes_unknown(make_calc: MakeCalc, prices: Path, ledger: SqliteLedger) -> None:
    """Prices that no longer know a model leave what its calls cost."""
    record(make_calc(prices=prices), HOUSE)
    done = make_calc().reprice(everything=True)
    assert (done.looked_at, done.adjusted) == (1, 0)
    assert total(ledger).cost_nanos == 3_000_000


def test_a_call_without_usage_stays_unknown(make_calc: MakeCalc, prices: Path, ledger: SqliteLedger) -> None:
    """Nothing was read, so nothing can be priced: that is not a call for free."""
    record(make_calc(), Reading(usage=None, provider="house", model="llama-70b"))
    done = make_calc(prices=prices).reprice()
    assert (done.adjusted, done.still_unpriced) == (0, 1)
    assert total(ledger).unpriced_calls == 1


def test_a_part_that_gets_a_price(make_calc: MakeCalc, tmp_path: Path, ledger: SqliteLedger) -> None:
    """A call whose searches had no rate is priced whole, and its tokens are not paid twice."""
    searching = Reading(usage=Usage(input_tokens=1_000, web_searches=2), provider="house", model="llama-70b")
    (tmp_path / "prices.toml").write_text(PRICES)
    record(make_calc(prices=tmp_path / "prices.toml"), searching)
    assert (total(ledger).cost_nanos, total(ledger).unpriced_calls) == (200_000, 1)
    (tmp_path / "more.toml").write_text(PRICES.replace("}", ', web_searches = "10" }'))
    done = make_calc(prices=tmp_path / "more.toml").reprice()
    assert (done.newly_priced, done.difference) == (1, Decimal("0.02"))
    assert (total(ledger).cost_nanos, total(ledger).unpriced_calls) == (20_200_000, 0)


def test_many_pages(make_calc: MakeCalc, prices: Path, ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every event is looked at once, however many pages there are."""
    monkeypatch.setattr(repricing, "PAGE", 7)
    ledger.append(
        [
            make_event(provider="house", model="llama-70b", usage=USAGE, cost=None if n % 3 else "1.00")
            for n in range(50)
        ]
    )
    done = make_calc(prices=prices).reprice()
    assert (done.looked_at, done.adjusted) == (33, 33)
    assert total(ledger).unpriced_calls == 0
    assert total(ledger).cost_nanos == 17_000_000_000 + 33 * 3_000_000


def test_runs_at_the_same_time_adjust_once(make_calc: MakeCalc, prices: Path, ledger: SqliteLedger) -> None:
    """Four runs at once share the work between them, and each counts only what it adjusted."""
    ledger.append([make_event(provider="house", model="llama-70b", usage=USAGE, cost=None) for _ in range(300)])
    calcs = [make_calc(prices=prices) for _ in range(4)]
    together = threading.Barrier(4)

    def run(calc: AiCostCalc) -> tuple[int, Decimal]:
        together.wait()
        done = calc.reprice()
        return done.adjusted, done.difference

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(run, calcs))
    assert sum(adjusted for adjusted, _ in found) == 300
    assert sum(difference for _, difference in found) == Decimal("0.9")
    assert len(ledger.adjustments(SpendQuery(), limit=1_000)) == 300
    assert total(ledger).cost_nanos == 900_000_000


KILLED = """
import os, signal, sys
from ai_cost_calc import AiCostCalc
from ai_cost_calc.client import repricing
from ai_cost_calc.ledgers.sqlite import SqliteLedger
repricing.PAGE = 10

class Dying(SqliteLedger):
    pages = 0
    def adjust(self, adjustments):
        if self.pages == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)
        self.pages += 1
        return super().adjust(adjustments)

AiCostCalc(Dying(sys.argv[1]), prices=sys.argv[2]).reprice()
"""


@pytest.mark.parametrize("pages", [0, 2])
def test_a_run_that_is_killed_can_be_run_again(
    make_calc: MakeCalc, prices: Path, ledger: SqliteLedger, pages: int
) -> None:
    """What it had adjusted stays adjusted, the next run does the rest, and the sums are exact after each."""
    ledger.append([make_event(provider="house", model="llama-70b", usage=USAGE, cost=None) for _ in range(35)])
    done = subprocess.run(
        [sys.executable, "-c", KILLED, ledger.path, prices, str(pages)], check=False, capture_output=True, timeout=120
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    row = total(ledger)
    assert (row.cost_nanos, row.unpriced_calls) == (pages * 10 * 3_000_000, 35 - pages * 10)
    assert make_calc(prices=prices).reprice().adjusted == 35 - pages * 10
    assert (total(ledger).cost_nanos, total(ledger).unpriced_calls) == (105_000_000, 0)


def test_budgets_take_in_what_became_known(make_calc: MakeCalc, tmp_path: Path) -> None:
    """A budget refuses once what calls were adjusted to has used it up."""
    record(make_calc(budgets=[]), Reading(usage=Usage(input_tokens=1_000), provider="openai", model="gpt-5"))
    dearer = tmp_path / "dearer.toml"
    dearer.write_text('[[discounts]]\nprovider = "openai"\npercent = -100\n')
    calc = make_calc(prices=dearer, budgets=[Budget("0.002", per="day", id="day")])
    assert calc.budgets.status()[0].spent == Decimal("0.00125")
    calc.reprice(everything=True, since="1d")
    assert calc.budgets.status()[0].spent == Decimal("0.0025")
    with pytest.raises(BudgetExceeded), calc.guard(estimate="0.001"):
        pytest.fail("the block ran")


def test_budgets_count_the_dearest_rate_until_the_cost_is_known(make_calc: MakeCalc, prices: Path) -> None:
    """What was recorded without a price is not free for them; once it is repriced, a restart counts what it cost."""
    budgets = [Budget("1", per="day", id="day")]
    record(make_calc(budgets=[]), HOUSE)
    calc = make_calc(prices=prices, budgets=budgets)
    assert calc.budgets.status()[0].spent == Decimal("0.011")  # 11,000 tokens at $1 a million
    calc.reprice()
    calc.shutdown()
    assert make_calc(prices=prices, budgets=budgets).budgets.status()[0].spent == Decimal("0.003")


def test_a_ledger_that_keeps_no_adjustments_is_named(make_calc: MakeCalc) -> None:
    """It is an error that says what is missing, and nothing is touched."""

    class Plain:
        def __init__(self) -> None:
            self.kept: list[Any] = []

        def append(self, records: Any, /) -> int:
            self.kept += records
            return len(records)

        def spend(self, query: Any, /) -> list[Any]:
            return []

        def events(self, query: Any, /, *, limit: int = 100, after: str | None = None) -> list[Any]:
            return []

        def close(self) -> None:
            pass

    with pytest.raises(LedgerError, match="Plain keeps no adjustments"):
        make_calc(Plain(), durability="none").reprice()


def test_a_ledger_in_memory_is_repriced_too(make_calc: MakeCalc, prices: Path, tmp_path: Path) -> None:
    """The same calls, without a file."""
    calc = make_calc("memory:", prices=prices)
    calc.record(Reading(usage=USAGE, provider="nobody", model="x"))
    done = calc.reprice()
    assert (done.looked_at, done.adjusted, done.still_unpriced) == (1, 0, 1)
