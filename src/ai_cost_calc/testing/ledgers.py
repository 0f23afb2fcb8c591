"""What every ledger promises, as tests: subclass `LedgerConformance`, give it a `ledger` fixture, run pytest."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest

from ai_cost_calc.core.event import MICROS, UsageEvent
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.errors import LedgerError
from ai_cost_calc.ports.ledgers import Ledger, SpendQuery, SpendRow
from ai_cost_calc.testing._forks import exit_code, forked
from ai_cost_calc.testing.records import NOON, costs, make_event, make_revenue, moment, total

__all__ = ["LedgerConformance", "make_event", "make_revenue"]


class _Sums:
    """What `append` keeps and `spend` counts."""

    def test_append_returns_how_many_were_new(self, ledger: Ledger) -> None:
        """Only records that were not kept before count as new."""
        first, second = make_event(), make_event()
        assert ledger.append([first]) == 1
        assert ledger.append([first, second, make_revenue()]) == 2
        assert ledger.append([]) == 0

    def test_append_is_idempotent(self, ledger: Ledger) -> None:
        """Sending the same event twice counts it once, whatever the second one says."""
        event = make_event(id="a", cost="0.25")
        ledger.append([event])
        ledger.append([event])
        ledger.append([make_event(id="a", cost="9.00", customer_id="other")])
        assert ledger.spend(SpendQuery(by=("customer",))) == [
            SpendRow(group=(None,), cost_nanos=250_000_000, calls=1, usage=event.usage)
        ]

    def test_duplicates_within_one_append_count_once(self, ledger: Ledger) -> None:
        """An event that stands twice in a batch counts once, and the rest of the batch is kept."""
        event = make_event(cost="0.25")
        assert ledger.append([event, event, make_event(cost="0.50")]) == 2
        assert total(ledger).cost_nanos == 750_000_000

    def test_a_token_counts_once(self, ledger: Ledger) -> None:
        """The caller's own idempotency key keeps a second event out, with another id and in a later append."""
        ledger.append([make_event(cost="0.25", token="order-1"), make_event(cost="0.50", token="order-1")])
        ledger.append([make_event(cost="0.75", token="order-1"), make_event(cost="1.00", token="order-2")])
        assert total(ledger).cost_nanos == 1_250_000_000

    def test_events_without_a_token_are_all_kept(self, ledger: Ledger) -> None:
        """No token, or an empty one, is not a token that two events share."""
        assert ledger.append([make_event(), make_event(), make_event(token=""), make_event(token="")]) == 4

    def test_revenue_is_idempotent(self, ledger: Ledger) -> None:
        """Revenue counts once by id, and once by source and external id."""
        paid = make_revenue(amount="5.00", source="stripe", external_id="in_1")
        assert ledger.append([paid]) == 1
        assert ledger.append([paid]) == 0
        assert ledger.append([make_revenue(amount="7.00", source="stripe", external_id="in_1")]) == 0
        assert ledger.append([make_revenue(amount="1.00", source="csv", external_id="in_1")]) == 1
        assert ledger.append([make_revenue(), make_revenue()]) == 2
        assert total(ledger).revenue_nanos == 8_000_000_000

    def test_usage_and_revenue_may_share_an_id(self, ledger: Ledger) -> None:
        """The two kinds of records do not keep each other out."""
        assert ledger.append([make_event(id="a"), make_revenue(id="a")]) == 2

    @pytest.mark.parametrize(
        "wrong",
        [
            {"at": -1},
            {"at": 253_402_300_800 * MICROS},
            {"cost_nanos": 0.5},
            {"id": ""},
        ],
        ids="-".join,
    )
    def test_append_keeps_all_or_nothing(self, ledger: Ledger, wrong: dict[str, Any]) -> None:
        """A record that cannot be kept exactly fails its whole append, and what was kept before stays."""
        ledger.append([make_event(cost="0.25")])
        with pytest.raises(LedgerError):
            ledger.append([make_event(), make_revenue(), make_event(**{"at": NOON, **wrong}), make_event()])
        assert total(ledger) == SpendRow(cost_nanos=250_000_000, calls=1, usage=make_event().usage)
        assert len(ledger.events(SpendQuery())) == 1

    def test_amounts_of_revenue_must_be_whole(self, ledger: Ledger) -> None:
        """Revenue in a float is refused."""
        with pytest.raises(LedgerError):
            ledger.append([make_revenue(), make_revenue(amount_nanos=0.5)])
        assert total(ledger).revenue_nanos == 0

    def test_writes_are_read_at_once(self, ledger: Ledger) -> None:
        """Each append is in the very next sum."""
        for number in range(1, 6):
            ledger.append([make_event(cost="0.10")])
            assert total(ledger).cost_nanos == number * 100_000_000

    def test_sums_are_exact(self, ledger: Ledger) -> None:
        """Sums beyond what a float holds are right to the nano-dollar."""
        most = 2**53 - 1
        ledger.append([make_event(cost_nanos=most) for _ in range(9)] + [make_event(cost_nanos=1)])
        (row,) = ledger.spend(SpendQuery(by=("customer",)))
        assert (row.cost_nanos, type(row.cost_nanos)) == (9 * most + 1, int)

    def test_a_sum_too_large_is_exact_or_an_error(self, ledger: Ledger) -> None:
        """Beyond 64 bits a sum may be refused, but is never rounded, and what was kept stays readable."""
        half = 2**62
        ledger.append([make_revenue(amount_nanos=half)])
        try:
            ledger.append([make_revenue(amount_nanos=half), make_revenue(amount_nanos=half)])
            expected = 3 * half
        except LedgerError:
            expected = half
        assert total(ledger).revenue_nanos == expected

    def test_negative_amounts_are_summed(self, ledger: Ledger) -> None:
        """Corrections and refunds take away."""
        ledger.append([make_event(cost="1.00"), make_event(cost="-0.25")])
        ledger.append([make_revenue(amount="5.00"), make_revenue(amount="-2.00")])
        row = total(ledger)
        assert (row.cost_nanos, row.revenue_nanos, row.margin_nanos) == (750_000_000, 3_000_000_000, 2_250_000_000)

    def test_an_unknown_price_is_counted_not_added(self, ledger: Ledger) -> None:
        """Calls without a price, in whole or in part, add to `unpriced_calls`; the known part adds to the cost."""
        ledger.append([make_event(cost=None), make_event(cost="0.25", unpriced=("images",)), make_event(cost="0.50")])
        row = total(ledger)
        assert (row.calls, row.unpriced_calls, row.cost_nanos) == (3, 2, 750_000_000)

    def test_estimated_cost_is_shown_apart(self, ledger: Ledger) -> None:
        """The part of the cost that rests on estimates is also summed alone."""
        ledger.append([make_event(cost="0.25", estimated=True), make_event(cost="0.50")])
        ledger.append([make_event(cost=None, estimated=True)])
        row = total(ledger)
        assert (row.estimated_nanos, row.cost_nanos) == (250_000_000, 750_000_000)

    def test_every_count_is_summed(self, ledger: Ledger) -> None:
        """Each count of a usage comes back as the sum of that count."""
        usage = Usage(**_EVERY_COUNT)
        ledger.append([make_event(usage=usage), make_event(usage=usage, customer_id="acme")])
        assert total(ledger).usage == usage + usage
        assert total(ledger, where={"customer": "acme"}).usage == usage

    def test_seconds_of_audio_are_exact_to_the_microsecond(self, ledger: Ledger) -> None:
        """A tenth of a second ten times is one second, which floats do not add up to."""
        ledger.append([make_event(usage=Usage(audio_seconds=0.1)) for _ in range(10)])
        ledger.append([make_event(usage=Usage(audio_seconds=0.000_001), customer_id="acme")])
        assert total(ledger, where={"customer": None}).usage == Usage(audio_seconds=1)
        assert total(ledger).usage == Usage(audio_seconds=1.000_001)

    def test_other_currencies_are_counted_not_added(self, ledger: Ledger) -> None:
        """Revenue in euros is not taken for dollars; its records are counted, so that a report can say so."""
        ledger.append([make_revenue(amount="5.00", currency="EUR"), make_revenue(amount="2.00", currency="usd")])
        row = total(ledger)
        assert (row.revenue_nanos, row.unconverted_revenue) == (2_000_000_000, 1)


