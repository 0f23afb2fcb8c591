"""The command line: `ai-cost-calc demo | report | cost | tail | prices | reprice | budgets | doctor`.

Data goes to stdout, messages to stderr. Exit codes: 0 ok, 1 failed, 2 wrong usage or settings, 3 over budget.
May import every other package; nothing imports it.
"""

from __future__ import annotations

import sys
from typing import Final

INTERRUPTED: Final = 130
"""What shells say of a program that Ctrl-C ended."""


def main() -> None:
    """Run the command line; says what to install when its libraries are not there."""
    try:
        from ai_cost_calc.cli.app import run
    except ModuleNotFoundError as exc:
        if exc.name not in {"typer", "rich"}:
            raise
        sys.stderr.write(f"ai-cost-calc needs {exc.name}: pip install 'ai-cost-calc[cli]'\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    run()
