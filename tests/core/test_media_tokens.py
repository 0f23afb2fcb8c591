"""Tokens of images, files and clips, against the examples that the providers publish."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_cost_calc.core.media import Kind, Media
from ai_cost_calc.core.media_tokens import TEXT_OF_PAGE, Tokens, media_tokens

MODELS = [
    "gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano", "gpt-5", "gpt-5-mini", "gpt-5-nano", "gpt-5.1",
    "gpt-5.2", "gpt-5.4", "gpt-5.4-mini", "gpt-5.5", "gpt-5.6-sol", "gpt-6-astra", "gpt-image-1", "gpt-9", "o1", "o3",
    "o4-mini", "computer-use-preview", "claude-3-haiku", "claude-sonnet-4-6", "claude-opus-4-7", "claude-opus-5-5",
    "claude-latest", "gemini-1.5-pro", "gemini-2.5-flash", "gemini-3-pro-preview", "gemini-4-argon", "gemini-latest",
]  # fmt: skip
DETAILS = [None, "auto", "low", "high", "original", "MEDIA_RESOLUTION_LOW", "MEDIA_RESOLUTION_ULTRA_HIGH", "nonsense"]


def image(width: int | None = None, height: int | None = None, detail: str | None = None) -> Media:
    """An image of this size."""
    return Media(kind="image", width=width, height=height, detail=detail)


def tokens(media: Media, model: str) -> Tokens:
    """What is known of it for a model with published rules."""
    found = media_tokens(media, model)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("model", "media", "expected"),
    [
        # OpenAI, "Calculating costs": tiles
        ("gpt-4o", image(1_024, 1_024, "high"), 765),
        ("gpt-4o", image(2_048, 4_096, "high"), 1_105),
        ("gpt-4o", image(4_096, 8_192, "low"), 85),
        ("gpt-4o-2024-08-06", image(512, 512), 255),
        ("openai/gpt-4o-mini", image(1_024, 1_024), 2_833 + 4 * 5_667),
        ("o1", image(1_024, 1_024), 75 + 4 * 150),
        # OpenAI, "Calculating costs": patches, 1,024 and 1,452 of them before the factor
        ("gpt-4.1-mini", image(1_024, 1_024), 1_659),
        ("gpt-4.1-mini-2025-04-14", image(1_800, 2_400), 2_353),
        ("gpt-4.1-nano", image(1_024, 1_024), 2_520),
        ("o4-mini", image(1_024, 1_024), 1_762),
        ("gpt-6-astra", image(1_280, 720), 1_104),
        # Anthropic, "Resolution and token cost": 1,092 x 1,092 is the largest square before 4.7, 1,932 from it on
        ("claude-sonnet-4-5", image(1_092, 1_092), 1_521),
        ("claude-sonnet-4-5", image(3_000, 2_000), 1_536),
        ("us.anthropic.claude-opus-4-8-v1:0", image(1_920, 1_080), 2_691),
        ("claude-opus-5", image(1_932, 1_932), 4_761),
        ("claude-opus-5", image(4_000, 4_000), 4_761),
        ("claude-haiku-4-5", image(200, 200), 64),
        # Google, "Token calculation" (960 x 540 is six tiles) and "Token counts"
        ("gemini-2.5-flash", image(384, 384), 258),
        ("models/gemini-2.5-flash", image(960, 540), 1_548),
        ("gemini-3-pro-preview", image(4_000, 3_000), 1_120),
        ("gemini-3-pro-preview", image(detail="MEDIA_RESOLUTION_LOW"), 280),
        ("gemini-2.5-flash", Media(kind="audio", seconds=60), 1_920),
        ("gpt-4o-audio-preview", Media(kind="audio", seconds=1.25), 13),
        ("gemini-2.5-pro", Media(kind="document", pages=10), 10 * (1_500 + 258)),
        ("claude-sonnet-4-6", Media(kind="document", pages=2), 2 * (1_500 + 31 * 40)),
    ],
)
def test_published_examples(model: str, media: Media, expected: int) -> None:
    """Each figure is the provider's own, or follows from its formula by hand."""
    assert tokens(media, model).expected == expected


@pytest.mark.parametrize(
    ("model", "width", "height", "billed"),
    [
        ("gpt-4.1", 2_049, 513, 1_445),
        ("gpt-4.1", 2_050, 513, 765),
        ("gpt-4.1-mini", 4_000, 1_474, 2_488),
        ("gpt-5-mini", 2_048, 768, 1_844),
        ("gpt-5.2", 768, 1_024, 922),
    ],
)
def test_images_that_were_billed_are_within_the_bound(model: str, width: int, height: int, billed: int) -> None:
    """Counts that users of the APIs measured and published, where the formulas round otherwise."""
    assert billed <= tokens(image(width, height), model).most


@given(
    model=st.sampled_from(MODELS), width=st.integers(1, 9_000), height=st.integers(1, 9_000),
    detail=st.sampled_from(DETAILS),
)  # fmt: skip
def test_an_image_of_unknown_size_is_bounded_by_the_dearest(
    model: str, width: int, height: int, detail: str | None
) -> None:
    """No size comes to more than what is held for an unknown one, and what is expected is within the bound."""
    known, unknown = tokens(image(width, height, detail), model), tokens(image(detail=detail), model)
    assert 0 < known.expected <= known.most <= unknown.most
    assert unknown.expected <= unknown.most


@given(model=st.sampled_from(MODELS), width=st.integers(1, 9_000), height=st.integers(1, 9_000))
def test_an_image_turned_on_its_side_costs_the_same(model: str, width: int, height: int) -> None:
    """Cameras write pictures sideways and say so elsewhere; that changes nothing."""
    assert tokens(image(width, height), model).most == tokens(image(height, width), model).most


@pytest.mark.parametrize("model", MODELS)
def test_pages_are_text_and_a_picture(model: str) -> None:
    """A document costs at least its text, by the page; without a known number of pages there is no rule."""
    one, three = (tokens(Media(kind="document", pages=pages), model) for pages in (1, 3))
    assert (three.expected, three.most) == (3 * one.expected, 3 * one.most)
    assert one.expected > TEXT_OF_PAGE.expected
    assert media_tokens(Media(kind="document"), model) is None


@pytest.mark.parametrize(
    ("kind", "model"),
    [("image", "mistral-large"), ("image", None), ("video", "gemini-3-pro-preview"), ("other", "gpt-4o"),
     ("audio", "claude-opus-5"), ("audio", "gpt-4o"), ("video", "claude-opus-5")],
)  # fmt: skip
def test_without_a_rule_nothing_is_said(kind: Kind, model: str | None) -> None:
    """Other makers' models, clips of unknown length and videos have no published rule here."""
    assert media_tokens(Media(kind=kind), model) is None
