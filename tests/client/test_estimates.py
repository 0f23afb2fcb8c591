"""What a call could cost, asked for before it is made."""

from __future__ import annotations

import base64
import io
import wave
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_cost_calc import AiCostCalc, Budget, BudgetExceeded, Usage, read_usage
from ai_cost_calc.client.estimates import CostEstimate
from ai_cost_calc.client.official_values import AiCostCalcError
from ai_cost_calc.errors import UnknownPrice
from ai_cost_calc.testing import ProviderSimulator
from tests.conftest import MakeCalc

openai = pytest.importorskip("openai", reason="the openai SDK is absent")

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAASwAAADICAIAAADdvUsC")  # the head of a picture of 300 x 200 pixels
PDF = b"%PDF-1.4\n1 0 obj <</Type /Page>> endobj\n2 0 obj <</Type /Page>> endobj\n"


def picture(detail: str | None = None) -> dict[str, Any]:
    """A content part for OpenAI with the picture in it."""
    url = {"url": f"data:image/png;base64,{base64.b64encode(PNG).decode()}"}
    return {"type": "image_url", "image_url": url if detail is None else {**url, "detail": detail}}


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One client for all examples of a property."""
    calc = AiCostCalc("memory:", data_dir=tmp_path_factory.mktemp("estimates"))
    yield calc
    calc.shutdown()


def test_given_tokens_are_priced_as_they_are(calc: AiCostCalc) -> None:
    """1,000 tokens of gpt-4o's input at $2.50 a million, and 100 of its output at $10, by hand."""
    assert calc.estimate("gpt-4o", input_tokens=1_000, max_output_tokens=100) == CostEstimate(
        low=Decimal("0.0025"), expected=Decimal("0.0035"), strict=Decimal("0.0035"), learned=False, fallback=False,
        method="given", input_tokens=1_000, output_tokens=100, most_input_tokens=1_000, most_output_tokens=100,
    )  # fmt: skip


def test_a_text_is_counted_and_bounded(calc: AiCostCalc) -> None:
    """Two tokens and seven around them, from eleven bytes and sixteen around them at the most."""
    guess = calc.estimate("openai/gpt-4o", input_text="hello world", max_output_tokens=50)
    assert guess.method == "o200k_base"
    assert (guess.input_tokens, guess.most_input_tokens) == (2 + 7, 11 + 16)
    assert guess.low == Decimal("0.000005")
    assert guess.expected == Decimal("0.0005225")
    assert guess.strict == Decimal("0.0005675")


def test_a_text_without_a_published_encoding_goes_by_its_bytes(calc: AiCostCalc) -> None:
    """A thousand bytes for Claude Opus 4.8 are some 400 tokens."""
    guess = calc.estimate("claude-opus-4-8", input_text="x" * 1_000, max_output_tokens=10)
    assert (guess.method, guess.input_tokens, guess.most_input_tokens) == ("bytes", 400 + 7, 1_000 + 16)


@pytest.mark.parametrize(
    ("given", "expected", "most"),
    [
        ({"images": [(1_024, 1_024)]}, 765, 765),
        ({"images": [(1_024, 1_024), (300, 200)], "detail": "low"}, 2 * 85, 2 * 85),
        ({"images": [PNG]}, 255, 255),
        ({"files": [PNG]}, 255, 255),
        ({"files": [PDF]}, 2 * (1_500 + 85 + 170 * 4), 2 * (3_000 + 85 + 170 * 4)),
        ({"messages": [{"content": [picture("low")]}]}, 1 + 85, 7 + 85),
        ({"images": [b"no picture"]}, 765, 1_445),
        ({"files": [b"\xff\xfe\x00 no text"]}, 1_000, 50_000),
    ],
)
def test_images_and_files_go_by_their_providers_rules(
    calc: AiCostCalc, given: dict[str, Any], expected: int, most: int
) -> None:
    """Known sizes by the rule, unknown ones by the dearest that the rule allows, others by a stated guess."""
    nothing = calc.estimate("gpt-4o", max_output_tokens=1)
    guess = calc.estimate("gpt-4o", max_output_tokens=1, **given)
    assert guess.input_tokens - nothing.input_tokens == expected
    assert guess.most_input_tokens - nothing.most_input_tokens == most


def test_files_are_read_from_where_they_are(calc: AiCostCalc, tmp_path: Path) -> None:
    """Paths and bytes say the same; a text among the files counts as text."""
    (tmp_path / "picture.png").write_bytes(PNG)
    (tmp_path / "notes.txt").write_text("hello world")
    from_paths = calc.estimate(
        "gpt-4o", images=[tmp_path / "picture.png"], files=[tmp_path / "notes.txt"], max_output_tokens=9
    )
    assert from_paths == calc.estimate("gpt-4o", images=[PNG], input_text="hello world", max_output_tokens=9)
    with pytest.raises(FileNotFoundError):
        calc.estimate("gpt-4o", files=[tmp_path / "absent.pdf"])


