"""One compiled price book for all tests of prices, and genai-prices beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ai_cost_calc.client.billing import Biller, EventIds
from ai_cost_calc.client.stats import Counters
from ai_cost_calc.core.price_book import PriceBook
from ai_cost_calc.prices import load_price_book


@pytest.fixture(scope="session")
def kept_prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where compiled prices are kept."""
    folder = tmp_path_factory.mktemp("prices")
    load_price_book(folder)
    return folder


@pytest.fixture(scope="session")
def genai_book(kept_prices: Path) -> PriceBook:
    """The rates of genai-prices alone, without what sellers charge beyond them."""
    return load_price_book(kept_prices, terms=None)


@pytest.fixture(scope="session")
def book(kept_prices: Path) -> PriceBook:
    """The price book, as a second process loads it: from what the first one kept."""
    return load_price_book(kept_prices)


@pytest.fixture(scope="session")
def biller(book: PriceBook) -> Biller:
    """What prices readings, with everything that was billed on top."""
    return Biller(book=lambda: book, ids=EventIds(), counters=Counters(), organization="default")


@pytest.fixture(scope="session")
def price_folder(kept_prices: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with compiled prices in it that tests may add to."""
    return shutil.copytree(kept_prices, tmp_path_factory.mktemp("prices") / "prices")
