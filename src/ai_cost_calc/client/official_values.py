"""The values of the official `ai-cost-calc` 1.3.13: what its callbacks and methods give."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass
class AiCostCalcError:
    """What `on_error` is called with.

    Attributes:
        message: what happened.
        cause: the exception behind it, if there is one.
        events: the events it is about, if any; none of them is lost.
    """

    message: str
    cause: BaseException | None = None
    events: list[Any] | None = None


@dataclass
class ModelPricing:
    """A model's standard rates in US dollars per million tokens.

    Attributes:
        slug: provider and model, such as `openai/gpt-4o`.
        input_price_per_1m: of a million input tokens.
        output_price_per_1m: of a million output tokens.
    """

    slug: str
    input_price_per_1m: Decimal
    output_price_per_1m: Decimal


@dataclass
class CostResult:
    """What `cost` gives: US dollars, exact.

    Attributes:
        model: as it was asked for.
        input_cost: what the input comes to; likewise `output_cost`.
        total_cost: both together.
        input_tokens: tokens of the input; likewise `output_tokens`.
        estimated: whether the tokens were counted from texts.
        method: where the tokens are from: `given`, the encoding that counted them, or `bytes`.
    """

    model: str
    input_cost: Decimal
    output_cost: Decimal
    total_cost: Decimal
    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False
    method: str = "given"
