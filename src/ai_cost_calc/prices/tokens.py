"""How many tokens a text is: by the model's own encoding where it is published and installed, else by its bytes.

A byte-level encoding never makes more tokens than there are bytes, so these bound them. What to expect of a text whose
encoding is not published is a ratio that its provider states.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import ceil
from typing import Final

import msgspec

from ai_cost_calc.core.families import claude_version, plain_name
from ai_cost_calc.core.text import most_bytes

_ENCODINGS: Final = {
    "babbage-002": "cl100k_base",
    "chatgpt-4o": "o200k_base",
    "davinci-002": "cl100k_base",
    "ft:gpt-3.5-turbo": "cl100k_base",
    "ft:gpt-4": "cl100k_base",
    "ft:gpt-4o": "o200k_base",
    "gpt-3.5": "cl100k_base",
    "gpt-3.5-turbo": "cl100k_base",
    "gpt-35-turbo": "cl100k_base",
    "gpt-4": "cl100k_base",
    "gpt-4.1": "o200k_base",
    "gpt-4.5": "o200k_base",
    "gpt-4o": "o200k_base",
    "gpt-5": "o200k_base",
    "gpt-oss": "o200k_harmony",
    "o1": "o200k_base",
    "o3": "o200k_base",
    "o4-mini": "o200k_base",
    "text-embedding-3": "cl100k_base",
    "text-embedding-ada-002": "cl100k_base",
}
"""Encodings of OpenAI's models by the beginning of their names (tiktoken 0.14.0, `model.py`)."""

_BYTES_PER_TOKEN: Final = 4.0
""""One token is about four characters of English" (OpenAI, "What are tokens"; ai.google.dev, "Count tokens")."""
_CLAUDE_OLD: Final = 3.4
_CLAUDE_NEW: Final = 2.5
"""A million tokens are about 3.4 million characters before Claude 4.7, 2.5 million from it on (platform.claude.com,
"Models overview", 2026-08)."""
_COMPACT: Final = 1.5
"""How much denser than usual a text is taken to be at best: prose of common words, or long runs of spaces."""


class TextTokens(msgspec.Struct, frozen=True):
    """How many tokens a text is.

    Attributes:
        low: the fewest to reckon with.
        expected: what it probably is; exact where an encoding counted it.
        most: what it cannot exceed.
        method: the encoding that counted it, or `bytes`.
    """

    low: int
    expected: int
    most: int
    method: str


def count_tokens(texts: Sequence[str], model: str | None) -> TextTokens:
    """Count the tokens of some texts for a model."""
    most = sum(map(most_bytes, texts))
    name = encoding_of(model)
    counter = None if name is None else _counter(name)
    if name is not None and counter is not None:
        exact = counter([text.encode("utf-8", "replace").decode() for text in texts])
        return TextTokens(exact, exact, most, name)
    ratio = _bytes_per_token(plain_name(model))
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    return TextTokens(ceil(size / (ratio * _COMPACT)), ceil(size / ratio), most, "bytes")


def encoding_of(model: str | None) -> str | None:
    """The encoding that this model's maker published for it, or `None`."""
    name = plain_name(model)
    found = max((known for known in _ENCODINGS if _is_of(name, known)), key=len, default=None)
    return None if found is None else _ENCODINGS[found]


def _is_of(name: str, family: str) -> bool:
    """Whether a model belongs to a family: `gpt-4o-mini` to `gpt-4o`, not to `gpt-4`; `gpt-5.1` to `gpt-5`."""
    rest = name.removeprefix(family)
    return name.startswith(family) and (not rest or rest[0] in "-:@" or (family == "gpt-5" and rest[0] == "."))


def _bytes_per_token(name: str) -> float:
    if not name.startswith("claude"):
        return _BYTES_PER_TOKEN
    return _CLAUDE_OLD if claude_version(name) < (4, 7) else _CLAUDE_NEW


@lru_cache(maxsize=8)
def _counter(encoding: str) -> Callable[[list[str]], int] | None:
    """What counts in this encoding, loaded in a third of a second; `None` where the extra `estimate` is missing."""
    try:
        import toktok  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415 - for those who ask, and have it
    except ImportError:
        return None

    def count(texts: list[str]) -> int:
        return sum(toktok.batch_count(texts, encoding, threads=1))

    count([""])
    return count
