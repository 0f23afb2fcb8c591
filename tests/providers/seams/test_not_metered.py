"""What is said not to be metered exists: the list names real attributes of real clients."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import pytest

from ai_cost_calc.providers.not_metered import NOT_METERED

CLIENTS = {"anthropic": "Anthropic", "fireworks-ai": "Fireworks", "openai": "OpenAI", "together": "Together"}
ONLY_NEWER = {"openai": {"beta.agents"}}
"""Calls that openai 2 does not have."""


@pytest.mark.parametrize("package", CLIENTS)
def test_the_list_names_real_calls(package: str) -> None:
    """Each call that is named can be reached from a client."""
    sdk: Any = pytest.importorskip(package.removesuffix("-ai"))
    client = getattr(sdk, CLIENTS[package])(api_key="any", http_client=sdk.DefaultHttpxClient(verify=False))
    for each in NOT_METERED[package]:
        for name in each.calls:
            if not (sdk.__version__ < "3" and name in ONLY_NEWER.get(package, ())):
                assert attrgetter(name)(client) is not None
    client.close()
