"""Interrupts at any line of ours, as Ctrl-C makes them: nothing stays held, and what was paid for counts once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from decimal import Decimal
from types import CodeType, FrameType
from typing import Any

import openai
import pytest

import ai_cost_calc
from ai_cost_calc import AiCostCalc, Budget
from ai_cost_calc.budgets import memory
from ai_cost_calc.client.call import Call
from ai_cost_calc.context import current_frame
from ai_cost_calc.providers._call import TappedCall
from ai_cost_calc.testing import ProviderSimulator
from tests.conftest import MakeCalc
from tests.providers.readers.bodies import PLAIN, chat

OURS = ai_cost_calc.__path__[0]
Apart = Callable[[Callable[[], int]], int]
ANSWER = chat(PLAIN, model="gpt-4o")
ASK: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Describe the fjord."}]}


class Interrupter:
    """Interrupts the n-th line that is run while one function of ours runs; the store's own are tested beside it."""

    def __init__(self, within: CodeType, number: int) -> None:
        self._within = within
        self._left = number
        self._inside = False
        self.interrupted = False

    def __call__(self, frame: FrameType, event: str, _: object) -> Any:
        """Trace one frame, or one line (`sys.settrace`)."""
        code = frame.f_code
        if event == "call" and code is self._within:
            self._inside = True
        elif event == "return" and code is self._within:
            self._inside = False
        elif event == "line" and self._inside and code.co_filename != memory.__file__:
            self._left -= 1
            if self._left == 0:
                self.interrupted = True
                raise KeyboardInterrupt
        return self if code.co_filename.startswith(OURS) else None


@contextmanager
def interrupting(within: Callable[..., Any], number: int) -> Iterator[Interrupter]:
    """A block in which the n-th line within a function is interrupted, if there are so many."""
    interrupter, before = Interrupter(within.__code__, number), sys.gettrace()
    sys.settrace(interrupter)
    try:
        with suppress(KeyboardInterrupt):
            yield interrupter
    finally:
        sys.settrace(before)


@pytest.fixture
def calc(make_calc: MakeCalc) -> AiCostCalc:
    """A client with two budgets that every call counts for."""
    return make_calc(budgets=[Budget("100", per="day"), Budget(100_000, per="total", unit="calls")], durability="none")


def amounts(calc: AiCostCalc) -> list[tuple[Decimal, Decimal]]:
    """What each budget has spent, and holds."""
    return [(status.spent, status.held) for status in calc.budgets.status()]


@pytest.fixture
def apart() -> Iterator[Apart]:
    """Run something in a thread of its own: where a trace function raises, 3.11 may handle an error for ever."""
    with ThreadPoolExecutor(1) as threads:
        yield lambda work: threads.submit(work).result()


def check_every_line(calc: AiCostCalc, within: Callable[..., Any], call: Callable[[], object], *, paid: bool) -> int:
    """Interrupt every line within a function, one after the other; how many there were."""
    call()
    ((once, _), _), number = amounts(calc), 0
    while True:
        before = [spent for spent, _ in amounts(calc)]
        with interrupting(within, number + 1) as interrupter:
            call()
        if not interrupter.interrupted:
            break
        number += 1
        added = [once, Decimal(1)] if paid else [Decimal(0), Decimal(0)]
        expected = [(spent + more, Decimal(0)) for spent, more in zip(before, added, strict=True)]
        assert amounts(calc) == expected, f"line {number} within {within.__qualname__}"
        assert current_frame().outer is None
    calc.flush()
    assert sum(row.calls for row in calc.report()) == 2 + number * paid
    return number


@pytest.mark.parametrize(("within", "paid"), [(Call.open, False), (Call._bill, True)])
def test_an_interrupted_block(calc: AiCostCalc, apart: Apart, within: Callable[..., Any], *, paid: bool) -> None:
    """While it reserves, nothing was spent; while it prices what was recorded, that counts once on every budget."""

    def call() -> None:
        with calc.guard(customer_id="acme") as block:
            block.record(ANSWER, provider="openai", api="chat")

    assert apart(lambda: check_every_line(calc, within, call, paid=paid)) > 40


@pytest.mark.parametrize(
    ("within", "paid", "lines"),
    [(Call.open, False, 40), (TappedCall.through, False, 10), (TappedCall._take, True, 40), (Call._bill, True, 40)],
)
def test_an_interrupted_call_of_a_client(
    calc: AiCostCalc,
    apart: Apart,
    simulator: ProviderSimulator,
    within: Callable[..., Any],
    lines: int,
    *,
    paid: bool,
) -> None:
    """Before it is sent, nothing was spent; while its answer is read and priced, that counts once on every budget."""
    http = openai.DefaultHttpxClient(verify=False)
    with openai.OpenAI(base_url=simulator.openai_base_url, api_key="any", http_client=http) as client:
        calc.wrap(client)

        def call() -> None:
            client.chat.completions.create(**ASK)

        assert apart(lambda: check_every_line(calc, within, call, paid=paid)) >= lines


@pytest.mark.parametrize("within", [Call.open, Call._bill, Call._return_borrowed])
def test_an_interrupted_call_inside_of_a_block(
    calc: AiCostCalc, apart: Apart, simulator: ProviderSimulator, within: Callable[..., Any]
) -> None:
    """The block's hold, which the call uses, is ended as well."""
    http = openai.DefaultHttpxClient(verify=False)
    with openai.OpenAI(base_url=simulator.openai_base_url, api_key="any", http_client=http) as client:
        calc.wrap(client)
        assert apart(lambda: check_blocks(calc, simulator, client, within)) > 5


def check_blocks(calc: AiCostCalc, simulator: ProviderSimulator, client: Any, within: Callable[..., Any]) -> int:
    """Interrupt every line within a function, in a block of its own; how many there were."""
    number = 0
    while True:
        sent, before = len(simulator.requests), amounts(calc)[1][0]
        with interrupting(within, number + 1) as interrupter, calc.guard(customer_id="acme"):
            client.chat.completions.create(**ASK)
        if not interrupter.interrupted:
            return number
        number += 1
        (_, held), (calls, calls_held) = amounts(calc)
        assert held == calls_held == 0, f"line {number} within {within.__qualname__}"
        assert calls - before == len(simulator.requests) - sent