class _Groups:
    """How sums are grouped, selected and ordered."""

    def test_an_empty_ledger_has_one_empty_row(self, ledger: Ledger) -> None:
        """Without groups there is always exactly one row, with groups none where there is nothing."""
        assert ledger.spend(SpendQuery()) == [SpendRow()]
        assert ledger.spend(SpendQuery(where={"customer": "acme"}, since=NOON)) == [SpendRow()]
        assert ledger.spend(SpendQuery(by=("customer",))) == []
        assert ledger.events(SpendQuery()) == []

    @pytest.mark.parametrize(
        ("dimension", "field"),
        [
            ("customer", "customer_id"),
            ("feature", "feature"),
            ("session", "session_id"),
            ("provider", "provider"),
            ("model", "model"),
        ],
    )
    def test_grouped_by_a_label(self, ledger: Ledger, dimension: str, field: str) -> None:
        """Each value is a group, and so is having none; an empty value is the same as none."""
        for value, cost in (("a", "0.25"), ("b", "2.00"), (None, "1.00"), ("", "0.50"), ("a", "0.25")):
            fields: dict[str, Any] = {field: value}
            ledger.append([make_event(cost=cost, **fields)])
        assert costs(ledger, dimension) == {("b",): 2_000_000_000, (None,): 1_500_000_000, ("a",): 500_000_000}

    @pytest.mark.parametrize("name", ["plan", 'a "quoted" $.name', "ключ", "a.b[0]"])
    def test_grouped_by_a_tag(self, ledger: Ledger, name: str) -> None:
        """Each value of a tag is a group, and so is not having it, whatever characters its name has."""
        events = [
            make_event(cost="3.00", tags={name: "pro", "other": "free"}),
            make_event(cost="1.00", tags={name: "free"}),
            make_event(cost="0.50", tags={"other": "pro"}),
            make_event(cost="0.25"),
            make_event(cost="0.25", tags={name: ""}),
        ]
        ledger.append(events)
        by_tag = f"tag:{name}"
        assert costs(ledger, by_tag) == {("pro",): 3_000_000_000, (None,): 1_000_000_000, ("free",): 1_000_000_000}
        assert total(ledger, where={by_tag: "free"}).calls == 1
        assert total(ledger, where={by_tag: None}).calls == 3
        assert total(ledger, where={by_tag: "pro", "tag:other": "free"}).calls == 1

    def test_grouped_by_several(self, ledger: Ledger) -> None:
        """Groups carry their values in the order asked for."""
        ledger.append([make_event(cost="2.00", customer_id="acme", feature="chat", tags={"plan": "pro"})])
        ledger.append([make_event(cost="1.00", customer_id="acme", session_id="run-1")])
        assert costs(ledger, "feature", "customer") == {
            ("chat", "acme"): 2_000_000_000,
            (None, "acme"): 1_000_000_000,
        }
        assert costs(ledger, "session", "tag:plan", "day") == {
            (None, "pro", "2026-11-23"): 2_000_000_000,
            ("run-1", None, "2026-11-23"): 1_000_000_000,
        }

    def test_rows_are_ordered_by_cost_then_group(self, ledger: Ledger) -> None:
        """The dearest comes first; equals are in the order of their names, none before any."""
        ledger.append([make_event(cost="1.00", customer_id=name) for name in ("b", "a", "B", None)])
        ledger.append([make_event(cost="2.00", customer_id="z")])
        assert [row.group[0] for row in ledger.spend(SpendQuery(by=("customer",)))] == ["z", None, "B", "a", "b"]

    def test_revenue_stands_beside_cost(self, ledger: Ledger) -> None:
        """Revenue joins the group of its customer and feature; it has no model, so by model it is in the group none."""
        ledger.append([make_event(cost="1.00", customer_id="acme", feature="chat", model="gpt-5")])
        ledger.append([make_revenue(amount="5.00", customer_id="acme", feature="chat"), make_revenue(amount="7.00")])
        by_customer = ledger.spend(SpendQuery(by=("customer", "feature")))
        assert [(row.group, row.cost_nanos, row.revenue_nanos, row.calls) for row in by_customer] == [
            (("acme", "chat"), 1_000_000_000, 5_000_000_000, 1),
            ((None, None), 0, 7_000_000_000, 0),
        ]
        by_model = ledger.spend(SpendQuery(by=("model",)))
        assert [(row.group, row.revenue_nanos) for row in by_model] == [(("gpt-5",), 0), ((None,), 12_000_000_000)]
        assert total(ledger, where={"model": "gpt-5"}).revenue_nanos == 0
        assert total(ledger, where={"feature": "chat"}).revenue_nanos == 5_000_000_000
        assert total(ledger, where={"tag:plan": None, "session": None}).revenue_nanos == 12_000_000_000

    def test_selected_by_labels(self, ledger: Ledger) -> None:
        """Every condition must hold; `None` selects records without a value."""
        ledger.append([
            make_event(cost="1.00", customer_id="acme", feature="chat"),
            make_event(cost="2.00", customer_id="acme"),
            make_event(cost="4.00", customer_id="zeta", feature="chat", session_id="run-1"),
        ])  # fmt: skip
        assert total(ledger, where={"customer": "acme"}).cost_nanos == 3_000_000_000
        assert total(ledger, where={"customer": "acme", "feature": "chat"}).cost_nanos == 1_000_000_000
        assert total(ledger, where={"feature": None}).cost_nanos == 2_000_000_000
        assert total(ledger, where={"session": "run-1", "provider": "openai"}).cost_nanos == 4_000_000_000
        assert total(ledger, where={"customer": "nobody"}) == SpendRow()
        assert costs(ledger, "customer", where={"feature": "chat"}) == {
            ("zeta",): 4_000_000_000,
            ("acme",): 1_000_000_000,
        }

    def test_since_is_inside_and_until_outside(self, ledger: Ledger) -> None:
        """A span includes its first microsecond, and ends before its last."""
        ledger.append([make_event(cost="1.00", at=NOON + step) for step in (-1, 0, 1)])
        ledger.append([make_revenue(amount="1.00", at=NOON + step) for step in (-1, 0, 1)])
        for since, until, number in ((NOON, None, 2), (None, NOON, 1), (NOON, NOON + 1, 1), (NOON, NOON, 0)):
            row = total(ledger, since=since, until=until)
            assert (row.calls, row.revenue_nanos) == (number, number * 1_000_000_000)

    def test_long_spans_with_odd_edges_count_every_record_once(self, ledger: Ledger) -> None:
        """Records on and around the edges of hours and days count exactly when they lie in the span."""
        first, last = moment("2026-11-20T22:59:59.999999"), moment("2026-11-25T01:00:00.000001")
        edges = [first, last, *(moment(f"2026-11-{day}T{time}") for day in (21, 23, 24, 25) for time in _EDGES)]
        moments = sorted({edge + step for edge in edges for step in (-1, 0, 1)})
        ledger.append([make_event(cost="1.00", at=at, customer_id="acme") for at in moments])
        inside = sum(first <= at < last for at in moments)
        assert total(ledger, since=first, until=last).calls == inside
        assert total(ledger, since=first, until=last, where={"customer": "acme"}).calls == inside
        assert costs(ledger, "customer", since=first, until=last) == {("acme",): inside * 1_000_000_000}

    def test_organizations_are_apart(self, ledger: Ledger) -> None:
        """The same ids and labels in another organization are other records, which a query does not see."""
        ledger.append([make_event(id="a", cost="1.00", customer_id="acme", token="t", tags={"plan": "pro"})])
        other = make_event(id="a", cost="2.00", customer_id="acme", token="t", tags={"plan": "pro"})
        theirs = UsageEvent(**{**_fields(other), "organization": "theirs"})
        assert ledger.append([theirs, make_revenue(organization="theirs")]) == 2
        assert total(ledger).cost_nanos == 1_000_000_000
        assert total(ledger, where={"tag:plan": "pro"}).cost_nanos == 1_000_000_000
        assert total(ledger, organization="theirs").cost_nanos == 2_000_000_000
        assert total(ledger, organization="nobody") == SpendRow()
        assert [event.organization for event in ledger.events(SpendQuery(organization="theirs"))] == ["theirs"]


