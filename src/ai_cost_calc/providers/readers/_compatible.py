"""The APIs that everyone copied from OpenAI, by name."""

from __future__ import annotations

from typing import Final

from ai_cost_calc.providers.readers._openai_shape import CHAT
from ai_cost_calc.providers.readers._responses_shape import RESPONSES

COMPATIBLE: Final = {
    "chat": CHAT,
    "completions": CHAT,
    "embeddings": CHAT,
    "responses": RESPONSES,
    "responses_compact": RESPONSES,
}
