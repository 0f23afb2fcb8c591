"""What `import ai_cost_calc` loads, and what it leaves for later."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import ai_cost_calc

LATER = (
    "ai_cost_calc.client.metering", "ai_cost_calc.client.reports", "ai_cost_calc.client.repricing",
    "ai_cost_calc.core.pricing", "ai_cost_calc.delivery", "ai_cost_calc.providers.readers", "asyncio", "genai_prices",
    "httpx", "httpx2", "openai", "secrets", "sqlite3", "zoneinfo",
)  # fmt: skip
"""What is not needed before a client is made, or before it is used."""
LOADED = """
import sys, ai_cost_calc
print("\\n".join(sys.modules))
"""


def test_importing_loads_what_a_client_is_made_from_later() -> None:
    """No vendor's SDK, HTTP client, database or price data, and of this package only what names need."""
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, env=unmeasured)
    loaded = set(done.stdout.split())
    assert "ai_cost_calc.client.calc" in loaded
    assert loaded.isdisjoint(LATER)


@pytest.mark.parametrize("name", ai_cost_calc.__all__)
def test_every_exported_name_is_there(name: str) -> None:
    """Also those that are loaded when they are first asked for, and the same object each time."""
    assert getattr(ai_cost_calc, name) is getattr(ai_cost_calc, name)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    """Of the package as of its providers, whose names are loaded later as well."""
    for package in (ai_cost_calc, ai_cost_calc.providers):
        with pytest.raises(AttributeError, match="no attribute 'absent'"):
            package.absent  # noqa: B018 - looking it up is the point
