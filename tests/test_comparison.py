"""The comparison of prices: the page says what it was made with, and what it is made of works."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from ai_cost_calc import AiCostCalc, Reading, Usage
from benchmarks.comparison.__main__ import ask
from benchmarks.comparison.page import Side, outcome, page, table
from benchmarks.comparison.peers._answer import answer
from benchmarks.comparison.reasons import reason, same
from benchmarks.comparison.usages import TODAY, Call, priced, recorded_calls

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/explanation/price-comparison.md"
NAMES = {"litellm": "LiteLLM", "tokencost": "tokencost", "openai-cost-calculator": "openai-cost-calculator"}


@pytest.fixture(scope="module")
def calc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AiCostCalc]:
    """Our prices."""
    with AiCostCalc("memory:", data_dir=tmp_path_factory.mktemp("prices")) as made:
        yield made


def call(calc: AiCostCalc, provider: str, model: str, usage: Usage, **more: Any) -> Call:
    """A call of today."""
    return priced(Reading(provider=provider, model=model, usage=usage, **more), TODAY.timestamp(), calc)


def pinned() -> dict[str, str]:
    """The libraries that `nox -s compare` installs, and their versions."""
    for node in ast.parse((ROOT / "noxfile.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PRICE_TABLES":
            return dict(requirement.split("==") for requirement in ast.literal_eval(node.value))
    pytest.fail("noxfile.py pins no libraries to compare with")


def test_the_page_names_the_versions_it_was_made_with() -> None:
    """Those that are installed and pinned now: whoever raises one makes the page anew."""
    named = dict(re.findall(r"^\| ([\w.-]+) \| (\S+) \|$", PAGE.read_text(), flags=re.MULTILINE))
    assert named["genai-prices"] == version("genai-prices")
    assert named["ai_cost_calc"] == version("ai-cost-calc")
    assert {name: named[NAMES[name]] for name in pinned()} == pinned()


def test_every_difference_from_a_stated_cost_is_explained() -> None:
    """No row of the page says that a reason is not known."""
    assert "not known" not in PAGE.read_text()


@pytest.mark.recorded
def test_recordings_are_read_for_their_figures(recorded: Path, calc: AiCostCalc) -> None:
    """Calls come with counts, models and times; those with a stated cost have a figure of ours beside it."""
    calls = list(recorded_calls(recorded / "xai", calc))
    assert calls
    assert {call.reading.provider for call in calls} == {"x-ai"}
    assert all(call.usage.counts() and call.reading.provider_cost_usd is None for call in calls)
    stated = [call for call in calls if call.stated is not None]
    assert len(stated) > 10
    assert all(call.then is not None for call in stated)


@pytest.mark.parametrize(
    ("ours", "theirs", "found"),
    [("1", "1", "equal"), ("1", "1.000000001", "equal"), ("1", "1.000000002", "differ"), (None, "1", "we lack it"),
     ("1", None, "they lack it"), (None, None, "neither"), ("0", "0.5", "differ")],
)  # fmt: skip
def test_outcomes(ours: str | None, theirs: str | None, found: str) -> None:
    """A nano-dollar apart is equal, two are not; what has no price is not compared."""
    figures = [None if text is None else Decimal(text) for text in (ours, theirs)]
    assert outcome(*figures) == found


GPT_4O = Usage(input_tokens=1_000_000, cache_read_tokens=400_000, output_tokens=0)


@pytest.mark.parametrize(
    ("model", "usage", "theirs", "why"),
    [
        ("openai/gpt-4o", GPT_4O, "2.5", "cached input as any other"),
        ("openai/gpt-4o", GPT_4O, "0", "comes to nothing"),
        ("openai/gpt-4o", GPT_4O, "7", "another rate"),
        ("openai/gpt-4o", GPT_4O + Usage(web_searches=3), "2", "without fees for the provider's tools"),
        ("perplexity/sonar", Usage(input_tokens=1_000_000), "1", "without the fee for a request"),
        ("openai/gpt-4-turbo", Usage(input_tokens=10, audio_seconds=3), "1", "no rate of ours for `audio_seconds`"),
    ],
)
def test_reasons_are_found_by_pricing_again(calc: AiCostCalc, model: str, usage: Usage, theirs: str, why: str) -> None:
    """Cached input at the full rate, no fees, another hour: what a table of another library may leave out."""
    provider, _, name = model.partition("/")
    assert reason(call(calc, provider, name, usage), Decimal(theirs), calc) == why


def test_a_tier_that_is_not_known_elsewhere_is_a_reason(calc: AiCostCalc) -> None:
    """A batch costs half here; another table may have it at the standard rate."""
    batch = call(calc, "openai", "gpt-5", Usage(input_tokens=1_000_000), service_tier="batch")
    assert batch.now is not None
    assert reason(batch, batch.now * 2, calc) == "the standard tier"


def test_another_hour_is_a_reason(calc: AiCostCalc) -> None:
    """DeepSeek costs twice as much in its peak hours, which noon is none of."""
    noon = call(calc, "deepseek", "deepseek-v4-flash", Usage(input_tokens=1_000_000))
    assert noon.now is not None
    assert reason(noon, noon.now * 2, calc) == "the price of another time of day"


def test_the_page_adds_up(calc: AiCostCalc) -> None:
    """Of three calls one is equal, one differs and one is lacking; sums and reasons stand in its tables."""
    calls = [
        call(calc, "openai", "gpt-4o", GPT_4O, provider_cost_usd=Decimal("2.0")),
        call(calc, "openai", "gpt-4o", GPT_4O, provider_cost_usd=Decimal("2.1")),
        call(calc, "nobody", "nothing", Usage(input_tokens=1)),
    ]
    costs = [Decimal("2.0"), Decimal("2.5"), None]
    peers = [Side(name=name, version="1.0", costs=costs, reasons={1: "another rate"}) for name in ("first", "second")]
    text = page(calls, peers, date="2026-11-25", versions={"ai_cost_calc": "2.0", "first": "1.0"})
    assert "from 3 recorded responses of 2 providers" in text
    assert "| first | 1.0 |" in text
    assert "| openai | 2 | 1 | 1 | 0 |" in text
    assert "| `openai/gpt-4o` | 2.1 | 2 | not known |" in text
    assert "| first | 1 | 1 | 0 | 0 | 1 |" in text
    assert "| another rate | 1 | 1 |" in text
    assert "| `openai/gpt-4o` | 1 | 2 | 2.5 |" in text  # both agree against us
    assert "| second | `openai/gpt-4o` | 1 | 2 | 2.5 | another rate |" in text


def test_tables() -> None:
    """Head, line, rows."""
    assert table(["a", "b"], [(1, "x")]) == "| a | b |\n| --- | --- |\n| 1 | x |"
    assert same(Decimal("0.1"), Decimal("0.1000000009"))


def test_a_peer_answers_for_itself(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Costs are decimal texts in the order of the calls; an error of the library's is no price."""

    def cost(call: dict[str, Any]) -> Decimal | None:
        return {"known": Decimal("0.5"), "free": None}[call["model"]]

    monkeypatch.setattr("sys.stdin", _Lines(json.dumps([{"model": name} for name in ("known", "free", "lost")])))
    answer("genai-prices", cost)
    assert json.loads(capsys.readouterr().out) == {"version": version("genai-prices"), "costs": ["0.5", None, None]}


class _Lines:
    """Standard input that holds a text."""

    def __init__(self, text: str) -> None:
        self.read: Callable[[], str] = lambda: text


def test_a_peer_that_is_not_installed_is_an_error(calc: AiCostCalc) -> None:
    """A comparison with nothing is not written down as one in which everything is lacking."""
    with pytest.raises(Exception, match="non-zero exit status"):
        ask("tokencost", sys.executable, [call(calc, "openai", "gpt-4o", GPT_4O)], calc)