class _Times:
    """Hours, days and months in a timezone."""

    def test_hours_days_and_months_have_names(self, ledger: Ledger) -> None:
        """Groups of time are named as ISO 8601 does, and sort as text."""
        ledger.append(
            [make_event(cost="1.00", at="2026-11-23T14:59:59"), make_event(cost="1.00", at="2026-12-01T00:00")]
        )
        assert list(costs(ledger, "hour")) == [("2026-11-23T14",), ("2026-12-01T00",)]
        assert list(costs(ledger, "day")) == [("2026-11-23",), ("2026-12-01",)]
        assert list(costs(ledger, "month")) == [("2026-11",), ("2026-12",)]

    @pytest.mark.parametrize(
        ("timezone", "before", "after"),
        [
            ("UTC", "2026-11-30T23:59:59.999999", "2026-12-01T00:00"),
            ("Europe/Berlin", "2026-11-30T22:59:59.999999", "2026-11-30T23:00"),
            ("America/New_York", "2026-12-01T04:59:59.999999", "2026-12-01T05:00"),
            ("Asia/Kolkata", "2026-11-30T18:29:59.999999", "2026-11-30T18:30"),
            ("Asia/Kathmandu", "2026-11-30T18:14:59.999999", "2026-11-30T18:15"),
        ],
    )
    def test_days_and_months_follow_the_timezone(self, ledger: Ledger, timezone: str, before: str, after: str) -> None:
        """Midnight is the timezone's own, also where its offset is no whole hour."""
        ledger.append([make_event(cost="1.00", at=before), make_event(cost="2.00", at=after)])
        one, two = 1_000_000_000, 2_000_000_000
        assert costs(ledger, "month", timezone=timezone) == {("2026-12",): two, ("2026-11",): one}
        assert costs(ledger, "day", timezone=timezone) == {("2026-12-01",): two, ("2026-11-30",): one}
        assert costs(ledger, "hour", timezone=timezone) == {("2026-12-01T00",): two, ("2026-11-30T23",): one}
        assert total(ledger, timezone=timezone, where={"day": "2026-12-01"}).cost_nanos == two

    def test_days_follow_daylight_saving(self, ledger: Ledger) -> None:
        """A local day has 23 or 25 hours where the clocks change; the hour that repeats is one group."""
        spring = [make_event(at=at) for at in ("2026-03-28T22:59:59", "2026-03-28T23:00", "2026-03-29T21:59:59")]
        autumn = [make_event(at=at) for at in ("2026-10-25T00:30", "2026-10-25T01:30", "2026-10-25T23:00")]
        ledger.append([*spring, *autumn])
        rows = ledger.spend(SpendQuery(by=("day",), timezone="Europe/Berlin"))
        assert {row.group[0]: row.calls for row in rows} == {
            "2026-03-28": 1, "2026-03-29": 2, "2026-10-25": 2, "2026-10-26": 1,
        }  # fmt: skip
        hours = ledger.spend(SpendQuery(by=("hour",), timezone="Europe/Berlin", where={"day": "2026-10-25"}))
        assert [(row.group[0], row.calls) for row in hours] == [("2026-10-25T02", 2)]

    def test_by_customer_and_day_in_a_timezone(self, ledger: Ledger) -> None:
        """Labels and times group together, over a span that begins and ends at local midnights."""
        ledger.append([make_event(cost="1.00", at=f"2026-11-{day}T23:30", customer_id="acme") for day in (20, 21, 22)])
        found = costs(
            ledger, "customer", "day", timezone="Europe/Berlin",
            since=moment("2026-11-22T00:00:00+01:00"), until=moment("2026-11-23T00:00:00+01:00"),
        )  # fmt: skip
        assert found == {("acme", "2026-11-22"): 1_000_000_000}

    def test_unknown_dimensions_and_timezones_are_refused(self) -> None:
        """A query that no ledger could answer cannot be made; the message says what there is."""
        with pytest.raises(ValueError, match=r"choose among customer, .* or tag:<name>"):
            SpendQuery(by=("colour",))
        with pytest.raises(ValueError, match=r"choose among"):
            SpendQuery(where={"tag:": "pro"})
        with pytest.raises(ValueError, match=r"Mars/Olympus"):
            SpendQuery(timezone="Mars/Olympus")


