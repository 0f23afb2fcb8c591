"""Writes the page of the comparison: counts, names of models and amounts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from benchmarks.comparison.reasons import ANOTHER_RATE, STATED, marked, same
from benchmarks.comparison.usages import Call

UNEXPLAINED: Final = "not known"
PAGE: Final = """\
# Prices compared

Made on {date} by `nox -s compare`, from {calls} recorded responses of {providers} providers that say what was used. No
content of a response is here: only counts, names of models and amounts, in US dollars.

{versions}

## Against what providers stated

Some providers say in a response what it cost. `ai_cost_calc` takes that as the cost and keeps its own figure beside it;
here the two are compared, each at the prices of the time of the call. Equal means to the nano-dollar.

{stated}

{stated_differences}

## Against other libraries

The same usages, priced by the tables that ship with other libraries, all for 23 November 2026, 12:00 UTC: LiteLLM by
`cost_per_token`, tokencost by `calculate_cost_by_tokens`, openai-cost-calculator by `calculate_cost`. The first
calculates in floats, so a billionth of a dollar between two figures counts as equal. Models without a price anywhere
are those on your own machine, and deployments and gateways with names of their own.

{peers}

## Why figures differ

Found by pricing each call again as the other library may have done. LiteLLM leaves fees for tools to its
`completion_cost`, which wants the response itself; for models that its table no longer has it gives zero.

{reasons}

## Where others agree against us

Calls for which two libraries or more give one figure by another rate: the likeliest places for our table to be wrong.

{alone}

## Each model that differs

Sums over its calls.

{differences}
"""


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """What another library says: its name, its version, a figure for each call, and why it differs where it does."""

    name: str
    version: str
    costs: Sequence[Decimal | None]
    reasons: Mapping[int, str]


def page(calls: Sequence[Call], peers: Sequence[Side], *, date: str, versions: Mapping[str, str]) -> str:
    """The whole page."""
    stated = [call for call in calls if call.stated is not None]
    return PAGE.format(
        date=date,
        calls=len(calls),
        providers=len({call.reading.provider for call in calls}),
        versions=table(["library", "version"], versions.items()),
        stated=_stated(stated),
        stated_differences=_stated_differences(stated),
        peers=_peers(calls, peers),
        reasons=_reasons(peers),
        alone=_alone(calls, peers),
        differences=_differences(calls, peers),
    )


def outcome(ours: Decimal | None, theirs: Decimal | None) -> str:
    """Of two figures for one call: `equal`, `differ`, or who has none."""
    if ours is None:
        return "neither" if theirs is None else "we lack it"
    if theirs is None:
        return "they lack it"
    return "equal" if same(ours, theirs) else "differ"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _stated(stated: Sequence[Call]) -> str:
    found = _counted(stated, lambda call: call.reading.provider or "", lambda call: outcome(call.then, call.stated))
    rows = [(name, sum(of.values()), of["equal"], of["differ"], of["we lack it"]) for name, of in sorted(found.items())]
    total = ("all", *(sum(int(row[column]) for row in rows) for column in range(1, 5)))
    return table(["provider", "calls with a stated cost", "equal", "differ", "we have no price"], [*rows, total])


def _stated_differences(stated: Sequence[Call]) -> str:
    rows = []
    for call in stated:
        if outcome(call.then, call.stated) != "equal":
            why = f"no rate for {marked(call.unpriced)}" if call.unpriced else STATED.get(call.name, UNEXPLAINED)
            if call.then is None:
                why = "genai-prices has no price for this model"
            rows.append((f"`{call.name}`", _usd(call.stated), _usd(call.then), why))
    return table(["model", "stated", "ours", "why"], list(dict.fromkeys(rows)))


def _peers(calls: Sequence[Call], peers: Sequence[Side]) -> str:
    head = ["equal", "differ", "they lack it", "we lack it", "neither"]
    rows = []
    for peer in peers:
        found = Counter(outcome(call.now, cost) for call, cost in zip(calls, peer.costs, strict=True))
        rows.append((peer.name, *(found[name] for name in head)))
    return table(["library", *head], rows)


def _reasons(peers: Sequence[Side]) -> str:
    counted = {peer.name: Counter(peer.reasons.values()) for peer in peers}
    reasons = sorted({why for found in counted.values() for why in found})
    rows = [(why, *(counted[peer.name][why] for peer in peers)) for why in reasons]
    return table(["why", *(peer.name for peer in peers)], rows)


def _alone(calls: Sequence[Call], peers: Sequence[Side]) -> str:
    found: dict[str, list[tuple[Decimal, Decimal]]] = {}
    for place, call in enumerate(calls):
        costs = [peer.costs[place] or Decimal(0) for peer in peers if peer.reasons.get(place) == ANOTHER_RATE]
        agreed = next((cost for cost in costs if sum(same(cost, other) for other in costs) > 1), None)
        if agreed is not None and call.now is not None:
            found.setdefault(call.name, []).append((call.now, agreed))
    rows = [
        (f"`{name}`", len(pairs), _usd(sum((ours for ours, _ in pairs), Decimal(0))),
         _usd(sum((theirs for _, theirs in pairs), Decimal(0))))
        for name, pairs in sorted(found.items())
    ]  # fmt: skip
    return table(["model", "calls", "ours", "theirs"], rows)


def _differences(calls: Sequence[Call], peers: Sequence[Side]) -> str:
    rows = []
    for peer in peers:
        groups: dict[tuple[str, str], list[int]] = {}
        for place, why in peer.reasons.items():
            groups.setdefault((calls[place].name, why), []).append(place)
        for (name, why), places in sorted(groups.items()):
            ours = sum((calls[place].now or Decimal(0) for place in places), Decimal(0))
            theirs = sum((peer.costs[place] or Decimal(0) for place in places), Decimal(0))
            rows.append((peer.name, f"`{name}`", len(places), _usd(ours), _usd(theirs), why))
    return table(["library", "model", "calls", "ours", "theirs", "why"], rows)


def _counted(
    calls: Sequence[Call], group: Callable[[Call], str], kind: Callable[[Call], str]
) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for call in calls:
        found.setdefault(group(call), Counter())[kind(call)] += 1
    return found


def _usd(amount: Decimal | None) -> str:
    """To the nano-dollar, without zeros at the end."""
    return "none" if amount is None else f"{round(amount, 9).normalize():f}"
