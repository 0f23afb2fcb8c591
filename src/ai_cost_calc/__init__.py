"""What each AI call costs, who it was for, and whether a budget allows it, before the call is made.

    from ai_cost_calc import AiCostCalc, Budget

    calc = AiCostCalc(budgets=[Budget("25.00", per="day")])
    client = calc.wrap(OpenAI())

Everything an application needs is here; modules below are private unless a page of the documentation names them.
"""

from ai_cost_calc.client import AiCostCalc, AiCostCalcError, CostResult, ModelPricing
from ai_cost_calc.core.budget import Budget
from ai_cost_calc.core.money import Money
from ai_cost_calc.core.pricing import Cost
from ai_cost_calc.core.reading import Reading
from ai_cost_calc.core.usage import Usage
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
