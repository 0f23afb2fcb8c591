"""What bounds the tokens of a text: its bytes, and what stands around it in a request."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import Final, Literal
from unicodedata import combining, is_normalized, normalize

MESSAGE: Final = 7
"""Of a message beside its text: 3 tokens, its role, and 3 (OpenAI's cookbook, "How to count tokens with tiktoken")."""
MOST_MESSAGE: Final = 16
"""More than any model was seen to take for it in recorded responses, instructions of its maker aside."""
_INSTRUCTIONS: Final = {"gpt-oss": 128, "grok": 1_024, "llama": 64}
"""Tokens that a model's maker or host puts before every request, at the most. The smallest inputs recorded were 687
tokens for grok-4, 199 for grok-4.3, 73 for gpt-oss, 40 for llama 3."""


def most_bytes(text: str) -> int:
    """UTF-8 bytes of a text in whichever form of Unicode is longest: no tokenizer makes more tokens of it.

    Byte-level encodings make one token a byte at the most. Some normalize first, which can lengthen a text: the
    tokenizer that Anthropic published for Claude 2 (NFKC, U+FDFA becomes eleven times as long) and Qwen's (NFC). One
    form may lengthen what another shortens, so each character counts by itself: parts never count for more than the
    whole.
    """
    if text.isascii():
        return len(text)
    if is_normalized("NFKC", text):
        return _size(text)
    characters = Counter(text)
    most = sum(number * _most_composed(character) for character, number in characters.items())
    marks = "".join(filter(_is_mark, characters))
    return most + _taken_apart(text, re.escape(marks)) if marks else most


def _taken_apart(text: str, marks: str) -> int:
    """By how many bytes marks can lengthen what they follow: `e` with two of them may be put together otherwise."""
    before = Counter(re.findall(f"[{marks}]|.(?=[{marks}])", text, re.DOTALL))
    return sum(number * max(_most(one, _DECOMPOSED) - _most_composed(one), 0) for one, number in before.items())


_Form = Literal["NFC", "NFKC", "NFD", "NFKD"]
_COMPOSED: Final[tuple[_Form, ...]] = ("NFC", "NFKC")
_DECOMPOSED: Final[tuple[_Form, ...]] = ("NFD", "NFKD")
_CHARACTERS: Final = 8_192


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _most(character: str, forms: tuple[_Form, ...]) -> int:
    return max(_size(character), *(_size(normalize(form, character)) for form in forms))


@lru_cache(_CHARACTERS)
def _most_composed(character: str) -> int:
    return _most(character, _COMPOSED)


@lru_cache(_CHARACTERS)
def _is_mark(character: str) -> bool:
    """Whether it can change places with marks around it: it is one, or becomes one, such as U+FF9E."""
    return combining(normalize("NFKD", character)[0]) != 0


def most_framing(model: str | None) -> int:
    """The most tokens that a short request has beside its text."""
    name = (model or "").lower()
    return MOST_MESSAGE + max((tokens for family, tokens in _INSTRUCTIONS.items() if family in name), default=0)
