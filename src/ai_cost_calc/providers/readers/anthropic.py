"""Anthropic: messages, batches of them, and what it does not bill or report.

Source: Anthropic's API reference; Claude Platform on AWS (`aws-external-anthropic`) speaks the same API.
"""

from __future__ import annotations

from typing import Final

from ai_cost_calc.providers.readers._anthropic_shape import MESSAGES
from ai_cost_calc.providers.readers._batch_shape import batch_results
from ai_cost_calc.providers.readers._flavour import FREE, UNREPORTED, Vendor
from ai_cost_calc.providers.readers._openai_shape import CHAT

ANTHROPIC: Final = Vendor(
    name="anthropic",
    hosts=(r"api\.anthropic\.com", r"aws-external-anthropic\.[\w-]+\.api\.aws"),
    paths=(
        (r"/messages/count_tokens$|/models(/[^/]+)?$", "count_tokens"),
        (r"/messages/batches/[^/]+/results$", "batch_results"),
        (r"/messages/batches", "batches"),
        (r"/complete$", "complete_legacy"),
    ),
    flavours={
        "messages": MESSAGES,
        "chat": CHAT,
        "count_tokens": FREE,
        "batches": FREE,
        "batch_results": batch_results({"messages": MESSAGES}),
        "complete_legacy": UNREPORTED,
    },
)
