"""What a call could cost, asked for before it is made: from texts, messages, images, files, or counts of tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ai_cost_calc.client.estimating import Estimator, dearest_nanos, media_in, prices_calls
from ai_cost_calc.core.estimate import PRIOR_OUTPUT_TOKENS
from ai_cost_calc.core.media import Media, sniff
from ai_cost_calc.core.money import usd
from ai_cost_calc.core.text import MESSAGE, most_bytes, most_framing
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.errors import UnknownPrice
from ai_cost_calc.ports.providers import CallRequest
from ai_cost_calc.prices.tokens import TextTokens, count_tokens
from ai_cost_calc.providers._request import measured

if TYPE_CHECKING:
    from ai_cost_calc.core.price_book import PriceBook
    from ai_cost_calc.core.pricing import ModelPrice

Image = tuple[int, int] | bytes | PathLike[str]
"""Width and height in pixels, or the bytes of an image file, or where it is."""
File = bytes | PathLike[str]
"""The bytes of a file, or where it is: a PDF, an image, a WAV file, or text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostEstimate:
    """What a call could cost, in US dollars; `low` <= `expected` <= `strict`.

    Attributes:
        low: its input alone, in as few tokens as it may be, at standard rates.
        expected: what it probably comes to.
        strict: the most it can cost: every byte of text a token, the whole answer used, all at the dearest rate.
        learned: whether `expected` is what nearly all earlier calls of this client to this model came to.
        fallback: whether all is at your `fallback_price`, because the model has no known price.
        method: how the tokens of the input were found: the encoding that counted them, `bytes`, or `given`.
        input_tokens: what `expected` takes the input for.
        output_tokens: what `expected` takes the answer for.
        most_input_tokens: what `strict` takes the input for.
        most_output_tokens: what `strict` takes the answer for.
    """

    low: Decimal
    expected: Decimal
    strict: Decimal
    learned: bool
    fallback: bool
    method: str
    input_tokens: int
    output_tokens: int
    most_input_tokens: int
    most_output_tokens: int


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What `AiCostCalc.estimate` was asked; its arguments say what they are."""

    model: str
    provider: str | None = None
    input_text: str = ""
    input_tokens: int | None = None
    messages: Any = None
    images: Iterable[Image] = ()
    files: Iterable[File] = ()
    detail: str | None = None
    max_output_tokens: int | None = None
    context: Mapping[str, str] | None = None


def estimate_cost(asked: Question, book: PriceBook, estimator: Estimator, now: float) -> CostEstimate:
    """Answer it.

    Raises:
        UnknownPrice: the model has no price for tokens, and there is no fallback.
        ValueError: tokens were given beside texts, or a count is below 0.
    """
    found = book.find(asked.provider, asked.model)
    provider, model = (found.provider, found.id) if found else (asked.provider, asked.model)
    rates = book.rates(asked.provider, asked.model, now, asked.context)
    if rates is not None and not prices_calls(rates):
        rates = None
    if rates is None and estimator.fallback is None:
        msg = (
            f"no price for tokens of {asked.model!r} is known; check the name, give provider=, or set a fallback_price"
        )
        raise UnknownPrice(msg, provider=asked.provider, model=asked.model)
    answers = rates is None or any(name.startswith("output_") for name in rates.rates)
    inputs = _input(asked, model, framed=answers)
    limit = asked.max_output_tokens
    request = CallRequest(provider=provider or "", model=model, max_output_tokens=limit)
    most_output = estimator.most_output(request) if answers else 0
    output = min(PRIOR_OUTPUT_TOKENS, most_output)
    at = _At(rates, estimator.fallback or 0)
    strict = at.most(inputs.most, most_output)
    low = at.usual(inputs.low, 0)
    upper = estimator.learned.upper(asked.provider or provider, model, None)
    expected = at.usual(inputs.expected, output) if upper is None or upper.nanos is None else upper.nanos
    return CostEstimate(
        low=usd(low),
        expected=usd(min(max(expected, low), strict)),
        strict=usd(strict),
        learned=upper is not None,
        fallback=rates is None,
        method=inputs.method,
        input_tokens=inputs.expected,
        output_tokens=output,
        most_input_tokens=inputs.most,
        most_output_tokens=most_output,
    )


class _At(msgspec.Struct, frozen=True):
    """The rates of a model, or a fallback in nano-dollars for each token of a model that has none."""

    rates: ModelPrice | None
    fallback: int

    def usual(self, inputs: int, output: int) -> int:
        """Nano-dollars at standard rates, nothing cached."""
        if self.rates is None:
            return self.fallback * (inputs + output)
        return self.rates.nanos(Usage(input_tokens=inputs, output_tokens=output))

    def most(self, inputs: int, output: int) -> int:
        """Nano-dollars at the dearest rates."""
        return self.fallback * (inputs + output) if self.rates is None else dearest_nanos(self.rates, inputs, output)


def _input(asked: Question, model: str, *, framed: bool) -> TextTokens:
    """Tokens of everything that goes in."""
    texts, own = _opened(asked)
    if asked.input_tokens is not None:
        counted = _given(asked, texts)
        items, known = len(own), tuple(own)
    else:
        found: list[str] = []

        def weigh(text: str) -> int:
            found.append(text)
            return most_bytes(text)

        size = measured([asked.input_text, asked.messages or "", *texts], weigh)
        counted = count_tokens(found, model)
        framing = (MESSAGE, most_framing(model)) if framed else (0, 0)
        counted = TextTokens(counted.low, counted.expected + framing[0], size.text_bytes + framing[1], counted.method)
        items, known = size.media_items + len(own), (*size.media, *own)
    media = media_in(CallRequest(provider="", model=model, media_items=items, media=known))
    return TextTokens(
        counted.low + media.expected, counted.expected + media.expected, counted.most + media.most, counted.method
    )


def _given(asked: Question, texts: list[str]) -> TextTokens:
    tokens = asked.input_tokens or 0
    if asked.input_text or asked.messages or texts:
        msg = "give input_tokens, or texts and messages, not both"
        raise ValueError(msg)
    if tokens < 0:
        msg = f"input_tokens must be at least 0, not {tokens}"
        raise ValueError(msg)
    return TextTokens(tokens, tokens, tokens, "given")


def _opened(asked: Question) -> tuple[list[str], list[Media]]:
    """The texts among the files, and what is known of everything else."""
    texts: list[str] = []
    media = [_image(image, asked.detail) for image in asked.images]
    for data in map(_bytes, asked.files):
        known = sniff(data)
        if known is None and (text := _text(data)) is not None:
            texts.append(text)
        else:
            media.append(known or Media(kind="document"))
    return texts, media


def _image(image: Image, detail: str | None) -> Media:
    if isinstance(image, tuple):
        width, height = image
        if min(width, height) < 1:
            msg = f"an image of {width} x {height} pixels is no image"
            raise ValueError(msg)
        return Media(kind="image", width=width, height=height, detail=detail)
    return msgspec.structs.replace(sniff(_bytes(image)) or Media(kind="image"), detail=detail)


def _bytes(file: File) -> bytes:
    return file if isinstance(file, bytes) else Path(file).read_bytes()


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