class _Events:
    """Reading events back."""

    def test_an_event_comes_back_as_it_was(self, ledger: Ledger) -> None:
        """Every field survives, with text of any kind."""
        event = make_event(
            organization="default", customer_id="ключ\x00", feature="chat", session_id="run-7", tags={"plan": 'p"ro'},
            usage=Usage(input_tokens=10, cache_read_tokens=5, output_tokens=3, images=2, audio_seconds=1.5),
            price_version="2026-11-20+abcd", unpriced=("images",), complete=False, estimated=True, status="aborted",
            latency_ms=812, response_id="resp_1", service_tier="flex", speed="fast", region="eu",
            context={"search": "low"}, calls=7, computed_nanos=123, token="order-1",
            anomaly="more cached than prompt tokens",
        )  # fmt: skip
        plain = UsageEvent(id="zz", at=NOON - 1)
        ledger.append([event, plain])
        assert ledger.events(SpendQuery()) == [event, plain]

    def test_newest_first_by_time_and_id(self, ledger: Ledger) -> None:
        """The newest come first, at most `limit` of them, in whatever order they were kept."""
        late, early, same = make_event(id="b", at=NOON + 5), make_event(id="c", at=NOON), make_event(id="d", at=NOON)
        ledger.append([early, late])
        ledger.append([same])
        assert [event.id for event in ledger.events(SpendQuery())] == ["b", "d", "c"]
        assert [event.id for event in ledger.events(SpendQuery(), limit=2)] == ["b", "d"]
        assert ledger.events(SpendQuery(), limit=0) == ledger.events(SpendQuery(), limit=-1) == []

    def test_events_are_selected_like_sums(self, ledger: Ledger) -> None:
        """Conditions, spans and days select events as they select sums; revenue is no event."""
        ledger.append([
            make_event(id="a", customer_id="acme", tags={"plan": "pro"}, at=NOON),
            make_event(id="b", customer_id="acme", at=NOON + 10),
            make_event(id="c", at="2026-11-24T12:00"),
            make_revenue(customer_id="acme"),
        ])  # fmt: skip
        cases: list[tuple[dict[str, Any], list[str]]] = [
            ({"where": {"customer": "acme"}}, ["b", "a"]),
            ({"where": {"customer": None}}, ["c"]),
            ({"where": {"tag:plan": "pro"}}, ["a"]),
            ({"where": {"tag:plan": None, "day": "2026-11-23"}}, ["b"]),
            ({"since": NOON + 1, "until": NOON + 11}, ["b"]),
            ({"since": NOON, "until": NOON + 10}, ["a"]),
        ]
        for query, expected in cases:
            assert [event.id for event in ledger.events(SpendQuery(**query))] == expected

    def test_following_a_ledger_misses_nothing(self, ledger: Ledger) -> None:
        """After an event come those kept later, in that order, also when they happened earlier and have lower ids."""
        ledger.append([make_event(id="m", at=NOON)])
        ledger.append([make_event(id="a", at=NOON - 10), make_event(id="z", at=NOON + 10)])
        ledger.append([make_event(id="b", at=NOON - 20, customer_id="acme")])
        assert [event.id for event in ledger.events(SpendQuery(), after="m")] == ["a", "z", "b"]
        assert [event.id for event in ledger.events(SpendQuery(), after="a", limit=1)] == ["z"]
        assert [event.id for event in ledger.events(SpendQuery(where={"customer": "acme"}), after="m")] == ["b"]
        assert ledger.events(SpendQuery(), after="b") == []

    def test_reading_all_of_a_ledger_page_by_page(self, ledger: Ledger) -> None:
        """Starting with an empty `after` and going on from each page's last event visits every event once."""
        ledger.append([make_event(id=f"{number}", at=NOON - number) for number in range(7)])
        seen: list[str] = []
        while page := ledger.events(SpendQuery(), limit=3, after=seen[-1] if seen else ""):
            seen += [event.id for event in page]
        assert seen == ["0", "1", "2", "3", "4", "5", "6"]

    def test_following_an_unknown_event_is_an_error(self, ledger: Ledger) -> None:
        """An event that the organization does not have is no place to go on from."""
        ledger.append([make_event(id="a", organization="theirs")])
        with pytest.raises(LedgerError, match="'a'"):
            ledger.events(SpendQuery(), after="a")


