"""Ollama: its own API, one JSON line a chunk, and OpenAI's. Local models cost nothing unless a price is set.

Source: github.com/ollama/ollama, `docs/api.md`: `prompt_eval_count` and `eval_count` come with the last line; the older
`/api/embeddings` reports nothing. `/v1/systemone` (ollama 0.6.3, `_types.py`) has a `usage` as OpenAI's responses do.
"""

from __future__ import annotations

from typing import Any, Final

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.providers.readers._anthropic_shape import MESSAGES
from ai_cost_calc.providers.readers._compatible import COMPATIBLE
from ai_cost_calc.providers.readers._flavour import Flavour, Source, Vendor, utf8_bytes
from ai_cost_calc.providers.readers._responses_shape import RESPONSES
from ai_cost_calc.providers.readers._wire import Count, Wire


class OllamaAnswer(Wire):
    """An answer, or embeddings."""

    model: str | None = None
    done: bool | None = None
    prompt_eval_count: Count = None
    eval_count: Count = None


class OllamaMessage(Wire):
    """A chat message's text."""

    content: str | None = None
    thinking: str | None = None


class OllamaLine(OllamaAnswer):
    """One line of a streamed answer."""

    message: OllamaMessage | None = None
    response: str | None = None
    thinking: str | None = None


def read_ollama(wire: Any, source: Source) -> Reading:
    """Read an answer, embeddings or the last line."""
    if wire.prompt_eval_count is None and wire.eval_count is None:
        return source.reading(None, wire.model)
    counts = {"input_tokens": wire.prompt_eval_count or 0, "output_tokens": wire.eval_count or 0}
    return source.reading(counts, wire.model)


def _fold(kept: Any, line: Any) -> Any:
    line.message = line.response = line.thinking = None
    return line if kept is None or line.done else kept


def _text(line: Any) -> int:
    said = utf8_bytes(line.response) + utf8_bytes(line.thinking)
    return said + (utf8_bytes(line.message.content) + utf8_bytes(line.message.thinking) if line.message else 0)


OLLAMA: Final = Vendor(
    name="ollama",
    hosts=(r"(?:localhost|127\.0\.0\.1|\[::1\]|0\.0\.0\.0):11434\b", r"(?:api\.)?ollama\.com"),
    paths=((r"/api/(chat|generate|embed|embeddings)$", "ollama"), (r"/v1/systemone$", "systemone")),
    flavours={
        **COMPATIBLE,
        "messages": MESSAGES,
        "systemone": RESPONSES,
        "ollama": Flavour(
            wire=OllamaAnswer,
            event=OllamaLine,
            read=read_ollama,
            fold=_fold,
            text=_text,
            ends=lambda line: bool(line.done),
        ),
    },
)
