"""How many tokens images, files and clips become, by the rules that OpenAI, Anthropic and Google publish.

Sources, read in November 2026:

- OpenAI: developers.openai.com/api/docs/guides/images-vision ("Model sizing behavior", "Calculating costs"),
  …/guides/pdf-files, …/guides/realtime-costs (a token for each 100 ms of audio that comes in).
- Anthropic: platform.claude.com/docs/en/build-with-claude/vision ("Resolution and token cost"), …/vision-coordinates
  ("How Claude resizes and pads images"), …/pdf-support ("Estimate your costs").
- Google: ai.google.dev/gemini-api/docs/tokens ("Count multimodal tokens"), …/image-understanding ("Token
  calculation"), …/media-resolution ("Token counts").
"""

from __future__ import annotations

import re
from fractions import Fraction
from math import ceil
from typing import Final, NamedTuple

import msgspec

from ai_cost_calc.core.families import claude_version, gemini_version, plain_name
from ai_cost_calc.core.media import Media, Pixels


class Tokens(msgspec.Struct, frozen=True):
    """Tokens of something whose number is not known before it is sent.

    Attributes:
        expected: what it probably comes to.
        most: what it comes to at most by the provider's rules.
    """

    expected: int
    most: int


TEXT_OF_PAGE: Final = Tokens(1_500, 3_000)
"""Text that a page of a PDF brings along: "1,500-3,000 tokens per page" (Anthropic, PDF support)."""
PAGE: Final = (850, 1_100)
"""How large a page is taken to be drawn: letter paper at 100 dots an inch. No provider says."""


def media_tokens(media: Media, model: str | None) -> Tokens | None:
    """Tokens of one image, file or clip for this model; `None` where no published rule gives them."""
    name = plain_name(model)
    if name.startswith("claude"):
        return _claude(media, name)
    if name.startswith("gemini"):
        return _gemini(media, name)
    return _openai(media, name) if _OPENAI.match(name) else None


def _pages(media: Media, drawn: Tokens) -> Tokens | None:
    """A document is its text and a picture of each page."""
    if media.pages is None:
        return None
    expected = TEXT_OF_PAGE.expected + drawn.expected
    return Tokens(media.pages * expected, media.pages * (TEXT_OF_PAGE.most + drawn.most))


def _seconds(media: Media, per_second: int) -> Tokens | None:
    heard = None if media.seconds is None else ceil(media.seconds * per_second)
    return None if heard is None else Tokens(heard, heard)


