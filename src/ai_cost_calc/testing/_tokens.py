"""How many tokens a simulated call uses and what text stands for them. Nothing here is random: equal calls agree."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TOKEN_BYTES: Final = 4
"""Bytes of text to a token, about right for English with every provider's tokenizer."""
ATTACHMENT_TOKENS: Final = 1_000
"""What an image, a file or a piece of audio inside a prompt counts."""
MIN_CACHED_TOKENS: Final = 1_024
"""The shortest prefix that OpenAI, and Anthropic for most models, keep in their prompt caches."""
CACHE_BLOCK_TOKENS: Final = 128
"""OpenAI's cached prefixes grow by so many tokens."""
MAX_TEXT_TOKENS: Final = 2_000
MAX_PIECES: Final = 20
MAX_KNOWN_PREFIXES: Final = 200_000
_ATTACHED: Final = " " * (ATTACHMENT_TOKENS * TOKEN_BYTES)
_FILLER: Final = "one day the sun and the sea met for tea " * (MAX_TEXT_TOKENS // 10 + 1)


def text_of(value: object) -> str:
    """Return every string inside a request's JSON, in order; what is attached stands as blank text of its size."""
    return "\n".join(_strings(value))


def _strings(value: object) -> Iterable[str]:
    if isinstance(value, str):
        yield _ATTACHED if value.startswith("data:") else value
    elif isinstance(value, dict):
        for key, inner in value.items():
            attached = key in {"data", "file_data"} and isinstance(inner, str)
            yield from _strings(_ATTACHED if attached else inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def count(text: str) -> int:
    """Return the tokens of a text, at least one."""
    return max(1, -(-len(text.encode("utf-8", "surrogatepass")) // TOKEN_BYTES))


def filler(tokens: int) -> str:
    """Return text of so many tokens; past `MAX_TEXT_TOKENS` there is no more of it."""
    return _FILLER[: min(tokens, MAX_TEXT_TOKENS) * TOKEN_BYTES]


def pieces(text: str) -> list[str]:
    """Cut an answer into the pieces it is streamed in, at most `MAX_PIECES`."""
    step = max(1, -(-len(text) // (MAX_PIECES * TOKEN_BYTES))) * TOKEN_BYTES
    return [text[start : start + step] for start in range(0, len(text), step)]


class Sampler:
    """Draws the length of answers: equal calls under an equal seed get equal answers, in whatever order they come."""

    def __init__(self, seed: int) -> None:
        self._key = str(seed).encode()[: hashlib.blake2b.MAX_KEY_SIZE]

    def draw(self, model: str, prompt: str) -> tuple[int, int]:
        """Return the tokens of the visible answer (20 to 800, mostly short) and of the reasoning before it."""
        text = f"{model}\n{prompt}".encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(text, digest_size=8, key=self._key).digest()
        share = int.from_bytes(digest[:4]) / 2**32
        return round(20 * 40**share), 64 * (1 + digest[4] % 8)


class PromptCache:
    """Remembers the prefixes of prompts, as a provider's cache does; nothing expires until `clear`."""

    def __init__(self) -> None:
        self._known: set[bytes] = set()

    def longest_known(self, model: str, segments: Sequence[bytes], ends: Iterable[int] | None = None) -> int:
        """Return how many leading segments make up a prefix that is remembered, and remember the new ones.

        Args:
            model: each model has a cache of its own.
            segments: the prompt, in parts.
            ends: the segments at which a prefix that is worth remembering ends; all of them if not given.
        """
        chain = hashlib.blake2b(model.encode(), digest_size=16)
        keys = []
        for segment in segments:
            chain.update(b"%d:" % len(segment) + segment)
            keys.append(chain.digest())
        known = max((index + 1 for index, key in enumerate(keys) if key in self._known), default=0)
        if len(self._known) + len(keys) > MAX_KNOWN_PREFIXES:
            self._known.clear()
        self._known.update(keys if ends is None else [keys[end] for end in ends])
        return known

    def clear(self) -> None:
        """Forget every prefix."""
        self._known.clear()


def blocks(prompt: str) -> list[bytes]:
    """Cut a prompt into OpenAI's cache blocks; one that is too short to be cached has none."""
    size = CACHE_BLOCK_TOKENS * TOKEN_BYTES
    text = prompt.encode("utf-8", "surrogatepass")
    if len(text) < MIN_CACHED_TOKENS * TOKEN_BYTES:
        return []
    return [text[start : start + size] for start in range(0, len(text) - size + 1, size)]
