"""Makes the page: `python -m benchmarks.comparison --peer litellm=PYTHON … [--recorded FOLDER] [--page FILE]`.

Each peer is run by the Python of an environment of its own; nothing here is imported there, nor the other way round.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Final

from ai_cost_calc import AiCostCalc
from benchmarks.comparison.page import Side, outcome, page
from benchmarks.comparison.reasons import reason
from benchmarks.comparison.usages import TODAY, Call, recorded_calls

ROOT: Final = Path(__file__).resolve().parents[2]
NAMES: Final = {"litellm": "LiteLLM", "tokencost": "tokencost", "openai-cost-calculator": "openai-cost-calculator"}
TIMEOUT_SECONDS: Final = 300


def main() -> None:
    """Read the recordings, ask everybody, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", action="append", default=[], help="NAME=PYTHON of an environment with that library.")
    parser.add_argument(
        "--recorded", type=Path, default=ROOT.parent / "shared" / "recorded", help="Recorded responses."
    )
    parser.add_argument(
        "--page", type=Path, default=ROOT / "docs/explanation/price-comparison.md", help="What to write."
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, AiCostCalc("memory:", data_dir=folder) as calc:
        calls = list(recorded_calls(options.recorded, calc))
        if not calls:
            parser.error(f"there are no recordings in {options.recorded}")
        peers = [ask(name, python, calls, calc) for name, _, python in (peer.partition("=") for peer in options.peer)]
        versions = {"ai_cost_calc": version("ai-cost-calc"), "genai-prices": version("genai-prices")}
    versions |= {peer.name: peer.version for peer in peers}
    date = datetime.now(UTC).date().isoformat()
    options.page.write_text(page(calls, peers, date=date, versions=versions), encoding="utf-8")


def ask(name: str, python: str, calls: Sequence[Call], calc: AiCostCalc) -> Side:
    """What a peer says of each call, and why that differs where it does."""
    script = Path(__file__).parent / "peers" / f"{name.replace('-', '_')}.py"
    asked = json.dumps([
        {
            "provider": call.reading.provider, "model": call.reading.model, "usage": call.usage.counts(),
            "service_tier": call.reading.service_tier, "at": TODAY.timestamp(),
        }
        for call in calls
    ])  # fmt: skip
    done = subprocess.run(
        [python, str(script)], input=asked, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=True
    )
    answered = json.loads(done.stdout)
    costs = [None if cost is None else Decimal(cost) for cost in answered["costs"]]
    reasons = {
        place: reason(call, cost, calc)
        for place, (call, cost) in enumerate(zip(calls, costs, strict=True))
        if cost is not None and outcome(call.now, cost) == "differ"
    }
    return Side(name=NAMES[name], version=answered["version"], costs=costs, reasons=reasons)


if __name__ == "__main__":
    main()
