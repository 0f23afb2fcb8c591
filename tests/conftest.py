"""What every test shares: a data folder of its own, a provider on loopback, and no fault that goes unnoticed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ai_cost_calc import AiCostCalc
from ai_cost_calc.testing import ProviderSimulator

pytest.register_assert_rewrite(  # before tests of the client import any of them
    "tests.providers.seams.conformance", "tests.providers.seams.http_conformance", "tests.providers.seams.exchanges"
)

RECORDED = Path(__file__).resolve().parent.parent.parent / "shared" / "recorded"

MakeCalc = Callable[..., AiCostCalc]


@pytest.fixture(scope="session", autouse=True)
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder for the whole run: compiled prices are made once, and nothing is written to a home folder."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("LEDGER", "API_KEY", "BASE_URL", "BUDGET_STORE", "PRICES"):
            patch.delenv(f"AI_COST_CALC_{name}", raising=False)
        patch.setenv("AI_COST_CALC_DATA_DIR", str(folder))
        yield folder


@pytest.fixture
def ledger_url(tmp_path: Path) -> str:
    """A SQLite ledger of the test's own."""
    return f"sqlite:///{tmp_path / 'spend.db'}"


@pytest.fixture
def make_calc(request: pytest.FixtureRequest, ledger_url: str) -> Iterator[MakeCalc]:
    """Build clients that are shut down afterwards; a fault that one swallowed fails the test.

    A test that provokes faults says so with `@pytest.mark.provokes_faults`.
    """
    made: list[AiCostCalc] = []

    def make(ledger: Any = None, **options: Any) -> AiCostCalc:
        calc = AiCostCalc(ledger_url if ledger is None else ledger, **options)
        made.append(calc)
        return calc

    yield make
    faults = [calc.stats().faults for calc in made]
    for calc in made:
        calc.shutdown()
    if request.node.get_closest_marker("provokes_faults") is None:
        assert not any(faults), f"faults were swallowed: {faults}"


@pytest.fixture
def calc(make_calc: MakeCalc) -> AiCostCalc:
    """A client without budgets on a SQLite ledger."""
    return make_calc()


@pytest.fixture
def simulator() -> Iterator[ProviderSimulator]:
    """A provider on loopback."""
    with ProviderSimulator(seed=1) as running:
        yield running


@pytest.fixture
def recorded() -> Path:
    """The folder of recorded provider responses, which is not part of the repository."""
    if not RECORDED.is_dir():
        pytest.skip(f"recorded provider responses are absent: {RECORDED} does not exist")
    return RECORDED