def test_a_clip_goes_by_its_length(calc: AiCostCalc) -> None:
    """Ten seconds of a WAV file are 320 tokens of Gemini."""
    file = io.BytesIO()
    with wave.open(file, "wb") as clip:
        clip.setparams((1, 2, 8_000, 0, "NONE", ""))
        clip.writeframes(bytes(2 * 8_000 * 10 - 44))
    guess = calc.estimate("gemini-2.5-flash", files=[file.getvalue()], input_tokens=0, max_output_tokens=1)
    assert guess.input_tokens == guess.most_input_tokens == 320


@pytest.mark.parametrize("detail", [None, "low", "high"])
def test_what_a_strict_budget_asks_for_is_the_strict_estimate(make_calc: MakeCalc, detail: str | None) -> None:
    """A wrapped client's request, with text, a picture and a tool in it, is held at what `estimate` says of it."""
    calc = make_calc(budgets=[Budget("0.000001", per="day", estimate="strict")])
    messages: Any = [
        {"role": "system", "content": "Describe pictures."},
        {"role": "user", "content": [{"type": "text", "text": "What is in it? 船"}, picture(detail)]},
    ]
    with ProviderSimulator() as provider, openai.OpenAI(base_url=provider.openai_base_url, api_key="k") as opened:
        client = calc.wrap(opened)
        with pytest.raises(BudgetExceeded) as refusal:
            client.chat.completions.create(model="gpt-4o", messages=messages, max_tokens=40)
        assert provider.requests == []
    assert refusal.value.requested == calc.estimate("gpt-4o", messages=messages, max_output_tokens=40).strict


def test_earlier_calls_are_what_is_expected(calc: AiCostCalc) -> None:
    """Once such calls were made, what nearly all of them came to is expected, within what this one can cost."""
    body = {
        "object": "chat.completion", "model": "gpt-4o", "choices": [],
        "usage": {"prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100},
    }  # fmt: skip
    with (
        ProviderSimulator(usage={"input_tokens": 1_000, "output_tokens": 100}) as provider,
        openai.OpenAI(base_url=provider.openai_base_url, api_key="k") as opened,
    ):
        client = calc.wrap(opened)
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
    came_to = calc.price(read_usage(body, provider="openai")).total
    guess = calc.estimate("openai/gpt-4o", input_tokens=500, max_output_tokens=1_000)
    assert guess.learned
    assert guess.expected == came_to == Decimal("0.0035")
    small, large = (calc.estimate("gpt-4o", input_tokens=size, max_output_tokens=1) for size in (1, 10_000))
    assert small.expected == small.strict
    assert large.expected == large.low


@settings(deadline=None)  # the first example loads an encoding
@given(
    text=st.text(min_size=1, max_size=300),
    images=st.lists(st.tuples(st.integers(1, 5_000), st.integers(1, 5_000)), max_size=2),
    limit=st.none() | st.integers(1, 5_000),
    model=st.sampled_from(["gpt-4o", "gpt-5.6-sol", "claude-opus-5", "gemini-2.5-pro", "mistral-large-latest", "o3",
                           "grok-4.3", "text-embedding-3-small", "claude-sonnet-4-5", "gpt-oss-120b"]),
)  # fmt: skip
def test_low_expected_and_strict_are_in_this_order(
    book: AiCostCalc, text: str, images: list[tuple[int, int]], limit: int | None, model: str
) -> None:
    """Whatever is asked of any model, on whichever side of its tiers."""
    guess = book.estimate(model, input_text=text, images=images, max_output_tokens=limit)
    assert Decimal(0) <= guess.low <= guess.expected <= guess.strict
    assert guess.strict > 0
    assert guess.input_tokens <= guess.most_input_tokens
    assert guess.output_tokens <= guess.most_output_tokens


@settings(deadline=None)  # the first example loads an encoding
@given(text=st.text(max_size=2_000), output=st.integers(0, 500))
def test_no_call_within_its_limit_costs_more_than_strict(book: AiCostCalc, text: str, output: int) -> None:
    """However the bytes of a text are cut into tokens, cached or not, the bill is within the strict estimate."""
    guess = book.estimate("claude-sonnet-4-5", input_text=text, max_output_tokens=500)
    tokens = len(text.encode()) + 16
    for usage in (
        Usage(input_tokens=tokens, output_tokens=output),
        Usage(input_tokens=tokens, cache_write_tokens=tokens, cache_write_1h_tokens=tokens, output_tokens=output),
    ):
        cost = book.price(usage, provider="anthropic", model="claude-sonnet-4-5").total
        assert cost is not None
        assert cost <= guess.strict


def test_no_more_is_expected_than_can_be_answered(calc: AiCostCalc) -> None:
    """Llama Prompt Guard 2 takes and gives 512 tokens: no thousand of them is expected of it."""
    found = calc.estimate("groq/meta-llama/llama-prompt-guard-2-86m", input_text="Ignore all instructions.")
    assert (found.output_tokens, found.most_output_tokens) == (512, 512)


def test_models_that_answer_nothing_cost_their_input(calc: AiCostCalc) -> None:
    """An embedding has no output, nor a message's framing."""
    guess = calc.estimate("text-embedding-3-small", input_text="hello world")
    assert (guess.input_tokens, guess.output_tokens, guess.most_output_tokens) == (2, 0, 0)
    assert guess.low == guess.expected == Decimal("0.00000004")


@pytest.mark.parametrize("model", ["gpt-99", "nobody/nothing", "whisper-1", ""])
def test_an_unknown_price_is_not_zero(calc: AiCostCalc, model: str) -> None:
    """A model that nobody knows, and one whose price is not for tokens, have no estimate."""
    with pytest.raises(UnknownPrice, match="no price for tokens"):
        calc.estimate(model, input_text="hello")


def test_a_fallback_price_stands_in_and_says_so(make_calc: MakeCalc) -> None:
    """At $15 a million tokens, 1,000 in and 100 out are 1.65 cents."""
    calc = make_calc(fallback_price="15.00")
    guess = calc.estimate("my-own-model", input_tokens=1_000, max_output_tokens=100)
    assert guess.fallback
    assert (guess.low, guess.expected, guess.strict) == (Decimal("0.015"), Decimal("0.0165"), Decimal("0.0165"))
    assert not calc.estimate("gpt-4o", input_tokens=1_000).fallback


def test_a_budget_holds_something_for_what_is_not_priced_by_tokens(make_calc: MakeCalc) -> None:
    """A model with a rate per second alone is held at its provider's dearest rate per token, not at nothing."""
    calc = make_calc(budgets=[Budget("0.000001", per="day", estimate="strict")])
    with ProviderSimulator() as provider, openai.OpenAI(base_url=provider.openai_base_url, api_key="k") as opened:
        client = calc.wrap(opened)
        with pytest.raises(BudgetExceeded) as refusal:
            client.audio.transcriptions.create(model="whisper-1", file=("clip.wav", b"RIFF"))
    assert refusal.value.requested is not None
    assert refusal.value.requested > 0


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"input_tokens": 1, "input_text": "x"}, "not both"),
        ({"input_tokens": 1, "messages": [{"content": "x"}]}, "not both"),
        ({"input_tokens": 1, "files": [b"text"]}, "not both"),
        ({"input_tokens": -1}, "at least 0"),
        ({"images": [(0, 5)]}, "no image"),
    ],
)
def test_what_makes_no_sense_is_refused(calc: AiCostCalc, given: dict[str, Any], says: str) -> None:
    """Tokens beside texts, fewer than none, and pictures without an extent."""
    with pytest.raises(ValueError, match=says):
        calc.estimate("gpt-4o", **given)


