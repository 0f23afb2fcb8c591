"""What is said not to be metered exists: the list names real attributes of real clients."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import cohere
import httpx
import httpx2
import ollama
import pytest
from google import genai
from mistralai.client import Mistral

from ai_cost_calc.providers.not_metered import NOT_METERED
from tests.providers.seams import bedrock, grpc_server
from tests.providers.seams.http_clients import without_certificates

CLIENTS = {"anthropic": "Anthropic", "fireworks-ai": "Fireworks", "openai": "OpenAI", "together": "Together"}
OTHERS: dict[str, Callable[[], Any]] = {
    "boto3": lambda: bedrock.open_client("http://127.0.0.1:9"),
    "cohere": lambda: cohere.Client("any", httpx_client=without_certificates(httpx)),
    "google-genai": lambda: genai.Client(api_key="any"),
    "mistralai": lambda: Mistral(client=without_certificates(httpx2)),
    "ollama": lambda: ollama.Client(verify=False),
    "xai-sdk": lambda: grpc_server.open_client("127.0.0.1:9"),
}
"""Clients that are made otherwise."""
ONLY_NEWER = {"openai": {"beta.agents", "live.create", "live.sessions"}}
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


@pytest.mark.filterwarnings("ignore:Triggers usage is experimental:UserWarning")
@pytest.mark.filterwarnings("ignore:ast[.]:DeprecationWarning")  # jsonpath-python 1.1, from Python 3.12 on
@pytest.mark.parametrize("package", OTHERS)
def test_the_list_names_real_calls_of_other_clients(package: str) -> None:
    """Likewise."""
    client = OTHERS[package]()
    for each in NOT_METERED[package]:
        for name in each.calls:
            assert attrgetter(name)(client) is not None


def test_every_package_is_looked_at() -> None:
    """A package that is added to the list needs a client here."""
    assert set(NOT_METERED) == {*CLIENTS, *OTHERS}
