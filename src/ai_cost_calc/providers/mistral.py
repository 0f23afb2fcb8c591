"""Mistral's SDK, version 3: `Mistral`, whose asynchronous methods stand beside the others.

Its methods build a request and send it with one of two HTTP clients of httpx2, an application's own or the SDK's
(`basesdk.py`, `sdkconfiguration.py`, mistralai 3.7). Its retry (`utils/retries.py`) gives up at once on anything but a
status or an error of the connection, and raises that itself, so a refusal is not tried again; each attempt is a call.
Metered is what `readers/mistral.py` knows: chat, fim, agents, conversations, responses, embeddings, OCR,
transcriptions, speech, moderations, classifications, and batches of them (`_batches.py`). WebSockets do not pass here.
`MistralAzure` and `MistralGCP` are not taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ai_cost_calc.providers._http_client import HttpProvider, HttpVendor


def http_clients(client: Any) -> Iterator[Any]:
    """What it sends with; nothing once it is closed."""
    configured = client.sdk_configuration
    return (each for each in (configured.client, configured.async_client) if each is not None)


PROVIDER: Final = HttpProvider(
    HttpVendor(
        name="mistral",
        package="mistralai",
        module="mistralai.client",
        oldest=(3, 0),
        clients=("Mistral",),
        http_clients=http_clients,
        home="mistral",
    )
)
