"""OpenAI's SDK, versions 2 and 3: `OpenAI`, `AsyncOpenAI`, `AzureOpenAI`, `AsyncAzureOpenAI` and their subclasses.

Paths and parameters were read in openai 2.54 and 3.54 (`resources/`); its WebSocket sessions are hooked by `_sockets`.
"""

from __future__ import annotations

from typing import Final

from ai_cost_calc.providers._openai_like import OpenAiLike, asked_of, provider_of, wrapping
from ai_cost_calc.providers._sockets import Sockets

PROVIDER: Final = wrapping(
    OpenAiLike(name="openai"),
    module="openai",
    oldest=(2, 0),
    client="OpenAI",
    sockets=Sockets(provider_of, asked_of),
)
