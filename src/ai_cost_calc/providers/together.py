"""Together AI's SDK: `Together`, `AsyncTogether`. Paths and parameters were read in together 3.1.1 (`resources/`)."""

from __future__ import annotations

from typing import Final

from ai_cost_calc.providers._openai_like import OpenAiLike, wrapping

PROVIDER: Final = wrapping(OpenAiLike(name="together"), module="together", oldest=(3, 0), client="Together")
