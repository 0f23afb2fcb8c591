"""`AiCostCalc` and what it is made of: guarding, billing, budgets in force, reports, the official surface.

May import everything below it: providers, budgets, ledgers, delivery, prices, context, config, ports, core, errors.
"""

from ai_cost_calc.client.calc import AiCostCalc

__all__ = ["AiCostCalc"]