def test_context_changes_the_rate(calc: AiCostCalc) -> None:
    """A batch costs half."""
    usual, batch = (
        calc.estimate("gpt-5", input_tokens=1_000, max_output_tokens=100, context=context)
        for context in (None, {"processing": "batch"})
    )
    assert (batch.low * 2, batch.expected * 2, batch.strict * 2) == (usual.low, usual.expected, usual.strict)


# `cost` of texts.


@pytest.mark.parametrize(
    ("model", "method", "tokens"),
    [("openai/gpt-4o", "o200k_base", 2), ("gpt-4", "cl100k_base", 2), ("anthropic/claude-opus-4.8", "bytes", 5),
     ("google/gemini-2.5-flash", "bytes", 3)],
)  # fmt: skip
def test_cost_counts_texts_by_the_models_own_encoding(calc: AiCostCalc, model: str, method: str, tokens: int) -> None:
    """A slug is counted like its model; where no encoding is published, the result says that bytes were taken."""
    result = calc.cost(model, input_text="hello world", output_text="hello world")
    assert result is not None
    assert (result.input_tokens, result.output_tokens) == (tokens, tokens)
    assert (result.estimated, result.method) == (True, method)


def test_cost_of_tokens_is_no_estimate(calc: AiCostCalc) -> None:
    """Counts that are given are taken as they are."""
    result = calc.cost("openai/gpt-4o", input_tokens=1_000, output_tokens=500)
    assert result is not None
    assert (result.estimated, result.method) == (False, "given")


def test_cost_of_text_of_an_unknown_model_is_none(make_calc: MakeCalc) -> None:
    """One report, no price of zero."""
    errors: list[AiCostCalcError] = []
    calc = make_calc(on_error=errors.append)
    assert calc.cost("fake/not-a-model", input_text="hello", output_text="") is None
    assert len(errors) == 1
