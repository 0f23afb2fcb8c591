"""Stream answers of Claude: to the end, and with the stream left early.

Runs against a simulated provider. `--real` calls Anthropic with the key in ANTHROPIC_API_KEY, and spends money.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from anthropic import Anthropic

from ai_cost_calc import AiCostCalc
from ai_cost_calc.testing import ProviderSimulator

if TYPE_CHECKING:
    from anthropic.lib.streaming import MessageStreamManager


def ask(client: Anthropic) -> MessageStreamManager:
    """Begin a stream."""
    return client.messages.stream(
        model="claude-haiku-4-5", max_tokens=2_000, messages=[{"role": "user", "content": "Tell me a long story."}]
    )


def main(anthropic: Anthropic) -> None:
    """Read one stream to its end and leave another after its first words."""
    with AiCostCalc("memory:") as calc, calc.metered(anthropic, customer_id="acme") as client:
        with calc.attribute(feature="whole"), ask(client) as stream:
            print(f"read to its end: {sum(map(len, stream.text_stream))} characters")
        with calc.attribute(feature="left-early"), ask(client) as stream:
            print(f"left after: {len(next(iter(stream.text_stream)))} characters")
        for row in calc.report("feature"):
            usage = row.usage
            print(
                f"{row.feature}: {usage.input_tokens} in, {usage.output_tokens} out, ${row.cost}, "
                f"of which estimated ${row.estimated_cost}"
            )


if __name__ == "__main__":
    if "--real" in sys.argv:
        with Anthropic() as client:
            main(client)
    else:
        with (
            ProviderSimulator(usage={"input_tokens": 2_000, "output_tokens": 400}) as provider,
            Anthropic(base_url=provider.anthropic_base_url, api_key="not-needed") as client,
        ):
            main(client)
