"""Texts are counted as tiktoken counts them, and bounded by their bytes whatever they are."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
from collections.abc import Callable
from functools import cache

import pytest
import tiktoken
import toktok  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from ai_cost_calc.core.price_book import PriceBook
from ai_cost_calc.prices.tokens import TextTokens, count_tokens, encoding_of

MODELS = {"cl100k_base": "gpt-4", "o200k_base": "gpt-4o", "o200k_harmony": "gpt-oss-120b"}
"""The encodings that are counted in, and a model of each."""
LONG_AGO = {"r50k_base", "p50k_base"}
"""Encodings of models that OpenAI no longer serves; such texts are counted by their bytes."""
TEXTS = {
    "prose": "The ferry leaves at noon, and the next one not before dusk. " * 20,
    "code": "def total(rows):\n    return sum(row['cost'] for row in rows if row[\"cost\"] is not None)\n" * 10,
    "JSON": '{"customer": "acme", "tags": {"plan": "pro", "seats": 12}, "note": null}',
    "Norwegian": "Fjorden er dyp og stille, og båten går ikke før i morgen tidlig.",
    "Chinese": "今天下午有雨。渡船照常开出。",
    "Japanese": "明日の朝まで船は出ません。カモメだけがいます。",
    "Korean": "배는 내일 아침까지 떠나지 않습니다.",
    "Arabic": "تغادر العبّارة عند الظهر ﷺ",
    "Hindi": "नाव दोपहर को निकलती है, क़रीब बारह बजे।",
    "emoji": "👩‍👩‍👧‍👦🚢🇳🇴 ok",
    "numbers": "3.14159265358979 1234567890 0x7fff",
    "spaces": " " * 500 + "\n\n\n\t\t" + " " * 7,
    "special": "<|endoftext|><|im_start|>user",
    "nothing": "",
}
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def rank_file(encoding: str) -> bytes:
    """The file of tokens and their ranks that tiktoken would download, rebuilt from the vocabulary inside toktok."""
    tokens = toktok._encoding(encoding).token_byte_values()
    return b"".join(b"%s %d\n" % (base64.b64encode(token), rank) for rank, token in enumerate(tokens))


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tiktoken.Encoding]:
    """Encodings of tiktoken, from a folder of files; it checks each against the SHA-256 that OpenAI published."""
    folder = tmp_path_factory.mktemp("ranks")
    for name in ("cl100k_base", "o200k_base"):
        url = f"https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"
        (folder / hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()).write_bytes(rank_file(name))

    @cache
    def load(name: str) -> tiktoken.Encoding:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TIKTOKEN_CACHE_DIR", str(folder))
            patch.setattr("tiktoken.load.read_file", _no_network)
            return tiktoken.get_encoding(name)

    return load


def _no_network(address: str) -> bytes:
    pytest.fail(f"the vocabulary of {address} is not the one that OpenAI published")


def theirs(encoding: tiktoken.Encoding, text: str) -> int:
    """Tokens of a text by tiktoken, names of special tokens taken as the text they are."""
    return len(encoding.encode_ordinary(text))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_texts_are_counted_as_tiktoken_counts_them(
    reference: Callable[[str], tiktoken.Encoding], name: str, text: str
) -> None:
    """Languages, code, numbers, white space and markup, in each encoding: to the token."""
    exact = theirs(reference(name), text)
    assert count_tokens([text], MODELS[name]) == TextTokens(exact, exact, count_tokens([text], None).most, name)


@pytest.mark.parametrize("name", MODELS)
@given(text=ANY_TEXT)
def test_no_text_has_more_tokens_than_the_bound(
    reference: Callable[[str], tiktoken.Encoding], name: str, text: str
) -> None:
    """Whatever the text, tiktoken makes no more of it than there are bytes; so do we."""
    counted = count_tokens([text], MODELS[name])
    assert theirs(reference(name), text) <= counted.most
    assert counted.low == counted.expected <= counted.most


@pytest.mark.parametrize(
    "model", ["claude-sonnet-4-6", "claude-opus-5", "gemini-2.5-pro", "mistral-large", "gpt-6-astra", None]
)
@given(text=ANY_TEXT)
def test_texts_without_a_published_encoding_are_a_range(model: str | None, text: str) -> None:
    """Their tokens follow from their bytes at a stated ratio, and are marked so."""
    counted = count_tokens([text], model)
    assert counted.method == "bytes"
    assert counted.low <= counted.expected <= counted.most
    assert (counted.low > 0) == bool(text)


@pytest.mark.parametrize(
    ("model", "expected"), [("gpt-6-astra", 250), ("claude-sonnet-4-6", 295), ("claude-opus-4-7", 400), (None, 250)]
)
def test_stated_ratios(model: str | None, expected: int) -> None:
    """A thousand bytes are 250 tokens; 295 for Claude before 4.7, 400 from it on."""
    assert count_tokens(["x" * 600, "y" * 400], model).expected == expected


def test_half_a_character_is_counted_like_any_other() -> None:
    """A lone surrogate, which no request can carry, raises nothing."""
    counted = count_tokens(["\ud800 x"], "gpt-4o")
    assert 0 < counted.expected <= counted.most == 5


def test_models_have_the_encoding_that_tiktoken_gives_them(book: PriceBook) -> None:
    """Every model of OpenAI that tiktoken knows the encoding of; for those it does not know, none is claimed."""
    wrong = {}
    for model in book.models():
        if model.provider == "openai":
            try:
                expected = tiktoken.encoding_name_for_model(model.id)
            except KeyError:
                expected = None
            found = encoding_of(model.id)
            if found != (None if expected in LONG_AGO else expected):
                wrong[model.id] = (expected, found)
    assert wrong == {"gpt-3.5-0301": (None, "cl100k_base"), "gpt-4o:extended": (None, "o200k_base")}


@pytest.mark.parametrize(
    ("model", "encoding"),
    [("openai/gpt-4o", "o200k_base"), ("azure/gpt-4o-mini", "o200k_base"), ("gpt-4", "cl100k_base"),
     ("gpt-4-turbo", "cl100k_base"), ("openai.gpt-oss-20b-1:0", "o200k_harmony"), ("ft:gpt-4o:acme", "o200k_base"),
     ("gpt-5.1-codex", "o200k_base"), ("gpt-6-sol", None), ("claude-opus-5", None), ("gpt-4oo", None), (None, None)],
)  # fmt: skip
def test_slugs_have_their_models_encoding(model: str | None, encoding: str | None) -> None:
    """What stands before a model's name does not change its tokenizer, and a name that is another's means nothing."""
    assert encoding_of(model) == encoding


def test_nothing_is_loaded_before_a_text_is_counted() -> None:
    """A program that holds strict budgets, or estimates from counts, loads no vocabulary; nobody loads a network's."""
    program = """
import sys
from ai_cost_calc import AiCostCalc, Budget
calc = AiCostCalc("memory:", budgets=[Budget("5.00", per="day", estimate="strict")])
calc.estimate("gpt-4o", input_tokens=10, max_output_tokens=10)
calc.estimate("claude-opus-5", input_text="hello", max_output_tokens=10)
assert "toktok" not in sys.modules
assert calc.estimate("gpt-4o", input_text="hello", max_output_tokens=10).method == "o200k_base"
assert "toktok" in sys.modules and "tiktoken" not in sys.modules and "requests" not in sys.modules
calc.shutdown()
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_without_the_extra_texts_are_counted_by_their_bytes() -> None:
    """Where toktok is not installed, the method says so and the bound is the same."""
    program = """
import sys
sys.modules["toktok"] = None
from ai_cost_calc.prices.tokens import count_tokens
counted = count_tokens(["x" * 1_000], "gpt-4o")
assert (counted.method, counted.expected, counted.most) == ("bytes", 250, 1_000), counted
"""
    subprocess.run([sys.executable, "-c", program], check=True)
