"""Prices without a call: what a usage costs, what a call could cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from types import NoneType
from typing import TYPE_CHECKING, Any, Final

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.errors import UnknownPrice

if TYPE_CHECKING:
    from ai_cost_calc.client.estimates import CostEstimate, File, Image
    from ai_cost_calc.client.metering import Metering
    from ai_cost_calc.client.official_values import CostResult
    from ai_cost_calc.client.resources import Prices
    from ai_cost_calc.core.pricing import Cost

MAX_TEXT: Final = 1_000_000


class Costs:
    """`price`, `cost` and `estimate`."""

    _metering: Metering
    _prices: Prices
    _clock: Callable[[], float]

    def price(
        self, used: Reading | Usage, *, provider: str | None = None, model: str | None = None,
        at: datetime | float | None = None, context: Mapping[str, str] | None = None,
    ) -> Cost:  # fmt: skip
        """What a reading or a usage costs.

        Args:
            used: what `read_usage` gave, or a `Usage` with `provider` and `model`.
            provider: such as `openai`; may be left out where the model's name says it.
            model: as the provider names it, or a slug such as `openai/gpt-4o`.
            at: when the call was made; now when left out. Unix seconds, or a `datetime` (UTC when it has no timezone).
            context: what changes the rate, such as `{"service_tier": "flex"}`.

        Returns:
            A `Cost`; its `total` is `None` when no price is known, with the `reason`. Never zero for that reason.

        Raises:
            TypeError: an argument is something else than these.
        """
        moment = _seconds(self._clock() if at is None else at)
        if isinstance(used, Reading):
            return self._metering.biller.price(used, moment)
        _check("used", used, Usage, "a Usage, or what read_usage gave")
        for name, value in (("provider", provider), ("model", model)):
            _check(name, value, (str, NoneType), "a string")
        _check("context", context, (Mapping, NoneType), 'a mapping such as {"service_tier": "flex"}')
        return self._prices.book().price(used, provider=provider, model=model, at=moment, context=context)

    def cost(
        self, model: str, *, input_tokens: int | None = None, output_tokens: int | None = None,
        input_text: str | None = None, output_text: str | None = None,
    ) -> CostResult | None:  # fmt: skip
        """What so many tokens, or these texts, cost at standard rates now. Never raises.

        Returns:
            US dollars, or `None` (and one `on_error`) when the model is unknown or the arguments make no sense. Tokens
            of texts are marked `estimated`; `method` is the encoding that counted them, or `bytes`.
        """
        try:
            return self._cost(model, input_tokens, output_tokens, input_text, output_text)
        except Exception as exc:  # noqa: BLE001 - the official `cost` never raises
            self._metering.counters.tell(f"cost: {exc}", exc)
            return None

    def _cost(
        self, model: str, input_tokens: int | None, output_tokens: int | None,
        input_text: str | None, output_text: str | None,
    ) -> CostResult:  # fmt: skip
        by_text = input_text is not None or output_text is not None
        if by_text and (input_tokens is not None or output_tokens is not None):
            msg = "give tokens or texts, not both"
            raise ValueError(msg)
        _check("model", model, (str, NoneType), "a string such as openai/gpt-4o")
        now = self._clock()
        book = self._prices.book()
        if by_text:
            found = book.find(None, model)
            inputs, method = _text_tokens(input_text, found.id if found else model)
            outputs, _ = _text_tokens(output_text, found.id if found else model)
        else:
            inputs, outputs = _tokens("input_tokens", input_tokens), _tokens("output_tokens", output_tokens)
            method = "given"
        from ai_cost_calc.client.official_values import CostResult  # noqa: PLC0415 - keeps `import ai_cost_calc` quick

        total = book.price(Usage(input_tokens=inputs, output_tokens=outputs), provider=None, model=model, at=now)
        if total.total is None or total.unpriced:
            raise UnknownPrice(total.reason or f"no price is known for {model!r}", provider=None, model=model)
        lines = {item.name: item.usd for item in total.items}
        output_cost = sum((amount for name, amount in lines.items() if name.startswith("output")), Decimal(0))
        return CostResult(
            model=model,
            input_cost=sum(lines.values(), Decimal(0)) - output_cost,
            output_cost=output_cost,
            total_cost=total.total,
            input_tokens=inputs,
            output_tokens=outputs,
            estimated=by_text,
            method=method,
        )

    def estimate(
        self, model: str, *, input_text: str = "", input_tokens: int | None = None, messages: Any = None,
        images: Iterable[Image] = (), files: Iterable[File] = (), detail: str | None = None,
        max_output_tokens: int | None = None, provider: str | None = None,
        context: Mapping[str, str] | None = None,
    ) -> CostEstimate:  # fmt: skip
        """The money a call could cost, before it is made. Nothing of what it is given is kept, and nothing is sent.

        Args:
            model: as the provider names it, or a slug.
            input_text: text that becomes input. Counted by the model's own encoding where that is published and the
                extra `estimate` is installed, else by its bytes.
            input_tokens: instead of texts, the tokens of the input where they are known.
            messages: what the call will send as `messages`, `input` or `contents`, images in it included.
            images: further images: `(width, height)` in pixels, the bytes of a file, or its path.
            files: PDFs, WAV clips, images or texts: the bytes of a file, or its path.
            detail: how closely the model will look at `images`: `low`, `high`, … in the provider's words.
            max_output_tokens: the limit that the call will set; the model's own when left out.
            provider: where the model's name does not say it.
            context: what changes the rate, such as `{"service_tier": "flex"}`.

        Raises:
            UnknownPrice: no price for tokens of this model is known, and there is no `fallback_price`.
            TypeError: the model or the text is no string.
            ValueError: tokens are given beside texts, or a size makes no sense.
            OSError: a file cannot be read.
        """
        _check("model", model, str, "a string such as gpt-5-mini")
        _check("input_text", input_text, str, "a string")
        for name, limit in (("input_tokens", input_tokens), ("max_output_tokens", max_output_tokens)):
            if limit is not None:
                _tokens(name, limit)
        from ai_cost_calc.client.estimates import Question, estimate_cost  # noqa: PLC0415 - keeps importing quick

        asked = Question(
            model=model, provider=provider, input_text=input_text, input_tokens=input_tokens, messages=messages,
            images=images, files=files, detail=detail, max_output_tokens=max_output_tokens, context=context,
        )  # fmt: skip
        return estimate_cost(asked, self._prices.book(), self._metering.estimator, self._clock())


def _seconds(at: datetime | float) -> float:
    if isinstance(at, datetime):
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    _check("at", at, (int, float), "a datetime or unix seconds")
    return at


def _check(name: str, value: object, kind: type | tuple[type, ...], wanted: str) -> None:
    if not isinstance(value, kind):
        msg = f"{name} must be {wanted}, not {value!r}"
        raise TypeError(msg)


def _tokens(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        msg = f"{name} must be a whole number of at least 0, not {value!r}"
        raise ValueError(msg)
    return value


def _text_tokens(text: object, model: str) -> tuple[int, str]:
    """Tokens of a text, and how they were found."""
    from ai_cost_calc.prices.tokens import count_tokens  # noqa: PLC0415 - keeps `import ai_cost_calc` quick

    text = "" if text is None else text
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        msg = f"texts must be strings of at most {MAX_TEXT:,} characters"
        raise ValueError(msg)
    counted = count_tokens([text], model)
    return counted.expected, counted.method
