"""Prices without a call: what a usage costs, what a call could cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from ai_cost_calc.client.official import CostResult
from ai_cost_calc.core.attribution import NOBODY
from ai_cost_calc.core.money import usd
from ai_cost_calc.core.pricing import Cost
from ai_cost_calc.core.reading import Reading
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.errors import UnknownPrice
from ai_cost_calc.ports.providers import CallRequest

if TYPE_CHECKING:
    from ai_cost_calc.client.metering import Metering
    from ai_cost_calc.client.resources import Prices

MAX_TEXT: Final = 1_000_000
_BYTES_PER_TOKEN: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class CostEstimate:
    """What a call could cost, in US dollars.

    Attributes:
        expected: what such a call may come to; what a budget with `estimate="learned"` reserves.
        strict: a true upper bound: every byte of the input a token, the whole answer used, at the dearest rate.
        learned: whether `expected` comes from earlier calls of this client.
    """

    expected: Decimal
    strict: Decimal
    learned: bool


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
        """
        moment = _seconds(self._clock() if at is None else at)
        if isinstance(used, Reading):
            return self._metering.biller.price(used, moment)
        return self._prices.book().price(used, provider=provider, model=model, at=moment, context=context)

    def cost(
        self, model: str, *, input_tokens: int | None = None, output_tokens: int | None = None,
        input_text: str | None = None, output_text: str | None = None,
    ) -> CostResult | None:  # fmt: skip
        """What so many tokens, or these texts, cost at standard rates now. Never raises.

        Returns:
            US dollars, or `None` (and one `on_error`) when the model is unknown or the arguments make no sense. Tokens
            of texts are estimated from their size and marked `estimated`.
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
        inputs = _text_tokens(input_text) if by_text else _tokens("input_tokens", input_tokens)
        outputs = _text_tokens(output_text) if by_text else _tokens("output_tokens", output_tokens)
        now = self._clock()
        book = self._prices.book()
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
        )

    def estimate(
        self, model: str, *, input_text: str = "", input_tokens: int | None = None,
        max_output_tokens: int | None = None, provider: str | None = None,
    ) -> CostEstimate:  # fmt: skip
        """The money a call could cost, before it is made.

        Args:
            model: as the provider names it, or a slug.
            input_text: everything that becomes input; only its size is used.
            input_tokens: instead of a text, the tokens of the input where they are known.
            max_output_tokens: the limit that the call will set; the model's own when left out.
            provider: where the model's name does not say it.

        Raises:
            UnknownPrice: no price is known for this model.
        """
        found = self._prices.book().find(provider, model)
        if found is None:
            msg = f"no price is known for {model!r}; check the name, or give provider="
            raise UnknownPrice(msg, provider=provider, model=model)
        size = len(input_text.encode()) if input_tokens is None else input_tokens
        request = CallRequest(
            provider=provider or found.provider, model=model, input_bytes=size, max_output_tokens=max_output_tokens
        )
        guess = self._metering.estimator.request(request, NOBODY, strict=True, now=self._clock())
        strict = guess.strict or guess.expected
        return CostEstimate(
            expected=usd(guess.expected.nanos or 0), strict=usd(strict.nanos or 0), learned=guess.learned
        )


def _seconds(at: datetime | float) -> float:
    if isinstance(at, datetime):
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    return at


def _tokens(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        msg = f"{name} must be a whole number of at least 0, not {value!r}"
        raise ValueError(msg)
    return value


def _text_tokens(text: object) -> int:
    if text is None:
        return 0
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        msg = f"texts must be strings of at most {MAX_TEXT:,} characters"
        raise ValueError(msg)
    return -(-len(text.encode()) // _BYTES_PER_TOKEN)