def _patches(size: Pixels, side: int) -> int:
    """How many squares of this side cover an image."""
    return -(-size[0] // side) * -(-size[1] // side)


def _within(size: Pixels, edge: int) -> tuple[Fraction, Fraction]:
    """An image scaled down, where it has to be, until its longer edge is no longer than this."""
    scale = min(Fraction(1), Fraction(edge, max(size)))
    return size[0] * scale, size[1] * scale


# Anthropic: a token for each patch of 28 x 28 pixels, of an image that was made to fit.

_CLAUDE_PATCH: Final = 28
_CLAUDE_HIGH: Final = (2_576, 4_784)
_CLAUDE_STANDARD: Final = (1_568, 1_568)
"""The longest edge and the most tokens: from Claude 4.7 on, and before."""
_CLAUDE_ROUNDED: Final = 1_640
"""1,568 patches by the older rule, width x height / 750."""


def _claude(media: Media, name: str) -> Tokens | None:
    before = claude_version(name) < (4, 7)
    if media.kind == "document":
        return _pages(media, _claude_image(PAGE, before=before))
    return _claude_image(media.pixels, before=before) if media.kind == "image" else None


def _claude_image(size: Pixels | None, *, before: bool) -> Tokens:
    edge, tokens = _CLAUDE_STANDARD if before else _CLAUDE_HIGH
    cap = _CLAUDE_ROUNDED if before else tokens
    if size is None:
        return Tokens(tokens, cap)
    seen = _claude_sees(size, edge, tokens)
    return Tokens(_patches(seen, _CLAUDE_PATCH), min(cap, _patches(size, _CLAUDE_PATCH) * cap // tokens + 1))


def _claude_sees(size: Pixels, edge: int, tokens: int) -> Pixels:
    """The largest size of the same shape that fits, found by halving along the longer edge."""
    if _claude_fits(size, edge, tokens):
        return size
    width, height = size
    if height > width:
        seen = _claude_sees((height, width), edge, tokens)
        return seen[1], seen[0]
    fits, over = 1, width
    while fits + 1 < over:
        middle = (fits + over) // 2
        if _claude_fits((middle, max(round(middle * height / width), 1)), edge, tokens):
            fits = middle
        else:
            over = middle
    return fits, max(round(fits * height / width), 1)


def _claude_fits(size: Pixels, edge: int, tokens: int) -> bool:
    padded = max(-(-pixels // _CLAUDE_PATCH) * _CLAUDE_PATCH for pixels in size)
    return padded <= edge and _patches(size, _CLAUDE_PATCH) <= tokens


# Google: 258 tokens a tile before Gemini 3, from then on a number that follows from the resolution asked for.

_GEMINI_TILE: Final = 258
_GEMINI_SMALL: Final = 384
_GEMINI_TILES: Final = (256, 768)
_GEMINI_EDGE: Final = 3_072
"""Larger images are scaled down to this edge (cloud.google.com, Gemini 2.x "image understanding")."""
_GEMINI_MOST_TILES: Final = 24
"""3,072 x 385 pixels, the dearest shape: 12 x 2 tiles of 256."""
_GEMINI_DETAIL: Final = {"low": 280, "medium": 560, "high": 1_120, "ultra_high": 2_240}
_GEMINI_PAGE: Final = Tokens(560, 1_120)
_GEMINI_AUDIO: Final = 32


def _gemini(media: Media, name: str) -> Tokens | None:
    tiled = gemini_version(name) < 3  # noqa: PLR2004
    if media.kind == "audio":
        return _seconds(media, _GEMINI_AUDIO)
    if media.kind == "document":
        return _pages(media, Tokens(_GEMINI_TILE, _GEMINI_TILE) if tiled else _GEMINI_PAGE)
    if media.kind != "image":
        return None
    if tiled:
        tiles = Tokens(1, _GEMINI_MOST_TILES) if media.pixels is None else _gemini_tiles(media.pixels)
        return Tokens(tiles.expected * _GEMINI_TILE, tiles.most * _GEMINI_TILE)
    asked = _GEMINI_DETAIL.get((media.detail or "").lower().removeprefix("media_resolution_"))
    return Tokens(asked or _GEMINI_DETAIL["high"], asked or _GEMINI_DETAIL["ultra_high"])


def _gemini_tiles(size: Pixels) -> Tokens:
    """Tiles as large as two thirds of the shorter edge; at most as many as tiles of 256 to 768 pixels would be."""
    if max(size) <= _GEMINI_SMALL:
        return Tokens(1, 1)
    unit = max(min(size) * 2 // 3, 1)
    expected = ceil(size[0] / unit) * ceil(size[1] / unit)
    width, height = _within(size, _GEMINI_EDGE)
    least, largest = _GEMINI_TILES
    cut = min(max(min(width, height) * 2 // 3, least), largest)
    most = ceil(width / cut) * ceil(height / cut)
    return Tokens(min(expected, most), most)


# OpenAI: tiles of 512 x 512 pixels, or patches of 32 x 32 times a factor, by model.

_OPENAI: Final = re.compile(r"(?:chatgpt|gpt|o[134]|computer-use|codex)(?:-|$)")
_OPENAI_PATCH: Final = 32
_OPENAI_TILE: Final = 512
_OPENAI_EDGE: Final = 2_048
_OPENAI_LOW: Final = 512
_OPENAI_AUDIO: Final = 10
_FIDELITY: Final = 6_240
"""What GPT Image 1 adds for an image it is to keep faithfully, at the most."""


class _Tiles(NamedTuple):
    """So many tokens for an image and for each of its tiles, once its shorter edge is no longer than `short`."""

    base: int
    tile: int
    short: int = 768
    more: int = 0


class _Patches(NamedTuple):
    """A factor, and how many patches there may be: in high detail, in original detail, and when nothing is asked."""

    factor: Fraction
    high: int = 1_536
    original: int = 1_536
    unasked: int = 1_536


_F: Final = Fraction
_DEAREST: Final = _Patches(_F("1.62"), 2_500, 30_000, 2_500)
"""For models that the page does not name; its most, 48,600, is more than any tiles come to."""
_OPENAI_RULES: Final[dict[str, _Tiles | _Patches]] = {
    "chatgpt-4o": _Tiles(85, 170),
    "computer-use": _Tiles(65, 129),
    "gpt-4-turbo": _Tiles(85, 170),
    "gpt-4-vision": _Tiles(85, 170),
    "gpt-4.1": _Tiles(85, 170),
    "gpt-4.1-mini": _Patches(_F("1.62")),
    "gpt-4.1-nano": _Patches(_F("2.46")),
    "gpt-4.5": _Tiles(85, 170),
    "gpt-4o": _Tiles(85, 170),
    "gpt-4o-mini": _Tiles(2_833, 5_667),
    "gpt-5": _Tiles(70, 140),
    "gpt-5-codex-mini": _Patches(_F("1.2")),
    "gpt-5-mini": _Patches(_F("1.62")),
    "gpt-5-nano": _Patches(_F("2.46")),
    "gpt-5.1-codex-mini": _Patches(_F("1.2")),
    "gpt-5.2": _Patches(_F("1.2")),
    "gpt-5.3-codex": _Patches(_F("1.2")),
    "gpt-5.4": _Patches(_F("1.2"), 2_500, 10_000, 2_500),
    "gpt-5.4-mini": _Patches(_F("1.62")),
    "gpt-5.4-nano": _Patches(_F("2.46")),
    "gpt-5.5": _Patches(_F("1.2"), 2_500, 10_000, 10_000),
    "gpt-5.6": _Patches(_F("1.2"), 2_500, 30_000, 30_000),
    "gpt-6": _Patches(_F("1.2"), 2_500, 30_000, 30_000),
    "gpt-6.1": _Patches(_F("1.2"), 2_500, 30_000, 30_000),
    "gpt-image-1": _Tiles(65, 129, short=512, more=_FIDELITY),
    "o1": _Tiles(75, 150),
    "o3": _Tiles(75, 150),
    "o4-mini": _Patches(_F("1.72")),
}
"""By the beginning of a model's name, the longest that is a whole part of it. More than 30,000 patches are refused."""


def _openai(media: Media, name: str) -> Tokens | None:
    if media.kind == "audio":
        return _seconds(media, _OPENAI_AUDIO)
    rule = _openai_rule(name)
    if media.kind == "document":
        return _pages(media, _openai_image(rule, PAGE, media.detail))
    return _openai_image(rule, media.pixels, media.detail) if media.kind == "image" else None


def _openai_rule(name: str) -> _Tiles | _Patches:
    while name and name not in _OPENAI_RULES:
        name = name[: max(name.rfind("-"), name.rfind(":"), 0)]
    return _OPENAI_RULES.get(name, _DEAREST)


def _openai_image(rule: _Tiles | _Patches, size: Pixels | None, detail: str | None) -> Tokens:
    if isinstance(rule, _Tiles):
        return _tiled(rule, size, detail)
    if detail == "low":
        patches = _low(size)
    elif detail == "high":
        patches = _patched(size, rule.high, rule.high)
    else:
        patches = _patched(size, rule.original if detail == "original" else rule.unasked, rule.original)
    return Tokens(ceil(patches.expected * rule.factor), ceil(patches.most * rule.factor))


def _tiled(rule: _Tiles, size: Pixels | None, detail: str | None) -> Tokens:
    """Measured at OpenAI's API: images are never enlarged; 2,049 x 513 pixels are eight tiles, 2,050 x 513 four."""
    if detail == "low":
        return Tokens(rule.base, rule.base + rule.more)
    expected, most = 4, -(-_OPENAI_EDGE // _OPENAI_TILE) * -(-rule.short // _OPENAI_TILE)
    if size is not None:
        width, height = _within(size, _OPENAI_EDGE)
        scale = min(Fraction(1), rule.short / min(width, height))
        expected = _patches((max(int(width * scale), 1), max(int(height * scale), 1)), _OPENAI_TILE)
        most = ceil(width * scale / _OPENAI_TILE) * ceil(height * scale / _OPENAI_TILE)
    return Tokens(rule.base + rule.tile * min(expected, most), rule.base + rule.tile * most + rule.more)


def _low(size: Pixels | None) -> Tokens:
    most = (_OPENAI_LOW // _OPENAI_PATCH) ** 2
    if size is None:
        return Tokens(most, most)
    width, height = _within(size, _OPENAI_LOW)
    return Tokens(_patches((ceil(width), ceil(height)), _OPENAI_PATCH), most)


def _patched(size: Pixels | None, usual: int, most: int) -> Tokens:
    """Patches of an image that may have `usual` many, and at most `most`."""
    if size is None:
        return Tokens(min(usual, 1_024), most)  # a square of 1,024 pixels
    count = _patches(size, _OPENAI_PATCH)
    return Tokens(_shrunk(size, usual) if count > usual else count, min(count, most))


def _shrunk(size: Pixels, budget: int) -> int:
    """Patches of an image scaled down to a budget of them, by the formulas of the page."""
    width, height = size
    shrink = (_OPENAI_PATCH**2 * budget / (width * height)) ** 0.5
    across, down = width * shrink / _OPENAI_PATCH, height * shrink / _OPENAI_PATCH
    shrink *= min(int(across) / across, int(down) / down) if min(across, down) >= 1 else 1
    resized = (max(round(width * shrink), 1), max(round(height * shrink), 1))
    return min(_patches(resized, _OPENAI_PATCH), budget)
