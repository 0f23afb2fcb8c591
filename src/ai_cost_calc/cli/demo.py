"""`ai-cost-calc demo`: the main job on a simulated provider: no key, no network, real SDKs."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.live import Live
from rich.table import Table

from ai_cost_calc import AiCostCalc, Budget, BudgetExceeded
from ai_cost_calc.cli.options import JsonOption, LedgerOption
from ai_cost_calc.cli.output import FAILED, bar, console, errors, money, show_json, show_table, table
from ai_cost_calc.cli.report import margin_table
from ai_cost_calc.cli.shelf import counted
from ai_cost_calc.testing import ProviderSimulator

CUSTOMERS: Final = {"acme": 3, "globex": 0, "initech": 2}
"""Customers, and how many cents one use earns from each; globex is on a free trial."""
FEATURES: Final = ("chat", "summarize", "search")
LIMIT: Final = "0.05"
BLOCKED: Final = "initech"
_BAR: Final = 30
_BESIDE_BARS: Final = 44
"""What a budget's name and its amounts take of a line."""


@dataclass
class _Progress:
    """What the live display shows."""

    made: int = 0
    planned: int = 0
    answered: dict[str, int] = field(default_factory=dict)
    refusals: list[BudgetExceeded] = field(default_factory=list)


@dataclass(frozen=True)
class _Clients:
    openai: Any
    anthropic: Any


def demo(
    calls: Annotated[int, typer.Option("--calls", min=1, help="How many calls to plan.")] = 60,
    seed: Annotated[int, typer.Option("--seed", help="The same seed spends the same.")] = 7,
    ledger: LedgerOption = None,
    as_json: JsonOption = False,
) -> None:
    """See it work on a simulated provider: no key, no network.

    Three customers spend through the real SDKs, one meets a budget, and the margins are shown.
    """
    with _ledger_url(ledger) as url, ProviderSimulator(seed=seed) as simulator:
        budgets = [Budget(LIMIT, per="day", customer_id=BLOCKED, id=f"{BLOCKED}-day")]
        with AiCostCalc(url, budgets=budgets) as calc:
            clients = _clients(calc, simulator)
            errors.print(
                f"The real OpenAI and Anthropic SDKs, wrapped, talk to a provider simulated on {simulator.url}.\n"
                f"{BLOCKED} has a budget of ${LIMIT} a day; globex is on a free trial.\n"
            )
            progress = _spend(calc, clients, calls, random.Random(seed))  # noqa: S311 - a demo, not a secret
            found = calc.report("customer", since="today")
            by_feature = calc.report("feature", since="today")
            if as_json:
                show_json(
                    {"customers": found.as_dict(), "features": by_feature.as_dict(), "blocked": len(progress.refusals)}
                )
                return
            _show_refusal(progress, simulator)
            show_table(margin_table(by_feature, title="What each feature costs"))
            console.print()
            show_table(margin_table(found, title="Who earns and who loses money"))
            _say_what_is_next(ledger, waiting=calc.flush())


@contextmanager
def _ledger_url(ledger: str | None) -> Iterator[str]:
    if ledger is not None:
        yield ledger
        return
    with tempfile.TemporaryDirectory(prefix="ai-cost-calc-demo-") as folder:
        yield f"sqlite:///{Path(folder) / 'demo.db'}"


def _clients(calc: AiCostCalc, simulator: ProviderSimulator) -> _Clients:
    try:
        from anthropic import Anthropic
        from openai import OpenAI
    except ModuleNotFoundError as exc:
        errors.print(f"the demo needs the {exc.name} SDK: pip install 'ai-cost-calc[demo]'")
        raise typer.Exit(1) from exc
    return _Clients(
        openai=calc.wrap(OpenAI(base_url=simulator.openai_base_url, api_key="not-needed")),
        anthropic=calc.wrap(Anthropic(base_url=simulator.anthropic_base_url, api_key="not-needed")),
    )


def _spend(calc: AiCostCalc, clients: _Clients, calls: int, chance: random.Random) -> _Progress:
    progress = _Progress(planned=calls)
    with Live(console=errors, refresh_per_second=12, transient=True) as live:
        for _ in range(calls):
            customer, feature = chance.choice(list(CUSTOMERS)), chance.choice(FEATURES)
            _use(calc, clients, customer, feature, chance, progress)
            live.update(_picture(calc, progress))
    return progress


def _use(
    calc: AiCostCalc, clients: _Clients, customer: str, feature: str, chance: random.Random, progress: _Progress
) -> None:
    """One use of the product by a customer: a call, and what the customer pays for it."""
    progress.made += 1
    text = "Please look at this ticket and answer it. " * chance.randint(20, 400)
    try:
        with calc.attribute(customer_id=customer, feature=feature):
            _call(clients, feature, text, chance)
    except BudgetExceeded as refusal:
        progress.refusals.append(refusal)
        return
    progress.answered[customer] = progress.answered.get(customer, 0) + 1
    calc.track(customer_id=customer, event_type=feature, revenue_amount_in_cents=CUSTOMERS[customer])


def _call(clients: _Clients, feature: str, text: str, chance: random.Random) -> None:
    messages = [{"role": "user", "content": text}]
    if feature == "chat":
        stream = clients.openai.chat.completions.create(model="gpt-5", messages=messages, stream=True)
        for _ in stream:
            pass
    elif feature == "summarize":
        limit = chance.randint(400, 1_500)
        clients.anthropic.messages.create(model="claude-sonnet-4-6", max_tokens=limit, messages=messages)
    else:
        clients.openai.responses.create(model="gpt-5-mini", input=text)


def _picture(calc: AiCostCalc, progress: _Progress) -> Table:
    made = table(None, [("", False), ("", False), ("", True)])
    width = max(min(errors.width - _BESIDE_BARS, _BAR), _BAR // 4)
    made.add_row("calls", bar(progress.made / progress.planned, width), f"{progress.made}/{progress.planned}")
    for status in calc.budgets.status():
        made.add_row(
            f"budget {status.id}", bar(status.used or 0.0, width), f"{money(status.spent)} of {money(status.limit)}",
            style="red" if progress.refusals else None,
        )  # fmt: skip
    for customer, answered in sorted(progress.answered.items()):
        made.add_row(customer, "", f"{answered} answered")
    return made


def _say_what_is_next(ledger: str | None, waiting: int) -> None:
    if waiting:
        errors.print(f"\n{counted(waiting, 'record')} could not be written to {ledger} and are not counted above; "
                     "see: ai-cost-calc doctor", style="red", soft_wrap=True)  # fmt: skip
        raise typer.Exit(FAILED)
    if ledger is not None:
        console.print(f"\nKept in {ledger}: ai-cost-calc report --by feature --ledger {ledger}", soft_wrap=True)
    else:
        errors.print("\nNothing was kept. To look around in such books: ai-cost-calc demo --ledger sqlite:///demo.db",
                     style="dim")  # fmt: skip


def _show_refusal(progress: _Progress, simulator: ProviderSimulator) -> None:
    sent = len(simulator.requests)
    console.print(
        f"{progress.made} calls planned, {sent} requests sent, {len(progress.refusals)} stopped before they left."
    )
    if progress.refusals:
        console.print(f"First refusal: {progress.refusals[0]}", style="red")
    console.print()
