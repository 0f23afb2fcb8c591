"""What a call could cost, from its size, its prices and what such calls came to before."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Final

from ai_cost_calc.budgets.learning import Learned
from ai_cost_calc.core.attribution import Attribution
from ai_cost_calc.core.estimate import PRIOR_NANOS, PRIOR_OUTPUT_TOKENS, Amounts, Estimate, lower
from ai_cost_calc.core.event import MICROS, UsageEvent
from ai_cost_calc.core.media_tokens import Tokens, media_tokens
from ai_cost_calc.core.money import NANOS_PER_USD
from ai_cost_calc.core.pricing import REQUESTS, ModelPrice
from ai_cost_calc.core.text import most_framing
from ai_cost_calc.ports.providers import CallRequest

if TYPE_CHECKING:
    from ai_cost_calc.core.price_book import PriceBook

BYTES_PER_TOKEN: Final = 3
"""Of the prior: text of any language has about three UTF-8 bytes a token or more; the strict bound takes one."""
UNRULED: Final = Tokens(1_000, 50_000)
"""What one image, file or clip is taken for where neither its size nor a rule of its provider is known."""
OUTPUT_LIMIT: Final = 128_000
"""The most any model answers where neither the caller nor the price book says less."""


class Estimator:
    """Estimates calls before they are made.

    Args:
        book: gives the price book.
        learned: what earlier calls came to.
        fallback_nanos_per_token: what a token of a model without a price is taken to cost; `None` to use the
            provider's dearest known rate.
    """

    def __init__(self, book: Callable[[], PriceBook], learned: Learned, fallback_nanos_per_token: int | None) -> None:
        self._book = book
        self.learned = learned
        self.fallback = fallback_nanos_per_token

    def request(self, request: CallRequest, attribution: Attribution, *, strict: bool, now: float) -> Estimate:
        """Estimate a call of a known model. The strict bound is computed only when a budget asks for it."""
        upper = None if request.batch else self.learned.upper(request.provider, request.model, attribution.feature)
        if upper is not None and not strict:
            return Estimate(expected=upper, learned=True)
        bound = self._strict(request, now)
        if upper is not None:
            return Estimate(expected=lower(upper, bound), strict=bound, learned=True)
        return Estimate(expected=lower(self._prior(request, now), bound), strict=bound)

    def block(self, attribution: Attribution) -> Estimate:
        """Estimate a guarded block of which only the feature is known."""
        upper = self.learned.upper(None, None, attribution.feature)
        if upper is not None:
            return Estimate(expected=upper, learned=True)
        return Estimate(expected=Amounts(PRIOR_NANOS, PRIOR_OUTPUT_TOKENS))

    def came_to(self, event: UsageEvent) -> Amounts:
        """What an event counts for on budgets that held nothing for it; an unknown price counts as the dearest one."""
        tokens = event.usage.total_tokens
        nanos = event.cost_nanos
        if nanos is None:
            nanos = self.stand_in(event.provider, tokens, event.at / MICROS)
        return Amounts(nanos, tokens)

    def stand_in(self, provider: str | None, tokens: int, now: float) -> int | None:
        """What tokens of unknown cost count as on a budget, in nano-dollars; `None` where not even that is known."""
        if self.fallback is not None:
            return self.fallback * tokens
        per_token = self._book().dearest_rate(provider, now)
        return None if per_token is None else ceil(per_token * NANOS_PER_USD * tokens)

    def _prior(self, request: CallRequest, now: float) -> Amounts:
        output = min(PRIOR_OUTPUT_TOKENS, request.max_output_tokens or PRIOR_OUTPUT_TOKENS) * request.choices
        media = media_in(request)
        inputs = ceil(request.input_bytes / BYTES_PER_TOKEN) + media.expected
        return Amounts(self._dearest(request, inputs, output, now), inputs + output)

    def _strict(self, request: CallRequest, now: float) -> Amounts:
        bound = self.bound(request)
        return Amounts(self._dearest(request, *bound, now), sum(bound))

    def bound(self, request: CallRequest) -> tuple[int, int]:
        """The most tokens that a call can take in and answer, as far as bytes and published rules bound them."""
        inputs = request.input_bytes + media_in(request).most + most_framing(request.model)
        return inputs, self.most_output(request)

    def most_output(self, request: CallRequest) -> int:
        """The most tokens that a call can answer: its own limit, else its model's."""
        limit = request.max_output_tokens
        if limit is None:
            found = self._book().find(request.provider or None, request.model)
            limit = (found and found.context_window) or OUTPUT_LIMIT
        return limit * request.choices

    def _dearest(self, request: CallRequest, inputs: int, output: int, now: float) -> int | None:
        """The most these tokens can cost at this model's rates, rounded up."""
        context = {"service_tier": request.service_tier} if request.service_tier else None
        rates = self._book().rates(request.provider, request.model, now, context)
        if rates is not None and prices_calls(rates):
            return dearest_nanos(rates, inputs, output)
        return self.stand_in(request.provider, inputs + output, now)


def prices_calls(price: ModelPrice) -> bool:
    """Whether these rates say what a call costs from its tokens; a rate per image or second alone does not."""
    return any(name == REQUESTS or name.endswith("_tokens") for name in price.rates)


def media_in(request: CallRequest) -> Tokens:
    """Tokens of everything in a request that is no text, with a stated guess where no rule gives them."""
    found = [media_tokens(media, request.model) or UNRULED for media in request.media]
    unknown = request.media_items - len(found)
    return Tokens(
        sum(tokens.expected for tokens in found) + unknown * UNRULED.expected,
        sum(tokens.most for tokens in found) + unknown * UNRULED.most,
    )


def dearest_nanos(price: ModelPrice, inputs: int, output: int) -> int:
    """What these tokens cost if every one were of the dearest kind, at any tier this size can reach."""
    total = Fraction(0)
    for name, rate in price.rates.items():
        if name == REQUESTS:
            total += rate.base
    total += inputs * _highest(price, inputs, ("input_", "cache_")) + output * _highest(price, inputs, ("output_",))
    return ceil(total * NANOS_PER_USD)


def _highest(price: ModelPrice, inputs: int, prefixes: tuple[str, ...]) -> Fraction:
    rates = [rate for name, rate in price.rates.items() if name.startswith(prefixes) and name.endswith("_tokens")]
    reachable = [
        step for rate in rates for step in (rate.base, *(tier for start, tier in rate.tiers if start < inputs))
    ]
    return max(reachable, default=Fraction(0))
