"""What a process remembers of answers that are still being made."""

from __future__ import annotations

from ai_cost_calc.providers._jobs import JOBS


def forget() -> None:
    """Remember no more than another process would."""
    for remembered in (JOBS._running, JOBS._recorded, JOBS._behind):
        remembered.clear()
