"""What bounds the tokens of a text: its bytes, and what stands around it in a request."""

from __future__ import annotations

from typing import Final
from unicodedata import is_normalized, normalize

MESSAGE: Final = 7
"""Of a message beside its text: 3 tokens, its role, and 3 (OpenAI's cookbook, "How to count tokens with tiktoken")."""
MOST_MESSAGE: Final = 16
"""More than any model was seen to take for it in recorded responses, instructions of its maker aside."""
_INSTRUCTIONS: Final = {"gpt-oss": 128, "grok": 1_024, "llama": 64}
"""Tokens that a model's maker or host puts before every request, at the most. The smallest inputs recorded were 687
tokens for grok-4, 199 for grok-4.3, 73 for gpt-oss, 40 for llama 3."""


def most_bytes(text: str) -> int:
    """UTF-8 bytes of a text, or of its NFKC form where that is longer: no tokenizer makes more tokens of it.

    Byte-level encodings make one token a byte at the most. Some normalize first, which can lengthen a text: the
    tokenizer that Anthropic published for Claude 2 (NFKC, U+FDFA becomes eleven times as long) and Qwen's (NFC).
    """
    if text.isascii():
        return len(text)
    size = len(text.encode("utf-8", "surrogatepass"))
    if is_normalized("NFKC", text):
        return size
    return max(size, len(normalize("NFKC", text).encode("utf-8", "surrogatepass")))


def most_framing(model: str | None) -> int:
    """The most tokens that a short request has beside its text."""
    name = (model or "").lower()
    return MOST_MESSAGE + max((tokens for family, tokens in _INSTRUCTIONS.items() if family in name), default=0)
