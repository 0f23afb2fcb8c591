"""Ollama's SDK: `Client`, `AsyncClient`, and the module itself, whose functions are methods of a client of its own.

They send with one HTTP client of httpx (`_client.py`, ollama 0.6.3) and retry nothing. Metered are `chat`, `generate`,
`embed`, `embeddings` and `systemone`, whatever the host. What a model costs is up to the price book, which has no
prices of Ollama's: a model that is free is given the price 0.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

from ai_cost_calc.providers._http_client import HttpProvider, HttpVendor


class OllamaProvider(HttpProvider):
    """Wraps Ollama's clients."""

    def handles(self, client: object) -> bool:
        """Whether this is one of Ollama's clients, or the module `ollama`."""
        return super().handles(client) or (isinstance(client, ModuleType) and client.__name__ == self.vendor.module)


def _http_client(client: Any) -> Any:
    return client._client._client if isinstance(client, ModuleType) else client._client  # noqa: SLF001 - since 0.1


PROVIDER: Final = OllamaProvider(
    HttpVendor(
        name="ollama",
        package="ollama",
        module="ollama",
        oldest=(0, 6),
        clients=("Client", "AsyncClient"),
        http_clients=lambda client: (_http_client(client),),
        home="ollama",
    )
)
