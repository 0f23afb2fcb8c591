"""Groq's SDK: `Groq`, `AsyncGroq`. Paths and parameters were read in groq 1.7 (`resources/`).

Streams carry usage in `x_groq` on their last chunk, whether asked or not.
"""

from __future__ import annotations

from typing import Final

from ai_cost_calc.providers._openai_like import OpenAiLike, wrapping

PROVIDER: Final = wrapping(OpenAiLike(name="groq"), module="groq", oldest=(1, 0), client="Groq")
