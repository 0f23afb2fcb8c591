"""What every book of adjustments promises, as tests: subclass `AdjustmentBookConformance`, run pytest."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import pytest

from ai_cost_calc.core.adjustment import Adjustment, Standing
from ai_cost_calc.core.event import UsageEvent
from ai_cost_calc.core.money import nanos_from_usd
from ai_cost_calc.errors import LedgerError
from ai_cost_calc.ports.ledgers import AdjustmentBook, Ledger, SpendQuery
from ai_cost_calc.testing.records import NOON, costs, make_event, make_revenue, total

LATER = NOON + 5_000_000


class AdjustingLedger(Ledger, AdjustmentBook, Protocol):
    """A ledger that keeps adjustments too."""


def make_adjustment(event: UsageEvent | Standing, cost: str | None, **fields: Any) -> Adjustment:
    """An adjustment of what an event costs now.

    Args:
        event: the event, or where it stands.
        cost: what it costs from then on, in US dollars.
        fields: any other fields of `Adjustment`.
    """
    now = event if isinstance(event, Standing) else Standing(event)
    values = {
        "event_id": now.event.id,
        "organization": now.event.organization,
        "at": LATER,
        "run": "run-1",
        "reason": "a price became known",
        "old_nanos": now.cost_nanos,
        "new_nanos": None if cost is None else nanos_from_usd(cost),
        "old_unpriced": now.unpriced,
        "old_price_version": now.price_version,
        "new_price_version": "prices-2",
    }
    return Adjustment(**{**values, **fields})


class AdjustmentBookConformance:
    """The promises of `ports.ledgers.AdjustmentBook`; provide a `ledger` fixture that gives an empty one."""

    def test_events_stay_as_they_were_recorded(self, ledger: AdjustingLedger) -> None:
        """An adjustment changes no event, and is kept beside it whole."""
        event = make_event(cost=None, price_version="prices-1", unpriced=("images",))
        ledger.append([event])
        adjustment = make_adjustment(event, "0.25", new_unpriced=("web_searches",))
        assert ledger.adjust([adjustment]) == 1
        assert ledger.events(SpendQuery()) == [event]
        assert ledger.adjustments(SpendQuery()) == [adjustment]
        assert ledger.standings(SpendQuery()) == [Standing(event, adjustment)]

    def test_sums_show_the_adjusted_cost(self, ledger: AdjustingLedger) -> None:
        """What was unknown is known, what was too much is less; calls and usage stay."""
        unknown, dear = make_event(cost=None), make_event(cost="2.00")
        ledger.append([unknown, dear, make_event(cost="1.00")])
        before = total(ledger)
        assert ledger.adjust([make_adjustment(unknown, "0.25"), make_adjustment(dear, "1.50")]) == 2
        after = total(ledger)
        assert (before.cost_nanos, before.unpriced_calls) == (3_000_000_000, 1)
        assert (after.cost_nanos, after.unpriced_calls) == (2_750_000_000, 0)
        assert (after.calls, after.usage) == (before.calls, before.usage)
        assert (before.adjusted_nanos, after.adjusted_nanos) == (0, -250_000_000)
        assert ledger.adjust([make_adjustment(ledger.standings(SpendQuery())[0], None)]) == 1
        assert total(ledger).adjusted_nanos == -500_000_000

    def test_every_group_and_span_shows_it(self, ledger: AdjustingLedger) -> None:
        """It counts for the event's own customer, feature, model, session, tag, day and hour, and nowhere else."""
        event = make_event(
            cost=None, customer_id="acme", feature="chat", session_id="run-7", tags={"plan": "pro"}, model="gpt-5",
            at="2026-11-21T09:30",
        )  # fmt: skip
        ledger.append([event, make_event(cost="1.00", at="2026-11-23T12:00"), make_revenue(amount="5.00")])
        ledger.adjust([make_adjustment(event, "0.25")])
        own, other = 250_000_000, 1_000_000_000
        for dimension, value in {
            "customer": "acme", "feature": "chat", "session": "run-7", "tag:plan": "pro", "model": "gpt-5",
            "day": "2026-11-21", "hour": "2026-11-21T09", "month": "2026-11",
        }.items():  # fmt: skip
            found = costs(ledger, dimension)
            assert found[value,] == (own + other if dimension == "month" else own), dimension
            assert total(ledger, where={dimension: value}).cost_nanos == found[value,]
        assert costs(ledger, "day", timezone="Asia/Kolkata")["2026-11-21",] == own
        assert total(ledger, since=event.at, until=event.at + 1).cost_nanos == own
        assert total(ledger, since=event.at + 1, until=event.at + 2).cost_nanos == 0
        assert total(ledger, since=LATER).cost_nanos == 0

    def test_estimated_cost_follows(self, ledger: AdjustingLedger) -> None:
        """The adjusted cost of estimated usage is still estimated cost."""
        event = make_event(cost="2.00", estimated=True)
        ledger.append([event, make_event(cost="1.00")])
        ledger.adjust([make_adjustment(event, "1.50")])
        assert (total(ledger).estimated_nanos, total(ledger).cost_nanos) == (1_500_000_000, 2_500_000_000)

    def test_partly_priced_is_still_unpriced(self, ledger: AdjustingLedger) -> None:
        """A call counts as unpriced until all of it has a price, and again when it has none."""
        event = make_event(cost=None)
        ledger.append([event])
        found = [(0, 1)]
        for cost, unpriced in (("0.25", ("images",)), ("0.50", ()), (None, ())):
            (now,) = ledger.standings(SpendQuery())
            assert ledger.adjust([make_adjustment(now, cost, new_unpriced=unpriced)]) == 1
            found.append((total(ledger).cost_nanos, total(ledger).unpriced_calls))
        assert found == [(0, 1), (250_000_000, 1), (500_000_000, 0), (0, 1)]
        assert len(ledger.adjustments(SpendQuery())) == 3

    def test_the_same_adjustment_counts_once(self, ledger: AdjustingLedger) -> None:
        """Sent again, in the same batch or a later one, it changes nothing."""
        event = make_event(cost=None)
        ledger.append([event])
        adjustment = make_adjustment(event, "0.25")
        assert ledger.adjust([adjustment, adjustment]) == 1
        assert ledger.adjust([adjustment]) == 0
        assert total(ledger).cost_nanos == 250_000_000
        assert ledger.adjustments(SpendQuery()) == [adjustment]

    def test_an_adjustment_of_what_has_changed_is_not_kept(self, ledger: AdjustingLedger) -> None:
        """Of two that start from the same cost, unpriced counts and version, the first one counts."""
        event = make_event(cost="1.00", price_version="prices-1", unpriced=("images",))
        ledger.append([event])
        assert ledger.adjust([make_adjustment(event, "2.00", old_nanos=None)]) == 0
        assert ledger.adjust([make_adjustment(event, "2.00", old_unpriced=())]) == 0
        assert ledger.adjust([make_adjustment(event, "2.00", old_price_version="prices-0")]) == 0
        assert ledger.adjust([make_adjustment(event, "2.00", run="a"), make_adjustment(event, "3.00", run="b")]) == 1
        assert [one.run for one in ledger.adjustments(SpendQuery())] == ["a"]
        assert total(ledger).cost_nanos == 2_000_000_000

    def test_an_adjustment_that_changes_nothing_is_not_kept(self, ledger: AdjustingLedger) -> None:
        """The trail shows changes only."""
        event = make_event(cost="1.00", price_version="prices-1")
        ledger.append([event])
        assert ledger.adjust([make_adjustment(event, "1.00", new_price_version="prices-1")]) == 0
        assert ledger.adjustments(SpendQuery()) == []

    def test_one_batch_may_adjust_an_event_twice(self, ledger: AdjustingLedger) -> None:
        """The second starts from what the first one made of it."""
        event = make_event(cost=None)
        ledger.append([event])
        first = make_adjustment(event, "0.25")
        second = make_adjustment(Standing(event, first), "0.75", new_price_version="prices-3")
        assert ledger.adjust([first, second]) == 2
        assert ledger.adjustments(SpendQuery()) == [second, first]
        assert total(ledger).cost_nanos == 750_000_000

    def test_unknown_events_are_left_alone(self, ledger: AdjustingLedger) -> None:
        """An adjustment of an event that is not there is not kept."""
        event = make_event(cost="1.00")
        ledger.append([event])
        assert ledger.adjust([make_adjustment(make_event(cost="1.00"), "2.00"), make_adjustment(event, "3.00")]) == 1
        assert total(ledger).cost_nanos == 3_000_000_000

    @pytest.mark.parametrize("wrong", [{"new_nanos": 0.5}, {"new_nanos": 2**53}, {"at": -1}, {"event_id": ""}])
    def test_all_or_nothing(self, ledger: AdjustingLedger, wrong: dict[str, Any]) -> None:
        """One that cannot be kept exactly fails all of its batch."""
        event, other = make_event(cost=None), make_event(cost=None)
        ledger.append([event, other])
        with pytest.raises(LedgerError):
            ledger.adjust([make_adjustment(event, "0.25"), make_adjustment(other, "0.25", **wrong)])
        assert ledger.adjustments(SpendQuery()) == []
        assert total(ledger).unpriced_calls == 2

    def test_organizations_are_apart(self, ledger: AdjustingLedger) -> None:
        """The same id in another organization is another event."""
        ours, theirs = make_event(id="a", cost=None), make_event(id="a", cost=None, organization="theirs")
        ledger.append([ours, theirs])
        assert ledger.adjust([make_adjustment(theirs, "0.25")]) == 1
        assert (total(ledger).cost_nanos, total(ledger, organization="theirs").cost_nanos) == (0, 250_000_000)
        assert ledger.adjustments(SpendQuery()) == []
        assert ledger.standings(SpendQuery()) == [Standing(ours)]
        assert ledger.adjust([make_adjustment(make_event(id="a", cost=None, organization="nobody"), "9.00")]) == 0

    def test_standings_page_by_page(self, ledger: AdjustingLedger) -> None:
        """Every event comes once, in the order they were kept; with `unpriced`, those that have no price now."""
        events = [
            make_event(id=f"{number}", cost=None if number % 2 else "1.00", at=NOON - number) for number in range(7)
        ]
        ledger.append(events)
        ledger.adjust([make_adjustment(events[3], "0.25"), make_adjustment(events[4], None)])
        seen: list[str] = []
        while page := ledger.standings(SpendQuery(), limit=3, after=seen[-1] if seen else ""):
            seen += [one.event.id for one in page]
        assert seen == [event.id for event in events]
        assert [one.event.id for one in ledger.standings(SpendQuery(), unpriced=True)] == ["1", "4", "5"]
        assert [one.event.id for one in ledger.standings(SpendQuery(), unpriced=True, limit=1, after="1")] == ["4"]
        with pytest.raises(LedgerError, match="'nine'"):
            ledger.standings(SpendQuery(), after="nine")

    def test_standings_and_adjustments_are_selected_like_sums(self, ledger: AdjustingLedger) -> None:
        """Conditions and spans are about the event, not about when it was adjusted."""
        events = [
            make_event(id="a", cost=None, customer_id="acme", tags={"plan": "pro"}, at=NOON),
            make_event(id="b", cost=None, customer_id="acme", at=NOON + 10),
            make_event(id="c", cost=None, session_id="run-1", at="2026-11-24T12:00"),
        ]
        ledger.append(events)
        ledger.adjust([make_adjustment(event, "0.25") for event in events])
        cases: list[tuple[dict[str, Any], list[str]]] = [
            ({}, ["a", "b", "c"]),
            ({"where": {"customer": "acme"}}, ["a", "b"]),
            ({"where": {"customer": None}}, ["c"]),
            ({"where": {"tag:plan": "pro"}}, ["a"]),
            ({"where": {"session": "run-1"}}, ["c"]),
            ({"where": {"tag:plan": None, "day": "2026-11-23"}}, ["b"]),
            ({"since": NOON + 1, "until": NOON + 11}, ["b"]),
        ]
        for query, expected in cases:
            assert [one.event.id for one in ledger.standings(SpendQuery(**query))] == expected
            assert [one.event_id for one in ledger.adjustments(SpendQuery(**query))] == expected[::-1]
        assert [one.event_id for one in ledger.adjustments(SpendQuery(), limit=1)] == ["c"]

    def test_of_many_at_once_one_counts(self, ledger: AdjustingLedger) -> None:
        """Eight threads that adjust the same events from the same cost make one adjustment of each."""
        events = [make_event(cost=None) for _ in range(20)]
        ledger.append(events)
        together = threading.Barrier(8)

        def adjust(number: int) -> int:
            together.wait()
            return sum(ledger.adjust([make_adjustment(event, f"{number + 1}.00", run=f"{number}")]) for event in events)

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(adjust, range(8))) == 20
        standing = ledger.standings(SpendQuery())
        assert total(ledger).cost_nanos == sum(one.cost_nanos or 0 for one in standing)
        assert total(ledger).unpriced_calls == 0

    def test_a_closed_ledger_refuses(self, ledger: AdjustingLedger) -> None:
        """Nothing is adjusted or read afterwards."""
        event = make_event(cost=None)
        ledger.append([event])
        ledger.close()
        for use in (
            lambda: ledger.adjust([make_adjustment(event, "0.25")]),
            lambda: ledger.standings(SpendQuery()),
            lambda: ledger.adjustments(SpendQuery()),
        ):
            with pytest.raises(LedgerError):
                use()
