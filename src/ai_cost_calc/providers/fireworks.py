"""Fireworks AI's SDK: `Fireworks`, `AsyncFireworks`. Beside OpenAI's APIs it has Anthropic's messages.

Paths and parameters were read in fireworks-ai 1.2.30 (`resources/`).
"""

from __future__ import annotations

from typing import Final

from ai_cost_calc.providers._openai_like import OpenAiLike, wrapping

PROVIDER: Final = wrapping(
    OpenAiLike(name="fireworks", also_billed={"messages": "messages"}),
    module="fireworks",
    oldest=(1, 2),
    client="Fireworks",
)
