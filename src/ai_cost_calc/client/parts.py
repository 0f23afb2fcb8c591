"""What an `AiCostCalc` is made of. Loaded with the first one, so that `import ai_cost_calc` stays quick."""

from __future__ import annotations

from collections.abc import Callable

from ai_cost_calc.budgets import open_budget_store
from ai_cost_calc.budgets.learning import Learned
from ai_cost_calc.client.billing import Biller, EventIds
from ai_cost_calc.client.budgets import Budgets
from ai_cost_calc.client.catch_up import CatchUp
from ai_cost_calc.client.estimating import Estimator
from ai_cost_calc.client.guard import Guard
from ai_cost_calc.client.metering import Metering
from ai_cost_calc.client.resources import Books, Prices
from ai_cost_calc.client.stats import Counters
from ai_cost_calc.config import Config
from ai_cost_calc.delivery import Delivery

__all__ = ["Books", "Budgets", "CatchUp", "Config", "Counters", "Delivery", "Guard", "Prices", "metering_of"]


def metering_of(
    config: Config, prices: Prices, delivery: Delivery, counters: Counters, clock: Callable[[], float]
) -> Metering:
    """What guards and bills calls, as these settings say."""
    ids = EventIds()
    return Metering(
        store=open_budget_store(config.budget_store),
        delivery=delivery,
        biller=Biller(book=prices.book, ids=ids, counters=counters, organization=config.organization),
        estimator=Estimator(prices.book, Learned(), config.fallback_nanos_per_token),
        counters=counters,
        ids=ids,
        clock=clock,
        default_feature=config.default_event_type,
        lease_seconds=config.lease_seconds,
    )
