"""What was read from one provider's response: usage, and the facts that its price depends on."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from ai_cost_calc.core.usage import Usage


class Reading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, repr_omit_defaults=True):
    """What was read from one response. Never holds content: no prompt, completion, tool argument or header.

    Attributes:
        usage: the counts, or `None` when the response carries none (an error, a free endpoint, a job not yet done).
        model: the model that answered, as the provider names it; the requested one where the response has none.
        provider: whose API answered, in genai-prices' ids (`openai`, `azure`, `anthropic`, `aws`, …).
        service_tier: the tier that was billed: `default`, `flex`, `priority`, `batch`, …
        speed: `fast` where the provider sells speed.
        region: where it ran, when that changes the price (Anthropic's `inference_geo`, a regional host).
        context: what else its price depends on, by name: `search` is the size of searches (`low`, `medium`, `high`) or
            their kind (`preview`, `attachments`) where that has a price of its own.
        response_id: the provider's id of the response; a background job is recorded once per id.
        complete: False when the usage is a lower bound (an aborted stream, a stream without usage).
        estimated: True when counts were estimated by us rather than reported.
        provider_cost_usd: the cost as the provider states it.
        also: further readings billed on top (Anthropic's compaction and advisor iterations).
        anomaly: why reported counts had to be corrected.
        calls: how many requests the usage is the sum of (a batch): rates that depend on a request's size go by their
            average, and fees per request count as often.
    """

    usage: Usage | None = None
    model: str | None = None
    provider: str | None = None
    service_tier: str | None = None
    speed: str | None = None
    region: str | None = None
    context: dict[str, str] = {}
    response_id: str | None = None
    complete: bool = True
    estimated: bool = False
    provider_cost_usd: Decimal | None = None
    also: tuple[Reading, ...] = ()
    anomaly: str | None = None
    calls: int = 1