class _Sharing:
    """Threads, forks and the end."""

    def test_threads_share_a_ledger(self, ledger: Ledger) -> None:
        """Eight threads that append at once, each event twice, and read between, count every event once."""
        batches = [[make_event(cost="0.01", customer_id=f"c{batch % 5}") for _ in range(10)] for batch in range(40)]
        together = threading.Barrier(8)

        def work(number: int) -> int:
            together.wait()
            new = 0
            for batch in batches[number % 4 :: 4]:
                new += ledger.append(batch)
                assert total(ledger).cost_nanos % 100_000_000 == 0
            return new

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(work, range(8))) == 400
        assert total(ledger).calls == 400
        assert costs(ledger, "customer") == {(f"c{number}",): 800_000_000 for number in range(5)}

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
    def test_a_forked_child_goes_on(self, ledger: Ledger) -> None:
        """A child reads and appends while a thread of its parent does, and neither waits for the other's locks."""
        ledger.append([make_event()])
        stop = threading.Event()

        def append_and_read() -> int:
            event = make_event(id=f"child-{os.getpid()}", customer_id="child")
            kept = ledger.append([event])
            return int(kept != 1 or event not in ledger.events(SpendQuery(where={"customer": "child"})))

        with ThreadPoolExecutor(1) as pool:
            busy = pool.submit(lambda: [ledger.append([make_event()]) for _ in iter(stop.is_set, True)])
            codes = [exit_code(child) for child in [forked(append_and_read) for _ in range(3)]]
            stop.set()
            assert all(busy.result())
        assert codes == [0, 0, 0]
        assert total(ledger).calls > 1

    def test_a_closed_ledger_refuses(self, ledger: Ledger) -> None:
        """Closing twice is fine; afterwards nothing is kept or read."""
        ledger.append([make_event()])
        ledger.close()
        ledger.close()
        for use in (
            lambda: ledger.append([make_event()]),
            lambda: ledger.spend(SpendQuery()),
            lambda: ledger.events(SpendQuery()),
        ):
            with pytest.raises(LedgerError):
                use()


class LedgerConformance(_Sums, _Groups, _Times, _Events, _Sharing):
    """The promises of `ports.ledgers.Ledger`, each as a test.

    Subclass it and provide a `ledger` fixture that gives an empty ledger:

        class TestMyLedger(LedgerConformance):
            @pytest.fixture
            def ledger(self, tmp_path):
                ledger = MyLedger(tmp_path)
                yield ledger
                ledger.close()
    """


def _fields(event: UsageEvent) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__struct_fields__}


_TOTALS: Final = {"input_tokens": 64, "output_tokens": 64, "cache_read_tokens": 4, "cache_write_tokens": 2}
_EVERY_COUNT: Final = {name: _TOTALS.get(name, 1) for name in Usage.__struct_fields__}
_EDGES: Final = ("00:00:00", "00:30:00", "01:00:00", "23:00:00", "23:59:59.999999")
