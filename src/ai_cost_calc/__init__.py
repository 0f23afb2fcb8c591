"""What each AI call costs, who it was for, and whether a budget allows it, before the call is made.

    from ai_cost_calc import AiCostCalc, Budget

    calc = AiCostCalc(budgets=[Budget("25.00", per="day")])
    client = calc.wrap(OpenAI())

Everything an application needs is here; modules below are private unless a page of the documentation names them.
"""

from typing import TYPE_CHECKING, Any

from ai_cost_calc.client import AiCostCalc
from ai_cost_calc.core.budget import Budget
from ai_cost_calc.core.money import Money
from ai_cost_calc.errors import (
    BudgetExceeded,
    BudgetStoreError,
    ConfigError,
    CostCalcError,
    LedgerError,
    LedgerUnavailable,
    UnknownPrice,
    UnsupportedClient,
)

if TYPE_CHECKING:
    from ai_cost_calc.client.official_values import AiCostCalcError, CostResult, ModelPricing
    from ai_cost_calc.core.pricing import Cost
    from ai_cost_calc.core.reading import Reading
    from ai_cost_calc.core.usage import Usage
    from ai_cost_calc.providers import read_usage

__all__ = [
    "AiCostCalc",
    "AiCostCalcError",
    "Budget",
    "BudgetExceeded",
    "BudgetStoreError",
    "ConfigError",
    "Cost",
    "CostCalcError",
    "CostResult",
    "LedgerError",
    "LedgerUnavailable",
    "ModelPricing",
    "Money",
    "Reading",
    "UnknownPrice",
    "UnsupportedClient",
    "Usage",
    "read_usage",
]

__version__ = "2.0.0.dev0"

_LATER = {
    "AiCostCalcError": "ai_cost_calc.client.official_values",
    "CostResult": "ai_cost_calc.client.official_values",
    "ModelPricing": "ai_cost_calc.client.official_values",
    "Cost": "ai_cost_calc.core.pricing",
    "Reading": "ai_cost_calc.core.reading",
    "Usage": "ai_cost_calc.core.usage",
    "read_usage": "ai_cost_calc.providers",
}
"""What few programs ask for by name, or only once they have made a client, which loads it."""


def __getattr__(name: str) -> Any:
    """What is loaded when it is first asked for, so that importing the package stays quick (PEP 562)."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - nobody needs it before

    found = globals()[name] = getattr(import_module(_LATER[name]), name)
    return found
