"""tokencost: tokens of the three kinds it knows, on the table that ships in its wheel."""

from __future__ import annotations

import importlib
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).parent.parent)  # this file is not to be imported as `tokencost`


def main() -> None:
    """Answer."""
    costs: Any = importlib.import_module("tokencost.costs")
    table: Any = importlib.import_module("tokencost.constants").TOKEN_COSTS
    shared = importlib.import_module("peers._answer")

    def cost(call: dict[str, Any]) -> Decimal | None:
        names = (call["model"].lower(), f"{call['provider']}/{call['model']}".lower())
        model = next((name for name in names if name in table), None)
        if model is None:
            return None
        used = call["usage"].get
        cached = used("cache_read_tokens", 0)
        by_kind = {"input": used("input_tokens", 0) - cached, "cached": cached, "output": used("output_tokens", 0)}
        return sum(
            (
                Decimal(costs.calculate_cost_by_tokens(tokens, model, kind))
                for kind, tokens in by_kind.items()
                if tokens
            ),
            Decimal(0),
        )

    shared.answer("tokencost", cost)


if __name__ == "__main__":
    main()
